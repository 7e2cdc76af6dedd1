//! `org/`: the snapshot of each day, kept for good, and the table of the newest one.

use crate::{Context, Error, Origin, Wanted, as_of, read_file};
use apportion_core::day::{Day, DayRun, dated_snapshots};
use apportion_core::org::{AsOf, DatedTree, Organization};
use apportion_store::StoreError;
use std::collections::BTreeMap;

const TABLE: &str = "org/account_ou_mapping.csv";

/// The newest kept snapshot of each day: its key.
pub(crate) async fn snapshots(context: &Context) -> Result<BTreeMap<Day, String>, StoreError> {
    Ok(dated_snapshots(context.work.list("org/").await?.into_iter().map(|entry| entry.key)))
}

/// A period goes by its own trees: the last that was kept in it, or, by usage day, all of them and the one before. `None` where none was
/// kept in the period.
pub(crate) async fn of_period(context: &Context, wanted: &Wanted<'_>) -> Result<Option<(Organization, Origin)>, Error> {
    if !wanted.is_close {
        return Ok(None);
    }
    let period = wanted.day.period();
    let kept = snapshots(context).await?;
    let Some((last, key)) = kept.range(Day::first_of(period)..=wanted.day).next_back() else { return Ok(None) };
    let origin = Origin { kept: Some(*last), ..Origin::default() };
    if as_of(context, wanted).await? == AsOf::PeriodEnd {
        return Ok(Some((read_file(context, key).await?.into(), origin)));
    }
    let before = kept.range(..=Day::first_of(period)).next_back().map_or(Day::first_of(period), |(day, _)| *day);
    let mut trees = Vec::new();
    for (day, key) in kept.range(before..=wanted.day) {
        trees.push(DatedTree { from: *day, snapshot: *day, tree: read_file(context, key).await? });
    }
    Ok(Organization::by_day(period, trees).map(|organization| (organization, origin)))
}

/// Keeps the snapshot of a day. Another one of the same day gets a number, none is ever overwritten, and the one kept last is the day's.
/// The table is that of the latest day, whichever day ran last.
pub(crate) async fn keep(context: &Context, run: &DayRun, snapshot: &[u8], mapping: &[u8]) -> Result<(), Error> {
    let latest = snapshots(context).await?.into_keys().next_back();
    context.work.put_version(&format!("org/{}", run.date), "json", snapshot).await?;
    if latest.is_none_or(|latest| latest <= run.date) {
        context.work.put(TABLE, mapping).await?;
    }
    Ok(())
}
