//! The SQL catalogue and its only renderer.
//!
//! SQL text lives in `sql/` and is compiled in, so that a binary and its SQL cannot part. `{{name}}` stands for
//!
//! | placeholder | becomes |
//! |---|---|
//! | `{{cost_line}}` | the text of `sql/source/<format>.sql`, rendered |
//! | `{{tag_columns}}` | `, <alias chain> as tag_<dimension>` for each dimension |
//! | `{{tag_names}}` | `, tag_<dimension>` for each dimension |
//! | `{{owner_tag}}` | `tag_<dimension>` of the owning dimension, `''` without one |
//! | `{{owner_folded}}` | the same in small letters where the dimension folds case |
//! | `{{<parameter>}}` | a typed literal, quotes doubled |
//!
//! A name that is neither, and a parameter that is never used, is an error. Rendered text is not scanned again: a value that
//! contains `{{` stays as it is.

use crate::schema::BillFormat;
use apportion_core::day::Day;
use apportion_core::money::Money;
use apportion_core::period::Period;
use apportion_core::tags::{Dimension, TagColumn, Taxonomy};
use std::collections::{BTreeMap, BTreeSet};

/// `sql/rollup.sql`.
pub const ROLLUP: &str = include_str!("../../../sql/rollup.sql");
/// `sql/profile.sql`.
pub const PROFILE: &str = include_str!("../../../sql/profile.sql");

/// `sql/daily.sql`.
pub const DAILY: &str = include_str!("../../../sql/daily.sql");
/// `sql/family.sql`.
pub const FAMILY: &str = include_str!("../../../sql/family.sql");
/// `sql/hygiene/coverage.sql`.
pub const COVERAGE: &str = include_str!("../../../sql/hygiene/coverage.sql");
/// `sql/hygiene/conflicts.sql`.
pub const CONFLICTS: &str = include_str!("../../../sql/hygiene/conflicts.sql");
/// `sql/hygiene/resources.sql`.
pub const RESOURCES: &str = include_str!("../../../sql/hygiene/resources.sql");

/// `sql/bill_rows.sql`. Not among [`FILES`]: it makes no figure of a close, it only shows the lines behind one, so a change of it
/// must not change a close's id.
pub const BILL_ROWS: &str = include_str!("../../../sql/bill_rows.sql");

/// What a close runs: path below `sql/`, text. A close id counts these as its SQL; what only the daily run or a person runs stays out,
/// so that it may change without making another close of the same month.
pub const FILES: [(&str, &str); 6] = [
    ("profile.sql", PROFILE),
    ("rollup.sql", ROLLUP),
    ("source/cur2.sql", include_str!("../../../sql/source/cur2.sql")),
    ("source/focus_1_0.sql", include_str!("../../../sql/source/focus_1_0.sql")),
    ("source/focus_1_2.sql", include_str!("../../../sql/source/focus_1_2.sql")),
    ("source/focus_1_3.sql", include_str!("../../../sql/source/focus_1_3.sql")),
];

/// The column of a rollup that is cut by stretches of usage days.
pub const ORGANIZATION_DAY: &str = "organization_day";

/// The column of a daily rollup that names resources.
pub const NAMED_RESOURCE: &str = "named_resource";

/// A typed parameter of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    /// The list of an `in (…)`, never empty.
    Texts(BTreeSet<String>),
    Integer(i64),
    Money(Money),
    Period(Period),
    /// A column of `cost_line`, which only this program names.
    Column(&'static str),
}

