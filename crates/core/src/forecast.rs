//! What a month will have cost at its end: what was spent, and what the days left usually cost.
//!
//! Month to date is exact. The rest is [`season::Fit`]'s level, trend and weekday, and charges that come once a month on their day.
//! All in integers of money; how far forecasts were off on a sample year stands in `docs/daily.md`.

use crate::day::Day;
use crate::money::Money;
use crate::season::{Fit, Series};
use serde::{Deserialize, Serialize};

/// Fewer known days than this and the forecast is the run rate: two weeks show every weekday twice.
pub const LEAST_DAYS: usize = 14;
/// So many days at a month's end are known by their distance from it.
const MONTH_END_DAYS: u8 = 3;
/// A charge counts as monthly from this many times the usual deviation on …
const MONTHLY_SIGMAS: i128 = 3;
/// … and from this part of a usual day on, in percent.
const MONTHLY_PERCENT: i128 = 10;

/// A month's cost, as it looks at the end of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Forecast {
    /// Spent from the first of the month to the day, exact.
    pub month_to_date: Money,
    /// Month to date and what the days left usually cost.
    pub month_end: Money,
    /// Month to date divided by its days, times the days of the month: what a person would reckon.
    pub run_rate: Money,
    /// Too few days are known: `month_end` is the run rate.
    pub by_run_rate: bool,
}

impl std::ops::AddAssign for Forecast {
    fn add_assign(&mut self, other: Forecast) {
        self.month_to_date += other.month_to_date;
        self.month_end += other.month_end;
        self.run_rate += other.run_rate;
        self.by_run_rate |= other.by_run_rate;
    }
}

/// Forecasts the month in which `date` lies from the days up to it.
pub fn forecast(series: &Series, date: Day) -> Forecast {
    let first = Day::first_of(date.period());
    let month_to_date: Money = series.range(first..=date).map(|(_, money)| *money).sum();
    let elapsed = i128::from(date.day());
    let days = i128::from(date.period().days());
    let run_rate = Money::from_units(month_to_date.units() * days / elapsed);
    let fit = Fit::new(series, date).filter(|fit| fit.days() >= LEAST_DAYS);
    let Some(fit) = fit else {
        return Forecast { month_to_date, month_end: run_rate, run_rate, by_run_rate: !month_to_date.is_zero() };
    };
    let left = (date.day() + 1..=date.period().days()).filter_map(|day| Day::of(date.period(), day));
    let rest: Money = left.map(|day| fit.expected(day) + monthly(series, day, date)).sum();
    Forecast { month_to_date, month_end: month_to_date + rest, run_rate, by_run_rate: false }
}

/// What comes on this day of each month beyond the usual: what both of the last two months show on the same day of the month, or as
/// near to its end; the smaller of the two, else nothing. `known` is the last day whose cost is known.
pub fn monthly(series: &Series, day: Day, known: Day) -> Money {
    let before = day.period().previous();
    let months = [before, before.previous()];
    let from_end = day.period().days() - day.day();
    let by_date = recurring(series, months.map(|month| Day::of(month, day.day())), known);
    if !by_date.is_zero() || from_end >= MONTH_END_DAYS {
        return by_date;
    }
    let by_end = months.map(|month| Day::of(month, month.days() - from_end));
    // Two months of equal length cannot tell the 30th from the last day but one: if this month has that date, it is the date.
    match by_end.map(|day| day.map(Day::day)) {
        [Some(one), Some(two)] if one == two && one <= day.period().days() => Money::ZERO,
        _ => recurring(series, by_end, known),
    }
}

fn recurring(series: &Series, same: [Option<Day>; 2], known: Day) -> Money {
    let excess = |day: Option<Day>| day.filter(|day| *day <= known).and_then(|day| excess(series, day));
    match same.map(excess) {
        [Some(one), Some(two)] if one.is_negative() == two.is_negative() => {
            if one.abs() < two.abs() {
                one
            } else {
                two
            }
        }
        _ => Money::ZERO,
    }
}

