//! The readiness and rollup steps of a daily run, over folders and the embedded engine. Expected sums are hand arithmetic.
#![allow(clippy::unwrap_used)]

use allocation_runner::Output as RunnerOutput;
use apportion_core::day::{DayFacts, DayRow, DayRun, Outcome, owned};
use apportion_core::org::{Account, OrgSnapshot};
use apportion_engine::catalogue::Catalogue;
use apportion_engine_embedded::EmbeddedEngine;
use apportion_output::{read_day_rows_csv, sha256_hex};
use apportion_store::Store;
use reconciliation_gate::Output as GateOutput;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

const HEADER: &str = "ProviderName,InvoiceIssuerName,InvoiceId,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,ChargeCategory,BilledCost,EffectiveCost,ServiceName,SubAccountId,SubAccountName,Tags";

/// A FOCUS line: usage day, cost, cost center.
fn line(day: &str, cost: &str, cost_center: &str) -> String {
    let month = &day[..7];
    format!(
        "AWS,AWS,,100000000001,USD,{month}-01T00:00:00Z,{day}T05:00:00Z,Usage,{cost},{cost},AmazonEC2,100000000009,\"=x,\"\"y\"\"\",\"{{\"\"CostCenter\"\":\"\"{cost_center}\"\"}}\""
    )
}

fn bill(lines: &[String]) -> String {
    format!("{HEADER}\n{}\n", lines.join("\n"))
}

struct World {
    folder: tempfile::TempDir,
    runs: u32,
}

impl World {
    async fn new() -> World {
        let world = World { folder: tempfile::tempdir().unwrap(), runs: 0 };
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
        for name in ["taxonomy.toml", "units.toml", "rules.toml"] {
            world.work().put(&format!("configuration/{name}"), &std::fs::read(config.join(name)).unwrap()).await.unwrap();
        }
        std::fs::create_dir(world.folder.path().join("bill")).unwrap();
        world
    }

    fn work(&self) -> Store {
        Store::directory(self.folder.path().join("out"))
    }

    fn bill(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join("bill").join(name), text).unwrap();
    }

    fn run(&mut self, date: &str) -> DayRun {
        self.runs += 1;
        DayRun {
            date: date.parse().unwrap(),
            staging: format!("staging/daily/{date}/{}/", self.runs),
            bill: String::new(),
            configuration: "configuration/".to_owned(),
            organization: None,
            organization_dated: None,
            attempt: 1,
        }
    }

    async fn gate(&self, run: &DayRun) -> Result<GateOutput, reconciliation_gate::Error> {
        let bill = Store::directory(self.folder.path().join("bill"));
        let context = reconciliation_gate::Context::new(bill, self.work());
        let event = serde_json::from_value(json!({"action": "day", "run": run, "polls": 0, "most_polls": 1})).unwrap();
        reconciliation_gate::handle(&context, event).await
    }

    async fn roll_up(&self, run: &DayRun) -> Result<RunnerOutput, allocation_runner::Error> {
        let context = allocation_runner::Context {
            bill: Store::directory(self.folder.path().join("bill")),
            work: self.work(),
            closes: self.work(),
            engine: Arc::new(EmbeddedEngine::with_threads(1)),
            catalogue: Arc::new(Catalogue::builtin()),
            own_template: false,
            template_digest: String::new(),
        };
        for action in ["day_start", "day_poll"] {
            let event = serde_json::from_value(json!({"action": action, "run": run})).unwrap();
            let output = allocation_runner::handle(&context, event).await?;
            if action == "day_poll" {
                return Ok(output);
            }
        }
        unreachable!()
    }

    /// A whole run that must succeed: rows and facts.
    async fn day(&mut self, date: &str) -> (Vec<DayRow>, DayFacts) {
        let run = self.run(date);
        assert!(matches!(self.gate(&run).await.unwrap(), GateOutput::Day { ready: true, .. }));
        let output = serde_json::to_value(self.roll_up(&run).await.unwrap()).unwrap();
        assert_eq!(output, json!({"state": "succeeded", "awaited": []}));
        let rows = self.rows(&run).await;
        let facts = self.work().get(&format!("{}rollup.json", run.staging)).await.unwrap();
        let mut facts: DayFacts = serde_json::from_slice(&facts).unwrap();
        // Keys of this run's own staging: no two runs have the same.
        facts.staged.clear();
        (rows, facts)
    }

    /// The day rows that a run staged, day by day.
    async fn rows(&self, run: &DayRun) -> Vec<DayRow> {
        let mut rows = Vec::new();
        let facts = self.work().get(&format!("{}rollup.json", run.staging)).await.unwrap();
        for key in serde_json::from_slice::<DayFacts>(&facts).unwrap().staged {
            let (dimensions, of_day) = read_day_rows_csv(&self.work().get(&key).await.unwrap()).unwrap();
            assert_eq!(dimensions, ["cost_center", "application"], "what the sample rules match on");
            let name = key.rsplit('/').nth(1).unwrap().to_owned();
            assert!(of_day.iter().all(|row| row.day == name || (row.day.is_empty() && name == "undated")), "{key}");
            rows.extend(of_day);
        }
        rows.sort();
        rows
    }

    async fn kept(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        for entry in self.work().list("daily/rollups/").await.unwrap() {
            files.insert(entry.key.clone(), sha256_hex(&self.work().get(&entry.key).await.unwrap()));
        }
        files
    }
}

