//! The bill of a run as queries see it: located by the gate, asked format by format.

use crate::{Context, Error, read_staged};
use apportion_core::close::Located;
use apportion_core::day::DayRun;
use apportion_core::hygiene::{Settings, TagKeys};
use apportion_core::tags::Taxonomy;
use apportion_engine::catalogue::{Query, Value};
use apportion_engine::{RowStream, Statement, Table};
use apportion_output::sha256_hex;
use std::collections::BTreeMap;
use std::time::Duration;

/// Between two looks at a query; an engine on this machine never makes anybody wait.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Tables of the bill, one for each format, and the digest of what they are.
pub(crate) struct Bill {
    tables: Vec<Table>,
    digest: String,
}

pub(crate) async fn located(context: &Context, run: &DayRun) -> Result<Bill, Error> {
    let located: Located = read_staged(context, run, "bill.json").await?;
    let mut digest = String::new();
    for file in &located.files {
        digest.push_str(&format!("{:?} {}\n", file.key, file.version));
    }
    let tables = Table::delivered(&located, |key| context.bill.local_path(key));
    Ok(Bill { tables: tables.map_err(|error| Error::Staging(format!("bill.json: {error}")))?, digest })
}

impl Bill {
    /// Runs a statement over the window on each format.
    pub async fn ask(
        &self,
        context: &Context,
        run: &DayRun,
        query: Query,
        taxonomy: &Taxonomy,
        settings: &Settings,
    ) -> Result<Vec<RowStream>, Error> {
        let day = |day: apportion_core::day::Day| Value::Text(day.to_string());
        let parameters =
            BTreeMap::from([("first_day".to_owned(), day(settings.first_day(run.date))), ("last_day".to_owned(), day(run.date))]);
        let mut streams = Vec::new();
        for table in &self.tables {
            let rendered = context.catalogue.render(query, taxonomy, table.format, &parameters);
            let sql = rendered.map_err(|error| Error::BadConfiguration(error.to_string()))?;
            let token = sha256_hex(format!("{}\n{}\n{sql}\n", self.digest, run.attempt).as_bytes());
            let statement = Statement {
                name: format!("{}-{}", query.name(), table.format),
                sql,
                tables: vec![table.clone()],
                lookups: Vec::new(),
            };
            let engine = context.engine.as_ref();
            streams.push(apportion_engine::run(engine, &statement, &token, POLL_INTERVAL, tokio::time::sleep).await?);
        }
        Ok(streams)
    }

    /// Tag keys of all formats together; the whole bill, since listing keys by day would take as long.
    pub async fn tag_keys(&self, context: &Context) -> Result<TagKeys, Error> {
        let mut all = TagKeys::default();
        let mut keys = BTreeMap::new();
        for table in &self.tables {
            let found = context.engine.tag_keys(table).await?;
            all.columns.extend(found.columns);
            for key in found.keys {
                match keys.entry((key.column, key.key.clone())) {
                    std::collections::btree_map::Entry::Vacant(free) => {
                        free.insert(key);
                    }
                    std::collections::btree_map::Entry::Occupied(mut known) => {
                        known.get_mut().magnitude += key.magnitude;
                        known.get_mut().values.extend(key.values);
                    }
                }
            }
        }
        all.keys = keys.into_values().collect();
        Ok(all)
    }
}
