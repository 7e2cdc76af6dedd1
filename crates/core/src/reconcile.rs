//! Does the bill equal the invoices, and the ledger both, to the cent?
//!
//! [`controls`] compares bill and invoices before anything is allocated; [`check_ledger`] proves the staged ledger afterwards,
//! from its rows alone.

use crate::allocate::{invoice_of, largest_remainder_minor};
use crate::bill::{Family, Kind, RollupRow};
use crate::ledger::{InvoiceKey, LedgerRow};
use crate::money::{Money, SCALE};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Provider whose invoices the invoices file holds.
pub const AWS: &str = "AWS";

/// What an issuer says is payable: one invoice or credit memo of the invoices file, in the bill's currency and period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceTotal {
    pub invoice_id: String,
    /// `INVOICE`, `CREDIT_MEMO`, `PAYMENT_RECEIPT`, a tax invoice, …
    pub invoice_type: String,
    /// As the file has it; the sign of a credit memo is applied by [`InvoiceTotal::payable`].
    pub total: Money,
    pub before_tax: Option<Money>,
    pub account_id: String,
    pub issuer: String,
    pub details: InvoiceDetails,
}

/// What an invoice says beside its total, for those who pay it. Texts are `""` where the file has none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InvoiceDetails {
    /// Legal seller, as the file names it.
    pub issuer: String,
    pub purchase_order: String,
    /// `YYYY-MM-DD`.
    pub issued: String,
    /// `YYYY-MM-DD`.
    pub due: String,
    /// ISO 4217.
    pub payment_currency: String,
    /// Payable in the payment currency; a credit memo counts as minus its magnitude.
    pub payment_total: Option<Money>,
    /// Units of the payment currency for one of the invoice's, a decimal text as the file has it.
    pub exchange_rate: String,
}

impl InvoiceTotal {
    /// A credit memo counts as minus its magnitude.
    pub fn payable(&self) -> Money {
        self.signed(self.total)
    }

    fn signed(&self, amount: Money) -> Money {
        if self.invoice_type == "CREDIT_MEMO" { -amount.abs() } else { amount }
    }

    fn is_receipt(&self) -> bool {
        self.invoice_type == "PAYMENT_RECEIPT"
    }

    fn is_tax_invoice(&self) -> bool {
        self.invoice_type.contains("TAX")
    }
}

/// Where an invoice's control total comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlSource {
    /// The invoices file.
    Invoice,
    /// The bill's own sum, rounded to minor units: no invoice of this issuer was given.
    Bill,
    /// Several issuers or accounts of the bill share the invoice id; this one carries its own rounded sum.
    BillSharedId,
}

/// Tax of an invoice, compared apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxControl {
    pub bill: Money,
    pub invoice: Money,
    pub difference: Money,
    pub tolerance: Money,
    pub passed: bool,
}

/// One invoice: what the bill says, what the issuer says, and whether that is close enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    pub key: InvoiceKey,
    pub source: ControlSource,
    pub rows: i64,
    pub bill: Money,
    pub invoice: Money,
    /// `invoice - bill`, booked as component `rounding`.
    pub difference: Money,
    pub tolerance: Money,
    /// What the invoice comes to in minor units.
    pub cents: i128,
    pub tax: Option<TaxControl>,
    /// Of the invoices file, if it has the invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<InvoiceDetails>,
    pub passed: bool,
}

/// Bill against invoices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Controls {
    /// Sorted by key.
    pub controls: Vec<Control>,
    /// What must arrive before the close: not ready while this is not empty.
    pub awaited: Vec<String>,
    /// Invoices with an amount that the bill lacks: does not reconcile.
    pub unbilled: Vec<String>,
    /// What the file holds and the close leaves out, with the reason.
    pub ignored: Vec<String>,
}

/// How a close compares.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    pub family: Family,
    pub minor_exponent: u32,
    /// Lowers the ceiling of [`ceiling`].
    pub tolerance: Option<Money>,
    pub tax_tolerance: Option<Money>,
    /// A provisional close goes by the bill where an invoice is missing.
    pub provisional: bool,
}

/// The greatest difference that may be rounding: `max(100 subunits, sqrt(rows) x 0.5 subunit)`, as FOCUS has it, cut at 1e-12.
pub fn ceiling(rows: i64, minor_exponent: u32) -> Money {
    let subunit = 10i128.pow(SCALE - minor_exponent);
    let half = (subunit / 2) as u128;
    let root = (half * half * rows.max(0) as u128).isqrt() as i128;
    Money::from_units(root.max(100 * subunit))
}

#[derive(Default, Clone, Copy)]
struct BillSum {
    rows: i64,
    cash: Money,
    tax: Money,
}

