use super::*;
use crate::query::{Notes, TableFile};

fn file(area: Area, key: &str, content: Content, columns: &[&str]) -> TableFile {
    let columns = columns.iter().map(|name| (*name).to_owned()).collect();
    TableFile { path: None, stored: Some(Stored { area, key: key.to_owned(), layout: Layout { content, columns } }) }
}

fn table(format: BillFormat, files: Vec<TableFile>) -> Table {
    Table { name: "bill".to_owned(), format, files, notes: Notes::Cells }
}

fn all(format: BillFormat) -> Vec<&'static str> {
    format.columns().iter().map(|column| column.name).collect()
}

fn statement(sql: &str, table: Table) -> Statement {
    Statement { name: "test".to_owned(), sql: sql.to_owned(), tables: vec![table], lookups: vec![] }
}

fn binding() -> Binding {
    Binding::new(&["hive", "apportion"], Some("s3://bills/own".to_owned()), 262_144)
}

fn bound(sql: &str, table: Table) -> String {
    bind(&statement(sql, table), &binding()).unwrap()
}

#[test]
fn expressions_come_before_a_statement_with_or_without_its_own() {
    let first = vec!["bill as (x)".to_owned()];
    assert_eq!(
        prepend(&first, "-- a comment\n-- and more\nwith cost_line as (y)\nselect 1"),
        "with bill as (x),\ncost_line as (y)\nselect 1"
    );
    assert_eq!(prepend(&first, "WITH\n  t as (y) select 1"), "with bill as (x),\nt as (y) select 1");
    assert_eq!(prepend(&first, "select a from without"), "with bill as (x)\nselect a from without");
    assert_eq!(prepend(&first, "withal"), "with bill as (x)\nwithal");
    assert_eq!(prepend(&[], "-- alone"), "");
}

#[test]
fn a_frozen_folder_is_named_once_and_its_files_not_at_all() {
    let names = all(BillFormat::Cur2);
    let files = vec![
        file(Area::Frozen, "inputs/2026-09/d/bill/cur2-1/a.parquet", Content::Parquet, &names),
        file(Area::Frozen, "inputs/2026-09/d/bill/cur2-1/b.parquet", Content::Parquet, &names),
    ];
    let sql = bound("select 1 as a from bill", table(BillFormat::Cur2, files));
    assert!(sql.contains("from \"hive\".\"apportion\".cur2\n    where location in ('inputs/2026-09/d/bill/cur2-1')\n"), "{sql}");
    assert!(!sql.contains("a.parquet") && !sql.contains("union all"), "{sql}");
    assert!(sql.ends_with(")\nselect 1 as a from bill"), "{sql}");
}

#[test]
fn delivered_files_are_named_one_by_one_since_others_may_lie_beside_them() {
    let names = all(BillFormat::Focus12);
    let files = vec![
        file(Area::Delivered, "data/b's/2.parquet", Content::ParquetDecimal, &names),
        file(Area::Delivered, "data/a/1.parquet", Content::ParquetDecimal, &names),
    ];
    let given = table(BillFormat::Focus12, files);
    let sql = bound("select 1 from bill", given.clone());
    assert!(sql.contains(".delivered_focus_decimal\n    where location in ('data/a', 'data/b''s')"), "{sql}");
    assert!(sql.contains("\"$path\" in ('s3://bills/own/data/a/1.parquet', 's3://bills/own/data/b''s/2.parquet')"), "{sql}");
    let blind = Binding { delivered_root: None, ..binding() };
    assert!(bind(&statement("select 1 from bill", given), &blind).is_err());
}

