//! Executions: started once for each token, run, stopped, described.

use super::backend::Backend;
use super::output::Output;
use super::protocol::{Context, GetResults, Refusal, Start, column_info, seconds};
use super::spool::{self, Spool};
use apportion_engine::{EngineError, FailureClass};
use apportion_engine_athena::{BAD_DATA, BYTES_LIMIT};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::task::AbortHandle;

/// Athena's limits.
const LONGEST_QUERY: usize = 262_144;
const TOKEN: std::ops::RangeInclusive<usize> = 32..=128;
const MOST_RESULTS: usize = 1000;
/// How often the bytes that a running query has scanned are compared with the workgroup's limit.
const WATCH: Duration = Duration::from_millis(20);

/// What the front was told on its command line.
#[derive(Debug, Clone)]
pub struct Settings {
    pub workgroup: String,
    /// Where results go for a query that names no place.
    pub results: Option<String>,
    /// Bytes that a query may scan.
    pub bytes_cutoff: Option<u64>,
    /// Queries that may run at once.
    pub concurrency: usize,
}

/// Everything that is served.
pub struct Front {
    backend: Backend,
    settings: Settings,
    s3: aws_sdk_s3::Client,
    /// Results as they are written; pages are read from here.
    spool: tempfile::TempDir,
    /// Threads of the queries, so that a heavy one does not keep the front from answering.
    threads: tokio::runtime::Handle,
    registry: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    executions: BTreeMap<String, Execution>,
    tokens: BTreeMap<String, (Start, String)>,
}

struct Execution {
    start: Start,
    output: String,
    submitted: SystemTime,
    completed: Option<SystemTime>,
    state: State,
    scanned: Arc<AtomicU64>,
    task: Option<AbortHandle>,
}

enum State {
    Running,
    Succeeded(Arc<Spool>),
    Failed { class: FailureClass, message: String },
}

impl Front {
    pub fn new(
        backend: Backend,
        settings: Settings,
        s3: aws_sdk_s3::Client,
        threads: tokio::runtime::Handle,
    ) -> std::io::Result<Front> {
        Ok(Front { backend, settings, s3, spool: tempfile::tempdir()?, threads, registry: Mutex::default() })
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// StartQueryExecution.
    pub fn start(self: &Arc<Self>, start: Start) -> Result<Value, Refusal> {
        let output = self.check(&start)?;
        let id = execution_id().map_err(Refusal::Internal)?;
        let mut registry = self.registry();
        if let Some((first, known)) = start.client_request_token.as_ref().and_then(|token| registry.tokens.get(token)) {
            if *first != start {
                let message = "Idempotent parameters do not match".to_owned();
                return Err(Refusal::Invalid { code: "IDEMPOTENT_PARAMETER_MISMATCH", message });
            }
            return Ok(json!({ "QueryExecutionId": known }));
        }
        let running = registry.executions.values().filter(|execution| matches!(execution.state, State::Running)).count();
        if running >= self.settings.concurrency {
            return Err(Refusal::TooMany { limit: self.settings.concurrency });
        }
        if let Some(token) = &start.client_request_token {
            registry.tokens.insert(token.clone(), (start.clone(), id.clone()));
        }
        let scanned = Arc::new(AtomicU64::new(0));
        let (place, submitted) = (output.of(&id), SystemTime::now());
        let work = Arc::clone(self).execute(id.clone(), start.clone(), output, Arc::clone(&scanned));
        let task = Some(self.threads.spawn(work).abort_handle());
        let execution = Execution { start, output: place, submitted, completed: None, state: State::Running, scanned, task };
        registry.executions.insert(id.clone(), execution);
        Ok(json!({ "QueryExecutionId": id }))
    }

    /// Refuses what Athena refuses before it starts anything; gives where the result goes.
    fn check(&self, start: &Start) -> Result<Output, Refusal> {
        if start.query_string.is_empty() || start.query_string.len() > LONGEST_QUERY {
            return Err(Refusal::invalid(format!("QueryString must have 1 to {LONGEST_QUERY} bytes")));
        }
        if start.client_request_token.as_ref().is_some_and(|token| !TOKEN.contains(&token.len())) {
            return Err(Refusal::invalid("ClientRequestToken must have 32 to 128 characters"));
        }
        if !start.execution_parameters.is_empty() {
            return Err(Refusal::invalid("ExecutionParameters are not served here: write the values into the query"));
        }
        self.check_workgroup(start.work_group.as_deref().unwrap_or("primary"))?;
        let asked = start.result_configuration.as_ref().and_then(|place| place.output_location.as_ref());
        let Some(location) = asked.or(self.settings.results.as_ref()) else {
            let message =
                "No output location provided. Give one with the query (ResultConfiguration), or start the front with --results";
            return Err(Refusal::invalid(message));
        };
        let output = Output::parse(location);
        let output =
            output.ok_or_else(|| Refusal::invalid(format!("`{location}` is no output location: s3://bucket/prefix/")))?;
        let malformed = |message| Refusal::Invalid { code: "MALFORMED_QUERY", message };
        self.backend.check(&start.query_string).map_err(malformed)?;
        Ok(output)
    }

    fn check_workgroup(&self, name: &str) -> Result<(), Refusal> {
        if name == self.settings.workgroup {
            return Ok(());
        }
        Err(Refusal::invalid(format!("WorkGroup {name} is not found.")))
    }

    async fn execute(self: Arc<Self>, id: String, start: Start, output: Output, scanned: Arc<AtomicU64>) {
        let work = self.query(&id, &start, &output, &scanned);
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = self.beyond_cutoff(&scanned) => Err(cut_off()),
        };
        // A fast one may have ended between two looks.
        let cut = self.settings.bytes_cutoff.is_some_and(|cutoff| scanned.load(Ordering::Relaxed) > cutoff);
        let state = match outcome {
            _ if cut => failed(cut_off()),
            Ok(spool) => State::Succeeded(Arc::new(spool)),
            Err(error) => failed(error),
        };
        self.end(&id, state);
    }

