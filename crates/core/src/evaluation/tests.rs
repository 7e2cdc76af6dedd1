#![allow(clippy::unwrap_used)]
use super::*;
use crate::anomaly::Override;
use crate::budget::{ALERT_PERCENT, SUPPRESS_DAYS, Target};
use crate::model::Effective;
use proptest::prelude::*;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn dollars(amount: i64) -> Money {
    Money::from_minor(i128::from(amount) * 100, 2)
}

fn row(date: Day, owner: &str, ou: &str, service: &str, cost: i64) -> Owned {
    Owned {
        billing_period: date.period().to_string().into(),
        day: date.to_string().into(),
        provider: "AWS".into(),
        billing_account_id: "100000000001".into(),
        account_id: "100000000002".into(),
        account_name: "claims-prod".into(),
        ou: ou.into(),
        owner: owner.into(),
        owner_value: Default::default(),
        service: service.into(),
        kind: Kind::Usage,
        charge_type: "Usage".into(),
        currency: "USD".into(),
        resource_id: Default::default(),
        cash: dollars(cost),
        effective: dollars(cost),
        rows: 1,
    }
}

/// From 2026-07-01 to 2026-09-10: A has 100 a day in each of two OUs, nobody 50 in one; a spike of 900 in A's S3 on the last day.
fn rows() -> Vec<Owned> {
    let (from, to) = (day("2026-07-01"), day("2026-09-10"));
    let mut rows = Vec::new();
    for date in (from.number()..=to.number()).map(|number| Day::from_number(number).unwrap()) {
        rows.push(row(date, "A", "W/P", "EC2", 100));
        rows.push(row(date, "A", "W/N", "S3", if date == to { 1000 } else { 100 }));
        rows.push(row(date, "__untagged__", "W/P", "EC2", 50));
    }
    rows.push(Owned { kind: Kind::Tax, ..row(to, "A", "W/P", "EC2", 777) });
    rows.push(Owned { currency: "EUR".into(), ..row(to, "A", "W/P", "EC2", 1) });
    rows.push(Owned { ou: "__unknown__".into(), account_id: "9".into(), ..row(to, "__unknown__", "", "EC2", 7) });
    rows.push(row(day("2026-09-11"), "A", "W/P", "EC2", 5_555));
    rows
}

/// A's S3 in two resources: `noisy` costs 60 a day and 960 on the last, `calm` 40 and 340 on the last.
#[test]
fn a_resource_that_an_override_names_is_judged_by_itself_and_not_with_its_service() {
    let (from, to) = (day("2026-07-01"), day("2026-09-10"));
    let mut rows = Vec::new();
    for date in (from.number()..=to.number()).map(|number| Day::from_number(number).unwrap()) {
        let of = |id: &str, cost: i64| Owned { resource_id: id.into(), ..row(date, "A", "W", "S3", cost) };
        rows.push(of("noisy", if date == to { 960 } else { 60 }));
        rows.push(of("calm", if date == to { 340 } else { 40 }));
    }
    let found = |overrides: &[(&str, Option<i64>)]| {
        let overrides = overrides.iter().map(|(id, minimum)| Override {
            resource: Some((*id).to_owned()),
            minimum: minimum.map(dollars),
            ignore: minimum.is_none(),
            ..Override::default()
        });
        let settings = Settings { overrides: overrides.collect(), ..Settings::default() };
        let inputs =
            Inputs { date: to, currency: "USD", units: &[], budgets: &[], anomalies: &settings, alerts: &[], restated: &[] };
        // In two parts, as a run takes them.
        let mut sums = Sums::new(&inputs);
        let (first, second) = rows.split_at(51);
        sums.add(second);
        sums.add(first);
        let found = sums.evaluation(&inputs);
        assert_eq!(found, evaluate(&rows, &inputs));
        // Whatever is judged apart, what it cost counts in the service.
        assert_eq!(found.top_services[0].day, dollars(1_300));
        let anomalies = found.anomalies.iter().map(|one| (one.resource_id.clone(), one.found.extra)).collect::<Vec<_>>();
        (anomalies, found.groups)
    };
    let of = |id: &str, extra: i64| (id.to_owned(), dollars(extra));
    assert_eq!(found(&[]), (vec![of("", 1_200)], 1));
    assert_eq!(found(&[("noisy", Some(100))]), (vec![of("noisy", 900), of("", 300)], 2));
    assert_eq!(found(&[("noisy", Some(1_000))]), (vec![of("", 300)], 2));
    assert_eq!(found(&[("noisy", None)]), (vec![of("", 300)], 1));
    assert_eq!(found(&[("noisy", None), ("calm", Some(301))]), (vec![], 1));
    assert_eq!(found(&[("elsewhere", Some(1))]), (vec![of("", 1_200)], 1));
}

fn budget(target: Target, amount: i64) -> Budget {
    Budget {
        target,
        effective: Effective::default(),
        amount: dollars(amount),
        alert_percent: ALERT_PERCENT,
        suppress_days: SUPPRESS_DAYS,
    }
}

