//! The loop of a function: an event comes, the function's `handle` runs, output or named error goes back.

use super::Settings;
use crate::{NamedError, call, execution_of, metrics, optional_setting};
use lambda_runtime::{Context, Diagnostic, LambdaEvent, Runtime, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::Instant;
use tokio::sync::OnceCell;
use tracing::Instrument as _;

/// Serves events until Lambda ends the process. `context` is made once, before the first event; where that fails, every event gets its
/// error and tries again, so that a state machine sees the error's name and a passing trouble passes.
///
/// `function` is the name of the function in metrics and log lines, `name` the name of an error as a state machine catches it.
pub fn serve<Made, Event, Output, Error>(
    function: &'static str,
    context: impl AsyncFn(&Settings) -> Result<Made, NamedError>,
    handle: impl AsyncFn(&Made, Event) -> Result<Output, Error>,
    name: fn(&Error) -> &'static str,
) -> ExitCode
where
    Event: DeserializeOwned,
    Output: Serialize,
    Error: Display,
{
    let level = optional_setting("APPORTION_LOG").unwrap_or_else(|| "info".to_owned());
    if let Err(error) = crate::log_to_stdout(&level) {
        // Without a level nothing would be seen, so this one line is written as it is.
        eprintln!("{{\"level\":\"ERROR\",\"message\":\"APPORTION_LOG: {error}\"}}");
        return ExitCode::FAILURE;
    }
    let run = async {
        let settings = Settings::load().await;
        let made = OnceCell::new();
        if let Err(error) = made.get_or_try_init(|| context(&settings)).await {
            tracing::error!(function, error = error.name, detail = error.message, "cannot start");
        }
        let answer = async |event: LambdaEvent<Value>| {
            let (mut payload, invocation) = event.into_parts();
            let labels = labels(function, &mut payload, &invocation);
            let span = span(&labels, &invocation);
            let work = async {
                let made = made.get_or_try_init(|| context(&settings)).await?;
                call(payload, |event| handle(made, event), name).await
            };
            observed(labels, work).instrument(span).await.map_err(diagnostic)
        };
        Runtime::new(service_fn(|event| answer(event))).run().await
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(function, detail = error.to_string(), "the function has ended");
            ExitCode::FAILURE
        }
    }
}

fn labels(function: &'static str, payload: &mut Value, invocation: &Context) -> metrics::Labels {
    let execution = execution_of(payload).unwrap_or_else(|| invocation.request_id.clone());
    let stage = payload.get("action").and_then(Value::as_str).unwrap_or(function).to_owned();
    metrics::Labels { function, stage, execution }
}

/// Every log line of an invocation carries the execution's name, by which those of all functions are found together.
fn span(labels: &metrics::Labels, invocation: &Context) -> tracing::Span {
    tracing::info_span!(
        "invocation",
        function = labels.function,
        stage = labels.stage,
        execution = labels.execution,
        request_id = invocation.request_id,
        trace_id = invocation.xray_trace_id,
    )
}

/// Runs one stage, with its duration, its success and a line of how it ended.
async fn observed(labels: metrics::Labels, work: impl Future<Output = Result<Value, NamedError>>) -> Result<Value, NamedError> {
    metrics::begin(labels);
    let begun = Instant::now();
    let result = work.await;
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    match &result {
        Ok(_) => tracing::info!(milliseconds, "done"),
        Err(error) => tracing::error!(milliseconds, error = error.name, detail = error.message, "failed"),
    }
    metrics::end(milliseconds, result.is_ok());
    result
}

/// What Lambda makes `errorType` and `errorMessage` of.
fn diagnostic(error: NamedError) -> Diagnostic {
    Diagnostic { error_type: error.name, error_message: error.message }
}
