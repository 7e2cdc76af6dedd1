//! What every cent does: money, period, organization tree, tags, rules, allocation, reconciliation, ledger.
//!
//! No I/O, no async, no clock, no environment, no randomness, no floating point but in the score of an anomaly: the same inputs give the same bytes.
//! Reading files is `config`'s and `store`'s work, running SQL `engine`'s, writing `output`'s.

pub mod allocate;
pub mod anomaly;
pub mod bill;
pub mod budget;
pub mod close;
pub mod day;
pub mod evaluation;
pub mod forecast;
pub mod hygiene;
pub mod ledger;
pub mod model;
pub mod money;
pub mod names;
pub mod org;
pub mod period;
pub mod reconcile;
pub mod season;
pub mod tags;
pub mod text;

/// Version of what a close writes. It rises whenever a golden byte changes; `verify` re-derives only its own version.
pub const OUTPUT_VERSION: u32 = 2;
