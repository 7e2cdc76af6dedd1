//! A statement gives the same whether alike lines are condensed first or every line is worked on by itself.
#![allow(clippy::unwrap_used)]

mod common;

use apportion_core::tags::{TagColumn, Taxonomy};
use apportion_engine::catalogue::{self, Value};
use apportion_engine::schema::{BillFormat, ColumnType};
use apportion_engine::{QueryEngine, Row, Statement};
use apportion_engine_embedded::EmbeddedEngine;
use common::{dimension, table};
use datafusion::arrow::array::{
    ArrayRef, Float64Array, MapBuilder, RecordBatch, StringArray, StringBuilder, TimestampMillisecondArray,
};
use datafusion::arrow::datatypes::{Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// A generator whose numbers do not change: xorshift.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }

    /// A text as a column of this name may hold it; absent now and then, and often one of a kind.
    fn text(&mut self, column: &str) -> Option<String> {
        let words: &[&str] = match column {
            "line_item_line_item_type" => &[
                "Usage",
                "Usage",
                "Fee",
                "RIFee",
                "SavingsPlanNegation",
                "SavingsPlanCoveredUsage",
                "SavingsPlanRecurringFee",
                "SavingsPlanUpfrontFee",
                "DiscountedUsage",
                "Tax",
                "Credit",
                "Refund",
                "EdpDiscount",
                "Novelty",
            ],
            "ChargeCategory" => &["Usage", "Purchase", "Tax", "Credit", "Adjustment"],
            "line_item_product_code" => &["AmazonEC2", "ComputeSavingsPlans", "AWSSupportBusiness", "OCBPremiumSupport"],
            "line_item_operation" => &["RunInstances", "EKSPod-EC2", "ECSTask-EC2"],
            "line_item_line_item_description" if self.below(3) > 0 => {
                return Some(format!(
                    "{}{}",
                    self.of(&["Refund for one-time fee for Savings Plan ID", "Hours of "]),
                    self.below(1000)
                ));
            }
            "bill_billing_entity" => &["AWS", "AWS Marketplace"],
            "x_DatasetCompletionStatus" => &["Complete", "Complete", "Unavailable"],
            _ => &["a", "b", "Käse, \"c\"", " "],
        };
        match self.below(8) {
            0 => None,
            1 => Some(String::new()),
            _ => Some(self.of(words).to_owned()),
        }
    }

    fn amount(&mut self) -> Option<f64> {
        let cents = self.below(2_000_000) as f64 / 100.0 - 10_000.0;
        Some(match self.below(8) {
            0 | 1 => return None,
            2 => 0.0,
            3 => cents * 1e-13,
            4 => [5e-13, -5e-13, 1e-13, -0.0, 0.1234567890125, 1e15][self.below(6)],
            5 => cents / 7.0,
            _ => cents,
        })
    }

    fn map(&mut self) -> Option<BTreeMap<String, Option<String>>> {
        let mut map = BTreeMap::new();
        for _ in 0..self.below(5) {
            let value = (self.below(8) > 0).then(|| self.of(&["CC-1", " CC-1 ", "", "  ", "prod", "o'k"]).to_owned());
            map.insert(self.of(&["user_a", "user_b", "user_c", "Name"]).to_owned(), value);
        }
        (self.below(8) > 0).then_some(map)
    }
}

enum Cells {
    Text(Vec<Option<String>>),
    Amount(Vec<Option<f64>>),
    Time(Vec<Option<i64>>),
    Map(Vec<Option<BTreeMap<String, Option<String>>>>),
}

fn cells(draw: &mut Draw, name: &str, kind: ColumnType, rows: usize) -> Cells {
    match kind {
        ColumnType::Text => Cells::Text((0..rows).map(|_| draw.text(name)).collect()),
        ColumnType::Double => Cells::Amount((0..rows).map(|_| draw.amount()).collect()),
        ColumnType::TextMap => Cells::Map((0..rows).map(|_| draw.map()).collect()),
        ColumnType::Timestamp => {
            // 2026-09-01, and hours after it.
            let time = |draw: &mut Draw| (draw.below(9) > 0).then(|| 1_788_220_800_000 + 3_600_000 * draw.below(60) as i64);
            Cells::Time((0..rows).map(|_| time(draw)).collect())
        }
    }
}

