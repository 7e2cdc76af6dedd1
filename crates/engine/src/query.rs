//! The trait that every engine implements, and what passes through it.

use crate::schema::{BillFormat, FormatError};
use apportion_core::close::{BillFile, Layout, Located};
use apportion_core::hygiene::TagKeys;
use apportion_core::money::Money;
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A table that a statement reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Name in the SQL: `bill`.
    pub name: String,
    pub format: BillFormat,
    /// The bill's files, in any order: Parquet, CSV or CSV.gz by content, not by name.
    pub files: Vec<TableFile>,
    pub notes: Notes,
}

/// What of the notes about a bill ([`Poll::Succeeded`]) somebody will read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notes {
    /// Nothing: an engine that would have to ask for them need not.
    Unread,
    /// Cells that are odd but plain: words for nothing, a plus in an exponent.
    Cells,
    /// The same, and files that give one line id to more than one line (`BillFormat::line_id_column`), which costs a wide column.
    LineIds,
}

impl Table {
    /// A bill of files on this machine alone, which no engine has a table over.
    pub fn local(format: BillFormat, paths: impl IntoIterator<Item = PathBuf>) -> Table {
        let file = |path| TableFile { path: Some(path), stored: None };
        Table { name: "bill".to_owned(), format, files: paths.into_iter().map(file).collect(), notes: Notes::Unread }
    }

    /// A bill as it was delivered, one table a format; `path` says where on this machine a key of it lies, if it does.
    pub fn delivered(located: &Located, path: impl Fn(&str) -> Option<PathBuf>) -> Result<Vec<Table>, FormatError> {
        let mut by_format: BTreeMap<BillFormat, Vec<TableFile>> = BTreeMap::new();
        for file in &located.files {
            by_format.entry(file.format.parse()?).or_default().push(TableFile::delivered(path(&file.key), located, file));
        }
        let table = |(format, files)| Table { name: "bill".to_owned(), format, files, notes: Notes::Unread };
        Ok(by_format.into_iter().map(table).collect())
    }

    /// The paths of all files, for an engine that reads local files; an error that names the first that is not one.
    pub fn paths(&self) -> Result<Vec<PathBuf>, EngineError> {
        let path = |file: &TableFile| {
            file.path.clone().ok_or_else(|| EngineError::Failed {
                class: FailureClass::Statement,
                message: format!(
                    "`{}` is not a file on this machine, and the embedded engine reads nothing else: use Athena or Trino, or fetch the bill",
                    file.stored.as_ref().map_or("a file of the bill", |stored| stored.key.as_str())
                ),
            })
        };
        self.files.iter().map(path).collect()
    }
}

/// One file of a table, as each kind of engine finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFile {
    /// On this machine, if it is there: what the embedded engine reads.
    pub path: Option<PathBuf>,
    /// In a store that an engine has tables over ([`crate::binding`]), if it is in one.
    pub stored: Option<Stored>,
}

impl TableFile {
    /// A file of a bill where it was delivered; `path` if that is on this machine.
    pub fn delivered(path: Option<PathBuf>, located: &Located, file: &BillFile) -> TableFile {
        let layout = located.layout_of(file).cloned();
        TableFile { path, stored: layout.map(|layout| Stored { area: Area::Delivered, key: file.key.clone(), layout }) }
    }
}

/// Where the tables of `sql/schema` find a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub area: Area,
    /// Key in that area's store.
    pub key: String,
    pub layout: Layout,
}

/// Which store a file lies in, and so which set of tables covers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// The work store: frozen copies, a folder of which holds files of one layout and nothing else.
    Frozen,
    /// The bill's own store: files as they were delivered, in folders that may hold others too.
    Delivered,
}

/// A small table beside the bill, such as which account sits in which OU. An engine with tables of its own may read it from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// Name in the SQL: `account_ou_mapping`.
    pub name: String,
    /// Names compare without case, as those of a bill do.
    pub columns: Vec<String>,
    /// Text only, as wide as `columns`.
    pub rows: Vec<Vec<String>>,
}

/// Rendered SQL and what it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// For people: `rollup`.
    pub name: String,
    pub sql: String,
    pub tables: Vec<Table>,
    pub lookups: Vec<Lookup>,
}

/// Handle of one execution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutionId(pub String);

impl fmt::Display for ExecutionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whose fault a failure is, and so what the caller does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// The statement is wrong, or asks for a value that does not exist: retrying cannot help.
    Statement,
    /// The bill is wrong: the message names file, line or row, column and what to do.
    Bill,
    /// The engine is busy or throttles: retry later.
    Throttled,
    /// The engine failed for a reason of its own: retry.
    Internal,
    /// Somebody called `stop`.
    Stopped,
    /// It ran into a limit that was set for it, of bytes scanned or of time: retrying costs the same again and ends the same.
    CutOff,
}

