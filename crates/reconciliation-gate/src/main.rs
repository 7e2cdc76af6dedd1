//! Readiness, freeze and proof: the function as Lambda runs it.

use apportion_runtime::aws::serve;
use std::process::ExitCode;
use reconciliation_gate::{Context, Error, handle};

fn main() -> ExitCode {
    serve("reconciliation-gate", Context::from_environment, handle, Error::name)
}
