//! The data of one statement: what a template gets, and nothing else. `template/README.md` documents it field by field.
//!
//! Amounts are whole minor units (cents) of the currency, as integers; amounts with more places, drivers and shares are decimal
//! texts. No amount is ever a float. Every list is complete: a template decides what to show first and what to sum up.

use apportion_core::text::Text;
use serde::Serialize;

/// Rises when a field of the data model changes its meaning or goes away.
pub const MODEL_VERSION: u32 = 1;

/// One unit's statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    pub version: u32,
    pub period: PeriodDates,
    /// Id of the close; `""` in a preview without one.
    pub close: String,
    /// The books are not closed: marked on every page.
    pub provisional: bool,
    pub currency: Currency,
    pub unit: UnitName,
    /// What the unit is charged: the sum of its ledger cents.
    pub total: i64,
    /// `total` by where it comes from; the three sum to it.
    pub summary: Summary,
    /// One for each component with a ledger row, in the ledger's order; `charged` sums to `total`.
    pub components: Vec<ComponentLine>,
    /// Component `direct` by service, largest magnitude first.
    pub services: Vec<NamedLine>,
    /// Component `direct` by account, largest magnitude first.
    pub accounts: Vec<NamedLine>,
    /// Every pool that the unit shares, largest magnitude first; a share of nothing is listed too.
    pub pools: Vec<PoolLine>,
    /// Since the previous close; `null` for the first.
    pub change: Option<Change>,
    pub cash_and_effective: CashAndEffective,
    /// `null` where the unit bears nothing of the untagged pool and owns nothing in it.
    pub untagged: Option<Untagged>,
    /// Every invoice of the close, also those of which the unit bears nothing.
    pub invoices: Vec<InvoiceCheck>,
    /// Every ledger row of the unit, in the ledger's order.
    pub lines: Vec<Line>,
    /// File names and commands for who checks.
    pub proof: Proof,
}

/// The billing month, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PeriodDates {
    /// `YYYY-MM`.
    pub id: String,
    pub first: Date,
    pub last: Date,
}

/// A day, UTC, as three integers: a template writes it its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Date {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Currency {
    /// ISO 4217.
    pub code: String,
    /// Decimal places of the minor unit: 2 for USD.
    pub places: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitName {
    /// The cost center.
    pub id: String,
    pub name: String,
    pub business_unit: String,
}

/// Where the total comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Component `direct` without a pool.
    pub direct: i64,
    /// Everything that came through a pool.
    pub pools: i64,
    /// The rest: commitments, discounts, tax, credits, refunds and the like that are the unit's own.
    pub other: i64,
}

/// A component: what is charged and what was consumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComponentLine {
    pub component: String,
    pub charged: i64,
    /// Effective (amortised) cost; rounded so that the components sum to `cash_and_effective.effective`.
    pub effective: i64,
    /// Part of `charged` that came through pools.
    pub through_pools: i64,
    pub lines: usize,
}

/// A service or an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedLine {
    /// Service, or account id.
    pub id: String,
    /// Name of the account, `""` if unknown; the service again.
    pub name: String,
    /// OU path of the account, `""` for a service or directly under the root.
    pub place: String,
    pub charged: i64,
    pub effective: i64,
    pub lines: usize,
    /// The same of the previous close; `null` without one.
    pub previous: Option<i64>,
}

/// The unit's share of a pool, with everything that a sentence about it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolLine {
    pub id: String,
    pub name: String,
    pub rule: String,
    /// `proportional`, `even`, `fixed`, `headcount`, `usage`: what split it, the fallback's where that was used.
    pub key: String,
    /// The ledger's word for what the driver counts, for example `effective_direct` or `network_gb`.
    pub driver: String,
    /// What one counts, for example `people`; `""` for a key without a driver file.
    pub driver_unit: String,
    pub driver_value: String,
    pub driver_total: String,
    /// Share of the pool, twelve decimals.
    pub share: String,
    /// Its key had no positive weight, so its declared fallback split it.
    pub fallback: bool,
    /// A minimum or a cap made the share another one than value / total.
    pub limited: bool,
    /// What the pool came to: for all units together, and what it handed to later pools.
    pub total: i64,
    /// Pools that fed it: `amount` is part of `total`, `charged` about what of `charged` is due to it.
    pub fed_by: Vec<FedPool>,
    /// Pools that it feeds with `amount`, part of `total`.
    pub feeds: Vec<FedPool>,
    pub charged: i64,
    pub effective: i64,
    /// Units that share it.
    pub units: usize,
    /// What is in it, for example `support` or `direct`.
    pub components: Vec<String>,
    /// The same of the previous close; `null` without one or where the unit had no share.
    pub previous: Option<i64>,
}

