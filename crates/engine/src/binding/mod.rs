//! A statement for an engine that has tables of its own: the SQL text that Athena or Trino runs.
//!
//! [`bind`] puts common table expressions named `bill` and after each lookup before a statement. `bill` gives the format's declared
//! columns, absent ones as NULL, read from the tables of `sql/schema` ([`crate::tables`]). Those know no months and no deliveries: their
//! one partition column `location` is *injected*, which both engines understand alike, and holds the folder of the files.
//!
//! What the embedded engine checks while it reads is checked here in SQL, so that a bad bill fails or counts alike; a failure is a cast
//! of a sentence to a number, since no engine-neutral function fails with a message, and [`bill_error`] finds the sentence again:
//!
//! | checked | how |
//! |---|---|
//! | an amount that is NaN, infinite, beyond 1e15 or no number | fails where the column is used |
//! | a text that is no timestamp, or no JSON object | fails where the column is used |
//! | a CSV line with more or fewer cells than the header | fails always |
//! | a line type whose cost stands in a column that its file lacks | fails always |
//! | required columns, legacy CUR, columns named twice | the gate, before anything runs, from footers and headers |
//! | cut-off or corrupt files | the engine |
//!
//! Stricter than the embedded engine: a CSV cell with a line break (its line has too few cells), a JSON object with a key twice. Different:
//! a JSON number that is no whole one is written otherwise; of an amount's text nothing beyond the 20th decimal makes a line lossy.

mod columns;
mod tags;

pub use tags::{read_tag_keys, tag_keys};

use crate::query::{Area, EngineError, FailureClass, Lookup, Statement, Stored, Table};
use crate::schema::BillFormat;
use crate::tables;
use apportion_core::close::{Content, Layout};
use columns::Amount;
use std::collections::{BTreeMap, BTreeSet};

/// Where the tables of `sql/schema` are, and what the engine takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// As SQL names it, quoted by [`Binding::new`]: a database, or catalog and schema.
    schema: String,
    /// What stands before the key of a delivered file in the engine's own names of files: `s3://bucket/prefix/`. Without it an engine
    /// cannot tell a delivered bill's files from others beside them, and reads frozen bills only.
    pub delivered_root: Option<String>,
    /// Longest statement in bytes: 262,144 for Athena.
    pub most_bytes: usize,
}

impl Binding {
    /// `names` are a database, or a catalog and a schema.
    pub fn new(names: &[&str], delivered_root: Option<String>, most_bytes: usize) -> Binding {
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        let delivered_root = delivered_root.map(|root| if root.ends_with('/') { root } else { format!("{root}/") });
        Binding { schema: quoted.join("."), delivered_root, most_bytes }
    }

    fn table(&self, name: &str) -> String {
        format!("{}.{name}", self.schema)
    }
}

/// What an error's message of an engine says about the bill, if it is one of ours: class [`FailureClass::Bill`].
pub fn bill_error(message: &str) -> Option<String> {
    let start = message.find(MARK)? + MARK.len();
    let rest = message.get(start..)?;
    let end = rest.rfind("' to BIGINT").or_else(|| rest.rfind("' to bigint")).unwrap_or(rest.len());
    Some(rest.get(..end)?.trim().to_owned())
}

const MARK: &str = "apportion-bill:";

/// An expression of type bigint that fails with a sentence about the bill; `parts` are SQL expressions of text, joined.
fn fails(parts: &[String]) -> String {
    format!("cast('{MARK} ' || {} as bigint)", parts.join(" || "))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn refused(what: String) -> EngineError {
    EngineError::Failed { class: FailureClass::Bill, message: what }
}

/// Files that one branch of `bill` reads: of one table, and where that is of CSV, of one header.
struct Branch<'a> {
    area: Area,
    content: Content,
    /// Of CSV: the columns in the file's order.
    header: &'a [String],
    files: Vec<&'a Stored>,
}

impl Branch<'_> {
    fn locations(&self) -> BTreeSet<&str> {
        self.files.iter().map(|file| folder(&file.key)).collect()
    }

    /// What restricts the table to exactly these files.
    fn restriction(&self, binding: &Binding) -> Result<String, EngineError> {
        let list = |texts: Vec<String>| texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ");
        let locations = list(self.locations().into_iter().map(str::to_owned).collect());
        let mut restriction = format!("location in ({locations})");
        if self.area == Area::Delivered {
            restriction.push_str(&format!("\n        and \"$path\" in ({})", list(self.paths(binding, |_| true)?)));
        }
        Ok(restriction)
    }

    /// The engine's own names of delivered files, sorted.
    fn paths(&self, binding: &Binding, wanted: impl Fn(&Stored) -> bool) -> Result<Vec<String>, EngineError> {
        let root = binding.delivered_root.as_ref().ok_or_else(|| {
            refused(
                "this engine knows no store of delivered bills, only frozen ones: close the month, or use the embedded engine"
                    .to_owned(),
            )
        })?;
        let files = self.files.iter().filter(|file| wanted(file));
        Ok(files.map(|file| format!("{root}{}", file.key)).collect::<BTreeSet<_>>().into_iter().collect())
    }
}

