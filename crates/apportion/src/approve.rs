//! `apportion approve`: a second person lets a close that waits on AWS be published, or refuses it.
//!
//! Calls the gate's function and nothing else, so that all that this person needs is the right to call it. Who it was says CloudTrail; the
//! name given here is for the record, and the gate refuses that of the one who started the run.

use crate::failure::{BAD_INPUT, Failure, OTHER};
use apportion_core::period::Period;
use apportion_runtime::NamedError;
use apportion_runtime::service::ServiceError;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::primitives::Blob;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Args)]
pub struct ApproveArguments {
    /// The month whose close waits for approval.
    #[arg(long, value_name = "YYYY-MM")]
    period: Period,
    /// Who approves, for the record: another person than the one who started the run.
    #[arg(long, value_name = "NAME")]
    approver: String,
    /// The run, if it is not the one that the month was last offered as.
    #[arg(long, value_name = "EXECUTION")]
    run: Option<String>,
    /// Refuses it: nothing is published, and the notice of the close says why.
    #[arg(long, requires = "reason")]
    refuse: bool,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// The gate's function, by name or ARN, with alias.
    #[arg(long, value_name = "NAME", default_value = "apportion-reconciliation-gate:live")]
    function: String,
}

/// What the gate answers.
#[derive(Deserialize)]
struct Decided {
    run: String,
    approver: String,
}

/// Sends the answer; gives what to print.
pub async fn run(arguments: &ApproveArguments) -> Result<String, Failure> {
    let event = json!({
        "action": "approve",
        "run": arguments.run.as_deref().unwrap_or_default(),
        "period": arguments.period,
        "approver": arguments.approver,
        "approved": !arguments.refuse,
        "reason": arguments.reason,
    });
    let answer = call(&arguments.function, &event).await.map_err(|error| {
        let code = if error.name.starts_with("Bad") { BAD_INPUT } else { OTHER };
        Failure::new(code, format!("{}: {}", error.name, error.message))
    })?;
    let decided: Decided =
        serde_json::from_value(answer).map_err(|error| Failure::other(format!("the gate's answer: {error}")))?;
    let (what, then) = match arguments.refuse {
        false => ("approved", "it is published next"),
        true => ("refused", "nothing is published"),
    };
    Ok(format!("{}: {} {what} by {}: {then}\n", arguments.period, decided.run, decided.approver))
}

async fn call(function: &str, event: &Value) -> Result<Value, NamedError> {
    let client = aws_sdk_lambda::Client::new(&apportion_runtime::aws::configuration().await);
    let sent = client.invoke().function_name(function).payload(Blob::new(event.to_string())).send().await;
    let answer = sent.map_err(|error| {
        // A stand-in that answers 500 where Lambda would mark an error of the function.
        let body = if let SdkError::ServiceError(refused) = &error { refused.raw().body().bytes() } else { None };
        body.and_then(named).unwrap_or_else(|| {
            let error = ServiceError::of("lambda:InvokeFunction", &error);
            NamedError::new(error.name(), error)
        })
    })?;
    let body = answer.payload.unwrap_or_else(|| Blob::new("")).into_inner();
    match (&answer.function_error, named(&body)) {
        (Some(_), Some(error)) => Err(error),
        (Some(kind), None) => Err(NamedError::new("Lambda.Unknown", format!("{function} failed ({kind})"))),
        (None, _) => serde_json::from_slice(&body).map_err(|error| NamedError::new("Lambda.Unknown", error)),
    }
}

/// An error of the function, as its runtime reports one.
fn named(body: &[u8]) -> Option<NamedError> {
    let body: Value = serde_json::from_slice(body).ok()?;
    Some(NamedError::new(body.get("errorType")?.as_str()?, body.get("errorMessage")?.as_str()?))
}
