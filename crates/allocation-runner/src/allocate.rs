//! The rollup becomes the ledger, and everything that it depended on becomes the close's id.

use crate::{Context, Error, Output, configuration, organization_of, read_staged, write_staged};
use apportion_config::Loaded;
use apportion_core::OUTPUT_VERSION;
use apportion_core::allocate::{Allocation, Inputs, allocate as allocate_rows};
use apportion_core::bill::RollupRow;
use apportion_core::close::{CloseFacts, Compared, InputsManifest, OrganizationUsed, Run, shards};
use apportion_core::model::UNTAGGED;
use apportion_core::money::Money;
use apportion_core::org::Organization;
use apportion_core::period::Period;
use apportion_output::{ledger_csv, ledger_parquet, pools_csv, read_rollup_csv, rollup_csv, sha256_hex};
use apportion_runtime::metrics::Figure;
use std::collections::BTreeMap;

pub(crate) async fn allocate(context: &Context, run: &Run) -> Result<Output, Error> {
    let loaded = configuration(context, run).await?;
    let org = organization_of(context, run).await?;
    let compared: Compared = read_staged(context, &run.staging, "compared.json").await?;
    let (dimensions, all) = read_rollup_csv(&context.work.get(&format!("{}rollup.csv", run.staging)).await?).map_err(staging)?;
    let wanted = run.period.to_string();
    let rows: Vec<RollupRow> =
        all.into_iter().filter(|row| row.billing_period == wanted && row.currency == compared.currency).collect();
    let rollup_digest = sha256_hex(&rollup_csv(&dimensions, &rows).map_err(staging)?);
    let allocation = allocate_rows(&Inputs {
        period: run.period,
        family: compared.family,
        rows: &rows,
        configuration: &loaded.configuration,
        org: &org,
        controls: &compared.controls,
        minor_exponent: compared.minor_exponent,
    })
    .map_err(|error| Error::BadConfiguration(error.to_string()))?;
    drop(rows);
    // One file after the other: a ledger of many units is large.
    let key = |name: &str| format!("{}close/{name}", run.staging);
    context.work.put(&key("ledger.csv"), &ledger_csv(run.period, &allocation.rows).map_err(staging)?).await?;
    context.work.put(&key("ledger.parquet"), &ledger_parquet(run.period, &allocation.rows).map_err(staging)?).await?;
    context.work.put(&key("pools.csv"), &pools_csv(run.period, &allocation.pool_sources).map_err(staging)?).await?;
    write_staged(context, &run.staging, "notes.json", &allocation.notes).await?;
    write_staged(context, &run.staging, "pool_sources.json", &allocation.pool_sources).await?;
    let facts = facts(context, run, &compared, rollup_digest, &loaded, &org).await?;
    write_staged(context, &run.staging, "close.json", &facts).await?;
    apportion_runtime::metrics::emit(figures(&allocation));
    Ok(Output::Allocated { close: facts.close, shards: shards(facts.units.len()), ledger_rows: allocation.rows.len() })
}

/// What part of the cash no tag owns, and what part came through pools.
fn figures(allocation: &Allocation) -> impl Iterator<Item = Figure> {
    let whole: Money = allocation.rows.iter().map(|row| row.cash).sum();
    // What one pool passes on to the next counts once.
    let of_bill = || allocation.pool_sources.iter().filter(|source| source.from_pool_id.is_empty());
    let untagged: Money = of_bill().filter(|source| source.pool_id == UNTAGGED).map(|source| source.cash).sum();
    let pools: Money = of_bill().map(|source| source.cash).sum();
    let share = |name, part: Money| Figure::percent(name, part.units(), whole.units());
    [share("UntaggedShare", untagged), share("PoolShare", pools)].into_iter().flatten()
}

fn staging(error: impl std::fmt::Display) -> Error {
    Error::Staging(error.to_string())
}

