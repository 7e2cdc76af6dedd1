//! Findings and tickets in DynamoDB.
//!
//! | `pk` | `sk` | what |
//! |---|---|---|
//! | `TAG#<account>` | `finding#<date>#<digest>#<currency>` | what a run found in the account |
//! | `TAG#run` | `run#<date>#<version>` | that a run of the day is kept whole, its totals, and the digest of its items; written last |
//! | `TAG#ticket` | `tickets/<account>-<currency>/<opened>.json` | a ticket |
//!
//! An account may have any name in a bill, `run` too: the sort keys keep them apart. Everything but an open ticket has a `ttl`.

use crate::finding_store::Trend;
use crate::{Error, json};
use apportion_core::day::Day;
use apportion_core::hygiene::{AccountFinding, Findings, Ticket, TicketState, TrendPoint};
use apportion_core::money::Money;
use apportion_output::sha256_hex;
use apportion_runtime::table::{DAY_SECONDS, Item, Put, Range, Table, When};
use apportion_store::Store;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::BTreeMap;

const RUNS: &str = "TAG#run";
const TICKETS: &str = "TAG#ticket";
/// Days after which DynamoDB may remove what a run found, and a closed ticket.
pub const KEPT_DAYS: i64 = 400;
/// Requests at once.
const PARALLEL: usize = 16;
/// After every character that a key may have.
const LAST: char = '\u{10ffff}';

/// The table of findings, and the work store, which has them whole for the mail.
#[derive(Debug, Clone)]
pub struct FindingTable {
    table: Table,
    work: Store,
}

/// A run that is kept whole.
struct Run {
    date: Day,
    version: u32,
    digest: String,
    /// Share and money without an owner, by currency.
    totals: BTreeMap<String, (u32, Money)>,
}

impl FindingTable {
    pub fn new(table: Table, work: Store) -> FindingTable {
        FindingTable { table, work }
    }

    pub(crate) async fn put(&self, findings: &Findings, staging: &str) -> Result<String, Error> {
        let bytes = json(findings)?;
        let key = format!("{staging}findings.json");
        self.work.put(&key, &bytes).await?;
        let digest = sha256_hex(&bytes)[..24].to_owned();
        let newest = self.runs(&format!("run#{}#", findings.date), &format!("run#{}#{LAST}", findings.date), Some(1)).await?;
        let mut version = match newest.first() {
            Some(run) if run.digest == digest => return Ok(key),
            Some(run) => run.version + 1,
            None => 1,
        };
        let items = findings.accounts.iter().map(|account| finding(findings.date, &digest, account));
        let items: Vec<Item> = items.collect::<Result<_, Error>>()?;
        let puts = items.iter().map(|item| self.table.put(item));
        stream::iter(puts.collect::<Vec<_>>()).buffer_unordered(PARALLEL).try_collect::<Vec<()>>().await?;
        let totals: BTreeMap<&String, (u32, Money)> =
            findings.totals.iter().map(|(currency, amounts)| (currency, (amounts.share(), amounts.unowned()))).collect();
        let totals = serde_json::to_string(&totals).map_err(|error| Error::Staging(error.to_string()))?;
        loop {
            let run =
                Item::new(RUNS, format!("run#{}#{version:06}", findings.date)).with("digest", &*digest).with("totals", &*totals);
            match self.table.put_when(&Item { ttl: expiry(findings.date), ..run }, When::Absent).await? {
                Put::Done => return Ok(key),
                Put::Refused(Some(there)) if there.field("digest") == digest => return Ok(key),
                // Another run of the day was first; this one gets the next number.
                Put::Refused(_) => version += 1,
            }
        }
    }

    pub(crate) async fn newest_day(&self) -> Result<Option<Day>, Error> {
        Ok(self.runs("run#", &format!("run#{LAST}"), Some(1)).await?.first().map(|run| run.date))
    }

