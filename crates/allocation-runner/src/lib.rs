//! Rolls the bill up by SQL, then allocates every cent of it.
//!
//! Steps: `start` and `poll` (one query for each format of the bill; no Lambda waits), `allocate` (core on the result); `day_start`
//! and `day_poll` do the first two for a daily run.

mod allocate;
mod day;
mod queries;
mod rollup;

use apportion_core::close::Run;
use apportion_core::day::DayRun;
use apportion_core::org::Organization;
use apportion_engine::QueryEngine;
use apportion_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where the runner reads, writes and queries.
#[derive(Clone)]
pub struct Context {
    /// The delivered bill, which a daily run reads as it stands; never written.
    pub bill: Store,
    /// `inputs/`, `staging/` and `daily/`.
    pub work: Store,
    /// `closes/`: which close is the previous one.
    pub closes: Store,
    pub engine: Arc<dyn QueryEngine>,
    /// Digest of the statement template and fonts that will render this close.
    pub template_digest: String,
}

/// Which step, of which run.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// Starts the rollup.
    Start { run: Run },
    /// Has it finished? If so, stages its rows.
    Poll { run: Run },
    /// Stages the ledger and the close's id.
    Allocate { run: Run },
    /// Starts the rollup of a daily run.
    DayStart { run: DayRun },
    /// Has it finished? If so, stages its rows with those of earlier runs, and keeps them for later ones.
    DayPoll { run: DayRun },
}

/// What the state machine branches on.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Output {
    Query { state: State },
    Allocated { close: String, shards: Vec<apportion_core::close::Shard>, ledger_rows: usize },
    Day { state: State, awaited: Vec<String> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Running,
    Succeeded,
    /// The bill has no line of the day yet, or was delivered anew while it was read: find it again later.
    Waiting,
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
    #[error("{0}")]
    Staging(String),
    /// A period earlier than one already closed.
    #[error("{0}")]
    BadPeriod(String),
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
            Error::Staging(_) => "Staging",
            Error::BadPeriod(_) => "BadPeriod",
        }
    }
}

/// Runs one step.
pub async fn handle(context: &Context, event: Event) -> Result<Output, Error> {
    match event {
        Event::Start { run } => rollup::start(context, &run).await,
        Event::Poll { run } => rollup::poll(context, &run).await,
        Event::Allocate { run } => allocate::allocate(context, &run).await,
        Event::DayStart { run } => day::start(context, &run).await,
        Event::DayPoll { run } => day::poll(context, &run).await,
    }
}

/// The staged configuration files by relative path.
async fn configuration_files(context: &Context, prefix: &str) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut files = BTreeMap::new();
    for entry in context.work.list(prefix).await? {
        files.insert(entry.key[prefix.len()..].to_owned(), context.work.get(&entry.key).await?);
    }
    Ok(files)
}

/// The staged configuration of a close.
async fn configuration(context: &Context, run: &Run) -> Result<apportion_config::Loaded, Error> {
    let files = configuration_files(context, &run.configuration).await?;
    apportion_config::load_files(&files, run.period).map_err(|error| Error::BadConfiguration(error.to_string()))
}

/// The staged organization; an empty one if none was given.
async fn organization_of(context: &Context, run: &Run) -> Result<Organization, Error> {
    read_staged(context, &run.staging, "organization.json").await
}

async fn read_staged<T: serde::de::DeserializeOwned>(context: &Context, staging: &str, name: &str) -> Result<T, Error> {
    let key = format!("{staging}{name}");
    let bytes = context.work.get(&key).await?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Staging(format!("{key}: {error}")))
}

async fn write_staged<T: Serialize>(context: &Context, staging: &str, name: &str, value: &T) -> Result<(), Error> {
    let key = format!("{staging}{name}");
    let mut text = serde_json::to_string_pretty(value).map_err(|error| Error::Staging(format!("{key}: {error}")))?;
    text.push('\n');
    Ok(context.work.put(&key, text.as_bytes()).await?)
}
