//! The organization tree of a date: which account sits in which OU.

use crate::day::Day;
use crate::period::Period;
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

/// Which tree says where an account stood: `[organization] as_of` of `rules.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AsOf {
    /// That of the period's end, for every line.
    #[default]
    PeriodEnd,
    /// That of the day on which the line's usage starts.
    UsageDay,
}

/// A tree, and the usage days that go by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DatedTree {
    /// The first usage day that goes by it, up to the next tree's.
    pub from: Day,
    /// The day of the newest snapshot that showed these OUs.
    pub snapshot: Day,
    #[serde(flatten)]
    pub tree: OrgSnapshot,
}

/// A stretch of usage days and the snapshot that it goes by, for a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    pub from: Day,
    pub snapshot: Day,
}

/// The organization that a close goes by: the tree of the period's end, and, by usage day, those before it.
///
/// Its JSON is that of an [`OrgSnapshot`], or `{"Trees": […]}` with a [`DatedTree`] for each stretch of days.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Organization {
    end: OrgSnapshot,
    /// What the end's tree is of; `None` for a close by the period's end.
    dated: Option<Stretch>,
    earlier: Vec<DatedTree>,
}

/// How an [`Organization`] is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    ByDay {
        #[serde(rename = "Trees")]
        trees: Vec<DatedTree>,
    },
    One(OrgSnapshot),
}

impl TryFrom<Form> for Organization {
    type Error = &'static str;
    fn try_from(form: Form) -> Result<Organization, &'static str> {
        match form {
            Form::One(tree) => Ok(tree.into()),
            Form::ByDay { trees } => Organization::of_stretches(trees).ok_or("`Trees` is empty"),
        }
    }
}

impl From<Organization> for Form {
    fn from(organization: Organization) -> Form {
        let Organization { end, dated, earlier } = organization;
        match dated {
            None => Form::One(end),
            Some(Stretch { from, snapshot }) => {
                Form::ByDay { trees: earlier.into_iter().chain([DatedTree { from, snapshot, tree: end }]).collect() }
            }
        }
    }
}

impl From<OrgSnapshot> for Organization {
    fn from(end: OrgSnapshot) -> Organization {
        Organization { end, dated: None, earlier: Vec::new() }
    }
}

impl Organization {
    fn of_stretches(mut trees: Vec<DatedTree>) -> Option<Organization> {
        let last = trees.pop()?;
        let dated = Some(Stretch { from: last.from, snapshot: last.snapshot });
        Some(Organization { end: last.tree, dated, earlier: trees })
    }

    /// The trees of a period by usage day. A day goes by the newest snapshot that is not after it; days before the first snapshot go by that
    /// one. Snapshots in a row that show the same OUs are one stretch, whose tree is the newest of them. Given twice, it gives the same.
    /// `None` where no snapshot is of the period or before it.
    pub fn by_day(period: Period, mut snapshots: Vec<DatedTree>) -> Option<Organization> {
        let (first, last) = (Day::first_of(period), Day::last_of(period));
        snapshots.retain(|dated| dated.from <= last);
        snapshots.sort_by_key(|dated| (dated.from, dated.snapshot));
        let before = snapshots.iter().rposition(|dated| dated.from <= first).unwrap_or(0);
        let mut stretches: Vec<(DatedTree, BTreeMap<String, String>)> = Vec::new();
        for mut dated in snapshots.split_off(before.min(snapshots.len())) {
            let paths = dated.tree.ou_paths();
            dated.from = if stretches.is_empty() { first } else { dated.from };
            match stretches.last_mut().filter(|(one, known)| *known == paths || one.from == dated.from) {
                Some((one, known)) => (*one, *known) = (DatedTree { from: one.from, ..dated }, paths),
                None => stretches.push((dated, paths)),
            }
        }
        Organization::of_stretches(stretches.into_iter().map(|(dated, _)| dated).collect())
    }

    /// The tree of the period's end.
    pub fn end(&self) -> &OrgSnapshot {
        &self.end
    }

    /// The stretches of days that go by a tree of their own; none where the whole period goes by one.
    pub fn stretches(&self) -> Vec<Stretch> {
        let earlier = self.earlier.iter().map(|dated| Stretch { from: dated.from, snapshot: dated.snapshot });
        earlier.chain(self.dated).collect()
    }

    /// First days of the stretches, where there is more than one.
    pub fn changes(&self) -> Vec<Day> {
        if self.earlier.is_empty() { Vec::new() } else { self.stretches().iter().map(|stretch| stretch.from).collect() }
    }

    /// Trees before the end's, by the first day that goes by each.
    pub fn earlier(&self) -> impl Iterator<Item = (Day, &OrgSnapshot)> {
        self.earlier.iter().map(|dated| (dated.from, &dated.tree))
    }

    /// Names of accounts, the newest of each.
    pub fn account_names(self) -> BTreeMap<String, String> {
        let trees = self.earlier.into_iter().map(|dated| dated.tree).chain([self.end]);
        trees.flat_map(|tree| tree.accounts).filter(|account| !account.name.is_empty()).map(|one| (one.id, one.name)).collect()
    }
}

#[cfg(test)]
mod tests;
