//! What every [`FindingStore`] must do. Each check names what failed.

use apportion_core::day::Day;
use apportion_core::hygiene::{AccountFinding, Amounts, Findings, Ticket, TicketState, TrendPoint};
use apportion_core::money::Money;
use std::collections::{BTreeMap, BTreeSet};
use tag_hygiene::{Error, FindingStore, Trend};

/// Runs every check on an empty store; the first failure is the result.
pub async fn check(store: &FindingStore) -> Result<(), String> {
    nothing_is_kept_at_first(store).await?;
    a_trend_is_of_the_days_before(store).await?;
    the_newest_version_of_a_day_counts(store).await?;
    odd_accounts_and_currencies_are_kept_apart(store).await?;
    runs_of_one_day_at_once_are_all_kept(store).await?;
    a_trend_is_as_long_as_asked_for(store).await?;
    the_latest_ticket_of_each_account_counts(store).await
}

fn require(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn good<T>(result: Result<T, Error>, what: &str) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}"))
}

fn day(text: &str) -> Result<Day, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// Findings of a day: account, currency and whole units of money without an owner, of 100 taggable.
fn findings(date: &str, accounts: &[(&str, &str, i64)]) -> Result<Findings, String> {
    let date = day(date)?;
    let mut totals: BTreeMap<String, Amounts> = BTreeMap::new();
    let mut found = Vec::new();
    for (account_id, currency, unowned) in accounts {
        let amounts = amounts(*unowned, 100);
        let total = totals.entry((*currency).to_owned()).or_default();
        total.untagged += amounts.untagged;
        total.taggable += amounts.taggable;
        found.push(AccountFinding {
            account_id: (*account_id).to_owned(),
            account_name: "name, \"quoted\"\n=1+1".to_owned(),
            ou: "Root/A".to_owned(),
            currency: (*currency).to_owned(),
            share: amounts.share(),
            amounts,
            threshold: 500,
            above: *unowned > 5,
            main_unit: String::new(),
            trend: Vec::new(),
        });
    }
    Ok(Findings {
        date,
        from: date,
        to: date,
        totals,
        accounts: found,
        services: Vec::new(),
        unmapped_keys: Vec::new(),
        near_misses: Vec::new(),
        collisions: Vec::new(),
        conflicts: Vec::new(),
        missing_keys: Vec::new(),
        trend: BTreeMap::new(),
    })
}

fn amounts(unowned: i64, taggable: i64) -> Amounts {
    let units = |whole: i64| Money::from_units(i128::from(whole) * 1_000_000_000_000);
    Amounts { untagged: units(unowned), taggable: units(taggable), ..Amounts::default() }
}

/// Share in hundredths of a per cent, and whole units: of 100, that is `unowned` per cent.
fn point(date: &str, unowned: i64, accounts: i64) -> Result<TrendPoint, String> {
    let share = u32::try_from(unowned * 100 / accounts).map_err(|error| error.to_string())?;
    Ok(TrendPoint { date: day(date)?, share, unowned: amounts(unowned, 0).untagged })
}

async fn put(store: &FindingStore, found: &Findings) -> Result<(), String> {
    good(store.put(found, "staging/conformance/").await, "put").map(drop)
}

async fn trend(store: &FindingStore, found: &Findings, runs: usize) -> Result<Trend, String> {
    good(store.trend(found, found.date, runs).await, "trend")
}

async fn nothing_is_kept_at_first(store: &FindingStore) -> Result<(), String> {
    require(good(store.newest_day().await, "newest_day")?.is_none(), "an empty store has no newest day")?;
    let found = findings("2026-08-01", &[("100000000001", "USD", 10)])?;
    require(trend(store, &found, 14).await? == Trend::default(), "an empty store has no trend")?;
    require(good(store.tickets().await, "tickets")?.is_empty(), "an empty store has no tickets")
}

async fn a_trend_is_of_the_days_before(store: &FindingStore) -> Result<(), String> {
    for (date, first, second) in [("2026-08-01", 10, 1), ("2026-08-02", 20, 2), ("2026-08-04", 40, 4)] {
        put(store, &findings(date, &[("100000000001", "USD", first), ("100000000002", "USD", second)])?).await?;
    }
    require(good(store.newest_day().await, "newest_day")? == Some(day("2026-08-04")?), "the newest day is the latest")?;
    let asked = findings("2026-08-04", &[("100000000001", "USD", 40), ("100000000009", "USD", 9)])?;
    let found = trend(store, &asked, 14).await?;
    let points = vec![point("2026-08-01", 10, 1)?, point("2026-08-02", 20, 1)?];
    let accounts = BTreeMap::from([(("100000000001".to_owned(), "USD".to_owned()), points)]);
    require(
        found.accounts == accounts,
        "an account's trend is of the days before, oldest first, and only of accounts asked for",
    )?;
    let totals = vec![point("2026-08-01", 11, 2)?, point("2026-08-02", 22, 2)?];
    require(found.totals == BTreeMap::from([("USD".to_owned(), totals)]), "the trend of totals is of all accounts")
}