/// The folder of a key, without a slash at its end.
fn folder(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The branches of a table's files, in an order of their own.
fn branches(table: &Table) -> Result<Vec<Branch<'_>>, EngineError> {
    let mut branches: BTreeMap<(Area, Content, &[String]), Vec<&Stored>> = BTreeMap::new();
    let mut layouts: BTreeMap<&str, (&Content, &[String])> = BTreeMap::new();
    if table.files.is_empty() {
        return Err(refused(format!("table {} names no file — give a bill", table.name)));
    }
    for file in &table.files {
        let stored = file.stored.as_ref().ok_or_else(|| {
            let name = file.path.as_ref().map_or_else(|| "a file of the bill".to_owned(), |path| path.display().to_string());
            refused(format!("{name} lies on this machine only, where no table finds it: use the embedded engine"))
        })?;
        let Layout { content, columns } = &stored.layout;
        if *content == Content::ParquetOther {
            return Err(refused(format!(
                "{}: a declared column has another type than the tables give it, such as a number where text is due: use the embedded engine, or export the bill as CSV or with AWS's types",
                stored.key
            )));
        }
        if folder(&stored.key).is_empty() {
            return Err(refused(format!(
                "{}: a bill at the top of its store is in no folder that a table could name: put it in one",
                stored.key
            )));
        }
        let header: &[String] = if *content == Content::Csv { columns } else { &[] };
        if *content == Content::Csv && columns.len() >= tables::CSV_COLUMNS {
            return Err(refused(format!(
                "{}: {} columns, and the CSV table has {}",
                stored.key,
                columns.len(),
                tables::CSV_COLUMNS - 1
            )));
        }
        let known = layouts.entry(folder(&stored.key)).or_insert((content, header));
        if stored.area == Area::Frozen && *known != (content, header) {
            return Err(refused(format!(
                "{}: the frozen folder holds files of two layouts: freeze the bill again",
                folder(&stored.key)
            )));
        }
        branches.entry((stored.area, *content, header)).or_default().push(stored);
    }
    Ok(branches.into_iter().map(|((area, content, header), files)| Branch { area, content, header, files }).collect())
}

