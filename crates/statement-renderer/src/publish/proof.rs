//! Does a close, as its files stand, hold what it promises? Asked before it is signed, and by `verify` ever after.
//!
//! Only the files of the close are read: ledger, reconciliation, statements. What they were made from is another question.

use crate::statement_folder;
use apportion_core::close::{Reconciliation, minor_exponent};
use apportion_core::ledger::LedgerRow;
use apportion_core::money::Money;
use apportion_core::reconcile::{Control, check_ledger};
use apportion_output::{csv_columns, read_ledger_csv, read_ledger_parquet};
use apportion_store::{Store, StoreError};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::{BTreeMap, BTreeSet};

/// What does not hold, one sentence each; empty if all does.
pub type Findings = Vec<String>;

/// Checks the files below `prefix` (`""` or ending in `/`): both ledgers alike, cents and cash of each invoice, statements per unit.
pub async fn conservation(store: &Store, prefix: &str, period: &str, close: &str) -> Result<Findings, StoreError> {
    let mut findings = Vec::new();
    let read = async |name: &str| store.get(&format!("{prefix}{name}")).await;
    let ledger = match read_ledger_csv(&read("ledger.csv").await?) {
        Ok(ledger) => ledger,
        Err(error) => return Ok(vec![error.to_string()]),
    };
    match read_ledger_parquet(read("ledger.parquet").await?) {
        Ok(parquet) if parquet == ledger => {}
        Ok(_) => findings.push("ledger.parquet and ledger.csv have different rows".to_owned()),
        Err(error) => findings.push(error.to_string()),
    }
    let (ledger_period, rows) = ledger;
    if ledger_period.to_string() != period {
        findings.push(format!("ledger.csv is of {ledger_period}, the close of {period}"));
    }
    match serde_json::from_slice::<Reconciliation>(&read("reconciliation.json").await?) {
        Ok(report) => {
            if report.close != close || report.period.to_string() != period {
                findings.push(format!("reconciliation.json is of {} {}", report.period, report.close));
            }
            findings.extend(invoices(&rows, &report));
        }
        Err(error) => findings.push(format!("reconciliation.json: {error}")),
    }
    findings.extend(statements(store, prefix, &rows).await?);
    match store.get(&format!("{prefix}summary.csv")).await {
        Ok(bytes) => findings.extend(summary(&bytes, &rows)),
        Err(StoreError::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(findings)
}

/// The controller's summary sums to the ledger, by unit, invoice and component.
fn summary(bytes: &[u8], rows: &[LedgerRow]) -> Findings {
    type Sums = BTreeMap<[String; 3], i128>;
    let mut expected = Sums::new();
    for row in rows {
        let key = [(&row.key.unit_id).into(), (&row.key.invoice.invoice_id).into(), row.key.component.to_string()];
        *expected.entry(key).or_default() += row.cents;
    }
    let mut found = Sums::new();
    let lines = match csv_columns("summary.csv", bytes, &["unit_id", "invoice_id", "component", "cents"]) {
        Ok(lines) => lines,
        Err(error) => return vec![error.to_string()],
    };
    for line in lines {
        let [unit, invoice, component, cents] = line.as_slice() else { continue };
        match cents.parse::<i128>() {
            Ok(cents) => *found.entry([unit, invoice, component].map(String::clone)).or_default() += cents,
            Err(_) => return vec![format!("summary.csv: `{cents}` is not a count of minor units")],
        }
    }
    expected.retain(|_, cents| *cents != 0);
    found.retain(|_, cents| *cents != 0);
    let differs = |key: &&[String; 3]| expected.get(*key) != found.get(*key);
    let keys: BTreeSet<&[String; 3]> = expected.keys().chain(found.keys()).collect();
    keys.iter()
        .filter(|key| differs(key))
        .map(|key| {
            let (said, is) = (found.get(*key).unwrap_or(&0), expected.get(*key).unwrap_or(&0));
            format!("summary.csv: unit {}, invoice {}, {}: {said} minor units, the ledger has {is}", key[0], key[1], key[2])
        })
        .collect()
}

/// The ledger against the invoices of the report, by the same rules as the gate, and the report against itself.
fn invoices(rows: &[LedgerRow], report: &Reconciliation) -> Findings {
    let exponent = minor_exponent(&report.currency);
    let mut findings = Vec::new();
    if !report.passed || !report.violations.is_empty() || !report.unbilled.is_empty() {
        findings.push("reconciliation.json says that the close does not reconcile".to_owned());
    }
    let controls: Vec<Control> = report.invoices.iter().map(|line| line.control(exponent)).collect();
    findings.extend(check_ledger(rows, &controls, exponent).into_iter().map(|violation| {
        let unit = if violation.unit_id.is_empty() { String::new() } else { format!(", unit {}", violation.unit_id) };
        format!(
            "invoice {}{unit}, {}: expected {}, found {}",
            violation.invoice.invoice_id, violation.step, violation.expected, violation.found
        )
    }));
    for line in &report.invoices {
        let of_invoice = rows.iter().filter(|row| row.key.invoice == line.key());
        let cents: i128 = of_invoice.map(|row| row.cents).sum();
        if cents != line.ledger_cents {
            findings.push(format!(
                "invoice {}: the ledger has {cents} minor units, reconciliation.json says {}",
                line.invoice_id, line.ledger_cents
            ));
        }
        if line.bill + line.difference != line.invoice {
            findings.push(format!("invoice {}: bill and difference do not give the invoice", line.invoice_id));
        }
    }
    let cash: Money = rows.iter().map(|row| row.cash).sum();
    let effective: Money = rows.iter().map(|row| row.effective).sum();
    let cents: i128 = rows.iter().map(|row| row.cents).sum();
    let totals = &report.totals;
    let sums = [
        ("cash", cash.to_string(), totals.ledger_cash.to_string()),
        ("effective cost", effective.to_string(), totals.ledger_effective.to_string()),
        ("minor units", cents.to_string(), totals.ledger_cents.to_string()),
        ("rows", rows.len().to_string(), totals.ledger_rows.to_string()),
    ];
    for (what, found, said) in sums {
        if found != said {
            findings.push(format!("the ledger's {what} come to {found}, reconciliation.json says {said}"));
        }
    }
    findings
}

/// Each unit of the ledger has a statement, and its lines sum to the unit's part of the ledger.
async fn statements(store: &Store, prefix: &str, rows: &[LedgerRow]) -> Result<Findings, StoreError> {
    let mut expected: BTreeMap<String, (&str, i128)> = BTreeMap::new();
    for row in rows {
        let folder = statement_folder(&row.key.unit_id);
        expected.entry(folder).or_insert((&row.key.unit_id, 0)).1 += row.cents;
    }
    let entries = store.list(&format!("{prefix}statements/")).await?;
    let names: BTreeSet<&str> = entries.iter().map(|entry| &entry.key[prefix.len()..]).collect();
    let mut findings = Vec::new();
    for (folder, (unit, _)) in &expected {
        for name in ["statement.pdf", "statement.csv"] {
            if !names.contains(format!("{folder}/{name}").as_str()) {
                findings.push(format!("unit {unit} has no {folder}/{name}"));
            }
        }
    }
    let csvs = names.iter().filter(|name| name.ends_with("/statement.csv")).map(|name| {
        let expected = expected.get(name.trim_end_matches("/statement.csv")).copied();
        async move {
            let bytes = store.get(&format!("{prefix}{name}")).await?;
            Ok::<_, StoreError>(statement(name, &bytes, expected))
        }
    });
    let found: Vec<Option<String>> = stream::iter(csvs.collect::<Vec<_>>()).buffered(8).try_collect().await?;
    findings.extend(found.into_iter().flatten());
    Ok(findings)
}

fn statement(name: &str, bytes: &[u8], expected: Option<(&str, i128)>) -> Option<String> {
    let rows = match csv_columns(name, bytes, &["unit_id", "cents"]) {
        Ok(rows) => rows,
        Err(error) => return Some(error.to_string()),
    };
    let mut sum: i128 = 0;
    for row in &rows {
        let [unit, cents] = row.as_slice() else { continue };
        match (expected, cents.parse::<i128>()) {
            (_, Err(_)) => return Some(format!("{name}: `{cents}` is not a count of minor units")),
            (Some((owner, _)), Ok(_)) if unit != owner => return Some(format!("{name} has a line of unit {unit}")),
            (_, Ok(cents)) => sum += cents,
        }
    }
    match expected {
        Some((unit, cents)) if cents != sum => {
            Some(format!("{name} comes to {sum} minor units, unit {unit} has {cents} in the ledger"))
        }
        None if sum != 0 => Some(format!("{name} charges {sum} minor units that the ledger does not have")),
        _ => None,
    }
}
