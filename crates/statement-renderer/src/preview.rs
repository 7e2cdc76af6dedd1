//! One statement of a published close, printed again: to try a template, or to look at what it would say.

use crate::close::Close;
use crate::csv::statement_csv;
use crate::figures::{Figures, Previous};
use crate::render::{Rendered, Renderer, render_unit};
use crate::statement_folder;
use crate::step::{Earlier, Error, folder, json, ledger, staging, year_before};
use crate::summary;
use apportion_config::load_files;
use apportion_core::close::{CloseFacts, Reconciliation, minor_exponent};
use apportion_core::ledger::LedgerRow;
use apportion_core::org::{Organization, UNKNOWN};
use apportion_core::reconcile::Control;
use apportion_output::{csv_columns, read_pools_csv};
use apportion_store::Store;
use std::collections::{BTreeMap, BTreeSet};

/// What to print of a close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// A unit's statement, by its id.
    Unit(String),
    /// The controller's summary.
    Summary,
}

/// Prints a page of the close in `prefix` of `out` (for example `closes/2026-09/<close>/`), where `inputs/` lies too. With the
/// template of the close the bytes are those of the close.
pub async fn preview(out: &Store, prefix: &str, page: &Page, renderer: &Renderer) -> Result<Rendered, Error> {
    let facts: CloseFacts = json(out, &format!("{prefix}manifest.json")).await?;
    let report: Reconciliation = json(out, &format!("{prefix}reconciliation.json")).await?;
    let files = folder(out, &facts.configuration_prefix()).await?;
    let configuration = load_files(&files, facts.period).map_err(staging)?.configuration;
    let exponent = minor_exponent(&facts.currency);
    let controls: Vec<Control> = report.invoices.iter().map(|line| line.control(exponent)).collect();
    let rows = ledger(out, &format!("{prefix}ledger.csv")).await?;
    let pool_sources = read_pools_csv(&out.get(&format!("{prefix}pools.csv")).await?).map_err(staging)?;
    let account_names = account_names(out, prefix, &facts, page, &rows).await?;
    // A provisional close lies under `provisional/`, the ones before it always under `closes/`.
    let root = prefix.split("closes/").next().unwrap_or_default().split("provisional/").next().unwrap_or_default();
    let earlier = match facts.previous_period {
        Some(period) => Some(Earlier::read(out, &format!("{root}closes/{period}/{}/", facts.previous_close)).await?),
        None => None,
    };
    let year = year_before(out, root, &facts).await?;
    let close = Close::new(Figures {
        period: facts.period,
        close_id: &facts.close,
        provisional: facts.provisional,
        currency: &facts.currency,
        minor_exponent: exponent,
        configuration: &configuration,
        account_names: &account_names,
        rows: &rows,
        controls: &controls,
        pool_sources: &pool_sources,
        previous: earlier.as_ref().map(|earlier| Previous {
            period: earlier.facts.period,
            close_id: &earlier.facts.close,
            rows: &earlier.rows,
            configuration: earlier.configuration.as_ref(),
        }),
        year: year.as_ref(),
        bridge: &report.bridge,
        notes: &report.notes,
    })?;
    match page {
        Page::Summary => {
            let summary = summary::render(renderer, &close)?;
            Ok(Rendered { pdf: summary.pdf, csv: summary.csv })
        }
        Page::Unit(id) => {
            let statement = close.statement(id)?;
            let units = close.units();
            let unit =
                units.iter().find(|unit| unit.id == *id).ok_or_else(|| staging(format!("`{id}` is no unit of the close")))?;
            Ok(render_unit(renderer, &statement, statement_csv(&close, unit)?)?)
        }
    }
}

/// Names of accounts: those that the published statement prints, else the organization's.
async fn account_names(
    out: &Store,
    prefix: &str,
    facts: &CloseFacts,
    page: &Page,
    rows: &[LedgerRow],
) -> Result<BTreeMap<String, String>, Error> {
    let organization: Organization = json(out, &facts.organization_key()).await?;
    let mut names: BTreeMap<String, String> = organization.account_names();
    // Of the accounts that the organization lacks, the bill's names stand in the statements of the units that use them.
    let units: BTreeSet<&str> = match page {
        Page::Unit(id) => [id.as_str()].into(),
        Page::Summary => rows.iter().filter(|row| row.key.ou_path == UNKNOWN).map(|row| row.key.unit_id.as_str()).collect(),
    };
    for id in units {
        let key = format!("{prefix}{}/statement.csv", statement_folder(id));
        if out.head(&key).await?.is_some() {
            for row in csv_columns("statement.csv", &out.get(&key).await?, &["account_id", "account_name"]).map_err(staging)? {
                if let [account, name] = row.as_slice() {
                    names.insert(account.clone(), name.clone());
                }
            }
        }
    }
    Ok(names)
}