impl fmt::Display for FailureClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            FailureClass::Statement => "statement",
            FailureClass::Bill => "bill",
            FailureClass::Throttled => "throttled",
            FailureClass::Internal => "internal",
            FailureClass::Stopped => "stopped",
            FailureClass::CutOff => "cut off",
        })
    }
}

/// State of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll {
    Running {
        /// Per cent, where the engine knows it.
        progress: Option<u8>,
    },
    Succeeded {
        bytes_read: u64,
        rows_read: u64,
        /// What whoever runs the engine asks for it, in US dollars; `None` where nobody charges by the query.
        cost: Option<Money>,
        /// What a person should know about the bill, such as numbers with a `+` in the exponent. Sorted.
        warnings: Vec<String>,
    },
    Failed {
        class: FailureClass,
        message: String,
    },
}

/// Why an engine could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    #[error("{message}")]
    Failed { class: FailureClass, message: String },
    #[error("there is no execution `{0}`: start the statement first")]
    UnknownExecution(String),
    #[error("token `{token}` was used for another statement (`{first}`): a token is a digest of what it stands for")]
    TokenReused { token: String, first: String },
    #[error("execution `{0}` has not finished: poll it until it has")]
    NotFinished(String),
    #[error("the result of `{statement}` is not what was expected: {what}; this is a defect of the SQL or of the engine")]
    Result { statement: String, what: String },
}

impl EngineError {
    /// Whose fault it is.
    pub fn class(&self) -> FailureClass {
        match self {
            EngineError::Failed { class, .. } => *class,
            EngineError::UnknownExecution(_) | EngineError::TokenReused { .. } | EngineError::NotFinished(_) => {
                FailureClass::Statement
            }
            EngineError::Result { .. } => FailureClass::Internal,
        }
    }
}

/// One result row: `None` is NULL; decimals as plain text, without an exponent.
pub type Row = Vec<Option<String>>;

/// A result: column names, then rows as they come.
pub struct RowStream {
    pub header: Vec<String>,
    pub rows: BoxStream<'static, Result<Row, EngineError>>,
}

impl RowStream {
    /// All rows at once, for small results.
    pub async fn collect(mut self) -> Result<(Vec<String>, Vec<Row>), EngineError> {
        let mut rows = Vec::new();
        while let Some(row) = self.rows.next().await {
            rows.push(row?);
        }
        Ok((self.header, rows))
    }
}

/// Runs SQL over a bill. Athena's way of working: start, poll, fetch.
#[async_trait]
pub trait QueryEngine: Send + Sync {
    /// Starts a statement. The same token gives the same execution, also one that failed; the caller forms it as a digest of
    /// inputs, rendered SQL and attempt. A statement that fails is not an error here: `poll` tells.
    async fn start(&self, statement: &Statement, token: &str) -> Result<ExecutionId, EngineError>;
    async fn poll(&self, id: &ExecutionId) -> Result<Poll, EngineError>;
    /// Stops it if it still runs.
    async fn stop(&self, id: &ExecutionId) -> Result<(), EngineError>;
    /// The result of an execution that succeeded, as often as asked for.
    async fn rows(&self, id: &ExecutionId) -> Result<RowStream, EngineError>;
    /// Every tag key of a bill with its values and the money on them, by the export's own columns. Listing keys takes `unnest` of a map,
    /// which the shared subset of SQL lacks, so each engine does it in its own way.
    async fn tag_keys(&self, bill: &Table) -> Result<TagKeys, EngineError>;
}

/// Starts a statement, waits for it by polling every `poll_seconds`, and opens its result; a failed one is an error here.
///
/// `wait` is the caller's sleep, since this crate brings no async runtime.
pub async fn run<W, F>(
    engine: &dyn QueryEngine,
    statement: &Statement,
    token: &str,
    poll_interval: Duration,
    wait: W,
) -> Result<RowStream, EngineError>
where
    W: Fn(Duration) -> F + Send,
    F: Future<Output = ()> + Send,
{
    let id = engine.start(statement, token).await?;
    loop {
        match engine.poll(&id).await? {
            Poll::Running { .. } => wait(poll_interval).await,
            Poll::Succeeded { .. } => return engine.rows(&id).await,
            Poll::Failed { class, message } => return Err(EngineError::Failed { class, message }),
        }
    }
}
