//! Amounts of a batch as the decimals that are summed.

use crate::to_decimal::ToDecimal;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, PrimitiveArray, RecordBatch};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Schema};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, exec_err};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::PhysicalExpr;
use std::sync::Arc;

/// A term ready to run.
#[derive(Debug)]
pub(super) struct TermPlan {
    expr: Arc<dyn PhysicalExpr>,
    data_type: DataType,
    /// The term is that cast of the double in that column, and nothing else.
    cast: Option<(ToDecimal, usize)>,
}

impl TermPlan {
    /// `amounts` are the columns that terms are made of.
    pub fn new(expr: &Expr, amounts: &Schema, session: &dyn Session) -> Result<TermPlan> {
        let named = DFSchema::try_from(amounts.clone())?;
        let physical = session.create_physical_expr(expr.clone(), &named)?;
        let data_type = physical.data_type(amounts)?;
        let cast = ToDecimal::of(expr).and_then(|(cast, argument)| match argument {
            Expr::Column(column) => Some((cast.clone(), amounts.index_of(&column.name).ok()?)),
            _ => None,
        });
        let cast = cast.filter(|(_, column)| amounts.field(*column).data_type() == &DataType::Float64);
        Ok(TermPlan { expr: physical, data_type, cast })
    }

    /// What the term is in a batch; `term` is what it was in the one before, whose memory is used again.
    pub fn of(&self, amounts: &RecordBatch, term: &mut Term) -> Result<()> {
        if let Some((cast, column)) = &self.cast {
            let doubles = amounts.column(*column);
            if doubles.null_count() == doubles.len() {
                term.kind = Kind::Nothing;
                return Ok(());
            }
            if cast.small(doubles.as_primitive::<Float64Type>().values(), &mut term.small) {
                term.kind = Kind::Small(doubles.nulls().cloned());
                return Ok(());
            }
        }
        let array = self.expr.evaluate(amounts)?.into_array(amounts.num_rows())?;
        let Some(decimals) = array.as_primitive_opt::<Decimal128Type>() else {
            return exec_err!("a term is a decimal, not {}", array.data_type());
        };
        term.kind = Kind::Any(decimals.clone());
        Ok(())
    }

    /// The same as an array, for expressions that read it; `rows` are those of the batch.
    pub fn array(&self, term: &Term, rows: usize) -> ArrayRef {
        let array = match &term.kind {
            Kind::Nothing => PrimitiveArray::<Decimal128Type>::new_null(rows),
            Kind::Small(nulls) => {
                Decimal128Array::new(term.small.iter().map(|units| i128::from(*units)).collect(), nulls.clone())
            }
            Kind::Any(array) => array.clone(),
        };
        Arc::new(array.with_data_type(self.data_type.clone()))
    }
}

/// What a term is in each row of a batch.
#[derive(Default)]
pub(super) struct Term {
    kind: Kind,
    /// Units, where [`Kind::Small`] says so.
    small: Vec<i64>,
}

#[derive(Default)]
enum Kind {
    /// NULL everywhere.
    #[default]
    Nothing,
    /// Units that all fit; what lies under a NULL means nothing.
    Small(Option<NullBuffer>),
    Any(Decimal128Array),
}

impl Term {
    pub fn is_nothing(&self) -> bool {
        matches!(self.kind, Kind::Nothing)
    }

    /// Which rows are NULL; `None` where no row is, or where all are and the term is nothing.
    pub fn nulls(&self) -> Option<&NullBuffer> {
        match &self.kind {
            Kind::Nothing => None,
            Kind::Small(nulls) => nulls.as_ref(),
            Kind::Any(array) => array.nulls(),
        }
    }

    pub fn units(&self, row: usize) -> i128 {
        match &self.kind {
            Kind::Nothing => 0,
            Kind::Small(_) => i128::from(self.small[row]),
            Kind::Any(array) => array.value(row),
        }
    }
}
