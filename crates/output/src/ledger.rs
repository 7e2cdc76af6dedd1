//! `ledger.csv`: one line per ledger row, and its exact reader.

use crate::OutputError;
use crate::safe_csv::{Reader, Row, SafeCsv};
use apportion_core::ledger::{Component, InvoiceKey, LEDGER_COLUMNS, LedgerKey, LedgerRow};
use apportion_core::period::Period;
use apportion_core::text::Text;

const FILE: &str = "ledger.csv";

/// The text columns before `cash`, in the order of [`LEDGER_COLUMNS`].
pub(crate) fn leading_texts(row: &LedgerRow) -> [&str; 14] {
    let key = &row.key;
    [
        &key.invoice.provider,
        &key.invoice.issuer,
        &key.unit_id,
        key.component.as_str(),
        &key.pool_id,
        &key.rule_id,
        &key.invoice.invoice_id,
        &key.invoice.billing_account_id,
        &key.account_id,
        &key.ou_path,
        &key.service,
        &key.charge_type,
        &key.commitment_id,
        &key.currency,
    ]
}

/// The inverse of [`leading_texts`]; `None` if the component is no component.
pub(crate) fn key_of(texts: [Text; 14]) -> Option<LedgerKey> {
    let [
        provider,
        issuer,
        unit_id,
        component,
        pool_id,
        rule_id,
        invoice_id,
        billing_account_id,
        account_id,
        ou_path,
        service,
        charge_type,
        commitment_id,
        currency,
    ] = texts;
    Some(LedgerKey {
        unit_id,
        component: Component::from_word(&component)?,
        pool_id,
        rule_id,
        invoice: InvoiceKey { provider, issuer, billing_account_id, invoice_id },
        account_id,
        ou_path,
        service,
        charge_type,
        commitment_id,
        currency,
    })
}

/// Writes rows in the order given.
pub fn ledger_csv(period: Period, rows: &[LedgerRow]) -> Result<Vec<u8>, OutputError> {
    let mut csv = SafeCsv::new(&LEDGER_COLUMNS)?;
    let period = period.to_string();
    for row in rows {
        csv.text(&period)?;
        for text in leading_texts(row) {
            csv.text(text)?;
        }
        csv.money(row.cash)?.money(row.effective)?.integer(row.cents)?;
        csv.number(&row.driver_value)?.number(&row.driver_total)?.text(&row.driver_unit)?.number(&row.share)?;
        csv.end_row()?;
    }
    csv.finish()
}

/// Reads what [`ledger_csv`] wrote: the same period and rows. A ledger without rows has no period and is an error.
pub fn read_ledger_csv(bytes: &[u8]) -> Result<(Period, Vec<LedgerRow>), OutputError> {
    let reader = Reader::new(FILE, bytes)?;
    reader.expect_header(&LEDGER_COLUMNS)?;
    let mut found: Option<Period> = None;
    let mut rows = Vec::new();
    for row in reader {
        let row = row?;
        let period: Period = row.parse(0)?;
        if found.is_some_and(|first| first != period) {
            return Err(row.wrong(format!("the period is {period}, before it was another")));
        }
        found = Some(period);
        rows.push(ledger_row(&row)?);
    }
    let period = found.ok_or_else(|| OutputError::file(FILE, "it has no rows"))?;
    Ok((period, rows))
}

