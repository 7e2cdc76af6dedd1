//! The store over a bucket of S3.
//!
//! A version is S3's version id where the bucket keeps versions, else the object's ETag in its quotes, which a read then insists on. A
//! write carries its SHA-256, so that bytes that changed on the way are refused. Where the answer to a conditional write is lost, a tag
//! of the writer's own tells whether the object that lies there is that very write.

mod copy;
mod failure;

use crate::{Copied, Entry, PutOutcome, StoreError, check_key, finish_hex};
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ObjectLockMode};
use failure::Failure;
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime};

/// Longest key of S3, in bytes, the store's prefix included.
const MAX_KEY_BYTES: usize = 1024;
/// Metadata under which a conditional write leaves its tag.
const WRITER: &str = "apportion-writer";
/// How often a conditional write is sent when S3 says that another one of the same key is under way.
const CONFLICTS: u32 = 6;

/// A bucket, or what lies below a prefix of it, as a store.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
    bucket: String,
    /// `""` or ending in `/`.
    prefix: String,
    retention: Option<Retention>,
    copies: copy::Limits,
}

/// How long S3 keeps what is written below `closes/` from everybody (Object Lock).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    pub days: u32,
    /// Compliance: not even the root user can shorten it. Governance: a role with `s3:BypassGovernanceRetention` can.
    pub is_compliance: bool,
}

impl S3 {
    /// `prefix` is `""` or the folder below which the keys of this store lie.
    pub fn new(client: Client, bucket: impl Into<String>, prefix: &str) -> S3 {
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        S3 { client, bucket: bucket.into(), prefix, retention: None, copies: copy::Limits::default() }
    }

