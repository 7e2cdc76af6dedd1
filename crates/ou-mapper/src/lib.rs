//! Which account sits in which organizational unit: a checked snapshot, and a table of it for people and Athena.
//!
//! The organization comes from a file here (`docs/configuration.md`); where it comes from the Organizations API is to come. A run
//! without one gets an empty snapshot, in which every account is [`UNKNOWN`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod file;

pub use file::{FileError, parse_organization};

use apportion_core::close::Run;
use apportion_core::day::{Day, DayRun};
use apportion_core::org::{OrgSnapshot, UNKNOWN};
use apportion_output::{OutputError, SafeCsv, sha256_hex};
use apportion_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the mapper reads and writes.
#[derive(Clone, Debug)]
pub struct Context {
    /// `staging/`: the organization file lies there, the snapshot goes there.
    pub work: Store,
}

/// The organization file is `run.organization`, the results go below `run.staging`.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// For a close.
    Snapshot { run: Run },
    /// For a daily run, which also keeps the snapshot under its date.
    Day { run: DayRun },
}

/// Where the results lie and what they hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Key of the snapshot.
    pub snapshot: String,
    /// Key of `account_ou_mapping.csv`.
    pub mapping: String,
    /// SHA-256 of the snapshot's bytes.
    pub digest: String,
    pub accounts: usize,
    pub organizational_units: usize,
}

/// Variants that begin with `Bad` are input to mend; the others may pass when tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    BadOrganization(String),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Staging(String),
}

impl Error {
    /// The name that a state machine catches.
    pub fn name(&self) -> &'static str {
        match self {
            Error::BadOrganization(_) => "BadOrganization",
            Error::Store(error) => error.name(),
            Error::Staging(_) => "Staging",
        }
    }
}

/// Reads the organization and stages `organization.json` and `account_ou_mapping.csv`, once: a run never changes them.
pub async fn handle(context: &Context, event: Event) -> Result<Output, Error> {
    match event {
        Event::Snapshot { run } => {
            let organization = read(context, run.organization.as_deref()).await?;
            stage(context, organization, &run.staging).await.map(|(_, output)| output)
        }
        Event::Day { run } => day(context, &run).await,
    }
}

/// A day without an organization of its own goes by the newest one kept, which is not kept again as that of the day.
async fn day(context: &Context, run: &DayRun) -> Result<Output, Error> {
    let earlier = if run.organization.is_none() { kept(context, run.date).await? } else { None };
    let organization = match earlier {
        Some(snapshot) => snapshot,
        None => read(context, run.organization.as_deref()).await?,
    };
    let (files, output) = stage(context, organization, &run.staging).await?;
    if run.organization.is_some() {
        keep(context, run, &files).await?;
    }
    Ok(output)
}

/// The newest snapshot kept up to a day.
async fn kept(context: &Context, date: Day) -> Result<Option<OrgSnapshot>, Error> {
    let entries = context.work.list("org/").await?;
    let day_of = |key: &str| key.strip_prefix("org/")?.strip_suffix(".json")?.split('.').next()?.parse::<Day>().ok();
    let Some(newest) = entries.iter().filter_map(|entry| day_of(&entry.key)).filter(|day| *day <= date).max() else {
        return Ok(None);
    };
    let Some((_, key)) = context.work.newest_version(&format!("org/{newest}"), "json").await? else { return Ok(None) };
    let bytes = context.work.get(&key).await?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::Staging(format!("{key}: {error}")))
}

/// The bytes of a snapshot and of its table.
struct Files {
    snapshot: Vec<u8>,
    mapping: Vec<u8>,
}

/// Keeps the snapshot of a day; another one of the same day gets a number, and none is ever overwritten. The table is the newest.
async fn keep(context: &Context, run: &DayRun, files: &Files) -> Result<(), Error> {
    let mut version = 1;
    loop {
        let key = if version == 1 { format!("org/{}.json", run.date) } else { format!("org/{}.{version}.json", run.date) };
        match context.work.put_same(&key, &files.snapshot).await {
            Err(StoreError::Conflict { .. }) => version += 1,
            other => break other.map(|_| ())?,
        }
    }
    Ok(context.work.put("org/account_ou_mapping.csv", &files.mapping).await?)
}

/// The organization file, or an organization without accounts where there is none.
async fn read(context: &Context, organization: Option<&str>) -> Result<OrgSnapshot, Error> {
    let Some(key) = organization else { return Ok(OrgSnapshot::default()) };
    let bytes = match context.work.get(key).await {
        Err(StoreError::NotFound { key, .. }) => {
            return Err(Error::BadOrganization(format!("there is no organization file `{key}`")));
        }
        other => other?,
    };
    parse_organization(&bytes).map_err(|error| Error::BadOrganization(format!("the organization file, {error}")))
}

async fn stage(context: &Context, organization: OrgSnapshot, staged: &str) -> Result<(Files, Output), Error> {
    let staging = |error: &dyn std::fmt::Display| Error::Staging(error.to_string());
    let snapshot = format!("{staged}organization.json");
    let mapping = format!("{staged}account_ou_mapping.csv");
    let text = snapshot_json(&organization).map_err(|error| staging(&error))?;
    let table = account_ou_mapping(&organization).map_err(|error| staging(&error))?;
    for (key, bytes) in [(&snapshot, &text), (&mapping, &table)] {
        match context.work.put_same(key, bytes).await {
            Err(StoreError::Conflict { key, .. }) => {
                return Err(Error::BadOrganization(format!(
                    "the organization changed within a run: `{key}` was staged from another file; start a new run"
                )));
            }
            other => other?,
        };
    }
    let output = Output {
        digest: sha256_hex(&text),
        accounts: organization.accounts.len(),
        organizational_units: organization.units.len(),
        snapshot,
        mapping,
    };
    Ok((Files { snapshot: text, mapping: table }, output))
}

/// The snapshot as JSON, sorted by id: the same organization gives the same bytes, in whatever order it came.
pub fn snapshot_json(organization: &OrgSnapshot) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(organization)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Columns of `account_ou_mapping.csv`.
pub const MAPPING_COLUMNS: [&str; 8] = ["AccountId", "AccountName", "OU", "OUPath", "OUId", "State", "ParentId", "ParentIds"];

/// `account_ou_mapping.csv`, one line an account, sorted by account id. `OU` is the name of the unit that holds the account
/// (`Root` directly under the root), `OUPath` all names from the root, `ParentIds` all ids from the root, `/`-separated.
pub fn account_ou_mapping(organization: &OrgSnapshot) -> Result<Vec<u8>, OutputError> {
    let units: BTreeMap<&str, _> = organization.units.iter().map(|unit| (unit.id.as_str(), unit)).collect();
    let paths = organization.ou_paths();
    let mut csv = SafeCsv::new(&MAPPING_COLUMNS)?;
    for account in &organization.accounts {
        let holder = units.get(account.parent_id.as_str());
        let mut ids = vec![account.parent_id.as_str()];
        while let Some(unit) = ids.last().and_then(|id| units.get(id)) {
            ids.push(&unit.parent_id);
        }
        ids.reverse();
        csv.text(&account.id)?.text(&account.name)?.text(holder.map_or("Root", |unit| &unit.name))?;
        csv.text(paths.get(&account.id).map_or(UNKNOWN, String::as_str))?;
        csv.text(holder.map_or("", |unit| &unit.id))?.text(&account.state)?;
        csv.text(&account.parent_id)?.text(&ids.join("/"))?.end_row()?;
    }
    csv.finish()
}
