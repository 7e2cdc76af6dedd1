//! Does a close hold? Sums, commit, chain, signature, conservation, inputs, and the whole month again from its inputs.
//!
//! Reads only. What cannot be read as a close is a [`Failure`] with exit code 2; what is read and does not hold is a finding.

use crate::failure::{DOES_NOT_HOLD, Failure};
use crate::report::printable;
use apportion_core::OUTPUT_VERSION;
use apportion_core::period::Period;
use apportion_output::{parse_sums, sha256_hex};
use apportion_store::{Store, StoreError};
use serde::Serialize;
use statement_renderer::publish::{
    CHECKPOINT, Checkpoint, MANIFEST, Manifest, SIGNATURE, SUMS, UNSUMMED, committed, part_prefixes, proof,
};
use statement_renderer::signer::{PublicKey, possible_signers};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Whose signature counts.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Nobody's: the signature is not judged.
    Nobody,
    Key(PublicKey),
    /// SHA-256 of the public key's DER, lower-case hex.
    Fingerprint(String),
}

/// What one check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Holds,
    DoesNotHold,
    /// Neither proven nor disproven; the findings say why.
    NotProven,
}

/// One check and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub outcome: Outcome,
    pub findings: Vec<String>,
}

/// All checks of a close.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub period: Period,
    pub close: String,
    pub provisional: bool,
    pub holds: bool,
    pub checks: Vec<Check>,
}

/// A close, for the hook that runs the month again.
#[derive(Debug, Clone)]
pub struct Place {
    /// The folder above `inputs/`.
    pub out: PathBuf,
    /// The close's own folder.
    pub close: PathBuf,
    /// What stands before `closes/` below `out`: `""`, or the currency's prefix.
    pub closes_prefix: String,
}

impl Trust {
    /// From the options of the command line; at most one is given.
    pub fn of(key: Option<&Path>, fingerprint: Option<&str>) -> Result<Trust, Failure> {
        if let Some(path) = key {
            let wrong = |why: &dyn std::fmt::Display| {
                Failure::bad_input(format!("--key {}: {why}: name the public key in PEM (signing-key.pub.pem)", path.display()))
            };
            let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
            return PublicKey::from_pem(&text).map(Trust::Key).map_err(|error| wrong(&error));
        }
        let Some(text) = fingerprint else { return Ok(Trust::Nobody) };
        let hex: String = text.chars().filter(|c| *c != ':').collect::<String>().to_ascii_lowercase();
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let how = "openssl pkey -pubin -in signing-key.pub.pem -outform DER | sha256sum";
            return Err(Failure::bad_input(format!("--fingerprint: expected 64 hex digits, as `{how}` prints them")));
        }
        Ok(Trust::Fingerprint(hex))
    }
}

impl Report {
    /// 0 holds, 5 does not hold.
    pub fn exit_code(&self) -> u8 {
        if self.holds { 0 } else { DOES_NOT_HOLD }
    }

    /// For a person.
    pub fn text(&self) -> String {
        let provisional = if self.provisional { " PROVISIONAL" } else { "" };
        let mut text = format!("{}{provisional} {}\n", self.period, self.close);
        for check in &self.checks {
            let outcome = match check.outcome {
                Outcome::Holds => "holds",
                Outcome::DoesNotHold => "DOES NOT HOLD",
                Outcome::NotProven => "not proven",
            };
            let _ = writeln!(text, "  {:<13} {outcome}", check.name);
            for finding in &check.findings {
                let _ = writeln!(text, "    {}", printable(finding));
            }
        }
        text.push_str(if self.holds { "the close holds\n" } else { "the close DOES NOT HOLD\n" });
        text
    }
}

/// A close being verified.
struct Verification {
    /// The close's folder.
    files: Store,
    /// The folder above `inputs/`.
    out: Store,
    place: Place,
    manifest: Manifest,
}

