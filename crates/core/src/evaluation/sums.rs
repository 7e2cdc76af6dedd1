//! Sums of a day's rows and of the days before it, taken in as many parts as they come.

use super::{DayHealth, Evaluation, Inputs, ProviderSpend, is_spend};
use crate::day::{Day, Owned, UNTAGGED_OWNER};
use crate::money::Money;
use crate::org::UNKNOWN;
use crate::season::Series;
use crate::text::Text;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

type Pair = (Text, Text);

/// The spend of every grouping that a line of the evaluation shows, by day. It grows with groups and days, not with rows.
pub struct Sums {
    date: Day,
    currency: String,
    /// Resources that are judged by themselves.
    named: BTreeSet<String>,
    pub(super) total: Series,
    /// Owner and OU.
    pub(super) parts: BTreeMap<Pair, Series>,
    /// Owner and service.
    pub(super) services: BTreeMap<Pair, Series>,
    /// Of `services` what named resources cost: owner, service, resource.
    resources: BTreeMap<(Text, Text, Text), Series>,
    /// Owner, service, named resource and account: cost on the day, less that of a week before.
    changes: BTreeMap<(Text, Text, Text, Text), Money>,
    /// The greatest name of each account.
    pub(super) account_names: BTreeMap<Text, Text>,
    /// Accounts that the organization lacks.
    pub(super) unknown: BTreeMap<Text, Series>,
    providers: BTreeMap<String, ProviderSpend>,
    pub(super) cash: Money,
    pub(super) other_currencies: BTreeMap<Text, i64>,
}

/// What is judged as one: a service of an owner without its named resources, or such a resource.
pub(super) struct Group<'a> {
    pub owner: &'a str,
    pub service: &'a str,
    /// `""` for a service of an owner.
    pub resource: &'a str,
    pub series: Cow<'a, Series>,
}

impl Sums {
    pub fn new(inputs: &Inputs<'_>) -> Sums {
        Sums {
            date: inputs.date,
            currency: inputs.currency.to_owned(),
            named: inputs.anomalies.resources(),
            total: Series::new(),
            parts: BTreeMap::new(),
            services: BTreeMap::new(),
            resources: BTreeMap::new(),
            changes: BTreeMap::new(),
            account_names: BTreeMap::new(),
            unknown: BTreeMap::new(),
            providers: BTreeMap::new(),
            cash: Money::ZERO,
            other_currencies: BTreeMap::new(),
        }
    }

    /// Adds rows; those of days after the date, and of no day, are left out.
    pub fn add(&mut self, rows: &[Owned]) {
        for row in rows {
            let Some(day) = row.day.parse::<Day>().ok().filter(|day| *day <= self.date) else { continue };
            if row.currency != self.currency {
                *self.other_currencies.entry(row.currency.clone()).or_default() += row.rows;
                continue;
            }
            if day == self.date {
                self.cash += row.cash;
            }
            if self.account_names.get(&row.account_id).is_none_or(|known| *known < row.account_name) {
                self.account_names.insert(row.account_id.clone(), row.account_name.clone());
            }
            if is_spend(row.kind) {
                self.add_spend(row, day);
            }
        }
    }

    fn add_spend(&mut self, row: &Owned, day: Day) {
        let cost = row.effective;
        let pair = |other: &Text| (row.owner.clone(), other.clone());
        *self.total.entry(day).or_default() += cost;
        *self.parts.entry(pair(&row.ou)).or_default().entry(day).or_default() += cost;
        *self.services.entry(pair(&row.service)).or_default().entry(day).or_default() += cost;
        let resource = if self.named.contains(row.resource_id.as_str()) { row.resource_id.clone() } else { Text::default() };
        if !resource.is_empty() {
            let (owner, service) = pair(&row.service);
            *self.resources.entry((owner, service, resource.clone())).or_default().entry(day).or_default() += cost;
        }
        if row.ou == UNKNOWN {
            *self.unknown.entry(row.account_id.clone()).or_default().entry(day).or_default() += cost;
        }
        if day >= Day::first_of(self.date.period()) {
            let provider = self.providers.entry((&row.provider).into()).or_default();
            provider.spend += cost;
            match row.owner.as_str() {
                UNTAGGED_OWNER => provider.untagged += cost,
                UNKNOWN => provider.unknown += cost,
                _ => {}
            }
        }
        let change = match self.date.since(day) {
            0 => cost,
            7 => -cost,
            _ => return,
        };
        let (owner, service) = pair(&row.service);
        *self.changes.entry((owner, service, resource, row.account_id.clone())).or_default() += change;
    }

    /// What is kept of the day for `apportion health`; `found` is its evaluation.
    pub fn health(self, found: &Evaluation) -> DayHealth {
        DayHealth {
            date: found.date,
            currency: found.currency.clone(),
            providers: self.providers,
            groups: found.groups,
            sparse: found.sparse,
        }
    }

    /// Everything that is judged, services first.
    pub(super) fn groups(&self, date: Day) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::with_capacity(self.services.len());
        for (pair, series) in &self.services {
            let mut series = Cow::Borrowed(series);
            for ((owner, service, _), part) in &self.resources {
                if (owner, service) == (&pair.0, &pair.1) {
                    let rest = series.to_mut();
                    part.iter().for_each(|(day, money)| *rest.entry(*day).or_default() -= *money);
                }
            }
            groups.push(Group { owner: &pair.0, service: &pair.1, resource: "", series });
        }
        groups.extend(self.named.iter().filter_map(|resource| self.named_group(resource, date)));
        groups
    }

    /// A resource, with the owner and the service of most of its cost on the date.
    fn named_group<'a>(&'a self, resource: &'a str, date: Day) -> Option<Group<'a>> {
        let parts = || self.resources.iter().filter(|((_, _, id), _)| id == resource);
        let on_date = |series: &Series| series.get(&date).copied().unwrap_or_default();
        let ((owner, service, _), _) = parts().max_by_key(|(_, series)| on_date(series))?;
        let mut whole = Series::new();
        for (day, money) in parts().flat_map(|(_, series)| series) {
            *whole.entry(*day).or_default() += *money;
        }
        Some(Group { owner, service, resource, series: Cow::Owned(whole) })
    }

    /// The account of a group whose cost rose most within a week.
    pub(super) fn account_of(&self, group: &Group<'_>) -> &str {
        let is_of = |(owner, service, resource, _): &(Text, Text, Text, Text)| {
            (owner.as_str(), service.as_str(), resource.as_str()) == (group.owner, group.service, group.resource)
        };
        let accounts = self.changes.iter().filter(|(key, _)| is_of(key));
        accounts
            .max_by_key(|((_, _, _, account), change)| (**change, std::cmp::Reverse(account)))
            .map_or("", |((_, _, _, account), _)| account)
    }
}
