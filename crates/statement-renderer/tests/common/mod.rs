//! A made-up close that looks like a real one, built from ledger rows alone.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use apportion_core::allocate::Note;
use apportion_core::ledger::{Component, InvoiceKey, LedgerKey, LedgerRow, PoolSource};
use apportion_core::model::{Base, Configuration, Driver, Key, Pool, Settings, Targets, Unit};
use apportion_core::money::{Money, split_integer};
use apportion_core::period::Period;
use apportion_core::reconcile::{BridgeLine, Control, ControlSource};
use apportion_core::tags::Taxonomy;
use statement_renderer::{Close, Figures, Previous, Year};
use std::collections::BTreeMap;

pub struct Sample {
    pub period: Period,
    pub provisional: bool,
    pub configuration: Configuration,
    pub names: BTreeMap<String, String>,
    pub rows: Vec<LedgerRow>,
    pub controls: Vec<Control>,
    pub sources: Vec<PoolSource>,
    pub before: Option<Vec<LedgerRow>>,
    pub year: Option<Year>,
    pub bridge: Vec<BridgeLine>,
    pub notes: Vec<Note>,
}

pub const CLOSE: &str = "3f9c2ab17d5e8046b1c4f7a09e2d6c3f9c2ab17d5e8046b1c4f7a09e2d6c55aa";

impl Sample {
    pub fn close(&self) -> Close<'_> {
        Close::new(Figures {
            period: self.period,
            close_id: CLOSE,
            provisional: self.provisional,
            currency: "USD",
            minor_exponent: 2,
            configuration: &self.configuration,
            account_names: &self.names,
            rows: &self.rows,
            controls: &self.controls,
            pool_sources: &self.sources,
            previous: self.before.as_ref().map(|rows| Previous {
                period: self.period.previous(),
                close_id: "91aa",
                rows,
                configuration: Some(&self.configuration),
            }),
            year: self.year.as_ref(),
            bridge: &self.bridge,
            notes: &self.notes,
        })
        .expect("the sample reconciles")
    }
}

pub fn unit(id: &str, name: &str, business_unit: &str) -> Unit {
    Unit { id: id.to_owned(), name: name.to_owned(), business_unit: business_unit.to_owned(), owners: vec![] }
}

pub fn invoice(id: &str) -> InvoiceKey {
    InvoiceKey {
        provider: "AWS".into(),
        issuer: "Amazon Web Services, Inc.".into(),
        billing_account_id: "100000000001".into(),
        invoice_id: id.into(),
    }
}

/// A row of its own unit: no pool, nothing split.
pub fn direct(unit: &str, account: &str, service: &str, cents: i128) -> LedgerRow {
    LedgerRow {
        key: LedgerKey {
            unit_id: unit.into(),
            component: Component::Direct,
            pool_id: Default::default(),
            rule_id: "tag.cost_center".into(),
            invoice: invoice("1880412345"),
            account_id: account.into(),
            ou_path: "Workloads/Claims/Prod".into(),
            service: service.into(),
            charge_type: "Usage".into(),
            commitment_id: Default::default(),
            currency: "USD".into(),
        },
        cash: Money::from_minor(cents, 2),
        effective: Money::from_minor(cents, 2),
        cents,
        driver_value: Default::default(),
        driver_total: Default::default(),
        driver_unit: Default::default(),
        share: "1.000000000000".into(),
    }
}

/// The rows of a pool, split by weights.
pub fn pooled(
    pool: &str,
    component: Component,
    driver: &str,
    total: i128,
    weights: &[(String, i128)],
    scaled: bool,
) -> Vec<LedgerRow> {
    let numbers: Vec<i128> = weights.iter().map(|(_, weight)| *weight).collect();
    let sum: i128 = numbers.iter().sum();
    let parts = split_integer(total, &numbers).expect("a positive weight");
    let text = |value: i128| {
        if scaled {
            Money::from_minor(value, 2).to_fixed().trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            value.to_string()
        }
    };
    weights
        .iter()
        .zip(parts)
        .map(|((unit, weight), part)| {
            let mut row = direct(unit, "", "", part);
            row.key.component = component;
            row.key.pool_id = pool.into();
            row.key.rule_id = format!("pool.{pool}").into();
            row.key.ou_path = Default::default();
            row.key.charge_type = Default::default();
            row.driver_value = text(*weight).into();
            row.driver_total = text(sum).into();
            row.driver_unit = driver.into();
            row.share = format!("0.{:012}", weight * 1_000_000_000_000 / sum).into();
            if *weight == sum {
                row.share = "1.000000000000".into();
            }
            row
        })
        .collect()
}