impl Value {
    /// The literal: quotes doubled, nothing else has a meaning inside a SQL string.
    fn literal(&self) -> String {
        match self {
            Value::Text(text) => quoted(text),
            Value::Texts(texts) => texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "),
            Value::Integer(number) => format!("{number}"),
            Value::Money(money) => format!("cast('{money}' as decimal(38, 12))"),
            Value::Period(period) => quoted(&period.to_string()),
            Value::Column(name) => (*name).to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    #[error("the SQL has a placeholder `{{{{{0}}}}}` that is neither built in nor a parameter given")]
    UnknownPlaceholder(String),
    #[error("the SQL opens a placeholder with `{{{{` and never closes it")]
    OpenPlaceholder,
    #[error("parameter `{0}` is given but the SQL does not use it")]
    UnknownParameter(String),
    #[error("dimension `{0}` cannot name a column: write a-z, then a-z, 0-9 and _")]
    BadDimension(String),
    #[error("dimension `{0}` is there twice")]
    DuplicateDimension(String),
}

/// SQL text of a source format.
pub fn source(format: BillFormat) -> &'static str {
    let path = format!("source/{}.sql", format.as_str());
    FILES.iter().find(|(name, _)| *name == path).map_or("", |(_, text)| text)
}

/// Renders a statement: pure, and the only way that a value gets into SQL.
pub fn render(
    text: &str,
    taxonomy: &Taxonomy,
    format: BillFormat,
    parameters: &BTreeMap<String, Value>,
) -> Result<String, CatalogueError> {
    render_with(text, taxonomy, format, parameters, &[])
}

/// Renders [`ROLLUP`], cut where `changes` says that the organization changed: the first usage day of each stretch, in order, none
/// where one tree holds for all. The column [`ORGANIZATION_DAY`], there only if there are any, holds the first day of a line's stretch.
pub fn render_rollup(taxonomy: &Taxonomy, format: BillFormat, changes: &[Day]) -> Result<String, CatalogueError> {
    let stretch = stretch(format, changes);
    let columns: Vec<(&str, &str)> = stretch.iter().map(|expression| (ORGANIZATION_DAY, expression.as_str())).collect();
    render_with(ROLLUP, taxonomy, format, &BTreeMap::new(), &columns)
}

/// Renders [`DAILY`] with lines of these resources apart. The column [`NAMED_RESOURCE`], there only if there are any, holds the id of a line
/// of one of them, else `''`.
pub fn render_daily(taxonomy: &Taxonomy, format: BillFormat, resources: &BTreeSet<String>) -> Result<String, CatalogueError> {
    let id = match format {
        BillFormat::Cur2 => "line_item_resource_id",
        BillFormat::Focus10 | BillFormat::Focus12 | BillFormat::Focus13 => "ResourceId",
    };
    let named = format!("case when {id} in ({}) then {id} else '' end", Value::Texts(resources.clone()).literal());
    let columns: &[(&str, &str)] = if resources.is_empty() { &[] } else { &[(NAMED_RESOURCE, &named)] };
    render_with(DAILY, taxonomy, format, &BTreeMap::new(), columns)
}

/// Renders [`BILL_ROWS`]: `cost_line` gets, beside the tags, the columns that tell one line from another, and that of
/// [`render_rollup`].
pub fn render_bill_rows(
    taxonomy: &Taxonomy,
    format: BillFormat,
    parameters: &BTreeMap<String, Value>,
    changes: &[Day],
) -> Result<String, CatalogueError> {
    let stretch = stretch(format, changes);
    let own = stretch.iter().map(|expression| (ORGANIZATION_DAY, expression.as_str()));
    let columns: Vec<(&str, &str)> = line_columns(format).iter().copied().chain(own).collect();
    render_with(BILL_ROWS, taxonomy, format, parameters, &columns)
}

/// First day of the stretch in which a line's usage starts, `''` where the bill does not say. Days before the first stretch are in it.
fn stretch(format: BillFormat, changes: &[Day]) -> Option<String> {
    let (first, later) = changes.split_first()?;
    let start = match format {
        BillFormat::Cur2 => "line_item_usage_start_date",
        BillFormat::Focus10 | BillFormat::Focus12 | BillFormat::Focus13 => "ChargePeriodStart",
    };
    let usage_day = format!("coalesce(substr(cast({start} as varchar), 1, 10), '')");
    let mut text = format!("case when {usage_day} = '' then ''");
    let mut stretch = first;
    for next in later {
        text.push_str(&format!(" when {usage_day} < '{next}' then '{stretch}'"));
        stretch = next;
    }
    text.push_str(&format!(" else '{stretch}' end"));
    Some(text)
}

/// What tells one line of a bill from another, `(name in cost_line, expression)`. FOCUS has no line id; the file and the row's number
/// in it are columns that `engine-embedded` adds.
fn line_columns(format: BillFormat) -> &'static [(&'static str, &'static str)] {
    match format {
        BillFormat::Cur2 => &[
            ("bill_file", "bill_file"),
            ("bill_row", "bill_row"),
            ("line_id", "coalesce(identity_line_item_id, '')"),
            ("description", "coalesce(line_item_line_item_description, '')"),
        ],
        BillFormat::Focus10 | BillFormat::Focus12 | BillFormat::Focus13 => &[
            ("bill_file", "bill_file"),
            ("bill_row", "bill_row"),
            ("line_id", "''"),
            ("description", "coalesce(ChargeDescription, '')"),
        ],
    }
}