fn array(cells: &Cells) -> ArrayRef {
    match cells {
        Cells::Text(texts) => Arc::new(StringArray::from(texts.clone())),
        Cells::Amount(amounts) => Arc::new(Float64Array::from(amounts.clone())),
        Cells::Time(times) => Arc::new(TimestampMillisecondArray::from(times.clone())),
        Cells::Map(maps) => {
            let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
            for map in maps {
                for (key, value) in map.iter().flatten() {
                    builder.keys().append_value(key);
                    builder.values().append_option(value.as_deref());
                }
                builder.append(map.is_some()).unwrap();
            }
            Arc::new(builder.finish())
        }
    }
}

/// Row groups of `group` rows. A small limit for dictionaries makes pages without, in the midst of a column.
fn write_parquet(path: &Path, columns: &[(&str, Cells)], group: usize, dictionary: usize) {
    let arrays: Vec<ArrayRef> = columns.iter().map(|(_, cells)| array(cells)).collect();
    let named = columns.iter().zip(&arrays);
    let fields: Vec<Field> = named.map(|((name, _), array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .set_dictionary_page_size_limit(dictionary)
        .set_data_page_row_count_limit(64)
        .set_write_batch_size(32)
        .build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn write_csv(path: &Path, columns: &[(&str, Cells)], rows: usize) {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut out = columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",");
    for row in 0..rows {
        let cell = |cells: &Cells| match cells {
            Cells::Text(texts) => texts[row].as_deref().map(quoted),
            Cells::Amount(amounts) => amounts[row].map(|amount| amount.to_string()),
            Cells::Time(times) => times[row].map(|millis| {
                let hours = (millis - 1_788_220_800_000) / 3_600_000;
                format!("2026-09-{:02}T{:02}:00:00Z", 1 + hours / 24, hours % 24)
            }),
            Cells::Map(maps) => maps[row].as_ref().map(|map| quoted(&serde_json::to_string(map).unwrap())),
        };
        let line: Vec<String> = columns.iter().map(|(_, cells)| cell(cells).unwrap_or_default()).collect();
        write!(out, "\n{}", line.join(",")).unwrap();
    }
    std::fs::write(path, out + "\n").unwrap();
}

fn taxonomy() -> Taxonomy {
    let aliases = |keys: &'static [&'static str]| -> Vec<(TagColumn, &[&str])> {
        [TagColumn::Cur2ResourceTags, TagColumn::Cur2Tags, TagColumn::FocusTags].map(|column| (column, keys)).into()
    };
    let dimensions = vec![
        dimension("cost_center", &aliases(&["user_a", "user_b"])),
        dimension("environment", &[(TagColumn::Cur2ResourceTags, &["user_c"]), (TagColumn::FocusTags, &["user_c"])]),
        dimension("team", &[(TagColumn::Cur2CostCategory, &["Name"]), (TagColumn::FocusTags, &["Name"])]),
    ];
    Taxonomy { owner: "cost_center".to_owned(), dimensions }
}

/// What the product runs, and what it might: the forms that the rewriting knows, and some that it must leave alone.
const CUR2: [&str; 8] = [
    "select line_item_product_code as s, sum(cast(line_item_unblended_cost as decimal(38, 12))) as x, count(*) as n, \
     count(line_item_resource_id) as r, max(line_item_usage_account_name) as last, min(line_item_operation) as first \
     from bill group by line_item_product_code",
    "with w as (select substr(cast(line_item_usage_start_date as varchar), 1, 10) as day, line_item_usage_account_id as a, \
     cast(line_item_unblended_cost as decimal(38, 12)) as u, cast(line_item_net_unblended_cost as decimal(38, 12)) as n from bill) \
     select day, sum(case when a = 'a' then u - n when a = 'b' then coalesce(n, u) end) as x, \
     sum(case when u < n then 2 when a = 'a' then 1 end) as c, count(n) as k from w where a <> ' ' or u > cast(1 as decimal(38, 12)) group by day",
    "select line_item_unblended_cost is null as missing, coalesce(cast(line_item_unblended_cost as decimal(38, 12)) <> \
     cast(line_item_unblended_cost as decimal(38, 20)), false) as lossy, count(*) as n, \
     sum(cast(0 as decimal(38, 12)) - coalesce(cast(line_item_net_unblended_cost as decimal(38, 12)), cast(0 as decimal(38, 12)))) as x \
     from bill group by 1, 2",
    "select element_at(resource_tags, 'Name') as name, coalesce(nullif(trim(element_at(tags, 'user_a')), ''), \
     nullif(trim(element_at(cost_category, 'user_b')), ''), '') as owner, count(*) as n from bill group by 1, 2",
    "select line_item_product_code as s, count(distinct line_item_operation) as o from bill group by line_item_product_code",
    "select line_item_product_code as s, max(cast(line_item_unblended_cost as decimal(38, 12))) as most, \
     sum(cast(1 as decimal(38, 12))) as ones from bill group by line_item_product_code",
    "select sum(cast(line_item_unblended_cost as decimal(38, 12))) as x, count(*) as n from bill",
    "select s, count(*) as n from (select line_item_product_code as s, line_item_operation as o, \
     sum(cast(line_item_unblended_cost as decimal(38, 12))) as x from bill group by 1, 2) as t where x > cast(0 as decimal(38, 12)) group by s",
];

/// The statements of a format; a statement with parameters gets some.
fn statements(format: BillFormat) -> Vec<String> {
    let render = |text: &str, parameters: &BTreeMap<String, Value>| catalogue::render(text, &taxonomy(), format, parameters);
    let plain = BTreeMap::new();
    let mut all = vec![
        render(catalogue::ROLLUP, &plain).unwrap(),
        render(catalogue::DAILY, &plain).unwrap(),
        render(catalogue::PROFILE, &plain).unwrap(),
    ];
    if format == BillFormat::Cur2 {
        all.extend(CUR2.map(str::to_owned));
    }
    all
}

async fn rows(engine: &EmbeddedEngine, statement: &Statement) -> (Vec<String>, Vec<Row>) {
    let id = engine.start(statement, "token").await.unwrap();
    let (header, mut rows) = engine.rows(&id).await.unwrap().collect().await.unwrap();
    rows.sort();
    (header, rows)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn condensed_or_line_by_line_it_is_the_same(
        seed in 1..u64::MAX,
        count in 1..700usize,
        group in 1..400usize,
        dictionary in prop_oneof![Just(16usize), Just(1 << 20)],
        format in prop_oneof![Just(BillFormat::Cur2), Just(BillFormat::Cur2), Just(BillFormat::Focus12), Just(BillFormat::Focus10)],
        files in 1..4u8,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut draw = Draw(seed);
        let mut made = |rows| -> Vec<(&'static str, Cells)> {
            format.columns().iter().map(|column| (column.name, cells(&mut draw, column.name, column.kind, rows))).collect()
        };
        let (parquet, csv) = (folder.path().join("a.parquet"), folder.path().join("b.csv"));
        write_parquet(&parquet, &made(count), group, dictionary);
        write_csv(&csv, &made(count.div_ceil(2)), count.div_ceil(2));
        let files = match files {
            1 => vec![parquet],
            2 => vec![csv],
            _ => vec![parquet, csv],
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for sql in statements(format) {
            let statement =
                Statement { name: "test".to_owned(), sql: sql.clone(), tables: vec![table(format, &files)], lookups: vec![] };
            let plain = runtime.block_on(rows(&EmbeddedEngine::with_threads(1).line_by_line(), &statement));
            let condensed = runtime.block_on(rows(&EmbeddedEngine::with_threads(2), &statement));
            prop_assert_eq!(plain, condensed, "{}", sql);
        }
    }
}
