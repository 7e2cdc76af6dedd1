//! The engine: Athena's API behind `QueryEngine`.

use crate::pause::Pauses;
use crate::{cost, failure, result};
use apportion_core::hygiene::TagKeys;
use apportion_core::money::Money;
use apportion_engine::{EngineError, ExecutionId, FailureClass, Poll, QueryEngine, RowStream, Statement, Table, binding};
use async_trait::async_trait;
use aws_sdk_athena::error::SdkError;
use aws_sdk_athena::operation::start_query_execution::StartQueryExecutionError;
use aws_sdk_athena::types::{QueryExecution, QueryExecutionContext, QueryExecutionState, ResultConfiguration};
use std::time::{Duration, SystemTime};

/// Longest query text that Athena takes, in bytes.
const LONGEST_QUERY: usize = 262_144;
/// Lengths of a token that Athena takes.
const TOKEN: std::ops::RangeInclusive<usize> = 32..=128;
/// What Athena says of a token that another query had; the code is newer than the sentence.
const OTHER_PARAMETERS: [&str; 2] = ["IDEMPOTENT_PARAMETER_MISMATCH", "Idempotent parameters do not match"];

/// Where and how queries run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub workgroup: String,
    /// The database with the tables of `sql/schema`.
    pub database: String,
    /// Where results go, `s3://bucket/prefix/`; `None` where the workgroup says it.
    pub output: Option<String>,
    /// A query that runs longer is stopped.
    pub timeout: Duration,
    /// How long one `poll` may wait for the end before it says `Running`: nothing in a Lambda, which must not idle.
    pub patience: Duration,
}

impl Settings {
    /// Queries of half an hour at most, Athena's own default, and polls that do not wait.
    pub fn new(workgroup: impl Into<String>, database: impl Into<String>) -> Settings {
        Settings {
            workgroup: workgroup.into(),
            database: database.into(),
            output: None,
            timeout: Duration::from_secs(30 * 60),
            patience: Duration::ZERO,
        }
    }
}

/// Runs statements on Athena. It keeps nothing of an execution: whoever has its id can poll it, also another process.
#[derive(Debug, Clone)]
pub struct AthenaEngine {
    athena: aws_sdk_athena::Client,
    s3: aws_sdk_s3::Client,
    settings: Settings,
}

/// What an execution has come to.
enum Outcome {
    Running,
    Succeeded { bytes_scanned: u64, location: String },
    Failed { class: FailureClass, message: String },
}

impl AthenaEngine {
    /// The clients bring region, credentials, time limits and retries.
    pub fn new(athena: aws_sdk_athena::Client, s3: aws_sdk_s3::Client, settings: Settings) -> AthenaEngine {
        AthenaEngine { athena, s3, settings }
    }

    /// Starts SQL as it stands, without binding.
    async fn submit(&self, name: &str, sql: &str, token: &str) -> Result<ExecutionId, EngineError> {
        let refused = |what: String| EngineError::Failed { class: FailureClass::Statement, message: what };
        if !TOKEN.contains(&token.len()) {
            return Err(refused(format!("the token `{token}` has {} characters: Athena takes 32 to 128", token.len())));
        }
        if sql.len() > LONGEST_QUERY {
            let message = format!(
                "the statement {name} has {} bytes and Athena takes {LONGEST_QUERY}: shorten the alias lists of the taxonomy",
                sql.len()
            );
            return Err(refused(message));
        }
        let context = QueryExecutionContext::builder().database(&self.settings.database).build();
        let place = ResultConfiguration::builder().set_output_location(self.settings.output.clone()).build();
        let request = self.athena.start_query_execution().query_string(sql).client_request_token(token);
        let request = request.query_execution_context(context).work_group(&self.settings.workgroup);
        let request = if self.settings.output.is_some() { request.result_configuration(place) } else { request };
        let output = request.send().await.map_err(|error| not_started(name, token, &error))?;
        output.query_execution_id.map(ExecutionId).ok_or_else(|| EngineError::Failed {
            class: FailureClass::Internal,
            message: format!("Athena started {name} and gave no execution id"),
        })
    }

    async fn execution(&self, id: &ExecutionId) -> Result<QueryExecution, EngineError> {
        let answer = self.athena.get_query_execution().query_execution_id(&id.0).send().await;
        let output = answer.map_err(|error| unknown_or("ask Athena for the execution", id, failure::of_call, &error))?;
        output.query_execution.ok_or_else(|| EngineError::Failed {
            class: FailureClass::Internal,
            message: format!("Athena's answer about execution {id} is empty"),
        })
    }

