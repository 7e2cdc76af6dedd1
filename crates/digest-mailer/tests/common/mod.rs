//! A staged daily run of an invented company, four months long, with names that mean harm.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use apportion_core::bill::{Family, Kind, Measure};
use apportion_core::day::{Day, DayFacts, DayRow, DayRun, FailedStage};
use apportion_core::money::Money;
use apportion_core::org::{Account, OrgSnapshot, OrganizationalUnit};
use apportion_output::day_rows_csv;
use apportion_store::Store;
use digest_mailer::{Context, Event, Outbox, Output, handle};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub const DATE: &str = "2026-09-15";
pub const STAGING: &str = "staging/daily/2026-09-15/run/";

/// Names that would be markup, formulas, header lines, other text, or too much of it.
pub fn hostile() -> [String; 8] {
    [
        "<script>alert('1')</script><b>&amp;".to_owned(),
        "=HYPERLINK(\"https://evil.example\")".to_owned(),
        "+1-1\r\nBcc: evil@evil.example\r\n\r\nbody".to_owned(),
        "safe\u{202e}fdp.exe\u{200b}".to_owned(),
        "x".repeat(200),
        "a,\"b\",'c'\0d".to_owned(),
        "{{title}} {title} %s ${x} cid:trend".to_owned(),
        "Größe 数据平台 مطالبات".to_owned(),
    ]
}

pub struct Company {
    pub folder: tempfile::TempDir,
    pub context: Context,
    pub run: DayRun,
}

pub fn day(text: &str) -> Day {
    text.parse().unwrap()
}

impl Company {
    pub async fn new() -> Company {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::directory(folder.path());
        let context = Context { work: store.clone(), outbox: Outbox::Directory(store) };
        let run = DayRun {
            date: day(DATE),
            staging: STAGING.to_owned(),
            bill: "bill".to_owned(),
            configuration: "configuration/".to_owned(),
            organization: None,
            organization_dated: None,
            attempt: 1,
        };
        let company = Company { folder, context, run };
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
        for name in ["taxonomy.toml", "units.toml", "rules.toml", "budgets.csv", "mail.toml"] {
            company.put(&format!("configuration/{name}"), &std::fs::read(config.join(name)).unwrap()).await;
        }
        company
    }

    pub async fn put(&self, key: &str, bytes: &[u8]) {
        self.context.work.put(key, bytes).await.unwrap();
    }

    pub fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join(key)
    }

    pub fn text(&self, key: &str) -> String {
        String::from_utf8(std::fs::read(self.path(key)).unwrap()).unwrap()
    }

    pub async fn stage_rollup(&self, rows: &[DayRow]) {
        let dimensions = ["cost_center", "application"].map(str::to_owned);
        let mut days: BTreeMap<(&str, &str), Vec<DayRow>> = BTreeMap::new();
        for row in rows {
            days.entry((&row.day, &row.billing_period)).or_default().push(row.clone());
        }
        let mut staged = Vec::new();
        for ((day, period), rows) in days {
            let key = format!("{STAGING}rollup/{day}/{period}.csv");
            self.put(&key, &day_rows_csv(&dimensions, &rows).unwrap()).await;
            staged.push(key);
        }
        let facts = DayFacts {
            lines: BTreeMap::new(),
            periods: BTreeMap::new(),
            from_history: BTreeMap::new(),
            newest_day: Some(self.run.date),
            family: Family::Unblended,
            currencies: BTreeMap::new(),
            undated_lines: 0,
            later_lines: 0,
            staged,
            restated: Vec::new(),
            warnings: Vec::new(),
        };
        self.put(&format!("{STAGING}rollup.json"), &serde_json::to_vec(&facts).unwrap()).await;
    }

    /// Everything that earlier stages leave.
    pub async fn stage_all(&self) {
        self.stage_rollup(&rows(self.run.date)).await;
        self.put(&format!("{STAGING}organization.json"), &serde_json::to_vec(&organization()).unwrap()).await;
        let findings = FINDINGS.replace("DATE", DATE);
        self.put("findings/2026-09-15.json", findings.as_bytes()).await;
        self.put(&format!("{STAGING}hygiene.json"), br#"{"findings":"findings/2026-09-15.json","open":["a","b"]}"#).await;
        let suggestions =
            br#"{"suggestions":"suggestions/2026-09-15.csv","count":31,"unowned":54,"acceptance":{"accepted":12,"rejected":3}}"#;
        self.put(&format!("{STAGING}suggestions.json"), suggestions).await;
        self.put(&format!("{STAGING}executive.pdf"), b"%PDF-1.7 stand-in of the executive page").await;
    }

    pub async fn evaluate(&self) -> Output {
        handle(&self.context, Event::Evaluate { run: self.run.clone() }).await.unwrap()
    }

    pub async fn digest(&self, stages: Vec<FailedStage>) -> Output {
        handle(&self.context, Event::Digest { run: self.run.clone(), stages }).await.unwrap()
    }
}

