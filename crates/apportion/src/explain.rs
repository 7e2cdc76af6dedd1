//! `apportion explain`: from a line of a statement to rule, pool, driver and share, rollup rows, and the bill's own rows.
//!
//! Nothing is taken on trust: the files of the close and its frozen inputs are hashed, the rollup and the allocation are made again
//! from them and must be those of the close, every level must be the sum of the next one, and the frozen rows are read and summed.

mod bill;
mod evidence;
mod line;
mod names;
mod report;
mod walk;

use crate::failure::{DOES_NOT_HOLD, Failure};
use apportion_core::money::Money;
use evidence::Evidence;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What to explain.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of a close.
    pub close: PathBuf,
    pub unit: String,
    pub component: Option<String>,
    pub service: Option<String>,
    pub pool: Option<String>,
    /// One row of `statement.csv`, from 1.
    pub line: Option<usize>,
    /// Most entries that are listed of each kind for each line.
    pub top: usize,
}

/// Cash and effective cost, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Amounts {
    pub cash: Money,
    pub effective: Money,
}

impl std::ops::AddAssign for Amounts {
    fn add_assign(&mut self, other: Amounts) {
        self.cash += other.cash;
        self.effective += other.effective;
    }
}

impl std::ops::Sub for Amounts {
    type Output = Amounts;
    fn sub(self, other: Amounts) -> Amounts {
        Amounts { cash: self.cash - other.cash, effective: self.effective - other.effective }
    }
}

impl std::iter::Sum for Amounts {
    fn sum<I: Iterator<Item = Amounts>>(iter: I) -> Amounts {
        iter.fold(Amounts::default(), |mut sum, amounts| {
            sum += amounts;
            sum
        })
    }
}

/// Lines of a statement, each down to the bill. `docs/formats.md` documents it field by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    pub period: String,
    pub close_id: String,
    pub status: &'static str,
    pub currency: String,
    pub unit_id: String,
    pub unit_name: String,
    /// Sum of the lines, in the currency, and in whole minor units.
    pub charged: String,
    pub cents: i128,
    #[serde(flatten)]
    pub amounts: Amounts,
    /// What was proved on the way, one sentence each.
    pub proved: Vec<String>,
    pub lines: Vec<Line>,
}

/// One ledger row of the unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Row of `statement.csv`, from 1.
    pub line: usize,
    pub component: String,
    pub pool_id: String,
    pub pool_name: String,
    pub rule_id: String,
    /// What the rule does, in words.
    pub rule: String,
    pub provider: String,
    pub issuer: String,
    pub billing_account_id: String,
    pub invoice_id: String,
    pub account_id: String,
    pub ou_path: String,
    pub service: String,
    pub charge_type: String,
    pub commitment_id: String,
    pub charged: String,
    pub cents: i128,
    #[serde(flatten)]
    pub amounts: Amounts,
    /// `charged - cash`: the part of a cent that the line got or gave when the invoice was spread in whole minor units.
    pub to_cents: Money,
    pub driver_value: String,
    pub driver_total: String,
    pub driver_unit: String,
    pub share: String,
    /// The line's part of a difference between invoice and bill, which no bill row has.
    pub rounding: Amounts,
    /// The pools that it came through, the last one first.
    pub pools: Vec<PoolStep>,
    pub rollup_rows: Vec<RollupStep>,
    pub other_rollup_rows: Option<Others>,
    pub bill_rows: Vec<BillRow>,
    pub other_bill_rows: Option<Others>,
}

/// A pool, one component of one invoice, on the way to a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolStep {
    pub pool_id: String,
    pub pool_name: String,
    pub component: String,
    /// The pool that this one fed; empty if the line took from it.
    pub feeds: String,
    /// What it held.
    #[serde(flatten)]
    pub amounts: Amounts,
    /// What of it is in the line.
    pub in_line: Amounts,
    pub sources: Vec<SourceStep>,
    pub other_sources: Option<Others>,
}

/// One row of `pools.csv`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceStep {
    pub rule_id: String,
    pub from_pool_id: String,
    pub account_id: String,
    pub service: String,
    pub charge_type: String,
    pub owner_value: String,
    #[serde(flatten)]
    pub amounts: Amounts,
    pub in_line: Amounts,
}

/// One rollup row: lines of the bill that are alike in all that a rule can see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RollupStep {
    pub account_id: String,
    pub account_name: String,
    pub service: String,
    pub charge_type: String,
    pub kind: String,
    pub commitment_id: String,
    pub tags: BTreeMap<String, String>,
    pub bill_rows: i64,
    #[serde(flatten)]
    pub amounts: Amounts,
    pub in_line: Amounts,
}

