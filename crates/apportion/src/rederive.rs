//! The whole close once more, from its frozen inputs, in a temporary folder: do the same bytes come out?

use crate::close::{MONTH_END, embedded};
use crate::failure::Failure;
use crate::local::{LocalFunctions, Places};
use crate::walker::{Machine, Walked};
use apportion_core::close::{CloseFacts, Run};
use apportion_store::{Store, StoreError};
use serde_json::json;
use statement_renderer::Template;
use std::collections::BTreeMap;
use std::path::Path;

/// Files of a close that a second run does not make: they hold the proof of the first.
const OF_THE_FIRST_RUN: [&str; 4] = ["manifest.json", "SHA256SUMS", "CHECKPOINT", "CHECKPOINT.sig"];

/// Runs the month again and names every file of the close that comes out different, is missing, or is extra.
///
/// `out` is the folder above `inputs/`, `close` the close's folder, `closes` what stands before `closes/` (`""`, or the currency's
/// prefix). Writes nothing but a temporary folder.
pub async fn rederive(out: &Path, close: &Path, closes: &str, facts: &CloseFacts) -> Result<Vec<String>, Failure> {
    let scratch = tempfile::tempdir().map_err(|error| Failure::other(format!("a temporary folder: {error}")))?;
    let frozen = Store::directory(out);
    let places = Places {
        bill: Store::directory(out.join(format!("{}bill", facts.inputs_prefix()))),
        work: Store::directory(scratch.path()),
        closes: Store::directory(scratch.path().join("earlier")),
    };
    let run = stage(&frozen, &places.work, closes, facts).await?;
    copy_previous(&frozen, &places.closes, closes, facts).await?;
    let template = template(&frozen, facts).await?;
    let functions = LocalFunctions::new(&places, embedded(), &template, None).map_err(Failure::other)?;
    let machine = Machine::parse("statemachine/month_end.asl.json", MONTH_END).map_err(Failure::other)?;
    let staging = run.staging.clone();
    let walked = machine
        .walk(&functions, json!({ "run": run, "dry_run": true, "approval_required": false, "started_by": "" }), &|_| {})
        .await;
    match walked {
        Walked::Succeeded { state, .. } if state == "DryRun" => {}
        Walked::Succeeded { state, .. } => return Ok(vec![format!("the month ends in {state} when it is run again")]),
        Walked::Failed { cause, .. } => return Ok(vec![format!("the month fails when it is run again: {cause}")]),
    }
    compare(&Store::directory(close), &places.work, &format!("{staging}close/")).await
}

/// The run of the close, with everything it read taken from the frozen inputs.
async fn stage(frozen: &Store, work: &Store, closes: &str, facts: &CloseFacts) -> Result<Run, Failure> {
    let staging = format!("staging/{}/again/", facts.period);
    let configuration = format!("{staging}assets/configuration/");
    copy_folder(frozen, &facts.configuration_prefix(), work, &configuration).await?;
    let organization = format!("{staging}assets/organization.json");
    copy(frozen, &facts.organization_key(), work, &organization).await?;
    let invoices = match facts.invoices_key() {
        None => None,
        Some(key) => {
            let to = format!("{staging}assets/invoices.json");
            copy(frozen, &key, work, &to).await?;
            Some(to)
        }
    };
    let template = match facts.template_prefix() {
        None => None,
        Some(prefix) => {
            let to = format!("{staging}assets/template/");
            copy_folder(frozen, &prefix, work, &to).await?;
            Some(to)
        }
    };
    Ok(Run {
        period: facts.period,
        staging,
        bill: String::new(),
        configuration,
        template,
        organization: Some(organization),
        invoices,
        provisional: facts.provisional,
        closes: closes.to_owned(),
        currency: facts.currency.clone(),
        attempt: 1,
    })
}

async fn copy(from: &Store, key: &str, to: &Store, target: &str) -> Result<(), Failure> {
    let bytes = from.get(key).await.map_err(unreadable)?;
    to.put(target, &bytes).await.map_err(Failure::other)
}

async fn copy_folder(from: &Store, prefix: &str, to: &Store, target: &str) -> Result<(), Failure> {
    for entry in from.list(prefix).await.map_err(unreadable)? {
        copy(from, &entry.key, to, &format!("{target}{}", &entry.key[prefix.len()..])).await?;
    }
    Ok(())
}

