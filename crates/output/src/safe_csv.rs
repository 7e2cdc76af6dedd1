//! CSV whose text no spreadsheet takes for a formula and whose numbers stay numbers.
//!
//! A text cell that starts with `=`, `+`, `-`, `@`, tab, carriage return or NUL gets a `'` before it (OWASP ASVS 1.2.10,
//! CWE-1236); so that the original can be had back, one that starts with apostrophes and then such a character gets one too.
//! Quoting is RFC 4180's, lines end in `\n`.

use crate::OutputError;
use apportion_core::day::Day;
use apportion_core::money::Money;
use apportion_core::text::{Text, Texts};
use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

const TRIGGERS: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\0'];

/// A CSV file being written, cell by cell.
pub struct SafeCsv {
    writer: csv::Writer<Vec<u8>>,
    columns: usize,
    cells: usize,
}

/// The text as a cell shows it.
pub fn safe_text(text: &str) -> Cow<'_, str> {
    if is_marked(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The inverse of [`safe_text`].
pub fn plain_text(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if is_marked(rest) => rest,
        _ => cell,
    }
}

fn is_marked(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(TRIGGERS)
}

/// `-?digits[.digits]`: what every reader takes for a number.
fn is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let magnitude = text.strip_prefix('-').unwrap_or(text);
    match magnitude.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(magnitude),
    }
}

/// The text with `␤` for every line break: a table of Athena or Trino takes one for the end of a row, even in quotes.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(['\n', '\r']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "␤").replace(['\n', '\r'], "␤"))
}

/// The folder of a day below that of a table with partitions by day: `year=YYYY/month=MM/day=DD`.
pub fn day_partition(date: Day) -> String {
    let period = date.period();
    format!("year={:04}/month={:02}/day={:02}", period.year(), period.month(), date.day())
}

impl SafeCsv {
    /// Starts a file with its header.
    pub fn new<S: AsRef<str>>(header: &[S]) -> Result<SafeCsv, OutputError> {
        let mut csv = SafeCsv { writer: csv::Writer::from_writer(Vec::new()), columns: header.len(), cells: 0 };
        for name in header {
            csv.text(name.as_ref())?;
        }
        csv.end_row()?;
        Ok(csv)
    }

    /// A text cell.
    pub fn text(&mut self, text: &str) -> Result<&mut SafeCsv, OutputError> {
        self.cell(&safe_text(text))
    }

    /// A number cell: plain decimal text, or nothing.
    pub fn number(&mut self, text: &str) -> Result<&mut SafeCsv, OutputError> {
        if !text.is_empty() && !is_number(text) {
            return Err(OutputError::NotANumber(text.chars().take(60).collect()));
        }
        self.cell(text)
    }

    /// A money cell, twelve decimals.
    pub fn money(&mut self, money: Money) -> Result<&mut SafeCsv, OutputError> {
        self.cell(&money.to_fixed())
    }

    /// An integer cell.
    pub fn integer(&mut self, integer: i128) -> Result<&mut SafeCsv, OutputError> {
        self.cell(&integer.to_string())
    }

    /// Ends the row, which must be as wide as the header.
    pub fn end_row(&mut self) -> Result<(), OutputError> {
        if self.cells != self.columns {
            return Err(OutputError::RowWidth { expected: self.columns, found: self.cells });
        }
        self.cells = 0;
        self.writer.write_record(None::<&[u8]>).map_err(|error| OutputError::file("CSV", error))
    }

    /// The file's bytes.
    pub fn finish(self) -> Result<Vec<u8>, OutputError> {
        self.writer.into_inner().map_err(|error| OutputError::file("CSV", error.error()))
    }

    fn cell(&mut self, cell: &str) -> Result<&mut SafeCsv, OutputError> {
        self.cells += 1;
        self.writer.write_field(cell).map_err(|error| OutputError::file("CSV", error))?;
        Ok(self)
    }
}

/// A CSV file that one of ours wrote, read strictly: header as expected, every row as wide.
pub(crate) struct Reader<'a> {
    file: &'static str,
    records: csv::StringRecordsIntoIter<&'a [u8]>,
    header: Vec<String>,
    texts: Rc<RefCell<Texts>>,
}

