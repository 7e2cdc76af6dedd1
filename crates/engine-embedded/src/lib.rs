//! The query engine of a single machine: DataFusion over local Parquet, CSV and CSV.gz, with Trino's semantics.
//!
//! What differs from DataFusion as it comes: amounts turn into decimals by the shortest text and half away from zero, `sum`
//! fails on overflow, `element_at` gives a value and not a list, `trim` removes what Java's does. See `sql/README.md` for the
//! subset of SQL that this is true of.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod condense;
mod cooperate;
mod decimal;
mod engine;
mod error;
mod functions;
mod profile;
mod read;
pub mod resolve;
mod rows;
mod scan;
mod sum;
mod tag_chain;
mod to_decimal;
mod unordered;

pub use engine::EmbeddedEngine;
pub use error::{BillError, Place};
pub use profile::profile;
