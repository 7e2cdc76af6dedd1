//! Budgets of a month: how the forecast stands to them, and when to say so again.

use crate::day::Day;
use crate::forecast::Forecast;
use crate::model::Effective;
use crate::money::Money;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Percent of the budget that the forecast reaches before an alert, unless the budget says otherwise.
pub const ALERT_PERCENT: u32 = 80;
/// Days in which an alert is not repeated, unless the budget says otherwise.
pub const SUPPRESS_DAYS: u32 = 7;

/// What a budget is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Everything.
    All,
    /// OU path: the OU and everything below it.
    Ou(String),
    /// Unit id.
    Unit(String),
}

impl Target {
    /// Whether cost of this owner and OU path counts.
    pub fn covers(&self, owner: &str, ou: &str) -> bool {
        match self {
            Target::All => true,
            Target::Unit(id) => owner == id,
            Target::Ou(path) => ou == path || ou.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/')),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::All => f.write_str("all"),
            Target::Ou(path) => write!(f, "ou:{path}"),
            Target::Unit(id) => f.write_str(id),
        }
    }
}

/// One line of `budgets.csv`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    pub target: Target,
    /// Months in which it holds.
    pub effective: Effective,
    /// Of each month, in the configured currency.
    pub amount: Money,
    /// Alert from this percent of the amount on.
    pub alert_percent: u32,
    pub suppress_days: u32,
}

/// How the month stands to its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    Green,
    /// The forecast reaches the alert percent.
    Amber,
    /// The forecast is beyond the budget.
    Red,
}

impl Light {
    pub fn as_str(self) -> &'static str {
        match self {
            Light::Green => "green",
            Light::Amber => "amber",
            Light::Red => "red",
        }
    }
}

impl Budget {
    pub fn light(&self, forecast: &Forecast) -> Light {
        let end = forecast.month_end.max(forecast.month_to_date);
        if end > self.amount {
            Light::Red
        } else if !self.amount.is_zero() && end.units() * 100 >= self.amount.units() * i128::from(self.alert_percent) {
            Light::Amber
        } else {
            Light::Green
        }
    }

    /// Forecast in percent of the budget, rounded down; `None` for a budget of nothing.
    pub fn percent(&self, forecast: &Forecast) -> Option<i64> {
        let percent = (forecast.month_end.units() * 100).checked_div_euclid(self.amount.units())?;
        i64::try_from(percent).ok()
    }
}

/// A light that was reported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Alert {
    pub target: Target,
    pub light: Light,
    /// The day that was reported on.
    pub date: Day,
}

/// Whether a light is news: amber or red, and not reported in this month as at least that within the budget's window.
pub fn is_news(budget: &Budget, light: Light, date: Day, earlier: &[Alert]) -> bool {
    let is_known = |alert: &Alert| {
        alert.target == budget.target
            && alert.light >= light
            && alert.date < date
            && alert.date.period() == date.period()
            && date.since(alert.date) < i64::from(budget.suppress_days)
    };
    light > Light::Green && !earlier.iter().any(is_known)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn dollars(amount: i64) -> Money {
        Money::from_minor(i128::from(amount) * 100, 2)
    }

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn budget(amount: i64) -> Budget {
        Budget {
            target: Target::Unit("CC-1".to_owned()),
            effective: Effective::default(),
            amount: dollars(amount),
            alert_percent: ALERT_PERCENT,
            suppress_days: SUPPRESS_DAYS,
        }
    }

    fn ends_at(amount: i64) -> Forecast {
        Forecast { month_end: dollars(amount), ..Forecast::default() }
    }

    #[test]
    fn lights_change_at_eighty_percent_and_beyond_the_budget() {
        let one = budget(1000);
        for (end, light, percent) in [
            (0, Light::Green, 0),
            (799, Light::Green, 79),
            (800, Light::Amber, 80),
            (1000, Light::Amber, 100),
            (1001, Light::Red, 100),
        ] {
            assert_eq!((one.light(&ends_at(end)), one.percent(&ends_at(end))), (light, Some(percent)), "{end}");
        }
        // What is spent is spent, whatever refunds the forecast awaits.
        assert_eq!(one.light(&Forecast { month_to_date: dollars(1200), ..ends_at(900) }), Light::Red);
        assert_eq!((budget(0).light(&ends_at(0)), budget(0).percent(&ends_at(0))), (Light::Green, None));
        assert_eq!(budget(0).light(&ends_at(1)), Light::Red);
    }

    #[test]
    fn an_alert_is_repeated_after_its_window_when_it_worsens_and_in_a_new_month() {
        let one = budget(1000);
        let earlier = [Alert { target: one.target.clone(), light: Light::Amber, date: day("2026-09-10") }];
        assert!(!is_news(&one, Light::Amber, day("2026-09-11"), &earlier));
        assert!(!is_news(&one, Light::Amber, day("2026-09-16"), &earlier));
        assert!(is_news(&one, Light::Amber, day("2026-09-17"), &earlier));
        assert!(is_news(&one, Light::Red, day("2026-09-11"), &earlier));
        assert!(is_news(&one, Light::Amber, day("2026-10-01"), &earlier));
        // A rerun of the day says what the first run said.
        assert!(is_news(&one, Light::Amber, day("2026-09-10"), &earlier));
        assert!(!is_news(&one, Light::Green, day("2026-09-30"), &[]));
        let other = Budget { target: Target::All, ..one };
        assert!(is_news(&other, Light::Amber, day("2026-09-11"), &earlier));
    }

    #[test]
    fn an_ou_covers_what_is_below_it_and_not_what_only_begins_alike() {
        let ou = Target::Ou("Workloads/Claims".to_owned());
        assert!(ou.covers("CC-1", "Workloads/Claims"));
        assert!(ou.covers("CC-1", "Workloads/Claims/Prod"));
        assert!(!ou.covers("CC-1", "Workloads/Claims 2"));
        assert!(!ou.covers("CC-1", "Workloads"));
        assert!(Target::All.covers("", ""));
        assert_eq!(
            [ou.to_string(), Target::All.to_string(), Target::Unit("U".into()).to_string()],
            ["ou:Workloads/Claims", "all", "U"]
        );
    }
}
