//! Small machines whose outcome the Amazon States Language fixes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use serde_json::json;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Answers by function name; keeps what it was asked.
#[derive(Default)]
struct Functions {
    calls: Mutex<Vec<(String, Value)>>,
    running: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Invoker for Functions {
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, NamedError> {
        let calls = {
            let mut calls = self.calls.lock().unwrap();
            calls.push((function.to_owned(), payload.clone()));
            calls.iter().filter(|(name, _)| name == function).count()
        };
        match function {
            "echo" => Ok(payload),
            "slow_echo" => {
                self.most.fetch_max(self.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Later items end first: the output must still be in the order of the input.
                tokio::time::sleep(Duration::from_millis(40 - 10 * payload["value"].as_u64().unwrap_or(0))).await;
                self.running.fetch_sub(1, Ordering::SeqCst);
                Ok(payload["value"].clone())
            }
            "hang" => std::future::pending().await,
            "bad" => Err(NamedError::new("BadBill", "bill.csv, line 3: \"x\" is no number")),
            "abc" => Err(NamedError::new(["ErrorA", "ErrorB", "ErrorC", "ErrorB"][(calls - 1).min(3)], calls)),
            "third_time" if calls < 3 => Err(NamedError::new("Store", "reset")),
            "third_time" => Ok(json!("done")),
            "big" => Ok(json!("x".repeat(300_000))),
            "second_fails" if payload["value"] == 1 => Err(NamedError::new("BadUnit", "unit 1")),
            "second_fails" => Ok(payload),
            other => panic!("no function {other}"),
        }
    }
}

struct Run {
    walked: Walked,
    calls: Vec<(String, Value)>,
    slept: Vec<f64>,
    progress: Vec<String>,
}

async fn run(definition: Value, input: Value) -> Run {
    let machine = Machine::parse("test.asl.json", &definition.to_string()).unwrap();
    let functions = Functions::default();
    let slept = Mutex::new(Vec::new());
    let progress = Mutex::new(Vec::new());
    let sleep = |delay: Duration| -> BoxFuture<'static, ()> {
        slept.lock().unwrap().push(delay.as_secs_f64());
        Box::pin(async {})
    };
    let tell = |line: &str| progress.lock().unwrap().push(line.to_owned());
    let walked = machine.walk_with(&functions, input, &tell, &sleep, usize::MAX).await;
    Run {
        walked,
        calls: functions.calls.into_inner().unwrap(),
        slept: slept.into_inner().unwrap(),
        progress: progress.into_inner().unwrap(),
    }
}

fn task(function: &str, payload: Value, more: Value) -> Value {
    let mut state = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": { "FunctionName": format!("${{{function}}}"), "Payload": payload },
    });
    for (name, value) in more.as_object().unwrap() {
        state[name] = value.clone();
    }
    state
}

fn one(state: Value) -> Value {
    json!({ "StartAt": "Only", "States": { "Only": state } })
}

fn output(run: &Run) -> &Value {
    match &run.walked {
        Walked::Succeeded { output, .. } => output,
        failed => panic!("{failed:?}"),
    }
}

fn failed(run: &Run) -> (&str, &str) {
    match &run.walked {
        Walked::Failed { error, cause } => (error, cause),
        done => panic!("{done:?}"),
    }
}

#[tokio::test]
async fn data_goes_in_and_out_by_its_five_paths() {
    let state = task(
        "echo",
        json!({ "period.$": "$.run.period", "fixed": [1, { "deep.$": "$.list[1]" }], "whole.$": "$" }),
        json!({
            "InputPath": "$.given", "ResultSelector": { "said.$": "$.Payload.period", "status.$": "$.StatusCode" },
            "ResultPath": "$.answers.first", "OutputPath": "$.answers", "End": true
        }),
    );
    let given = json!({ "run": { "period": "2026-09" }, "list": [1, 2] });
    let run = run(one(state), json!({ "given": given, "kept": true })).await;
    assert_eq!(run.calls[0].1, json!({ "period": "2026-09", "fixed": [1, { "deep": 2 }], "whole": given }));
    assert_eq!(output(&run), &json!({ "first": { "said": "2026-09", "status": 200 } }));
}

