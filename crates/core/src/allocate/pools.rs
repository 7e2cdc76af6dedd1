//! Pools: weights once per period, then cash and effective of every invoice split alike.

use super::follow::{plain, positive_sum, ratio};
use super::{AllocateError, Inputs, Note, Origin, Portion, Split};
use crate::ledger::{Component, InvoiceKey, PoolSource};
use crate::model::{Base, Key, Owner, Pool, Targets};
use crate::money::{Money, split_integer};
use crate::text::Text;
use std::collections::{BTreeMap, BTreeSet};

/// Rows that came out of pools, each with its pool, and where the pools' money came from.
pub(super) struct Pooled<'a> {
    pub portions: Vec<(Portion<'a>, String)>,
    /// What a pool handed to a later one, each with the pool that gave.
    pub handed: Vec<(Portion<'a>, String)>,
    pub sources: Vec<PoolSource>,
}

/// What a pool holds, in the grain in which it is split.
type Content = BTreeMap<(Component, InvoiceKey, Text), (Money, Money)>;

/// A pool's targets with their weights, in the order of the ties: units by id, then pools by id.
struct Weighing {
    targets: Vec<Owner>,
    weights: Vec<i128>,
    unit: &'static str,
    unit_name: String,
    /// Weights are money-like units of 1e-12 (else plain integers).
    scaled: bool,
}

/// Splits every pool in declared order.
pub(super) fn split_pools<'a>(
    inputs: &Inputs<'_>,
    direct: &[Portion<'a>],
    notes: &mut Vec<Note>,
) -> Result<Pooled<'a>, AllocateError> {
    let mut contents: BTreeMap<String, Content> = BTreeMap::new();
    let mut sources: BTreeMap<PoolSource, (Money, Money)> = BTreeMap::new();
    let mut base: BTreeMap<Owner, Money> = BTreeMap::new();
    for portion in direct {
        if portion.component == Component::Direct {
            *base.entry(portion.owner.clone()).or_default() += portion.effective;
        }
        if let Owner::Pool(pool_id) = &portion.owner {
            add(&mut contents, pool_id, portion);
            let entry = sources.entry(source_of(pool_id, portion)).or_default();
            entry.0 += portion.cash;
            entry.1 += portion.effective;
        }
    }
    let mut given: BTreeMap<Owner, Money> = BTreeMap::new();
    let mut done: BTreeSet<String> = BTreeSet::new();
    let (mut portions, mut handed) = (Vec::new(), Vec::new());
    for pool in inputs.configuration.pools.iter().filter(|pool| pool.effective.covers(inputs.period)) {
        done.insert(pool.id.clone());
        let Some(content) = contents.remove(&pool.id) else { continue };
        let (rule_id, weighing, shares) = weigh(inputs, pool, &content, &base, &given, notes)?;
        let rule_id = Text::from(rule_id);
        for ((component, invoice, currency), (cash, effective)) in content {
            let lost = || AllocateError::NoWeight { pool: pool.id.clone() };
            let cash_parts = cash.split(&shares).ok_or_else(lost)?;
            let effective_parts = effective.split(&shares).ok_or_else(lost)?;
            let held = component;
            let component = if component == Component::Direct { Component::Pool } else { component };
            for (index, target) in weighing.targets.iter().enumerate() {
                let mut portion = Portion {
                    owner: target.clone(),
                    origin: Origin::Pool(held),
                    covered: false,
                    stretch: Text::default(),
                    component,
                    rule_id: rule_id.clone(),
                    invoice: invoice.clone(),
                    account_id: Text::default(),
                    service: Text::default(),
                    charge_type: Text::default(),
                    commitment_id: Text::default(),
                    owner_value: Text::default(),
                    currency: currency.clone(),
                    cash: cash_parts[index],
                    effective: effective_parts[index],
                    split: weighing.split(index, &shares),
                };
                *given.entry(target.clone()).or_default() += portion.effective;
                if let Owner::Pool(next) = target {
                    if done.contains(next) {
                        return Err(AllocateError::FeedsEarlier { pool: pool.id.clone(), target: next.clone() });
                    }
                    portion.rule_id = format!("pool.{}", pool.id).into();
                    add(&mut contents, next, &portion);
                    let mut source = source_of(next, &portion);
                    source.from_pool_id = Text::from(&pool.id);
                    let entry = sources.entry(source).or_default();
                    entry.0 += portion.cash;
                    entry.1 += portion.effective;
                    handed.push((portion, pool.id.clone()));
                } else {
                    portions.push((portion, pool.id.clone()));
                }
            }
        }
    }
    if let Some(pool) = contents.into_keys().next() {
        return Err(AllocateError::NoPool { pool, period: inputs.period });
    }
    let sources = sources.into_iter().map(|(source, (cash, effective))| PoolSource { cash, effective, ..source }).collect();
    Ok(Pooled { portions, handed, sources })
}

fn add(contents: &mut BTreeMap<String, Content>, pool_id: &str, portion: &Portion<'_>) {
    let key = (portion.component, portion.invoice.clone(), portion.currency.clone());
    let entry = contents.entry(pool_id.to_owned()).or_default().entry(key).or_default();
    entry.0 += portion.cash;
    entry.1 += portion.effective;
}

