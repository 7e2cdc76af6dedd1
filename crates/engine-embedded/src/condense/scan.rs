//! A bill whose alike lines are one: the table that DataFusion scans instead of the bill.

use super::groups::{Groups, bits};
use super::keys::{Classes, KeyPlan, read_type};
use super::terms::{Term, TermPlan};
use super::{Condensed, LINES};
use crate::read::{Source, Wanted};
use crate::scan::{BillTable, Counters, Units, Work};
use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, plan_err};
use datafusion::datasource::TableType;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use std::sync::Arc;

/// Kinds of lines that all threads hold together, at about 100 bytes each; beyond, what is there is handed on and begun anew.
const MOST_GROUPS: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct CondensedBill {
    source: Arc<Source>,
    counters: Arc<Counters>,
    pub condensed: Condensed,
    schema: SchemaRef,
}

impl CondensedBill {
    pub fn new(bill: &BillTable, condensed: Condensed, of_bill: &DFSchema) -> Result<CondensedBill> {
        let schema = Arc::new(condensed.schema(of_bill)?);
        Ok(CondensedBill { source: Arc::clone(&bill.source), counters: Arc::clone(&bill.counters), condensed, schema })
    }

    /// Names of the bill's columns that are read, in the bill's order.
    fn columns(&self) -> Vec<String> {
        let of_keys = self.condensed.keys.iter().flat_map(|key| key.columns.iter().map(String::as_str));
        let amounts = self.condensed.terms.iter().chain(&self.condensed.tests).flat_map(Expr::column_refs);
        let read: Vec<&str> = of_keys.chain(amounts.map(|column| column.name.as_str())).collect();
        let fields = self.source.schema.fields().iter().map(|field| field.name().clone());
        fields.filter(|name| read.contains(&name.as_str())).collect()
    }

    /// How the columns are to be read, and the plan of what is done with them.
    fn plan(&self, session: &dyn Session) -> Result<(Arc<[Wanted]>, Plan)> {
        let columns = self.columns();
        let bill = DFSchema::try_from(self.source.schema.as_ref().clone())?;
        let places: Vec<usize> = columns.iter().map(|name| self.source.schema.index_of(name)).collect::<Result<_, _>>()?;
        let mut wanted = self.source.wanted(&places).to_vec();
        for (wanted, place) in wanted.iter_mut().zip(&places) {
            wanted.data_type = read_type(self.source.schema.field(*place).data_type());
        }
        let key = |key| KeyPlan::new(key, &columns, &bill, session);
        let keys = self.condensed.keys.iter().map(key).collect::<Result<Vec<_>>>()?;
        let is_amount = |(_, name): &(usize, &String)| self.source.is_amount(name);
        let amounts: Vec<usize> = columns.iter().enumerate().filter(is_amount).map(|(place, _)| place).collect();
        let of_amounts =
            Schema::new(amounts.iter().map(|place| self.source.schema.field(places[*place]).clone()).collect::<Vec<_>>());
        let term = |expr: &Expr| TermPlan::new(expr, &of_amounts, session);
        let terms = self.condensed.terms.iter().map(term).collect::<Result<Vec<_>>>()?;
        let tests = self.tests(&of_amounts, session)?;
        let of_amounts = Arc::new(of_amounts);
        let plan = Plan { keys, amounts, of_amounts, terms, tests, schema: Arc::clone(&self.schema) };
        Ok((wanted.into(), plan))
    }

