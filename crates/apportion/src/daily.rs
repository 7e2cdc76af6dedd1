//! `apportion daily`: one day, from the bill on disk to the mail in the outbox.

use crate::anomalies::day_of;
use crate::close::bill_store;
use crate::daily_report;
use crate::engine::EngineArguments;
use crate::failure::{Failure, NOT_READY, OTHER};
use crate::local::{LocalFunctions, Places};
use crate::timed::{Seen, Timed};
use crate::walker::{Machine, Sleep, Walked, real_sleep};
use apportion_core::day::{Day, DayRun, Outcome, RunRecord};
use apportion_core::evaluation::Evaluation;
use apportion_store::{Store, StoreError};
use clap::Args;
use reconciliation_gate::{Assets, stage_day};
use serde_json::{Value, json};
use statement_renderer::Template;
use std::path::{Path, PathBuf};

/// `statemachine/daily.asl.json`: the only definition of the order of stages.
pub const DAILY: &str = include_str!("../../../statemachine/daily.asl.json");
/// Minutes between two looks at a bill that is not there, as the machine waits.
const POLL_MINUTES: u32 = 30;
/// What earlier runs left and a dry run reads.
const HISTORY: [&str; 9] =
    ["alerts", "anomalies", "daily", "findings", "org", "ou-breakdown-versions", "outbox", "suggestions", "tickets"];

#[derive(Args)]
pub struct DailyArguments {
    /// The day to report on, UTC.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Day,
    /// A bill file, a folder of them, or a Data Exports folder at or above the export; it may hold several billing periods.
    #[arg(long, value_name = "PATH")]
    pub bill: PathBuf,
    /// The configuration folder; mail.toml, budgets.csv and hygiene.toml are the daily run's own.
    #[arg(long, value_name = "DIR")]
    pub config: PathBuf,
    /// The organization as JSON: Roots, OrganizationalUnits, Accounts. Without it the newest one of an earlier run.
    #[arg(long, value_name = "FILE")]
    pub org: Option<PathBuf>,
    /// A folder of Typst files to print the page for executives with, instead of the package's own template.
    #[arg(long, value_name = "DIR")]
    pub template: Option<PathBuf>,
    /// Where everything goes, and what earlier days left is read: always the same folder.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Do everything but write and send: print what the run would say.
    #[arg(long)]
    pub dry_run: bool,
    /// Wait for a day that is not in the bill yet, until mail.toml's deadline.
    #[arg(long)]
    pub wait: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineArguments,
    /// What that engine calls the folder of the bill: s3://bucket/prefix/, or local:///folder/ in a Trino over local files.
    #[arg(long, value_name = "URI")]
    pub bill_as: Option<String>,
}

/// What a run leaves to say.
pub struct Ended {
    pub record: RunRecord,
    pub seen: Seen,
    /// `None` where the stage failed or did not run.
    pub evaluation: Option<Evaluation>,
    /// Where keys lie; `None` in a dry run.
    pub out: Option<PathBuf>,
    /// Whether the configuration has a mail.toml.
    pub has_mail: bool,
}

/// Runs the day, prints its summary, gives the exit code.
pub async fn run(arguments: &DailyArguments, progress: &(dyn Fn(&str) + Sync)) -> Result<u8, Failure> {
    let ended = daily(arguments, progress, &real_sleep).await?;
    if arguments.json {
        crate::print(&(serde_json::to_string_pretty(&daily_report::json(&ended)).map_err(Failure::other)? + "\n"))?;
    } else {
        crate::print(&daily_report::text(&ended))?;
    }
    match ended.record.outcome {
        Outcome::Complete => Ok(0),
        Outcome::NotReady => Err(Failure::new(NOT_READY, daily_report::awaited(&ended.record))),
        Outcome::Failed => Err(Failure::new(OTHER, daily_report::failed(&ended.record))),
    }
}

/// The day; `sleep` waits for a bill that is not there.
pub async fn daily(arguments: &DailyArguments, progress: &(dyn Fn(&str) + Sync), sleep: &Sleep<'_>) -> Result<Ended, Failure> {
    let loaded = apportion_config::load_for_day(&arguments.config, arguments.date.period()).map_err(Failure::bad_input)?;
    let organization = arguments.org.as_deref().map(organization).transpose()?;
    let template = match &arguments.template {
        Some(folder) => Template::from_folder(folder).map_err(Failure::bad_input)?,
        None => Template::builtin(),
    };
    let (bill, key) = bill_store(&arguments.bill)?;
    let place = Place::new(arguments)?;
    let work = Store::directory(place.root());
    let (staging, attempt) = place.stage(&work, arguments.date).await?;
    let (organization, dated) = organization.unzip();
    let assets = Assets { configuration: loaded.files.clone(), organization, ..Assets::default() };
    let run =
        stage_day(&work, arguments.date, (staging, attempt), key, &assets, dated.flatten()).await.map_err(Failure::other)?;
    let places = Places { bill, work: work.clone(), closes: work.clone() };
    let engine = arguments.engine.open_over_bill(arguments.bill_as.as_deref()).await?;
    let functions = LocalFunctions::new(&places, engine, &template, None).map_err(Failure::bad_input)?;
    let machine = Machine::parse("statemachine/daily.asl.json", DAILY).map_err(Failure::other)?;
    let deadline = loaded.mail.as_ref().map_or(apportion_config::DEADLINE_MINUTES, |mail| mail.deadline_minutes);
    let most_polls = if arguments.wait { deadline / POLL_MINUTES + 1 } else { 1 };
    // The machine counts its polls where the first answer will stand.
    let input = json!({ "run": run, "most_polls": most_polls, "stages": { "readiness": { "output": { "polls": 0 } } } });
    let timed = Timed::new(&functions, progress);
    let walked = machine.walk_sleeping(&timed, input, &|state| told(state, progress), sleep).await;
    let record = record(&work, &run, walked, timed.seen()).await?;
    let evaluation = read(&work, &format!("{}evaluation.json", run.staging)).await?;
    place.clear(&run, record.outcome);
    let out = place.temporary.is_none().then(|| arguments.out.clone());
    Ok(Ended { record, seen: timed.seen(), evaluation, out, has_mail: loaded.mail.is_some() })
}

