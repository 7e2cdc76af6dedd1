//! What changed since the previous close, split by cause so that the causes sum to the change exactly.
//!
//! | cause | what it holds |
//! |---|---|
//! | `usage` | direct cost, where the rule that gives it to the unit is the same |
//! | `other` | commitments, discounts, tax, credits, refunds and the like that are the unit's own |
//! | `pool_size` | pools that came to more or less in all, at the unit's previous share |
//! | `pool_share` | pools by cost: the unit's share moved because its cost moved against the others' |
//! | `driver` | pools by headcount or usage: the share moved because the driver's numbers did |
//! | `rule` | a rule, or the way a pool is split, is another one than before; cost that a changed rule touches |
//!
//! A pool's change is `size + share`: size = previous charge x (total now - total before) / total before, cut to whole minor
//! units; share is the rest, at this period's total.

use crate::close::{Close, StatementError, cents, dates, key_word};
use crate::figures::{Figures, Ledger, PoolTotal, Previous};
use crate::statement::{Cause, Change, Move};
use apportion_core::ledger::{Component, LedgerRow};
use apportion_core::model::{Configuration, Pool};
use apportion_core::period::Period;
use apportion_core::text::Text;
use std::collections::{BTreeMap, BTreeSet};

const CAUSES: [&str; 6] = ["usage", "other", "pool_size", "pool_share", "driver", "rule"];

/// The change of a unit; `None` for the first close.
pub(crate) fn since_previous(close: &Close<'_>, unit: &str) -> Result<Option<Change>, StatementError> {
    let (Some(figures), Some(before)) = (close.figures.previous, &close.previous) else { return Ok(None) };
    let now = &close.ledger;
    let mut causes: BTreeMap<&str, i128> = BTreeMap::new();
    let moved = &close.totals.moved;
    for (key, delta) in deltas(now, before, unit, |row| (row.key.component, row.key.account_id.clone(), row.key.service.clone()))
    {
        let (component, account, service) = key;
        let cause = match component {
            _ if moved.contains(&(account, service)) => "rule",
            Component::Direct => "usage",
            _ => "other",
        };
        *causes.entry(cause).or_default() += delta;
    }
    let ids: BTreeSet<&str> = pool_ids(now, unit).chain(pool_ids(before, unit)).collect();
    for id in &ids {
        let (size, share, cause) = pool_change(close, &figures, before, unit, id);
        *causes.entry("pool_size").or_default() += size;
        *causes.entry(cause).or_default() += share;
    }
    let total = sum(before.rows_of(unit));
    let delta = sum(now.rows_of(unit)) - total;
    let causes = CAUSES.iter().filter_map(|word| {
        let delta = causes.get(word).copied().unwrap_or(0);
        (delta != 0).then(|| Ok(Cause { cause: (*word).to_owned(), delta: cents("a cause", delta)? }))
    });
    let period = dates(figures.period);
    Ok(Some(Change {
        period: period.id,
        first: period.first,
        close: figures.close_id.to_owned(),
        total: cents("the previous total", total)?,
        delta: cents("the change", delta)?,
        causes: causes.collect::<Result<_, StatementError>>()?,
        services: moves(now, before, unit, |row| is_direct(row).then(|| String::from(&row.key.service)), |id| id.to_owned())?,
        pools: moves(
            now,
            before,
            unit,
            |row| (!row.key.pool_id.is_empty()).then(|| String::from(&row.key.pool_id)),
            |id| close.pool_name(id),
        )?,
    }))
}

fn is_direct(row: &LedgerRow) -> bool {
    row.key.pool_id.is_empty() && row.key.component == Component::Direct
}

fn sum(rows: &[&LedgerRow]) -> i128 {
    rows.iter().map(|row| row.cents).sum()
}

fn pool_ids<'a>(ledger: &Ledger<'a>, unit: &str) -> impl Iterator<Item = &'a str> {
    ledger.rows_of(unit).to_vec().into_iter().map(|row| row.key.pool_id.as_str()).filter(|id| !id.is_empty())
}

/// Change of the rows without a pool, by a key.
fn deltas<K: Ord>(now: &Ledger<'_>, before: &Ledger<'_>, unit: &str, key: impl Fn(&LedgerRow) -> K) -> BTreeMap<K, i128> {
    let mut deltas = BTreeMap::new();
    for (rows, sign) in [(now.rows_of(unit), 1), (before.rows_of(unit), -1)] {
        for row in rows.iter().filter(|row| row.key.pool_id.is_empty()) {
            *deltas.entry(key(row)).or_default() += sign * row.cents;
        }
    }
    deltas
}

