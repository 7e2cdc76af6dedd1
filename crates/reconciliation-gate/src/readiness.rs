//! Can the period close? Decided on the frozen bill's rollup, so that what is judged is what is closed.

use crate::{Context, Error, Output, parse_invoices, read_staged, write_staged};
use apportion_core::bill::{Family, RollupRow, family};
use apportion_core::close::{Compared, InputsManifest, Readiness, RollupFacts, Run, minor_exponent};
use apportion_core::model::Settings;
use apportion_core::reconcile::{AWS, Comparison, ControlSource, Controls, InvoiceTotal, controls};
use apportion_output::read_rollup_csv;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) async fn readiness(context: &Context, run: &Run) -> Result<Output, Error> {
    let settings = settings(context, run).await?;
    let facts: RollupFacts = read_staged(context, &run.staging, "rollup.json").await?;
    let (_, all) = read_rollup_csv(&context.work.get(&format!("{}rollup.csv", run.staging)).await?)
        .map_err(|error| Error::Staging(error.to_string()))?;
    let (rows, other_periods) = of_period(all, run);
    let currency = if run.currency.is_empty() { settings.currency.clone() } else { run.currency.clone() };
    let (rows, other_currencies) = of_currency(rows, &currency, &settings)?;
    let mut awaited = Vec::new();
    if rows.is_empty() {
        awaited.push(nothing(run, &other_periods));
    }
    let blank = blank_invoice_rows(&rows, &facts);
    if blank > 0 {
        awaited.push(format!(
            "invoice ids: {blank} bill lines with cost have none yet, so the invoices are not final (a pro forma export of AWS Billing Conductor never gets any: use the standard export)"
        ));
    }
    let incomplete: i64 = rows.iter().map(|row| row.incomplete_rows).sum();
    if incomplete > 0 {
        awaited.push(format!("complete data: {incomplete} bill lines say x_DatasetCompletionStatus other than `Complete`"));
    }
    let invoices = invoices(context, run, &currency).await?;
    let how = Comparison {
        family: family(&rows),
        minor_exponent: minor_exponent(&currency),
        tolerance: settings.tolerance,
        tax_tolerance: settings.tax_tolerance,
        provisional: run.provisional,
    };
    let found = controls(&rows, invoices.as_ref().map(|(list, _)| list.as_slice()), &how);
    awaited.extend(found.awaited.iter().cloned());
    let inputs: InputsManifest = read_staged(context, &run.staging, "inputs.json").await?;
    let statements = statements(&rows, &found, invoices.is_some(), how.family, &inputs, &facts);
    let mut ignored = found.ignored;
    ignored.extend(invoices.into_iter().flat_map(|(_, ignored)| ignored));
    let compared = Compared {
        family: how.family,
        minor_exponent: how.minor_exponent,
        controls: found.controls,
        unbilled: found.unbilled,
        ignored,
        other_periods,
        other_currencies,
        lossy_rows: rows.iter().map(|row| row.lossy_rows).sum(),
        rows: rows.iter().map(|row| row.rows).sum(),
        statements,
        currency,
    };
    write_staged(context, &run.staging, "compared.json", &compared).await?;
    // A provisional close goes on with what is there, but nothing can be closed where there is nothing.
    let ready = if run.provisional { !rows.is_empty() } else { awaited.is_empty() };
    let answer = Readiness { ready, awaited };
    write_staged(context, &run.staging, "readiness.json", &answer).await?;
    Ok(Output::Readiness { ready: answer.ready, awaited: answer.awaited })
}

async fn settings(context: &Context, run: &Run) -> Result<Settings, Error> {
    let files = configuration_files(context, &run.configuration).await?;
    let loaded = apportion_config::load_files(&files, run.period).map_err(|error| Error::BadConfiguration(error.to_string()))?;
    Ok(loaded.configuration.settings)
}

/// Files of the staged configuration by relative path.
async fn configuration_files(context: &Context, prefix: &str) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut files = BTreeMap::new();
    for entry in context.work.list(prefix).await? {
        let name = entry.key[prefix.len()..].to_owned();
        files.insert(name, context.work.get(&entry.key).await?);
    }
    Ok(files)
}

