//! Rollup rows and configuration in, ledger out: every line to exactly one owner or pool, every pool to its units.
//!
//! The order of steps is that of `LEDGER.md`, restated for users in `docs/allocation.md`: owners, offsets, commitment fees,
//! charges with a rule of their own, discounts and tax, rounding, pools, cents.

mod cents;
mod follow;
pub(crate) mod owner;
mod pools;
mod stretches;
mod trace;

pub use cents::{CentsError, largest_remainder_minor};
pub use pools::limited_split;
pub use trace::{Flow, From, To, Trace, prorate, share_of, trace};

use crate::bill::{Family, Kind, RollupRow};
use crate::ledger::{Component, InvoiceKey, LedgerKey, LedgerRow, PoolSource};
use crate::model::{Configuration, Method, Owner, UNTAGGED};
use crate::money::Money;
use crate::org::Organization;
use crate::period::Period;
use crate::reconcile::Control;
use crate::text::Text;
use follow::{Level, Weights};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::rc::Rc;
use stretches::{Finders, Paths, stretch_of};

/// What an allocation works on. `rows` are of one period and one currency.
pub struct Inputs<'a> {
    pub period: Period,
    pub family: Family,
    pub rows: &'a [RollupRow],
    pub configuration: &'a Configuration,
    pub org: &'a Organization,
    /// One for each invoice of the rows, and for each invoice without rows that has an amount.
    pub controls: &'a [Control],
    /// Decimal places of the currency's minor unit: 2 for USD.
    pub minor_exponent: u32,
}

/// The result: rows sorted by key, where pools got their money, and what a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    pub rows: Vec<LedgerRow>,
    pub pool_sources: Vec<PoolSource>,
    pub notes: Vec<Note>,
}

/// Something that is right by the rules but that a person should see.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// No target of the pool had a positive weight, so its fallback split it.
    PoolFallback { pool_id: String, reason: String },
    /// The unit's base was negative, so it weighed 0.
    NegativeBase { pool_id: String, target: String, base: Money },
    /// The owning tag names no unit; the money went to the untagged pool.
    UnknownOwner { value: String, cash: Money, effective: Money, rows: i64 },
    /// The account is not in the organization.
    UnknownAccount { account_id: String, cash: Money },
    /// No owning tag and no line rule.
    Untagged { cash: Money, effective: Money, rows: i64 },
    /// A line type that no formula knows.
    Unclassified { charge_type: String, cash: Money, rows: i64 },
    /// A negation with no covered usage of its invoice, account and plan.
    NegationWithoutUsage { account_id: String, commitment_id: String, cash: Money },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllocateError {
    #[error("rules.toml: nothing says what to do with `{0}`: add [special.{0}]")]
    NoSpecialRule(Component),
    #[error(
        "rules.toml: money goes to the pool `{pool}`, which is not in force in {period}: extend its from/to or point the rule elsewhere"
    )]
    NoPool { pool: String, period: Period },
    #[error(
        "rules.toml: pool `{pool}`: neither its key nor its fallback gives any target a positive weight; give it targets or another fallback"
    )]
    NoWeight { pool: String },
    #[error(
        "drivers/{period}/{driver}.csv lacks a line for {missing}, which pool `{pool}` shares with: add it (0 if it takes no part)"
    )]
    DriverLacks { pool: String, driver: String, period: Period, missing: String },
    #[error("drivers/{period}/{driver}.csv is missing: pool `{pool}` is split by it")]
    NoDriver { pool: String, driver: String, period: Period },
    #[error("rules.toml: pool `{pool}`: the minimums sum to {sum}, more than the pool's {magnitude}: lower them")]
    MinimumsTooHigh { pool: String, sum: Money, magnitude: Money },
    #[error("rules.toml: pool `{pool}`: the caps sum to {sum}, less than the pool's {magnitude}: raise them or exempt a unit")]
    CapsTooLow { pool: String, sum: Money, magnitude: Money },
    #[error(
        "rules.toml: pool `{pool}`: the caps leave {rest} that only units of weight 0 could take: raise the caps or name a fallback"
    )]
    CapsLeaveRest { pool: String, rest: Money },
    #[error("rules.toml: pool `{pool}` feeds `{target}`, which is split before it: a pool may feed later pools only")]
    FeedsEarlier { pool: String, target: String },
    #[error(transparent)]
    Cents(#[from] CentsError),
}

