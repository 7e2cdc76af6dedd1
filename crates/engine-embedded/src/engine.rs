//! The engine: DataFusion over local files, behind `QueryEngine`.

use crate::condense::Condense;
use crate::cooperate::YieldInJoins;
use crate::error::classify;
use crate::read::Source;
use crate::scan::{BillTable, Counters};
use crate::sum::CheckedSum;
use crate::unordered::ForgetOrder;
use crate::{functions, rows};
use apportion_core::hygiene::TagKeys;
use apportion_engine::{EngineError, ExecutionId, FailureClass, Lookup, Poll, QueryEngine, RowStream, Statement, Table};
use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{AggregateUDF, LogicalPlan};
use datafusion::prelude::SessionConfig;
use futures::{StreamExt, TryStreamExt};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::runtime::Runtime;

/// Rows of a batch: large enough that work for each batch does not count, small enough for the caches.
const BATCH_ROWS: usize = 8192;

/// Runs statements over local files, on threads of its own.
pub struct EmbeddedEngine {
    threads: usize,
    condense: bool,
    runtime: OnceLock<Runtime>,
    executions: Mutex<BTreeMap<ExecutionId, Execution>>,
}

struct Execution {
    statement: Statement,
    state: State,
}

enum State {
    Running(Option<tokio::task::AbortHandle>),
    Done { poll: Poll, result: Option<Arc<Spool>> },
}

/// A result, held in memory: a rollup has some hundred thousand rows at most.
pub(crate) struct Spool {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
}

impl EmbeddedEngine {
    /// One thread for each core.
    pub fn new() -> Self {
        Self::with_threads(std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
    }

    /// With a number of threads of one's own; the result does not depend on it.
    pub fn with_threads(threads: usize) -> Self {
        EmbeddedEngine { threads: threads.max(1), condense: true, runtime: OnceLock::new(), executions: Mutex::default() }
    }

    /// The same without condensing a bill's alike lines first: slower, with the same result, which is what tests compare.
    pub fn line_by_line(mut self) -> Self {
        self.condense = false;
        self
    }

    /// The engine's own threads, started when first needed.
    fn runtime(&self) -> Result<&Runtime, EngineError> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.threads)
            .thread_name("apportion-engine")
            .build()
            .map_err(|error| EngineError::Failed {
                class: FailureClass::Internal,
                message: format!("the engine's threads cannot be started: {error}"),
            })?;
        Ok(self.runtime.get_or_init(|| runtime))
    }

    /// Names of the bill's columns that a statement reads, sorted: what a bare decode is compared with.
    pub async fn columns_read(&self, statement: &Statement) -> Result<Vec<String>, EngineError> {
        let failed = |error: DataFusionError| {
            let (class, message) = classify(&error);
            EngineError::Failed { class, message }
        };
        let context = context(&open(statement)?, &statement.lookups, 1, false, &Arc::default()).map_err(failed)?;
        let plan = context.sql(&statement.sql).await.and_then(|frame| frame.into_optimized_plan()).map_err(failed)?;
        let mut columns = Vec::new();
        plan.apply(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                columns.extend(scan.projected_schema.fields().iter().map(|field| field.name().clone()));
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .map_err(failed)?;
        columns.sort();
        columns.dedup();
        Ok(columns)
    }

    /// The rows of a statement as they come, none of them kept: for results as large as the bill. In no order.
    ///
    /// What fails is in the stream, also midway.
    pub async fn stream(&self, statement: &Statement) -> Result<RowStream, EngineError> {
        Ok(self.typed_stream(statement, Arc::default()).await?.1)
    }

    /// The same with Trino's name of each column's type. `bytes_read` grows as the rows come: by the columns asked for in Parquet files, by
    /// whole CSV files.
    pub async fn typed_stream(
        &self,
        statement: &Statement,
        bytes_read: Arc<AtomicU64>,
    ) -> Result<(Vec<String>, RowStream), EngineError> {
        let failed = |error: DataFusionError| {
            let (class, message) = classify(&error);
            EngineError::Failed { class, message }
        };
        let counters = Arc::new(Counters { bytes: bytes_read, ..Counters::default() });
        let context = context(&open(statement)?, &statement.lookups, self.threads, self.condense, &counters).map_err(failed)?;
        let batches = context.sql(&statement.sql).await.map_err(failed)?.execute_stream().await.map_err(failed)?;
        let schema = batches.schema();
        let header = schema.fields().iter().map(|field| field.name().clone()).collect();
        let types = schema.fields().iter().map(|field| rows::trino_type(field.data_type())).collect();
        let rows = batches.flat_map(move |batch| {
            futures::stream::iter(match batch {
                Ok(batch) => rows::texts(&batch),
                Err(error) => vec![Err(failed(error))],
            })
        });
        Ok((types, RowStream { header, rows: rows.boxed() }))
    }

    fn executions(&self) -> MutexGuard<'_, BTreeMap<ExecutionId, Execution>> {
        self.executions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters the execution, or finds the one that the token stands for.
    fn enter(&self, id: &ExecutionId, statement: &Statement) -> Result<bool, EngineError> {
        let mut executions = self.executions();
        if let Some(known) = executions.get(id) {
            if known.statement != *statement {
                return Err(EngineError::TokenReused { token: id.0.clone(), first: known.statement.name.clone() });
            }
            return Ok(false);
        }
        executions.insert(id.clone(), Execution { statement: statement.clone(), state: State::Running(None) });
        Ok(true)
    }
}

