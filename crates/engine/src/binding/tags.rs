//! The tag keys of a bill by SQL: `unnest` of a map, which the shared subset lacks, but Athena and Trino have.

use crate::catalogue::map_column;
use crate::columns::Columns;
use crate::profile::MOST_VALUES;
use crate::query::{EngineError, RowStream, Statement, Table};
use crate::schema::BillFormat;
use apportion_core::hygiene::{TagKey, TagKeys, TagValue};
use apportion_core::tags::TagColumn;
use futures::StreamExt;
use std::collections::BTreeMap;

const TAG_COLUMNS: [TagColumn; 4] =
    [TagColumn::Cur2ResourceTags, TagColumn::Cur2Tags, TagColumn::Cur2CostCategory, TagColumn::FocusTags];

fn maps(format: BillFormat) -> impl Iterator<Item = (TagColumn, &'static str)> {
    TAG_COLUMNS.into_iter().filter_map(move |column| Some((column, map_column(column, format)?)))
}

/// The statement behind `QueryEngine::tag_keys` for an engine with tables of its own; [`read_tag_keys`] reads its result.
pub fn tag_keys(bill: &Table) -> Statement {
    let cost = if bill.format == BillFormat::Cur2 { "line_item_unblended_cost" } else { "BilledCost" };
    let pairs: Vec<String> = maps(bill.format)
        .map(|(_, map)| {
            format!(
                "    select '{map}' as map_column, tag_key, tag_value, sum(amount) as magnitude, count(*) as lines\n    \
                 from (select abs(coalesce(cast({cost} as decimal(38, 12)), cast(0 as decimal(38, 12)))) as amount, {map} as tag_map from bill) as costs\n    \
                 cross join unnest(tag_map) as pairs_of (tag_key, tag_value)\n    \
                 where tag_value is not null and trim(tag_value) <> ''\n    \
                 group by tag_key, tag_value"
            )
        })
        .collect();
    let sql = format!(
        "with pairs as (\n{}\n),\nplaced as (\n    select map_column, tag_key, tag_value, magnitude, lines,\n        \
         sum(magnitude) over (partition by map_column, tag_key) as total,\n        \
         row_number() over (partition by map_column, tag_key order by magnitude desc, tag_value) as place\n    from pairs\n)\n\
         select map_column, tag_key, tag_value, magnitude, lines, total, place from placed where place <= {MOST_VALUES}",
        pairs.join("\n    union all\n")
    );
    Statement { name: format!("tag-keys-{}", bill.format), sql, tables: vec![bill.clone()], lookups: Vec::new() }
}
/// A key, and its values each with its lines.
type Found = (TagKey, Vec<(i64, TagValue)>);

/// Reads the result of [`tag_keys`].
pub async fn read_tag_keys(stream: RowStream, format: BillFormat) -> Result<TagKeys, EngineError> {
    let names = ["map_column", "tag_key", "tag_value", "magnitude", "lines", "total", "place"];
    let columns = Columns::new("tag keys", &stream.header, names)?;
    let mut rows = stream.rows;
    let mut found: BTreeMap<(TagColumn, String), Found> = BTreeMap::new();
    while let Some(row) = rows.next().await {
        let mut row = columns.of(row?)?;
        let map = row.take("map_column")?;
        let Some((column, _)) = maps(format).find(|(_, name)| *name == map) else { continue };
        let key = row.take("tag_key")?;
        let value = TagValue { value: row.take("tag_value")?, magnitude: row.money("magnitude")?, rows: row.parsed("lines")? };
        let magnitude = row.money("total")?;
        let entry = found
            .entry((column, key.clone()))
            .or_insert_with(|| (TagKey { column, key, magnitude, values: Vec::new() }, Vec::new()));
        entry.1.push((row.parsed("place")?, value));
    }
    let keys = found.into_values().map(|(mut key, mut values)| {
        values.sort_by_key(|(place, _)| *place);
        key.values = values.into_iter().map(|(_, value)| value).collect();
        key
    });
    Ok(TagKeys { keys: keys.collect(), columns: maps(format).map(|(column, _)| column).collect() })
}
