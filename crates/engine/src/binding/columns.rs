//! Declared columns as expressions over the tables of `sql/schema`.

use super::{fails, quoted};
use crate::schema::{BillFormat, Column, ColumnType};
use crate::tables::csv_column;
use apportion_core::close::Content;

/// How amounts leave a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    Double,
    /// `decimal(38, 20)`, as the table declares it.
    Decimal,
    Text,
}

/// Decimal text as the embedded engine reads it: no leading plus, at most four digits of exponent, blanks around.
const NUMBER: &str = r"^ *-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})? *$";
const TIME: &str =
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|z| UTC|[+-][0-9]{2}:[0-9]{2})?)?$";
const MOST: &str = "1000000000000000";

/// Fails unless a CSV line has as many cells as its header: a missing cell is NULL, an empty one `''`.
pub(super) fn cell_count(cells: usize) -> String {
    let (last, beyond) = (csv_column(cells), csv_column(cells + 1));
    let sentence = fails(&[
        "\"$path\"".to_owned(),
        quoted(&format!(
            ": a line has not {cells} cells as the header has — a quote is missing, a cell has a line break or the file is cut off; it begins with "
        )),
        "coalesce(c1, '')".to_owned(),
    ]);
    format!("case when {last} is null or {beyond} is not null then {sentence} is not null else true end")
}

/// The declared columns that a CSV file has, under their names; nothing and its words are NULL.
pub(super) fn renamed(format: BillFormat, header: &[String]) -> Vec<String> {
    let column = |column: &Column| {
        let place = header.iter().position(|name| name.eq_ignore_ascii_case(column.name));
        match place.map(|place| csv_column(place + 1)) {
            Some(cell) => format!("case when {cell} in ('', 'null', 'NULL') then null else {cell} end as {}", column.name),
            None => format!("cast(null as varchar) as {}", column.name),
        }
    };
    let mut columns: Vec<String> = format.columns().iter().map(column).collect();
    columns.push("location".to_owned());
    columns.push("\"$path\" as bill_path".to_owned());
    columns
}

/// Every declared column, as a branch of this content gives it.
pub(super) fn expressions(format: BillFormat, content: Content, amount: Amount) -> Vec<String> {
    let expression = |column: &Column| {
        let name = column.name;
        match (column.kind, content) {
            (ColumnType::Double, Content::Csv) => format!("{} as {name}", amount_text(name)),
            (ColumnType::Double, Content::ParquetDecimal) => format!("{} as {name}", amount_decimal(name, amount)),
            (ColumnType::Double, _) => format!("{} as {name}", amount_double(name, amount)),
            (ColumnType::Timestamp, Content::Csv) => format!("{} as {name}", timestamp(name)),
            (ColumnType::TextMap, Content::Csv) => format!("{} as {name}", text_map(name)),
            _ => name.to_owned(),
        }
    };
    format.columns().iter().map(expression).collect()
}

/// A sentence about one cell: file, column, what stands there.
fn about(path: &str, column: &str, shown: &str, what: &str) -> String {
    fails(&[path.to_owned(), quoted(&format!(": column {column}: `")), shown.to_owned(), quoted(&format!("` {what}"))])
}

const NOT_AN_AMOUNT: &str = "is not an amount of at most 1e15 — ask the exporter for the right value";

fn amount_double(name: &str, amount: Amount) -> String {
    let sentence = about("\"$path\"", name, &format!("cast({name} as varchar)"), NOT_AN_AMOUNT);
    // NaN is neither NULL nor within the bounds.
    match amount {
        Amount::Text => format!(
            "case when {name} is null then null when abs({name}) <= 1e15 then cast({name} as varchar) else cast({sentence} as varchar) end"
        ),
        _ => {
            format!("case when {name} is null then null when abs({name}) <= 1e15 then {name} else cast({sentence} as double) end")
        }
    }
}

fn amount_decimal(name: &str, amount: Amount) -> String {
    let sentence = about("\"$path\"", name, &format!("cast({name} as varchar)"), NOT_AN_AMOUNT);
    let (value, other) = match amount {
        Amount::Text => (format!("cast({name} as varchar)"), format!("cast({sentence} as varchar)")),
        _ => (name.to_owned(), format!("cast({sentence} as decimal(38, 20))")),
    };
    format!("case when {name} is null then null when abs({name}) <= decimal '{MOST}' then {value} else {other} end")
}

/// Text stays text, which SQL casts exactly, exponents included; checked first, since a cast would take more than is right.
fn amount_text(name: &str) -> String {
    let what = "is not a decimal number of at most 1e15 — write digits with one point, such as -1234.5 or 6.1E-7, without currency signs or separators";
    let sentence = about("bill_path", name, name, what);
    format!(
        "case when {name} is null then null when regexp_like({name}, '{NUMBER}') \
         and abs(try_cast(trim({name}) as decimal(38, 20))) <= decimal '{MOST}' then trim({name}) else cast({sentence} as varchar) end"
    )
}

/// ISO text with a blank or a T, fractions, an offset, or the date alone, as a timestamp in UTC.
fn timestamp(name: &str) -> String {
    let sentence = about("bill_path", name, name, "is not a timestamp — write ISO 8601 such as 2026-09-01T00:00:00Z");
    let clock = format!("replace(replace(substr({name}, 12), ' UTC', 'Z'), 'z', 'Z')");
    let iso = format!(
        "substr({name}, 1, 10) || 'T' || case when length({name}) = 10 then '00:00:00Z' \
         when regexp_like({clock}, '(Z|[+-][0-9]{{2}}:[0-9]{{2}})$') then {clock} else {clock} || 'Z' end"
    );
    format!(
        "case when {name} is null then null else coalesce(case when regexp_like({name}, '{TIME}') \
         then try(cast(at_timezone(from_iso8601_timestamp({iso}), 'UTC') as timestamp(3))) end, \
         cast(cast({sentence} as varchar) as timestamp(3))) end"
    )
}

fn text_map(name: &str) -> String {
    let sentence = about("bill_path", name, name, "is not a JSON object of texts, each key once");
    format!(
        "case when {name} is null then null else coalesce(try(cast(json_parse({name}) as map(varchar, varchar))), \
         map(array[cast({sentence} as varchar)], array[''])) end"
    )
}
