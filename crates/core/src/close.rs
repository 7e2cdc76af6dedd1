//! What the steps of a close hand to each other: pointers to staged files, never the data.

use crate::bill::Family;
use crate::ledger::InvoiceKey;
use crate::money::Money;
use crate::org::{AsOf, Stretch};
use crate::period::Period;
use crate::reconcile::{BridgeLine, Control, Violation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One run of the month-end machine. Keys and prefixes are of the work store; prefixes end in `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub period: Period,
    /// Where this run stages its files, for example `staging/2026-09/1f2e…/`.
    pub staging: String,
    /// File, or prefix, of the bill store.
    pub bill: String,
    /// Prefix of the configuration files.
    pub configuration: String,
    /// Prefix of the statement template; `None` is the one in the package.
    pub template: Option<String>,
    /// Key of the organization file, if there is one: one tree, or a list of dated ones.
    pub organization: Option<String>,
    /// Key of the invoices file, if there is one.
    pub invoices: Option<String>,
    /// Closes before invoices are final; never committed.
    pub provisional: bool,
    /// Where `closes/` stands before it: `""`, or the currency's own prefix with `currencies = "each"`.
    pub closes: String,
    /// The currency closed; the configured one if empty.
    pub currency: String,
    /// Rises when a failed run is started again, so that its queries run again.
    pub attempt: u32,
}

impl Run {
    /// Name of the execution: the last folder of its staging.
    pub fn execution(&self) -> &str {
        self.staging.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }

    /// Key of the `mail.toml` that says who hears of the close; absent if nobody does. Not beside the configuration files, which are
    /// frozen with the close.
    pub fn mail_key(&self) -> String {
        format!("{}assets/mail.toml", self.staging)
    }
}

/// A part of a list that one Map item works on: `from <= index < to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    pub from: usize,
    pub to: usize,
}

/// At most 100 shards, so that a Map stays far below 25,000 history events; small lists in few, since each shard reads the close anew.
pub fn shards(items: usize) -> Vec<Shard> {
    let size = items.div_ceil(100).max(10);
    (0..items).step_by(size).map(|from| Shard { from, to: (from + size).min(items) }).collect()
}

/// One file of the bill, as it was found and accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillFile {
    /// Key in the bill store.
    pub key: String,
    /// Bytes.
    pub size: u64,
    pub version: String,
    /// `cur2`, `focus_1_0`, `focus_1_2` or `focus_1_3`.
    pub format: String,
    /// `parquet`, `csv` or `csv.gz`.
    pub encoding: String,
    /// Which of [`Located::layouts`] it has.
    pub layout: usize,
}

/// What an engine that reads files through a table must know of a file before it asks for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Layout {
    pub content: Content,
    /// Columns in the file's own order and spelling.
    pub columns: Vec<String>,
}

/// How a file holds the declared columns of its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Parquet with the declared types, every amount a double: what AWS Data Exports deliver.
    Parquet,
    /// The same with every amount a decimal.
    ParquetDecimal,
    /// Parquet with a declared column of some other type, such as an account id that is a number: no table can declare it.
    ParquetOther,
    /// CSV or CSV.gz.
    Csv,
}

/// `bill.json`: files of the bill, and files nearby that are not of it, each with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    pub files: Vec<BillFile>,
    /// The distinct layouts of the files, in the order in which they were found.
    pub layouts: Vec<Layout>,
    pub ignored: Vec<String>,
}

impl Located {
    /// The layout of a file of this list.
    pub fn layout_of(&self, file: &BillFile) -> Option<&Layout> {
        self.layouts.get(file.layout)
    }
}

/// One frozen file of the bill.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FrozenFile {
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// Below `inputs/<period>/<digest>/`.
    pub path: String,
    pub format: String,
    pub encoding: String,
    /// The key it was delivered under.
    pub delivered_as: String,
    pub version: String,
}

