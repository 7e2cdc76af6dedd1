//! `apportion close`: one month, from the bill on disk to signed statements.

use crate::failure::{BAD_INPUT, DOES_NOT_RECONCILE, Failure, NOT_READY, OTHER};
use crate::local::{LocalFunctions, Places};
use crate::walker::{Machine, Walked};
use apportion_config::Loaded;
use apportion_core::close::{CloseFacts, Compared, Readiness, Reconciliation, Run};
use apportion_core::day::{Day, dated_snapshots};
use apportion_core::money::Money;
use apportion_core::org::{DatedTree, Organization};
use apportion_core::period::Period;
use apportion_engine_embedded::EmbeddedEngine;
use apportion_output::sha256_hex;
use apportion_store::Store;
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
    let run = stage(options, loaded, template, &work, staging, attempt, key, (currency, closes)).await?;
    let publisher = match options.dry_run {
        true => None,
        false => Some(publish::Context { work: work.clone(), closes: places.closes.clone(), signer: signer(options)? }),
    };
    let functions = LocalFunctions::new(&places, embedded(), template, publisher).map_err(Failure::bad_input)?;
    let machine = Machine::parse("statemachine/month_end.asl.json", MONTH_END).map_err(Failure::other)?;
    let input = json!({ "run": run, "dry_run": options.dry_run });
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
            // What daily runs kept of the organization is read by a close without `--org`.
            let kept = options.out.join("org");
            crate::daily::copy(&kept, &folder.path().join("org"))
                .map_err(|error| Failure::other(format!("--out {}: {error}", kept.display())))?;
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

/// Puts configuration, organization, invoices and template where the functions read them.
#[allow(clippy::too_many_arguments)] // called once; the list is the run
async fn stage(
    options: &Options,
    loaded: &Loaded,
    template: &Template,
    work: &Store,
    staging: String,
    attempt: u32,
    bill: String,
    (currency, closes): (&str, &str),
) -> Result<Run, Failure> {
    let put = async |name: &str, bytes: &[u8]| -> Result<String, Failure> {
        let key = format!("{staging}assets/{name}");
        work.put(&key, bytes).await.map_err(Failure::other)?;
        Ok(key)
    };
    for (name, bytes) in &loaded.files {
        put(&format!("configuration/{name}"), bytes).await?;
    }
    let mut files = Vec::new();
    for (what, path) in [("organization", &options.organization), ("invoices", &options.invoices)] {
        files.push(match path {
            None => None,
            Some(path) => {
                let bytes = match path.is_dir() && what == "organization" {
                    true => dated_organizations(path, options.period)?,
                    false => std::fs::read(path)
                        .map_err(|error| Failure::bad_input(format!("the {what} file {}: {error}", path.display())))?,
                };
                Some(put(&format!("{what}.json"), &bytes).await?)
            }
        });
    }
    let [organization, invoices] = files.try_into().unwrap_or([None, None]);
    let own_template = match options.template {
        None => None,
        Some(_) => {
            for (name, bytes) in template.files() {
                put(&format!("template/{name}"), bytes).await?;
            }
            Some(format!("{staging}assets/template/"))
        }
    };
    Ok(Run {
        period: options.period,
        configuration: format!("{staging}assets/configuration/"),
        staging,
        bill,
        template: own_template,
        organization,
        invoices,
        provisional: options.provisional,
        closes: closes.to_owned(),
        currency: currency.to_owned(),
        attempt,
    })
}

/// The trees of a folder of `<YYYY-MM-DD>.json` that can matter to a period, as one organization file.
fn dated_organizations(folder: &Path, period: Period) -> Result<Vec<u8>, Failure> {
    let wrong = |path: &Path, what: &dyn std::fmt::Display| Failure::bad_input(format!("--org {}: {what}", path.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| wrong(folder, &error))? {
        let name = entry.map_err(|error| wrong(folder, &error))?.file_name();
        names.extend(name.to_str().map(|name| format!("org/{name}")));
    }
    let dated = dated_snapshots(names);
    let (first, last) = (Day::first_of(period), Day::last_of(period));
    let from = dated.range(..=first).next_back().map_or(first, |(day, _)| *day);
    let mut trees = Vec::new();
    for (day, key) in dated.range(from..=last) {
        let path = folder.join(key.trim_start_matches("org/"));
        let bytes = std::fs::read(&path).map_err(|error| wrong(&path, &error))?;
        let tree = ou_mapper::parse_organization(&bytes).map_err(|error| wrong(&path, &error))?;
        trees.push(DatedTree { from: *day, snapshot: *day, tree });
    }
    let organization = Organization::by_day(period, trees).ok_or_else(|| {
        let what = format!("it has no <YYYY-MM-DD>.json of {last} or before: name the file that the month shall go by");
        wrong(folder, &what)
    })?;
    serde_json::to_vec(&organization).map_err(Failure::other)
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