/// Stages are told when they end; of the machine's own states only waits and retries matter to who looks on.
fn told(state: &str, progress: &(dyn Fn(&str) + Sync)) {
    if state.contains(':') {
        progress(state);
    } else if state == "WaitForBill" {
        progress(&format!("the day is not there yet: looking again in {POLL_MINUTES} minutes"));
    }
}

/// The organization file, and the UTC day on which it was written: its age is that of what it says.
fn organization(path: &Path) -> Result<(Vec<u8>, Option<Day>), Failure> {
    let wrong = |error: std::io::Error| Failure::bad_input(format!("the organization file {}: {error}", path.display()));
    let bytes = std::fs::read(path).map_err(wrong)?;
    let written = std::fs::metadata(path).and_then(|metadata| metadata.modified()).map_err(wrong)?;
    Ok((bytes, day_of(written)))
}

/// How the run went, as the machine kept it, with what only this side knows: the durations.
async fn record(work: &Store, run: &DayRun, walked: Walked, seen: Seen) -> Result<RunRecord, Failure> {
    let kept: Option<RunRecord> = read(work, &format!("{}run.json", run.staging)).await?;
    let mut record = match (kept, walked) {
        (Some(record), Walked::Succeeded { .. }) => record,
        (Some(record), Walked::Failed { .. }) if record.outcome == Outcome::Failed => record,
        (_, Walked::Failed { cause, .. }) => return Err(Failure::other(cause)),
        (None, Walked::Succeeded { state, .. }) => {
            return Err(Failure::other(format!("the machine ended in {state} and kept no record")));
        }
    };
    let milliseconds = |took: &std::time::Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    record.milliseconds = seen.durations.iter().map(|(stage, took)| ((*stage).to_owned(), milliseconds(took))).collect();
    let text = serde_json::to_string_pretty(&record).map_err(Failure::other)? + "\n";
    work.put(&record.key(), text.as_bytes()).await.map_err(Failure::other)?;
    Ok(record)
}

async fn read<T: serde::de::DeserializeOwned>(work: &Store, key: &str) -> Result<Option<T>, Failure> {
    match work.get(key).await {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| Failure::other(format!("{key}: {error}"))),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(Failure::other(error)),
    }
}

/// Where the run reads and writes: the out folder, or a copy of what it knows in a dry run, which leaves nothing behind.
struct Place {
    root: PathBuf,
    temporary: Option<tempfile::TempDir>,
}

impl Place {
    fn new(arguments: &DailyArguments) -> Result<Place, Failure> {
        if !arguments.dry_run {
            return Ok(Place { root: arguments.out.clone(), temporary: None });
        }
        let folder = tempfile::tempdir().map_err(|error| Failure::other(format!("a temporary folder: {error}")))?;
        for name in HISTORY {
            let from = arguments.out.join(name);
            copy(&from, &folder.path().join(name))
                .map_err(|error| Failure::other(format!("--out {}: {error}", from.display())))?;
        }
        Ok(Place { root: folder.path().to_path_buf(), temporary: Some(folder) })
    }

    fn root(&self) -> &Path {
        &self.root
    }

    /// A staging folder of this run's own: `staging/daily/<date>/<n>/`, with an n that no run of the date had.
    async fn stage(&self, work: &Store, date: Day) -> Result<(String, u32), Failure> {
        let parent = self.root.join("staging/daily").join(date.to_string());
        let unwritable = |error: std::io::Error| Failure::other(format!("--out {}: {error}", parent.display()));
        std::fs::create_dir_all(&parent).map_err(unwritable)?;
        for number in 1..100_000 {
            let was_there = work.head(&format!("daily/runs/{date}/{number}.json")).await.map_err(Failure::other)?.is_some();
            if was_there {
                continue;
            }
            match std::fs::create_dir(parent.join(number.to_string())) {
                Ok(()) => return Ok((format!("staging/daily/{date}/{number}/"), number)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(unwritable(error)),
            }
        }
        Err(Failure::other(format!("{}: a hundred thousand runs of the day lie there", parent.display())))
    }

    /// Removes what was staged, unless a stage failed and someone will want to look.
    fn clear(&self, run: &DayRun, outcome: Outcome) {
        if self.temporary.is_none() && outcome != Outcome::Failed {
            // Left-overs are harmless: no later run uses the folder.
            let _ = std::fs::remove_dir_all(self.root.join(&run.staging));
        }
    }
}

/// Copies a folder with all below it; one that is not there is nothing to copy.
pub fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let metadata = match std::fs::symlink_metadata(from) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if metadata.is_file() {
        return std::fs::copy(from, to).map(|_| ());
    }
    if metadata.is_dir() {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// A part of what a stage gave, `null` if it gave nothing.
pub fn output<'a>(ended: &'a Ended, stage: &str, field: &str) -> &'a Value {
    ended.seen.outputs.get(stage).map_or(&Value::Null, |output| &output[field])
}
