//! Files by key: written once, written, read (by version), listed. A folder now; S3 behind a feature later.
//!
//! What a key means is the caller's; nothing here knows bills or closes. Every store passes [`conformance`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod conformance;
mod directory;
mod key;

pub use directory::{Directory, Faults};
pub use key::check_key;

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Where files lie.
#[derive(Clone, Debug)]
pub enum Store {
    Directory(Directory),
}

/// One stored file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Which content this is; `<size>-<mtime in nanoseconds>` in a directory.
    pub version: String,
}

/// What `put_once` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    Created,
    /// Something lies there already; it was not touched.
    Exists,
}

/// One file as it was read to its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Copied {
    pub key: String,
    /// Lower-case hex.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("`{key}` is not a key: {why}")]
    BadKey { key: String, why: &'static str },
    #[error("there is no file `{key}` in {store}")]
    NotFound { key: String, store: String },
    #[error("`{key}` in {store} changed while it was read (version {wanted} is now {found}): run again once it is complete")]
    Changed { key: String, store: String, wanted: String, found: String },
    #[error("`{key}` in {store} exists with other content and is never overwritten")]
    Conflict { key: String, store: String },
    #[error(
        "`{path}` is a symbolic link: below {store} links are not followed, so put the file itself there or name the folder it points to"
    )]
    Link { path: String, store: String },
    #[error("`{path}` in {store} has a name that is not UTF-8: rename it")]
    NotText { path: String, store: String },
    #[error("cannot {action} `{key}` in {store}: {source}")]
    Io { action: &'static str, key: String, store: String, source: std::io::Error },
}

impl StoreError {
    /// The name under which a function passes it on: a state machine tries `Store` again; `StoreRefused` would be refused again.
    pub fn name(&self) -> &'static str {
        use std::io::ErrorKind;
        match self {
            StoreError::Io { source, .. } => match source.kind() {
                ErrorKind::PermissionDenied
                | ErrorKind::StorageFull
                | ErrorKind::QuotaExceeded
                | ErrorKind::FileTooLarge
                | ErrorKind::NotADirectory
                | ErrorKind::AlreadyExists
                | ErrorKind::IsADirectory
                | ErrorKind::ReadOnlyFilesystem => "StoreRefused",
                _ => "Store",
            },
            // A version that changed may be whole when it is read again.
            StoreError::Changed { .. } => "Store",
            _ => "StoreRefused",
        }
    }
}

impl Store {
    /// A store over the folder `root`, which need not exist before the first write.
    pub fn directory(root: impl Into<PathBuf>) -> Store {
        Store::Directory(Directory::new(root))
    }

    /// Writes a new file, whole or not at all; a file that exists stays as it is.
    pub async fn put_once(&self, key: &str, bytes: &[u8]) -> Result<PutOutcome, StoreError> {
        match self {
            Store::Directory(directory) => directory.put_once(key, bytes).await,
        }
    }

    /// Like [`Store::put_once`], but a file that exists must have the same content: else [`StoreError::Conflict`].
    ///
    /// This is what a rerun, a second writer and an unknown outcome call for.
    pub async fn put_same(&self, key: &str, bytes: &[u8]) -> Result<PutOutcome, StoreError> {
        let outcome = self.put_once(key, bytes).await?;
        if outcome == PutOutcome::Exists && self.get(key).await? != bytes {
            return Err(StoreError::Conflict { key: key.to_owned(), store: self.to_string() });
        }
        Ok(outcome)
    }

    /// Writes `<stem>.<extension>`, or `<stem>.2.<extension>` and so on where that exists with other content: nothing is overwritten, and
    /// the newest is the highest number. The same content as the newest is not written again. Gives the key.
    pub async fn put_version(&self, stem: &str, extension: &str, bytes: &[u8]) -> Result<String, StoreError> {
        let newest = self.newest_version(stem, extension).await?;
        let mut number = 1;
        if let Some((last, key)) = newest {
            if self.get(&key).await? == bytes {
                return Ok(key);
            }
            number = last + 1;
        }
        loop {
            let key = version_key(stem, extension, number);
            // Another writer's version stays; this one gets the next number.
            if self.put_once(&key, bytes).await? == PutOutcome::Created {
                return Ok(key);
            }
            number += 1;
        }
    }

    /// Number and key of the newest file that [`Store::put_version`] wrote, `None` if there is none.
    pub async fn newest_version(&self, stem: &str, extension: &str) -> Result<Option<(u32, String)>, StoreError> {
        let mut newest: Option<(u32, String)> = None;
        for entry in self.list(&format!("{stem}.")).await? {
            let middle = entry.key[stem.len()..].strip_suffix(extension).unwrap_or_default();
            let number = if middle == "." { Some(1) } else { middle.trim_matches('.').parse().ok() };
            let Some(number) = number.filter(|number| version_key(stem, extension, *number) == entry.key) else { continue };
            if newest.as_ref().is_none_or(|(last, _)| *last < number) {
                newest = Some((number, entry.key));
            }
        }
        Ok(newest)
    }

    /// Writes or replaces a file, whole or not at all.
    pub async fn put(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        match self {
            Store::Directory(directory) => directory.put(key, bytes).await,
        }
    }

    /// The whole file; [`StoreError::NotFound`] names the key.
    pub async fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        match self {
            Store::Directory(directory) => directory.get(key, None).await,
        }
    }

    /// The whole file, provided that it still is this version: else [`StoreError::Changed`].
    pub async fn get_version(&self, key: &str, version: &str) -> Result<Vec<u8>, StoreError> {
        match self {
            Store::Directory(directory) => directory.get(key, Some(version)).await,
        }
    }

    /// Size and version, `None` if there is no such file.
    pub async fn head(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        match self {
            Store::Directory(directory) => directory.head(key).await,
        }
    }

    /// Every file whose key starts with `prefix` (a plain prefix, as S3 has it), sorted by the bytes of the key.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Entry>, StoreError> {
        match self {
            Store::Directory(directory) => directory.list(prefix).await,
        }
    }

    /// Names of the folders directly below `prefix` (`""` or ending in `/`), sorted, without reading what lies deeper.
    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        match self {
            Store::Directory(directory) => directory.folders(prefix).await,
        }
    }

    /// SHA-256 and size of a file, streamed; of this version if one is given.
    pub async fn digest(&self, key: &str, version: Option<&str>) -> Result<Copied, StoreError> {
        match self {
            Store::Directory(directory) => directory.digest(key, version).await,
        }
    }

    /// Streams a file of `source` here, hashing. A target that exists with the same content is fine, else
    /// [`StoreError::Conflict`].
    pub async fn copy_from(
        &self,
        source: &Store,
        source_key: &str,
        source_version: &str,
        key: &str,
    ) -> Result<Copied, StoreError> {
        match (self, source) {
            (Store::Directory(target), Store::Directory(source)) => {
                target.copy_from(source, source_key, source_version, key).await
            }
        }
    }

    /// Where the file lies on this machine, if it does.
    pub fn local_path(&self, key: &str) -> Option<PathBuf> {
        match self {
            Store::Directory(directory) => check_key(key).ok().map(|()| directory.root().join(key)),
        }
    }
}

impl std::fmt::Display for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Store::Directory(directory) => write!(f, "{}", directory.root().display()),
        }
    }
}

fn version_key(stem: &str, extension: &str, number: u32) -> String {
    if number == 1 { format!("{stem}.{extension}") } else { format!("{stem}.{number}.{extension}") }
}

pub(crate) fn finish_hex(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