/// Compares every invoice of the bill with the invoices file, if there is one.
pub fn controls(rows: &[RollupRow], invoices: Option<&[InvoiceTotal]>, how: &Comparison) -> Controls {
    let mut sums: BTreeMap<InvoiceKey, BillSum> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(invoice_of(row)).or_default();
        sum.rows += row.rows;
        sum.cash += row.cash.of(how.family);
        if row.kind == Kind::Tax {
            sum.tax += row.cash.of(how.family);
        }
    }
    let mut result = Controls::default();
    let Some(invoices) = invoices else {
        result.controls = sums.into_iter().map(|(key, sum)| own_sum(key, sum, ControlSource::Bill, how)).collect();
        return result;
    };
    let mut by_id: BTreeMap<&str, Vec<(&InvoiceKey, &BillSum)>> = BTreeMap::new();
    for (key, sum) in &sums {
        if key.provider == AWS && !key.invoice_id.is_empty() {
            by_id.entry(&key.invoice_id).or_default().push((key, sum));
        } else {
            result.controls.push(own_sum(key.clone(), *sum, ControlSource::Bill, how));
        }
    }
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for invoice in invoices {
        let id = invoice.invoice_id.as_str();
        let billed = by_id.get(id).filter(|_| !invoice.is_receipt());
        match billed {
            Some(billed) => {
                seen.insert(id);
                result.controls.extend(against_invoice(invoice, billed, how));
            }
            None if invoice.is_receipt() => result.ignored.push(format!("{id}: a payment receipt bills nothing")),
            None if invoice.is_tax_invoice() => result.ignored.push(format!("{id}: a tax invoice that the bill does not name")),
            None if invoice.payable().is_zero() => {}
            None => result
                .unbilled
                .push(format!("{id}: {} is payable by the invoices file, and the bill has no line of it", invoice.payable())),
        }
    }
    for (id, billed) in by_id.iter().filter(|(id, _)| !seen.contains(*id)) {
        if how.provisional {
            result.controls.extend(billed.iter().map(|(key, sum)| own_sum((*key).clone(), **sum, ControlSource::Bill, how)));
        }
        result.awaited.push(format!("the invoice {id}, which the bill names and the invoices file lacks"));
    }
    result.controls.sort_by(|a, b| a.key.cmp(&b.key));
    result
}

/// The bill's own sum, rounded to minor units, as control total.
fn own_sum(key: InvoiceKey, sum: BillSum, source: ControlSource, how: &Comparison) -> Control {
    let cents = sum.cash.round_to_minor(how.minor_exponent);
    let invoice = Money::from_minor(cents, how.minor_exponent);
    let tolerance = limit(how.tolerance, sum.rows, how.minor_exponent);
    Control {
        key,
        source,
        rows: sum.rows,
        bill: sum.cash,
        invoice,
        difference: invoice - sum.cash,
        tolerance,
        cents,
        tax: None,
        details: None,
        passed: true,
    }
}

fn limit(configured: Option<Money>, rows: i64, minor_exponent: u32) -> Money {
    let ceiling = ceiling(rows, minor_exponent);
    configured.map_or(ceiling, |configured| configured.min(ceiling))
}

/// One invoice of the file against its lines. Where several keys of the bill share the id, the largest carries the difference.
fn against_invoice(invoice: &InvoiceTotal, billed: &[(&InvoiceKey, &BillSum)], how: &Comparison) -> Vec<Control> {
    let carrier = billed
        .iter()
        .enumerate()
        .max_by(|(left, a), (right, b)| a.1.cash.abs().cmp(&b.1.cash.abs()).then(right.cmp(left)))
        .map_or(0, |(index, _)| index);
    let rows: i64 = billed.iter().map(|(_, sum)| sum.rows).sum();
    let bill: Money = billed.iter().map(|(_, sum)| sum.cash).sum();
    let tax: Money = billed.iter().map(|(_, sum)| sum.tax).sum();
    let tolerance = limit(how.tolerance, rows, how.minor_exponent);
    let tax = invoice.before_tax.map(|before| {
        let stated = invoice.signed(invoice.total - before);
        let tolerance = limit(how.tax_tolerance, rows, how.minor_exponent);
        let difference = stated - tax;
        TaxControl { bill: tax, invoice: stated, difference, tolerance, passed: difference.abs() <= tolerance }
    });
    let passed = (invoice.payable() - bill).abs() <= tolerance;
    let mut others = Money::ZERO;
    let mut list: Vec<Control> = Vec::with_capacity(billed.len());
    for (index, (key, sum)) in billed.iter().enumerate() {
        if index != carrier {
            let mut control = own_sum((*key).clone(), **sum, ControlSource::BillSharedId, how);
            control.details = Some(invoice.details.clone());
            others += control.invoice;
            list.push(control);
        }
    }
    let (key, sum) = billed[carrier];
    let stated = invoice.payable() - others;
    list.push(Control {
        key: key.clone(),
        source: ControlSource::Invoice,
        rows: sum.rows,
        bill: sum.cash,
        invoice: stated,
        difference: stated - sum.cash,
        tolerance,
        cents: stated.round_to_minor(how.minor_exponent),
        passed: passed && tax.as_ref().is_none_or(|tax| tax.passed),
        tax,
        details: Some(invoice.details.clone()),
    });
    list
}

