//! The configuration as core works with it: units, line rules, special rules, pools, drivers, settings.
//!
//! `config` reads it from files and has checked it; what cannot be checked without the bill is checked in `allocate`.

use crate::ledger::Component;
use crate::money::Money;
use crate::org::AsOf;
use crate::period::Period;
use crate::tags::Taxonomy;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Id of the pool that takes what has no owner. Every configuration has it.
pub const UNTAGGED: &str = "untagged";

/// Who is charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// The cost center: the canonical value of the owning dimension.
    pub id: String,
    pub name: String,
    pub business_unit: String,
    /// Mail addresses of those who get the statement.
    pub owners: Vec<String>,
}

/// Periods in which a rule holds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Effective {
    pub from: Option<Period>,
    pub to: Option<Period>,
}

impl Effective {
    pub fn covers(self, period: Period) -> bool {
        self.from.is_none_or(|from| from <= period) && self.to.is_none_or(|to| period <= to)
    }
}

/// Where a line goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    Unit(String),
    Pool(String),
}

/// What a line must be; an empty list matches everything. All given conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Match {
    pub accounts: BTreeSet<String>,
    /// OU paths; a path matches itself and everything below.
    pub ou_paths: BTreeSet<String>,
    pub services: BTreeSet<String>,
    pub charge_types: BTreeSet<String>,
    /// Without it a rule sees only lines whose owner is looked for (direct, Marketplace, adjustment, unclassified, …); with it the
    /// named components, whatever their special rule says.
    pub components: BTreeSet<Component>,
    pub providers: BTreeSet<String>,
    /// Legal seller on the invoice.
    pub issuers: BTreeSet<String>,
    /// Dimension -> canonical values; `__untagged__` matches an empty one.
    pub tags: BTreeMap<String, BTreeSet<String>>,
}

/// The first line rule that matches gives the owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineRule {
    pub id: String,
    pub when: Match,
    pub to: Owner,
    pub effective: Effective,
}

/// How a special component finds its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Like any line: line rule, owning tag, untagged pool.
    Owner,
    /// In proportion to the cash of charges of the same invoice, account and product, else of the account, else the fallback.
    Follow,
    /// To one unit or pool.
    To(Owner),
}

/// The rule of one special component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialRule {
    pub method: Method,
    /// Where it goes when there is nothing to follow.
    pub fallback: Owner,
}

/// Components that have a rule of their own. `direct` and `pool` never do.
pub const SPECIAL: [Component; 12] = [
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

/// How a pool is split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// By the targets' base.
    Proportional {
        base: Base,
    },
    Even,
    /// By stated weights, target -> weight (integers; the file's percents or decimals scaled to integers).
    Fixed {
        weights: BTreeMap<Owner, i128>,
    },
    /// By the driver `headcount`.
    Headcount,
    /// By a usage driver of that id.
    Usage {
        driver: String,
    },
}

/// What a proportional key weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// Effective cost of component direct.
    EffectiveDirect,
    /// The same, and what earlier pools gave.
    EffectiveDirectAndEarlierPools,
}

/// Who shares a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// Every unit.
    All,
    /// These units, and pools that come later.
    List(BTreeSet<Owner>),
    /// Every unit of these business units.
    BusinessUnits(BTreeSet<String>),
}

/// Cost with no direct owner, and how it is split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    pub id: String,
    pub name: String,
    pub key: Key,
    pub targets: Targets,
    /// Units that never share, even if a target names them.
    pub exclude: BTreeSet<String>,
    /// Smallest magnitude that each sharing unit bears in the period.
    pub minimum: Option<Money>,
    /// Largest magnitude that any unit bears in the period.
    pub cap: Option<Money>,
    /// Per-unit overrides of `minimum` and `cap`.
    pub minimums: BTreeMap<String, Money>,
    pub caps: BTreeMap<String, Money>,
    /// Used when no target has a positive weight. Never proportional.
    pub fallback: Key,
    pub effective: Effective,
}

/// The numbers behind a headcount or usage key, scaled to integers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driver {
    pub id: String,
    /// What one counts, for example `people` or `vCPU hours`.
    pub unit: String,
    /// Target -> value in units of 1e-12. Never negative.
    pub values: BTreeMap<Owner, Money>,
}

/// Currency, tolerances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub currency: String,
    /// One close per currency instead of refusing a bill in another one.
    pub each_currency: bool,
    /// Lowers the invoice tolerance, in the currency. `None`: the ceiling of `reconcile`.
    pub tolerance: Option<Money>,
    /// Tolerance of the tax comparison. `None`: same as the invoice's.
    pub tax_tolerance: Option<Money>,
    /// Whose tree says where an account stood.
    pub organization: AsOf,
}

/// Everything that decides where a cent goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    pub taxonomy: Taxonomy,
    /// Sorted by id.
    pub units: Vec<Unit>,
    pub line_rules: Vec<LineRule>,
    /// One for each of [`SPECIAL`].
    pub special: BTreeMap<Component, SpecialRule>,
    /// Every version of every pool, in the order in which they are split.
    pub pools: Vec<Pool>,
    /// Driver id -> numbers, of the period.
    pub drivers: BTreeMap<String, Driver>,
    pub settings: Settings,
}
