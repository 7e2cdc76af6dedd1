//! The steps: staged ledger in, staged statements out; a day's evaluation in, its page out. No right to sign, none to publish.

use crate::close::{Close, StatementError};
use crate::executive::{EXECUTIVE, executive};
use crate::figures::{Figures, Previous, Totals, Year};
use crate::render::{RenderError, Renderer, render_units};
use crate::statement_folder;
use crate::summary;
use crate::template::{Template, TemplateError};
use apportion_config::load_files;
use apportion_core::close::{CloseFacts, Compared, Reconciliation, Run, Shard};
use apportion_core::day::DayRun;
use apportion_core::ledger::{LedgerRow, PoolSource};
use apportion_core::model::{Configuration, Unit};
use apportion_core::org::Organization;
use apportion_core::text::Text;
use apportion_output::{read_ledger_csv, read_rollup_csv};
use apportion_runtime::metrics::{self, Figure};
use apportion_store::{Store, StoreError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Where the renderer reads and writes, and the template made ready once.
#[derive(Clone)]
pub struct Context {
    /// `staging/`.
    pub work: Store,
    /// `closes/`: the previous close.
    pub closes: Store,
    /// `inputs/`: the previous close's configuration.
    inputs: Store,
    renderer: Renderer,
    template_digest: String,
    /// Prints the page for executives: the package's own template where the other has none.
    executive: Renderer,
    /// The last close read: the shards of a Map work on the same one.
    last: Arc<Mutex<Option<Arc<Staged>>>>,
}

impl Context {
    /// Parses the template and its fonts once for all invocations.
    pub fn new(work: Store, closes: Store, template: &Template) -> Result<Context, RenderError> {
        let renderer = Renderer::new(template)?;
        let executive =
            if template.files.contains_key(EXECUTIVE) { renderer.clone() } else { Renderer::new(&Template::builtin())? };
        let (inputs, template_digest) = (closes.clone(), template.digest());
        Ok(Context { work, closes, inputs, renderer, template_digest, executive, last: Arc::default() })
    }

    /// The same, where `inputs/` is not in the store of closes.
    pub fn with_inputs(mut self, inputs: Store) -> Context {
        self.inputs = inputs;
        self
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    pub action: Action,
    pub run: AnyRun,
    /// Which units, by their place in the sorted list of units; all if absent. A summary has none.
    #[serde(default)]
    pub shard: Option<Shard>,
}

/// A run of either machine; their fields tell which.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum AnyRun {
    Close(Box<Run>),
    Day(DayRun),
}

impl From<Run> for AnyRun {
    fn from(run: Run) -> AnyRun {
        AnyRun::Close(Box::new(run))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Prints the statements of a shard of the units.
    Statements,
    /// Prints `summary.pdf` and `summary.csv`.
    Summary,
    /// Prints `executive.pdf` of a daily run.
    Executive,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Pages printed: one for each unit, or the summary.
    pub statements: usize,
}

/// Variants that begin with `Bad` are input to mend; the others may pass when tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    BadTemplate(#[from] TemplateError),
    #[error("{0}")]
    BadRendering(#[from] RenderError),
    #[error("{0}")]
    Statement(#[from] StatementError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Staging(String),
}

impl Error {
    /// The name that a state machine catches.
    pub fn name(&self) -> &'static str {
        match self {
            Error::BadTemplate(_) => "BadTemplate",
            Error::BadRendering(_) => "BadRendering",
            Error::Statement(_) => "Statement",
            Error::Store(error) => error.name(),
            Error::Staging(_) => "Staging",
        }
    }
}

/// Runs one step: files below `close/` of the run's staging folder.
pub async fn handle(context: &Context, event: Event) -> Result<Output, Error> {
    match (event.action, event.run) {
        (Action::Executive, AnyRun::Day(run)) => {
            executive(&context.work, &context.executive, &run).await?;
            Ok(Output { statements: 1 })
        }
        (Action::Statements | Action::Summary, AnyRun::Close(run)) => print(context, event.action, &run, event.shard).await,
        (action, _) => Err(staging(format!("the step {action:?} takes a run of the other machine"))),
    }
}

async fn print(context: &Context, action: Action, run: &Run, shard: Option<Shard>) -> Result<Output, Error> {
    let staged = Staged::of(context, run).await?;
    let renderer = context.renderer.clone();
    let work = move || match action {
        Action::Summary => print_summary(&staged, &renderer),
        _ => print_statements(&staged, &renderer, shard),
    };
    let files = tokio::task::spawn_blocking(work).await.map_err(|error| staging(format!("printing stopped: {error}")))??;
    if action == Action::Summary {
        // It comes after all statements: what follows in this process needs the memory.
        context.last.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
    let statements = files.iter().filter(|(name, _)| name.ends_with(".pdf")).count();
    for (name, bytes) in files {
        context.work.put(&format!("{}close/{name}", run.staging), &bytes).await?;
    }
    Ok(Output { statements })
}

/// Everything that statements of a close say.
pub(crate) struct Staged {
    facts: CloseFacts,
    compared: Compared,
    configuration: Configuration,
    account_names: BTreeMap<String, String>,
    rows: Vec<LedgerRow>,
    pool_sources: Vec<PoolSource>,
    previous: Option<Earlier>,
    year: Option<Year>,
    /// Summed and proved by the first shard, for all.
    totals: OnceLock<Arc<Totals>>,
    report: Reconciliation,
}

/// The close before this one.
pub(crate) struct Earlier {
    pub facts: CloseFacts,
    pub rows: Vec<LedgerRow>,
    pub configuration: Option<Configuration>,
}

impl Staged {
    /// Reads the close, unless it is the one that was read last: the facts hold the digest of all the rest.
    async fn of(context: &Context, run: &Run) -> Result<Arc<Staged>, Error> {
        let facts: CloseFacts = json(&context.work, &format!("{}close.json", run.staging)).await?;
        if facts.template_digest != context.template_digest {
            return Err(TemplateError::Changed.into());
        }
        let known = context.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(staged) = known.filter(|staged| staged.facts == facts) {
            return Ok(staged);
        }
        let staged = Arc::new(Staged::read(context, run, facts).await?);
        *context.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&staged));
        Ok(staged)
    }

    async fn read(context: &Context, run: &Run, facts: CloseFacts) -> Result<Staged, Error> {
        let files = folder(&context.work, &run.configuration).await?;
        let previous = match facts.previous_period {
            None => None,
            Some(period) => {
                let prefix = format!("{}closes/{period}/{}/", run.closes, facts.previous_close);
                Some(Earlier::read(&context.closes, &context.inputs, &prefix).await?)
            }
        };
        Ok(Staged {
            totals: OnceLock::new(),
            year: year_before(&context.closes, &run.closes, &facts).await?,
            report: json(&context.work, &format!("{}close/reconciliation.json", run.staging)).await?,
            compared: json(&context.work, &format!("{}compared.json", run.staging)).await?,
            configuration: load_files(&files, run.period).map_err(staging)?.configuration,
            account_names: account_names(context, run).await?,
            pool_sources: json(&context.work, &format!("{}pool_sources.json", run.staging)).await?,
            rows: ledger(&context.work, &format!("{}close/ledger.csv", run.staging)).await?,
            facts,
            previous,
        })
    }

    fn close(&self) -> Result<Close<'_>, Error> {
        if let Some(totals) = self.totals.get() {
            return Ok(Close::again(self.figures(), Arc::clone(totals)));
        }
        let close = Close::new(self.figures())?;
        // Two shards at once make the same totals: either may stay.
        self.totals.get_or_init(|| Arc::clone(&close.totals));
        Ok(close)
    }

    fn figures(&self) -> Figures<'_> {
        Figures {
            period: self.facts.period,
            close_id: &self.facts.close,
            provisional: self.facts.provisional,
            currency: &self.facts.currency,
            minor_exponent: self.compared.minor_exponent,
            configuration: &self.configuration,
            account_names: &self.account_names,
            rows: &self.rows,
            controls: &self.compared.controls,
            pool_sources: &self.pool_sources,
            previous: self.previous.as_ref().map(|earlier| Previous {
                period: earlier.facts.period,
                close_id: &earlier.facts.close,
                rows: &earlier.rows,
                configuration: earlier.configuration.as_ref(),
            }),
            year: self.year.as_ref(),
            bridge: &self.report.bridge,
            notes: &self.report.notes,
        }
    }
}

