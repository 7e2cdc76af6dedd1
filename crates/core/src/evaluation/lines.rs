//! The lines of an evaluation, made of sums.

use super::sums::{Group, Sums};
use super::{Anomaly, AnomalyState, BudgetState, Evaluation, Inputs, Line, ServiceLine, TOP, TREND_DAYS, UnknownAccount};
use crate::anomaly::{Unusual, Verdict, judge};
use crate::budget::{Alert, Target, is_news};
use crate::close::minor_exponent;
use crate::day::{Day, POOL, UNTAGGED_OWNER};
use crate::forecast::{Forecast, forecast};
use crate::model::Unit;
use crate::money::Money;
use crate::org::UNKNOWN;
use crate::season::Series;
use std::collections::BTreeMap;

type Pair<'a> = (&'a str, &'a str);

impl Sums {
    /// What the rows added so far come to.
    pub fn evaluation(&self, inputs: &Inputs<'_>) -> Evaluation {
        let forecasts: BTreeMap<Pair<'_>, Forecast> = self
            .parts
            .iter()
            .map(|((owner, ou), series)| ((owner.as_str(), ou.as_str()), forecast(series, inputs.date)))
            .collect();
        let builder = Builder { sums: self, inputs, forecasts };
        let total = builder.line(Target::All, "all");
        let owners = builder.owners();
        let ous = builder.ous();
        let of = |id: &str| {
            owners.iter().find(|line| line.id == id).map(|line| (line.forecast.month_to_date, line.day)).unwrap_or_default()
        };
        let ((untagged, untagged_day), (unknown, unknown_day)) = (of(UNTAGGED_OWNER), of(UNKNOWN));
        let (anomalies, groups, sparse) = builder.anomalies();
        let (top_services, movers) = builder.services();
        let before = inputs.date.period().previous();
        Evaluation {
            date: inputs.date,
            currency: inputs.currency.to_owned(),
            places: minor_exponent(inputs.currency),
            cash: self.cash,
            previous_month: self.total.range(Day::first_of(before)..=Day::last_of(before)).map(|(_, money)| *money).sum(),
            untagged,
            unknown,
            untagged_day,
            unknown_day,
            top_services,
            movers,
            anomalies,
            groups,
            sparse,
            trend: trend(&self.total, inputs.date),
            unknown_accounts: builder.unknown_accounts(),
            restated: inputs.restated.to_vec(),
            alerts: builder.alerts(&total, &owners, &ous),
            idle_budgets: builder.idle(),
            other_currencies: self.other_currencies.iter().map(|(currency, rows)| (currency.into(), *rows)).collect(),
            total,
            owners,
            ous,
        }
    }
}

fn trend(total: &Series, date: Day) -> Vec<(Day, Money)> {
    let Some(first) = total.keys().next() else { return Vec::new() };
    let from = (date.number() - TREND_DAYS + 1).max(first.number());
    (from..=date.number()).filter_map(Day::from_number).map(|day| (day, total.get(&day).copied().unwrap_or_default())).collect()
}

fn on(series: &Series, day: Day) -> Money {
    series.get(&day).copied().unwrap_or_default()
}

fn week_before(series: &Series, day: Day) -> Money {
    day.plus(-7).map(|before| on(series, before)).unwrap_or_default()
}

struct Builder<'a, 'b> {
    sums: &'a Sums,
    inputs: &'b Inputs<'b>,
    forecasts: BTreeMap<Pair<'a>, Forecast>,
}

impl Builder<'_, '_> {
    fn unit(&self, id: &str) -> Option<&Unit> {
        self.inputs.units.iter().find(|unit| unit.id == id)
    }

    fn name(&self, id: &str) -> String {
        self.unit(id).map_or(id, |unit| &unit.name).to_owned()
    }

    fn business_unit(&self, id: &str) -> String {
        self.unit(id).map(|unit| unit.business_unit.clone()).unwrap_or_default()
    }

    /// Everything that a target covers, as one line.
    fn line(&self, target: Target, id: &str) -> Line {
        let (mut day, mut before, mut forecast) = (Money::ZERO, Money::ZERO, Forecast::default());
        for ((owner, ou), series) in self.sums.parts.iter().filter(|((owner, ou), _)| target.covers(owner, ou)) {
            day += on(series, self.inputs.date);
            before += week_before(series, self.inputs.date);
            forecast += self.forecasts[&(owner.as_str(), ou.as_str())];
        }
        let budget = self.budget(&target, &forecast);
        Line {
            id: id.to_owned(),
            name: self.name(id),
            business_unit: self.business_unit(id),
            day,
            week_before: before,
            forecast,
            budget,
        }
    }

