//! Which day of a unit's service cost more than it ever does on such a day.
//!
//! Judged against [`season::Fit`] of the eight weeks before, so that week-ends, growth and monthly fees are no surprise. The
//! deviation is the median one (MAD): a spike of last week does not hide this week's. The verdict is integer arithmetic; only the
//! score shown beside it is a float.

use crate::day::Day;
use crate::forecast::monthly;
use crate::money::Money;
use crate::season::{Fit, LEVEL_DAYS, Series, WINDOW_DAYS};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Floor of the deviation, in percent of what was expected: a bill that hardly varies would call every cent unusual.
const FLOOR_PERCENT: i128 = 10;

/// From where on a day is unusual; all must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Deviations above what was expected, in thousandths: 2500 is 2.5 sigma.
    pub sigma_thousandths: u32,
    /// Least cost above what was expected.
    pub minimum: Money,
    /// Fewer days with a cost in the eight weeks before, and the group is sparse.
    pub least_days: u32,
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds { sigma_thousandths: 2_500, minimum: Money::from_minor(10_000, 2), least_days: 21 }
    }
}

/// Other thresholds for a unit, a service, a service of a unit, or a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Override {
    pub unit: Option<String>,
    pub service: Option<String>,
    /// Stands alone: a resource that an override names is a group of its own, and its cost is in no other group.
    #[serde(default)]
    pub resource: Option<String>,
    pub sigma_thousandths: Option<u32>,
    pub minimum: Option<Money>,
    /// Never report it.
    pub ignore: bool,
}

/// General thresholds, and overrides in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    pub general: Thresholds,
    pub overrides: Vec<Override>,
}

impl Settings {
    /// The thresholds of a group: of each the first override that matches and states it, else the general one. `None` if ignored.
    pub fn of(&self, unit: &str, service: &str) -> Option<Thresholds> {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let of_group = |one: &&Override| one.resource.is_none() && is(&one.unit, unit) && is(&one.service, service);
        self.first(|| self.overrides.iter().filter(of_group))
    }

    /// The same for a resource that is named.
    pub fn of_resource(&self, resource: &str) -> Option<Thresholds> {
        self.first(|| self.overrides.iter().filter(|one| one.resource.as_deref() == Some(resource)))
    }

    /// Resources that overrides name.
    pub fn resources(&self) -> BTreeSet<String> {
        self.overrides.iter().filter_map(|one| one.resource.clone()).collect()
    }

    fn first<'a, I: Iterator<Item = &'a Override>>(&self, matching: impl Fn() -> I) -> Option<Thresholds> {
        if matching().any(|one| one.ignore) {
            return None;
        }
        Some(Thresholds {
            sigma_thousandths: matching().find_map(|one| one.sigma_thousandths).unwrap_or(self.general.sigma_thousandths),
            minimum: matching().find_map(|one| one.minimum).unwrap_or(self.general.minimum),
            least_days: self.general.least_days,
        })
    }
}

/// A day that cost more than such a day does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Unusual {
    /// First of the days in a row that are unusual: an anomaly keeps its identity while it lasts.
    pub since: Day,
    pub actual: Money,
    pub expected: Money,
    /// `actual - expected`.
    pub extra: Money,
    /// `extra` in deviations.
    pub score: f64,
}

/// What a day of a group is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Too few days to say.
    Sparse,
    Usual,
    Unusual(Unusual),
}

/// Judges one day of a group by the days before it.
pub fn judge(series: &Series, day: Day, thresholds: &Thresholds) -> Verdict {
    match judge_day(series, day, thresholds) {
        Verdict::Unusual(mut unusual) => {
            // A lasting change is the new usual after half of the level's days, so this ends.
            for back in 1..LEVEL_DAYS as i64 {
                let Some(before) = day.plus(-back) else { break };
                match judge_day(series, before, thresholds) {
                    Verdict::Unusual(_) => unusual.since = before,
                    _ => break,
                }
            }
            Verdict::Unusual(unusual)
        }
        other => other,
    }
}

