//! The query engine of an account: Athena by its API, results from its CSV objects in S3.
//!
//! It keeps no state: an execution is known by its id, so a Lambda starts a query and another one polls it. Tables are those of
//! `sql/schema`; how a statement is bound to them is `apportion_engine::binding`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod cost;
pub mod csv;
mod engine;
mod failure;
mod pause;
mod result;

pub use cost::cost;
pub use engine::{AthenaEngine, Settings};
pub use failure::{BAD_DATA, BYTES_LIMIT};
