//! The step `findings`: what the window shows, with the trend of earlier runs, and the tickets that follow.

use crate::{Context, Error, Output, bill, json, known, tickets};
use apportion_core::day::{Day, DayRun};
use apportion_core::hygiene::{self, Findings, TrendPoint};
use apportion_engine::catalogue;
use apportion_store::Store;
use std::collections::BTreeMap;

/// Earlier runs that a trend shows.
const TREND_RUNS: usize = 14;

/// Where findings are kept. In AWS they are items by account and day; here one file a day.
#[derive(Debug, Clone)]
pub enum FindingStore {
    /// `findings/<date>.json`, and `<date>.2.json` … where a rerun of the date found something else.
    Directory(Store),
}

impl FindingStore {
    /// Keeps what a run found; the same findings again change nothing. Gives the key.
    async fn put(&self, findings: &Findings) -> Result<String, Error> {
        match self {
            FindingStore::Directory(store) => {
                Ok(store.put_version(&format!("findings/{}", findings.date), "json", &json(findings)?).await?)
            }
        }
    }

    /// Days of which findings are kept, sorted.
    async fn days(&self) -> Result<Vec<Day>, Error> {
        match self {
            FindingStore::Directory(store) => {
                let entries = store.list("findings/").await?;
                let day = |key: &str| key.strip_prefix("findings/")?.get(..10)?.parse::<Day>().ok();
                let mut days: Vec<Day> = entries.iter().filter_map(|entry| day(&entry.key)).collect();
                days.dedup();
                Ok(days)
            }
        }
    }

    /// What the last runs of days before `date` found, oldest first, each in its newest version.
    async fn before(&self, date: Day, runs: usize) -> Result<Vec<Findings>, Error> {
        let mut days: Vec<Day> = self.days().await?.into_iter().filter(|day| *day < date).collect();
        match self {
            FindingStore::Directory(store) => {
                let mut found = Vec::new();
                for day in days.split_off(days.len().saturating_sub(runs)) {
                    let Some((_, key)) = store.newest_version(&format!("findings/{day}"), "json").await? else { continue };
                    let bytes = store.get(&key).await?;
                    found.push(serde_json::from_slice(&bytes).map_err(|error| Error::Staging(format!("{key}: {error}")))?);
                }
                Ok(found)
            }
        }
    }
}

pub(crate) async fn findings(context: &Context, run: &DayRun) -> Result<Output, Error> {
    let known = known(context, run).await?;
    let bill = bill::located(context, run).await?;
    let taxonomy = hygiene::observed(&known.configuration);
    let mut rows = Vec::new();
    for stream in bill.ask(context, run, ("coverage", catalogue::COVERAGE), &taxonomy, &known.settings).await? {
        rows.extend(apportion_engine::hygiene::coverage(stream, &taxonomy).await?);
    }
    let mut found = hygiene::findings(run.date, &rows, &known.configuration, &known.settings, &known.organization);
    hygiene::study(&mut found, &bill.tag_keys(context).await?, &known.configuration);
    let separate = hygiene::separate_keys(&known.configuration.taxonomy);
    let mut combinations = Vec::new();
    for stream in bill.ask(context, run, ("conflicts", catalogue::CONFLICTS), &separate, &known.settings).await? {
        combinations.extend(apportion_engine::hygiene::combinations(stream, &separate).await?);
    }
    found.conflicts = hygiene::conflicts(&combinations, &known.configuration.taxonomy, hygiene::window_family(&rows));
    trend(&mut found, &context.findings.before(run.date, TREND_RUNS).await?);
    let key = context.findings.put(&found).await?;
    // A run of a past day says what was then; tickets are about now.
    let is_newest = context.findings.days().await?.last().is_none_or(|newest| *newest <= run.date);
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

/// Earlier shares of each account and of all.
fn trend(found: &mut Findings, earlier: &[Findings]) {
    let mut accounts: BTreeMap<(&str, &str), Vec<TrendPoint>> = BTreeMap::new();
    for one in earlier {
        for account in &one.accounts {
            let point = TrendPoint { date: one.date, share: account.share, unowned: account.amounts.unowned() };
            accounts.entry((&account.account_id, &account.currency)).or_default().push(point);
        }
        for (currency, amounts) in &one.totals {
            let point = TrendPoint { date: one.date, share: amounts.share(), unowned: amounts.unowned() };
            found.trend.entry(currency.clone()).or_default().push(point);
        }
    }
    for account in &mut found.accounts {
        account.trend = accounts.remove(&(account.account_id.as_str(), account.currency.as_str())).unwrap_or_default();
    }
}