/// Where a portion's money was before.
#[derive(Debug, Clone)]
enum Origin<'a> {
    /// One rollup row; the difference that is booked as rounding has one that stands for no bill line.
    Row(&'a RollupRow),
    /// Negations that offset the same covered usage, split together.
    Rows(Rc<[&'a RollupRow]>),
    /// What a pool held under this component.
    Pool(Component),
}

/// A part of the bill on its way to an owner.
#[derive(Debug, Clone)]
struct Portion<'a> {
    owner: Owner,
    origin: Origin<'a>,
    /// Usage whose cash a negation takes back.
    covered: bool,
    /// First day of the stretch whose tree says where the account stood, `""` for the period's end.
    stretch: Text,
    component: Component,
    rule_id: Text,
    invoice: InvoiceKey,
    account_id: Text,
    service: Text,
    charge_type: Text,
    commitment_id: Text,
    owner_value: Text,
    currency: Text,
    cash: Money,
    effective: Money,
    split: Split,
}

/// How a portion's share came about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Split {
    value: Text,
    total: Text,
    unit: &'static str,
    unit_name: Text,
    share: Text,
    /// The exact share: `part / of`.
    part: i128,
    of: i128,
}

/// Allocates every row. Same rows in any order give the same result.
pub fn allocate(inputs: &Inputs<'_>) -> Result<Allocation, AllocateError> {
    let rounding = rounding_rows(inputs);
    let placed = place(inputs, &rounding)?;
    let ledger = ledger_rows(inputs, placed.direct, placed.pooled.portions)?;
    Ok(Allocation { rows: ledger, pool_sources: placed.pooled.sources, notes: placed.notes })
}

/// Every portion with its owner, before rows are summed.
struct Placed<'a> {
    direct: Vec<Portion<'a>>,
    pooled: pools::Pooled<'a>,
    notes: Vec<Note>,
}

