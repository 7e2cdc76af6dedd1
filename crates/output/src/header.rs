//! Which columns a bill's file has, from its footer or its first line alone.

use crate::OutputError;
use flate2::read::MultiGzDecoder;
use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::file::metadata::{FooterTail, ParquetMetaDataReader};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::Type;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

/// What a person reads of a Parquet file without a sound end.
const CUT: &str = "the Parquet footer cannot be read, is the file complete?";
/// Longest first line of a CSV file, in bytes.
pub const HEADER_BYTES: u64 = 1 << 20;

/// How a file is written, told by its first bytes, not its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Parquet,
    Csv,
    CsvGz,
}

/// What a column of a Parquet file holds; everything in a CSV file is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    Text,
    Double,
    Decimal,
    Timestamp,
    /// A map of text to text.
    TextMap,
    Other,
}

/// Encoding and top-level columns of one file, in the file's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileColumns {
    pub encoding: Encoding,
    pub columns: Vec<String>,
    /// What each column holds.
    pub held: Vec<Held>,
}

/// Reads the Parquet footer or the CSV header of a file; errors name the file.
pub fn columns_of(path: &Path) -> Result<FileColumns, OutputError> {
    let failed = |error: &dyn std::fmt::Display| OutputError::file(path.display().to_string(), error);
    let mut file = File::open(path).map_err(|error| failed(&error))?;
    let mut magic = Vec::new();
    file.by_ref().take(4).read_to_end(&mut magic).map_err(|error| failed(&error))?;
    file.rewind().map_err(|error| failed(&error))?;
    let (encoding, columns) = match magic.as_slice() {
        b"PAR1" => (Encoding::Parquet, parquet_columns(file)),
        [0x1f, 0x8b, ..] => (Encoding::CsvGz, texts(csv_columns(MultiGzDecoder::new(BufReader::new(file))))),
        [] => return Err(failed(&"the file is empty; expected Parquet, CSV or CSV.gz")),
        _ => (Encoding::Csv, texts(csv_columns(file))),
    };
    let (columns, held) = columns.map_err(|what| failed(&what))?.into_iter().unzip();
    Ok(FileColumns { encoding, columns, held })
}

/// The same of a CSV file that is elsewhere, from its first [`HEADER_BYTES`] bytes, or all if it has fewer.
pub fn columns_of_start(name: &str, bytes: &[u8]) -> Result<FileColumns, OutputError> {
    let failed = |what: String| OutputError::file(name.to_owned(), what);
    let (encoding, columns) = match bytes {
        [] => return Err(failed("the file is empty; expected Parquet, CSV or CSV.gz".to_owned())),
        [0x1f, 0x8b, ..] => (Encoding::CsvGz, texts(csv_columns(MultiGzDecoder::new(bytes)))),
        _ => (Encoding::Csv, texts(csv_columns(bytes))),
    };
    let (columns, held) = columns.map_err(failed)?.into_iter().unzip();
    Ok(FileColumns { encoding, columns, held })
}

/// How many of a Parquet file's last bytes its footer takes, from at least its last eight.
pub fn footer_bytes(name: &str, end: &[u8]) -> Result<u64, OutputError> {
    let failed = |what: &dyn std::fmt::Display| OutputError::file(name.to_owned(), format!("{CUT} ({what})"));
    let tail: &[u8; 8] = end.last_chunk().ok_or_else(|| failed(&"it is shorter than a footer"))?;
    let tail = FooterTail::try_new(tail).map_err(|error| failed(&error))?;
    Ok(tail.metadata_length() as u64 + 8)
}

/// The same of a Parquet file that is elsewhere, from its last [`footer_bytes`] bytes or more.
pub fn columns_of_footer(name: &str, end: &[u8]) -> Result<FileColumns, OutputError> {
    let failed = |what: &dyn std::fmt::Display| OutputError::file(name.to_owned(), format!("{CUT} ({what})"));
    let length = usize::try_from(footer_bytes(name, end)?).unwrap_or(usize::MAX);
    let start = end.len().checked_sub(length).ok_or_else(|| failed(&"part of the footer is missing"))?;
    let metadata = ParquetMetaDataReader::decode_metadata(&end[start..end.len() - 8]).map_err(|error| failed(&error))?;
    let (columns, held) = schema_columns(metadata.file_metadata().schema()).into_iter().unzip();
    Ok(FileColumns { encoding: Encoding::Parquet, columns, held })
}

