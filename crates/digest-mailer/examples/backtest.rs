//! How good forecast and anomalies are on sample bills whose truth is known.
//!
//! `backtest [--list] SERIES.csv SPIKES.csv [SERIES.csv SPIKES.csv …]`: series from `bench/daily_series.py`, spikes from the sample's
//! `truth/`. Forecasts are made on days 5, 10, 15, 20 and 25 of each month after the first three, of which each sees only the days before
//! it. Anomalies are judged every day after the first eight weeks. `--list` names what was missed and what was found in vain.

use apportion_core::anomaly::{Thresholds, Verdict, judge};
use apportion_core::day::Day;
use apportion_core::forecast::{Forecast, forecast};
use apportion_core::money::Money;
use apportion_core::period::Period;
use apportion_core::season::Series;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

type Groups<Key> = BTreeMap<Key, Series>;

#[derive(Default)]
struct Bill {
    total: Groups<String>,
    parts: Groups<(String, String)>,
    services: Groups<(String, String)>,
}

fn read(path: &str) -> Result<Bill, Box<dyn Error>> {
    let mut bill = Bill::default();
    for row in csv::Reader::from_path(path)?.deserialize() {
        let (day, owner, ou, service, amount): (Day, String, String, String, Money) = row?;
        *bill.total.entry("all".to_owned()).or_default().entry(day).or_default() += amount;
        *bill.parts.entry((owner.clone(), ou)).or_default().entry(day).or_default() += amount;
        *bill.services.entry((owner, service)).or_default().entry(day).or_default() += amount;
    }
    Ok(bill)
}

fn whole(series: &Series, period: Period) -> Money {
    series.range(Day::first_of(period)..=Day::last_of(period)).map(|(_, money)| *money).sum()
}

/// Sums of errors, of the forecast and of the run rate, and of what came.
#[derive(Default)]
struct Errors {
    forecast: f64,
    run_rate: f64,
    actual: f64,
}

impl Errors {
    fn add(&mut self, found: Forecast, actual: Money) {
        let float = |money: Money| money.abs().units() as f64 / 1e12;
        self.forecast += float(found.month_end - actual);
        self.run_rate += float(found.run_rate - actual);
        self.actual += float(actual);
    }
}

const DAYS: [u8; 5] = [5, 10, 15, 20, 25];

fn months(bill: &Bill) -> Vec<Period> {
    let all: BTreeSet<Period> = bill.total.values().flat_map(|series| series.keys().map(|day| day.period())).collect();
    all.into_iter().skip(3).collect()
}

/// As the digest shows them: each owner in each OU is forecast, and the sums are compared with what came.
fn forecasts(bills: &[Bill]) {
    let names = ["units", "OUs", "total"];
    let mut lines = names.map(|name| format!("  {name:<6}"));
    for day in DAYS {
        let mut errors: [Errors; 3] = Default::default();
        for bill in bills {
            for period in months(bill) {
                let Some(date) = Day::of(period, day) else { continue };
                let mut sums: [BTreeMap<&str, (Forecast, Money)>; 3] = Default::default();
                for ((owner, ou), series) in &bill.parts {
                    let (found, came) = (forecast(series, date), whole(series, period));
                    for (sums, key) in sums.iter_mut().zip([owner.as_str(), ou.as_str(), "all"]) {
                        let sum = sums.entry(key).or_default();
                        sum.0 += found;
                        sum.1 += came;
                    }
                }
                for (errors, sums) in errors.iter_mut().zip(sums) {
                    sums.into_values().for_each(|(found, came)| errors.add(found, came));
                }
            }
        }
        for (line, errors) in lines.iter_mut().zip(errors) {
            *line +=
                &format!("  {:5.2} /{:6.2}", 100.0 * errors.forecast / errors.actual, 100.0 * errors.run_rate / errors.actual);
        }
    }
    lines.iter().for_each(|line| println!("{line}"));
}

type Spot = (String, String, Day);

fn spikes(path: &str) -> Result<BTreeMap<Spot, Money>, Box<dyn Error>> {
    let mut found: BTreeMap<Spot, Money> = BTreeMap::new();
    for row in csv::Reader::from_path(path)?.deserialize() {
        let (day, _, service, unit, _, extra, _): (Day, String, String, String, Money, Money, u32) = row?;
        *found.entry((unit, service, day)).or_default() += extra;
    }
    Ok(found)
}

