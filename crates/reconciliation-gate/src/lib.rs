//! Is the bill final, what exactly is closed, and does the ledger equal the invoices?
//!
//! Steps: `locate` and `freeze` (what the bill is, copied and hashed), `readiness` (ids final, invoices known, after the rollup),
//! `reconcile` (the proof); `day` finds the bill of a daily run, `record` keeps how it went; on AWS `offer` and `offer_day` start runs,
//! `ask_approval` and `approve` have a second person look. Expected outcomes (not ready, does not reconcile) are outputs, not errors.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

#[cfg(feature = "aws")]
mod aws;
mod columns;
#[cfg(feature = "aws")]
mod deployment;
#[cfg(feature = "aws")]
mod due;
mod freeze;
mod invoice_source;
mod invoices;
mod locate;
mod readiness;
mod reconcile;
mod record;
mod stage;

#[cfg(feature = "aws")]
pub use deployment::{Decision, Deployment, Machine, OfferStatus, Offered, Request};
pub use invoice_source::InvoiceSource;
#[cfg(feature = "aws")]
pub use invoice_source::Invoices;
pub use invoices::parse_invoices;
pub use stage::{Asked, Assets, stage, stage_day};

use apportion_core::close::{Run, Shard};
#[cfg(feature = "aws")]
use apportion_core::day::Day;
use apportion_core::day::{DayRun, FailedStage, Outcome};
use apportion_engine::catalogue::Catalogue;
use apportion_store::{Store, StoreError};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
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
    /// On AWS: what starts runs and keeps how they went.
    #[cfg(feature = "aws")]
    pub deployment: Option<Arc<Deployment>>,
}

impl Context {
    /// A gate that goes by the package's own SQL and template.
    pub fn new(bill: Store, work: Store) -> Context {
        Context {
            bill,
            work,
            release: Release::builtin(),
            #[cfg(feature = "aws")]
            deployment: None,
        }
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

/// Which step, of which run. What EventBridge sends of its own, without an `action`, is an offer.
#[derive(Debug, Clone, Deserialize)]
#[serde(remote = "Self", tag = "action", rename_all = "snake_case", deny_unknown_fields)]
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
    /// A manifest has arrived, or the day's schedule comes round: starts month end if it is due.
    #[cfg(feature = "aws")]
    Offer(Request),
    /// Starts the daily run of the day before `scheduled`, or of `date`.
    #[cfg(feature = "aws")]
    OfferDay {
        #[serde(default)]
        scheduled: Option<String>,
        #[serde(default)]
        date: Option<Day>,
    },
    /// The machine waits with this token until a second person approves the close.
    #[cfg(feature = "aws")]
    AskApproval { run: Run, token: String, started_by: String },
    /// That person's answer.
    #[cfg(feature = "aws")]
    Approve(Decision),
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Event, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        if value.get("action").is_none() && value.get("detail-type").is_some() {
            let key = value.pointer("/detail/object/key").cloned();
            value = json!({ "action": "offer", "key": key, "scheduled": value.get("time") });
        }
        // Without the indirection serde would call this very function.
        Event::deserialize(value).map_err(serde::de::Error::custom)
    }
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
    #[cfg(feature = "aws")]
    Offered(Offered),
    #[cfg(feature = "aws")]
    ApprovalAsked {
        run: String,
    },
    #[cfg(feature = "aws")]
    Decided {
        run: String,
        answer: deployment::Answer,
        approver: String,
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
    #[cfg(feature = "aws")]
    #[error("{0}")]
    Service(#[from] apportion_runtime::service::ServiceError),
    /// Runs are started on AWS alone.
    #[error("{0}")]
    NotDeployed(String),
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}")]
    BadApproval(String),
    /// One name, two inputs.
    #[error("{0}")]
    RunDiffers(String),
    #[error("{0}")]
    TooManyAttempts(String),
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
            #[cfg(feature = "aws")]
            Error::Service(error) => error.name(),
            Error::NotDeployed(_) => "NotDeployed",
            Error::BadRequest(_) => "BadRequest",
            Error::BadApproval(_) => "BadApproval",
            Error::RunDiffers(_) => "RunDiffers",
            Error::TooManyAttempts(_) => "TooManyAttempts",
            Error::Staging(_) => "Staging",
        }
    }
}

/// Runs one step.
pub async fn handle(context: &Context, event: Event) -> Result<Output, Error> {
    match event {
        Event::Locate { run } => keep(context, "locate", &run, locate::locate(context, &run).await?).await,
        Event::Fingerprint { run, shard } => freeze::fingerprint(context, &run, shard).await,
        Event::Freeze { run, shard } => freeze::freeze(context, &run, shard).await,
        Event::FreezeCommit { run } => keep(context, "freeze_commit", &run, freeze::commit(context, &run).await?).await,
        Event::Readiness { run } => keep(context, "readiness", &run, readiness::readiness(context, &run).await?).await,
        Event::Reconcile { run } => keep(context, "reconcile", &run, reconcile::reconcile(context, &run).await?).await,
        Event::Day { run, polls, most_polls } => locate::day(context, &run, polls + 1, most_polls).await,
        Event::Record { run, stages } => record::record(context, &run, &stages).await,
        #[cfg(feature = "aws")]
        Event::Offer(request) => deployment::offer(context, deployed(context)?, &request).await,
        #[cfg(feature = "aws")]
        Event::OfferDay { scheduled, date } => {
            deployment::offer_day(context, deployed(context)?, scheduled.as_deref(), date).await
        }
        #[cfg(feature = "aws")]
        Event::AskApproval { run, token, started_by } => deployment::ask(deployed(context)?, &run, &token, &started_by).await,
        #[cfg(feature = "aws")]
        Event::Approve(decision) => deployment::approve(deployed(context)?, &decision).await,
    }
}

#[cfg(feature = "aws")]
fn deployed(context: &Context) -> Result<&Deployment, Error> {
    let missing = "runs are started and approved on AWS; on one machine `apportion close` and `apportion daily` run them";
    context.deployment.as_deref().ok_or_else(|| Error::NotDeployed(missing.to_owned()))
}

/// Keeps what a step came to where runs are watched from outside; on one machine the staged files say it.
#[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "on AWS it is kept in a table"))]
async fn keep(context: &Context, action: &str, run: &Run, output: Output) -> Result<Output, Error> {
    #[cfg(feature = "aws")]
    if let Some(deployment) = &context.deployment {
        deployment.keep(action, run, &output).await?;
    }
    Ok(output)
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