fn amounts(rows: &[DayRow]) -> Vec<(&str, String)> {
    rows.iter()
        .map(|row| (row.day.as_str(), row.cash.unblended.to_string().trim_end_matches('0').trim_end_matches('.').to_owned()))
        .collect()
}

#[tokio::test]
async fn lines_of_one_usage_day_are_summed_and_later_days_are_not_seen() {
    let mut world = World::new().await;
    world.bill(
        "a.csv",
        &bill(&[line("2026-09-01", "0.1", "CC-1010"), line("2026-09-01", "0.2", "CC-1010"), line("2026-09-01", "5", "cc1010")]),
    );
    world.bill("b.csv", &bill(&[line("2026-09-02", "1", ""), line("2026-09-03", "100", "CC-1010"), line("2026-10-01", "7", "")]));
    let (rows, facts) = world.day("2026-09-02").await;
    assert_eq!(
        amounts(&rows),
        [("2026-09-01", "0.3".to_owned()), ("2026-09-01", "5".to_owned()), ("2026-09-02", "1".to_owned())]
    );
    assert_eq!((facts.later_lines, facts.undated_lines, facts.lines["focus_1_2"]), (2, 0, 6));
    assert_eq!(facts.newest_day, "2026-09-02".parse().ok());
    // The whole sample configuration: an account of the network OU goes to its pool, a tag to its unit, the rest to nobody.
    let files = world.work().list("configuration/").await.unwrap();
    let mut texts = BTreeMap::new();
    for file in files {
        texts.insert(file.key["configuration/".len()..].to_owned(), world.work().get(&file.key).await.unwrap());
    }
    let loaded = apportion_config::load_files_for_day(&texts, "2026-09".parse().unwrap()).unwrap();
    let account = Account { id: "100000000009".into(), name: String::new(), parent_id: "r-1".into(), state: "ACTIVE".into() };
    let org = OrgSnapshot { root_ids: vec!["r-1".into()], units: vec![], accounts: vec![account] };
    let found = owned(&rows, &loaded.configuration, &[("2026-09-01".parse().unwrap(), org)], facts.family).unwrap();
    let owners: Vec<(&str, &str)> = found.iter().map(|one| (one.day.as_str(), one.owner.as_str())).collect();
    assert_eq!(owners, [("2026-09-01", "CC-1010"), ("2026-09-01", "CC-1010"), ("2026-09-02", "__untagged__")]);
    assert!(found.iter().all(|one| one.account_name == "=x,\"y\"" && one.ou.is_empty()));
}

#[tokio::test]
async fn a_bill_that_is_not_there_yet_is_awaited_and_an_empty_one_is_an_error() {
    let mut world = World::new().await;
    let run = world.run("2026-09-02");
    let waiting = |output: GateOutput| match output {
        GateOutput::Day { ready: false, awaited, .. } => awaited.join("; "),
        other => panic!("{other:?}"),
    };
    assert!(waiting(world.gate(&run).await.unwrap()).starts_with("the bill: there is no .parquet"));
    let one_file = DayRun { bill: "cur.parquet".to_owned(), ..run.clone() };
    assert_eq!(waiting(world.gate(&one_file).await.unwrap()), "the bill file `cur.parquet`");

    world.bill("a.csv", &bill(&[line("2026-09-01", "1", "CC-1010"), line("2026-09-04", "1", "CC-1010")]));
    assert!(matches!(world.gate(&run).await.unwrap(), GateOutput::Day { ready: true, .. }));
    let output = serde_json::to_value(world.roll_up(&run).await.unwrap()).unwrap();
    let awaited = "bill lines of 2026-09-02: the newest usage day in the bill is 2026-09-01";
    assert_eq!(output, json!({"state": "waiting", "awaited": [awaited]}));
    assert_eq!(world.kept().await.len(), 0, "a run that waits keeps nothing");

    world.bill("a.csv", &format!("{HEADER}\n"));
    let run = world.run("2026-09-02");
    world.gate(&run).await.unwrap();
    let error = world.roll_up(&run).await.unwrap_err();
    assert_eq!((error.name(), error.to_string().starts_with("the bill has no lines")), ("BadBill", true), "{error}");
}

