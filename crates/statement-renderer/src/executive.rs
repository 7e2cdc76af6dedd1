//! The page for executives: one day on one sheet, from the evaluation that the digest says too.

use crate::render::{RenderError, Renderer};
use crate::statement::{Currency, Date, PeriodDates};
use crate::step::{Error, json, staging};
use apportion_core::day::{Day, DayRun};
use apportion_core::evaluation::{Evaluation, Line};
use apportion_core::money::Money;
use apportion_store::Store;
use serde::Serialize;

/// The template's file.
pub(crate) const EXECUTIVE: &str = "executive.typ";
/// Lines of each list: the page is one.
const LINES: usize = 8;
/// Characters of a name, so that no name makes it two.
const LONGEST_NAME: usize = 60;

/// The data of `executive.typ`. Amounts are whole minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExecutiveData {
    pub period: PeriodDates,
    pub currency: Currency,
    pub day: i64,
    pub week_before: i64,
    pub month_to_date: i64,
    pub previous_month: i64,
    pub month_end: i64,
    /// The budget for everything, if there is one.
    pub budget: Option<BudgetData>,
    /// Untagged and unknown, of the month to date.
    pub without_owner: i64,
    /// Cost by day, oldest first.
    pub trend: Vec<TrendBar>,
    /// OUs with a budget; those worst off first, as many as fit.
    pub ous: Vec<LineData>,
    /// Units, the largest forecast first, as many as fit.
    pub units: Vec<LineData>,
    pub anomalies: Vec<AnomalyData>,
    pub all_anomalies: usize,
    /// Sentences: what is missing or restated.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BudgetData {
    pub amount: i64,
    pub percent: Option<i64>,
    /// `green`, `amber` or `red`.
    pub light: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrendBar {
    pub amount: i64,
    pub is_weekend: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineData {
    pub name: String,
    pub month_end: i64,
    pub budget: Option<BudgetData>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnomalyData {
    pub unit: String,
    pub service: String,
    pub extra: i64,
    pub since: Date,
}

/// Reads `evaluation.json`, prints `executive.pdf`.
pub(crate) async fn executive(work: &Store, renderer: &Renderer, run: &DayRun) -> Result<(), Error> {
    let found: Evaluation = json(work, &format!("{}evaluation.json", run.staging)).await?;
    let renderer = renderer.clone();
    let pdf = tokio::task::spawn_blocking(move || render_executive(&renderer, &found)).await.map_err(staging)??;
    work.put(&format!("{}executive.pdf", run.staging), &pdf).await?;
    Ok(())
}

/// Prints the page.
pub fn render_executive(renderer: &Renderer, found: &Evaluation) -> Result<Vec<u8>, RenderError> {
    let data = executive_data(found);
    let ident = format!("apportion/daily/{}", found.date);
    renderer.print(EXECUTIVE, "the page for executives", ident, &data, Vec::new(), &data.period)
}

/// The data of the page.
pub fn executive_data(found: &Evaluation) -> ExecutiveData {
    let minor = |money: Money| i64::try_from(money.round_to_minor(found.places)).unwrap_or(i64::MAX);
    let budget = |line: &Line| {
        let budget = line.budget.as_ref()?;
        Some(BudgetData { amount: minor(budget.amount), percent: budget.percent, light: budget.light.as_str().to_owned() })
    };
    let line =
        |line: &Line| LineData { name: short(&line.name), month_end: minor(line.forecast.month_end), budget: budget(line) };
    let mut ous: Vec<&Line> = found.ous.iter().filter(|line| line.budget.is_some()).collect();
    ous.sort_by_key(|line| (std::cmp::Reverse(line.budget.as_ref().and_then(|budget| budget.percent)), line.id.clone()));
    let is_unit = |line: &&Line| !line.id.starts_with("__") && !line.id.starts_with(apportion_core::day::POOL);
    let total = &found.total;
    ExecutiveData {
        period: dates(found.date),
        currency: Currency { code: found.currency.clone(), places: found.places },
        day: minor(total.day),
        week_before: minor(total.week_before),
        month_to_date: minor(total.forecast.month_to_date),
        previous_month: minor(found.previous_month),
        month_end: minor(total.forecast.month_end),
        budget: budget(total),
        without_owner: minor(found.untagged + found.unknown),
        trend: found
            .trend
            .iter()
            .map(|(day, money)| TrendBar { amount: minor(*money), is_weekend: day.weekday() >= 5 })
            .collect(),
        ous: ous.into_iter().take(LINES).map(line).collect(),
        units: found.owners.iter().filter(is_unit).take(LINES).map(line).collect(),
        anomalies: found
            .anomalies
            .iter()
            .take(5)
            .map(|one| AnomalyData {
                unit: short(&one.owner_name),
                service: short(&one.service),
                extra: minor(one.found.extra),
                since: date(one.found.since),
            })
            .collect(),
        all_anomalies: found.anomalies.len(),
        notes: notes(found),
    }
}

fn short(name: &str) -> String {
    let cut: String = name.chars().take(LONGEST_NAME).collect();
    if cut.len() < name.len() { format!("{cut}…") } else { cut }
}

fn notes(found: &Evaluation) -> Vec<String> {
    let mut notes = Vec::new();
    if !found.unknown_accounts.is_empty() {
        notes.push(format!("{} accounts are not in the organization.", found.unknown_accounts.len()));
    }
    if !found.restated.is_empty() {
        notes.push(format!("{} earlier days were restated.", found.restated.len()));
    }
    if !found.other_currencies.is_empty() {
        let codes: Vec<&str> = found.other_currencies.keys().map(String::as_str).collect();
        notes.push(format!("Left out: cost in {}.", codes.join(", ")));
    }
    notes
}

fn date(day: Day) -> Date {
    Date { year: day.period().year(), month: day.period().month(), day: day.day() }
}

fn dates(day: Day) -> PeriodDates {
    PeriodDates { id: day.to_string(), first: date(day), last: date(day) }
}