pub fn pool(id: &str, name: &str, key: Key) -> Pool {
    Pool {
        id: id.to_owned(),
        name: name.to_owned(),
        key,
        targets: Targets::All,
        exclude: Default::default(),
        minimum: None,
        cap: None,
        minimums: BTreeMap::new(),
        caps: BTreeMap::new(),
        fallback: Key::Even,
        effective: Default::default(),
    }
}

pub fn configuration(units: Vec<Unit>) -> Configuration {
    let proportional = || Key::Proportional { base: Base::EffectiveDirect };
    let driver =
        |id: &str, unit: &str| (id.to_owned(), Driver { id: id.to_owned(), unit: unit.to_owned(), values: BTreeMap::new() });
    Configuration {
        taxonomy: Taxonomy { owner: "cost_center".to_owned(), dimensions: vec![] },
        units,
        line_rules: vec![],
        special: BTreeMap::new(),
        pools: vec![
            pool("untagged", "Untagged cost", proportional()),
            pool("network", "Network hub", Key::Usage { driver: "network_gb".to_owned() }),
            pool("security", "Security tooling", Key::Headcount),
            pool("services", "Shared services", Key::Even),
            pool("support", "Support", proportional()),
        ],
        drivers: [driver("network_gb", "GB"), driver("headcount", "people")].into_iter().collect(),
        settings: Settings {
            currency: "USD".to_owned(),
            each_currency: false,
            tolerance: None,
            tax_tolerance: None,
            organization: Default::default(),
        },
    }
}

/// One control for each invoice of the rows, which it equals.
pub fn controls(rows: &[LedgerRow]) -> Vec<Control> {
    let mut sums: BTreeMap<InvoiceKey, (i128, Money, i64)> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(row.key.invoice.clone()).or_default();
        sum.0 += row.cents;
        sum.1 += row.cash;
        sum.2 += 100;
    }
    sums.into_iter()
        .map(|(key, (cents, cash, rows))| Control {
            key,
            source: ControlSource::Invoice,
            rows,
            bill: cash,
            invoice: Money::from_minor(cents, 2),
            difference: Money::from_minor(cents, 2) - cash,
            tolerance: Money::from_minor(100, 2),
            cents,
            tax: None,
            details: None,
            passed: true,
        })
        .collect()
}

const SERVICES: [&str; 14] = [
    "AmazonEC2",
    "AmazonRDS",
    "AmazonS3",
    "AWSLambda",
    "AmazonDynamoDB",
    "AmazonEKS",
    "AmazonCloudWatch",
    "AmazonSageMaker",
    "AmazonRedshift",
    "AWSGlue",
    "AmazonVPC",
    "AWSSecretsManager",
    "AmazonBedrock",
    "AmazonSNS",
];

pub const UNITS: [(&str, &str, &str); 14] = [
    ("CC-1010", "Claims Intake", "Claims"),
    ("CC-1020", "Claims Adjudication", "Claims"),
    ("CC-1030", "Payment Integrity", "Claims"),
    ("CC-2010", "Data Platform", "Analytics"),
    ("CC-2020", "Actuarial Models", "Analytics"),
    ("CC-2030", "Population Health", "Analytics"),
    ("CC-3010", "Member Portal", "Member Services"),
    ("CC-3020", "Contact Center", "Member Services"),
    ("CC-3030", "Enrollment", "Member Services"),
    ("CC-4010", "Provider Directory", "Provider Network"),
    ("CC-4020", "Care Management", "Provider Network"),
    ("CC-5010", "Platform Engineering", "Corporate Technology"),
    ("CC-5020", "Security Operations", "Corporate Technology"),
    ("CC-5030", "Corporate IT", "Corporate Technology"),
];

