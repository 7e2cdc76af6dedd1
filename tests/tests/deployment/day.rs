//! The day on what was deployed is the day in process: files, and the mail that SES took.

use super::month::{figures, write};
use super::world::{DAILY, MONTH_END, WORK, world};
use apportion_tests::{run, text, tree};
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn a_day_sends_the_mail_of_one_in_process() {
    let Some(world) = world("a deployed day") else { return };
    // Its bill is there once its month end has run, which the bill's arrival starts.
    let month_end = world.started(MONTH_END, || world.deliver(&world.period));
    world.succeeded(MONTH_END, &month_end);
    let date = format!("{}-20", world.period);
    let execution =
        world.started(DAILY, || assert_eq!(world.offer(&json!({ "action": "offer_day", "date": date })).unwrap()["of"], *date));
    let output = world.succeeded(DAILY, &execution);
    println!("{}", figures(&world, DAILY, &execution));
    assert_eq!(output["record"]["output"]["outcome"], "complete", "{output}");

    let folder = tempfile::tempdir().unwrap();
    let (deployed, local) = (folder.path().join("deployed"), folder.path().join("local"));
    std::fs::create_dir(&local).unwrap();
    world.day_locally(&date, &local);
    write(&world.files(WORK), &deployed);
    assert_eq!(kept(&deployed), kept(&local));
    let mail = format!("outbox/{date}/digest.eml");
    assert!(kept(&local).contains_key(&mail));

    let sent: Value = serde_json::from_str(&world.mail.get("/store")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deployment/same_mail.py");
    std::fs::write(folder.path().join("store.json"), sent.to_string()).unwrap();
    let (script, mail, store) = (text(&script), text(&local.join(&mail)), text(&folder.path().join("store.json")));
    run("python3", &[&script, &mail, &store], folder.path()).expect(0);
}

/// Digests of what a day keeps. Findings and tickets lie in DynamoDB where it is deployed; a run's record has durations in process, and
/// another name.
fn kept(out: &Path) -> std::collections::BTreeMap<String, String> {
    let mut files = tree(out);
    files.retain(|key, _| {
        let own = ["staging/", "findings/", "tickets/", "daily/runs/", "inputs/", ".apportion-scratch", "signing-key"];
        !own.iter().any(|begin| key.starts_with(begin))
    });
    files
}
