//! Copies within S3: no byte passes through this machine, but for the digest of what S3 gives none of.
//!
//! Up to 5 GB one request copies, and S3 computes the SHA-256 of the copy. Above, parts are copied, of which S3 knows only a digest of
//! digests, so the copy is read once.

use super::failure::Failure;
use super::{S3, tag_or_id};
use crate::{Copied, Entry, StoreError};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, MetadataDirective, TaggingDirective};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::time::Duration;

/// Largest object that one request copies.
const COPY_BYTES: u64 = 5_000_000_000;
const PART_BYTES: u64 = 1 << 30;
/// Parts in flight at once.
const PARALLEL: usize = 8;
/// S3 answers a copy when it is done.
const COPY_TIME: Duration = Duration::from_secs(600);

/// From which size on objects are copied in parts, and the parts' size, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub above: u64,
    pub part: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { above: COPY_BYTES, part: PART_BYTES }
    }
}

/// What is copied: an object of one version.
struct Source<'a> {
    store: &'a S3,
    entry: Entry,
    version: &'a str,
    /// `bucket/key`, percent-encoded, with the version id if there is one.
    location: String,
    /// The ETag to insist on where the version is one.
    tag: Option<String>,
}

impl S3 {
    pub(crate) async fn copy_from(
        &self,
        source: &S3,
        source_key: &str,
        source_version: &str,
        key: &str,
    ) -> Result<Copied, StoreError> {
        let object = self.object(key)?;
        let source = source.find(source_key, source_version).await?;
        if self.head(key).await?.is_some() {
            return self.same_as(&source, key).await;
        }
        let made = if source.entry.size > self.copies.above {
            self.copy_in_parts(&source, key, &object).await
        } else {
            self.copy_whole(&source, key, &object).await
        };
        match made {
            Ok(Some(sha256)) => Ok(Copied { key: key.to_owned(), sha256, size: source.entry.size }),
            Ok(None) => self.digest(key, None).await,
            Err(failure) if failure.is_outcome_unknown() && self.head(key).await?.is_some() => self.same_as(&source, key).await,
            // The source may have gone since it was looked at.
            Err(failure) if failure.is_other_version() => {
                Err(source.store.not_read("copy", source_key, Some(source_version), failure).await)
            }
            Err(failure) => Err(self.failed("copy to", key, failure)),
        }
    }

    /// The object of a version, to be copied.
    async fn find<'a>(&'a self, key: &str, version: &'a str) -> Result<Source<'a>, StoreError> {
        let object = self.object(key)?;
        let entry = match self.head_version(key, Some(version)).await {
            Ok(entry) => entry,
            Err(failure) => return Err(self.not_read("read", key, Some(version), failure).await),
        };
        let (tag, id) = tag_or_id(Some(version));
        let mut location = format!("{}/{}", self.bucket, encoded(&object));
        if let Some(id) = id {
            location.push_str(&format!("?versionId={}", encoded(&id)));
        }
        Ok(Source { store: self, entry, version, location, tag })
    }

    /// What lies at the target, if it is the same.
    async fn same_as(&self, source: &Source<'_>, key: &str) -> Result<Copied, StoreError> {
        let there = self.digest(key, None).await?;
        let wanted = source.store.digest(&source.entry.key, Some(source.version)).await?;
        if there.sha256 == wanted.sha256 {
            return Ok(there);
        }
        Err(StoreError::Conflict { key: key.to_owned(), store: self.to_string() })
    }

    /// Gives the SHA-256 of the copy if S3 does.
    async fn copy_whole(&self, source: &Source<'_>, key: &str, object: &str) -> Result<Option<String>, Failure> {
        let (mode, until) = self.lock(key).unzip();
        let copied = self
            .client
            .copy_object()
            .bucket(&self.bucket)
            .key(object)
            .copy_source(&source.location)
            .set_copy_source_if_match(source.tag.clone())
            .if_none_match("*")
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            // Neither tags nor metadata of the source are data, and reading its tags would need one more right.
            .metadata_directive(MetadataDirective::Replace)
            .tagging_directive(TaggingDirective::Replace)
            .set_object_lock_mode(mode)
            .set_object_lock_retain_until_date(until)
            .customize()
            .config_override(patient())
            .send()
            .await
            .map_err(|error| Failure::of(&error))?;
        Ok(copied.copy_object_result().and_then(|result| result.checksum_sha256()).and_then(hex_of_base64))
    }

