//! Line ids are unique within a file only: repeats there are reported, elsewhere they are usual, and no line is ever dropped for one.
#![allow(clippy::unwrap_used)]

mod common;

use apportion_engine::Notes;
use apportion_engine::schema::BillFormat;
use common::{rollup_of, table, taxonomy};
use std::path::{Path, PathBuf};

const HEADER: &str = "identity_line_item_id,bill_billing_entity,bill_invoice_id,bill_payer_account_id,bill_payer_account_name,\
bill_billing_period_start_date,line_item_usage_account_id,line_item_line_item_type,line_item_product_code,\
line_item_currency_code,line_item_unblended_cost";

fn bill(path: &Path, ids: &[&str]) -> PathBuf {
    let mut text = format!("{HEADER}\n");
    for id in ids {
        text.push_str(&format!("{id},AWS,1,100000000001,payer,2026-09-01T00:00:00Z,100000000011,Usage,AmazonEC2,USD,1.5\n"));
    }
    std::fs::write(path, text).unwrap();
    path.to_owned()
}

#[tokio::test]
async fn repeats_within_a_file_are_reported_and_every_line_counts() {
    let folder = tempfile::tempdir().unwrap();
    // `a` three times and `b` twice are 3 lines too many; blank ids are none; the second file may use the same ids again.
    let first = bill(&folder.path().join("1.csv"), &["a", "b", "a", "", "", "c", "a", "b"]);
    let second = bill(&folder.path().join("2.csv"), &["a", "b", "c"]);
    let mut asked = table(BillFormat::Cur2, &[first.clone(), second]);
    asked.notes = Notes::LineIds;
    let (rows, read, warnings) = rollup_of(asked.clone(), &taxonomy()).await.unwrap();
    assert_eq!(read, 11);
    assert_eq!(rows.iter().map(|row| row.rows).sum::<i64>(), 11);
    assert_eq!(
        warnings,
        [format!("{}: 3 lines repeat the identity_line_item_id of another line of the file; all were counted", first.display())]
    );
    asked.notes = Notes::Cells;
    assert_eq!(rollup_of(asked, &taxonomy()).await.unwrap().2, Vec::<String>::new());
}

#[tokio::test]
async fn an_id_in_two_row_groups_of_a_file_is_a_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bill.parquet");
    common::parquet::write_groups(&path, HEADER, &[&["a", "b"], &["c", "a"], &["d"]]);
    let mut asked = table(BillFormat::Cur2, &[path]);
    asked.notes = Notes::LineIds;
    let (_, read, warnings) = rollup_of(asked, &taxonomy()).await.unwrap();
    assert_eq!(read, 5);
    assert!(warnings.len() == 1 && warnings[0].contains(": 1 lines repeat"), "{warnings:?}");
}

#[tokio::test]
async fn a_bill_without_line_ids_has_no_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bill.csv");
    std::fs::write(&path, apportion_engine::conformance::BILL).unwrap();
    let mut asked = table(BillFormat::Focus12, &[path]);
    asked.notes = Notes::LineIds;
    assert_eq!(rollup_of(asked, &taxonomy()).await.unwrap().2, Vec::<String>::new());
}