fn ledger_row(row: &Row) -> Result<LedgerRow, OutputError> {
    let key = key_of(std::array::from_fn(|index| row.text(index + 1)))
        .ok_or_else(|| row.wrong(format!("`{}` is not a component", row.text(4))))?;
    Ok(LedgerRow {
        key,
        cash: row.parse(15)?,
        effective: row.parse(16)?,
        cents: row.parse(17)?,
        driver_value: row.number(18)?,
        driver_total: row.number(19)?,
        driver_unit: row.text(20),
        share: row.number(21)?,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use apportion_core::money::Money;
    use proptest::prelude::*;

    pub(crate) fn row() -> LedgerRow {
        LedgerRow {
            key: LedgerKey {
                unit_id: "CC-1010".into(),
                component: Component::Pool,
                pool_id: "network".into(),
                rule_id: "pool.network".into(),
                invoice: InvoiceKey {
                    provider: "AWS".into(),
                    issuer: "Amazon Web Services, Inc.".into(),
                    billing_account_id: "100000000001".into(),
                    invoice_id: "1234567".into(),
                },
                account_id: Text::default(),
                ou_path: "=Workloads/Claims".into(),
                service: Text::default(),
                charge_type: Text::default(),
                commitment_id: Text::default(),
                currency: "USD".into(),
            },
            cash: "-12.345".parse().unwrap(),
            effective: "0.000000000001".parse().unwrap(),
            cents: -1234,
            driver_value: "10.5".into(),
            driver_total: "42".into(),
            driver_unit: "network_gb".into(),
            share: "0.250000000000".into(),
        }
    }

    pub(crate) fn any_row() -> impl Strategy<Value = LedgerRow> {
        let text = || prop_oneof!["[a-zA-Z0-9 /:_-]{0,12}", "['=+@\\-\t\r\n\0\",]{0,5}", ".{0,8}"];
        let component = proptest::sample::select(Component::ALL.to_vec());
        let amount =
            || (-1_000_000_000_000_000_000_000_000_000i128..=1_000_000_000_000_000_000_000_000_000).prop_map(Money::from_units);
        let texts = proptest::collection::vec(text(), 14);
        let driver = "(-?[0-9]{1,9}(\\.[0-9]{1,12})?)?";
        (texts, component, amount(), amount(), any::<i64>(), driver, driver, text()).prop_map(
            |(texts, component, cash, effective, cents, driver_value, driver_total, driver_unit)| {
                let texts: [String; 14] = texts.try_into().unwrap();
                let mut texts = texts.map(Text::from);
                texts[3] = component.as_str().into();
                LedgerRow {
                    key: key_of(texts).unwrap(),
                    cash,
                    effective,
                    cents: cents.into(),
                    driver_value: driver_value.into(),
                    driver_total: driver_total.into(),
                    driver_unit: driver_unit.into(),
                    share: "0.333333333333".into(),
                }
            },
        )
    }

    #[test]
    fn a_ledger_line_reads_like_this() {
        let text = String::from_utf8(ledger_csv("2026-09".parse().unwrap(), &[row()]).unwrap()).unwrap();
        let expected = "2026-09,AWS,\"Amazon Web Services, Inc.\",CC-1010,pool,network,pool.network,1234567,100000000001,,\
             '=Workloads/Claims,,,,USD,-12.345000000000,0.000000000001,-1234,10.5,42,network_gb,0.250000000000";
        assert_eq!(text.lines().nth(1), Some(expected));
        assert_eq!(text.lines().next(), Some(LEDGER_COLUMNS.join(",").as_str()));
    }

    #[test]
    fn a_damaged_ledger_names_file_and_line() {
        let good = String::from_utf8(ledger_csv("2026-09".parse().unwrap(), &[row(), row()]).unwrap()).unwrap();
        let damaged = |from: &str, to: &str| {
            let at = good.rfind(from).unwrap();
            let text = format!("{}{to}{}", &good[..at], &good[at + from.len()..]);
            read_ledger_csv(text.as_bytes()).unwrap_err().to_string()
        };
        assert_eq!(damaged(",pool,", ",pond,"), "ledger.csv, line 3: `pond` is not a component");
        assert!(damaged("2026-09", "2026-10").starts_with("ledger.csv, line 3: "));
        assert!(damaged("-12.345000000000", "1,5").contains("line: 3"), "{}", damaged("-12.345000000000", "1,5"));
        assert!(damaged("-1234", "-12.34").starts_with("ledger.csv, line 3: "));
        assert!(read_ledger_csv(b"a,b\n1,2\n").unwrap_err().to_string().starts_with("ledger.csv, line 1: the columns are a,b"));
        assert!(read_ledger_csv(&ledger_csv("2026-09".parse().unwrap(), &[]).unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn the_reader_is_the_exact_inverse(rows in proptest::collection::vec(any_row(), 1..6)) {
            let period: Period = "2026-09".parse().unwrap();
            let bytes = ledger_csv(period, &rows).unwrap();
            let read = read_ledger_csv(&bytes).unwrap();
            prop_assert_eq!(read, (period, rows));
        }
    }
}
