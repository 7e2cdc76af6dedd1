//! Everything that an explanation rests on: the close, its inputs, and the allocation made again from them.

use super::names::unknown;
use super::{Options, broken};
use crate::engine::embedded;
use crate::failure::Failure;
use crate::verify::{Place, sound};
use apportion_core::allocate::{Inputs, To, Trace, trace};
use apportion_core::bill::{Family, RollupRow, family};
use apportion_core::close::{CloseFacts, FrozenFile, Reconciliation, minor_exponent};
use apportion_core::day::Day;
use apportion_core::ledger::{Component, LedgerRow};
use apportion_core::model::Configuration;
use apportion_core::org::Organization;
use apportion_core::reconcile::Control;
use apportion_engine::schema::BillFormat;
use apportion_engine::{EngineError, FailureClass, RowStream, Statement, Table, catalogue, rollup};
use apportion_engine_embedded::EmbeddedEngine;
use apportion_output::{read_ledger_csv, read_pools_csv, rollup_csv, sha256_hex};
use apportion_store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

pub struct Evidence {
    pub facts: CloseFacts,
    pub configuration: Configuration,
    pub family: Family,
    pub minor_exponent: u32,
    /// The rollup is sorted; `formats` has the format of each of its rows.
    pub trace: Trace,
    pub formats: Vec<BillFormat>,
    /// The flows of the trace by where they go.
    pub flows_to: BTreeMap<To, Vec<usize>>,
    /// First days of the stretches that the rollup is cut by; none where one tree holds for all.
    pub changes: Vec<Day>,
    files: Vec<FrozenFile>,
    out: Store,
    engine: Arc<EmbeddedEngine>,
}

impl Evidence {
    /// Reads and proves; the first thing that does not hold is the error.
    pub async fn read(close: &Path) -> Result<Evidence, Failure> {
        let (place, manifest) = sound(close).await?;
        let out = Store::directory(&place.out);
        let facts = manifest.facts;
        let configuration = configuration(&out, &facts).await?;
        let organization = json::<Organization>(&out, &facts.organization_key()).await?;
        let changes = organization.changes();
        let mut rollup = Vec::new();
        let engine = embedded();
        for (format, files) in by_format(&manifest.files)? {
            let sql = catalogue::render_rollup(&configuration.taxonomy, format, &changes);
            let sql = sql.map_err(Failure::bad_input)?;
            let stream = run(&engine, &out, &facts, format, &files, sql).await?;
            let rows = rollup::read(stream, &configuration.taxonomy).await.map_err(engine_failure)?;
            rollup.extend(rows.into_iter().filter(|row| is_of(row, &facts)).map(|row| (row, format)));
        }
        rollup.sort();
        let (rows, formats): (Vec<RollupRow>, Vec<BillFormat>) = rollup.into_iter().unzip();
        prove_rollup(&facts, &configuration, &rows)?;
        let (family, minor_exponent) = (family(&rows), minor_exponent(&facts.currency));
        let published = Store::directory(&place.close);
        let report: Reconciliation = json(&published, "reconciliation.json").await?;
        let controls: Vec<Control> = report.invoices.iter().map(|line| line.control(minor_exponent)).collect();
        let trace = trace(&Inputs {
            period: facts.period,
            family,
            rows: &rows,
            configuration: &configuration,
            org: &organization,
            controls: &controls,
            minor_exponent,
        })
        .map_err(|error| broken(format!("the allocation fails when it is made again: {error}")))?;
        prove_trace(&published, &trace, family, &place).await?;
        let mut flows_to: BTreeMap<To, Vec<usize>> = BTreeMap::new();
        for (place, flow) in trace.flows.iter().enumerate() {
            flows_to.entry(flow.to).or_default().push(place);
        }
        let files = manifest.files;
        Ok(Evidence { facts, configuration, family, minor_exponent, trace, formats, flows_to, changes, files, out, engine })
    }