/// How far a day stood out from the eight weeks before it; `None` if it did not.
fn excess(series: &Series, day: Day) -> Option<Money> {
    let fit = Fit::new(series, day.plus(-1)?).filter(|fit| fit.days() >= LEAST_DAYS)?;
    let expected = fit.expected(day);
    let extra = series.get(&day).copied().unwrap_or_default() - expected;
    let least = (fit.sigma().units() * MONTHLY_SIGMAS).max(expected.abs().units() * MONTHLY_PERCENT / 100);
    (extra.abs().units() > least).then_some(extra)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn dollars(amount: i64) -> Money {
        Money::from_minor(i128::from(amount) * 100, 2)
    }

    fn every_day(from: &str, to: &str, cost: impl Fn(Day) -> i64) -> Series {
        let (from, to) = (day(from), day(to));
        (from.number()..=to.number())
            .map(|number| Day::from_number(number).unwrap())
            .map(|day| (day, dollars(cost(day))))
            .collect()
    }

    #[test]
    fn a_month_of_weekdays_and_weekends_is_foretold_to_the_cent() {
        // September 2026 has 22 weekdays and 8 weekend days: 22 x 100 + 8 x 40 = 2520. Up to Thursday the 10th: 8 x 100 + 2 x 40 = 880,
        // so the run rate says 880 / 10 x 30 = 2640.
        let cost = |day: Day| if day.weekday() >= 5 { 40 } else { 100 };
        let found = forecast(&every_day("2026-06-01", "2026-09-10", cost), day("2026-09-10"));
        let hand =
            Forecast { month_to_date: dollars(880), month_end: dollars(2520), run_rate: dollars(2640), by_run_rate: false };
        assert_eq!(found, hand);
    }

    #[test]
    fn a_fee_on_the_first_is_not_multiplied_and_one_on_the_20th_is_awaited() {
        let cost = |day: Day| 10 + if day.day() == 1 { 500 } else { 0 } + if day.day() == 20 { 300 } else { 0 };
        let found = forecast(&every_day("2026-06-01", "2026-09-10", cost), day("2026-09-10"));
        // 30 x 10 + 500 + 300; by run rate (10 x 10 + 500) x 3.
        assert_eq!((found.month_to_date, found.month_end, found.run_rate), (dollars(600), dollars(1100), dollars(1800)));
    }

    #[test]
    fn a_fee_on_the_last_day_is_awaited_in_months_of_any_length() {
        let cost = |day: Day| 10 + if day == Day::last_of(day.period()) { 300 } else { 0 };
        let found = forecast(&every_day("2026-05-01", "2026-09-10", cost), day("2026-09-10"));
        assert_eq!(found.month_end, dollars(30 * 10 + 300));
    }

    #[test]
    fn a_spike_of_last_month_is_not_awaited() {
        let cost = |day: Day| if day.to_string() == "2026-08-20" { 900 } else { 10 };
        assert_eq!(forecast(&every_day("2026-06-01", "2026-09-10", cost), day("2026-09-10")).month_end, dollars(300));
    }

    #[test]
    fn a_new_unit_has_its_run_rate_and_says_so() {
        let found = forecast(&every_day("2026-09-01", "2026-09-05", |_| 7), day("2026-09-05"));
        assert_eq!((found.month_end, found.by_run_rate), (dollars(210), true));
        assert_eq!(forecast(&Series::new(), day("2026-09-05")), Forecast::default());
    }

    #[test]
    fn on_the_last_day_the_forecast_is_what_was_spent() {
        let series = every_day("2026-06-01", "2026-09-30", |day| i64::from(day.day()) * 3);
        let found = forecast(&series, day("2026-09-30"));
        assert_eq!((found.month_end, found.month_end), (found.month_to_date, dollars(3 * 465)));
    }

    proptest! {
        #[test]
        fn no_series_overflows_and_month_to_date_is_exact(
            costs in prop::collection::vec(prop_oneof![Just(0i128), -100_000i128..1_000_000, Just(i128::from(i64::MAX))], 1..120),
            last in 0i64..120,
        ) {
            let start = day("2026-06-01");
            let series: Series = (0..).zip(&costs).map(|(at, cost)| (start.plus(at).unwrap(), Money::from_units(*cost * 1_000_000_000))).collect();
            let date = start.plus(last).unwrap();
            let by_hand: i128 = series.iter().filter(|(day, _)| day.period() == date.period() && **day <= date).map(|(_, money)| money.units()).sum();
            let found = forecast(&series, date);
            prop_assert_eq!(found.month_to_date.units(), by_hand);
            // What comes after the date changes nothing.
            let known: Series = series.range(..=date).map(|(day, money)| (*day, *money)).collect();
            prop_assert_eq!(forecast(&known, date), found);
        }

        #[test]
        fn twice_the_cost_is_twice_the_forecast(costs in prop::collection::vec(0i64..5_000, 60..100)) {
            let start = day("2026-06-01");
            let of = |times: i64| -> Series { (0..).zip(&costs).map(|(at, cost)| (start.plus(at).unwrap(), dollars(cost * times))).collect() };
            let date = start.plus(costs.len() as i64 - 1).unwrap();
            let (one, two) = (forecast(&of(1), date), forecast(&of(2), date));
            let gap = (one.month_end + one.month_end - two.month_end).abs();
            // Each division cuts less than a unit of 1e-12, and factors are parts per million.
            prop_assert!(gap < Money::from_minor(10, 2), "{one:?} {two:?}");
        }
    }
}
