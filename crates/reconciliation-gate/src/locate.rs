//! Which files are the bill of the period.
//!
//! In a Data Exports layout the manifest decides: never a listing, since a refresh may have fewer parts than the one before.
//! Anything else is a file, or a folder whose data files are all taken.

use crate::columns::columns;
use crate::{Context, Error, Output, write_staged};
use apportion_core::close::{BillFile, Content, Layout, Located, Readiness, Run, shards};
use apportion_core::day::DayRun;
use apportion_core::period::Period;
use apportion_engine::schema::{BillFormat, ColumnType};
use apportion_output::{Encoding, FileColumns, Held};
use apportion_store::{Entry, Store};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What a search comes to before any file is opened.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Files { keys: Vec<Entry>, ignored: Vec<String> },
    Awaited(Vec<String>),
}

pub(crate) async fn locate(context: &Context, run: &Run) -> Result<Output, Error> {
    let entries = entries_of(&context.bill, &run.bill).await?;
    let found = find(&context.bill, &entries, &run.bill, run.period).await?;
    stage(context, &run.staging, found).await
}

/// The same for a day: every billing period that the bill holds up to the date's own, since a digest compares with earlier months.
///
/// A bill that is not there yet is awaited and no error: the machine asks again. Whether it has lines of the day only the rollup can
/// tell; it reads the bill anyway.
pub(crate) async fn day(context: &Context, run: &DayRun, polls: u32, most_polls: u32) -> Result<Output, Error> {
    let (ready, awaited, files) = match find_day(context, run).await? {
        Output::Located { ready, awaited, files, .. } => (ready, awaited, files),
        other => return Ok(other),
    };
    Ok(Output::Day { ready, awaited, files, polls, last: polls >= most_polls })
}

async fn find_day(context: &Context, run: &DayRun) -> Result<Output, Error> {
    let is_file = !run.bill.is_empty() && !run.bill.ends_with('/');
    if is_file && context.bill.head(&run.bill).await?.is_none() {
        return stage(context, &run.staging, Found::Awaited(vec![format!("the bill file `{}`", run.bill)])).await;
    }
    let entries = entries_of(&context.bill, &run.bill).await?;
    let latest = run.date.period();
    let mut periods: BTreeSet<Period> = BTreeSet::from([latest]);
    let of_exports = entries.iter().flat_map(|entry| [placed(&entry.key, "data"), placed(&entry.key, "metadata")]).flatten();
    periods.extend(of_exports.filter_map(|placed| placed.period.parse::<Period>().ok()).filter(|period| *period < latest));
    if !is_file && !entries.iter().any(|entry| is_data(&entry.key)) {
        let what = "the bill: there is no .parquet, .csv or .csv.gz file in the bill folder yet".to_owned();
        return stage(context, &run.staging, Found::Awaited(vec![what])).await;
    }
    let (mut keys, mut ignored) = (BTreeMap::new(), BTreeSet::new());
    for period in periods {
        match find(&context.bill, &entries, &run.bill, period).await? {
            Found::Files { keys: found, ignored: left_out } => {
                keys.extend(found.into_iter().map(|entry| (entry.key.clone(), entry)));
                ignored.extend(left_out);
            }
            Found::Awaited(awaited) if period == latest => return stage(context, &run.staging, Found::Awaited(awaited)).await,
            Found::Awaited(awaited) => {
                ignored.insert(format!("the bill of {period}: it lacks {}", awaited.join("; ")));
            }
        }
    }
    let found = Found::Files { keys: keys.into_values().collect(), ignored: ignored.into_iter().collect() };
    stage(context, &run.staging, found).await
}

/// The month of a manifest, by its key; `None` if it is no manifest.
#[cfg(feature = "aws")]
pub(crate) fn manifest_period(key: &str) -> Option<Period> {
    placed(key, "metadata").filter(|placed| placed.rest.ends_with("Manifest.json"))?.period.parse().ok()
}