    /// A test may use what a term made of the amounts.
    fn tests(&self, of_amounts: &Schema, session: &dyn Session) -> Result<Tests> {
        let only_terms = Condensed { terms: self.condensed.terms.clone(), ..Condensed::default() };
        let test = |expr: &Expr| super::expressions::over_condensed(expr.clone(), &only_terms);
        let tests = self.condensed.tests.iter().map(test).collect::<Result<Vec<Expr>>>()?;
        let is_read = |name: &str| tests.iter().any(|test| test.column_refs().iter().any(|column| column.name == name));
        let (mut fields, mut inputs) = (Vec::new(), Vec::new());
        for (place, field) in of_amounts.fields().iter().enumerate().filter(|(_, field)| is_read(field.name())) {
            fields.push(Arc::clone(field));
            inputs.push(Input::Amount(place));
        }
        for (place, (_, column)) in only_terms.columns().enumerate() {
            let name = column.schema_name().to_string();
            if is_read(&name) {
                fields.push(Arc::new(self.schema.field_with_name(&name)?.clone()));
                inputs.push(Input::Term(place));
            }
        }
        let schema = Schema::new(fields);
        let named = DFSchema::try_from(schema.clone())?;
        let physical = |expr: Expr| session.create_physical_expr(expr, &named);
        Ok(Tests { inputs, schema: Arc::new(schema), tests: tests.into_iter().map(physical).collect::<Result<_>>()? })
    }
}

#[async_trait]
impl TableProvider for CondensedBill {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (wanted, plan) = self.plan(session)?;
        let batch_rows = session.config().batch_size();
        let work = Work::new(Arc::clone(&self.source), wanted, None, batch_rows, Arc::clone(&self.counters));
        let partitions = work.partitions(session.config().target_partitions());
        let plan = Arc::new(plan);
        let partition = Partition { plan, work: Arc::new(work), batch_rows, most_groups: MOST_GROUPS / partitions };
        let streams = (0..partitions).map(|_| Arc::new(partition.clone()) as Arc<dyn PartitionStream>).collect();
        Ok(Arc::new(StreamingTableExec::try_new(Arc::clone(&self.schema), streams, projection, [], false, limit)?))
    }
}

/// What is done with a batch of the bill.
#[derive(Debug)]
struct Plan {
    keys: Vec<KeyPlan>,
    /// Columns of amounts among those read.
    amounts: Vec<usize>,
    of_amounts: SchemaRef,
    terms: Vec<TermPlan>,
    tests: Tests,
    schema: SchemaRef,
}

/// Comparisons of amounts, and what they read.
#[derive(Debug)]
struct Tests {
    inputs: Vec<Input>,
    schema: SchemaRef,
    tests: Vec<Arc<dyn PhysicalExpr>>,
}

#[derive(Debug, Clone, Copy)]
enum Input {
    Amount(usize),
    Term(usize),
}

impl Plan {
    /// The answer of each test for each row.
    fn answers(&self, amounts: &RecordBatch, terms: &[Term]) -> Result<Vec<ArrayRef>> {
        let rows = amounts.num_rows();
        let input = |input: &Input| match *input {
            Input::Amount(place) => Arc::clone(amounts.column(place)),
            Input::Term(place) => self.terms[place].array(&terms[place], rows),
        };
        let batch = batch(&self.tests.schema, self.tests.inputs.iter().map(input).collect(), rows)?;
        self.tests.tests.iter().map(|test| test.evaluate(&batch)?.into_array(rows)).collect()
    }
}

/// A batch that may have no columns.
fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

#[derive(Debug, Clone)]
struct Partition {
    plan: Arc<Plan>,
    work: Arc<Work>,
    batch_rows: usize,
    most_groups: usize,
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.plan.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let condenser =
            Condenser { partition: self.clone(), units: Units::new(Arc::clone(&self.work)), kinds: None, ready: None };
        let stream = futures::stream::unfold(Some(condenser), |condenser| async {
            let mut condenser = condenser?;
            loop {
                match condenser.step() {
                    Ok(Step::Batch(batch)) => return Some((Ok(batch), Some(condenser))),
                    // So that a statement can be stopped between two batches.
                    Ok(Step::More) => tokio::task::yield_now().await,
                    Ok(Step::End) => return None,
                    Err(error) => return Some((Err(error), None)),
                }
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.plan.schema), stream))
    }
}

enum Step {
    Batch(RecordBatch),
    More,
    End,
}

/// Reads units of the bill and adds them up.
struct Condenser {
    partition: Partition,
    units: Units,
    kinds: Option<Kinds>,
    /// Kinds that are complete, and the place up to which they were handed on.
    ready: Option<(Finished, usize)>,
}