#[tokio::test]
async fn a_bill_delivered_anew_between_the_steps_is_noticed() {
    let mut world = World::new().await;
    world.bill("a.csv", &bill(&[line("2026-09-02", "1", "CC-1010")]));
    let run = world.run("2026-09-02");
    world.gate(&run).await.unwrap();
    world.bill("a.csv", &bill(&[line("2026-09-02", "1", "CC-1010"), line("2026-09-02", "2", "CC-1010")]));
    let output = serde_json::to_value(world.roll_up(&run).await.unwrap()).unwrap();
    assert_eq!(output, json!({"state": "waiting", "awaited": ["the bill: `a.csv` was delivered anew while it was read"]}));
    // The machine asks the gate again, within the same run.
    world.gate(&run).await.unwrap();
    let output = serde_json::to_value(world.roll_up(&run).await.unwrap()).unwrap();
    assert_eq!(output["state"], "succeeded");
    assert_eq!(world.rows(&run).await[0].rows, 2, "the new delivery is what is rolled up");
}

#[tokio::test]
async fn earlier_months_come_from_what_earlier_runs_kept() {
    let mut world = World::new().await;
    world.bill("a.csv", &bill(&[line("2026-08-30", "1", "CC-1010"), line("2026-08-31", "2", "CC-1010")]));
    world.day("2026-08-31").await;
    // On the first, August has grown by a late line; then the bill holds September only.
    world.bill(
        "a.csv",
        &bill(&[line("2026-08-31", "2", "CC-1010"), line("2026-08-30", "1.5", "CC-1010"), line("2026-09-01", "4", "CC-1010")]),
    );
    let (_, facts) = world.day("2026-09-01").await;
    let restated: Vec<_> =
        facts.restated.iter().map(|one| (one.day.as_str(), one.cash_before.to_string(), one.cash.to_string())).collect();
    assert_eq!(restated, [("2026-08-30", "1.000000000000".to_owned(), "1.500000000000".to_owned())]);
    world.bill("a.csv", &bill(&[line("2026-09-01", "4", "CC-1010"), line("2026-09-02", "8", "CC-1010")]));
    let (rows, facts) = world.day("2026-09-02").await;
    let expected = [("2026-08-30", "1.5"), ("2026-08-31", "2"), ("2026-09-01", "4"), ("2026-09-02", "8")];
    assert_eq!(amounts(&rows), expected.map(|(day, amount)| (day, amount.to_owned())));
    assert_eq!(facts.from_history["2026-08"], "daily/rollups/2026-08/2026-09-01.csv");
    assert_eq!((facts.restated.len(), facts.periods["2026-09"].as_str()), (0, "daily/rollups/2026-09/2026-09-02.csv"));
}

#[tokio::test]
async fn a_rerun_changes_nothing_and_another_content_is_another_version() {
    let mut world = World::new().await;
    let (one, two) = (bill(&[line("2026-09-01", "1", "CC-1010")]), bill(&[line("2026-09-01", "3", "CC-1010")]));
    world.bill("a.csv", &one);
    let first = world.day("2026-09-01").await;
    let kept = world.kept().await;
    assert_eq!(world.day("2026-09-01").await, first);
    assert_eq!(world.kept().await, kept);
    world.bill("a.csv", &two);
    let second = world.day("2026-09-01").await;
    assert_eq!(second.1.restated.len(), 1);
    assert_eq!(world.day("2026-09-01").await, second, "a rerun of the second content says the same");
    world.bill("a.csv", &one);
    let third = world.day("2026-09-01").await;
    assert_eq!(third.1.periods["2026-09"], "daily/rollups/2026-09/2026-09-01.3.csv");
    assert_eq!(
        (third.1.restated[0].cash_before.to_string(), third.1.restated[0].cash.to_string()),
        ("3.000000000000".into(), "1.000000000000".into())
    );
    let files = world.kept().await;
    let names: Vec<&str> = files.keys().map(|key| key.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["2026-09-01.2.csv", "2026-09-01.3.csv", "2026-09-01.csv"]);
    assert_eq!(files["daily/rollups/2026-09/2026-09-01.csv"], kept["daily/rollups/2026-09/2026-09-01.csv"], "never overwritten");
}

