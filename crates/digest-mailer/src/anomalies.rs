//! What was made of each anomaly: `anomalies/<month>/<id>.json`, from open to confirmed or dismissed.

use crate::{Context, Error, json, staging};
use apportion_core::day::{Day, DayRun};
use apportion_core::evaluation::{Anomaly, AnomalyState};
use apportion_output::sha256_hex;
use apportion_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const FOLDER: &str = "anomalies/";

/// An anomaly as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// As the newest of its days saw it.
    pub anomaly: Anomaly,
    pub first_day: Day,
    pub last_day: Day,
    pub decision: Option<Decision>,
}

/// A person's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub state: AnomalyState,
    pub by: String,
    pub on: Day,
    pub reason: String,
}

/// False alarms of one business unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FalsePositives {
    pub open: usize,
    pub confirmed: usize,
    pub dismissed: usize,
    /// Tenths of a percent of those decided, `None` while nothing is.
    pub permille: Option<usize>,
}

#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    #[error("there is no anomaly `{0}`: the digest and anomalies/<month>/ name their ids")]
    Unknown(String),
    #[error("an anomaly can be confirmed or dismissed, nothing else")]
    NoDecision,
    #[error("`{0}` was withdrawn, since the bill was restated: there is nothing to decide")]
    Withdrawn(String),
    #[error("{0}")]
    Other(#[from] Error),
}

/// Twelve hex digits that stay the same while the days in a row last.
fn id(anomaly: &Anomaly) -> String {
    let text = match anomaly.resource_id.as_str() {
        "" => format!("{}\0{}\0{}", anomaly.owner, anomaly.service, anomaly.found.since),
        // Whosever it is on the day.
        resource => format!("\0{resource}\0{}", anomaly.found.since),
    };
    sha256_hex(text.as_bytes()).chars().take(12).collect()
}

fn key(since: Day, id: &str) -> String {
    format!("{FOLDER}{}/{id}.json", since.period())
}

async fn read(store: &Store, key: &str) -> Result<Option<Record>, Error> {
    match store.get(key).await {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| staging(format!("{key}: {error}"))),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives each anomaly its id and state, and remembers it. One of this date that is found no more is withdrawn.
pub(crate) async fn remember(context: &Context, run: &DayRun, anomalies: &mut [Anomaly]) -> Result<(), Error> {
    let mut found: BTreeSet<String> = BTreeSet::new();
    for anomaly in anomalies {
        anomaly.id = id(anomaly);
        let since = anomaly.found.since;
        let key = key(since, &anomaly.id);
        let before = read(&context.work, &key).await?;
        let decision = before.as_ref().and_then(|record| record.decision.clone());
        anomaly.state = decision.as_ref().map_or(AnomalyState::Open, |decision| decision.state);
        let last_day = before.as_ref().map_or(run.date, |record| record.last_day.max(run.date));
        // A rerun of an earlier day does not set the figures of a later one back.
        let newest = match &before {
            Some(record) if record.last_day > run.date => Anomaly { state: anomaly.state, ..record.anomaly.clone() },
            _ => anomaly.clone(),
        };
        let record = Record { anomaly: newest, first_day: since, last_day, decision };
        if before.as_ref() != Some(&record) {
            context.work.put(&key, &json(&record)?).await?;
        }
        found.insert(key);
    }
    for folder in [run.date.period().previous(), run.date.period()] {
        for entry in context.work.list(&format!("{FOLDER}{folder}/")).await? {
            if found.contains(&entry.key) {
                continue;
            }
            let Some(mut record) = read(&context.work, &entry.key).await? else { continue };
            if record.last_day == run.date && record.first_day == run.date && record.anomaly.state == AnomalyState::Open {
                record.anomaly.state = AnomalyState::Withdrawn;
                context.work.put(&entry.key, &json(&record)?).await?;
            }
        }
    }
    Ok(())
}

/// Every anomaly kept, oldest month first.
pub async fn records(store: &Store) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    for entry in store.list(FOLDER).await? {
        records.extend(read(store, &entry.key).await?);
    }
    records.sort_by_key(|record| (record.first_day, record.anomaly.id.clone()));
    Ok(records)
}

/// Confirms or dismisses an anomaly; a later word replaces an earlier one. `on` is the day of the decision.
pub async fn decide(store: &Store, id: &str, decision: Decision) -> Result<Record, DecideError> {
    if !matches!(decision.state, AnomalyState::Confirmed | AnomalyState::Dismissed) {
        return Err(DecideError::NoDecision);
    }
    let entries = store.list(FOLDER).await.map_err(Error::from)?;
    let name = format!("/{id}.json");
    let entry =
        entries.into_iter().find(|entry| entry.key.ends_with(&name)).ok_or_else(|| DecideError::Unknown(id.to_owned()))?;
    let mut record = read(store, &entry.key).await?.ok_or_else(|| DecideError::Unknown(id.to_owned()))?;
    if record.anomaly.state == AnomalyState::Withdrawn {
        return Err(DecideError::Withdrawn(id.to_owned()));
    }
    record.anomaly.state = decision.state;
    record.decision = Some(decision);
    store.put(&entry.key, &json(&record)?).await.map_err(Error::from)?;
    Ok(record)
}

/// By business unit (`""` for what belongs to none): dismissed of confirmed and dismissed.
pub fn false_positives(records: &[Record]) -> BTreeMap<String, FalsePositives> {
    let mut teams: BTreeMap<String, FalsePositives> = BTreeMap::new();
    for record in records {
        let team = teams.entry(record.anomaly.business_unit.clone()).or_default();
        match record.anomaly.state {
            AnomalyState::Open => team.open += 1,
            AnomalyState::Confirmed => team.confirmed += 1,
            AnomalyState::Dismissed => team.dismissed += 1,
            AnomalyState::Withdrawn => {}
        }
    }
    for team in teams.values_mut() {
        let decided = team.confirmed + team.dismissed;
        team.permille = (decided > 0).then(|| (team.dismissed * 2_000 / decided).div_ceil(2));
    }
    teams
}
