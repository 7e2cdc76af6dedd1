//! The result of an execution as Athena's CSV: written once as its rows come, read page by page, put where the client asked.

use apportion_engine::{EngineError, FailureClass, Row, RowStream};
use apportion_engine_athena::csv::{Parser, write_row};
use futures::StreamExt;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Rows between two entries of the index.
const STRIDE: usize = 1000;
/// Bytes read at once.
const PIECE: usize = 64 * 1024;

/// A finished result, on disk.
#[derive(Debug, Clone)]
pub struct Spool {
    pub path: PathBuf,
    pub header: Vec<String>,
    /// Trino's names of the columns' types.
    pub types: Vec<String>,
    /// Data rows.
    pub rows: usize,
    pub bytes: u64,
    /// Where every thousandth row begins, the header being row 0.
    index: Vec<u64>,
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> EngineError {
    EngineError::Failed { class: FailureClass::Internal, message: format!("{}: {error}", path.display()) }
}

/// Writes a result to a file, holding one row at a time.
pub async fn write(path: PathBuf, types: Vec<String>, stream: RowStream) -> Result<Spool, EngineError> {
    let io = |error: std::io::Error| failed(&path, &error);
    let mut out = BufWriter::new(File::create(&path).map_err(io)?);
    let mut spool = Spool { path: path.clone(), header: stream.header, types, rows: 0, bytes: 0, index: vec![0] };
    let mut line = String::new();
    write_row(spool.header.iter().map(|name| Some(name.as_str())), &mut line);
    let mut rows = stream.rows;
    loop {
        out.write_all(line.as_bytes()).map_err(io)?;
        spool.bytes += line.len() as u64;
        line.clear();
        let Some(row) = rows.next().await else { break };
        write_row(row?.iter().map(Option::as_deref), &mut line);
        spool.rows += 1;
        if spool.rows.is_multiple_of(STRIDE) {
            spool.index.push(spool.bytes);
        }
    }
    out.flush().map_err(io)?;
    Ok(spool)
}

impl Spool {
    /// Rows from row `first` on, the header being row 0, at most `most`.
    pub fn page(&self, first: usize, most: usize) -> Result<Vec<Row>, EngineError> {
        let io = |error: std::io::Error| failed(&self.path, &error);
        let block = (first / STRIDE).min(self.index.len() - 1);
        let mut file = File::open(&self.path).map_err(io)?;
        file.seek(SeekFrom::Start(self.index[block])).map_err(io)?;
        let skip = first - block * STRIDE;
        let (mut parser, mut rows, mut piece) = (Parser::default(), Vec::new(), vec![0; PIECE]);
        while rows.len() < skip.saturating_add(most) {
            let length = file.read(&mut piece).map_err(io)?;
            let parsed = match length {
                0 => parser.finish(&mut rows),
                _ => parser.push(&piece[..length], &mut rows),
            };
            parsed.map_err(|error| failed(&self.path, &error))?;
            if length == 0 {
                break;
            }
        }
        Ok(rows.into_iter().skip(skip).take(most).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pages_are_the_rows_from_any_row_on() {
        let folder = tempfile::tempdir().unwrap();
        let row =
            |number: usize| vec![Some(number.to_string()), (!number.is_multiple_of(3)).then(|| "\"\n".repeat(number % 3 - 1))];
        let rows = futures::stream::iter((1..=2500).map(row).map(Ok)).boxed();
        let stream = RowStream { header: vec!["n".to_owned(), "t".to_owned()], rows };
        let types = vec!["bigint".to_owned(), "varchar".to_owned()];
        let spool = write(folder.path().join("a.csv"), types, stream).await.unwrap();
        assert_eq!(spool.rows, 2500);
        assert_eq!(spool.bytes, std::fs::metadata(&spool.path).unwrap().len());
        for (first, most) in [(1, 1), (1, 999), (999, 2), (1000, 1000), (1001, 5), (2499, 10), (2501, 10)] {
            let expected: Vec<Row> = (first..(first + most).min(2501)).map(row).collect();
            assert_eq!(spool.page(first, most).unwrap(), expected, "{most} from {first}");
        }
        assert_eq!(spool.page(0, 1).unwrap(), [[Some("n".to_owned()), Some("t".to_owned())]]);
    }
}