    /// Where an execution stands; one that has run too long is stopped.
    async fn outcome(&self, id: &ExecutionId) -> Result<Outcome, EngineError> {
        let execution = self.execution(id).await?;
        let status = execution.status();
        match status.and_then(|status| status.state()) {
            Some(QueryExecutionState::Queued | QueryExecutionState::Running) => {
                if !self.too_long(&execution) {
                    return Ok(Outcome::Running);
                }
                self.stop(id).await?;
                let minutes = self.settings.timeout.as_secs_f64() / 60.0;
                let message = format!("the statement ran longer than {minutes:.1} minutes and was stopped: allow it more time");
                Ok(Outcome::Failed { class: FailureClass::CutOff, message })
            }
            Some(QueryExecutionState::Succeeded) => {
                let scanned = execution.statistics().and_then(|statistics| statistics.data_scanned_in_bytes());
                let location = execution.result_configuration().and_then(|place| place.output_location());
                Ok(Outcome::Succeeded {
                    bytes_scanned: scanned.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
                    location: location.unwrap_or_default().to_owned(),
                })
            }
            Some(state @ (QueryExecutionState::Failed | QueryExecutionState::Cancelled)) => {
                let (class, message) = failure::of_execution(*state == QueryExecutionState::Cancelled, status);
                Ok(Outcome::Failed { class, message })
            }
            other => Err(EngineError::Failed {
                class: FailureClass::Internal,
                message: format!("Athena says that execution {id} is {other:?}, which is no state that is known"),
            }),
        }
    }

    fn too_long(&self, execution: &QueryExecution) -> bool {
        let submitted = execution.status().and_then(|status| status.submission_date_time());
        let submitted = submitted.and_then(|time| SystemTime::try_from(*time).ok());
        submitted.and_then(|time| time.elapsed().ok()).is_some_and(|elapsed| elapsed > self.settings.timeout)
    }

    /// How many rows the engine gave, by the statistics that it keeps apart from the result; `None` where they cannot be had.
    async fn output_rows(&self, id: &ExecutionId) -> Result<Option<u64>, EngineError> {
        match self.athena.get_query_runtime_statistics().query_execution_id(&id.0).send().await {
            Ok(output) => {
                let rows = output.query_runtime_statistics().and_then(|statistics| statistics.rows());
                Ok(rows.and_then(|rows| rows.output_rows()).and_then(|rows| u64::try_from(rows).ok()))
            }
            Err(error) => match failure::of_call("ask Athena for the number of rows", &error) {
                // Permission is a thing of its own, and the result is whole by its length all the same.
                EngineError::Failed { class: FailureClass::Statement, message } => {
                    tracing::warn!(message, "the number of rows of the result is not compared");
                    Ok(None)
                }
                other => Err(other),
            },
        }
    }
}

fn not_started(name: &str, token: &str, error: &SdkError<StartQueryExecutionError>) -> EngineError {
    if let Some(StartQueryExecutionError::InvalidRequestException(refusal)) = error.as_service_error() {
        let said = [refusal.athena_error_code(), refusal.message()];
        if said.iter().flatten().any(|text| OTHER_PARAMETERS.iter().any(|known| text.contains(known))) {
            return EngineError::TokenReused { token: token.to_owned(), first: "another one".to_owned() };
        }
    }
    failure::of_call(&format!("start {name} on Athena"), error)
}

/// An execution that Athena does not know, or what else went wrong.
fn unknown_or<E: aws_sdk_athena::error::ProvideErrorMetadata>(
    doing: &str,
    id: &ExecutionId,
    other: impl FnOnce(&str, &SdkError<E>) -> EngineError,
    error: &SdkError<E>,
) -> EngineError {
    let refusal = error.as_service_error().map(|error| (error.code(), error.message()));
    match refusal {
        Some((Some("InvalidRequestException"), Some(message))) if message.contains("not found") => {
            EngineError::UnknownExecution(id.0.clone())
        }
        _ => other(&format!("{doing} {id}"), error),
    }
}

#[async_trait]
impl QueryEngine for AthenaEngine {
    async fn start(&self, statement: &Statement, token: &str) -> Result<ExecutionId, EngineError> {
        let sql = binding::bind(statement, &binding::Binding::new(&[&self.settings.database], None, LONGEST_QUERY))?;
        self.submit(&statement.name, &sql, token).await
    }

    /// Waits for the end as long as `Settings::patience` allows, asking less and less often.
    async fn poll(&self, id: &ExecutionId) -> Result<Poll, EngineError> {
        let begun = tokio::time::Instant::now();
        for number in 0.. {
            match self.outcome(id).await? {
                Outcome::Running if begun.elapsed() < self.settings.patience => Pauses::of_polls().pause(number).await,
                Outcome::Running => break,
                Outcome::Succeeded { bytes_scanned, .. } => {
                    return Ok(Poll::Succeeded { bytes_read: bytes_scanned, rows_read: 0, warnings: Vec::new() });
                }
                Outcome::Failed { class, message } => return Ok(Poll::Failed { class, message }),
            }
        }
        Ok(Poll::Running { progress: None })
    }

    async fn stop(&self, id: &ExecutionId) -> Result<(), EngineError> {
        let answer = self.athena.stop_query_execution().query_execution_id(&id.0).send().await;
        answer.map(|_| ()).map_err(|error| unknown_or("stop the execution", id, failure::of_call, &error))
    }

    async fn rows(&self, id: &ExecutionId) -> Result<RowStream, EngineError> {
        match self.outcome(id).await? {
            Outcome::Running => Err(EngineError::NotFinished(id.0.clone())),
            Outcome::Failed { class, message } => Err(EngineError::Failed { class, message }),
            Outcome::Succeeded { location, .. } => result::open(&self.s3, &location, self.output_rows(id).await?).await,
        }
    }

    async fn tag_keys(&self, bill: &Table) -> Result<TagKeys, EngineError> {
        let _ = bill;
        todo!()
    }

    fn cost(&self, bytes_read: u64) -> Option<Money> {
        Some(cost(bytes_read))
    }
}