/// Type in which a column of amounts leaves every branch of one bill: text where branches differ, since text is exact.
fn amount_of(branches: &[Branch<'_>]) -> Amount {
    let all = |content| branches.iter().all(|branch| branch.content == content);
    if all(Content::Parquet) {
        Amount::Double
    } else if all(Content::ParquetDecimal) {
        Amount::Decimal
    } else {
        Amount::Text
    }
}

/// The body of the table expression `bill`.
fn bill(table: &Table, binding: &Binding) -> Result<String, EngineError> {
    let branches = branches(table)?;
    let amount = amount_of(&branches);
    let selects = branches.iter().map(|branch| select(table.format, branch, amount, binding)).collect::<Result<Vec<_>, _>>()?;
    Ok(selects.join("\n    union all\n"))
}

fn select(format: BillFormat, branch: &Branch<'_>, amount: Amount, binding: &Binding) -> Result<String, EngineError> {
    let name = binding.table(&tables::bill_table(branch.area, format, branch.content));
    let restriction = branch.restriction(binding)?;
    let mut conditions = vec![restriction];
    let from = if branch.content == Content::Csv {
        conditions.push(columns::cell_count(branch.header.len()));
        let renamed = columns::renamed(format, branch.header).join(",\n            ");
        format!(
            "(\n        select\n            {renamed}\n        from {name}\n        where {}\n    )",
            conditions.join("\n        and ")
        )
    } else {
        name
    };
    let expressions = columns::expressions(format, branch.content, amount).join(",\n        ");
    let checks = needed_columns(format, branch, binding)?;
    let outer: Vec<String> = if branch.content == Content::Csv { checks } else { conditions.into_iter().chain(checks).collect() };
    let filter = if outer.is_empty() { String::new() } else { format!("\n    where {}", outer.join("\n        and ")) };
    Ok(format!("    select\n        {expressions}\n    from {from}{filter}"))
}

/// Fails on a line type whose cost stands in a column that its file lacks: one condition for each set of files that lack the same.
fn needed_columns(format: BillFormat, branch: &Branch<'_>, binding: &Binding) -> Result<Vec<String>, EngineError> {
    let line_type = format.line_type_column();
    let mut conditions = Vec::new();
    for column in format.columns().iter().filter(|column| !column.needed_by.is_empty()) {
        let lacks = |file: &Stored| !file.layout.columns.iter().any(|name| name.eq_ignore_ascii_case(column.name));
        let lacking = branch.files.iter().filter(|file| lacks(file)).count();
        if lacking == 0 {
            continue;
        }
        let types: Vec<String> = column.needed_by.iter().map(|name| quoted(name)).collect();
        let place = match branch.area {
            _ if lacking == branch.files.len() => String::new(),
            Area::Frozen => {
                let folders: BTreeSet<&str> =
                    branch.files.iter().filter(|file| lacks(file)).map(|file| folder(&file.key)).collect();
                format!(" and location in ({})", folders.into_iter().map(quoted).collect::<Vec<_>>().join(", "))
            }
            Area::Delivered => {
                let paths: Vec<String> = branch.paths(binding, lacks)?.iter().map(|path| quoted(path)).collect();
                format!(" and \"$path\" in ({})", paths.join(", "))
            }
        };
        let path = if branch.content == Content::Csv { "bill_path" } else { "\"$path\"" };
        let sentence = fails(&[
            path.to_owned(),
            "': a '".to_owned(),
            line_type.to_owned(),
            quoted(&format!(
                " line, but the file has no column {}, where its cost stands — add the column to the export and export again",
                column.name
            )),
        ]);
        conditions
            .push(format!("case when {line_type} in ({}){place} then {sentence} is not null else true end", types.join(", ")));
    }
    Ok(conditions)
}

/// A small table as rows of literals, only with the columns that the statement names.
fn lookup(lookup: &Lookup, sql: &str) -> String {
    let named = sql.to_lowercase();
    let wanted: Vec<usize> =
        (0..lookup.columns.len()).filter(|index| named.contains(&lookup.columns[*index].to_lowercase())).collect();
    let columns: Vec<&str> = wanted.iter().map(|index| lookup.columns[*index].as_str()).collect();
    if columns.is_empty() {
        return "select 1 as nothing".to_owned();
    }
    if lookup.rows.is_empty() {
        let absent: Vec<String> = columns.iter().map(|name| format!("cast('' as varchar) as {name}")).collect();
        return format!("select {} where false", absent.join(", "));
    }
    let row = |row: &Vec<String>| {
        let cells: Vec<String> = wanted.iter().map(|index| quoted(row.get(*index).map_or("", String::as_str))).collect();
        format!("({})", cells.join(", "))
    };
    let rows: Vec<String> = lookup.rows.iter().map(row).collect();
    let cast: Vec<String> = columns.iter().map(|name| format!("cast({name} as varchar) as {name}")).collect();
    format!("select {} from (values {}) as rows_of ({})", cast.join(", "), rows.join(", "), columns.join(", "))
}

/// A statement as an engine with tables of its own runs it. Pure: the same statement and binding give the same text.
///
/// Fails where a file lies in no store that has tables, where no table can declare its types, and where the text is too long.
pub fn bind(statement: &Statement, binding: &Binding) -> Result<String, EngineError> {
    let mut expressions = Vec::new();
    for table in &statement.tables {
        expressions.push(format!("{} as (\n{}\n)", table.name, bill(table, binding)?));
    }
    for small in &statement.lookups {
        if mentions(&statement.sql, &small.name) {
            expressions.push(format!("{} as (\n    {}\n)", small.name, lookup(small, &statement.sql)));
        }
    }
    let text = prepend(&expressions, &statement.sql);
    if text.len() > binding.most_bytes {
        return Err(EngineError::Failed {
            class: FailureClass::Statement,
            message: format!(
                "the SQL of `{}` has {} bytes, and the engine takes {}: its bill has too many files, or the small tables beside it too many rows; use the embedded engine",
                statement.name,
                text.len(),
                binding.most_bytes
            ),
        });
    }
    Ok(text)
}

fn mentions(sql: &str, name: &str) -> bool {
    sql.to_lowercase().contains(&name.to_lowercase())
}

/// The statement after further table expressions, without the comment that it begins with.
fn prepend(expressions: &[String], sql: &str) -> String {
    let mut body = sql.trim_start();
    while let Some(comment) = body.strip_prefix("--") {
        body = comment.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
    }
    if expressions.is_empty() {
        return body.to_owned();
    }
    let first = expressions.join(",\n");
    let is_with = body.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("with"))
        && body.get(4..5).is_some_and(|next| next.chars().all(char::is_whitespace));
    match is_with {
        true => format!("with {first},\n{}", body.get(4..).unwrap_or_default().trim_start()),
        false => format!("with {first}\n{body}"),
    }
}

#[cfg(test)]
mod tests;