#[derive(Default)]
struct Counts {
    spikes: usize,
    worthwhile: usize,
    found: usize,
    found_worthwhile: usize,
    flagged: usize,
    anomalies: usize,
    true_anomalies: usize,
    judged: usize,
    sparse: usize,
}

fn anomalies(bill: &Bill, truth: &BTreeMap<Spot, Money>, thresholds: &Thresholds, list: bool, counts: &mut Counts) {
    let Some(first) = bill.total["all"].keys().next().and_then(|day| day.plus(56)) else { return };
    let Some(last) = bill.total["all"].keys().next_back() else { return };
    let mut flagged: BTreeMap<Spot, (Day, Money, Money)> = BTreeMap::new();
    for ((owner, service), series) in bill.services.iter().filter(|((owner, _), _)| !owner.starts_with("__")) {
        for day in (first.number()..=last.number()).filter_map(Day::from_number) {
            if series.get(&day).is_none_or(|money| money.is_zero()) {
                continue;
            }
            match judge(series, day, thresholds) {
                Verdict::Sparse => counts.sparse += 1,
                Verdict::Usual => counts.judged += 1,
                Verdict::Unusual(found) => {
                    counts.judged += 1;
                    flagged.insert((owner.clone(), service.clone(), day), (found.since, found.extra, found.expected));
                }
            }
        }
    }
    for (spot, extra) in truth.iter().filter(|(spot, _)| spot.2 >= first) {
        let (hit, worthwhile) = (flagged.contains_key(spot), *extra >= thresholds.minimum);
        counts.spikes += 1;
        counts.worthwhile += usize::from(worthwhile);
        counts.found += usize::from(hit);
        counts.found_worthwhile += usize::from(hit && worthwhile);
        if list && !hit && worthwhile {
            println!("missed  {} {} {} {:.2}", spot.0, spot.1, spot.2, extra.units() as f64 / 1e12);
        }
    }
    counts.flagged += flagged.len();
    let mut whole: BTreeMap<Spot, bool> = BTreeMap::new();
    for (spot, (since, extra, expected)) in &flagged {
        let is_true = truth.contains_key(spot);
        *whole.entry((spot.0.clone(), spot.1.clone(), *since)).or_default() |= is_true;
        if list && !is_true {
            println!(
                "in vain {} {} {} since {since} {:.2} over {:.2}",
                spot.0,
                spot.1,
                spot.2,
                extra.units() as f64 / 1e12,
                expected.units() as f64 / 1e12
            );
        }
    }
    counts.anomalies += whole.len();
    counts.true_anomalies += whole.values().filter(|is_true| **is_true).count();
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let list = arguments.first().is_some_and(|first| first == "--list");
    if list {
        arguments.remove(0);
    }
    let (mut bills, mut truths) = (Vec::new(), Vec::new());
    for pair in arguments.chunks_exact(2) {
        bills.push(read(&pair[0])?);
        truths.push(spikes(&pair[1])?);
    }
    println!("forecast error / run rate's error, in percent of what came, on day 5, 10, 15, 20, 25");
    forecasts(&bills);
    println!("anomalies of a unit's service a day");
    for sigma_thousandths in [2_000, 2_500, 3_000, 4_000] {
        for minimum in [5_000, 10_000, 50_000] {
            let thresholds = Thresholds { sigma_thousandths, minimum: Money::from_minor(minimum, 2), ..Thresholds::default() };
            let is_default = thresholds == Thresholds::default();
            if !is_default && (list || (sigma_thousandths != 2_500 && minimum != 10_000)) {
                continue;
            }
            let mut counts = Counts::default();
            for (bill, truth) in bills.iter().zip(&truths) {
                anomalies(bill, truth, &thresholds, list, &mut counts);
            }
            let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
            println!(
                "  sigma {:.1} minimum {:4}: spikes {} ({} from the minimum on), recall {:.1} % ({:.1} %); {} anomalies on {} days, precision {:.1} %; sparse {:.1} % of {} groups x days",
                f64::from(sigma_thousandths) / 1e3,
                minimum / 100,
                counts.spikes,
                counts.worthwhile,
                percent(counts.found, counts.spikes),
                percent(counts.found_worthwhile, counts.worthwhile),
                counts.anomalies,
                counts.flagged,
                percent(counts.true_anomalies, counts.anomalies),
                percent(counts.sparse, counts.sparse + counts.judged),
                counts.sparse + counts.judged,
            );
        }
    }
    Ok(())
}
