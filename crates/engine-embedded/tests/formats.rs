//! The same bill in other types, files and orders is the same bill; FOCUS bills of public generators have their totals.
#![allow(clippy::unwrap_used)]

mod common;

use apportion_core::bill::{Kind, RollupRow};
use apportion_core::money::Money;
use apportion_engine::schema::BillFormat;
use common::{parquet, query, rollup_of, shared, table, taxonomy};
use datafusion::arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int64Array, LargeStringArray,
    MapBuilder, StringArray, StringBuilder, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use datafusion::arrow::datatypes::Int32Type;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// 2026-09-01T00:00:00Z, in seconds.
const SEPTEMBER: i64 = 1_788_220_800;
const COSTS: [&str; 4] = ["0.1", "-2.5", "1234.567890123", "0"];
const TAGS: [&[(&str, &str)]; 4] =
    [&[("CostCenter", "CC-1"), ("env", "prod")], &[], &[("CostCenter", "  ")], &[("cost_center", "CC-2")]];
const ACCOUNTS: [&str; 4] = ["100000000011", "100000000012", "100000000011", "100000000012"];

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn csv_bill(path: &Path) {
    let mut text = "Tags,BilledCost,EffectiveCost,ProviderName,InvoiceIssuerName,InvoiceId,BillingAccountId,BillingCurrency,\
         BillingPeriodStart,ChargeCategory,ServiceName,SubAccountId\n"
        .to_owned();
    for row in 0..4 {
        let map: BTreeMap<&str, &str> = TAGS[row].iter().copied().collect();
        let tags = serde_json::to_string(&map).unwrap().replace('"', "\"\"");
        text.push_str(&format!(
            "\"{tags}\",{0},{0},AWS,AWS,INV-1,100000000001,USD,2026-09-01T00:00:00Z,Usage,S,{1}\n",
            COSTS[row], ACCOUNTS[row]
        ));
    }
    std::fs::write(path, text).unwrap();
}

fn map_of_texts() -> ArrayRef {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for tags in TAGS {
        for (key, value) in tags {
            builder.keys().append_value(key);
            builder.values().append_value(value);
        }
        builder.append(true).unwrap();
    }
    Arc::new(builder.finish())
}

fn json_tags() -> ArrayRef {
    let text = |tags: &[(&str, &str)]| serde_json::to_string(&tags.iter().copied().collect::<BTreeMap<_, _>>()).unwrap();
    Arc::new(StringArray::from(TAGS.iter().map(|tags| text(tags)).collect::<Vec<_>>()))
}

fn doubles() -> ArrayRef {
    Arc::new(Float64Array::from(COSTS.iter().map(|cost| cost.parse::<f64>().unwrap()).collect::<Vec<_>>()))
}

/// A Parquet bill in which the given columns replace those of the plain one.
fn parquet_bill(path: &Path, changed: Vec<(&'static str, ArrayRef)>) {
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("ProviderName", texts(&["AWS"; 4])),
        ("InvoiceIssuerName", texts(&["AWS"; 4])),
        ("InvoiceId", texts(&["INV-1"; 4])),
        ("BillingAccountId", texts(&["100000000001"; 4])),
        ("BillingCurrency", texts(&["USD"; 4])),
        ("BillingPeriodStart", Arc::new(TimestampMicrosecondArray::from(vec![SEPTEMBER * 1_000_000; 4]))),
        ("ChargeCategory", texts(&["Usage"; 4])),
        ("ServiceName", texts(&["S"; 4])),
        ("SubAccountId", texts(&ACCOUNTS)),
        ("BilledCost", doubles()),
        ("EffectiveCost", doubles()),
        ("Tags", map_of_texts()),
    ];
    for (name, array) in changed {
        if let Some(column) = columns.iter_mut().find(|(known, _)| *known == name) {
            column.1 = array;
        }
    }
    columns.rotate_left(5);
    parquet::write(path, columns);
}

