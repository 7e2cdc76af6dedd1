//! Lines on which two keys of one dimension say different things: the first one counts, and somebody should know.

use crate::bill::{Family, Measure};
use crate::money::Money;
use crate::tags::{Dimension, Taxonomy};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One row of `sql/hygiene/conflicts.sql`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Combination {
    pub account_id: String,
    pub currency: String,
    /// Raw values of [`separate_keys`]' dimensions, in their order.
    pub tags: Vec<String>,
    pub effective: Measure,
    pub rows: i64,
}

/// Keys of a dimension that disagree in an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    pub dimension: String,
    pub account_id: String,
    pub currency: String,
    /// Key and canonical value, in the order in which keys are tried: the first one counts.
    pub values: Vec<(String, String)>,
    /// Effective cost of the lines, and their number.
    pub amount: Money,
    pub rows: i64,
}

/// A dimension for each key of the mandatory dimensions and the owning one, where there is more than one key to disagree.
pub fn separate_keys(taxonomy: &Taxonomy) -> Taxonomy {
    let mut dimensions = Vec::new();
    for (dimension, column, key) in keys(taxonomy) {
        dimensions.push(Dimension {
            name: format!("key_{}", dimensions.len()),
            aliases: BTreeMap::from([(column, vec![key.clone()])]),
            ..dimension.clone()
        });
    }
    Taxonomy { owner: taxonomy.owner.clone(), dimensions }
}

fn keys(taxonomy: &Taxonomy) -> impl Iterator<Item = (&Dimension, crate::tags::TagColumn, &String)> {
    let looked_at = taxonomy.dimensions.iter().filter(|dimension| dimension.mandatory || dimension.name == taxonomy.owner);
    looked_at.flat_map(|dimension| {
        dimension.aliases.iter().flat_map(move |(column, keys)| keys.iter().map(move |key| (dimension, *column, key)))
    })
}

/// What disagrees, the largest amount first. `taxonomy` is the user's.
pub fn conflicts(rows: &[Combination], taxonomy: &Taxonomy, family: Family) -> Vec<Conflict> {
    let keys: Vec<(&Dimension, &String)> = keys(taxonomy).map(|(dimension, _, key)| (dimension, key)).collect();
    type Place = (String, String, String, Vec<(String, String)>);
    let mut found: BTreeMap<Place, (Money, i64)> = BTreeMap::new();
    for row in rows {
        let mut said: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
        for ((dimension, key), raw) in keys.iter().zip(&row.tags) {
            if let Some(value) = dimension.canonical_value(raw) {
                said.entry(&dimension.name).or_default().push(((*key).clone(), value));
            }
        }
        for (dimension, values) in said {
            if values.iter().map(|(_, value)| value).collect::<BTreeSet<_>>().len() > 1 {
                let entry =
                    found.entry((dimension.to_owned(), row.account_id.clone(), row.currency.clone(), values)).or_default();
                entry.0 += row.effective.of(family);
                entry.1 += row.rows;
            }
        }
    }
    let mut list: Vec<Conflict> = found
        .into_iter()
        .map(|((dimension, account_id, currency, values), (amount, rows))| Conflict {
            dimension,
            account_id,
            currency,
            values,
            amount,
            rows,
        })
        .collect();
    list.sort_by_key(|conflict| std::cmp::Reverse(conflict.amount));
    list
}
