//! A Trino cluster of one's own as a query engine.
//!
//! Trino works on a statement only while its client follows it, so [`TrinoEngine::start`] leaves a task that does, and keeps the rows in a
//! temporary file: memory does not grow with the result, and `rows` may be asked for as often as one likes. Statements become Trino's by
//! `apportion_engine::binding`; its tables are those of `sql/schema`, which [`TrinoEngine::create_tables`] makes.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod engine;
mod error;
mod follow;
mod settings;
mod spool;

pub use engine::{Progress, TrinoEngine};
pub use settings::{Credentials, Settings, SettingsError};
