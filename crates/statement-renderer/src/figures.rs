//! What the statements of a close are made from, and the totals of it that every statement needs.

use crate::change;
use crate::close::StatementError;
use apportion_core::allocate::Note;
use apportion_core::ledger::{Component, InvoiceKey, LedgerRow, PoolSource};
use apportion_core::model::{Configuration, UNTAGGED};
use apportion_core::money::Money;
use apportion_core::period::Period;
use apportion_core::reconcile::{BridgeLine, Control};
use apportion_core::text::Text;
use std::collections::{BTreeMap, BTreeSet};

/// What the statements of a close are made from.
pub struct Figures<'a> {
    pub period: Period,
    /// `""` if there is none yet.
    pub close_id: &'a str,
    pub provisional: bool,
    pub currency: &'a str,
    /// Decimal places of the currency's minor unit: 2 for USD.
    pub minor_exponent: u32,
    pub configuration: &'a Configuration,
    /// Account id -> name, from the bill or the organization.
    pub account_names: &'a BTreeMap<String, String>,
    /// The whole ledger, in its own order.
    pub rows: &'a [LedgerRow],
    /// One for each invoice.
    pub controls: &'a [Control],
    /// Where the pools' money came from; may be empty, then statements do not say what tagging would save.
    pub pool_sources: &'a [PoolSource],
    pub previous: Option<Previous<'a>>,
    /// What the closes before this one charged in the same year; `None` if this is the year's first.
    pub year: Option<&'a Year>,
    /// What was paid for each commitment and what of it was consumed; for the summary.
    pub bridge: &'a [BridgeLine],
    /// What is right by the rules and should be seen; for the summary.
    pub notes: &'a [Note],
}

/// The closes of a year before the present one, summed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Year {
    /// The earliest of them.
    pub first: Period,
    /// How many.
    pub closes: usize,
    /// Unit, component, pool (`""` if none) -> whole minor units.
    pub charged: BTreeMap<(Text, Component, Text), i128>,
}

impl Year {
    /// Adds the ledger of one more close.
    pub fn add(year: Option<Year>, period: Period, rows: &[LedgerRow]) -> Year {
        let mut year = year.unwrap_or_else(|| Year { first: period, closes: 0, charged: BTreeMap::new() });
        year.first = year.first.min(period);
        year.closes += 1;
        for row in rows {
            let key = (row.key.unit_id.clone(), row.key.component, row.key.pool_id.clone());
            *year.charged.entry(key).or_default() += row.cents;
        }
        year
    }
}

/// The close before this one.
#[derive(Clone, Copy)]
pub struct Previous<'a> {
    pub period: Period,
    pub close_id: &'a str,
    /// Its whole ledger.
    pub rows: &'a [LedgerRow],
    /// Its configuration, for telling changed rules from changed numbers; without it only the rules' ids tell.
    pub configuration: Option<&'a Configuration>,
}

/// What a pool came to, over all units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PoolTotal {
    pub cents: i128,
    pub units: usize,
}

/// Rows by unit of one ledger.
pub(crate) struct Ledger<'a> {
    pub by_unit: BTreeMap<&'a str, Vec<&'a LedgerRow>>,
}

