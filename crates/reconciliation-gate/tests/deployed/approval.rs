use crate::world::{World, created, manifest, world};
use apportion_runtime::table::Item;
use apportion_stand_ins::Fault;
use serde_json::{Value, json};

/// A machine that waits as month end does; an activity stands in for the function that it would call with the token.
fn waiting(activity: &str) -> String {
    json!({
        "StartAt": "AskApproval",
        "States": { "AskApproval": { "Type": "Task", "Resource": activity, "TimeoutSeconds": 60, "End": true } },
    })
    .to_string()
}

/// An execution that waits for a second person, as alice started it.
async fn asked(name: &str) -> Option<(World, String)> {
    let world = world(name, crate::world::HOLD)?;
    let activity = world.create_activity();
    world.update("month-end", &waiting(&activity));
    let offered = world.send(json!({ "action": "offer", "period": "2026-09", "started_by": "alice@example.com" })).await.unwrap();
    let execution = offered["execution"].as_str().unwrap().to_owned();
    let token = world.token(&activity);
    let input: Value = serde_json::from_str(world.describe("month-end", &execution)["input"].as_str().unwrap()).unwrap();
    let ask = json!({ "action": "ask_approval", "run": input["run"], "started_by": input["started_by"], "token": token });
    assert_eq!(world.send(ask).await.unwrap(), json!({ "run": execution }));
    Some((world, execution))
}

fn decision(execution: &str, approver: &str, approved: bool) -> Value {
    json!({ "action": "approve", "run": execution, "approver": approver, "approved": approved, "reason": "the numbers" })
}

#[tokio::test]
async fn a_second_person_lets_the_run_go_on() {
    let Some((world, execution)) = asked("approval").await else { return };
    for (approver, what) in [("Alice@Example.com ", "ask a second person"), (" ", "`approver` is empty")] {
        let error = world.send(decision(&execution, approver, true)).await.unwrap_err();
        assert!(error.name() == "BadApproval" && error.to_string().contains(what), "{error}");
    }
    assert_eq!(world.describe("month-end", &execution)["status"], "RUNNING");
    let decided = world.send(decision(&execution, "bob@example.com", true)).await.unwrap();
    assert_eq!(decided, json!({ "run": execution, "answer": "approved", "approver": "bob@example.com" }));
    let ended = world.ended("month-end", &execution);
    assert_eq!(ended["status"], "SUCCEEDED");
    let output: Value = serde_json::from_str(ended["output"].as_str().unwrap()).unwrap();
    assert_eq!(output, json!({ "approved_by": "bob@example.com" }));
    let kept = world.table.get(&format!("RUN#{execution}"), "approval").await.unwrap().unwrap();
    assert_eq!(
        (kept.field("state"), kept.field("approver"), kept.field("started_by")),
        ("approved", "bob@example.com", "alice@example.com")
    );
    let error = world.send(decision(&execution, "carol@example.com", false)).await.unwrap_err();
    assert!(error.to_string().contains("approved by bob@example.com already"), "{error}");
}

#[tokio::test]
async fn a_refusal_fails_the_run_by_name() {
    let Some((world, execution)) = asked("approval-refused").await else { return };
    world.send(decision(&execution, "bob@example.com", false)).await.unwrap();
    let ended = world.ended("month-end", &execution);
    assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("ApprovalRefused")));
    assert_eq!(ended["cause"], "bob@example.com did not approve it: the numbers");
}

