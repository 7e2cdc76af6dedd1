//! Rolls the bill up by SQL, then allocates every cent of it.
//!
//! Steps: `start` and `poll` (one query for each format of the bill; no Lambda waits), `allocate` (core on the result).

mod allocate;
mod rollup;

use apportion_core::close::Run;
use apportion_engine::QueryEngine;
use apportion_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where the runner reads, writes and queries.
#[derive(Clone)]
pub struct Context {
    /// `inputs/` and `staging/`.
    pub work: Store,
    /// `closes/`: which close is the previous one.
    pub closes: Store,
    pub engine: Arc<dyn QueryEngine>,
    /// Digest of the statement template and fonts that will render this close.
    pub template_digest: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    pub action: Action,
    pub run: Run,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Starts the rollup.
    Start,
    /// Has it finished? If so, stages its rows.
    Poll,
    /// Stages the ledger and the close's id.
    Allocate,
}

/// What the state machine branches on.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Output {
    Query { state: State },
    Allocated { close: String, shards: Vec<apportion_core::close::Shard>, ledger_rows: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Running,
    Succeeded,
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
    match event.action {
        Action::Start => rollup::start(context, &event.run).await,
        Action::Poll => rollup::poll(context, &event.run).await,
        Action::Allocate => allocate::allocate(context, &event.run).await,
    }
}

/// The staged configuration.
async fn configuration(context: &Context, run: &Run) -> Result<apportion_config::Loaded, Error> {
    let mut files = BTreeMap::new();
    for entry in context.work.list(&run.configuration).await? {
        files.insert(entry.key[run.configuration.len()..].to_owned(), context.work.get(&entry.key).await?);
    }
    apportion_config::load_files(&files, run.period).map_err(|error| Error::BadConfiguration(error.to_string()))
}

async fn read_staged<T: serde::de::DeserializeOwned>(context: &Context, run: &Run, name: &str) -> Result<T, Error> {
    let key = format!("{}{name}", run.staging);
    let bytes = context.work.get(&key).await?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Staging(format!("{key}: {error}")))
}

async fn write_staged<T: Serialize>(context: &Context, run: &Run, name: &str, value: &T) -> Result<(), Error> {
    let key = format!("{}{name}", run.staging);
    let mut text = serde_json::to_string_pretty(value).map_err(|error| Error::Staging(format!("{key}: {error}")))?;
    text.push('\n');
    Ok(context.work.put(&key, text.as_bytes()).await?)
}
