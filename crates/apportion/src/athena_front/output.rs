//! Where results go: an object in S3, or a file for `file://` on this machine. Athena's `.metadata` object beside it, which only its own
//! drivers read, is not written.

use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::primitives::ByteStream;
use std::path::{Path, PathBuf};

/// A place for results, as OutputLocation names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    S3 { bucket: String, prefix: String },
    Folder(PathBuf),
}

impl Output {
    /// `s3://bucket/prefix/` or `file:///folder`.
    pub fn parse(location: &str) -> Option<Output> {
        if let Some(folder) = location.strip_prefix("file://") {
            return folder.starts_with('/').then(|| Output::Folder(PathBuf::from(folder)));
        }
        let (bucket, prefix) = location.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")))?;
        let prefix = prefix.trim_end_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        (!bucket.is_empty()).then(|| Output::S3 { bucket: bucket.to_owned(), prefix })
    }

    /// Where the result of an execution lies: what GetQueryExecution gives as OutputLocation.
    pub fn of(&self, id: &str) -> String {
        match self {
            Output::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}{id}.csv"),
            Output::Folder(folder) => format!("file://{}", folder.join(format!("{id}.csv")).display()),
        }
    }

    /// Puts the result of an execution there.
    pub async fn put(&self, s3: &aws_sdk_s3::Client, id: &str, result: &Path) -> Result<(), String> {
        match self {
            Output::Folder(folder) => {
                std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
                let path = folder.join(format!("{id}.csv"));
                std::fs::copy(result, &path).map(|_| ()).map_err(|error| format!("{}: {error}", path.display()))
            }
            Output::S3 { bucket, prefix } => {
                let body = ByteStream::from_path(result).await.map_err(|error| error.to_string())?;
                let put =
                    s3.put_object().bucket(bucket).key(format!("{prefix}{id}.csv")).content_type("application/octet-stream");
                let answer = put.body(body).send().await;
                answer.map(|_| ()).map_err(|error| format!("s3://{bucket}/{prefix}: {}", DisplayErrorContext(&error)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_s3_or_a_folder_of_this_machine() {
        for (location, object) in [
            ("s3://b", "s3://b/1.csv"),
            ("s3://b/", "s3://b/1.csv"),
            ("s3://b/c/d", "s3://b/c/d/1.csv"),
            ("s3://b/c/d/", "s3://b/c/d/1.csv"),
            ("file:///c/d", "file:///c/d/1.csv"),
        ] {
            assert_eq!(Output::parse(location).map(|output| output.of("1")).as_deref(), Some(object));
        }
        for location in ["", "s3:///a", "file://a", "https://b/c"] {
            assert_eq!(Output::parse(location), None, "{location}");
        }
    }
}
