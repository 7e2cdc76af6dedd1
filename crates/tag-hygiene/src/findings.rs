//! The step `findings`: what the window shows, with the trend of earlier runs, and the tickets that follow.

use crate::{Context, Error, Output, bill, json, known, partition, tickets};
use apportion_core::day::DayRun;
use apportion_core::hygiene;
use apportion_engine::catalogue::Query;

/// Earlier runs that a trend shows.
const TREND_RUNS: usize = 14;

pub(crate) async fn findings(context: &Context, run: &DayRun) -> Result<Output, Error> {
    let known = known(context, run).await?;
    let bill = bill::located(context, run).await?;
    let taxonomy = hygiene::observed(&known.configuration);
    let mut rows = Vec::new();
    for stream in bill.ask(context, run, Query::Coverage, &taxonomy, &known.settings).await? {
        rows.extend(apportion_engine::hygiene::coverage(stream, &taxonomy).await?);
    }
    let mut found = hygiene::findings(run.date, &rows, &known.configuration, &known.settings, &known.organization);
    hygiene::study(&mut found, &bill.tag_keys(context).await?, &known.configuration);
    let separate = hygiene::separate_keys(&known.configuration.taxonomy);
    let mut combinations = Vec::new();
    for stream in bill.ask(context, run, Query::Conflicts, &separate, &known.settings).await? {
        combinations.extend(apportion_engine::hygiene::combinations(stream, &separate).await?);
    }
    found.conflicts = hygiene::conflicts(&combinations, &known.configuration.taxonomy, hygiene::window_family(&rows));
    let mut earlier = context.findings.trend(&found, run.date, TREND_RUNS).await?;
    found.trend = earlier.totals;
    for account in &mut found.accounts {
        let key = (account.account_id.clone(), account.currency.clone());
        account.trend = earlier.accounts.remove(&key).unwrap_or_default();
    }
    let key = context.findings.put(&found, &run.staging).await?;
    let rows = partition::findings_csv(&found).map_err(|error| Error::Staging(error.to_string()))?;
    context.work.put(&partition::partition_key(run.date), &rows).await?;
    // A run of a past day says what was then; tickets are about now.
    let is_newest = context.findings.newest_day().await?.is_none_or(|newest| newest <= run.date);
    let done = tickets::keep(context, &found, &known, is_newest).await?;
    let count = |kind| done.changed.iter().filter(|(_, change)| *change == kind).count();
    let output = Output::Findings {
        findings: key,
        above: found.accounts.iter().filter(|account| account.above).count(),
        opened: count(hygiene::ChangeKind::Opened),
        updated: count(hygiene::ChangeKind::Updated),
        closed: count(hygiene::ChangeKind::Closed),
        open: done.open,
        changed: done.changed.into_iter().map(|(key, _)| key).collect(),
    };
    context.work.put(&format!("{}hygiene.json", run.staging), &json(&output)?).await?;
    Ok(output)
}
