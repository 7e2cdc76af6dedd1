//! `apportion query`: a view of `sql/views/` over a bill, as a table or CSV.

use crate::close::bill_store;
use crate::engine::EngineArguments;
use crate::failure::{BAD_INPUT, Failure, NOT_READY, OTHER};
use crate::init_bill::latest_period;
use crate::report::{Align, table};
use apportion_core::bill::{Family, family_of};
use apportion_core::close::Located;
use apportion_core::day::{Day, DayRun};
use apportion_core::money::Money;
use apportion_core::org::OrgSnapshot;
use apportion_core::tags::Taxonomy;
use apportion_engine::views::{VIEWS, View, owner_spelling};
use apportion_engine::{EngineError, FailureClass, Lookup, QueryEngine, Row, Statement, Table, catalogue};
use apportion_output::{SafeCsv, csv_columns, sha256_hex};
use apportion_store::Store;
use clap::Args;
use reconciliation_gate::{Event, Output};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Args)]
pub struct QueryArguments {
    /// Name of the view; without it the views are listed.
    name: Option<String>,
    /// A bill file, a folder of them, or a Data Exports folder, of one or several periods.
    #[arg(long, value_name = "PATH")]
    bill: Option<PathBuf>,
    /// The configuration folder: its taxonomy names tags and units.
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// The organization as JSON; without it every account is in OU `__unknown__`.
    #[arg(long, value_name = "FILE")]
    org: Option<PathBuf>,
    /// Print CSV, with whole amounts, instead of a table with two decimals.
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    engine: EngineArguments,
    /// What that engine calls the folder of the bill: s3://bucket/prefix/, or local:///folder/ in a Trino over local files.
    #[arg(long, value_name = "URI")]
    bill_as: Option<String>,
}

/// Runs the command; the result is what it prints.
pub async fn run(arguments: &QueryArguments) -> Result<String, Failure> {
    let Some(name) = &arguments.name else { return Ok(listing()) };
    let view = View::named(name)
        .ok_or_else(|| Failure::bad_input(format!("there is no view `{name}`. The views are:\n{}", listing())))?;
    let (Some(bill), Some(config)) = (&arguments.bill, &arguments.config) else {
        return Err(Failure::bad_input(format!("apportion query {name} needs --bill PATH and --config DIR")));
    };
    let taxonomy = apportion_config::load_taxonomy(config).map_err(Failure::bad_input)?;
    let lookups = vec![mapping(arguments.org.as_deref())?, owner_spelling(&taxonomy)];
    let tables = tables(bill).await?;
    let engine = arguments.engine.open_over_bill(arguments.bill_as.as_deref()).await?;
    let asked = Asked { engine, taxonomy, lookups };
    let family = asked.family(&tables).await?;
    let mut text = String::new();
    for bill in &tables {
        let sql = view.render(&asked.taxonomy, bill.format, family).map_err(Failure::bad_input)?;
        let (header, rows) = asked.rows(view.name, sql, bill).await?;
        // A bill of two formats has two sets of service names and the like, which do not add up.
        if tables.len() > 1 && !arguments.csv {
            text.push_str(&format!("{}\n", bill.format.title()));
        }
        text.push_str(&if arguments.csv { csv(&header, &rows)? } else { shown(&header, &rows) });
    }
    Ok(text)
}

fn listing() -> String {
    let rows: Vec<Vec<String>> = VIEWS.iter().map(|view| vec![view.name.to_owned(), view.title.to_owned()]).collect();
    table(&["view".to_owned(), "what it shows".to_owned()], &[Align::Left, Align::Left], &rows)
}

fn cells(rows: &[Row]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|cell| cell.clone().unwrap_or_default()).collect()).collect()
}

/// Amounts to two decimals; `--csv` has them whole.
fn shown(header: &[String], rows: &[Row]) -> String {
    let align: Vec<Align> = header.iter().map(|name| if View::is_number(name) { Align::Right } else { Align::Left }).collect();
    let rounded = |name: &String, cell: &String| match cell.parse::<Money>() {
        Ok(money) if View::is_number(name) && cell.contains('.') => Money::minor_to_string(money.round_to_minor(2), 2),
        _ => cell.clone(),
    };
    let row = |row: &Vec<String>| header.iter().zip(row).map(|(name, cell)| rounded(name, cell)).collect();
    table(header, &align, &cells(rows).iter().map(row).collect::<Vec<_>>())
}

