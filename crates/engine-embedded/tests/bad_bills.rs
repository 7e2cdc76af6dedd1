//! A bill that is wrong stops the run with one clear sentence, and never gives other digits.
#![allow(clippy::unwrap_used)]

mod common;

use apportion_core::bill::RollupRow;
use apportion_engine::schema::BillFormat;
use apportion_engine::{EngineError, FailureClass};
use common::{parquet, query, rollup_of, table, taxonomy};
use datafusion::arrow::array::{ArrayRef, Float64Array, StringArray, TimestampMillisecondArray};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const HEADER: &str = "ProviderName,InvoiceIssuerName,InvoiceId,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargeCategory,BilledCost,EffectiveCost,ServiceName,SubAccountId,Tags";

async fn rollup(path: &Path, format: BillFormat) -> Result<Vec<RollupRow>, EngineError> {
    rollup_of(table(format, &[path.to_owned()]), &taxonomy()).await.map(|(rows, _, _)| rows)
}

/// The message of a bill error that names the file.
async fn refusal(path: &Path, format: BillFormat) -> String {
    match rollup(path, format).await {
        Err(EngineError::Failed { class: FailureClass::Bill, message }) => {
            assert!(message.contains(path.file_name().unwrap().to_str().unwrap()), "no file in: {message}");
            message
        }
        other => panic!("{other:?}"),
    }
}

fn line(period: &str, billed: &str, tags: &str) -> String {
    format!("AWS,AWS,I,1,USD,{period},Usage,{billed},1,S,11,{tags}")
}

async fn csv_refusal(lines: &[String]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bill.csv");
    std::fs::write(&path, format!("{HEADER}\n{}\n", lines.join("\n"))).unwrap();
    refusal(&path, BillFormat::Focus12).await
}

#[tokio::test]
async fn csv_cells_are_refused_with_line_column_and_remedy() {
    let good = || line("2026-09-01T00:00:00Z", "1", "{}");
    for (bad, column, says) in [
        (line("2026-09-01T00:00:00Z", "\"$10,000.00 \"", "{}"), "BilledCost", "`$10,000.00 ` is not a decimal number"),
        (line("2026-09-01T00:00:00Z", "\"3,432,342\"", "{}"), "BilledCost", "without currency signs or separators"),
        (line("2026-09-01T00:00:00Z", "NaN", "{}"), "BilledCost", "`NaN` is not a decimal number"),
        (line("2026-09-01T00:00:00Z", "1e16", "{}"), "BilledCost", "beyond 1e15"),
        (line("5/1/25", "1", "{}"), "BillingPeriodStart", "`5/1/25` is not a timestamp — write ISO 8601"),
        (line("2026-09-01T00:00:00Z", "1", "\"{\"\"a\"\":\""), "Tags", "is not a JSON object"),
        (line("2026-09-01T00:00:00Z", "1", "\"{\"\"a\"\":{}}\""), "Tags", "itself an object or a list"),
        (line("2026-09-01T00:00:00Z", "1", "[]"), "Tags", "is not a JSON object"),
    ] {
        let message = csv_refusal(&[good(), bad]).await;
        assert!(message.contains(&format!("line 3, column {column}: ")) && message.contains(says), "{message}");
    }
}

#[tokio::test]
async fn lines_that_end_in_a_carriage_return_alone_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bill.csv");
    let good = line("2026-09-01T00:00:00Z", "1", "{}");
    std::fs::write(&path, format!("{HEADER}\r{good}\r{}\r", line("5/1/25", "1", "{}"))).unwrap();
    let message = refusal(&path, BillFormat::Focus12).await;
    assert!(message.contains("line 3, column BillingPeriodStart"), "{message}");
}

#[tokio::test]
async fn csv_lines_that_are_cut_or_quoted_wrongly_are_refused() {
    let good = || line("2026-09-01T00:00:00Z", "1", "{}");
    let message = csv_refusal(&[good(), "AWS,AWS,I".to_owned()]).await;
    assert!(message.contains("line 3: 3 cells, and the header has 12"), "{message}");
    let message = csv_refusal(&[format!("\"{}", good()), good()]).await;
    assert!(message.contains("line 2: 1 cells"), "{message}");
}

#[tokio::test]
async fn text_that_is_not_utf8_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bill.csv");
    let mut bytes = format!("{HEADER}\n").into_bytes();
    bytes.extend(line("2026-09-01T00:00:00Z", "1", "{}").replace(",S,", ",M\u{fc}ller,").chars().map(|c| c as u8));
    std::fs::write(&path, bytes).unwrap();
    let message = refusal(&path, BillFormat::Focus12).await;
    assert!(message.contains("line 2, column ServiceName") && message.contains("not UTF-8"), "{message}");
}

#[tokio::test]
async fn columns_that_are_missing_are_shown_as_a_difference() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bill.csv");
    std::fs::write(&path, format!("{}\n", HEADER.replace("BilledCost", "Cost"))).unwrap();
    let message = refusal(&path, BillFormat::Focus12).await;
    assert!(message.contains("- BilledCost") && message.contains("+ Cost"), "{message}");
    std::fs::write(&path, "").unwrap();
    assert!(refusal(&path, BillFormat::Focus12).await.contains("empty"));
    let absent = folder.path().join("absent.csv");
    assert!(refusal(&absent, BillFormat::Focus12).await.contains("cannot be opened"));
}

#[tokio::test]
async fn a_bill_without_lines_is_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bill.csv");
    std::fs::write(&path, format!("{HEADER}\n")).unwrap();
    assert_eq!(rollup(&path, BillFormat::Focus12).await, Ok(vec![]));
}

