//! Times the rollup of Parquet files, or a bare decode of the columns that the rollup reads: one JSON line.
//!
//! `rollup_bench MODE FILE…`, where MODE is
//!
//! - `rollup`, or `rollup_repeats` with the count of repeated line ids, or `line_by_line` without condensing alike lines;
//! - `kinds`: the rollup's groups and how many lines each has, without any amount: what is left of it when nothing is summed;
//! - `decode`, or `decode_ids` with texts as ids of a dictionary: no engine at all;
//! - `columns` and `sql`: what the rollup reads and what it is.
//!
//! `bench/run` calls it in a process of its own.

use apportion_core::tags::{Dimension, TagColumn, Taxonomy};
use apportion_engine::schema::BillFormat;
use apportion_engine::{Notes, QueryEngine, Statement, Table, catalogue, rollup};
use apportion_engine_embedded::EmbeddedEngine;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

// As the command line has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn dimension(name: &str, keys: &[&str]) -> Dimension {
    Dimension {
        name: name.to_owned(),
        mandatory: false,
        aliases: BTreeMap::from([(TagColumn::Cur2ResourceTags, keys.iter().map(|key| (*key).to_owned()).collect())]),
        fold_case: true,
        canonical: vec![],
        value_aliases: BTreeMap::new(),
    }
}

/// The sample company's.
fn taxonomy() -> Taxonomy {
    Taxonomy {
        owner: "cost_center".to_owned(),
        dimensions: vec![
            dimension("cost_center", &["user_cost_center", "user_costcenter", "user_cost_centre"]),
            dimension("environment", &["user_environment", "user_env"]),
            dimension("application", &["user_application", "user_app"]),
            dimension("business_unit", &["user_business_unit", "user_bu"]),
            dimension("team", &["user_team", "user_owner"]),
        ],
    }
}

/// Texts, also those in maps, as ids of a dictionary.
fn as_ids(field: &Field) -> Field {
    let kind = match field.data_type() {
        DataType::Utf8 => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| as_ids(field)).collect()),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(as_ids(entries)), *sorted),
        other => other.clone(),
    };
    field.clone().with_data_type(kind)
}

fn decode(files: &[PathBuf], columns: &[String], ids: bool) -> Result<u64, Box<dyn Error>> {
    let mut units = Vec::new();
    for path in files {
        let mut metadata = ArrowReaderMetadata::load(&File::open(path)?, Default::default())?;
        if ids {
            let fields: Vec<Field> = metadata.schema().fields().iter().map(|field| as_ids(field)).collect();
            let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
            metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)?;
        }
        units.extend((0..metadata.metadata().num_row_groups()).map(|group| (path, metadata.clone(), group)));
    }
    let next = AtomicUsize::new(0);
    let work = || -> Result<u64, String> {
        let mut rows = 0;
        while let Some((path, metadata, group)) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
            let roots = metadata.schema().fields().iter().enumerate();
            let wanted: Vec<usize> = roots
                .filter(|(_, field)| columns.iter().any(|name| name.eq_ignore_ascii_case(field.name())))
                .map(|(index, _)| index)
                .collect();
            let mask = ProjectionMask::roots(metadata.metadata().file_metadata().schema_descr(), wanted);
            let file = File::open(path).map_err(|error| error.to_string())?;
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
                .with_projection(mask)
                .with_row_groups(vec![*group])
                .with_batch_size(8192)
                .build()
                .map_err(|error| error.to_string())?;
            for batch in reader {
                rows += batch.map_err(|error| error.to_string())?.num_rows() as u64;
            }
        }
        Ok(rows)
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let counts: Vec<Result<u64, String>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap_or_else(|_| Err("a thread broke off".to_owned()))).collect()
    });
    let mut rows = 0;
    for count in counts {
        rows += count?;
    }
    Ok(rows)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().unwrap_or_default();
    let files: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    let taxonomy = taxonomy();
    let mut sql = catalogue::render(catalogue::ROLLUP, &taxonomy, BillFormat::Cur2, &BTreeMap::new())?;
    if mode == "kinds" {
        // The last select without what it sums.
        let (from, to) = (sql.find("    max(account_name)"), sql.rfind("\nfrom cost_line"));
        let (from, to) = from.zip(to).ok_or("rollup.sql has another form")?;
        sql.replace_range(from..to, "    count(*) as rows");
    }
    let table = Table {
        notes: if mode == "rollup_repeats" { Notes::LineIds } else { Notes::Unread },
        ..Table::local(BillFormat::Cur2, files.iter().cloned())
    };
    let statement = Statement { name: "rollup".to_owned(), sql, tables: vec![table], lookups: vec![] };
    let mut engine = EmbeddedEngine::new();
    if mode == "line_by_line" {
        engine = engine.line_by_line();
    }
    let started = Instant::now();
    let (rows, groups, cash) = match mode.as_str() {
        "sql" => {
            println!("{}", statement.sql);
            return Ok(());
        }
        "columns" => {
            println!("{}", engine.columns_read(&statement).await?.join("\n"));
            return Ok(());
        }
        "decode" | "decode_ids" => {
            (decode(&files, &engine.columns_read(&statement).await?, mode == "decode_ids")?, 0, String::new())
        }
        "kinds" => {
            let id = engine.start(&statement, "bench").await?;
            let (_, rows) = engine.rows(&id).await?.collect().await?;
            let lines = rows.iter().filter_map(|row| row.last()?.as_ref()?.parse::<u64>().ok()).sum();
            (lines, rows.len(), String::new())
        }
        "rollup" | "rollup_repeats" | "line_by_line" => {
            let id = engine.start(&statement, "bench").await?;
            let rows = rollup::read(engine.rows(&id).await?, &taxonomy).await?;
            let cash: apportion_core::money::Money = rows.iter().map(|row| row.cash.unblended).sum();
            (rows.iter().map(|row| row.rows as u64).sum(), rows.len(), cash.to_string())
        }
        _ => return Err("rollup_bench MODE FILE…: see the head of this example".into()),
    };
    let seconds = started.elapsed().as_secs_f64();
    println!("{{\"mode\":\"{mode}\",\"seconds\":{seconds:.3},\"rows\":{rows},\"groups\":{groups},\"cash\":\"{cash}\"}}");
    Ok(())
}