pub(super) fn source_of(pool_id: &str, portion: &Portion<'_>) -> PoolSource {
    PoolSource {
        pool_id: pool_id.into(),
        component: portion.component,
        rule_id: portion.rule_id.clone(),
        from_pool_id: Text::default(),
        invoice: portion.invoice.clone(),
        account_id: portion.account_id.clone(),
        service: portion.service.clone(),
        charge_type: portion.charge_type.clone(),
        owner_value: portion.owner_value.clone(),
        currency: portion.currency.clone(),
        cash: Money::ZERO,
        effective: Money::ZERO,
    }
}

impl Weighing {
    fn split(&self, index: usize, shares: &[i128]) -> Split {
        let total = positive_sum(&self.weights);
        let text = |value: i128| if self.scaled { plain(value) } else { value.to_string() };
        Split {
            value: text(self.weights[index]).into(),
            total: text(total).into(),
            unit: self.unit,
            unit_name: Text::from(&self.unit_name),
            share: ratio(shares[index].max(0), positive_sum(shares)).into(),
            part: shares[index].max(0),
            of: positive_sum(shares),
        }
    }
}

/// The pool's rule id, its weighing, and the integers by which its money is split (the weights, or what limits made of them).
fn weigh(
    inputs: &Inputs<'_>,
    pool: &Pool,
    content: &Content,
    base: &BTreeMap<Owner, Money>,
    given: &BTreeMap<Owner, Money>,
    notes: &mut Vec<Note>,
) -> Result<(String, Weighing, Vec<i128>), AllocateError> {
    let mut rule_id = format!("pool.{}", pool.id);
    let targets = targets_of(inputs, pool);
    let mut weighing = weights_of(inputs, pool, &pool.key, &targets, base, given)?;
    if matches!(pool.key, Key::Proportional { .. }) {
        for (target, weight) in weighing.targets.iter().zip(&weighing.weights) {
            if *weight < 0 {
                let target = match target {
                    Owner::Unit(id) => id.clone(),
                    Owner::Pool(id) => format!("pool:{id}"),
                };
                notes.push(Note::NegativeBase { pool_id: pool.id.clone(), target, base: Money::from_units(*weight) });
            }
        }
    }
    if positive_sum(&weighing.weights) == 0 {
        weighing = weights_of(inputs, pool, &pool.fallback, &targets, base, given)?;
        rule_id.push_str(".fallback");
        let reason = "no target had a positive weight".to_owned();
        notes.push(Note::PoolFallback { pool_id: pool.id.clone(), reason });
        if positive_sum(&weighing.weights) == 0 {
            return Err(AllocateError::NoWeight { pool: pool.id.clone() });
        }
    }
    let total: Money = content.values().map(|(cash, _)| *cash).sum();
    let shares = limits_of(pool, &weighing, total)?;
    Ok((rule_id, weighing, shares))
}

/// Targets sorted: units by id among units.
fn targets_of(inputs: &Inputs<'_>, pool: &Pool) -> Vec<Owner> {
    let units = inputs.configuration.units.iter();
    let mut targets: BTreeSet<Owner> = match &pool.targets {
        Targets::All => units.map(|unit| Owner::Unit(unit.id.clone())).collect(),
        Targets::BusinessUnits(names) => {
            units.filter(|unit| names.contains(&unit.business_unit)).map(|unit| Owner::Unit(unit.id.clone())).collect()
        }
        Targets::List(list) => list.clone(),
    };
    targets.retain(|target| !matches!(target, Owner::Unit(id) if pool.exclude.contains(id)));
    targets.into_iter().collect()
}

fn weights_of(
    inputs: &Inputs<'_>,
    pool: &Pool,
    key: &Key,
    targets: &[Owner],
    base: &BTreeMap<Owner, Money>,
    given: &BTreeMap<Owner, Money>,
) -> Result<Weighing, AllocateError> {
    let money = |map: &BTreeMap<Owner, Money>, target: &Owner| map.get(target).copied().unwrap_or_default().units();
    let (weights, unit, unit_name, scaled): (Vec<i128>, &'static str, String, bool) = match key {
        Key::Proportional { base: Base::EffectiveDirect } => {
            (targets.iter().map(|target| money(base, target)).collect(), "effective_direct", String::new(), true)
        }
        Key::Proportional { base: Base::EffectiveDirectAndEarlierPools } => {
            let sum = |target| money(base, target) + money(given, target);
            (targets.iter().map(sum).collect(), "effective_direct+earlier_pools", String::new(), true)
        }
        Key::Even => (vec![1; targets.len()], "even", String::new(), false),
        Key::Fixed { weights } => {
            (targets.iter().map(|target| weights.get(target).copied().unwrap_or(0)).collect(), "fixed", String::new(), false)
        }
        Key::Headcount => (driver_weights(inputs, pool, "headcount", targets)?, "headcount", String::new(), true),
        Key::Usage { driver } => (driver_weights(inputs, pool, driver, targets)?, "usage", driver.clone(), true),
    };
    Ok(Weighing { targets: targets.to_vec(), weights, unit, unit_name, scaled })
}

