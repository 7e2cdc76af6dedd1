//! The embedded engine, a real Trino, and Athena's API over it, over the same bills: the same rows, digit for digit. `scripts/test-trino`
//! starts what it needs and runs this; without it every test here says that it was skipped.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../athena/adapter.rs"]
mod adapter;
mod bills;
mod closes;
mod doubles;
mod network;
mod world;

use apportion_core::bill::Family;
use apportion_core::tags::Taxonomy;
use apportion_engine::catalogue::{self, Value};
use apportion_engine::{EngineError, FailureClass, Lookup, Notes, Poll, Row, Statement, Table, conformance, views};
use futures::StreamExt;
use std::collections::BTreeMap;
use std::path::Path;
use world::{Contender, Placed, World};

/// What was compared.
#[derive(Default)]
struct Counts {
    statements: usize,
    failures: usize,
    /// Bills that an engine with tables does not find wrong, since what is wrong is on lines that the statement leaves out.
    unread: usize,
    rows: usize,
    values: usize,
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.statements += other.statements;
        self.failures += other.failures;
        self.unread += other.unread;
        self.rows += other.rows;
        self.values += other.values;
    }
}

/// The statement whose `where` may leave out every line of a bill.
const PICKY: &str = "resources";

/// What of the notes about a bill a run keeps.
fn noted(statement: &str) -> Notes {
    match statement {
        "rollup" => Notes::LineIds,
        "daily" => Notes::Cells,
        _ => Notes::Unread,
    }
}

/// One statement and whether its rows have an order.
struct Asked {
    statement: Statement,
    ordered: bool,
}

/// Every file of `sql/` that every engine runs, for one table of a bill.
fn every_statement(table: &Table, taxonomy: &Taxonomy, lookups: &[Lookup]) -> Vec<Asked> {
    let text = |day: &str| Value::Text(day.to_owned());
    let days = || BTreeMap::from([("first_day".to_owned(), text("2000-01-01")), ("last_day".to_owned(), text("2099-12-31"))]);
    let mut asked = Vec::new();
    for (name, sql, parameters) in [
        ("rollup", catalogue::ROLLUP, BTreeMap::new()),
        ("profile", catalogue::PROFILE, BTreeMap::new()),
        ("daily", catalogue::DAILY, BTreeMap::new()),
        ("family", catalogue::FAMILY, BTreeMap::new()),
        ("coverage", catalogue::COVERAGE, days()),
        ("conflicts", catalogue::CONFLICTS, days()),
        ("resources", catalogue::RESOURCES, days()),
    ] {
        let sql = catalogue::render(sql, taxonomy, table.format, &parameters).unwrap();
        let table = Table { notes: noted(name), ..table.clone() };
        let statement = Statement { name: name.to_owned(), sql, tables: vec![table], lookups: vec![] };
        asked.push(Asked { statement, ordered: false });
    }
    for view in views::VIEWS {
        let sql = view.render(taxonomy, table.format, Family::Unblended).unwrap();
        let statement = Statement { name: view.name.to_owned(), sql, tables: vec![table.clone()], lookups: lookups.to_vec() };
        asked.push(Asked { statement, ordered: true });
    }
    asked
}

/// Header, rows and warnings, or the class of the failure.
type Answer = Result<(Vec<String>, Vec<Row>, Vec<String>), EngineError>;

async fn answer(contender: &Contender, asked: &Asked) -> Answer {
    let token = world::token();
    let id = contender.engine.start(&asked.statement, &token).await?;
    let warnings = loop {
        match contender.engine.poll(&id).await? {
            Poll::Running { .. } => continue,
            Poll::Failed { class, message } => return Err(EngineError::Failed { class, message }),
            Poll::Succeeded { warnings, .. } => break warnings,
        }
    };
    let (header, mut rows) = contender.engine.rows(&id).await?.collect().await?;
    if !asked.ordered {
        rows.sort();
    }
    let is_noted = noted(&asked.statement.name) != Notes::Unread;
    let warnings = warnings.into_iter().filter(|_| is_noted).map(|warning| world::without_folder(&warning)).collect();
    Ok((header, rows, warnings))
}

