//! Tag hygiene over bills: findings by hand arithmetic, tickets day by day, suggestions against the truth of sample bills.
#![allow(clippy::unwrap_used)]

use crate::local::{LocalFunctions, Places};
use crate::sample::{SampleOptions, run as make_sample};
use crate::walker::Invoker;
use apportion_core::day::DayRun;
use apportion_engine_embedded::EmbeddedEngine;
use apportion_output::csv_columns;
use apportion_store::Store;
use serde_json::{Value, json};
use statement_renderer::Template;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

struct World {
    functions: LocalFunctions,
    work: Store,
    runs: u32,
}

impl World {
    /// The sample configuration, with its own `hygiene.toml` if one is given.
    async fn new(bill: &Path, out: &Path, organization: Option<&Path>, hygiene: Option<&str>) -> World {
        let work = Store::directory(out);
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
        for name in ["taxonomy.toml", "units.toml", "rules.toml", "hygiene.toml"] {
            let bytes = std::fs::read(config.join(name)).unwrap();
            work.put(&format!("configuration/{name}"), &bytes).await.unwrap();
        }
        if let Some(text) = hygiene {
            work.put("configuration/hygiene.toml", text.as_bytes()).await.unwrap();
        }
        if let Some(organization) = organization {
            let snapshot = ou_mapper::parse_organization(&std::fs::read(organization).unwrap()).unwrap();
            let date = "org/2026-09-30.json";
            work.put(date, &ou_mapper::snapshot_json(&snapshot).unwrap()).await.unwrap();
        }
        let places = Places { bill: Store::directory(bill), work: work.clone(), closes: work.clone() };
        let functions = LocalFunctions::new(&places, Arc::new(EmbeddedEngine::new()), &Template::builtin(), None).unwrap();
        World { functions, work, runs: 0 }
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

    async fn call(&self, function: &str, action: &str, run: &DayRun) -> Value {
        let mut event = json!({"action": action, "run": run});
        if action == "day" {
            (event["polls"], event["most_polls"]) = (json!(0), json!(1));
        }
        self.functions.invoke(function, event).await.unwrap()
    }

    /// Readiness and findings of a date.
    async fn findings(&mut self, date: &str) -> (Value, Value) {
        let run = self.run(date);
        self.call("reconciliation_gate", "day", &run).await;
        let output = self.call("tag_hygiene", "findings", &run).await;
        let key = output["findings"].as_str().unwrap().to_owned();
        (output, serde_json::from_slice(&self.work.get(&key).await.unwrap()).unwrap())
    }

    /// Readiness, rollup and suggestions of a date.
    async fn suggest(&mut self, date: &str) -> (Value, Vec<Vec<String>>) {
        let run = self.run(date);
        self.call("reconciliation_gate", "day", &run).await;
        self.call("allocation_runner", "day_start", &run).await;
        self.call("allocation_runner", "day_poll", &run).await;
        let output = self.call("tag_hygiene", "suggest", &run).await;
        let key = output["suggestions"].as_str().unwrap().to_owned();
        let wanted =
            ["id", "account_id", "resource_id", "amount", "suggested_owner", "confidence_percent", "evidence", "tag_value"];
        (output, csv_columns(&key, &self.work.get(&key).await.unwrap(), &wanted).unwrap())
    }

    async fn keys(&self, prefix: &str) -> Vec<String> {
        self.work.list(prefix).await.unwrap().into_iter().map(|entry| entry.key[prefix.len()..].to_owned()).collect()
    }
}

const HEADER: &str = "ProviderName,InvoiceIssuerName,InvoiceId,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,ChargeCategory,BilledCost,EffectiveCost,ServiceName,SubAccountId,SubAccountName,ResourceId,Tags";

/// A FOCUS line: day of 2026-09, account, category, cost, resource, tags.
fn line(day: u32, account: &str, category: &str, cost: &str, resource: &str, tags: &[(&str, &str)]) -> String {
    let tags: BTreeMap<&str, &str> = tags.iter().copied().collect();
    let tags = serde_json::to_string(&tags).unwrap().replace('"', "\"\"");
    let name = if account == "100000000009" { "=cmd|x" } else { "" };
    format!(
        "AWS,AWS,,100000000001,USD,2026-09-01T00:00:00Z,2026-09-{day:02}T05:00:00Z,{category},{cost},{cost},AmazonEC2,{account},{name},{resource},\"{tags}\""
    )
}

fn write(folder: &Path, lines: &[String]) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("bill.csv"), format!("{HEADER}\n{}\n", lines.join("\n"))).unwrap();
}