async fn the_newest_version_of_a_day_counts(store: &FindingStore) -> Result<(), String> {
    let first = findings("2026-08-05", &[("100000000001", "USD", 50)])?;
    let second = findings("2026-08-05", &[("100000000001", "USD", 60)])?;
    let asked = findings("2026-08-06", &[("100000000001", "USD", 0)])?;
    let last = async || -> Result<Vec<TrendPoint>, String> {
        Ok(trend(store, &asked, 1).await?.accounts.into_values().flatten().collect())
    };
    for _ in 0..2 {
        put(store, &first).await?;
        require(last().await? == [point("2026-08-05", 50, 1)?], "what a run found is kept, once")?;
    }
    put(store, &second).await?;
    require(last().await? == [point("2026-08-05", 60, 1)?], "a rerun that found something else counts")?;
    put(store, &first).await?;
    require(last().await? == [point("2026-08-05", 50, 1)?], "a rerun that finds the first again counts")
}

async fn odd_accounts_and_currencies_are_kept_apart(store: &FindingStore) -> Result<(), String> {
    let odd = ["", "run", "ticket", "a#b", "a", "a/b", "é\n", "../x"];
    let accounts: Vec<(&str, &str, i64)> =
        (1..).zip(odd).flat_map(|(unowned, account)| [(account, "USD", unowned), (account, "EU#R", 50 + unowned)]).collect();
    let found = findings("2026-08-07", &accounts)?;
    put(store, &found).await?;
    let trend = trend(store, &findings("2026-08-08", &accounts)?, 1).await?;
    for (account, currency, unowned) in accounts {
        let points = trend.accounts.get(&(account.to_owned(), currency.to_owned()));
        let expected = vec![point("2026-08-07", unowned, 1)?];
        require(points == Some(&expected), &format!("account {account:?} in {currency} has its own trend"))?;
    }
    Ok(())
}

async fn runs_of_one_day_at_once_are_all_kept(store: &FindingStore) -> Result<(), String> {
    let runs = (1..=8).map(|unowned| findings("2026-08-09", &[("100000000001", "USD", unowned)]));
    let runs: Vec<Findings> = runs.collect::<Result<_, _>>()?;
    let writers = runs.iter().map(|found| {
        let (store, found) = (store.clone(), found.clone());
        tokio::spawn(async move { store.put(&found, "staging/conformance/").await.map(drop) })
    });
    for writer in writers.collect::<Vec<_>>() {
        good(writer.await.map_err(|error| error.to_string())?, "racing put")?;
    }
    let asked = findings("2026-08-10", &[("100000000001", "USD", 0)])?;
    let points: Vec<TrendPoint> = trend(store, &asked, 1).await?.accounts.into_values().flatten().collect();
    let possible: Result<BTreeSet<u32>, String> = (1..=8).map(|unowned| Ok(point("2026-08-09", unowned, 1)?.share)).collect();
    require(points.len() == 1 && possible?.contains(&points[0].share), "of runs at once one counts, whole")
}

async fn a_trend_is_as_long_as_asked_for(store: &FindingStore) -> Result<(), String> {
    for number in 1..=20 {
        for rerun in 0..3 {
            put(store, &findings(&format!("2026-09-{number:02}"), &[("100000000001", "USD", number + rerun)])?).await?;
        }
    }
    let asked = findings("2026-09-21", &[("100000000001", "USD", 0)])?;
    let found = trend(store, &asked, 14).await?;
    let expected: Result<Vec<TrendPoint>, String> =
        (7..=20).map(|number| point(&format!("2026-09-{number:02}"), number + 2, 1)).collect();
    require(found.accounts.into_values().flatten().collect::<Vec<_>>() == expected?, "the last days, each in its newest version")
}

async fn the_latest_ticket_of_each_account_counts(store: &FindingStore) -> Result<(), String> {
    let ticket = |account: &str, opened: &str, amount: i64| -> Result<Ticket, String> {
        Ok(Ticket {
            correlation_id: format!("{account}-{opened}"),
            account_id: account.to_owned(),
            account_name: "é, \"x\"".to_owned(),
            ou: String::new(),
            currency: "USD".to_owned(),
            state: TicketState::Open,
            owner: "owner@example.com".to_owned(),
            assignment_group: String::new(),
            opened: day(opened)?,
            due: day(opened)?,
            seen: day(opened)?,
            closed: None,
            amount: amounts(amount, 0).untagged,
            largest_amount: amounts(amount, 0).untagged,
            taggable: amounts(0, 100).taggable,
            share: 100,
            threshold: 500,
            window_days: 30,
        })
    };
    let closed = |ticket: Ticket, day: Day| Ticket { state: TicketState::Closed, closed: Some(day), seen: day, ..ticket };
    let first = closed(ticket("100000000001", "2026-08-01", 1)?, day("2026-08-02")?);
    let second = ticket("100000000001", "2026-08-03", 2)?;
    let other = ticket("odd/../é", "2026-08-01", 3)?;
    for one in [&second, &first, &other] {
        good(store.put_ticket(one).await, "put_ticket")?;
    }
    let updated = Ticket { amount: amounts(5, 0).untagged, seen: day("2026-08-04")?, ..second };
    let key = good(store.put_ticket(&updated).await, "put_ticket")?;
    require(key == "tickets/100000000001-USD/2026-08-03.json", "a ticket is known by account, currency and day")?;
    let found: Vec<Ticket> = good(store.tickets().await, "tickets")?.into_values().collect();
    require(found == [updated, other], "the latest ticket of each account, as it was last written")
}