fn evaluated(rows: &[Owned], alerts: &[Alert]) -> Evaluation {
    let units = [Unit { id: "A".into(), name: "Claims".into(), business_unit: "Care".into(), owners: vec![] }];
    let budgets = [
        budget(Target::Unit("A".into()), 6_800),
        budget(Target::Ou("W".into()), 10_000),
        budget(Target::Ou("X".into()), 5),
        budget(Target::All, 8_000),
    ];
    let settings = Settings::default();
    evaluate(
        rows,
        &Inputs {
            date: day("2026-09-10"),
            currency: "USD",
            units: &units,
            budgets: &budgets,
            anomalies: &settings,
            alerts,
            restated: &[],
        },
    )
}

#[test]
fn figures_are_those_of_the_rows() {
    let found = evaluated(&rows(), &[]);
    // 100 + 1000 + 50 + 7; cash has the tax of 777 too.
    assert_eq!((found.total.day, found.cash), (dollars(1_157), dollars(1_934)));
    assert_eq!(found.total.week_before, dollars(250));
    // Nine days of 250, and the day.
    assert_eq!(found.total.forecast.month_to_date, dollars(9 * 250 + 1_157));
    // 20 days of 250 to come; an account that is one day old has its run rate: 7 / 10 x 30.
    assert_eq!(found.total.forecast.month_end, dollars(9 * 250 + 1_150 + 20 * 250 + 21));
    assert_eq!(found.previous_month, dollars(31 * 250));
    assert_eq!((found.untagged, found.untagged_day, found.unknown), (dollars(500), dollars(50), dollars(7)));
    assert_eq!(Evaluation::permille(found.untagged, found.total.forecast.month_to_date), Some(147)); // 500 / 3407
    assert_eq!(found.trend.len(), 35);
    assert_eq!(found.trend.last(), Some(&(day("2026-09-10"), dollars(1_157))));
    assert_eq!(found.other_currencies, BTreeMap::from([("EUR".to_owned(), 1)]));
    let unknown = UnknownAccount { id: "9".into(), name: "claims-prod".into(), day: dollars(7), month_to_date: dollars(7) };
    assert_eq!(found.unknown_accounts, [unknown]);
}

#[test]
fn lines_name_units_and_their_lights() {
    let found = evaluated(&rows(), &[]);
    let owners: Vec<_> = found.owners.iter().map(|line| (line.id.as_str(), line.name.as_str(), line.day)).collect();
    assert_eq!(
        owners,
        [
            ("A", "Claims", dollars(1_100)),
            ("__untagged__", "__untagged__", dollars(50)),
            ("__unknown__", "__unknown__", dollars(7))
        ]
    );
    // 9 x 200 + 1100 + 20 x 200 = 6900 of 6800; W has 6900 + 1500 of 10000; all 8421 of 8000.
    let light = |line: &Line| line.budget.as_ref().map(|budget| (budget.light, budget.percent, budget.is_news));
    assert_eq!(light(&found.owners[0]), Some((Light::Red, Some(101), true)));
    let ous: Vec<_> = found.ous.iter().map(|line| (line.id.as_str(), light(line).map(|light| light.0))).collect();
    assert_eq!(ous, [("W", Some(Light::Amber)), ("__unknown__", None)]);
    assert_eq!(found.idle_budgets, ["ou:X"]);
    assert_eq!(found.alerts.len(), 3);
    let again = evaluated(
        &rows(),
        &found.alerts.iter().map(|alert| Alert { date: day("2026-09-09"), ..alert.clone() }).collect::<Vec<_>>(),
    );
    assert_eq!(again.alerts, []);
}

#[test]
fn the_spike_is_found_and_its_account_named() {
    let found = evaluated(&rows(), &[]);
    let short: Vec<_> = found
        .anomalies
        .iter()
        .map(|one| (one.owner.as_str(), one.service.as_str(), one.account_id.as_str(), one.found.extra))
        .collect();
    assert_eq!(short, [("A", "S3", "100000000002", dollars(900))]);
    assert_eq!((found.groups, found.sparse), (4, 1));
    assert_eq!(
        (found.movers[0].service.as_str(), found.movers[0].day, found.movers[0].week_before),
        ("S3", dollars(1_000), dollars(100))
    );
    assert_eq!((found.top_services[0].service.as_str(), found.top_services[0].day), ("S3", dollars(1_000)));
}

proptest! {
    #[test]
    fn units_ous_and_total_agree_and_order_does_not_matter(
        costs in prop::collection::vec((0i64..80, 0usize..3, 0usize..3, 0i64..900), 1..150).prop_shuffle(),
    ) {
        let start = day("2026-07-01");
        let names = ["A", "B", "__untagged__"];
        let ous = ["W/P", "W/N", "Z"];
        let rows: Vec<Owned> = costs.iter().map(|(at, owner, ou, cost)| row(start.plus(*at).unwrap(), names[*owner], ous[*ou], "S", *cost)).collect();
        let settings = Settings::default();
        let of = |rows: &[Owned]| evaluate(rows, &Inputs { date: day("2026-09-10"), currency: "USD", units: &[], budgets: &[], anomalies: &settings, alerts: &[], restated: &[] });
        let found = of(&rows);
        for lines in [&found.owners, &found.ous] {
            let mut sum = Forecast::default();
            lines.iter().for_each(|line| sum += line.forecast);
            prop_assert_eq!(sum, found.total.forecast);
            prop_assert_eq!(lines.iter().map(|line| line.day).sum::<Money>(), found.total.day);
        }
        let mut other = rows;
        other.reverse();
        prop_assert_eq!(of(&other), found);
    }
}
