//! Whatever dies, hangs, comes twice or at once: the same final bytes, and one commit.

use super::between::Blow;
use super::month::same_as_in_process;
use super::sweep::{OFFER, Point, enough, points, runs};
use super::world::{MONTH_END, World, world};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Runs of the sweep; `APPORTION_CRASH_RUNS=all` meets every point, which takes an hour.
const RUNS: usize = 3;
const EARLY: &str = "2026-01-01T00:00:00Z";

/// What the arrival of the month's manifest makes of the rule's template.
fn event(world: &World) -> Value {
    json!({ "action": "offer", "key": world.manifest(&world.period), "scheduled": now() })
}

fn now() -> String {
    let output = std::process::Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A run that nothing disturbs: where it can be struck.
fn undisturbed(world: &World) -> BTreeMap<String, Vec<Point>> {
    world.between.note();
    let execution = world.started(MONTH_END, || world.deliver(&world.period));
    world.succeeded(MONTH_END, &execution);
    let points = points(&world.between.noted(), &world.history(MONTH_END, &execution));
    world.wipe();
    points
}

/// Delivers the month, and offers it again until an offer comes to its end, as the schedule would.
fn delivered(world: &World) -> String {
    world.started(MONTH_END, || {
        world.deliver(&world.period);
        let offered = (0..10).find_map(|_| world.offer(&event(world)).ok());
        assert!(offered.is_some(), "no offer comes to its end");
    })
}

#[test]
fn whatever_is_killed_the_close_is_the_same_and_committed_once() {
    let Some(world) = world("crashes of a deployed month end") else { return };
    let points = undisturbed(&world);
    let all: usize = points.values().map(Vec::len).sum();
    for (state, points) in &points {
        println!("{state}: {} points", points.len());
    }
    assert!(points.contains_key(OFFER) && points.contains_key("Publish") && points.len() > 10, "{:?}", points.keys());
    let count = match std::env::var("APPORTION_CRASH_RUNS").as_deref() {
        Ok("all") => enough(&points),
        Ok(number) => number.parse().unwrap(),
        Err(_) => RUNS,
    };
    let mut tried = 0;
    for (number, planned) in runs(&points, count).into_iter().enumerate() {
        world.between.calm();
        world.wipe();
        for point in &planned {
            world.between.plan(&point.call, point.blow);
        }
        let begun = Instant::now();
        let execution = delivered(&world);
        world.succeeded(MONTH_END, &execution);
        let struck = world.between.struck();
        let took = begun.elapsed().as_secs();
        println!("run {}: {} of {} functions killed, {took} s", number + 1, struck.len(), planned.len());
        // A step that was killed may find a later call done already.
        assert!(struck.len() * 10 >= planned.len() * 8, "{struck:#?} of {planned:#?}");
        tried += struck.len();
        same_as_in_process(&world);
    }
    println!("crash points: {tried} met of {all} that there are");
}

#[test]
fn a_step_that_runs_out_of_time_and_goes_on_all_the_same_changes_nothing() {
    let Some(world) = world("timeouts of a deployed month end") else { return };
    let points = undisturbed(&world);
    let held = ["CommitInputs", "Allocate", "Publish"];
    let described = world.ask("AWSStepFunctions.DescribeStateMachine", &json!({ "stateMachineArn": world.machine(MONTH_END) }));
    let original = described["definition"].as_str().unwrap();
    let mut definition: Value = serde_json::from_str(original).unwrap();
    for state in held {
        definition["States"][state]["TimeoutSeconds"] = json!(8);
        let points = &points[state];
        world.between.plan(&points[points.len() / 2].call, Blow::Hold(Duration::from_secs(14)));
    }
    let update = |definition: &str| {
        let input = json!({ "stateMachineArn": world.machine(MONTH_END), "definition": definition });
        world.ask("AWSStepFunctions.UpdateStateMachine", &input);
    };
    update(&definition.to_string());
    let execution = world.started(MONTH_END, || world.deliver(&world.period));
    world.succeeded(MONTH_END, &execution);
    update(original);
    // The last one is answered after the close is out, and its function then goes on.
    world.between.released();
    std::thread::sleep(Duration::from_secs(3));
    let late = world.history(MONTH_END, &execution).iter().filter(|event| event.to_string().contains("States.Timeout")).count();
    println!("timeouts: {:?}, {late} in the history", world.between.struck());
    assert_eq!(world.between.struck().len(), held.len());
    same_as_in_process(&world);
}

#[test]
fn every_function_called_again_and_twice_at_once_changes_nothing() {
    let Some(world) = world("functions called twice") else { return };
    let execution = world.started(MONTH_END, || world.deliver(&world.period));
    let output = world.succeeded(MONTH_END, &execution);
    let run = &output["run"];
    let mut calls = Vec::new();
    let mut call = |function: &str, action: &str, shards: &Value| {
        for shard in shards.as_array().map_or_else(|| vec![Value::Null], Clone::clone) {
            let mut payload = json!({ "execution": execution, "action": action, "run": run });
            if !shard.is_null() {
                payload["shard"] = shard;
            }
            calls.push((function.to_owned(), payload));
        }
    };
    let (files, statements) = (&output["located"]["result"]["shards"], &output["allocated"]["result"]["shards"]);
    call("ou_mapper", "snapshot", &Value::Null);
    call("reconciliation_gate", "locate", &Value::Null);
    call("reconciliation_gate", "fingerprint", files);
    call("reconciliation_gate", "freeze", files);
    call("reconciliation_gate", "freeze_commit", &Value::Null);
    call("allocation_runner", "start", &Value::Null);
    call("allocation_runner", "poll", &Value::Null);
    call("reconciliation_gate", "readiness", &Value::Null);
    call("allocation_runner", "allocate", &Value::Null);
    call("reconciliation_gate", "reconcile", &Value::Null);
    call("statement_renderer", "statements", statements);
    call("statement_renderer", "summary", &Value::Null);
    calls.push(("statement_publisher".to_owned(), json!({ "execution": execution, "run": run })));
    for (function, payload) in &calls {
        let arn = world.function(function);
        let world = &*world;
        let answers = std::thread::scope(|threads| {
            [(); 2].map(|()| threads.spawn(|| world.invoke(&arn, payload))).map(|thread| thread.join().unwrap())
        });
        for answer in answers {
            assert!(answer.is_ok(), "{function} {}: {answer:?}", payload["action"]);
        }
    }
    println!("{} calls made twice at once", calls.len());
    same_as_in_process(&world);
}

#[test]
fn events_again_and_executions_at_once_give_one_commit() {
    let Some(world) = world("executions at once") else { return };
    let first = world.started(MONTH_END, || world.deliver(&world.period));
    for scheduled in [now(), EARLY.to_owned()] {
        let mut again = event(&world);
        again["scheduled"] = json!(scheduled);
        let offered = world.offer(&again).unwrap();
        let expected = if scheduled == EARLY { "not_due" } else { "running" };
        assert_eq!(offered["status"], expected, "{offered}");
    }
    // The same content delivered anew is another name; the same input started by hand shares even the staging folder.
    let second = world.started(MONTH_END, || world.deliver(&world.period));
    let third = format!("{first}-by-hand");
    world.start(MONTH_END, &third, &world.input(MONTH_END, &first));
    let status = |name: &str| world.succeeded(MONTH_END, name)["published"]["result"]["status"].as_str().unwrap().to_owned();
    let mut ends = [first.as_str(), &second, &third].map(status);
    ends.sort();
    assert_eq!(ends, ["already", "already", "committed"]);
    same_as_in_process(&world);

    let executions = world.executions(MONTH_END);
    for _ in 0..3 {
        assert_eq!(world.offer(&event(&world)).unwrap()["status"], "closed");
    }
    world.deliver_manifest_again();
    assert_eq!(world.offer(&json!({ "action": "offer" })).unwrap()["status"], "not_due", "the next month has not ended");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(world.executions(MONTH_END), executions);
    same_as_in_process(&world);
}
