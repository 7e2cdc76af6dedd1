//! Record batches as rows of text.

use crate::engine::Spool;
use apportion_engine::{EngineError, Row, RowStream};
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::StreamExt;
use std::sync::Arc;

/// Rows made when asked for, batch after batch.
pub(crate) fn stream(spool: Arc<Spool>) -> RowStream {
    let header = spool.schema.fields().iter().map(|field| field.name().clone()).collect();
    let batches = (0..spool.batches.len()).map(move |index| match spool.batches.get(index) {
        Some(batch) => texts(batch),
        None => Vec::new(),
    });
    RowStream { header, rows: futures::stream::iter(batches.flatten()).boxed() }
}

pub(crate) fn texts(batch: &RecordBatch) -> Vec<Result<Row, EngineError>> {
    let options = FormatOptions::default();
    let wrong = |what: String| EngineError::Result { statement: "result".to_owned(), what };
    let formatters: Result<Vec<_>, _> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options)).collect();
    let formatters = match formatters {
        Ok(formatters) => formatters,
        Err(error) => return vec![Err(wrong(error.to_string()))],
    };
    let cell = |row: usize, column: &Arc<dyn Array>, formatter: &ArrayFormatter<'_>| {
        if column.is_null(row) {
            return Ok(None);
        }
        formatter.value(row).try_to_string().map(Some).map_err(|error| wrong(error.to_string()))
    };
    let row =
        |row: usize| batch.columns().iter().zip(&formatters).map(|(column, formatter)| cell(row, column, formatter)).collect();
    (0..batch.num_rows()).map(row).collect()
}