/// Checks the close in `folder`. `rederive` runs the month again from its inputs and names what comes out different; it is called
/// only if this version of the program writes the bytes of that close.
pub async fn verify<Work>(folder: &Path, trust: &Trust, rederive: impl FnOnce(Place, Manifest) -> Work) -> Result<Report, Failure>
where
    Work: Future<Output = Result<Vec<String>, Failure>>,
{
    let verification = open(folder).await?;
    let manifest = &verification.manifest;
    let provisional = manifest.facts.provisional;
    let mut checks = vec![verification.sums().await?];
    if !provisional {
        checks.push(verification.commit().await?);
        checks.push(verification.chain(trust).await?);
        checks.push(verification.signature(trust).await?);
    }
    checks.push(verification.conservation().await?);
    let inputs = verification.inputs().await?;
    let inputs_hold = inputs.outcome == Outcome::Holds;
    checks.push(inputs);
    checks.push(if manifest.facts.output_version != OUTPUT_VERSION {
        not_proven(
            "re-derivation",
            format!(
                "the close has output version {}, this program ({}) writes {OUTPUT_VERSION}: use the program that writes {} (the close was published by {})",
                manifest.facts.output_version,
                env!("CARGO_PKG_VERSION"),
                manifest.facts.output_version,
                manifest.tool_version
            ),
        )
    } else if inputs_hold {
        match rederive(verification.place.clone(), manifest.clone()).await {
            Ok(findings) => judged("re-derivation", findings),
            // What cannot be read is no longer the question where something does not hold.
            Err(failure) if checks.iter().any(|check| check.outcome == Outcome::DoesNotHold) => {
                not_proven("re-derivation", failure.message)
            }
            Err(failure) => return Err(failure),
        }
    } else {
        not_proven("re-derivation", "the inputs do not hold".to_owned())
    });
    Ok(Report {
        period: manifest.facts.period,
        close: manifest.facts.close.clone(),
        provisional,
        holds: checks.iter().all(|check| check.outcome != Outcome::DoesNotHold),
        checks,
    })
}

/// The close in `folder`, unchecked.
pub async fn place_of(folder: &Path) -> Result<(Place, Manifest), Failure> {
    let verification = open(folder).await?;
    Ok((verification.place, verification.manifest))
}

/// The close in `folder`, if its files are those of `SHA256SUMS` and its inputs those of its manifest; else what is not, with exit
/// code 5. Who signed it is `verify`'s question.
pub async fn sound(folder: &Path) -> Result<(Place, Manifest), Failure> {
    let verification = open(folder).await?;
    let checks = [verification.sums().await?, verification.inputs().await?];
    let findings: Vec<String> = checks.into_iter().flat_map(|check| check.findings).map(|text| printable(&text)).collect();
    if findings.is_empty() {
        return Ok((verification.place, verification.manifest));
    }
    Err(Failure::new(
        DOES_NOT_HOLD,
        format!("{} is not what was published:\n  {}\nRun `apportion verify` on it.", folder.display(), findings.join("\n  ")),
    ))
}

fn judged(name: &'static str, findings: Vec<String>) -> Check {
    let outcome = if findings.is_empty() { Outcome::Holds } else { Outcome::DoesNotHold };
    Check { name, outcome, findings }
}

fn not_proven(name: &'static str, why: String) -> Check {
    Check { name, outcome: Outcome::NotProven, findings: vec![why] }
}

fn unreadable(error: StoreError) -> Failure {
    Failure::bad_input(error)
}

/// Reads the manifest and finds the folders around the close.
async fn open(folder: &Path) -> Result<Verification, Failure> {
    let what = "name the folder of a close, OUT/closes/<period>/<close>";
    let close = folder.canonicalize().map_err(|error| Failure::bad_input(format!("{}: {error}: {what}", folder.display())))?;
    let files = Store::directory(&close);
    let bytes = match files.get(MANIFEST).await {
        Err(StoreError::NotFound { .. }) => {
            return Err(Failure::bad_input(format!("{}: there is no {MANIFEST}: {what}", folder.display())));
        }
        other => other.map_err(unreadable)?,
    };
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::bad_input(format!("{}: {error}", close.join(MANIFEST).display())))?;
    // `<prefix>closes/<period>/<close>` below OUT.
    let levels = 3 + manifest.closes_prefix.split('/').filter(|part| !part.is_empty()).count();
    let out = close.ancestors().nth(levels).ok_or_else(|| Failure::bad_input(format!("{}: {what}", folder.display())))?;
    let place = Place { out: out.to_path_buf(), close: close.clone(), closes_prefix: manifest.closes_prefix.clone() };
    Ok(Verification { files, out: Store::directory(out), place, manifest })
}

impl Verification {
    /// Every file against `SHA256SUMS`: missing, changed, extra.
    async fn sums(&self) -> Result<Check, Failure> {
        const NAME: &str = "sums";
        let text = match optional(&self.files, SUMS).await? {
            Some(text) => text,
            None => return Ok(judged(NAME, vec![format!("{SUMS} is missing")])),
        };
        let listed = match String::from_utf8(text)
            .map_err(|error| error.to_string())
            .and_then(|text| parse_sums(&text).map_err(|error| error.to_string()))
        {
            Ok(listed) => listed,
            Err(error) => return Ok(judged(NAME, vec![error])),
        };
        let mut expected: BTreeMap<String, String> = listed.into_iter().collect();
        let mut findings = Vec::new();
        for entry in self.files.list("").await.map_err(unreadable)? {
            if UNSUMMED.contains(&entry.key.as_str()) {
                continue;
            }
            let found = self.files.digest(&entry.key, None).await.map_err(unreadable)?;
            match expected.remove(&entry.key) {
                None => findings.push(format!("{}: extra, {SUMS} does not list it", entry.key)),
                Some(sha256) if sha256 != found.sha256 => {
                    findings.push(format!("{}: changed (sha256 {}, {SUMS} says {sha256})", entry.key, found.sha256));
                }
                Some(_) => {}
            }
        }
        findings.extend(expected.into_keys().map(|name| format!("{name}: missing")));
        Ok(judged(NAME, findings))
    }

