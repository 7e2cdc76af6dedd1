//! One query for each format of a bill: started under a token of its own, then polled.

use crate::{Context, Error};
use apportion_core::tags::Taxonomy;
use apportion_engine::schema::BillFormat;
use apportion_engine::{EngineError, ExecutionId, FailureClass, Poll, RowStream, Statement, Table, TableFile, catalogue};
use apportion_output::sha256_hex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A query that was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Started {
    pub format: String,
    execution: String,
    token: String,
}

/// A statement of the catalogue, the taxonomy that renders it, and what makes its token: the inputs' digest and the attempt.
pub(crate) struct Query<'a> {
    pub query: catalogue::Query,
    pub taxonomy: &'a Taxonomy,
    pub inputs_digest: &'a str,
    pub attempt: u32,
    /// Whether line ids that a file repeats are reported: costs a wide column.
    pub report_repeats: bool,
}

/// Starts the query for each format that has files.
pub(crate) async fn start(context: &Context, query: &Query<'_>, files: &[(String, TableFile)]) -> Result<Vec<Started>, Error> {
    let mut started = Vec::new();
    for format in BillFormat::ALL {
        let of_format = files.iter().filter(|(name, _)| name == format.as_str());
        let files: Vec<TableFile> = of_format.map(|(_, file)| file.clone()).collect();
        if files.is_empty() {
            continue;
        }
        let rendered = context.catalogue.render(query.query, query.taxonomy, format, &BTreeMap::new());
        let sql = rendered.map_err(|error| Error::BadConfiguration(error.to_string()))?;
        let token = sha256_hex(format!("{}\n{}\n{}\n", query.inputs_digest, query.attempt, sql).as_bytes());
        let statement = Statement {
            name: format!("{}-{}", query.query.name(), format.as_str()),
            sql,
            tables: vec![Table { name: "bill".to_owned(), format, files, report_repeats: query.report_repeats }],
            lookups: Vec::new(),
        };
        let execution = context.engine.start(&statement, &token).await.map_err(engine)?;
        started.push(Started { format: format.as_str().to_owned(), execution: execution.0, token });
    }
    Ok(started)
}

/// Warnings of all queries once every one has succeeded, `None` while one runs.
pub(crate) async fn poll(context: &Context, started: &[Started]) -> Result<Option<BTreeSet<String>>, Error> {
    let mut warnings = BTreeSet::new();
    for query in started {
        match context.engine.poll(&ExecutionId(query.execution.clone())).await.map_err(engine)? {
            Poll::Running { .. } => return Ok(None),
            Poll::Failed { class, message } => return Err(failed(class, message)),
            Poll::Succeeded { warnings: found, .. } => warnings.extend(found),
        }
    }
    Ok(Some(warnings))
}

pub(crate) async fn rows(context: &Context, query: &Started) -> Result<RowStream, Error> {
    context.engine.rows(&ExecutionId(query.execution.clone())).await.map_err(engine)
}

pub(crate) fn engine(error: EngineError) -> Error {
    failed(error.class(), error.to_string())
}

fn failed(class: FailureClass, message: String) -> Error {
    match class {
        FailureClass::Bill => Error::BadBill(message),
        FailureClass::Throttled => Error::QueryThrottled(message),
        _ => Error::QueryFailed(message),
    }
}