fn driver_weights(inputs: &Inputs<'_>, pool: &Pool, id: &str, targets: &[Owner]) -> Result<Vec<i128>, AllocateError> {
    let driver = inputs.configuration.drivers.get(id).ok_or_else(|| AllocateError::NoDriver {
        pool: pool.id.clone(),
        driver: id.to_owned(),
        period: inputs.period,
    })?;
    let missing: Vec<String> = targets
        .iter()
        .filter(|target| !driver.values.contains_key(*target))
        .map(|target| match target {
            Owner::Unit(id) => id.clone(),
            Owner::Pool(id) => format!("pool:{id}"),
        })
        .collect();
    if !missing.is_empty() {
        return Err(AllocateError::DriverLacks {
            pool: pool.id.clone(),
            driver: id.to_owned(),
            period: inputs.period,
            missing: missing.join(", "),
        });
    }
    Ok(targets.iter().map(|target| driver.values[target].units()).collect())
}

/// Applies minimum and cap to the pool's magnitude in the period; without either the weights themselves are the shares.
fn limits_of(pool: &Pool, weighing: &Weighing, total: Money) -> Result<Vec<i128>, AllocateError> {
    let limit = |own: &BTreeMap<String, Money>, general: Option<Money>, target: &Owner| match target {
        Owner::Unit(id) => own.get(id).copied().or(general).map(Money::units),
        Owner::Pool(_) => None,
    };
    let caps: Vec<Option<i128>> = weighing.targets.iter().map(|target| limit(&pool.caps, pool.cap, target)).collect();
    let minimums: Vec<i128> =
        weighing.targets.iter().map(|target| limit(&pool.minimums, pool.minimum, target).unwrap_or(0)).collect();
    if caps.iter().all(Option::is_none) && minimums.iter().all(|minimum| *minimum == 0) {
        return Ok(weighing.weights.clone());
    }
    let magnitude = total.abs().units();
    let needed: i128 = minimums.iter().sum();
    if needed > magnitude {
        return Err(AllocateError::MinimumsTooHigh {
            pool: pool.id.clone(),
            sum: Money::from_units(needed),
            magnitude: total.abs(),
        });
    }
    if let Some(sum) = caps.iter().copied().sum::<Option<i128>>().filter(|sum| *sum < magnitude) {
        return Err(AllocateError::CapsTooLow { pool: pool.id.clone(), sum: Money::from_units(sum), magnitude: total.abs() });
    }
    let shares = limited_split(magnitude, &weighing.weights, &minimums, &caps)
        .map_err(|rest| AllocateError::CapsLeaveRest { pool: pool.id.clone(), rest: Money::from_units(rest) })?;
    // A period total of nothing has no shares: its invoices cancel out and are split by the weights.
    if positive_sum(&shares) == 0 { Ok(weighing.weights.clone()) } else { Ok(shares) }
}

/// Splits `total >= 0` by weights within caps, then minimums; what they free or need is split again by the same weights until
/// nothing changes. `Err` holds what no one could take, because those below their cap all weigh nothing.
pub fn limited_split(total: i128, weights: &[i128], minimums: &[i128], caps: &[Option<i128>]) -> Result<Vec<i128>, i128> {
    let mut at_minimum = vec![false; weights.len()];
    loop {
        let reserved: i128 = minimums.iter().zip(&at_minimum).filter(|(_, held)| **held).map(|(minimum, _)| *minimum).sum();
        let free: Vec<i128> = weights.iter().zip(&at_minimum).map(|(weight, held)| if *held { 0 } else { *weight }).collect();
        let mut amounts = capped_split(total - reserved, &free, caps)?;
        let mut changed = false;
        for index in 0..amounts.len() {
            if at_minimum[index] {
                amounts[index] = minimums[index];
            } else if amounts[index] < minimums[index] {
                at_minimum[index] = true;
                changed = true;
            }
        }
        if !changed {
            return Ok(amounts);
        }
    }
}

fn capped_split(total: i128, weights: &[i128], caps: &[Option<i128>]) -> Result<Vec<i128>, i128> {
    let mut at_cap = vec![false; weights.len()];
    loop {
        let held: i128 = caps.iter().zip(&at_cap).filter(|(_, held)| **held).filter_map(|(cap, _)| *cap).sum();
        let free: Vec<i128> = weights.iter().zip(&at_cap).map(|(weight, held)| if *held { 0 } else { *weight }).collect();
        let rest = total - held;
        let mut amounts = match split_integer(rest, &free) {
            Some(amounts) => amounts,
            None if rest == 0 => vec![0; weights.len()],
            None => return Err(rest),
        };
        let mut changed = false;
        for index in 0..amounts.len() {
            match caps[index] {
                Some(cap) if at_cap[index] => amounts[index] = cap,
                Some(cap) if amounts[index] > cap => {
                    at_cap[index] = true;
                    changed = true;
                }
                _ => {}
            }
        }
        if !changed {
            return Ok(amounts);
        }
    }
}