/// The plain bill with other types: every one of them must give the rollup of the CSV.
fn variants() -> Vec<(&'static str, Vec<(&'static str, ArrayRef)>)> {
    let decimals = |scale: i8, factor: i128| -> ArrayRef {
        let units: Vec<i128> =
            COSTS.iter().map(|cost| cost.parse::<Money>().unwrap().units() / 10i128.pow(12 - 9) * factor).collect();
        Arc::new(Decimal128Array::from(units).with_precision_and_scale(38, scale).unwrap())
    };
    vec![
        ("plain", vec![]),
        ("decimal(38,9)", vec![("BilledCost", decimals(9, 1)), ("EffectiveCost", decimals(9, 1))]),
        ("decimal(38,18) beside a double", vec![("BilledCost", decimals(18, 1_000_000_000))]),
        ("large text", vec![("SubAccountId", Arc::new(LargeStringArray::from(ACCOUNTS.to_vec())))]),
        ("dictionary", vec![("SubAccountId", Arc::new(ACCOUNTS.iter().copied().collect::<DictionaryArray<Int32Type>>()))]),
        (
            "account ids as numbers",
            vec![(
                "SubAccountId",
                Arc::new(Int64Array::from(ACCOUNTS.iter().map(|id| id.parse::<i64>().unwrap()).collect::<Vec<_>>())),
            )],
        ),
        (
            "nanoseconds with a zone",
            vec![(
                "BillingPeriodStart",
                Arc::new(TimestampNanosecondArray::from(vec![SEPTEMBER * 1_000_000_000; 4]).with_timezone("UTC")),
            )],
        ),
        ("days", vec![("BillingPeriodStart", Arc::new(Date32Array::from(vec![(SEPTEMBER / 86_400) as i32; 4])))]),
        ("ISO text", vec![("BillingPeriodStart", texts(&["2026-09-01T00:00:00Z"; 4]))]),
        ("tags as JSON", vec![("Tags", json_tags())]),
    ]
}

#[tokio::test]
async fn every_type_of_column_gives_the_same_rollup() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("bill.csv");
    csv_bill(&csv);
    let (expected, _, _) = rollup_of(table(BillFormat::Focus12, &[csv]), &taxonomy()).await.unwrap();
    assert_eq!(expected.iter().map(|row| row.rows).sum::<i64>(), 4);
    assert_eq!(expected.iter().map(|row| row.cash.net).sum::<Money>(), "1232.167890123".parse().unwrap());
    assert!(expected.iter().any(|row| row.tags == ["CC-1", "prod", ""] && row.billing_period == "2026-09"));
    for (name, changed) in variants() {
        let path = folder.path().join("bill.parquet");
        parquet_bill(&path, changed);
        let (rows, _, _) = rollup_of(table(BillFormat::Focus12, &[path]), &taxonomy()).await.unwrap();
        assert_eq!(rows, expected, "{name}");
    }
}

#[tokio::test]
async fn floats_keep_their_short_texts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bill.parquet");
    let floats: ArrayRef = Arc::new(Float32Array::from(vec![0.1f32, -2.5, 16.7, 0.0]));
    parquet_bill(&path, vec![("BilledCost", floats)]);
    let (rows, _, _) = rollup_of(table(BillFormat::Focus12, &[path]), &taxonomy()).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.cash.net).sum::<Money>(), "14.3".parse().unwrap());
}

#[tokio::test]
async fn files_of_other_kinds_and_orders_are_one_bill() {
    let folder = tempfile::tempdir().unwrap();
    let (csv, plain, decimal) = (folder.path().join("a.csv"), folder.path().join("b.parquet"), folder.path().join("c.parquet"));
    csv_bill(&csv);
    parquet_bill(&plain, vec![]);
    let (_, changed) = variants().remove(1);
    parquet_bill(&decimal, changed);
    let files = [csv, plain, decimal];
    let (rows, read, _) = rollup_of(table(BillFormat::Focus12, &files), &taxonomy()).await.unwrap();
    let reversed: Vec<_> = files.iter().rev().cloned().collect();
    let (again, _, _) = rollup_of(table(BillFormat::Focus12, &reversed), &taxonomy()).await.unwrap();
    assert_eq!(read, 12);
    assert_eq!(rows.iter().map(|row| row.cash.net).sum::<Money>(), "3696.503670369".parse().unwrap());
    assert_eq!(rows, again);
}

