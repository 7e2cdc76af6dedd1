//! What is wrong with a bill, and how a DataFusion error becomes a class and a message.

use apportion_engine::schema::SchemaError;
use apportion_engine::{EngineError, FailureClass};
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// One-based row of a Parquet file.
    Row(u64),
    /// One-based line of a CSV file, the header being line 1.
    Line(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Row(row) => write!(formatter, "row {row}"),
            Place::Line(line) => write!(formatter, "line {line}"),
        }
    }
}

/// A bill that cannot be read, or not without guessing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BillError {
    #[error("{}: cannot be opened: {what}", file.display())]
    Open { file: PathBuf, what: String },
    #[error("{}: is cut off or corrupt: {what} — fetch the file again and compare its checksum", file.display())]
    Corrupt { file: PathBuf, what: String },
    #[error("{}: {error}", file.display())]
    Schema { file: PathBuf, error: SchemaError },
    #[error("{}: column {column} holds {found}, and {wanted} is needed — export it as such", file.display())]
    Type { file: PathBuf, column: String, found: String, wanted: &'static str },
    #[error("{}: {place}, column {column}: {what}", file.display())]
    Value { file: PathBuf, place: Place, column: String, what: String },
    #[error("{}: {place}: {what}", file.display())]
    Csv { file: PathBuf, place: Place, what: String },
    #[error(
        "{}: {place}: a {line_type} line, but the file has no column {column}, where its cost stands — \
         add the column to the export and export again", file.display()
    )]
    NeededColumn { file: PathBuf, place: Place, line_type: String, column: &'static str },
    #[error("table {0} names no file — give a bill")]
    NoFiles(String),
}

impl BillError {
    pub(crate) fn corrupt(file: &Path, what: impl fmt::Display) -> Self {
        BillError::Corrupt { file: file.to_owned(), what: what.to_string() }
    }

    pub(crate) fn value(file: &Path, place: Place, column: &str, what: impl Into<String>) -> Self {
        BillError::Value { file: file.to_owned(), place, column: column.to_owned(), what: what.into() }
    }
}

impl From<BillError> for EngineError {
    fn from(error: BillError) -> Self {
        EngineError::Failed { class: FailureClass::Bill, message: error.to_string() }
    }
}

impl From<BillError> for DataFusionError {
    fn from(error: BillError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

/// Whose fault a DataFusion error is, and what to tell.
pub(crate) fn classify(error: &DataFusionError) -> (FailureClass, String) {
    let root = error.find_root();
    if let Some(bill) = bill_error(root) {
        return (FailureClass::Bill, bill.to_string());
    }
    let class = match root {
        DataFusionError::IoError(_)
        | DataFusionError::ResourcesExhausted(_)
        | DataFusionError::Internal(_)
        | DataFusionError::ExecutionJoin(_) => FailureClass::Internal,
        _ => FailureClass::Statement,
    };
    (class, root.strip_backtrace())
}

fn bill_error(error: &DataFusionError) -> Option<&BillError> {
    match error {
        DataFusionError::External(inner) => inner.downcast_ref::<BillError>(),
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::ExternalError(inner) => inner.downcast_ref::<BillError>(),
            _ => None,
        },
        _ => None,
    }
}
