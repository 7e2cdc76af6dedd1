//! The page for executives: one sheet, the right figures, any names.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use apportion_core::bill::Kind;
use apportion_core::budget::{ALERT_PERCENT, Budget, SUPPRESS_DAYS, Target};
use apportion_core::day::{Day, Owned};
use apportion_core::evaluation::{Evaluation, Inputs, evaluate};
use apportion_core::model::{Effective, Unit};
use apportion_core::money::Money;
use statement_renderer::{Renderer, Template, executive_data, render_executive};
use std::process::Command;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn dollars(amount: i64) -> Money {
    Money::from_minor(i128::from(amount) * 100, 2)
}

/// Twelve units with names as asked, in four OUs; a spike in the first on the last day.
fn evaluation(name: impl Fn(usize) -> String) -> Evaluation {
    let (from, to) = (day("2026-07-01"), day("2026-09-15"));
    let mut rows = Vec::new();
    for date in (from.number()..=to.number()).map(|number| Day::from_number(number).unwrap()) {
        for at in 0..12usize {
            let weekend = if date.weekday() >= 5 { 60 } else { 100 };
            let spike = if at == 0 && date == to { 5 } else { 1 };
            let cost = (1_000 + 150 * at as i64) * weekend / 100 * spike;
            rows.push(Owned {
                billing_period: date.period().to_string().into(),
                day: date.to_string().into(),
                provider: "AWS".into(),
                billing_account_id: "1".into(),
                resource_id: Default::default(),
                account_id: "2".into(),
                account_name: Default::default(),
                ou: format!("Workloads/{}", name(at % 4)).into(),
                owner: format!("U{at:02}").into(),
                owner_value: Default::default(),
                service: name(at).into(),
                kind: Kind::Usage,
                charge_type: "Usage".into(),
                currency: "USD".into(),
                cash: dollars(cost),
                effective: dollars(cost),
                rows: 1,
            });
        }
    }
    let unit = |at: usize| Unit {
        id: format!("U{at:02}"),
        name: format!("{} {at}", name(at)),
        business_unit: "B".to_owned(),
        owners: vec![],
    };
    let units: Vec<Unit> = (0..12).map(unit).collect();
    let budget = |target, amount| Budget {
        target,
        effective: Effective::default(),
        amount: dollars(amount),
        alert_percent: ALERT_PERCENT,
        suppress_days: SUPPRESS_DAYS,
    };
    let budgets = [
        budget(Target::All, 610_000),
        budget(Target::Ou(format!("Workloads/{}", name(0))), 100_000),
        budget(Target::Ou(format!("Workloads/{}", name(1))), 140_000),
        budget(Target::Unit("U11".to_owned()), 95_000),
    ];
    let settings = Default::default();
    let inputs =
        Inputs { date: to, currency: "USD", units: &units, budgets: &budgets, anomalies: &settings, alerts: &[], restated: &[] };
    evaluate(&rows, &inputs)
}

/// Text and number of pages, by poppler.
fn read(pdf: &[u8], name: &str) -> (String, usize) {
    let folder =
        std::env::var_os("APPORTION_GALLERY").map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), std::path::PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.pdf"));
    std::fs::write(&path, pdf).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).arg(&path).args((program == "pdftotext").then_some("-")).output();
        String::from_utf8(output.unwrap_or_else(|error| panic!("{program}: {error}")).stdout).unwrap()
    };
    let info = run("pdfinfo", &[]);
    let pages = info.lines().find_map(|line| line.strip_prefix("Pages:")).unwrap().trim().parse().unwrap();
    (run("pdftotext", &["-layout"]), pages)
}

#[test]
fn one_page_says_the_day_the_forecast_and_the_lights() {
    let renderer = Renderer::new(&Template::builtin()).unwrap();
    let found = evaluation(|at| format!("Division {at}"));
    let pdf = render_executive(&renderer, &found).unwrap();
    assert_eq!(pdf, render_executive(&renderer, &found).unwrap());
    let (text, pages) = read(&pdf, "executive");
    assert_eq!(pages, 1, "{text}");
    // 21,900 on a weekday (12 x 1000 + 150 x 66) and four times 1,000 for the spike; September has 22 weekdays and 8 weekend days: 21,900 x 22 +
    // 13,140 x 8 = 586,920, and the spike.
    for shown in [
        "Cloud costs on 15 September 2026",
        "25,900",
        "+4,000 against a week before",
        "590,920",
        "Amber: 96 % of the budget of 610,000",
        "Division 0",
        "+4,000",
    ] {
        assert!(text.contains(shown), "no {shown} in\n{text}");
    }
}

#[test]
fn any_names_stay_on_one_page() {
    let renderer = Renderer::new(&Template::builtin()).unwrap();
    let names = [
        "#read(\"/etc/passwd\")",
        "<b>&amp;",
        "safe\u{202e}fdp.exe\0",
        "x".repeat(200).leak(),
        "数据平台 مطالبات",
        "*_$`#eval(1)",
    ];
    let found = evaluation(|at| format!("{}{at}", names[at % names.len()]));
    let (text, pages) = read(&render_executive(&renderer, &found).unwrap(), "executive_hostile");
    assert_eq!(pages, 1, "{text}");
    assert!(text.contains("#read"), "{text}");
}

#[test]
fn a_day_without_cost_is_a_page_too() {
    let renderer = Renderer::new(&Template::builtin()).unwrap();
    let settings = Default::default();
    let inputs = Inputs {
        date: day("2026-09-15"),
        currency: "JPY",
        units: &[],
        budgets: &[],
        anomalies: &settings,
        alerts: &[],
        restated: &[],
    };
    let found = evaluate(&[], &inputs);
    assert_eq!(executive_data(&found).trend, []);
    let (text, pages) = read(&render_executive(&renderer, &found).unwrap(), "executive_empty");
    assert!(pages == 1 && text.contains("Nothing unusual."), "{text}");
}