/// Ledger rows of a month: `lines` direct lines for the first unit, twelve for each of the others.
pub fn month_rows(units: &[Unit], lines: usize, seed: u64) -> Vec<LedgerRow> {
    let mut state = seed;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut rows = Vec::new();
    let mut base: BTreeMap<String, i128> = BTreeMap::new();
    for (index, unit) in units.iter().enumerate() {
        let count = if index == 0 { lines } else { 12 };
        for line in 0..count {
            let account = format!("1000000000{:02}", 6 + index * 3 + line % 3);
            let mut service = SERVICES[line % SERVICES.len()].to_owned();
            if line >= SERVICES.len() * 3 {
                service = format!("{service} {}", line / SERVICES.len());
            }
            let weight = 1_000_000 / (1 + line as u64 * line as u64 / 3);
            let cents = i128::from(next(weight + 50) + weight / 2);
            let mut row = direct(&unit.id, &account, &service, cents);
            row.effective = Money::from_minor(cents * if line % 4 == 0 { 117 } else { 100 }, 4);
            *base.entry(unit.id.clone()).or_default() += row.effective.round_to_minor(2);
            rows.push(row);
        }
        let own = |component, charge: &str, cents: i128, effective: i128, rule: &str| {
            let mut row = direct(&unit.id, "100000000006", "AmazonEC2", cents);
            row.key.component = component;
            row.key.charge_type = charge.into();
            row.key.rule_id = rule.into();
            row.effective = Money::from_minor(effective, 2);
            row
        };
        if count > 1 {
            rows.push(own(Component::Commitment, "SavingsPlanRecurringFee", 41_200, 0, "special.commitment"));
            rows.push(own(Component::Tax, "Tax", i128::from(next(20_000)), 0, "special.tax"));
            rows.push(own(Component::Credit, "Credit", -i128::from(next(30_000)), -12_345, "special.credit"));
        }
        let mut marketplace = direct(&unit.id, "100000000006", "Datadog Pro", i128::from(next(90_000)));
        marketplace.key.component = Component::Marketplace;
        marketplace.key.invoice = InvoiceKey { issuer: "Datadog, Inc.".into(), ..invoice("1880498765") };
        if count > 1 {
            rows.push(marketplace);
        }
    }
    let by_cost: Vec<(String, i128)> = units.iter().map(|unit| (unit.id.clone(), base[&unit.id])).collect();
    let by = |f: &dyn Fn(usize) -> i128| -> Vec<(String, i128)> {
        units.iter().enumerate().map(|(i, unit)| (unit.id.clone(), f(i))).collect()
    };
    let network: Vec<i128> = (0..units.len()).map(|_| i128::from(next(900_000))).collect();
    let heads: Vec<i128> = (0..units.len()).map(|_| i128::from(next(90)) * 100).collect();
    rows.extend(pooled("untagged", Component::Direct, "effective_direct", 18_412_377, &by_cost, true));
    rows.extend(pooled("support", Component::Support, "effective_direct", 9_100_000 + i128::from(next(500_000)), &by_cost, true));
    rows.extend(pooled("network", Component::Direct, "network_gb", 6_233_051, &by(&|i| network[i]), true));
    rows.extend(pooled("security", Component::Direct, "headcount", 2_750_000, &by(&|i| heads[i]), true));
    rows.extend(pooled("services", Component::Direct, "even", 1_400_001, &by(&|_| 1), false));
    rows.sort();
    rows
}

pub fn sample(units: Vec<Unit>, lines: usize, with_previous: bool) -> Sample {
    let rows = month_rows(&units, lines, 7);
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for row in &rows {
        let id = row.key.account_id.clone();
        names.insert(
            String::from(&id),
            format!(
                "{}-{}",
                ["claims-api", "claims-batch", "member-web", "data-lake"][id.len() % 4],
                &id[id.len().saturating_sub(3)..]
            ),
        );
    }
    let sources = ["100000000006", "100000000007", "100000000011"]
        .iter()
        .zip([9_000_000, 5_412_377, 4_000_000])
        .map(|(account, cents)| PoolSource {
            pool_id: "untagged".into(),
            component: Component::Direct,
            rule_id: "tag.untagged".into(),
            from_pool_id: Default::default(),
            invoice: invoice("1880412345"),
            account_id: (*account).into(),
            service: "AmazonEC2".into(),
            charge_type: "Usage".into(),
            owner_value: Default::default(),
            currency: "USD".into(),
            cash: Money::from_minor(cents, 2),
            effective: Money::from_minor(cents, 2),
        })
        .collect();
    Sample {
        period: "2026-09".parse().unwrap(),
        provisional: false,
        controls: controls(&rows),
        year: with_previous.then(|| {
            let earlier = [("2026-07", 11), ("2026-08", 3)];
            let month = |(period, seed): (&str, u64)| (period.parse().unwrap(), month_rows(&units, lines.max(3) - 2, seed));
            earlier.map(month).iter().fold(None, |year, (period, rows)| Some(Year::add(year, *period, rows))).unwrap()
        }),
        bridge: bridge(),
        notes: vec![
            Note::UnknownAccount { account_id: "100000000099".to_owned(), cash: Money::from_minor(12_345, 2) },
            Note::UnknownOwner { value: "cc-9999".to_owned(), cash: Money::from_minor(99, 2), effective: Money::ZERO, rows: 3 },
            Note::Untagged { cash: Money::from_minor(18_412_377, 2), effective: Money::ZERO, rows: 512 },
        ],
        before: with_previous.then(|| month_rows(&units, lines.max(3) - 2, 3)),
        configuration: configuration(units),
        names,
        rows,
        sources,
    }
}

