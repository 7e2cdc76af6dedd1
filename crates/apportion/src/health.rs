//! `apportion health`: the platform's own five figures, and how they were before.

use crate::failure::Failure;
use crate::report::{Align, table};
use apportion_core::day::{Day, Outcome, RunRecord};
use apportion_core::evaluation::{DayHealth, Evaluation};
use apportion_core::money::Money;
use apportion_output::csv_columns;
use apportion_store::{Store, StoreError};
use clap::Args;
use digest_mailer::{FalsePositives, Record};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Days that a rate counts, and how much earlier it is compared with.
const WINDOW_DAYS: i64 = 28;

#[derive(Args)]
pub struct HealthArguments {
    /// The out folder of the daily runs.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// A figure now and [`WINDOW_DAYS`] days before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Trend<T> {
    now: Option<T>,
    before: Option<T>,
}

/// A part of a whole; `permille` is half away from zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Share<T> {
    part: T,
    whole: T,
    permille: Option<i64>,
}

/// The five figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Health {
    /// The newest run's date; a rate's window is the 28 days up to it, and all later ones.
    date: Day,
    /// Effective cost of the month to date without an owner, by provider.
    without_owner: BTreeMap<String, Trend<Share<Money>>>,
    /// Runs that completed, of those that completed or failed. A run that found no data yet is neither.
    run_success: Trend<Share<i64>>,
    /// Dismissed, of alerts confirmed or dismissed, by business unit.
    false_positives: BTreeMap<String, Trend<Share<i64>>>,
    /// Services of units with too few days to judge, of all with a cost.
    sparse_groups: Trend<Share<i64>>,
    /// Accepted, of suggestions decided.
    suggestions_accepted: Trend<Share<i64>>,
}

/// Runs the command; the result is what it prints.
pub async fn run(arguments: &HealthArguments) -> Result<String, Failure> {
    let health = health(&Store::directory(&arguments.out)).await?;
    if arguments.json {
        return Ok(serde_json::to_string_pretty(&health).map_err(Failure::other)? + "\n");
    }
    Ok(text(&health))
}

async fn health(store: &Store) -> Result<Health, Failure> {
    let runs: Vec<RunRecord> = all(store, "daily/runs/").await?;
    let Some(date) = runs.iter().map(|run| run.date).max() else {
        return Err(Failure::bad_input(format!("there are no runs in {store}: `apportion daily` makes them")));
    };
    let windows = Windows { date };
    let days = days(store).await?;
    let records = digest_mailer::records(store).await.map_err(Failure::other)?;
    let decisions = decisions(store).await?;
    let accepted = |decided: &[&(Day, bool)]| count(decided.iter().filter(|(_, accepted)| *accepted).count(), decided.len());
    Ok(Health {
        date,
        without_owner: without_owner(&days, windows),
        run_success: windows.rate(&runs, |run| run.date, succeeded),
        false_positives: false_positives(&records, windows),
        sparse_groups: windows.at(&days, |day| count(day.sparse, day.groups)),
        suggestions_accepted: windows.rate(&decisions, |decided| decided.0, accepted),
    })
}

/// Now, and a window before.
#[derive(Clone, Copy)]
struct Windows {
    date: Day,
}

impl Windows {
    /// A figure of a day, as the newest of its days up to now and up to a window before has it.
    fn at<T>(self, days: &BTreeMap<Day, DayHealth>, figure: impl Fn(&DayHealth) -> Option<Share<T>>) -> Trend<Share<T>> {
        let newest = |back: i64| {
            let last = self.date.plus(-back)?;
            days.range(..=last).next_back().and_then(|(_, day)| figure(day))
        };
        Trend { now: newest(0), before: newest(WINDOW_DAYS) }
    }

    /// A rate over what lies in the window up to now, and in the one before.
    fn rate<T>(self, list: &[T], day: impl Fn(&T) -> Day, rate: impl Fn(&[&T]) -> Option<Share<i64>>) -> Trend<Share<i64>> {
        let within = |from: i64, to: i64| -> Vec<&T> {
            list.iter().filter(|one| (from..to).contains(&self.date.since(day(one)))).collect()
        };
        Trend { now: rate(&within(i64::MIN, WINDOW_DAYS)), before: rate(&within(WINDOW_DAYS, 2 * WINDOW_DAYS)) }
    }
}

fn count(part: usize, whole: usize) -> Option<Share<i64>> {
    let (part, whole) = (i64::try_from(part).ok()?, i64::try_from(whole).ok().filter(|whole| *whole > 0)?);
    Some(Share { part, whole, permille: Some((part * 2_000 / whole + 1) / 2) })
}

fn succeeded(runs: &[&RunRecord]) -> Option<Share<i64>> {
    let with = |outcome: Outcome| runs.iter().filter(|run| run.outcome == outcome).count();
    count(with(Outcome::Complete), with(Outcome::Complete) + with(Outcome::Failed))
}

