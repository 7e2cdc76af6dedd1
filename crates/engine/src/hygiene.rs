//! Reads the results of `sql/hygiene/`.

use crate::columns::Columns;
use crate::query::{EngineError, RowStream};
use apportion_core::hygiene::{Combination, CoverageRow, Resource};
use apportion_core::tags::Taxonomy;
use apportion_core::text::{Text, Texts};
use futures::StreamExt;

const COVERAGE: [&str; 13] = [
    "provider",
    "issuer",
    "account_id",
    "service",
    "kind",
    "charge_type",
    "currency",
    "has_resource",
    "account_name",
    "effective_unblended",
    "effective_net",
    "rows",
    "net_rows",
];
const RESOURCES: [&str; 9] = [
    "provider",
    "issuer",
    "account_id",
    "service",
    "charge_type",
    "currency",
    "resource_id",
    "effective_unblended",
    "effective_net",
];

const COMBINATIONS: [&str; 5] = ["account_id", "currency", "effective_unblended", "effective_net", "rows"];

fn tag_columns(taxonomy: &Taxonomy) -> Vec<String> {
    taxonomy.dimensions.iter().map(|dimension| format!("tag_{}", dimension.name)).collect()
}

/// The result of `sql/hygiene/coverage.sql`, sorted. The taxonomy is the one that rendered it.
pub async fn coverage(stream: RowStream, taxonomy: &Taxonomy) -> Result<Vec<CoverageRow>, EngineError> {
    let tags = tag_columns(taxonomy);
    let columns = Columns::new("coverage", &stream.header, COVERAGE.into_iter().chain(tags.iter().map(String::as_str)))?;
    let mut rows = stream.rows;
    let (mut parsed, mut texts) = (Vec::new(), Texts::default());
    while let Some(row) = rows.next().await {
        let mut row = columns.of(row?)?;
        parsed.push(CoverageRow {
            provider: row.take("provider")?,
            issuer: row.take("issuer")?,
            account_id: row.take("account_id")?,
            service: row.take("service")?,
            kind: row.parsed("kind")?,
            charge_type: row.take("charge_type")?,
            currency: row.take("currency")?,
            has_resource: row.parsed("has_resource")?,
            tags: tags.iter().map(|name| row.shared(name, &mut texts)).collect::<Result<_, _>>()?,
            account_name: row.take("account_name")?,
            effective: row.measure("effective_unblended", "effective_net")?,
            rows: row.parsed("rows")?,
            net_rows: row.parsed("net_rows")?,
        });
    }
    parsed.sort_unstable();
    Ok(parsed)
}

/// The result of `sql/hygiene/conflicts.sql`, sorted. The taxonomy is the one that rendered it.
pub async fn combinations(stream: RowStream, taxonomy: &Taxonomy) -> Result<Vec<Combination>, EngineError> {
    let tags = tag_columns(taxonomy);
    let columns = Columns::new("conflicts", &stream.header, COMBINATIONS.into_iter().chain(tags.iter().map(String::as_str)))?;
    let mut rows = stream.rows;
    let mut parsed = Vec::new();
    while let Some(row) = rows.next().await {
        let mut row = columns.of(row?)?;
        parsed.push(Combination {
            account_id: row.take("account_id")?,
            currency: row.take("currency")?,
            tags: tags.iter().map(|name| row.take(name)).collect::<Result<_, _>>()?,
            effective: row.measure("effective_unblended", "effective_net")?,
            rows: row.parsed("rows")?,
        });
    }
    parsed.sort_unstable();
    Ok(parsed)
}

/// Hands each row of `sql/hygiene/resources.sql` over as it comes: a large bill names millions of resources.
pub async fn resources(stream: RowStream, taxonomy: &Taxonomy, mut take: impl FnMut(Resource)) -> Result<(), EngineError> {
    let tags = tag_columns(taxonomy);
    let columns = Columns::new("resources", &stream.header, RESOURCES.into_iter().chain(tags.iter().map(String::as_str)))?;
    let mut rows = stream.rows;
    while let Some(row) = rows.next().await {
        let mut row = columns.of(row?)?;
        take(Resource {
            provider: row.take("provider")?,
            issuer: row.take("issuer")?,
            account_id: row.take("account_id")?,
            service: row.take("service")?,
            charge_type: row.take("charge_type")?,
            currency: row.take("currency")?,
            resource_id: row.take("resource_id")?,
            tags: tags.iter().map(|name| row.take(name).map(Text::from)).collect::<Result<_, _>>()?,
            effective: row.measure("effective_unblended", "effective_net")?,
        });
    }
    Ok(())
}
