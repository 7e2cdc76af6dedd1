//! `evaluate`: staged day rows in, `evaluation.json` out.

use crate::days::Days;
use crate::{Context, Error, Output, anomalies, json, staged, staging};
use apportion_config::{Loaded, load_files_for_day};
use apportion_core::budget::Alert;
use apportion_core::day::{Day, DayRun};
use apportion_core::evaluation::{Evaluation, Inputs, Sums};
use std::collections::BTreeMap;

pub(crate) const EVALUATION: &str = "evaluation.json";
pub(crate) async fn configuration(context: &Context, run: &DayRun) -> Result<Loaded, Error> {
    let mut files = BTreeMap::new();
    for entry in context.work.list(&run.configuration).await? {
        files.insert(entry.key[run.configuration.len()..].to_owned(), context.work.get(&entry.key).await?);
    }
    load_files_for_day(&files, run.date.period()).map_err(|error| Error::BadConfiguration(error.to_string()))
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
    let Some(mut days) = Days::open(context, run, &loaded).await? else {
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
        restated: &days.facts.restated.clone(),
    };
    let mut sums = Sums::new(&inputs);
    for day in days.days() {
        sums.add(&days.rows(day).await?);
    }
    let mut found: Evaluation = sums.evaluation(&inputs);
    anomalies::remember(context, run, &mut found.anomalies).await?;
    context.work.put(&alerts_key(run.date), &json(&found.alerts)?).await?;
    let health = json(&sums.health(&found))?;
    context.work.put_version(&format!("daily/health/{}", run.date), "json", &health).await?;
    context.work.put(&format!("{}{EVALUATION}", run.staging), &json(&found)?).await?;
    Ok(Output::Evaluated {
        anomalies: found.anomalies.len(),
        sparse: found.sparse,
        groups: found.groups,
        alerts: found.alerts.len(),
    })
}
