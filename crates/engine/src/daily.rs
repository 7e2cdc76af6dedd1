//! Reads the result of `sql/daily.sql` into [`DayRow`]s.

use crate::catalogue::NAMED_RESOURCE;
use crate::columns::Columns;
use crate::query::{EngineError, RowStream};
use apportion_core::day::DayRow;
use apportion_core::tags::Taxonomy;
use futures::StreamExt;

const COLUMNS: [&str; 17] = [
    "billing_period",
    "day",
    "provider",
    "issuer",
    "billing_account_id",
    "account_id",
    "service",
    "kind",
    "charge_type",
    "currency",
    "account_name",
    "cash_unblended",
    "cash_net",
    "effective_unblended",
    "effective_net",
    "rows",
    "net_rows",
];

/// All rows of a result, sorted. The taxonomy is the one that rendered the statement: `core::day::ownership`.
pub async fn read(stream: RowStream, taxonomy: &Taxonomy) -> Result<Vec<DayRow>, EngineError> {
    let tags: Vec<String> = taxonomy.dimensions.iter().map(|dimension| format!("tag_{}", dimension.name)).collect();
    let has_resources = stream.header.iter().any(|name| name.eq_ignore_ascii_case(NAMED_RESOURCE));
    let columns = Columns::new("daily", &stream.header, COLUMNS.into_iter().chain(tags.iter().map(String::as_str)))?;
    let mut rows = stream.rows;
    let mut parsed = Vec::new();
    while let Some(row) = rows.next().await {
        let mut row = columns.of(row?)?;
        parsed.push(DayRow {
            billing_period: row.take("billing_period")?,
            day: row.take("day")?,
            provider: row.take("provider")?,
            issuer: row.take("issuer")?,
            billing_account_id: row.take("billing_account_id")?,
            account_id: row.take("account_id")?,
            service: row.take("service")?,
            kind: row.parsed("kind")?,
            charge_type: row.take("charge_type")?,
            currency: row.take("currency")?,
            resource_id: if has_resources { row.take(NAMED_RESOURCE)? } else { String::new() },
            tags: tags.iter().map(|name| row.take(name)).collect::<Result<_, _>>()?,
            account_name: row.take("account_name")?,
            cash: row.measure("cash_unblended", "cash_net")?,
            effective: row.measure("effective_unblended", "effective_net")?,
            rows: row.parsed("rows")?,
            net_rows: row.parsed("net_rows")?,
        });
    }
    parsed.sort_unstable();
    Ok(parsed)
}
