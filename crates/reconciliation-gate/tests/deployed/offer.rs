use crate::world::{FAIL, HOLD, SUCCEED, World, created, manifest, world};
use apportion_core::close::Run;
use apportion_core::day::DayRun;
use apportion_runtime::table::Item;
use apportion_stand_ins::Fault;
use reconciliation_gate::{Context, Event, handle};
use serde_json::{Value, json};

const AFTER: &str = "2026-10-03T07:30:00Z";

fn delivered() -> Value {
    created(&manifest("2026-09"), AFTER)
}

fn input(world: &World, machine: &str, execution: &str) -> Value {
    serde_json::from_str(world.describe(machine, execution)["input"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_delivered_manifest_starts_month_end_with_all_that_it_needs() {
    let Some(world) = world("offer", HOLD) else { return };
    let (status, execution) = world.offer(delivered()).await;
    assert_eq!(status, "started");
    let (month, rest) = execution.split_at(8);
    let (digest, attempt) = rest.split_once('-').unwrap();
    assert!(month == "2026-09-" && digest.len() == 12 && attempt == "1", "{execution}");
    let input = input(&world, "month-end", &execution);
    let run: Run = serde_json::from_value(input["run"].clone()).unwrap();
    assert_eq!(
        (run.period.to_string(), run.staging.as_str(), run.attempt),
        ("2026-09".into(), &*format!("staging/2026-09/{execution}/"), 1)
    );
    assert_eq!(
        (&input["dry_run"], &input["approval_required"], &input["started_by"]),
        (&json!(false), &json!(false), &json!("schedule"))
    );
    let staged = |key: &str| world.read(&format!("work/{key}"));
    assert_eq!(staged(&run.invoices.unwrap()), r#"{"InvoiceSummaries":[]}"#);
    for name in ["rules.toml", "taxonomy.toml", "units.toml"] {
        assert_eq!(staged(&format!("{}{name}", run.configuration)), world.read(&format!("release/configuration/{name}")));
    }
    assert_eq!(world.keys(&format!("RUN#{execution}")).await, ["start"]);
    assert_eq!(world.keys("GATE#2026-09").await, ["offer"]);
}

/// Duplicates, late events, the schedule and offers at once come to one execution.
#[tokio::test]
async fn however_often_the_same_bill_is_offered_it_starts_once() {
    let Some(world) = world("offer-once", HOLD) else { return };
    let offers = [
        delivered(),
        delivered(),
        created(&manifest("2026-09"), "2026-10-01T00:00:00Z"),
        json!({ "action": "offer", "scheduled": AFTER }),
        json!({ "action": "offer", "key": manifest("2026-09"), "scheduled": AFTER }),
    ];
    let [one, two, three, four, five] = offers.clone();
    let at_once = tokio::join!(world.offer(one), world.offer(two), world.offer(three), world.offer(four), world.offer(five));
    let first = at_once.0.1.clone();
    for (status, execution) in [at_once.0, at_once.1, at_once.2, at_once.3, at_once.4] {
        assert!(["started", "running"].contains(&status.as_str()) && execution == first, "{status} {execution}");
    }
    for offer in offers {
        assert_eq!(world.offer(offer).await, ("running".to_owned(), first.clone()));
    }
    assert_eq!(world.executions("month-end"), [first]);
}

#[tokio::test]
async fn the_attempt_rises_only_after_a_failure() {
    let Some(world) = world("offer-attempts", HOLD) else { return };
    let (_, first) = world.offer(delivered()).await;
    world.stop("month-end", &first);
    let (status, second) = world.offer(delivered()).await;
    assert_eq!((status.as_str(), second.clone()), ("started", first.trim_end_matches('1').to_owned() + "2"));
    assert_eq!(input(&world, "month-end", &second)["run"]["attempt"], 2);
    world.stop("month-end", &second);
    world.update("month-end", FAIL);
    let (_, third) = world.offer(delivered()).await;
    assert_eq!(world.ended("month-end", &third)["status"], "FAILED");
    world.update("month-end", SUCCEED);
    let (status, fourth) = world.offer(delivered()).await;
    assert_eq!(status, "started");
    world.ended("month-end", &fourth);
    // It ended well without a close, as one that was not ready does: only something new starts another.
    assert_eq!(world.offer(delivered()).await, ("ended".to_owned(), fourth.clone()));
    assert_eq!(world.executions("month-end").len(), 4);
    world.write("invoices.json", r#"{"InvoiceSummaries":[{"InvoiceId":"1"}]}"#);
    let (status, with_invoices) = world.offer(delivered()).await;
    assert!(status == "started" && with_invoices.ends_with("-1") && with_invoices[..20] != fourth[..20], "{with_invoices}");
    world.ended("month-end", &with_invoices);
    world.deliver("2026-09", "another bill");
    assert_eq!(world.offer(delivered()).await.0, "started");
}

#[tokio::test]
async fn months_that_are_closed_open_or_not_their_turn_are_not_started() {
    let Some(world) = world("offer-due", HOLD) else { return };
    world.close("2026-08");
    world.deliver("2026-10", "open");
    world.deliver("2026-06", "old");
    for (key, moment, status) in [
        (manifest("2026-10"), AFTER, "not_due"),
        (manifest("2026-06"), AFTER, "not_due"),
        (manifest("2026-08"), AFTER, "closed"),
        // A later month waits for the one before.
        (manifest("2026-10"), "2026-11-03T07:30:00Z", "not_due"),
        ("export/data/BILLING_PERIOD=2026-09/export-00001.csv.gz".to_owned(), AFTER, "not_due"),
    ] {
        assert_eq!(world.offer(created(&key, moment)).await, (status.to_owned(), String::new()), "{key} {moment}");
    }
    assert!(world.executions("month-end").is_empty());
    assert_eq!(world.offer(json!({ "action": "offer", "scheduled": "2026-11-03T07:30:00Z" })).await.0, "started");
    world.close("2026-09");
    assert_eq!(world.offer(delivered()).await.0, "closed");
    assert_eq!(world.executions("month-end").len(), 1);
}

#[tokio::test]
async fn a_bill_that_is_not_all_there_is_awaited() {
    let Some(world) = world("offer-awaited", HOLD) else { return };
    let data = world.folder.path().join("bill/export/data");
    std::fs::rename(&data, world.folder.path().join("kept")).unwrap();
    let offered = world.send(delivered()).await.unwrap();
    assert_eq!(offered["status"], "awaiting");
    assert!(offered["why"][0].as_str().unwrap().contains("export-00001.csv.gz"), "{offered}");
    std::fs::rename(world.folder.path().join("kept"), &data).unwrap();
    assert_eq!(world.offer(delivered()).await.0, "started");
}

#[tokio::test]
async fn throttling_and_lost_answers_start_one_execution() {
    let throttled = Fault::Refuse { status: 400, code: "ThrottlingException" };
    for (name, fault) in
        [("throttled", throttled), ("reset", Fault::Reset), ("lost", Fault::DoneButLost), ("failed", Fault::DoneButFailed)]
    {
        let Some(world) = world(&format!("offer-{name}"), HOLD) else { return };
        for operation in ["StartExecution", "DescribeExecution", "PutItem"] {
            world.proxy.inject(operation, 1, fault.clone());
        }
        let (status, execution) = world.offer(delivered()).await;
        assert!(["started", "running"].contains(&status.as_str()), "{name}: {status}");
        assert_eq!(world.executions("month-end"), [execution], "{name}");
    }
}

#[tokio::test]
async fn what_does_not_pass_is_named_and_starts_nothing() {
    let Some(world) = world("offer-refused", HOLD) else { return };
    for (operation, code, name) in [
        ("StartExecution", "ExpiredTokenException", "ExpiredCredentials"),
        ("StartExecution", "ThrottlingException", "ServiceThrottled"),
        ("StartExecution", "AccessDeniedException", "ServiceDenied"),
        ("DescribeExecution", "AccessDeniedException", "ServiceDenied"),
        ("DescribeExecution", "StateMachineDoesNotExist", "ServiceRefused"),
        ("PutItem", "ExpiredTokenException", "ExpiredCredentials"),
    ] {
        world.proxy.inject(operation, 99, Fault::Refuse { status: 400, code });
        let error = world.send(delivered()).await.unwrap_err();
        assert_eq!(error.name(), name, "{error}");
        world.proxy.clear();
    }
    assert!(world.executions("month-end").is_empty());
    world.write("release/configuration/rules.toml", "version = 2\n");
    assert_eq!(world.send(delivered()).await.unwrap_err().name(), "BadConfiguration");
}

/// Fault 38: one name, other input.
#[tokio::test]
async fn a_name_that_was_claimed_with_other_input_is_not_started() {
    let Some(world) = world("offer-differs", HOLD) else { return };
    let (_, execution) = world.offer(delivered()).await;
    world.stop("month-end", &execution);
    let next = execution.trim_end_matches('1').to_owned() + "2";
    let other = Item::new(format!("RUN#{next}"), "start").with("input_sha256", "of another");
    world.table.put(&other).await.unwrap();
    let error = world.send(delivered()).await.unwrap_err();
    assert_eq!(error.name(), "RunDiffers", "{error}");
    assert_eq!(world.executions("month-end"), [execution]);
}

#[tokio::test]
async fn a_day_is_started_once_and_again_when_a_person_asks() {
    let Some(world) = world("offer-day", SUCCEED) else { return };
    let scheduled = json!({ "action": "offer_day", "scheduled": "2026-09-15T06:00:00Z" });
    assert_eq!(world.offer(scheduled.clone()).await, ("started".to_owned(), "2026-09-14-1".to_owned()));
    world.ended("daily", "2026-09-14-1");
    assert_eq!(world.offer(scheduled).await, ("ended".to_owned(), "2026-09-14-1".to_owned()));
    let input = input(&world, "daily", "2026-09-14-1");
    let run: DayRun = serde_json::from_value(input["run"].clone()).unwrap();
    assert_eq!((run.date.to_string(), run.staging.as_str()), ("2026-09-14".into(), "staging/daily/2026-09-14/2026-09-14-1/"));
    // Twelve hours of looking every half an hour, and the first look.
    assert_eq!((&input["most_polls"], &input["stages"]), (&json!(25), &json!({ "readiness": { "output": { "polls": 0 } } })));
    assert!(world.exists(&format!("work/{}rules.toml", run.configuration)));
    let again = json!({ "action": "offer_day", "date": "2026-09-14" });
    assert_eq!(world.offer(again).await, ("started".to_owned(), "2026-09-14-2".to_owned()));
}

#[tokio::test]
async fn one_machine_starts_and_approves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = apportion_store::Store::directory(folder.path());
    let context = Context::new(store.clone(), store);
    for event in [delivered(), json!({ "action": "offer" }), json!({ "action": "offer_day" })] {
        let event: Event = serde_json::from_value(event).unwrap();
        assert_eq!(handle(&context, event).await.unwrap_err().name(), "NotDeployed");
    }
}

#[test]
fn an_event_that_is_none_of_ours_says_so() {
    for (event, what) in [
        (json!({ "action": "offers" }), "unknown variant `offers`"),
        (json!({ "action": "offer", "perod": "2026-09" }), "unknown field `perod`"),
        (json!({}), "missing field `action`"),
    ] {
        let error = serde_json::from_value::<Event>(event).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}
