//! The units of a first configuration: ids that are safe and distinct, whatever the bill's values look like.

use apportion_config::{collision_form, name_fault, unit_id_fault};
use apportion_core::money::Money;
use apportion_core::tags::trim;
use apportion_engine::profile::{AccountProfile, TagKeyProfile};
use std::collections::{BTreeMap, BTreeSet};

/// A unit as `init` writes it.
pub struct FirstUnit {
    pub id: String,
    pub name: String,
    /// Other spellings of the id in tags.
    pub also: Vec<String>,
    pub magnitude: Money,
    /// The account that the unit stands for.
    pub account: Option<String>,
    /// Id of a larger unit that differs in punctuation only.
    pub near: Option<String>,
}

/// Spellings of one value, compared as the configuration will: trimmed, without case.
#[derive(Default)]
struct Value {
    magnitude: Money,
    spellings: BTreeMap<String, Money>,
}

/// One unit for each value of the keys, the largest first.
pub fn tag_units(keys: &[&TagKeyProfile]) -> Vec<FirstUnit> {
    let mut values: BTreeMap<String, Value> = BTreeMap::new();
    for value in keys.iter().flat_map(|key| &key.values) {
        let spelling = trim(&value.value);
        if spelling.is_empty() {
            continue;
        }
        let entry = values.entry(spelling.to_lowercase()).or_default();
        entry.magnitude += value.magnitude;
        *entry.spellings.entry(spelling.to_owned()).or_default() += value.magnitude;
    }
    let mut names = Names { folds: values.keys().cloned().collect(), ..Names::default() };
    let mut sorted: Vec<(String, Value)> = values.into_iter().collect();
    sorted.sort_by(|a, b| b.1.magnitude.cmp(&a.1.magnitude).then(a.0.cmp(&b.0)));
    sorted.into_iter().map(|(fold, value)| names.tag_unit(&fold, &value)).collect()
}

/// One unit for each account; one for everything where the bill names no account.
pub fn account_units(accounts: &[AccountProfile]) -> Vec<FirstUnit> {
    let mut names = Names::default();
    let named: BTreeMap<&str, &AccountProfile> =
        accounts.iter().filter(|account| !account.id.is_empty()).map(|account| (account.id.as_str(), account)).collect();
    if named.is_empty() {
        return vec![FirstUnit {
            id: "everyone".to_owned(),
            name: "Everyone".to_owned(),
            also: Vec::new(),
            magnitude: accounts.iter().map(|account| account.magnitude).sum(),
            account: None,
            near: None,
        }];
    }
    named
        .into_values()
        .map(|account| {
            let (id, near) = names.id(&account.id);
            let label = if account.name.trim().is_empty() { account.id.as_str() } else { account.name.as_str() };
            let name = names.name(label, &id);
            FirstUnit { id, name, also: Vec::new(), magnitude: account.magnitude, account: Some(account.id.clone()), near }
        })
        .collect()
}

/// Ids and names given so far.
#[derive(Default)]
struct Names {
    /// Every value of the bill, folded: no invented id may be one of them.
    folds: BTreeSet<String>,
    /// Collision form of each id -> the id.
    ids: BTreeMap<String, String>,
    names: BTreeSet<String>,
}

impl Names {
    fn tag_unit(&mut self, fold: &str, value: &Value) -> FirstUnit {
        let costliest = value.spellings.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
        let spelling = costliest.map_or(fold, |(spelling, _)| spelling.as_str());
        let (id, near) = self.id(spelling);
        let name = self.name(spelling, &id);
        // The id itself needs no entry; an invented one does.
        let also = if id.to_lowercase() == *fold { Vec::new() } else { vec![spelling.to_owned()] };
        FirstUnit { id, name, also, magnitude: value.magnitude, account: None, near }
    }

    /// The text itself where it can be an id, else its safe part, else that with a digest. Also the id that it nearly is.
    fn id(&mut self, text: &str) -> (String, Option<String>) {
        let near = self.ids.get(&collision_form(text)).cloned();
        if is_safe(text) && near.is_none() && unit_id_fault(text).is_none() {
            self.ids.insert(collision_form(text), text.to_owned());
            return (text.to_owned(), None);
        }
        let digest = apportion_output::sha256_hex(text.as_bytes());
        let kept = safe_part(text);
        // The whole digest is unlike anything a person writes, so this ends.
        for length in [0, 8, 16, 64] {
            let id = match (kept.as_str(), length) {
                ("", 0) => continue,
                (kept, 0) => kept.to_owned(),
                ("", length) => format!("value-{}", &digest[..length]),
                (kept, length) => format!("{kept}-{}", &digest[..length]),
            };
            let form = collision_form(&id);
            if !self.ids.contains_key(&form) && !self.folds.contains(&id.to_lowercase()) && unit_id_fault(&id).is_none() {
                self.ids.insert(form, id.clone());
                return (id, near);
            }
        }
        let id = format!("value-{}-{}", digest, self.ids.len());
        self.ids.insert(collision_form(&id), id.clone());
        (id, near)
    }

    /// The text as a name where it can be one; distinct from every name before.
    fn name(&mut self, text: &str, id: &str) -> String {
        let shown: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).take(120).collect();
        let shown = shown.trim();
        for name in [shown.to_owned(), format!("{shown} ({id})"), id.to_owned()] {
            if name_fault(&name).is_none() && self.names.insert(collision_form(&name)) {
                return name;
            }
        }
        let mut number = 2;
        loop {
            let name = format!("{id} ({number})");
            if self.names.insert(collision_form(&name)) {
                return name;
            }
            number += 1;
        }
    }
}

/// Whether a text can be a file name, a cell and an id as it stands.
fn is_safe(text: &str) -> bool {
    text.len() <= 60
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Letters and digits of ASCII, one `-` for whatever lies between.
fn safe_part(text: &str) -> String {
    let mut kept = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            kept.push(character);
        } else if !kept.is_empty() && !kept.ends_with('-') {
            kept.push('-');
        }
        if kept.len() == 40 {
            break;
        }
    }
    kept.trim_end_matches('-').to_owned()
}
