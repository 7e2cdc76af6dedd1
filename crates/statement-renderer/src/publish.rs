//! A staged close becomes the period's close: copied, summed, signed, and committed by one create-if-absent.
//!
//! Every write is put-once with the same bytes, so a rerun after a crash at any point, or a second publisher at the same time, ends
//! with the same files and one commit. Whether the figures are right was the gate's question; it is asked again before the signature.

mod manifest;
pub mod proof;

pub use manifest::{Checkpoint, Counts, FrozenPart, Manifest, committed, part_prefixes};

use crate::signer::{Signer, SigningError};
use apportion_core::close::{CloseFacts, InputsManifest, Reconciliation, Run};
use apportion_core::period::Period;
use apportion_output::{sha256_hex, sums_file};
use apportion_store::{Entry, PutOutcome, Store, StoreError};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub const MANIFEST: &str = "manifest.json";
pub const SUMS: &str = "SHA256SUMS";
pub const CHECKPOINT: &str = "CHECKPOINT";
pub const SIGNATURE: &str = "CHECKPOINT.sig";
pub const CURRENT: &str = "CURRENT";
/// What `SHA256SUMS` cannot list: itself, and what is made from it.
pub const UNSUMMED: [&str; 3] = [SUMS, CHECKPOINT, SIGNATURE];

/// Files in flight at once.
const PARALLEL: usize = 8;

/// Where the publisher reads, where it writes, and with what it signs.
#[derive(Clone)]
pub struct Context {
    /// `staging/`.
    pub work: Store,
    /// `closes/` and `provisional/`.
    pub closes: Store,
    /// A provisional close needs none; any other does.
    pub signer: Option<Signer>,
}

/// `{"run": …}`: the staged close is `<run.staging>close/`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    pub run: Run,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    pub status: Status,
    /// The close's folder below the store of closes, for example `closes/2026-09/<close>`.
    pub folder: String,
    /// `conflict`: the close that stands; `earlier_than_closed`: the latest closed period.
    pub current: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Committed,
    /// This very close is the period's close already; nothing was written.
    Already,
    /// Written under `provisional/`, not committed.
    Provisional,
    /// Another close is the period's; nothing was written (but by the loser of a race).
    Conflict,
    /// A later period is closed; nothing was written.
    EarlierThanClosed,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Staging(String),
    /// A cent, row or statement is off in the staged files: nothing was published.
    #[error("the staged close does not hold, nothing was published: {0}")]
    DoesNotReconcile(String),
    #[error(
        "{folder} holds the beginning of a close that was never committed and differs ({what}): remove that folder and run again"
    )]
    LeftOver { folder: String, what: String },
    #[error("{0} was signed with another key and never committed: publish with that key, or remove the folder and run again")]
    ForeignSignature(String),
    /// What was to be signed was not: nothing was published.
    #[error("nothing was published, since nothing was signed: {0}")]
    Signing(#[from] SigningError),
    #[error("there is no key to sign with: a close that is not provisional must be signed")]
    NoSigner,
    #[error("{0}: run the close again")]
    PreviousChanged(String),
}

impl Error {
    /// The name that a state machine catches.
    pub fn name(&self) -> &'static str {
        match self {
            Error::Store(error) => error.name(),
            Error::Staging(_) => "Staging",
            Error::DoesNotReconcile(_) => "DoesNotReconcile",
            Error::LeftOver { .. } => "LeftOver",
            Error::ForeignSignature(_) => "ForeignSignature",
            Error::Signing(error) => error.name(),
            Error::NoSigner => "NoSigner",
            Error::PreviousChanged(_) => "PreviousChanged",
        }
    }
}

/// One publication.
struct Publication<'a> {
    context: &'a Context,
    run: &'a Run,
    facts: CloseFacts,
    /// Prefix of the close's files, ending in `/`.
    target: String,
}

/// Publishes a staged close.
pub async fn handle(context: &Context, event: Event) -> Result<Output, Error> {
    let run = &event.run;
    let facts: CloseFacts = staged(context, run, "close.json").await?;
    if facts.period != run.period || facts.provisional != run.provisional {
        return Err(Error::Staging(format!("{}close.json is of another run", run.staging)));
    }
    let place = if run.provisional { "provisional" } else { "closes" };
    let target = format!("{}{place}/{}/{}/", run.closes, run.period, facts.close);
    let publication = Publication { context, run, facts, target };
    if run.provisional {
        publication.write_files().await?;
        return Ok(publication.output(Status::Provisional, None));
    }
    let signer = context.signer.as_ref().ok_or(Error::NoSigner)?;
    if let Some(output) = publication.standing().await? {
        return Ok(output);
    }
    let sums = publication.write_files().await?;
    publication.sign(signer, &sums).await?;
    if let Some(output) = publication.standing().await? {
        return Ok(output);
    }
    publication.commit().await
}

