//! Is the bill final, what exactly is closed, and does the ledger equal the invoices?
//!
//! Steps: `locate` and `freeze` (what the bill is, copied and hashed), `readiness` (ids final, invoices known, after the rollup),
//! `reconcile` (the proof); `day` finds the bill of a daily run, `record` keeps how it went. Expected outcomes (not ready, does not reconcile) are outputs, not errors.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

#[cfg(feature = "aws")]
mod aws;
mod columns;
mod freeze;
mod invoices;
mod locate;
mod readiness;
mod reconcile;
mod record;

pub use invoices::parse_invoices;

use apportion_core::close::{Run, Shard};
use apportion_core::day::{DayRun, FailedStage, Outcome};
use apportion_engine::catalogue::Catalogue;
use apportion_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where the gate reads and writes.
#[derive(Clone)]
pub struct Context {
    /// The delivered bill; never written.
    pub bill: Store,
    /// `inputs/` and `staging/`.
    pub work: Store,
    pub release: Release,
}

impl Context {
    /// A gate that goes by the package's own SQL and template.
    pub fn new(bill: Store, work: Store) -> Context {
        Context { bill, work, release: Release::builtin() }
    }
}

/// What closes are made with beside what a run names; frozen with each.
#[derive(Clone)]
pub struct Release {
    pub catalogue: Arc<Catalogue>,
    /// The template's files by path where it is not the package's own.
    pub template: Option<Arc<BTreeMap<String, Vec<u8>>>>,
}

impl Release {
    /// The package's own.
    pub fn builtin() -> Release {
        Release { catalogue: Arc::new(Catalogue::builtin()), template: None }
    }
}

/// Which step, of which run.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// Finds the bill's files: by manifest in a Data Exports layout, else by name.
    Locate { run: Run },
    /// Hashes a shard of the files.
    Fingerprint { run: Run, shard: Shard },
    /// Copies a shard of the files to `inputs/`.
    Freeze { run: Run, shard: Shard },
    /// Checks what was copied and writes the inputs manifest.
    FreezeCommit { run: Run },
    /// Reads the rollup: invoice ids, completeness, invoices.
    Readiness { run: Run },
    /// Proves the staged ledger.
    Reconcile { run: Run },
    /// Finds the files of a daily run: all billing periods up to the date's. `polls` counts how often that was asked; the
    /// `most_polls`th answer is the last one waited for.
    Day { run: DayRun, polls: u32, most_polls: u32 },
    /// Keeps how a daily run went.
    Record { run: DayRun, stages: BTreeMap<String, Value> },
}

/// What the state machine branches on.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Output {
    Located {
        ready: bool,
        awaited: Vec<String>,
        files: usize,
        shards: Vec<Shard>,
    },
    Done {
        files: usize,
    },
    Committed {
        digest: String,
        files: usize,
    },
    Readiness {
        ready: bool,
        awaited: Vec<String>,
    },
    Reconciled {
        passed: bool,
    },
    Day {
        ready: bool,
        awaited: Vec<String>,
        files: usize,
        polls: u32,
        last: bool,
    },
    /// `error` and `cause` are those of the first stage that failed.
    Recorded {
        outcome: Outcome,
        failed: Vec<FailedStage>,
        error: String,
        cause: String,
    },
}

/// Variants that begin with `Bad` are input to mend; the others may pass when tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    BadBill(String),
    #[error("{0}")]
    BadInvoices(String),
    #[error("{0}")]
    BadConfiguration(String),
    #[error("{0}")]
    BillChanged(String),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Staging(String),
}

impl Error {
    /// The name that a state machine catches.
    pub fn name(&self) -> &'static str {
        match self {
            Error::BadBill(_) => "BadBill",
            Error::BadInvoices(_) => "BadInvoices",
            Error::BadConfiguration(_) => "BadConfiguration",
            Error::BillChanged(_) => "BillChanged",
            Error::Store(error) => error.name(),
            Error::Staging(_) => "Staging",
        }
    }
}

/// Runs one step.
pub async fn handle(context: &Context, event: Event) -> Result<Output, Error> {
    match event {
        Event::Locate { run } => locate::locate(context, &run).await,
        Event::Fingerprint { run, shard } => freeze::fingerprint(context, &run, shard).await,
        Event::Freeze { run, shard } => freeze::freeze(context, &run, shard).await,
        Event::FreezeCommit { run } => freeze::commit(context, &run).await,
        Event::Readiness { run } => readiness::readiness(context, &run).await,
        Event::Reconcile { run } => reconcile::reconcile(context, &run).await,
        Event::Day { run, polls, most_polls } => locate::day(context, &run, polls + 1, most_polls).await,
        Event::Record { run, stages } => record::record(context, &run, &stages).await,
    }
}

/// Reads a staged JSON file.
async fn read_staged<T: serde::de::DeserializeOwned>(context: &Context, staging: &str, name: &str) -> Result<T, Error> {
    let key = format!("{staging}{name}");
    let bytes = context.work.get(&key).await?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Staging(format!("{key}: {error}")))
}

/// Writes a staged JSON file, pretty, with a line end.
async fn write_staged<T: Serialize>(context: &Context, staging: &str, name: &str, value: &T) -> Result<(), Error> {
    let key = format!("{staging}{name}");
    let mut text = serde_json::to_string_pretty(value).map_err(|error| Error::Staging(format!("{key}: {error}")))?;
    text.push('\n');
    Ok(context.work.put(&key, text.as_bytes()).await?)
}
