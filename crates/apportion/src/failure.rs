//! How a command ends: the exit codes that scripts depend on.

use std::fmt;

/// A command that did not do what was asked, and the exit code that says why.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    pub message: String,
}

/// Anything else: a disk, an engine, a defect.
pub const OTHER: u8 = 1;
/// Bad input or configuration.
pub const BAD_INPUT: u8 = 2;
/// The bill is not final yet.
pub const NOT_READY: u8 = 3;
/// The ledger or the bill does not equal the invoices.
pub const DOES_NOT_RECONCILE: u8 = 4;
/// `verify`: the close does not hold.
pub const DOES_NOT_HOLD: u8 = 5;

impl Failure {
    pub fn new(code: u8, message: impl fmt::Display) -> Failure {
        Failure { code, message: message.to_string() }
    }

    pub fn bad_input(message: impl fmt::Display) -> Failure {
        Failure::new(BAD_INPUT, message)
    }

    pub fn other(message: impl fmt::Display) -> Failure {
        Failure::new(OTHER, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