    /// Reads `s3://bucket` or `s3://bucket/prefix`.
    pub fn parse(client: Client, location: &str) -> Result<S3, StoreError> {
        let wrong = |why| StoreError::BadLocation { location: location.chars().take(120).collect(), why };
        let rest = location.strip_prefix("s3://").ok_or_else(|| wrong("it does not begin with s3://"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_bucket = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(is_bucket) {
            return Err(wrong("a bucket's name has 3 to 63 small letters, digits, `-` and `.`"));
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if !prefix.is_empty() && check_key(prefix).is_err() {
            return Err(wrong("its prefix is not a folder: leave out empty, `.` and `..` parts and control characters"));
        }
        Ok(S3::new(client, bucket, prefix))
    }

    /// The same store, which locks what it writes below `closes/`. The bucket must have Object Lock.
    pub fn with_retention(mut self, retention: Retention) -> S3 {
        self.retention = Some(retention);
        self
    }

    /// The same store, which copies objects above `above` bytes in parts of `part` bytes (S3: at least 5 MiB), as it must above 5 GB.
    pub fn with_copies_in_parts(mut self, above: u64, part: u64) -> S3 {
        self.copies = copy::Limits { above, part: part.max(1) };
        self
    }

    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// `""` or ending in `/`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The object's key in the bucket.
    fn object(&self, key: &str) -> Result<String, StoreError> {
        check_key(key)?;
        if self.prefix.len() + key.len() > MAX_KEY_BYTES {
            let why = "with the prefix of its store it is longer than 1024 bytes";
            return Err(StoreError::BadKey { key: key.chars().take(120).collect(), why });
        }
        Ok(format!("{}{key}", self.prefix))
    }

    /// Mode and end of the retention of a key, if it has one.
    fn lock(&self, key: &str) -> Option<(ObjectLockMode, DateTime)> {
        let retention = self.retention.filter(|_| key.starts_with("closes/") || key.contains("/closes/"))?;
        let mode = if retention.is_compliance { ObjectLockMode::Compliance } else { ObjectLockMode::Governance };
        Some((mode, (SystemTime::now() + Duration::from_secs(u64::from(retention.days) * 86_400)).into()))
    }

    fn put_request(&self, key: &str, object: &str, bytes: &[u8]) -> PutObjectFluentBuilder {
        let (mode, until) = self.lock(key).unzip();
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(object)
            .body(ByteStream::from(bytes.to_vec()))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_object_lock_mode(mode)
            .set_object_lock_retain_until_date(until)
    }

    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let object = self.object(key)?;
        // The same bytes twice are the same file: the client may send this again as often as it likes.
        let sent = self.put_request(key, &object, bytes).send().await;
        sent.map(|_| ()).map_err(|error| self.failed("write", key, Failure::of(&error)))
    }

    pub(crate) async fn put_once(&self, key: &str, bytes: &[u8]) -> Result<PutOutcome, StoreError> {
        let object = self.object(key)?;
        let writer = self.writer_tag(key)?;
        let mut conflicts = 0;
        loop {
            let request = self.put_request(key, &object, bytes).metadata(WRITER, &writer).if_none_match("*");
            let failure = match request.send().await {
                Ok(_) => return Ok(PutOutcome::Created),
                Err(error) => Failure::of(&error),
            };
            if !failure.is_outcome_unknown() {
                return Err(self.failed("write", key, failure));
            }
            // "It exists" may be the answer to our own write, sent again by the client after its first answer was lost.
            match self.writer_of(key, &object).await? {
                Some(found) if found == writer => return Ok(PutOutcome::Created),
                Some(_) => return Ok(PutOutcome::Exists),
                None => {}
            }
            conflicts += 1;
            if !failure.is_conflict() || conflicts == CONFLICTS {
                return Err(self.failed("write", key, failure));
            }
            tokio::time::sleep(Duration::from_millis(50 << conflicts)).await;
        }
    }

    /// Tells this write from any other.
    fn writer_tag(&self, key: &str) -> Result<String, StoreError> {
        let random = getrandom::u64().and_then(|first| Ok((first, getrandom::u64()?)));
        let (first, second) = random.map_err(|error| StoreError::Service {
            action: "write",
            key: key.to_owned(),
            store: self.to_string(),
            message: format!("this machine gives no random numbers ({error})"),
            may_pass: true,
        })?;
        Ok(format!("{first:016x}{second:016x}"))
    }

    /// The tag of what lies there, `""` if it has none; `None` if nothing does.
    async fn writer_of(&self, key: &str, object: &str) -> Result<Option<String>, StoreError> {
        match self.client.head_object().bucket(&self.bucket).key(object).send().await {
            Ok(head) => Ok(Some(head.metadata().and_then(|tags| tags.get(WRITER)).cloned().unwrap_or_default())),
            Err(error) => match Failure::of(&error) {
                failure if failure.is_absent() => Ok(None),
                failure => Err(self.failed("look at", key, failure)),
            },
        }
    }

    pub(crate) async fn get(&self, key: &str, version: Option<&str>) -> Result<Vec<u8>, StoreError> {
        let output = self.open(key, version, None).await?;
        let body = output.body.collect().await.map_err(|error| self.cut(key, &error))?;
        Ok(body.to_vec())
    }

    /// Bytes `from..from + count`, fewer where the object ends.
    pub(crate) async fn part(&self, key: &str, version: &str, from: u64, count: u64) -> Result<Vec<u8>, StoreError> {
        let range = format!("bytes={from}-{}", from.saturating_add(count).saturating_sub(1));
        let output = self.open(key, Some(version), Some(range)).await?;
        let is_part = output.content_range().is_some();
        let body = output.body.collect().await.map_err(|error| self.cut(key, &error))?.to_vec();
        if is_part {
            return Ok(body);
        }
        // A service may answer with the whole object (RFC 9110, 14.2).
        let place = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(body.len());
        Ok(body[place(from)..place(from.saturating_add(count))].to_vec())
    }

    pub(crate) async fn digest(&self, key: &str, version: Option<&str>) -> Result<Copied, StoreError> {
        let mut output = self.open(key, version, None).await?;
        let mut hash = Sha256::new();
        let mut size = 0;
        while let Some(chunk) = output.body.try_next().await.map_err(|error| self.cut(key, &error))? {
            size += chunk.len() as u64;
            hash.update(&chunk);
        }
        Ok(Copied { key: key.to_owned(), sha256: finish_hex(hash), size })
    }

    async fn open(&self, key: &str, version: Option<&str>, range: Option<String>) -> Result<GetObjectOutput, StoreError> {
        let object = self.object(key)?;
        let (tag, id) = tag_or_id(version);
        let mut request = self.client.get_object().bucket(&self.bucket).key(object).set_if_match(tag).set_version_id(id);
        if range.is_none() {
            // S3 gives the checksum of the whole object, which says nothing of a part.
            request = request.checksum_mode(ChecksumMode::Enabled);
        }
        match request.set_range(range).send().await {
            Ok(output) => Ok(output),
            Err(error) => Err(self.not_read("read", key, version, Failure::of(&error)).await),
        }
    }

    /// Why a read of a key, or of a version of it, failed.
    async fn not_read(&self, action: &'static str, key: &str, version: Option<&str>, failure: Failure) -> StoreError {
        let Some(wanted) = version else {
            return if failure.is_absent() { self.not_found(key) } else { self.failed(action, key, failure) };
        };
        if !failure.is_other_version() {
            return self.failed(action, key, failure);
        }
        match self.head(key).await {
            Ok(None) => self.not_found(key),
            // S3 has this very version, so its refusal was about something else.
            Ok(Some(entry)) if entry.version == wanted => self.failed(action, key, failure),
            Ok(Some(entry)) => StoreError::Changed {
                key: key.to_owned(),
                store: self.to_string(),
                wanted: wanted.to_owned(),
                found: entry.version,
            },
            Err(error) => error,
        }
    }

    pub(crate) async fn head(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        match self.head_version(key, None).await {
            Ok(entry) => Ok(Some(entry)),
            Err(failure) if failure.is_absent() => {
                self.object(key)?;
                Ok(None)
            }
            Err(failure) => {
                self.object(key)?;
                Err(self.failed("look at", key, failure))
            }
        }
    }

    async fn head_version(&self, key: &str, version: Option<&str>) -> Result<Entry, Failure> {
        let object = self.object(key).map_err(|error| Failure::local(error.to_string()))?;
        let (tag, id) = tag_or_id(version);
        let request = self.client.head_object().bucket(&self.bucket).key(object).set_if_match(tag).set_version_id(id);
        let head = request.send().await.map_err(|error| Failure::of(&error))?;
        let size = u64::try_from(head.content_length().unwrap_or_default()).unwrap_or_default();
        let id = head.version_id().filter(|id| *id != "null");
        let version = id.or(head.e_tag()).unwrap_or_default().to_owned();
        Ok(Entry { key: key.to_owned(), size, version })
    }

    /// The entry of a listing with the version that stays readable when the object is replaced.
    pub(crate) async fn pin(&self, entry: Entry) -> Result<Entry, StoreError> {
        match self.head_version(&entry.key, Some(&entry.version)).await {
            Ok(pinned) => Ok(pinned),
            Err(failure) => Err(self.not_read("look at", &entry.key, Some(&entry.version), failure).await),
        }
    }

    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Entry>, StoreError> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(format!("{}{prefix}", self.prefix));
        let mut pages = request.into_paginator().send();
        let mut entries = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.failed("list", prefix, Failure::of(&error)))?;
            for object in page.contents() {
                let key = object.key().and_then(|key| key.strip_prefix(&self.prefix)).unwrap_or_default();
                // Consoles make an empty object for a folder.
                if key.is_empty() || key.ends_with('/') {
                    continue;
                }
                check_key(key)?;
                let size = u64::try_from(object.size().unwrap_or_default()).unwrap_or_default();
                entries.push(Entry { key: key.to_owned(), size, version: object.e_tag().unwrap_or_default().to_owned() });
            }
        }
        entries.sort();
        Ok(entries)
    }

    pub(crate) async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let below = format!("{}{prefix}", self.prefix);
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(&below).delimiter("/");
        let mut pages = request.into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.failed("list", prefix, Failure::of(&error)))?;
            let folders = page.common_prefixes().iter().filter_map(|folder| folder.prefix()?.strip_prefix(&below));
            names.extend(folders.map(|name| name.trim_end_matches('/').to_owned()).filter(|name| !name.is_empty()));
        }
        names.sort();
        Ok(names)
    }

    fn not_found(&self, key: &str) -> StoreError {
        StoreError::NotFound { key: key.to_owned(), store: self.to_string() }
    }

    fn failed(&self, action: &'static str, key: &str, failure: Failure) -> StoreError {
        StoreError::Service {
            action,
            key: key.to_owned(),
            store: self.to_string(),
            may_pass: failure.may_pass(),
            message: failure.message(),
        }
    }

    /// A body that ended before its end, or whose checksum is not S3's.
    fn cut(&self, key: &str, error: &dyn std::error::Error) -> StoreError {
        let message = format!("the answer was cut short ({})", aws_sdk_s3::error::DisplayErrorContext(error));
        StoreError::Service { action: "read", key: key.to_owned(), store: self.to_string(), message, may_pass: true }
    }
}

