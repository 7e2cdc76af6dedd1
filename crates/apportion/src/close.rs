//! `apportion close`: one month, from the bill on disk to signed statements.

use crate::engine::EngineArguments;
use crate::failure::{BAD_INPUT, DOES_NOT_RECONCILE, Failure, NOT_READY, OTHER};
use crate::local::{LocalFunctions, Places};
use crate::place::{Scratch, is_s3};
use crate::walker::{Invoker, Machine, Walked};
use apportion_config::Loaded;
use apportion_core::close::{CloseFacts, Compared, Readiness, Reconciliation, RollupFacts, Run, Scan};
use apportion_core::day::{Day, dated_snapshots};
use apportion_core::money::Money;
use apportion_core::org::{DatedTree, Organization};
use apportion_core::period::Period;
use apportion_engine::QueryEngine;
use apportion_store::Store;
use digest_mailer::{Outbox, Topic};
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
    pub engine: EngineArguments,
    pub invoke: Option<Invoke>,
}

/// Functions that somebody else runs.
#[derive(Debug, Clone)]
pub struct Invoke {
    pub url: String,
    /// What their names begin with.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "nothing is called without AWS"))]
    pub prefix: Option<String>,
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
    /// What was charged for the rollup; nothing but with Athena.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scans: Vec<Scan>,
    pub reconciliation: Reconciliation,
}

/// Closes the period, once for each currency if so configured.
pub async fn close(options: &Options, progress: &(dyn Fn(&str) + Sync)) -> Result<Vec<Summary>, Failure> {
    let loaded = apportion_config::load(&options.config, options.period).map_err(Failure::bad_input)?;
    let template = template(options)?;
    if options.dry_run && !options.engine.is_embedded() {
        return Err(Failure::bad_input(
            "--dry-run freezes the bill in a temporary folder, which no other engine sees: leave --engine out",
        ));
    }
    if is_s3(&options.out) && options.engine.is_embedded() && options.invoke.is_none() {
        return Err(Failure::bad_input(
            "--out s3://…: the embedded engine reads files of this machine alone: name a folder, or --engine athena or trino=URL",
        ));
    }
    let engine = options.engine.open(None).await?;
    let first = close_currency(options, &loaded, &template, &engine, ("", ""), progress).await?;
    let mut summaries = vec![first];
    if loaded.configuration.settings.each_currency {
        let others: Vec<String> = summaries[0].reconciliation.other_currencies.keys().cloned().collect();
        for currency in others {
            let closes = format!("{currency}/");
            summaries.push(close_currency(options, &loaded, &template, &engine, (&currency, &closes), progress).await?);
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
    engine: &Arc<dyn QueryEngine>,
    (currency, closes): (&str, &str),
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Summary, Failure> {
    let (functions, bill) = match &options.invoke {
        Some(invoke) => (Functions::Elsewhere(elsewhere(invoke, progress).await?), delivered_key(options)?),
        None => {
            let (store, key) = bill_store(&options.bill)?;
            (Functions::Here(store), key)
        }
    };
    let scratch = Scratch::new(options).await?;
    let (staging, attempt) = scratch.stage(options, &loaded.digest).await?;
    let asked = Asked {
        period: options.period,
        staging,
        bill,
        provisional: options.provisional,
        closes: closes.to_owned(),
        currency: currency.to_owned(),
        attempt,
    };
    let run = stage(&scratch.work, asked, &assets(options, loaded, template).await?).await.map_err(Failure::other)?;
    let functions: Box<dyn Invoker + '_> = match functions {
        Functions::Elsewhere(functions) => functions,
        Functions::Here(bill) => Box::new(in_process(options, &scratch, bill, template, engine)?),
    };
    let machine = Machine::parse("statemachine/month_end.asl.json", MONTH_END).map_err(Failure::other)?;
    let machine = machine.named(run.execution());
    let input = json!({ "run": run, "dry_run": options.dry_run, "approval_required": false, "started_by": "" });
    let walked = machine.walk(functions.as_ref(), input, &|state| progress(state)).await;
    let staged = Staged { run: &run, scratch: &scratch };
    finish(options, walked, &staged).await
}

/// Who runs the functions.
enum Functions<'a> {
    /// This process, over the delivered bill.
    Here(Store),
    Elsewhere(Box<dyn Invoker + 'a>),
}

fn in_process(
    options: &Options,
    scratch: &Scratch,
    bill: Store,
    template: &Template,
    engine: &Arc<dyn QueryEngine>,
) -> Result<LocalFunctions, Failure> {
    let work = scratch.work.clone();
    // What a dry run stages lies elsewhere; the closes before it are where they are.
    let closes = if options.dry_run { Store::directory(&options.out) } else { work.clone() };
    let publisher = match options.dry_run {
        true => None,
        false => Some(publish::Context { work: work.clone(), closes: closes.clone(), signer: signer(options)? }),
    };
    let places = Places { bill, work, closes };
    LocalFunctions::new(&places, Arc::clone(engine), template, publisher).map_err(Failure::bad_input)
}

#[cfg(feature = "aws")]
async fn elsewhere<'a>(invoke: &Invoke, progress: &'a (dyn Fn(&str) + Sync)) -> Result<Box<dyn Invoker + 'a>, Failure> {
    Ok(Box::new(crate::served::Served::open(&invoke.url, invoke.prefix.as_deref(), progress).await?))
}