    async fn query(&self, id: &str, start: &Start, output: &Output, scanned: &Arc<AtomicU64>) -> Result<Spool, EngineError> {
        let answer = self.backend.query(&start.query_string, Arc::clone(scanned)).await?;
        let spool = spool::write(self.spool.path().join(format!("{id}.csv")), answer.types, answer.rows).await?;
        if self.settings.bytes_cutoff.is_some_and(|cutoff| scanned.load(Ordering::Relaxed) > cutoff) {
            return Err(cut_off());
        }
        let put = output.put(&self.s3, id, &spool.path).await;
        put.map_err(|message| EngineError::Failed { class: FailureClass::Internal, message })?;
        Ok(spool)
    }

    /// Returns when the query has scanned more than it may.
    async fn beyond_cutoff(&self, scanned: &AtomicU64) {
        let Some(cutoff) = self.settings.bytes_cutoff else { return std::future::pending().await };
        while scanned.load(Ordering::Relaxed) <= cutoff {
            tokio::time::sleep(WATCH).await;
        }
    }

    /// Enters the end of an execution, unless it was stopped before.
    fn end(&self, id: &str, state: State) {
        if let Some(execution) = self.registry().executions.get_mut(id)
            && matches!(execution.state, State::Running)
        {
            execution.state = state;
            execution.completed = Some(SystemTime::now());
            execution.task = None;
        }
    }

    /// StopQueryExecution: one that has ended stays as it is.
    pub fn stop(&self, id: &str) -> Result<Value, Refusal> {
        let task = match self.registry().executions.get_mut(id) {
            None => return Err(Refusal::not_found(id)),
            Some(execution) => execution.task.take(),
        };
        if let Some(task) = task {
            task.abort();
            self.end(id, State::Failed { class: FailureClass::Stopped, message: "Query cancelled by user".to_owned() });
        }
        Ok(json!({}))
    }

