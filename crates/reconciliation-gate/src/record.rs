//! How a daily run went, stage by stage: what the digest names at its top, and what `apportion health` counts.

use crate::{Context, Error, Output, write_staged};
use apportion_core::day::{DayRun, FailedStage, Outcome, RunRecord, STAGES};
use serde_json::Value;
use std::collections::BTreeMap;

/// `stages` holds what the machine kept of each: an output, or the error that was caught. Called before the digest and after it.
pub(crate) async fn record(context: &Context, run: &DayRun, stages: &BTreeMap<String, Value>) -> Result<Output, Error> {
    let record = of(run, stages);
    write_staged(context, &run.staging, "run.json", &record).await?;
    let mut text = serde_json::to_vec_pretty(&record).map_err(|error| Error::Staging(error.to_string()))?;
    text.push(b'\n');
    context.work.put(&record.key(), &text).await?;
    let (error, cause) = match record.failed.first() {
        Some(stage) => (stage.error.clone(), format!("{}: {}", stage.name, stage.cause)),
        None => (String::new(), String::new()),
    };
    Ok(Output::Recorded { outcome: record.outcome, failed: record.failed, error, cause })
}

fn of(run: &DayRun, stages: &BTreeMap<String, Value>) -> RunRecord {
    let awaited = awaited(stages);
    let mut failed = Vec::new();
    let mut skipped = Vec::new();
    for name in STAGES {
        match stages.get(name) {
            Some(stage) => failed.extend(failure(name, stage)),
            None if name != "digest" => skipped.push(name.to_owned()),
            None => {}
        }
    }
    let outcome = match (failed.is_empty(), awaited.is_empty()) {
        (false, _) => Outcome::Failed,
        (true, false) => Outcome::NotReady,
        (true, true) => Outcome::Complete,
    };
    RunRecord { date: run.date, run: run.staging.clone(), outcome, failed, skipped, awaited, milliseconds: BTreeMap::new() }
}

/// The error that the machine caught; its cause is what Lambda makes of a named error.
fn failure(name: &str, stage: &Value) -> Option<FailedStage> {
    let error = stage.get("Error")?.as_str().unwrap_or("Unknown").to_owned();
    let cause = stage.get("Cause").and_then(Value::as_str).unwrap_or_default();
    let parsed: Option<Value> = serde_json::from_str(cause).ok();
    let message = parsed.as_ref().and_then(|cause| cause.get("errorMessage")).and_then(Value::as_str).unwrap_or(cause);
    Some(FailedStage { name: name.to_owned(), error, cause: message.to_owned() })
}

/// What a run that found no lines of the day waits for.
fn awaited(stages: &BTreeMap<String, Value>) -> Vec<String> {
    let listed =
        ["readiness", "rollup"].into_iter().filter_map(|name| stages.get(name)?.get("output")?.get("awaited")?.as_array());
    listed.flatten().filter_map(|line| line.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run() -> DayRun {
        let run = json!({ "date": "2026-09-17", "staging": "staging/daily/2026-09-17/1/", "bill": "", "configuration": "c/",
            "organization": null, "attempt": 1 });
        serde_json::from_value(run).unwrap()
    }

    fn stages(value: Value) -> BTreeMap<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    fn done(without: &[&str]) -> Value {
        let names = STAGES.iter().filter(|name| !without.contains(name));
        names.map(|name| ((*name).to_owned(), json!({ "output": {} }))).collect::<serde_json::Map<_, _>>().into()
    }

    #[test]
    fn a_run_of_which_every_stage_gave_an_output_is_complete() {
        let record = of(&run(), &stages(done(&[])));
        assert_eq!((record.outcome, record.failed.len(), record.skipped.len()), (Outcome::Complete, 0, 0));
    }

    #[test]
    fn a_caught_error_fails_the_run_and_keeps_its_sentence() {
        let mut all = done(&["evaluate", "hygiene", "suggestions", "executive"]);
        all["rollup"] = json!({ "Error": "BadBill", "Cause": "{\"errorMessage\":\"line 3 is cut\",\"errorType\":\"BadBill\"}" });
        let record = of(&run(), &stages(all));
        assert_eq!(record.outcome, Outcome::Failed);
        let failed: Vec<_> =
            record.failed.iter().map(|stage| (stage.name.as_str(), stage.error.as_str(), stage.cause.as_str())).collect();
        assert_eq!(failed, [("rollup", "BadBill", "line 3 is cut")]);
        assert_eq!(record.skipped, ["evaluate", "hygiene", "suggestions", "executive"]);
    }

    #[test]
    fn a_day_without_lines_is_not_ready_and_says_what_is_awaited() {
        let mut all = done(&["rollup", "evaluate", "hygiene", "suggestions", "executive"]);
        all["readiness"] = json!({ "output": { "ready": false, "awaited": ["the bill file `x`"] } });
        let record = of(&run(), &stages(all));
        assert_eq!((record.outcome, record.awaited), (Outcome::NotReady, vec!["the bill file `x`".to_owned()]));
    }
}
