//! What is condensed and what is not. That both give the same is `tests/condensed.rs`.

use crate::engine::{context, open};
use apportion_core::tags::{Dimension, TagColumn, Taxonomy};
use apportion_engine::schema::BillFormat;
use apportion_engine::{Statement, Table, catalogue};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The plan of a statement over an empty bill of a format, before it is optimised.
async fn plan(format: BillFormat, sql: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bill.csv");
    let names: Vec<&str> = format.columns().iter().map(|column| column.name).collect();
    std::fs::write(&path, names.join(",") + "\n").unwrap();
    let table = Table::local(format, [path]);
    let statement = Statement { name: "test".to_owned(), sql: sql.to_owned(), tables: vec![table], lookups: vec![] };
    let context = context(&open(&statement).unwrap(), &[], 1, true, &Arc::default()).unwrap();
    let plan = context.sql(sql).await.unwrap().into_optimized_plan().unwrap();
    plan.display_indent().to_string()
}

fn taxonomy() -> Taxonomy {
    let aliases = [TagColumn::Cur2ResourceTags, TagColumn::Cur2CostCategory, TagColumn::FocusTags];
    let dimension = Dimension {
        name: "cost_center".to_owned(),
        mandatory: false,
        aliases: aliases.map(|column| (column, vec!["a".to_owned(), "b".to_owned()])).into(),
        fold_case: true,
        canonical: vec![],
        value_aliases: BTreeMap::new(),
    };
    Taxonomy { owner: "cost_center".to_owned(), dimensions: vec![dimension] }
}

#[tokio::test]
async fn the_heavy_passes_are_condensed_for_every_format() {
    for format in [BillFormat::Cur2, BillFormat::Focus10, BillFormat::Focus12, BillFormat::Focus13] {
        for text in [catalogue::ROLLUP, catalogue::DAILY] {
            let sql = catalogue::render(text, &taxonomy(), format, &BTreeMap::new()).unwrap();
            let plan = plan(format, &sql).await;
            assert!(plan.contains("TableScan: condensed"), "{format:?}:\n{plan}");
            assert!(!plan.contains("TableScan: bill"), "{format:?}:\n{plan}");
        }
    }
}

#[tokio::test]
async fn what_needs_every_line_gets_every_line() {
    let amount = "cast(line_item_unblended_cost as decimal(38, 12))";
    for (condensed, what) in [
        (true, format!("sum({amount})")),
        (true, format!("sum(case when line_item_operation = 'x' then {amount} - {amount} else {amount} end)")),
        (true, format!("sum(coalesce({amount}, cast(0 as decimal(38, 12))))")),
        (true, "count(*)".to_owned()),
        (true, "count(line_item_unblended_cost)".to_owned()),
        (true, format!("sum(case when {amount} > cast(1 as decimal(38, 12)) then 1 else 0 end)")),
        (true, "max(line_item_operation)".to_owned()),
        // An amount is a decimal as soon as it is read.
        (true, "sum(line_item_unblended_cost)".to_owned()),
        // One for each line.
        (false, "sum(cast(1 as decimal(38, 12)))".to_owned()),
        (false, format!("sum(coalesce({amount}, cast(1 as decimal(38, 12))))")),
        // The largest amount is no sum.
        (false, format!("max({amount})")),
        (false, "count(distinct line_item_operation)".to_owned()),
        (false, format!("sum({amount}) filter (where line_item_operation = 'x')")),
    ] {
        let sql = format!("select line_item_product_code as s, {what} as x from bill group by line_item_product_code");
        let plan = plan(BillFormat::Cur2, &sql).await;
        assert_eq!(plan.contains("TableScan: condensed"), condensed, "{what}:\n{plan}");
    }
    for sql in [
        format!("select sum({amount}) as x from bill"),
        format!("select {amount} as s, count(*) as n from bill group by 1"),
        "select bill_file as s, count(*) as n from bill group by 1".to_owned(),
    ] {
        let plan = plan(BillFormat::Cur2, &sql).await;
        assert!(plan.contains("TableScan: bill"), "{plan}");
    }
}

/// A column of which only a yes or no counts does not tell lines apart by itself: descriptions are many.
#[tokio::test]
async fn a_text_is_kept_only_where_it_counts() {
    let sql = "select line_item_product_code as s, case when line_item_operation like 'Run%' and line_item_line_item_description \
               like 'x%' then 'a' else 'b' end as k, count(*) as n from bill group by 1, 2";
    let plan = plan(BillFormat::Cur2, sql).await;
    let scan = plan.lines().find(|line| line.contains("TableScan")).unwrap();
    // One text and two answers, in the order of the columns' names.
    assert_eq!(scan.matches("condensed_key").count(), 3, "{plan}");
    assert!(plan.contains("condensed_key_1 AND condensed.condensed_key_0"), "{plan}");
}
