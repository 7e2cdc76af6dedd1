//! What a day usually costs: a level with a trend, times the weekday's factor. The ground of forecast and anomaly.
//!
//! Everything is a median of integers, so that a spike, a monthly fee or a refund moves nothing, no float touches money, and the same
//! days give the same figures on every machine. `docs/daily.md` has the formulae.

use crate::day::Day;
use crate::money::Money;
use std::collections::BTreeMap;

/// Days that a fit looks back over: eight weeks, so that each weekday has eight values.
pub const WINDOW_DAYS: i64 = 56;
/// Days behind the level: two weeks, so that a lasting change counts after one.
pub const LEVEL_DAYS: usize = 14;
/// One, in the parts per million in which factors are kept.
const ONE: i128 = 1_000_000;
/// A weekday below this factor (one twentieth) says nothing about the level.
const LEAST_FACTOR: i128 = 50_000;
/// And none counts beyond this one (twenty): amounts stay far from overflow.
const MOST_FACTOR: i128 = 20_000_000;
/// A median absolute deviation times this, over 10,000, is a standard deviation if deviations are normal.
const MAD_TO_SIGMA: i128 = 14_826;

/// Cost by day of one group; a day that is absent cost nothing.
pub type Series = BTreeMap<Day, Money>;

/// The usual cost of the days after the last one fitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    last: Day,
    /// Cost of the last day without its weekday, in units of 1e-12.
    level: i128,
    /// Change of the level per day, in units of 1e-12.
    slope: i128,
    /// By weekday, Monday first, in parts per million.
    factors: [i128; 7],
    sigma: i128,
    days: usize,
}

impl Fit {
    /// Fits the days of `series` up to `last`: at most [`WINDOW_DAYS`], from the first with a cost on. `None` if there is none.
    pub fn new(series: &Series, last: Day) -> Option<Fit> {
        let from = last.plus(1 - WINDOW_DAYS).unwrap_or(Day::from_number(0)?);
        let first = series.range(..=last).find(|(_, money)| !money.is_zero())?.0;
        let first = (*first).max(from);
        let days: Vec<Day> = (first.number()..=last.number()).filter_map(Day::from_number).collect();
        let values: Vec<i128> = days.iter().map(|day| series.get(day).map_or(0, |money| money.units())).collect();
        let weekdays: Vec<usize> = days.iter().map(|day| usize::from(day.weekday())).collect();
        let factors = factors(&values, &weekdays);
        // Cost without its weekday, by position; positions whose weekday is all but free are left out.
        let plain: Vec<(i128, i128)> = (0..values.len())
            .filter(|at| factors[weekdays[*at]] >= LEAST_FACTOR)
            .map(|at| (at as i128, values[at] * ONE / factors[weekdays[at]]))
            .collect();
        let slope = slope(&plain);
        let end = values.len() as i128 - 1;
        let recent = &plain[plain.len().saturating_sub(LEVEL_DAYS)..];
        let level = median(recent.iter().map(|(at, value)| value + slope * (end - at)).collect());
        let sigma = sigma(&plain, &values, &weekdays, &factors);
        Some(Fit { last, level, slope, factors, sigma, days: values.len() })
    }

    /// What `day`, which lies after the last one fitted, usually costs; never below zero unless the level itself is.
    pub fn expected(&self, day: Day) -> Money {
        let ahead = i128::from(day.since(self.last));
        let level = self.level + self.slope * ahead;
        let level = if self.level >= 0 { level.max(0) } else { level };
        Money::from_units(level * self.factors[usize::from(day.weekday())] / ONE)
    }

    /// Usual distance between a day and what was expected of it, as a standard deviation.
    pub fn sigma(&self) -> Money {
        Money::from_units(self.sigma)
    }

    /// Days fitted.
    pub fn days(&self) -> usize {
        self.days
    }
}

/// What each weekday costs for one of the median day of the week around it.
fn factors(values: &[i128], weekdays: &[usize]) -> [i128; 7] {
    let mut ratios: [Vec<i128>; 7] = Default::default();
    for (at, week) in values.windows(7).enumerate() {
        let base = median(week.to_vec());
        if base > 0 {
            ratios[weekdays[at + 3]].push(values[at + 3] * ONE / base);
        }
    }
    ratios.map(|ratios| if ratios.len() < 2 { ONE } else { median(ratios).clamp(0, MOST_FACTOR) })
}

