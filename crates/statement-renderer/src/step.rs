//! The step of a state machine: reads a staged close, prints a shard of its statements.

use crate::{Close, Figures, Previous, RenderError, Renderer, StatementError, Template, TemplateError, render_unit, statement_csv, statement_folder};
use apportion_config::load_files;
use apportion_core::close::{CloseFacts, Compared, Run, Shard};
use apportion_core::ledger::{LedgerRow, PoolSource};
use apportion_core::model::Configuration;
use apportion_core::org::OrgSnapshot;
use apportion_output::{read_ledger_csv, read_rollup_csv};
use apportion_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the renderer reads and writes, and the template made ready once.
#[derive(Clone)]
pub struct Context {
    /// `staging/`.
    pub work: Store,
    /// `closes/` and `inputs/`: the previous close and its configuration.
    pub closes: Store,
    renderer: Renderer,
}

impl Context {
    /// Parses the template and its fonts once for all invocations.
    pub fn new(work: Store, closes: Store, template: &Template) -> Result<Context, RenderError> {
        Ok(Context { work, closes, renderer: Renderer::new(template)? })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    pub action: Action,
    pub run: Run,
    /// Which units, by their place in the sorted list of units.
    #[serde(default)]
    pub shard: Option<Shard>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Prints the statements of a shard of the units.
    Statements,
}

#[derive(Debug, Clone, Serialize)]
pub struct Output {
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
            Error::Store(_) => "Store",
            Error::Staging(_) => "Staging",
        }
    }
}

/// Runs one step.
pub async fn handle(context: &Context, event: Event) -> Result<Output, Error> {
    let run = &event.run;
    let staged = Staged::read(context, run).await?;
    match event.action {
        Action::Statements => {
            let shard = event.shard.ok_or_else(|| Error::Staging("this step needs a shard".to_owned()))?;
            print_statements(context, run, &staged, shard).await
        }
    }
}

/// Everything that statements of a close say.
struct Staged {
    facts: CloseFacts,
    compared: Compared,
    configuration: Configuration,
    account_names: BTreeMap<String, String>,
    rows: Vec<LedgerRow>,
    pool_sources: Vec<PoolSource>,
    previous: Option<Earlier>,
}

/// The close before this one.
struct Earlier {
    facts: CloseFacts,
    rows: Vec<LedgerRow>,
    configuration: Option<Configuration>,
}

impl Staged {
    async fn read(context: &Context, run: &Run) -> Result<Staged, Error> {
        let facts: CloseFacts = json(&context.work, &format!("{}close.json", run.staging)).await?;
        let (_, rows) = read_ledger_csv(&context.work.get(&format!("{}close/ledger.csv", run.staging)).await?).map_err(staging)?;
        let files = folder(&context.work, &run.configuration).await?;
        let previous = match facts.previous_period {
            None => None,
            Some(period) => {
                let prefix = format!("{}closes/{period}/{}/", run.closes, facts.previous_close);
                Some(Earlier::read(context, &prefix).await?)
            }
        };
        Ok(Staged {
            compared: json(&context.work, &format!("{}compared.json", run.staging)).await?,
            configuration: load_files(&files, run.period).map_err(staging)?.configuration,
            account_names: account_names(context, run).await?,
            pool_sources: json(&context.work, &format!("{}pool_sources.json", run.staging)).await?,
            facts,
            rows,
            previous,
        })
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
        }
    }
}

impl Earlier {
    async fn read(context: &Context, prefix: &str) -> Result<Earlier, Error> {
        let facts: CloseFacts = json(&context.closes, &format!("{prefix}manifest.json")).await?;
        let (_, rows) = read_ledger_csv(&context.closes.get(&format!("{prefix}ledger.csv")).await?).map_err(staging)?;
        // Without its frozen configuration the comparison still stands, by rule ids alone.
        let files = folder(&context.closes, &facts.configuration_prefix()).await?;
        let configuration = load_files(&files, facts.period).ok().map(|loaded| loaded.configuration);
        Ok(Earlier { facts, rows, configuration })
    }
}

/// Names of accounts: the organization's, else the bill's.
async fn account_names(context: &Context, run: &Run) -> Result<BTreeMap<String, String>, Error> {
    let rollup = context.work.get(&format!("{}rollup.csv", run.staging)).await?;
    let (_, rows) = read_rollup_csv(&rollup).map_err(staging)?;
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for row in rows {
        let name = names.entry(row.account_id).or_default();
        if row.account_name > *name {
            *name = row.account_name;
        }
    }
    let organization: OrgSnapshot = json(&context.work, &format!("{}organization.json", run.staging)).await?;
    names.extend(organization.accounts.into_iter().map(|account| (account.id, account.name)));
    Ok(names)
}

async fn print_statements(context: &Context, run: &Run, staged: &Staged, shard: Shard) -> Result<Output, Error> {
    let close = Close::new(staged.figures())?;
    let wanted = staged.facts.units.get(shard.from..shard.to).unwrap_or(&[]);
    for unit in close.units().iter().filter(|unit| wanted.contains(&unit.id)) {
        let csv = statement_csv(&close, unit)?;
        let rendered = render_unit(&context.renderer, &close.statement_of(unit)?, run.period, csv)?;
        let folder = format!("{}close/{}", run.staging, statement_folder(&unit.id));
        context.work.put(&format!("{folder}/statement.pdf"), &rendered.pdf).await?;
        context.work.put(&format!("{folder}/statement.csv"), &rendered.csv).await?;
    }
    Ok(Output { statements: wanted.len() })
}

fn staging(error: impl std::fmt::Display) -> Error {
    Error::Staging(error.to_string())
}

async fn json<T: serde::de::DeserializeOwned>(store: &Store, key: &str) -> Result<T, Error> {
    let bytes = store.get(key).await?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Staging(format!("{key}: {error}")))
}

async fn folder(store: &Store, prefix: &str) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut files = BTreeMap::new();
    for entry in store.list(prefix).await? {
        files.insert(entry.key[prefix.len()..].to_owned(), store.get(&entry.key).await?);
    }
    Ok(files)
}
