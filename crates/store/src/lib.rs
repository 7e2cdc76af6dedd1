//! Files by key: written once, written, read (by version), listed: a folder of this machine, or with the feature `aws` a bucket of S3.
//!
//! What a key means is the caller's; nothing here knows bills or closes. Every store passes [`conformance`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod conformance;
mod directory;
mod key;
#[cfg(feature = "aws")]
mod s3;

pub use directory::{Directory, Faults};
pub use key::check_key;
#[cfg(feature = "aws")]
pub use s3::{Retention, S3};

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Where files lie.
#[derive(Clone, Debug)]
pub enum Store {
    Directory(Directory),
    #[cfg(feature = "aws")]
    S3(S3),
}

/// One stored file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Which content this is: `<size>-<mtime in nanoseconds>` in a directory; in S3 the version id, but the ETag in a listing and where
    /// the bucket keeps no versions.
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
    #[error("`{location}` is no place for files: {why}; write s3://bucket or s3://bucket/prefix")]
    BadLocation { location: String, why: &'static str },
    #[error("cannot {action} `{key}` in {store}: {message}")]
    Service {
        action: &'static str,
        key: String,
        store: String,
        message: String,
        /// The same request may succeed later.
        may_pass: bool,
    },
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
            StoreError::Changed { .. } | StoreError::Service { may_pass: true, .. } => "Store",
            _ => "StoreRefused",
        }
    }
}

impl Store {
    /// A store over the folder `root`, which need not exist before the first write.
    pub fn directory(root: impl Into<PathBuf>) -> Store {
        Store::Directory(Directory::new(root))
    }

    /// A store over a bucket, or over what lies below a prefix of it.
    #[cfg(feature = "aws")]
    pub fn s3(client: aws_sdk_s3::Client, bucket: impl Into<String>, prefix: &str) -> Store {
        Store::S3(S3::new(client, bucket, prefix))
    }

    /// Writes a new file, whole or not at all; a file that exists stays as it is.
    pub async fn put_once(&self, key: &str, bytes: &[u8]) -> Result<PutOutcome, StoreError> {
        match self {
            Store::Directory(directory) => directory.put_once(key, bytes).await,
            #[cfg(feature = "aws")]
            Store::S3(bucket) => bucket.put_once(key, bytes).await,
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
            #[cfg(feature = "aws")]
            Store::S3(bucket) => bucket.put(key, bytes).await,
        }
    }

    /// The whole file; [`StoreError::NotFound`] names the key.
    pub async fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        match self {
            Store::Directory(directory) => directory.get(key, None).await,
            #[cfg(feature = "aws")]
            Store::S3(bucket) => bucket.get(key, None).await,
        }
    }

    /// The whole file, provided that it still is this version: else [`StoreError::Changed`].
    pub async fn get_version(&self, key: &str, version: &str) -> Result<Vec<u8>, StoreError> {
        match self {
            Store::Directory(directory) => directory.get(key, Some(version)).await,
            #[cfg(feature = "aws")]
            Store::S3(bucket) => bucket.get(key, Some(version)).await,
        }
    }

    /// Bytes `from..from + count` of one version, fewer where the file ends; `from` lies within it.
    pub async fn part(&self, key: &str, version: &str, from: u64, count: u64) -> Result<Vec<u8>, StoreError> {
        match self {
            Store::Directory(directory) => directory.part(key, version, from, count).await,
            #[cfg(feature = "aws")]
            Store::S3(bucket) => bucket.part(key, version, from, count).await,
        }
    }

    /// Every file whose key starts with `prefix`, by what follows the prefix.
    pub async fn get_all(&self, prefix: &str) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let mut files = BTreeMap::new();
        for entry in self.list(prefix).await? {
            let bytes = self.get_version(&entry.key, &entry.version).await?;
            files.insert(entry.key[prefix.len()..].to_owned(), bytes);
        }
        Ok(files)
    }

    /// Size and version, `None` if there is no such file.
    pub async fn head(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        match self {
            Store::Directory(directory) => directory.head(key).await,
            #[cfg(feature = "aws")]
            Store::S3(bucket) => bucket.head(key).await,
        }
    }

    /// Every file whose key starts with `prefix` (a plain prefix, as S3 has it), sorted by the bytes of the key.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Entry>, StoreError> {
        match self {
            Store::Directory(directory) => directory.list(prefix).await,
            #[cfg(feature = "aws")]
            Store::S3(bucket) => bucket.list(prefix).await,
        }
    }

    /// An entry of [`Store::list`] with the version by which the file is read even after it was replaced, where the store keeps versions:
    /// a listing of S3 knows only the ETag. [`StoreError::Changed`] if it was replaced since.
    pub async fn pin(&self, entry: Entry) -> Result<Entry, StoreError> {
        match self {
            Store::Directory(_) => Ok(entry),
            #[cfg(feature = "aws")]
            Store::S3(bucket) => bucket.pin(entry).await,
        }
    }

    /// Names of the folders directly below `prefix` (`""` or ending in `/`), sorted, without reading what lies deeper.
    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        match self {
            Store::Directory(directory) => directory.folders(prefix).await,
            #[cfg(feature = "aws")]
            Store::S3(bucket) => bucket.folders(prefix).await,
        }
    }

    /// SHA-256 and size of a file, streamed; of this version if one is given.
    pub async fn digest(&self, key: &str, version: Option<&str>) -> Result<Copied, StoreError> {
        match self {
            Store::Directory(directory) => directory.digest(key, version).await,
            #[cfg(feature = "aws")]
            Store::S3(bucket) => bucket.digest(key, version).await,
        }
    }

    /// Copies a file of `source` here and gives its digest. A target that exists with the same content is fine, else
    /// [`StoreError::Conflict`].
    ///
    /// Within a machine it is streamed, within S3 S3 copies it; between the two it passes through memory.
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
            #[cfg(feature = "aws")]
            (Store::S3(target), Store::S3(source)) => target.copy_from(source, source_key, source_version, key).await,
            #[cfg(feature = "aws")]
            _ => {
                let bytes = source.get_version(source_key, source_version).await?;
                self.put_same(key, &bytes).await?;
                let mut hash = Sha256::new();
                hash.update(&bytes);
                Ok(Copied { key: key.to_owned(), sha256: finish_hex(hash), size: bytes.len() as u64 })
            }
        }
    }

    /// Where the file lies on this machine, if it does.
    pub fn local_path(&self, key: &str) -> Option<PathBuf> {
        match self {
            Store::Directory(directory) => check_key(key).ok().map(|()| directory.root().join(key)),
            #[cfg(feature = "aws")]
            Store::S3(_) => None,
        }
    }
}

impl std::fmt::Display for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Store::Directory(directory) => write!(f, "{}", directory.root().display()),
            #[cfg(feature = "aws")]
            Store::S3(bucket) => write!(f, "{bucket}"),
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
