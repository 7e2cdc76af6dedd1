//! The tables of `sql/schema`: one definition of each, as Athena's text and as Trino's.
//!
//! No crawler and no `MSCK REPAIR`: partitions are projected. Athena projects months as dates with the unit MONTHS, which Trino refuses;
//! so a bill's tables have one *injected* partition column, `location`, a folder that the statement names, and what goes by day has
//! whole numbers for year, month and day.

use crate::query::Area;
use crate::schema::{BillFormat, ColumnType};
use apportion_core::close::Content;

/// Columns of the table over CSV files, which knows cells by their place only.
pub const CSV_COLUMNS: usize = 400;

/// The column of the CSV table that holds a cell, from 1.
pub fn csv_column(place: usize) -> String {
    format!("c{place}")
}

/// Name of the table over a bill's files. All FOCUS versions share one, since Parquet columns go by name.
pub fn bill_table(area: Area, format: BillFormat, content: Content) -> String {
    let prefix = if area == Area::Delivered { "delivered_" } else { "" };
    let format = if format == BillFormat::Cur2 { "cur2" } else { "focus" };
    match content {
        Content::Csv => format!("{prefix}bill_csv"),
        Content::ParquetDecimal => format!("{prefix}{format}_decimal"),
        Content::Parquet | Content::ParquetOther => format!("{prefix}{format}"),
    }
}

/// The partition column of every bill table.
pub const LOCATION: &str = "location";

/// Type of a column, Hive's word and Trino's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    Text,
    Double,
    /// `decimal(38, 20)`.
    WideDecimal,
    /// `decimal(38, 12)`: money.
    Money,
    Integer,
    Timestamp,
    TextMap,
}

impl ColumnKind {
    fn hive(self) -> &'static str {
        match self {
            ColumnKind::Text => "string",
            ColumnKind::Double => "double",
            ColumnKind::WideDecimal => "decimal(38,20)",
            ColumnKind::Money => "decimal(38,12)",
            ColumnKind::Integer => "bigint",
            ColumnKind::Timestamp => "timestamp",
            ColumnKind::TextMap => "map<string,string>",
        }
    }

    fn trino(self) -> &'static str {
        match self {
            ColumnKind::Text => "varchar",
            ColumnKind::Double => "double",
            ColumnKind::WideDecimal => "decimal(38, 20)",
            ColumnKind::Money => "decimal(38, 12)",
            ColumnKind::Integer => "bigint",
            ColumnKind::Timestamp => "timestamp(3)",
            ColumnKind::TextMap => "map(varchar, varchar)",
        }
    }
}

/// How the values of a partition column are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projection {
    /// The statement names them.
    Injected,
    /// Whole numbers from, to, of this many digits.
    Integer(u32, u32, u32),
}

/// How a table's files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Parquet,
    /// CSV with a header; a backslash is a backslash.
    Csv,
}

/// Which store a table lies over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The bill's own.
    Bill,
    /// `inputs/`, `daily/`.
    Work,
    /// `closes/`.
    Closes,
}

/// One external table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    pub name: String,
    /// Grain and where its files come from, for the file in `sql/schema`.
    pub about: String,
    pub columns: Vec<(String, ColumnKind)>,
    pub partitions: Vec<(&'static str, Projection)>,
    pub format: Format,
    pub root: Root,
    /// Below the root, with `${partition}`; ends in `/`.
    pub template: String,
}

/// What stands for each root: `s3://bucket/prefix/`, or `local:///folder/` for Trino.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    pub bill: String,
    pub work: String,
    pub closes: String,
}

impl Roots {
    fn of(&self, root: Root) -> &str {
        let text = match root {
            Root::Bill => &self.bill,
            Root::Work => &self.work,
            Root::Closes => &self.closes,
        };
        // `local:///` is a root as it stands.
        if text.ends_with("://") { text } else { text.strip_suffix('/').unwrap_or(text) }
    }

    fn place(&self, root: Root, below: &str) -> String {
        format!("{}/{below}", self.of(root))
    }
}

fn texts(names: &[&str]) -> Vec<(String, ColumnKind)> {
    names.iter().map(|name| ((*name).to_owned(), ColumnKind::Text)).collect()
}

fn bill_columns(formats: &[BillFormat], amount: ColumnKind) -> Vec<(String, ColumnKind)> {
    let mut columns: Vec<(String, ColumnKind)> = Vec::new();
    for column in formats.iter().flat_map(|format| format.columns()) {
        let kind = match column.kind {
            ColumnType::Text => ColumnKind::Text,
            ColumnType::Double => amount,
            ColumnType::Timestamp => ColumnKind::Timestamp,
            ColumnType::TextMap => ColumnKind::TextMap,
        };
        let name = column.name.to_ascii_lowercase();
        if !columns.iter().any(|(known, _)| *known == name) {
            columns.push((name, kind));
        }
    }
    columns
}

