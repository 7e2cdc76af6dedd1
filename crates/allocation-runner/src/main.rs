//! Rollup and allocation: the function as Lambda runs it.

use allocation_runner::{Context, Error, handle};
use apportion_runtime::aws::serve;
use std::process::ExitCode;

fn main() -> ExitCode {
    serve("allocation-runner", Context::from_environment, handle, Error::name)
}
