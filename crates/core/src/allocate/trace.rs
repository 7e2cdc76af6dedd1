//! The way of every amount, kept: which rollup rows and pools a ledger row came from, and by which share.
//!
//! The same allocation as [`allocate`](super::allocate), by the same code; [`Trace::check`] proves that nothing was lost on the way.

use super::pools::source_of;
use super::stretches::Paths;
use super::{AllocateError, Allocation, Inputs, Origin, Portion, ledger_key, ledger_rows, place, rounding_rows};
use crate::bill::{Family, RollupRow};
use crate::ledger::{Component, InvoiceKey, LedgerKey, LedgerRow, PoolSource};
use crate::model::Owner;
use crate::money::{Money, mul_div};
use std::collections::BTreeMap;

/// Where a flow comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// Rollup rows, by their place in [`Trace::rollup`]. Several only for negations that offset the same usage.
    Rows(Vec<usize>),
    /// The difference between an invoice and its bill lines: no bill line.
    Rounding,
    /// What a pool held under a component, of the flow's invoice and currency.
    Pool { pool_id: String, component: Component },
}

/// Where a flow goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum To {
    /// A ledger row, by its place in the allocation.
    Ledger(usize),
    /// A source of a pool, by its place in the allocation.
    Source(usize),
}

/// One amount on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    pub from: From,
    pub to: To,
    pub cash: Money,
    pub effective: Money,
    /// The exact share of what it comes from: `part / of`.
    pub part: i128,
    pub of: i128,
}

/// An allocation with the way of every amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    pub allocation: Allocation,
    /// The rows of the inputs, sorted.
    pub rollup: Vec<RollupRow>,
    pub flows: Vec<Flow>,
}

/// Allocates and keeps the way of every amount. Takes the memory of a second ledger.
pub fn trace(inputs: &Inputs<'_>) -> Result<Trace, AllocateError> {
    let rounding = rounding_rows(inputs);
    let placed = place(inputs, &rounding)?;
    let ledger = ledger_rows(inputs, placed.direct.clone(), placed.pooled.portions.clone())?;
    let mut rollup: Vec<&RollupRow> = inputs.rows.iter().collect();
    rollup.sort();
    let index = Index::new(inputs, &rollup, &ledger, &placed.pooled.sources);
    let mut flows = Vec::with_capacity(placed.direct.len() + placed.pooled.portions.len());
    for portion in &placed.direct {
        flows.extend(index.flow(portion, None));
    }
    for (portion, pool_id) in placed.pooled.portions.iter().chain(&placed.pooled.handed) {
        flows.extend(index.flow(portion, Some(pool_id)));
    }
    let rollup = rollup.iter().map(|row| (*row).clone()).collect();
    let allocation = Allocation { rows: ledger, pool_sources: placed.pooled.sources, notes: placed.notes };
    Ok(Trace { allocation, rollup, flows })
}

/// Places of rows by what they are.
struct Index<'a> {
    paths: Paths,
    /// By address: two formats of a bill may have rows that are alike.
    rollup: BTreeMap<*const RollupRow, usize>,
    ledger: BTreeMap<&'a LedgerKey, usize>,
    sources: BTreeMap<PoolSource, usize>,
}

impl<'a> Index<'a> {
    fn new(inputs: &Inputs<'_>, rollup: &[&RollupRow], ledger: &'a [LedgerRow], sources: &[PoolSource]) -> Index<'a> {
        let plain = |source: &PoolSource| PoolSource { cash: Money::ZERO, effective: Money::ZERO, ..source.clone() };
        Index {
            paths: Paths::new(inputs.org),
            rollup: rollup.iter().enumerate().map(|(place, row)| (std::ptr::from_ref(*row), place)).collect(),
            ledger: ledger.iter().enumerate().map(|(place, row)| (&row.key, place)).collect(),
            sources: sources.iter().enumerate().map(|(place, source)| (plain(source), place)).collect(),
        }
    }

    fn place(&self, row: &RollupRow) -> Option<usize> {
        self.rollup.get(&std::ptr::from_ref(row)).copied()
    }

    /// `None` never happens: every portion is in the ledger or in a pool.
    fn flow(&self, portion: &Portion<'_>, pool_id: Option<&str>) -> Option<Flow> {
        let from = match (&portion.origin, portion.component) {
            (Origin::Row(_), Component::Rounding) => From::Rounding,
            (Origin::Row(row), _) => From::Rows(vec![self.place(row)?]),
            (Origin::Rows(rows), _) => From::Rows(rows.iter().map(|row| self.place(row)).collect::<Option<_>>()?),
            (Origin::Pool(component), _) => From::Pool { pool_id: pool_id?.to_owned(), component: *component },
        };
        let to = match &portion.owner {
            Owner::Unit(_) => {
                let key = ledger_key(portion, pool_id.unwrap_or_default(), &self.paths)?;
                To::Ledger(*self.ledger.get(&key)?)
            }
            Owner::Pool(next) => {
                let mut source = source_of(next, portion);
                source.from_pool_id = pool_id.unwrap_or_default().into();
                To::Source(*self.sources.get(&source)?)
            }
        };
        let Portion { cash, effective, split, .. } = portion;
        Some(Flow { from, to, cash: *cash, effective: *effective, part: split.part, of: split.of })
    }
}

