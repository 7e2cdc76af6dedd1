//! Starts an execution once: its name says what it is made from, and Step Functions takes a name once.

use super::{Deployment, kept, run_key};
use crate::Error;
use apportion_output::sha256_hex;
use apportion_runtime::service::ServiceError;
use apportion_runtime::table::{Item, Put, When};
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionError;
use aws_sdk_sfn::operation::start_execution::StartExecutionError;
use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::Value;
use std::pin::Pin;

/// Attempts at the same inputs before a person must look.
const MOST_ATTEMPTS: u32 = 50;

/// A state machine, by its ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    arn: String,
    /// What the ARNs of its executions begin with, up to their name.
    executions: String,
    account: String,
}

impl Machine {
    /// `arn:<partition>:states:<region>:<account>:stateMachine:<name>`, with or without a version or alias; `None` if it is none.
    pub fn parse(arn: &str) -> Option<Machine> {
        let parts: Vec<&str> = arn.split(':').collect();
        let [head, partition, "states", region, account, "stateMachine", name, ..] = parts.as_slice() else { return None };
        let is_whole = *head == "arn" && [partition, region, account, name].iter().all(|part| !part.is_empty());
        is_whole.then(|| Machine {
            arn: arn.to_owned(),
            executions: format!("arn:{partition}:states:{region}:{account}:execution:{name}:"),
            account: (*account).to_owned(),
        })
    }

    /// The account that it lies in.
    pub fn account(&self) -> &str {
        &self.account
    }
}

/// What became of the wish to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Started {
    Now,
    /// An execution of the same inputs is under way.
    Running,
    /// One has ended well.
    Ended,
}

/// Whether an execution of a name lets another attempt be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Running,
    Succeeded,
    /// Failed, timed out or was stopped.
    Failed,
}

/// An input in the making. Boxed: of an async closure the compiler cannot tell that a thread may take it over.
pub(super) type Pending<'a> = Pin<Box<dyn Future<Output = Result<Value, Error>> + Send + 'a>>;

impl Deployment {
    /// Starts `<stem>-<attempt>` with the first attempt that has not failed yet, unless it is under way or, without `again`, has ended
    /// well. `input` makes what it starts with, from name and attempt, and must give the same for the same.
    pub(super) async fn start<'a>(
        &self,
        machine: &Machine,
        stem: &str,
        again: bool,
        input: impl Fn(String, u32) -> Pending<'a> + Sync,
    ) -> Result<(String, Started), Error> {
        for attempt in 1..=MOST_ATTEMPTS {
            let name = format!("{stem}-{attempt}");
            match self.found(machine, &name).await? {
                Found::Failed => continue,
                Found::Succeeded if again => continue,
                Found::Running => return Ok((name, Started::Running)),
                Found::Succeeded => return Ok((name, Started::Ended)),
                Found::Nothing => {}
            }
            let input = input(name.clone(), attempt).await?.to_string();
            self.claim(&name, &input).await?;
            if self.request(machine, &name, &input).await? {
                return Ok((name, Started::Now));
            }
            // Another offer was first, or the answer to this one was lost.
            match self.found(machine, &name).await? {
                Found::Failed => continue,
                Found::Succeeded if again => continue,
                Found::Succeeded => return Ok((name, Started::Ended)),
                Found::Running | Found::Nothing => return Ok((name, Started::Running)),
            }
        }
        Err(Error::TooManyAttempts(format!(
            "{MOST_ATTEMPTS} executions {stem}-… have failed: mend what they name; other inputs or another configuration start anew"
        )))
    }

    async fn found(&self, machine: &Machine, name: &str) -> Result<Found, Error> {
        let arn = format!("{}{name}", machine.executions);
        match self.step_functions.describe_execution().execution_arn(arn).send().await {
            Ok(execution) => Ok(match execution.status() {
                ExecutionStatus::Succeeded => Found::Succeeded,
                ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Aborted => Found::Failed,
                _ => Found::Running,
            }),
            Err(error) if error.as_service_error().is_some_and(DescribeExecutionError::is_execution_does_not_exist) => {
                Ok(Found::Nothing)
            }
            Err(error) => Err(ServiceError::of("states:DescribeExecution", &error).into()),
        }
    }

    /// Keeps what the name is started with: a name that was claimed with other input is never started.
    async fn claim(&self, name: &str, input: &str) -> Result<(), Error> {
        let digest = sha256_hex(input.as_bytes());
        let item = Item::new(run_key(name), "start").with("input_sha256", &*digest).with("input", input);
        match self.table.put_when(&kept(item), When::Absent).await? {
            Put::Done => Ok(()),
            Put::Refused(Some(there)) if there.field("input_sha256") == digest => Ok(()),
            Put::Refused(_) => Err(Error::RunDiffers(format!(
                "the execution {name} was claimed with other input: its name says what it is made from, so one of them is not what it says"
            ))),
        }
    }

    /// False where the name is taken.
    async fn request(&self, machine: &Machine, name: &str, input: &str) -> Result<bool, Error> {
        match self.step_functions.start_execution().state_machine_arn(&machine.arn).name(name).input(input).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(StartExecutionError::is_execution_already_exists) => Ok(false),
            Err(error) => Err(ServiceError::of("states:StartExecution", &error).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_named_after_their_machine() {
        let machine = Machine::parse("arn:aws:states:eu-west-1:123456789012:stateMachine:month-end:7").unwrap();
        assert_eq!(machine.executions, "arn:aws:states:eu-west-1:123456789012:execution:month-end:");
        assert_eq!(machine.account(), "123456789012");
        for wrong in ["", "month-end", "arn:aws:states:eu-west-1:123456789012:execution:a:b", "arn:aws:states:::stateMachine:x"] {
            assert_eq!(Machine::parse(wrong), None, "{wrong}");
        }
    }
}
