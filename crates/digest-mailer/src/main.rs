//! The morning's mail: the function as Lambda runs it.

use apportion_runtime::aws::serve;
use digest_mailer::{Context, Error, handle};
use std::process::ExitCode;

fn main() -> ExitCode {
    serve("digest-mailer", Context::from_environment, handle, Error::name)
}
