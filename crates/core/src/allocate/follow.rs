//! What discounts, tax and rounding follow: the cash of charges, by owner.

use super::{Portion, Split};
use crate::ledger::{Component, InvoiceKey};
use crate::model::Owner;
use crate::money::Money;
use crate::text::Text;
use std::collections::BTreeMap;

/// How near the charges are that something follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Same invoice, account and product.
    Product,
    /// Same invoice and account.
    Account,
    /// Same invoice.
    Invoice,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Product => "follow_product",
            Level::Account => "follow_account",
            Level::Invoice => "follow_invoice",
        }
    }
}

type Owners = BTreeMap<Owner, Money>;

/// Cash of charges by owner, at every level.
pub(super) struct Weights {
    product: BTreeMap<(InvoiceKey, Text, Text), Owners>,
    account: BTreeMap<(InvoiceKey, Text), Owners>,
    invoice: BTreeMap<InvoiceKey, Owners>,
}

/// Charges are what is bought; discounts, tax, credits, refunds and rounding are not.
fn is_charge(component: Component) -> bool {
    !matches!(
        component,
        Component::Discount
            | Component::Tax
            | Component::Credit
            | Component::Refund
            | Component::Rounding
            | Component::Adjustment
    )
}

impl Weights {
    pub fn of_charges(portions: &[Portion<'_>]) -> Weights {
        let mut product: BTreeMap<(InvoiceKey, Text, Text), Owners> = BTreeMap::new();
        for portion in portions.iter().filter(|portion| is_charge(portion.component)) {
            let key = (portion.invoice.clone(), portion.account_id.clone(), portion.service.clone());
            *product.entry(key).or_default().entry(portion.owner.clone()).or_default() += portion.cash;
        }
        let mut account: BTreeMap<(InvoiceKey, Text), Owners> = BTreeMap::new();
        let mut invoice: BTreeMap<InvoiceKey, Owners> = BTreeMap::new();
        for ((key, account_id, _), owners) in &product {
            for (owner, cash) in owners {
                *account.entry((key.clone(), account_id.clone())).or_default().entry(owner.clone()).or_default() += *cash;
                *invoice.entry(key.clone()).or_default().entry(owner.clone()).or_default() += *cash;
            }
        }
        Weights { product, account, invoice }
    }

    pub fn at(&self, level: Level, invoice: &InvoiceKey, account_id: &Text, service: &Text) -> Option<&Owners> {
        match level {
            Level::Product => self.product.get(&(invoice.clone(), account_id.clone(), service.clone())),
            Level::Account => self.account.get(&(invoice.clone(), account_id.clone())),
            Level::Invoice => self.invoice.get(invoice),
        }
    }
}

/// Sum of the weights that count.
pub(super) fn positive_sum(weights: &[i128]) -> i128 {
    weights.iter().filter(|weight| **weight > 0).sum()
}

/// The record of a share of money-like weights.
pub(super) fn split_of(weight: i128, total: i128, unit: &'static str) -> Split {
    let part = weight.max(0);
    Split {
        value: plain(weight).into(),
        total: plain(total).into(),
        unit,
        unit_name: Text::default(),
        share: ratio(part, total).into(),
        part,
        of: total,
    }
}

/// Money units as the shortest plain decimal.
pub(super) fn plain(units: i128) -> String {
    let text = Money::from_units(units).to_string();
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// `part / whole` with twelve decimals, cut, for `0 <= part <= whole`; for reading only.
pub(super) fn ratio(part: i128, whole: i128) -> String {
    if whole <= 0 {
        return "0.000000000000".to_owned();
    }
    let (mut digits, mut rest) = (String::new(), (part % whole) as u128);
    let whole_u = whole as u128;
    for _ in 0..12 {
        // `rest` is below `whole`, itself below 1e38: ten times it may not fit, so add up.
        let mut digit = 0u8;
        let mut sum = 0u128;
        for _ in 0..10 {
            let room = whole_u - sum;
            if rest >= room {
                digit += 1;
                sum = rest - room;
            } else {
                sum += rest;
            }
        }
        digits.push((b'0' + digit) as char);
        rest = sum;
    }
    format!("{}.{digits}", part / whole)
}