/// Change per day: the median over all pairs of days (Theil and Sen), over no less than four weeks; a shorter past has no trend.
fn slope(plain: &[(i128, i128)]) -> i128 {
    if plain.len() < 20 {
        return 0;
    }
    let pairs =
        plain.iter().enumerate().flat_map(|(at, from)| plain[at + 1..].iter().map(move |to| (to.1 - from.1) / (to.0 - from.0)));
    median(pairs.collect())
}

/// Robust deviation of days from the level of the two weeks up to them.
fn sigma(plain: &[(i128, i128)], values: &[i128], weekdays: &[usize], factors: &[i128; 7]) -> i128 {
    let mut distances: Vec<i128> = Vec::with_capacity(plain.len());
    for index in 0..plain.len() {
        let from = (index + 1).saturating_sub(LEVEL_DAYS);
        let level = median(plain[from..=index].iter().map(|(_, value)| *value).collect());
        let at = plain[index].0 as usize;
        distances.push((values[at] - level * factors[weekdays[at]] / ONE).abs());
    }
    median(distances) * MAD_TO_SIGMA / 10_000
}

/// The middle value; of an even number the mean of the two in the middle, rounded toward zero. Zero of none.
pub fn median(mut values: Vec<i128>) -> i128 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0;
    }
    let is_even = values.len().is_multiple_of(2);
    let (below, high, _) = values.select_nth_unstable(middle);
    match below.iter().max() {
        Some(low) if is_even => (*low + *high) / 2,
        _ => *high,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    pub fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn dollars(amount: i64) -> Money {
        Money::from_minor(i128::from(amount) * 100, 2)
    }

    /// Days from 2026-06-01, a Monday.
    fn series(values: impl IntoIterator<Item = i64>) -> Series {
        (0..).zip(values).map(|(at, value)| (day("2026-06-01").plus(at).unwrap(), dollars(value))).collect()
    }

    #[test]
    fn a_median_is_the_middle_or_the_mean_of_the_middle_two() {
        // Python: statistics.median.
        assert_eq!(median(vec![]), 0);
        assert_eq!(median(vec![5]), 5);
        assert_eq!(median(vec![9, 1, 4]), 4);
        assert_eq!(median(vec![9, 1, 4, 6]), 5);
        assert_eq!(median(vec![7, 7, -1, 7]), 7);
        assert_eq!(median(vec![-3, -4]), -3);
    }

    #[test]
    fn a_flat_series_expects_itself_and_never_errs() {
        let fit = Fit::new(&series([100; 30]), day("2026-06-30")).unwrap();
        assert_eq!((fit.expected(day("2026-07-09")), fit.sigma(), fit.days()), (dollars(100), Money::ZERO, 30));
    }

    #[test]
    fn weekends_cost_what_weekends_cost() {
        // Eight weeks of 100 on weekdays and 40 at weekends, from a Monday to a Sunday.
        let values: Vec<i64> = (0..56).map(|at| if at % 7 >= 5 { 40 } else { 100 }).collect();
        let fit = Fit::new(&series(values), day("2026-07-26")).unwrap();
        assert_eq!(fit.expected(day("2026-07-27")), dollars(100));
        assert_eq!(fit.expected(day("2026-08-01")), dollars(40));
    }

    #[test]
    fn a_trend_goes_on_and_neither_a_spike_nor_a_monthly_fee_moves_it() {
        // 1000, 1010, … in 56 days; the day after would cost 1560.
        let mut values: Vec<i64> = (0..56).map(|at| 1000 + 10 * at).collect();
        let plain = Fit::new(&series(values.clone()), day("2026-07-26")).unwrap();
        values[30] += 90_000;
        values[40] += 20_000;
        let spiked = Fit::new(&series(values), day("2026-07-26")).unwrap();
        let near = |fit: &Fit| (fit.expected(day("2026-07-27")) - dollars(1560)).abs() < dollars(16);
        assert!(near(&plain), "{plain:?}");
        assert!(near(&spiked), "{spiked:?}");
    }

    #[test]
    fn a_service_that_rests_at_weekends_is_expected_to_rest() {
        let values: Vec<i64> = (0..56).map(|at| if at % 7 >= 5 { 0 } else { 300 }).collect();
        let fit = Fit::new(&series(values), day("2026-07-26")).unwrap();
        assert_eq!((fit.expected(day("2026-07-28")), fit.expected(day("2026-08-02"))), (dollars(300), Money::ZERO));
    }

    #[test]
    fn what_never_cost_anything_has_no_fit() {
        assert_eq!(Fit::new(&Series::new(), day("2026-07-26")), None);
        assert_eq!(Fit::new(&series([0, 0]), day("2026-07-26")), None);
        assert_eq!(Fit::new(&series([0, 0, 5]), day("2026-06-02")), None);
    }
}