/// The original texts of some columns of a CSV file, row by row; an error if one of them is not there.
pub fn csv_columns(file: &str, bytes: &[u8], wanted: &[&str]) -> Result<Vec<Vec<String>>, OutputError> {
    let failed = |error: &dyn std::fmt::Display| OutputError::file(file, error);
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().map_err(|error| failed(&error))?.clone();
    let places = wanted.iter().map(|name| {
        let place = header.iter().position(|found| plain_text(found) == *name);
        place.ok_or_else(|| failed(&format!("it has no column `{name}`")))
    });
    let places = places.collect::<Result<Vec<usize>, _>>()?;
    let row = |record: Result<csv::StringRecord, csv::Error>| {
        let record = record.map_err(|error| failed(&error))?;
        Ok(places.iter().map(|place| plain_text(record.get(*place).unwrap_or("")).to_owned()).collect())
    };
    reader.records().map(row).collect()
}

/// One row of a [`Reader`].
pub(crate) struct Row {
    file: &'static str,
    line: u64,
    record: csv::StringRecord,
    texts: Rc<RefCell<Texts>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(file: &'static str, bytes: &'a [u8]) -> Result<Reader<'a>, OutputError> {
        let mut reader = csv::Reader::from_reader(bytes);
        let header = reader.headers().map_err(|error| OutputError::file(file, error))?;
        let header = header.iter().map(|name| plain_text(name).to_owned()).collect();
        Ok(Reader { file, records: reader.into_records(), header, texts: Rc::default() })
    }

    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    pub(crate) fn expect_header(&self, expected: &[&str]) -> Result<(), OutputError> {
        if self.header == expected {
            return Ok(());
        }
        let what = format!("the columns are {}, expected {}", self.header.join(","), expected.join(","));
        Err(OutputError::Row { file: self.file, line: 1, what })
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Row, OutputError>;
    fn next(&mut self) -> Option<Self::Item> {
        let record = self.records.next()?;
        Some(match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                Ok(Row { file: self.file, line, record, texts: Rc::clone(&self.texts) })
            }
            Err(error) => Err(OutputError::file(self.file, error)),
        })
    }
}

impl Row {
    /// The original text of a text cell.
    pub(crate) fn text(&self, column: usize) -> Text {
        self.texts.borrow_mut().get(plain_text(self.raw(column)))
    }

    /// A number cell as it stands.
    pub(crate) fn number(&self, column: usize) -> Result<Text, OutputError> {
        let text = self.raw(column);
        if text.is_empty() || is_number(text) {
            return Ok(self.texts.borrow_mut().get(text));
        }
        Err(self.wrong(format!("`{text}` is not a number")))
    }

    pub(crate) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(&self, column: usize) -> Result<T, OutputError> {
        self.raw(column).parse().map_err(|error: T::Err| self.wrong(error.to_string()))
    }

    pub(crate) fn wrong(&self, what: String) -> OutputError {
        OutputError::Row { file: self.file, line: self.line, what }
    }

    fn raw(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or("")
    }
}

/// Prefix of the columns that hold tags.
const TAG: &str = "tag_";

/// A header of fixed columns with one column `tag_<dimension>` for each dimension between them.
pub(crate) fn tagged_header(leading: &[&str], dimensions: &[String], trailing: &[&str]) -> Vec<String> {
    let tags = dimensions.iter().map(|dimension| format!("{TAG}{dimension}"));
    let fixed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    fixed(leading).into_iter().chain(tags).chain(fixed(trailing)).collect()
}

