//! Reads bill files as the declared columns of their format, whatever the file's own types are.
//!
//! | declared | Parquet | CSV | given to SQL as |
//! |---|---|---|---|
//! | text | string, dictionary, integer | text | `Utf8View`; `Dictionary<Utf8>` below a condensed bill |
//! | amount | double, float, decimal, integer | decimal text | `Float64` where every file has doubles, else `Decimal128(38,20)` |
//! | timestamp | timestamp of any unit, date, ISO text | ISO text | `Timestamp(ms)`, UTC |
//! | map | map, JSON text | JSON object | `Map<Dictionary<Utf8>, Dictionary<Utf8>>` |

mod csv_file;
mod line_ids;
mod maps;
mod normalise;
mod parquet_file;
mod times;

pub(crate) use times::format_millis;

use line_ids::{LineIds, UnitIds};

use crate::error::{BillError, Place};
use apportion_engine::schema::{BillFormat, Column, ColumnType};
use apportion_engine::{EngineError, Notes, Table};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, RecordBatch, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// How an amount reaches SQL in one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AmountType {
    Double,
    WideDecimal,
}

impl AmountType {
    fn arrow(self) -> DataType {
        match self {
            AmountType::Double => DataType::Float64,
            AmountType::WideDecimal => DataType::Decimal128(38, crate::decimal::WIDE_SCALE as i8),
        }
    }
}

/// A dictionary of text: what map keys and values are.
pub(crate) fn dictionary_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// An array as a dictionary of text.
pub(crate) fn dictionary(array: &ArrayRef) -> Option<&DictionaryArray<Int32Type>> {
    array.as_any().downcast_ref()
}

/// Whether two arrays are made of the very same memory. A reader gives the dictionary of a row group anew with each batch.
pub(crate) fn same_buffers(one: &ArrayRef, other: &ArrayRef) -> bool {
    Arc::ptr_eq(one, other) || one.to_data().ptr_eq(&other.to_data())
}

/// The map type that every reader gives.
pub(crate) fn map_type() -> DataType {
    let entries =
        DataType::Struct(vec![Field::new("key", dictionary_type(), false), Field::new("value", dictionary_type(), true)].into());
    DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
}

fn arrow_type(kind: ColumnType, amount: AmountType) -> DataType {
    match kind {
        ColumnType::Text => DataType::Utf8View,
        ColumnType::Double => amount.arrow(),
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, None),
        ColumnType::TextMap => map_type(),
    }
}

#[derive(Debug)]
enum Kind {
    Parquet(parquet_file::ParquetFile),
    Csv(csv_file::CsvFile),
}

/// Batches, each with the place of its first row.
type PlacedBatches = Box<dyn Iterator<Item = Result<(Place, RecordBatch), BillError>> + Send>;

/// One file of a bill, opened: its columns are known and checked.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub path: PathBuf,
    pub size: u64,
    kind: Kind,
}

/// A piece of work for one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    pub file: usize,
    /// Row group of a Parquet file; 0 for a CSV file, which is one unit.
    pub part: usize,
}

/// All files of one table.
#[derive(Debug)]
pub(crate) struct Source {
    pub format: BillFormat,
    pub files: Vec<SourceFile>,
    pub amount: AmountType,
    /// Every declared column, names in lower case, as SQL sees them.
    pub schema: SchemaRef,
    pub warnings: Arc<Warnings>,
    /// There where the table asks for a report of repeated line ids.
    line_ids: Option<Arc<LineIds>>,
}

/// What a person should know though the run goes on; each counted.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Mutex<std::collections::BTreeMap<(PathBuf, String), u64>>);

impl Warnings {
    fn count(&self, file: &Path, what: &str, number: u64) {
        if number > 0
            && let Ok(mut counts) = self.0.lock()
        {
            *counts.entry((file.to_owned(), what.to_owned())).or_default() += number;
        }
    }

    /// Sorted sentences.
    pub fn sentences(&self) -> Vec<String> {
        let Ok(counts) = self.0.lock() else { return Vec::new() };
        counts.iter().map(|((file, what), number)| format!("{}: {number} {what}", file.display())).collect()
    }
}

/// One column to read: its declaration and the type wanted.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub column: &'static Column,
    pub data_type: DataType,
}

