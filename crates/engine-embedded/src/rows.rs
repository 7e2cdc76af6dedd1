//! Record batches as rows of text.

use crate::engine::Spool;
use apportion_engine::{EngineError, Row, RowStream};
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::DataType;
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

/// Trino's name of the type that a column would have there.
pub(crate) fn trino_type(kind: &DataType) -> String {
    match kind {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => "integer".to_owned(),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "bigint".to_owned(),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "double".to_owned(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("decimal({precision},{scale})")
        }
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Timestamp(..) => "timestamp(3)".to_owned(),
        DataType::Map(..) => "map(varchar,varchar)".to_owned(),
        DataType::Null => "unknown".to_owned(),
        _ => "varchar".to_owned(),
    }
}
