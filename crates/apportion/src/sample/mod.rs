//! `apportion sample`: an invented company's bill, with everything that a close needs and the truth to check it by.
//!
//! Writes CUR 2.0 exports in Data Exports layout, the organization, the invoices, the drivers, and under `truth/` what the
//! generator knows: exact totals, the owner of each resource, the spikes. The same options give the same bytes on every
//! machine: integers only, draws by counter, parts of fixed content whatever the number of threads. Described in
//! `docs/sample.md`.

mod amount;
mod calendar;
mod catalogue;
mod charges;
mod columns;
mod commitments;
mod company;
mod files;
mod identity;
mod plan;
mod population;
mod random;
mod totals;
mod usage;
mod write;

use apportion_core::money::Money;
use apportion_core::period::Period;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

pub use write::run;

/// Fewest and most of what the options take.
pub const MIN_ROWS: u64 = 500;
pub const MAX_ROWS: u64 = 1_000_000_000;
pub const MIN_ACCOUNTS: u32 = 6;
pub const MAX_ACCOUNTS: u32 = 50_000;
pub const MAX_MONTHS: u32 = 24;

/// What to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleOptions {
    /// About how many lines the last month has; earlier months have fewer, since resources are launched over time.
    pub rows: u64,
    pub accounts: u32,
    /// The last month.
    pub period: Period,
    /// How many months, ending with `period`.
    pub months: u32,
    pub seed: u64,
    pub out: PathBuf,
}

impl SampleOptions {
    fn check(&self) -> Result<(), SampleError> {
        if !(MIN_ROWS..=MAX_ROWS).contains(&self.rows) {
            return Err(SampleError::OutOfRange { option: "--rows", value: self.rows, least: MIN_ROWS, most: MAX_ROWS });
        }
        if !(MIN_ACCOUNTS..=MAX_ACCOUNTS).contains(&self.accounts) {
            let (value, least, most) = (u64::from(self.accounts), u64::from(MIN_ACCOUNTS), u64::from(MAX_ACCOUNTS));
            return Err(SampleError::OutOfRange { option: "--accounts", value, least, most });
        }
        if !(1..=MAX_MONTHS).contains(&self.months) {
            let (value, most) = (u64::from(self.months), u64::from(MAX_MONTHS));
            return Err(SampleError::OutOfRange { option: "--months", value, least: 1, most });
        }
        if !(2000..=2900).contains(&self.period.year()) {
            return Err(SampleError::Period(self.period));
        }
        Ok(())
    }
}

/// What was made, for the summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SampleReport {
    pub out: PathBuf,
    /// What `close --bill` takes.
    pub bill: PathBuf,
    pub organization: PathBuf,
    pub invoices: PathBuf,
    pub drivers: PathBuf,
    pub truth: PathBuf,
    pub months: Vec<MonthReport>,
}

/// One month of the sample; amounts are exact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MonthReport {
    pub period: Period,
    pub rows: u64,
    pub files: usize,
    pub invoices: usize,
    pub unblended: Money,
    pub effective: Money,
    /// Effective cost of usage lines, and how much of it has no cost center.
    pub usage: Money,
    pub untagged: Money,
    pub spikes: usize,
}

impl fmt::Display for SampleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for month in &self.months {
            let cents = Money::minor_to_string(month.unblended.round_to_minor(2), 2);
            writeln!(
                f,
                "{}  {} lines, {} files, {} invoices, {cents} USD",
                month.period, month.rows, month.files, month.invoices
            )?;
        }
        writeln!(f, "bill          {}", self.bill.display())?;
        writeln!(f, "organization  {}", self.organization.display())?;
        writeln!(f, "invoices      {}", self.invoices.display())?;
        writeln!(f, "drivers       {}", self.drivers.display())?;
        writeln!(f, "truth         {}", self.truth.display())
    }
}

/// Why no sample was made. Nothing is left half-written: the files appear all at once.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    #[error("{option} {value} is out of range: give {least} to {most}")]
    OutOfRange { option: &'static str, value: u64, least: u64, most: u64 },
    #[error("--period {0} is out of range: give a month from 2000-01 to 2900-12")]
    Period(Period),
    #[error("{} holds `{found}`, which `apportion sample` did not make: give an empty or new folder with --out", .out.display())]
    NotOurs { out: PathBuf, found: String },
    #[error("{} is not a folder: give another --out", .0.display())]
    NotAFolder(PathBuf),
    #[error("cannot write {}: {source}", .path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot write {}: {message}", .path.display())]
    Parquet { path: PathBuf, message: String },
}

#[cfg(test)]
mod tests;
