//! Day rows as CSV: the staged `rollup/<day>/<period>.csv` of a daily run, and what is kept below `daily/rollups/`.

use crate::OutputError;
use crate::safe_csv::{Reader, Row, SafeCsv, tagged_dimensions, tagged_header};
use apportion_core::bill::Measure;
use apportion_core::day::DayRow;
use apportion_core::text::Text;

const FILE: &str = "day rows";
const LEADING: [&str; 10] = [
    "billing_period",
    "day",
    "provider",
    "issuer",
    "billing_account_id",
    "account_id",
    "service",
    "kind",
    "charge_type",
    "currency",
];
const TRAILING: [&str; 7] =
    ["account_name", "cash_unblended", "cash_net", "effective_unblended", "effective_net", "rows", "net_rows"];

/// The column between grain and tags where anomaly overrides name resources: some row is of one.
const RESOURCE: &str = "resource_id";

fn leading(has_resources: bool) -> Vec<&'static str> {
    LEADING.into_iter().chain(has_resources.then_some(RESOURCE)).collect()
}

/// Writes day rows sorted by all their fields: the same rows give the same bytes. `dimensions` name the rows' tags, one column
/// `tag_<dimension>` each.
pub fn day_rows_csv(dimensions: &[String], rows: &[DayRow]) -> Result<Vec<u8>, OutputError> {
    let has_resources = rows.iter().any(|row| !row.resource_id.is_empty());
    let mut csv = SafeCsv::new(&tagged_header(&leading(has_resources), dimensions, &TRAILING))?;
    let mut sorted: Vec<&DayRow> = rows.iter().collect();
    sorted.sort();
    for row in sorted {
        let grain: [&str; 10] = [
            &row.billing_period,
            &row.day,
            &row.provider,
            &row.issuer,
            &row.billing_account_id,
            &row.account_id,
            &row.service,
            row.kind.as_str(),
            &row.charge_type,
            &row.currency,
        ];
        let resource = has_resources.then_some(row.resource_id.as_str());
        let tags = row.tags.iter().map(Text::as_str);
        for text in grain.into_iter().chain(resource).chain(tags).chain([row.account_name.as_str()]) {
            csv.text(text)?;
        }
        for measure in [row.cash, row.effective] {
            csv.money(measure.unblended)?.money(measure.net)?;
        }
        csv.integer(row.rows.into())?.integer(row.net_rows.into())?;
        csv.end_row()?;
    }
    csv.finish()
}

/// Reads what [`day_rows_csv`] wrote, strictly: the dimensions and the rows.
pub fn read_day_rows_csv(bytes: &[u8]) -> Result<(Vec<String>, Vec<DayRow>), OutputError> {
    let reader = Reader::new(FILE, bytes)?;
    let leading = leading(reader.header().get(LEADING.len()).is_some_and(|name| name == RESOURCE));
    let dimensions = tagged_dimensions(&reader, &leading, &TRAILING)?;
    let rows = reader.map(|row| day_row(&row?, leading.len(), dimensions.len())).collect::<Result<_, _>>()?;
    Ok((dimensions, rows))
}

fn day_row(row: &Row, leading: usize, tags: usize) -> Result<DayRow, OutputError> {
    let after = leading + tags;
    let measure = |at: usize| -> Result<Measure, OutputError> {
        Ok(Measure { unblended: row.parse(after + at)?, net: row.parse(after + at + 1)? })
    };
    Ok(DayRow {
        billing_period: row.text(0),
        day: row.text(1),
        provider: row.text(2),
        issuer: row.text(3),
        billing_account_id: row.text(4),
        account_id: row.text(5),
        service: row.text(6),
        kind: row.parse(7)?,
        charge_type: row.text(8),
        currency: row.text(9),
        resource_id: if leading > LEADING.len() { row.text(LEADING.len()) } else { Text::default() },
        tags: (leading..after).map(|column| row.text(column)).collect(),
        account_name: row.text(after),
        cash: measure(1)?,
        effective: measure(3)?,
        rows: row.parse(after + 5)?,
        net_rows: row.parse(after + 6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use apportion_core::bill::Kind;
    use apportion_core::money::Money;
    use proptest::prelude::*;

    fn any_row() -> impl Strategy<Value = DayRow> {
        let text = || prop_oneof!["[a-z0-9:/-]{0,6}", "['=+@\\-\t\r\n\0\",]{0,4}", ".{0,4}"];
        let amounts = proptest::collection::vec(any::<i64>(), 4);
        (proptest::collection::vec(text(), 13), proptest::sample::select(Kind::ALL.to_vec()), amounts, 0i64..9, 0i64..9).prop_map(
            |(texts, kind, amounts, rows, net_rows)| {
                let amount = |index: usize| Money::from_units(amounts[index].into());
                DayRow {
                    billing_period: texts[0].clone().into(),
                    day: texts[1].clone().into(),
                    provider: texts[2].clone().into(),
                    issuer: texts[3].clone().into(),
                    billing_account_id: texts[4].clone().into(),
                    account_id: texts[5].clone().into(),
                    service: texts[6].clone().into(),
                    kind,
                    charge_type: texts[7].clone().into(),
                    currency: texts[8].clone().into(),
                    resource_id: texts[12].clone().into(),
                    tags: texts[9..11].iter().map(Text::from).collect(),
                    account_name: texts[11].clone().into(),
                    cash: Measure { unblended: amount(0), net: amount(1) },
                    effective: Measure { unblended: amount(2), net: amount(3) },
                    rows,
                    net_rows,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn day_rows_read_back_sorted_and_order_does_not_matter(
            (rows, shuffled) in proptest::collection::vec(any_row(), 0..6)
                .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))
        ) {
            let dimensions = vec!["application".to_owned(), "cost_center".to_owned()];
            let bytes = day_rows_csv(&dimensions, &rows).unwrap();
            prop_assert_eq!(&bytes, &day_rows_csv(&dimensions, &shuffled).unwrap());
            let mut sorted = rows;
            sorted.sort();
            prop_assert_eq!(read_day_rows_csv(&bytes).unwrap(), (dimensions, sorted));
        }
    }

    #[test]
    fn other_columns_and_values_are_refused_with_their_line() {
        let good = String::from_utf8(day_rows_csv(&["x".to_owned()], &[]).unwrap()).unwrap();
        assert!(read_day_rows_csv(good.as_bytes()).is_ok());
        for text in [good.replace("tag_x", "tax_x"), good.replace("issuer,", ""), String::new()] {
            assert!(read_day_rows_csv(text.as_bytes()).is_err(), "{text}");
        }
        let row = "2026-09,2026-09-14,AWS,i,1,9,s,Usage,Usage,USD,A,n,1,1,1,1,1,0\n";
        let error = read_day_rows_csv(format!("{good}{row}").as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "day rows, line 2: `Usage` is not a kind of bill line");
    }
}
