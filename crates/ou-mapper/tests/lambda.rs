//! The function as it is deployed: its binary in a zip, run by a stand-in for Lambda, called by a state machine, over a bucket.
#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use apportion_stand_ins::{StandIn, call, emulator, rest};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

const ROLE: &str = "arn:aws:iam::123456789012:role/machine";
const ORGANIZATION: &str = r#"{
  "Roots": [{"Id": "r-1", "Name": "Root"}],
  "OrganizationalUnits": [{"Id": "ou-1", "Name": "Workloads", "ParentId": "r-1"}],
  "Accounts": [
    {"Id": "100000000001", "Name": "payer", "ParentId": "r-1", "State": "ACTIVE"},
    {"Id": "100000000002", "Name": "claims", "ParentId": "ou-1", "State": "ACTIVE"}
  ]
}"#;

fn put(emulator: &StandIn, path: &str, body: &[u8]) {
    let answer = rest(emulator, "s3", "PUT", path, body);
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
}

fn deploy(emulator: &StandIn, name: &str, settings: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/package.py");
    let packed = Command::new("python3").args([script, name, env!("CARGO_BIN_EXE_ou-mapper")]).args(settings).output().unwrap();
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
    let answer = rest(emulator, "lambda", "POST", "/2015-03-31/functions", &packed.stdout);
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
}

/// A machine that calls a function with its input, catches one error by name, and lets any other end it.
fn machine(emulator: &StandIn, name: &str, function: &str, caught: &str) -> String {
    let definition = json!({
        "StartAt": "Map",
        "States": {
            "Map": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": { "FunctionName": function, "Payload": {
                    "execution.$": "$$.Execution.Name", "action": "snapshot", "run.$": "$.run"
                } },
                "ResultSelector": { "output.$": "$.Payload" },
                "Catch": [{ "ErrorEquals": [caught], "ResultPath": "$.error", "Next": "Caught" }],
                "End": true
            },
            "Caught": { "Type": "Pass", "End": true }
        }
    });
    let input = json!({ "name": name, "definition": definition.to_string(), "roleArn": ROLE });
    let made: Value = serde_json::from_str(&call(emulator, "AWSStepFunctions.CreateStateMachine", &input.to_string())).unwrap();
    made["stateMachineArn"].as_str().unwrap().to_owned()
}

/// Runs a machine to its end; gives its last state of affairs.
fn execute(emulator: &StandIn, machine: &str, name: &str, organization: &str) -> Value {
    let run = json!({
        "period": "2026-09", "staging": format!("staging/2026-09/{name}/"), "bill": "", "configuration": "", "template": null,
        "organization": organization, "invoices": null, "provisional": false, "closes": "", "currency": "", "attempt": 1
    });
    let input = json!({ "stateMachineArn": machine, "name": name, "input": json!({ "run": run }).to_string() });
    let started: Value = serde_json::from_str(&call(emulator, "AWSStepFunctions.StartExecution", &input.to_string())).unwrap();
    let asked = json!({ "executionArn": started["executionArn"] }).to_string();
    let begun = Instant::now();
    loop {
        let found: Value = serde_json::from_str(&call(emulator, "AWSStepFunctions.DescribeExecution", &asked)).unwrap();
        if found["status"] != "RUNNING" {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{name} does not end: {found}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn output(execution: &Value) -> Value {
    assert_eq!(execution["status"], "SUCCEEDED", "{execution}");
    serde_json::from_str(execution["output"].as_str().unwrap()).unwrap()
}

#[test]
fn the_deployed_function_writes_its_files_and_its_errors_are_caught_by_name() {
    let Some(emulator) = emulator("the deployed mapper") else { return };
    put(emulator, "/mapper-work", b"");
    put(emulator, "/mapper-work/prefix/org.json", ORGANIZATION.as_bytes());
    put(emulator, "/mapper-work/prefix/broken.json", b"{");
    deploy(emulator, "mapper", &["APPORTION_WORK=s3://mapper-work/prefix", "APPORTION_LOG=debug"]);
    let mapper = machine(emulator, "mapping", "mapper", "BadOrganization");

    let done = output(&execute(emulator, &mapper, "2026-09-one", "org.json"));
    let staged = "staging/2026-09/2026-09-one/organization.json";
    assert_eq!(done["output"]["snapshot"], staged);
    assert_eq!((&done["output"]["accounts"], &done["output"]["organizational_units"]), (&json!(2), &json!(1)));
    let snapshot = rest(emulator, "s3", "GET", &format!("/mapper-work/prefix/{staged}"), b"");
    assert!(snapshot.status == 200 && String::from_utf8_lossy(&snapshot.body).contains("claims"), "{}", snapshot.head);

    let bad = output(&execute(emulator, &mapper, "2026-09-two", "broken.json"));
    assert_eq!(bad["error"]["Error"], "BadOrganization");
    let cause: Value = serde_json::from_str(bad["error"]["Cause"].as_str().unwrap()).unwrap();
    assert_eq!(cause["errorType"], "BadOrganization");
    assert!(cause["errorMessage"].as_str().unwrap().contains("the organization file"), "{cause}");

    let other = execute(emulator, &mapper, "2026-09-three", "a//b");
    assert_eq!((&other["status"], &other["error"]), (&json!("FAILED"), &json!("StoreRefused")), "{other}");

    deploy(emulator, "unset", &["APPORTION_LOG=info"]);
    let unset = machine(emulator, "unset", "unset", "BadSetting");
    let bad = output(&execute(emulator, &unset, "2026-09-four", "org.json"));
    assert_eq!(bad["error"]["Error"], "BadSetting");
    assert!(bad["error"]["Cause"].as_str().unwrap().contains("APPORTION_WORK is not set"), "{bad}");
}