const FINDINGS: &str = r#"{"date":"DATE","from":"2026-09-09","to":"DATE","totals":{},"accounts":[
 {"account_id":"100000000008","account_name":"<b>claims</b>-prod","ou":"Workloads/Claims/Prod","currency":"USD","amounts":{"spend":"90000","taggable":"80000","untagged":"7300.5","unknown":"12","covered":{}},"share":914,"threshold":500,"above":true,"main_unit":"CC-1020","trend":[]},
 {"account_id":"100000000009","account_name":"fine","ou":"Workloads","currency":"USD","amounts":{"spend":"1","taggable":"1","untagged":"0","unknown":"0","covered":{}},"share":0,"threshold":500,"above":false,"main_unit":"","trend":[]}],
 "services":[],"unmapped_keys":[],"near_misses":[],"collisions":[],"conflicts":[],"missing_keys":[],"trend":{}}"#;

/// OUs `Workloads/Claims`, `Workloads/Analytics`, `Shared Platform`, one with a hostile name; account 9 is missing.
pub fn organization() -> OrgSnapshot {
    let unit = |id: &str, name: &str, parent: &str| OrganizationalUnit {
        id: id.to_owned(),
        name: name.to_owned(),
        parent_id: parent.to_owned(),
    };
    let account = |at: usize, parent: &str| Account {
        id: account_id(at),
        name: format!("account {at}"),
        parent_id: parent.to_owned(),
        state: "ACTIVE".to_owned(),
    };
    let harm = hostile()[2].clone();
    OrgSnapshot {
        root_ids: vec!["r-1".to_owned()],
        units: vec![
            unit("ou-1", "Workloads", "r-1"),
            unit("ou-2", "Claims", "ou-1"),
            unit("ou-3", "Analytics", "ou-1"),
            unit("ou-4", "Shared Platform", "r-1"),
            unit("ou-5", &harm, "ou-1"),
        ],
        accounts: vec![account(0, "ou-2"), account(1, "ou-3"), account(2, "ou-4"), account(3, "ou-5"), account(4, "r-1")],
    }
}

pub fn account_id(at: usize) -> String {
    format!("{:012}", 500_000_000_000 + at)
}

const UNITS: [&str; 8] = ["CC-1010", "CC-1020", "CC-1030", "CC-2010", "CC-3020", "CC-5010", "", "CC-9999"];
const SERVICES: [&str; 6] = ["AmazonEC2", "AmazonS3", "AmazonRDS", "AWSGlue", "AmazonDynamoDB", "AWSLambda"];

/// Four months of days: steady services that rest at weekends, a spike on the last day, tax and credit, an unknown account.
pub fn rows(date: Day) -> Vec<DayRow> {
    let from = day("2026-06-01");
    let mut rows = Vec::new();
    for number in from.number()..=date.number() {
        let day = Day::from_number(number).unwrap();
        for (at, unit) in UNITS.iter().enumerate() {
            for (service_at, service) in SERVICES.iter().enumerate() {
                let base = 100_000 + 40_000 * at as i128 + 25_000 * service_at as i128 + 97 * i128::from(day.day() % 5);
                let rest = if day.weekday() >= 5 { 70 } else { 100 };
                let spike = if day == date && (*unit, *service) == ("CC-1020", "AmazonDynamoDB") { 6 } else { 1 };
                let scale = if unit.is_empty() || *unit == "CC-9999" { 1 } else { 14 };
                let cost = Money::from_minor(base * rest / 100 * spike * scale / 10, 2);
                rows.push(row(day, at % 5, unit, service, Kind::Usage, cost));
            }
        }
    }
    let cents = |amount| Money::from_minor(amount, 2);
    for (at, name) in hostile().into_iter().enumerate() {
        rows.push(DayRow {
            account_name: name.clone().into(),
            ..row(date, at % 5, "CC-5030", &name, Kind::Usage, cents(90_000 + at as i128))
        });
    }
    rows.push(DayRow {
        account_id: "999999999999".into(),
        account_name: hostile()[0].clone().into(),
        ..row(date, 0, "CC-3010", "AmazonS3", Kind::Usage, cents(123_456))
    });
    rows.push(row(date, 0, "", "AmazonS3", Kind::Tax, cents(77_700)));
    rows.push(row(date, 1, "", "AmazonS3", Kind::Credit, cents(-12_345)));
    rows
}

pub fn row(day: Day, account: usize, unit: &str, service: &str, kind: Kind, cost: Money) -> DayRow {
    DayRow {
        billing_period: day.period().to_string().into(),
        day: day.to_string().into(),
        provider: "AWS".into(),
        issuer: "Amazon Web Services, Inc.".into(),
        billing_account_id: "100000000099".into(),
        account_id: account_id(account).into(),
        service: service.into(),
        kind,
        charge_type: "Usage".into(),
        currency: "USD".into(),
        resource_id: Default::default(),
        tags: vec![unit.into(), Default::default()],
        account_name: format!("account {account}").into(),
        cash: Measure { unblended: cost, net: cost },
        effective: Measure { unblended: cost, net: cost },
        rows: 3,
        net_rows: 0,
    }
}