/// Compares the first engine's answer with every other's; differences are sentences.
async fn compare(bill: &str, contenders: &[Contender], asked: &Asked, counts: &mut Counts, differences: &mut Vec<String>) {
    let (first, others) = contenders.split_first().unwrap();
    let wanted = answer(first, asked).await;
    counts.statements += 1;
    match &wanted {
        Ok((_, rows, _)) => {
            counts.rows += rows.len();
            counts.values += rows.iter().map(Vec::len).sum::<usize>();
        }
        Err(_) => counts.failures += 1,
    }
    let name = &asked.statement.name;
    for other in others {
        let got = answer(other, asked).await;
        match (&wanted, &got) {
            (Ok(wanted), Ok(got)) if wanted == got => {}
            (Err(wanted), Err(got)) if wanted.class() == got.class() => {}
            (Err(wanted), Ok((_, rows, _))) if name == PICKY && wanted.class() == FailureClass::Bill && rows.is_empty() => {
                counts.unread += 1;
            }
            (Ok((header, rows, warnings)), Ok((other_header, other_rows, other_warnings))) => {
                let row = rows.iter().zip(other_rows).find(|(row, other)| row != other);
                differences.push(format!(
                    "{bill}, {name}, {} against {}: {} and {} rows, warnings {warnings:?} and {other_warnings:?}, headers alike: {}, first pair that differs: {row:?}",
                    first.name,
                    other.name,
                    rows.len(),
                    other_rows.len(),
                    header == other_header
                ));
            }
            (wanted, got) => {
                let shown = |answer: &Answer| {
                    answer.as_ref().map(|(_, rows, _)| rows.len()).map_err(|error| format!("{:?}: {error}", error.class()))
                };
                differences.push(format!("{bill}, {name}: {} {:?}, {} {:?}", first.name, shown(wanted), other.name, shown(got)));
            }
        }
    }
}

async fn compare_tag_keys(
    bill: &str,
    contenders: &[Contender],
    table: &Table,
    counts: &mut Counts,
    differences: &mut Vec<String>,
) {
    let (first, others) = contenders.split_first().unwrap();
    let wanted = first.engine.tag_keys(table).await;
    counts.statements += 1;
    if let Ok(keys) = &wanted {
        counts.rows += keys.keys.iter().map(|key| key.values.len()).sum::<usize>();
    }
    for other in others {
        let got = other.engine.tag_keys(table).await;
        match (&wanted, &got) {
            (Ok(wanted), Ok(got)) if wanted == got => {}
            // A bill whose lines have no period is refused only by the scan that also makes a profile.
            (Err(_), _) => {}
            (wanted, got) => differences.push(format!("{bill}, tag keys: {} {wanted:?}, {} {got:?}", first.name, other.name)),
        }
    }
}

/// A small table beside the bill with names that are hard to quote; every third account is missing.
async fn lookups(contender: &Contender, table: &Table, taxonomy: &Taxonomy) -> Vec<Lookup> {
    let sql = catalogue::render(catalogue::ROLLUP, taxonomy, table.format, &BTreeMap::new()).unwrap();
    let statement = Statement { name: "accounts".to_owned(), sql, tables: vec![table.clone()], lookups: vec![] };
    let mut accounts = std::collections::BTreeSet::new();
    if let Ok((header, rows, _)) = answer(contender, &Asked { statement, ordered: false }).await {
        let at = header.iter().position(|name| name == "account_id").unwrap();
        accounts.extend(rows.into_iter().filter_map(|row| row[at].clone()));
    }
    let rows = accounts.into_iter().enumerate().filter(|(index, _)| index % 3 != 2);
    let rows = rows.map(|(index, account)| vec![account, format!("Root/O'Hare \"{}\", ü", index % 2)]).collect();
    let mapping =
        Lookup { name: "account_ou_mapping".to_owned(), columns: vec!["AccountId".to_owned(), "OUPath".to_owned()], rows };
    vec![mapping, views::owner_spelling(taxonomy)]
}