/// An input that is gone or damaged: the close cannot be re-derived, which verify reports as unreadable.
fn unreadable(error: StoreError) -> Failure {
    Failure::bad_input(format!("the close's inputs cannot be read: {error}"))
}

/// The close before this one, as the only one there is.
async fn copy_previous(frozen: &Store, to: &Store, closes: &str, facts: &CloseFacts) -> Result<(), Failure> {
    let Some(period) = facts.previous_period else { return Ok(()) };
    let prefix = format!("{closes}closes/{period}/");
    let earlier = format!("{prefix}{}/", facts.previous_close);
    copy_folder(frozen, &earlier, to, &earlier).await?;
    let earlier = facts_of(frozen, &earlier).await?;
    copy_year(frozen, to, closes, facts, &earlier).await?;
    copy_folder(frozen, &earlier.configuration_prefix(), to, &earlier.configuration_prefix()).await?;
    copy(frozen, &format!("{prefix}CURRENT"), to, &format!("{prefix}CURRENT")).await
}

async fn facts_of(frozen: &Store, close: &str) -> Result<CloseFacts, Failure> {
    let key = format!("{close}manifest.json");
    let manifest = frozen.get(&key).await.map_err(unreadable)?;
    serde_json::from_slice(&manifest).map_err(|error| Failure::bad_input(format!("{key}: {error}")))
}

/// Ledgers of the closes of the same year before the previous one, which the summary's year to date is made from; none is committed
/// there, so that the previous close stays the one before.
async fn copy_year(frozen: &Store, to: &Store, closes: &str, facts: &CloseFacts, previous: &CloseFacts) -> Result<(), Failure> {
    let before = |facts: &CloseFacts| facts.previous_period.map(|period| (period, facts.previous_close.clone()));
    let mut next = before(previous).filter(|_| previous.period.year() == facts.period.year());
    while let Some((period, close)) = next.filter(|(period, _)| period.year() == facts.period.year()) {
        let folder = format!("{closes}closes/{period}/{close}/");
        for name in ["manifest.json", "ledger.csv"] {
            copy(frozen, &format!("{folder}{name}"), to, &format!("{folder}{name}")).await?;
        }
        let earlier = facts_of(frozen, &folder).await?;
        next = before(&earlier).filter(|(before, _)| *before < period);
    }
    Ok(())
}

/// The template of a close: the frozen one if it is the user's own, else the package's.
pub async fn template(frozen: &Store, facts: &CloseFacts) -> Result<Template, Failure> {
    let Some(prefix) = facts.template_prefix() else { return Ok(Template::builtin()) };
    let mut files = BTreeMap::new();
    for entry in frozen.list(&prefix).await.map_err(unreadable)? {
        files.insert(entry.key[prefix.len()..].to_owned(), frozen.get(&entry.key).await.map_err(unreadable)?);
    }
    Template::from_files(files).map_err(Failure::bad_input)
}

async fn compare(close: &Store, again: &Store, prefix: &str) -> Result<Vec<String>, Failure> {
    let mut differences = Vec::new();
    let mut made: BTreeMap<String, String> = BTreeMap::new();
    for entry in again.list(prefix).await.map_err(Failure::other)? {
        let digest = again.digest(&entry.key, None).await.map_err(Failure::other)?;
        made.insert(entry.key[prefix.len()..].to_owned(), digest.sha256);
    }
    for entry in close.list("").await.map_err(unreadable)? {
        if OF_THE_FIRST_RUN.contains(&entry.key.as_str()) {
            continue;
        }
        let found = close.digest(&entry.key, None).await.map_err(unreadable)?;
        match made.remove(&entry.key) {
            None => differences.push(format!("{}: the inputs do not give this file", entry.key)),
            Some(sha256) if sha256 != found.sha256 => {
                differences.push(format!("{}: the inputs give other bytes (sha256 {sha256}, here {})", entry.key, found.sha256));
            }
            Some(_) => {}
        }
    }
    differences.extend(made.into_keys().map(|name| format!("{name}: the inputs give this file and it is not here")));
    Ok(differences)
}
