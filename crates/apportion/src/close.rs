//! `apportion close`: one month, from the bill on disk to signed statements.

use crate::failure::{BAD_INPUT, DOES_NOT_RECONCILE, Failure, NOT_READY, OTHER};
use crate::local::{LocalFunctions, Places};
use crate::walker::{Machine, Walked};
use apportion_config::Loaded;
use apportion_core::close::{CloseFacts, Compared, Readiness, Reconciliation, Run};
use apportion_core::money::Money;
use apportion_core::period::Period;
use apportion_engine_embedded::EmbeddedEngine;
use apportion_output::sha256_hex;
use apportion_store::Store;
use reconciliation_gate::{Asked, Assets, InvoiceSource, stage};
use serde::Serialize;
use serde_json::json;
use statement_renderer::signer::Signer;
use statement_renderer::{Template, publish};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `statemachine/month_end.asl.json`: the only definition of the order of steps.
pub const MONTH_END: &str = include_str!("../../../statemachine/month_end.asl.json");

/// What to close, from what, into where.
#[derive(Debug, Clone)]
pub struct Options {
    pub period: Period,
    pub bill: PathBuf,
    pub config: PathBuf,
    pub out: PathBuf,
    pub organization: Option<PathBuf>,
    pub invoices: Option<PathBuf>,
    pub template: Option<PathBuf>,
    pub provisional: bool,
    pub dry_run: bool,
}

/// What a close printed or wrote.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// `closed`, `already closed`, `provisional`, `dry run`.
    pub status: String,
    pub period: Period,
    pub close: String,
    pub currency: String,
    /// Where the close lies; `None` in a dry run.
    pub folder: Option<PathBuf>,
    /// Files beside the bill that are not of it, each with the reason. Of the delivery, so not of the close.
    pub left_out: Vec<String>,
    pub reconciliation: Reconciliation,
}

/// Closes the period, once for each currency if so configured.
pub async fn close(options: &Options, progress: &(dyn Fn(&str) + Sync)) -> Result<Vec<Summary>, Failure> {
    let loaded = apportion_config::load(&options.config, options.period).map_err(Failure::bad_input)?;
    let template = template(options)?;
    let first = close_currency(options, &loaded, &template, "", "", progress).await?;
    let mut summaries = vec![first];
    if loaded.configuration.settings.each_currency {
        let others: Vec<String> = summaries[0].reconciliation.other_currencies.keys().cloned().collect();
        for currency in others {
            let closes = format!("{currency}/");
            summaries.push(close_currency(options, &loaded, &template, &currency, &closes, progress).await?);
        }
    }
    Ok(summaries)
}

fn template(options: &Options) -> Result<Template, Failure> {
    match &options.template {
        Some(folder) => Template::from_folder(folder).map_err(Failure::bad_input),
        None => Ok(Template::builtin()),
    }
}

