//! The tables of `sql/schema`: one definition of each, as Athena's text and as Trino's.
//!
//! No crawler and no `MSCK REPAIR`: partitions are projected. Athena projects months as dates with the unit MONTHS, which Trino refuses;
//! so a bill's tables have one *injected* partition column, `location`, a folder that the statement names, and what goes by day has
//! whole numbers for year, month and day.

use crate::query::Area;
use crate::schema::{BillFormat, ColumnType};
use apportion_core::close::Content;
use apportion_core::ledger::LEDGER_COLUMNS;

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
    /// `decimal(38, 0)`.
    WholeDecimal,
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
            ColumnKind::WholeDecimal => "decimal(38,0)",
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
            ColumnKind::WholeDecimal => "decimal(38, 0)",
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

/// Columns of `ledger.parquet` that are no text.
const LEDGER_NUMBERS: [(&str, ColumnKind); 3] =
    [("cash", ColumnKind::Money), ("effective", ColumnKind::Money), ("cents", ColumnKind::WholeDecimal)];

/// The files that the closes and the daily runs write, as tables.
fn written() -> Vec<Definition> {
    let ledger = LEDGER_COLUMNS.map(|name| {
        let number = LEDGER_NUMBERS.iter().find(|(number, _)| *number == name);
        (name.to_owned(), number.map_or(ColumnKind::Text, |(_, kind)| *kind))
    });
    vec![
        Definition {
            name: "ledger".to_owned(),
            about: "Rows of published closes, one a unit, component, pool, rule, account, service and invoice (docs/formats.md). \
                    A close's folder holds other files too, so name the one that is meant beside its close: \
                    where close_period = '2026-09' and close_id = 'ID' and \"$path\" = 's3://CLOSES/closes/2026-09/ID/ledger.parquet'."
                .to_owned(),
            columns: ledger.to_vec(),
            partitions: vec![("close_period", Projection::Injected), ("close_id", Projection::Injected)],
            format: Format::Parquet,
            root: Root::Closes,
            template: "closes/${close_period}/${close_id}/".to_owned(),
        },
        Definition {
            name: "account_ou_mapping".to_owned(),
            about: "Where each account sits in the organization, one row an account, of the latest day. The folder holds the organization's \
                    JSON too: where location = 'org' and \"$path\" = 's3://WORK/org/account_ou_mapping.csv'."
                .to_owned(),
            columns: texts(&["accountid", "accountname", "ou", "oupath", "ouid", "state", "parentid", "parentids"]),
            partitions: vec![(LOCATION, Projection::Injected)],
            format: Format::Csv,
            root: Root::Work,
            template: format!("${{{LOCATION}}}/"),
        },
        Definition {
            name: "ou_breakdown".to_owned(),
            about: "The archive of daily digests: cash by day, OU, service and account, one row each. Only text, so cast DailyCost where it is \
                    used; a line break in a name stands as U+2424. Earlier versions of a day lie below ou-breakdown-versions/, since every \
                    file of a partition counts."
                .to_owned(),
            columns: texts(&["billingdate", "ou", "service", "linkedaccount", "dailycost"]),
            partitions: by_day(),
            format: Format::Csv,
            root: Root::Work,
            template: "ou-breakdowns/year=${year}/month=${month}/day=${day}/".to_owned(),
        },
        Definition {
            name: "findings".to_owned(),
            about: "What the tag hygiene of a daily run found, one row an account and currency (docs/formats.md). Only text, so cast amounts where \
                    they are used; share and threshold are hundredths of a per cent. A day that was run again has its newest findings."
                .to_owned(),
            columns: texts(&FINDINGS),
            partitions: by_day(),
            format: Format::Csv,
            root: Root::Work,
            template: "findings-by-account/year=${year}/month=${month}/day=${day}/".to_owned(),
        },
    ]
}

/// Of what is written once a day.
fn by_day() -> Vec<(&'static str, Projection)> {
    vec![
        ("year", Projection::Integer(2020, 2099, 4)),
        ("month", Projection::Integer(1, 12, 2)),
        ("day", Projection::Integer(1, 31, 2)),
    ]
}

/// Columns of `findings.csv`, which tag hygiene writes.
pub const FINDINGS: [&str; 13] = [
    "run_date",
    "account_id",
    "account_name",
    "ou",
    "currency",
    "spend",
    "taggable",
    "untagged",
    "unknown",
    "share",
    "threshold",
    "above",
    "main_unit",
];

/// Every table.
pub fn definitions() -> Vec<Definition> {
    let mut tables = bill_tables(Area::Frozen);
    tables.extend(bill_tables(Area::Delivered));
    tables.extend(written());
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
        roots.place(table.root, ""),
        properties.join(",\n")
    )
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
    let mut properties = vec![format!("external_location = {}", quoted(&roots.place(table.root, "")))];
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn roots() -> Roots {
        Roots { bill: "s3://BILL/".to_owned(), work: "s3://WORK".to_owned(), closes: "s3://CLOSES/".to_owned() }
    }

    /// What a file of `sql/schema` holds: what the table is, then Athena's statement.
    fn file(table: &Definition) -> String {
        let mut text = String::new();
        let mut line = String::from("--");
        for word in table.about.split(' ') {
            if line.chars().count() + word.chars().count() > 138 {
                text.push_str(&line);
                text.push('\n');
                line = String::from("--");
            }
            line.push(' ');
            line.push_str(word);
        }
        format!("{text}{line}\n{}\n", athena(table, "apportion", &roots()))
    }

    #[test]
    fn the_files_of_sql_schema_are_these_definitions() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sql/schema");
        let mut wanted = BTreeSet::from(["database.sql".to_owned()]);
        for table in definitions() {
            let name = format!("{}.sql", table.name);
            let path = folder.join(&name);
            if std::env::var_os("APPORTION_WRITE_SCHEMA").is_some() {
                std::fs::write(&path, file(&table)).unwrap();
            }
            let found = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(found, file(&table), "{name}: run this test with APPORTION_WRITE_SCHEMA=1");
            wanted.insert(name);
        }
        let found: BTreeSet<String> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn every_declared_column_is_in_its_table() {
        for format in BillFormat::ALL {
            for content in [Content::Parquet, Content::ParquetDecimal] {
                let name = bill_table(Area::Frozen, format, content);
                let table = definitions().into_iter().find(|table| table.name == name).unwrap();
                for column in format.columns() {
                    assert!(
                        table.columns.iter().any(|(known, _)| known.eq_ignore_ascii_case(column.name)),
                        "{name}: {}",
                        column.name
                    );
                }
            }
        }
    }

    #[test]
    fn a_table_is_made_alike_in_both_dialects() {
        let table = definitions().into_iter().find(|table| table.name == "ou_breakdown").unwrap();
        let athena = athena(&table, "apportion", &roots());
        assert!(athena.contains("'projection.month.digits' = '2'") && athena.contains("location 's3://WORK/'"), "{athena}");
        assert!(
            athena.contains("'storage.location.template' = 's3://WORK/ou-breakdowns/year=${year}/month=${month}/day=${day}/'"),
            "{athena}"
        );
        let local = Roots { work: "local:///".to_owned(), ..roots() };
        let trino = trino(&table, "\"hive\".\"x\"", &local);
        assert!(trino.contains("partition_projection_range = array['1', '31'], partition_projection_digits = 2"), "{trino}");
        assert!(trino.contains("partition_projection_location_template = 'local:///ou-breakdowns/year=${year}"), "{trino}");
    }
}
