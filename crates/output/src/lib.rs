//! The files a close is made of: ledger as CSV and Parquet, pools, rollup, sums; and the headers of a bill's files.
//!
//! Every writer gives the same bytes for the same rows, in the order given (the rollup sorts, since its digest names the close).
//! Where files lie is the store's matter, what the rows say is core's.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod daily;
mod digest;
mod header;
mod ledger;
mod parquet_file;
mod pools;
mod rollup;
mod safe_csv;

pub use daily::{day_rows_csv, read_day_rows_csv};
pub use digest::{PACKAGE_FONTS, named_digest, parse_sums, sha256_hex, sums_file, template_digest};
pub use header::{Encoding, FileColumns, HEADER_BYTES, Held, columns_of, columns_of_footer, columns_of_start, footer_bytes};
pub use ledger::{ledger_csv, read_ledger_csv};
pub use parquet_file::{ledger_parquet, read_ledger_parquet};
pub use pools::{POOLS_COLUMNS, pools_csv, read_pools_csv};
pub use rollup::{ROLLUP_GRAIN, read_rollup_csv, rollup_csv};
pub use safe_csv::{SafeCsv, csv_columns, day_partition, one_line, plain_text, safe_text};

/// Why a file cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error("`{0}` is not a plain decimal number and cannot stand in a number column")]
    NotANumber(String),
    #[error("a row has {found} cells where the header has {expected}")]
    RowWidth { expected: usize, found: usize },
    #[error("{file}, line {line}: {what}")]
    Row { file: &'static str, line: u64, what: String },
    #[error("{file}: {what}")]
    File { file: String, what: String },
}

impl OutputError {
    pub(crate) fn file(file: impl Into<String>, what: impl std::fmt::Display) -> OutputError {
        OutputError::File { file: file.into(), what: what.to_string() }
    }
}