    /// It is the period's close, and lies where its manifest says.
    async fn commit(&self) -> Result<Check, Failure> {
        let facts = &self.manifest.facts;
        let mut findings = Vec::new();
        let expected = format!("{}closes/{}/{}", self.manifest.closes_prefix, facts.period, facts.close);
        if !self.place.close.ends_with(&expected) {
            findings.push(format!("its manifest says that it lies at {expected}"));
        }
        let committed = committed(&self.out, &self.manifest.closes_prefix).await.map_err(unreadable)?;
        match committed.get(&facts.period) {
            Some(current) if *current == facts.close => {}
            Some(current) => findings.push(format!("the period's close is {current}, this one was never committed")),
            None => findings.push("it was never committed: the period has no CURRENT".to_owned()),
        }
        let before = committed.range(..facts.period).next_back();
        let said = facts.previous_period.as_ref().map(|period| (period, &facts.previous_close));
        if before != said {
            let shown =
                |close: Option<(&Period, &String)>| close.map_or("none".to_owned(), |(period, id)| format!("{period} {id}"));
            findings.push(format!("it builds on {}, the close before it is {}", shown(said), shown(before)));
        }
        Ok(judged("commit", findings))
    }

    /// `CHECKPOINT` names these sums and the checkpoint before, back to the first.
    async fn chain(&self, trust: &Trust) -> Result<Check, Failure> {
        let mut findings = Vec::new();
        let mut at = (self.manifest.facts.period, self.manifest.facts.close.clone());
        let mut expected: Option<String> = None;
        loop {
            let (period, close) = &at;
            let prefix = format!("{}closes/{period}/{close}/", self.manifest.closes_prefix);
            let link = self.link(&prefix, *period, close, expected.as_deref(), trust).await?;
            findings.extend(link.findings.into_iter().map(|finding| format!("{period}: {finding}")));
            let (Some(checkpoint), Some(manifest)) = (link.checkpoint, link.manifest) else { break };
            match manifest.facts.previous_period {
                None => {
                    if checkpoint.previous != "none" {
                        findings.push(format!("{period}: CHECKPOINT names a previous one, the manifest none"));
                    }
                    break;
                }
                Some(previous) if previous >= *period => {
                    findings.push(format!("{period}: its manifest names {previous} as the period before it"));
                    break;
                }
                Some(previous) => {
                    expected = Some(checkpoint.previous);
                    at = (previous, manifest.facts.previous_close);
                }
            }
        }
        Ok(judged("chain", findings))
    }

    /// One close of the chain.
    async fn link(
        &self,
        prefix: &str,
        period: Period,
        close: &str,
        expected: Option<&str>,
        trust: &Trust,
    ) -> Result<Link, Failure> {
        let read = async |name: &str| optional(&self.out, &format!("{prefix}{name}")).await;
        let (text, sums, manifest) = (read(CHECKPOINT).await?, read(SUMS).await?, read(MANIFEST).await?);
        let (Some(text), Some(sums), Some(manifest)) = (text, sums, manifest) else {
            return Ok(Link::broken(format!("{CHECKPOINT}, {SUMS} or {MANIFEST} of {close} is missing")));
        };
        let Some(checkpoint) = std::str::from_utf8(&text).ok().and_then(Checkpoint::parse) else {
            return Ok(Link::broken(format!("{CHECKPOINT} of {close} is not one")));
        };
        let mut findings = Vec::new();
        if expected.is_some_and(|expected| expected != sha256_hex(&text)) {
            findings.push(format!("{CHECKPOINT} of {close} is not the one that the next close names"));
        }
        if checkpoint.period != period || checkpoint.close != close {
            findings.push(format!("{CHECKPOINT} is of {} {}", checkpoint.period, checkpoint.close));
        }
        if checkpoint.sums != sha256_hex(&sums) {
            findings.push(format!("{SUMS} of {close} is not the one that {CHECKPOINT} names"));
        }
        let listed = std::str::from_utf8(&sums).ok().and_then(|sums| parse_sums(sums).ok()).unwrap_or_default();
        if !listed.contains(&(MANIFEST.to_owned(), sha256_hex(&manifest))) {
            findings.push(format!("{MANIFEST} of {close} is not the one that {SUMS} lists"));
        }
        // The signature of the close itself has a check of its own.
        if let (Some(_), false) = (expected, matches!(trust, Trust::Nobody)) {
            let signature = read(SIGNATURE).await?.unwrap_or_default();
            if !is_trusted(trust, &text, &signature)? {
                findings.push(format!("{SIGNATURE} of {close} is not by the key given"));
            }
        }
        let manifest = serde_json::from_slice(&manifest).ok();
        if manifest.is_none() {
            findings.push(format!("{MANIFEST} of {close} cannot be read"));
        }
        Ok(Link { checkpoint: Some(checkpoint), manifest, findings })
    }