/// Files of a month's bill as they are listed, or what is awaited.
#[cfg(feature = "aws")]
pub(crate) async fn files(context: &Context, period: Period) -> Result<Result<Vec<Entry>, Vec<String>>, Error> {
    let entries = entries_of(&context.bill, "").await?;
    if entries.is_empty() {
        return Ok(Err(vec!["the bill: its folder is empty".to_owned()]));
    }
    Ok(match find(&context.bill, &entries, "", period).await? {
        Found::Files { keys, .. } => Ok(keys),
        Found::Awaited(awaited) => Err(awaited),
    })
}

/// Stages what was found, or what is awaited.
async fn stage(context: &Context, staging: &str, found: Found) -> Result<Output, Error> {
    let (keys, ignored) = match found {
        Found::Files { keys, ignored } => (keys, ignored),
        Found::Awaited(awaited) => {
            write_staged(context, staging, "readiness.json", &Readiness { ready: false, awaited: awaited.clone() }).await?;
            return Ok(Output::Located { ready: false, awaited, files: 0, shards: Vec::new() });
        }
    };
    let mut located = Located { files: Vec::with_capacity(keys.len()), layouts: Vec::new(), ignored };
    for entry in keys {
        let file = describe(&context.bill, context.bill.pin(entry).await?, &mut located.layouts).await?;
        located.files.push(file);
    }
    let count = located.files.len();
    write_staged(context, staging, "bill.json", &located).await?;
    Ok(Output::Located { ready: true, awaited: Vec::new(), files: count, shards: shards(count) })
}

/// One file, or all below a prefix.
async fn entries_of(store: &Store, bill: &str) -> Result<Vec<Entry>, Error> {
    if !bill.is_empty() && !bill.ends_with('/') {
        let entry = store.head(bill).await?;
        return entry.map(|entry| vec![entry]).ok_or_else(|| Error::BadBill(format!("`{bill}`: there is no such bill file")));
    }
    Ok(store.list(bill).await?)
}

/// Opens a file's footer or header: format from its columns, and its layout, put among those known.
async fn describe(store: &Store, entry: Entry, layouts: &mut Vec<Layout>) -> Result<BillFile, Error> {
    let found = columns(store, &entry).await?;
    let format = BillFormat::detect(&found.columns).map_err(|error| Error::BadBill(format!("`{}`: {error}", entry.key)))?;
    let layout = layout(format, &found);
    let place = layouts.iter().position(|known| *known == layout).unwrap_or_else(|| {
        layouts.push(layout);
        layouts.len() - 1
    });
    let encoding = match found.encoding {
        Encoding::Parquet => "parquet",
        Encoding::Csv => "csv",
        Encoding::CsvGz => "csv.gz",
    };
    Ok(BillFile {
        key: entry.key,
        size: entry.size,
        version: entry.version,
        format: format.as_str().to_owned(),
        encoding: encoding.to_owned(),
        layout: place,
    })
}

/// How a file holds the declared columns of its format.
fn layout(format: BillFormat, found: &FileColumns) -> Layout {
    let content = if found.encoding == Encoding::Parquet { parquet_content(format, found) } else { Content::Csv };
    Layout { content, columns: found.columns.clone() }
}

/// Which table could declare the columns of a Parquet file; those that the format does not declare do not matter.
fn parquet_content(format: BillFormat, found: &FileColumns) -> Content {
    let (mut doubles, mut decimals) = (0, 0);
    for column in format.columns() {
        let place = found.columns.iter().position(|name| name.eq_ignore_ascii_case(column.name));
        let Some(held) = place.and_then(|place| found.held.get(place)) else { continue };
        match (column.kind, held) {
            (ColumnType::Double, Held::Double) => doubles += 1,
            (ColumnType::Double, Held::Decimal) => decimals += 1,
            (ColumnType::Text, Held::Text) | (ColumnType::Timestamp, Held::Timestamp) | (ColumnType::TextMap, Held::TextMap) => {}
            _ => return Content::ParquetOther,
        }
    }
    match (doubles, decimals) {
        (_, 0) => Content::Parquet,
        (0, _) => Content::ParquetDecimal,
        _ => Content::ParquetOther,
    }
}

fn is_data(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    let lower = name.to_ascii_lowercase();
    !name.starts_with(['.', '_']) && [".parquet", ".csv", ".csv.gz"].iter().any(|end| lower.ends_with(end))
}