async fn close_currency(
    options: &Options,
    loaded: &Loaded,
    template: &Template,
    currency: &str,
    closes: &str,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Summary, Failure> {
    let (bill, key) = bill_store(&options.bill)?;
    let scratch = Scratch::new(options)?;
    let work = Store::directory(scratch.root());
    let places = Places { bill, work: work.clone(), closes: Store::directory(&options.out) };
    let (staging, attempt) = scratch.stage(options, loaded)?;
    let asked = Asked {
        period: options.period,
        staging,
        bill: key,
        provisional: options.provisional,
        closes: closes.to_owned(),
        currency: currency.to_owned(),
        attempt,
    };
    let run = stage(&work, asked, &assets(options, loaded, template).await?).await.map_err(Failure::other)?;
    let publisher = match options.dry_run {
        true => None,
        false => Some(publish::Context { work: work.clone(), closes: places.closes.clone(), signer: signer(options)? }),
    };
    let functions = LocalFunctions::new(&places, embedded(), template, publisher).map_err(Failure::bad_input)?;
    let machine = Machine::parse("statemachine/month_end.asl.json", MONTH_END).map_err(Failure::other)?;
    let input = json!({ "run": run, "dry_run": options.dry_run, "approval_required": false, "started_by": "" });
    let walked = machine.walk(&functions, input, &|state| progress(state)).await;
    let staged = Staged { work: &work, run: &run, scratch: &scratch };
    finish(options, walked, &staged).await
}

/// DataFusion on all cores, or on as many as APPORTION_THREADS says.
pub fn embedded() -> Arc<EmbeddedEngine> {
    Arc::new(match std::env::var("APPORTION_THREADS").ok().and_then(|text| text.parse().ok()) {
        Some(threads) => EmbeddedEngine::with_threads(threads),
        None => EmbeddedEngine::new(),
    })
}

/// The key to sign with; a provisional close is signed by nobody.
fn signer(options: &Options) -> Result<Option<Signer>, Failure> {
    if options.provisional {
        return Ok(None);
    }
    Signer::open_or_create(&options.out).map(Some).map_err(Failure::bad_input)
}

/// The bill as a store, and the file in it if only one was named.
pub fn bill_store(path: &Path) -> Result<(Store, String), Failure> {
    let metadata = std::fs::metadata(path).map_err(|error| {
        Failure::bad_input(format!("--bill {}: {error}: name a bill file or the folder of an export", path.display()))
    })?;
    if metadata.is_dir() {
        return Ok((Store::directory(export_root(path)), String::new()));
    }
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::bad_input(format!("--bill {}: the file name must be UTF-8", path.display())))?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((Store::directory(folder), name.to_owned()))
}

/// A folder inside `data/` of an export means the export: its manifest decides which files count.
fn export_root(path: &Path) -> PathBuf {
    let Ok(full) = path.canonicalize() else { return path.to_path_buf() };
    let mut at = full.as_path();
    while let Some(parent) = at.parent() {
        if at.file_name().is_some_and(|name| name == "data") && parent.join("metadata").is_dir() {
            return parent.to_path_buf();
        }
        at = parent;
    }
    path.to_path_buf()
}

/// Where `inputs/` and `staging/` go: the out folder, or a temporary one in a dry run, which leaves nothing behind.
struct Scratch {
    root: PathBuf,
    temporary: Option<tempfile::TempDir>,
}

impl Scratch {
    fn new(options: &Options) -> Result<Scratch, Failure> {
        if options.dry_run {
            let folder = tempfile::tempdir().map_err(|error| Failure::other(format!("a temporary folder: {error}")))?;
            return Ok(Scratch { root: folder.path().to_path_buf(), temporary: Some(folder) });
        }
        Ok(Scratch { root: options.out.clone(), temporary: None })
    }

    fn root(&self) -> &Path {
        &self.root
    }

    /// A staging folder of this run's own: `staging/<period>/<digest of what was asked>-<attempt>/`.
    fn stage(&self, options: &Options, loaded: &Loaded) -> Result<(String, u32), Failure> {
        let asked = format!("{:?}\n{}", options, loaded.digest);
        let name = &sha256_hex(asked.as_bytes())[..12];
        let parent = self.root.join("staging").join(options.period.to_string());
        let unwritable = |error: std::io::Error| Failure::other(format!("--out {}: {error}", parent.display()));
        std::fs::create_dir_all(&parent).map_err(unwritable)?;
        for attempt in 1..10_000 {
            match std::fs::create_dir(parent.join(format!("{name}-{attempt}"))) {
                Ok(()) => return Ok((format!("staging/{}/{name}-{attempt}/", options.period), attempt)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(unwritable(error)),
            }
        }
        Err(Failure::other(format!("{}: ten thousand failed runs lie there: remove them", parent.display())))
    }

    /// Removes what a run that has nothing more to say left.
    fn clear(&self, run: &Run) {
        if self.temporary.is_none() {
            // Left-overs are harmless and named by the next run, so a failure to remove them is not a failure to close.
            let _ = std::fs::remove_dir_all(self.root.join(&run.staging));
        }
    }
}

/// What the run is made from beside the bill.
async fn assets(options: &Options, loaded: &Loaded, template: &Template) -> Result<Assets, Failure> {
    let organization = options.organization.as_ref().map(|path| {
        std::fs::read(path).map_err(|error| Failure::bad_input(format!("the organization file {}: {error}", path.display())))
    });
    Ok(Assets {
        configuration: loaded.files.clone(),
        organization: organization.transpose()?,
        invoices: InvoiceSource::File(options.invoices.clone()).read(options.period).await.map_err(Failure::bad_input)?,
        template: options.template.is_some().then(|| template.files().clone()),
    })
}

struct Staged<'a> {
    work: &'a Store,
    run: &'a Run,
    scratch: &'a Scratch,
}

