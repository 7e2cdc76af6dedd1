//! Record batches as rows of text.

use crate::engine::Spool;
use apportion_engine::{EngineError, Row, RowStream};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, RecordBatch, StringViewArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::StreamExt;
use std::sync::Arc;

/// Rows made together: few, so that their texts find the memory of the last ones still warm.
const ROWS: usize = 256;

/// Rows made when asked for.
pub(crate) fn stream(spool: Arc<Spool>) -> RowStream {
    let header = spool.schema.fields().iter().map(|field| field.name().clone()).collect();
    let pieces = |(index, batch): (usize, &RecordBatch)| (0..batch.num_rows()).step_by(ROWS).map(move |from| (index, from));
    let pieces: Vec<(usize, usize)> = spool.batches.iter().enumerate().flat_map(pieces).collect();
    let rows = pieces.into_iter().flat_map(move |(index, from)| match spool.batches.get(index) {
        Some(batch) => texts(&batch.slice(from, ROWS.min(batch.num_rows() - from))),
        None => Vec::new(),
    });
    RowStream { header, rows: futures::stream::iter(rows).boxed() }
}

pub(crate) fn texts(batch: &RecordBatch) -> Vec<Result<Row, EngineError>> {
    let options = FormatOptions::default();
    let columns: Result<Vec<Cells<'_>>, ArrowError> = batch.columns().iter().map(|column| Cells::new(column, &options)).collect();
    let wrong = |error: ArrowError| EngineError::Result { statement: "result".to_owned(), what: error.to_string() };
    let columns = match columns {
        Ok(columns) => columns,
        Err(error) => return vec![Err(wrong(error))],
    };
    let row = |row: usize| columns.iter().map(|column| column.text(row).map_err(wrong)).collect();
    (0..batch.num_rows()).map(row).collect()
}

/// A column's cells as text; the usual types without the formatter's detours.
enum Cells<'a> {
    Texts(&'a StringViewArray),
    Decimals(&'a Decimal128Array, ArrayFormatter<'a>),
    Any(&'a dyn Array, ArrayFormatter<'a>),
}

impl<'a> Cells<'a> {
    fn new(array: &'a ArrayRef, options: &FormatOptions<'a>) -> Result<Cells<'a>, ArrowError> {
        Ok(match array.data_type() {
            DataType::Utf8View => Cells::Texts(array.as_string_view()),
            DataType::Decimal128(_, 12) => Cells::Decimals(array.as_primitive(), ArrayFormatter::try_new(array, options)?),
            _ => Cells::Any(array, ArrayFormatter::try_new(array, options)?),
        })
    }

    fn text(&self, row: usize) -> Result<Option<String>, ArrowError> {
        let formatter = match self {
            Cells::Texts(array) => return Ok(array.is_valid(row).then(|| array.value(row).to_owned())),
            Cells::Decimals(array, _) if array.is_null(row) => return Ok(None),
            Cells::Decimals(array, formatter) => match i64::try_from(array.value(row)) {
                Ok(units) => return Ok(Some(money(units))),
                Err(_) => formatter,
            },
            Cells::Any(array, _) if array.is_null(row) => return Ok(None),
            Cells::Any(_, formatter) => formatter,
        };
        formatter.value(row).try_to_string().map(Some)
    }
}

/// Units of 1e-12 as a decimal with twelve places.
fn money(units: i64) -> String {
    let (mut left, mut at) = (units.unsigned_abs(), 24);
    let mut text = [b'0'; 24];
    while left > 0 || at > 10 {
        at -= 1;
        // The point stands before the last twelve digits.
        if at == 11 {
            text[at] = b'.';
        } else {
            text[at] = b'0' + (left % 10) as u8;
            left /= 10;
        }
    }
    let sign = if units < 0 { "-" } else { "" };
    [sign].into_iter().chain(std::str::from_utf8(&text[at..])).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_twelve_places() {
        for (units, text) in [
            (0, "0.000000000000"),
            (-1, "-0.000000000001"),
            (1_500_000_000_000, "1.500000000000"),
            (-12_000_000_000_003, "-12.000000000003"),
            (i64::MAX, "9223372.036854775807"),
            (i64::MIN, "-9223372.036854775808"),
        ] {
            assert_eq!(money(units), text);
        }
    }
}
