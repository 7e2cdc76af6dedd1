//! What the tests of this crate share.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod parquet;

use apportion_core::bill::RollupRow;
use apportion_core::tags::{Dimension, TagColumn, Taxonomy};
use apportion_engine::schema::BillFormat;
use apportion_engine::{EngineError, Poll, QueryEngine, Row, Statement, Table, catalogue, rollup};
use apportion_engine_embedded::EmbeddedEngine;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A path below the shared data, `None` (and a line that says so) where it is not beside the clone. CI must have it.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("APPORTION_SHARED").map_or_else(
        || Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")).to_owned(),
        |shared| PathBuf::from(shared).join("data"),
    );
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is not there, and CI must have it", found.display());
    println!("SKIPPED {path}: shared data not beside the clone");
    None
}

pub fn dimension(name: &str, aliases: &[(TagColumn, &[&str])]) -> Dimension {
    Dimension {
        name: name.to_owned(),
        mandatory: false,
        aliases: aliases.iter().map(|(column, keys)| (*column, keys.iter().map(|k| (*k).to_owned()).collect())).collect(),
        fold_case: true,
        canonical: vec![],
        value_aliases: BTreeMap::new(),
    }
}

/// Tags of the shared bills.
pub fn taxonomy() -> Taxonomy {
    let dimensions = vec![
        dimension(
            "cost_center",
            &[
                (TagColumn::Cur2ResourceTags, &["user_cost_center", "user_costcenter"]),
                (TagColumn::Cur2Tags, &["resourceTags/CostCenter"]),
                (TagColumn::FocusTags, &["CostCenter", "cost_center"]),
            ],
        ),
        dimension(
            "environment",
            &[(TagColumn::Cur2ResourceTags, &["user_environment", "user_env"]), (TagColumn::FocusTags, &["Environment", "env"])],
        ),
        dimension("team", &[(TagColumn::Cur2ResourceTags, &["user_team"]), (TagColumn::FocusTags, &["Owner"])]),
    ];
    Taxonomy { owner: "cost_center".to_owned(), dimensions }
}

pub fn table(format: BillFormat, files: &[PathBuf]) -> Table {
    Table::local(format, files.iter().cloned())
}

/// Runs SQL over a bill on a fresh engine.
pub async fn query(sql: &str, table: Table, threads: usize) -> Result<(Vec<String>, Vec<Row>), EngineError> {
    let engine = EmbeddedEngine::with_threads(threads);
    let statement = Statement { name: "test".to_owned(), sql: sql.to_owned(), tables: vec![table], lookups: vec![] };
    let id = engine.start(&statement, "token").await?;
    engine.rows(&id).await?.collect().await
}

/// The rollup of a bill, its rows read and its warnings.
pub async fn rollup_of(table: Table, taxonomy: &Taxonomy) -> Result<(Vec<RollupRow>, u64, Vec<String>), EngineError> {
    let sql = catalogue::render(catalogue::ROLLUP, taxonomy, table.format, &BTreeMap::new()).unwrap();
    let engine = EmbeddedEngine::with_threads(2);
    let statement = Statement { name: "rollup".to_owned(), sql, tables: vec![table], lookups: vec![] };
    let id = engine.start(&statement, "token").await?;
    let rows = rollup::read(engine.rows(&id).await?, taxonomy).await?;
    match engine.poll(&id).await? {
        Poll::Succeeded { rows_read, warnings, .. } => Ok((rows, rows_read, warnings)),
        other => panic!("{other:?}"),
    }
}
