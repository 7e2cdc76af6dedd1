//! What `binding::notes` counts, by the embedded engine's own counts: it makes them while it reads, where the statement's SQL has functions
//! that it lacks.

use super::backend::Answer;
use apportion_engine::{EngineError, FailureClass, Notes, Poll, QueryEngine, Row, RowStream, Statement, Table};
use apportion_engine_embedded::EmbeddedEngine;
use apportion_output::columns_of;
use futures::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

/// What only the count of repeated line ids has.
const REPEATS: &str = "count(distinct ";
/// How the engine's sentences begin, in the order of the columns `plus`, `nothing`, `repeats`.
const SENTENCES: [&str; 3] = ["amounts with `+`", "cells hold the word null", "lines repeat"];

/// Answers the statement, whose selects are about these bills in this order.
pub async fn notes(engine: &EmbeddedEngine, sql: &str, bills: Vec<Table>, scanned: &AtomicU64) -> Result<Answer, EngineError> {
    // A token of its own each time: files may have changed under their names.
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let mut rows = Vec::new();
    for (select, bill) in sql.split("\nunion all\n").zip(bills) {
        let statement = counting(select, bill)?;
        let token = format!("notes-{}", ASKED.fetch_add(1, Ordering::Relaxed));
        let id = engine.start(&statement, &token).await?;
        match engine.poll(&id).await? {
            Poll::Succeeded { bytes_read, warnings, .. } => {
                scanned.fetch_add(bytes_read, Ordering::Relaxed);
                rows.extend(counts(&warnings));
            }
            Poll::Failed { class, message } => return Err(EngineError::Failed { class, message }),
            Poll::Running { .. } => return Err(EngineError::NotFinished(id.0)),
        }
    }
    let types = ["varchar", "bigint", "bigint", "bigint"].map(str::to_owned).to_vec();
    let header = ["bill_file", "plus", "nothing", "repeats"].map(str::to_owned).to_vec();
    Ok(Answer { types, rows: RowStream { header, rows: futures::stream::iter(rows.into_iter().map(Ok)).boxed() } })
}

/// A statement that reads the columns that a select counts in, and so has the engine count.
fn counting(select: &str, bill: Table) -> Result<Statement, EngineError> {
    let failed = |message: String| EngineError::Failed { class: FailureClass::Bill, message };
    let mut columns = BTreeSet::new();
    if let Some(first) = bill.paths()?.first() {
        let header = columns_of(first).map_err(|error| failed(error.to_string()))?.columns;
        let declared = |name: &String| bill.format.columns().iter().find(|column| column.name.eq_ignore_ascii_case(name));
        let words = select.split(|letter: char| !letter.is_ascii_alphanumeric());
        let places = words.filter_map(|word| word.strip_prefix('c')?.parse::<usize>().ok()?.checked_sub(1));
        columns.extend(places.filter_map(|place| Some(declared(header.get(place)?)?.name)));
    }
    let counts: Vec<String> = columns.into_iter().map(|name| format!("count({name})")).collect();
    let counts = if counts.is_empty() { "count(*)".to_owned() } else { counts.join(", ") };
    let notes = if select.contains(REPEATS) { Notes::LineIds } else { Notes::Cells };
    let bill = Table { notes, ..bill };
    let sql = format!("select {counts} from {}", bill.name);
    Ok(Statement { name: "notes".to_owned(), sql, tables: vec![bill], lookups: Vec::new() })
}

/// Rows of file and counts from sentences such as `FILE: 3 lines repeat …`.
fn counts(warnings: &[String]) -> Vec<Row> {
    let mut files: BTreeMap<&str, [&str; 3]> = BTreeMap::new();
    for warning in warnings {
        let Some((file, sentence)) = warning.rsplit_once(": ") else { continue };
        let Some((number, what)) = sentence.split_once(' ') else { continue };
        if let Some(place) = SENTENCES.iter().position(|known| what.starts_with(known)) {
            files.entry(file).or_insert(["0"; 3])[place] = number;
        }
    }
    let row = |(file, counts): (&str, [&str; 3])| std::iter::once(file).chain(counts).map(|cell| Some(cell.to_owned())).collect();
    files.into_iter().map(row).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use apportion_engine::binding::read_notes;
    use apportion_engine::schema::BillFormat;

    /// Three lines of one id, one amount with a plus in its exponent, one cell that says `null`.
    const BILL: &str = "identity_line_item_id,bill_billing_entity,bill_invoice_id,bill_payer_account_id,bill_billing_period_start_date,\
        line_item_usage_account_id,line_item_line_item_type,line_item_product_code,line_item_currency_code,line_item_unblended_cost,resource_tags\n\
        i,AWS,1,1,2026-09-01T00:00:00Z,2,Usage,EC2,USD,1E+1,{}\n\
        i,AWS,1,1,2026-09-01T00:00:00Z,2,Usage,null,USD,1,{}\n\
        i,AWS,1,1,2026-09-01T00:00:00Z,2,Usage,EC2,USD,1,{}\n";

    #[tokio::test]
    async fn the_engines_sentences_pass_as_counts_and_read_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bill.csv");
        std::fs::write(&path, BILL).unwrap();
        let bill = Table { name: "bill_0".to_owned(), ..Table::local(BillFormat::Cur2, [path.clone()]) };
        let sql = "select max(\"$path\") as bill_file, sum(case when c10 like '%+%' then 1 else 0 end) as plus, \
                   sum(case when c8 in ('null', 'NULL') then 1 else 0 end + case when c1 in ('null', 'NULL') then 1 else 0 end) as nothing, \
                   count(c1) - count(distinct from_big_endian_64(xxhash64(to_utf8(c1)))) as repeats from bill_csv";
        let answer = notes(&EmbeddedEngine::with_threads(1), sql, vec![bill], &AtomicU64::new(0)).await.unwrap();
        let sentences = read_notes(answer.rows).await.unwrap();
        let about = |text: &str| format!("{}: {text}", path.display());
        assert_eq!(
            sentences,
            [
                about("1 amounts with `+` in the exponent, which FOCUS forbids to write; they were read"),
                about("1 cells hold the word null instead of nothing; they were read as absent"),
                about("2 lines repeat the identity_line_item_id of another line of the file; all were counted"),
            ]
        );
    }
}