    fn budget(&self, target: &Target, forecast: &Forecast) -> Option<BudgetState> {
        let period = self.inputs.date.period();
        let budget = self.inputs.budgets.iter().find(|budget| budget.target == *target && budget.effective.covers(period))?;
        let light = budget.light(forecast);
        let is_news = is_news(budget, light, self.inputs.date, self.inputs.alerts);
        Some(BudgetState { amount: budget.amount, percent: budget.percent(forecast), light, is_news })
    }

    /// What cost nothing this month has no line: a budget for it is named as idle.
    fn is_shown(line: &Line) -> bool {
        !line.day.is_zero() || !line.forecast.month_to_date.is_zero() || !line.forecast.month_end.is_zero()
    }

    fn owners(&self) -> Vec<Line> {
        let mut ids: Vec<&str> = self.sums.parts.keys().map(|(owner, _)| owner.as_str()).collect();
        ids.extend(self.inputs.budgets.iter().filter_map(|budget| match &budget.target {
            Target::Unit(id) if budget.effective.covers(self.inputs.date.period()) => Some(id.as_str()),
            _ => None,
        }));
        ids.sort_unstable();
        ids.dedup();
        let mut lines: Vec<Line> =
            ids.into_iter().map(|id| self.line(Target::Unit(id.to_owned()), id)).filter(Self::is_shown).collect();
        let is_special = |line: &Line| line.id.starts_with(POOL) || line.id.starts_with("__");
        lines.sort_by_key(|line| (is_special(line), std::cmp::Reverse(line.forecast.month_end), line.id.clone()));
        lines
    }

    fn ous(&self) -> Vec<Line> {
        let period = self.inputs.date.period();
        let budgeted: Vec<&str> = self
            .inputs
            .budgets
            .iter()
            .filter(|budget| budget.effective.covers(period))
            .filter_map(|budget| match &budget.target {
                Target::Ou(path) => Some(path.as_str()),
                _ => None,
            })
            .collect();
        let is_covered = |ou: &str| budgeted.iter().any(|path| Target::Ou((*path).to_owned()).covers("", ou));
        let mut paths: Vec<&str> = self.sums.parts.keys().map(|(_, ou)| ou.as_str()).filter(|ou| !is_covered(ou)).collect();
        paths.extend(&budgeted);
        paths.sort_unstable();
        paths.dedup();
        // An OU that no budget covers stands for itself alone: what lies below it has a line of its own.
        let exact = |path: &str| {
            if budgeted.contains(&path) { self.line(Target::Ou(path.to_owned()), path) } else { self.ou_alone(path) }
        };
        paths.into_iter().map(exact).filter(Self::is_shown).collect()
    }

    fn ou_alone(&self, path: &str) -> Line {
        let mut line = Line {
            id: path.to_owned(),
            name: path.to_owned(),
            business_unit: String::new(),
            day: Money::ZERO,
            week_before: Money::ZERO,
            forecast: Forecast::default(),
            budget: None,
        };
        for ((owner, ou), series) in self.sums.parts.iter().filter(|((_, ou), _)| ou == path) {
            line.day += on(series, self.inputs.date);
            line.week_before += week_before(series, self.inputs.date);
            line.forecast += self.forecasts[&(owner.as_str(), ou.as_str())];
        }
        line
    }

