//! `apportion init`: looks at a bill and writes a first configuration that closes it as it stands.

use crate::close::bill_store;
use crate::failure::{Failure, NOT_READY};
use crate::init;
use apportion_core::close::{BillFile, Run};
use apportion_core::period::Period;
use apportion_engine::profile::BillProfile;
use apportion_engine::schema::BillFormat;
use apportion_store::Store;
use reconciliation_gate::{Context, Event, Output};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What was written, and from what.
pub struct Written {
    pub profile: BillProfile,
    pub files: Vec<PathBuf>,
}

/// Writes the configuration into `out`, which must be new or empty.
pub async fn init(bill: &Path, out: &Path) -> Result<Written, Failure> {
    let taken = |error: &dyn std::fmt::Display| Failure::bad_input(format!("--out {}: {error}", out.display()));
    match std::fs::read_dir(out) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(taken(&"the folder is not empty; name a new one, a configuration is never overwritten"));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(taken(&error)),
    }
    let (format, files) = files_of(bill).await?;
    let profile = apportion_engine_embedded::profile(&files, format).await.map_err(Failure::bad_input)?;
    let mut written = Vec::new();
    for (name, text) in init::files(&profile) {
        let path = out.join(&name);
        let folder = path.parent().unwrap_or(out);
        std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text)).map_err(|error| taken(&error))?;
        written.push(path);
    }
    Ok(Written { profile, files: written })
}

/// The bill's files, found as a close finds them; where formats are mixed, those of the largest one.
async fn files_of(bill: &Path) -> Result<(BillFormat, Vec<PathBuf>), Failure> {
    let (store, key) = bill_store(bill)?;
    let period = latest_period(&store).await?;
    let scratch = tempfile::tempdir().map_err(|error| Failure::other(format!("a temporary folder: {error}")))?;
    let work = Store::directory(scratch.path());
    let context = Context::new(store.clone(), work.clone());
    let run = Run {
        period,
        staging: "staging/".to_owned(),
        bill: key,
        configuration: String::new(),
        template: None,
        organization: None,
        invoices: None,
        provisional: false,
        closes: String::new(),
        currency: String::new(),
        attempt: 1,
    };
    let located = reconciliation_gate::handle(&context, Event::Locate { run }).await;
    if let Output::Located { ready: false, awaited, .. } = located.map_err(Failure::bad_input)? {
        return Err(Failure::new(NOT_READY, format!("the bill is not complete; awaited: {}", awaited.join("; "))));
    }
    let bytes = work.get("staging/bill.json").await.map_err(Failure::other)?;
    let list: serde_json::Value = serde_json::from_slice(&bytes).map_err(Failure::other)?;
    let files: Vec<BillFile> = serde_json::from_value(list["files"].clone()).map_err(Failure::other)?;
    let mut by_format: BTreeMap<String, (u64, Vec<PathBuf>)> = BTreeMap::new();
    for file in files {
        let entry = by_format.entry(file.format).or_default();
        entry.0 += file.size;
        entry.1.extend(store.local_path(&file.key));
    }
    let largest = by_format.into_iter().max_by_key(|(_, (size, _))| *size);
    let (name, (_, paths)) = largest.ok_or_else(|| Failure::bad_input("there is no bill file"))?;
    let format = [BillFormat::Cur2, BillFormat::Focus10, BillFormat::Focus12, BillFormat::Focus13]
        .into_iter()
        .find(|format| format.as_str() == name)
        .ok_or_else(|| Failure::other(format!("the format {name} is unknown")))?;
    Ok((format, paths))
}

/// The latest period that an export holds; any month will do for plain files, which are taken whole.
pub async fn latest_period(store: &Store) -> Result<Period, Failure> {
    let mut latest: Option<Period> = None;
    for entry in store.list("").await.map_err(Failure::bad_input)? {
        for part in entry.key.split('/') {
            let named = part.get(..15).is_some_and(|start| start.eq_ignore_ascii_case("BILLING_PERIOD="));
            if let Some(period) = named.then(|| part[15..].parse().ok()).flatten() {
                latest = latest.max(Some(period));
            }
        }
    }
    match latest {
        Some(period) => Ok(period),
        None => "2000-01".parse().map_err(Failure::other),
    }
}