fn nothing(run: &Run, other: &BTreeMap<String, i64>) -> String {
    let others: Vec<String> = other.iter().map(|(period, rows)| format!("{period} ({rows} lines)")).collect();
    let there = if others.is_empty() { "it is empty".to_owned() } else { format!("it holds {}", others.join(", ")) };
    format!("bill lines of {}: the bill has none; {there}", run.period)
}

fn of_period(rows: Vec<RollupRow>, run: &Run) -> (Vec<RollupRow>, BTreeMap<String, i64>) {
    let wanted = run.period.to_string();
    let (rows, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.billing_period == wanted);
    let mut counts = BTreeMap::new();
    for row in others {
        *counts.entry(row.billing_period.into()).or_insert(0) += row.rows;
    }
    (rows, counts)
}

/// Rows of the currency closed; another one stops the run unless each currency has a close.
fn of_currency(
    rows: Vec<RollupRow>,
    currency: &str,
    settings: &Settings,
) -> Result<(Vec<RollupRow>, BTreeMap<String, i64>), Error> {
    let (rows, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.currency == currency);
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for row in others {
        *counts.entry(row.currency.into()).or_default() += row.rows;
    }
    match counts.iter().next() {
        Some((other, count)) if !settings.each_currency => {
            let name = if other.is_empty() { "no currency" } else { other };
            Err(Error::BadBill(format!(
                "{count} bill lines are in {name}, the configuration closes in {currency}: set `currencies = \"each\"` in rules.toml [close] for one close per currency, or correct `currency`"
            )))
        }
        _ => Ok((rows, counts)),
    }
}

/// Lines with cost and without invoice id, where the export could have one.
fn blank_invoice_rows(rows: &[RollupRow], facts: &RollupFacts) -> i64 {
    let never: BTreeSet<&str> = facts.without_invoice_ids.iter().map(String::as_str).collect();
    rows.iter()
        .filter(|row| row.invoice_id.is_empty() && !never.contains(account_key(row).as_str()))
        .map(|row| row.cash_rows)
        .sum()
}

fn account_key(row: &RollupRow) -> String {
    format!("{}/{}/{}", row.provider, row.issuer, row.billing_account_id)
}

async fn invoices(context: &Context, run: &Run, currency: &str) -> Result<Option<(Vec<InvoiceTotal>, Vec<String>)>, Error> {
    let Some(key) = &run.invoices else { return Ok(None) };
    let bytes = context.work.get(key).await?;
    parse_invoices(&bytes, run.period, currency).map(Some).map_err(Error::BadInvoices)
}

/// What the report has to say in words.
fn statements(
    rows: &[RollupRow],
    found: &Controls,
    with_invoices: bool,
    family: Family,
    inputs: &InputsManifest,
    facts: &RollupFacts,
) -> Vec<String> {
    let mut list = vec![match family {
        Family::Unblended => "cash is unblended cost".to_owned(),
        Family::Net => "cash is net unblended cost: the bill has net amounts and no discount rows of its own".to_owned(),
    }];
    if !with_invoices {
        list.push("no invoices file was given: the bill's own sums, rounded to minor units, are the control totals".to_owned());
        if inputs.files.iter().any(|file| file.format.starts_with("focus")) {
            list.push("finality is not proven: a provisional FOCUS invoice has an id too".to_owned());
        }
    } else if found.controls.iter().any(|control| control.source == ControlSource::Bill && control.key.provider != AWS) {
        list.push("issuers other than AWS go by the bill's own sums, rounded to minor units".to_owned());
    }
    if !facts.without_invoice_ids.is_empty() {
        list.push("FOCUS 1.0 has no invoice ids: one invoice for each billing account and issuer".to_owned());
    }
    let plus = rows.iter().map(|row| row.lossy_rows).sum::<i64>();
    if plus > 0 {
        list.push(format!("{plus} bill lines had digits beyond the twelfth decimal, rounded half up"));
    }
    list.extend(facts.warnings.iter().cloned());
    list
}
