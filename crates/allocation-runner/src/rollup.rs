//! One query for each format of the frozen bill; their rows together are the rollup.

use crate::{Context, Error, Output, State, configuration, read_staged, write_staged};
use apportion_core::bill::RollupRow;
use apportion_core::close::{FrozenFile, InputsManifest, RollupFacts, Run};
use apportion_engine::schema::BillFormat;
use apportion_engine::{EngineError, ExecutionId, FailureClass, Poll, Statement, Table, catalogue, rollup};
use apportion_output::{rollup_csv, sha256_hex};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A query that was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Started {
    format: String,
    execution: String,
    token: String,
}

pub(crate) async fn start(context: &Context, run: &Run) -> Result<Output, Error> {
    let inputs: InputsManifest = read_staged(context, run, "inputs.json").await?;
    let taxonomy = configuration(context, run).await?.configuration.taxonomy;
    let mut started = Vec::new();
    for format in [BillFormat::Cur2, BillFormat::Focus10, BillFormat::Focus12, BillFormat::Focus13] {
        let of_format = inputs.files.iter().filter(|file| file.format == format.as_str());
        let mut files = Vec::new();
        for file in of_format {
            let key = format!("{}{}", inputs.prefix(), file.path);
            let path = context.work.local_path(&key).ok_or_else(|| Error::Staging(format!("`{key}` is not a local file")))?;
            files.push(path);
        }
        if files.is_empty() {
            continue;
        }
        let sql = catalogue::render(catalogue::ROLLUP, &taxonomy, format, &BTreeMap::new())
            .map_err(|error| Error::BadConfiguration(error.to_string()))?;
        let token = sha256_hex(format!("{}\n{}\n{}\n", inputs.digest, run.attempt, sql).as_bytes());
        let statement = Statement {
            name: format!("rollup-{}", format.as_str()),
            sql,
            tables: vec![Table { name: "bill".to_owned(), format, files, report_repeats: true }],
        };
        let execution = context.engine.start(&statement, &token).await.map_err(engine)?;
        started.push(Started { format: format.as_str().to_owned(), execution: execution.0, token });
    }
    write_staged(context, run, "queries.json", &started).await?;
    Ok(Output::Query { state: State::Running })
}

pub(crate) async fn poll(context: &Context, run: &Run) -> Result<Output, Error> {
    let started: Vec<Started> = read_staged(context, run, "queries.json").await?;
    let inputs: InputsManifest = read_staged(context, run, "inputs.json").await?;
    let mut warnings = BTreeSet::new();
    for query in &started {
        match context.engine.poll(&ExecutionId(query.execution.clone())).await.map_err(engine)? {
            Poll::Running { .. } => return Ok(Output::Query { state: State::Running }),
            // A person knows a file by the name under which it was delivered.
            Poll::Failed { class, message } => {
                return Err(failed(class, with_names(context, &inputs, message, |file| &file.delivered_as)));
            }
            Poll::Succeeded { warnings: found, .. } => warnings.extend(found),
        }
    }
    // Warnings stand in the close, which is the same whatever the delivery was called.
    let warnings = warnings.into_iter().map(|warning| with_names(context, &inputs, warning, |file| &file.path)).collect();
    collect(context, run, &started, warnings).await?;
    Ok(Output::Query { state: State::Succeeded })
}

/// A message about frozen files with another name for each than its path on this machine.
fn with_names(context: &Context, inputs: &InputsManifest, mut message: String, name: fn(&FrozenFile) -> &str) -> String {
    for file in &inputs.files {
        if let Some(path) = context.work.local_path(&format!("{}{}", inputs.prefix(), file.path)) {
            message = message.replace(&path.display().to_string(), name(file));
        }
    }
    message
}

async fn collect(context: &Context, run: &Run, started: &[Started], warnings: Vec<String>) -> Result<(), Error> {
    let taxonomy = configuration(context, run).await?.configuration.taxonomy;
    let mut facts = RollupFacts { warnings, ..RollupFacts::default() };
    let mut rows: Vec<RollupRow> = Vec::new();
    for query in started {
        let stream = context.engine.rows(&ExecutionId(query.execution.clone())).await.map_err(engine)?;
        let part = rollup::read(stream, &taxonomy).await.map_err(engine)?;
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
    write_staged(context, run, "rollup.json", &facts).await
}

fn engine(error: EngineError) -> Error {
    failed(error.class(), error.to_string())
}

fn failed(class: FailureClass, message: String) -> Error {
    match class {
        FailureClass::Bill => Error::BadBill(message),
        FailureClass::Throttled => Error::QueryThrottled(message),
        _ => Error::QueryFailed(message),
    }
}