#[tokio::test]
async fn a_null_path_drops_the_result_or_gives_an_empty_object() {
    let dropped = one(task("echo", json!({ "a": 1 }), json!({ "ResultPath": null, "End": true })));
    assert_eq!(output(&run(dropped, json!({ "x": 1 })).await), &json!({ "x": 1 }));
    let emptied = one(json!({ "Type": "Pass", "InputPath": null, "End": true }));
    assert_eq!(output(&run(emptied, json!({ "x": 1 })).await), &json!({}));
    let whole = one(task("echo", json!({ "a": 1 }), json!({ "End": true })));
    assert_eq!(output(&run(whole, json!({ "x": 1 })).await)["Payload"], json!({ "a": 1 }));
}

#[tokio::test]
async fn choices_compare_by_type_and_fall_to_the_default() {
    let choose = json!({
        "StartAt": "Choose",
        "States": {
            "Choose": { "Type": "Choice", "Default": "Other", "Choices": [
                { "Variable": "$.ready", "BooleanEquals": true, "Next": "Ready" },
                { "And": [
                    { "Variable": "$.state", "IsPresent": true },
                    { "Not": { "Variable": "$.state", "StringEquals": "running" } },
                    { "Or": [{ "Variable": "$.count", "NumericGreaterThan": 2 }, { "Variable": "$.count", "NumericEquals": 0 }] }
                ], "Next": "Counted" }
            ] },
            "Ready": { "Type": "Succeed" }, "Counted": { "Type": "Succeed" }, "Other": { "Type": "Succeed" }
        }
    });
    for (input, expected) in [
        (json!({ "ready": true }), "Ready"),
        (json!({ "ready": "true", "state": "done", "count": 3 }), "Counted"),
        (json!({ "ready": false, "state": "done", "count": 0 }), "Counted"),
        (json!({ "ready": false, "state": "running", "count": 3 }), "Other"),
        (json!({ "ready": 1, "state": "done", "count": 2 }), "Other"),
    ] {
        let run = run(choose.clone(), input.clone()).await;
        assert_eq!(run.walked, Walked::Succeeded { state: expected.to_owned(), output: input });
    }
    // Step Functions fails the execution where a Variable is not there.
    assert_eq!(failed(&run(choose, json!({ "state": 1 })).await).0, "States.Runtime");
    let none = json!({ "StartAt": "Choose", "States": {
        "Choose": { "Type": "Choice", "Choices": [{ "Variable": "$.a", "NumericLessThan": 1, "Next": "End" }] },
        "End": { "Type": "Succeed" }
    } });
    assert_eq!(failed(&run(none, json!({ "a": 1 })).await).0, "States.NoChoiceMatched");
}

