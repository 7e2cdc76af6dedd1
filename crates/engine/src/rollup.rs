//! Reads the result of `sql/rollup.sql` into [`RollupRow`]s.

use crate::query::{EngineError, Row, RowStream};
use apportion_core::bill::{Measure, RollupRow};
use apportion_core::money::Money;
use apportion_core::tags::Taxonomy;
use futures::StreamExt;
use std::collections::BTreeMap;

/// Finds the columns of a rollup result by name, then turns row after row.
pub struct Parser {
    columns: BTreeMap<String, usize>,
    tags: Vec<String>,
    width: usize,
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

fn wrong(what: String) -> EngineError {
    EngineError::Result { statement: "rollup".to_owned(), what }
}

impl Parser {
    /// Checks that every column is there: all of [`RollupRow`] and one `tag_<dimension>` for each dimension.
    pub fn new(header: &[String], taxonomy: &Taxonomy) -> Result<Parser, EngineError> {
        let columns: BTreeMap<String, usize> =
            header.iter().enumerate().map(|(index, name)| (name.to_ascii_lowercase(), index)).collect();
        if columns.len() != header.len() {
            return Err(wrong(format!("two columns have one name among {}", header.join(", "))));
        }
        let tags: Vec<String> = taxonomy.dimensions.iter().map(|dimension| format!("tag_{}", dimension.name)).collect();
        let needed = TEXTS.iter().chain(&MEASURES).copied().chain(tags.iter().map(String::as_str));
        let missing: Vec<&str> = needed.filter(|name| !columns.contains_key(*name)).collect();
        if !missing.is_empty() {
            return Err(wrong(format!("it lacks {}", missing.join(", "))));
        }
        Ok(Parser { columns, tags, width: header.len() })
    }

    fn text<'a>(&self, row: &'a Row, name: &str) -> Result<&'a str, EngineError> {
        let cell = self.columns.get(name).and_then(|index| row.get(*index));
        cell.and_then(|cell| cell.as_deref()).ok_or_else(|| wrong(format!("column {name} is NULL")))
    }

    fn owned(&self, row: &Row, name: &str) -> Result<String, EngineError> {
        self.text(row, name).map(str::to_owned)
    }

    fn money(&self, row: &Row, name: &str) -> Result<Money, EngineError> {
        let text = self.text(row, name)?;
        sum_units(text).map(Money::from_units).ok_or_else(|| wrong(format!("column {name} holds `{text}`")))
    }

    fn measure(&self, row: &Row, name: &str) -> Result<Measure, EngineError> {
        Ok(Measure { unblended: self.money(row, &format!("{name}_unblended"))?, net: self.money(row, &format!("{name}_net"))? })
    }

    fn count(&self, row: &Row, name: &str) -> Result<i64, EngineError> {
        let text = self.text(row, name)?;
        text.parse().map_err(|_| wrong(format!("column {name} holds `{text}`")))
    }

    /// One result row.
    pub fn row(&self, row: &Row) -> Result<RollupRow, EngineError> {
        if row.len() != self.width {
            return Err(wrong(format!("a row has {} cells, the header {}", row.len(), self.width)));
        }
        let kind = self.text(row, "kind")?;
        Ok(RollupRow {
            billing_period: self.owned(row, "billing_period")?,
            provider: self.owned(row, "provider")?,
            issuer: self.owned(row, "issuer")?,
            billing_account_id: self.owned(row, "billing_account_id")?,
            invoice_id: self.owned(row, "invoice_id")?,
            account_id: self.owned(row, "account_id")?,
            service: self.owned(row, "service")?,
            charge_type: self.owned(row, "charge_type")?,
            kind: kind.parse().map_err(|error| wrong(format!("{error}")))?,
            commitment_id: self.owned(row, "commitment_id")?,
            currency: self.owned(row, "currency")?,
            tags: self.tags.iter().map(|name| self.owned(row, name)).collect::<Result<_, _>>()?,
            account_name: self.owned(row, "account_name")?,
            cash: self.measure(row, "cash")?,
            effective: self.measure(row, "effective")?,
            true_up: self.measure(row, "true_up")?,
            upfront: self.measure(row, "upfront")?,
            list: self.money(row, "list")?,
            rows: self.count(row, "rows")?,
            cash_rows: self.count(row, "cash_rows")?,
            net_rows: self.count(row, "net_rows")?,
            lossy_rows: self.count(row, "lossy_rows")?,
            incomplete_rows: self.count(row, "incomplete_rows")?,
        })
    }
}

/// Units of 1e-12 of a sum that an engine printed: plain decimal text of at most twelve places. A sum may exceed the bound
/// that `Money::parse` sets for one line.
fn sum_units(text: &str) -> Option<i128> {
    let (negative, body) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 12 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let units: i128 = format!("{whole}{fraction:0<12}").parse().ok()?;
    Some(if negative { -units } else { units })
}

/// All rows, sorted: the order of the close digest, whatever order the engine gave.
pub fn parse(header: &[String], rows: impl IntoIterator<Item = Row>, taxonomy: &Taxonomy) -> Result<Vec<RollupRow>, EngineError> {
    let parser = Parser::new(header, taxonomy)?;
    let mut parsed = rows.into_iter().map(|row| parser.row(&row)).collect::<Result<Vec<_>, _>>()?;
    parsed.sort_unstable();
    Ok(parsed)
}

/// Like [`parse`], from a stream, never holding the text of more than one row.
pub async fn read(stream: RowStream, taxonomy: &Taxonomy) -> Result<Vec<RollupRow>, EngineError> {
    let parser = Parser::new(&stream.header, taxonomy)?;
    let mut rows = stream.rows;
    let mut parsed = Vec::new();
    while let Some(row) = rows.next().await {
        parsed.push(parser.row(&row?)?);
    }
    parsed.sort_unstable();
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_exactly() {
        for (text, units) in [
            ("0", 0),
            ("1.5", 1_500_000_000_000),
            ("-0.000000000001", -1),
            ("12345678901234567890.123456789012", 12_345_678_901_234_567_890_123_456_789_012),
        ] {
            assert_eq!(sum_units(text), Some(units), "{text}");
        }
        for text in ["", "-", "1e3", "1.1234567890123", "+1", "1,0", ".5"] {
            assert_eq!(sum_units(text), None, "{text}");
        }
    }

    #[test]
    fn a_missing_column_is_named() {
        let taxonomy = Taxonomy { owner: "cost_center".to_owned(), dimensions: vec![] };
        let header: Vec<String> = TEXTS.iter().chain(&MEASURES[1..]).map(|name| (*name).to_owned()).collect();
        let error = parse(&header, [], &taxonomy).unwrap_err().to_string();
        assert!(error.contains("it lacks cash_unblended"), "{error}");
    }
}
