//! What the gate does on AWS alone: starts runs, keeps how they went, has them approved.
//!
//! | `pk` | `sk` | what |
//! |---|---|---|
//! | `GATE#<period>` | `offer` | what the last offer of the month came to |
//! | `RUN#<execution>` | `start` | what the execution was started with |
//! | `RUN#<execution>` | `step#<action>` | what a step of it came to |
//! | `RUN#<execution>` | `approval` | who was asked, and who said what |

mod approval;
mod offer;
mod start;

pub use approval::{Answer, Decision};
pub(crate) use approval::{approve, ask};
pub use offer::{OfferStatus, Offered, Request};
pub(crate) use offer::{offer, offer_day};
pub use start::Machine;

use crate::{Error, InvoiceSource, Output};
use apportion_core::close::Run;
use apportion_runtime::table::{DAY_SECONDS, Item, Table};
use apportion_store::Store;
use std::time::{SystemTime, UNIX_EPOCH};

/// Days after which DynamoDB may remove what is kept of a run.
const KEPT_DAYS: i64 = 400;

/// What the gate of a deployment works with beside its stores.
#[derive(Clone)]
pub struct Deployment {
    /// `closes/`, to know which months are closed.
    pub closes: Store,
    /// `configuration/` of the release.
    pub release: Store,
    pub invoices: InvoiceSource,
    pub table: Table,
    pub step_functions: aws_sdk_sfn::Client,
    pub month_end: Machine,
    pub daily: Option<Machine>,
    /// Whether a second person approves a close before it is published.
    pub is_approval_required: bool,
}

impl Deployment {
    /// Keeps what a step came to; steps of which a run has many are not kept.
    pub(crate) async fn keep(&self, action: &str, run: &Run, output: &Output) -> Result<(), Error> {
        let text = serde_json::to_string(output).map_err(|error| Error::Staging(error.to_string()))?;
        let item = Item::new(run_key(run.execution()), format!("step#{action}"));
        Ok(self.table.put(&kept(item.with("period", run.period.to_string()).with("output", text))).await?)
    }
}

fn run_key(execution: &str) -> String {
    format!("RUN#{execution}")
}

/// With the time after which it may go. Nothing but this goes by the clock.
fn kept(item: Item) -> Item {
    Item { ttl: Some(now_seconds() + KEPT_DAYS * DAY_SECONDS), ..item }
}

/// Seconds since 1970-01-01.
fn now_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
