//! Statements, and their publication: the function as Lambda runs it, under two names.
//!
//! One package is deployed twice, `statement-renderer` without the right to sign and `statement-publisher` with it, told apart by the
//! setting APPORTION_PUBLISHES. `cargo lambda watch` runs each program once: there, by `by-event`, one process is both.

use apportion_runtime::aws::serve;
use apportion_runtime::optional_setting;
use statement_renderer::{Context, Error, both, handle, publish};
use std::process::ExitCode;

fn main() -> ExitCode {
    match optional_setting("APPORTION_PUBLISHES").as_deref() {
        None => serve("statement-renderer", Context::from_environment, handle, Error::name),
        Some("by-event") => serve("statement-renderer", both::Context::from_environment, both::handle, both::Error::name),
        Some(_) => serve("statement-publisher", publish::Context::from_environment, publish::handle, publish::Error::name),
    }
}
