//! Parquet, row group by row group, through the `parquet` crate itself.

use super::normalise::{Cells, normalise};
use super::{Wanted, dictionary_type};
use crate::error::{BillError, Place};
use apportion_engine::schema::{BillFormat, ColumnType};
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct ParquetFile {
    metadata: ArrowReaderMetadata,
}

/// Runs a decode: the parquet crate panics on some corrupt files, and a bill must never end the process.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, String>) -> Result<T, BillError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(what)) => Err(BillError::corrupt(path, what)),
        Err(_) => Err(BillError::corrupt(path, "its pages cannot be decoded")),
    }
}

fn open(path: &Path) -> Result<File, BillError> {
    File::open(path).map_err(|error| BillError::Open { file: path.to_owned(), what: error.to_string() })
}

/// Text as views, maps with dictionaries of keys and values: types that cost least here.
fn hinted(field: &Field) -> Field {
    match field.data_type() {
        DataType::Utf8 | DataType::Binary => field.clone().with_data_type(DataType::Utf8View),
        DataType::Map(entries, sorted) => {
            let DataType::Struct(pair) = entries.data_type() else { return field.clone() };
            let texts = pair.iter().all(|field| field.data_type() == &DataType::Utf8);
            if !texts {
                return field.clone();
            }
            let pair: Fields = pair.iter().map(|field| field.as_ref().clone().with_data_type(dictionary_type())).collect();
            let entries = entries.as_ref().clone().with_data_type(DataType::Struct(pair));
            field.clone().with_data_type(DataType::Map(Arc::new(entries), *sorted))
        }
        _ => field.clone(),
    }
}

impl ParquetFile {
    pub fn open(path: &Path) -> Result<ParquetFile, BillError> {
        let file = open(path)?;
        let metadata = guarded(path, || {
            let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            let plain = ArrowReaderMetadata::load(&file, options.clone()).map_err(|error| error.to_string())?;
            let fields: Fields = plain.schema().fields().iter().map(|field| hinted(field)).collect();
            let options = options.with_schema(Arc::new(Schema::new(fields)));
            ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options).map_err(|error| error.to_string())
        })?;
        Ok(ParquetFile { metadata })
    }

    pub fn columns(&self) -> Vec<String> {
        self.metadata.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    pub fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Bytes of these columns in a row group, compressed as they lie there.
    pub fn bytes(&self, row_group: usize, wanted: &[Wanted]) -> u64 {
        let is_wanted = |name: &str| wanted.iter().any(|wanted| wanted.column.name.eq_ignore_ascii_case(name));
        let groups = self.metadata.metadata().row_groups();
        let columns = groups.get(row_group).map_or(&[][..], |group| group.columns());
        let wanted = columns.iter().filter(|column| column.column_path().parts().first().is_some_and(|name| is_wanted(name)));
        wanted.map(|column| u64::try_from(column.compressed_size()).unwrap_or(0)).sum()
    }

    fn field(&self, name: &str) -> Option<(usize, &Field)> {
        let fields = self.metadata.schema().fields().iter().enumerate();
        fields.map(|(index, field)| (index, field.as_ref())).find(|(_, field)| field.name().eq_ignore_ascii_case(name))
    }

    /// Whether every declared amount is a double here, or absent.
    pub fn amounts_are_doubles(&self, format: BillFormat) -> bool {
        let amounts = format.columns().iter().filter(|column| column.kind == ColumnType::Double);
        amounts
            .filter_map(|column| self.field(column.name))
            .all(|(_, field)| matches!(field.data_type(), DataType::Float64 | DataType::Float32))
    }

    pub fn read(
        &self,
        path: &Path,
        row_group: usize,
        wanted: &Arc<[Wanted]>,
        batch_rows: usize,
    ) -> Result<ParquetBatches, BillError> {
        let metadata = self.metadata.metadata();
        let rows_of = |index: usize| metadata.row_groups().get(index).map_or(0, |group| group.num_rows().max(0) as u64);
        let found: Vec<Option<usize>> =
            wanted.iter().map(|wanted| self.field(wanted.column.name).map(|(index, _)| index)).collect();
        let file = open(path)?;
        let reader = guarded(path, || {
            let mask = ProjectionMask::roots(metadata.file_metadata().schema_descr(), found.iter().flatten().copied());
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
                .with_projection(mask)
                .with_row_groups(vec![row_group])
                .with_batch_size(batch_rows)
                .build()
                .map_err(|error| error.to_string())
        })?;
        // The reader gives the projected columns in the file's order.
        let mut order: Vec<usize> = found.iter().flatten().copied().collect();
        order.sort_unstable();
        let positions =
            found.iter().map(|index| index.and_then(|index| order.iter().position(|other| *other == index))).collect();
        let fields: Vec<Field> = wanted
            .iter()
            .map(|wanted| Field::new(wanted.column.name.to_ascii_lowercase(), wanted.data_type.clone(), true))
            .collect();
        Ok(ParquetBatches {
            path: path.to_owned(),
            reader: Some(reader),
            next_row: (0..row_group).map(rows_of).sum::<u64>() + 1,
            rows_left: rows_of(row_group),
            positions,
            wanted: Arc::clone(wanted),
            schema: Arc::new(Schema::new(fields)),
        })
    }
}

pub(crate) struct ParquetBatches {
    path: PathBuf,
    reader: Option<ParquetRecordBatchReader>,
    next_row: u64,
    rows_left: u64,
    positions: Vec<Option<usize>>,
    wanted: Arc<[Wanted]>,
    schema: SchemaRef,
}

impl ParquetBatches {
    fn batch(&mut self) -> Result<Option<(Place, RecordBatch)>, BillError> {
        let Some(reader) = self.reader.as_mut() else { return Ok(None) };
        let raw = guarded(&self.path, || reader.next().transpose().map_err(|error| error.to_string()))?;
        let Some(raw) = raw else {
            self.reader = None;
            if self.rows_left > 0 {
                return Err(BillError::corrupt(&self.path, format!("{} rows of a row group are missing", self.rows_left)));
            }
            return Ok(None);
        };
        let rows = raw.num_rows();
        let first = self.next_row;
        let mut columns = Vec::with_capacity(self.wanted.len());
        for (wanted, position) in self.wanted.iter().zip(&self.positions) {
            let array = position.and_then(|position| raw.columns().get(position));
            columns.push(match array {
                Some(array) => normalise(array, wanted, &Cells { file: &self.path, column: wanted.column.name, first })?,
                None => new_null_array(&wanted.data_type, rows),
            });
        }
        self.next_row += rows as u64;
        self.rows_left = self.rows_left.saturating_sub(rows as u64);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| BillError::corrupt(&self.path, error))?;
        Ok(Some((Place::Row(first), batch)))
    }
}

impl Iterator for ParquetBatches {
    type Item = Result<(Place, RecordBatch), BillError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batch().transpose();
        if matches!(batch, Some(Err(_))) {
            self.reader = None;
        }
        batch
    }
}