fn texts(columns: Result<Vec<String>, String>) -> Result<Vec<(String, Held)>, String> {
    columns.map(|columns| columns.into_iter().map(|name| (name, Held::Text)).collect())
}

fn parquet_columns(file: File) -> Result<Vec<(String, Held)>, String> {
    let reader = SerializedFileReader::new(file).map_err(|error| format!("{CUT} ({error})"))?;
    Ok(schema_columns(reader.metadata().file_metadata().schema()))
}

fn schema_columns(schema: &Type) -> Vec<(String, Held)> {
    schema.get_fields().iter().map(|field| (field.name().to_owned(), held(field))).collect()
}

/// What a field of a Parquet schema holds, by its logical type, or the older converted one where a writer gave only that.
fn held(field: &Type) -> Held {
    if field.is_group() {
        return if is_text_map(field) { Held::TextMap } else { Held::Other };
    }
    let info = field.get_basic_info();
    match (info.logical_type_ref(), info.converted_type(), field.get_physical_type()) {
        (Some(LogicalType::String), ..) | (None, ConvertedType::UTF8, _) => Held::Text,
        (Some(LogicalType::Decimal { .. }), ..) | (None, ConvertedType::DECIMAL, _) => Held::Decimal,
        (Some(LogicalType::Timestamp { .. }), ..)
        | (None, ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS, _)
        | (None, ConvertedType::NONE, PhysicalType::INT96) => Held::Timestamp,
        (None, ConvertedType::NONE, PhysicalType::DOUBLE) => Held::Double,
        _ => Held::Other,
    }
}

fn is_text_map(field: &Type) -> bool {
    let info = field.get_basic_info();
    let is_map = matches!(info.logical_type_ref(), Some(LogicalType::Map))
        || matches!(info.converted_type(), ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE);
    let [entries] = field.get_fields() else { return false };
    is_map
        && entries.is_group()
        && entries.get_fields().len() == 2
        && entries.get_fields().iter().all(|of| held(of) == Held::Text)
}