impl Condenser {
    fn step(&mut self) -> Result<Step> {
        if let Some((finished, from)) = &mut self.ready {
            let to = finished.kinds.groups.len().min(*from + self.partition.batch_rows);
            if *from < to {
                let batch = finished.batch(&self.partition.plan, *from, to)?;
                *from = to;
                return Ok(Step::Batch(batch));
            }
            self.ready = None;
        }
        let kinds = match &mut self.kinds {
            Some(kinds) => kinds,
            none => none.insert(Kinds::new(&self.partition.plan)?),
        };
        let ended = match self.units.next() {
            Some(batch) => {
                kinds.add(&self.partition.plan, &batch?)?;
                false
            }
            None => true,
        };
        let groups = kinds.groups.len();
        if groups > 0 && (ended || groups >= self.partition.most_groups) {
            self.ready = self.kinds.take().map(Kinds::finish).transpose()?.map(|finished| (finished, 0));
            return Ok(Step::More);
        }
        Ok(if ended { Step::End } else { Step::More })
    }
}

/// Kinds of lines met so far.
struct Kinds {
    keys: Vec<Classes>,
    groups: Groups,
    /// Of the batch at hand, in memory that is used again.
    classes: Vec<u32>,
    terms: Vec<Term>,
    bits: Vec<u64>,
}

impl Kinds {
    fn new(plan: &Plan) -> Result<Kinds> {
        let keys = plan.keys.iter().map(Classes::new).collect::<Result<Vec<_>>>()?;
        let terms = plan.terms.iter().map(|_| Term::default()).collect();
        Ok(Kinds { groups: Groups::new(keys.len()), keys, classes: Vec::new(), terms, bits: Vec::new() })
    }

    fn add(&mut self, plan: &Plan, lines: &RecordBatch) -> Result<()> {
        let rows = lines.num_rows();
        if rows == 0 {
            return Ok(());
        }
        self.classes.resize(rows * self.keys.len(), 0);
        for (place, (key, classes)) in self.keys.iter_mut().zip(self.classes.chunks_exact_mut(rows)).enumerate() {
            let largest = key.classify(lines, classes)?;
            self.groups.widen(place, largest);
        }
        let columns = plan.amounts.iter().map(|place| Arc::clone(lines.column(*place))).collect();
        let amounts = batch(&plan.of_amounts, columns, rows)?;
        for (term, plan) in self.terms.iter_mut().zip(&plan.terms) {
            plan.of(&amounts, term)?;
        }
        let tests = plan.answers(&amounts, &self.terms)?;
        bits(rows, &self.terms, &tests, &mut self.bits);
        self.groups.add(&self.classes, &self.bits, &self.terms)
    }

    fn finish(self) -> Result<Finished> {
        let outputs = self.keys.iter().map(Classes::outputs).collect::<Result<Vec<_>>>()?;
        Ok(Finished { kinds: self, outputs })
    }
}

/// Kinds of lines, and for each key what its expressions give for each class.
struct Finished {
    kinds: Kinds,
    outputs: Vec<Vec<ArrayRef>>,
}

impl Finished {
    /// The condensed lines from one place to another.
    fn batch(&self, plan: &Plan, from: usize, to: usize) -> Result<RecordBatch> {
        let groups = &self.kinds.groups;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(plan.schema.fields().len());
        for (key, outputs) in self.outputs.iter().enumerate() {
            let classes = UInt32Array::from(groups.classes(key, from, to));
            for output in outputs {
                columns.push(take(output, &classes, None)?);
            }
        }
        columns.extend((0..plan.tests.tests.len()).map(|test| groups.test(plan.terms.len() + 2 * test, from, to)));
        for term in 0..plan.terms.len() {
            let Some(field) = plan.schema.fields().get(columns.len()) else { return plan_err!("{LINES} is missing") };
            columns.push(groups.term(term, field.data_type(), from, to));
        }
        columns.push(groups.lines(from, to));
        Ok(RecordBatch::try_new(Arc::clone(&plan.schema), columns)?)
    }
}
