//! Findings, tickets and suggestions: the function as Lambda runs it.

use apportion_runtime::aws::serve;
use std::process::ExitCode;
use tag_hygiene::{Context, Error, handle};

fn main() -> ExitCode {
    serve("tag-hygiene", Context::from_environment, handle, Error::name)
}
