//! Totals of the bills in the shared data, through the rollup.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use apportion_core::bill::RollupRow;
use apportion_core::money::Money;
use apportion_engine::schema::BillFormat;
use common::{rollup_of, shared, table, taxonomy};
use std::collections::BTreeMap;
use std::path::Path;

fn sum(rows: &[RollupRow], of: impl Fn(&RollupRow) -> Money) -> Money {
    rows.iter().map(of).sum()
}

fn by(rows: &[RollupRow], key: impl Fn(&RollupRow) -> &str, of: impl Fn(&RollupRow) -> Money) -> BTreeMap<String, Money> {
    let mut sums = BTreeMap::new();
    for row in rows {
        *sums.entry(key(row).to_owned()).or_insert(Money::ZERO) += of(row);
    }
    sums
}

/// Within rows x 5e-13 of the exact total (`LEDGER.md`, Exactness).
fn assert_near(what: &str, got: Money, exact: &str, rows: i64) {
    let exact: Money = exact.parse().unwrap();
    let off = (got - exact).abs().units();
    assert!(off * 2 <= i128::from(rows) + 1, "{what}: {got} instead of {exact}");
}

fn expected(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

async fn assert_totals(bill: &str, expected_file: &str) {
    let (Some(bill), Some(expected_file)) = (shared(bill), shared(expected_file)) else { return };
    let expected = expected(&expected_file);
    let (rows, read, warnings) = rollup_of(table(BillFormat::Cur2, &[bill]), &taxonomy()).await.unwrap();
    let count = expected["rows"].as_i64().unwrap();
    assert_eq!(rows.iter().map(|row| row.rows).sum::<i64>(), count);
    assert_eq!(read, count as u64);
    assert_eq!(warnings, Vec::<String>::new());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    assert_near("unblended", sum(&rows, |row| row.cash.unblended), &text(&expected["unblended_total"]), count);
    assert_near("amortized", sum(&rows, |row| row.effective.unblended), &text(&expected["amortized_total"]), count);
    let by_type = by(&rows, |row| &row.charge_type, |row| row.cash.unblended);
    let effective = by(&rows, |row| &row.charge_type, |row| row.effective.unblended);
    for (kind, value) in expected["by_type"].as_object().unwrap() {
        assert_near(kind, by_type[kind], &text(&value["unblended"]), count);
        assert_near(kind, effective[kind], &text(&value["amortized"]), count);
    }
    let invoices = by(&rows, |row| &row.invoice_id, |row| row.cash.unblended);
    assert_eq!(invoices.len(), expected["by_invoice_id"].as_object().unwrap().len());
    for (invoice, value) in expected["by_invoice_id"].as_object().unwrap() {
        assert_near(invoice, invoices[invoice], &text(value), count);
    }
    let accounts = by(&rows, |row| &row.account_id, |row| row.cash.unblended);
    let effective = by(&rows, |row| &row.account_id, |row| row.effective.unblended);
    for (account, value) in expected["by_account"].as_object().unwrap() {
        assert_near(account, accounts[account], &text(&value["unblended"]), count);
        assert_near(account, effective[account], &text(&value["amortized"]), count);
    }
}

#[tokio::test]
async fn the_final_parquet_bill_has_its_published_totals() {
    assert_totals("cur2/cur2_plain_final.snappy.parquet", "cur2/cur2_plain_final.expected.json").await;
}

#[tokio::test]
async fn the_final_csv_bill_has_its_published_totals() {
    assert_totals("cur2/cur2_plain_final.csv.gz", "cur2/cur2_plain_final.expected.json").await;
}

#[tokio::test]
async fn the_unfinished_bill_has_its_published_totals() {
    assert_totals("cur2/cur2_plain_notfinal.snappy.parquet", "cur2/cur2_plain_notfinal.expected.json").await;
}