impl Default for EmbeddedEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for EmbeddedEngine {
    fn drop(&mut self) {
        // A runtime must not be waited for inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A context with our functions and the statement's tables.
pub(crate) fn context(
    sources: &[(String, Arc<Source>)],
    lookups: &[Lookup],
    threads: usize,
    condense: bool,
    counters: &Arc<Counters>,
) -> Result<SessionContext, DataFusionError> {
    let mut config = SessionConfig::new().with_target_partitions(threads).with_batch_size(BATCH_ROWS);
    // A group may come as late as the last row: skipping the first aggregation never pays here.
    config.options_mut().execution.skip_partial_aggregation_probe_ratio_threshold = 1.1;
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .with_physical_optimizer_rule(Arc::new(ForgetOrder))
        .with_physical_optimizer_rule(Arc::new(YieldInJoins));
    if condense {
        state = state.with_analyzer_rule(Arc::new(Condense));
    }
    let context = SessionContext::new_with_state(state.build());
    functions::register(&context)?;
    context.register_udaf(AggregateUDF::from(CheckedSum::default()));
    for (name, source) in sources {
        let table = BillTable { source: Arc::clone(source), counters: Arc::clone(counters) };
        context.register_table(name.as_str(), Arc::new(table))?;
    }
    for lookup in lookups {
        context.register_table(lookup.name.as_str(), Arc::new(small_table(lookup)?))?;
    }
    Ok(context)
}

/// A small table, held in memory. An unquoted name in SQL is one in small letters.
fn small_table(lookup: &Lookup) -> Result<MemTable, DataFusionError> {
    let field = |name: &String| Field::new(name.to_lowercase(), DataType::Utf8View, false);
    let schema: SchemaRef = Arc::new(Schema::new(lookup.columns.iter().map(field).collect::<Vec<Field>>()));
    let column = |index: usize| -> ArrayRef {
        let cells = lookup.rows.iter().map(|row| row.get(index).map_or("", String::as_str));
        Arc::new(StringViewArray::from_iter_values(cells))
    };
    let columns = (0..lookup.columns.len()).map(column).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    MemTable::try_new(schema, vec![vec![batch]])
}

/// Opens every file that a statement reads.
pub(crate) fn open(statement: &Statement) -> Result<Vec<(String, Arc<Source>)>, EngineError> {
    let tables = statement.tables.iter();
    tables.map(|table| Ok((table.name.clone(), Arc::new(Source::open(table)?)))).collect()
}

async fn execute(statement: Statement, threads: usize, condense: bool) -> Result<(Poll, Spool), (FailureClass, String)> {
    let sources = open(&statement).map_err(|error| (error.class(), error.to_string()))?;
    let failed = |error: DataFusionError| classify(&error);
    let counters = Arc::new(Counters::default());
    let context = context(&sources, &statement.lookups, threads, condense, &counters).map_err(failed)?;
    let frame = context.sql(&statement.sql).await.map_err(failed)?;
    let stream = frame.execute_stream().await.map_err(failed)?;
    let schema = stream.schema();
    let batches: Vec<RecordBatch> = stream.try_collect().await.map_err(failed)?;
    let mut warnings: Vec<String> = sources.iter().flat_map(|(_, source)| source.warnings.sentences()).collect();
    warnings.sort();
    let poll = Poll::Succeeded {
        bytes_read: counters.bytes.load(Ordering::Relaxed),
        rows_read: counters.rows.load(Ordering::Relaxed),
        cost: None,
        warnings,
    };
    Ok((poll, Spool { schema, batches }))
}

#[async_trait]
impl QueryEngine for EmbeddedEngine {
    /// Runs to the end: `poll` never says `Running` to the caller who started.
    async fn start(&self, statement: &Statement, token: &str) -> Result<ExecutionId, EngineError> {
        let id = ExecutionId(token.to_owned());
        let runtime = self.runtime()?;
        if !self.enter(&id, statement)? {
            return Ok(id);
        }
        let task = runtime.spawn(execute(statement.clone(), self.threads, self.condense));
        if let Some(execution) = self.executions().get_mut(&id) {
            execution.state = State::Running(Some(task.abort_handle()));
        }
        let state = match task.await {
            Ok(Ok((poll, spool))) => State::Done { poll, result: Some(Arc::new(spool)) },
            Ok(Err((class, message))) => State::Done { poll: Poll::Failed { class, message }, result: None },
            Err(error) if error.is_cancelled() => {
                let message = "the statement was stopped".to_owned();
                State::Done { poll: Poll::Failed { class: FailureClass::Stopped, message }, result: None }
            }
            Err(error) => {
                let message = format!("the engine broke off: {error}");
                State::Done { poll: Poll::Failed { class: FailureClass::Internal, message }, result: None }
            }
        };
        if let Some(execution) = self.executions().get_mut(&id) {
            execution.state = state;
        }
        Ok(id)
    }

    async fn poll(&self, id: &ExecutionId) -> Result<Poll, EngineError> {
        match self.executions().get(id).map(|execution| &execution.state) {
            None => Err(EngineError::UnknownExecution(id.0.clone())),
            Some(State::Running(_)) => Ok(Poll::Running { progress: None }),
            Some(State::Done { poll, .. }) => Ok(poll.clone()),
        }
    }

    async fn stop(&self, id: &ExecutionId) -> Result<(), EngineError> {
        match self.executions().get(id).map(|execution| &execution.state) {
            None => Err(EngineError::UnknownExecution(id.0.clone())),
            Some(State::Running(Some(task))) => {
                task.abort();
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    async fn rows(&self, id: &ExecutionId) -> Result<RowStream, EngineError> {
        match self.executions().get(id).map(|execution| &execution.state) {
            None => Err(EngineError::UnknownExecution(id.0.clone())),
            Some(State::Done { result: Some(spool), .. }) => Ok(rows::stream(Arc::clone(spool))),
            Some(State::Done { poll: Poll::Failed { class, message }, .. }) => {
                Err(EngineError::Failed { class: *class, message: message.clone() })
            }
            Some(_) => Err(EngineError::NotFinished(id.0.clone())),
        }
    }

    async fn tag_keys(&self, bill: &Table) -> Result<TagKeys, EngineError> {
        let bill = bill.clone();
        let task = self.runtime()?.spawn(async move { crate::profile::tag_keys(&bill.paths()?, bill.format).await });
        let broken = |error: tokio::task::JoinError| EngineError::Failed {
            class: FailureClass::Internal,
            message: format!("the engine broke off: {error}"),
        };
        task.await.map_err(broken)?
    }
}
