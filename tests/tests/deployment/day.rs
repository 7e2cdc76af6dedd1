//! The day on what was deployed is the day in process: files, and the mail that SES took.

use super::month::{figures, write};
use super::sweep::{OFFER, points, runs};
use super::world::{DAILY, MONTH_END, WORK, World, world};
use apportion_tests::{run, text, tree};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Runs of the crash sweep.
const RUNS: usize = 2;

/// Starts the day as a person does who names it; again, until the offer comes to its end.
fn started(world: &World, date: &str) -> String {
    world.started(DAILY, || {
        let offered = (0..10).find_map(|_| world.offer(&json!({ "action": "offer_day", "date": date })).ok());
        assert_eq!(offered.unwrap()["of"], *date);
    })
}

/// The bill is there, and whatever its arrival starts has ended.
fn delivered(world: &World) -> String {
    let month_end = world.started(MONTH_END, || world.deliver(&world.period));
    world.succeeded(MONTH_END, &month_end);
    format!("{}-20", world.period)
}

#[test]
fn a_day_sends_the_mail_of_one_in_process() {
    let Some(world) = world("a deployed day") else { return };
    let date = delivered(&world);
    world.between.renew();
    world.between.note();
    let execution = started(&world, &date);
    let output = world.succeeded(DAILY, &execution);
    world.rights_suffice();
    println!("{}", figures(&world, DAILY, &execution));
    assert_eq!(output["record"]["output"]["outcome"], "complete", "{output}");
    same_as_in_process(&world, &date);
}

/// A mailer that dies between its claim on a mail and SES's answer leaves a doubt that a person settles (`docs/faults.md`): it sends
/// once at most. So what it does from there on is not struck here.
#[test]
fn whatever_is_killed_the_day_is_the_same_and_its_mail_goes_out_once() {
    let Some(world) = world("crashes of a deployed day") else { return };
    let date = delivered(&world);
    world.wipe();
    world.between.note();
    let execution = started(&world, &date);
    world.succeeded(DAILY, &execution);
    let mut points = points(&world.between.noted(), &world.history(DAILY, &execution));
    let digest = points.get_mut("Digest").unwrap();
    let claim = digest.iter().position(|point| point.call.label.contains("MAIL#")).unwrap();
    digest.truncate(claim);
    assert!(points.contains_key(OFFER) && points.contains_key("FindTagDebt") && points.len() > 8, "{:?}", points.keys());
    let mut tried = 0;
    for planned in runs(&points, RUNS) {
        world.between.calm();
        world.wipe();
        for point in &planned {
            world.between.plan(&point.call, point.blow);
        }
        let execution = started(&world, &date);
        world.succeeded(DAILY, &execution);
        let struck = world.between.struck();
        assert!(struck.len() * 10 >= planned.len() * 8, "{struck:#?} of {planned:#?}");
        tried += struck.len();
        same_as_in_process(&world, &date);
    }
    println!("crash points of a day: {tried} met of {}", points.values().map(Vec::len).sum::<usize>());
}

fn same_as_in_process(world: &World, date: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (deployed, local) = (folder.path().join("deployed"), folder.path().join("local"));
    std::fs::create_dir(&local).unwrap();
    world.day_locally(date, &local);
    write(&world.files(WORK), &deployed);
    assert_eq!(kept(&deployed), kept(&local));
    let mail = format!("outbox/{date}/digest.eml");
    assert!(kept(&local).contains_key(&mail));

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deployment/same_mail.py");
    let sent: Value = serde_json::from_str(&world.mail.get("/store")).unwrap();
    std::fs::write(folder.path().join("store.json"), sent.to_string()).unwrap();
    let (script, mail, store) = (text(&script), text(&local.join(&mail)), text(&folder.path().join("store.json")));
    run("python3", &[&script, &mail, &store], folder.path()).expect(0);
}

/// Digests of what a day keeps. Findings and tickets lie in DynamoDB where it is deployed; a run's record has durations in process, and
/// another name.
fn kept(out: &Path) -> BTreeMap<String, String> {
    let mut files = tree(out);
    files.retain(|key, _| {
        let own = ["staging/", "findings/", "tickets/", "daily/runs/", "inputs/", ".apportion-scratch"];
        !own.iter().any(|begin| key.starts_with(begin))
    });
    files
}
