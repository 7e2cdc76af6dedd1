//! The morning's mail: budgets, forecast and anomalies of a day, the digest that says them, the archive of what it was made from.
//!
//! Steps: `evaluate` (figures, from the staged day rows), `digest` (archive, mail), `close_notice` (a close that was refused or failed). What
//! the figures mean is core's (`core::evaluation`); a digest that misses a stage says so at its top and is sent all the same.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod anomalies;
mod archive;
#[cfg(feature = "aws")]
mod aws;
mod chart;
mod days;
mod digest;
mod evaluate;
mod figures;
mod html;
mod mail;
mod notice;
mod outbox;
mod page;
mod remedies;
mod sections;
#[cfg(feature = "aws")]
mod ses;
mod text;
mod versions;

pub use anomalies::{DecideError, Decision, FalsePositives, Record, decide, false_positives, records};
pub use archive::{BREAKDOWN_COLUMNS, breakdown_csv, breakdown_key};
pub use notice::{Ending, StateError};
pub use outbox::{Letter, Newest, Outbox, Preview, Sent, Topic, key};
#[cfg(feature = "aws")]
pub use ses::Ses;

use apportion_core::close::Run;
use apportion_core::day::{Day, DayRun, FailedStage};
use apportion_core::period::Period;
use apportion_store::{Store, StoreError};
use serde::{Deserialize, Serialize};

/// Where the mailer reads, writes and sends.
#[derive(Clone)]
pub struct Context {
    /// `staging/`, `org/`, `anomalies/`, `alerts/`, `ou-breakdowns/`.
    pub work: Store,
    pub outbox: Outbox,
}

/// Which step, of which run.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// Budgets, forecast, anomalies -> `evaluation.json`. Safe to repeat.
    Evaluate { run: DayRun },
    /// Archives the day's rows, builds the digest and sends it, once for each content.
    Digest {
        run: DayRun,
        /// Stages that did not succeed; those whose file is missing are found without it.
        #[serde(default)]
        stages: Vec<FailedStage>,
    },
    /// Tells of a close that did not end well, once for each execution.
    CloseNotice { run: Run, outcome: Ending, error: StateError },
    /// A person says whether a mail went out of which that is not known ([`Error::MailUnknown`]): the digest of `date`, or the notice of
    /// `period` and `execution`.
    Settle {
        #[serde(default)]
        date: Option<Day>,
        #[serde(default)]
        period: Option<Period>,
        #[serde(default)]
        execution: Option<String>,
        version: u32,
        was_sent: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Output {
    Evaluated {
        anomalies: usize,
        /// Groups with too few days to judge, of all with a cost on the day.
        sparse: usize,
        groups: usize,
        alerts: usize,
    },
    Digest {
        /// False when this content was sent before.
        sent: bool,
        /// Key of the mail in the outbox.
        mail: String,
        /// From 1; above 1 the mail says that it replaces the one before.
        version: u32,
        /// Key of the archived CSV, `None` if there was no rollup.
        archive: Option<String>,
        /// Stages that the mail names as missing.
        missing: Vec<String>,
    },
    Notice {
        /// False when it was sent before, or when nobody is named to hear of closes.
        sent: bool,
        /// Key of the mail in the outbox, `""` if there is none.
        mail: String,
    },
    Settled {
        /// `sent`, or `refused`: the next run sends it.
        state: &'static str,
    },
}

/// Variants that begin with `Bad` are input to mend; the others may pass when tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    BadConfiguration(String),
    #[error("{0}")]
    BadBill(String),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[cfg(feature = "aws")]
    #[error("{0}")]
    Service(#[from] apportion_runtime::service::ServiceError),
    /// SES took nothing; the next run sends it.
    #[error("{0}")]
    MailRefused(String),
    /// A mail may have gone out or not: nothing sends it again before a person has looked.
    #[error("{0}")]
    MailUnknown(String),
    #[error("{0}")]
    NothingToSettle(String),
    #[error("{0}")]
    Staging(String),
}

impl Error {
    /// The name that a state machine catches.
    pub fn name(&self) -> &'static str {
        match self {
            Error::BadConfiguration(_) => "BadConfiguration",
            Error::BadBill(_) => "BadBill",
            Error::Store(error) => error.name(),
            #[cfg(feature = "aws")]
            Error::Service(error) => error.name(),
            Error::MailRefused(_) => "MailRefused",
            Error::MailUnknown(_) => "MailUnknown",
            Error::NothingToSettle(_) => "NothingToSettle",
            Error::Staging(_) => "Staging",
        }
    }
}

/// Runs one step.
pub async fn handle(context: &Context, event: Event) -> Result<Output, Error> {
    match event {
        Event::Evaluate { run } => evaluate::evaluate(context, &run).await,
        Event::Digest { run, stages } => digest::digest(context, &run, &stages).await,
        Event::CloseNotice { run, outcome, error } => notice::notice(context, &run, outcome, &error).await,
        Event::Settle { date, period, execution, version, was_sent } => {
            let topic = match (date, period, execution) {
                (Some(date), None, None) => Topic::Digest(date),
                (None, Some(period), Some(execution)) => Topic::Close { period, execution },
                _ => return Err(Error::NothingToSettle("name `date`, or `period` and `execution`".to_owned())),
            };
            Ok(Output::Settled { state: context.outbox.settle(&topic, version, was_sent).await? })
        }
    }
}

fn staging(error: impl std::fmt::Display) -> Error {
    Error::Staging(error.to_string())
}

/// A staged JSON file; `None` if there is none.
async fn staged<T: serde::de::DeserializeOwned>(context: &Context, key: &str) -> Result<Option<T>, Error> {
    match context.work.get(key).await {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| staging(format!("{key}: {error}"))),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Pretty JSON with a line end.
fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(staging)?;
    bytes.push(b'\n');
    Ok(bytes)
}