#[tokio::test]
async fn retriers_count_apart_as_in_the_developer_guide() {
    // AWS Step Functions Developer Guide, "Handling errors": ErrorA, ErrorB, ErrorC, ErrorB: waits of 1, 2 and 5 seconds, then Z.
    let machine = json!({ "StartAt": "X", "States": {
        "X": task("abc", json!({}), json!({
            "Retry": [
                { "ErrorEquals": ["ErrorA", "ErrorB"], "IntervalSeconds": 1, "BackoffRate": 2.0, "MaxAttempts": 2 },
                { "ErrorEquals": ["ErrorC"], "IntervalSeconds": 5 }
            ],
            "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Z" }], "Next": "Y"
        })),
        "Y": { "Type": "Succeed" }, "Z": { "Type": "Succeed" }
    } });
    let run = run(machine, json!({ "lost": 1 })).await;
    assert_eq!(run.slept, [1.0, 2.0, 5.0]);
    assert_eq!(run.calls.len(), 4);
    let expected = json!({ "Error": "ErrorB", "Cause": r#"{"errorMessage":"4","errorType":"ErrorB"}"# });
    assert_eq!(run.walked, Walked::Succeeded { state: "Z".into(), output: expected });
}

#[tokio::test]
async fn backoff_is_capped_and_a_success_ends_it() {
    let state = |attempts: u32| {
        task(
            "third_time",
            json!({}),
            json!({ "End": true, "Retry": [{
        "ErrorEquals": ["Store"], "IntervalSeconds": 10, "BackoffRate": 10, "MaxDelaySeconds": 30,
        "MaxAttempts": attempts, "JitterStrategy": "FULL"
    }] }),
        )
    };
    let enough = run(one(state(4)), json!({})).await;
    assert_eq!((output(&enough)["Payload"].clone(), enough.slept), (json!("done"), vec![10.0, 30.0]));
    let too_few = run(one(state(1)), json!({})).await;
    assert_eq!(failed(&too_few), ("Store", "reset"));
    let none = run(one(state(0)), json!({})).await;
    assert_eq!((failed(&none).0, none.slept.len()), ("Store", 0));
}

#[tokio::test]
async fn a_caught_error_lies_beside_the_input_and_a_fail_state_tells_it() {
    let machine = json!({ "StartAt": "Work", "States": {
        "Work": task("bad", json!({}), json!({ "End": true, "InputPath": "$.part", "Catch": [
            { "ErrorEquals": ["Other"], "Next": "Never" },
            { "ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.error", "Next": "Failed" }
        ] })),
        "Never": { "Type": "Fail", "Error": "E", "Cause": "C" },
        "Failed": { "Type": "Fail", "ErrorPath": "$.error.Error", "CausePath": "$.error.Cause" }
    } });
    let run = run(machine, json!({ "part": {} })).await;
    assert_eq!(failed(&run), ("BadBill", "bill.csv, line 3: \"x\" is no number"));
    let caught = "Work: BadBill (bill.csv, line 3: \"x\" is no number); on to Failed";
    assert_eq!(run.progress, ["Work", caught, "Failed"]);
}

#[tokio::test]
async fn an_error_that_nobody_catches_ends_the_execution_by_its_name() {
    let run = run(one(task("bad", json!({}), json!({ "End": true }))), json!({})).await;
    assert_eq!(failed(&run), ("BadBill", "bill.csv, line 3: \"x\" is no number"));
}

#[tokio::test]
async fn a_map_keeps_order_and_its_limit() {
    let map = |limit: u64| {
        json!({
            "StartAt": "Each", "States": { "Each": {
                "Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": limit, "ResultPath": "$.outputs", "End": true,
                "ItemSelector": { "value.$": "$$.Map.Item.Value", "index.$": "$$.Map.Item.Index", "of.$": "$.name" },
                "ItemProcessor": { "ProcessorConfig": { "Mode": "INLINE" }, "StartAt": "Work", "States": {
                    "Work": task("slow_echo", json!({ "value.$": "$.value" }), json!({ "ResultPath": "$.got", "Next": "Done" })),
                    "Done": { "Type": "Pass", "Parameters": { "index.$": "$.index", "of.$": "$.of", "got.$": "$.got.Payload" }, "End": true }
                } }
            } }
        })
    };
    // Its own limit (0 is none), and never wider than the machine.
    for (limit, width, most) in [(1, usize::MAX, 1), (2, usize::MAX, 2), (0, usize::MAX, 4), (0, 2, 2), (3, 1, 1)] {
        let machine = Machine::parse("map", &map(limit).to_string()).unwrap();
        let functions = Functions::default();
        let input = json!({ "items": [0, 1, 2, 3], "name": "n" });
        let walked = machine.walk_with(&functions, input, &|_| {}, &real_sleep, width).await;
        let items: Vec<Value> = (0..4).map(|index| json!({ "index": index, "of": "n", "got": index })).collect();
        let expected = json!({ "items": [0, 1, 2, 3], "name": "n", "outputs": items });
        assert_eq!(walked, Walked::Succeeded { state: "Each".into(), output: expected });
        assert_eq!(functions.most.load(Ordering::SeqCst), most, "limit {limit}, width {width}");
    }
}

#[tokio::test]
async fn a_map_fails_with_the_error_of_its_item_and_runs_nothing_on_an_empty_list() {
    let map = json!({ "StartAt": "Each", "States": {
        "Each": {
            "Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 1, "Next": "Done",
            "ItemSelector": { "value.$": "$$.Map.Item.Value" },
            "Catch": [{ "ErrorEquals": ["BadUnit"], "ResultPath": "$.error", "Next": "Failed" }],
            "ItemProcessor": { "StartAt": "Work", "States": {
                "Work": task("second_fails", json!({ "value.$": "$.value" }), json!({ "End": true }))
            } }
        },
        "Done": { "Type": "Succeed" }, "Failed": { "Type": "Fail", "ErrorPath": "$.error.Error", "CausePath": "$.error.Cause" }
    } });
    let broken = run(map.clone(), json!({ "items": [0, 1, 2] })).await;
    assert_eq!(failed(&broken), ("BadUnit", "unit 1"));
    assert_eq!(broken.calls.len(), 2, "the third item is not begun");
    assert_eq!(output(&run(map.clone(), json!({ "items": [] })).await), &json!([]));
    assert_eq!(failed(&run(map, json!({ "items": 3 })).await).0, "States.Runtime");
}

#[tokio::test]
async fn a_task_and_an_execution_that_take_too_long_time_out() {
    let task_limit = one(task(
        "hang",
        json!({}),
        json!({ "TimeoutSeconds": 1, "End": true, "Retry": [
        { "ErrorEquals": ["States.TaskFailed"] }
    ] }),
    ));
    let first = run(task_limit, json!({})).await;
    assert_eq!((failed(&first).0, first.calls.len()), ("States.Timeout", 1), "TaskFailed does not mean a timeout");
    let mut whole =
        one(task("hang", json!({}), json!({ "End": true, "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Only" }] })));
    whole["TimeoutSeconds"] = json!(1);
    assert_eq!(failed(&run(whole, json!({})).await).0, "States.Timeout");
}

