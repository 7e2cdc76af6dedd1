//! What runs the queries of the front.

use super::FrontArguments;
use super::embedded::Embedded;
use crate::engine::EngineName;
use crate::failure::Failure;
use apportion_engine::{EngineError, RowStream};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// One of our engines, as far as SQL text goes.
pub enum Backend {
    Embedded(Box<Embedded>),
    #[cfg(feature = "trino")]
    Trino(super::cluster::Cluster),
}

/// A result on its way.
pub struct Answer {
    /// Trino's name of each column's type.
    pub types: Vec<String>,
    pub rows: RowStream,
}

impl Backend {
    /// By the word of the command line.
    pub fn of(arguments: &FrontArguments, s3: &aws_sdk_s3::Client) -> Result<Backend, Failure> {
        match &arguments.engine {
            EngineName::Embedded => {
                let places = [arguments.work.as_deref(), arguments.bill.as_deref()];
                Embedded::new(places, s3.clone()).map(|embedded| Backend::Embedded(Box::new(embedded)))
            }
            #[cfg(feature = "trino")]
            EngineName::Trino(url) => super::cluster::Cluster::new(url, arguments).map(Backend::Trino),
            #[cfg(not(feature = "trino"))]
            EngineName::Trino(_) => {
                Err(Failure::bad_input("this apportion was built without Trino: build it with the feature trino"))
            }
            EngineName::Athena => {
                Err(Failure::bad_input("the front stands for Athena and needs another engine: embedded or trino=URL"))
            }
        }
    }

    /// Whether text is a query at all; the error is a sentence.
    pub fn check(&self, sql: &str) -> Result<(), String> {
        match self {
            Backend::Embedded(embedded) => embedded.check(sql),
            // Trino tells when it is asked; the execution fails then.
            #[cfg(feature = "trino")]
            Backend::Trino(_) => Ok(()),
        }
    }

    /// Runs a query. `scanned` is to grow by the bytes that it reads, also while rows come. Dropping the rows ends it.
    pub async fn query(&self, sql: &str, scanned: Arc<AtomicU64>) -> Result<Answer, EngineError> {
        match self {
            Backend::Embedded(embedded) => embedded.query(sql, scanned).await,
            #[cfg(feature = "trino")]
            Backend::Trino(cluster) => cluster.query(sql, scanned).await,
        }
    }
}