impl Source {
    pub fn open(table: &Table) -> Result<Source, EngineError> {
        let mut paths = table.paths()?;
        if paths.is_empty() {
            return Err(BillError::NoFiles(table.name.clone()).into());
        }
        paths.sort();
        let files = paths.iter().map(|path| SourceFile::open(path, table.format)).collect::<Result<Vec<_>, _>>()?;
        let doubles = files.iter().all(|file| match &file.kind {
            Kind::Parquet(parquet) => parquet.amounts_are_doubles(table.format),
            Kind::Csv(_) => false,
        });
        let amount = if doubles { AmountType::Double } else { AmountType::WideDecimal };
        let fields: Vec<Field> = table
            .format
            .columns()
            .iter()
            .map(|column| Field::new(column.name.to_ascii_lowercase(), arrow_type(column.kind, amount), true))
            .collect();
        let line_ids = (table.notes == Notes::LineIds).then(Arc::default);
        Ok(Source {
            format: table.format,
            files,
            amount,
            schema: Arc::new(Schema::new(fields)),
            warnings: Arc::default(),
            line_ids,
        })
    }

    /// Whether a column, named as in SQL, is declared as an amount.
    pub fn is_amount(&self, name: &str) -> bool {
        let mut columns = self.format.columns().iter();
        columns.any(|column| column.kind == ColumnType::Double && column.name.eq_ignore_ascii_case(name))
    }

    pub fn units(&self) -> Vec<Unit> {
        let units = self.files.iter().enumerate();
        units.flat_map(|(file, source)| (0..source.parts()).map(move |part| Unit { file, part })).collect()
    }