impl std::fmt::Display for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix.trim_end_matches('/')) }
    }
}

/// A version as S3 takes it: an ETag to insist on, or a version id.
fn tag_or_id(version: Option<&str>) -> (Option<String>, Option<String>) {
    match version {
        None => (None, None),
        Some(tag) if tag.starts_with('"') => (Some(tag.to_owned()), None),
        Some(id) => (None, Some(id.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::config::{BehaviorVersion, Builder};

    fn client() -> Client {
        Client::from_conf(Builder::new().behavior_version(BehaviorVersion::latest()).build())
    }

    #[test]
    fn locations_are_read_and_printed() {
        for (text, bucket, prefix) in [
            ("s3://closes", "closes", ""),
            ("s3://closes/", "closes", ""),
            ("s3://a.b-1/x/y", "a.b-1", "x/y/"),
            ("s3://closes/x/", "closes", "x/"),
        ] {
            let store = S3::parse(client(), text).unwrap();
            assert_eq!((store.bucket(), store.prefix()), (bucket, prefix), "{text}");
            assert_eq!(store.to_string(), text.trim_end_matches('/'));
        }
        for text in ["", "closes", "s3:/closes", "s3://", "s3://UPPER", "s3://ab", "s3://closes//x", "s3://closes/../x"] {
            assert!(matches!(S3::parse(client(), text), Err(StoreError::BadLocation { .. })), "{text}");
        }
    }

    #[test]
    fn a_prefix_counts_against_the_longest_key() {
        let store = S3::new(client(), "closes", &"p".repeat(200));
        let long = format!("{}/{}", "a".repeat(255), "b/".repeat(300) + "c");
        assert!(store.object(&long).is_err() && S3::new(client(), "closes", "").object(&long).is_ok());
    }

    #[test]
    fn only_closes_are_locked() {
        let store = S3::new(client(), "closes", "").with_retention(Retention { days: 30, is_compliance: true });
        assert!(store.lock("closes/2026-09/x/CURRENT").is_some_and(|(mode, _)| mode == ObjectLockMode::Compliance));
        assert!(store.lock("EUR/closes/2026-09/CURRENT").is_some());
        for key in ["provisional/2026-09/x", "staging/closes.json", "inputs/closes-2026/x"] {
            assert!(store.lock(key).is_none(), "{key}");
        }
    }

    #[test]
    fn an_etag_is_told_from_a_version_id_by_its_quotes() {
        assert_eq!(tag_or_id(Some("\"9bb58f26\"")), (Some("\"9bb58f26\"".to_owned()), None));
        assert_eq!(tag_or_id(Some("3sL4kqtJlcpX")), (None, Some("3sL4kqtJlcpX".to_owned())));
    }
}