/// The frozen bill: written last, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputsManifest {
    pub period: Period,
    /// sha256 over the files' sorted `sha256 size` lines.
    pub digest: String,
    /// Sorted by sha256.
    pub files: Vec<FrozenFile>,
}

impl InputsManifest {
    /// Prefix of the frozen files.
    pub fn prefix(&self) -> String {
        format!("inputs/{}/{}/", self.period, self.digest)
    }
}

/// What the rollup found beside its rows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RollupFacts {
    /// Bill lines by format.
    pub rows: BTreeMap<String, i64>,
    /// Billing accounts whose export has no invoice ids at all (FOCUS 1.0): `provider/issuer/account`.
    pub without_invoice_ids: Vec<String>,
    /// Things a person should know about the files, such as exponents with a plus sign.
    pub warnings: Vec<String>,
    /// What was charged for the queries, where somebody charges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scans: Vec<Scan>,
}

/// What one query of an engine that charges has scanned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// Format of the bill that it rolled up.
    pub format: String,
    pub bytes: u64,
    /// At the engine's list price.
    pub us_dollars: Money,
}

/// What is awaited before a period can close.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Readiness {
    pub ready: bool,
    pub awaited: Vec<String>,
}

/// Bill and invoices compared; what allocation and proof go by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    pub family: Family,
    pub currency: String,
    pub minor_exponent: u32,
    pub controls: Vec<Control>,
    pub unbilled: Vec<String>,
    pub ignored: Vec<String>,
    /// Bill lines of other billing periods, left out: period -> lines.
    pub other_periods: BTreeMap<String, i64>,
    /// Other currencies of the bill, closed apart: currency -> lines.
    pub other_currencies: BTreeMap<String, i64>,
    /// Lines whose cost had digits beyond the twelfth decimal.
    pub lossy_rows: i64,
    pub rows: i64,
    /// Sentences that the report says: control totals, finality, family.
    pub statements: Vec<String>,
}

/// Digests of everything a close depends on, and its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseFacts {
    pub close: String,
    pub period: Period,
    pub currency: String,
    pub provisional: bool,
    pub output_version: u32,
    /// Id of the close before this one, `none` if this is the first.
    pub previous_close: String,
    pub previous_period: Option<Period>,
    pub inputs_digest: String,
    pub rollup_digest: String,
    pub configuration_digest: String,
    pub organization_digest: String,
    pub invoices_digest: String,
    pub sql_digest: String,
    pub template_digest: String,
    /// sha256 of the invoices file as it was given, if one was.
    pub invoices_file: Option<String>,
    /// The template is the user's own, frozen with the inputs; otherwise the package's.
    pub own_template: bool,
    /// Whose tree says where an account stood, and, by usage day, the snapshot that each stretch of days goes by.
    #[serde(default)]
    pub organization: OrganizationUsed,
    /// Ids of all units, sorted: the list that the statement Map runs over.
    pub units: Vec<String>,
}

/// What of the organization's history a close goes by; the trees themselves are frozen under `organization_digest`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OrganizationUsed {
    pub as_of: AsOf,
    /// Empty for a close by the period's end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stretches: Vec<Stretch>,
}

impl CloseFacts {
    /// Prefix below which everything lies that the close was made from.
    pub fn inputs_prefix(&self) -> String {
        format!("inputs/{}/{}/", self.period, self.inputs_digest)
    }

    /// Prefix of the frozen configuration files.
    pub fn configuration_prefix(&self) -> String {
        format!("{}configuration/{}/", self.inputs_prefix(), self.configuration_digest)
    }

    /// Key of the frozen organization snapshot.
    pub fn organization_key(&self) -> String {
        format!("{}organization/{}.json", self.inputs_prefix(), self.organization_digest)
    }

    /// Key of the frozen invoices file, if there was one.
    pub fn invoices_key(&self) -> Option<String> {
        self.invoices_file.as_ref().map(|sha256| format!("{}invoices/{sha256}.json", self.inputs_prefix()))
    }

