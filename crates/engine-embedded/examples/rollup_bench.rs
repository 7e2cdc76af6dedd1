//! Times the rollup of Parquet files, or a bare decode of the columns that the rollup reads: one JSON line.
//!
//! `rollup_bench rollup|rollup_repeats|decode|columns|sql FILE…` — `bench/run` calls it under `/usr/bin/time -v`.

use apportion_core::tags::{Dimension, TagColumn, Taxonomy};
use apportion_engine::schema::BillFormat;
use apportion_engine::{QueryEngine, Statement, Table, catalogue, rollup};
use apportion_engine_embedded::EmbeddedEngine;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

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

fn decode(files: &[PathBuf], columns: &[String]) -> Result<u64, Box<dyn Error>> {
    let mut units = Vec::new();
    for path in files {
        let metadata = ArrowReaderMetadata::load(&File::open(path)?, Default::default())?;
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
    let sql = catalogue::render(catalogue::ROLLUP, &taxonomy, BillFormat::Cur2, &BTreeMap::new())?;
    let table = Table { report_repeats: mode == "rollup_repeats", ..Table::local(BillFormat::Cur2, files.iter().cloned()) };
    let statement = Statement { name: "rollup".to_owned(), sql, tables: vec![table], lookups: vec![] };
    let engine = EmbeddedEngine::new();
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
        "decode" => (decode(&files, &engine.columns_read(&statement).await?)?, 0, String::new()),
        "rollup" | "rollup_repeats" => {
            let id = engine.start(&statement, "bench").await?;
            let rows = rollup::read(engine.rows(&id).await?, &taxonomy).await?;
            let cash: apportion_core::money::Money = rows.iter().map(|row| row.cash.unblended).sum();
            (rows.iter().map(|row| row.rows as u64).sum(), rows.len(), cash.to_string())
        }
        _ => return Err("rollup_bench rollup|rollup_repeats|decode|columns|sql FILE…".into()),
    };
    let seconds = started.elapsed().as_secs_f64();
    println!("{{\"mode\":\"{mode}\",\"seconds\":{seconds:.3},\"rows\":{rows},\"groups\":{groups},\"cash\":\"{cash}\"}}");
    Ok(())
}