/// The dimensions of a file whose header is a [`tagged_header`]; any other header is refused.
pub(crate) fn tagged_dimensions(reader: &Reader, leading: &[&str], trailing: &[&str]) -> Result<Vec<String>, OutputError> {
    let header = reader.header();
    let tags = header.len().saturating_sub(leading.len() + trailing.len());
    let named = header.iter().skip(leading.len()).take(tags).filter_map(|name| name.strip_prefix(TAG));
    let dimensions: Vec<String> = named.map(str::to_owned).collect();
    let expected = tagged_header(leading, &dimensions, trailing);
    reader.expect_header(&expected.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(dimensions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one_column(text: &str) -> String {
        let mut csv = SafeCsv::new(&["a"]).unwrap();
        csv.text(text).unwrap().end_row().unwrap();
        String::from_utf8(csv.finish().unwrap()).unwrap()
    }

    #[test]
    fn formulas_become_text_and_names_stay_names() {
        assert_eq!(one_column("=cmd|' /C calc'!A0"), "a\n'=cmd|' /C calc'!A0\n");
        assert_eq!(one_column("=1,2"), "a\n\"'=1,2\"\n");
        assert_eq!(one_column("-5"), "a\n'-5\n");
        assert_eq!(one_column("@SUM(A1)"), "a\n'@SUM(A1)\n");
        assert_eq!(one_column("\t=1"), "a\n'\t=1\n");
        assert_eq!(one_column("Claims, \"East\""), "a\n\"Claims, \"\"East\"\"\"\n");
        assert_eq!(one_column("'tis"), "a\n'tis\n");
        assert_eq!(one_column("'=1"), "a\n''=1\n");
        assert_eq!(one_column(""), "a\n\"\"\n");
    }

    #[test]
    fn numbers_stay_numbers_and_nothing_else_passes_for_one() {
        let mut csv = SafeCsv::new(&["a", "b", "c", "d"]).unwrap();
        csv.number("-12.30").unwrap().integer(-7).unwrap().number("").unwrap();
        csv.money(Money::from_minor(-5, 2)).unwrap().end_row().unwrap();
        assert_eq!(csv.finish().unwrap(), b"a,b,c,d\n-12.30,-7,,-0.050000000000\n");
        for text in ["1e5", "+1", "=1", "-", ".", "1.", ".5", "1,000", "NaN", "inf", " 1", "0x1", "٣", "--1"] {
            let mut csv = SafeCsv::new(&["a"]).unwrap();
            assert!(matches!(csv.number(text), Err(OutputError::NotANumber(_))), "{text}");
        }
    }

    #[test]
    fn some_columns_of_a_file_are_read_by_name() {
        let file = b"unit_id,cents,x\n'-1,-5,\"a\nb\"\nCC,7,\n";
        let rows = csv_columns("statement.csv", file, &["cents", "unit_id"]).unwrap();
        assert_eq!(rows, [["-5", "-1"], ["7", "CC"]]);
        let message = csv_columns("statement.csv", file, &["cash"]).unwrap_err().to_string();
        assert_eq!(message, "statement.csv: it has no column `cash`");
        assert!(csv_columns("statement.csv", b"a,b\n1\n", &["a"]).is_err());
    }

    #[test]
    fn a_row_of_another_width_is_refused() {
        let mut csv = SafeCsv::new(&["a", "b"]).unwrap();
        csv.text("x").unwrap();
        assert!(matches!(csv.end_row(), Err(OutputError::RowWidth { expected: 2, found: 1 })));
    }

    fn odd_text() -> impl Strategy<Value = String> {
        prop_oneof![".*", "['=+@\\-\t\r\n\0\",a]{0,6}", "'{0,3}[=+@\\-].{0,8}"]
    }

    proptest! {
        #[test]
        fn no_text_cell_starts_with_a_trigger_and_each_reads_back(texts in proptest::collection::vec(odd_text(), 1..5)) {
            let header: Vec<String> = (0..texts.len()).map(|index| format!("c{index}")).collect();
            let mut csv = SafeCsv::new(&header).unwrap();
            for text in &texts {
                csv.text(text).unwrap();
            }
            csv.end_row().unwrap();
            let bytes = csv.finish().unwrap();
            // The csv crate reads what any RFC 4180 reader would.
            let mut reader = csv::Reader::from_reader(bytes.as_slice());
            let record = reader.records().next().unwrap().unwrap();
            for (cell, text) in record.iter().zip(&texts) {
                prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']), "{cell:?}");
                prop_assert_eq!(plain_text(cell), text.as_str());
            }
        }

        #[test]
        fn every_amount_is_a_bare_number(units in any::<i64>(), cents in any::<i64>()) {
            let mut csv = SafeCsv::new(&["a", "b"]).unwrap();
            csv.money(Money::from_units(units.into())).unwrap().integer(cents.into()).unwrap().end_row().unwrap();
            let text = String::from_utf8(csv.finish().unwrap()).unwrap();
            let row = text.lines().nth(1).unwrap();
            prop_assert!(row.split(',').all(is_number), "{}", row);
        }
    }
}