/// A key's parts as a Data Exports layout has them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Placed {
    /// Everything before `/data/` or `/metadata/`.
    export: String,
    /// `YYYY-MM`.
    period: String,
    /// What follows the period: `<execution>/<file>` or `<file>`.
    rest: String,
}

/// Takes a key apart at `segment` (`data` or `metadata`) followed by `BILLING_PERIOD=`, whatever its case; slashes collapsed.
fn placed(key: &str, segment: &str) -> Option<Placed> {
    let parts: Vec<&str> = key.split('/').filter(|part| !part.is_empty()).collect();
    let at = (0..parts.len().saturating_sub(1)).rev().find(|index| {
        parts[*index].eq_ignore_ascii_case(segment)
            && parts[index + 1].get(..15).is_some_and(|start| start.eq_ignore_ascii_case("BILLING_PERIOD="))
    })?;
    Some(Placed { export: parts[..at].join("/"), period: parts[at + 1][15..].to_owned(), rest: parts[at + 2..].join("/") })
}

async fn find(store: &Store, entries: &[Entry], bill: &str, period: Period) -> Result<Found, Error> {
    if !bill.is_empty() && !bill.ends_with('/') {
        return Ok(Found::Files { keys: entries.to_vec(), ignored: Vec::new() });
    }
    let exports: BTreeSet<String> =
        entries.iter().filter_map(|entry| placed(&entry.key, "metadata")).map(|placed| placed.export).collect();
    if !exports.is_empty() {
        return find_in_export(store, entries, &exports, period).await;
    }
    if let Some(entry) =
        entries.iter().find(|entry| placed(&entry.key, "data").is_some() || entry.key.contains("BILLING_PERIOD="))
    {
        return Ok(Found::Awaited(vec![format!(
            "the manifest of the export that `{}` belongs to (`metadata/BILLING_PERIOD={}/…-Manifest.json`): it arrives after all data; name the folder above `data/`",
            entry.key, period
        )]));
    }
    let (data, other): (Vec<Entry>, Vec<Entry>) = entries.iter().cloned().partition(|entry| is_data(&entry.key));
    if data.is_empty() {
        return Err(Error::BadBill(
            "there is no .parquet, .csv or .csv.gz file in the bill folder: name the export's folder or a file of it".to_owned(),
        ));
    }
    let ignored = other.into_iter().map(|entry| format!("{}: not a data file", entry.key)).collect();
    Ok(Found::Files { keys: data, ignored })
}

/// What we read of a manifest; other fields may come and go.
#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "dataFiles")]
    data_files: Vec<String>,
}

async fn find_in_export(store: &Store, entries: &[Entry], exports: &BTreeSet<String>, period: Period) -> Result<Found, Error> {
    let wanted = period.to_string();
    let of_period = |segment: &str| -> Vec<(Placed, &Entry)> {
        let placed_entries = entries.iter().filter_map(|entry| placed(&entry.key, segment).map(|placed| (placed, entry)));
        placed_entries.filter(|(placed, _)| placed.period == wanted).collect()
    };
    let manifests: Vec<(Placed, &Entry)> =
        of_period("metadata").into_iter().filter(|(placed, _)| placed.rest.ends_with("Manifest.json")).collect();
    let data = of_period("data");
    let with_period: BTreeSet<&String> = manifests.iter().chain(&data).map(|(placed, _)| &placed.export).collect();
    if with_period.len() > 1 {
        let names: Vec<String> = with_period.iter().map(|export| format!("`{export}`")).collect();
        return Err(Error::BadBill(format!(
            "{} exports under the bill folder hold {wanted}: {}; name one of them, or the same cost is billed twice",
            names.len(),
            names.join(", ")
        )));
    }
    let Some(export) = with_period.into_iter().next().cloned() else {
        let names: Vec<&str> = exports.iter().map(String::as_str).collect();
        return Ok(Found::Awaited(vec![format!("data and manifest of {wanted} in the export `{}`", names.join("`, `"))]));
    };
    let accepted = match accept(store, &manifests, &data, &wanted).await? {
        Ok(accepted) => accepted,
        Err(awaited) => return Ok(Found::Awaited(vec![awaited])),
    };
    let by_rest: BTreeMap<&str, &Entry> = data.iter().map(|(placed, entry)| (placed.rest.as_str(), *entry)).collect();
    let (mut keys, mut awaited) = (Vec::new(), Vec::new());
    for file in &accepted.files {
        match by_rest.get(file.as_str()) {
            Some(entry) => keys.push((*entry).clone()),
            None => awaited.push(format!(
                "the file `data/BILLING_PERIOD={wanted}/{file}`, which the manifest `{}` names",
                accepted.manifest
            )),
        }
    }
    if let Some(file) = newer_without_manifest(&accepted, &manifests, &data) {
        awaited.push(format!("the manifest of the newer execution that `{file}` belongs to"));
    }
    if !awaited.is_empty() {
        return Ok(Found::Awaited(awaited));
    }
    keys.sort_by(|a, b| a.key.cmp(&b.key));
    let taken: BTreeSet<&str> = keys.iter().map(|entry| entry.key.as_str()).collect();
    let ignored = entries
        .iter()
        .filter(|entry| is_data(&entry.key) && !taken.contains(entry.key.as_str()))
        .filter(|entry| placed(&entry.key, "data").is_none_or(|placed| placed.period == wanted))
        .map(|entry| format!("{}: the accepted manifest of `{export}` does not name it", entry.key))
        .collect();
    Ok(Found::Files { keys, ignored })
}