/// A pool that feeds another, or is fed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FedPool {
    pub id: String,
    pub name: String,
    pub amount: i64,
    /// 0 where the other pool is the one that is fed.
    pub charged: i64,
}

/// What changed since the previous close. The causes sum to `delta` exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `YYYY-MM` of the previous close.
    pub period: String,
    pub first: Date,
    pub close: String,
    pub total: i64,
    pub delta: i64,
    pub causes: Vec<Cause>,
    /// Services whose direct cost moved, largest move first.
    pub services: Vec<Move>,
    /// Pools whose charge moved, largest move first.
    pub pools: Vec<Move>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// `usage`, `other`, `pool_size`, `pool_share`, `driver` or `rule`; see `change.rs`.
    pub cause: String,
    pub delta: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Move {
    pub id: String,
    pub name: String,
    pub before: i64,
    pub now: i64,
    pub delta: i64,
}

/// What is invoiced and what was consumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CashAndEffective {
    /// Equals `total`.
    pub cash: i64,
    /// Effective cost, rounded to minor units once.
    pub effective: i64,
    /// `cash - effective`.
    pub difference: i64,
}

/// What untagged spend costs the unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Untagged {
    /// What the unit bears of the untagged pool.
    pub charged: i64,
    /// What all units bear of it.
    pub total: i64,
    /// Untagged cost in accounts where the unit has most of the direct cost: what it would bear if that were tagged as its own.
    pub own: i64,
    /// `charged - own`: what tagging would save the unit; negative where others bear the unit's share today.
    pub saving: i64,
    /// Those accounts, largest first.
    pub accounts: Vec<NamedAmount>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedAmount {
    pub id: String,
    pub name: String,
    pub amount: i64,
}

/// One invoice: that all units together come to it, and what the unit bears of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvoiceCheck {
    pub provider: String,
    pub issuer: String,
    pub billing_account: String,
    /// `""` where the bill has none.
    pub invoice: String,
    /// `invoice`: the invoices file; `bill`, `bill_shared_id`: the bill's own sum.
    pub source: String,
    /// The bill's sum, twelve decimals.
    pub bill: String,
    /// What is payable.
    pub payable: i64,
    /// `payable - bill`, booked as component `rounding`; twelve decimals.
    pub difference: String,
    /// Largest difference that counts as rounding; twelve decimals.
    pub tolerance: String,
    /// Sum of all units' ledger cents: equals `payable`.
    pub units: i64,
    /// This unit's part of it.
    pub unit: i64,
    /// What the invoices file says beside the total; `null` without one.
    pub details: Option<InvoicePaper>,
}

/// What an invoice says for those who pay it; texts are `""` where the file has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvoicePaper {
    pub issuer: String,
    pub purchase_order: String,
    pub issued: Option<Date>,
    pub due: Option<Date>,
    pub payment_currency: String,
    /// Payable in the payment currency, twelve decimals.
    pub payment_total: String,
    /// Units of the payment currency for one of the close's.
    pub exchange_rate: String,
}

/// One ledger row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    pub component: String,
    pub account: Text,
    pub account_name: String,
    pub service: Text,
    pub charge_type: Text,
    pub commitment: Text,
    pub pool: Text,
    pub pool_name: String,
    pub rule: Text,
    pub invoice: Text,
    pub driver_value: Text,
    pub driver_total: Text,
    pub driver: Text,
    pub share: Text,
    pub charged: i64,
    /// Rounded so that the lines sum to `cash_and_effective.effective`.
    pub effective: i64,
}

/// Where the files lie, as seen from the folder of the close.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// For example `statements/CC-1010`.
    pub folder: String,
    pub output_version: u32,
}
