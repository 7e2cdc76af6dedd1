//! One statement of a published close, printed again: to try a template, or to look at what it would say.

use crate::close::{Close, Figures, Previous};
use crate::csv::statement_csv;
use crate::render::{Rendered, Renderer, render_unit};
use crate::statement_folder;
use crate::step::{Earlier, Error, folder, json, ledger, staging};
use crate::summary;
use apportion_config::load_files;
use apportion_core::close::{CloseFacts, Reconciliation, minor_exponent};
use apportion_core::org::OrgSnapshot;
use apportion_core::reconcile::Control;
use apportion_output::{csv_columns, read_pools_csv};
use apportion_store::Store;
use std::collections::BTreeMap;

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
    let account_names = account_names(out, prefix, &facts, page).await?;
    let earlier = match facts.previous_period {
        // A provisional close lies under `provisional/`, the one before it always under `closes/`.
        Some(period) => {
            let root = prefix.split("closes/").next().unwrap_or_default().split("provisional/").next().unwrap_or_default();
            Some(Earlier::read(out, &format!("{root}closes/{period}/{}/", facts.previous_close)).await?)
        }
        None => None,
    };
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
    })?;
    match page {
        Page::Summary => Ok(summary::render(renderer, &close)?),
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
async fn account_names(out: &Store, prefix: &str, facts: &CloseFacts, page: &Page) -> Result<BTreeMap<String, String>, Error> {
    let organization: OrgSnapshot = json(out, &facts.organization_key()).await?;
    let mut names: BTreeMap<String, String> =
        organization.accounts.into_iter().map(|account| (account.id, account.name)).collect();
    if let Page::Unit(id) = page {
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
