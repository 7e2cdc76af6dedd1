//! The step `suggest`: a table of likely owners for a person to accept or reject.

use crate::decisions::{DecideError, Decision, acceptance_of, decided};
use crate::{Context, Error, Output, bill, json, known, read_staged};
use apportion_core::day::{DayFacts, DayRun};
use apportion_core::hygiene::{Learner, Resource, Suggestion, resource_taxonomy, suggestion_id};
use apportion_core::model::Configuration;
use apportion_engine::catalogue::Query;
use apportion_output::{OutputError, SafeCsv, sha256_hex};
use std::collections::BTreeSet;

/// Columns of `suggestions/<date>.csv`.
pub const SUGGESTION_COLUMNS: [&str; 10] = [
    "id",
    "account_id",
    "service",
    "resource_id",
    "currency",
    "amount",
    "tag_value",
    "suggested_owner",
    "confidence_percent",
    "evidence",
];

/// First twelve digits of the digest of account, resource and owner: the same on every day.
pub(crate) fn id_of(suggestion: &Suggestion) -> String {
    sha256_hex(suggestion_id(suggestion).as_bytes())[..12].to_owned()
}

pub(crate) async fn suggest(context: &Context, run: &DayRun) -> Result<Output, Error> {
    let known = known(context, run).await?;
    let facts: DayFacts = read_staged(context, run, "rollup.json").await?;
    let bill = bill::located(context, run).await?;
    let configuration = Configuration {
        taxonomy: resource_taxonomy(&known.configuration.taxonomy, &known.settings),
        ..known.configuration.clone()
    };
    let mut learner = Learner::new(&configuration, &known.organization, run.date.period(), &known.settings, facts.family);
    let streams = bill.ask(context, run, Query::Resources, &configuration.taxonomy, &known.settings).await?;
    for stream in streams {
        let take = |resource: Resource| {
            if !known.settings.untaggable_services.contains(&resource.service) {
                learner.observe(&resource);
            }
        };
        apportion_engine::hygiene::resources(stream, &configuration.taxonomy, take).await?;
    }
    let decided = decided(&context.work).await.map_err(from_decisions)?;
    let accepted: BTreeSet<(&str, &str)> = decided
        .iter()
        .filter(|one| one.decision == Decision::Accepted)
        .map(|one| (one.account_id.as_str(), one.resource_id.as_str()))
        .collect();
    let ids: BTreeSet<&str> = decided.iter().map(|one| one.id.as_str()).collect();
    let open = |one: &Suggestion| {
        !ids.contains(id_of(one).as_str()) && !accepted.contains(&(one.account_id.as_str(), one.resource_id.as_str()))
    };
    let made: Vec<Suggestion> = learner.suggestions().into_iter().filter(open).collect();
    let csv = suggestions_csv(&made).map_err(|error| Error::Staging(error.to_string()))?;
    let output = Output::Suggestions {
        suggestions: context.work.put_version(&format!("suggestions/{}", run.date), "csv", &csv).await?,
        count: made.len(),
        unowned: learner.unowned().0,
        acceptance: acceptance_of(&decided),
    };
    context.work.put(&format!("{}suggestions.json", run.staging), &json(&output)?).await?;
    Ok(output)
}

fn from_decisions(error: DecideError) -> Error {
    match error {
        DecideError::Store(error) => Error::Store(error),
        other => Error::Staging(other.to_string()),
    }
}

fn suggestions_csv(suggestions: &[Suggestion]) -> Result<Vec<u8>, OutputError> {
    let mut csv = SafeCsv::new(&SUGGESTION_COLUMNS)?;
    for one in suggestions {
        let evidence: Vec<String> = one.evidence.iter().map(ToString::to_string).collect();
        csv.text(&id_of(one))?.text(&one.account_id)?.text(&one.service)?.text(&one.resource_id)?.text(&one.currency)?;
        csv.money(one.amount)?.text(&one.tag_value)?.text(&one.owner)?;
        csv.number(&format!("{}.{}", one.confidence / 10, one.confidence % 10))?.text(&evidence.join("; "))?.end_row()?;
    }
    csv.finish()
}