fn place<'a>(inputs: &'a Inputs<'a>, rounding: &'a [(&'a Control, RollupRow)]) -> Result<Placed<'a>, AllocateError> {
    let mut rows: Vec<&RollupRow> = inputs.rows.iter().collect();
    rows.sort();
    let mut run = Run::new(inputs);
    run.place_owned(&rows)?;
    run.place_negations(&rows);
    run.place_commitments(&rows)?;
    run.place_followers(&rows)?;
    run.place_rounding(rounding)?;
    let mut notes = run.notes();
    let pooled = pools::split_pools(inputs, &run.portions, &mut notes)?;
    notes.sort();
    Ok(Placed { direct: run.portions, pooled, notes })
}

struct Run<'a> {
    inputs: &'a Inputs<'a>,
    finders: Finders<'a>,
    /// Of every portion that is not split: made once.
    whole: Split,
    portions: Vec<Portion<'a>>,
    unknown_owners: BTreeMap<Text, (Money, Money, i64)>,
    untagged: (Money, Money, i64),
    unknown_accounts: BTreeMap<Text, Money>,
    unclassified: BTreeMap<Text, (Money, i64)>,
    lone_negations: Vec<Note>,
}

/// Component of a line before any split.
pub(crate) fn component_of(kind: Kind) -> Component {
    match kind {
        Kind::Usage | Kind::Covered | Kind::Negation => Component::Direct,
        Kind::CommitmentFee => Component::Commitment,
        Kind::Unused => Component::Unused,
        Kind::Upfront => Component::Upfront,
        Kind::Discount => Component::Discount,
        Kind::Tax => Component::Tax,
        Kind::Support => Component::Support,
        Kind::Marketplace => Component::Marketplace,
        Kind::Credit => Component::Credit,
        Kind::Refund => Component::Refund,
        Kind::Adjustment => Component::Adjustment,
        Kind::Unclassified => Component::Unclassified,
    }
}

/// The invoice of a rollup row.
pub fn invoice_of(row: &RollupRow) -> InvoiceKey {
    InvoiceKey {
        provider: row.provider.clone(),
        issuer: row.issuer.clone(),
        billing_account_id: row.billing_account_id.clone(),
        invoice_id: row.invoice_id.clone(),
    }
}

impl<'a> Run<'a> {
    fn new(inputs: &'a Inputs<'a>) -> Self {
        Run {
            inputs,
            finders: Finders::new(inputs.configuration, inputs.org, inputs.period),
            whole: Split { share: "1.000000000000".into(), part: 1, of: 1, ..Split::default() },
            portions: Vec::with_capacity(inputs.rows.len()),
            unknown_owners: BTreeMap::new(),
            untagged: Default::default(),
            unknown_accounts: BTreeMap::new(),
            unclassified: BTreeMap::new(),
            lone_negations: Vec::new(),
        }
    }

    fn cash(&self, row: &RollupRow) -> Money {
        row.cash.of(self.inputs.family)
    }

    fn effective(&self, row: &RollupRow) -> Money {
        row.effective.of(self.inputs.family)
    }

    fn method(&self, component: Component) -> Result<&'a crate::model::SpecialRule, AllocateError> {
        self.inputs.configuration.special.get(&component).ok_or(AllocateError::NoSpecialRule(component))
    }

    /// A portion that carries the whole row, without amounts yet.
    fn portion(&self, row: &'a RollupRow, component: Component, found: owner::Found) -> Portion<'a> {
        Portion {
            owner: found.owner,
            origin: Origin::Row(row),
            covered: row.kind == Kind::Covered,
            stretch: stretch_of(row),
            component,
            rule_id: found.rule_id,
            invoice: invoice_of(row),
            account_id: row.account_id.clone(),
            service: row.service.clone(),
            charge_type: row.charge_type.clone(),
            commitment_id: row.commitment_id.clone(),
            owner_value: found.owner_value,
            currency: row.currency.clone(),
            cash: Money::ZERO,
            effective: Money::ZERO,
            split: self.whole.clone(),
        }
    }

    fn push_whole(&mut self, row: &'a RollupRow, component: Component, found: owner::Found) {
        if found.owner == Owner::Pool(UNTAGGED.to_owned()) && found.by_absence {
            let (cash, effective) = (self.cash(row), self.effective(row));
            let entry = match found.owner_value.as_str() {
                "" => &mut self.untagged,
                _ => self.unknown_owners.entry(found.owner_value.clone()).or_default(),
            };
            entry.0 += cash;
            entry.1 += effective;
            entry.2 += row.rows;
        }
        let mut portion = self.portion(row, component, found);
        portion.cash = self.cash(row);
        portion.effective = self.effective(row);
        self.portions.push(portion);
    }

    /// Lines whose owner is looked for or stated: all but negations, commitment fees and what follows.
    fn place_owned(&mut self, rows: &[&'a RollupRow]) -> Result<(), AllocateError> {
        for row in rows.iter().copied() {
            if !self.finders.of(row).knows_account(&row.account_id) {
                let cash = self.cash(row);
                *self.unknown_accounts.entry(row.account_id.clone()).or_default() += cash;
            }
            let component = component_of(row.kind);
            if row.kind == Kind::Unclassified {
                let entry = self.unclassified.entry(row.charge_type.clone()).or_default();
                entry.0 += row.cash.of(self.inputs.family);
                entry.1 += row.rows;
            }
            if matches!(row.kind, Kind::Negation | Kind::CommitmentFee | Kind::Unused) {
                continue;
            }
            if component == Component::Direct {
                let found = self.finders.of(row).find(row, component);
                self.push_whole(row, component, found);
                continue;
            }
            if let Some(found) = self.finders.of(row).line_rule(row, component, true) {
                self.push_whole(row, component, found);
                continue;
            }
            match &self.method(component)?.method {
                Method::Owner => {
                    let found = self.finders.of(row).find(row, component);
                    self.push_whole(row, component, found);
                }
                Method::To(owner) => {
                    let found = owner::Found::stated(owner.clone(), format!("special.{component}"));
                    self.push_whole(row, component, found);
                }
                Method::Follow => {}
            }
        }
        Ok(())
    }

    /// Negations: over the covered usage of the same invoice, account and plan, so that each owner nets to zero there.
    fn place_negations(&mut self, rows: &[&'a RollupRow]) {
        type Group = (InvoiceKey, Text, Text);
        let mut covered: BTreeMap<Group, BTreeMap<(Owner, Text, Text), Money>> = BTreeMap::new();
        for portion in &self.portions {
            if portion.covered {
                let group = (portion.invoice.clone(), portion.account_id.clone(), portion.commitment_id.clone());
                let target = (portion.owner.clone(), portion.service.clone(), portion.stretch.clone());
                *covered.entry(group).or_default().entry(target).or_default() += portion.cash;
            }
        }
        let mut negations: BTreeMap<Group, (Vec<&'a RollupRow>, Money, Money)> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.kind == Kind::Negation) {
            let group = (invoice_of(row), row.account_id.clone(), row.commitment_id.clone());
            let entry = negations.entry(group).or_default();
            entry.0.push(row);
            entry.1 += self.cash(row);
            entry.2 += self.effective(row);
        }
        for (group, (list, cash, effective)) in negations {
            let Some(row) = list.first().copied() else { continue };
            let origin = Origin::Rows(Rc::from(list));
            let targets = covered.get(&group);
            let weights: Vec<i128> = targets.iter().flat_map(|map| map.values()).map(|money| money.units()).collect();
            match (targets, cash.split(&weights), effective.split(&weights)) {
                (Some(targets), Some(cash), Some(effective)) => {
                    let total = follow::positive_sum(&weights);
                    for ((((owner, service, stretch), weight), cash), effective) in targets.iter().zip(cash).zip(effective) {
                        let found = owner::Found::stated(owner.clone(), "follow.covered_usage");
                        let mut portion = self.portion(row, Component::Direct, found);
                        portion.origin = origin.clone();
                        portion.service = service.clone();
                        portion.stretch = stretch.clone();
                        portion.cash = cash;
                        portion.effective = effective;
                        portion.split = follow::split_of(weight.units(), total, "cash");
                        self.portions.push(portion);
                    }
                }
                _ => {
                    self.lone_negations.push(Note::NegationWithoutUsage {
                        account_id: (&row.account_id).into(),
                        commitment_id: (&row.commitment_id).into(),
                        cash,
                    });
                    let found = self.finders.of(row).find(row, Component::Direct);
                    let mut portion = self.portion(row, Component::Direct, found);
                    portion.origin = origin;
                    (portion.cash, portion.effective) = (cash, effective);
                    self.portions.push(portion);
                }
            }
        }
    }

    /// Commitment fees follow the effective cost that each commitment covered; the unused share goes by the `unused` rule.
    fn place_commitments(&mut self, rows: &[&'a RollupRow]) -> Result<(), AllocateError> {
        let mut used: BTreeMap<Text, BTreeMap<Owner, Money>> = BTreeMap::new();
        for portion in &self.portions {
            if portion.component == Component::Direct && !portion.commitment_id.is_empty() {
                *used.entry(portion.commitment_id.clone()).or_default().entry(portion.owner.clone()).or_default() +=
                    portion.effective;
            }
        }
        let mut unused: BTreeMap<Text, Money> = BTreeMap::new();
        for row in rows.iter().filter(|row| matches!(row.kind, Kind::CommitmentFee | Kind::Unused)) {
            *unused.entry(row.commitment_id.clone()).or_default() += self.effective(row);
        }
        for row in rows.iter().filter(|row| matches!(row.kind, Kind::CommitmentFee | Kind::Unused)) {
            let empty = BTreeMap::new();
            let used_by = used.get(&row.commitment_id).unwrap_or(&empty);
            let idle = unused.get(&row.commitment_id).copied().unwrap_or_default();
            self.place_commitment(row, used_by, idle)?;
        }
        Ok(())
    }

    fn place_commitment(
        &mut self,
        row: &'a RollupRow,
        used_by: &BTreeMap<Owner, Money>,
        idle: Money,
    ) -> Result<(), AllocateError> {
        let (fee, unused_effective) = (self.cash(row), self.effective(row));
        if row.kind == Kind::Unused {
            return self.place_unused(row, used_by, fee, unused_effective);
        }
        if let Some(found) = self.finders.of(row).line_rule(row, Component::Commitment, true) {
            let mut portion = self.portion(row, Component::Commitment, found);
            portion.cash = fee;
            self.portions.push(portion);
            return self.place_unused(row, used_by, Money::ZERO, unused_effective);
        }
        let rule = self.method(Component::Commitment)?;
        match &rule.method {
            Method::To(owner) => {
                let found = owner::Found::stated(owner.clone(), "special.commitment");
                let mut portion = self.portion(row, Component::Commitment, found);
                portion.cash = fee;
                self.portions.push(portion);
                return self.place_unused(row, used_by, Money::ZERO, unused_effective);
            }
            Method::Owner => {
                let found = self.finders.of(row).find(row, Component::Commitment);
                let mut portion = self.portion(row, Component::Commitment, found);
                portion.cash = fee;
                self.portions.push(portion);
                return self.place_unused(row, used_by, Money::ZERO, unused_effective);
            }
            Method::Follow => {}
        }
        let weights: Vec<i128> = used_by.values().map(|money| money.units()).chain([idle.units()]).collect();
        let Some(mut parts) = fee.split(&weights) else {
            if !fee.is_zero() {
                let found = owner::Found::stated(rule.fallback.clone(), "special.commitment.fallback");
                let mut portion = self.portion(row, Component::Commitment, found);
                portion.cash = fee;
                self.portions.push(portion);
            }
            return self.place_unused(row, used_by, Money::ZERO, unused_effective);
        };
        let total = follow::positive_sum(&weights);
        let idle_fee = parts.pop().unwrap_or_default();
        for ((owner, weight), part) in used_by.iter().zip(parts) {
            let found = owner::Found::stated(owner.clone(), "follow.commitment_use");
            let mut portion = self.portion(row, Component::Commitment, found);
            portion.cash = part;
            portion.split = follow::split_of(weight.units(), total, "effective_covered");
            self.portions.push(portion);
        }
        self.place_unused(row, used_by, idle_fee, unused_effective)
    }

    /// The unused part of a commitment, cash and effective, by the `unused` rule.
    fn place_unused(
        &mut self,
        row: &'a RollupRow,
        used_by: &BTreeMap<Owner, Money>,
        cash: Money,
        effective: Money,
    ) -> Result<(), AllocateError> {
        if cash.is_zero() && effective.is_zero() {
            return Ok(());
        }
        let rule = self.method(Component::Unused)?;
        let found = match (self.finders.of(row).line_rule(row, Component::Unused, true), &rule.method) {
            (Some(found), _) => found,
            (None, Method::Owner) => self.finders.of(row).find(row, Component::Unused),
            (None, Method::To(owner)) => owner::Found::stated(owner.clone(), "special.unused"),
            (None, Method::Follow) => {
                let weights: Vec<i128> = used_by.values().map(|money| money.units()).collect();
                if let (Some(cash_parts), Some(effective_parts)) = (cash.split(&weights), effective.split(&weights)) {
                    let total = follow::positive_sum(&weights);
                    for (((owner, weight), cash), effective) in used_by.iter().zip(cash_parts).zip(effective_parts) {
                        let found = owner::Found::stated(owner.clone(), "follow.commitment_use");
                        let mut portion = self.portion(row, Component::Unused, found);
                        portion.cash = cash;
                        portion.effective = effective;
                        portion.split = follow::split_of(weight.units(), total, "effective_covered");
                        self.portions.push(portion);
                    }
                    return Ok(());
                }
                owner::Found::stated(rule.fallback.clone(), "special.unused.fallback")
            }
        };
        let mut portion = self.portion(row, Component::Unused, found);
        portion.cash = cash;
        portion.effective = effective;
        self.portions.push(portion);
        Ok(())
    }

    /// Discounts, tax and whatever else is configured to follow: by cash of the charges placed so far.
    fn place_followers(&mut self, rows: &[&'a RollupRow]) -> Result<(), AllocateError> {
        let weights = Weights::of_charges(&self.portions);
        for row in rows.iter().copied() {
            let component = component_of(row.kind);
            if matches!(component, Component::Direct | Component::Commitment | Component::Unused) {
                continue;
            }
            let rule = self.method(component)?;
            if rule.method != Method::Follow || self.finders.of(row).line_rule(row, component, true).is_some() {
                continue;
            }
            let (cash, effective) = (self.cash(row), self.effective(row));
            let invoice = invoice_of(row);
            let levels = [Level::Product, Level::Account];
            self.follow(row, component, &invoice, &levels, &weights, (cash, effective), &rule.fallback);
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)] // one call site each for lines and rounding; a struct would only rename the list
    fn follow(
        &mut self,
        row: &'a RollupRow,
        component: Component,
        invoice: &InvoiceKey,
        levels: &[Level],
        weights: &Weights,
        amounts: (Money, Money),
        fallback: &Owner,
    ) {
        for level in levels {
            let Some(owners) = weights.at(*level, invoice, &row.account_id, &row.service) else { continue };
            let list: Vec<i128> = owners.values().map(|money| money.units()).collect();
            let (Some(cash), Some(effective)) = (amounts.0.split(&list), amounts.1.split(&list)) else { continue };
            let total = follow::positive_sum(&list);
            for (((owner, weight), cash), effective) in owners.iter().zip(cash).zip(effective) {
                if weight.units() <= 0 {
                    continue;
                }
                let found = owner::Found::stated(owner.clone(), format!("special.{component}.{}", level.as_str()));
                let mut portion = self.portion(row, component, found);
                portion.cash = cash;
                portion.effective = effective;
                portion.split = follow::split_of(weight.units(), total, "cash");
                self.portions.push(portion);
            }
            return;
        }
        let found = owner::Found::stated(fallback.clone(), format!("special.{component}.fallback"));
        let mut portion = self.portion(row, component, found);
        (portion.cash, portion.effective) = amounts;
        self.portions.push(portion);
    }

    /// The difference between an invoice and its bill lines, as a component of its own. It has no effective cost.
    fn place_rounding(&mut self, rounding: &'a [(&'a Control, RollupRow)]) -> Result<(), AllocateError> {
        let weights = Weights::of_charges(&self.portions);
        for (control, row) in rounding {
            let rule = self.method(Component::Rounding)?;
            match &rule.method {
                Method::To(owner) => {
                    let found = owner::Found::stated(owner.clone(), "special.rounding");
                    let mut portion = self.portion(row, Component::Rounding, found);
                    portion.cash = control.difference;
                    self.portions.push(portion);
                }
                Method::Owner | Method::Follow => {
                    let amounts = (control.difference, Money::ZERO);
                    self.follow(row, Component::Rounding, &control.key, &[Level::Invoice], &weights, amounts, &rule.fallback);
                }
            }
        }
        Ok(())
    }

    fn notes(&self) -> Vec<Note> {
        let mut notes = self.lone_negations.clone();
        let (cash, effective, rows) = self.untagged;
        if rows > 0 {
            notes.push(Note::Untagged { cash, effective, rows });
        }
        notes.extend(self.unknown_owners.iter().map(|(value, (cash, effective, rows))| Note::UnknownOwner {
            value: value.into(),
            cash: *cash,
            effective: *effective,
            rows: *rows,
        }));
        notes.extend(
            self.unknown_accounts
                .iter()
                .map(|(account_id, cash)| Note::UnknownAccount { account_id: account_id.into(), cash: *cash }),
        );
        notes.extend(self.unclassified.iter().map(|(charge_type, (cash, rows))| Note::Unclassified {
            charge_type: charge_type.into(),
            cash: *cash,
            rows: *rows,
        }));
        notes
    }
}

/// For each invoice with a difference: a row of no bill line.
fn rounding_rows<'a>(inputs: &Inputs<'a>) -> Vec<(&'a Control, RollupRow)> {
    let currency = &inputs.configuration.settings.currency;
    let differing = inputs.controls.iter().filter(|control| !control.difference.is_zero());
    differing.map(|control| (control, rounding_row(control, currency))).collect()
}

/// A row of no bill line, so that the rounding difference travels like any other amount.
fn rounding_row(control: &Control, currency: &str) -> RollupRow {
    RollupRow {
        billing_period: Text::default(),
        provider: control.key.provider.clone(),
        issuer: control.key.issuer.clone(),
        billing_account_id: control.key.billing_account_id.clone(),
        invoice_id: control.key.invoice_id.clone(),
        account_id: Text::default(),
        service: Text::default(),
        charge_type: Text::default(),
        kind: Kind::Adjustment,
        commitment_id: Text::default(),
        currency: currency.into(),
        organization_day: Text::default(),
        tags: Vec::new(),
        account_name: Text::default(),
        cash: Default::default(),
        effective: Default::default(),
        true_up: Default::default(),
        upfront: Default::default(),
        list: Money::ZERO,
        rows: 0,
        cash_rows: 0,
        net_rows: 0,
        lossy_rows: 0,
        incomplete_rows: 0,
    }
}

/// The ledger row that a portion is part of; `None` for what a pool takes.
fn ledger_key(portion: &Portion<'_>, pool_id: &str, paths: &Paths) -> Option<LedgerKey> {
    let Owner::Unit(unit_id) = &portion.owner else { return None };
    Some(LedgerKey {
        unit_id: unit_id.into(),
        component: portion.component,
        pool_id: pool_id.into(),
        rule_id: portion.rule_id.clone(),
        invoice: portion.invoice.clone(),
        account_id: portion.account_id.clone(),
        ou_path: paths.of(&portion.stretch, &portion.account_id),
        service: portion.service.clone(),
        charge_type: portion.charge_type.clone(),
        commitment_id: portion.commitment_id.clone(),
        currency: portion.currency.clone(),
    })
}

/// Sums portions by ledger key and gives them their cents.
fn ledger_rows(
    inputs: &Inputs<'_>,
    direct: Vec<Portion<'_>>,
    pooled: Vec<(Portion<'_>, String)>,
) -> Result<Vec<LedgerRow>, AllocateError> {
    let paths = Paths::new(inputs.org);
    let mut sums: BTreeMap<LedgerKey, LedgerRow> = BTreeMap::new();
    let all = direct.into_iter().map(|portion| (portion, String::new())).chain(pooled);
    for (portion, pool_id) in all {
        let Some(key) = ledger_key(&portion, &pool_id, &paths) else { continue };
        let row = sums.entry(key.clone()).or_insert_with(|| LedgerRow {
            key,
            cash: Money::ZERO,
            effective: Money::ZERO,
            cents: 0,
            driver_value: portion.split.value,
            driver_total: portion.split.total,
            driver_unit: if portion.split.unit_name.is_empty() { portion.split.unit.into() } else { portion.split.unit_name },
            share: portion.split.share,
        });
        row.cash += portion.cash;
        row.effective += portion.effective;
    }
    let mut rows: Vec<LedgerRow> = sums.into_values().collect();
    cents::assign(&mut rows, inputs.controls, inputs.minor_exponent)?;
    Ok(rows)
}
