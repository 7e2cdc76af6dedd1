//! One query for each format of a bill: started under a token of its own, then polled.

use crate::{Context, Error};
use apportion_core::close::Scan;
use apportion_engine::catalogue::CatalogueError;
use apportion_engine::schema::BillFormat;
use apportion_engine::{EngineError, ExecutionId, FailureClass, Notes, Poll, RowStream, Statement, Table, TableFile};
use apportion_output::sha256_hex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A query that was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Started {
    pub format: String,
    execution: String,
    token: String,
}

/// A statement of the catalogue and what makes its token: the inputs' digest and the attempt.
pub(crate) struct Query<'a> {
    pub name: &'a str,
    pub sql: &'a [(BillFormat, String)],
    pub inputs_digest: &'a str,
    pub attempt: u32,
    /// What of the notes about the bill the run keeps.
    pub notes: Notes,
}

/// A statement rendered for every format.
pub(crate) fn rendered(
    render: impl Fn(BillFormat) -> Result<String, CatalogueError>,
) -> Result<Vec<(BillFormat, String)>, Error> {
    let texts = BillFormat::ALL.into_iter().map(|format| render(format).map(|sql| (format, sql)));
    texts.collect::<Result<_, _>>().map_err(|error| Error::BadConfiguration(error.to_string()))
}

/// Starts the query for each format that has files.
pub(crate) async fn start(context: &Context, query: &Query<'_>, files: &[(String, TableFile)]) -> Result<Vec<Started>, Error> {
    let mut started = Vec::new();
    for (format, sql) in query.sql {
        let of_format = files.iter().filter(|(name, _)| name == format.as_str());
        let files: Vec<TableFile> = of_format.map(|(_, file)| file.clone()).collect();
        if files.is_empty() {
            continue;
        }
        let token = sha256_hex(format!("{}\n{}\n{}\n", query.inputs_digest, query.attempt, sql).as_bytes());
        let statement = Statement {
            name: format!("{}-{}", query.name, format.as_str()),
            sql: sql.clone(),
            tables: vec![Table { name: "bill".to_owned(), format: *format, files, notes: query.notes }],
            lookups: Vec::new(),
        };
        let execution = context.engine.start(&statement, &token).await.map_err(engine)?;
        started.push(Started { format: format.as_str().to_owned(), execution: execution.0, token });
    }
    Ok(started)
}

/// What all queries of a run came to, beside their rows.
#[derive(Default)]
pub(crate) struct Ended {
    pub warnings: BTreeSet<String>,
    pub scans: Vec<Scan>,
}

/// `None` while one query runs.
pub(crate) async fn poll(context: &Context, started: &[Started]) -> Result<Option<Ended>, Error> {
    let mut ended = Ended::default();
    for query in started {
        match context.engine.poll(&ExecutionId(query.execution.clone())).await.map_err(engine)? {
            Poll::Running { .. } => return Ok(None),
            Poll::Failed { class, message } => return Err(failed(class, message)),
            Poll::Succeeded { bytes_read, cost, warnings, .. } => {
                ended.warnings.extend(warnings);
                ended.scans.extend(cost.map(|cost| Scan { format: query.format.clone(), bytes: bytes_read, us_dollars: cost }));
            }
        }
    }
    Ok(Some(ended))
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
