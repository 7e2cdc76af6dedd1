//! Whose line is it: the first line rule that matches, else the unit of the owning tag, else the untagged pool.

use crate::bill::RollupRow;
use crate::ledger::Component;
use crate::model::{Configuration, LineRule, Match, Owner, UNTAGGED};
use crate::org::{OrgSnapshot, UNKNOWN};
use crate::period::Period;
use crate::text::Text;
use std::collections::{BTreeMap, BTreeSet};

/// Tag value that a line rule writes to mean "no value".
const UNTAGGED_VALUE: &str = "__untagged__";

/// What of a line says whose it is.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub provider: &'a str,
    pub issuer: &'a str,
    pub account_id: &'a str,
    pub service: &'a str,
    pub charge_type: &'a str,
    /// Raw values of the configuration's dimensions, in their order.
    pub tags: &'a [Text],
}

impl<'a> From<&'a RollupRow> for Line<'a> {
    fn from(row: &'a RollupRow) -> Line<'a> {
        Line {
            provider: &row.provider,
            issuer: &row.issuer,
            account_id: &row.account_id,
            service: &row.service,
            charge_type: &row.charge_type,
            tags: &row.tags,
        }
    }
}

/// An owner and why.
pub(crate) struct Found {
    pub owner: Owner,
    pub rule_id: Text,
    /// What the owning tag said, `""` if nothing.
    pub owner_value: Text,
    /// Neither a rule nor a tag gave the owner.
    pub by_absence: bool,
}

impl Found {
    pub fn stated(owner: Owner, rule_id: impl Into<Text>) -> Found {
        Found { owner, rule_id: rule_id.into(), owner_value: Text::default(), by_absence: false }
    }
}

/// Looks owners up for one period.
pub(crate) struct Finder<'a> {
    configuration: &'a Configuration,
    rules: Vec<(&'a LineRule, Text)>,
    /// Rule id of what the owning tag decides.
    tag_rule: Text,
    units: BTreeMap<String, &'a str>,
    owner_index: Option<usize>,
    paths: BTreeMap<String, String>,
    accounts: BTreeSet<&'a str>,
}

impl<'a> Finder<'a> {
    pub fn new(configuration: &'a Configuration, org: &'a OrgSnapshot, period: Period) -> Self {
        let owner_index = configuration.taxonomy.owner_index();
        let fold = |text: &str| match owner_index {
            Some(index) => configuration.taxonomy.dimensions[index].fold(text),
            None => text.to_owned(),
        };
        let rules = configuration.line_rules.iter().filter(|rule| rule.effective.covers(period));
        Finder {
            configuration,
            rules: rules.map(|rule| (rule, Text::from(&rule.id))).collect(),
            tag_rule: format!("tag.{}", configuration.taxonomy.owner).into(),
            units: configuration.units.iter().map(|unit| (fold(&unit.id), unit.id.as_str())).collect(),
            owner_index,
            paths: org.ou_paths(),
            accounts: org.accounts.iter().map(|account| account.id.as_str()).collect(),
        }
    }

    /// Whether the organization has the account; one without any organization file knows every account.
    pub fn knows_account(&self, account_id: &str) -> bool {
        account_id.is_empty() || self.accounts.is_empty() || self.accounts.contains(account_id)
    }

    /// The first line rule in force that matches. With `named`, only rules that name the component.
    pub fn line_rule<'b>(&self, line: impl Into<Line<'b>>, component: Component, named: bool) -> Option<Found> {
        let line = line.into();
        self.rules
            .iter()
            .find(|(rule, _)| {
                let names = rule.when.components.contains(&component);
                (names || (!named && rule.when.components.is_empty())) && self.matches(&rule.when, line)
            })
            .map(|(rule, id)| Found::stated(rule.to.clone(), id.clone()))
    }

    /// Line rule, owning tag, untagged pool.
    pub fn find<'b>(&self, line: impl Into<Line<'b>>, component: Component) -> Found {
        let line = line.into();
        if let Some(found) = self.line_rule(line, component, false) {
            return found;
        }
        let value = self.owner_index.and_then(|index| {
            let raw = line.tags.get(index)?;
            self.configuration.taxonomy.dimensions[index].canonical_value(raw)
        });
        let folded = match (self.owner_index, &value) {
            (Some(index), Some(value)) => self.configuration.taxonomy.dimensions[index].fold(value),
            _ => String::new(),
        };
        match (self.units.get(&folded), value) {
            (Some(unit), Some(_)) => Found {
                owner: Owner::Unit((*unit).to_owned()),
                rule_id: self.tag_rule.clone(),
                owner_value: Text::default(),
                by_absence: false,
            },
            (_, value) => {
                let rule_id = if value.is_some() { "tag.unknown_unit" } else { "tag.untagged" };
                Found {
                    owner: Owner::Pool(UNTAGGED.to_owned()),
                    rule_id: rule_id.into(),
                    owner_value: value.unwrap_or_default().into(),
                    by_absence: true,
                }
            }
        }
    }

    fn matches(&self, when: &Match, line: Line<'_>) -> bool {
        let has = |set: &BTreeSet<String>, value: &str| set.is_empty() || set.contains(value);
        has(&when.accounts, line.account_id)
            && has(&when.services, line.service)
            && has(&when.charge_types, line.charge_type)
            && has(&when.providers, line.provider)
            && has(&when.issuers, line.issuer)
            && (when.ou_paths.is_empty() || self.under(&when.ou_paths, line.account_id))
            && when.tags.iter().all(|(dimension, values)| self.tag_is(line, dimension, values))
    }

    /// OU path of an account, `__unknown__` if the organization lacks it.
    pub fn ou_path(&self, account_id: &str) -> &str {
        self.paths.get(account_id).map_or(UNKNOWN, String::as_str)
    }

    fn under(&self, ou_paths: &BTreeSet<String>, account_id: &str) -> bool {
        let path = self.ou_path(account_id);
        ou_paths
            .iter()
            .any(|wanted| path == wanted || path.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.starts_with('/')))
    }

    fn tag_is(&self, line: Line<'_>, dimension: &str, values: &BTreeSet<String>) -> bool {
        let Some(index) = self.configuration.taxonomy.dimensions.iter().position(|known| known.name == dimension) else {
            return false;
        };
        let known = &self.configuration.taxonomy.dimensions[index];
        match line.tags.get(index).and_then(|raw| known.canonical_value(raw)) {
            None => values.contains(UNTAGGED_VALUE),
            Some(value) => values.iter().any(|wanted| known.fold(wanted) == known.fold(&value)),
        }
    }
}
