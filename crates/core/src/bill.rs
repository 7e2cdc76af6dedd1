//! One group of bill lines: what the rollup gives and everything after it works on.
//!
//! The formulae of each kind of line stand in `sql/source/`; nothing here knows an export format.

use crate::money::Money;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a bill line is, in one vocabulary for CUR 2.0 and FOCUS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Usage, flat-rate subscription, fee without a commitment, usage covered by a reservation.
    Usage,
    /// SavingsPlanCoveredUsage: its cash is taken back by a negation.
    Covered,
    /// SavingsPlanNegation: follows the covered usage that it offsets.
    Negation,
    /// RIFee, SavingsPlanRecurringFee; FOCUS recurring Purchase: cash follows use, effective is the unused part.
    CommitmentFee,
    /// Unused effective cost that stands on a row of its own (FOCUS).
    Unused,
    /// Upfront purchase of a commitment.
    Upfront,
    Discount,
    Tax,
    Support,
    Marketplace,
    Credit,
    Refund,
    Adjustment,
    /// A line type that no rule of ours knows; kept, shown, never dropped.
    Unclassified,
}

impl Kind {
    pub const ALL: [Kind; 14] = [
        Kind::Usage,
        Kind::Covered,
        Kind::Negation,
        Kind::CommitmentFee,
        Kind::Unused,
        Kind::Upfront,
        Kind::Discount,
        Kind::Tax,
        Kind::Support,
        Kind::Marketplace,
        Kind::Credit,
        Kind::Refund,
        Kind::Adjustment,
        Kind::Unclassified,
    ];

    /// The word that `sql/source/` writes.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Usage => "usage",
            Kind::Covered => "covered",
            Kind::Negation => "negation",
            Kind::CommitmentFee => "commitment_fee",
            Kind::Unused => "unused",
            Kind::Upfront => "upfront",
            Kind::Discount => "discount",
            Kind::Tax => "tax",
            Kind::Support => "support",
            Kind::Marketplace => "marketplace",
            Kind::Credit => "credit",
            Kind::Refund => "refund",
            Kind::Adjustment => "adjustment",
            Kind::Unclassified => "unclassified",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind of bill line")]
pub struct KindError(pub String);

impl FromStr for Kind {
    type Err = KindError;
    fn from_str(text: &str) -> Result<Self, KindError> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| KindError(text.to_owned()))
    }
}

/// The same amount by both cost families. Which one counts is decided once per bill (`Family`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Measure {
    pub unblended: Money,
    /// Net of negotiated discounts; equals `unblended` on rows without a net value.
    pub net: Money,
}

impl Measure {
    pub fn of(self, family: Family) -> Money {
        match family {
            Family::Unblended => self.unblended,
            Family::Net => self.net,
        }
    }
}

impl std::ops::AddAssign for Measure {
    fn add_assign(&mut self, other: Measure) {
        self.unblended += other.unblended;
        self.net += other.net;
    }
}

/// Which cost columns a close counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    Unblended,
    Net,
}

/// Line types that bill a negotiated discount on rows of its own: then unblended is the cash measure (`LEDGER.md`, Bill).
pub const SEPARATE_DISCOUNTS: [&str; 4] = ["EdpDiscount", "PrivateRateDiscount", "SppDiscount", "DistributorDiscount"];

/// One rollup row: exact sums over bill lines alike in every column that a rule, statement or reconciliation needs.
///
/// Absent text is `""`, never NULL. Order of fields is the order of sorting and of the close digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RollupRow {
    /// `YYYY-MM` of the billing period that the line belongs to.
    pub billing_period: Text,
    pub provider: Text,
    pub issuer: Text,
    pub billing_account_id: Text,
    pub invoice_id: Text,
    pub account_id: Text,
    pub service: Text,
    /// The export's own word: line item type (CUR 2.0) or charge category (FOCUS).
    pub charge_type: Text,
    pub kind: Kind,
    /// ARN or id of the reservation or savings plan, `""` if none.
    pub commitment_id: Text,
    pub currency: Text,
    /// `YYYY-MM-DD`, the first day of the stretch of usage days that the line's lies in, where a close goes by the organization of each;
    /// else, and for a line without a usage day, `""`.
    #[serde(default)]
    pub organization_day: Text,
    /// Trimmed raw tag values, one for each dimension of the taxonomy, in its order; `""` where no alias matched.
    pub tags: Vec<Text>,
    /// The greatest name that the bill gives the account.
    pub account_name: Text,
    pub cash: Measure,
    pub effective: Measure,
    pub true_up: Measure,
    pub upfront: Measure,
    pub list: Money,
    /// Bill lines summed.
    pub rows: i64,
    /// Lines whose cash is not zero, in either family.
    pub cash_rows: i64,
    /// Lines that have a net cost.
    pub net_rows: i64,
    /// Lines whose cost had digits beyond the twelfth decimal.
    pub lossy_rows: i64,
    /// Lines whose `x_DatasetCompletionStatus` is given and is not `Complete`: the bill is not ready.
    #[serde(default)]
    pub incomplete_rows: i64,
}

/// Picks the cost family of a bill.
pub fn family(rows: &[RollupRow]) -> Family {
    family_of(rows.iter().map(|row| (row.charge_type.as_str(), row.net_rows)))
}

/// The same from charge type and count of lines with a net cost, row by row.
pub fn family_of<'a>(rows: impl Iterator<Item = (&'a str, i64)>) -> Family {
    let mut has_net = false;
    for (charge_type, net_rows) in rows {
        if SEPARATE_DISCOUNTS.contains(&charge_type) {
            return Family::Unblended;
        }
        has_net |= net_rows > 0;
    }
    if has_net { Family::Net } else { Family::Unblended }
}
