//! The functions of a run, watched: how long each stage took, how it ended, what it gave.

use crate::walker::{Invoker, NamedError};
use async_trait::async_trait;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Passes every call on and remembers it.
pub struct Timed<'a> {
    functions: &'a dyn Invoker,
    progress: &'a (dyn Fn(&str) + Sync),
    seen: Mutex<Seen>,
}

/// What was seen, by stage.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// All calls of a stage together.
    pub durations: BTreeMap<&'static str, Duration>,
    /// The last output.
    pub outputs: BTreeMap<&'static str, Value>,
}

impl<'a> Timed<'a> {
    pub fn new(functions: &'a dyn Invoker, progress: &'a (dyn Fn(&str) + Sync)) -> Timed<'a> {
        Timed { functions, progress, seen: Mutex::default() }
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The stage (`core::day::STAGES`) that a call belongs to; keeping the record is none.
fn stage(function: &str, action: &str) -> Option<&'static str> {
    Some(match (function, action) {
        ("ou_mapper", _) => "organization",
        ("reconciliation_gate", "day") => "readiness",
        ("allocation_runner", _) => "rollup",
        ("digest_mailer", "evaluate") => "evaluate",
        ("tag_hygiene", "findings") => "hygiene",
        ("tag_hygiene", _) => "suggestions",
        ("statement_renderer", _) => "executive",
        ("digest_mailer", _) => "digest",
        _ => return None,
    })
}

#[async_trait]
impl Invoker for Timed<'_> {
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, NamedError> {
        let action = payload.get("action").and_then(Value::as_str).unwrap_or_default();
        let Some(stage) = stage(function, action) else { return self.functions.invoke(function, payload).await };
        let started = Instant::now();
        let answer = self.functions.invoke(function, payload).await;
        let took = started.elapsed();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen.durations.entry(stage).or_default() += took;
        let ended = match &answer {
            Ok(output) => {
                seen.outputs.insert(stage, output.clone());
                "done".to_owned()
            }
            Err(error) => format!("failed ({})", error.name),
        };
        (self.progress)(&format!("{stage}: {ended} in {:.2} s", took.as_secs_f64()));
        answer
    }
}