struct Accepted {
    manifest: String,
    /// Execution folder, `""` in an overwriting export.
    execution: String,
    /// `<execution>/<file>` or `<file>`.
    files: Vec<String>,
}

fn execution_of(rest: &str) -> &str {
    rest.rsplit_once('/').map_or("", |(execution, _)| execution)
}

/// The manifest that counts: the period-level one, else that of the newest execution.
async fn accept(
    store: &Store,
    manifests: &[(Placed, &Entry)],
    data: &[(Placed, &Entry)],
    wanted: &str,
) -> Result<Result<Accepted, String>, Error> {
    let at_period =
        manifests.iter().filter(|(placed, _)| !placed.rest.contains('/')).max_by_key(|(placed, _)| placed.rest.clone());
    let newest = manifests.iter().max_by_key(|(placed, _)| execution_of(&placed.rest).to_owned());
    let Some((_, entry)) = at_period.or(newest) else {
        let example = data.first().map_or("", |(_, entry)| entry.key.as_str());
        return Ok(Err(format!(
            "the manifest of {wanted}: `{example}` is there, but data counts only once its manifest has arrived"
        )));
    };
    let bytes = store.get_version(&entry.key, &entry.version).await?;
    let manifest: Manifest = match serde_json::from_slice(&bytes) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(Err(format!("a complete manifest: `{}` does not parse yet ({error})", entry.key))),
    };
    if manifest.data_files.is_empty() {
        return Ok(Err(format!("data: the manifest `{}` names no file", entry.key)));
    }
    let mut files = Vec::with_capacity(manifest.data_files.len());
    for file in &manifest.data_files {
        match placed(file, "data") {
            Some(placed) if placed.period == wanted => files.push(placed.rest),
            _ => {
                return Err(Error::BadBill(format!(
                    "`{}` names `{file}`, which is not below `/data/BILLING_PERIOD={wanted}/`: the manifest is of another period or layout",
                    entry.key
                )));
            }
        }
    }
    let execution = execution_of(&files[0]).to_owned();
    Ok(Ok(Accepted { manifest: entry.key.clone(), execution, files }))
}

/// Data of an execution later than the accepted one, for which no manifest has come yet.
fn newer_without_manifest(accepted: &Accepted, manifests: &[(Placed, &Entry)], data: &[(Placed, &Entry)]) -> Option<String> {
    if accepted.execution.is_empty() {
        return None;
    }
    let known: BTreeSet<&str> = manifests.iter().map(|(placed, _)| execution_of(&placed.rest)).collect();
    data.iter()
        .filter(|(placed, _)| {
            let execution = execution_of(&placed.rest);
            execution > accepted.execution.as_str() && !known.contains(execution)
        })
        .map(|(_, entry)| entry.key.clone())
        .next()
}