    async fn signature(&self, trust: &Trust) -> Result<Check, Failure> {
        const NAME: &str = "signature";
        let (text, signature) = (optional(&self.files, CHECKPOINT).await?, optional(&self.files, SIGNATURE).await?);
        let (Some(text), Some(signature)) = (text, signature) else {
            return Ok(judged(NAME, vec![format!("{CHECKPOINT} or {SIGNATURE} is missing")]));
        };
        if possible_signers(&text, &signature).is_empty() {
            return Ok(judged(NAME, vec![format!("{SIGNATURE} is no signature of {CHECKPOINT} by any key")]));
        }
        if matches!(trust, Trust::Nobody) {
            let how = "signer not proven: give --key or --fingerprint of the key that must have signed";
            return Ok(not_proven(NAME, how.to_owned()));
        }
        let findings = if is_trusted(trust, &text, &signature)? {
            Vec::new()
        } else {
            vec![format!("{SIGNATURE} is not a signature of {CHECKPOINT} by the key given")]
        };
        Ok(judged(NAME, findings))
    }

    async fn conservation(&self) -> Result<Check, Failure> {
        let facts = &self.manifest.facts;
        let findings = proof::conservation(&self.files, "", &facts.period.to_string(), &facts.close).await;
        match findings {
            Ok(findings) => Ok(judged("conservation", findings)),
            Err(error @ StoreError::NotFound { .. }) => Ok(judged("conservation", vec![error.to_string()])),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// The frozen bill, configuration and all else against the manifest.
    async fn inputs(&self) -> Result<Check, Failure> {
        let facts = &self.manifest.facts;
        let inputs = facts.inputs_prefix();
        let mut findings = Vec::new();
        let bill = self.manifest.files.iter().map(|file| (&file.path, &file.sha256));
        let parts = self.manifest.parts.iter().map(|part| (&part.path, &part.sha256));
        for (path, sha256) in bill.chain(parts) {
            match self.out.digest(&format!("{inputs}{path}"), None).await {
                Ok(found) if found.sha256 == *sha256 => {}
                Ok(found) => findings.push(format!("{path}: changed (sha256 {}, frozen {sha256})", found.sha256)),
                Err(StoreError::NotFound { key, .. }) => findings.push(format!("{key}: missing")),
                Err(error) => return Err(unreadable(error)),
            }
        }
        for prefix in part_prefixes(facts) {
            for entry in self.out.list(&prefix).await.map_err(unreadable)? {
                let path = &entry.key[inputs.len()..];
                if !self.manifest.parts.iter().any(|part| part.path == path) {
                    findings.push(format!("{path}: extra, the close was made without it"));
                }
            }
        }
        let mut lines: Vec<String> = self.manifest.files.iter().map(|file| format!("{} {}\n", file.sha256, file.size)).collect();
        lines.sort();
        if sha256_hex(lines.concat().as_bytes()) != facts.inputs_digest {
            findings.push("the manifest's files do not give its digest of inputs".to_owned());
        }
        Ok(judged("inputs", findings))
    }
}

/// One close of the chain, as far as it could be read.
struct Link {
    checkpoint: Option<Checkpoint>,
    manifest: Option<Manifest>,
    findings: Vec<String>,
}

impl Link {
    fn broken(finding: String) -> Link {
        Link { checkpoint: None, manifest: None, findings: vec![finding] }
    }
}

fn is_trusted(trust: &Trust, message: &[u8], signature: &[u8]) -> Result<bool, Failure> {
    match trust {
        Trust::Nobody => Ok(false),
        Trust::Key(key) => Ok(key.verifies(message, signature)),
        Trust::Fingerprint(pinned) => {
            for key in possible_signers(message, signature) {
                if key.fingerprint().map_err(Failure::other)? == *pinned && key.verifies(message, signature) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

async fn optional(store: &Store, key: &str) -> Result<Option<Vec<u8>>, Failure> {
    match store.get(key).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(unreadable(error)),
    }
}

#[cfg(test)]
mod tests;