    /// GetQueryExecution.
    pub fn describe(&self, id: &str) -> Result<Value, Refusal> {
        let registry = self.registry();
        let execution = registry.executions.get(id).ok_or_else(|| Refusal::not_found(id))?;
        let taken = execution.completed.unwrap_or_else(SystemTime::now).duration_since(execution.submitted);
        let milliseconds = u64::try_from(taken.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
        let context = execution.start.query_execution_context.clone();
        Ok(json!({ "QueryExecution": {
            "QueryExecutionId": id,
            "Query": execution.start.query_string,
            "StatementType": "DML",
            "ResultConfiguration": { "OutputLocation": execution.output },
            "QueryExecutionContext": context.unwrap_or(Context { database: None, catalog: None }),
            "Status": execution.status(),
            "Statistics": {
                "EngineExecutionTimeInMillis": milliseconds,
                "DataScannedInBytes": execution.scanned.load(Ordering::Relaxed),
                "TotalExecutionTimeInMillis": milliseconds,
            },
            "WorkGroup": self.settings.workgroup,
            "EngineVersion": engine_version(),
        }}))
    }

    fn spool_of(&self, id: &str) -> Result<(Arc<Spool>, u64), Refusal> {
        match self.registry().executions.get(id).map(|execution| (&execution.state, &execution.scanned)) {
            None => Err(Refusal::not_found(id)),
            Some((State::Succeeded(spool), scanned)) => Ok((Arc::clone(spool), scanned.load(Ordering::Relaxed))),
            Some((State::Running, _)) => Err(Refusal::invalid("Query has not yet finished. Current state: RUNNING")),
            Some((State::Failed { class, .. }, _)) => {
                Err(Refusal::invalid(format!("Query did not finish successfully. Final query state: {}", state_name(*class))))
            }
        }
    }

    /// GetQueryResults: the first row of the first page is the header.
    pub fn results(&self, request: &GetResults) -> Result<Value, Refusal> {
        let id = &request.query_execution_id;
        let most = request.max_results.unwrap_or(MOST_RESULTS);
        if !(1..=MOST_RESULTS).contains(&most) {
            return Err(Refusal::invalid(format!("MaxResults must be 1 to {MOST_RESULTS}")));
        }
        let (spool, _) = self.spool_of(id)?;
        let first = match &request.next_token {
            None => 0,
            Some(token) => {
                let row = token.strip_prefix(id.as_str()).and_then(|rest| rest.strip_prefix('.')?.parse::<usize>().ok());
                let row = row.filter(|row| (1..=spool.rows).contains(row));
                row.ok_or_else(|| Refusal::invalid(format!("NextToken `{token}` is not of this execution")))?
            }
        };
        let page = spool.page(first, most).map_err(|error| Refusal::Internal(error.to_string()))?;
        let cell = |cell: &Option<String>| cell.as_ref().map_or(json!({}), |text| json!({ "VarCharValue": text }));
        let rows: Vec<Value> = page.iter().map(|row| json!({ "Data": row.iter().map(cell).collect::<Vec<Value>>() })).collect();
        let columns = spool.header.iter().zip(&spool.types).map(|(name, kind)| column_info(name, kind));
        let metadata = json!({ "ColumnInfo": columns.collect::<Vec<Value>>() });
        let mut answer = json!({ "UpdateCount": 0, "ResultSet": { "Rows": rows, "ResultSetMetadata": metadata } });
        let next = first + page.len();
        if next <= spool.rows {
            answer["NextToken"] = json!(format!("{id}.{next}"));
        }
        Ok(answer)
    }

    /// GetQueryRuntimeStatistics, as far as it is known.
    pub fn runtime_statistics(&self, id: &str) -> Result<Value, Refusal> {
        let (spool, scanned) = self.spool_of(id)?;
        Ok(json!({ "QueryRuntimeStatistics": { "Rows": {
            "InputBytes": scanned,
            "OutputRows": spool.rows,
            "OutputBytes": spool.bytes,
        }}}))
    }

    /// GetWorkGroup: the one that is served.
    pub fn workgroup(&self, name: &str) -> Result<Value, Refusal> {
        self.check_workgroup(name)?;
        let mut configuration = json!({
            "ResultConfiguration": {},
            "EnforceWorkGroupConfiguration": false,
            "PublishCloudWatchMetricsEnabled": false,
            "RequesterPaysEnabled": false,
            "EngineVersion": engine_version(),
        });
        if let Some(results) = &self.settings.results {
            configuration["ResultConfiguration"]["OutputLocation"] = json!(results);
        }
        if let Some(cutoff) = self.settings.bytes_cutoff {
            configuration["BytesScannedCutoffPerQuery"] = json!(cutoff);
        }
        Ok(json!({ "WorkGroup": { "Name": name, "State": "ENABLED", "Configuration": configuration } }))
    }
}

impl Execution {
    fn status(&self) -> Value {
        let mut status = json!({ "SubmissionDateTime": seconds(self.submitted) });
        if let Some(completed) = self.completed {
            status["CompletionDateTime"] = json!(seconds(completed));
        }
        match &self.state {
            State::Running => status["State"] = json!("RUNNING"),
            State::Succeeded(_) => status["State"] = json!("SUCCEEDED"),
            State::Failed { class, message } => {
                let reason = match class {
                    FailureClass::Bill => format!("{BAD_DATA}: {message}"),
                    _ => message.clone(),
                };
                let system = matches!(class, FailureClass::Internal | FailureClass::Throttled);
                status["State"] = json!(state_name(*class));
                status["StateChangeReason"] = json!(reason);
                status["AthenaError"] =
                    json!({ "ErrorCategory": if system { 1 } else { 2 }, "Retryable": system, "ErrorMessage": reason });
            }
        }
        status
    }
}

fn state_name(class: FailureClass) -> &'static str {
    if matches!(class, FailureClass::Stopped | FailureClass::CutOff) { "CANCELLED" } else { "FAILED" }
}

fn cut_off() -> EngineError {
    EngineError::Failed { class: FailureClass::CutOff, message: BYTES_LIMIT.to_owned() }
}

fn failed(error: EngineError) -> State {
    State::Failed { class: error.class(), message: error.to_string() }
}

fn engine_version() -> Value {
    json!({ "SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3" })
}

/// A random id in the form of a UUID.
fn execution_id() -> Result<String, String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("no randomness for an execution id: {error}"))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}