fn render_with(
    text: &str,
    taxonomy: &Taxonomy,
    format: BillFormat,
    parameters: &BTreeMap<String, Value>,
    columns: &[(&str, &str)],
) -> Result<String, CatalogueError> {
    check_dimensions(taxonomy)?;
    let mut used = BTreeSet::new();
    let rendered = expand(text, &Scope { taxonomy, format, parameters, columns }, &mut used)?;
    match parameters.keys().find(|name| !used.contains(name.as_str())) {
        Some(name) => Err(CatalogueError::UnknownParameter(name.clone())),
        None => Ok(rendered),
    }
}

fn check_dimensions(taxonomy: &Taxonomy) -> Result<(), CatalogueError> {
    let mut seen = BTreeSet::new();
    for dimension in &taxonomy.dimensions {
        let name = dimension.name.as_str();
        let mut bytes = name.bytes();
        let starts = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !starts || !bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
            return Err(CatalogueError::BadDimension(name.to_owned()));
        }
        if !seen.insert(name) {
            return Err(CatalogueError::DuplicateDimension(name.to_owned()));
        }
    }
    Ok(())
}

/// What placeholders stand for.
struct Scope<'a> {
    taxonomy: &'a Taxonomy,
    format: BillFormat,
    parameters: &'a BTreeMap<String, Value>,
    /// Further columns that travel with the tags.
    columns: &'a [(&'a str, &'a str)],
}

fn expand<'a>(text: &str, scope: &Scope<'a>, used: &mut BTreeSet<&'a str>) -> Result<String, CatalogueError> {
    let Scope { taxonomy, format, parameters, columns } = *scope;
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        let (before, after) = rest.split_at(open);
        let close = after.find("}}").ok_or(CatalogueError::OpenPlaceholder)?;
        let name = after[2..close].trim();
        out.push_str(before);
        match name {
            "cost_line" => out.push_str(expand(source(format), scope, used)?.trim_end()),
            "tag_columns" => {
                for dimension in &taxonomy.dimensions {
                    out.push_str(&format!(",\n        {} as tag_{}", alias_chain(dimension, format), dimension.name));
                }
                for (name, expression) in columns {
                    out.push_str(&format!(",\n        {expression} as {name}"));
                }
            }
            "tag_names" => {
                for dimension in &taxonomy.dimensions {
                    out.push_str(&format!(",\n    tag_{}", dimension.name));
                }
                for (name, _) in columns {
                    out.push_str(&format!(",\n    {name}"));
                }
            }
            "owner_tag" => out.push_str(&owner_tag(taxonomy)),
            "owner_folded" => {
                let is_folded = taxonomy.owner_index().is_some_and(|index| taxonomy.dimensions[index].fold_case);
                let column = owner_tag(taxonomy);
                out.push_str(&if is_folded { format!("lower({column})") } else { column });
            }
            _ => match parameters.get_key_value(name) {
                Some((name, value)) => {
                    used.insert(name);
                    out.push_str(&value.literal());
                }
                None => return Err(CatalogueError::UnknownPlaceholder(name.to_owned())),
            },
        }
        rest = &after[close + 2..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The column of the owning dimension, `''` without one.
fn owner_tag(taxonomy: &Taxonomy) -> String {
    if taxonomy.owner_index().is_some() { format!("tag_{}", taxonomy.owner) } else { "''".to_owned() }
}

/// The first alias whose trimmed value is not empty, `''` if none: what `core::tags::Dimension::raw_value` does.
fn alias_chain(dimension: &Dimension, format: BillFormat) -> String {
    let mut terms = Vec::new();
    for (column, keys) in &dimension.aliases {
        let Some(name) = map_column(*column, format) else { continue };
        for key in keys {
            terms.push(format!("nullif(trim(element_at({name}, {})), '')", quoted(key)));
        }
    }
    if terms.is_empty() { "''".to_owned() } else { format!("coalesce({}, '')", terms.join(", ")) }
}

/// The map column of a format in which a tag column lies, `None` where the format lacks it.
pub fn map_column(column: TagColumn, format: BillFormat) -> Option<&'static str> {
    match (format, column) {
        (BillFormat::Cur2, TagColumn::Cur2ResourceTags) => Some("resource_tags"),
        (BillFormat::Cur2, TagColumn::Cur2Tags) => Some("tags"),
        (BillFormat::Cur2, TagColumn::Cur2CostCategory) => Some("cost_category"),
        (BillFormat::Focus10 | BillFormat::Focus12 | BillFormat::Focus13, TagColumn::FocusTags) => Some("Tags"),
        _ => None,
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests;
