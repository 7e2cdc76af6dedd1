//! `apportion suggestions`: what people decide about likely owners.

use crate::anomalies;
use crate::failure::Failure;
use crate::report::{Align, printable, table};
use apportion_output::csv_columns;
use apportion_store::Store;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use tag_hygiene::{Acceptance, DecideError, Decision};

#[derive(Subcommand)]
pub enum SuggestionsCommand {
    /// Prints the newest suggestions, and how often people agreed so far.
    List {
        /// The out folder of the daily runs.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Accepts suggestions: the resource is not suggested again.
    Accept(Decide),
    /// Rejects suggestions: that owner is not suggested again for the resource.
    Reject(Decide),
}

#[derive(Args)]
pub struct Decide {
    /// Ids from suggestions/<date>.csv.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// The out folder of the daily runs.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs the command; the result is what it prints.
pub async fn run(command: &SuggestionsCommand) -> Result<String, Failure> {
    let (decide, decision) = match command {
        SuggestionsCommand::List { out } => return list(&Store::directory(out)).await,
        SuggestionsCommand::Accept(decide) => (decide, Decision::Accepted),
        SuggestionsCommand::Reject(decide) => (decide, Decision::Rejected),
    };
    let found =
        tag_hygiene::decide(&Store::directory(&decide.out), &decide.ids, decision, anomalies::today()?).await.map_err(failure)?;
    Ok(format!("{} {}\n{}", decision.as_str(), decide.ids.join(", "), rate(found)))
}

async fn list(work: &Store) -> Result<String, Failure> {
    let Some(key) = tag_hygiene::newest_suggestions(work).await.map_err(Failure::other)? else {
        return Err(Failure::bad_input(format!("there are no suggestions in {work}: `apportion daily` makes them")));
    };
    let bytes = work.get(&key).await.map_err(Failure::other)?;
    let wanted = ["id", "account_id", "resource_id", "amount", "currency", "suggested_owner", "confidence_percent", "evidence"];
    let rows = csv_columns(&key, &bytes, &wanted).map_err(Failure::bad_input)?;
    let aligned = wanted.map(|name| if matches!(name, "amount" | "confidence_percent") { Align::Right } else { Align::Left });
    let headings: Vec<String> = wanted.iter().map(|name| name.replace('_', " ")).collect();
    let found = tag_hygiene::acceptance(work).await.map_err(failure)?;
    Ok(format!("{}\n{}{}", printable(&key), table(&headings, &aligned, &rows), rate(found)))
}

fn rate(acceptance: Acceptance) -> String {
    let rate = acceptance.rate.map_or_else(String::new, |rate| format!(": {}.{} % accepted", rate / 10, rate % 10));
    format!("{} accepted, {} rejected so far{rate}\n", acceptance.accepted, acceptance.rejected)
}

fn failure(error: DecideError) -> Failure {
    match error {
        DecideError::Store(error) => Failure::other(error),
        other => Failure::bad_input(other),
    }
}
