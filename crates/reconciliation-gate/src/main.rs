//! Readiness, freeze and proof: the function as Lambda runs it.

use apportion_runtime::aws::serve;
use reconciliation_gate::{Context, Error, handle};
use std::process::ExitCode;

fn main() -> ExitCode {
    serve("reconciliation-gate", Context::from_environment, handle, Error::name)
}
