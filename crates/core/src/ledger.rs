//! The ledger: who pays which part of which invoice, by which rule.

use crate::money::Money;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a ledger row is made of. The words are those of the ledger file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Component {
    Direct,
    Pool,
    Commitment,
    Unused,
    Upfront,
    Discount,
    Tax,
    Support,
    Marketplace,
    Credit,
    Refund,
    Rounding,
    Adjustment,
    Unclassified,
}

impl Component {
    pub const ALL: [Component; 14] = [
        Component::Direct,
        Component::Pool,
        Component::Commitment,
        Component::Unused,
        Component::Upfront,
        Component::Discount,
        Component::Tax,
        Component::Support,
        Component::Marketplace,
        Component::Credit,
        Component::Refund,
        Component::Rounding,
        Component::Adjustment,
        Component::Unclassified,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Component::Direct => "direct",
            Component::Pool => "pool",
            Component::Commitment => "commitment",
            Component::Unused => "unused",
            Component::Upfront => "upfront",
            Component::Discount => "discount",
            Component::Tax => "tax",
            Component::Support => "support",
            Component::Marketplace => "marketplace",
            Component::Credit => "credit",
            Component::Refund => "refund",
            Component::Rounding => "rounding",
            Component::Adjustment => "adjustment",
            Component::Unclassified => "unclassified",
        }
    }

    pub fn from_word(word: &str) -> Option<Component> {
        Component::ALL.into_iter().find(|component| component.as_str() == word)
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An invoice: provider, issuer, billing account and id together, since ids repeat between issuers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InvoiceKey {
    pub provider: Text,
    pub issuer: Text,
    pub billing_account_id: Text,
    /// `""` where the bill has none yet (or, FOCUS 1.0, never).
    pub invoice_id: Text,
}

/// What makes two ledger rows the same row; also the last tie-break of the cents.
///
/// A pooled row has `account_id`, `ou_path`, `service`, `charge_type` and `commitment_id` empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LedgerKey {
    pub unit_id: Text,
    pub component: Component,
    /// `""` for a row that went through no pool.
    pub pool_id: Text,
    /// The rule that put the row here: a line rule's id, `tag.<dimension>`, `special.<component>…` or `pool.<id>…`.
    pub rule_id: Text,
    pub invoice: InvoiceKey,
    pub account_id: Text,
    /// Path of OU names from the root, `/`-separated; `__unknown__` where the organization lacks the account.
    pub ou_path: Text,
    pub service: Text,
    pub charge_type: Text,
    pub commitment_id: Text,
    pub currency: Text,
}

/// Columns of the ledger's files, in order. `cash` and `effective` have twelve decimals, `cents` counts minor units.
pub const LEDGER_COLUMNS: [&str; 22] = [
    "period",
    "provider",
    "issuer",
    "unit_id",
    "component",
    "pool_id",
    "rule_id",
    "invoice_id",
    "billing_account_id",
    "account_id",
    "ou_path",
    "service",
    "charge_type",
    "commitment_id",
    "currency",
    "cash",
    "effective",
    "cents",
    "driver_value",
    "driver_total",
    "driver_unit",
    "share",
];

/// One row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LedgerRow {
    pub key: LedgerKey,
    pub cash: Money,
    pub effective: Money,
    /// Minor units of the currency; the cents of an invoice sum to the invoice.
    pub cents: i128,
    /// The unit's weight in the split, in `driver_unit`; empty where nothing was split.
    pub driver_value: Text,
    /// The sum of all weights; `driver_value / driver_total` is the exact share unless a minimum or a cap changed it.
    pub driver_total: Text,
    /// What the driver counts: `effective_direct`, `cash`, `effective_covered`, `even`, `fixed`, `headcount`, or a usage driver's id.
    pub driver_unit: Text,
    /// The share, twelve decimals, truncated; `1.000000000000` where nothing was split.
    pub share: Text,
}

/// Where a pool's money came from and went: one line of `pools.csv`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PoolSource {
    pub pool_id: Text,
    pub component: Component,
    /// The rule that sent it here.
    pub rule_id: Text,
    /// The pool that fed it, `""` if the bill did.
    pub from_pool_id: Text,
    pub invoice: InvoiceKey,
    pub account_id: Text,
    pub service: Text,
    pub charge_type: Text,
    /// What the rows' owning tag said where it named no unit; `""` if nothing.
    pub owner_value: Text,
    pub currency: Text,
    pub cash: Money,
    pub effective: Money,
}
