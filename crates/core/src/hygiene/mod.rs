//! Tag debt: what could carry tags and does not, by account and service; keys and values that the taxonomy misses; the tickets
//! that follow; likely owners of what has none.
//!
//! `docs/tags.md` restates the rules for users. Reading the bill is `engine`'s work, keeping findings and tickets `tag-hygiene`'s.

mod conflict;
mod coverage;
mod keys;
mod suggest;
mod ticket;

pub use conflict::{Combination, Conflict, conflicts, separate_keys};
pub use coverage::{
    AccountFinding, Amounts, CoverageRow, ServiceFinding, TrendPoint, findings, is_taggable, observed, window_family,
};
pub use keys::{Collision, KeyFinding, MissingKeys, NearMiss, TagKey, TagKeys, TagValue, study};
pub use suggest::{Evidence, Learner, Resource, Suggestion, suggestion_id};
pub use ticket::{Change, ChangeKind, Ticket, TicketState, next_ticket};

use crate::day::Day;
use crate::money::Money;
use crate::tags::{Dimension, TagColumn, Taxonomy};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// `hygiene.toml`; [`Settings::default`] holds where the file is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Usage days looked at, the run's date included.
    pub window_days: u32,
    /// Largest share of taggable spend without an owner, in hundredths of a per cent.
    pub threshold: u32,
    /// No ticket below this amount in the window, in the bill's currency.
    pub minimum_amount: Money,
    /// Days until a ticket is due.
    pub due_days: u32,
    /// ServiceNow group that tickets go to.
    pub assignment_group: String,
    /// Address that owns a ticket where neither the account nor its main unit names one; `""` if none.
    pub owner: String,
    /// Services whose lines cannot carry tags, although they name a resource.
    pub untaggable_services: BTreeSet<String>,
    /// Tag keys that name a resource, and those that name the resource it belongs to.
    pub name_keys: BTreeMap<TagColumn, Vec<String>>,
    pub parent_keys: BTreeMap<TagColumn, Vec<String>>,
    /// Suggestions below it are not made, per mille.
    pub minimum_confidence: u32,
    pub accounts: BTreeMap<String, AccountSettings>,
}

/// What one account has of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccountSettings {
    /// Hundredths of a per cent.
    pub threshold: Option<u32>,
    /// Address.
    pub owner: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        let keys = |list: [(TagColumn, &[&str]); 3]| -> BTreeMap<TagColumn, Vec<String>> {
            list.into_iter().map(|(column, keys)| (column, keys.iter().map(|key| (*key).to_owned()).collect())).collect()
        };
        Settings {
            window_days: 7,
            threshold: 500,
            minimum_amount: Money::from_minor(100, 2),
            due_days: 14,
            assignment_group: "FinOps".to_owned(),
            owner: String::new(),
            untaggable_services: BTreeSet::new(),
            name_keys: keys([
                (TagColumn::Cur2ResourceTags, &["user_name"]),
                (TagColumn::Cur2Tags, &["resourceTags/Name"]),
                (TagColumn::FocusTags, &["Name", "name"]),
            ]),
            parent_keys: keys([
                (TagColumn::Cur2ResourceTags, &["user_instance_id"]),
                (TagColumn::Cur2Tags, &["resourceTags/instance_id", "resourceTags/InstanceId"]),
                (TagColumn::FocusTags, &["instance_id", "InstanceId"]),
            ]),
            minimum_confidence: 600,
            accounts: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// First usage day looked at by a run of `date`.
    pub fn first_day(&self, date: Day) -> Day {
        date.plus(1 - i64::from(self.window_days.max(1))).unwrap_or(date)
    }

    /// Threshold of an account, hundredths of a per cent.
    pub fn threshold_of(&self, account_id: &str) -> u32 {
        self.accounts.get(account_id).and_then(|account| account.threshold).unwrap_or(self.threshold)
    }
}

/// The dimension that `name_keys` become in `sql/hygiene/resources.sql`.
pub const NAME_DIMENSION: &str = "resource_name_";
/// The same for `parent_keys`.
pub const PARENT_DIMENSION: &str = "resource_parent_";

/// The taxonomy that renders `sql/hygiene/resources.sql`: the user's whole one, then name and parent.
pub fn resource_taxonomy(taxonomy: &Taxonomy, settings: &Settings) -> Taxonomy {
    let extra = |name: &str, keys: &BTreeMap<TagColumn, Vec<String>>| Dimension {
        name: name.to_owned(),
        mandatory: false,
        aliases: keys.clone(),
        fold_case: false,
        canonical: Vec::new(),
        value_aliases: BTreeMap::new(),
    };
    let mut dimensions = taxonomy.dimensions.clone();
    dimensions.extend([extra(NAME_DIMENSION, &settings.name_keys), extra(PARENT_DIMENSION, &settings.parent_keys)]);
    Taxonomy { owner: taxonomy.owner.clone(), dimensions }
}

/// All that one run found: `findings/<date>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    pub date: Day,
    /// Usage days looked at.
    pub from: Day,
    pub to: Day,
    /// All accounts, by currency.
    pub totals: BTreeMap<String, Amounts>,
    /// By money without an owner, the largest first.
    pub accounts: Vec<AccountFinding>,
    pub services: Vec<ServiceFinding>,
    /// Tag keys that carry money and that no alias catches, the largest first.
    pub unmapped_keys: Vec<KeyFinding>,
    pub near_misses: Vec<NearMiss>,
    pub collisions: Vec<Collision>,
    /// Lines on which two keys of one dimension disagree.
    pub conflicts: Vec<Conflict>,
    pub missing_keys: Vec<MissingKeys>,
    /// Earlier runs' totals, oldest first, by currency.
    pub trend: BTreeMap<String, Vec<TrendPoint>>,
}

/// Lower-case letters and digits, with letters that are taken for digits as digits: `CC-1O10` and `cc 1010` are one.
pub(crate) fn squash(text: &str) -> String {
    let one = |character: char| match character {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    };
    text.chars().flat_map(char::to_lowercase).filter(|character| character.is_alphanumeric()).map(one).collect()
}

#[cfg(test)]
mod tests;
