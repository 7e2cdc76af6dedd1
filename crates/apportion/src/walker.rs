//! Walks a state machine of `statemachine/` on this machine: the same file that Step Functions runs.
//!
//! Only what those files use is understood; any other field, state type, path or intrinsic function is refused when the file is
//! read, with its place. Semantics are the Amazon States Language's with JSONPath. Two liberties: the jitter of a retry is its
//! longest delay, and a state's payload limit counts bytes of compact JSON.

mod definition;
#[cfg(test)]
mod history_tests;
mod path;
#[cfg(test)]
mod tests;

pub use apportion_runtime::NamedError;
pub use definition::DefinitionError;

use async_trait::async_trait;
use definition::{Catcher, Kind, MapState, Retrier, Scope, Shape, State, Task, choose};
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use path::{Path, Template};
use serde_json::{Value, json};
use std::time::Duration;

/// Bytes that may pass from state to state.
const PAYLOAD_BYTES: usize = 262_144;
/// Iterations of a Map that run at once where it states no limit: Step Functions' own for inline Maps.
const DEFAULT_CONCURRENCY: usize = 40;

/// Name of an execution that was given none.
const EXECUTION: &str = "local";

/// Calls a function by the name that stands in the definition as `${name}`.
#[async_trait]
pub trait Invoker: Send + Sync {
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, NamedError>;
}

/// A definition that this walker understands.
#[derive(Debug)]
pub struct Machine {
    scope: Scope,
    timeout: Option<Duration>,
    execution: String,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Walked {
    /// In which state, with what output.
    Succeeded { state: String, output: Value },
    /// By the name of an error; `cause` is a sentence.
    Failed { error: String, cause: String },
}

/// An error on its way through Retry and Catch.
#[derive(Debug, Clone, PartialEq)]
struct Fault {
    error: String,
    cause: String,
}

impl Fault {
    fn new(error: &str, cause: impl std::fmt::Display) -> Fault {
        Fault { error: error.to_owned(), cause: cause.to_string() }
    }

    /// Whether a name of `ErrorEquals` means this error.
    fn is(&self, name: &str) -> bool {
        let terminal = matches!(self.error.as_str(), "States.DataLimitExceeded" | "States.Runtime");
        match name {
            "States.ALL" => !terminal,
            "States.TaskFailed" => !terminal && self.error != "States.Timeout",
            name => self.error == name,
        }
    }

    fn output(&self) -> Value {
        json!({ "Error": self.error, "Cause": self.cause })
    }
}

/// One execution: what all its states share.
struct Walk<'a> {
    invoker: &'a dyn Invoker,
    progress: &'a (dyn Fn(&str) + Sync),
    sleep: &'a Sleep<'a>,
    /// Iterations of a Map that run at once at most.
    width: usize,
}

/// Waits; tests give one that does not.
pub type Sleep<'a> = dyn Fn(Duration) -> BoxFuture<'static, ()> + Sync + 'a;

/// Waits as long as it is told to.
pub fn real_sleep(delay: Duration) -> BoxFuture<'static, ()> {
    Box::pin(tokio::time::sleep(delay))
}

impl Machine {
    /// Reads a definition; `file` is its name in errors.
    pub fn parse(file: &str, text: &str) -> Result<Machine, DefinitionError> {
        definition::parse(file, text)
    }

    /// The same machine, whose execution has a name.
    pub fn named(self, execution: &str) -> Machine {
        Machine { execution: execution.to_owned(), ..self }
    }

    /// Runs to the end. `progress` hears the name of each state as it is entered, why one is tried again, and what is caught.
    pub async fn walk(&self, invoker: &dyn Invoker, input: Value, progress: &(dyn Fn(&str) + Sync)) -> Walked {
        self.walk_sleeping(invoker, input, progress, &real_sleep).await
    }

    /// The same with another way to wait.
    pub async fn walk_sleeping(
        &self,
        invoker: &dyn Invoker,
        input: Value,
        progress: &(dyn Fn(&str) + Sync),
        sleep: &Sleep<'_>,
    ) -> Walked {
        // Functions of one process share its memory and its cores: more at once would only hold more.
        let width = std::thread::available_parallelism().map_or(1, usize::from);
        self.walk_with(invoker, input, progress, sleep, width).await
    }

    async fn walk_with(
        &self,
        invoker: &dyn Invoker,
        input: Value,
        progress: &(dyn Fn(&str) + Sync),
        sleep: &Sleep<'_>,
        width: usize,
    ) -> Walked {
        let context = json!({ "Execution": { "Input": input, "Name": self.execution } });
        let walk = Walk { invoker, progress, sleep, width };
        let run = walk.scope(&self.scope, input, context);
        let ended = match self.timeout {
            None => run.await,
            Some(limit) => tokio::time::timeout(limit, run).await.unwrap_or_else(|_| {
                Err(Fault::new("States.Timeout", format!("the execution took longer than {} seconds", limit.as_secs())))
            }),
        };
        match ended {
            Ok((state, output)) => Walked::Succeeded { state, output },
            Err(fault) => {
                let cause = NamedError::from_cause(&fault.error, &fault.cause).message;
                Walked::Failed { error: fault.error, cause }
            }
        }
    }
}