/// The export layouts of the shared data: the period's manifest decides, for a day as for a close.
#[tokio::test]
async fn an_export_is_read_by_the_manifest_of_each_month() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/cur2/data_exports_layout/create_new");
    if !shared.exists() {
        assert!(std::env::var_os("CI").is_none(), "shared data must be there in CI");
        println!("SKIPPED: shared data not beside the clone");
        return;
    }
    let mut world = World::new().await;
    let work = world.work();
    let context = reconciliation_gate::Context::new(Store::directory(&shared), work.clone());
    for (date, ready) in [("2026-09-14", true), ("2026-10-02", false)] {
        let run = world.run(date);
        let event = serde_json::from_value(json!({"action": "day", "run": run, "polls": 0, "most_polls": 1})).unwrap();
        let output = serde_json::to_value(reconciliation_gate::handle(&context, event).await.unwrap()).unwrap();
        assert_eq!(output["ready"], ready, "{output}");
        if ready {
            let located = work.get(&format!("{}bill.json", run.staging)).await.unwrap();
            let located: apportion_core::close::Located = serde_json::from_slice(&located).unwrap();
            assert_eq!((located.files.len(), located.ignored.len()), (1, 1), "the file of the older delivery is left out");
        }
    }
}

/// The three dated trees of the shared data: a renamed unit, a moved one, a moved account, accounts that come and go.
#[tokio::test]
async fn each_day_goes_by_the_tree_that_held_on_it() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/organizations");
    if !shared.exists() {
        assert!(std::env::var_os("CI").is_none(), "shared data must be there in CI");
        println!("SKIPPED: shared data not beside the clone");
        return;
    }
    // Account ids there have thirteen digits; one is cut.
    let tree = |name: &str| {
        let text = std::fs::read_to_string(shared.join(name)).unwrap().replace("\"9999999999", "\"999999999");
        ou_mapper::parse_organization(text.as_bytes()).unwrap()
    };
    let organizations = [
        ("2026-07-01".parse().unwrap(), tree("koku_org_tree_day-90.json")),
        ("2026-08-29".parse().unwrap(), tree("koku_org_tree_day-31.json")),
        ("2026-09-29".parse().unwrap(), tree("koku_org_tree_day0.json")),
    ];
    let mut world = World::new().await;
    let lines = ["2026-07-31", "2026-08-28", "2026-08-29", "2026-09-28", "2026-09-29"].map(|day| {
        (0..6)
            .map(move |account| line(day, "1", "CC-1010").replace("100000000009", &format!("99999999999{account}")))
            .collect::<Vec<_>>()
    });
    world.bill("a.csv", &bill(&lines.concat()));
    let (rows, facts) = world.day("2026-09-29").await;
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let loaded = apportion_config::load_for_day(&config, "2026-09".parse().unwrap()).unwrap();
    let found = owned(&rows, &loaded.configuration, &organizations, facts.family).unwrap();
    let of = |day: &str| -> Vec<String> {
        found.iter().filter(|one| one.day == day).map(|one| one.ou.replace("Dept OU_00", "")).collect()
    };
    // Read off the files: accounts 0 to 5.
    let july = of("2026-07-31");
    assert_eq!(july, of("2026-08-28"));
    assert_eq!(of("2026-08-29"), of("2026-09-28"));
    assert_eq!(july, EXPECTED[0], "90 days ago");
    assert_eq!(of("2026-08-29"), EXPECTED[1], "31 days ago");
    assert_eq!(of("2026-09-29"), EXPECTED[2], "today");
}

/// OU paths of accounts 0 to 5 in each tree, by Python's `json`; `Dept OU_00` left out.
const EXPECTED: [[&str; 6]; 3] = [
    ["", "1", "1", "2", "4", "__unknown__"],
    ["", "1", "1", "2", "__unknown__", "__unknown__"],
    ["", "1 (Rename)", "1 (Rename)", "2/3", "__unknown__", "1 (Rename)/5"],
];