    /// Which file of the table a unit is of, for people: its name.
    pub fn file_name(&self, unit: Unit) -> String {
        let path = self.files.get(unit.file).map(|file| file.path.as_path());
        path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Bytes of a unit that reading these columns takes: their pages in Parquet, the whole file of a CSV.
    pub fn bytes(&self, unit: Unit, wanted: &[Wanted]) -> u64 {
        let Some(file) = self.files.get(unit.file) else { return 0 };
        match &file.kind {
            Kind::Parquet(parquet) => parquet.bytes(unit.part, wanted),
            Kind::Csv(_) => file.size,
        }
    }

    /// The declared columns at these positions, and last the line id where its repeats are to be reported.
    pub fn wanted(&self, projection: &[usize]) -> Arc<[Wanted]> {
        let columns = self.format.columns();
        let wanted = projection.iter().filter_map(|index| columns.get(*index));
        let id = self.line_ids.as_ref().and_then(|_| self.format.line_id_column());
        let wanted = wanted.chain(columns.iter().filter(|column| Some(column.name) == id));
        wanted.map(|column| Wanted { column, data_type: arrow_type(column.kind, self.amount) }).collect()
    }

    /// Opens a unit for reading; batches come in the order of the file.
    pub fn read(&self, unit: Unit, wanted: &Arc<[Wanted]>, batch_rows: usize) -> Result<Batches, BillError> {
        let Some(file) = self.files.get(unit.file) else {
            return Err(BillError::NoFiles(format!("unit {}", unit.file)));
        };
        let inner: PlacedBatches = match &file.kind {
            Kind::Parquet(parquet) => Box::new(parquet.read(&file.path, unit.part, wanted, batch_rows)?),
            Kind::Csv(csv) => Box::new(csv.read(&file.path, wanted, batch_rows, Arc::clone(&self.warnings))?),
        };
        let ids = self.line_ids.as_ref().filter(|_| self.format.line_id_column().is_some()).map(|ids| Repeats {
            ids: ids.unit(unit.file),
            parts: file.parts(),
            warnings: Arc::clone(&self.warnings),
        });
        Ok(Batches { path: file.path.clone(), inner, check: self.line_type_check(file, wanted), repeats: ids, next_row: None })
    }

    /// Which line types make a column necessary that this file lacks, if the line type is read at all.
    fn line_type_check(&self, file: &SourceFile, wanted: &[Wanted]) -> Option<LineTypeCheck> {
        let name = self.format.line_type_column();
        let index = wanted.iter().position(|wanted| wanted.column.name == name)?;
        let absent = wanted.iter().map(|wanted| wanted.column).filter(|column| !file.has(column.name));
        let needed: Vec<(&'static str, &'static str)> =
            absent.flat_map(|column| column.needed_by.iter().map(|line_type| (*line_type, column.name))).collect();
        (!needed.is_empty()).then_some(LineTypeCheck { index, needed })
    }
}

struct LineTypeCheck {
    index: usize,
    needed: Vec<(&'static str, &'static str)>,
}

impl LineTypeCheck {
    fn run(&self, file: &Path, first: Place, batch: &RecordBatch) -> Result<(), BillError> {
        let Some(types) = batch.columns().get(self.index) else { return Ok(()) };
        let types = cast(types, &DataType::Utf8View).map_err(|error| BillError::corrupt(file, error))?;
        for (row, line_type) in types.as_string_view().iter().enumerate() {
            let Some(line_type) = line_type else { continue };
            if let Some((_, column)) = self.needed.iter().find(|(needed, _)| *needed == line_type) {
                let place = match first {
                    Place::Row(first) => Place::Row(first + row as u64),
                    Place::Line(_) => first,
                };
                let file = file.to_owned();
                return Err(BillError::NeededColumn { file, place, line_type: line_type.to_owned(), column });
            }
        }
        Ok(())
    }
}

/// Batches of one unit: exactly the columns of the projection, in its order.
pub(crate) struct Batches {
    path: PathBuf,
    inner: PlacedBatches,
    check: Option<LineTypeCheck>,
    repeats: Option<Repeats>,
    next_row: Option<u64>,
}

/// Takes the line ids out of a unit's batches.
struct Repeats {
    ids: UnitIds,
    parts: usize,
    warnings: Arc<Warnings>,
}

impl Repeats {
    /// The batch without its last column, the line id.
    fn take(&mut self, path: &Path, mut batch: RecordBatch) -> Result<RecordBatch, BillError> {
        let last = batch.num_columns().saturating_sub(1);
        if let Some(ids) = batch.column(last).as_any().downcast_ref::<StringViewArray>() {
            self.ids.add(ids);
        }
        let kept: Vec<usize> = (0..last).collect();
        batch = batch.project(&kept).map_err(|error| BillError::corrupt(path, error))?;
        Ok(batch)
    }
}

impl Batches {
    /// Number in the file of the row after the last one given, from 1: data rows, a CSV header does not count.
    pub fn next_row(&self) -> u64 {
        self.next_row.unwrap_or(1)
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, BillError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (place, batch) = match self.inner.next() {
            Some(Ok(batch)) => batch,
            Some(Err(error)) => return Some(Err(error)),
            None => {
                if let Some(Repeats { ids, parts, warnings }) = self.repeats.take() {
                    ids.end(&self.path, parts, &warnings);
                }
                return None;
            }
        };
        if let Some(check) = &self.check
            && let Err(error) = check.run(&self.path, place, &batch)
        {
            return Some(Err(error));
        }
        // A CSV file is one unit from its first row on; its lines are no row numbers, since quoted text may break them.
        let first = match (place, self.next_row) {
            (Place::Row(row), _) => row,
            (Place::Line(_), known) => known.unwrap_or(1),
        };
        self.next_row = Some(first + batch.num_rows() as u64);
        Some(match &mut self.repeats {
            Some(repeats) => repeats.take(&self.path, batch),
            None => Ok(batch),
        })
    }
}

impl SourceFile {
    fn open(path: &Path, format: BillFormat) -> Result<SourceFile, BillError> {
        let open = |error: std::io::Error| BillError::Open { file: path.to_owned(), what: error.to_string() };
        let mut file = File::open(path).map_err(open)?;
        let size = file.metadata().map_err(open)?.len();
        let mut magic = [0u8; 4];
        let read = file.read(&mut magic).map_err(open)?;
        let kind = if magic.get(..read) == Some(b"PAR1") {
            Kind::Parquet(parquet_file::ParquetFile::open(path)?)
        } else {
            Kind::Csv(csv_file::CsvFile::open(path, magic.starts_with(&[0x1f, 0x8b]))?)
        };
        let source = SourceFile { path: path.to_owned(), size, kind };
        format.check(&source.columns()).map_err(|error| BillError::Schema { file: path.to_owned(), error })?;
        Ok(source)
    }

    /// Units that the file is read in: row groups of Parquet; a CSV file is one.
    fn parts(&self) -> usize {
        match &self.kind {
            Kind::Parquet(parquet) => parquet.row_groups(),
            Kind::Csv(_) => 1,
        }
    }

    /// Column names as the file writes them.
    pub fn columns(&self) -> Vec<String> {
        match &self.kind {
            Kind::Parquet(parquet) => parquet.columns(),
            Kind::Csv(csv) => csv.columns().to_vec(),
        }
    }

    fn has(&self, name: &str) -> bool {
        let names: BTreeSet<String> = self.columns().iter().map(|name| name.to_ascii_lowercase()).collect();
        names.contains(&name.to_ascii_lowercase())
    }
}
