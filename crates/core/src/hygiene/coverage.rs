//! Money with and without an owner, and with each mandatory tag, by account and service.

use super::{Findings, Settings};
use crate::allocate::owner::{Finder, Line};
use crate::bill::{Family, Kind, Measure, family_of};
use crate::day::Day;
use crate::ledger::Component;
use crate::model::{Configuration, Owner};
use crate::money::Money;
use crate::org::OrgSnapshot;
use crate::tags::Taxonomy;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One row of `sql/hygiene/coverage.sql`: sums over the lines of the window, alike in all that follows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CoverageRow {
    pub provider: String,
    pub issuer: String,
    pub account_id: String,
    pub service: String,
    pub kind: Kind,
    pub charge_type: String,
    pub currency: String,
    /// The lines name a resource.
    pub has_resource: bool,
    /// Raw values of [`observed`]'s dimensions, in their order.
    pub tags: Vec<Text>,
    pub account_name: String,
    pub effective: Measure,
    pub rows: i64,
    pub net_rows: i64,
}

/// The taxonomy cut to what hygiene looks at: mandatory dimensions and those of ownership.
pub fn observed(configuration: &Configuration) -> Taxonomy {
    let owning = crate::day::ownership(configuration);
    let dimensions = configuration.taxonomy.dimensions.iter();
    let wanted = dimensions.filter(|one| one.mandatory || owning.dimensions.iter().any(|known| known.name == one.name));
    Taxonomy { owner: owning.owner, dimensions: wanted.cloned().collect() }
}

/// Whether a line could carry a tag, so that 100 % can be reached.
///
/// Only usage can, and Marketplace use; tax, support, fees, credits, refunds, discounts and what commitments cost have nothing to
/// tag. Nor has a line without a resource, such as some data transfer, in a bill that names resources.
pub fn is_taggable(row: &CoverageRow, bill_names_resources: bool, settings: &Settings) -> bool {
    matches!(row.kind, Kind::Usage | Kind::Covered | Kind::Marketplace)
        && !matches!(row.charge_type.as_str(), "Fee" | "FlatRateSubscription" | "Purchase")
        && (row.has_resource || !bill_names_resources)
        && !settings.untaggable_services.contains(&row.service)
}

/// Effective cost of the window, one currency.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amounts {
    /// All of it, without tax, credit and refund.
    pub spend: Money,
    /// What could carry a tag.
    pub taggable: Money,
    /// Taggable without an owning tag, and without a line rule that gives an owner.
    pub untagged: Money,
    /// Taggable with an owning tag that names no unit.
    pub unknown: Money,
    /// Dimension -> taggable that has a value of it.
    pub covered: BTreeMap<String, Money>,
}

impl Amounts {
    /// Taggable money that nobody owns.
    pub fn unowned(&self) -> Money {
        self.untagged + self.unknown
    }

    /// Share of [`Amounts::unowned`] in taggable, in hundredths of a per cent, cut; 0 where nothing is taggable.
    pub fn share(&self) -> u32 {
        let (part, whole) = (self.unowned().units(), self.taggable.units());
        if part <= 0 || whole <= 0 { 0 } else { u32::try_from(part.saturating_mul(10_000) / whole).unwrap_or(u32::MAX) }
    }

    /// Exactly: more than so many hundredths of a per cent have no owner.
    fn is_above(&self, threshold: u32) -> bool {
        let part = self.unowned().units();
        part > 0 && part.saturating_mul(10_000) > self.taggable.units().saturating_mul(i128::from(threshold))
    }

    fn add(&mut self, other: &Amounts) {
        self.spend += other.spend;
        self.taggable += other.taggable;
        self.untagged += other.untagged;
        self.unknown += other.unknown;
        for (dimension, amount) in &other.covered {
            *self.covered.entry(dimension.clone()).or_default() += *amount;
        }
    }
}

