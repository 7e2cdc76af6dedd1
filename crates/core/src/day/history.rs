//! What earlier runs saw: names of the kept files, and what has changed since.

use super::{Day, DayRow, family};
use crate::bill::Family;
use crate::money::Money;
use crate::period::Period;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The newest snapshot of each day among keys of `org/`: `org/<day>.json`, or `org/<day>.<version>.json` where the day saw another one
/// later. Other keys are left alone.
pub fn dated_snapshots(keys: impl IntoIterator<Item = String>) -> BTreeMap<Day, String> {
    let mut newest: BTreeMap<Day, (u32, String)> = BTreeMap::new();
    for key in keys {
        let Some(name) = key.strip_prefix("org/").and_then(|name| name.strip_suffix(".json")) else { continue };
        let (day, version) = name.split_once('.').map_or((name, Some(1)), |(day, version)| (day, version.parse().ok()));
        let (Ok(day), Some(version)) = (day.parse::<Day>(), version) else { continue };
        if newest.get(&day).is_none_or(|(known, _)| *known < version) {
            newest.insert(day, (version, key));
        }
    }
    newest.into_iter().map(|(day, (_, key))| (day, key)).collect()
}

/// A file below `daily/rollups/`: the day rows of a billing period as the run of a date saw them.
///
/// `daily/rollups/2026-09/2026-09-14.csv` is what the first run of that date saw, `2026-09-14.2.csv` the second different content, and so
/// on: nothing is overwritten, and the order of names needs no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HistoryFile {
    pub period: Period,
    pub date: Day,
    /// From 1.
    pub version: u32,
}

impl HistoryFile {
    /// Prefix of all files of a period.
    pub fn prefix(period: Period) -> String {
        format!("daily/rollups/{period}/")
    }

    pub fn key(self) -> String {
        let version = if self.version == 1 { String::new() } else { format!(".{}", self.version) };
        format!("{}{}{version}.csv", HistoryFile::prefix(self.period), self.date)
    }

    /// `None` for a key that [`HistoryFile::key`] does not give.
    pub fn of_key(key: &str) -> Option<HistoryFile> {
        let (period, name) = key.strip_prefix("daily/rollups/")?.split_once('/')?;
        let name = name.strip_suffix(".csv")?;
        let (date, version) = match name.split_once('.') {
            None => (name, 1),
            Some((date, version)) => (date, version.parse().ok()?),
        };
        let file = HistoryFile { period: period.parse().ok()?, date: date.parse().ok()?, version };
        (file.key() == key).then_some(file)
    }
}

/// The newest file up to a date: what a run of that date goes by.
pub fn newest(files: &[HistoryFile], date: Day) -> Option<HistoryFile> {
    files.iter().copied().filter(|file| file.date <= date).max_by_key(|file| (file.date, file.version))
}

/// A day whose cost is another one than an earlier run saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restated {
    pub billing_period: String,
    pub day: String,
    pub currency: String,
    /// What the run of this date saw.
    pub seen_on: Day,
    pub cash_before: Money,
    pub cash: Money,
    pub effective_before: Money,
    pub effective: Money,
}

type Sums = BTreeMap<(Text, Text), (Money, Money)>;

fn by_day(rows: &[DayRow], family: Family) -> Sums {
    let mut sums = Sums::new();
    for row in rows {
        let entry = sums.entry((row.day.clone(), row.currency.clone())).or_default();
        entry.0 += row.cash.of(family);
        entry.1 += row.effective.of(family);
    }
    sums
}

/// Days up to `seen_on` of which `before` (the rows that the run of that date kept) and `now` give other sums, sorted by day. Both are
/// of one billing period. The day `seen_on` itself, and some before it, are often still incomplete when a run first sees them.
pub fn restated(period: Period, seen_on: Day, before: &[DayRow], now: &[DayRow]) -> Vec<Restated> {
    let family = family(now);
    let limit = seen_on.to_string();
    let (before, now) = (by_day(before, family), by_day(now, family));
    let keys = before.keys().chain(now.keys()).filter(|(day, _)| day.as_str() <= limit.as_str());
    let keys: std::collections::BTreeSet<&(Text, Text)> = keys.collect();
    let of = |sums: &Sums, key: &(Text, Text)| sums.get(key).copied().unwrap_or_default();
    keys.into_iter()
        .map(|key| (key, of(&before, key), of(&now, key)))
        .filter(|(_, before, now)| before != now)
        .map(|((day, currency), before, now)| Restated {
            billing_period: period.to_string(),
            day: day.into(),
            currency: currency.into(),
            seen_on,
            cash_before: before.0,
            cash: now.0,
            effective_before: before.1,
            effective: now.1,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::day::owned::tests::{day_row, money};

    fn file(key: &str) -> HistoryFile {
        HistoryFile::of_key(key).unwrap()
    }

    #[test]
    fn names_say_period_date_and_version_and_nothing_else_passes() {
        for key in ["daily/rollups/2026-09/2026-09-14.csv", "daily/rollups/2026-09/2026-10-02.12.csv"] {
            assert_eq!(file(key).key(), key);
        }
        for key in [
            "daily/rollups/2026-09/2026-09-14.1.csv",
            "daily/rollups/2026-09/2026-09-14.02.csv",
            "daily/rollups/2026-09/2026-09-31.csv",
            "daily/rollups/2026-09/x/2026-09-14.csv",
            "daily/rollups/2026-09/2026-09-14.csv.tmp",
            "daily/rollups/2026-9/2026-09-14.csv",
        ] {
            assert_eq!(HistoryFile::of_key(key), None, "{key}");
        }
    }

    #[test]
    fn the_newest_file_is_the_highest_version_of_the_latest_date_not_after_the_run() {
        let files: Vec<HistoryFile> = ["2026-09-14", "2026-09-15", "2026-09-14.10", "2026-09-14.9", "2026-09-13.20"]
            .map(|name| file(&format!("daily/rollups/2026-09/{name}.csv")))
            .to_vec();
        let newest = |date: &str| newest(&files, date.parse().unwrap()).map(HistoryFile::key);
        assert_eq!(newest("2026-09-14"), Some("daily/rollups/2026-09/2026-09-14.10.csv".to_owned()));
        assert_eq!(newest("2026-10-01"), Some("daily/rollups/2026-09/2026-09-15.csv".to_owned()));
        assert_eq!(newest("2026-09-12"), None);
    }

    #[test]
    fn days_with_other_sums_are_named_and_days_that_came_later_are_not() {
        let before = [day_row("2026-09-01", "A", "1.00"), day_row("2026-09-02", "A", "2.00"), day_row("2026-09-03", "A", "3.00")];
        let now = [
            // The same sum from other rows is no restatement.
            day_row("2026-09-01", "B", "0.25"),
            day_row("2026-09-01", "A", "0.75"),
            day_row("2026-09-02", "A", "2.50"),
            day_row("2026-09-04", "A", "9.00"),
        ];
        let found = restated("2026-09".parse().unwrap(), "2026-09-03".parse().unwrap(), &before, &now);
        let short: Vec<_> = found.iter().map(|one| (one.day.as_str(), one.cash_before, one.cash)).collect();
        assert_eq!(short, [("2026-09-02", money("2"), money("2.5")), ("2026-09-03", money("3"), money("0"))]);
    }
}
