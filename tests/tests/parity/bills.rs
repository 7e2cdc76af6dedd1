//! The bills: a sample, what is shared, and some that are wrong.

use crate::world::World;
use apportion_tests::{apportion, shared, text, whole_bill};
use arrow_array::{ArrayRef, Decimal128Array, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use parquet::arrow::ArrowWriter;
use std::path::PathBuf;
use std::sync::Arc;

/// Lines of the sample: enough for every kind of line.
const SAMPLE_ROWS: &str = "20000";

/// Files and folders that may be bills.
pub fn all(world: &World) -> Vec<PathBuf> {
    let sample = world.folder.path().join("sample");
    apportion(world.folder.path(), &["sample", "--period", "2026-09", "--rows", SAMPLE_ROWS, "--out", &text(&sample)]).expect(0);
    let mut paths = vec![sample.join("bill")];
    for folder in ["cur2/data_exports_layout/create_new", "cur2/data_exports_layout/overwrite"] {
        paths.extend(shared("parity", folder));
    }
    for folder in ["cur2", "focus/toolkit", "focus/spec-examples/csv", "focus/spec-examples/correction-handling", "legacy-cur"] {
        let Some(folder) = shared("parity", folder) else { continue };
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| [".csv", ".csv.gz", ".parquet"].iter().any(|end| text(path).ends_with(end)));
        files.sort();
        paths.extend(files);
    }
    for (name, bytes) in odd() {
        let path = world.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        paths.push(if name.starts_with("mixed") { path.parent().unwrap().to_path_buf() } else { path });
    }
    paths.dedup();
    paths
}

fn focus(given: &str) -> Vec<u8> {
    whole_bill("focus_1_2", given).into_bytes()
}

/// Bills that are right, but not plain: words for nothing, exponents, offsets, quotes, mixed content.
fn odd() -> Vec<(&'static str, Vec<u8>)> {
    let quoting = "BilledCost,EffectiveCost,ServiceName,Tags,ChargePeriodStart,RegionId\n\
        1.5E+2,6.123E-7,\"a, \"\"b\"\" \\c\",\"{\"\"CostCenter\"\": \"\"CC-1 \\\\ \\u00fc\"\", \"\"n\"\": 1, \"\"b\"\": true}\",2026-09-01T23:30:00-02:00,null\n\
        0.1234567890125,-0.0000000000005,null,NULL,2026-09-02 00:00:00.123456,\n \
        -7 ,.5,Ü,{},2026-09-30,eu\n\
        0.00000000000049999999999999999999,5.,x,\"{\"\"CostCenter\"\": null}\",2026-09-03T00:00:00 UTC,eu\n";
    vec![
        ("odd/quoting.csv", focus(quoting)),
        ("odd/decimals.parquet", decimals()),
        ("mixed/one.csv", focus("BilledCost,EffectiveCost,ServiceName\n4.9999999999E-13,0.1,a\n2,3,a\n")),
        ("mixed/two.csv", focus("ServiceName,EffectiveCost,BilledCost\nb,0.1,1E-20\n")),
        ("mixed/three.parquet", doubles(&[0.1, 4.9999999999e-13, 1e15, -64.0000000000005])),
        ("mixed/four.parquet", decimals()),
    ]
}

/// How many bad bills there are, and how many beside them that are not.
pub const BAD: usize = 15;
pub const ODD: usize = 1;

/// Bills that no engine may read as if nothing were wrong. The last is right, and reads.
pub fn bad(_world: &World) -> Vec<(&'static str, Vec<u8>)> {
    let cost = |cost: &str| focus(&format!("BilledCost,EffectiveCost\n1,1\n{cost},1\n"));
    let mut all = vec![
        ("comma.csv", cost("\"3,432,342\"")),
        ("word.csv", cost("abc")),
        ("plus.csv", cost("+1")),
        ("nan.csv", cost("NaN")),
        ("large.csv", cost("1000000000000000.1")),
        ("larger.csv", cost("1E40")),
        ("nan.parquet", doubles(&[1.0, f64::NAN])),
        ("infinite.parquet", doubles(&[1.0, f64::NEG_INFINITY])),
        ("large.parquet", doubles(&[1.0, 1.1e15])),
        ("day.csv", focus("BilledCost,EffectiveCost,BillingPeriodStart\n1,1,9/1/26\n")),
        ("month.csv", focus("BilledCost,EffectiveCost,BillingPeriodStart\n1,1,2026-13-01\n")),
        ("tags.csv", focus("BilledCost,EffectiveCost,Tags\n1,1,CostCenter=1\n")),
        ("nested.csv", focus("BilledCost,EffectiveCost,Tags\n1,1,\"{\"\"CostCenter\"\": {\"\"a\"\": 1}}\"\n")),
    ];
    let mut short = focus("BilledCost,EffectiveCost\n1,1\n");
    short.extend_from_slice(b"1,1,AWS\n");
    all.push(("short.csv", short));
    let needed = whole_bill("cur2", "line_item_unblended_cost,line_item_line_item_type\n0,DiscountedUsage\n");
    all.push(("needed.csv", needed.into_bytes()));
    all.push(("right.csv", cost("1")));
    all
}

/// A FOCUS 1.2 bill in Parquet with these costs, one line each.
pub fn doubles(costs: &[f64]) -> Vec<u8> {
    let array = |costs: &[f64]| -> ArrayRef { Arc::new(Float64Array::from(costs.to_vec())) };
    bill(costs.len(), array(costs), array(&vec![0.5; costs.len()]))
}

fn decimals() -> Vec<u8> {
    let array = |units: Vec<i128>, scale: i8| -> ArrayRef {
        Arc::new(Decimal128Array::from(units).with_precision_and_scale(38, scale).unwrap())
    };
    bill(3, array(vec![1_234_567_890_125, -5, 10_000_000_000_000_000], 13), array(vec![1, 2, 3], 2))
}

fn bill(rows: usize, billed: ArrayRef, effective: ArrayRef) -> Vec<u8> {
    let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value; rows])) };
    let numbers: Vec<String> = (0..rows).map(|row| row.to_string()).collect();
    // 2026-09-01 and a day later, as milliseconds.
    let time = |millis: i64| -> ArrayRef { Arc::new(TimestampMillisecondArray::from(vec![millis; rows])) };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("BilledCost", billed),
        ("BillingAccountId", text("1")),
        ("BillingCurrency", text("USD")),
        ("BillingPeriodStart", time(1_788_220_800_000)),
        ("ChargePeriodStart", time(1_788_307_199_999)),
        ("ChargeCategory", text("Usage")),
        ("EffectiveCost", effective),
        ("InvoiceId", text("INV-1")),
        ("ProviderName", text("AWS")),
        ("ServiceName", text("s")),
        ("SubAccountId", Arc::new(StringArray::from(numbers))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}
