//! Tag keys and values that the taxonomy misses.

use super::{Findings, squash};
use crate::model::Configuration;
use crate::money::Money;
use crate::tags::{Dimension, TagColumn, trim};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One tag key of a bill, with the magnitude of the lines that have a value of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagKey {
    pub column: TagColumn,
    pub key: String,
    pub magnitude: Money,
    /// The largest first; not all where there are very many.
    pub values: Vec<TagValue>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagValue {
    pub value: String,
    pub magnitude: Money,
    pub rows: i64,
}

/// All tag keys of a bill, and the tag columns that its formats have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TagKeys {
    pub keys: Vec<TagKey>,
    pub columns: BTreeSet<TagColumn>,
}

/// A key that carries money and that no alias catches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFinding {
    pub column: TagColumn,
    pub key: String,
    pub magnitude: Money,
    /// A dimension whose name or keys look alike: probably another spelling.
    pub looks_like: Option<String>,
    /// AWS sets it, not a person.
    pub generated: bool,
    /// Its values with the most money.
    pub examples: Vec<String>,
}

/// A value that no spelling of its dimension catches, and the one that is probably meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearMiss {
    pub dimension: String,
    pub value: String,
    pub magnitude: Money,
    pub rows: i64,
    pub suggested: String,
}

/// Values of a dimension that differ only in case, punctuation or look-alike letters, and count as different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collision {
    pub dimension: String,
    /// The most money first: the first one is the spelling to keep.
    pub values: Vec<(String, Money)>,
}

/// Keys of a dimension that the bill never shows: not activated as cost-allocation tags, not exported, or misspelt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingKeys {
    pub dimension: String,
    pub mandatory: bool,
    /// None of the dimension's keys occurs: it can have no value at all.
    pub all: bool,
    pub keys: Vec<String>,
}

/// Most unmapped keys, near misses and collisions that a run names, the largest first.
const MOST: usize = 100;
const EXAMPLES: usize = 3;

/// Fills in what keys and values say.
pub fn study(findings: &mut Findings, tags: &TagKeys, configuration: &Configuration) {
    let dimensions = &configuration.taxonomy.dimensions;
    findings.unmapped_keys = unmapped(tags, dimensions);
    findings.missing_keys = missing(tags, dimensions);
    findings.near_misses.clear();
    findings.collisions.clear();
    for dimension in dimensions {
        let values = values_of(dimension, tags);
        findings.near_misses.extend(near_misses(dimension, &values));
        findings.collisions.extend(collisions(dimension, &values));
    }
    findings.near_misses.sort_by(|a, b| b.magnitude.cmp(&a.magnitude).then_with(|| a.value.cmp(&b.value)));
    findings.near_misses.truncate(MOST);
    let weight = |collision: &Collision| collision.values.iter().map(|(_, money)| *money).sum::<Money>();
    findings.collisions.sort_by_key(|collision| (std::cmp::Reverse(weight(collision)), collision.values.clone()));
    findings.collisions.truncate(MOST);
}

fn is_mapped(tag: &TagKey, dimensions: &[Dimension]) -> bool {
    dimensions.iter().any(|dimension| dimension.aliases.get(&tag.column).is_some_and(|keys| keys.contains(&tag.key)))
}

/// The key as a person named it: without the export's prefix, in lower case, letters and digits only.
fn bare(key: &str) -> String {
    let prefixes = [
        "resourcetags/user:",
        "resourcetags/",
        "accounttag/",
        "userattribute/",
        "costcategory/",
        "iamprincipal/",
        "user_",
        "user:",
    ];
    let lower = key.to_lowercase();
    let rest = prefixes.iter().find_map(|prefix| lower.strip_prefix(prefix)).unwrap_or(&lower);
    rest.chars().filter(|character| character.is_alphanumeric()).collect()
}

fn looks_like(key: &str, dimensions: &[Dimension]) -> Option<String> {
    let key = bare(key);
    let near = |other: &str| {
        let other = bare(other);
        other == key || (key.chars().count() >= 5 && strsim::osa_distance(&key, &other) <= 1)
    };
    let is_near = |dimension: &&Dimension| near(&dimension.name) || dimension.aliases.values().flatten().any(|alias| near(alias));
    dimensions.iter().find(is_near).map(|dimension| dimension.name.clone())
}

fn unmapped(tags: &TagKeys, dimensions: &[Dimension]) -> Vec<KeyFinding> {
    let mut found: Vec<KeyFinding> = tags
        .keys
        .iter()
        .filter(|tag| !is_mapped(tag, dimensions))
        .map(|tag| KeyFinding {
            column: tag.column,
            key: tag.key.clone(),
            magnitude: tag.magnitude,
            looks_like: looks_like(&tag.key, dimensions),
            generated: ["aws_", "aws:", "resourceTags/aws:"].iter().any(|prefix| tag.key.starts_with(prefix)),
            examples: tag.values.iter().take(EXAMPLES).map(|value| value.value.clone()).collect(),
        })
        .collect();
    found.sort_by(|a, b| {
        a.generated
            .cmp(&b.generated)
            .then_with(|| b.magnitude.cmp(&a.magnitude))
            .then_with(|| (a.column, &a.key).cmp(&(b.column, &b.key)))
    });
    found.truncate(MOST);
    found
}

