//! `apportion schema`: the tables of `sql/schema`, printed for Athena or Trino, or made in a Trino cluster.

use crate::engine::{EngineArguments, EngineName};
use crate::failure::Failure;
use apportion_engine::tables::{self, Roots};
use clap::{Args, ValueEnum};

#[derive(Args)]
pub struct SchemaArguments {
    #[command(flatten)]
    engine: EngineArguments,
    /// What the engine calls the folder of inputs/ and daily/: s3://bucket/prefix/, or local:///folder/ in a Trino over local files.
    #[arg(long, value_name = "URI")]
    work: String,
    /// What it calls the folder of closes/; the same as --work if absent.
    #[arg(long, value_name = "URI")]
    closes: Option<String>,
    /// What it calls the folder of the delivered bill; the same as --work if absent.
    #[arg(long, value_name = "URI")]
    bill: Option<String>,
    /// Where a new schema keeps what it owns, which is nothing: only catalogs that ask for a place need it.
    #[arg(long, value_name = "URI")]
    schema_location: Option<String>,
    /// Print the statements in this dialect instead of running them.
    #[arg(long, value_name = "DIALECT")]
    print: Option<Dialect>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dialect {
    Athena,
    Trino,
}

/// Runs the command; the result is what it prints.
pub async fn run(arguments: &SchemaArguments) -> Result<String, Failure> {
    let or_work = |uri: &Option<String>| uri.clone().unwrap_or_else(|| arguments.work.clone());
    let roots = Roots { work: arguments.work.clone(), bill: or_work(&arguments.bill), closes: or_work(&arguments.closes) };
    if let Some(dialect) = arguments.print {
        let name = arguments.engine.schema.clone().unwrap_or_else(|| "apportion".to_owned());
        return Ok(printed(dialect, &name, arguments.engine.catalog.as_deref(), &roots));
    }
    match &arguments.engine.engine {
        EngineName::Embedded | EngineName::Athena => Err(Failure::bad_input(
            "tables are made in a cluster, --engine trino=URL; for Athena, --print athena gives the statements to run",
        )),
        EngineName::Trino(url) => made(arguments, url, &roots).await,
    }
}

fn printed(dialect: Dialect, schema: &str, catalog: Option<&str>, roots: &Roots) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let place = catalog.map_or_else(|| quoted(schema), |catalog| format!("{}.{}", quoted(catalog), quoted(schema)));
    let statement = |table: &tables::Definition| match dialect {
        Dialect::Athena => tables::athena(table, schema, roots),
        Dialect::Trino => tables::trino(table, &place, roots),
    };
    tables::definitions().iter().map(|table| format!("{};\n\n", statement(table))).collect()
}

#[cfg(not(feature = "trino"))]
async fn made(arguments: &SchemaArguments, _url: &str, _roots: &Roots) -> Result<String, Failure> {
    arguments.engine.open(None).await.map(|_| String::new())
}

#[cfg(feature = "trino")]
async fn made(arguments: &SchemaArguments, url: &str, roots: &Roots) -> Result<String, Failure> {
    let engine = arguments.engine.trino(url, None)?;
    let names = engine.create_tables(roots, arguments.schema_location.as_deref()).await.map_err(Failure::other)?;
    Ok(names.iter().map(|name| format!("{name}\n")).collect())
}