/// Account and service of direct cost that a new, changed or dropped line rule gives to anyone, in either close.
pub(crate) fn moved_by_rules(now: &Figures<'_>, figures: &Previous<'_>) -> BTreeSet<(Text, Text)> {
    let ids = |rows: &[LedgerRow]| rows.iter().map(|row| row.key.rule_id.clone()).collect::<BTreeSet<Text>>();
    let mut unstable: BTreeSet<Text> = match figures.configuration {
        Some(previous) => {
            let all = now.configuration.line_rules.iter().chain(&previous.line_rules).map(|rule| Text::from(&rule.id));
            all.filter(|id| !same_line_rule(now.configuration, now.period, previous, figures.period, id)).collect()
        }
        None => ids(now.rows).symmetric_difference(&ids(figures.rows)).cloned().collect(),
    };
    unstable.retain(|id| !["tag.", "pool.", "special."].iter().any(|own| id.starts_with(own)));
    if unstable.is_empty() {
        return BTreeSet::new();
    }
    let rows = now.rows.iter().chain(figures.rows);
    let owned = rows.filter(|row| is_direct(row)).map(|row| (&row.key.rule_id, &row.key.account_id, &row.key.service));
    let pooled = now.pool_sources.iter().map(|source| (&source.rule_id, &source.account_id, &source.service));
    owned
        .chain(pooled)
        .filter(|(rule, _, _)| unstable.contains(*rule))
        .map(|(_, account, service)| (account.clone(), service.clone()))
        .collect()
}

fn same_line_rule(now: &Configuration, period: Period, before: &Configuration, previous: Period, id: &str) -> bool {
    let find = |configuration: &Configuration, period: Period| {
        let rule = configuration.line_rules.iter().find(|rule| rule.id == id && rule.effective.covers(period));
        rule.map(|rule| (rule.when.clone(), rule.to.clone()))
    };
    find(now, period) == find(before, previous)
}

/// Size effect, share effect, and the cause that the share effect counts as.
fn pool_change<'a>(
    close: &Close<'a>,
    figures: &Previous<'a>,
    before: &Ledger<'a>,
    unit: &str,
    id: &str,
) -> (i128, i128, &'static str) {
    let rows = |ledger: &Ledger<'a>| -> Vec<&'a LedgerRow> {
        ledger.rows_of(unit).iter().copied().filter(|row| row.key.pool_id == id).collect()
    };
    let (now_rows, before_rows) = (rows(&close.ledger), rows(before));
    let (charge, previous) = (sum(&now_rows), sum(&before_rows));
    let total = |pools: &BTreeMap<String, PoolTotal>| pools.get(id).map_or(0, |pool| pool.cents);
    let (total_now, total_before) = (total(&close.totals.pools), total(&close.totals.previous_pools));
    let delta = charge - previous;
    let changed = is_pool_changed(close, figures, id, &now_rows, &before_rows);
    if total_before == 0 || total_now == 0 && !changed {
        return if changed { (0, delta, "rule") } else { (delta, 0, "pool_share") };
    }
    let size = previous.checked_mul(total_now - total_before).map_or(0, |product| product / total_before);
    let cause = match now_rows.first().or(before_rows.first()).map(|row| key_word(&row.driver_unit)) {
        _ if changed => "rule",
        Some("headcount" | "usage") => "driver",
        Some("even" | "fixed") => "rule",
        _ => "pool_share",
    };
    (size, delta - size, cause)
}

/// Split by another key or fallback than before, or defined otherwise.
fn is_pool_changed(close: &Close<'_>, figures: &Previous<'_>, id: &str, now: &[&LedgerRow], before: &[&LedgerRow]) -> bool {
    if let (Some(now), Some(before)) = (now.first(), before.first())
        && (now.driver_unit != before.driver_unit || now.key.rule_id != before.key.rule_id)
    {
        return true;
    }
    let Some(previous) = figures.configuration else { return false };
    let find = |configuration: &Configuration, period: Period| {
        let pool = configuration.pools.iter().find(|pool| pool.id == id && pool.effective.covers(period));
        pool.map(|pool| Pool { effective: Default::default(), name: String::new(), ..pool.clone() })
    };
    find(close.figures.configuration, close.figures.period) != find(previous, figures.period)
}

/// What moved, by the id that `of` gives; largest move first.
fn moves(
    now: &Ledger<'_>,
    before: &Ledger<'_>,
    unit: &str,
    of: impl Fn(&LedgerRow) -> Option<String>,
    name: impl Fn(&str) -> String,
) -> Result<Vec<Move>, StatementError> {
    let mut sums: BTreeMap<String, (i128, i128)> = BTreeMap::new();
    for row in now.rows_of(unit) {
        if let Some(id) = of(row) {
            sums.entry(id).or_default().1 += row.cents;
        }
    }
    for row in before.rows_of(unit) {
        if let Some(id) = of(row) {
            sums.entry(id).or_default().0 += row.cents;
        }
    }
    let mut moves = Vec::new();
    for (id, (before, now)) in sums.into_iter().filter(|(_, (before, now))| before != now) {
        let (before, now, delta) = (cents("a move", before)?, cents("a move", now)?, cents("a move", now - before)?);
        moves.push(Move { name: name(&id), id, before, now, delta });
    }
    moves.sort_by(|a, b| b.delta.unsigned_abs().cmp(&a.delta.unsigned_abs()).then_with(|| a.id.cmp(&b.id)));
    Ok(moves)
}
