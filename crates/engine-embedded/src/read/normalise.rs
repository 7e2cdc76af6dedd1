//! Whatever type a Parquet file gives a column, as its declared type, or an error that says what to do.

use super::Wanted;
use super::maps::MapBuilder;
use super::times::parse_millis;
use crate::decimal::{self, DecimalError, MAX_DOUBLE, WIDE_SCALE};
use crate::error::{BillError, Place};
use apportion_engine::schema::ColumnType;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, PrimitiveArray, StringViewArray, TimestampMillisecondArray,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float32Type,
    Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use std::path::Path;
use std::sync::Arc;

/// Whose cells are normalised, for messages.
pub(crate) struct Cells<'a> {
    pub file: &'a Path,
    pub column: &'a str,
    /// One-based row of the first cell.
    pub first: u64,
}

impl Cells<'_> {
    fn value(&self, index: usize, what: impl Into<String>) -> BillError {
        BillError::value(self.file, Place::Row(self.first + index as u64), self.column, what)
    }

    fn wrong_type(&self, found: &DataType, wanted: &'static str) -> BillError {
        BillError::Type { file: self.file.to_owned(), column: self.column.to_owned(), found: format!("{found}"), wanted }
    }

    fn amount(&self, index: usize, shown: impl std::fmt::Display, error: DecimalError) -> BillError {
        match error {
            DecimalError::NotANumber => {
                self.value(index, format!("`{shown}` is not an amount — ask the exporter for the right value"))
            }
            DecimalError::TooLarge => self.value(
                index,
                format!("`{shown}` is beyond 1e15, which no bill line can cost — ask the exporter for the right value"),
            ),
        }
    }
}

pub(crate) fn normalise(array: &ArrayRef, wanted: &Wanted, cells: &Cells<'_>) -> Result<ArrayRef, BillError> {
    if array.data_type() == &DataType::Null {
        return Ok(datafusion::arrow::array::new_null_array(&wanted.data_type, array.len()));
    }
    match wanted.column.kind {
        ColumnType::Text => text(array, wanted, cells),
        ColumnType::Double if wanted.data_type == DataType::Float64 => doubles(array, cells),
        ColumnType::Double => wide_decimals(array, cells),
        ColumnType::Timestamp => timestamps(array, cells),
        ColumnType::TextMap => maps(array, wanted, cells),
    }
}

fn cast(array: &ArrayRef, to: &DataType, cells: &Cells<'_>) -> Result<ArrayRef, BillError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, to, &options)
        .map_err(|error| BillError::corrupt(cells.file, format!("column {}: {error}", cells.column)))
}

fn text(array: &ArrayRef, wanted: &Wanted, cells: &Cells<'_>) -> Result<ArrayRef, BillError> {
    match array.data_type() {
        kind if *kind == wanted.data_type => Ok(Arc::clone(array)),
        DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8 | DataType::Dictionary(_, _) => {
            cast(array, &wanted.data_type, cells)
        }
        // An account id that a tool took for a number.
        kind if kind.is_integer() => cast(&cast(array, &DataType::Utf8, cells)?, &wanted.data_type, cells),
        kind => Err(cells.wrong_type(kind, "text")),
    }
}

/// Doubles stay doubles; each is finite and not absurd.
fn doubles(array: &ArrayRef, cells: &Cells<'_>) -> Result<ArrayRef, BillError> {
    let array = match array.data_type() {
        DataType::Float64 => Arc::clone(array),
        DataType::Float32 => widened(array),
        kind => return Err(cells.wrong_type(kind, "a double or a decimal")),
    };
    let values = array.as_primitive::<Float64Type>();
    let is_wrong = |value: &f64| value.is_nan() || value.abs() > MAX_DOUBLE;
    // Without a stop at the first, so that several are looked at at once.
    if values.values().iter().fold(false, |wrong, value| wrong | is_wrong(value))
        && let Some((index, value)) = values.iter().enumerate().find_map(|(index, value)| Some((index, value.filter(is_wrong)?)))
    {
        let error = if value.is_finite() { DecimalError::TooLarge } else { DecimalError::NotANumber };
        return Err(cells.amount(index, value, error));
    }
    Ok(array)
}

/// A float is the double of its own shortest text: 0.1 stays 0.1.
fn widened(array: &ArrayRef) -> ArrayRef {
    let widen = |value: f32| ryu::Buffer::new().format(value).parse().unwrap_or(f64::from(value));
    Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float64Type>(widen)) as Arc<Float64Array>
}