    /// Prefix of the frozen SQL files.
    pub fn sql_prefix(&self) -> String {
        format!("{}sql/{}/", self.inputs_prefix(), self.sql_digest)
    }

    /// Prefix of the frozen template, if it is the user's own.
    pub fn template_prefix(&self) -> Option<String> {
        self.own_template.then(|| format!("{}template/{}/", self.inputs_prefix(), self.template_digest))
    }
}

/// `reconciliation.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciliation {
    pub period: Period,
    pub close: String,
    pub provisional: bool,
    pub currency: String,
    pub passed: bool,
    pub invoices: Vec<InvoiceLine>,
    pub totals: Totals,
    pub bridge: Vec<BridgeLine>,
    pub violations: Vec<Violation>,
    pub unbilled: Vec<String>,
    /// What the other cost family would have given, where an invoice is beyond tolerance.
    pub other_family: BTreeMap<String, Money>,
    pub notes: Vec<crate::allocate::Note>,
    pub statements: Vec<String>,
    pub ignored: Vec<String>,
    pub other_periods: BTreeMap<String, i64>,
    pub other_currencies: BTreeMap<String, i64>,
    pub lossy_rows: i64,
    pub rows: i64,
}

/// One invoice of `reconciliation.json`. Amounts are decimal strings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceLine {
    pub provider: String,
    pub issuer: String,
    pub billing_account_id: String,
    pub invoice_id: String,
    pub source: crate::reconcile::ControlSource,
    pub rows: i64,
    pub bill: Money,
    pub invoice: Money,
    pub difference: Money,
    pub tolerance: Money,
    /// Minor units that the ledger holds for the invoice.
    pub ledger_cents: i128,
    pub tax: Option<crate::reconcile::TaxControl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<crate::reconcile::InvoiceDetails>,
    pub passed: bool,
}

impl InvoiceLine {
    pub fn key(&self) -> InvoiceKey {
        InvoiceKey {
            provider: (&self.provider).into(),
            issuer: (&self.issuer).into(),
            billing_account_id: (&self.billing_account_id).into(),
            invoice_id: (&self.invoice_id).into(),
        }
    }

    /// The control that the line was made from.
    pub fn control(&self, minor_exponent: u32) -> Control {
        Control {
            key: self.key(),
            source: self.source,
            rows: self.rows,
            bill: self.bill,
            invoice: self.invoice,
            difference: self.difference,
            tolerance: self.tolerance,
            cents: self.invoice.round_to_minor(minor_exponent),
            tax: self.tax.clone(),
            details: self.details.clone(),
            passed: self.passed,
        }
    }
}

/// Sums of the whole close.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub bill_cash: Money,
    pub bill_effective: Money,
    pub ledger_cash: Money,
    pub ledger_effective: Money,
    pub ledger_cents: i128,
    pub units: usize,
    pub ledger_rows: usize,
}

/// Decimal places of a currency's minor unit (ISO 4217).
pub fn minor_exponent(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND" | "VUV" | "XAF"
        | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inline Map iterations count against 25,000 history events: never more than 100, whatever the number of units.
    #[test]
    fn shards_are_at_most_a_hundred_and_cover_every_item_once() {
        for items in [0, 1, 9, 10, 11, 99, 100, 1000, 1001, 9999, 10_000, 123_457] {
            let shards = shards(items);
            assert!(shards.len() <= 100, "{items}: {}", shards.len());
            let mut next = 0;
            for shard in &shards {
                assert!(shard.from == next && shard.to > shard.from, "{items}");
                next = shard.to;
            }
            assert_eq!(next, items);
        }
    }

    #[test]
    fn minor_units_are_those_of_iso_4217() {
        assert_eq!(["USD", "EUR", "JPY", "KWD", "CLF"].map(minor_exponent), [2, 2, 0, 3, 4]);
    }
}
