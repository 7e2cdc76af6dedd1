//! What lies under an out folder: periods, their closes, runs that did not end and what they await. Reads only.

use crate::failure::Failure;
use crate::report::printable;
use apportion_core::close::{Readiness, Reconciliation};
use apportion_core::period::Period;
use apportion_store::{Store, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use statement_renderer::publish::committed;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Everything of an out folder, by period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    pub periods: Vec<PeriodStatus>,
}

/// One period, of one currency where closes lie apart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PeriodStatus {
    pub period: String,
    /// `""`, or the currency's prefix, for example `EUR/`.
    pub closes_prefix: String,
    /// The close at `CURRENT`.
    pub current: Option<String>,
    /// Beginnings of closes that were never committed.
    pub uncommitted: Vec<String>,
    pub provisional: Vec<String>,
    /// Runs whose staging folder remains.
    pub runs: Vec<RunStatus>,
}

/// A run that did not end in a close.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunStatus {
    /// Its folder below the out folder.
    pub staging: String,
    pub state: RunState,
    /// What must come before the period can close.
    pub awaited: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    NotReady,
    DoesNotReconcile,
    /// It failed, or is still running.
    Unfinished,
}

/// Reads the out folder.
pub async fn status(out: &Path) -> Result<Status, Failure> {
    if !out.is_dir() {
        return Err(Failure::bad_input(format!("--out {}: there is no such folder", out.display())));
    }
    let store = Store::directory(out);
    let mut periods: BTreeMap<(String, String), PeriodStatus> = BTreeMap::new();
    for prefix in prefixes(&store).await? {
        closes(&store, &prefix, &mut periods).await?;
    }
    // Daily runs have their own record: `apportion health`.
    let staged = store.folders("staging/").await.map_err(unreadable)?;
    for period in staged.into_iter().filter(|name| name != "daily") {
        let runs = runs(&store, &period).await?;
        entry(&mut periods, &period, "").runs = runs;
    }
    Ok(Status { periods: periods.into_values().filter(|period| !period.is_empty()).collect() })
}

fn unreadable(error: StoreError) -> Failure {
    Failure::bad_input(error)
}

fn entry<'a>(periods: &'a mut BTreeMap<(String, String), PeriodStatus>, period: &str, prefix: &str) -> &'a mut PeriodStatus {
    periods.entry((period.to_owned(), prefix.to_owned())).or_insert_with(|| PeriodStatus {
        period: period.to_owned(),
        closes_prefix: prefix.to_owned(),
        ..PeriodStatus::default()
    })
}

/// What may stand before `closes/`: nothing, or the folder of a currency.
async fn prefixes(store: &Store) -> Result<Vec<String>, Failure> {
    let is_currency = |name: &String| name.len() == 3 && name.bytes().all(|byte| byte.is_ascii_uppercase());
    let currencies = store.folders("").await.map_err(unreadable)?.into_iter().filter(is_currency);
    Ok(std::iter::once(String::new()).chain(currencies.map(|name| format!("{name}/"))).collect())
}

async fn closes(store: &Store, prefix: &str, periods: &mut BTreeMap<(String, String), PeriodStatus>) -> Result<(), Failure> {
    let committed = committed(store, prefix).await.map_err(unreadable)?;
    for name in store.folders(&format!("{prefix}closes/")).await.map_err(unreadable)? {
        let current = name.parse::<Period>().ok().and_then(|period| committed.get(&period).cloned());
        let mut ids = store.folders(&format!("{prefix}closes/{name}/")).await.map_err(unreadable)?;
        ids.retain(|id| Some(id) != current.as_ref());
        let status = entry(periods, &name, prefix);
        (status.current, status.uncommitted) = (current, ids);
    }
    for name in store.folders(&format!("{prefix}provisional/")).await.map_err(unreadable)? {
        let ids = store.folders(&format!("{prefix}provisional/{name}/")).await.map_err(unreadable)?;
        entry(periods, &name, prefix).provisional = ids;
    }
    Ok(())
}

async fn runs(store: &Store, period: &str) -> Result<Vec<RunStatus>, Failure> {
    let mut runs = Vec::new();
    for name in store.folders(&format!("staging/{period}/")).await.map_err(unreadable)? {
        let staging = format!("staging/{period}/{name}/");
        let readiness: Option<Readiness> = read(store, &format!("{staging}readiness.json")).await?;
        let report: Option<Reconciliation> = read(store, &format!("{staging}close/reconciliation.json")).await?;
        let state = match (&readiness, &report) {
            (Some(readiness), _) if !readiness.ready => RunState::NotReady,
            (_, Some(report)) if !report.passed => RunState::DoesNotReconcile,
            _ => RunState::Unfinished,
        };
        let awaited = readiness.map(|readiness| readiness.awaited).unwrap_or_default();
        runs.push(RunStatus { staging: staging.trim_end_matches('/').to_owned(), state, awaited });
    }
    Ok(runs)
}

/// A JSON file of a run; one that is absent or half-understood says nothing.
async fn read<T: DeserializeOwned>(store: &Store, key: &str) -> Result<Option<T>, Failure> {
    match store.get(key).await {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(unreadable(error)),
    }
}

impl PeriodStatus {
    fn is_empty(&self) -> bool {
        self.current.is_none() && self.uncommitted.is_empty() && self.provisional.is_empty() && self.runs.is_empty()
    }
}

impl Status {
    /// For a person.
    pub fn text(&self) -> String {
        if self.periods.is_empty() {
            return "nothing was closed here yet\n".to_owned();
        }
        let mut text = String::new();
        for period in &self.periods {
            let currency = period.closes_prefix.trim_end_matches('/');
            let gap = if currency.is_empty() { "" } else { " " };
            let state = period.current.as_ref().map_or("open".to_owned(), |close| format!("closed {close}"));
            let _ = writeln!(text, "{}{gap}{currency} {}", printable(&period.period), printable(&state));
            for id in &period.provisional {
                let _ = writeln!(text, "  provisional {}", printable(id));
            }
            for id in &period.uncommitted {
                let _ = writeln!(text, "  never committed {}", printable(id));
            }
            for run in &period.runs {
                let state = match run.state {
                    RunState::NotReady => "not ready",
                    RunState::DoesNotReconcile => "does not reconcile",
                    RunState::Unfinished => "unfinished",
                };
                let _ = writeln!(text, "  {state}: {}", printable(&run.staging));
                for awaited in &run.awaited {
                    let _ = writeln!(text, "    awaits {}", printable(awaited));
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests;