    /// The largest services of the day, and the services of units that changed most in a week.
    fn services(&self) -> (Vec<ServiceLine>, Vec<ServiceLine>) {
        let first = Day::first_of(self.inputs.date.period());
        let mut all: BTreeMap<&str, ServiceLine> = BTreeMap::new();
        let mut each = Vec::with_capacity(self.sums.services.len());
        for ((owner, service), series) in &self.sums.services {
            let line = ServiceLine {
                owner: owner.into(),
                owner_name: self.name(owner),
                service: service.into(),
                day: on(series, self.inputs.date),
                week_before: week_before(series, self.inputs.date),
                month_to_date: series.range(first..).map(|(_, money)| *money).sum(),
            };
            let sum = all.entry(service).or_insert_with(|| ServiceLine {
                owner: String::new(),
                owner_name: String::new(),
                service: service.into(),
                day: Money::ZERO,
                week_before: Money::ZERO,
                month_to_date: Money::ZERO,
            });
            sum.day += line.day;
            sum.week_before += line.week_before;
            sum.month_to_date += line.month_to_date;
            each.push(line);
        }
        let mut top: Vec<ServiceLine> = all.into_values().filter(|line| !line.day.is_zero()).collect();
        top.sort_by_key(|line| (std::cmp::Reverse(line.day), line.service.clone()));
        top.truncate(TOP);
        let change = |line: &ServiceLine| (line.day - line.week_before).abs();
        // A change of less than a unit of the currency is none.
        each.retain(|line| change(line) >= Money::from_minor(1, 0));
        each.sort_by_key(|line| (std::cmp::Reverse(change(line)), line.owner.clone(), line.service.clone()));
        each.truncate(TOP);
        (top, each)
    }

    fn anomalies(&self) -> (Vec<Anomaly>, usize, usize) {
        let (mut found, mut groups, mut sparse) = (Vec::new(), 0, 0);
        for group in self.sums.groups(self.inputs.date) {
            let thresholds = match group.resource {
                "" => self.inputs.anomalies.of(group.owner, group.service),
                resource => self.inputs.anomalies.of_resource(resource),
            };
            let Some(thresholds) = thresholds.filter(|_| !on(&group.series, self.inputs.date).is_zero()) else { continue };
            groups += 1;
            match judge(&group.series, self.inputs.date, &thresholds) {
                Verdict::Sparse => sparse += 1,
                Verdict::Usual => {}
                Verdict::Unusual(unusual) => found.push(self.anomaly(&group, unusual)),
            }
        }
        found.sort_by_key(|one: &Anomaly| {
            (std::cmp::Reverse(one.found.extra), one.owner.clone(), one.service.clone(), one.resource_id.clone())
        });
        (found, groups, sparse)
    }

    fn anomaly(&self, group: &Group<'_>, found: Unusual) -> Anomaly {
        let account_id = self.sums.account_of(group);
        Anomaly {
            id: String::new(),
            owner: group.owner.to_owned(),
            owner_name: self.name(group.owner),
            business_unit: self.business_unit(group.owner),
            service: group.service.to_owned(),
            resource_id: group.resource.to_owned(),
            account_name: self.sums.account_names.get(account_id).map(String::from).unwrap_or_default(),
            account_id: account_id.to_owned(),
            found,
            state: AnomalyState::Open,
        }
    }

    fn unknown_accounts(&self) -> Vec<UnknownAccount> {
        let first = Day::first_of(self.inputs.date.period());
        let accounts = self.sums.unknown.iter().map(|(id, series)| UnknownAccount {
            id: id.into(),
            name: self.sums.account_names.get(id).map(String::from).unwrap_or_default(),
            day: on(series, self.inputs.date),
            month_to_date: series.range(first..).map(|(_, money)| *money).sum(),
        });
        let mut accounts: Vec<UnknownAccount> = accounts.filter(|account| !account.month_to_date.is_zero()).collect();
        accounts.sort_by_key(|account| (std::cmp::Reverse(account.month_to_date), account.id.clone()));
        accounts
    }

    fn alerts(&self, total: &Line, owners: &[Line], ous: &[Line]) -> Vec<Alert> {
        let news = |line: &Line, target: Target| {
            let budget = line.budget.as_ref().filter(|budget| budget.is_news)?;
            Some(Alert { target, light: budget.light, date: self.inputs.date })
        };
        let mut alerts: Vec<Alert> = news(total, Target::All).into_iter().collect();
        alerts.extend(owners.iter().filter_map(|line| news(line, Target::Unit(line.id.clone()))));
        alerts.extend(ous.iter().filter_map(|line| news(line, Target::Ou(line.id.clone()))));
        alerts.sort();
        alerts
    }

    fn idle(&self) -> Vec<String> {
        let period = self.inputs.date.period();
        let has_cost = |target: &Target| self.forecasts.keys().any(|(owner, ou)| target.covers(owner, ou));
        let budgets = self.inputs.budgets.iter().filter(|budget| budget.effective.covers(period) && !has_cost(&budget.target));
        budgets.map(|budget| budget.target.to_string()).collect()
    }
}