fn missing(tags: &TagKeys, dimensions: &[Dimension]) -> Vec<MissingKeys> {
    let there: BTreeSet<(TagColumn, &str)> = tags.keys.iter().map(|tag| (tag.column, tag.key.as_str())).collect();
    let mut found = Vec::new();
    for dimension in dimensions {
        let aliases = dimension.aliases.iter().filter(|(column, _)| tags.columns.contains(column));
        let keys: Vec<(TagColumn, &String)> = aliases.flat_map(|(column, keys)| keys.iter().map(|key| (*column, key))).collect();
        let absent: Vec<String> = keys
            .iter()
            .filter(|(column, key)| !there.contains(&(*column, key.as_str())))
            .map(|(_, key)| (*key).clone())
            .collect();
        if !absent.is_empty() {
            let all = absent.len() == keys.len();
            found.push(MissingKeys { dimension: dimension.name.clone(), mandatory: dimension.mandatory, all, keys: absent });
        }
    }
    found
}

/// Folded raw values of a dimension with their money and lines, over all its keys.
fn values_of(dimension: &Dimension, tags: &TagKeys) -> BTreeMap<String, (Money, i64)> {
    let mut values: BTreeMap<String, (Money, i64)> = BTreeMap::new();
    let caught = |tag: &&TagKey| dimension.aliases.get(&tag.column).is_some_and(|keys| keys.contains(&tag.key));
    for value in tags.keys.iter().filter(caught).flat_map(|tag| &tag.values) {
        let folded = dimension.fold(&value.value);
        if !trim(&folded).is_empty() {
            let entry = values.entry(folded).or_default();
            entry.0 += value.magnitude;
            entry.1 += value.rows;
        }
    }
    values
}

/// Whether a folded value is a spelling that the dimension knows.
fn is_known(dimension: &Dimension, folded: &str) -> bool {
    dimension.value_aliases.contains_key(folded) || dimension.canonical.iter().any(|value| dimension.fold(value) == folded)
}

fn near_misses(dimension: &Dimension, values: &BTreeMap<String, (Money, i64)>) -> Vec<NearMiss> {
    let mut known: Vec<(String, &String)> = dimension.canonical.iter().map(|value| (squash(value), value)).collect();
    known.extend(dimension.value_aliases.iter().map(|(spelling, value)| (squash(spelling), value)));
    let unknown = values.iter().filter(|(folded, _)| !is_known(dimension, folded));
    unknown
        .filter_map(|(folded, (magnitude, rows))| {
            let suggested = nearest(&squash(folded), &known)?;
            let (dimension, value) = (dimension.name.clone(), folded.clone());
            Some(NearMiss { dimension, value, magnitude: *magnitude, rows: *rows, suggested })
        })
        .collect()
}

/// The one canonical value that is nearest by edits, near enough, and alike in its digits: `CC-3015` is no slip for `CC-3010`.
fn nearest(value: &str, known: &[(String, &String)]) -> Option<String> {
    let length = value.chars().count();
    let most = match length {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let own = digits(value);
    let mut best: Option<(usize, BTreeSet<&String>)> = None;
    for (spelling, meant) in known.iter().filter(|(spelling, _)| !spelling.is_empty() && digits(spelling) == own) {
        let distance = strsim::osa_distance(value, spelling);
        match &mut best {
            _ if distance > most => {}
            Some((least, meanings)) if *least == distance => {
                meanings.insert(meant);
            }
            Some((least, _)) if *least < distance => {}
            _ => best = Some((distance, BTreeSet::from([*meant]))),
        }
    }
    let (_, meanings) = best?;
    // Two that are as near are no suggestion.
    if meanings.len() == 1 { meanings.into_iter().next().cloned() } else { None }
}

fn collisions(dimension: &Dimension, values: &BTreeMap<String, (Money, i64)>) -> Vec<Collision> {
    let mut forms: BTreeMap<String, BTreeMap<String, Money>> = BTreeMap::new();
    // What is like a known spelling is a near miss already.
    let known: BTreeSet<String> =
        dimension.canonical.iter().chain(dimension.value_aliases.keys()).map(|value| squash(value)).collect();
    for (folded, (magnitude, _)) in values {
        *forms.entry(squash(folded)).or_default().entry(folded.clone()).or_default() += *magnitude;
    }
    forms.retain(|form, _| !known.contains(form));
    forms
        .into_iter()
        .filter(|(form, meanings)| !form.is_empty() && meanings.len() > 1)
        .map(|(_, meanings)| {
            let mut values: Vec<(String, Money)> = meanings.into_iter().collect();
            values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            Collision { dimension: dimension.name.clone(), values }
        })
        .collect()
}
