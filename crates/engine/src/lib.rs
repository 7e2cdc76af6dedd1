//! What a query engine is to Apportion: the declared columns of a bill, the SQL catalogue and its only renderer, the trait
//! that Athena's, Trino's and the embedded adapter implement, the reader of the rollup's result, and the conformance suite.
//!
//! Nothing here runs SQL. An adapter makes Trino's semantics hold where its engine differs; `conformance` proves that it does.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod binding;
pub mod catalogue;
mod columns;
pub mod conformance;
pub mod daily;
pub mod hygiene;
pub mod profile;
mod query;
pub mod rollup;
pub mod schema;
pub mod tables;
pub mod views;

pub use query::{
    Area, EngineError, ExecutionId, FailureClass, Lookup, Notes, Poll, QueryEngine, Row, RowStream, Statement, Stored, Table,
    TableFile, run,
};