/// A reservation paid upfront, a plan paid by the month, and what no commitment touches, with doubles that do not quite bridge.
fn bridge() -> Vec<BridgeLine> {
    let line = |id: &str, [effective, true_up, upfront, cash, unused]: [i128; 5]| BridgeLine {
        provider: "AWS".to_owned(),
        billing_account_id: "100000000001".to_owned(),
        commitment_id: id.to_owned(),
        effective: Money::from_minor(effective, 2),
        true_up: Money::from_minor(true_up, 2),
        upfront: Money::from_minor(upfront, 2),
        cash: Money::from_minor(cash, 2),
        residual: Money::from_minor(cash - effective - true_up - upfront, 2),
        unused: Money::from_minor(unused, 2),
    };
    vec![
        line("", [41_000_000, 0, 0, 41_000_007, 0]),
        line("arn:aws:ec2:us-east-1:100000000005:reserved-instances/ae17d99b", [375_000, -375_000, 4_500_000, 4_500_000, 25_000]),
        line("arn:aws:savingsplans::100000000001:savingsplan/10a2c83e", [900_000, -300_000, 0, 600_000, 75_000]),
    ]
}

pub fn meridian() -> Vec<Unit> {
    UNITS.iter().map(|(id, name, business_unit)| unit(id, name, business_unit)).collect()
}

/// Names that a bill, a tag or an organization may hold, each of them a trap somewhere.
pub fn hostile_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "#read(\"/etc/passwd\")",
        "#eval(\"1+1\")",
        "*bold* _emph_ `code` $x^2$",
        "@ref <label> #set page(width: 1cm)",
        "= heading",
        "- list\n+ list\n/ term: x",
        "//comment /* more */",
        "\\u{41} \\ \\\\",
        "]]]}}})))[[[{{{(((",
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-2-2",
        "@SUM(A1:A9)",
        "\tleading tab",
        "\0nul in\0side",
        "line\r\nbreak",
        "comma, \"quote\" 'single'",
        "مطالبات التأمين الصحي",
        "תביעות 123 ABC ביטוח",
        "محمد\u{200c}ها",
        "数据平台与精算模型",
        "データ基盤",
        "데이터 플랫폼",
        "𠀀𠮷野家",
        "แผนกเคลมประกัน",
        "दावा विभाग क्षेत्र ज्ञान",
        "দাবি বিভাগ",
        "உரிமைகோரல்",
        "అభ్యర్థన",
        "ಹಕ್ಕು",
        "അവകാശവാദം",
        "හිමිකම්",
        "ક્લેમ",
        "ਦਾਅਵਾ",
        "Պահանջ მოთხოვნა",
        "የይገባኛል ጥያቄ",
        "ទាមទារ",
        "ຮຽກຮ້ອງ",
        "တောင်းဆိုမှု",
        "Претензії Αξιώσεις Żółć ẞ ﬁ Ǆ",
        "👩‍💻👨‍👩‍👧‍👦🏳️‍🌈🇺🇸1️⃣❤️",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        "Z̶̢͓̈́a̷̛̯l̸͚̈́g̵̡̛ȯ̴͈",
        "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
        "数\u{e31}\u{301}",
        "\u{301}leading mark",
        "\u{202e}gnp.exe",
        "a\u{2066}b\u{2069}c\u{200e}d\u{200f}e",
        "zero\u{200b}width\u{feff}\u{2060}",
        "\u{e000}\u{f8ff}\u{10ffff}",
        "\u{fffd}\u{fffe}\u{ffff}\u{fdd0}",
        "\u{378}\u{13000}\u{12000}\u{1d11e}",
        "\u{7f}\u{80}\u{9f}\u{ad}\u{85}",
        "\u{2028}\u{2029}\u{b}\u{c}\u{1b}[31m",
        "⟨U+0041⟩",
        "ﷺ ﷽ ",
        "☃ ♥ ⚙ ➔ ∑ ∫ √ ℵ 𝔘 ㎏ Ⅷ ½ ‰ € ₹ ﷼ ₿",
        "   ",
        "\u{a0}\u{2003}\u{3000}x",
        "%s %n {0} ${x} {{x}}",
        "../../../etc/passwd",
        "<script>alert(1)</script>&amp;",
        "'; drop table ledger; --",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    names.push("W".repeat(200));
    names.push("long-name-with-hyphens-".repeat(9).chars().take(200).collect());
    names.push("word ".repeat(40));
    names.push("数".repeat(200));
    names.push("مطالبات".repeat(28));
    names.push("👩‍💻".repeat(60));
    names.push("a\u{301}".repeat(100));
    names.push("\u{0}".repeat(200));
    names
}
