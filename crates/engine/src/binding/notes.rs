//! What a person should know of a bill though the run goes on, counted by SQL as the embedded engine counts it while it reads.

use super::{Binding, Branch, branches};
use crate::columns::Columns;
use crate::query::{EngineError, Notes, RowStream, Statement};
use crate::schema::{BillFormat, Column, ColumnType};
use crate::tables::{self, csv_column};
use apportion_core::close::Content;
use futures::StreamExt;

/// Columns of `cost_line` that some statements leave out, and what of a bill only they read.
const OPTIONAL: [(&str, &[&str]); 3] = [
    ("usage_day", &["line_item_usage_start_date", "ChargePeriodStart"]),
    ("region", &["product_region_code", "RegionId"]),
    ("resource_id", &["line_item_resource_id", "ResourceId"]),
];

/// The sentence behind each count.
const SENTENCES: [(&str, &str); 3] = [
    ("plus", "amounts with `+` in the exponent, which FOCUS forbids to write; they were read"),
    ("nothing", "cells hold the word null instead of nothing; they were read as absent"),
    ("repeats", "lines repeat the identity_line_item_id of another line of the file; all were counted"),
];

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Whether a rendered statement reads a column of the bill.
fn reads(sql: &str, column: &Column) -> bool {
    let sql = sql.to_lowercase();
    if !has_word(&sql, &column.name.to_lowercase()) {
        return false;
    }
    // What follows the mapping of the export format is the statement's own.
    let own = sql.rsplit("from renamed").next().unwrap_or_default();
    OPTIONAL.iter().all(|(name, columns)| !columns.contains(&column.name) || has_word(own, name))
}

/// The statement that counts, one row a file, for [`read_notes`]; `None` where there is nothing to count, or nobody reads it.
pub fn notes(statement: &Statement, binding: &Binding) -> Result<Option<String>, EngineError> {
    let mut selects = Vec::new();
    for table in &statement.tables {
        if table.notes == Notes::Unread {
            continue;
        }
        let line_id = table.format.line_id_column().filter(|_| table.notes == Notes::LineIds);
        for branch in branches(table)? {
            selects.extend(select(table.format, &branch, line_id, &statement.sql, binding)?);
        }
    }
    Ok((!selects.is_empty()).then(|| selects.join("\nunion all\n")))
}

fn select(
    format: BillFormat,
    branch: &Branch<'_>,
    line_id: Option<&str>,
    sql: &str,
    binding: &Binding,
) -> Result<Option<String>, EngineError> {
    let cell = |name: &str| match branch.content {
        Content::Csv => branch.header.iter().position(|column| column.eq_ignore_ascii_case(name)).map(|at| csv_column(at + 1)),
        _ => Some(name.to_owned()),
    };
    let is_csv = branch.content == Content::Csv;
    let wanted = |column: &&Column| is_csv && (reads(sql, column) || Some(column.name) == line_id);
    let cells = |kind: Option<ColumnType>| -> Vec<String> {
        let columns = format.columns().iter().filter(wanted).filter(|column| kind.is_none_or(|kind| column.kind == kind));
        columns.filter_map(|column| cell(column.name)).collect()
    };
    let sum = |conditions: Vec<String>| match conditions.is_empty() {
        true => "0".to_owned(),
        false => format!("sum({})", conditions.join(" + ")),
    };
    let plus =
        cells(Some(ColumnType::Double)).iter().map(|cell| format!("case when {cell} like '%+%' then 1 else 0 end")).collect();
    let nothing = cells(None).iter().map(|cell| format!("case when {cell} in ('null', 'NULL') then 1 else 0 end")).collect();
    // Ids count by a fingerprint, and a file goes by one too: an engine keeps both for each line while it looks for repeats (on 20 million
    // lines 1.1 GB in Trino; with the path itself 3 GB).
    let fingerprint = |text: &str| format!("from_big_endian_64(xxhash64(to_utf8({text})))");
    let repeats = line_id.and_then(cell).map(|id| {
        let id = format!("case when {id} in ('', 'null', 'NULL') then null else {id} end");
        format!("count({id}) - count(distinct {})", fingerprint(&id))
    });
    if !is_csv && repeats.is_none() {
        return Ok(None);
    }
    Ok(Some(format!(
        "select max(\"$path\") as bill_file, {} as plus, {} as nothing, {} as repeats\nfrom {}\nwhere {}\ngroup by {}",
        sum(plus),
        sum(nothing),
        repeats.unwrap_or_else(|| "0".to_owned()),
        binding.table(&tables::bill_table(branch.area, format, branch.content)),
        branch.restriction(binding)?,
        fingerprint("\"$path\"")
    )))
}

/// The sentences of a result of [`notes`], sorted, each with its file as the engine names it.
pub async fn read_notes(stream: RowStream) -> Result<Vec<String>, EngineError> {
    let columns = Columns::new("notes", &stream.header, ["bill_file", "plus", "nothing", "repeats"])?;
    let mut rows = stream.rows;
    let mut sentences = Vec::new();
    while let Some(row) = rows.next().await {
        let mut row = columns.of(row?)?;
        let file = row.take("bill_file")?;
        for (name, sentence) in SENTENCES {
            let number: i64 = row.parsed(name)?;
            if number > 0 {
                sentences.push(format!("{file}: {number} {sentence}"));
            }
        }
    }
    sentences.sort();
    Ok(sentences)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use apportion_core::tags::{Dimension, TagColumn, Taxonomy};
    use std::collections::BTreeMap;

    fn names(text: &str, format: BillFormat) -> Vec<&'static str> {
        let team = Dimension {
            name: "team".to_owned(),
            mandatory: false,
            aliases: BTreeMap::from([(TagColumn::Cur2Tags, vec!["a".to_owned()]), (TagColumn::FocusTags, vec!["a".to_owned()])]),
            fold_case: true,
            canonical: Vec::new(),
            value_aliases: BTreeMap::new(),
        };
        let taxonomy = Taxonomy { owner: "team".to_owned(), dimensions: vec![team] };
        let sql = catalogue::render(text, &taxonomy, format, &BTreeMap::new()).unwrap();
        format.columns().iter().filter(|column| !reads(&sql, column)).map(|column| column.name).collect()
    }

    #[test]
    fn columns_that_a_statement_does_not_read_are_known() {
        // By hand from sql/source and sql/rollup.sql; the parity test compares the counts themselves.
        let rollup = names(catalogue::ROLLUP, BillFormat::Focus12);
        assert_eq!(rollup, ["BillingAccountName", "ChargeDescription", "ChargePeriodStart", "RegionId", "ResourceId"]);
        assert!(!names(catalogue::DAILY, BillFormat::Focus12).contains(&"ChargePeriodStart"));
        let cur = names(catalogue::ROLLUP, BillFormat::Cur2);
        for name in [
            "identity_line_item_id",
            "line_item_usage_start_date",
            "line_item_resource_id",
            "product_region_code",
            "resource_tags",
        ] {
            assert!(cur.contains(&name), "{name}");
        }
        assert!(!cur.contains(&"tags") && !cur.contains(&"line_item_line_item_description"));
    }
}
