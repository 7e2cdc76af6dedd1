//! A day's figures as the digest and the executive page show them: spend, forecast, budgets, movers, anomalies.
//!
//! Measured in effective cost without tax, credit and refund, but `cash` and the consolidated CSV, which are cash. Forecasts are made for
//! each owner in each OU and added up, so that units, OUs and the total agree. What is kept between days (alerts, states of anomalies) comes
//! in as a value and goes out as one.

mod lines;
mod sums;

pub use sums::Sums;

use crate::anomaly::{Settings, Unusual};
use crate::bill::Kind;
use crate::budget::{Alert, Budget, Light};
use crate::day::{Day, Owned, Restated};
use crate::forecast::Forecast;
use crate::model::Unit;
use crate::money::Money;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Days that the trend shows: five weeks.
pub const TREND_DAYS: i64 = 35;
/// Lines of "top" and "movers".
pub const TOP: usize = 10;

/// What a day is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    pub date: Day,
    /// Rows in any other currency are left out and counted.
    pub currency: &'a str,
    pub units: &'a [Unit],
    pub budgets: &'a [Budget],
    pub anomalies: &'a Settings,
    /// Lights reported on earlier days of the month.
    pub alerts: &'a [Alert],
    pub restated: &'a [Restated],
}

/// How a forecast stands to its budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetState {
    pub amount: Money,
    /// Forecast in percent of it, rounded down.
    pub percent: Option<i64>,
    pub light: Light,
    /// Amber or red, and not reported within the budget's window.
    pub is_news: bool,
}

/// A day's cost of something, with its month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Unit id or OU path; `all` for everything.
    pub id: String,
    /// Name of the unit, else the id.
    pub name: String,
    pub business_unit: String,
    pub day: Money,
    /// The same weekday of the week before.
    pub week_before: Money,
    pub forecast: Forecast,
    pub budget: Option<BudgetState>,
}

/// A service, or a service of a unit, on the day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLine {
    /// Unit id, `""` for all of them.
    pub owner: String,
    pub owner_name: String,
    pub service: String,
    pub day: Money,
    pub week_before: Money,
    pub month_to_date: Money,
}

/// A day that cost more than such a day does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Stays the same while the days in a row last; given by who keeps its state.
    pub id: String,
    pub owner: String,
    pub owner_name: String,
    pub business_unit: String,
    pub service: String,
    /// The resource, where an override names it; owner and service are then those of most of its cost.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource_id: String,
    /// The account that cost most more than a week before.
    pub account_id: String,
    pub account_name: String,
    #[serde(flatten)]
    pub found: Unusual,
    pub state: AnomalyState,
}

/// What a person said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyState {
    #[default]
    Open,
    Confirmed,
    /// A false alarm.
    Dismissed,
    /// The bill was restated and the day is usual now.
    Withdrawn,
}

/// An account that the organization lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownAccount {
    pub id: String,
    pub name: String,
    pub day: Money,
    pub month_to_date: Money,
}

/// `evaluation.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub date: Day,
    pub currency: String,
    /// Decimal places of the currency.
    pub places: u32,
    /// What the day's rows cost in cash, tax, credit and refund included: the sum of the consolidated CSV.
    pub cash: Money,
    pub total: Line,
    pub previous_month: Money,
    /// Effective cost of the month without an owning tag, and with a value that names no unit.
    pub untagged: Money,
    pub unknown: Money,
    /// The day's share of the same.
    pub untagged_day: Money,
    pub unknown_day: Money,
    /// Every owner with a cost in the month, largest forecast first; units before pools and what has no owner.
    pub owners: Vec<Line>,
    /// OUs with a budget, and those with a cost that no such OU covers.
    pub ous: Vec<Line>,
    pub top_services: Vec<ServiceLine>,
    pub movers: Vec<ServiceLine>,
    /// Largest first.
    pub anomalies: Vec<Anomaly>,
    /// Groups of unit and service with a cost on the day, and those with too few days to judge.
    pub groups: usize,
    pub sparse: usize,
    /// Cost by day up to the date.
    pub trend: Vec<(Day, Money)>,
    pub unknown_accounts: Vec<UnknownAccount>,
    pub restated: Vec<Restated>,
    /// Lights to remember: those that are news.
    pub alerts: Vec<Alert>,
    /// Currency -> bill lines left out.
    pub other_currencies: BTreeMap<String, i64>,
    /// Budgets whose target had no cost in the month.
    pub idle_budgets: Vec<String>,
}

impl Evaluation {
    /// `part` of `whole` in tenths of a percent, half away from zero; `None` of nothing.
    pub fn permille(part: Money, whole: Money) -> Option<i64> {
        if whole.units() <= 0 {
            return None;
        }
        let doubled = part.units() * 2_000 / whole.units();
        i64::try_from((doubled + doubled.signum()) / 2).ok()
    }
}

/// `daily/health/<date>.json`: what a day adds to the platform's own figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayHealth {
    pub date: Day,
    pub currency: String,
    /// By provider, from the first of the month to the date.
    pub providers: BTreeMap<String, ProviderSpend>,
    /// As in [`Evaluation`].
    pub groups: usize,
    pub sparse: usize,
}

/// Effective cost of one provider, as the figures count it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderSpend {
    pub spend: Money,
    /// Without an owning tag, and with a value that names no unit.
    pub untagged: Money,
    pub unknown: Money,
}

/// Whether a row counts as spend of a day.
pub fn is_spend(kind: Kind) -> bool {
    !matches!(kind, Kind::Tax | Kind::Credit | Kind::Refund)
}

/// Evaluates the day from the rows of its month and of those before; the order of rows does not matter. [`Sums`] takes them in parts.
pub fn evaluate(rows: &[Owned], inputs: &Inputs<'_>) -> Evaluation {
    let mut sums = Sums::new(inputs);
    sums.add(rows);
    sums.evaluation(inputs)
}

#[cfg(test)]
mod tests;