/// One row of a frozen bill file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BillRow {
    /// Below `inputs/<period>/<digest>/`.
    pub file: String,
    /// The name under which the file was delivered.
    pub delivered_as: String,
    /// Number of the row in the file, from 1; a CSV header does not count.
    pub row: u64,
    /// `identity_line_item_id`; empty where the format has none.
    pub line_id: String,
    pub usage_date: String,
    pub account_id: String,
    pub service: String,
    pub charge_type: String,
    pub commitment_id: String,
    pub region: String,
    pub resource_id: String,
    pub description: String,
    pub tags: BTreeMap<String, String>,
    #[serde(flatten)]
    pub amounts: Amounts,
    pub in_line: Amounts,
}

/// What is not listed, in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Others {
    pub rows: i64,
    #[serde(flatten)]
    pub amounts: Amounts,
    pub in_line: Amounts,
}

pub use report::Format;

/// Walks the chosen lines down to the bill and proves every level.
pub async fn explain(options: &Options) -> Result<Explanation, Failure> {
    let evidence = Evidence::read(&options.close).await?;
    let places = evidence.choose(options)?;
    let mut walks = Vec::with_capacity(places.len());
    for (line, place) in places {
        walks.push(walk::walk(&evidence, line, place)?);
    }
    let found = bill::read(&evidence, &walks, options.top).await?;
    let read: i64 = found.rows_read;
    let mut lines = Vec::with_capacity(walks.len());
    for (walk, rows) in walks.iter().zip(found.of_walks) {
        lines.push(line::line(&evidence, walk, rows, options.top)?);
    }
    for line in &lines {
        prove(line)?;
    }
    let cents: i128 = lines.iter().map(|line| line.cents).sum();
    Ok(Explanation {
        period: evidence.facts.period.to_string(),
        close_id: evidence.facts.close.clone(),
        status: if evidence.facts.provisional { "PROVISIONAL" } else { "final" },
        currency: evidence.facts.currency.clone(),
        unit_id: options.unit.clone(),
        unit_name: evidence.unit_name(&options.unit),
        charged: crate::close::cents(cents, &evidence.facts.currency),
        cents,
        amounts: lines.iter().map(|line| line.amounts).sum(),
        proved: proved(&evidence, lines.len(), read),
        lines,
    })
}

fn proved(evidence: &Evidence, lines: usize, read: i64) -> Vec<String> {
    let trace = &evidence.trace;
    vec![
        "the files of the close are those of SHA256SUMS, and its frozen inputs those of the manifest".to_owned(),
        format!("the frozen bill gives the rollup of the close again: {} rows, digest {}", trace.rollup.len(), evidence.facts.rollup_digest),
        format!("the rollup gives ledger.csv and pools.csv again: {} and {} rows", trace.allocation.rows.len(), trace.allocation.pool_sources.len()),
        "each ledger row is the sum of its parts, each pool the sum of its sources and of its units' shares, each rollup row the sum of where it went".to_owned(),
        format!("each rollup row behind the {lines} lines is the sum of its bill rows: {read} read"),
        "of each line, charged = pools' shares = rollup rows = bill rows, with rounding and whole cents as lines of their own".to_owned(),
    ]
}

/// Every level of a line sums to the line.
fn prove(line: &Line) -> Result<(), Failure> {
    let others = |others: &Option<Others>| others.map_or(Amounts::default(), |others| others.in_line);
    let rollup = line.rollup_rows.iter().map(|row| row.in_line).sum::<Amounts>();
    let bill = line.bill_rows.iter().map(|row| row.in_line).sum::<Amounts>();
    let mut levels = vec![
        ("rollup rows", [rollup, others(&line.other_rollup_rows), line.rounding].into_iter().sum(), line.amounts),
        ("bill rows", [bill, others(&line.other_bill_rows), line.rounding].into_iter().sum::<Amounts>(), line.amounts),
    ];
    let last = line.pools.iter().filter(|pool| pool.feeds.is_empty()).map(|pool| pool.in_line).sum::<Amounts>();
    if !line.pools.is_empty() {
        levels.push(("shares of pools", last, line.amounts));
    }
    for pool in &line.pools {
        let in_line: Amounts = pool.sources.iter().map(|source| source.in_line).chain([others(&pool.other_sources)]).sum();
        levels.push(("a pool's sources, as far as they are in the line,", in_line, pool.in_line));
        let rest = pool.other_sources.map_or(Amounts::default(), |others| others.amounts);
        levels.push(("a pool's sources", pool.sources.iter().map(|source| source.amounts).chain([rest]).sum(), pool.amounts));
    }
    for (what, found, is) in levels {
        if found != is {
            return Err(broken(format!(
                "line {}: its {what} come to {} cash and {} effective, and should to {} and {}",
                line.line, found.cash, found.effective, is.cash, is.effective
            )));
        }
    }
    Ok(())
}

/// Something does not add up: exit 5, as `verify` has it.
fn broken(what: impl std::fmt::Display) -> Failure {
    Failure::new(DOES_NOT_HOLD, format!("{what}\nThe close cannot be explained: run `apportion verify` on it."))
}
