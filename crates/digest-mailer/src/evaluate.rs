//! `evaluate`: staged day rows in, `evaluation.json` out.

use crate::{Context, Error, Output, anomalies, json, staged, staging};
use apportion_config::{Loaded, load_files_for_day};
use apportion_core::budget::Alert;
use apportion_core::day::{Day, DayFacts, DayRun, Owned, dated_snapshots, owned, ownership};
use apportion_core::evaluation::{self, Evaluation, Inputs};
use apportion_core::org::OrgSnapshot;
use apportion_output::read_day_rows_csv;
use apportion_runtime::metrics::{self, Figure, Unit};
use std::collections::BTreeMap;

pub(crate) const EVALUATION: &str = "evaluation.json";
/// Snapshots older than this do not matter: nothing looks back further.
const ORGANIZATION_WINDOW_DAYS: i64 = 130;

/// The day rows with their owners, and what they were read with.
pub(crate) struct Rollup {
    pub rows: Vec<Owned>,
    pub facts: DayFacts,
}

pub(crate) async fn configuration(context: &Context, run: &DayRun) -> Result<Loaded, Error> {
    let mut files = BTreeMap::new();
    for entry in context.work.list(&run.configuration).await? {
        files.insert(entry.key[run.configuration.len()..].to_owned(), context.work.get(&entry.key).await?);
    }
    load_files_for_day(&files, run.date.period()).map_err(|error| Error::BadConfiguration(error.to_string()))
}

/// `None` if the run has no rollup.
pub(crate) async fn rows(context: &Context, run: &DayRun, loaded: &Loaded) -> Result<Option<Rollup>, Error> {
    let Some(facts) = staged::<DayFacts>(context, &format!("{}rollup.json", run.staging)).await? else { return Ok(None) };
    let key = format!("{}rollup.csv", run.staging);
    let (dimensions, rows) =
        read_day_rows_csv(&context.work.get(&key).await?).map_err(|error| staging(format!("{key}: {error}")))?;
    let needed = ownership(&loaded.configuration);
    if dimensions.iter().ne(needed.dimensions.iter().map(|dimension| &dimension.name)) {
        return Err(staging(format!("{key}: it was staged by another taxonomy; start a new run")));
    }
    let organizations = organizations(context, run).await?;
    let rows =
        owned(&rows, &loaded.configuration, &organizations, facts.family).map_err(|error| Error::BadBill(error.to_string()))?;
    Ok(Some(Rollup { rows, facts }))
}

/// Newest kept snapshot of each day.
pub(crate) async fn snapshots(context: &Context) -> Result<BTreeMap<Day, String>, Error> {
    Ok(dated_snapshots(context.work.list("org/").await?.into_iter().map(|entry| entry.key)))
}

/// Snapshots up to the date, sorted by day; the run's own is that of its date.
async fn organizations(context: &Context, run: &DayRun) -> Result<Vec<(Day, OrgSnapshot)>, Error> {
    let mut dated: BTreeMap<Day, OrgSnapshot> = BTreeMap::new();
    for (day, key) in snapshots(context).await? {
        if (0..=ORGANIZATION_WINDOW_DAYS).contains(&run.date.since(day))
            && let Some(snapshot) = staged(context, &key).await?
        {
            dated.insert(day, snapshot);
        }
    }
    if let Some(own) = staged(context, &format!("{}organization.json", run.staging)).await? {
        dated.insert(run.date, own);
    }
    Ok(dated.into_iter().collect())
}

fn alerts_key(date: Day) -> String {
    format!("alerts/{}/{date}.json", date.period())
}

/// Lights that earlier days of the month reported.
async fn earlier_alerts(context: &Context, date: Day) -> Result<Vec<Alert>, Error> {
    let mut alerts = Vec::new();
    for day in (1..date.day()).filter_map(|day| Day::of(date.period(), day)) {
        alerts.extend(staged::<Vec<Alert>>(context, &alerts_key(day)).await?.unwrap_or_default());
    }
    Ok(alerts)
}

pub(crate) async fn evaluate(context: &Context, run: &DayRun) -> Result<Output, Error> {
    let loaded = configuration(context, run).await?;
    let Some(day) = rows(context, run, &loaded).await? else {
        return Err(staging(format!("{}rollup.json is missing: the rollup has not succeeded", run.staging)));
    };
    let thresholds = loaded.mail.as_ref().map(|mail| mail.anomalies.clone()).unwrap_or_default();
    let alerts = earlier_alerts(context, run.date).await?;
    let inputs = Inputs {
        date: run.date,
        currency: &loaded.configuration.settings.currency,
        units: &loaded.configuration.units,
        budgets: &loaded.budgets,
        anomalies: &thresholds,
        alerts: &alerts,
        restated: &day.facts.restated,
    };
    let mut found: Evaluation = evaluation::evaluate(&day.rows, &inputs);
    anomalies::remember(context, run, &mut found.anomalies).await?;
    context.work.put(&alerts_key(run.date), &json(&found.alerts)?).await?;
    let health = json(&evaluation::health(&day.rows, &found))?;
    context.work.put_version(&format!("daily/health/{}", run.date), "json", &health).await?;
    context.work.put(&format!("{}{EVALUATION}", run.staging), &json(&found)?).await?;
    metrics::emit([
        Figure::new("Anomalies", Unit::Count, found.anomalies.len()),
        Figure::new("BudgetAlerts", Unit::Count, found.alerts.len()),
    ]);
    Ok(Output::Evaluated {
        anomalies: found.anomalies.len(),
        sparse: found.sparse,
        groups: found.groups,
        alerts: found.alerts.len(),
    })
}
