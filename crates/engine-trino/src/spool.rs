//! A result on disk: written once while Trino gives it, read as often as asked for. One line of JSON a row.

use apportion_engine::{EngineError, FailureClass, Row, RowStream};
use futures::StreamExt;
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use tempfile::NamedTempFile;

/// Being written.
pub(crate) struct Writer {
    file: BufWriter<NamedTempFile>,
}

/// Written; the file goes with the last one who holds it.
#[derive(Debug)]
pub(crate) struct Spool {
    header: Vec<String>,
    /// Trino's names of the columns' types.
    pub types: Vec<String>,
    file: NamedTempFile,
}

/// What a cell is as text: Trino gives decimals, dates and text as JSON text, numbers and booleans as themselves.
fn cell(value: Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(value) => Ok(Some(value.to_string())),
        Value::Array(_) | Value::Object(_) => Err("a column of the result is a list, a map or a row".to_owned()),
    }
}

impl Writer {
    pub fn new() -> io::Result<Writer> {
        Ok(Writer { file: BufWriter::with_capacity(1 << 16, NamedTempFile::new()?) })
    }

    pub fn row(&mut self, row: Vec<Value>) -> Result<(), String> {
        let row: Row = row.into_iter().map(cell).collect::<Result<_, _>>()?;
        serde_json::to_writer(&mut self.file, &row).map_err(|error| error.to_string())?;
        self.file.write_all(b"\n").map_err(|error| error.to_string())
    }

    pub fn finish(self, header: Vec<String>, types: Vec<String>) -> Result<Spool, String> {
        let file = self.file.into_inner().map_err(|error| error.to_string())?;
        Ok(Spool { header, types, file })
    }
}

impl Spool {
    /// The rows from the first on.
    pub fn rows(&self) -> Result<RowStream, EngineError> {
        let failed = |error: io::Error| EngineError::Failed {
            class: FailureClass::Internal,
            message: format!("the temporary file of a result cannot be read: {error}"),
        };
        let lines = Lines { file: BufReader::with_capacity(1 << 16, self.file.reopen().map_err(failed)?) };
        Ok(RowStream { header: self.header.clone(), rows: futures::stream::iter(lines).boxed() })
    }
}

struct Lines {
    file: BufReader<File>,
}

impl Iterator for Lines {
    type Item = Result<Row, EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = String::new();
        let wrong = |what: String| EngineError::Result { statement: "result".to_owned(), what };
        match self.file.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).map_err(|error| wrong(error.to_string()))),
            Err(error) => Some(Err(wrong(error.to_string()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn rows_come_back_as_often_as_asked_for() {
        let mut writer = Writer::new().unwrap();
        writer.row(vec![json!("a\n\"b\""), json!(null), json!(12), json!(true)]).unwrap();
        writer.row(vec![json!(""), json!("0.100000000000"), json!(-9_007_199_254_740_993_i64), json!(false)]).unwrap();
        assert!(writer.row(vec![json!([1])]).is_err());
        let spool = writer.finish(vec!["a".to_owned()], Vec::new()).unwrap();
        let text = |text: &str| Some(text.to_owned());
        for _ in 0..2 {
            let (header, rows) = spool.rows().unwrap().collect().await.unwrap();
            assert_eq!(header, ["a"]);
            assert_eq!(rows[0], [text("a\n\"b\""), None, text("12"), text("true")]);
            assert_eq!(rows[1], [text(""), text("0.100000000000"), text("-9007199254740993"), text("false")]);
        }
    }
}