/// What earlier closes of the same year charged, along the chain of previous closes: the id of a close covers that of the one before.
/// `prefix` is what stands before `closes/`.
pub(crate) async fn year_before(closes: &Store, prefix: &str, facts: &CloseFacts) -> Result<Option<Year>, Error> {
    let mut year = None;
    let mut next = facts.previous_period.map(|period| (period, facts.previous_close.clone()));
    while let Some((period, close)) = next.filter(|(period, _)| period.year() == facts.period.year()) {
        let folder = format!("{prefix}closes/{period}/{close}/");
        year = Some(Year::add(year, period, &ledger(closes, &format!("{folder}ledger.csv")).await?));
        let earlier: CloseFacts = json(closes, &format!("{folder}manifest.json")).await?;
        next = earlier.previous_period.filter(|before| *before < period).map(|before| (before, earlier.previous_close));
    }
    Ok(year)
}

impl Earlier {
    /// The close in `prefix` of the store that has `closes/`.
    pub async fn read(closes: &Store, inputs: &Store, prefix: &str) -> Result<Earlier, Error> {
        let facts: CloseFacts = json(closes, &format!("{prefix}manifest.json")).await?;
        let rows = ledger(closes, &format!("{prefix}ledger.csv")).await?;
        // Without its frozen configuration the comparison still stands, by rule ids alone.
        let files = folder(inputs, &facts.configuration_prefix()).await?;
        let configuration = load_files(&files, facts.period).ok().map(|loaded| loaded.configuration);
        Ok(Earlier { facts, rows, configuration })
    }
}