#[tokio::test]
async fn what_focus_forbids_and_tools_write_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bill.csv");
    csv_bill(&path);
    let text = std::fs::read_to_string(&path).unwrap().replace(",0.1,0.1,", ",1E+1,1e1,").replace(",S,100000000012", ",S,NULL");
    std::fs::write(&path, format!("\u{feff}{text}")).unwrap();
    let (rows, _, warnings) = rollup_of(table(BillFormat::Focus12, std::slice::from_ref(&path)), &taxonomy()).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.cash.net).sum::<Money>(), "1242.067890123".parse().unwrap());
    assert!(rows.iter().any(|row| row.account_id.is_empty()));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains(": 1 amounts with `+`") && warnings[1].contains(": 2 cells hold the word null"), "{warnings:?}");
}

/// Totals by `python decimal`, half up by line:
/// `sum(Decimal(row[column]).quantize(Decimal('1e-12'), ROUND_HALF_UP) for row in csv.DictReader(file))`.
const TOOLKIT: [(&str, BillFormat, [&str; 3], i64); 7] = [
    (
        "aws_1_2_cost_and_usage_rows100_seed42",
        BillFormat::Focus12,
        ["1157.488823772132", "403.459218772132", "1203.923417841033"],
        18,
    ),
    ("aws_1_2_cost_and_usage_rows25_seed7", BillFormat::Focus12, ["27.339199", "27.339199", "29.127986344"], 0),
    ("aws_1_2_cost_and_usage_rows25_seed7_credits", BillFormat::Focus12, ["27.339199", "27.339199", "29.127986344"], 0),
    (
        "aws_1_3_cost_and_usage_rows100_seed42",
        BillFormat::Focus13,
        ["1242.115619114858", "215.678901114858", "1264.832294636176"],
        32,
    ),
    (
        "aws_1_3_cost_and_usage_rows25_seed7",
        BillFormat::Focus13,
        ["1020.137437761979", "287.666805761979", "1049.737790226101"],
        10,
    ),
    (
        "aws_1_3_cost_and_usage_rows25_seed7_credits",
        BillFormat::Focus13,
        ["929.198977761979", "196.728345761979", "958.799330226101"],
        10,
    ),
    ("consolidated_multi_provider_1_3", BillFormat::Focus13, ["308", "308", "368"], 0),
];

#[tokio::test]
async fn focus_bills_have_their_exact_totals_and_bridge() {
    for (name, format, [billed, effective, list], lossy) in TOOLKIT {
        let Some(path) = shared(&format!("focus/toolkit/{name}.csv")) else { return };
        let (rows, _, _) = rollup_of(table(format, &[path]), &taxonomy()).await.unwrap();
        let sum = |of: fn(&RollupRow) -> Money| rows.iter().map(of).sum::<Money>();
        assert_eq!(sum(|row| row.cash.unblended), billed.parse().unwrap(), "{name}");
        assert_eq!(sum(|row| row.effective.unblended), effective.parse().unwrap(), "{name}");
        assert_eq!(sum(|row| row.list), list.parse().unwrap(), "{name}");
        assert_eq!(rows.iter().map(|row| row.lossy_rows).sum::<i64>(), lossy, "{name}");
        for row in &rows {
            assert_eq!(row.effective.net + row.true_up.net + row.upfront.net, row.cash.net, "{row:?}");
            assert!(row.kind != Kind::Unclassified && (row.kind != Kind::Upfront || row.charge_type == "Purchase"), "{row:?}");
        }
    }
}

#[tokio::test]
async fn providers_and_issuers_of_a_consolidated_bill_stay_apart() {
    let Some(path) = shared("focus/toolkit/consolidated_multi_provider_1_3.csv") else { return };
    let (rows, _, _) = rollup_of(table(BillFormat::Focus13, &[path]), &taxonomy()).await.unwrap();
    let mut keys: Vec<String> = rows
        .iter()
        .map(|row| format!("{}|{}|{}|{}|{}", row.provider, row.issuer, row.invoice_id, row.currency, row.cash.net))
        .collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "AWS|AWS|INV-A|USD|100.000000000000",
            "AWS|AWS|INV-A|USD|8.000000000000",
            "Datadog|Reseller X|INV-C|USD|100.000000000000",
            "Microsoft Azure|Microsoft|INV-B|EUR|100.000000000000",
        ]
    );
}