#[tokio::test]
async fn faults_of_the_definition_s_own_are_named() {
    let all = |state: Value| json!({ "StartAt": "Only", "States": { "Only": state, "Caught": { "Type": "Succeed" } } });
    let caught = json!([{ "ErrorEquals": ["States.ALL"], "Next": "Caught" }]);
    let missing = all(task("echo", json!({ "a.$": "$.none" }), json!({ "End": true, "Catch": caught })));
    let run_missing = run(missing, json!({})).await;
    assert_eq!(output(&run_missing)["Error"], "States.ParameterPathFailure");
    assert!(run_missing.calls.is_empty());
    let onto_text = all(task("echo", json!({}), json!({ "ResultPath": "$.a.b", "End": true, "Catch": caught })));
    assert_eq!(output(&run(onto_text, json!({ "a": "text" })).await)["Error"], "States.ResultPathMatchFailure");
    let no_input = one(json!({ "Type": "Pass", "InputPath": "$.none", "End": true }));
    assert_eq!(failed(&run(no_input, json!({})).await).0, "States.Runtime");
    let too_big = all(task("big", json!({}), json!({ "End": true, "Catch": caught })));
    assert_eq!(failed(&run(too_big, json!({})).await).0, "States.DataLimitExceeded");
}

#[tokio::test]
async fn waits_pass_their_input_on() {
    let machine = json!({ "StartAt": "Fixed", "States": {
        "Fixed": { "Type": "Wait", "Seconds": 15, "Next": "Told" },
        "Told": { "Type": "Wait", "SecondsPath": "$.seconds", "End": true }
    } });
    let run = run(machine, json!({ "seconds": 7 })).await;
    assert_eq!((output(&run), run.slept.as_slice()), (&json!({ "seconds": 7 }), &[15.0, 7.0][..]));
}

