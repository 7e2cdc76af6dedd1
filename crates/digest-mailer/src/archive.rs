//! The consolidated CSV of a day: every row in cash, unrounded; attached to the digest and archived.

use crate::{Context, Error, staging, versions};
use apportion_core::day::{Day, Owned};
use apportion_core::money::Money;
use apportion_output::{SafeCsv, day_partition, one_line};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Columns of `ou_breakdown.csv`; `LinkedAccount` is the account id.
pub const BREAKDOWN_COLUMNS: [&str; 5] = ["BillingDate", "OU", "Service", "LinkedAccount", "DailyCost"];

/// Where the archive of a day lies: a partition of the table `ou_breakdown`.
pub fn breakdown_key(date: Day) -> String {
    format!("ou-breakdowns/{}/ou_breakdown.csv", day_partition(date))
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

/// Archives the CSV. Content that differs from the newest becomes a version of its own first, so nothing is lost.
pub(crate) async fn archive(context: &Context, date: Day, csv: &[u8]) -> Result<String, Error> {
    versions::keep(&context.work, &versions_stem(date), "csv", csv).await?;
    let key = breakdown_key(date);
    context.work.put(&key, csv).await?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use apportion_core::bill::Kind;
    use proptest::prelude::*;

    fn row(ou: &str, service: &str, account: &str, cost: i64) -> Owned {
        Owned {
            billing_period: "2026-09".into(),
            day: "2026-09-15".into(),
            provider: "AWS".into(),
            billing_account_id: "1".into(),
            account_id: account.into(),
            account_name: Default::default(),
            ou: ou.into(),
            owner: "A".into(),
            owner_value: Default::default(),
            service: service.into(),
            kind: Kind::Usage,
            charge_type: "Usage".into(),
            currency: "USD".into(),
            resource_id: Default::default(),
            cash: Money::from_units(cost.into()),
            effective: Money::ZERO,
            rows: 1,
        }
    }

    fn csv_of(rows: &[Owned]) -> Vec<u8> {
        breakdown_csv(rows, "2026-09-15".parse().unwrap(), "USD").unwrap()
    }

    #[test]
    fn rows_are_sorted_by_ou_cost_descending_service_and_account() {
        let rows = [
            row("B", "EC2", "1", 5),
            row("A", "S3", "1", 1),
            row("A", "EC2", "2", 3),
            row("A", "EC2", "1", 3),
            row("A", "Glue", "1", -2),
            row("A", "S3", "1", 6),
            Owned { currency: "EUR".into(), ..row("A", "S3", "1", 100) },
            Owned { day: "2026-09-14".into(), ..row("A", "S3", "1", 100) },
        ];
        let text = String::from_utf8(csv_of(&rows)).unwrap();
        let hand = "BillingDate,OU,Service,LinkedAccount,DailyCost\n\
            2026-09-15,A,S3,1,0.000000000007\n\
            2026-09-15,A,EC2,1,0.000000000003\n\
            2026-09-15,A,EC2,2,0.000000000003\n\
            2026-09-15,A,Glue,1,-0.000000000002\n\
            2026-09-15,B,EC2,1,0.000000000005\n";
        assert_eq!(text, hand);
    }

    proptest! {
        #[test]
        fn any_names_stay_text_in_one_row_each_and_no_money_is_lost(
            rows in prop::collection::vec(("[a-c=+@\\-\t\r\n\0\"',\u{202e}]{0,5}", ".{0,4}", "[0-9]{1,2}", any::<i64>()), 0..12)
        ) {
            let rows: Vec<Owned> = rows.iter().map(|(ou, service, account, cost)| row(ou, service, account, *cost)).collect();
            let bytes = csv_of(&rows);
            let mut reversed = rows.clone();
            reversed.reverse();
            prop_assert_eq!(&bytes, &csv_of(&reversed));
            let mut sum = Money::ZERO;
            for record in csv::Reader::from_reader(bytes.as_slice()).records() {
                let record = record.unwrap();
                prop_assert_eq!(record.len(), 5);
                for cell in record.iter().take(4) {
                    prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']) && !cell.contains(['\r', '\n']), "{:?}", record);
                }
                sum += record[4].parse::<Money>().unwrap();
            }
            prop_assert_eq!(sum, rows.iter().map(|row| row.cash).sum::<Money>());
        }
    }
}