#[tokio::test]
async fn the_csv_and_the_parquet_of_a_bill_roll_up_alike() {
    let (Some(csv), Some(parquet)) = (shared("cur2/cur2_plain_final.csv.gz"), shared("cur2/cur2_plain_final.snappy.parquet"))
    else {
        return;
    };
    let (from_csv, _, _) = rollup_of(table(BillFormat::Cur2, &[csv]), &taxonomy()).await.unwrap();
    let (from_parquet, _, _) = rollup_of(table(BillFormat::Cur2, &[parquet]), &taxonomy()).await.unwrap();
    assert_eq!(from_csv, from_parquet);
    // Python's decimal over either file, half up by line; 1392 lines had more than twelve decimals.
    assert_eq!(from_csv.iter().map(|row| row.cash.unblended).sum::<Money>(), "6583.499019829512".parse().unwrap());
    assert_eq!(from_csv.iter().map(|row| row.effective.unblended).sum::<Money>(), "6676.067019829512".parse().unwrap());
    // Public cost of usage, covered and discounted lines: 6853.547019829512 over all lines, less 135.024 on negations.
    assert_eq!(from_csv.iter().map(|row| row.list).sum::<Money>(), "6718.523019829512".parse().unwrap());
    assert_eq!(from_csv.iter().map(|row| row.lossy_rows).sum::<i64>(), 1392);
}

#[tokio::test]
async fn threads_and_batches_do_not_change_a_result() {
    let Some(parquet) = shared("cur2/cur2_plain_final.snappy.parquet") else { return };
    let sql = "select line_item_product_code as p, element_at(resource_tags, 'user_team') as t, \
               sum(cast(line_item_unblended_cost as decimal(38, 12))) as s from bill group by line_item_product_code, element_at(resource_tags, 'user_team')";
    let mut results = Vec::new();
    for threads in [1, 2, 5] {
        let (_, mut rows) = query(sql, table(BillFormat::Cur2, std::slice::from_ref(&parquet)), threads).await.unwrap();
        rows.sort();
        results.push(rows);
    }
    assert!(results[0].len() > 3 && results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_profile_finds_tag_keys_values_accounts_and_currencies() {
    let folder = tempfile::tempdir().unwrap();
    let (csv, parquet) = (folder.path().join("bill.csv"), folder.path().join("bill.parquet"));
    csv_bill(&csv);
    parquet_bill(&parquet, vec![]);
    let of_csv = apportion_engine_embedded::profile(&[csv], BillFormat::Focus12).await.unwrap();
    let of_parquet = apportion_engine_embedded::profile(&[parquet], BillFormat::Focus12).await.unwrap();
    assert_eq!(of_csv, of_parquet);
    assert_eq!(of_csv.period.to_string(), "2026-09");
    // 0.1 + 2.5 + 1234.567890123
    assert_eq!(of_csv.currencies, [("USD".to_owned(), "1237.167890123".parse().unwrap())]);
    let accounts: Vec<(&str, String)> = of_csv.accounts.iter().map(|one| (one.id.as_str(), one.magnitude.to_string())).collect();
    assert_eq!(accounts, [("100000000011", "1234.667890123000".to_owned()), ("100000000012", "2.500000000000".to_owned())]);
    let keys: Vec<(&str, String, usize)> =
        of_csv.tag_keys.iter().map(|key| (key.key.as_str(), key.magnitude.to_string(), key.values.len())).collect();
    assert_eq!(
        keys,
        [
            ("CostCenter", "0.100000000000".to_owned(), 1),
            ("cost_center", "0.000000000000".to_owned(), 1),
            ("env", "0.100000000000".to_owned(), 1)
        ]
    );
}
