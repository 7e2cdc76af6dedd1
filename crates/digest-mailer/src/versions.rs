//! Files of which each content is kept: `name.ext`, `name.2.ext`, `name.3.ext`.

use crate::Error;
use apportion_store::{PutOutcome, Store};

/// Key of a version, from 1.
pub fn key(stem: &str, extension: &str, version: u32) -> String {
    if version == 1 { format!("{stem}.{extension}") } else { format!("{stem}.{version}.{extension}") }
}

/// The newest version, 0 if there is none.
pub async fn newest(store: &Store, stem: &str, extension: &str) -> Result<u32, Error> {
    let entries = store.list(&format!("{stem}.")).await?;
    let number = |found: &str| -> Option<u32> {
        let middle = found.strip_prefix(stem)?.strip_suffix(extension)?.trim_matches('.');
        let version = if middle.is_empty() { 1 } else { middle.parse().ok()? };
        (key(stem, extension, version) == found).then_some(version)
    };
    Ok(entries.iter().filter_map(|entry| number(&entry.key)).max().unwrap_or(0))
}

/// Keeps this content, unless the newest version is it. Gives the version, and whether it is new.
pub async fn keep(store: &Store, stem: &str, extension: &str, bytes: &[u8]) -> Result<(u32, bool), Error> {
    loop {
        let last = newest(store, stem, extension).await?;
        if last > 0 && store.get(&key(stem, extension, last)).await? == bytes {
            return Ok((last, false));
        }
        // Another writer's version stays.
        if store.put_once(&key(stem, extension, last + 1), bytes).await? == PutOutcome::Created {
            return Ok((last + 1, true));
        }
    }
}