#[test]
fn what_the_walker_would_not_honour_is_refused_with_its_place() {
    let end = |mut state: Value| {
        state["End"] = json!(true);
        one(state)
    };
    let parameters =
        |parameters: Value| json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": parameters });
    let good = task("echo", json!({}), json!({}));
    let with = |name: &str, value: Value| {
        let mut state = good.clone();
        state[name] = value;
        end(state)
    };
    let cases = [
        (with("HeartbeatSeconds", json!(5)), "$.States.Only.HeartbeatSeconds: this field"),
        (with("Assign", json!({})), "$.States.Only.Assign: this field"),
        (with("QueryLanguage", json!("JSONata")), "$.States.Only.QueryLanguage: this field"),
        (with("Resource", json!("arn:aws:states:::athena:startQueryExecution.sync")), "$.States.Only.Resource: only"),
        (with("Next", json!("Only")), "$.States.Only: give Next, or End"),
        (with("Type", json!("Parallel")), "$.States.Only.Type: `Parallel`"),
        (with("InputPath", json!("$.a[*]")), "$.States.Only.InputPath: `$.a[*]` is not a path"),
        (with("InputPath", json!("$..a")), "$.States.Only.InputPath: `$..a` is not a path"),
        (with("ResultPath", json!("$$.a")), "$.States.Only.ResultPath: the context"),
        (with("TimeoutSeconds", json!(0)), "$.States.Only.TimeoutSeconds: expected at least 1"),
        (with("Retry", json!([])), "$.States.Only.Retry: expected a list"),
        (with("Retry", json!([{ "ErrorEquals": [] }])), "$.States.Only.Retry[0].ErrorEquals: expected a list"),
        (with("Retry", json!([{ "ErrorEquals": ["A"], "BackoffRate": 0.5 }])), "$.States.Only.Retry[0].BackoffRate: "),
        (with("Retry", json!([{ "ErrorEquals": ["A"], "Jitter": 1 }])), "$.States.Only.Retry[0].Jitter: this field"),
        (with("Retry", json!([{ "ErrorEquals": ["States.ALL", "A"] }])), "$.States.Only.Retry[0].ErrorEquals: States.ALL"),
        (with("Catch", json!([{ "ErrorEquals": ["A"], "Next": "Gone" }])), "$.States.Only: there is no state `Gone`"),
        (end(parameters(json!({ "FunctionName": "${echo}", "Qualifier": "1" }))), "$.States.Only.Parameters.Qualifier: only"),
        (end(parameters(json!({ "FunctionName": "echo" }))), "$.States.Only.Parameters.FunctionName: expected `${name}`"),
        (end(parameters(json!({ "FunctionName": "${a-b}" }))), "$.States.Only.Parameters.FunctionName: expected `${name}`"),
        (
            end(parameters(json!({ "FunctionName": "${echo}", "Payload": { "a.$": "States.Format('{}', $.a)" } }))),
            "$.States.Only.Parameters.Payload.a.$: `States.Format('{}', $.a)` is an intrinsic function",
        ),
        (json!({ "StartAt": "A", "States": { "B": { "Type": "Succeed" } } }), "$.StartAt: there is no state `A`"),
        (
            json!({ "StartAt": "A", "States": { "A": { "Type": "Succeed" }, "B": { "Type": "Succeed" } } }),
            "$.States.B: no state leads here",
        ),
        (json!({ "StartAt": "A", "Version": "1.0", "States": { "A": { "Type": "Succeed" } } }), "$.Version: this field"),
        (
            one(json!({ "Type": "Map", "ItemsPath": "$", "End": true, "ItemProcessor": {
                "ProcessorConfig": { "Mode": "DISTRIBUTED" }, "StartAt": "A", "States": { "A": { "Type": "Succeed" } } } })),
            "$.States.Only.ItemProcessor.ProcessorConfig.Mode: only INLINE",
        ),
        (
            one(json!({ "Type": "Map", "ItemsPath": "$", "End": true, "ItemProcessor": {
                "StartAt": "A", "States": { "A": { "Type": "Pass", "Next": "Only" } } } })),
            "$.States.Only.ItemProcessor.States.A: there is no state `Only`",
        ),
        (
            one(json!({ "Type": "Choice", "Choices": [{ "Variable": "$.a", "StringMatches": "x*", "Next": "Only" }] })),
            "$.States.Only.Choices[0].StringMatches: is not a comparison",
        ),
        (
            one(json!({ "Type": "Choice", "Choices": [{ "Variable": "$.a", "BooleanEquals": "true", "Next": "Only" }] })),
            "$.States.Only.Choices[0].BooleanEquals: the value has the wrong type",
        ),
        (one(json!({ "Type": "Fail", "Error": "E" })), "$.States.Only: give Cause or CausePath"),
        (one(json!({ "Type": "Wait", "End": true })), "$.States.Only: give Seconds or SecondsPath"),
        (one(json!([])), "$.States.Only: expected an object"),
        (json!([]), "$: expected an object"),
    ];
    for (definition, expected) in cases {
        let error = Machine::parse("x.asl.json", &definition.to_string()).expect_err(expected).to_string();
        assert!(error.starts_with(&format!("x.asl.json: {expected}")), "{error}\nwanted {expected}");
    }
    let broken = Machine::parse("x.asl.json", "{ \"StartAt\": ").unwrap_err().to_string();
    assert!(broken.starts_with("x.asl.json: $: EOF") && broken.contains("line 1 column"), "{broken}");
}

