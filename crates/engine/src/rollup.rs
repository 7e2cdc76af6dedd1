//! Reads the result of `sql/rollup.sql` into [`RollupRow`]s.

use crate::catalogue::ORGANIZATION_DAY;
use crate::columns::Columns;
use crate::query::{EngineError, Row, RowStream};
use apportion_core::bill::RollupRow;
use apportion_core::tags::Taxonomy;
use apportion_core::text::{Text, Texts};
use futures::StreamExt;
use rayon::slice::ParallelSliceMut;

/// Finds the columns of a rollup result by name, then turns row after row.
pub struct Parser {
    columns: Columns,
    tags: Vec<String>,
    /// Whether the rollup is cut by stretches of days, so that it has the column.
    is_by_day: bool,
    texts: Texts,
}

const TEXTS: [&str; 12] = [
    "billing_period",
    "provider",
    "issuer",
    "billing_account_id",
    "invoice_id",
    "account_id",
    "service",
    "charge_type",
    "kind",
    "commitment_id",
    "currency",
    "account_name",
];
const MEASURES: [&str; 14] = [
    "cash_unblended",
    "cash_net",
    "effective_unblended",
    "effective_net",
    "true_up_unblended",
    "true_up_net",
    "upfront_unblended",
    "upfront_net",
    "list",
    "rows",
    "cash_rows",
    "net_rows",
    "lossy_rows",
    "incomplete_rows",
];

impl Parser {
    /// Checks that every column is there: all of [`RollupRow`] and one `tag_<dimension>` for each dimension.
    pub fn new(header: &[String], taxonomy: &Taxonomy) -> Result<Parser, EngineError> {
        let tags: Vec<String> = taxonomy.dimensions.iter().map(|dimension| format!("tag_{}", dimension.name)).collect();
        let needed = TEXTS.iter().chain(&MEASURES).copied().chain(tags.iter().map(String::as_str));
        let is_by_day = header.iter().any(|name| name.eq_ignore_ascii_case(ORGANIZATION_DAY));
        Ok(Parser { columns: Columns::new("rollup", header, needed)?, tags, is_by_day, texts: Texts::default() })
    }

    /// One result row.
    pub fn row(&mut self, row: Row) -> Result<RollupRow, EngineError> {
        let row = self.columns.of(row)?;
        let texts = &mut self.texts;
        Ok(RollupRow {
            billing_period: row.shared("billing_period", texts)?,
            provider: row.shared("provider", texts)?,
            issuer: row.shared("issuer", texts)?,
            billing_account_id: row.shared("billing_account_id", texts)?,
            invoice_id: row.shared("invoice_id", texts)?,
            account_id: row.shared("account_id", texts)?,
            service: row.shared("service", texts)?,
            charge_type: row.shared("charge_type", texts)?,
            kind: row.parsed("kind")?,
            commitment_id: row.shared("commitment_id", texts)?,
            currency: row.shared("currency", texts)?,
            organization_day: if self.is_by_day { row.shared(ORGANIZATION_DAY, texts)? } else { Text::default() },
            tags: self.tags.iter().map(|name| row.shared(name, texts)).collect::<Result<_, _>>()?,
            account_name: row.shared("account_name", texts)?,
            cash: row.measure("cash_unblended", "cash_net")?,
            effective: row.measure("effective_unblended", "effective_net")?,
            true_up: row.measure("true_up_unblended", "true_up_net")?,
            upfront: row.measure("upfront_unblended", "upfront_net")?,
            list: row.money("list")?,
            rows: row.parsed("rows")?,
            cash_rows: row.parsed("cash_rows")?,
            net_rows: row.parsed("net_rows")?,
            lossy_rows: row.parsed("lossy_rows")?,
            incomplete_rows: row.parsed("incomplete_rows")?,
        })
    }
}

/// All rows, sorted: the order of the close digest, whatever order the engine gave.
pub fn parse(header: &[String], rows: impl IntoIterator<Item = Row>, taxonomy: &Taxonomy) -> Result<Vec<RollupRow>, EngineError> {
    let mut parser = Parser::new(header, taxonomy)?;
    let mut parsed = rows.into_iter().map(|row| parser.row(row)).collect::<Result<Vec<_>, _>>()?;
    parsed.par_sort_unstable();
    Ok(parsed)
}

/// Like [`parse`], from a stream, never holding the text of more than one row.
pub async fn read(stream: RowStream, taxonomy: &Taxonomy) -> Result<Vec<RollupRow>, EngineError> {
    let mut parser = Parser::new(&stream.header, taxonomy)?;
    let mut rows = stream.rows;
    let mut parsed = Vec::new();
    while let Some(row) = rows.next().await {
        parsed.push(parser.row(row?)?);
    }
    parsed.par_sort_unstable();
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_column_is_named() {
        let taxonomy = Taxonomy { owner: "cost_center".to_owned(), dimensions: vec![] };
        let header: Vec<String> = TEXTS.iter().chain(&MEASURES[1..]).map(|name| (*name).to_owned()).collect();
        let error = parse(&header, [], &taxonomy).unwrap_err().to_string();
        assert!(error.contains("it lacks cash_unblended"), "{error}");
    }
}
