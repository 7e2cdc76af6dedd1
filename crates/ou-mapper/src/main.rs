//! Which account sits in which organizational unit: the function as Lambda runs it.

use apportion_runtime::aws::serve;
use std::process::ExitCode;
use ou_mapper::{Context, Error, handle};

fn main() -> ExitCode {
    serve("ou-mapper", Context::from_environment, handle, Error::name)
}
