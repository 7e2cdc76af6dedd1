//! Tag debt has a name and a due date: findings, drift tickets, likely owners.
//!
//! Steps: `findings` (coverage, keys, values, tickets), `suggest` (owners for what has none). The rules are core's
//! (`core::hygiene`), the queries `sql/hygiene/`; here they meet the bill and what earlier runs found.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

#[cfg(feature = "aws")]
mod aws;
mod bill;
mod decisions;
mod finding_store;
#[cfg(feature = "aws")]
mod finding_table;
mod findings;
mod partition;
mod suggestions;
mod tickets;

pub use decisions::{Acceptance, DecideError, Decision, acceptance, decide, newest_suggestions};
pub use finding_store::{FindingStore, Trend};
#[cfg(feature = "aws")]
pub use finding_table::{FindingTable, KEPT_DAYS};
pub use partition::partition_key;
pub use suggestions::SUGGESTION_COLUMNS;

use apportion_core::day::DayRun;
use apportion_core::hygiene::Settings;
use apportion_core::model::Configuration;
use apportion_core::org::OrgSnapshot;
use apportion_engine::catalogue::Catalogue;
use apportion_engine::{EngineError, FailureClass, QueryEngine};
use apportion_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where hygiene reads, queries and writes.
#[derive(Clone)]
pub struct Context {
    /// The delivered bill; never written.
    pub bill: Store,
    /// `staging/`, `org/`, `suggestions/`, `outbox/`, `findings-by-account/`.
    pub work: Store,
    pub findings: FindingStore,
    pub engine: Arc<dyn QueryEngine>,
    /// The SQL that is run.
    pub catalogue: Arc<Catalogue>,
}

/// Which step, of which run.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// Findings of the date, and its tickets.
    Findings { run: DayRun },
    /// Likely owners of resources without one; needs the rollup.
    Suggest { run: DayRun },
}

/// What the digest says of it; staged as `hygiene.json` and `suggestions.json` too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Output {
    Findings {
        /// Key of what was found.
        findings: String,
        /// Accounts above their threshold.
        above: usize,
        opened: usize,
        updated: usize,
        closed: usize,
        /// Keys of the tickets that are open, and of those that this run changed.
        open: Vec<String>,
        changed: Vec<String>,
    },
    Suggestions {
        /// Key of the table.
        suggestions: String,
        count: usize,
        /// Resources without an owner, whether or not one could be suggested.
        unowned: usize,
        acceptance: Acceptance,
    },
}

/// Variants that begin with `Bad` are input to mend; the others may pass when tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    BadBill(String),
    #[error("{0}")]
    BadConfiguration(String),
    #[error("{0}")]
    QueryFailed(String),
    #[error("{0}")]
    QueryThrottled(String),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[cfg(feature = "aws")]
    #[error("{0}")]
    Service(#[from] apportion_runtime::service::ServiceError),
    #[error("{0}")]
    Staging(String),
}

impl Error {
    /// The name that a state machine catches.
    pub fn name(&self) -> &'static str {
        match self {
            Error::BadBill(_) => "BadBill",
            Error::BadConfiguration(_) => "BadConfiguration",
            Error::QueryFailed(_) => "QueryFailed",
            Error::QueryThrottled(_) => "QueryThrottled",
            Error::Store(error) => error.name(),
            #[cfg(feature = "aws")]
            Error::Service(error) => error.name(),
            Error::Staging(_) => "Staging",
        }
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Error {
        match error.class() {
            FailureClass::Bill => Error::BadBill(error.to_string()),
            FailureClass::Throttled => Error::QueryThrottled(error.to_string()),
            _ => Error::QueryFailed(error.to_string()),
        }
    }
}

/// Runs one step.
pub async fn handle(context: &Context, event: Event) -> Result<Output, Error> {
    match event {
        Event::Findings { run } => findings::findings(context, &run).await,
        Event::Suggest { run } => suggestions::suggest(context, &run).await,
    }
}

/// What both steps go by.
struct Known {
    configuration: Configuration,
    settings: Settings,
    organization: OrgSnapshot,
}

async fn known(context: &Context, run: &DayRun) -> Result<Known, Error> {
    let mut files = BTreeMap::new();
    for entry in context.work.list(&run.configuration).await? {
        files.insert(entry.key[run.configuration.len()..].to_owned(), context.work.get(&entry.key).await?);
    }
    let bad = |error: apportion_config::ConfigError| Error::BadConfiguration(error.to_string());
    let loaded = apportion_config::load_files_for_day(&files, run.date.period()).map_err(bad)?;
    let settings = apportion_config::hygiene(&loaded.files).map_err(bad)?;
    Ok(Known { configuration: loaded.configuration, settings, organization: organization(context, run).await? })
}

/// The snapshot of the date: of this run, else the newest that was kept under the date; an empty one if there is none.
async fn organization(context: &Context, run: &DayRun) -> Result<OrgSnapshot, Error> {
    let kept = context.work.newest_version(&format!("org/{}", run.date), "json").await?.map(|(_, key)| key);
    for key in [Some(format!("{}organization.json", run.staging)), kept].into_iter().flatten() {
        match context.work.get(&key).await {
            Ok(bytes) => return serde_json::from_slice(&bytes).map_err(|error| Error::Staging(format!("{key}: {error}"))),
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(OrgSnapshot::default())
}

async fn read_staged<T: serde::de::DeserializeOwned>(context: &Context, run: &DayRun, name: &str) -> Result<T, Error> {
    let key = format!("{}{name}", run.staging);
    let bytes = context.work.get(&key).await?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Staging(format!("{key}: {error}")))
}

/// Pretty, with a line end: people read these files.
fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| Error::Staging(error.to_string()))?;
    text.push(b'\n');
    Ok(text)
}