impl Staged<'_> {
    async fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, Failure> {
        let key = format!("{}{name}", self.run.staging);
        let bytes = self.work.get(&key).await.map_err(Failure::other)?;
        serde_json::from_slice(&bytes).map_err(|error| Failure::other(format!("{key}: {error}")))
    }
}

/// Turns the end of the machine into a summary or a failure with its exit code.
async fn finish(options: &Options, walked: Walked, staged: &Staged<'_>) -> Result<Summary, Failure> {
    match walked {
        Walked::Failed { error, cause } if error == "DoesNotReconcile" => {
            let report: Reconciliation = staged.read("close/reconciliation.json").await?;
            let place = staged.scratch.root().join(&staged.run.staging).join("close/reconciliation.json");
            Err(Failure::new(
                DOES_NOT_RECONCILE,
                crate::report::failure(&report, &cause, (!options.dry_run).then_some(place.as_path())),
            ))
        }
        Walked::Failed { error, cause } => {
            staged.scratch.clear(staged.run);
            let code = if error.starts_with("Bad") { BAD_INPUT } else { OTHER };
            Err(Failure::new(code, cause))
        }
        Walked::Succeeded { state, output } => match state.as_str() {
            "NotReady" => {
                let readiness: Readiness = staged.read("readiness.json").await?;
                Err(Failure::new(NOT_READY, crate::report::not_ready(options.period, &readiness)))
            }
            "DryRun" => summary(staged, "dry run", None).await,
            _ => closed(options, staged, &output).await,
        },
    }
}

async fn closed(options: &Options, staged: &Staged<'_>, output: &serde_json::Value) -> Result<Summary, Failure> {
    let outcome: publish::Output = serde_json::from_value(output["published"]["result"].clone())
        .map_err(|error| Failure::other(format!("what the publisher said: {error}")))?;
    let status = match outcome.status {
        publish::Status::Committed => "closed",
        publish::Status::Already => "already closed",
        publish::Status::Provisional => "provisional",
        publish::Status::Conflict => {
            let facts: CloseFacts = staged.read("close.json").await?;
            staged.scratch.clear(staged.run);
            return Err(Failure::new(
                OTHER,
                format!(
                    "{} is closed as {} and these inputs give {}: nothing was written; book late changes as adjustments in the open period",
                    options.period,
                    outcome.current.unwrap_or_default(),
                    facts.close
                ),
            ));
        }
        publish::Status::EarlierThanClosed => {
            staged.scratch.clear(staged.run);
            return Err(Failure::bad_input(format!(
                "{} cannot be closed: {} is closed already and builds on what came before it",
                options.period,
                outcome.current.unwrap_or_default()
            )));
        }
    };
    let summary = summary(staged, status, Some(options.out.join(outcome.folder))).await?;
    staged.scratch.clear(staged.run);
    Ok(summary)
}

async fn summary(staged: &Staged<'_>, status: &str, folder: Option<PathBuf>) -> Result<Summary, Failure> {
    let facts: CloseFacts = staged.read("close.json").await?;
    let compared: Compared = staged.read("compared.json").await?;
    let located: serde_json::Value = staged.read("bill.json").await?;
    let ignored = located["ignored"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(Summary {
        left_out: ignored.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect(),
        status: status.to_owned(),
        period: facts.period,
        close: facts.close,
        currency: compared.currency,
        folder,
        reconciliation: staged.read("close/reconciliation.json").await?,
    })
}

/// Cents as text in the currency's own decimals.
pub fn cents(amount: i128, currency: &str) -> String {
    Money::minor_to_string(amount, apportion_core::close::minor_exponent(currency))
}
