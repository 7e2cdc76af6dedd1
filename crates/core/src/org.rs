//! The organization tree of a date: which account sits in which OU.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// OU path of an account that the organization lacks.
pub const UNKNOWN: &str = "__unknown__";

/// One organizational unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OrganizationalUnit {
    pub id: String,
    pub name: String,
    pub parent_id: String,
}

/// One member account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Account {
    pub id: String,
    pub name: String,
    pub parent_id: String,
    /// `ACTIVE`, `SUSPENDED`, `CLOSED`, …: closed accounts still bill.
    pub state: String,
}

/// The organization as it stood on a date, sorted by id. Its JSON has the shapes of the Organizations API, so a snapshot is itself an
/// organization file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OrgSnapshot {
    #[serde(rename = "Roots", with = "roots")]
    pub root_ids: Vec<String>,
    #[serde(rename = "OrganizationalUnits")]
    pub units: Vec<OrganizationalUnit>,
    #[serde(rename = "Accounts")]
    pub accounts: Vec<Account>,
}

/// `Roots` is a list of objects, of which only `Id` matters.
mod roots {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Root {
        #[serde(rename = "Id")]
        id: String,
    }

    pub fn serialize<S: Serializer>(ids: &[String], serializer: S) -> Result<S::Ok, S::Error> {
        ids.iter().map(|id| Root { id: id.clone() }).collect::<Vec<_>>().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
        Ok(Vec::<Root>::deserialize(deserializer)?.into_iter().map(|root| root.id).collect())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrgError {
    #[error("{0} `{1}` appears twice in the organization: each id must be unique")]
    Duplicate(&'static str, String),
    #[error("`{child}` has the parent `{parent}`, which is neither a root nor an OU of the organization")]
    MissingParent { child: String, parent: String },
    #[error("the OU `{0}` is its own ancestor")]
    Cycle(String),
}

impl OrgSnapshot {
    /// Sorts and checks: unique ids, parents that exist, no cycle.
    pub fn checked(mut self) -> Result<Self, OrgError> {
        self.root_ids.sort();
        self.units.sort_by(|a, b| a.id.cmp(&b.id));
        self.accounts.sort_by(|a, b| a.id.cmp(&b.id));
        for (what, ids) in [
            ("the OU", self.units.iter().map(|unit| &unit.id).collect::<Vec<_>>()),
            ("the account", self.accounts.iter().map(|account| &account.id).collect()),
        ] {
            if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(OrgError::Duplicate(what, pair[0].clone()));
            }
        }
        let known: BTreeSet<&String> = self.root_ids.iter().chain(self.units.iter().map(|unit| &unit.id)).collect();
        let children = self.units.iter().map(|unit| (&unit.id, &unit.parent_id));
        for (child, parent) in children.chain(self.accounts.iter().map(|account| (&account.id, &account.parent_id))) {
            if !known.contains(parent) {
                return Err(OrgError::MissingParent { child: child.clone(), parent: parent.clone() });
            }
        }
        let parents: BTreeMap<&String, &String> = self.units.iter().map(|unit| (&unit.id, &unit.parent_id)).collect();
        for unit in &self.units {
            let mut at = &unit.id;
            for _ in 0..=self.units.len() {
                match parents.get(at) {
                    Some(parent) => at = parent,
                    None => break,
                }
            }
            if parents.contains_key(at) {
                return Err(OrgError::Cycle(unit.id.clone()));
            }
        }
        Ok(self)
    }

    /// Account id -> path of OU names from the root, `/`-separated, `""` directly under the root.
    ///
    /// A `/` inside a name prints as `∕` (U+2215), so that a path has one reading.
    pub fn ou_paths(&self) -> BTreeMap<String, String> {
        let units: BTreeMap<&String, &OrganizationalUnit> = self.units.iter().map(|unit| (&unit.id, unit)).collect();
        self.accounts
            .iter()
            .map(|account| {
                let mut names = Vec::new();
                let mut at = &account.parent_id;
                while let Some(unit) = units.get(at) {
                    names.push(unit.name.replace('/', "\u{2215}"));
                    at = &unit.parent_id;
                }
                names.reverse();
                (account.id.clone(), names.join("/"))
            })
            .collect()
    }
}
