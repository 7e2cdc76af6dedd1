//! `rollup.csv`: the bill as a close works with it. Its bytes go into the close id, so rows are sorted here.

use crate::OutputError;
use crate::safe_csv::{Reader, Row, SafeCsv, tagged_dimensions, tagged_header};
use apportion_core::bill::{Measure, RollupRow};
use apportion_core::text::Text;

const FILE: &str = "rollup.csv";
/// Columns of the rollup's grain before its tags, in the order of [`RollupRow`].
pub const ROLLUP_GRAIN: [&str; 11] = [
    "billing_period",
    "provider",
    "issuer",
    "billing_account_id",
    "invoice_id",
    "account_id",
    "service",
    "charge_type",
    "kind",
    "commitment_id",
    "currency",
];
const TRAILING: [&str; 15] = [
    "account_name",
    "cash_unblended",
    "cash_net",
    "effective_unblended",
    "effective_net",
    "true_up_unblended",
    "true_up_net",
    "upfront_unblended",
    "upfront_net",
    "list",
    "rows",
    "cash_rows",
    "net_rows",
    "lossy_rows",
    "incomplete_rows",
];

/// The column between grain and tags that a rollup has where it is cut by stretches of usage days: some row is of one.
const ORGANIZATION_DAY: &str = "organization_day";

fn leading(is_by_day: bool) -> Vec<&'static str> {
    ROLLUP_GRAIN.into_iter().chain(is_by_day.then_some(ORGANIZATION_DAY)).collect()
}

/// Writes the rollup sorted by all its fields. `dimensions` are the taxonomy's, in its order: one column `tag_<dimension>` each.
pub fn rollup_csv(dimensions: &[String], rows: &[RollupRow]) -> Result<Vec<u8>, OutputError> {
    let is_by_day = rows.iter().any(|row| !row.organization_day.is_empty());
    let mut csv = SafeCsv::new(&tagged_header(&leading(is_by_day), dimensions, &TRAILING))?;
    let mut sorted: Vec<&RollupRow> = rows.iter().collect();
    sorted.sort();
    for row in sorted {
        let grain: [&str; 11] = [
            &row.billing_period,
            &row.provider,
            &row.issuer,
            &row.billing_account_id,
            &row.invoice_id,
            &row.account_id,
            &row.service,
            &row.charge_type,
            row.kind.as_str(),
            &row.commitment_id,
            &row.currency,
        ];
        let day = is_by_day.then_some(row.organization_day.as_str());
        let tags = row.tags.iter().map(Text::as_str);
        for text in grain.into_iter().chain(day).chain(tags).chain([row.account_name.as_str()]) {
            csv.text(text)?;
        }
        for measure in [row.cash, row.effective, row.true_up, row.upfront] {
            csv.money(measure.unblended)?.money(measure.net)?;
        }
        csv.money(row.list)?;
        for count in [row.rows, row.cash_rows, row.net_rows, row.lossy_rows, row.incomplete_rows] {
            csv.integer(count.into())?;
        }
        csv.end_row()?;
    }
    csv.finish()
}

/// Reads what [`rollup_csv`] wrote: the dimensions and the rows.
pub fn read_rollup_csv(bytes: &[u8]) -> Result<(Vec<String>, Vec<RollupRow>), OutputError> {
    let reader = Reader::new(FILE, bytes)?;
    let is_by_day = reader.header().get(ROLLUP_GRAIN.len()).is_some_and(|name| name == ORGANIZATION_DAY);
    let leading = leading(is_by_day);
    let dimensions = tagged_dimensions(&reader, &leading, &TRAILING)?;
    let rows = reader.map(|row| rollup_row(&row?, leading.len(), dimensions.len())).collect::<Result<_, _>>()?;
    Ok((dimensions, rows))
}