/// Every format's rows under a header of their own.
fn csv(header: &[String], rows: &[Row]) -> Result<String, Failure> {
    let mut csv = SafeCsv::new(header).map_err(Failure::other)?;
    for row in cells(rows) {
        for (name, cell) in header.iter().zip(&row) {
            let written = if View::is_number(name) { csv.number(cell) } else { csv.text(cell) };
            written.map_err(Failure::other)?;
        }
        csv.end_row().map_err(Failure::other)?;
    }
    String::from_utf8(csv.finish().map_err(Failure::other)?).map_err(Failure::other)
}

/// `account_ou_mapping`, as the daily run writes it.
fn mapping(organization: Option<&Path>) -> Result<Lookup, Failure> {
    let snapshot = match organization {
        None => OrgSnapshot::default(),
        Some(path) => {
            let wrong =
                |error: &dyn std::fmt::Display| Failure::bad_input(format!("the organization file {}: {error}", path.display()));
            let bytes = std::fs::read(path).map_err(|error| wrong(&error))?;
            ou_mapper::parse_organization(&bytes).map_err(|error| wrong(&error))?
        }
    };
    let bytes = ou_mapper::account_ou_mapping(&snapshot).map_err(Failure::other)?;
    let columns = ou_mapper::MAPPING_COLUMNS;
    let rows = csv_columns("account_ou_mapping.csv", &bytes, &columns).map_err(Failure::other)?;
    Ok(Lookup { name: "account_ou_mapping".to_owned(), columns: columns.map(str::to_owned).to_vec(), rows })
}

/// The bill's files by format, found as a daily run finds them.
async fn tables(bill: &Path) -> Result<Vec<Table>, Failure> {
    let (store, key) = bill_store(bill)?;
    let scratch = tempfile::tempdir().map_err(|error| Failure::other(format!("a temporary folder: {error}")))?;
    let work = Store::directory(scratch.path());
    let context = reconciliation_gate::Context::new(store.clone(), work.clone());
    let run = DayRun {
        date: Day::last_of(latest_period(&store).await?),
        staging: "staging/".to_owned(),
        bill: key,
        configuration: String::new(),
        organization: None,
        organization_dated: None,
        attempt: 1,
    };
    let located =
        reconciliation_gate::handle(&context, Event::Day { run, polls: 0, most_polls: 1 }).await.map_err(Failure::bad_input)?;
    if let Output::Day { ready: false, awaited, .. } = located {
        return Err(Failure::new(NOT_READY, format!("the bill is not complete; awaited: {}", awaited.join("; "))));
    }
    let bytes = work.get("staging/bill.json").await.map_err(Failure::other)?;
    let located: Located = serde_json::from_slice(&bytes).map_err(Failure::other)?;
    Table::delivered(&located, |key| store.local_path(key)).map_err(Failure::other)
}

struct Asked {
    engine: std::sync::Arc<dyn QueryEngine>,
    taxonomy: Taxonomy,
    lookups: Vec<Lookup>,
}

impl Asked {
    async fn rows(&self, name: &str, sql: String, bill: &Table) -> Result<(Vec<String>, Vec<Row>), Failure> {
        let token = sha256_hex(format!("{name} {} {sql}", bill.format).as_bytes());
        let (tables, lookups) = (vec![bill.clone()], self.lookups.clone());
        let statement = Statement { name: name.to_owned(), sql, tables, lookups };
        let stream =
            apportion_engine::run(self.engine.as_ref(), &statement, &token, Duration::from_secs(1), tokio::time::sleep).await;
        stream.map_err(failed)?.collect().await.map_err(failed)
    }

    /// The cost family of the whole bill, as a close decides it.
    async fn family(&self, tables: &[Table]) -> Result<Family, Failure> {
        let mut types: Vec<(String, i64)> = Vec::new();
        for bill in tables {
            let sql = catalogue::render(catalogue::FAMILY, &self.taxonomy, bill.format, &BTreeMap::new())
                .map_err(Failure::bad_input)?;
            let (_, rows) = self.rows("family", sql, bill).await?;
            for row in rows {
                let [Some(charge_type), Some(net_rows)] = row.as_slice() else {
                    return Err(Failure::other("the result of sql/family.sql is not two columns"));
                };
                types.push((charge_type.clone(), net_rows.parse().map_err(Failure::other)?));
            }
        }
        Ok(family_of(types.iter().map(|(charge_type, net_rows)| (charge_type.as_str(), *net_rows))))
    }
}

fn failed(error: EngineError) -> Failure {
    let code = if error.class() == FailureClass::Bill { BAD_INPUT } else { OTHER };
    Failure::new(code, error)
}
