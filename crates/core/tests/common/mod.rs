//! Small bills and configurations, written as a person would say them.
#![allow(dead_code, clippy::unwrap_used)]

use apportion_core::allocate::{Allocation, Inputs, allocate, trace};
use apportion_core::bill::{Family, Kind, Measure, RollupRow, family};
use apportion_core::ledger::Component;
use apportion_core::model::*;
use apportion_core::money::Money;
use apportion_core::org::Organization;
use apportion_core::reconcile::{Comparison, Control, InvoiceTotal, controls};
use apportion_core::tags::{Dimension, Taxonomy};
use std::collections::BTreeMap;

pub fn money(text: &str) -> Money {
    text.parse().unwrap()
}

pub fn unit(id: &str) -> Unit {
    Unit { id: id.into(), name: format!("Unit {id}"), business_unit: "BU".into(), owners: vec![] }
}

pub fn to_unit(id: &str) -> Owner {
    Owner::Unit(id.into())
}

pub fn to_pool(id: &str) -> Owner {
    Owner::Pool(id.into())
}

/// A proportional pool over all units, with an even fallback.
pub fn pool(id: &str, key: Key) -> Pool {
    Pool {
        id: id.into(),
        name: id.into(),
        key,
        targets: Targets::All,
        exclude: Default::default(),
        minimum: None,
        cap: None,
        minimums: Default::default(),
        caps: Default::default(),
        fallback: Key::Even,
        effective: Effective::default(),
    }
}

pub fn proportional() -> Key {
    Key::Proportional { base: Base::EffectiveDirect }
}

/// Units A, B, C by tag `cost_center`; one untagged pool; tax, discounts follow; the rest to `untagged`.
pub fn configuration(units: &[&str]) -> Configuration {
    let rule = |method| SpecialRule { method, fallback: to_pool(UNTAGGED) };
    let special = SPECIAL
        .into_iter()
        .map(|component| {
            let method = match component {
                Component::Tax | Component::Discount | Component::Commitment => Method::Follow,
                Component::Marketplace | Component::Adjustment | Component::Unclassified | Component::Refund => Method::Owner,
                _ => Method::To(to_pool(UNTAGGED)),
            };
            (component, rule(method))
        })
        .collect();
    Configuration {
        taxonomy: Taxonomy {
            owner: "cost_center".into(),
            dimensions: vec![Dimension {
                name: "cost_center".into(),
                mandatory: true,
                aliases: BTreeMap::new(),
                fold_case: true,
                canonical: vec![],
                value_aliases: BTreeMap::new(),
            }],
        },
        units: units.iter().map(|id| unit(id)).collect(),
        line_rules: vec![],
        special,
        pools: vec![pool(UNTAGGED, proportional())],
        drivers: BTreeMap::new(),
        settings: Settings {
            currency: "USD".into(),
            each_currency: false,
            tolerance: None,
            tax_tolerance: None,
            organization: Default::default(),
        },
    }
}

pub fn row(kind: Kind, owner: &str, cash: &str, effective: &str) -> RollupRow {
    let same = |text: &str| Measure { unblended: money(text), net: money(text) };
    RollupRow {
        billing_period: "2026-09".into(),
        provider: "AWS".into(),
        issuer: "Amazon Web Services, Inc.".into(),
        billing_account_id: "100000000001".into(),
        invoice_id: "INV-1".into(),
        account_id: "100000000009".into(),
        service: "AmazonEC2".into(),
        charge_type: kind.as_str().into(),
        kind,
        commitment_id: Default::default(),
        currency: "USD".into(),
        organization_day: Default::default(),
        tags: vec![owner.into()],
        account_name: "acct".into(),
        cash: same(cash),
        effective: same(effective),
        true_up: Measure::default(),
        upfront: Measure::default(),
        list: Money::ZERO,
        rows: 1,
        cash_rows: 1,
        net_rows: 0,
        lossy_rows: 0,
        incomplete_rows: 0,
    }
}

pub fn usage(owner: &str, amount: &str) -> RollupRow {
    row(Kind::Usage, owner, amount, amount)
}

pub fn controls_of(rows: &[RollupRow], invoices: Option<&[InvoiceTotal]>) -> Vec<Control> {
    let how = Comparison { family: family(rows), minor_exponent: 2, tolerance: None, tax_tolerance: None, provisional: false };
    controls(rows, invoices, &how).controls
}

pub fn try_run(rows: &[RollupRow], configuration: &Configuration) -> Result<Allocation, apportion_core::allocate::AllocateError> {
    let controls = controls_of(rows, None);
    run_with(rows, configuration, &controls)
}

pub fn run_with(
    rows: &[RollupRow],
    configuration: &Configuration,
    controls: &[Control],
) -> Result<Allocation, apportion_core::allocate::AllocateError> {
    run_in(rows, configuration, controls, &Organization::default())
}

pub fn run_in(
    rows: &[RollupRow],
    configuration: &Configuration,
    controls: &[Control],
    org: &Organization,
) -> Result<Allocation, apportion_core::allocate::AllocateError> {
    let inputs = Inputs {
        period: "2026-09".parse().unwrap(),
        family: family(rows),
        rows,
        configuration,
        org,
        controls,
        minor_exponent: 2,
    };
    let allocation = allocate(&inputs)?;
    // Whatever is allocated in a test is traced too: the same rows, and nothing lost on the way.
    let traced = trace(&inputs)?;
    assert_eq!(traced.allocation, allocation);
    assert_eq!(traced.check(inputs.family), Vec::<String>::new());
    Ok(allocation)
}

pub fn run(rows: &[RollupRow], configuration: &Configuration) -> Allocation {
    try_run(rows, configuration).unwrap()
}

/// Sum over the rows that a filter takes: cash, effective, cents.
pub fn sum(allocation: &Allocation, keep: impl Fn(&apportion_core::ledger::LedgerRow) -> bool) -> (Money, Money, i128) {
    let mut total = (Money::ZERO, Money::ZERO, 0);
    for row in allocation.rows.iter().filter(|row| keep(row)) {
        total.0 += row.cash;
        total.1 += row.effective;
        total.2 += row.cents;
    }
    total
}

pub fn unit_cash(allocation: &Allocation, unit: &str) -> Money {
    sum(allocation, |row| row.key.unit_id == unit).0
}

pub const UNBLENDED: Family = Family::Unblended;