#[tokio::test]
async fn a_month_is_approved_by_the_run_that_it_was_last_offered_as() {
    let Some((world, execution)) = asked("approval-month").await else { return };
    let of = |period: Option<&str>, approver: &str| json!({ "action": "approve", "period": period, "approver": approver, "approved": true });
    for (period, approver, what) in [
        (Some("2026-09"), "alice@example.com", "ask a second person"),
        (Some("2026-08"), "bob@example.com", "2026-08: nothing waits for approval: month end was not offered yet"),
        (None, "bob@example.com", "name `run` or `period`"),
    ] {
        let error = world.send(of(period, approver)).await.unwrap_err();
        assert!(error.name() == "BadApproval" && error.to_string().contains(what), "{error}");
    }
    let awaiting = json!({ "status": "awaiting", "of": "2026-10", "execution": "", "why": ["the bill"] }).to_string();
    world.table.put(&Item::new("GATE#2026-10", "offer").with("offered", awaiting)).await.unwrap();
    let error = world.send(of(Some("2026-10"), "bob@example.com")).await.unwrap_err();
    assert!(error.to_string().contains("no run of it has started (the bill)"), "{error}");
    let decided = world.send(of(Some("2026-09"), "bob@example.com")).await.unwrap();
    assert_eq!(decided["run"], execution);
    assert_eq!(world.ended("month-end", &execution)["status"], "SUCCEEDED");
}

/// The answer is kept before it is sent: sent again, it reaches the machine, and no other answer does.
#[tokio::test]
async fn an_answer_that_could_not_be_sent_is_sent_again_by_the_same_person_alone() {
    let Some((world, execution)) = asked("approval-again").await else { return };
    world.proxy.inject("SendTaskSuccess", 99, Fault::Refuse { status: 400, code: "ThrottlingException" });
    assert_eq!(world.send(decision(&execution, "bob@example.com", true)).await.unwrap_err().name(), "ServiceThrottled");
    world.proxy.clear();
    let error = world.send(decision(&execution, "carol@example.com", true)).await.unwrap_err();
    assert_eq!(error.name(), "BadApproval", "{error}");
    world.send(decision(&execution, "bob@example.com", true)).await.unwrap();
    assert_eq!(world.ended("month-end", &execution)["status"], "SUCCEEDED");
}

#[tokio::test]
async fn a_run_that_does_not_wait_cannot_be_approved() {
    let Some((world, execution)) = asked("approval-late").await else { return };
    let error = world.send(decision("2026-09-none-1", "bob@example.com", true)).await.unwrap_err();
    assert!(error.to_string().contains("no run of that name waits"), "{error}");
    world.proxy.inject("SendTaskSuccess", 1, Fault::Refuse { status: 400, code: "TaskTimedOut" });
    let error = world.send(decision(&execution, "bob@example.com", true)).await.unwrap_err();
    assert!(error.name() == "BadApproval" && error.to_string().contains("does not wait any more"), "{error}");
    // The next attempt is another run with a question of its own.
    world.stop("month-end", &execution);
    assert_eq!(world.offer(created(&manifest("2026-09"), "2026-10-03T07:30:00Z")).await.0, "started");
}

/// The states of month end from the question on, as they stand in its definition, with an end for what they lead to.
fn from_the_question(timeout_seconds: u32) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../statemachine/month_end.asl.json");
    let whole: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut states = json!({});
    for name in ["IsApprovalRequired", "AskApproval", "ApprovalTimedOut", "Failed"] {
        states[name] = whole["States"][name].clone();
    }
    states["AskApproval"]["TimeoutSeconds"] = json!(timeout_seconds);
    states["AskApproval"]["Parameters"]["FunctionName"] = json!("arn:aws:lambda:us-east-1:123456789012:function:gate");
    states["Publish"] = json!({ "Type": "Succeed" });
    for name in ["TellRefusal", "TellFailure"] {
        states[name] = json!({ "Type": "Pass", "Next": "Failed" });
    }
    json!({ "StartAt": "IsApprovalRequired", "States": states }).to_string()
}

#[tokio::test]
async fn nobody_s_answer_fails_the_run_by_name_and_a_run_that_needs_none_goes_on() {
    let Some(world) = world("approval-timeout", &from_the_question(1)) else { return };
    let start = |name: &str, required: bool| {
        let input = json!({ "run": {}, "dry_run": false, "approval_required": required, "started_by": "schedule" });
        world.start("month-end", name, &input);
        world.ended("month-end", name)
    };
    assert_eq!(start("none", false)["status"], "SUCCEEDED");
    let ended = start("asked", true);
    assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("ApprovalTimedOut")));
    assert!(ended["cause"].as_str().unwrap().contains("Nothing was published"), "{ended}");
}