    /// A unit's ledger rows in the ledger's order: what `statement.csv` has, row for row.
    fn rows_of<'a>(&'a self, unit: &'a str) -> impl Iterator<Item = (usize, &'a LedgerRow)> {
        self.trace.allocation.rows.iter().enumerate().filter(move |(_, row)| row.key.unit_id == unit)
    }

    pub fn unit_name(&self, id: &str) -> String {
        self.configuration.units.iter().find(|unit| unit.id == id).map(|unit| unit.name.clone()).unwrap_or_default()
    }

    pub fn pool_name(&self, id: &str) -> String {
        let mut pools = self.configuration.pools.iter().filter(|pool| pool.effective.covers(self.facts.period));
        pools.find(|pool| pool.id == id).map(|pool| pool.name.clone()).unwrap_or_default()
    }

    /// Line number and place in the ledger of what is asked for.
    pub fn choose(&self, options: &Options) -> Result<Vec<(usize, usize)>, Failure> {
        let rows: Vec<(usize, &LedgerRow)> = self.rows_of(&options.unit).collect();
        if rows.is_empty() {
            let ledger = self.trace.allocation.rows.iter().map(|row| row.key.unit_id.as_str());
            let known: BTreeSet<&str> = ledger.collect();
            if self.configuration.units.iter().any(|unit| unit.id == options.unit) {
                return Err(Failure::bad_input(format!("--unit {}: nothing is charged to it in this close", options.unit)));
            }
            return Err(unknown("--unit", &options.unit, "the close has no such unit", &known));
        }
        let numbered: Vec<(usize, usize, &LedgerRow)> =
            rows.iter().enumerate().map(|(index, (place, row))| (index + 1, *place, *row)).collect();
        let names = |of: &dyn Fn(&LedgerRow) -> String| rows.iter().map(|(_, row)| of(row)).collect::<BTreeSet<String>>();
        type Field = fn(&LedgerRow) -> String;
        let fields: [(&str, &Option<String>, Field, &str); 3] = [
            ("--component", &options.component, |row| row.key.component.to_string(), "the unit has no line of this component"),
            (
                "--service",
                &options.service,
                |row| String::from(&row.key.service),
                "the unit has no line of this service (a pooled line has none: choose it by --pool)",
            ),
            ("--pool", &options.pool, |row| String::from(&row.key.pool_id), "the unit has no line of this pool"),
        ];
        for (option, given, of, what) in &fields {
            let Some(given) = given else { continue };
            let known = names(of);
            if !known.contains(given) {
                let known = known.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
                let what = match *option {
                    "--component" if Component::from_word(given).is_none() => "there is no such component",
                    _ => what,
                };
                return Err(unknown(option, given, what, &known));
            }
        }
        let chosen: Vec<(usize, usize)> = numbered
            .into_iter()
            .filter(|(line, _, row)| {
                options.line.is_none_or(|wanted| wanted == *line)
                    && fields.iter().all(|(_, given, of, _)| given.as_ref().is_none_or(|given| of(row) == *given))
            })
            .map(|(line, place, _)| (line, place))
            .collect();
        match (chosen.is_empty(), options.line) {
            (false, _) => Ok(chosen),
            (true, Some(line)) => Err(Failure::bad_input(format!(
                "--line {line}: the unit's statement.csv has {} rows, and none of that number with all that is asked for",
                rows.len()
            ))),
            (true, None) => Err(Failure::bad_input("no line of the unit has all that is asked for: leave one option out")),
        }
    }

    /// Runs [`catalogue::BILL_ROWS`] over the frozen files of a format.
    pub async fn bill_rows(
        &self,
        format: BillFormat,
        parameters: &BTreeMap<String, catalogue::Value>,
    ) -> Result<RowStream, Failure> {
        let sql = catalogue::render_bill_rows(&self.configuration.taxonomy, format, parameters, &self.changes);
        let sql = sql.map_err(Failure::other)?;
        let files = by_format(&self.files)?.remove(&format).unwrap_or_default();
        run(&self.engine, &self.out, &self.facts, format, &files, sql).await
    }

    /// A frozen bill file by its name.
    pub fn file(&self, name: &str) -> Option<&FrozenFile> {
        self.files.iter().find(|file| file.path.rsplit('/').next() == Some(name))
    }
}