    async fn copy_in_parts(&self, source: &Source<'_>, key: &str, object: &str) -> Result<Option<String>, Failure> {
        let (mode, until) = self.lock(key).unzip();
        let begun = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(object)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_object_lock_mode(mode)
            .set_object_lock_retain_until_date(until)
            .send()
            .await
            .map_err(|error| Failure::of(&error))?;
        let upload = begun.upload_id().unwrap_or_default();
        let done = self.copy_and_complete(source, object, upload).await;
        if done.is_err() {
            // What is left of an upload costs money until it is aborted; a lifecycle rule takes what this cannot.
            let _ = self.client.abort_multipart_upload().bucket(&self.bucket).key(object).upload_id(upload).send().await;
        }
        done.map(|()| None)
    }

    async fn copy_and_complete(&self, source: &Source<'_>, object: &str, upload: &str) -> Result<(), Failure> {
        let size = source.entry.size;
        let starts = (0..size.div_ceil(self.copies.part)).map(|index| index * self.copies.part);
        let parts = starts.zip(1..).map(|(from, number)| {
            let to = (from + self.copies.part).min(size) - 1;
            self.copy_part(source, object, upload, number, format!("bytes={from}-{to}"))
        });
        let parts: Vec<CompletedPart> = stream::iter(parts.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
        let completed = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        self.client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(object)
            .upload_id(upload)
            .multipart_upload(completed)
            .if_none_match("*")
            .customize()
            .config_override(patient())
            .send()
            .await
            .map_err(|error| Failure::of(&error))?;
        Ok(())
    }

    async fn copy_part(
        &self,
        source: &Source<'_>,
        object: &str,
        upload: &str,
        number: i32,
        range: String,
    ) -> Result<CompletedPart, Failure> {
        let copied = self
            .client
            .upload_part_copy()
            .bucket(&self.bucket)
            .key(object)
            .upload_id(upload)
            .part_number(number)
            .copy_source(&source.location)
            .set_copy_source_if_match(source.tag.clone())
            .copy_source_range(range)
            .customize()
            .config_override(patient())
            .send()
            .await
            .map_err(|error| Failure::of(&error))?;
        let result = copied.copy_part_result();
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(result.and_then(|result| result.e_tag()).map(str::to_owned))
            .set_checksum_sha256(result.and_then(|result| result.checksum_sha256()).map(str::to_owned))
            .build())
    }
}

/// Settings of a request that S3 answers late.
fn patient() -> aws_sdk_s3::config::Builder {
    let times = TimeoutConfig::builder().read_timeout(COPY_TIME).operation_attempt_timeout(COPY_TIME).build();
    aws_sdk_s3::config::Builder::new().timeout_config(times)
}

/// A key as it stands in a header: all but unreserved characters and `/` as `%XX` of UTF-8 (RFC 3986).
fn encoded(key: &str) -> String {
    key.bytes().fold(String::with_capacity(key.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    })
}

/// A SHA-256 as S3 writes it, as we write it. A digest of the digests of parts (`…-3`) is none.
fn hex_of_base64(text: &str) -> Option<String> {
    let bytes = aws_smithy_types::base64::decode(text).ok().filter(|bytes| bytes.len() == 32)?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_byte_by_byte() {
        assert_eq!(encoded("a b/ü+%2F?x=y"), "a%20b/%C3%BC%2B%252F%3Fx%3Dy");
    }

    #[test]
    fn a_digest_is_rewritten_and_a_digest_of_digests_is_none() {
        // sha256("abc"), FIPS 180-2 appendix B.1, and its base64 by `xxd -r -p | base64`.
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex_of_base64("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=").as_deref(), Some(hex));
        assert_eq!(hex_of_base64("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=-3"), None);
    }
}