#[test]
fn the_machines_of_the_repository_are_understood() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../statemachine");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.to_string_lossy().ends_with(".asl.json") {
            let text = std::fs::read_to_string(&path).unwrap();
            Machine::parse(&path.display().to_string(), &text).unwrap();
            count += 1;
        }
    }
    assert!(count > 0);
}

/// An organization that takes three calls, and nothing else that works.
#[derive(Default)]
struct LongWalk(AtomicUsize);

#[async_trait]
impl Invoker for LongWalk {
    async fn invoke(&self, function: &str, _: Value) -> Result<Value, NamedError> {
        match function {
            "ou_mapper" if self.0.fetch_add(1, Ordering::SeqCst) < 2 => Ok(json!({ "state": "running" })),
            "ou_mapper" => Ok(json!({ "state": "done" })),
            _ => Err(NamedError::new("Stop", "enough")),
        }
    }
}

#[tokio::test]
async fn a_long_walk_of_the_organization_is_called_until_it_is_done() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../statemachine");
    for (name, next) in [("daily", "FindBill"), ("month_end", "LocateBill")] {
        let text = std::fs::read_to_string(folder.join(format!("{name}.asl.json"))).unwrap();
        let (functions, states) = (LongWalk::default(), Mutex::new(Vec::new()));
        let input =
            json!({ "run": {}, "dry_run": false, "most_polls": 1, "stages": { "readiness": { "output": { "polls": 0 } } } });
        let tell = |line: &str| states.lock().unwrap().push(line.to_owned());
        Machine::parse(name, &text).unwrap().walk(&functions, input, &tell).await;
        let states = states.into_inner().unwrap();
        let (read, asked) = ("OrganizationSnapshot", "IsOrganizationRead");
        assert_eq!(states[..7], [read, asked, read, asked, read, asked, next], "{name}");
        assert_eq!(functions.0.into_inner(), 3);
    }
}

/// Without it a log line of a function could not be found by the execution it belongs to.
#[test]
fn every_payload_of_the_machines_names_its_execution() {
    fn payloads<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                if name == "Payload" {
                    found.push(value);
                }
                payloads(value, found);
            }),
            Value::Array(items) => items.iter().for_each(|item| payloads(item, found)),
            _ => {}
        }
    }
    for text in
        [include_str!("../../../../statemachine/month_end.asl.json"), include_str!("../../../../statemachine/daily.asl.json")]
    {
        let machine: Value = serde_json::from_str(text).unwrap();
        let mut found = Vec::new();
        payloads(&machine, &mut found);
        assert!(found.len() > 5);
        for payload in found {
            assert_eq!(payload["execution.$"], "$$.Execution.Name", "{payload}");
        }
    }
}