fn is_of(row: &RollupRow, facts: &CloseFacts) -> bool {
    row.billing_period == facts.period.to_string() && row.currency == facts.currency
}

fn by_format(files: &[FrozenFile]) -> Result<BTreeMap<BillFormat, Vec<&FrozenFile>>, Failure> {
    let mut formats: BTreeMap<BillFormat, Vec<&FrozenFile>> = BTreeMap::new();
    for file in files {
        let format = file.format.parse().map_err(|error| Failure::bad_input(format!("manifest.json, {}: {error}", file.path)))?;
        formats.entry(format).or_default().push(file);
    }
    Ok(formats)
}

async fn run(
    engine: &EmbeddedEngine,
    out: &Store,
    facts: &CloseFacts,
    format: BillFormat,
    files: &[&FrozenFile],
    sql: String,
) -> Result<RowStream, Failure> {
    let path = |file: &&FrozenFile| {
        let key = format!("{}{}", facts.inputs_prefix(), file.path);
        out.local_path(&key).ok_or_else(|| Failure::other(format!("`{key}` is not a local file")))
    };
    let tables = vec![Table::local(format, files.iter().map(path).collect::<Result<Vec<_>, _>>()?)];
    let statement = Statement { name: format!("explain-{}", format.as_str()), sql, tables, lookups: Vec::new() };
    engine.stream(&statement).await.map_err(engine_failure)
}

pub fn engine_failure(error: EngineError) -> Failure {
    match error.class() {
        FailureClass::Bill => broken(format!("the frozen bill cannot be read: {error}")),
        _ => Failure::other(error),
    }
}

async fn configuration(out: &Store, facts: &CloseFacts) -> Result<Configuration, Failure> {
    let prefix = facts.configuration_prefix();
    let mut files = BTreeMap::new();
    for entry in out.list(&prefix).await.map_err(Failure::bad_input)? {
        files.insert(entry.key[prefix.len()..].to_owned(), out.get(&entry.key).await.map_err(Failure::bad_input)?);
    }
    Ok(apportion_config::load_files(&files, facts.period).map_err(Failure::bad_input)?.configuration)
}

async fn json<T: serde::de::DeserializeOwned>(store: &Store, key: &str) -> Result<T, Failure> {
    let bytes = store.get(key).await.map_err(Failure::bad_input)?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::bad_input(format!("{key}: {error}")))
}

fn prove_rollup(facts: &CloseFacts, configuration: &Configuration, rows: &[RollupRow]) -> Result<(), Failure> {
    let dimensions: Vec<String> = configuration.taxonomy.dimensions.iter().map(|dimension| dimension.name.clone()).collect();
    let digest = sha256_hex(&rollup_csv(&dimensions, rows).map_err(Failure::other)?);
    if digest != facts.rollup_digest {
        return Err(broken(format!(
            "the frozen bill gives another rollup than that of the close (digest {digest}, manifest.json {})",
            facts.rollup_digest
        )));
    }
    Ok(())
}

/// The allocation made again is that of the close, and loses nothing on the way.
async fn prove_trace(files: &Store, trace: &Trace, family: Family, place: &Place) -> Result<(), Failure> {
    let read = async |name: &str| files.get(name).await.map_err(Failure::bad_input);
    let (_, ledger) = read_ledger_csv(&read("ledger.csv").await?).map_err(Failure::bad_input)?;
    let sources = read_pools_csv(&read("pools.csv").await?).map_err(Failure::bad_input)?;
    let differs = |name: &str| broken(format!("{}: not what the frozen inputs give", place.close.join(name).display()));
    if ledger != trace.allocation.rows {
        return Err(differs("ledger.csv"));
    }
    if sources != trace.allocation.pool_sources {
        return Err(differs("pools.csv"));
    }
    match trace.check(family).first() {
        None => Ok(()),
        Some(wrong) => Err(broken(wrong)),
    }
}
