//! `org/`: the snapshot of each day, kept for good, and the table of the newest one.

use crate::{Context, Error};
use apportion_core::day::{Day, DayRun, dated_snapshots};
use apportion_store::StoreError;
use std::collections::BTreeMap;

const TABLE: &str = "org/account_ou_mapping.csv";

/// The newest kept snapshot of each day: its key.
pub(crate) async fn snapshots(context: &Context) -> Result<BTreeMap<Day, String>, StoreError> {
    Ok(dated_snapshots(context.work.list("org/").await?.into_iter().map(|entry| entry.key)))
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
