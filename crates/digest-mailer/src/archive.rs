//! The consolidated CSV of a day: every row in cash, unrounded; attached to the digest and archived.

use crate::{Context, Error, staging, versions};
use apportion_core::day::{Day, Owned};
use apportion_core::money::Money;
use apportion_output::SafeCsv;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Columns of `ou_breakdown.csv`; `LinkedAccount` is the account id.
pub const BREAKDOWN_COLUMNS: [&str; 5] = ["BillingDate", "OU", "Service", "LinkedAccount", "DailyCost"];

/// Where the archive of a day lies: a partition of the table `ou_breakdown`.
pub fn breakdown_key(date: Day) -> String {
    let period = date.period();
    format!("ou-breakdowns/year={:04}/month={:02}/day={:02}/ou_breakdown.csv", period.year(), period.month(), date.day())
}

/// Every version of it. Beside the partitions, not in them: Athena reads each file of a partition, so two would count twice.
fn versions_stem(date: Day) -> String {
    format!("ou-breakdown-versions/{date}/ou_breakdown")
}

/// The day's cash by OU, service and account, sorted by date, OU, cost descending, service, account. A sum of zero keeps its row.
///
/// Athena takes a line break for the end of a row, even in quotes: a name that has one shows `␤` in its place.
pub fn breakdown_csv(rows: &[Owned], date: Day, currency: &str) -> Result<Vec<u8>, Error> {
    let wanted = date.to_string();
    let mut sums: BTreeMap<(Cow<'_, str>, Cow<'_, str>, &str), Money> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.day == wanted && row.currency == currency) {
        *sums.entry((one_line(&row.ou), one_line(&row.service), &row.account_id)).or_default() += row.cash;
    }
    let mut sorted: Vec<_> = sums.into_iter().collect();
    sorted.sort_by(|((ou, service, account), cost), ((other_ou, other_service, other_account), other)| {
        (ou, Reverse(cost), service, account).cmp(&(other_ou, Reverse(other), other_service, other_account))
    });
    let write = || {
        let mut csv = SafeCsv::new(&BREAKDOWN_COLUMNS)?;
        for ((ou, service, account), cost) in &sorted {
            csv.text(&wanted)?.text(ou)?.text(service)?.text(account)?.money(*cost)?.end_row()?;
        }
        csv.finish()
    };
    write().map_err(staging)
}

fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(['\n', '\r']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "␤").replace(['\n', '\r'], "␤"))
}

/// Archives the CSV. Content that differs from the newest becomes a version of its own first, so nothing is lost.
pub(crate) async fn archive(context: &Context, date: Day, csv: &[u8]) -> Result<String, Error> {
    versions::keep(&context.work, &versions_stem(date), "csv", csv).await?;
    let key = breakdown_key(date);
    context.work.put(&key, csv).await?;
    Ok(key)
}
