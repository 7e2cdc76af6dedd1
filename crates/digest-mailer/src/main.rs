//! The morning's mail: the function as Lambda runs it.

use apportion_runtime::aws::serve;
use std::process::ExitCode;
use digest_mailer::{Context, Error, handle};

fn main() -> ExitCode {
    serve("digest-mailer", Context::from_environment, handle, Error::name)
}