#[cfg(not(feature = "aws"))]
async fn elsewhere<'a>(invoke: &Invoke, _progress: &'a (dyn Fn(&str) + Sync)) -> Result<Box<dyn Invoker + 'a>, Failure> {
    Err(Failure::bad_input(format!(
        "--invoke {}: this apportion was built without it: build it with `cargo build -p apportion --features aws`",
        invoke.url
    )))
}

/// The bill as functions elsewhere know it: a key of the store that their own settings name, which `--bill` and `--out` must lie in.
fn delivered_key(options: &Options) -> Result<String, Failure> {
    let setting = |name: &str, option: &str, value: &Path| -> Result<String, Failure> {
        let place = apportion_runtime::optional_setting(name).ok_or_else(|| {
            Failure::bad_input(format!(
                "--invoke: {name} is not set: take the environment that the functions have (`make watch` writes it)"
            ))
        })?;
        let place = place.trim_end_matches('/').to_owned();
        let given = value.to_str().unwrap_or_default().trim_end_matches('/');
        let rest = given.strip_prefix(&place).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        rest.map(|rest| rest.trim_start_matches('/').to_owned()).ok_or_else(|| {
            Failure::bad_input(format!("{option} {}: the functions go by {name}, which is {place}: name that", value.display()))
        })
    };
    if !setting("APPORTION_WORK", "--out", &options.out)?.is_empty() {
        return Err(Failure::bad_input("--out: name what APPORTION_WORK names, not a folder in it"));
    }
    setting("APPORTION_BILL", "--bill", &options.bill)
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

/// What the run is made from beside the bill.
async fn assets(options: &Options, loaded: &Loaded, template: &Template) -> Result<Assets, Failure> {
    let organization = options.organization.as_ref().map(|path| {
        if path.is_dir() {
            return dated_organizations(path, options.period);
        }
        std::fs::read(path).map_err(|error| Failure::bad_input(format!("the organization file {}: {error}", path.display())))
    });
    Ok(Assets {
        configuration: loaded.files.clone(),
        organization: organization.transpose()?,
        invoices: InvoiceSource::File(options.invoices.clone()).read(options.period).await.map_err(Failure::bad_input)?,
        template: options.template.is_some().then(|| template.files().clone()),
        mail: mail(options)?,
    })
}

/// Who hears of a close that does not end well. A dry run tells only the person who looks at it.
fn mail(options: &Options) -> Result<Option<Vec<u8>>, Failure> {
    let path = options.config.join(apportion_config::MAIL);
    match std::fs::read(&path) {
        Ok(bytes) => Ok((!options.dry_run).then_some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::bad_input(format!("{}: {error}", path.display()))),
    }
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
    run: &'a Run,
    scratch: &'a Scratch,
}

impl Staged<'_> {
    async fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, Failure> {
        let key = format!("{}{name}", self.run.staging);
        let bytes = self.scratch.work.get(&key).await.map_err(Failure::other)?;
        serde_json::from_slice(&bytes).map_err(|error| Failure::other(format!("{key}: {error}")))
    }
}

impl Staged<'_> {
    /// Where the mail about the run lies, as a line for its failure.
    async fn notice(&self) -> String {
        let topic = Topic::Close { period: self.run.period, execution: self.run.execution().to_owned() };
        match Outbox::Directory(self.scratch.work.clone()).newest(&topic).await {
            Ok(None) => String::new(),
            Ok(Some(newest)) => {
                let mail = self.scratch.root().join(digest_mailer::key(&topic, newest.version));
                format!("\nThe notice: {}", mail.with_extension("html").display())
            }
            Err(error) => format!("\nThe notice cannot be looked up: {error}"),
        }
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
                crate::report::failure(&report, &cause, (!options.dry_run).then_some(place.as_path())) + &staged.notice().await,
            ))
        }
        Walked::Failed { error, cause } => {
            staged.scratch.clear(staged.run);
            let code = if error.starts_with("Bad") { BAD_INPUT } else { OTHER };
            Err(Failure::new(code, cause + &staged.notice().await))
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
    let summary = summary(staged, status, Some(closes_root(options).join(outcome.folder))).await?;
    staged.scratch.clear(staged.run);
    Ok(summary)
}

/// Where closes go, as it is shown: functions elsewhere may keep them apart.
fn closes_root(options: &Options) -> PathBuf {
    let elsewhere = options.invoke.as_ref().and_then(|_| apportion_runtime::optional_setting("APPORTION_CLOSES"));
    elsewhere.map_or_else(|| options.out.clone(), PathBuf::from)
}

async fn summary(staged: &Staged<'_>, status: &str, folder: Option<PathBuf>) -> Result<Summary, Failure> {
    let facts: CloseFacts = staged.read("close.json").await?;
    let compared: Compared = staged.read("compared.json").await?;
    let rollup: RollupFacts = staged.read("rollup.json").await?;
    let located: serde_json::Value = staged.read("bill.json").await?;
    let ignored = located["ignored"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(Summary {
        left_out: ignored.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect(),
        scans: rollup.scans,
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