fn csv_columns(file: impl Read) -> Result<Vec<String>, String> {
    let mut first = BufReader::new(file.take(HEADER_BYTES));
    let mut bytes = Vec::new();
    let cut = |error: io::Error| format!("the first line cannot be read, is the file complete? ({error})");
    // A quoted column name may hold a line break: read on until the quotes are even.
    while bytes.is_empty() || !bytes.iter().filter(|byte| **byte == b'"').count().is_multiple_of(2) {
        if first.read_until(b'\n', &mut bytes).map_err(cut)? == 0 {
            break;
        }
    }
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes))
        .map_err(|_| "it is neither Parquet nor gzip, and its first line is not UTF-8: expected Parquet, CSV or CSV.gz")?;
    if text.contains('\0') {
        return Err("it is neither Parquet nor gzip nor text: expected Parquet, CSV or CSV.gz".to_owned());
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    match reader.records().next() {
        Some(Ok(record)) => Ok(record.iter().map(str::to_owned).collect()),
        Some(Err(error)) => Err(format!("the first line is not CSV: {error}")),
        None => Err("the first line is empty: expected column names".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn columns(bytes: &[u8]) -> Result<FileColumns, OutputError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        columns_of(file.path())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A file that is elsewhere is read from its ends and gives the same.
    fn columns_elsewhere(bytes: &[u8]) -> Result<FileColumns, OutputError> {
        if !bytes.starts_with(b"PAR1") {
            return columns_of_start("x", bytes);
        }
        let needed = usize::try_from(footer_bytes("x", &bytes[bytes.len() - 8..])?).unwrap();
        assert!(columns_of_footer("x", &bytes[bytes.len() - needed + 1..]).is_err(), "a byte less is not enough");
        columns_of_footer("x", &bytes[bytes.len() - needed..])
    }

    #[test]
    fn files_elsewhere_have_the_same_columns() {
        let parquet = crate::ledger_parquet("2026-09".parse().unwrap(), &[]).unwrap();
        let header = b"a,\"b,\n\"\"c\"\"\",d\r\n1,2,3\r\n";
        for bytes in [parquet.as_slice(), header, gzip(header).as_slice()] {
            assert_eq!(columns_elsewhere(bytes).unwrap(), columns(bytes).unwrap());
        }
        // The beginning of a long gzip is enough.
        let long = gzip(&[header.as_slice(), "x,y,z\n".repeat(100_000).as_bytes()].concat());
        assert_eq!(columns_of_start("x", &long[..200]).unwrap().columns, columns(header).unwrap().columns);
        assert!(columns_of_start("x", b"").unwrap_err().to_string().contains("the file is empty"));
        for end in [b"PAR2".as_slice(), b"", b"12345678"] {
            assert!(footer_bytes("x", end).unwrap_err().to_string().contains("is the file complete?"));
        }
    }

    #[test]
    fn csv_headers_are_read_plain_zipped_quoted_and_with_a_byte_order_mark() {
        let expected = vec!["a".to_owned(), "b,\n\"c\"".to_owned(), "d".to_owned()];
        let header = b"\xef\xbb\xbfa,\"b,\n\"\"c\"\"\",d\r\n1,2,3\r\n";
        let texts = |encoding, columns| FileColumns { encoding, columns, held: vec![Held::Text; 3] };
        assert_eq!(columns(header).unwrap(), texts(Encoding::Csv, expected.clone()));
        assert_eq!(columns(&gzip(header)).unwrap(), texts(Encoding::CsvGz, expected));
        assert_eq!(columns(b"only").unwrap().columns, ["only"]);
    }

    #[test]
    fn parquet_columns_are_the_top_level_ones() {
        let bytes = crate::ledger_parquet("2026-09".parse().unwrap(), &[]).unwrap();
        let found = columns(&bytes).unwrap();
        assert_eq!(found.encoding, Encoding::Parquet);
        assert_eq!(found.columns, apportion_core::ledger::LEDGER_COLUMNS);
    }

    #[test]
    fn broken_files_are_errors_that_name_the_file() {
        let parquet = crate::ledger_parquet("2026-09".parse().unwrap(), &[crate::ledger::tests::row()]).unwrap();
        let zipped = gzip(&b"abc,".repeat(5000));
        for (what, bytes) in [
            ("empty", &b""[..]),
            ("empty line", b"\n1,2"),
            ("magic only", b"PAR1"),
            ("Parquet cut short", &parquet[..parquet.len() - 1]),
            ("Parquet cut at half", &parquet[..parquet.len() / 2]),
            ("gzip cut short", &zipped[..20]),
            ("not text", &[0xff, 0xfe, b'a', 0, b',', 0]),
            ("NUL", b"a\0b,c\n"),
        ] {
            let mut file = tempfile::Builder::new().prefix("bill-").tempfile().unwrap();
            file.write_all(bytes).unwrap();
            let message = columns_of(file.path()).expect_err(what).to_string();
            assert!(message.starts_with(file.path().to_str().unwrap()), "{what}: {message}");
        }
        assert!(columns_of(Path::new("/nowhere/bill.csv")).unwrap_err().to_string().starts_with("/nowhere/bill.csv: "));
    }

    #[test]
    fn the_shared_bills_are_told_apart() {
        let shared = match std::env::var("APPORTION_SHARED") {
            Ok(path) => Path::new(&path).join("data"),
            Err(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        };
        if !shared.exists() {
            assert!(std::env::var_os("CI").is_none(), "shared data must be there in CI");
            println!("SKIPPED headers of shared bills: shared data not beside the clone");
            return;
        }
        let parquet = columns_of(&shared.join("cur2/cur2_plain_final.snappy.parquet")).unwrap();
        let csv = columns_of(&shared.join("cur2/cur2_plain_final.csv.gz")).unwrap();
        assert_eq!((parquet.encoding, csv.encoding), (Encoding::Parquet, Encoding::CsvGz));
        for found in [parquet, csv] {
            assert!(found.columns.iter().any(|name| name == "bill_payer_account_name"), "{:?}", found.columns);
        }
    }
}