fn without_owner(days: &BTreeMap<Day, DayHealth>, windows: Windows) -> BTreeMap<String, Trend<Share<Money>>> {
    let providers: BTreeSet<&String> = days.values().flat_map(|day| day.providers.keys()).collect();
    let share = |day: &DayHealth, name: &String| {
        let found = day.providers.get(name)?;
        let (part, whole) = (found.untagged + found.unknown, found.spend);
        Some(Share { part, whole, permille: Evaluation::permille(part, whole) })
    };
    providers.into_iter().map(|name| (name.clone(), windows.at(days, |day| share(day, name)))).collect()
}

fn false_positives(records: &[Record], windows: Windows) -> BTreeMap<String, Trend<Share<i64>>> {
    let teams: BTreeSet<&String> = records.iter().map(|record| &record.anomaly.business_unit).collect();
    let rate = |found: &[&Record], team: &String| {
        let records: Vec<Record> = found.iter().map(|record| (*record).clone()).collect();
        let FalsePositives { confirmed, dismissed, .. } = digest_mailer::false_positives(&records).remove(team)?;
        count(dismissed, confirmed + dismissed)
    };
    let trend = |team: &String| windows.rate(records, |record| record.first_day, |found| rate(found, team));
    teams.into_iter().map(|team| (team.clone(), trend(team))).collect()
}

/// The newest version of each day.
async fn days(store: &Store) -> Result<BTreeMap<Day, DayHealth>, Failure> {
    let mut dates: BTreeSet<Day> = BTreeSet::new();
    for entry in store.list("daily/health/").await.map_err(Failure::other)? {
        let name = entry.key.trim_start_matches("daily/health/");
        dates.extend(name.get(..10).and_then(|day| day.parse::<Day>().ok()));
    }
    let mut days = BTreeMap::new();
    for date in dates {
        let stem = format!("daily/health/{date}");
        if let Some((_, key)) = store.newest_version(&stem, "json").await.map_err(Failure::other)? {
            days.insert(date, read(store, &key).await?);
        }
    }
    Ok(days)
}

async fn all<T: DeserializeOwned>(store: &Store, prefix: &str) -> Result<Vec<T>, Failure> {
    let mut list = Vec::new();
    for entry in store.list(prefix).await.map_err(Failure::other)? {
        list.push(read(store, &entry.key).await?);
    }
    Ok(list)
}

async fn read<T: DeserializeOwned>(store: &Store, key: &str) -> Result<T, Failure> {
    let bytes = store.get(key).await.map_err(Failure::other)?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::bad_input(format!("{key}: {error}")))
}

/// When each suggestion was decided, and whether it was accepted.
async fn decisions(store: &Store) -> Result<Vec<(Day, bool)>, Failure> {
    let key = "suggestions/decisions.csv";
    let bytes = match store.get(key).await {
        Err(StoreError::NotFound { .. }) => return Ok(Vec::new()),
        other => other.map_err(Failure::other)?,
    };
    let mut list = Vec::new();
    for row in csv_columns(key, &bytes, &["decided_on", "decision"]).map_err(Failure::bad_input)? {
        if let [day, decision] = row.as_slice() {
            let day = day.parse().map_err(|error| Failure::bad_input(format!("{key}: {error}")))?;
            list.push((day, decision == "accepted"));
        }
    }
    Ok(list)
}

fn text(health: &Health) -> String {
    let mut rows = Vec::new();
    for (provider, trend) in &health.without_owner {
        let show = |money: &Money| Money::minor_to_string(money.round_to_minor(2), 2);
        rows.push(row(&format!("spend without an owner, {provider}"), trend, show));
    }
    let shown = |number: &i64| number.to_string();
    rows.push(row("runs that completed", &health.run_success, shown));
    for (team, trend) in &health.false_positives {
        let team = if team.is_empty() { "no business unit" } else { team };
        rows.push(row(&format!("false alarms, {team}"), trend, shown));
    }
    if health.false_positives.is_empty() {
        rows.push(row("false alarms", &Trend { now: None, before: None }, shown));
    }
    rows.push(row("groups too sparse to judge", &health.sparse_groups, shown));
    rows.push(row("suggestions accepted", &health.suggestions_accepted, shown));
    let headings =
        [format!("{} days up to {}", WINDOW_DAYS, health.date), "now".to_owned(), "of".to_owned(), "before".to_owned()];
    table(&headings, &[Align::Left, Align::Right, Align::Left, Align::Right], &rows)
}

fn row<T>(name: &str, trend: &Trend<Share<T>>, show: impl Fn(&T) -> String) -> Vec<String> {
    let percent = |share: &Option<Share<T>>| {
        let permille = share.as_ref().and_then(|share| share.permille);
        permille.map_or_else(|| "-".to_owned(), |tenths| format!("{}.{} %", tenths / 10, tenths % 10))
    };
    let of = trend.now.as_ref().map_or_else(String::new, |share| format!("{} of {}", show(&share.part), show(&share.whole)));
    vec![name.to_owned(), percent(&trend.now), of, percent(&trend.before)]
}