fn focus_parquet(path: &Path, billed: ArrayRef) {
    let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value; 2])) };
    parquet::write(
        path,
        vec![
            ("ProviderName", text("AWS")),
            ("InvoiceId", text("I")),
            ("BillingAccountId", text("1")),
            ("BillingCurrency", text("USD")),
            ("BillingPeriodStart", Arc::new(TimestampMillisecondArray::from(vec![1_788_220_800_000; 2]))),
            ("ChargeCategory", text("Usage")),
            ("BilledCost", billed),
            ("EffectiveCost", Arc::new(Float64Array::from(vec![1.0; 2]))),
            ("ServiceName", text("S")),
        ],
    );
}

#[tokio::test]
async fn parquet_amounts_that_are_none_are_refused_with_their_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bill.parquet");
    for (value, says) in [(f64::NAN, "`NaN` is not an amount"), (f64::NEG_INFINITY, "is not an amount"), (1e300, "beyond 1e15")] {
        focus_parquet(&path, Arc::new(Float64Array::from(vec![1.0, value])));
        let message = refusal(&path, BillFormat::Focus12).await;
        assert!(message.contains("row 2, column BilledCost") && message.contains(says), "{message}");
    }
    focus_parquet(&path, Arc::new(StringArray::from(vec!["1.0", "2.0"])));
    let message = refusal(&path, BillFormat::Focus12).await;
    assert!(message.contains("column BilledCost holds") && message.contains("a double or a decimal is needed"), "{message}");
}

#[tokio::test]
async fn a_line_type_whose_cost_column_is_absent_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bill.csv");
    let header = "bill_billing_entity,bill_invoice_id,bill_payer_account_id,bill_payer_account_name,bill_billing_period_start_date,\
        line_item_usage_account_id,line_item_line_item_type,line_item_product_code,line_item_currency_code,line_item_unblended_cost";
    let bill = |kind: &str| format!("{header}\nAWS,1,1,p,2026-09-01T00:00:00.000Z,1,{kind},AmazonEC2,USD,1.5\n");
    std::fs::write(&path, bill("Usage")).unwrap();
    assert_eq!(rollup(&path, BillFormat::Cur2).await.unwrap()[0].cash.net, "1.5".parse().unwrap());
    std::fs::write(&path, bill("DiscountedUsage")).unwrap();
    let message = refusal(&path, BillFormat::Cur2).await;
    assert!(
        message.contains("DiscountedUsage") && message.contains("reservation_") && message.contains("add the column"),
        "{message}"
    );
}

#[tokio::test]
async fn a_legacy_cur_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bill.csv");
    std::fs::write(&path, "identity/LineItemId,bill/BillType\n").unwrap();
    let message = refusal(&path, BillFormat::Cur2).await;
    assert!(message.contains("missing"), "{message}");
}

fn fixture() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/checksummed.parquet")).unwrap()
}

fn put(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn a_parquet_file_cut_anywhere_is_refused() {
    let (folder, whole) = (tempfile::tempdir().unwrap(), fixture());
    for length in (4..whole.len()).step_by(97).chain([whole.len() - 1, whole.len() - 8]) {
        let path = put(&folder, "cut.parquet", &whole[..length]);
        let message = refusal(&path, BillFormat::Focus12).await;
        assert!(message.contains("cut off or corrupt"), "{message}");
    }
}

#[tokio::test]
async fn a_flipped_bit_in_checksummed_pages_is_an_error_or_changes_nothing() {
    let (folder, whole) = (tempfile::tempdir().unwrap(), fixture());
    let sql = "select ServiceName as s, coalesce(element_at(Tags, 'CostCenter'), '') as t, InvoiceId as i, \
               sum(cast(BilledCost as decimal(38, 12))) as b, count(*) as n from bill \
               group by ServiceName, coalesce(element_at(Tags, 'CostCenter'), ''), InvoiceId order by s, t, i";
    let run = async |path: PathBuf| query(sql, table(BillFormat::Focus12, &[path]), 1).await.map(|(_, rows)| rows);
    let expected = run(put(&folder, "whole.parquet", &whole)).await.unwrap();
    assert_eq!(expected.len(), 20);
    let metadata_length = u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize;
    let pages = whole.len() - 8 - metadata_length;
    let mut refused = 0;
    for at in (4..pages).step_by(29) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        match run(put(&folder, "flipped.parquet", &bytes)).await {
            Ok(rows) => assert_eq!(rows, expected, "byte {at}"),
            Err(EngineError::Failed { class: FailureClass::Bill, .. }) => refused += 1,
            Err(other) => panic!("byte {at}: {other:?}"),
        }
    }
    assert!(refused >= 20, "{refused} refused");
}

#[tokio::test]
async fn a_damaged_gzip_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..500).map(|number| line("2026-09-01T00:00:00Z", &format!("{number}.25"), "{}")).collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(format!("{HEADER}\n{}\n", lines.join("\n")).as_bytes()).unwrap();
    let whole = encoder.finish().unwrap();
    let expected = rollup(&put(&folder, "whole.csv.gz", &whole), BillFormat::Focus12).await.unwrap();
    assert_eq!(expected[0].rows, 500);
    for length in (20..whole.len()).step_by(61) {
        refusal(&put(&folder, "cut.csv.gz", &whole[..length]), BillFormat::Focus12).await;
    }
    for at in (10..whole.len()).step_by(31) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        match rollup(&put(&folder, "flipped.csv.gz", &bytes), BillFormat::Focus12).await {
            Ok(rows) => assert_eq!(rows, expected, "byte {at}"),
            Err(error) => assert_eq!(error.class(), FailureClass::Bill, "byte {at}: {error}"),
        }
    }
}
