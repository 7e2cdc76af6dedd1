//! How many events a month end of 10,000 units leaves in Step Functions' history, which ends an execution at 25,000.
//!
//! Events of a state, as the service's GetExecutionHistory lists them for requests without a token: Task entered, scheduled, started,
//! succeeded, exited; a try that failed scheduled, started, failed; Map entered, started, succeeded, exited, and for each item started and
//! succeeded; the others entered and exited, Fail only entered; the execution itself started and ended.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use apportion_core::close::shards;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const UNITS: usize = 10_000;
/// Files of a bill as large as the largest exports.
const FILES: usize = 10_000;
/// Polls of a query that takes Athena's 30 minutes.
const POLLS: usize = 120;
/// Calls of a walk through the largest organization that the mapper allows.
const WALKS: usize = 10;

/// Answers as the functions do; every call's first try fails in passing where `flaky` says so.
struct LargeMonth {
    flaky: bool,
    tried: Mutex<BTreeSet<String>>,
    polls: AtomicUsize,
    walks: AtomicUsize,
}

#[async_trait]
impl Invoker for LargeMonth {
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, NamedError> {
        if self.flaky && self.tried.lock().unwrap().insert(format!("{function} {payload}")) {
            return Err(NamedError::new("Lambda.TooManyRequestsException", "Rate Exceeded."));
        }
        let shards = |items| serde_json::to_value(shards(items)).unwrap();
        Ok(match (function, payload["action"].as_str().unwrap_or_default()) {
            ("ou_mapper", _) if self.walks.fetch_add(1, Ordering::SeqCst) + 1 < WALKS => json!({ "state": "running" }),
            ("ou_mapper", _) => json!({ "state": "done" }),
            ("reconciliation_gate", "locate") => json!({ "ready": true, "files": FILES, "shards": shards(FILES) }),
            ("reconciliation_gate", "readiness") => json!({ "ready": true }),
            ("reconciliation_gate", "reconcile") => json!({ "passed": true }),
            ("allocation_runner", "poll") if self.polls.fetch_add(1, Ordering::SeqCst) + 1 < POLLS => {
                json!({ "state": "running" })
            }
            ("allocation_runner", "poll") => json!({ "state": "succeeded" }),
            ("allocation_runner", "allocate") => json!({ "close": "c", "shards": shards(UNITS) }),
            _ => json!({}),
        })
    }
}

/// State name -> type, and the first state of each Map's item.
fn types(scope: &Value, found: &mut BTreeMap<String, String>, firsts: &mut BTreeSet<String>) {
    for (name, state) in scope["States"].as_object().unwrap() {
        found.insert(name.clone(), state["Type"].as_str().unwrap().to_owned());
        if let Some(processor) = state.get("ItemProcessor") {
            firsts.insert(processor["StartAt"].as_str().unwrap().to_owned());
            types(processor, found, firsts);
        }
    }
}

async fn events(flaky: bool) -> usize {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../statemachine/month_end.asl.json");
    let text = std::fs::read_to_string(path).unwrap();
    let (mut kinds, mut firsts) = (BTreeMap::new(), BTreeSet::new());
    types(&serde_json::from_str(&text).unwrap(), &mut kinds, &mut firsts);
    let month = LargeMonth { flaky, tried: Mutex::default(), polls: AtomicUsize::new(0), walks: AtomicUsize::new(0) };
    let lines = Mutex::new(Vec::new());
    let tell = |line: &str| lines.lock().unwrap().push(line.to_owned());
    let rest = |_: Duration| -> BoxFuture<'static, ()> { Box::pin(async {}) };
    let machine = Machine::parse("month_end.asl.json", &text).unwrap();
    let input = json!({ "run": {}, "dry_run": false, "approval_required": false, "started_by": "" });
    let walked = machine.walk_with(&month, input, &tell, &rest, usize::MAX).await;
    assert!(matches!(&walked, Walked::Succeeded { state, .. } if state == "Closed"), "{walked:?}");
    let of_a_line = |line: &String| match kinds.get(line).map(String::as_str) {
        None => 3,
        Some("Task") if firsts.contains(line) => 5 + 2,
        Some("Task") => 5,
        Some("Map") => 4,
        Some("Fail") => 1,
        Some(_) => 2,
    };
    2 + lines.into_inner().unwrap().iter().map(of_a_line).sum::<usize>()
}

#[tokio::test]
async fn ten_thousand_units_stay_far_below_the_limit_of_the_history() {
    let smooth = events(false).await;
    println!("{UNITS} units, {FILES} files, {POLLS} polls: {smooth} events");
    // By hand: three Maps of 100 shards, 3 * (4 + 100 * 7) = 2,112; 120 polls with Choice and 119 waits, 120 * 7 + 119 * 2 = 1,078; ten
    // calls of the mapper with Choice, 70; eight other tasks (locate, commit, start, readiness, allocate, reconcile, summary, publish), 40;
    // five other choices, 10; the end, 2; the execution, 2.
    assert_eq!(smooth, 2_112 + 1_078 + 70 + 40 + 10 + 2 + 2);
    let rough = events(true).await;
    println!("the same with every call refused once: {rough} events");
    assert!(rough > smooth + 3 * 300, "three Maps of 100 shards were each tried twice");
    assert!(rough < 5_000, "{rough}");
}
