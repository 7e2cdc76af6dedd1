//! Whose line is it: the first line rule that matches, else the unit of the owning tag, else the untagged pool.

use super::Inputs;
use crate::bill::RollupRow;
use crate::ledger::Component;
use crate::model::{Configuration, LineRule, Match, Owner, UNTAGGED};
use crate::org::UNKNOWN;
use std::collections::{BTreeMap, BTreeSet};

/// Tag value that a line rule writes to mean "no value".
const UNTAGGED_VALUE: &str = "__untagged__";

/// An owner and why.
pub(super) struct Found {
    pub owner: Owner,
    pub rule_id: String,
    /// What the owning tag said, `""` if nothing.
    pub owner_value: String,
    /// Neither a rule nor a tag gave the owner.
    pub by_absence: bool,
}

impl Found {
    pub fn stated(owner: Owner, rule_id: String) -> Found {
        Found { owner, rule_id, owner_value: String::new(), by_absence: false }
    }
}

/// Looks owners up for one period.
pub(super) struct Finder<'a> {
    configuration: &'a Configuration,
    rules: Vec<&'a LineRule>,
    units: BTreeMap<String, &'a str>,
    owner_index: Option<usize>,
    paths: BTreeMap<String, String>,
    accounts: BTreeSet<&'a str>,
}

impl<'a> Finder<'a> {
    pub fn new(inputs: &'a Inputs<'a>) -> Self {
        let configuration = inputs.configuration;
        let owner_index = configuration.taxonomy.owner_index();
        let fold = |text: &str| match owner_index {
            Some(index) => configuration.taxonomy.dimensions[index].fold(text),
            None => text.to_owned(),
        };
        Finder {
            configuration,
            rules: configuration.line_rules.iter().filter(|rule| rule.effective.covers(inputs.period)).collect(),
            units: configuration.units.iter().map(|unit| (fold(&unit.id), unit.id.as_str())).collect(),
            owner_index,
            paths: inputs.org.ou_paths(),
            accounts: inputs.org.accounts.iter().map(|account| account.id.as_str()).collect(),
        }
    }

    /// Whether the organization has the account; one without any organization file knows every account.
    pub fn knows_account(&self, account_id: &str) -> bool {
        account_id.is_empty() || self.accounts.is_empty() || self.accounts.contains(account_id)
    }

    /// The first line rule in force that matches. With `named`, only rules that name the component.
    pub fn line_rule(&self, row: &RollupRow, component: Component, named: bool) -> Option<Found> {
        self.rules
            .iter()
            .find(|rule| {
                let names = rule.when.components.contains(&component);
                (names || (!named && rule.when.components.is_empty())) && self.matches(&rule.when, row)
            })
            .map(|rule| Found::stated(rule.to.clone(), rule.id.clone()))
    }

    /// Line rule, owning tag, untagged pool.
    pub fn find(&self, row: &RollupRow, component: Component) -> Found {
        if let Some(found) = self.line_rule(row, component, false) {
            return found;
        }
        let value = self.owner_index.and_then(|index| {
            let raw = row.tags.get(index)?;
            self.configuration.taxonomy.dimensions[index].canonical_value(raw)
        });
        let folded = match (self.owner_index, &value) {
            (Some(index), Some(value)) => self.configuration.taxonomy.dimensions[index].fold(value),
            _ => String::new(),
        };
        match (self.units.get(&folded), value) {
            (Some(unit), Some(_)) => Found {
                owner: Owner::Unit((*unit).to_owned()),
                rule_id: format!("tag.{}", self.configuration.taxonomy.owner),
                owner_value: String::new(),
                by_absence: false,
            },
            (_, value) => {
                let rule_id = if value.is_some() { "tag.unknown_unit" } else { "tag.untagged" };
                Found {
                    owner: Owner::Pool(UNTAGGED.to_owned()),
                    rule_id: rule_id.to_owned(),
                    owner_value: value.unwrap_or_default(),
                    by_absence: true,
                }
            }
        }
    }

    fn matches(&self, when: &Match, row: &RollupRow) -> bool {
        let has = |set: &BTreeSet<String>, value: &str| set.is_empty() || set.contains(value);
        has(&when.accounts, &row.account_id)
            && has(&when.services, &row.service)
            && has(&when.charge_types, &row.charge_type)
            && has(&when.providers, &row.provider)
            && has(&when.issuers, &row.issuer)
            && (when.ou_paths.is_empty() || self.under(&when.ou_paths, &row.account_id))
            && when.tags.iter().all(|(dimension, values)| self.tag_is(row, dimension, values))
    }

    fn under(&self, ou_paths: &BTreeSet<String>, account_id: &str) -> bool {
        let path = self.paths.get(account_id).map(String::as_str).unwrap_or(UNKNOWN);
        ou_paths
            .iter()
            .any(|wanted| path == wanted || path.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.starts_with('/')))
    }

    fn tag_is(&self, row: &RollupRow, dimension: &str, values: &BTreeSet<String>) -> bool {
        let Some(index) = self.configuration.taxonomy.dimensions.iter().position(|known| known.name == dimension) else {
            return false;
        };
        let known = &self.configuration.taxonomy.dimensions[index];
        match row.tags.get(index).and_then(|raw| known.canonical_value(raw)) {
            None => values.contains(UNTAGGED_VALUE),
            Some(value) => values.iter().any(|wanted| known.fold(wanted) == known.fold(&value)),
        }
    }
}
