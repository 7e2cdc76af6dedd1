//! For every tag map the SQL that the renderer writes gives the value that core gives.
#![allow(clippy::unwrap_used)]

mod common;

use apportion_core::tags::{TagColumn, Taxonomy};
use apportion_engine::catalogue;
use apportion_engine::schema::BillFormat;
use common::{dimension, query, table};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;

type Maps = BTreeMap<TagColumn, BTreeMap<String, String>>;

const COLUMNS: [(TagColumn, &str); 3] = [
    (TagColumn::Cur2ResourceTags, "resource_tags"),
    (TagColumn::Cur2Tags, "tags"),
    (TagColumn::Cur2CostCategory, "cost_category"),
];

fn key() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        Just("user_a".to_owned()),
        Just("user_b".to_owned()),
        Just("o'k".to_owned()),
        Just("ä{{x}}".to_owned()),
        Just("".to_owned())
    ]
}

fn value() -> impl Strategy<Value = String> + Clone {
    let space =
        prop_oneof![Just(""), Just(" "), Just("\u{3000}\t"), Just("\u{a0}"), Just("\u{1f}\n"), Just("\u{2007}"), Just("\u{85}")];
    (space.clone(), prop_oneof![Just("".to_owned()), "[a-c\"\\\\,ä']{1,14}"], space)
        .prop_map(|(before, text, after)| format!("{before}{text}{after}"))
}

fn maps() -> impl Strategy<Value = Maps> {
    let map = prop::collection::btree_map(key(), value(), 0..4);
    (map.clone(), map.clone(), map).prop_map(|(a, b, c)| COLUMNS.iter().map(|(column, _)| *column).zip([a, b, c]).collect())
}

fn taxonomy() -> impl Strategy<Value = Taxonomy> {
    let aliases = prop::collection::vec((0..3usize, key()), 0..5);
    prop::collection::vec(aliases, 1..4).prop_map(|dimensions| {
        let dimensions = dimensions.into_iter().enumerate().map(|(number, aliases)| {
            let mut one = dimension(&format!("d{number}"), &[]);
            for (column, key) in aliases {
                one.aliases.entry(COLUMNS[column].0).or_default().push(key);
            }
            one
        });
        Taxonomy { owner: "d0".to_owned(), dimensions: dimensions.collect() }
    })
}

fn bill(rows: &[Maps]) -> String {
    let quoted = |map: &BTreeMap<String, String>| format!("\"{}\"", serde_json::to_string(map).unwrap().replace('"', "\"\""));
    let mut text = "bill_billing_entity,bill_invoice_id,bill_payer_account_id,bill_billing_period_start_date,\
         line_item_usage_account_id,line_item_line_item_type,line_item_product_code,line_item_currency_code,\
         line_item_unblended_cost,line_item_resource_id,resource_tags,tags,cost_category\n"
        .to_owned();
    for (number, maps) in rows.iter().enumerate() {
        let cells: Vec<String> = COLUMNS.iter().map(|(column, _)| quoted(&maps[column])).collect();
        writeln!(text, "AWS,1,1,2026-09-01,1,Usage,X,USD,1,r{number},{}", cells.join(",")).unwrap();
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn sql_and_core_agree(rows in prop::collection::vec(maps(), 1..40), taxonomy in taxonomy()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bill.csv");
        std::fs::write(&path, bill(&rows)).unwrap();
        let sql = catalogue::render(
            "with c as (select line_item_resource_id as r{{tag_columns}} from bill) select r{{tag_names}} from c",
            &taxonomy,
            BillFormat::Cur2,
            &BTreeMap::new(),
        )
        .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (_, mut got) = runtime.block_on(query(&sql, table(BillFormat::Cur2, &[path]), 2)).unwrap();
        got.sort();
        let mut expected: Vec<Vec<Option<String>>> = rows
            .iter()
            .enumerate()
            .map(|(number, maps)| {
                let tags = taxonomy.dimensions.iter().map(|dimension| dimension.raw_value(maps).to_owned());
                [format!("r{number}")].into_iter().chain(tags).map(Some).collect()
            })
            .collect();
        expected.sort();
        prop_assert_eq!(got, expected);
    }
}
