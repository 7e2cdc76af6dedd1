//! Statements, and their publication: the function as Lambda runs it, under two names.
//!
//! One package is deployed twice, `statement-renderer` without the right to sign and `statement-publisher` with it, told apart by the
//! setting APPORTION_PUBLISHES.

use apportion_runtime::aws::serve;
use apportion_runtime::optional_setting;
use statement_renderer::{Context, Error, handle, publish};
use std::process::ExitCode;

fn main() -> ExitCode {
    match optional_setting("APPORTION_PUBLISHES") {
        None => serve("statement-renderer", Context::from_environment, handle, Error::name),
        Some(_) => serve("statement-publisher", publish::Context::from_environment, publish::handle, publish::Error::name),
    }
}
