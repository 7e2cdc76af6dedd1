//! From a ledger row up to rollup rows: through pools by the row's share, and through pools that fed those.

use super::evidence::Evidence;
use super::{Amounts, broken};
use crate::failure::Failure;
use apportion_core::allocate::{Flow, From, To, prorate};
use apportion_core::ledger::{Component, InvoiceKey};
use apportion_core::money::Money;
use std::collections::BTreeMap;

/// A pool on the way, with what of it is in the line.
#[derive(Debug, Clone)]
pub struct PoolWalk {
    pub pool_id: String,
    pub component: Component,
    pub feeds: String,
    pub amounts: Amounts,
    pub in_line: Amounts,
    /// Place in `pools.csv`, and what of the source is in the line.
    pub sources: Vec<(usize, Amounts)>,
}

/// The way of one ledger row.
#[derive(Debug, Clone)]
pub struct Walk {
    /// Row of `statement.csv`, from 1.
    pub line: usize,
    /// Place in the ledger.
    pub place: usize,
    pub pools: Vec<PoolWalk>,
    /// Place in the rollup -> what of the row is in the line.
    pub rollup: BTreeMap<usize, Amounts>,
    pub rounding: Amounts,
}

/// A share, exact: cash and effective apart, since an amount that was cut has no exact share of its own.
#[derive(Debug, Clone, Copy)]
struct Share {
    cash: (i128, i128),
    effective: (i128, i128),
}

impl Share {
    fn of(flow: &Flow) -> Share {
        Share { cash: (flow.part, flow.of), effective: (flow.part, flow.of) }
    }

    /// Part of a whole that it is known to be a part of.
    fn between(part: Amounts, whole: Amounts) -> Share {
        let ratio = |part: Money, whole: Money| match part.units().signum() * whole.units().signum() {
            1 => (part.abs().units(), whole.abs().units()),
            _ => (0, 1),
        };
        Share { cash: ratio(part.cash, whole.cash), effective: ratio(part.effective, whole.effective) }
    }

    fn split(self, total: Amounts, amounts: &[Amounts]) -> Result<Vec<Amounts>, Failure> {
        let cash: Vec<Money> = amounts.iter().map(|one| one.cash).collect();
        let effective: Vec<Money> = amounts.iter().map(|one| one.effective).collect();
        let cash = prorate(total.cash, &cash, self.cash.0, self.cash.1);
        let effective = prorate(total.effective, &effective, self.effective.0, self.effective.1);
        match (cash, effective) {
            (Some(cash), Some(effective)) => {
                Ok(cash.into_iter().zip(effective).map(|(cash, effective)| Amounts { cash, effective }).collect())
            }
            _ => Err(broken(format!(
                "{} cash and {} effective are not the share of what they came from",
                total.cash, total.effective
            ))),
        }
    }
}

fn amounts(flow: &Flow) -> Amounts {
    Amounts { cash: flow.cash, effective: flow.effective }
}

/// Walks one ledger row.
pub fn walk(evidence: &Evidence, line: usize, place: usize) -> Result<Walk, Failure> {
    let mut walk = Walk { line, place, pools: Vec::new(), rollup: BTreeMap::new(), rounding: Amounts::default() };
    for flow in arriving(evidence, To::Ledger(place)) {
        walk.take(evidence, flow, amounts(flow), "")?;
    }
    Ok(walk)
}

fn arriving(evidence: &Evidence, to: To) -> impl Iterator<Item = &Flow> {
    let places = evidence.flows_to.get(&to).map(Vec::as_slice).unwrap_or_default();
    places.iter().filter_map(|place| evidence.trace.flows.get(*place))
}

impl Walk {
    /// `part` of a flow is in the line; `feeds` is the pool that the flow went to, empty if it went to the line itself.
    fn take(&mut self, evidence: &Evidence, flow: &Flow, part: Amounts, feeds: &str) -> Result<(), Failure> {
        match &flow.from {
            From::Rounding => self.rounding += part,
            From::Rows(places) => {
                let row = |place: &usize| {
                    let row = &evidence.trace.rollup[*place];
                    Amounts { cash: row.cash.of(evidence.family), effective: row.effective.of(evidence.family) }
                };
                let rows: Vec<Amounts> = places.iter().map(row).collect();
                let share = if part == rows.iter().copied().sum() {
                    Share { cash: (1, 1), effective: (1, 1) }
                } else {
                    Share::between(part, rows.iter().copied().sum())
                };
                for (place, amount) in places.iter().zip(share.split(part, &rows)?) {
                    *self.rollup.entry(*place).or_default() += amount;
                }
            }
            From::Pool { pool_id, component } => {
                let (invoice, currency) = evidence.trace.place_of(flow);
                // Where the line took all of the flow, the share is exact as the ledger has it.
                let share = (part == amounts(flow)).then(|| Share::of(flow));
                self.pool(evidence, (pool_id, *component, invoice, currency), part, feeds, share)?;
            }
        }
        Ok(())
    }

    fn pool(
        &mut self,
        evidence: &Evidence,
        (pool_id, component, invoice, currency): (&str, Component, &InvoiceKey, &str),
        part: Amounts,
        feeds: &str,
        share: Option<Share>,
    ) -> Result<(), Failure> {
        let all = evidence.trace.allocation.pool_sources.iter().enumerate();
        let sources: Vec<(usize, Amounts)> = all
            .filter(|(_, source)| {
                source.pool_id == pool_id
                    && source.component == component
                    && source.invoice == *invoice
                    && source.currency == currency
            })
            .map(|(place, source)| (place, Amounts { cash: source.cash, effective: source.effective }))
            .collect();
        let held: Vec<Amounts> = sources.iter().map(|(_, amounts)| *amounts).collect();
        let share = share.unwrap_or_else(|| Share::between(part, held.iter().copied().sum()));
        let parts = share.split(part, &held)?;
        self.pools.push(PoolWalk {
            pool_id: pool_id.to_owned(),
            component,
            feeds: feeds.to_owned(),
            amounts: held.iter().copied().sum(),
            in_line: part,
            sources: sources.iter().zip(&parts).map(|((place, _), part)| (*place, *part)).collect(),
        });
        for ((place, _), part) in sources.iter().zip(parts) {
            let flows: Vec<&Flow> = arriving(evidence, To::Source(*place)).collect();
            let whole: Vec<Amounts> = flows.iter().map(|flow| amounts(flow)).collect();
            for (flow, part) in flows.iter().zip(share.split(part, &whole)?) {
                self.take(evidence, flow, part, pool_id)?;
            }
        }
        Ok(())
    }
}
