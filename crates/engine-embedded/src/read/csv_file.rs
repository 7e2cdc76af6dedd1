//! CSV and CSV.gz: own reader, so that an amount goes from its text to a decimal and every error has a line.

use super::maps::{MapBuilder, shown};
use super::times::parse_millis;
use super::{Wanted, Warnings, dictionary_type};
use crate::decimal::{DecimalError, WIDE_SCALE, amount_from_text};
use crate::error::{BillError, Place};
use apportion_engine::schema::ColumnType;
use csv::ByteRecord;
use datafusion::arrow::array::{
    ArrayRef, Decimal128Builder, RecordBatch, RecordBatchOptions, StringDictionaryBuilder, StringViewBuilder,
    TimestampMillisecondBuilder, new_null_array,
};
use datafusion::arrow::datatypes::{Field, Int32Type, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Reader = csv::Reader<Box<dyn Read + Send>>;

#[derive(Debug)]
pub(crate) struct CsvFile {
    gzip: bool,
    columns: Vec<String>,
}

const PLUS: &str = "amounts with `+` in the exponent, which FOCUS forbids to write; they were read";
const NULL_WORDS: &str = "cells hold the word null instead of nothing; they were read as absent";

fn reader(path: &Path, gzip: bool) -> Result<Reader, BillError> {
    let file = File::open(path).map_err(|error| BillError::Open { file: path.to_owned(), what: error.to_string() })?;
    let file = BufReader::with_capacity(1 << 18, file);
    let inner: Box<dyn Read + Send> =
        if gzip { Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(file))) } else { Box::new(file) };
    Ok(csv::ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(1 << 16).from_reader(inner))
}

fn csv_error(path: &Path, line: u64, error: &csv::Error) -> BillError {
    match error.kind() {
        csv::ErrorKind::Io(error) => BillError::corrupt(path, error),
        _ => BillError::Csv { file: path.to_owned(), place: Place::Line(line), what: error.to_string() },
    }
}

impl CsvFile {
    pub fn open(path: &Path, gzip: bool) -> Result<CsvFile, BillError> {
        let mut header = ByteRecord::new();
        let found = reader(path, gzip)?.read_byte_record(&mut header).map_err(|error| csv_error(path, 1, &error))?;
        if !found {
            return Err(BillError::corrupt(path, "the file is empty, not even a header is there"));
        }
        let mut columns = Vec::with_capacity(header.len());
        for (index, name) in header.iter().enumerate() {
            let name = std::str::from_utf8(name).map_err(|_| BillError::Csv {
                file: path.to_owned(),
                place: Place::Line(1),
                what: format!("name {} of the header is not UTF-8 — export the bill as CSV, gzipped CSV or Parquet", index + 1),
            })?;
            let name = if index == 0 { name.trim_start_matches('\u{feff}') } else { name };
            columns.push(name.to_owned());
        }
        Ok(CsvFile { gzip, columns })
    }

    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    pub fn read(
        &self,
        path: &Path,
        wanted: &Arc<[Wanted]>,
        batch_rows: usize,
        warnings: Arc<Warnings>,
    ) -> Result<CsvBatches, BillError> {
        let mut reader = reader(path, self.gzip)?;
        let mut record = ByteRecord::new();
        reader.read_byte_record(&mut record).map_err(|error| csv_error(path, 1, &error))?;
        let position = |wanted: &Wanted| self.columns.iter().position(|name| name.eq_ignore_ascii_case(wanted.column.name));
        let fields: Vec<Field> = wanted
            .iter()
            .map(|wanted| Field::new(wanted.column.name.to_ascii_lowercase(), wanted.data_type.clone(), true))
            .collect();
        Ok(CsvBatches {
            path: path.to_owned(),
            reader,
            record,
            width: self.columns.len(),
            positions: wanted.iter().map(position).collect(),
            builders: wanted.iter().map(Builder::new).collect(),
            wanted: Arc::clone(wanted),
            schema: Arc::new(Schema::new(fields)),
            batch_rows,
            warnings,
            ended: false,
        })
    }
}

enum Builder {
    Text(StringViewBuilder),
    Dictionary(StringDictionaryBuilder<Int32Type>),
    Amount(Decimal128Builder),
    Time(TimestampMillisecondBuilder),
    Map(Box<MapBuilder>),
}

impl Builder {
    fn new(wanted: &Wanted) -> Builder {
        match wanted.column.kind {
            ColumnType::Text if wanted.data_type == dictionary_type() => Builder::Dictionary(StringDictionaryBuilder::new()),
            ColumnType::Text => Builder::Text(StringViewBuilder::new().with_deduplicate_strings()),
            ColumnType::Double => Builder::Amount(Decimal128Builder::new()),
            ColumnType::Timestamp => Builder::Time(TimestampMillisecondBuilder::new()),
            ColumnType::TextMap => Builder::Map(Box::default()),
        }
    }

