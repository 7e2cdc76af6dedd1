//! Which tree a line goes by, where a close goes by usage day.

use super::owner::Finder;
use crate::bill::{Kind, RollupRow};
use crate::model::Configuration;
use crate::org::{OrgSnapshot, Organization, UNKNOWN};
use crate::period::Period;
use crate::text::Text;
use std::collections::BTreeMap;

/// First day of the stretch that a row goes by, `""` for the period's end. Charges of the month, whatever day they bear (the first, most
/// often), and lines without a usage day go by the end.
pub(super) fn stretch_of(row: &RollupRow) -> Text {
    match row.kind {
        Kind::Tax | Kind::Support | Kind::CommitmentFee | Kind::Unused | Kind::Upfront => Text::default(),
        _ => row.organization_day.clone(),
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
        self.0.of(&stretch_of(row))
    }
}

/// OU paths by stretch and account.
pub(super) struct Paths(ByStretch<BTreeMap<String, Text>>);

impl Paths {
    pub fn new(organization: &Organization) -> Paths {
        let texts = |tree: &OrgSnapshot| tree.ou_paths().into_iter().map(|(account, path)| (account, path.into())).collect();
        Paths(ByStretch::new(organization, texts))
    }

    /// `""` for no account, `__unknown__` for one that the tree lacks.
    pub fn of(&self, stretch: &str, account_id: &str) -> Text {
        match account_id {
            "" => Text::default(),
            account => self.0.of(stretch).get(account).cloned().unwrap_or_else(|| UNKNOWN.into()),
        }
    }
}