impl Walk<'_> {
    /// Runs the states of a machine or of a Map's item; gives the last state's name and output.
    fn scope<'b>(&'b self, scope: &'b Scope, input: Value, context: Value) -> BoxFuture<'b, Result<(String, Value), Fault>> {
        Box::pin(async move {
            let mut name = scope.start_at.as_str();
            let mut data = input;
            loop {
                // Targets were checked when the file was read.
                let state = scope.states.get(name).ok_or_else(|| Fault::new("States.Runtime", format!("no state {name}")))?;
                (self.progress)(name);
                let (output, next) = self.state(name, state, data, &context).await?;
                let bytes = output.to_string().len();
                if bytes > PAYLOAD_BYTES {
                    let cause = format!("state {name} gives {bytes} bytes; {PAYLOAD_BYTES} may pass from state to state");
                    return Err(Fault::new("States.DataLimitExceeded", cause));
                }
                data = output;
                match next {
                    Some(next) => name = next,
                    None => return Ok((name.to_owned(), data)),
                }
            }
        })
    }

    /// Runs one state with its retries and catchers; gives its output and the next state.
    async fn state<'b>(
        &'b self,
        name: &str,
        state: &'b State,
        raw: Value,
        context: &Value,
    ) -> Result<(Value, Option<&'b str>), Fault> {
        let mut tried = vec![0u32; state.retry.len()];
        loop {
            let fault = match self.attempt(name, state, &raw, context).await {
                Ok(done) => return Ok(done),
                Err(fault) => fault,
            };
            let matching = state.retry.iter().position(|retrier| retrier.errors.iter().any(|error| fault.is(error)));
            if let Some(index) = matching.filter(|index| tried[*index] < state.retry[*index].attempts) {
                let delay = delay(&state.retry[index], tried[index]);
                tried[index] += 1;
                (self.progress)(&format!("{name}: {} ({}); again in {} s", fault.error, summary(&fault), delay.as_secs()));
                (self.sleep)(delay).await;
                continue;
            }
            let caught = |catcher: &&Catcher| catcher.errors.iter().any(|error| fault.is(error));
            let Some(catcher) = state.catch.iter().find(caught) else { return Err(fault) };
            (self.progress)(&format!("{name}: {} ({}); on to {}", fault.error, summary(&fault), catcher.next));
            let output = path::put(raw, catcher.result_path.as_ref(), fault.output())
                .map_err(|why| Fault::new("States.ResultPathMatchFailure", format!("{name}: {why}")))?;
            return Ok((output, Some(&catcher.next)));
        }
    }

    async fn attempt<'b>(
        &'b self,
        name: &str,
        state: &'b State,
        raw: &Value,
        context: &Value,
    ) -> Result<(Value, Option<&'b str>), Fault> {
        let shape = &state.shape;
        let input = select(name, "InputPath", shape.input_path.as_ref(), raw, context)?;
        let mut next = state.next.as_deref();
        let result = match &state.kind {
            Kind::Succeed => input,
            Kind::Pass { result } => match result {
                Some(fixed) => fixed.clone(),
                None => fill(name, shape.parameters.as_ref(), input, context)?,
            },
            Kind::Wait { seconds } => {
                (self.sleep)(wait(name, seconds, &input, context)?).await;
                input
            }
            Kind::Fail { error, cause } => return Err(fail(name, error, cause, &input, context)?),
            Kind::Choice { rules, default } => {
                let chosen = choose(rules, &input).map_err(|why| Fault::new("States.Runtime", format!("{name}: {why}")))?;
                let none = || Fault::new("States.NoChoiceMatched", format!("{name}: no choice matches and there is no Default"));
                next = Some(chosen.or(default.as_deref()).ok_or_else(none)?);
                input
            }
            Kind::Task(task) => self.task(name, task, shape, input, context).await?,
            Kind::Map(map) => self.map(name, map, input, context).await?,
        };
        let result = match &shape.result_selector {
            Some(template) => fill(name, Some(template), result, context)?,
            None => result,
        };
        let output = match state.kind {
            Kind::Task(_) | Kind::Map(_) | Kind::Pass { .. } => path::put(raw.clone(), shape.result_path.as_ref(), result)
                .map_err(|why| Fault::new("States.ResultPathMatchFailure", format!("{name}: {why}")))?,
            _ => result,
        };
        Ok((select(name, "OutputPath", shape.output_path.as_ref(), &output, context)?, next))
    }

    async fn task(&self, name: &str, task: &Task, shape: &Shape, input: Value, context: &Value) -> Result<Value, Fault> {
        if task.waits_for_answer {
            let cause = format!("{name} waits for a person's answer by a task token, which Step Functions alone gives out");
            return Err(Fault::new("NoTaskToken", cause));
        }
        let mut arguments = fill(name, shape.parameters.as_ref(), input, context)?;
        let payload = arguments.get_mut("Payload").map(Value::take).unwrap_or_else(|| json!({}));
        let call = self.invoker.invoke(&task.function, payload);
        let answer = match task.timeout {
            None => call.await,
            Some(limit) => tokio::time::timeout(limit, call).await.map_err(|_| {
                Fault::new("States.Timeout", format!("{name}: {} took longer than {} seconds", task.function, limit.as_secs()))
            })?,
        };
        let payload = answer.map_err(|error| Fault { cause: error.cause(), error: error.name })?;
        Ok(json!({ "ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200 }))
    }

    async fn map(&self, name: &str, map: &MapState, input: Value, context: &Value) -> Result<Value, Fault> {
        let items = select(name, "ItemsPath", Some(&map.items), &input, context)?;
        let Value::Array(items) = items else {
            return Err(Fault::new("States.Runtime", format!("{name}: ItemsPath gives no array")));
        };
        let iterations = items.into_iter().enumerate().map(|(index, item)| {
            let mut context = context.clone();
            context["Map"] = json!({ "Item": { "Index": index, "Value": item.clone() } });
            let input = &input;
            async move {
                let input = match &map.item_selector {
                    Some(template) => fill(name, Some(template), input.clone(), &context)?,
                    None => item,
                };
                self.scope(&map.processor, input, context).await.map(|(_, output)| output)
            }
        });
        let limit = if map.concurrency == 0 { DEFAULT_CONCURRENCY } else { map.concurrency };
        // The first failure ends the Map; what still runs is dropped.
        let outputs: Vec<Value> =
            stream::iter(iterations.collect::<Vec<_>>()).buffered(limit.min(self.width)).try_collect().await?;
        Ok(Value::Array(outputs))
    }
}

/// `IntervalSeconds * BackoffRate ^ tries`, at most `MaxDelaySeconds`.
fn delay(retrier: &Retrier, tried: u32) -> Duration {
    let seconds = retrier.interval.as_secs_f64() * retrier.backoff.powi(i32::try_from(tried).unwrap_or(i32::MAX));
    let longest = retrier.longest.map_or(31_622_400.0, |longest| longest.as_secs_f64());
    Duration::from_secs_f64(seconds.min(longest))
}

fn summary(fault: &Fault) -> String {
    NamedError::from_cause(&fault.error, &fault.cause).message
}

/// A path of the input (or, with `$$`, of the context); `None` stands for a null in the definition: an empty object.
fn select(name: &str, field: &str, path: Option<&Path>, data: &Value, context: &Value) -> Result<Value, Fault> {
    match path {
        None => Ok(json!({})),
        Some(path) => path
            .get(data, context)
            .cloned()
            .ok_or_else(|| Fault::new("States.Runtime", format!("{name}: {field} `{path}` finds nothing"))),
    }
}

fn fill(name: &str, template: Option<&Template>, data: Value, context: &Value) -> Result<Value, Fault> {
    match template {
        None => Ok(data),
        Some(template) => template
            .fill(&data, context)
            .map_err(|path| Fault::new("States.ParameterPathFailure", format!("{name}: the path `{path}` finds nothing"))),
    }
}

fn wait(name: &str, seconds: &definition::Seconds, input: &Value, context: &Value) -> Result<Duration, Fault> {
    let seconds = match seconds {
        definition::Seconds::Fixed(seconds) => *seconds,
        definition::Seconds::At(path) => {
            let found = select(name, "SecondsPath", Some(path), input, context)?;
            found
                .as_u64()
                .ok_or_else(|| Fault::new("States.Runtime", format!("{name}: SecondsPath gives no count of seconds")))?
        }
    };
    Ok(Duration::from_secs(seconds))
}

fn fail(name: &str, error: &definition::Text, cause: &definition::Text, input: &Value, context: &Value) -> Result<Fault, Fault> {
    let text = |text: &definition::Text, field: &str| match text {
        definition::Text::Fixed(text) => Ok(text.clone()),
        definition::Text::At(path) => match select(name, field, Some(path), input, context)? {
            Value::String(text) => Ok(text),
            _ => Err(Fault::new("States.Runtime", format!("{name}: {field} gives no text"))),
        },
    };
    Ok(Fault { error: text(error, "ErrorPath")?, cause: text(cause, "CausePath")? })
}
