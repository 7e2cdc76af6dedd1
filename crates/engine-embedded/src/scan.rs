//! The table `bill` for DataFusion: pushes the projection into the readers and streams batches from a shared queue of units.
//!
//! After the format's columns it has two of its own: `bill_file`, the file's name, and `bill_row`, the row's number in it from 1.

use crate::read::{Batches, Source, Unit, Wanted};
use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What a scan read so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub rows: AtomicU64,
    /// Of the columns asked for as they lie in Parquet files, and of whole CSV files.
    pub bytes: Arc<AtomicU64>,
}

#[derive(Debug)]
pub(crate) struct BillTable {
    pub source: Arc<Source>,
    pub counters: Arc<Counters>,
}

const BILL_FILE: &str = "bill_file";
const BILL_ROW: &str = "bill_row";

#[async_trait]
impl TableProvider for BillTable {
    fn schema(&self) -> SchemaRef {
        let declared = self.source.schema.fields().iter().cloned();
        let own = [Field::new(BILL_FILE, DataType::Utf8, false), Field::new(BILL_ROW, DataType::Int64, false)];
        Arc::new(Schema::new(declared.chain(own.map(Arc::new)).collect::<Vec<_>>()))
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let whole = self.schema();
        let declared = self.source.schema.fields().len();
        let all: Vec<usize> = (0..whole.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        let schema: SchemaRef = Arc::new(whole.project(projection)?);
        let read: Vec<usize> = projection.iter().copied().filter(|index| *index < declared).collect();
        let has_own = read.len() < projection.len();
        let work = Arc::new(Work {
            source: Arc::clone(&self.source),
            wanted: self.source.wanted(&read),
            own: has_own.then(|| Arc::clone(&schema)),
            units: self.source.units(),
            next: AtomicUsize::new(0),
            batch_rows: state.config().batch_size(),
            counters: Arc::clone(&self.counters),
        });
        let partitions = state.config().target_partitions().min(work.units.len()).max(1);
        let streams = (0..partitions)
            .map(|_| Arc::new(Partition { schema: Arc::clone(&schema), work: Arc::clone(&work) }) as Arc<dyn PartitionStream>)
            .collect();
        Ok(Arc::new(StreamingTableExec::try_new(schema, streams, None, [], false, limit)?))
    }
}

/// The units of one scan; partitions take the next one until none is left, so that both threads end together.
#[derive(Debug)]
struct Work {
    source: Arc<Source>,
    wanted: Arc<[Wanted]>,
    /// The schema of what is asked for, if it has columns of the table's own.
    own: Option<SchemaRef>,
    units: Vec<Unit>,
    next: AtomicUsize,
    batch_rows: usize,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct Partition {
    schema: SchemaRef,
    work: Arc<Work>,
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = Units { work: Arc::clone(&self.work), current: None, file: String::new() };
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::iter(batches)))
    }
}

/// Batches of unit after unit.
struct Units {
    work: Arc<Work>,
    current: Option<Batches>,
    /// Name of the file being read.
    file: String,
}

impl Units {
    /// The batch as it was asked for: with file and row number where those are wanted, in their places.
    fn with_own(&self, batch: RecordBatch, next_row: u64) -> Result<RecordBatch> {
        let Some(schema) = &self.work.own else { return Ok(batch) };
        let rows = batch.num_rows();
        let mut declared = batch.columns().iter().cloned();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let own: Option<ArrayRef> = match field.name().as_str() {
                BILL_FILE => Some(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&self.file, rows)))),
                BILL_ROW => {
                    let first = next_row.saturating_sub(rows as u64);
                    Some(Arc::new(Int64Array::from_iter_values((first..next_row).map(|row| row as i64))))
                }
                _ => declared.next(),
            };
            columns.extend(own);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
    }
}

impl Iterator for Units {
    type Item = Result<RecordBatch, DataFusionError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.current.is_none() {
                let unit = *self.work.units.get(self.work.next.fetch_add(1, Ordering::Relaxed))?;
                match self.work.source.read(unit, &self.work.wanted, self.work.batch_rows) {
                    Ok(batches) => {
                        let bytes = self.work.source.bytes(unit, &self.work.wanted);
                        self.work.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
                        self.current = Some(batches);
                        self.file = self.work.source.file_name(unit);
                    }
                    Err(error) => return Some(Err(error.into())),
                }
            }
            let next = self.current.as_mut().and_then(|batches| batches.next().map(|batch| (batch, batches.next_row())));
            match next {
                Some((Ok(batch), next_row)) => {
                    self.work.counters.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                    return Some(self.with_own(batch, next_row));
                }
                Some((Err(error), _)) => return Some(Err(error.into())),
                None => self.current = None,
            }
        }
    }
}