/// What one run saw of a share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrendPoint {
    pub date: Day,
    /// Hundredths of a per cent.
    pub share: u32,
    pub unowned: Money,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFinding {
    pub account_id: String,
    pub account_name: String,
    /// OU path, `__unknown__` if the organization lacks the account.
    pub ou: String,
    pub currency: String,
    pub amounts: Amounts,
    /// Hundredths of a per cent: [`Amounts::share`], and what is allowed.
    pub share: u32,
    pub threshold: u32,
    pub above: bool,
    /// The unit with the most owned money in the account, `""` if none.
    pub main_unit: String,
    /// Earlier runs, oldest first.
    pub trend: Vec<TrendPoint>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFinding {
    pub service: String,
    pub currency: String,
    pub amounts: Amounts,
    pub share: u32,
}

/// What is counted at all: KPIs leave tax, credit and refund out (LEDGER, section Day).
fn counts(kind: Kind) -> bool {
    !matches!(kind, Kind::Tax | Kind::Credit | Kind::Refund)
}

/// The cost family of the window, by the rule of a close.
pub fn window_family(rows: &[CoverageRow]) -> Family {
    family_of(rows.iter().map(|row| (row.charge_type.as_str(), row.net_rows)))
}

/// Sums the window. Keys and trend are filled by the caller; the order of rows does not matter.
pub fn findings(
    date: Day,
    rows: &[CoverageRow],
    configuration: &Configuration,
    settings: &Settings,
    organization: &OrgSnapshot,
) -> Findings {
    let cut = Configuration { taxonomy: observed(configuration), ..configuration.clone() };
    let finder = Finder::new(&cut, organization, date.period());
    let family = window_family(rows);
    let names_resources = rows.iter().any(|row| row.has_resource);
    type Key = (String, String);
    let mut accounts: BTreeMap<Key, (String, Amounts, BTreeMap<String, Money>)> = BTreeMap::new();
    let mut services: BTreeMap<Key, Amounts> = BTreeMap::new();
    let mut totals: BTreeMap<String, Amounts> = BTreeMap::new();
    for row in rows.iter().filter(|row| counts(row.kind)) {
        let (amounts, unit) = judge(row, family, is_taggable(row, names_resources, settings), &finder, &cut);
        let account = accounts.entry((row.account_id.clone(), row.currency.clone())).or_default();
        if row.account_name > account.0 {
            account.0.clone_from(&row.account_name);
        }
        account.1.add(&amounts);
        if let Some(unit) = unit {
            *account.2.entry(unit).or_default() += amounts.taggable;
        }
        services.entry((row.service.clone(), row.currency.clone())).or_default().add(&amounts);
        totals.entry(row.currency.clone()).or_default().add(&amounts);
    }
    let mut accounts: Vec<AccountFinding> = accounts
        .into_iter()
        .map(|((account_id, currency), (account_name, amounts, units))| {
            let threshold = settings.threshold_of(&account_id);
            // Of equal units the first by id.
            let main = units.into_iter().rev().filter(|(_, money)| money.units() > 0).max_by_key(|(_, money)| *money);
            AccountFinding {
                ou: finder.ou_path(&account_id).to_owned(),
                above: amounts.is_above(threshold),
                share: amounts.share(),
                main_unit: main.map_or_else(String::new, |(unit, _)| unit),
                account_id,
                account_name,
                currency,
                amounts,
                threshold,
                trend: Vec::new(),
            }
        })
        .collect();
    accounts.sort_by(|a, b| b.amounts.unowned().cmp(&a.amounts.unowned()).then_with(|| a.account_id.cmp(&b.account_id)));
    let mut services: Vec<ServiceFinding> = services
        .into_iter()
        .map(|((service, currency), amounts)| ServiceFinding { share: amounts.share(), service, currency, amounts })
        .collect();
    services.sort_by(|a, b| b.amounts.unowned().cmp(&a.amounts.unowned()).then_with(|| a.service.cmp(&b.service)));
    Findings {
        date,
        from: settings.first_day(date),
        to: date,
        totals,
        accounts,
        services,
        unmapped_keys: Vec::new(),
        near_misses: Vec::new(),
        collisions: Vec::new(),
        conflicts: Vec::new(),
        missing_keys: Vec::new(),
        trend: BTreeMap::new(),
    }
}

/// One row's amounts, and the unit that owns it.
fn judge(
    row: &CoverageRow,
    family: Family,
    taggable: bool,
    finder: &Finder<'_>,
    configuration: &Configuration,
) -> (Amounts, Option<String>) {
    let money = row.effective.of(family);
    let mut amounts = Amounts { spend: money, ..Amounts::default() };
    if !taggable {
        return (amounts, None);
    }
    amounts.taggable = money;
    for (dimension, raw) in configuration.taxonomy.dimensions.iter().zip(&row.tags).filter(|(dimension, _)| dimension.mandatory) {
        let covered = if dimension.canonical_value(raw).is_some() { money } else { Money::ZERO };
        amounts.covered.insert(dimension.name.clone(), covered);
    }
    let line = Line {
        provider: &row.provider,
        issuer: &row.issuer,
        account_id: &row.account_id,
        service: &row.service,
        charge_type: &row.charge_type,
        tags: &row.tags,
    };
    let found = finder.find(line, Component::Direct);
    match (found.by_absence, found.owner_value.as_str(), found.owner) {
        (true, "", _) => amounts.untagged = money,
        (true, _, _) => amounts.unknown = money,
        (false, _, Owner::Unit(unit)) => return (amounts, Some(unit)),
        (false, _, Owner::Pool(_)) => {}
    }
    (amounts, None)
}
