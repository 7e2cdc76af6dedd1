//! Pools that feed pools: later ones only, and never in a circle.

use crate::error::{ConfigError, Source, Span};
use crate::raw::{PoolTable, TargetsValue};
use crate::rules;
use apportion_core::model::{Owner, Pool, Targets};
use std::collections::BTreeSet;
use toml::Spanned;

/// Pools that a pool feeds.
fn fed(pool: &Pool) -> BTreeSet<&str> {
    match &pool.targets {
        Targets::List(list) => {
            list.iter().filter_map(|owner| if let Owner::Pool(id) = owner { Some(id.as_str()) } else { None }).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// A pool may feed later pools only: what comes earlier is split already.
pub(crate) fn check_order(source: &Source, tables: &[Spanned<PoolTable>], pools: &[Pool]) -> Result<(), ConfigError> {
    for (index, (pool, table)) in pools.iter().zip(tables).enumerate() {
        for target in fed(pool) {
            let earlier =
                pools[..=index].iter().find(|other| other.id == target && rules::overlap(other.effective, pool.effective));
            if earlier.is_none() {
                continue;
            }
            let span = place_of(table.get_ref(), target);
            return Err(match path_back(pools, target, &pool.id) {
                Some(path) => source.wrong(
                    &span,
                    format!("pools feed each other in a circle: {} -> {}", pool.id, path.join(" -> ")),
                    "take one of the arrows out: what goes round would never reach a unit",
                ),
                None => source.wrong(
                    &span,
                    format!("the pool `{}` feeds `{target}`, which is split before it", pool.id),
                    format!("move the [[pool]] `{target}` below `{}`: pools are split in the order of the file", pool.id),
                ),
            });
        }
    }
    Ok(())
}

/// Where a pool names the pool that it feeds.
fn place_of(table: &PoolTable, target: &str) -> Span {
    let text = format!("pool:{target}");
    let listed = table.targets.as_ref().and_then(|targets| match targets.get_ref() {
        TargetsValue::List(names) => names.iter().find(|name| *name.get_ref() == text).map(Spanned::span),
        TargetsValue::Word(_) => None,
    });
    let shared = [&table.percents, &table.weights]
        .into_iter()
        .flatten()
        .find_map(|shares| shares.get_ref().keys().find(|name| *name.get_ref() == text).map(Spanned::span));
    listed.or(shared).unwrap_or_else(|| table.id.span())
}

/// The pools from `from` to `to` along what feeds what, both included; `None` if there is no way.
fn path_back(pools: &[Pool], from: &str, to: &str) -> Option<Vec<String>> {
    let mut paths = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::from([from.to_owned()]);
    while let Some(path) = paths.pop() {
        let last = path.last()?.clone();
        if last == to {
            return Some(path);
        }
        for next in pools.iter().filter(|pool| pool.id == last).flat_map(fed) {
            if seen.insert(next.to_owned()) {
                let mut longer = path.clone();
                longer.push(next.to_owned());
                paths.push(longer);
            }
        }
    }
    None
}