type Pair = (Money, Money);

fn add(sum: &mut Pair, cash: Money, effective: Money) {
    sum.0 += cash;
    sum.1 += effective;
}

impl Trace {
    /// Invoice and currency of a flow: those of what it goes to.
    pub fn place_of(&self, flow: &Flow) -> (&InvoiceKey, &str) {
        match flow.to {
            To::Ledger(place) => {
                let key = &self.allocation.rows[place].key;
                (&key.invoice, &key.currency)
            }
            To::Source(place) => {
                let source = &self.allocation.pool_sources[place];
                (&source.invoice, &source.currency)
            }
        }
    }

    /// What does not add up, one sentence each: every ledger row and pool source is the sum of its flows, every rollup row and
    /// everything that a pool held is the sum of what went out of it, in cash and in effective cost.
    pub fn check(&self, family: Family) -> Vec<String> {
        let mut arrived: BTreeMap<To, Pair> = BTreeMap::new();
        let mut left: BTreeMap<&[usize], Pair> = BTreeMap::new();
        let mut shared: BTreeMap<(&str, Component, &InvoiceKey, &str), Pair> = BTreeMap::new();
        for flow in &self.flows {
            add(arrived.entry(flow.to).or_default(), flow.cash, flow.effective);
            match &flow.from {
                From::Rows(rows) => add(left.entry(rows).or_default(), flow.cash, flow.effective),
                From::Rounding => {}
                From::Pool { pool_id, component } => {
                    let (invoice, currency) = self.place_of(flow);
                    add(shared.entry((pool_id, *component, invoice, currency)).or_default(), flow.cash, flow.effective);
                }
            }
        }
        let mut wrong = Vec::new();
        let mut expect = |what: String, found: Pair, is: Pair| {
            if found != is {
                wrong
                    .push(format!("{what}: {} cash and {} effective, its parts come to {} and {}", is.0, is.1, found.0, found.1));
            }
        };
        let of = |to: To| arrived.get(&to).copied().unwrap_or_default();
        for (place, row) in self.allocation.rows.iter().enumerate() {
            expect(format!("ledger row {}", place + 1), of(To::Ledger(place)), (row.cash, row.effective));
        }
        let mut held: BTreeMap<(&str, Component, &InvoiceKey, &str), Pair> = BTreeMap::new();
        for (place, source) in self.allocation.pool_sources.iter().enumerate() {
            expect(
                format!("source {} of pool {}", place + 1, source.pool_id),
                of(To::Source(place)),
                (source.cash, source.effective),
            );
            let key = (source.pool_id.as_str(), source.component, &source.invoice, source.currency.as_str());
            add(held.entry(key).or_default(), source.cash, source.effective);
        }
        for (key, is) in &held {
            expect(format!("pool {}, {}", key.0, key.1), shared.get(key).copied().unwrap_or_default(), *is);
        }
        let mut seen = vec![false; self.rollup.len()];
        for (rows, found) in left {
            let mut is = Pair::default();
            for place in rows {
                let row = &self.rollup[*place];
                add(&mut is, row.cash.of(family), row.effective.of(family));
                seen[*place] = true;
            }
            expect(format!("rollup rows {rows:?}"), found, is);
        }
        for (place, row) in self.rollup.iter().enumerate().filter(|(place, _)| !seen[*place]) {
            expect(format!("rollup row {place}"), Pair::default(), (row.cash.of(family), row.effective.of(family)));
        }
        wrong
    }
}

/// `total` over amounts in the ratio `part / of`, so that the parts sum to it exactly: each cut toward zero, then the missing
/// units of 1e-12 to the largest remainders, in the direction of what is missing. `None` if more than two for each amount are missing:
/// then `total` is not that share of their sum.
pub fn prorate(total: Money, amounts: &[Money], part: i128, of: i128) -> Option<Vec<Money>> {
    let mut parts = Vec::with_capacity(amounts.len());
    let mut order = Vec::with_capacity(amounts.len());
    for (index, amount) in amounts.iter().enumerate() {
        let (cut, rest) = share_of(*amount, part, of);
        parts.push(cut.units());
        order.push((rest, index));
    }
    let missing = total.units() - parts.iter().sum::<i128>();
    let step = missing.signum();
    let count = usize::try_from(missing.unsigned_abs()).ok().filter(|count| *count <= 2 * parts.len())?;
    order.sort_by(|a, b| (b.0 * step).cmp(&(a.0 * step)).then(a.1.cmp(&b.1)));
    for (_, index) in order.iter().cycle().take(count) {
        parts[*index] += step;
    }
    Some(parts.into_iter().map(Money::from_units).collect())
}

/// `amount * part / of`, cut toward zero, and the remainder of the division with the amount's sign; `0 <= part <= of`.
pub fn share_of(amount: Money, part: i128, of: i128) -> (Money, i128) {
    if part <= 0 || of <= 0 {
        return (Money::ZERO, 0);
    }
    let (quotient, remainder) = mul_div(amount.units().unsigned_abs(), part.min(of) as u128, of as u128);
    let sign = amount.units().signum();
    (Money::from_units(sign * quotient as i128), sign * remainder as i128)
}