/// A cent that is not where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    pub invoice: InvoiceKey,
    /// `""` where the whole invoice is meant.
    pub unit_id: String,
    /// `bill to invoice`, `invoice to ledger`, `invoice to units`, `units to lines`.
    pub step: String,
    pub expected: String,
    pub found: String,
}

/// Proves a ledger against the control totals: cash and cents per invoice, then cents per unit, by its rows alone.
pub fn check_ledger(rows: &[LedgerRow], controls: &[Control], minor_exponent: u32) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut units: BTreeMap<&InvoiceKey, BTreeMap<&str, (Money, i128)>> = BTreeMap::new();
    for row in rows {
        let entry = units.entry(&row.key.invoice).or_default().entry(&row.key.unit_id).or_default();
        entry.0 += row.cash;
        entry.1 += row.cents;
    }
    let known: BTreeSet<&InvoiceKey> = controls.iter().map(|control| &control.key).collect();
    for invoice in units.keys().filter(|invoice| !known.contains(**invoice)) {
        violations.push(violation(invoice, "", "invoice to ledger", "no such invoice".into(), "ledger rows".into()));
    }
    for control in controls {
        if !control.passed {
            let (expected, found) = (control.invoice.to_string(), control.bill.to_string());
            violations.push(violation(&control.key, "", "bill to invoice", expected, found));
        }
        let empty = BTreeMap::new();
        let by_unit = units.get(&control.key).unwrap_or(&empty);
        let cash: Money = by_unit.values().map(|(cash, _)| *cash).sum();
        let cents: i128 = by_unit.values().map(|(_, cents)| *cents).sum();
        if cash != control.invoice {
            violations.push(violation(&control.key, "", "invoice to ledger", control.invoice.to_string(), cash.to_string()));
        }
        if cents != control.cents {
            let expected = Money::minor_to_string(control.cents, minor_exponent);
            let found = Money::minor_to_string(cents, minor_exponent);
            violations.push(violation(&control.key, "", "invoice to units", expected, found));
        }
        let sums: Vec<Money> = by_unit.values().map(|(cash, _)| *cash).collect();
        let Some(shares) = largest_remainder_minor(control.cents, &sums, minor_exponent) else { continue };
        for ((unit, (_, cents)), share) in by_unit.iter().zip(shares) {
            if *cents != share {
                let expected = Money::minor_to_string(share, minor_exponent);
                let found = Money::minor_to_string(*cents, minor_exponent);
                violations.push(violation(&control.key, unit, "units to lines", expected, found));
            }
        }
    }
    violations
}

fn violation(invoice: &InvoiceKey, unit_id: &str, step: &str, expected: String, found: String) -> Violation {
    Violation { invoice: invoice.clone(), unit_id: unit_id.to_owned(), step: step.to_owned(), expected, found }
}

/// Effective + true-up + upfront = cash, for one payer and commitment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeLine {
    pub provider: String,
    pub billing_account_id: String,
    /// `""` for everything that no commitment touches.
    pub commitment_id: String,
    pub effective: Money,
    pub true_up: Money,
    pub upfront: Money,
    pub cash: Money,
    /// `cash - (effective + true_up + upfront)`: a warning where it is not zero.
    pub residual: Money,
    /// Part of `effective` that was paid for and not used.
    #[serde(default)]
    pub unused: Money,
}

/// The bridge from effective to cash. Doubles that do not add up in the bill show as residuals.
pub fn bridge(rows: &[RollupRow], family: Family) -> Vec<BridgeLine> {
    let mut lines: BTreeMap<(&str, &str, &str), [Money; 5]> = BTreeMap::new();
    for row in rows {
        let key = (row.provider.as_str(), row.billing_account_id.as_str(), row.commitment_id.as_str());
        let sums = lines.entry(key).or_default();
        for (sum, measure) in sums.iter_mut().zip([row.effective, row.true_up, row.upfront, row.cash]) {
            *sum += measure.of(family);
        }
        if matches!(row.kind, Kind::CommitmentFee | Kind::Unused) {
            sums[4] += row.effective.of(family);
        }
    }
    lines
        .into_iter()
        .map(|((provider, account, commitment), [effective, true_up, upfront, cash, unused])| BridgeLine {
            provider: provider.to_owned(),
            billing_account_id: account.to_owned(),
            commitment_id: commitment.to_owned(),
            effective,
            true_up,
            upfront,
            cash,
            residual: cash - effective - true_up - upfront,
            unused,
        })
        .collect()
}
