//! The table `bill` for DataFusion: pushes the projection into the readers and streams batches from a shared queue of units.

use crate::read::{Batches, Source, Unit, Wanted};
use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
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
}

#[derive(Debug)]
pub(crate) struct BillTable {
    pub source: Arc<Source>,
    pub counters: Arc<Counters>,
}

#[async_trait]
impl TableProvider for BillTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.source.schema)
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
        let all: Vec<usize> = (0..self.source.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        let schema: SchemaRef = Arc::new(self.source.schema.project(projection)?);
        let work = Arc::new(Work {
            source: Arc::clone(&self.source),
            wanted: self.source.wanted(projection),
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
        let batches = Units { work: Arc::clone(&self.work), current: None };
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::iter(batches)))
    }
}

/// Batches of unit after unit.
struct Units {
    work: Arc<Work>,
    current: Option<Batches>,
}

impl Iterator for Units {
    type Item = Result<RecordBatch, DataFusionError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.current.is_none() {
                let unit = *self.work.units.get(self.work.next.fetch_add(1, Ordering::Relaxed))?;
                match self.work.source.read(unit, &self.work.wanted, self.work.batch_rows) {
                    Ok(batches) => self.current = Some(batches),
                    Err(error) => return Some(Err(error.into())),
                }
            }
            match self.current.as_mut().and_then(Iterator::next) {
                Some(Ok(batch)) => {
                    self.work.counters.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                    return Some(Ok(batch));
                }
                Some(Err(error)) => return Some(Err(error.into())),
                None => self.current = None,
            }
        }
    }
}