/// Every value to units of 1e-20, see `decimal::amount_from_text`.
fn wide_decimals(array: &ArrayRef, cells: &Cells<'_>) -> Result<ArrayRef, BillError> {
    let units = match array.data_type() {
        DataType::Float32 | DataType::Float64 => {
            let array = if array.data_type() == &DataType::Float32 { widened(array) } else { Arc::clone(array) };
            each::<Float64Type>(array.as_primitive(), cells, decimal::amount_from_double)?
        }
        DataType::Decimal32(_, scale) => {
            let scale = i32::from(*scale);
            each::<Decimal32Type>(array.as_primitive(), cells, |value| decimal::amount_from_decimal(i128::from(value), scale))?
        }
        DataType::Decimal64(_, scale) => {
            let scale = i32::from(*scale);
            each::<Decimal64Type>(array.as_primitive(), cells, |value| decimal::amount_from_decimal(i128::from(value), scale))?
        }
        DataType::Decimal128(_, scale) => {
            let scale = i32::from(*scale);
            each::<Decimal128Type>(array.as_primitive(), cells, |value| decimal::amount_from_decimal(value, scale))?
        }
        DataType::Decimal256(_, scale) => {
            let scale = i32::from(*scale);
            each::<Decimal256Type>(array.as_primitive(), cells, |value| {
                value.to_i128().ok_or(DecimalError::TooLarge).and_then(|value| decimal::amount_from_decimal(value, scale))
            })?
        }
        kind if kind.is_integer() => {
            let array = cast(array, &DataType::Int64, cells)?;
            each::<Int64Type>(array.as_primitive(), cells, |value| decimal::amount_from_decimal(i128::from(value), 0))?
        }
        kind => return Err(cells.wrong_type(kind, "a double or a decimal")),
    };
    let array: Decimal128Array = units;
    array
        .with_precision_and_scale(38, WIDE_SCALE as i8)
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| BillError::corrupt(cells.file, error))
}

fn each<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    cells: &Cells<'_>,
    convert: impl Fn(T::Native) -> Result<i128, DecimalError>,
) -> Result<Decimal128Array, BillError> {
    let mut out = Vec::with_capacity(array.len());
    for (index, value) in array.iter().enumerate() {
        out.push(match value {
            Some(value) => convert(value).map_err(|error| cells.amount(index, format_args!("{value:?}"), error))?,
            None => 0,
        });
    }
    Ok(Decimal128Array::new(out.into(), array.nulls().cloned()))
}

fn timestamps(array: &ArrayRef, cells: &Cells<'_>) -> Result<ArrayRef, BillError> {
    let millis: TimestampMillisecondArray = match array.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, None) => return Ok(Arc::clone(array)),
        DataType::Timestamp(TimeUnit::Second, _) => {
            array.as_primitive::<TimestampSecondType>().unary(|value| value.saturating_mul(1000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => array.as_primitive::<TimestampMillisecondType>().unary(|value| value),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            array.as_primitive::<TimestampMicrosecondType>().unary(|value| value.div_euclid(1000))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            array.as_primitive::<TimestampNanosecondType>().unary(|value| value.div_euclid(1_000_000))
        }
        DataType::Date32 => array.as_primitive::<Date32Type>().unary(|value| i64::from(value) * 86_400_000),
        DataType::Utf8View => {
            let mut out = Vec::with_capacity(array.len());
            for (index, value) in array.as_string_view().iter().enumerate() {
                let read = |text: &str| {
                    parse_millis(text.as_bytes()).ok_or_else(|| {
                        let shown: String = text.chars().take(40).collect();
                        cells.value(index, format!("`{shown}` is not a timestamp — write ISO 8601 such as 2026-09-01T00:00:00Z"))
                    })
                };
                out.push(value.filter(|text| !text.is_empty()).map(read).transpose()?);
            }
            out.into()
        }
        kind => return Err(cells.wrong_type(kind, "a timestamp")),
    };
    Ok(Arc::new(millis))
}

fn maps(array: &ArrayRef, wanted: &Wanted, cells: &Cells<'_>) -> Result<ArrayRef, BillError> {
    match array.data_type() {
        DataType::Map(entries, _) => {
            let DataType::Struct(pair) = entries.data_type() else {
                return Err(cells.wrong_type(array.data_type(), "a map of text to text"));
            };
            let is_text = |field: &datafusion::arrow::datatypes::FieldRef| {
                matches!(field.data_type(), DataType::Utf8 | DataType::Utf8View | DataType::Dictionary(_, _))
            };
            if !pair.iter().all(is_text) {
                return Err(cells.wrong_type(array.data_type(), "a map of text to text"));
            }
            renamed(array, wanted, cells)
        }
        DataType::Utf8View => json_maps(array.as_string_view(), cells),
        kind => Err(cells.wrong_type(kind, "a map of text to text")),
    }
}

/// The same map under our field names: writers call entries, key and value as they like.
fn renamed(array: &ArrayRef, wanted: &Wanted, cells: &Cells<'_>) -> Result<ArrayRef, BillError> {
    if array.data_type() == &wanted.data_type {
        return Ok(Arc::clone(array));
    }
    cast(array, &wanted.data_type, cells)
}

fn json_maps(texts: &StringViewArray, cells: &Cells<'_>) -> Result<ArrayRef, BillError> {
    let mut builder = MapBuilder::default();
    for (index, text) in texts.iter().enumerate() {
        match text {
            None | Some("") => builder.append_null(),
            Some(text) => builder.append_json(text.as_bytes()).map_err(|what| cells.value(index, what))?,
        }
    }
    builder.finish().map_err(|error| BillError::corrupt(cells.file, error))
}
