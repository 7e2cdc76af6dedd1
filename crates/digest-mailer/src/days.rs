//! The staged day rows with their owners, one usage day at a time: a month of a large bill is never held whole.

use crate::{Context, Error, staged, staging};
use apportion_config::Loaded;
use apportion_core::day::{Day, DayFacts, DayRow, DayRun, Owned, ROLLUP, dated_snapshots, owned, ownership};
use apportion_core::org::OrgSnapshot;
use apportion_output::read_day_rows_csv;
use std::collections::BTreeMap;

/// Snapshots older than this do not matter: nothing looks back further.
const ORGANIZATION_WINDOW_DAYS: i64 = 130;

/// The day rows of a run.
pub(crate) struct Days<'a> {
    context: &'a Context,
    loaded: &'a Loaded,
    pub facts: DayFacts,
    /// Usage day, `None` for lines without one -> keys, one for each billing period.
    keys: BTreeMap<Option<Day>, Vec<String>>,
    /// Day -> key of its snapshot.
    organizations: BTreeMap<Day, String>,
    /// The snapshot that was read last, by its key: days in a row most often go by the same one.
    organization: Option<(String, Vec<(Day, OrgSnapshot)>)>,
}

impl<'a> Days<'a> {
    /// `None` if the run has no rollup.
    pub async fn open(context: &'a Context, run: &DayRun, loaded: &'a Loaded) -> Result<Option<Days<'a>>, Error> {
        let Some(facts) = staged::<DayFacts>(context, &format!("{}rollup.json", run.staging)).await? else { return Ok(None) };
        let prefix = format!("{}{ROLLUP}", run.staging);
        let mut keys: BTreeMap<Option<Day>, Vec<String>> = BTreeMap::new();
        for key in &facts.staged {
            let day = key.strip_prefix(&prefix).and_then(|rest| rest.split('/').next()?.parse().ok());
            keys.entry(day).or_default().push(key.clone());
        }
        let organizations = organizations(context, run).await?;
        Ok(Some(Days { context, loaded, facts, keys, organizations, organization: None }))
    }

    /// Days that have rows, in order; `None` for lines without one.
    pub fn days(&self) -> Vec<Option<Day>> {
        self.keys.keys().copied().collect()
    }

    /// The rows of a day with their owners; none where the day has none.
    pub async fn rows(&mut self, day: Option<Day>) -> Result<Vec<Owned>, Error> {
        let mut rows: Vec<DayRow> = Vec::new();
        let needed = ownership(&self.loaded.configuration);
        for key in self.keys.get(&day).into_iter().flatten() {
            let bytes = self.context.work.get(key).await?;
            let (dimensions, found) = read_day_rows_csv(&bytes).map_err(|error| staging(format!("{key}: {error}")))?;
            if dimensions.iter().ne(needed.dimensions.iter().map(|dimension| &dimension.name)) {
                return Err(staging(format!("{key}: it was staged by another taxonomy; start a new run")));
            }
            rows.extend(found);
        }
        self.read_organization(day).await?;
        let organizations = self.organization.as_ref().map_or(&[][..], |(_, dated)| dated);
        owned(&rows, &self.loaded.configuration, organizations, self.facts.family)
            .map_err(|error| Error::BadBill(error.to_string()))
    }

    /// A usage day goes by the newest snapshot that is not after it, else, like a line without a day, by the oldest.
    async fn read_organization(&mut self, day: Option<Day>) -> Result<(), Error> {
        let not_after = day.and_then(|day| self.organizations.range(..=day).next_back());
        let Some((dated, key)) = not_after.or(self.organizations.iter().next()) else { return Ok(()) };
        if self.organization.as_ref().is_none_or(|(known, _)| known != key) {
            // The one before goes first: an organization may have fifty thousand accounts.
            self.organization = None;
            let snapshot: Option<OrgSnapshot> = staged(self.context, key).await?;
            self.organization = Some((key.clone(), vec![(*dated, snapshot.unwrap_or_default())]));
        }
        Ok(())
    }
}

/// Newest kept snapshot of each day.
pub(crate) async fn snapshots(context: &Context) -> Result<BTreeMap<Day, String>, Error> {
    Ok(dated_snapshots(context.work.list("org/").await?.into_iter().map(|entry| entry.key)))
}

/// Snapshots up to the date; the run's own is that of its date.
async fn organizations(context: &Context, run: &DayRun) -> Result<BTreeMap<Day, String>, Error> {
    let mut dated = snapshots(context).await?;
    dated.retain(|day, _| (0..=ORGANIZATION_WINDOW_DAYS).contains(&run.date.since(*day)));
    let own = format!("{}organization.json", run.staging);
    if context.work.head(&own).await?.is_some() {
        dated.insert(run.date, own);
    }
    Ok(dated)
}
