//! Reads the result of `sql/daily.sql` into [`DayRow`]s.

use crate::catalogue::NAMED_RESOURCE;
use crate::columns::Columns;
use crate::query::{EngineError, RowStream};
use apportion_core::day::DayRow;
use apportion_core::tags::Taxonomy;
use apportion_core::text::{Text, Texts};
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
    let (mut parsed, mut texts) = (Vec::new(), Texts::default());
    while let Some(row) = rows.next().await {
        let row = columns.of(row?)?;
        parsed.push(DayRow {
            billing_period: row.shared("billing_period", &mut texts)?,
            day: row.shared("day", &mut texts)?,
            provider: row.shared("provider", &mut texts)?,
            issuer: row.shared("issuer", &mut texts)?,
            billing_account_id: row.shared("billing_account_id", &mut texts)?,
            account_id: row.shared("account_id", &mut texts)?,
            service: row.shared("service", &mut texts)?,
            kind: row.parsed("kind")?,
            charge_type: row.shared("charge_type", &mut texts)?,
            currency: row.shared("currency", &mut texts)?,
            resource_id: if has_resources { row.shared(NAMED_RESOURCE, &mut texts)? } else { Text::default() },
            tags: tags.iter().map(|name| row.shared(name, &mut texts)).collect::<Result<_, _>>()?,
            account_name: row.shared("account_name", &mut texts)?,
            cash: row.measure("cash_unblended", "cash_net")?,
            effective: row.measure("effective_unblended", "effective_net")?,
            rows: row.parsed("rows")?,
            net_rows: row.parsed("net_rows")?,
        });
    }
    parsed.sort_unstable();
    Ok(parsed)
}