/// 100 taggable in one account: 60 with a cost center, 25 without tags, 15 with one that no unit has; 30 more of a line without a resource,
/// of tax and of a day outside the window, which do not count.
#[tokio::test]
async fn shares_keys_and_values_are_those_of_the_window() {
    let folder = tempfile::tempdir().unwrap();
    let (bill, out) = (folder.path().join("bill"), folder.path().join("out"));
    let owned = [("CostCenter", "CC-1010"), ("environment", "Prodution"), ("application", "claims-portal")];
    write(
        &bill,
        &[
            line(8, "100000000009", "Usage", "60", "i-1", &owned),
            line(14, "100000000009", "Usage", "25", "i-2", &[("Cost:Center", "CC-1010"), ("application", "ClaimsPortal")]),
            line(14, "100000000009", "Usage", "15", "i-3", &[("CostCenter", "CC-1O1O"), ("environment", "prod")]),
            line(
                14,
                "100000000009",
                "Usage",
                "30",
                "",
                &[("CostCenter", "CC-1020"), ("cost_center", "cc1010"), ("cost-centre", "CC1020")],
            ),
            line(14, "100000000009", "Tax", "30", "i-2", &[]),
            line(7, "100000000009", "Usage", "30", "i-2", &[]),
            line(14, "100000000008", "Usage", "5", "i-9", &[("CostCenter", "cc1010"), ("environment", "prod")]),
        ],
    );
    let mut world = World::new(&bill, &out, None, None).await;
    let (output, found) = world.findings("2026-09-14").await;
    assert_eq!((found["from"].as_str(), found["to"].as_str()), (Some("2026-09-08"), Some("2026-09-14")));
    let account = &found["accounts"][0];
    let amounts = |name: &str| account["amounts"][name].as_str().unwrap().trim_end_matches('0').trim_end_matches('.').to_owned();
    assert_eq!(["spend", "taggable", "untagged", "unknown"].map(amounts), ["130", "100", "25", "15"]);
    assert_eq!(account["amounts"]["covered"]["environment"], "75.000000000000", "60 and 15");
    assert_eq!((account["share"].as_u64(), account["above"].as_bool()), (Some(4000), Some(true)));
    assert_eq!((account["main_unit"].as_str(), account["ou"].as_str()), (Some("CC-1010"), Some("__unknown__")));
    assert_eq!(found["accounts"][1]["share"], 0);
    assert_eq!(found["services"][0]["share"], 3809, "40 of 105");
    let key = &found["unmapped_keys"][0];
    assert_eq!((key["key"].as_str(), key["looks_like"].as_str()), (Some("Cost:Center"), Some("cost_center")));
    let near: Vec<(&str, &str)> = found["near_misses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["value"].as_str().unwrap(), one["suggested"].as_str().unwrap()))
        .collect();
    assert_eq!(near, [("prodution", "prod"), ("cc-1o1o", "CC-1010")]);
    assert_eq!(found["collisions"][0]["values"][0][0], "claims-portal", "{}", found["collisions"]);
    let conflict = &found["conflicts"][0];
    assert_eq!(conflict["values"], json!([["cost_center", "CC-1010"], ["CostCenter", "CC-1020"], ["cost-centre", "CC-1020"]]));
    assert_eq!((conflict["amount"].as_str(), found["conflicts"].as_array().unwrap().len()), (Some("30.000000000000"), 1));
    let missing: Vec<(&str, bool)> = found["missing_keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["dimension"].as_str().unwrap(), one["all"] == true))
        .collect();
    assert_eq!(
        missing,
        [("cost_center", false), ("environment", false), ("application", false), ("business_unit", true), ("team", true)]
    );
    assert_eq!((output["above"].as_u64(), output["opened"].as_u64()), (Some(1), Some(1)));
}

/// One ticket while it lasts: opened, seen again, cured, and a new one when it comes back; reruns say nothing twice.
#[tokio::test]
async fn a_ticket_is_opened_once_updated_while_it_lasts_and_closed_when_cured() {
    let folder = tempfile::tempdir().unwrap();
    let (bill, out) = (folder.path().join("bill"), folder.path().join("out"));
    let day = |day: u32, untagged: &str| {
        vec![
            line(day, "100000000009", "Usage", "100", "i-1", &[("CostCenter", "CC-1010")]),
            line(day, "100000000009", "Usage", untagged, "i-2", &[]),
            line(day, "__proto__/../x", "Usage", "9", "i-3", &[]),
        ]
    };
    write(&bill, &[day(1, "5"), day(2, "20"), day(3, "30"), day(4, "1"), day(5, "50")].concat());
    let hygiene = "version = 1\nwindow_days = 1\nowner = \"finops@example.org\"\n[[account]]\nid = \"__proto__/../x\"\nthreshold_percent = \"100\"\n";
    let mut world = World::new(&bill, &out, None, Some(hygiene)).await;
    let mut told = Vec::new();
    for date in ["2026-09-01", "2026-09-02", "2026-09-02", "2026-09-03", "2026-09-01", "2026-09-04", "2026-09-04", "2026-09-05"] {
        let (output, _) = world.findings(date).await;
        let counts = ["opened", "updated", "closed"].map(|name| output[name].as_u64().unwrap());
        told.push((date, counts, output["open"].as_array().unwrap().len()));
    }
    // 5 of 105 is 4.76 %, 20 of 120 is 16.66 %, 30 of 130, 1 of 101, 50 of 150.
    let expected = [
        ("2026-09-01", [0, 0, 0], 0),
        ("2026-09-02", [1, 0, 0], 1),
        ("2026-09-02", [0, 0, 0], 1),
        ("2026-09-03", [0, 1, 0], 1),
        ("2026-09-01", [0, 0, 0], 1),
        ("2026-09-04", [0, 0, 1], 0),
        ("2026-09-04", [0, 0, 0], 0),
        ("2026-09-05", [1, 0, 0], 1),
    ];
    assert_eq!(told, expected);
    assert_eq!(world.keys("tickets/").await, ["100000000009-USD/2026-09-02.json", "100000000009-USD/2026-09-05.json"]);
    let sent = world.keys("outbox/tickets/").await;
    let days =
        ["02-100000000009-USD-opened", "03-100000000009-USD-updated", "04-100000000009-USD-closed", "05-100000000009-USD-opened"];
    assert_eq!(sent, days.map(|name| format!("2026-09-{name}.json")));
    let read = async |name: &str| -> Value {
        serde_json::from_slice(&world.work.get(&format!("outbox/tickets/{name}")).await.unwrap()).unwrap()
    };
    let record = read(&sent[0]).await;
    assert_eq!(record["short_description"], "Tag drift in account 100000000009 (=cmd|x): 16.66 % of taggable spend has no owner");
    assert_eq!((record["state"].as_str(), record["due_date"].as_str()), (Some("1"), Some("2026-09-16")));
    let owners = ["assigned_to", "assignment_group", "correlation_id"].map(|name| record[name].as_str().unwrap().to_owned());
    assert_eq!(owners, ["claims.intake@meridian.example", "FinOps", "apportion-tag-drift-100000000009-USD-2026-09-02"]);
    let closed = read(&sent[2]).await;
    assert_eq!((closed["state"].as_str(), closed["correlation_id"] == record["correlation_id"]), (Some("6"), true));
    // A rerun finds the trend of the days before it, and keeps one version of what it found.
    let (_, found) = world.findings("2026-09-04").await;
    let trend: Vec<u64> =
        found["accounts"][1]["trend"].as_array().unwrap().iter().map(|point| point["share"].as_u64().unwrap()).collect();
    assert_eq!(trend, [476, 1666, 2307]);
    assert_eq!(world.keys("findings/").await.len(), 5);
}

/// What a person decided is not asked again; ids are checked before anything is written.
#[tokio::test]
async fn decisions_are_kept_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (bill, out) = (folder.path().join("bill"), folder.path().join("out"));
    let mut lines: Vec<String> = (0..40)
        .map(|number| line(14, "100000000009", "Usage", "1", &format!("claims-web-{number}"), &[("CostCenter", "CC-1010")]))
        .collect();
    lines.extend(
        (1..4).map(|number| line(14, "100000000009", "Usage", &format!("{number}"), &format!("claims-db-{number}"), &[])),
    );
    write(&bill, &lines);
    let mut world = World::new(&bill, &out, None, None).await;
    let (output, rows) = world.suggest("2026-09-14").await;
    let short: Vec<(&str, &str)> = rows.iter().map(|row| (row[2].as_str(), row[4].as_str())).collect();
    assert_eq!(short, [("claims-db-3", "CC-1010"), ("claims-db-2", "CC-1010"), ("claims-db-1", "CC-1010")], "the largest first");
    assert_eq!(rows[0][6], "name claims: 40 of 40; account 100000000009: 40 of 40");
    assert_eq!(
        (output["count"].as_u64(), output["unowned"].as_u64(), &output["acceptance"]["rate"]),
        (Some(3), Some(3), &Value::Null)
    );
    let day = "2026-09-15".parse().unwrap();
    let ids: Vec<String> = rows.iter().map(|row| row[0].clone()).collect();
    let unknown =
        tag_hygiene::decide(&world.work, &[ids[0].clone(), "nothing".into()], tag_hygiene::Decision::Accepted, day).await;
    assert!(unknown.unwrap_err().to_string().starts_with("there is no suggestion `nothing`"));
    assert_eq!(world.keys("suggestions/decisions").await.len(), 0);
    tag_hygiene::decide(&world.work, &ids[..1], tag_hygiene::Decision::Accepted, day).await.unwrap();
    tag_hygiene::decide(&world.work, &ids[..1], tag_hygiene::Decision::Accepted, day).await.unwrap();
    let again = tag_hygiene::decide(&world.work, &ids[..1], tag_hygiene::Decision::Rejected, day).await.unwrap_err().to_string();
    assert_eq!(again, format!("the suggestion `{}` was accepted already: a decision is not changed", ids[0]));
    let found = tag_hygiene::decide(&world.work, &ids[1..2], tag_hygiene::Decision::Rejected, day).await.unwrap();
    assert_eq!((found.accepted, found.rejected, found.rate), (1, 1, Some(500)));
    let (output, rows) = world.suggest("2026-09-14").await;
    assert_eq!((rows.len(), rows[0][2].as_str(), output["acceptance"]["rate"].as_u64()), (1, "claims-db-1", Some(500)));
    let text = String::from_utf8(world.work.get("suggestions/decisions.csv").await.unwrap()).unwrap();
    assert_eq!(text.lines().nth(1).unwrap(), format!("{},accepted,2026-09-15,100000000009,claims-db-3,CC-1010", ids[0]));
}

/// Suggestions against `truth/resource_owners.csv`, which the generator wrote from what it knows, for several companies.
#[tokio::test]
async fn suggestions_on_sample_bills_are_mostly_right() {
    let (mut right, mut made, mut unowned) = (0, 0, 0);
    for seed in 1..=3 {
        let folder = tempfile::tempdir().unwrap();
        let sample = folder.path().join("sample");
        let period = "2026-09".parse().unwrap();
        let options = SampleOptions { rows: 60_000, accounts: 40, period, months: 1, seed, out: sample.clone() };
        make_sample(&options, &mut |_| {}).unwrap();
        let truth = std::fs::read(sample.join("truth/resource_owners.csv")).unwrap();
        let truth = csv_columns("truth", &truth, &["account_id", "resource_id", "cost_center", "tagged"]).unwrap();
        let owners: BTreeMap<(&str, &str), &str> =
            truth.iter().map(|row| ((row[0].as_str(), row[1].as_str()), row[2].as_str())).collect();
        let out = folder.path().join("out");
        let organization = sample.join("organization.json");
        let mut world = World::new(&sample.join("bill"), &out, Some(&organization), None).await;
        let (output, rows) = world.suggest("2026-09-30").await;
        let hits = rows.iter().filter(|row| owners[&(row[1].as_str(), row[2].as_str())] == row[4]).count();
        println!("seed {seed}: {hits} right of {} made, {} resources without an owner", rows.len(), output["unowned"]);
        right += hits;
        made += rows.len();
        unowned += output["unowned"].as_u64().unwrap() as usize;
        if let Some(keep) = std::env::var_os("APPORTION_KEEP") {
            let keep = Path::new(&keep).join(format!("seed-{seed}"));
            std::fs::create_dir_all(&keep).unwrap();
            std::fs::write(keep.join("suggestions.csv"), world.work.get("suggestions/2026-09-30.csv").await.unwrap()).unwrap();
            std::fs::copy(sample.join("truth/resource_owners.csv"), keep.join("resource_owners.csv")).unwrap();
        }
    }
    println!("precision {:.3}, recall {:.3}", right as f64 / made as f64, right as f64 / unowned as f64);
    assert!(right * 100 >= made * 90, "precision: {right} of {made}");
    assert!(right * 100 >= unowned * 70, "recall: {right} of {unowned}");
}
