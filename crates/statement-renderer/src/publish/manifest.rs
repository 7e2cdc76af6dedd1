//! The texts of a published close that are not its figures: `manifest.json`, `CHECKPOINT`, and who stands at `CURRENT`.

use apportion_core::close::{CloseFacts, FrozenFile, InputsManifest, Reconciliation, Run, Scan};
use apportion_core::period::Period;
use apportion_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `manifest.json`: what a close was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Id, digests, previous close, output version.
    #[serde(flatten)]
    pub facts: CloseFacts,
    /// What stands before `closes/`: `""`, or the currency's own prefix.
    pub closes_prefix: String,
    /// The frozen bill, below `inputs/<period>/<inputs_digest>/`.
    pub files: Vec<FrozenFile>,
    /// All else that was frozen: configuration, organization, invoices, SQL, the user's own template.
    pub parts: Vec<FrozenPart>,
    pub counts: Counts,
    /// What was charged for the rollup: with Athena only, so that a close by any other engine has the same bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<Scan>,
    /// Version of the program that published.
    pub tool_version: String,
}

/// One frozen file that is not of the bill.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FrozenPart {
    /// Below `inputs/<period>/<inputs_digest>/`.
    pub path: String,
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// Prefixes (and keys) of everything that a close was made from beside the bill; none may be empty.
pub fn part_prefixes(facts: &CloseFacts) -> Vec<String> {
    let mut prefixes = vec![facts.configuration_prefix(), facts.organization_key(), facts.sql_prefix()];
    prefixes.extend(facts.invoices_key());
    prefixes.extend(facts.template_prefix());
    prefixes
}

/// How much a close holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub bill_files: usize,
    pub bill_rows: i64,
    pub ledger_rows: usize,
    pub units: usize,
    pub invoices: usize,
}

impl Manifest {
    pub(crate) fn of(
        run: &Run,
        facts: CloseFacts,
        inputs: InputsManifest,
        parts: Vec<FrozenPart>,
        report: &Reconciliation,
        queries: Vec<Scan>,
    ) -> Manifest {
        let counts = Counts {
            bill_files: inputs.files.len(),
            bill_rows: report.rows,
            ledger_rows: report.totals.ledger_rows,
            units: report.totals.units,
            invoices: report.invoices.len(),
        };
        Manifest {
            facts,
            closes_prefix: run.closes.clone(),
            files: inputs.files,
            parts,
            counts,
            queries,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Whether two manifests tell of the same content; under which name and version it was delivered, and what it
    /// cost to read, may differ.
    pub(crate) fn same_content(&self, other: &Manifest) -> bool {
        let plain = |manifest: &Manifest| {
            let mut manifest = manifest.clone();
            manifest.queries.clear();
            for file in &mut manifest.files {
                file.delivered_as.clear();
                file.version.clear();
            }
            manifest
        };
        plain(self) == plain(other)
    }
}

/// `CHECKPOINT`: what is signed. Each names the one before it, so that no close can be taken out of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub period: Period,
    pub close: String,
    /// sha256 of `SHA256SUMS`.
    pub sums: String,
    /// sha256 of the previous `CHECKPOINT`, or `none`.
    pub previous: String,
}

impl Checkpoint {
    /// Plain `key value` lines.
    pub fn to_text(&self) -> String {
        format!("period {}\nclose {}\nsha256sums {}\nprevious {}\n", self.period, self.close, self.sums, self.previous)
    }

    /// The inverse of [`Checkpoint::to_text`], for exactly that text.
    pub fn parse(text: &str) -> Option<Checkpoint> {
        let mut lines = text.lines();
        let mut value = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(' ').map(str::to_owned);
        let checkpoint = Checkpoint {
            period: value("period")?.parse().ok()?,
            close: value("close")?,
            sums: value("sha256sums")?,
            previous: value("previous")?,
        };
        (checkpoint.to_text() == text).then_some(checkpoint)
    }
}

/// Every committed period below `<prefix>closes/` with the id at its `CURRENT`.
pub async fn committed(store: &Store, prefix: &str) -> Result<BTreeMap<Period, String>, StoreError> {
    let closes = format!("{prefix}closes/");
    let mut found = BTreeMap::new();
    for name in store.folders(&closes).await? {
        let Ok(period) = name.parse::<Period>() else { continue };
        match store.get(&format!("{closes}{name}/CURRENT")).await {
            Ok(bytes) => {
                found.insert(period, String::from_utf8_lossy(&bytes).trim().to_owned());
            }
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