    fn append_null(&mut self) {
        match self {
            Builder::Text(builder) => builder.append_null(),
            Builder::Dictionary(builder) => builder.append_null(),
            Builder::Amount(builder) => builder.append_null(),
            Builder::Time(builder) => builder.append_null(),
            Builder::Map(builder) => builder.append_null(),
        }
    }

    /// Appends a cell; true where an exponent had a plus.
    fn append(&mut self, cell: &[u8]) -> Result<bool, String> {
        match self {
            Builder::Text(builder) => builder.append_value(text(cell)?),
            Builder::Dictionary(builder) => builder.append_value(text(cell)?),
            Builder::Amount(builder) => {
                let parsed = amount_from_text(cell).map_err(|error| amount_message(cell, error))?;
                builder.append_value(parsed.units);
                return Ok(parsed.plus_exponent);
            }
            Builder::Time(builder) => {
                let millis = parse_millis(cell).ok_or_else(|| {
                    format!("`{}` is not a timestamp — write ISO 8601 such as 2026-09-01T00:00:00Z", shown(cell))
                })?;
                builder.append_value(millis);
            }
            Builder::Map(builder) => builder.append_json(cell)?,
        }
        Ok(false)
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Builder::Text(builder) => Arc::new(builder.finish()),
            Builder::Dictionary(builder) => Arc::new(builder.finish()),
            Builder::Amount(builder) => Arc::new(builder.finish().with_precision_and_scale(38, WIDE_SCALE as i8)?),
            Builder::Time(builder) => Arc::new(builder.finish()),
            Builder::Map(builder) => builder.finish()?,
        })
    }
}

fn text(cell: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(cell).map_err(|_| format!("`{}` is not UTF-8 — export as UTF-8", shown(cell)))
}

fn amount_message(cell: &[u8], error: DecimalError) -> String {
    match error {
        DecimalError::NotANumber => format!(
            "`{}` is not a decimal number — write digits with one point, such as -1234.5 or 6.1E-7, without currency signs or separators",
            shown(cell)
        ),
        DecimalError::TooLarge => {
            format!("`{}` is beyond 1e15, which no bill line can cost — look for a shifted column", shown(cell))
        }
    }
}

pub(crate) struct CsvBatches {
    path: PathBuf,
    reader: Reader,
    record: ByteRecord,
    width: usize,
    positions: Vec<Option<usize>>,
    builders: Vec<Builder>,
    wanted: Arc<[Wanted]>,
    schema: SchemaRef,
    batch_rows: usize,
    warnings: Arc<Warnings>,
    ended: bool,
}

impl CsvBatches {
    /// Reads up to a batch; `None` at the end of the file.
    fn batch(&mut self) -> Result<Option<(Place, RecordBatch)>, BillError> {
        let mut first = None;
        let (mut rows, mut plus, mut nulls) = (0usize, 0u64, 0u64);
        while rows < self.batch_rows {
            let before = self.reader.position().line();
            if !self.reader.read_byte_record(&mut self.record).map_err(|error| csv_error(&self.path, before, &error))? {
                self.ended = true;
                break;
            }
            // A file whose lines end in a lone CR has no lines to the reader, but records.
            let line = self.record.position().map_or(before, |at| at.line().max(at.record() + 1));
            first.get_or_insert(line);
            if self.record.len() != self.width {
                let what = format!(
                    "{} cells, and the header has {} — a quote is missing or the file is cut off",
                    self.record.len(),
                    self.width
                );
                return Err(BillError::Csv { file: self.path.clone(), place: Place::Line(line), what });
            }
            for ((builder, position), wanted) in self.builders.iter_mut().zip(&self.positions).zip(self.wanted.iter()) {
                let Some(position) = position else { continue };
                let cell = self.record.get(*position).unwrap_or_default();
                if cell.is_empty() {
                    builder.append_null();
                } else if matches!(cell, b"null" | b"NULL") {
                    builder.append_null();
                    nulls += 1;
                } else {
                    let place = Place::Line(line);
                    plus += u64::from(
                        builder.append(cell).map_err(|what| BillError::value(&self.path, place, wanted.column.name, what))?,
                    );
                }
            }
            rows += 1;
        }
        self.warnings.count(&self.path, PLUS, plus);
        self.warnings.count(&self.path, NULL_WORDS, nulls);
        let Some(first) = first else { return Ok(None) };
        let corrupt = |error: ArrowError| BillError::corrupt(&self.path, error);
        let mut columns = Vec::with_capacity(self.wanted.len());
        for ((builder, position), wanted) in self.builders.iter_mut().zip(&self.positions).zip(self.wanted.iter()) {
            columns.push(match position {
                Some(_) => builder.finish().map_err(corrupt)?,
                None => new_null_array(&wanted.data_type, rows),
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(corrupt)?;
        Ok(Some((Place::Line(first), batch)))
    }
}

impl Iterator for CsvBatches {
    type Item = Result<(Place, RecordBatch), BillError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let batch = self.batch().transpose();
        if matches!(batch, Some(Err(_))) {
            self.ended = true;
        }
        batch
    }
}