impl Publication<'_> {
    fn output(&self, status: Status, current: Option<String>) -> Output {
        Output { status, folder: self.target.trim_end_matches('/').to_owned(), current }
    }

    fn left_over(&self, what: impl std::fmt::Display) -> Error {
        Error::LeftOver {
            folder: format!("{}/{}", self.context.closes, self.target.trim_end_matches('/')),
            what: what.to_string(),
        }
    }

    /// What stands already, if that ends the matter.
    async fn standing(&self) -> Result<Option<Output>, Error> {
        let committed = committed(&self.context.closes, &self.run.closes).await?;
        if let Some(current) = committed.get(&self.run.period) {
            let same = *current == self.facts.close;
            return Ok(Some(if same {
                self.output(Status::Already, None)
            } else {
                self.output(Status::Conflict, Some(current.clone()))
            }));
        }
        if let Some((latest, _)) = committed.last_key_value().filter(|(latest, _)| **latest > self.run.period) {
            return Ok(Some(self.output(Status::EarlierThanClosed, Some(latest.to_string()))));
        }
        let previous: Option<(&Period, &String)> = committed.range(..self.run.period).next_back();
        let expected = self.facts.previous_period.as_ref().map(|period| (period, &self.facts.previous_close));
        if previous != expected {
            let shown = |found: Option<(&Period, &String)>| {
                found.map_or_else(|| "none".to_owned(), |(period, close)| format!("{period} {close}"))
            };
            return Err(Error::PreviousChanged(format!(
                "the close before this one was {} when the figures were made and is {} now",
                shown(expected),
                shown(previous)
            )));
        }
        Ok(None)
    }

    /// Checks and copies the staged files, writes manifest and sums, reads everything back. Gives `SHA256SUMS`.
    async fn write_files(&self) -> Result<String, Error> {
        let work = &self.context.work;
        let from = format!("{}close/", self.run.staging);
        let entries = work.list(&from).await?;
        let digests = entries.iter().map(|entry| work.digest(&entry.key, Some(&entry.version)));
        let digests: Vec<_> = stream::iter(digests.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
        let names: Vec<&str> = entries.iter().map(|entry| &entry.key[from.len()..]).collect();
        if let Some(name) = names.iter().find(|name| **name == MANIFEST || UNSUMMED.contains(name)) {
            return Err(Error::Staging(format!("{from}{name} is written by the publisher alone")));
        }
        let findings = proof::conservation(work, &from, &self.run.period.to_string(), &self.facts.close).await;
        let findings = findings.map_err(|error| match error {
            StoreError::NotFound { .. } => Error::Staging(error.to_string()),
            other => Error::Store(other),
        })?;
        if !findings.is_empty() {
            return Err(Error::DoesNotReconcile(findings.join("; ")));
        }
        let manifest = self.write_manifest(&from).await?;
        let copies =
            entries.iter().zip(&digests).zip(&names).map(|((entry, digest), name)| self.copy(entry, &digest.sha256, name));
        stream::iter(copies.collect::<Vec<_>>()).buffer_unordered(PARALLEL).try_collect::<Vec<()>>().await?;
        let mut sums: Vec<(String, String)> =
            names.iter().zip(digests).map(|(name, digest)| ((*name).to_owned(), digest.sha256)).collect();
        sums.push((MANIFEST.to_owned(), sha256_hex(&manifest)));
        let text = sums_file(&sums);
        self.put_same(SUMS, text.as_bytes()).await?;
        self.read_back(&mut sums).await?;
        Ok(text)
    }

    async fn copy(&self, entry: &Entry, sha256: &str, name: &str) -> Result<(), Error> {
        let target = format!("{}{name}", self.target);
        let copied = self.context.closes.copy_from(&self.context.work, &entry.key, &entry.version, &target).await;
        match copied {
            Ok(copied) if copied.sha256 == sha256 => Ok(()),
            Ok(_) => Err(Error::Staging(format!("{} changed while it was published", entry.key))),
            Err(StoreError::Conflict { .. }) => Err(self.left_over(name)),
            Err(error) => Err(error.into()),
        }
    }

    async fn put_same(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        match self.context.closes.put_same(&format!("{}{name}", self.target), bytes).await {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict { .. }) => Err(self.left_over(name)),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the manifest; one that lies there and differs only in how the same files were delivered stays. Gives its bytes.
    async fn write_manifest(&self, from: &str) -> Result<Vec<u8>, Error> {
        let inputs: InputsManifest = staged(self.context, self.run, "inputs.json").await?;
        let report: Reconciliation = json(&self.context.work, &format!("{from}reconciliation.json")).await?;
        let manifest = Manifest::of(self.run, self.facts.clone(), inputs, self.parts().await?, &report);
        let bytes = manifest.to_bytes().map_err(|error| Error::Staging(error.to_string()))?;
        let key = format!("{}{MANIFEST}", self.target);
        if self.context.closes.put_once(&key, &bytes).await? == PutOutcome::Created {
            return Ok(bytes);
        }
        let found = self.context.closes.get(&key).await?;
        match serde_json::from_slice::<Manifest>(&found) {
            Ok(there) if there.same_content(&manifest) => Ok(found),
            _ => Err(self.left_over(MANIFEST)),
        }
    }

    /// What was frozen beside the bill; a close whose inputs are not all there could not be proved later.
    async fn parts(&self) -> Result<Vec<FrozenPart>, Error> {
        let work = &self.context.work;
        let inputs = self.facts.inputs_prefix();
        let mut parts = Vec::new();
        for prefix in part_prefixes(&self.facts) {
            let entries = work.list(&prefix).await?;
            if entries.is_empty() {
                return Err(Error::Staging(format!("`{prefix}` was not frozen: run the close again")));
            }
            for entry in entries {
                let found = work.digest(&entry.key, None).await?;
                let path = entry.key[inputs.len()..].to_owned();
                parts.push(FrozenPart { path, sha256: found.sha256, size: found.size });
            }
        }
        parts.sort();
        Ok(parts)
    }

    /// Every file of the close once more from the store: exactly those of the sums, with those digests.
    async fn read_back(&self, sums: &mut [(String, String)]) -> Result<(), Error> {
        let entries = self.context.closes.list(&self.target).await?;
        let summed = entries.iter().filter(|entry| !UNSUMMED.contains(&&entry.key[self.target.len()..]));
        let digests = summed.map(|entry| self.context.closes.digest(&entry.key, None));
        let digests: Vec<_> = stream::iter(digests.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
        let mut found: Vec<(String, String)> =
            digests.into_iter().map(|digest| (digest.key[self.target.len()..].to_owned(), digest.sha256)).collect();
        found.sort();
        sums.sort();
        match found.iter().find(|file| !sums.contains(file)).or_else(|| sums.iter().find(|file| !found.contains(file))) {
            None => Ok(()),
            Some((name, _)) => Err(self.left_over(name)),
        }
    }

    /// Writes CHECKPOINT and its signature, and checks the one by the other as they lie in the store.
    async fn sign(&self, signer: &Signer, sums: &str) -> Result<(), Error> {
        let previous = match self.facts.previous_period {
            None => "none".to_owned(),
            Some(period) => {
                let key = format!("{}closes/{period}/{}/{CHECKPOINT}", self.run.closes, self.facts.previous_close);
                sha256_hex(&self.context.closes.get(&key).await?)
            }
        };
        let checkpoint =
            Checkpoint { period: self.run.period, close: self.facts.close.clone(), sums: sha256_hex(sums.as_bytes()), previous };
        self.put_same(CHECKPOINT, checkpoint.to_text().as_bytes()).await?;
        let signature = signer.sign(checkpoint.to_text().as_bytes()).await?;
        // Of two valid signatures the first stays.
        self.context.closes.put_once(&format!("{}{SIGNATURE}", self.target), &signature).await?;
        let read = async |name: &str| self.context.closes.get(&format!("{}{name}", self.target)).await;
        let (checkpoint, signature) = (read(CHECKPOINT).await?, read(SIGNATURE).await?);
        if signer.public_key().await?.verifies(&checkpoint, &signature) {
            Ok(())
        } else {
            Err(Error::ForeignSignature(format!("{}/{}", self.context.closes, self.target.trim_end_matches('/'))))
        }
    }

    /// The commit: one create-if-absent.
    async fn commit(&self) -> Result<Output, Error> {
        let key = format!("{}closes/{}/{CURRENT}", self.run.closes, self.run.period);
        if self.context.closes.put_once(&key, self.facts.close.as_bytes()).await? == PutOutcome::Created {
            return Ok(self.output(Status::Committed, None));
        }
        let current = self.context.closes.get(&key).await?;
        let current = String::from_utf8_lossy(&current).trim().to_owned();
        Ok(if current == self.facts.close {
            self.output(Status::Already, None)
        } else {
            self.output(Status::Conflict, Some(current))
        })
    }
}

async fn staged<T: DeserializeOwned>(context: &Context, run: &Run, name: &str) -> Result<T, Error> {
    json(&context.work, &format!("{}{name}", run.staging)).await
}

async fn json<T: DeserializeOwned>(store: &Store, key: &str) -> Result<T, Error> {
    let bytes = store.get(key).await?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Staging(format!("{key}: {error}")))
}
