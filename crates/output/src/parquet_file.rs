//! `ledger.parquet`: the same rows as `ledger.csv`, typed.
//!
//! Everything that could vary is fixed: batch and row group size, encodings, compression, `created_by`, no key-value metadata.

use crate::OutputError;
use crate::ledger::{key_of, leading_texts};
use apportion_core::ledger::{LEDGER_COLUMNS, LedgerRow};
use apportion_core::money::Money;
use apportion_core::period::Period;
use apportion_core::text::{Text, Texts};
use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{ArrayRef, Decimal128Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use std::cell::RefCell;
use std::sync::Arc;

const FILE: &str = "ledger.parquet";
const ROWS_A_BATCH: usize = 8_192;
const ROWS_A_GROUP: usize = 131_072;
/// Positions of `cash`, `effective` and `cents` in [`LEDGER_COLUMNS`].
const CASH: usize = 15;
const EFFECTIVE: usize = 16;
const CENTS: usize = 17;

/// Writes rows in the order given. `cash`, `effective`: DECIMAL(38,12); `cents`: DECIMAL(38,0); the rest text, never null.
pub fn ledger_parquet(period: Period, rows: &[LedgerRow]) -> Result<Vec<u8>, OutputError> {
    let failed = |error: &dyn std::fmt::Display| OutputError::file(FILE, error);
    let schema = Arc::new(schema());
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by("apportion".to_owned())
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROWS_A_GROUP))
        .set_write_batch_size(ROWS_A_BATCH)
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options).map_err(|error| failed(&error))?;
    let period = period.to_string();
    for rows in rows.chunks(ROWS_A_BATCH) {
        let batch = batch(&schema, &period, rows).map_err(|error| failed(&error))?;
        writer.write(&batch).map_err(|error| failed(&error))?;
    }
    writer.into_inner().map_err(|error| failed(&error))
}

fn schema() -> Schema {
    let fields = LEDGER_COLUMNS.iter().enumerate().map(|(index, name)| {
        let kind = match index {
            CASH | EFFECTIVE => DataType::Decimal128(38, 12),
            CENTS => DataType::Decimal128(38, 0),
            _ => DataType::Utf8,
        };
        Field::new(*name, kind, false)
    });
    Schema::new(fields.collect::<Vec<_>>())
}

fn batch(schema: &Arc<Schema>, period: &str, rows: &[LedgerRow]) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let text = |of: &dyn Fn(&LedgerRow) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(of))) };
    let number = |scale: i8, of: &dyn Fn(&LedgerRow) -> i128| -> Result<ArrayRef, arrow_schema::ArrowError> {
        let array = Decimal128Array::from_iter_values(rows.iter().map(of));
        Ok(Arc::new(array.with_precision_and_scale(38, scale)?))
    };
    let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from_iter_values(rows.iter().map(|_| period)))];
    columns.extend((0..14).map(|index| text(&|row| leading_texts(row)[index])));
    columns.push(number(12, &|row| row.cash.units())?);
    columns.push(number(12, &|row| row.effective.units())?);
    columns.push(number(0, &|row| row.cents)?);
    columns.push(text(&|row| &row.driver_value));
    columns.push(text(&|row| &row.driver_total));
    columns.push(text(&|row| &row.driver_unit));
    columns.push(text(&|row| &row.share));
    RecordBatch::try_new(schema.clone(), columns)
}

/// Reads what [`ledger_parquet`] wrote: the same period and rows. A ledger without rows has no period and is an error.
pub fn read_ledger_parquet(bytes: Vec<u8>) -> Result<(Period, Vec<LedgerRow>), OutputError> {
    let failed = |error: &dyn std::fmt::Display| OutputError::file(FILE, error);
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).map_err(|error| failed(&error))?;
    let names: Vec<&String> = builder.schema().fields().iter().map(|field| field.name()).collect();
    if names != LEDGER_COLUMNS {
        return Err(failed(&format!("its columns are {names:?}, expected {LEDGER_COLUMNS:?}")));
    }
    let mut found: Option<Period> = None;
    let mut rows = Vec::new();
    let texts_of_file = RefCell::new(Texts::default());
    for batch in builder.build().map_err(|error| failed(&error))? {
        let batch = batch.map_err(|error| failed(&error))?;
        let texts: Vec<Option<&StringArray>> = batch.columns().iter().map(|column| column.as_string_opt::<i32>()).collect();
        let numbers: Vec<_> = batch.columns().iter().map(|column| column.as_primitive_opt::<Decimal128Type>()).collect();
        for row in 0..batch.num_rows() {
            let text = |column: usize| texts[column].map(|array| texts_of_file.borrow_mut().get(array.value(row)));
            let number = |column: usize| numbers[column].map(|array| array.value(row));
            let (period, row) =
                read_row(text, number).ok_or_else(|| failed(&"a column has another type or word than expected"))?;
            if found.is_some_and(|first| first != period) {
                return Err(failed(&"it has rows of more than one period"));
            }
            found = Some(period);
            rows.push(row);
        }
    }
    Ok((found.ok_or_else(|| failed(&"it has no rows"))?, rows))
}

fn read_row(text: impl Fn(usize) -> Option<Text>, number: impl Fn(usize) -> Option<i128>) -> Option<(Period, LedgerRow)> {
    let mut leading: [Text; 14] = Default::default();
    for (index, slot) in leading.iter_mut().enumerate() {
        *slot = text(index + 1)?;
    }
    let row = LedgerRow {
        key: key_of(leading)?,
        cash: Money::from_units(number(CASH)?),
        effective: Money::from_units(number(EFFECTIVE)?),
        cents: number(CENTS)?,
        driver_value: text(18)?,
        driver_total: text(19)?,
        driver_unit: text(20)?,
        share: text(21)?,
    };
    Some((text(0)?.parse().ok()?, row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::{any_row, row};
    use crate::sha256_hex;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_are_golden() {
        let mut rows = vec![row(); 20_000];
        for (index, row) in rows.iter_mut().enumerate() {
            row.cents = index as i128;
            row.key.account_id = format!("{:012}", index * 7919 % 1_000_003).into();
        }
        let period = "2026-09".parse().unwrap();
        let bytes = ledger_parquet(period, &rows).unwrap();
        let again = std::thread::spawn({
            let rows = rows.clone();
            move || ledger_parquet(period, &rows).unwrap()
        });
        assert_eq!(sha256_hex(&bytes), sha256_hex(&again.join().unwrap()));
        assert_eq!(read_ledger_parquet(bytes).unwrap(), (period, rows));
    }

    #[test]
    fn cut_files_are_errors() {
        let bytes = ledger_parquet("2026-09".parse().unwrap(), &[row()]).unwrap();
        for length in 0..bytes.len() {
            assert!(read_ledger_parquet(bytes[..length].to_vec()).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn the_reader_is_the_exact_inverse(rows in proptest::collection::vec(any_row(), 1..6)) {
            let period: Period = "2026-09".parse().unwrap();
            let read = read_ledger_parquet(ledger_parquet(period, &rows).unwrap()).unwrap();
            prop_assert_eq!(read, (period, rows));
        }
    }
}