fn judge_day(series: &Series, day: Day, thresholds: &Thresholds) -> Verdict {
    let (Some(before), Some(from)) = (day.plus(-1), day.plus(-WINDOW_DAYS)) else { return Verdict::Sparse };
    let known = series.range(from..=before).filter(|(_, money)| !money.is_zero()).count();
    let Some(fit) = Fit::new(series, before).filter(|_| known >= thresholds.least_days as usize) else { return Verdict::Sparse };
    let actual = series.get(&day).copied().unwrap_or_default();
    // The cheap questions first: most days are no surprise.
    if actual - fit.expected(day) < thresholds.minimum {
        return Verdict::Usual;
    }
    let expected = fit.expected(day) + monthly(series, day, before);
    let extra = actual - expected;
    let floor = expected.abs().units() * FLOOR_PERCENT / 100;
    let sigma = fit.sigma().units().max(floor).max(1);
    if extra < thresholds.minimum || extra.units() * 1_000 < sigma * i128::from(thresholds.sigma_thousandths) {
        return Verdict::Usual;
    }
    Verdict::Unusual(Unusual { since: day, actual, expected, extra, score: score(extra.units(), sigma) })
}

/// `extra / sigma` to two decimals, at most 9,999.99: a number to look at, from the same integers on every machine.
fn score(extra: i128, sigma: i128) -> f64 {
    (extra.saturating_mul(100) / sigma).min(999_999) as f64 / 100.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn dollars(amount: i64) -> Money {
        Money::from_minor(i128::from(amount) * 100, 2)
    }

    /// From 2026-06-01, a Monday: 1000 on weekdays with 0, 10, 20, 10, 0 more, 400 at weekends.
    fn usual(days: i64) -> Series {
        let cost = |at: i64| if at % 7 >= 5 { 400 } else { 1000 + [0, 10, 20, 10, 0][(at % 7) as usize] + at % 3 };
        (0..days).map(|at| (day("2026-06-01").plus(at).unwrap(), dollars(cost(at)))).collect()
    }

    fn judged(series: &Series, date: &str) -> Option<Unusual> {
        match judge(series, day(date), &Thresholds::default()) {
            Verdict::Unusual(unusual) => Some(unusual),
            _ => None,
        }
    }

    #[test]
    fn a_weekend_at_weekday_cost_is_unusual_and_a_weekday_at_that_cost_is_not() {
        let mut series = usual(63);
        // 2026-08-01 is a Saturday.
        series.insert(day("2026-08-01"), dollars(1000));
        let found = judged(&series, "2026-08-01").unwrap();
        assert!((found.expected - dollars(400)).abs() < dollars(5), "{found:?}");
        assert_eq!((found.since, found.extra), (day("2026-08-01"), found.actual - found.expected));
        // 600 over a floor of a tenth of 400.
        assert!((14.0..16.0).contains(&found.score), "{found:?}");
        assert_eq!(judged(&series, "2026-07-31"), None);
    }

    #[test]
    fn a_spike_of_last_week_does_not_hide_this_one() {
        let mut series = usual(63);
        for date in ["2026-07-20", "2026-07-22", "2026-07-28"] {
            series.insert(day(date), dollars(5000));
        }
        assert!(judged(&series, "2026-07-28").is_some());
        assert_eq!(judged(&series, "2026-07-29"), None);
    }

    #[test]
    fn days_in_a_row_are_one_anomaly_and_a_lasting_change_is_usual_after_a_week() {
        let mut series = usual(90);
        for at in 60..90 {
            let cost = series.get_mut(&day("2026-06-01").plus(at).unwrap()).unwrap();
            *cost = *cost + *cost;
        }
        let start = day("2026-06-01").plus(60).unwrap();
        let verdicts: Vec<Option<Day>> = (60..80)
            .map(|at| judged(&series, &day("2026-06-01").plus(at).unwrap().to_string()).map(|found| found.since))
            .collect();
        let lasting = verdicts.iter().take_while(|since| **since == Some(start)).count();
        assert!((5..=9).contains(&lasting), "{verdicts:?}");
        assert!(verdicts[9..].iter().all(Option::is_none), "{verdicts:?}");
    }

    #[test]
    fn a_fee_on_the_first_of_each_month_is_expected_from_the_third_on() {
        let mut series = usual(100);
        for date in ["2026-07-01", "2026-08-01"] {
            *series.get_mut(&day(date)).unwrap() += dollars(9000);
        }
        // 2026-09-01 is a Tuesday: 1010 or so, and the fee.
        *series.get_mut(&day("2026-09-01")).unwrap() += dollars(9000);
        assert!(judged(&series, "2026-07-01").is_some());
        assert!(judged(&series, "2026-08-01").is_some());
        assert_eq!(judged(&series, "2026-09-01"), None);
    }

    #[test]
    fn small_money_is_never_unusual_and_few_days_are_sparse() {
        let mut series: Series =
            usual(63).into_iter().map(|(day, money)| (day, Money::from_units(money.units() / 1_000))).collect();
        series.insert(day("2026-08-01"), dollars(50));
        assert_eq!(judged(&series, "2026-08-01"), None);
        let mut few: Series = usual(20);
        few.insert(day("2026-06-21"), dollars(90_000));
        assert_eq!(judge(&few, day("2026-06-21"), &Thresholds::default()), Verdict::Sparse);
        assert_eq!(judge(&Series::new(), day("2026-06-21"), &Thresholds::default()), Verdict::Sparse);
    }

    #[test]
    fn overrides_match_by_unit_and_service_and_the_first_that_states_a_threshold_gives_it() {
        let settings = Settings {
            general: Thresholds::default(),
            overrides: vec![
                Override { unit: Some("A".into()), sigma_thousandths: Some(4_000), ..Override::default() },
                Override { unit: Some("A".into()), service: Some("S3".into()), minimum: Some(dollars(7)), ..Override::default() },
                Override {
                    service: Some("S3".into()),
                    sigma_thousandths: Some(3_000),
                    minimum: Some(dollars(9)),
                    ..Override::default()
                },
                Override { service: Some("Glue".into()), ignore: true, ..Override::default() },
                Override { resource: Some("i-1".into()), minimum: Some(dollars(1)), ..Override::default() },
                Override { resource: Some("i-2".into()), ignore: true, ..Override::default() },
            ],
        };
        let of = |unit, service| settings.of(unit, service).map(|found| (found.sigma_thousandths, found.minimum));
        assert_eq!(of("A", "S3"), Some((4_000, dollars(7))));
        assert_eq!(of("B", "S3"), Some((3_000, dollars(9))));
        assert_eq!(of("A", "EC2"), Some((4_000, dollars(100))));
        assert_eq!(of("B", "EC2"), Some((2_500, dollars(100))));
        assert_eq!(of("A", "Glue"), None);
        let of_resource = |id| settings.of_resource(id).map(|found| (found.sigma_thousandths, found.minimum));
        assert_eq!((of_resource("i-1"), of_resource("i-2")), (Some((2_500, dollars(1))), None));
        assert_eq!(settings.resources(), ["i-1", "i-2"].map(str::to_owned).into());
    }

    #[test]
    fn thresholds_move_the_verdict() {
        let mut series = usual(63);
        series.insert(day("2026-07-31"), dollars(1400));
        let with = |sigma_thousandths, minimum| Thresholds { sigma_thousandths, minimum: dollars(minimum), least_days: 21 };
        let is_unusual = |thresholds| matches!(judge(&series, day("2026-07-31"), &thresholds), Verdict::Unusual(_));
        // 400 above about 1000: four deviations of a tenth.
        assert!(is_unusual(with(2_500, 100)));
        assert!(!is_unusual(with(5_000, 100)));
        assert!(!is_unusual(with(2_500, 500)));
    }
}