fn rollup_row(row: &Row, leading: usize, tags: usize) -> Result<RollupRow, OutputError> {
    let after = leading + tags;
    let measure = |at: usize| -> Result<Measure, OutputError> {
        Ok(Measure { unblended: row.parse(after + at)?, net: row.parse(after + at + 1)? })
    };
    Ok(RollupRow {
        billing_period: row.text(0),
        provider: row.text(1),
        issuer: row.text(2),
        billing_account_id: row.text(3),
        invoice_id: row.text(4),
        account_id: row.text(5),
        service: row.text(6),
        charge_type: row.text(7),
        kind: row.parse(8)?,
        commitment_id: row.text(9),
        currency: row.text(10),
        organization_day: if leading > ROLLUP_GRAIN.len() { row.text(ROLLUP_GRAIN.len()) } else { Text::default() },
        tags: (leading..after).map(|column| row.text(column)).collect(),
        account_name: row.text(after),
        cash: measure(1)?,
        effective: measure(3)?,
        true_up: measure(5)?,
        upfront: measure(7)?,
        list: row.parse(after + 9)?,
        rows: row.parse(after + 10)?,
        cash_rows: row.parse(after + 11)?,
        net_rows: row.parse(after + 12)?,
        lossy_rows: row.parse(after + 13)?,
        incomplete_rows: row.parse(after + 14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use apportion_core::bill::Kind;
    use apportion_core::money::Money;
    use proptest::prelude::*;

    fn any_row() -> impl Strategy<Value = RollupRow> {
        let text = || prop_oneof!["[a-z0-9:/-]{0,6}", "['=+@\\-\t\r\n\0\",]{0,4}", ".{0,4}"];
        let amounts = proptest::collection::vec(any::<i64>(), 9);
        let counts = proptest::collection::vec(0i64..1_000_000, 5);
        (proptest::collection::vec(text(), 14), proptest::sample::select(Kind::ALL.to_vec()), amounts, counts).prop_map(
            |(texts, kind, amounts, counts)| {
                let amount = |index: usize| Money::from_units(amounts[index].into());
                let measure = |index: usize| Measure { unblended: amount(index), net: amount(index + 1) };
                RollupRow {
                    billing_period: texts[0].clone().into(),
                    provider: texts[1].clone().into(),
                    issuer: texts[2].clone().into(),
                    billing_account_id: texts[3].clone().into(),
                    invoice_id: texts[4].clone().into(),
                    account_id: texts[5].clone().into(),
                    service: texts[6].clone().into(),
                    charge_type: texts[7].clone().into(),
                    kind,
                    commitment_id: texts[8].clone().into(),
                    currency: texts[9].clone().into(),
                    organization_day: texts[13].clone().into(),
                    tags: texts[10..12].iter().map(Text::from).collect(),
                    account_name: texts[12].clone().into(),
                    cash: measure(0),
                    effective: measure(2),
                    true_up: measure(4),
                    upfront: measure(6),
                    list: amount(8),
                    rows: counts[0],
                    cash_rows: counts[1],
                    net_rows: counts[2],
                    lossy_rows: counts[3],
                    incomplete_rows: counts[4],
                }
            },
        )
    }

    proptest! {
        #[test]
        fn a_rollup_reads_back_sorted_and_order_does_not_matter(
            (rows, shuffled) in proptest::collection::vec(any_row(), 0..6)
                .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))
        ) {
            let dimensions = vec!["cost_center".to_owned(), "environment".to_owned()];
            let bytes = rollup_csv(&dimensions, &rows).unwrap();
            prop_assert_eq!(&bytes, &rollup_csv(&dimensions, &shuffled).unwrap());
            let mut sorted = rows;
            sorted.sort();
            prop_assert_eq!(read_rollup_csv(&bytes).unwrap(), (dimensions, sorted));
        }
    }

    #[test]
    fn a_rollup_of_other_columns_or_widths_is_refused() {
        let good = String::from_utf8(rollup_csv(&["x".to_owned()], &[]).unwrap()).unwrap();
        assert!(read_rollup_csv(good.as_bytes()).is_ok());
        for text in [good.replace("tag_x", "tax_x"), good.replace("kind", "type"), String::new(), "a\n".to_owned()] {
            assert!(read_rollup_csv(text.as_bytes()).is_err(), "{text}");
        }
        // One tag value where the taxonomy has none.
        let row = RollupRow {
            billing_period: "2026-09".into(),
            provider: Default::default(),
            issuer: Default::default(),
            billing_account_id: Default::default(),
            invoice_id: Default::default(),
            account_id: Default::default(),
            service: Default::default(),
            charge_type: Default::default(),
            kind: Kind::Usage,
            commitment_id: Default::default(),
            currency: Default::default(),
            organization_day: Default::default(),
            tags: vec!["x".into()],
            account_name: Default::default(),
            cash: Measure::default(),
            effective: Measure::default(),
            true_up: Measure::default(),
            upfront: Measure::default(),
            list: Money::ZERO,
            rows: 1,
            cash_rows: 0,
            net_rows: 0,
            lossy_rows: 0,
            incomplete_rows: 0,
        };
        assert!(matches!(rollup_csv(&[], &[row]), Err(OutputError::RowWidth { expected: 26, found: 27 })));
    }
}