/// `apportion daily --wait` on the world's bill; `arrives` is called before each wait with its number, from 1. Gives the waits, in seconds.
async fn waited(world: &World, date: &str, arrives: impl Fn(usize) + Sync) -> (crate::daily::Ended, Vec<u64>) {
    let arguments = crate::daily::DailyArguments {
        date: date.parse().unwrap(),
        bill: world.folder.path().join("bill"),
        config: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config"),
        org: None,
        template: None,
        out: world.folder.path().join("out"),
        dry_run: false,
        wait: true,
        json: false,
        engine: crate::engine::EngineArguments::default(),
        bill_as: None,
    };
    let waits = Mutex::new(Vec::new());
    let sleep = |delay: std::time::Duration| -> futures::future::BoxFuture<'static, ()> {
        let mut waits = waits.lock().unwrap();
        waits.push(delay.as_secs());
        arrives(waits.len());
        Box::pin(std::future::ready(()))
    };
    let ended = crate::daily::daily(&arguments, &|_| {}, &sleep).await.unwrap();
    let waits = waits.lock().unwrap().clone();
    (ended, waits)
}

#[tokio::test]
async fn a_bill_that_arrives_while_a_run_waits_is_run_by_that_run() {
    let world = World::new().await;
    let yesterday = line("2026-09-01", "1", "CC-1010");
    let arrives = |number| match number {
        // First there is no bill at all, then one that ends a day too early, then the day.
        1 => world.bill("a.csv", &bill(std::slice::from_ref(&yesterday))),
        2 => world.bill("a.csv", &bill(&[yesterday.clone(), line("2026-09-02", "2.5", "CC-1010")])),
        _ => panic!("there was nothing to wait for any more"),
    };
    let (ended, waits) = waited(&world, "2026-09-02", arrives).await;
    assert_eq!(waits, [1800, 1800]);
    assert_eq!((ended.record.outcome, ended.record.failed.len()), (Outcome::Complete, 0), "{:?}", ended.record);
    assert_eq!(ended.evaluation.unwrap().cash.to_string(), "2.500000000000");
    let sent = world.work().list("outbox/2026-09-02/").await.unwrap();
    assert_eq!(sent.iter().filter(|entry| entry.key.ends_with(".eml")).count(), 1, "one mail, when it is whole");
}

#[tokio::test]
async fn a_day_that_never_comes_is_given_up_at_the_deadline_and_the_mail_says_so() {
    let world = World::new().await;
    world.bill("a.csv", &bill(&[line("2026-09-01", "1", "CC-1010")]));
    let (ended, waits) = waited(&world, "2026-09-02", |_| {}).await;
    // Twelve hours by half hours: the first look at once, the last at the deadline.
    assert_eq!(waits, [1800; 24]);
    assert_eq!(ended.record.outcome, Outcome::NotReady);
    assert_eq!(ended.record.awaited, ["bill lines of 2026-09-02: the newest usage day in the bill is 2026-09-01"]);
    let mail = world.work().get("outbox/2026-09-02/digest.html").await.unwrap();
    assert!(String::from_utf8(mail).unwrap().contains("There is no data of 2026-09-02 yet"));
}

#[tokio::test]
async fn the_lines_of_a_resource_that_an_override_names_stand_apart_and_its_days_are_judged_by_themselves() {
    let mut world = World::new().await;
    let resource = |day: &str, cost: &str, id: &str| format!("{},{id}", line(day, cost, "CC-1010"));
    let rows = |lines: &[String]| format!("{HEADER},ResourceId\n{}\n", lines.join("\n"));
    world.bill(
        "a.csv",
        &rows(&[
            resource("2026-09-01", "1", "i-1"),
            resource("2026-09-01", "2", "i-2"),
            resource("2026-09-01", "4", ""),
            resource("2026-09-01", "8", "i-1"),
        ]),
    );
    let mail = "version = 1\nsender = \"a@example.org\"\nrecipients = [\"b@example.org\"]\nallowed_domains = [\"example.org\"]\n\n\
        [[anomalies.override]]\nresource = \"i-1\"\nminimum = \"5\"\n";
    world.work().put("configuration/mail.toml", mail.as_bytes()).await.unwrap();
    let (rows, _) = world.day("2026-09-01").await;
    let found: Vec<(&str, String, i64)> =
        rows.iter().map(|row| (row.resource_id.as_str(), row.cash.unblended.to_string(), row.rows)).collect();
    assert_eq!(found, [("", "6.000000000000".to_owned(), 2), ("i-1", "9.000000000000".to_owned(), 2)]);
    let kept = String::from_utf8(world.work().get("daily/rollups/2026-09/2026-09-01.csv").await.unwrap()).unwrap();
    assert!(kept.lines().next().unwrap().contains(",currency,resource_id,tag_cost_center,"), "{kept}");
}
