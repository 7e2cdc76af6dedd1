//! `apportion anomalies`: what people make of unusual days.

use crate::failure::Failure;
use crate::report::{Align, table};
use apportion_core::day::Day;
use apportion_core::evaluation::AnomalyState;
use apportion_core::money::Money;
use apportion_store::Store;
use clap::{Args, Subcommand};
use digest_mailer::{DecideError, Decision, FalsePositives, Record};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Subcommand)]
pub enum AnomaliesCommand {
    /// Prints the anomalies that wait for a word, and how many were false alarms so far.
    List {
        /// The out folder of the daily runs.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Also those confirmed, dismissed or withdrawn.
        #[arg(long)]
        all: bool,
    },
    /// Confirms anomalies: the cost was unusual indeed.
    Confirm(Decide),
    /// Dismisses anomalies: false alarms, which no later mail shows.
    Dismiss(Decide),
}

#[derive(Args)]
pub struct Decide {
    /// Ids from the mail, or from `apportion anomalies list`.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// The out folder of the daily runs.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Who decides.
    #[arg(long, value_name = "NAME", default_value = "")]
    by: String,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Runs the command; the result is what it prints.
pub async fn run(command: &AnomaliesCommand) -> Result<String, Failure> {
    let (decide, state) = match command {
        AnomaliesCommand::List { out, all } => return list(&Store::directory(out), *all).await,
        AnomaliesCommand::Confirm(decide) => (decide, AnomalyState::Confirmed),
        AnomaliesCommand::Dismiss(decide) => (decide, AnomalyState::Dismissed),
    };
    let store = Store::directory(&decide.out);
    // All ids are checked before one is written.
    let known = digest_mailer::records(&store).await.map_err(Failure::other)?;
    for id in &decide.ids {
        match known.iter().find(|record| record.anomaly.id == *id) {
            None => return Err(Failure::bad_input(DecideError::Unknown(id.clone()))),
            Some(record) if record.anomaly.state == AnomalyState::Withdrawn => {
                return Err(Failure::bad_input(DecideError::Withdrawn(id.clone())));
            }
            Some(_) => {}
        }
    }
    let decision = Decision { state, by: decide.by.clone(), on: today()?, reason: decide.reason.clone() };
    for id in &decide.ids {
        digest_mailer::decide(&store, id, decision.clone()).await.map_err(|error| match error {
            DecideError::Other(error) => Failure::other(error),
            other => Failure::bad_input(other),
        })?;
    }
    let records = digest_mailer::records(&store).await.map_err(Failure::other)?;
    Ok(format!("{} {}\n{}", word(state), decide.ids.join(", "), rates(&records)))
}

async fn list(store: &Store, all: bool) -> Result<String, Failure> {
    let records = digest_mailer::records(store).await.map_err(Failure::other)?;
    let headings = ["id", "unit", "service", "account", "since", "last day", "cost", "usual", "more", "state"];
    let mut align = [Align::Left; 10];
    align[6..9].fill(Align::Right);
    let wanted = records.iter().filter(|record| all || record.anomaly.state == AnomalyState::Open);
    let rows: Vec<Vec<String>> = wanted
        .map(|record| {
            let one = &record.anomaly;
            let money = [one.found.actual, one.found.expected, one.found.extra]
                .map(|money| Money::minor_to_string(money.round_to_minor(2), 2));
            let days = [record.first_day.to_string(), record.last_day.to_string()];
            let names = [one.id.clone(), one.owner_name.clone(), one.service.clone(), one.account_id.clone()];
            names.into_iter().chain(days).chain(money).chain([word(one.state).to_owned()]).collect()
        })
        .collect();
    if rows.is_empty() {
        return Ok(format!("no anomaly waits for a word\n{}", rates(&records)));
    }
    Ok(format!("{}{}", table(&headings.map(str::to_owned), &align, &rows), rates(&records)))
}

fn word(state: AnomalyState) -> &'static str {
    match state {
        AnomalyState::Open => "open",
        AnomalyState::Confirmed => "confirmed",
        AnomalyState::Dismissed => "dismissed",
        AnomalyState::Withdrawn => "withdrawn",
    }
}

/// One line a business unit.
fn rates(records: &[Record]) -> String {
    let mut text = String::new();
    for (team, FalsePositives { open, confirmed, dismissed, permille }) in digest_mailer::false_positives(records) {
        let team = if team.is_empty() { "no business unit" } else { &team };
        let rate = permille.map_or_else(String::new, |rate| format!(": {}.{} % false alarms", rate / 10, rate % 10));
        let team = crate::report::printable(team);
        let _ = writeln!(text, "{team}: {open} open, {confirmed} confirmed, {dismissed} dismissed{rate}");
    }
    text
}

/// The day on which a person decides, UTC.
pub fn today() -> Result<Day, Failure> {
    day_of(SystemTime::now()).ok_or_else(|| Failure::other("the clock of this machine shows no day that can be written"))
}

/// The UTC day of a time, `None` before 1970 or beyond what a day can be.
pub fn day_of(time: SystemTime) -> Option<Day> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs() / 86_400).ok().and_then(Day::from_number)
}
