//! Adds up alike lines of a bill before SQL sees them, so that most expressions run once for each kind of line and not once for each line.
//!
//! `group by f(texts), sum(g(texts, amounts))` is the same over *condensed* lines: lines whose texts give the expressions the same
//! values become one, whose amounts are their sums. That holds where `g` is, for given texts, a sum of amounts: `case` by text, `coalesce`,
//! `+` and `-`. So lines are alike only if
//!
//! - every expression that reads one text, timestamp or map gives the same value (the **keys**),
//! - every comparison of amounts comes out alike (the **tests**), and
//! - the same amounts are NULL (the **terms**: amounts as decimals, which are summed).
//!
//! A bill of millions of lines has some hundred thousand such kinds. [`Condense`] finds the aggregations that this is true of and puts a
//! [`scan::CondensedBill`] in the place of the bill; any other plan stays as it is. `docs/decisions` says why, and tests hold both ways
//! of running a statement to the same result.

mod expressions;
mod groups;
mod keys;
mod numbers;
mod packed;
mod rule;
mod scan;
mod terms;

#[cfg(test)]
mod tests;

pub(crate) use rule::Condense;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, ExprSchemable};

/// The column of a condensed bill that says how many lines became one.
const LINES: &str = "condensed_lines";

/// What a condensed bill holds, in this order of columns; last [`LINES`].
#[derive(Debug, Clone, Default)]
struct Condensed {
    keys: Vec<Key>,
    /// Booleans of amounts alone.
    tests: Vec<Expr>,
    /// Decimals of amounts alone.
    terms: Vec<Expr>,
}

/// Columns of the bill that are numbered together, and what is made of each of their values.
#[derive(Debug, Clone)]
struct Key {
    columns: Vec<String>,
    outputs: Vec<Expr>,
}

fn column(kind: &str, index: usize) -> Expr {
    Expr::Column(Column::from_name(format!("condensed_{kind}_{index}")))
}

impl Condensed {
    /// Every expression and the column that it becomes.
    fn columns(&self) -> impl Iterator<Item = (&Expr, Expr)> {
        let named = |kind: &'static str| move |(index, expr)| (expr, column(kind, index));
        let keys = self.keys.iter().flat_map(|key| &key.outputs).enumerate().map(named("key"));
        let tests = self.tests.iter().enumerate().map(named("test"));
        keys.chain(tests).chain(self.terms.iter().enumerate().map(named("term")))
    }

    /// The condensed bill's schema; `bill` is that of the bill.
    fn schema(&self, bill: &DFSchema) -> Result<Schema> {
        let mut fields = Vec::new();
        for (expr, column) in self.columns() {
            fields.push(Field::new(column.schema_name().to_string(), expr.get_type(bill)?, true));
        }
        fields.push(Field::new(LINES, DataType::Int64, false));
        Ok(Schema::new(fields))
    }
}
