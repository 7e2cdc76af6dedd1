//! Which tree a line goes by, where a close goes by usage day.

use super::owner::Finder;
use crate::bill::{Kind, RollupRow};
use crate::model::Configuration;
use crate::org::{OrgSnapshot, Organization, UNKNOWN};
use crate::period::Period;
use std::collections::BTreeMap;

/// First day of the stretch that a row goes by, `""` for the period's end. Charges of the month, whatever day they bear (the first, most
/// often), and lines without a usage day go by the end.
pub(super) fn stretch_of(row: &RollupRow) -> &str {
    match row.kind {
        Kind::Tax | Kind::Support | Kind::CommitmentFee | Kind::Unused | Kind::Upfront => "",
        _ => &row.organization_day,
    }
}

/// Something made of each tree.
struct ByStretch<T> {
    end: T,
    earlier: BTreeMap<String, T>,
}

impl<T> ByStretch<T> {
    fn new<'a>(organization: &'a Organization, mut make: impl FnMut(&'a OrgSnapshot) -> T) -> ByStretch<T> {
        ByStretch {
            end: make(organization.end()),
            earlier: organization.earlier().map(|(from, tree)| (from.to_string(), make(tree))).collect(),
        }
    }

    fn of(&self, stretch: &str) -> &T {
        self.earlier.get(stretch).unwrap_or(&self.end)
    }
}

/// Owners by the tree of each row.
pub(super) struct Finders<'a>(ByStretch<Finder<'a>>);

impl<'a> Finders<'a> {
    pub fn new(configuration: &'a Configuration, organization: &'a Organization, period: Period) -> Finders<'a> {
        Finders(ByStretch::new(organization, |tree| Finder::new(configuration, tree, period)))
    }

    pub fn of(&self, row: &RollupRow) -> &Finder<'a> {
        self.0.of(stretch_of(row))
    }
}

/// OU paths by stretch and account.
pub(super) struct Paths(ByStretch<BTreeMap<String, String>>);

impl Paths {
    pub fn new(organization: &Organization) -> Paths {
        Paths(ByStretch::new(organization, OrgSnapshot::ou_paths))
    }

    /// `""` for no account, `__unknown__` for one that the tree lacks.
    pub fn of(&self, stretch: &str, account_id: &str) -> String {
        match account_id {
            "" => String::new(),
            account => self.0.of(stretch).get(account).cloned().unwrap_or_else(|| UNKNOWN.to_owned()),
        }
    }
}
