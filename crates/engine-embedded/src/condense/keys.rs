//! Classes of a key: values of its columns of which its expressions make the same.

use super::Key;
use super::numbers::{NULL, Numbers};
use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::arrow::row::{Row, RowConverter, Rows, SortField};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::ExprSchemable;
use datafusion::physical_plan::PhysicalExpr;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::Arc;

/// A key ready to run.
#[derive(Debug, Clone)]
pub(super) struct KeyPlan {
    /// Its columns among those read.
    columns: Vec<usize>,
    /// Their types as expressions see them.
    schema: SchemaRef,
    outputs: Vec<(Arc<dyn PhysicalExpr>, DataType)>,
}

impl KeyPlan {
    /// `read` are the names of the columns read, `bill` is the bill's schema.
    pub fn new(key: &Key, read: &[String], bill: &DFSchema, session: &dyn Session) -> Result<KeyPlan> {
        let (mut columns, mut fields) = (Vec::new(), Vec::new());
        for name in &key.columns {
            let Some(place) = read.iter().position(|other| other == name) else { return plan_err!("{name} is not read") };
            columns.push(place);
            fields.push(bill.field_with_unqualified_name(name)?.as_ref().clone());
        }
        let schema = Schema::new(fields);
        let of_columns = DFSchema::try_from(schema.clone())?;
        let output = |expr: &datafusion::logical_expr::Expr| -> Result<_> {
            Ok((session.create_physical_expr(expr.clone(), &of_columns)?, expr.get_type(bill)?))
        };
        let outputs = key.outputs.iter().map(output).collect::<Result<Vec<_>>>()?;
        Ok(KeyPlan { columns, schema: Arc::new(schema), outputs })
    }
}

/// A value whose class is not known yet.
const UNSEEN: u32 = u32::MAX;

/// The classes of one key that lines were found in.
pub(super) struct Classes {
    plan: KeyPlan,
    numbers: Vec<Numbers>,
    /// Numbers for pairs, where the key has several columns: place of the second column, both numbers.
    pairs: HashMap<(usize, i32, i32), i32>,
    /// The class of each number, from that of NULL.
    of_number: Vec<u32>,
    converter: RowConverter,
    rows: Rows,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Classes {
    pub fn new(plan: &KeyPlan) -> Result<Classes> {
        let converter = RowConverter::new(plan.outputs.iter().map(|(_, kind)| SortField::new(kind.clone())).collect())?;
        Ok(Classes {
            numbers: plan.columns.iter().map(|_| Numbers::default()).collect(),
            plan: plan.clone(),
            pairs: HashMap::default(),
            of_number: Vec::new(),
            rows: converter.empty_rows(0, 0),
            converter,
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        })
    }

    /// Writes each row's class, and says which is the largest.
    pub fn classify(&mut self, batch: &RecordBatch, out: &mut [u32]) -> Result<u32> {
        let numbers = self.number(batch)?;
        let mut largest = self.look_up(&numbers, out);
        if largest == UNSEEN {
            self.evaluate(batch, &numbers)?;
            largest = self.look_up(&numbers, out);
        }
        Ok(largest)
    }

    fn look_up(&self, numbers: &[i32], out: &mut [u32]) -> u32 {
        let mut largest = 0;
        for (number, class) in numbers.iter().zip(out) {
            *class = self.of_number.get((number - NULL) as usize).copied().unwrap_or(UNSEEN);
            largest = largest.max(*class);
        }
        largest
    }

    /// One number for the values of all columns of the key.
    fn number<'a>(&mut self, batch: &'a RecordBatch) -> Result<Cow<'a, [i32]>> {
        let mut of_columns = Vec::with_capacity(self.numbers.len());
        let mut fresh = false;
        for (column, numbers) in self.plan.columns.iter().zip(&mut self.numbers) {
            let (of_column, anew) = numbers.number(batch.column(*column))?;
            of_columns.push(of_column);
            fresh |= anew;
        }
        if fresh {
            self.pairs.clear();
            self.of_number.clear();
        }
        let mut of_columns = of_columns.into_iter().enumerate();
        let mut all = of_columns.next().map(|(_, first)| first).unwrap_or_default();
        for (place, second) in of_columns {
            for (number, second) in all.to_mut().iter_mut().zip(second.iter()) {
                let next = self.pairs.len() as i32;
                *number = *self.pairs.entry((place, *number, *second)).or_insert(next);
            }
        }
        Ok(all)
    }

    /// Finds the classes of values not met before: runs the key's expressions on the first row of each.
    fn evaluate(&mut self, batch: &RecordBatch, numbers: &[i32]) -> Result<()> {
        let mut rows: Vec<u32> = Vec::new();
        for (row, number) in numbers.iter().enumerate() {
            let number = (number - NULL) as usize;
            if number >= self.of_number.len() {
                self.of_number.resize(number + 1, UNSEEN);
            }
            if self.of_number[number] == UNSEEN {
                // No class yet, and not to be asked for twice.
                self.of_number[number] = 0;
                rows.push(row as u32);
            }
        }
        let unseen = UInt32Array::from(rows);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.plan.columns.len());
        for (column, field) in self.plan.columns.iter().zip(self.plan.schema.fields()) {
            columns.push(as_type(&take(batch.column(*column), &unseen, None)?, field.data_type())?);
        }
        let values = RecordBatch::try_new(Arc::clone(&self.plan.schema), columns)?;
        let mut outputs: Vec<ArrayRef> = Vec::with_capacity(self.plan.outputs.len());
        for (expr, kind) in &self.plan.outputs {
            outputs.push(as_type(&expr.evaluate(&values)?.into_array(values.num_rows())?, kind)?);
        }
        let rows = self.converter.convert_columns(&outputs)?;
        for (row, outcome) in unseen.values().iter().zip(&rows) {
            self.of_number[(numbers[*row as usize] - NULL) as usize] = self.class(outcome);
        }
        Ok(())
    }

    fn class(&mut self, outcome: Row<'_>) -> u32 {
        let Classes { rows, table, hasher, .. } = self;
        let hash = hasher.hash_one(outcome);
        if let Some(class) = table.find(hash, |class| rows.row(*class as usize) == outcome) {
            return *class;
        }
        let class = rows.num_rows() as u32;
        rows.push(outcome);
        table.insert_unique(hash, class, |class| hasher.hash_one(rows.row(*class as usize)));
        class
    }

    /// What the expressions give for each class.
    pub fn outputs(&self) -> Result<Vec<ArrayRef>> {
        Ok(self.converter.convert_rows(&self.rows)?)
    }
}

fn as_type(array: &ArrayRef, kind: &DataType) -> Result<ArrayRef> {
    if array.data_type() == kind { Ok(Arc::clone(array)) } else { Ok(cast(array, kind)?) }
}

/// The type in which a column is read for its distinct values: texts as a dictionary.
pub(super) fn read_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8View => crate::read::dictionary_type(),
        other => other.clone(),
    }
}