fn bill_tables(area: Area) -> Vec<Definition> {
    let root = if area == Area::Frozen { Root::Work } else { Root::Bill };
    let focus = [BillFormat::Focus10, BillFormat::Focus12, BillFormat::Focus13];
    let define = |name: String, about: &str, columns, format| Definition {
        name,
        about: about.to_owned(),
        columns,
        partitions: vec![(LOCATION, Projection::Injected)],
        format,
        root,
        template: format!("${{{LOCATION}}}/"),
    };
    let cells: Vec<String> = (1..=CSV_COLUMNS).map(csv_column).collect();
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    let mut tables = Vec::new();
    for (format, formats, title) in
        [(BillFormat::Cur2, &[BillFormat::Cur2][..], "CUR 2.0"), (BillFormat::Focus12, &focus[..], "FOCUS 1.0 to 1.4")]
    {
        for (content, amount, what) in
            [(Content::Parquet, ColumnKind::Double, "doubles"), (Content::ParquetDecimal, ColumnKind::WideDecimal, "decimals")]
        {
            let about = format!("Lines of bills in {title}, Parquet with amounts as {what}; a column that a file lacks is NULL.");
            tables.push(define(bill_table(area, format, content), &about, bill_columns(formats, amount), Format::Parquet));
        }
    }
    let about = "Lines of bills in CSV or CSV.gz, cells by their place: which column is which is in each file's header, so the statement knows.";
    tables.push(define(bill_table(area, BillFormat::Cur2, Content::Csv), about, texts(&cells), Format::Csv));
    tables
}

/// Every table.
pub fn definitions() -> Vec<Definition> {
    let mut tables = bill_tables(Area::Frozen);
    tables.extend(bill_tables(Area::Delivered));
    tables
}

fn athena_properties(table: &Definition, roots: &Roots) -> Vec<(String, String)> {
    let mut properties = vec![("projection.enabled".to_owned(), "true".to_owned())];
    if table.format == Format::Csv {
        properties.push(("skip.header.line.count".to_owned(), "1".to_owned()));
    }
    for (name, projection) in &table.partitions {
        let key = |what: &str| format!("projection.{name}.{what}");
        match projection {
            Projection::Injected => properties.push((key("type"), "injected".to_owned())),
            Projection::Integer(from, to, digits) => properties.extend([
                (key("type"), "integer".to_owned()),
                (key("range"), format!("{from},{to}")),
                (key("digits"), digits.to_string()),
            ]),
        }
    }
    properties.push(("storage.location.template".to_owned(), roots.place(table.root, &table.template)));
    properties
}

/// The statement that makes a table in Athena, in its Hive dialect.
pub fn athena(table: &Definition, database: &str, roots: &Roots) -> String {
    let column = |(name, kind): &(String, ColumnKind)| format!("  `{name}` {}", kind.hive());
    let columns: Vec<String> = table.columns.iter().map(column).collect();
    let partitions: Vec<String> = table.partitions.iter().map(|(name, _)| format!("  `{name}` string")).collect();
    let format = match table.format {
        Format::Parquet => "stored as parquet".to_owned(),
        Format::Csv => "row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde'\n\
                        with serdeproperties ('separatorChar' = ',', 'quoteChar' = '\"', 'escapeChar' = '\\u0001')\n\
                        stored as textfile"
            .to_owned(),
    };
    let property = |(name, value): &(String, String)| format!("  '{name}' = '{}'", value.replace('\'', "''"));
    let properties: Vec<String> = athena_properties(table, roots).iter().map(property).collect();
    format!(
        "create external table if not exists `{database}`.`{}` (\n{}\n)\npartitioned by (\n{}\n)\n{format}\nlocation '{}'\ntblproperties (\n{}\n)",
        table.name,
        columns.join(",\n"),
        partitions.join(",\n"),
        roots.place(table.root, static_part(&table.template)),
        properties.join(",\n")
    )
}

/// The template up to its first placeholder.
fn static_part(template: &str) -> &str {
    template.find("${").map_or(template, |at| template.get(..at).unwrap_or_default())
}

/// The statement that makes a table in Trino, in a catalog of its Hive connector.
pub fn trino(table: &Definition, schema: &str, roots: &Roots) -> String {
    let column = |(name, kind): &(String, ColumnKind)| format!("  \"{name}\" {}", kind.trino());
    let partition = |(name, projection): &(&str, Projection)| {
        let properties = match projection {
            Projection::Injected => "partition_projection_type = 'INJECTED'".to_owned(),
            Projection::Integer(from, to, digits) => format!(
                "partition_projection_type = 'INTEGER', partition_projection_range = array['{from}', '{to}'], partition_projection_digits = {digits}"
            ),
        };
        format!("  \"{name}\" varchar with ({properties})")
    };
    let columns: Vec<String> = table.columns.iter().map(column).chain(table.partitions.iter().map(partition)).collect();
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let mut properties = vec![format!("external_location = {}", quoted(&roots.place(table.root, static_part(&table.template))))];
    properties.push(match table.format {
        Format::Parquet => "format = 'PARQUET'".to_owned(),
        Format::Csv => "format = 'CSV',\n  csv_escape = U&'\\0001',\n  skip_header_line_count = 1".to_owned(),
    });
    let names: Vec<String> = table.partitions.iter().map(|(name, _)| quoted(name)).collect();
    properties.push(format!("partitioned_by = array[{}]", names.join(", ")));
    properties.push("partition_projection_enabled = true".to_owned());
    properties.push(format!("partition_projection_location_template = {}", quoted(&roots.place(table.root, &table.template))));
    format!(
        "create table if not exists {schema}.\"{}\" (\n{}\n)\nwith (\n  {}\n)",
        table.name,
        columns.join(",\n"),
        properties.join(",\n  ")
    )
}