    pub(crate) async fn trend(&self, found: &Findings, date: Day, runs: usize) -> Result<Trend, Error> {
        let mut days = self.days_before(date, runs).await?;
        days.reverse();
        let mut trend = Trend::default();
        let Some(first) = days.first().map(|run| run.date) else { return Ok(trend) };
        for run in &days {
            for (currency, (share, unowned)) in &run.totals {
                let point = TrendPoint { date: run.date, share: *share, unowned: *unowned };
                trend.totals.entry(currency.clone()).or_default().push(point);
            }
        }
        let kept: BTreeMap<Day, &str> = days.iter().map(|run| (run.date, run.digest.as_str())).collect();
        let asked = found.accounts.iter().map(|account| self.account(account, first, date, &kept));
        let points: Vec<Vec<TrendPoint>> = stream::iter(asked.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
        for (account, points) in found.accounts.iter().zip(points).filter(|(_, points)| !points.is_empty()) {
            trend.accounts.insert((account.account_id.clone(), account.currency.clone()), points);
        }
        Ok(trend)
    }

    /// The newest run of each of the last `most` days before `date`, newest first.
    async fn days_before(&self, date: Day, most: usize) -> Result<Vec<Run>, Error> {
        let mut days: Vec<Run> = Vec::new();
        let mut before = format!("run#{date}");
        while days.len() < most {
            let page = self.runs("run#", &before, Some(most)).await?;
            let is_last = page.len() < most;
            for run in page {
                // Sorts just before the run itself: the next page begins with the one before it.
                before = format!("run#{}#{:06}", run.date, run.version - 1);
                if days.len() < most && days.last().is_none_or(|last| last.date != run.date) {
                    days.push(run);
                }
            }
            if is_last {
                break;
            }
        }
        Ok(days)
    }

    /// An account's points from one day until before another, oldest first, of the runs that count.
    async fn account(
        &self,
        account: &AccountFinding,
        from: Day,
        before: Day,
        kept: &BTreeMap<Day, &str>,
    ) -> Result<Vec<TrendPoint>, Error> {
        let range =
            Range { from: &format!("finding#{from}"), to: &format!("finding#{before}"), newest_first: false, limit: None };
        let items = self.table.query(&account_key(account), &range).await?;
        let of = |item: &Item| -> Option<Result<TrendPoint, Error>> {
            let mut parts = item.sk.splitn(4, '#').skip(1);
            let date: Day = parts.next()?.parse().ok()?;
            let counts = kept.get(&date) == Some(&parts.next()?) && parts.next()? == account.currency;
            counts.then(|| point(date, item))
        };
        items.iter().filter_map(of).collect()
    }

    /// Runs in a range of sort keys, newest first.
    async fn runs(&self, from: &str, to: &str, limit: Option<usize>) -> Result<Vec<Run>, Error> {
        let items = self.table.query(RUNS, &Range { from, to, newest_first: true, limit }).await?;
        items.iter().map(run).collect()
    }

    pub(crate) async fn tickets(&self) -> Result<Vec<Ticket>, Error> {
        let range = Range { from: "tickets/", to: &format!("tickets/{LAST}"), newest_first: false, limit: None };
        let items = self.table.query(TICKETS, &range).await?;
        items.iter().map(|item| serde_json::from_str(item.field("ticket")).map_err(|error| unread(item, &error))).collect()
    }

    pub(crate) async fn put_ticket(&self, key: &str, ticket: &Ticket) -> Result<(), Error> {
        let text = serde_json::to_string(ticket).map_err(|error| Error::Staging(error.to_string()))?;
        let ttl = match ticket.state {
            TicketState::Open => None,
            TicketState::Closed => expiry(ticket.seen),
        };
        Ok(self.table.put(&Item { ttl, ..Item::new(TICKETS, key).with("ticket", text) }).await?)
    }
}

fn account_key(account: &AccountFinding) -> String {
    format!("TAG#{}", account.account_id)
}

fn expiry(date: Day) -> Option<i64> {
    Some((date.number() + KEPT_DAYS) * DAY_SECONDS)
}

/// The item of an account: what was found without its trend, which earlier items hold.
fn finding(date: Day, digest: &str, account: &AccountFinding) -> Result<Item, Error> {
    let plain = AccountFinding { trend: Vec::new(), ..account.clone() };
    let text = serde_json::to_string(&plain).map_err(|error| Error::Staging(error.to_string()))?;
    let item = Item::new(account_key(account), format!("finding#{date}#{digest}#{}", account.currency)).with("finding", text);
    Ok(Item { ttl: expiry(date), ..item })
}

fn point(date: Day, item: &Item) -> Result<TrendPoint, Error> {
    let found: AccountFinding = serde_json::from_str(item.field("finding")).map_err(|error| unread(item, &error))?;
    Ok(TrendPoint { date, share: found.share, unowned: found.amounts.unowned() })
}

fn run(item: &Item) -> Result<Run, Error> {
    let wrong = || Error::Staging(format!("the item `{}` `{}` is not one of ours", item.pk, item.sk));
    let mut parts = item.sk.split('#').skip(1);
    let mut part = || parts.next().ok_or_else(wrong);
    Ok(Run {
        date: part()?.parse().map_err(|_| wrong())?,
        version: part()?.parse().map_err(|_| wrong())?,
        digest: item.field("digest").to_owned(),
        totals: serde_json::from_str(item.field("totals")).map_err(|error| unread(item, &error))?,
    })
}

fn unread(item: &Item, error: &serde_json::Error) -> Error {
    Error::Staging(format!("the item `{}` `{}`: {error}", item.pk, item.sk))
}
