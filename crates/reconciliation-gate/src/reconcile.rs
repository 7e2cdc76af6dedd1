//! Proves the staged ledger: per invoice, to the cent, from its rows alone.

use crate::{Context, Error, Output, freeze, read_staged, write_staged};
use apportion_core::allocate::{Note, invoice_of};
use apportion_core::bill::{Family, RollupRow};
use apportion_core::close::{CloseFacts, Compared, InvoiceLine, Reconciliation, Run, Totals};
use apportion_core::ledger::{InvoiceKey, LedgerRow};
use apportion_core::money::Money;
use apportion_core::reconcile::{bridge, check_ledger};
use apportion_output::{read_ledger_csv, read_rollup_csv};
use apportion_runtime::metrics::{self, Figure, Unit};
use std::collections::BTreeMap;

pub(crate) async fn reconcile(context: &Context, run: &Run) -> Result<Output, Error> {
    let compared: Compared = read_staged(context, &run.staging, "compared.json").await?;
    let facts: CloseFacts = read_staged(context, &run.staging, "close.json").await?;
    let notes: Vec<Note> = read_staged(context, &run.staging, "notes.json").await?;
    let (_, ledger) = read_ledger_csv(&context.work.get(&format!("{}close/ledger.csv", run.staging)).await?)
        .map_err(|error| Error::Staging(error.to_string()))?;
    let (_, rollup) = read_rollup_csv(&context.work.get(&format!("{}rollup.csv", run.staging)).await?)
        .map_err(|error| Error::Staging(error.to_string()))?;
    let rows: Vec<RollupRow> = rollup
        .into_iter()
        .filter(|row| row.billing_period == run.period.to_string() && row.currency == compared.currency)
        .collect();
    let report = report(run, compared, &facts, notes, &ledger, &rows);
    let passed = report.passed;
    let delta: Money = report.invoices.iter().map(|invoice| invoice.difference.abs()).sum();
    metrics::emit([
        Figure::new("ReconciliationDelta", Unit::None, delta),
        Figure::new("ReconciliationViolations", Unit::Count, report.violations.len() + report.unbilled.len()),
    ]);
    if passed {
        freeze::parts(context, run, &facts).await?;
    }
    write_staged(context, &run.staging, "close/reconciliation.json", &report).await?;
    Ok(Output::Reconciled { passed })
}

fn report(
    run: &Run,
    compared: Compared,
    facts: &CloseFacts,
    notes: Vec<Note>,
    ledger: &[LedgerRow],
    rows: &[RollupRow],
) -> Reconciliation {
    let mut violations = check_ledger(ledger, &compared.controls, compared.minor_exponent);
    violations.extend(check_bill(rows, &compared));
    let mut cents: BTreeMap<&InvoiceKey, i128> = BTreeMap::new();
    for row in ledger {
        *cents.entry(&row.key.invoice).or_default() += row.cents;
    }
    let invoices: Vec<InvoiceLine> = compared
        .controls
        .iter()
        .map(|control| {
            let ledger_cents = cents.get(&control.key).copied().unwrap_or(0);
            InvoiceLine {
                provider: (&control.key.provider).into(),
                issuer: (&control.key.issuer).into(),
                billing_account_id: (&control.key.billing_account_id).into(),
                invoice_id: (&control.key.invoice_id).into(),
                source: control.source,
                rows: control.rows,
                bill: control.bill,
                invoice: control.invoice,
                difference: control.difference,
                tolerance: control.tolerance,
                ledger_cents,
                tax: control.tax.clone(),
                details: control.details.clone(),
                passed: !violations.iter().any(|violation| violation.invoice == control.key),
            }
        })
        .collect();
    let other_family = other_family(rows, &compared);
    Reconciliation {
        period: run.period,
        close: facts.close.clone(),
        provisional: run.provisional,
        currency: compared.currency.clone(),
        passed: violations.is_empty() && compared.unbilled.is_empty(),
        totals: Totals {
            bill_cash: rows.iter().map(|row| row.cash.of(compared.family)).sum(),
            bill_effective: rows.iter().map(|row| row.effective.of(compared.family)).sum(),
            ledger_cash: ledger.iter().map(|row| row.cash).sum(),
            ledger_effective: ledger.iter().map(|row| row.effective).sum(),
            ledger_cents: ledger.iter().map(|row| row.cents).sum(),
            units: facts.units.len(),
            ledger_rows: ledger.len(),
        },
        bridge: bridge(rows, compared.family),
        invoices,
        violations,
        unbilled: compared.unbilled,
        other_family,
        notes,
        statements: compared.statements,
        ignored: compared.ignored,
        other_periods: compared.other_periods,
        other_currencies: compared.other_currencies,
        lossy_rows: compared.lossy_rows,
        rows: compared.rows,
    }
}

/// The control totals must still be those of the rollup that was allocated, and effective cost must be kept too.
fn check_bill(rows: &[RollupRow], compared: &Compared) -> Vec<apportion_core::reconcile::Violation> {
    let mut sums: BTreeMap<InvoiceKey, Money> = BTreeMap::new();
    for row in rows {
        *sums.entry(invoice_of(row)).or_default() += row.cash.of(compared.family);
    }
    compared
        .controls
        .iter()
        .filter_map(|control| {
            let found = sums.get(&control.key).copied().unwrap_or_default();
            (found != control.bill).then(|| apportion_core::reconcile::Violation {
                invoice: control.key.clone(),
                unit_id: String::new(),
                step: "rollup to bill".to_owned(),
                expected: control.bill.to_string(),
                found: found.to_string(),
            })
        })
        .collect()
}

/// For invoices beyond tolerance: what the other cost family sums to.
fn other_family(rows: &[RollupRow], compared: &Compared) -> BTreeMap<String, Money> {
    let other = match compared.family {
        Family::Unblended => Family::Net,
        Family::Net => Family::Unblended,
    };
    let mut sums = BTreeMap::new();
    for control in compared.controls.iter().filter(|control| !control.passed) {
        let of_invoice = rows.iter().filter(|row| invoice_of(row) == control.key);
        sums.insert((&control.key.invoice_id).into(), of_invoice.map(|row| row.cash.of(other)).sum());
    }
    sums
}