impl<'a> Ledger<'a> {
    pub fn new(rows: &'a [LedgerRow]) -> Ledger<'a> {
        let mut by_unit: BTreeMap<&str, Vec<&LedgerRow>> = BTreeMap::new();
        for row in rows {
            by_unit.entry(&row.key.unit_id).or_default().push(row);
        }
        Ledger { by_unit }
    }

    pub fn rows_of(&self, unit: &str) -> &[&'a LedgerRow] {
        self.by_unit.get(unit).map(Vec::as_slice).unwrap_or_default()
    }
}

/// What every statement of a close needs and none of them changes: made once for all shards.
pub(crate) struct Totals {
    pub invoice_cents: BTreeMap<InvoiceKey, i128>,
    pub pools: BTreeMap<String, PoolTotal>,
    pub previous_pools: BTreeMap<String, PoolTotal>,
    /// Account and service of direct cost that a changed rule touches.
    pub moved: BTreeSet<(Text, Text)>,
    /// What all units bear of direct cost that nobody tagged.
    pub untagged_total: i128,
    /// Unit -> untagged cash in the accounts that are mostly its own.
    pub own_untagged: BTreeMap<String, BTreeMap<String, Money>>,
    /// Cash that pools handed to pools.
    pub handed: BTreeMap<Handed, Money>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Handed {
    pub from: Text,
    pub to: Text,
    pub component: Component,
}

impl Totals {
    /// Sums the figures and proves them: ledger cents equal the invoice's, invoice by invoice.
    pub fn new(figures: &Figures<'_>) -> Result<Totals, StatementError> {
        let mut invoice_cents: BTreeMap<InvoiceKey, i128> = BTreeMap::new();
        for row in figures.rows {
            match invoice_cents.get_mut(&row.key.invoice) {
                Some(sum) => *sum += row.cents,
                None => drop(invoice_cents.insert(row.key.invoice.clone(), row.cents)),
            }
        }
        let known: BTreeSet<&InvoiceKey> = figures.controls.iter().map(|control| &control.key).collect();
        for (key, cents) in &invoice_cents {
            if !known.contains(key) && *cents != 0 {
                return Err(StatementError::InvoiceUnknown { invoice: (&key.invoice_id).into() });
            }
        }
        for control in figures.controls {
            let ledger = invoice_cents.get(&control.key).copied().unwrap_or(0);
            if ledger != control.cents {
                let invoice = String::from(&control.key.invoice_id);
                return Err(StatementError::InvoiceDiffers { invoice, ledger, payable: control.cents });
            }
        }
        let mut handed: BTreeMap<Handed, Money> = BTreeMap::new();
        for source in figures.pool_sources.iter().filter(|source| !source.from_pool_id.is_empty()) {
            let PoolSource { from_pool_id, pool_id, component, .. } = source;
            let key = Handed { from: from_pool_id.clone(), to: pool_id.clone(), component: *component };
            *handed.entry(key).or_default() += source.cash;
        }
        Ok(Totals {
            invoice_cents,
            pools: pool_totals(figures.rows),
            previous_pools: figures.previous.map(|previous| pool_totals(previous.rows)).unwrap_or_default(),
            moved: figures.previous.map(|before| change::moved_by_rules(figures, &before)).unwrap_or_default(),
            untagged_total: figures.rows.iter().filter(|row| is_untagged(row)).map(|row| row.cents).sum(),
            own_untagged: own_untagged(figures),
            handed,
        })
    }
}

fn pool_totals(rows: &[LedgerRow]) -> BTreeMap<String, PoolTotal> {
    let mut sums: BTreeMap<&str, (i128, BTreeSet<&str>)> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.key.pool_id.is_empty()) {
        let sum = sums.entry(&row.key.pool_id).or_default();
        sum.0 += row.cents;
        sum.1.insert(&row.key.unit_id);
    }
    sums.into_iter().map(|(id, (cents, units))| (id.to_owned(), PoolTotal { cents, units: units.len() })).collect()
}

/// Direct cost that came through the untagged pool; support, tax and the like that a rule sends there are not for want of a tag.
pub(crate) fn is_untagged(row: &LedgerRow) -> bool {
    row.key.pool_id == UNTAGGED && matches!(row.key.component, Component::Pool | Component::Direct)
}

/// Untagged cash by account, for the unit with most direct cost in that account (ties: the first by id).
fn own_untagged(figures: &Figures<'_>) -> BTreeMap<String, BTreeMap<String, Money>> {
    let mut direct: BTreeMap<&str, BTreeMap<&str, Money>> = BTreeMap::new();
    for row in figures.rows.iter().filter(|row| row.key.pool_id.is_empty() && row.key.component == Component::Direct) {
        *direct.entry(&row.key.account_id).or_default().entry(&row.key.unit_id).or_default() += row.effective;
    }
    let mut own: BTreeMap<String, BTreeMap<String, Money>> = BTreeMap::new();
    let is_own = |source: &&PoolSource| {
        let is_direct = matches!(source.component, Component::Pool | Component::Direct);
        source.pool_id == UNTAGGED && source.from_pool_id.is_empty() && is_direct
    };
    for source in figures.pool_sources.iter().filter(is_own) {
        let units = direct.get(source.account_id.as_str());
        let main = units.and_then(|units| units.iter().rev().max_by_key(|(_, amount)| **amount));
        if let Some((unit, _)) = main.filter(|(_, amount)| **amount > Money::ZERO) {
            *own.entry((*unit).to_owned()).or_default().entry((&source.account_id).into()).or_default() += source.cash;
        }
    }
    own
}
