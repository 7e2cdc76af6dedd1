//! What people decided about suggestions: `suggestions/decisions.csv`, to which lines are added and from which none is taken.

use apportion_core::day::Day;
use apportion_output::{OutputError, SafeCsv, csv_columns};
use apportion_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const KEY: &str = "suggestions/decisions.csv";
const COLUMNS: [&str; 6] = ["id", "decision", "decided_on", "account_id", "resource_id", "owner"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Accepted,
    Rejected,
}

impl Decision {
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Accepted => "accepted",
            Decision::Rejected => "rejected",
        }
    }
}

/// One line of `decisions.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decided {
    pub id: String,
    pub decision: Decision,
    decided_on: String,
    pub account_id: String,
    pub resource_id: String,
    owner: String,
}

/// How often people agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Acceptance {
    pub accepted: usize,
    pub rejected: usize,
    /// Per mille of those decided, `None` while nothing is.
    pub rate: Option<usize>,
}

#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    #[error("there is no suggestion `{0}`: the table suggestions/<date>.csv lists their ids")]
    Unknown(String),
    #[error("the suggestion `{id}` was {before} already: a decision is not changed")]
    Decided { id: String, before: &'static str },
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    File(#[from] OutputError),
}

/// Counts decisions.
pub(crate) fn acceptance_of(decided: &[Decided]) -> Acceptance {
    let accepted = decided.iter().filter(|one| one.decision == Decision::Accepted).count();
    Acceptance {
        accepted,
        rejected: decided.len() - accepted,
        rate: (!decided.is_empty()).then(|| accepted * 1000 / decided.len()),
    }
}

/// How often people agreed so far.
pub async fn acceptance(work: &Store) -> Result<Acceptance, DecideError> {
    Ok(acceptance_of(&decided(work).await?))
}

pub(crate) async fn decided(work: &Store) -> Result<Vec<Decided>, DecideError> {
    let bytes = match work.get(KEY).await {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut list = Vec::new();
    for row in csv_columns(KEY, &bytes, &COLUMNS)? {
        let [id, word, decided_on, account_id, resource_id, owner] = <[String; 6]>::try_from(row).unwrap_or_default();
        let decision = match word.as_str() {
            "accepted" => Decision::Accepted,
            "rejected" => Decision::Rejected,
            other => {
                let what = format!("`{other}` is no decision: write accepted or rejected");
                return Err(OutputError::File { file: KEY.to_owned(), what }.into());
            }
        };
        list.push(Decided { id, decision, decided_on, account_id, resource_id, owner });
    }
    Ok(list)
}

/// Key of the newest table of suggestions, `None` before the first.
pub async fn newest_suggestions(work: &Store) -> Result<Option<String>, StoreError> {
    let mut newest: Option<(Day, String)> = None;
    for entry in work.list("suggestions/").await? {
        let day = entry.key.strip_prefix("suggestions/").and_then(|name| name.get(..10)).and_then(|day| day.parse::<Day>().ok());
        if let Some(day) = day.filter(|day| newest.as_ref().is_none_or(|(last, _)| last < day)) {
            newest = Some((day, entry.key));
        }
    }
    match newest {
        None => Ok(None),
        Some((day, _)) => Ok(work.newest_version(&format!("suggestions/{day}"), "csv").await?.map(|(_, key)| key)),
    }
}

/// Every suggestion ever made: id -> account, resource, owner.
async fn suggested(work: &Store) -> Result<BTreeMap<String, [String; 3]>, DecideError> {
    let mut all = BTreeMap::new();
    for entry in work.list("suggestions/").await? {
        if entry.key == KEY || !entry.key.ends_with(".csv") {
            continue;
        }
        let bytes = work.get(&entry.key).await?;
        for row in csv_columns(&entry.key, &bytes, &["id", "account_id", "resource_id", "suggested_owner"])? {
            if let Ok([id, account, resource, owner]) = <[String; 4]>::try_from(row) {
                all.insert(id, [account, resource, owner]);
            }
        }
    }
    Ok(all)
}

/// Records a decision about each id; all of them or, if one is unknown or was decided otherwise, none. The same decision again is fine.
pub async fn decide(work: &Store, ids: &[String], decision: Decision, today: Day) -> Result<Acceptance, DecideError> {
    let known = suggested(work).await?;
    let mut list = decided(work).await?;
    for id in ids.iter().collect::<BTreeSet<_>>() {
        if let Some(before) = list.iter().find(|one| one.id == *id) {
            if before.decision != decision {
                return Err(DecideError::Decided { id: id.clone(), before: before.decision.as_str() });
            }
            continue;
        }
        let [account_id, resource_id, owner] = known.get(id).cloned().ok_or_else(|| DecideError::Unknown(id.clone()))?;
        list.push(Decided { id: id.clone(), decision, decided_on: today.to_string(), account_id, resource_id, owner });
    }
    let mut csv = SafeCsv::new(&COLUMNS)?;
    for one in &list {
        csv.text(&one.id)?.text(one.decision.as_str())?.text(&one.decided_on)?;
        csv.text(&one.account_id)?.text(&one.resource_id)?.text(&one.owner)?.end_row()?;
    }
    work.put(KEY, &csv.finish()?).await?;
    Ok(acceptance_of(&list))
}