async fn compare_bill(placed: &Placed, contenders: &[Contender], taxonomy: &Taxonomy, counts: &mut Counts) -> Vec<String> {
    let mut differences = Vec::new();
    for table in &placed.tables {
        let name = format!("{} ({})", placed.name, table.format);
        let lookups = lookups(&contenders[0], table, taxonomy).await;
        let all = every_statement(table, taxonomy, &lookups);
        let compared = futures::stream::iter(&all).map(|asked| {
            let name = &name;
            async move {
                let (mut counts, mut differences) = (Counts::default(), Vec::new());
                compare(name, contenders, asked, &mut counts, &mut differences).await;
                (counts, differences)
            }
        });
        for (part, found) in compared.buffer_unordered(4).collect::<Vec<_>>().await {
            counts.add(&part);
            differences.extend(found);
        }
        compare_tag_keys(&name, contenders, table, counts, &mut differences).await;
    }
    differences
}

fn taxonomy() -> Taxonomy {
    apportion_config::load_taxonomy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../config")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_over_every_bill_gives_the_same_rows() {
    let Some(world) = World::find("parity").await else { return };
    let (contenders, taxonomy) = (world.contenders(), taxonomy());
    let (mut counts, mut differences, mut bills, mut left_out) = (Counts::default(), Vec::new(), 0, Vec::new());
    for path in bills::all(&world) {
        match world.place(&path).await {
            Ok(placed) => {
                differences.extend(compare_bill(&placed, &contenders, &taxonomy, &mut counts).await);
                bills += 1;
            }
            Err(why) => left_out.push(format!("{}: {why}", path.display())),
        }
    }
    println!(
        "parity: {bills} bills, {} statements on each of {} engines, {} rows, {} values; {} fail on each; {} times Trino leaves out what is wrong; {} files are no bills",
        counts.statements,
        contenders.len(),
        counts.rows,
        counts.values,
        counts.failures - counts.unread / (contenders.len() - 1),
        counts.unread,
        left_out.len()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(bills >= 20, "{}", left_out.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_bills_fail_alike() {
    let Some(world) = World::find("bad bills").await else { return };
    let (contenders, taxonomy) = (world.contenders(), taxonomy());
    let (mut counts, mut differences) = (Counts::default(), Vec::new());
    for (name, bytes) in bills::bad(&world) {
        let placed = world.place_bytes(name, &bytes).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        for asked in
            every_statement(&placed.tables[0], &taxonomy, &[]).into_iter().filter(|asked| asked.statement.name == "rollup")
        {
            compare(name, &contenders, &asked, &mut counts, &mut differences).await;
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!((counts.failures, counts.statements), (bills::BAD, bills::BAD + bills::ODD));
}

#[tokio::test(flavor = "multi_thread")]
async fn delivered_files_are_read_and_no_others() {
    let Some(world) = World::find("delivered").await else { return };
    let Some(path) = apportion_tests::shared("delivered", "cur2/data_exports_layout/create_new") else { return };
    let (contenders, taxonomy) = (world.contenders(), taxonomy());
    let placed = world.deliver(&path).await;
    let (mut counts, mut differences) = (Counts::default(), Vec::new());
    for table in &placed.tables {
        let lookups = lookups(&contenders[0], table, &taxonomy).await;
        for asked in every_statement(table, &taxonomy, &lookups) {
            compare("delivered", &contenders, &asked, &mut counts, &mut differences).await;
        }
    }
    assert!(differences.is_empty() && counts.failures == 0 && counts.rows > 0, "{}", differences.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_engine_passes_the_conformance_suite() {
    let Some(world) = World::find("conformance").await else { return };
    let placed = world.place_bytes("bill.csv", conformance::BILL.as_bytes()).await.unwrap();
    for contender in world.contenders() {
        let failures = conformance::run(contender.engine.as_ref(), &placed.tables[0], &world::token()).await;
        assert!(failures.is_empty(), "{}:\n{}", contender.name, failures.join("\n"));
    }
}