/// Rows of a ledger file; one of nothing but its header is an empty period.
pub(crate) async fn ledger(store: &Store, key: &str) -> Result<Vec<LedgerRow>, Error> {
    let bytes = store.get(key).await?;
    if bytes.iter().filter(|byte| **byte == b'\n').count() <= 1 {
        return Ok(Vec::new());
    }
    Ok(read_ledger_csv(&bytes).map_err(|error| staging(format!("{key}: {error}")))?.1)
}

/// Names of accounts: the organization's, else the bill's.
async fn account_names(context: &Context, run: &Run) -> Result<BTreeMap<String, String>, Error> {
    let rollup = context.work.get(&format!("{}rollup.csv", run.staging)).await?;
    let (_, rows) = read_rollup_csv(&rollup).map_err(staging)?;
    let mut greatest: BTreeMap<Text, Text> = BTreeMap::new();
    for row in rows {
        let name = greatest.entry(row.account_id).or_default();
        if row.account_name > *name {
            *name = row.account_name;
        }
    }
    let mut names: BTreeMap<String, String> = greatest.into_iter().map(|(id, name)| (id.into(), name.into())).collect();
    let organization: Organization = json(&context.work, &format!("{}organization.json", run.staging)).await?;
    names.extend(organization.account_names());
    Ok(names)
}

type Files = Vec<(String, Vec<u8>)>;

fn print_statements(staged: &Staged, renderer: &Renderer, shard: Option<Shard>) -> Result<Files, Error> {
    let close = staged.close()?;
    let known = &staged.facts.units;
    let shard = shard.unwrap_or(Shard { from: 0, to: known.len() });
    let beyond =
        || staging(format!("the shard {}..{} lies beyond the {} units of close.json", shard.from, shard.to, known.len()));
    let wanted = known.get(shard.from..shard.to).ok_or_else(beyond)?;
    let units = close.units();
    let units: Vec<&Unit> = units.iter().filter(|unit| wanted.contains(&unit.id)).collect();
    let mut files = Files::new();
    for (unit, rendered) in units.iter().zip(render_units(&close, renderer, &units)?) {
        let folder = statement_folder(&unit.id);
        files.push((format!("{folder}/statement.pdf"), rendered.pdf));
        files.push((format!("{folder}/statement.csv"), rendered.csv));
    }
    Ok(files)
}

fn print_summary(staged: &Staged, renderer: &Renderer) -> Result<Files, Error> {
    let close = staged.close()?;
    let rendered = summary::render(renderer, &close)?;
    if let Some(previous) = &staged.previous {
        let sum = |rows: &[LedgerRow]| rows.iter().map(|row| row.cents).sum::<i128>();
        let (now, before) = (sum(&staged.rows), sum(&previous.rows));
        metrics::emit(Figure::percent("MonthOverMonth", now - before, before));
    }
    let files = [("summary.pdf", rendered.pdf), ("summary.csv", rendered.csv), ("summary.json", rendered.json)];
    Ok(files.map(|(name, bytes)| (name.to_owned(), bytes)).into())
}

pub(crate) fn staging(error: impl std::fmt::Display) -> Error {
    Error::Staging(error.to_string())
}

pub(crate) async fn json<T: DeserializeOwned>(store: &Store, key: &str) -> Result<T, Error> {
    let bytes = store.get(key).await?;
    serde_json::from_slice(&bytes).map_err(|error| staging(format!("{key}: {error}")))
}

pub(crate) async fn folder(store: &Store, prefix: &str) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut files = BTreeMap::new();
    for entry in store.list(prefix).await? {
        files.insert(entry.key[prefix.len()..].to_owned(), store.get(&entry.key).await?);
    }
    Ok(files)
}