async fn facts(
    context: &Context,
    run: &Run,
    compared: &Compared,
    rollup_digest: String,
    loaded: &Loaded,
    org: &Organization,
) -> Result<CloseFacts, Error> {
    let inputs: InputsManifest = read_staged(context, &run.staging, "inputs.json").await?;
    let previous = previous(context, run).await?;
    let organization = context.work.get(&format!("{}organization.json", run.staging)).await?;
    // Everything of an invoice that a page shows: another purchase order is another page, so another close.
    let invoices: Vec<_> = compared
        .controls
        .iter()
        .map(|control| (format!("{:?}", control.key), control.invoice.to_string(), &control.details))
        .collect();
    let invoices_text = serde_json::to_string(&invoices).map_err(staging)?;
    let invoices_file = match &run.invoices {
        Some(key) => Some(sha256_hex(&context.work.get(key).await?)),
        None => None,
    };
    let sql: String =
        context.catalogue.of_close().map(|(name, text)| format!("{} {name}\n", sha256_hex(text.as_bytes()))).collect();
    let mut facts = CloseFacts {
        close: String::new(),
        period: run.period,
        currency: compared.currency.clone(),
        provisional: run.provisional,
        output_version: OUTPUT_VERSION,
        previous_close: previous.as_ref().map_or_else(|| "none".to_owned(), |(_, close)| close.clone()),
        previous_period: previous.map(|(period, _)| period),
        inputs_digest: inputs.digest,
        rollup_digest,
        configuration_digest: loaded.digest.clone(),
        organization_digest: sha256_hex(&organization),
        invoices_digest: sha256_hex(invoices_text.as_bytes()),
        sql_digest: sha256_hex(sql.as_bytes()),
        template_digest: context.template_digest.clone(),
        invoices_file,
        own_template: context.own_template || run.template.is_some(),
        organization: OrganizationUsed { as_of: loaded.configuration.settings.organization, stretches: org.stretches() },
        units: loaded.configuration.units.iter().map(|unit| unit.id.clone()).collect(),
    };
    facts.close = close_id(&facts);
    Ok(facts)
}

/// Digest of what the figures and pages depend on: the rollup, not the files.
fn close_id(facts: &CloseFacts) -> String {
    let lines = [
        ("rollup", facts.rollup_digest.as_str()),
        ("organization", &facts.organization_digest),
        ("configuration", &facts.configuration_digest),
        ("sql", &facts.sql_digest),
        ("template", &facts.template_digest),
        ("invoices", &facts.invoices_digest),
        ("previous", &facts.previous_close),
        ("output_version", &facts.output_version.to_string()),
        ("period", &facts.period.to_string()),
        ("currency", &facts.currency),
        ("provisional", if facts.provisional { "yes" } else { "no" }),
    ]
    .map(|(name, value)| format!("{name} {value}\n"));
    sha256_hex(lines.concat().as_bytes())
}

/// The latest earlier period with a commit. A later one makes this period too late to close.
async fn previous(context: &Context, run: &Run) -> Result<Option<(Period, String)>, Error> {
    let prefix = format!("{}closes/", run.closes);
    let mut committed: BTreeMap<Period, String> = BTreeMap::new();
    for entry in context.closes.list(&prefix).await? {
        let Some(period) = entry.key[prefix.len()..].strip_suffix("/CURRENT").and_then(|text| text.parse::<Period>().ok()) else {
            continue;
        };
        let bytes = context.closes.get(&entry.key).await?;
        committed.insert(period, String::from_utf8_lossy(&bytes).trim().to_owned());
    }
    // A period that is closed itself is the publisher's question: the same close again is no error.
    let is_open = !run.provisional && !committed.contains_key(&run.period);
    if let Some(later) = committed.keys().find(|period| **period > run.period).filter(|_| is_open) {
        return Err(Error::BadPeriod(format!(
            "{} cannot be closed any more: {later} is closed already and builds on what came before it; book the change as an adjustment in the open period",
            run.period
        )));
    }
    Ok(committed.into_iter().rfind(|(period, _)| *period < run.period))
}
