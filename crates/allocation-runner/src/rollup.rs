//! The rollup of a close: one query for each format of the frozen bill; their rows together are the rollup.

use crate::queries::{Query, Started, engine};
use crate::{Context, Error, Output, State, configuration, organization_of, queries, read_staged, write_staged};
use apportion_core::bill::RollupRow;
use apportion_core::close::{FrozenFile, InputsManifest, Layout, Located, RollupFacts, Run};
use apportion_engine::schema::BillFormat;
use apportion_engine::{Area, Notes, Stored, TableFile, rollup};
use apportion_output::rollup_csv;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) async fn start(context: &Context, run: &Run) -> Result<Output, Error> {
    let inputs: InputsManifest = read_staged(context, &run.staging, "inputs.json").await?;
    let taxonomy = configuration(context, run).await?.configuration.taxonomy;
    let located: Located = read_staged(context, &run.staging, "bill.json").await?;
    let layouts: BTreeMap<&str, &Layout> =
        located.files.iter().filter_map(|file| Some((file.key.as_str(), located.layout_of(file)?))).collect();
    let mut files = Vec::with_capacity(inputs.files.len());
    for file in &inputs.files {
        let key = format!("{}{}", inputs.prefix(), file.path);
        let path = context.work.local_path(&key);
        let layout = layouts.get(file.delivered_as.as_str());
        let stored = layout.map(|layout| Stored { area: Area::Frozen, key, layout: (*layout).clone() });
        files.push((file.format.clone(), TableFile { path, stored }));
    }
    let changes = organization_of(context, run).await?.changes();
    let sql = queries::rendered(|format| context.catalogue.rollup(&taxonomy, format, &changes))?;
    let query = Query { name: "rollup", sql: &sql, inputs_digest: &inputs.digest, attempt: run.attempt, notes: Notes::LineIds };
    let started = queries::start(context, &query, &files).await?;
    write_staged(context, &run.staging, "queries.json", &started).await?;
    Ok(Output::Query { state: State::Running })
}

pub(crate) async fn poll(context: &Context, run: &Run) -> Result<Output, Error> {
    let started: Vec<Started> = read_staged(context, &run.staging, "queries.json").await?;
    let inputs: InputsManifest = read_staged(context, &run.staging, "inputs.json").await?;
    // A person knows a file by the name under which it was delivered.
    let ended = match queries::poll(context, &started).await {
        Err(Error::BadBill(message)) => {
            return Err(Error::BadBill(with_names(context, &inputs, message, |file| &file.delivered_as)));
        }
        other => other?,
    };
    let Some(ended) = ended else { return Ok(Output::Query { state: State::Running }) };
    // Warnings stand in the close, which is the same whatever the delivery was called.
    let warnings = ended.warnings.into_iter().map(|warning| with_names(context, &inputs, warning, |file| &file.path)).collect();
    let facts = RollupFacts { warnings, scans: ended.scans, ..RollupFacts::default() };
    collect(context, run, &started, facts).await?;
    Ok(Output::Query { state: State::Succeeded })
}

/// A message about frozen files with another name for each than its path on this machine.
fn with_names(context: &Context, inputs: &InputsManifest, mut message: String, name: fn(&FrozenFile) -> &str) -> String {
    for file in &inputs.files {
        let key = format!("{}{}", inputs.prefix(), file.path);
        if let Some(path) = context.work.local_path(&key) {
            message = message.replace(&path.display().to_string(), name(file));
        }
        message = with_name_for_key(message, &key, name(file));
    }
    message
}

/// The same where the engine names a file by its place in a store, such as `s3://bucket/prefix/inputs/…`.
fn with_name_for_key(message: String, key: &str, name: &str) -> String {
    let Some(at) = message.find(key) else { return message };
    let before = message[..at].char_indices().rev().find(|(_, letter)| letter.is_whitespace() || *letter == '`');
    let start = before.map_or(0, |(place, letter)| place + letter.len_utf8());
    format!("{}{name}{}", &message[..start], with_name_for_key(message[at + key.len()..].to_owned(), key, name))
}

async fn collect(context: &Context, run: &Run, started: &[Started], mut facts: RollupFacts) -> Result<(), Error> {
    let taxonomy = configuration(context, run).await?.configuration.taxonomy;
    let mut rows: Vec<RollupRow> = Vec::new();
    for query in started {
        let part = rollup::read(queries::rows(context, query).await?, &taxonomy).await.map_err(engine)?;
        facts.rows.insert(query.format.clone(), part.iter().map(|row| row.rows).sum());
        if query.format == BillFormat::Focus10.as_str() {
            let accounts: BTreeSet<String> =
                part.iter().map(|row| format!("{}/{}/{}", row.provider, row.issuer, row.billing_account_id)).collect();
            facts.without_invoice_ids = accounts.into_iter().collect();
        }
        rows.extend(part);
    }
    rows.sort_unstable();
    let dimensions: Vec<String> = taxonomy.dimensions.iter().map(|dimension| dimension.name.clone()).collect();
    let csv = rollup_csv(&dimensions, &rows).map_err(|error| Error::Staging(error.to_string()))?;
    context.work.put(&format!("{}rollup.csv", run.staging), &csv).await?;
    write_staged(context, &run.staging, "rollup.json", &facts).await
}
