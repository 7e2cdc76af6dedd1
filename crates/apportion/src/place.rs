//! Where a run stages and a close goes: a folder, a temporary one, or S3.

use crate::close::Options;
use crate::failure::Failure;
use apportion_core::close::Run;
use apportion_output::sha256_hex;
use apportion_store::{PutOutcome, Store};
use std::path::{Path, PathBuf};

const S3: &str = "s3://";

/// Where `inputs/` and `staging/` go: what `--out` names, or a temporary folder in a dry run, which leaves nothing behind.
pub struct Scratch {
    pub work: Store,
    /// As it is shown.
    root: PathBuf,
    temporary: Option<tempfile::TempDir>,
}

impl Scratch {
    pub async fn new(options: &Options) -> Result<Scratch, Failure> {
        if options.dry_run {
            let folder = tempfile::tempdir().map_err(|error| Failure::other(format!("a temporary folder: {error}")))?;
            // What daily runs kept of the organization is read by a close without `--org`.
            let kept = options.out.join("org");
            crate::daily::copy(&kept, &folder.path().join("org"))
                .map_err(|error| Failure::other(format!("--out {}: {error}", kept.display())))?;
            let root = folder.path().to_path_buf();
            return Ok(Scratch { work: Store::directory(&root), root, temporary: Some(folder) });
        }
        Ok(Scratch { work: open("--out", &options.out).await?, root: options.out.clone(), temporary: None })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A staging folder of this run's own, `staging/<period>/<digest of what was asked>-<attempt>/`, and the attempt.
    pub async fn stage(&self, options: &Options, configuration: &str) -> Result<(String, u32), Failure> {
        let asked = format!("{options:?}\n{configuration}");
        let name = &sha256_hex(asked.as_bytes())[..12];
        let unwritable = |error: &dyn std::fmt::Display| Failure::other(format!("--out {}: {error}", self.root.display()));
        for attempt in 1..10_000 {
            let staging = format!("staging/{}/{name}-{attempt}/", options.period);
            let is_mine = match self.work.local_path(staging.trim_end_matches('/')) {
                Some(folder) => new_folder(&folder).map_err(|error| unwritable(&error))?,
                None => {
                    let claimed = self.work.put_once(&format!("{staging}asked.txt"), asked.as_bytes()).await;
                    claimed.map_err(|error| unwritable(&error))? == PutOutcome::Created
                }
            };
            if is_mine {
                return Ok((staging, attempt));
            }
        }
        Err(Failure::other(format!(
            "{}/staging/{}: ten thousand failed runs lie there: remove them",
            self.root.display(),
            options.period
        )))
    }

    /// Removes what a run that has nothing more to say left. In S3 the bucket's own lifecycle does.
    pub fn clear(&self, run: &Run) {
        if let (None, Some(folder)) = (&self.temporary, self.work.local_path(run.staging.trim_end_matches('/'))) {
            // Left-overs are harmless and named by the next run, so a failure to remove them is not a failure to close.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// False if it exists.
fn new_folder(folder: &Path) -> std::io::Result<bool> {
    std::fs::create_dir_all(folder.parent().unwrap_or(Path::new(".")))?;
    match std::fs::create_dir(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an option names S3 and not a folder.
pub fn is_s3(place: &Path) -> bool {
    place.to_str().is_some_and(|text| text.starts_with(S3))
}

/// The store that an option names: a folder, or `s3://bucket[/prefix]`.
async fn open(option: &str, place: &Path) -> Result<Store, Failure> {
    match place.to_str().filter(|text| text.starts_with(S3)) {
        None => Ok(Store::directory(place)),
        Some(location) => s3(option, location).await,
    }
}

#[cfg(feature = "aws")]
async fn s3(option: &str, location: &str) -> Result<Store, Failure> {
    let client = aws_sdk_s3::Client::new(&apportion_runtime::aws::configuration().await);
    let place = apportion_store::S3::parse(client, location);
    place.map(Store::S3).map_err(|error| Failure::bad_input(format!("{option}: {error}")))
}

#[cfg(not(feature = "aws"))]
async fn s3(option: &str, location: &str) -> Result<Store, Failure> {
    Err(Failure::bad_input(format!(
        "{option} {location}: this apportion was built without S3: build it with `cargo build -p apportion --features aws`"
    )))
}
