//! One walk as a line of the explanation: the largest entries of each kind, the rest as one, and the rule in words.

use super::bill::Rows;
use super::evidence::Evidence;
use super::walk::Walk;
use super::{Amounts, Line, Others, PoolStep, RollupStep, SourceStep};
use crate::close::cents;
use crate::failure::Failure;
use apportion_core::bill::RollupRow;
use apportion_core::model::{Key, Match, Pool};
use apportion_core::money::Money;
use std::collections::BTreeMap;

/// Non-empty tags of a rollup row by dimension, as the bill has them.
pub fn tags(evidence: &Evidence, row: &RollupRow) -> BTreeMap<String, String> {
    let dimensions = evidence.configuration.taxonomy.dimensions.iter().map(|dimension| dimension.name.clone());
    dimensions.zip(row.tags.iter().map(String::from)).filter(|(_, value)| !value.is_empty()).collect()
}

/// The largest `top` of a list by what of each is in the line, and the rest as one.
fn largest<T>(mut all: Vec<T>, top: usize, of: impl Fn(&T) -> (i64, Amounts, Amounts)) -> (Vec<T>, Option<Others>) {
    // Stable, so that equal ones keep the order of the files that they are from.
    all.sort_by_key(|one| {
        let (_, _, in_line) = of(one);
        std::cmp::Reverse((in_line.cash.abs(), in_line.effective.abs()))
    });
    let rest = all.split_off(top.min(all.len()));
    if rest.is_empty() {
        return (all, None);
    }
    let mut others = Others { rows: rest.len() as i64, amounts: Amounts::default(), in_line: Amounts::default() };
    for one in &rest {
        let (_, amounts, in_line) = of(one);
        others.amounts += amounts;
        others.in_line += in_line;
    }
    (all, Some(others))
}

/// One walk with its bill rows as a line of the explanation.
pub fn line(evidence: &Evidence, walk: &Walk, rows: Rows, top: usize) -> Result<Line, Failure> {
    let row = &evidence.trace.allocation.rows[walk.place];
    let key = &row.key;
    let rollup = walk.rollup.iter().map(|(place, in_line)| rollup_step(evidence, *place, *in_line)).collect();
    let (rollup_rows, other_rollup_rows) = largest(rollup, top, |row: &RollupStep| (1, row.amounts, row.in_line));
    let pools = walk.pools.iter().map(|pool| {
        let sources = pool.sources.iter().map(|(place, in_line)| source_step(evidence, *place, *in_line)).collect();
        let (sources, other_sources) = largest(sources, top, |source: &SourceStep| (1, source.amounts, source.in_line));
        PoolStep {
            pool_id: pool.pool_id.clone(),
            pool_name: evidence.pool_name(&pool.pool_id),
            component: pool.component.to_string(),
            feeds: pool.feeds.clone(),
            amounts: pool.amounts,
            in_line: pool.in_line,
            sources,
            other_sources,
        }
    });
    let charged = Money::from_minor(row.cents, evidence.minor_exponent);
    Ok(Line {
        line: walk.line,
        component: key.component.to_string(),
        pool_id: String::from(&key.pool_id),
        pool_name: evidence.pool_name(&key.pool_id),
        rule_id: String::from(&key.rule_id),
        rule: rule(evidence, &key.rule_id),
        provider: String::from(&key.invoice.provider),
        issuer: String::from(&key.invoice.issuer),
        billing_account_id: String::from(&key.invoice.billing_account_id),
        invoice_id: String::from(&key.invoice.invoice_id),
        account_id: String::from(&key.account_id),
        ou_path: String::from(&key.ou_path),
        service: String::from(&key.service),
        charge_type: String::from(&key.charge_type),
        commitment_id: String::from(&key.commitment_id),
        charged: cents(row.cents, &evidence.facts.currency),
        cents: row.cents,
        amounts: Amounts { cash: row.cash, effective: row.effective },
        to_cents: charged - row.cash,
        driver_value: String::from(&row.driver_value),
        driver_total: String::from(&row.driver_total),
        driver_unit: String::from(&row.driver_unit),
        share: String::from(&row.share),
        rounding: walk.rounding,
        pools: pools.collect(),
        rollup_rows,
        other_rollup_rows,
        bill_rows: rows.listed,
        other_bill_rows: rows.others,
    })
}

