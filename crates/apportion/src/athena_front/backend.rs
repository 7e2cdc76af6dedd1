//! What runs the queries of the front.

use super::embedded::Embedded;
use crate::failure::Failure;
use apportion_engine::{EngineError, RowStream};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// One of our engines, as far as SQL text goes.
pub enum Backend {
    Embedded(Embedded),
}

/// A result on its way.
pub struct Answer {
    /// Trino's name of each column's type.
    pub types: Vec<String>,
    pub rows: RowStream,
}

impl Backend {
    /// By the word of the command line.
    pub fn of(engine: &str, places: [Option<&str>; 2], s3: &aws_sdk_s3::Client) -> Result<Backend, Failure> {
        match engine {
            "embedded" => Embedded::new(places, s3.clone()).map(Backend::Embedded),
            other => Err(Failure::bad_input(format!("--engine {other}: embedded is the engine that there is"))),
        }
    }

    /// Whether text is a query at all; the error is a sentence.
    pub fn check(&self, sql: &str) -> Result<(), String> {
        match self {
            Backend::Embedded(embedded) => embedded.check(sql),
        }
    }

    /// Runs a query. `scanned` is to grow by the bytes that it reads, also while rows come. Dropping the rows ends it.
    pub async fn query(&self, sql: &str, _database: Option<&str>, scanned: Arc<AtomicU64>) -> Result<Answer, EngineError> {
        match self {
            Backend::Embedded(embedded) => embedded.query(sql, scanned).await,
        }
    }
}
