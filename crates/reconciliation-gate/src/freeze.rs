//! Copies the accepted files to `inputs/<period>/<digest>/`, by version and hash, and says so last.

use crate::{Context, Error, Output, read_staged, write_staged};
use apportion_core::close::{BillFile, CloseFacts, FrozenFile, InputsManifest, Located, Run, Shard};
use apportion_output::{sha256_hex, template_digest};
use apportion_store::{PutOutcome, StoreError};
use std::collections::BTreeMap;

/// Hashes files `[from, to)` of the located list.
pub(crate) async fn fingerprint(context: &Context, run: &Run, shard: Shard) -> Result<Output, Error> {
    let located: Located = read_staged(context, &run.staging, "bill.json").await?;
    let mut frozen = Vec::new();
    for file in located.files.get(shard.from..shard.to).unwrap_or(&[]) {
        let apportion_store::Copied { sha256, size, .. } =
            context.bill.digest(&file.key, Some(&file.version)).await.map_err(changed)?;
        frozen.push(FrozenFile {
            path: format!("{}{sha256}.{}", folder(&located, file)?, file.encoding),
            sha256,
            size,
            format: file.format.clone(),
            encoding: file.encoding.clone(),
            delivered_as: file.key.clone(),
            version: file.version.clone(),
        });
    }
    let files = frozen.len();
    write_staged(context, &run.staging, &fingerprint_name(shard.from), &frozen).await?;
    Ok(Output::Done { files })
}

/// Folder of a frozen file: files of one format and layout, and nothing else, so that a table over it reads them all alike.
fn folder(located: &Located, file: &BillFile) -> Result<String, Error> {
    let layout = located.layout_of(file).ok_or_else(|| Error::Staging(format!("bill.json: `{}` has no layout", file.key)))?;
    let text = serde_json::to_string(layout).map_err(|error| Error::Staging(error.to_string()))?;
    Ok(format!("bill/{}-{}/", file.format, &sha256_hex(text.as_bytes())[..8]))
}

fn fingerprint_name(from: usize) -> String {
    format!("fingerprints/{from:06}.json")
}

fn changed(error: StoreError) -> Error {
    match error {
        StoreError::Changed { .. } => Error::BillChanged(error.to_string()),
        other => Error::Store(other),
    }
}

/// Every fingerprint, checked for twins, as the manifest to be.
async fn plan(context: &Context, run: &Run) -> Result<InputsManifest, Error> {
    let mut files: Vec<FrozenFile> = Vec::new();
    for entry in context.work.list(&format!("{}fingerprints/", run.staging)).await? {
        let bytes = context.work.get(&entry.key).await?;
        let part: Vec<FrozenFile> =
            serde_json::from_slice(&bytes).map_err(|error| Error::Staging(format!("{}: {error}", entry.key)))?;
        files.extend(part);
    }
    files.sort();
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for file in &files {
        if let Some(twin) = seen.insert(&file.sha256, &file.delivered_as) {
            return Err(Error::BadBill(format!(
                "`{twin}` and `{}` are the same file (sha256 {}): the cost would count twice; remove one",
                file.delivered_as, file.sha256
            )));
        }
    }
    let lines: String = files.iter().map(|file| format!("{} {}\n", file.sha256, file.size)).collect();
    Ok(InputsManifest { period: run.period, digest: sha256_hex(lines.as_bytes()), files })
}

/// Copies files `[from, to)` of the located list.
pub(crate) async fn freeze(context: &Context, run: &Run, shard: Shard) -> Result<Output, Error> {
    let plan = plan(context, run).await?;
    let part: Vec<FrozenFile> = read_staged(context, &run.staging, &fingerprint_name(shard.from)).await?;
    for file in &part {
        let key = format!("{}{}", plan.prefix(), file.path);
        let copied = context.work.copy_from(&context.bill, &file.delivered_as, &file.version, &key).await.map_err(changed)?;
        if copied.sha256 != file.sha256 {
            return Err(Error::BillChanged(format!(
                "`{}` changed while it was frozen: run again once the export is complete",
                file.delivered_as
            )));
        }
    }
    Ok(Output::Done { files: part.len() })
}

/// Checks that every file lies frozen, then writes the inputs manifest once; the run keeps its own copy.
pub(crate) async fn commit(context: &Context, run: &Run) -> Result<Output, Error> {
    let plan = plan(context, run).await?;
    for file in &plan.files {
        let key = format!("{}{}", plan.prefix(), file.path);
        let entry = context.work.head(&key).await?;
        if entry.is_none_or(|entry| entry.size != file.size) {
            return Err(Error::Staging(format!("`{key}` was not frozen whole: run again")));
        }
    }
    write_staged(context, &run.staging, "inputs.json", &plan).await?;
    let key = format!("{}manifest.json", plan.prefix());
    let text = serde_json::to_string_pretty(&plan).map_err(|error| Error::Staging(error.to_string()))? + "\n";
    if context.work.put_once(&key, text.as_bytes()).await? == PutOutcome::Exists {
        let bytes = context.work.get(&key).await?;
        let there: InputsManifest = serde_json::from_slice(&bytes).map_err(|error| Error::Staging(format!("{key}: {error}")))?;
        let hashes = |manifest: &InputsManifest| -> Vec<String> {
            manifest.files.iter().map(|file| format!("{} {}", file.sha256, file.size)).collect()
        };
        if hashes(&there) != hashes(&plan) {
            return Err(Error::Staging(format!(
                "`{key}` lists other files than its own digest: the inputs were changed by hand"
            )));
        }
    }
    Ok(Output::Committed { digest: plan.digest, files: plan.files.len() })
}

/// Freezes what else the close was made from, each under its own digest: configuration, organization, invoices, SQL, template.
pub(crate) async fn parts(context: &Context, run: &Run, facts: &CloseFacts) -> Result<(), Error> {
    copy_folder(context, &run.configuration, &facts.configuration_prefix()).await?;
    let organization = context.work.get(&format!("{}organization.json", run.staging)).await?;
    context.work.put_same(&facts.organization_key(), &organization).await?;
    if let (Some(from), Some(to)) = (&run.invoices, facts.invoices_key()) {
        context.work.put_same(&to, &context.work.get(from).await?).await?;
    }
    let sql: Vec<(&str, &str)> = context.release.catalogue.of_close().collect();
    let digests: String = sql.iter().map(|(name, text)| format!("{} {name}\n", sha256_hex(text.as_bytes()))).collect();
    if sha256_hex(digests.as_bytes()) != facts.sql_digest {
        return Err(Error::Staging("the SQL of the release changed during the run: start it again".to_owned()));
    }
    for (name, text) in sql {
        context.work.put_same(&format!("{}{name}", facts.sql_prefix()), text.as_bytes()).await?;
    }
    if let (Some(from), Some(to)) = (&run.template, facts.template_prefix()) {
        copy_folder(context, from, &to).await?;
    } else if let (Some(template), Some(to)) = (&context.release.template, facts.template_prefix()) {
        if template_digest(template) != facts.template_digest {
            return Err(Error::Staging("the template of the release changed during the run: start it again".to_owned()));
        }
        for (name, bytes) in template.iter() {
            context.work.put_same(&format!("{to}{name}"), bytes).await?;
        }
    }
    Ok(())
}

async fn copy_folder(context: &Context, from: &str, to: &str) -> Result<(), Error> {
    for entry in context.work.list(from).await? {
        let bytes = context.work.get(&entry.key).await?;
        context.work.put_same(&format!("{to}{}", &entry.key[from.len()..]), &bytes).await?;
    }
    Ok(())
}