fn rollup_step(evidence: &Evidence, place: usize, in_line: Amounts) -> RollupStep {
    let row = &evidence.trace.rollup[place];
    RollupStep {
        account_id: String::from(&row.account_id),
        account_name: String::from(&row.account_name),
        service: String::from(&row.service),
        charge_type: String::from(&row.charge_type),
        kind: row.kind.to_string(),
        commitment_id: String::from(&row.commitment_id),
        tags: tags(evidence, row),
        bill_rows: row.rows,
        amounts: Amounts { cash: row.cash.of(evidence.family), effective: row.effective.of(evidence.family) },
        in_line,
    }
}

fn source_step(evidence: &Evidence, place: usize, in_line: Amounts) -> SourceStep {
    let source = &evidence.trace.allocation.pool_sources[place];
    SourceStep {
        rule_id: String::from(&source.rule_id),
        from_pool_id: String::from(&source.from_pool_id),
        account_id: String::from(&source.account_id),
        service: String::from(&source.service),
        charge_type: String::from(&source.charge_type),
        owner_value: String::from(&source.owner_value),
        amounts: Amounts { cash: source.cash, effective: source.effective },
        in_line,
    }
}

/// What a rule does, from its id and the configuration of the close.
fn rule(evidence: &Evidence, id: &str) -> String {
    let configuration = &evidence.configuration;
    let mut rules = configuration.line_rules.iter().filter(|rule| rule.effective.covers(evidence.facts.period));
    if let Some(rule) = rules.find(|rule| rule.id == id) {
        return format!("line rule of rules.toml: {}", conditions(&rule.when));
    }
    let owner = &configuration.taxonomy.owner;
    let parts: Vec<&str> = id.split('.').collect();
    match parts.as_slice() {
        ["tag", "untagged"] => format!("no line rule matches and `{owner}` is empty: the untagged pool"),
        ["tag", "unknown_unit"] => format!("`{owner}` names no unit: the untagged pool"),
        ["tag", dimension] => format!("the tag `{dimension}` names the unit"),
        ["pool", pool, rest @ ..] => {
            let mut pools = configuration.pools.iter().filter(|known| known.effective.covers(evidence.facts.period));
            let found = pools.find(|known| known.id == *pool);
            match (found, rest) {
                (Some(found), []) => format!("split {}{}", key_words(&found.key), limits(found)),
                (Some(found), _) => {
                    format!(
                        "no target has a positive weight, so its fallback: split {}{}",
                        key_words(&found.fallback),
                        limits(found)
                    )
                }
                (None, _) => "a pool of rules.toml".to_owned(),
            }
        }
        ["follow", "covered_usage"] => {
            "a savings plan's negation follows the usage that the plan covered, by its cash".to_owned()
        }
        ["follow", "commitment_use"] => "follows the effective cost that the commitment covered for each unit".to_owned(),
        ["special", component] => format!("[special.{component}] of rules.toml assigns it"),
        ["special", component, "follow_product"] => {
            format!("{component} follows charges of the same invoice, account and product")
        }
        ["special", component, "follow_account"] => format!("{component} follows charges of the same invoice and account"),
        ["special", component, "follow_invoice"] => format!("{component} follows charges of the same invoice"),
        ["special", component, _] => format!("{component} has nothing to follow, so the fallback of [special.{component}]"),
        _ => String::new(),
    }
}

fn key_words(key: &Key) -> String {
    match key {
        Key::Proportional { .. } => "by effective direct cost".to_owned(),
        Key::Even => "evenly".to_owned(),
        Key::Fixed { .. } => "by fixed weights".to_owned(),
        Key::Headcount => "by headcount".to_owned(),
        Key::Usage { driver } => format!("by the driver `{driver}`"),
    }
}

fn limits(pool: &Pool) -> &'static str {
    let is_limited = pool.minimum.is_some() || pool.cap.is_some() || !pool.minimums.is_empty() || !pool.caps.is_empty();
    if is_limited { ", within its minimums and caps" } else { "" }
}

fn conditions(when: &Match) -> String {
    let list = |values: &std::collections::BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(" or ");
    let components = when.components.iter().map(ToString::to_string).collect();
    let mut all: Vec<String> = [
        ("account", &when.accounts),
        ("OU", &when.ou_paths),
        ("service", &when.services),
        ("charge type", &when.charge_types),
        ("component", &components),
        ("provider", &when.providers),
        ("issuer", &when.issuers),
    ]
    .into_iter()
    .filter(|(_, values)| !values.is_empty())
    .map(|(name, values)| format!("{name} {}", list(values)))
    .collect();
    all.extend(when.tags.iter().map(|(name, values)| format!("tag {name} {}", list(values))));
    if all.is_empty() { "matches every line".to_owned() } else { all.join(", ") }
}