#[test]
fn cells_of_csv_go_by_the_header_and_branches_of_two_kinds_meet_as_text() {
    let files = vec![
        file(Area::Frozen, "inputs/a/1.csv", Content::Csv, &["billedCOST", "other", "InvoiceId"]),
        file(Area::Frozen, "inputs/b/1.parquet", Content::Parquet, &all(BillFormat::Focus12)),
    ];
    let sql = bound("select 1 from bill", table(BillFormat::Focus12, files));
    assert!(sql.contains("case when c1 in ('', 'null', 'NULL') then null else c1 end as BilledCost"), "{sql}");
    assert!(sql.contains("case when c3 in ('', 'null', 'NULL') then null else c3 end as InvoiceId"), "{sql}");
    assert!(sql.contains("cast(null as varchar) as Tags"), "{sql}");
    assert!(sql.contains("case when c3 is null or c4 is not null then"), "{sql}");
    assert!(sql.contains("abs(BilledCost) <= 1e15 then cast(BilledCost as varchar)") && sql.contains("union all"), "{sql}");
}

#[test]
fn a_line_type_fails_where_its_column_is_absent() {
    let names: Vec<&str> = all(BillFormat::Cur2).into_iter().filter(|name| *name != "reservation_effective_cost").collect();
    let files = vec![
        file(Area::Frozen, "inputs/a/1.parquet", Content::Parquet, &names),
        file(Area::Frozen, "inputs/b/2.parquet", Content::Parquet, &all(BillFormat::Cur2)),
    ];
    let sql = bound("select 1 from bill", table(BillFormat::Cur2, files));
    assert!(
        sql.contains(
            "case when line_item_line_item_type in ('DiscountedUsage') and location in ('inputs/a') then cast('apportion-bill: '"
        ),
        "{sql}"
    );
}

#[test]
fn what_no_table_can_hold_is_an_error_that_says_so() {
    let error =
        |files| bind(&statement("select 1 from bill", table(BillFormat::Cur2, files)), &binding()).unwrap_err().to_string();
    assert!(error(vec![]).contains("names no file"));
    assert!(error(vec![file(Area::Frozen, "a/b.parquet", Content::ParquetOther, &[])]).contains("another type"));
    assert!(error(vec![file(Area::Frozen, "b.parquet", Content::Parquet, &[])]).contains("put it in one"));
    assert!(error(vec![TableFile { path: Some("/x/bill.csv".into()), stored: None }]).contains("/x/bill.csv"));
    let small = Binding { most_bytes: 100, ..binding() };
    let files = vec![file(Area::Frozen, "a/b.parquet", Content::Parquet, &all(BillFormat::Cur2))];
    let message = bind(&statement("select 1 from bill", table(BillFormat::Cur2, files)), &small).unwrap_err().to_string();
    assert!(message.contains("the engine takes 100"), "{message}");
}

#[test]
fn small_tables_are_literals_of_the_columns_that_are_named() {
    let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
    let mapping = Lookup {
        name: "account_ou_mapping".to_owned(),
        columns: row(["AccountId", "AccountName", "OUPath"]),
        rows: vec![row(["11", "x", "o'k"])],
    };
    let sql = "select account_ou_mapping.OUPath from bill left join account_ou_mapping on account_ou_mapping.AccountId = 1";
    assert_eq!(
        lookup(&mapping, sql),
        "select cast(AccountId as varchar) as AccountId, cast(OUPath as varchar) as OUPath from (values ('11', 'o''k')) as rows_of (AccountId, OUPath)"
    );
    let empty = Lookup { rows: vec![], ..mapping };
    assert_eq!(lookup(&empty, sql), "select cast('' as varchar) as AccountId, cast('' as varchar) as OUPath where false");
}

#[test]
fn a_sentence_about_the_bill_is_found_in_the_engines_message() {
    let message = "line 3:1: Cannot cast 'apportion-bill: s3://b/x.csv: column BilledCost: `it's' to BIGINT` is wrong' to BIGINT";
    assert_eq!(bill_error(message).as_deref(), Some("s3://b/x.csv: column BilledCost: `it's' to BIGINT` is wrong"));
    assert_eq!(bill_error("Cannot cast 'x' to BIGINT"), None);
}
