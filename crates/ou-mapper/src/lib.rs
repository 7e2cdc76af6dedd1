//! Which account sits in which organizational unit: a checked snapshot, and a table of it for people and Athena.
//!
//! The organization comes from a file (`docs/configuration.md`) or, with the feature `aws`, from AWS Organizations. Without either a day
//! goes by the newest snapshot kept, a close by the last one kept in its period, else by an empty one, in which every account is
//! [`UNKNOWN`](apportion_core::org::UNKNOWN). A close that is configured to goes by the snapshot of each usage day.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod file;
mod kept;
mod mapping;
#[cfg(feature = "aws")]
mod organizations;
#[cfg(feature = "aws")]
mod read;
mod source;

pub use file::{FileError, OrganizationFile, parse_organization, parse_organization_file};
pub use mapping::{MAPPING_COLUMNS, account_ou_mapping, snapshot_json};
#[cfg(feature = "aws")]
pub use organizations::{Limits, Organizations, Rate, WalkError, Walked};
pub use source::{Figures, OrgSource, SourceError};

use apportion_core::close::Run;
use apportion_core::day::{Day, DayRun};
use apportion_core::org::{AsOf, OrgSnapshot, Organization};
use apportion_output::sha256_hex;
use apportion_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the mapper reads and writes.
#[derive(Clone, Debug)]
pub struct Context {
    /// `staging/`: the organization file lies there, the snapshot goes there. `org/`: the snapshots of all days.
    pub work: Store,
    pub source: OrgSource,
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

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Output {
    /// The walk has spent its time and nothing is staged yet: call again with the same event.
    Running {
        organizational_units: usize,
        accounts: usize,
        walk: Figures,
    },
    Done(Staged),
}

/// Where the results lie and what they hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Staged {
    /// Key of the snapshot.
    pub snapshot: String,
    /// Key of `account_ou_mapping.csv`.
    pub mapping: String,
    /// SHA-256 of the snapshot's bytes.
    pub digest: String,
    pub accounts: usize,
    pub organizational_units: usize,
    /// What the source was, unless it was a file.
    #[serde(flatten)]
    pub origin: Option<Origin>,
}

/// `organization_source.json`: where a snapshot of this run comes from, unless it is a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Day of the kept snapshot that was used because Organizations could not be read.
    pub stale_since: Option<Day>,
    /// Why it could not.
    pub failure: Option<String>,
    /// Day of the kept snapshot that the run goes by: for a close the last of its period, for a day without a source the newest.
    pub kept: Option<Day>,
    /// Figures of the walk.
    pub walk: Option<Figures>,
}

/// Variants that begin with `Bad` are input to mend; the others may pass when tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    BadOrganization(String),
    /// Organizations could not be read, and no kept snapshot is young enough.
    #[error("{0}")]
    Source(#[from] SourceError),
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
            Error::Source(error) => error.name(),
            Error::Store(error) => error.name(),
            Error::Staging(_) => "Staging",
        }
    }
}

/// What is asked for, by a close or a daily run.
#[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "a file needs no staging"))]
struct Wanted<'a> {
    file: Option<&'a str>,
    staging: &'a str,
    /// Prefix of the configuration, which says how old a snapshot may be, and whether a close goes by usage day.
    configuration: &'a str,
    /// The day of a daily run, the last day of a close's period.
    day: Day,
    is_close: bool,
}

/// What a source gave.
enum Reading {
    Whole(Organization, Option<Origin>),
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "a file is read in one call"))]
    Running(Output),
}

/// Reads the organization and stages `organization.json` and `account_ou_mapping.csv`, once: a run never changes them.
pub async fn handle(context: &Context, event: Event) -> Result<Output, Error> {
    match event {
        Event::Snapshot { run } => {
            let wanted = Wanted {
                file: run.organization.as_deref(),
                staging: &run.staging,
                configuration: &run.configuration,
                day: Day::last_of(run.period),
                is_close: true,
            };
            match read(context, &wanted).await? {
                Reading::Running(output) => Ok(output),
                Reading::Whole(organization, origin) => {
                    let (_, staged) = stage(context, &organization, origin, &run.staging).await?;
                    Ok(Output::Done(staged))
                }
            }
        }
        Event::Day { run } => {
            let wanted = Wanted {
                file: run.organization.as_deref(),
                staging: &run.staging,
                configuration: &run.configuration,
                day: run.date,
                is_close: false,
            };
            match read(context, &wanted).await? {
                Reading::Running(output) => Ok(output),
                Reading::Whole(organization, origin) => {
                    // A snapshot that was kept is not that of this day.
                    let is_of_the_day = run.organization.is_some() || origin.as_ref().is_some_and(|origin| origin.walk.is_some());
                    let (files, staged) = stage(context, &organization, origin, &run.staging).await?;
                    if is_of_the_day {
                        kept::keep(context, &run, &files.snapshot, &files.mapping).await?;
                    }
                    Ok(Output::Done(staged))
                }
            }
        }
    }
}

