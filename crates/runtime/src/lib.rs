//! What every function shares and no function knows of the others: named errors, one call, settings, log lines.
//!
//! The Lambda shell (`aws`) comes on top of [`call`]; the command line uses it in process.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

#[cfg(feature = "aws")]
pub mod aws;
pub mod metrics;
#[cfg(feature = "aws")]
pub mod service;
#[cfg(feature = "aws")]
pub mod table;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Display;

/// An error as a state machine sees it: the name it can catch, and a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NamedError {
    /// The variant of the function's error enum.
    pub name: String,
    pub message: String,
}

/// Name of the error for an event that is not what the function takes.
pub const BAD_EVENT: &str = "BadEvent";
/// Name of the error for an environment that lacks a setting, or has a wrong one.
pub const BAD_SETTING: &str = "BadSetting";
/// Beside what a function takes, every payload may name the execution that sends it.
const EXECUTION: &str = "execution";

impl NamedError {
    pub fn new(name: impl Into<String>, message: impl Display) -> NamedError {
        NamedError { name: name.into(), message: message.to_string() }
    }

    /// The error output as Lambda gives it to Step Functions: `Cause` is a JSON text with `errorType` and `errorMessage`.
    pub fn cause(&self) -> String {
        serde_json::json!({ "errorMessage": self.message, "errorType": self.name }).to_string()
    }

    /// The inverse of [`NamedError::cause`]; a cause that is no such JSON is the message itself.
    pub fn from_cause(name: &str, cause: &str) -> NamedError {
        let parsed: Option<Value> = serde_json::from_str(cause).ok();
        let message = parsed.as_ref().and_then(|value| value.get("errorMessage")).and_then(Value::as_str);
        NamedError::new(name, message.unwrap_or(cause))
    }
}

/// Takes the name of the execution out of a payload: what a state machine passes beside a function's own event.
pub fn execution_of(payload: &mut Value) -> Option<String> {
    match payload.as_object_mut()?.remove(EXECUTION)? {
        Value::String(name) => Some(name),
        _ => None,
    }
}

/// Runs one `handle` on a JSON payload: event in, output out, errors by name.
pub async fn call<Event, Output, Error, Work>(
    mut payload: Value,
    handle: impl FnOnce(Event) -> Work,
    name: impl FnOnce(&Error) -> &'static str,
) -> Result<Value, NamedError>
where
    Event: DeserializeOwned,
    Output: Serialize,
    Error: Display,
    Work: Future<Output = Result<Output, Error>>,
{
    execution_of(&mut payload);
    let event = serde_json::from_value(payload).map_err(|error| NamedError::new(BAD_EVENT, error))?;
    let output = handle(event).await.map_err(|error| NamedError::new(name(&error), &error))?;
    serde_json::to_value(output).map_err(|error| NamedError::new("BadOutput", error))
}

/// A setting of the environment that the function cannot do without.
pub fn required_setting(name: &str) -> Result<String, NamedError> {
    optional_setting(name).ok_or_else(|| NamedError::new(BAD_SETTING, format!("the environment variable {name} is not set")))
}

/// A setting of the environment; an empty one counts as absent.
pub fn optional_setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Sends log lines for people to stderr. `level` is `error`, `warn`, `info`, `debug` or `trace`. A second call is ignored.
pub fn log_to_stderr(level: &str) -> Result<(), NamedError> {
    let builder = tracing_subscriber::fmt().with_max_level(parse_level(level)?).with_target(false);
    // A second subscriber is refused; the first one stays, which is what tests in one process want.
    let _ = builder.with_writer(std::io::stderr).without_time().with_ansi(false).try_init();
    Ok(())
}

/// Sends log lines to stdout, one JSON object each with time, level and the fields of its span, as CloudWatch takes them.
pub fn log_to_stdout(level: &str) -> Result<(), NamedError> {
    let builder = tracing_subscriber::fmt().with_max_level(parse_level(level)?).with_target(false);
    let _ = builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init();
    Ok(())
}

fn parse_level(level: &str) -> Result<tracing::Level, NamedError> {
    level
        .parse()
        .map_err(|_| NamedError::new(BAD_SETTING, format!("`{level}` is no log level: write error, warn, info, debug or trace")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, thiserror::Error)]
    #[error("the bill {0} is cut short")]
    struct BadBill(&'static str);

    fn run(payload: Value) -> Result<Value, NamedError> {
        let handle = |event: std::collections::BTreeMap<String, u8>| async move {
            if event.contains_key("bad") { Err(BadBill("a.csv")) } else { Ok(event.len()) }
        };
        let mut work = Box::pin(call(payload, handle, |_: &BadBill| "BadBill"));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match work.as_mut().poll(&mut context) {
            std::task::Poll::Ready(result) => result,
            std::task::Poll::Pending => panic!("nothing here waits"),
        }
    }

    #[test]
    fn a_call_gives_output_or_a_named_error() {
        assert_eq!(run(json!({"a": 1, "b": 2})), Ok(json!(2)));
        assert_eq!(run(json!({"execution": "2026-09-1", "a": 1})), Ok(json!(1)), "the execution's name is not the function's");
        assert_eq!(run(json!({"bad": 1})), Err(NamedError::new("BadBill", "the bill a.csv is cut short")));
        assert_eq!(run(json!({"a": "x"})).unwrap_err().name, BAD_EVENT);
    }

    #[test]
    fn causes_have_lambda_s_shape_and_read_back() {
        let error = NamedError::new("BadBill", "line\n\"two\"");
        assert_eq!(error.cause(), r#"{"errorMessage":"line\n\"two\"","errorType":"BadBill"}"#);
        assert_eq!(NamedError::from_cause("BadBill", &error.cause()), error);
        assert_eq!(NamedError::from_cause("X", "plain").message, "plain");
    }

    #[test]
    fn a_level_that_is_none_is_refused() {
        assert!(log_to_stderr("loud").is_err() && log_to_stdout("loud").is_err());
    }
}
