//! Where findings and tickets are kept between runs. Every store passes one suite, `tests/finding_store`.

#[cfg(feature = "aws")]
use crate::FindingTable;
use crate::{Error, json};
use apportion_core::day::Day;
use apportion_core::hygiene::{Findings, Ticket, TrendPoint};
use apportion_output::sha256_hex;
use apportion_store::Store;
use std::collections::BTreeMap;

/// Where findings and tickets are kept.
#[derive(Debug, Clone)]
pub enum FindingStore {
    /// `findings/<date>.json`, and `<date>.2.json` … where a rerun of the date found something else; `tickets/<account>/<opened>.json`.
    Directory(Store),
    /// Items by account and day.
    #[cfg(feature = "aws")]
    DynamoDb(FindingTable),
}

/// What earlier runs found, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trend {
    /// By account and currency.
    pub accounts: BTreeMap<(String, String), Vec<TrendPoint>>,
    /// Of all accounts, by currency.
    pub totals: BTreeMap<String, Vec<TrendPoint>>,
}

impl FindingStore {
    /// Keeps what a run found; the same findings again change nothing. Gives the key under which the work store has them whole; where
    /// the store keeps parts, that is below `staging`.
    #[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "a directory keeps findings whole"))]
    pub async fn put(&self, findings: &Findings, staging: &str) -> Result<String, Error> {
        match self {
            FindingStore::Directory(store) => {
                Ok(store.put_version(&format!("findings/{}", findings.date), "json", &json(findings)?).await?)
            }
            #[cfg(feature = "aws")]
            FindingStore::DynamoDb(table) => table.put(findings, staging).await,
        }
    }

    /// The latest day of which findings are kept.
    pub async fn newest_day(&self) -> Result<Option<Day>, Error> {
        match self {
            FindingStore::Directory(store) => Ok(days(store).await?.pop()),
            #[cfg(feature = "aws")]
            FindingStore::DynamoDb(table) => table.newest_day().await,
        }
    }

    /// What the last `runs` days before `date` found, each in its newest version. Of accounts, only those of `found` are asked for.
    pub async fn trend(&self, found: &Findings, date: Day, runs: usize) -> Result<Trend, Error> {
        match self {
            FindingStore::Directory(store) => {
                let mut trend = Trend::default();
                let mut days: Vec<Day> = days(store).await?.into_iter().filter(|day| *day < date).collect();
                for day in days.split_off(days.len().saturating_sub(runs)) {
                    let Some((_, key)) = store.newest_version(&format!("findings/{day}"), "json").await? else { continue };
                    let bytes = store.get(&key).await?;
                    let one = serde_json::from_slice(&bytes).map_err(|error| Error::Staging(format!("{key}: {error}")))?;
                    trend.add(&one, found);
                }
                Ok(trend)
            }
            #[cfg(feature = "aws")]
            FindingStore::DynamoDb(table) => table.trend(found, date, runs).await,
        }
    }

    /// The latest ticket of each account and currency.
    pub async fn tickets(&self) -> Result<BTreeMap<(String, String), Ticket>, Error> {
        let mut last = BTreeMap::new();
        let mut add = |ticket: Ticket| last.insert((ticket.account_id.clone(), ticket.currency.clone()), ticket);
        match self {
            FindingStore::Directory(store) => {
                // Keys sort by account, then by the day on which they were opened: the last one stays.
                for entry in store.list("tickets/").await? {
                    let bytes = store.get(&entry.key).await?;
                    add(serde_json::from_slice(&bytes).map_err(|error| Error::Staging(format!("{}: {error}", entry.key)))?);
                }
            }
            #[cfg(feature = "aws")]
            FindingStore::DynamoDb(table) => table.tickets().await?.into_iter().for_each(|ticket| drop(add(ticket))),
        }
        Ok(last)
    }

    /// Writes or replaces a ticket. Gives its key.
    pub async fn put_ticket(&self, ticket: &Ticket) -> Result<String, Error> {
        let key = ticket_key(ticket);
        match self {
            FindingStore::Directory(store) => store.put(&key, &json(ticket)?).await?,
            #[cfg(feature = "aws")]
            FindingStore::DynamoDb(table) => table.put_ticket(&key, ticket).await?,
        }
        Ok(key)
    }
}

impl Trend {
    /// One earlier run.
    fn add(&mut self, earlier: &Findings, found: &Findings) {
        for account in &earlier.accounts {
            let is_wanted =
                found.accounts.iter().any(|one| one.account_id == account.account_id && one.currency == account.currency);
            if is_wanted {
                let point = TrendPoint { date: earlier.date, share: account.share, unowned: account.amounts.unowned() };
                self.accounts.entry((account.account_id.clone(), account.currency.clone())).or_default().push(point);
            }
        }
        for (currency, amounts) in &earlier.totals {
            let point = TrendPoint { date: earlier.date, share: amounts.share(), unowned: amounts.unowned() };
            self.totals.entry(currency.clone()).or_default().push(point);
        }
    }
}

/// Days of which a directory keeps findings, sorted.
async fn days(store: &Store) -> Result<Vec<Day>, Error> {
    let entries = store.list("findings/").await?;
    let day = |key: &str| key.strip_prefix("findings/")?.get(..10)?.parse::<Day>().ok();
    let mut days: Vec<Day> = entries.iter().filter_map(|entry| day(&entry.key)).collect();
    days.dedup();
    Ok(days)
}

/// A folder name for an account and currency, whatever text the bill gives for them.
pub(crate) fn ticket_folder(ticket: &Ticket) -> String {
    let plain = |text: &str| !text.is_empty() && text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain(&ticket.account_id) && plain(&ticket.currency) {
        return format!("{}-{}", ticket.account_id, ticket.currency);
    }
    let digest = sha256_hex(format!("{:?} {:?}", ticket.account_id, ticket.currency).as_bytes());
    format!("other-{}", &digest[..24])
}

/// What a ticket is known by here.
pub(crate) fn ticket_key(ticket: &Ticket) -> String {
    format!("tickets/{}/{}.json", ticket_folder(ticket), ticket.opened)
}