async fn read(context: &Context, wanted: &Wanted<'_>) -> Result<Reading, Error> {
    if let Some(key) = wanted.file {
        let bytes = bytes_of(context, key).await?;
        let file = parse_organization_file(&bytes).map_err(wrong_file)?;
        return Ok(Reading::Whole(of_file(context, wanted, file).await?, None));
    }
    match &context.source {
        OrgSource::File if wanted.is_close => match kept::of_period(context, wanted).await? {
            Some((organization, origin)) => Ok(Reading::Whole(organization, Some(origin))),
            None if as_of(context, wanted).await? == AsOf::UsageDay => Err(Error::BadOrganization(format!(
                "rules.toml goes by the organization of each usage day, and {} has no snapshot: name a file or a folder of dated ones",
                wanted.day.period()
            ))),
            None => Ok(Reading::Whole(Organization::default(), None)),
        },
        OrgSource::File => match kept::snapshots(context).await?.range(..=wanted.day).next_back() {
            Some((day, key)) => {
                let organization = read_file(context, key).await?.into();
                Ok(Reading::Whole(organization, Some(Origin { kept: Some(*day), ..Origin::default() })))
            }
            None => Ok(Reading::Whole(Organization::default(), None)),
        },
        #[cfg(feature = "aws")]
        OrgSource::Organizations(organizations) => read::organizations(context, organizations, wanted).await,
    }
}

/// What a run makes of a file: of dated trees, those of its days.
async fn of_file(context: &Context, wanted: &Wanted<'_>, file: OrganizationFile) -> Result<Organization, Error> {
    let mut trees = match file {
        OrganizationFile::One(tree) => return Ok(tree.into()),
        OrganizationFile::Dated(trees) => trees,
    };
    trees.sort_by_key(|dated| (dated.from, dated.snapshot));
    let oldest = trees.first().map(|dated| dated.snapshot);
    let found = if wanted.is_close && as_of(context, wanted).await? == AsOf::UsageDay {
        Organization::by_day(wanted.day.period(), trees)
    } else {
        trees.into_iter().rfind(|dated| dated.from <= wanted.day).map(|dated| dated.tree.into())
    };
    found.ok_or_else(|| {
        let oldest = oldest.map(|day| format!(", the oldest is of {day}")).unwrap_or_default();
        Error::BadOrganization(format!("the organization file has no tree of {} or before{oldest}: add one", wanted.day))
    })
}

/// Whose tree a close goes by. A configuration that cannot be read fails the steps that need all of it.
async fn as_of(context: &Context, wanted: &Wanted<'_>) -> Result<AsOf, Error> {
    let loaded = configuration(context, wanted).await?;
    Ok(loaded.map(|loaded| loaded.configuration.settings.organization).unwrap_or_default())
}

/// The run's configuration, `None` if it cannot be read.
async fn configuration(context: &Context, wanted: &Wanted<'_>) -> Result<Option<apportion_config::Loaded>, Error> {
    let mut files = BTreeMap::new();
    for entry in context.work.list(wanted.configuration).await? {
        files.insert(entry.key[wanted.configuration.len()..].to_owned(), context.work.get(&entry.key).await?);
    }
    Ok(apportion_config::load_files_for_day(&files, wanted.day.period()).ok())
}

async fn read_file(context: &Context, key: &str) -> Result<OrgSnapshot, Error> {
    parse_organization(&bytes_of(context, key).await?).map_err(wrong_file)
}

fn wrong_file(error: FileError) -> Error {
    Error::BadOrganization(format!("the organization file, {error}"))
}

async fn bytes_of(context: &Context, key: &str) -> Result<Vec<u8>, Error> {
    match context.work.get(key).await {
        Err(StoreError::NotFound { key, .. }) => Err(Error::BadOrganization(format!("there is no organization file `{key}`"))),
        other => Ok(other?),
    }
}

/// The bytes of a snapshot and of its table.
struct Files {
    snapshot: Vec<u8>,
    mapping: Vec<u8>,
}

/// Key of a run's snapshot.
fn snapshot_key(staging: &str) -> String {
    format!("{staging}organization.json")
}

async fn stage(
    context: &Context,
    organization: &Organization,
    origin: Option<Origin>,
    staging: &str,
) -> Result<(Files, Staged), Error> {
    let snapshot = snapshot_key(staging);
    let mapping = format!("{staging}account_ou_mapping.csv");
    let text = snapshot_json(organization).map_err(|error| Error::Staging(error.to_string()))?;
    let end = organization.end();
    let table = account_ou_mapping(end).map_err(|error| Error::Staging(error.to_string()))?;
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
    let staged = Staged {
        digest: sha256_hex(&text),
        accounts: end.accounts.len(),
        organizational_units: end.units.len(),
        snapshot,
        mapping,
        origin,
    };
    Ok((Files { snapshot: text, mapping: table }, staged))
}
