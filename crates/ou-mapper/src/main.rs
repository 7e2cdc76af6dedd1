//! Which account sits in which organizational unit: the function as Lambda runs it.

use apportion_runtime::aws::serve;
use ou_mapper::{Context, Error, handle};
use std::process::ExitCode;

fn main() -> ExitCode {
    serve("ou-mapper", Context::from_environment, handle, Error::name)
}
