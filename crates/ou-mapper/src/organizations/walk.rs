//! What a walk knows and has still to ask: a value that can be put aside and taken up again.

use crate::Figures;
use apportion_core::org::{Account, OrgSnapshot, OrganizationalUnit};
use serde::{Deserialize, Serialize};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A list of Organizations, read page by page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Listing {
    /// All accounts of the organization, without their places: what the walk must come to.
    AllAccounts,
    Roots,
    /// OUs directly below a root or OU.
    Units(String),
    /// Accounts directly below a root or OU.
    Accounts(String),
}

impl Listing {
    /// Its name in the API.
    pub fn operation(&self) -> &'static str {
        match self {
            Listing::AllAccounts => "ListAccounts",
            Listing::Roots => "ListRoots",
            Listing::Units(_) => "ListOrganizationalUnitsForParent",
            Listing::Accounts(_) => "ListAccountsForParent",
        }
    }
}

/// The next page to ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ask {
    pub listing: Listing,
    /// What the page before gave; `None` is the first page.
    pub token: Option<String>,
    /// The list was begun again because a token had expired.
    pub begun_again: bool,
}

/// What stands on a page.
#[derive(Debug)]
pub(super) enum Items {
    AccountIds(Vec<String>),
    Roots(Vec<String>),
    /// Ids and names.
    Units(Vec<(String, String)>),
    /// `parent_id` is that of the listing.
    Accounts(Vec<Account>),
}

/// A walk of the tree, level by level.
///
/// Organizations has no snapshot to read from, so what changes during a walk shows as a tree that never was. An account that moved from a
/// place seen to one not yet seen is met twice; one that moved the other way is never met, and its money would go to the unknown
/// OU. The second kind only shows against the list of all accounts, which is therefore read first: an account of that list must
/// be met exactly once. (Read last, it would hold accounts made during the walk, which disturb nothing.) A tree that was so
/// disturbed is not mended, the walk is repeated.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Walk {
    pub figures: Figures,
    queue: VecDeque<Ask>,
    expected: BTreeSet<String>,
    roots: BTreeSet<String>,
    units: BTreeMap<String, OrganizationalUnit>,
    accounts: BTreeMap<String, Account>,
    /// Why this walk cannot be used.
    disturbed: Option<String>,
}

impl Walk {
    pub fn new() -> Walk {
        Walk::default().again()
    }

    /// A new walk that goes on counting.
    fn again(&self) -> Walk {
        let mut walk = Walk { figures: self.figures, ..Walk::default() };
        walk.figures.walks += 1;
        walk.ask(Listing::AllAccounts);
        walk
    }

    fn ask(&mut self, listing: Listing) {
        self.queue.push_back(Ask { listing, token: None, begun_again: false });
    }

    /// Takes the next asks, at most `most`: none depends on another's answer.
    pub fn next(&mut self, most: usize) -> Vec<Ask> {
        self.queue.drain(..most.min(self.queue.len())).collect()
    }

    pub fn is_over(&self) -> bool {
        self.queue.is_empty()
    }

    /// OUs and accounts met.
    pub fn met(&self) -> (usize, usize) {
        (self.units.len(), self.accounts.len())
    }

    /// Puts back what was not answered.
    pub fn put_back(&mut self, ask: Ask) {
        if self.disturbed.is_none() {
            self.queue.push_front(ask);
        }
    }

    /// A page: an empty one may have pages after it.
    pub fn page(&mut self, ask: Ask, items: Items, token: Option<String>) {
        if self.disturbed.is_some() {
            return;
        }
        match (items, &ask.listing) {
            (Items::AccountIds(ids), _) => self.expected.extend(ids),
            (Items::Roots(ids), _) => ids.into_iter().for_each(|id| self.root(id)),
            (Items::Units(units), Listing::Units(parent)) => {
                units.into_iter().for_each(|(id, name)| self.unit(OrganizationalUnit { id, name, parent_id: parent.clone() }));
            }
            (Items::Units(_), _) => {}
            (Items::Accounts(accounts), _) => accounts.into_iter().for_each(|account| self.account(account)),
        }
        match token {
            Some(token) => self.put_back(Ask { token: Some(token), ..ask }),
            None if ask.listing == Listing::AllAccounts => self.ask(Listing::Roots),
            None => {}
        }
    }

    fn root(&mut self, id: String) {
        if self.roots.insert(id.clone()) {
            self.ask(Listing::Accounts(id.clone()));
            self.ask(Listing::Units(id));
        }
    }

    fn unit(&mut self, unit: OrganizationalUnit) {
        match self.units.entry(unit.id.clone()) {
            Entry::Vacant(place) => {
                let id = place.insert(unit).id.clone();
                self.ask(Listing::Accounts(id.clone()));
                self.ask(Listing::Units(id));
            }
            // The same list once more, from its first page.
            Entry::Occupied(known) if known.get().parent_id == unit.parent_id => {}
            Entry::Occupied(_) => self.disturb(format!("the OU {} moved", unit.id)),
        }
    }

    fn account(&mut self, account: Account) {
        match self.accounts.get(&account.id) {
            Some(known) if known.parent_id != account.parent_id => self.disturb(format!("the account {} moved", account.id)),
            _ => {
                self.accounts.insert(account.id.clone(), account);
            }
        }
    }

    /// A root or OU that was there has gone.
    pub fn gone(&mut self, ask: &Ask) {
        let parent = match &ask.listing {
            Listing::Units(parent) | Listing::Accounts(parent) => parent,
            Listing::AllAccounts | Listing::Roots => "of all",
        };
        self.disturb(format!("the OU {parent} was deleted"));
    }

    fn disturb(&mut self, why: String) {
        // One reason is enough; what is left to ask would be asked in vain.
        self.disturbed.get_or_insert(why);
        self.queue.clear();
    }

    /// The tree of a walk that is over, or why it must be repeated.
    pub fn finish(&self) -> Result<OrgSnapshot, String> {
        if let Some(why) = &self.disturbed {
            return Err(why.clone());
        }
        if let Some(missed) = self.expected.iter().find(|id| !self.accounts.contains_key(*id)) {
            return Err(format!("the account {missed} moved, or left"));
        }
        let snapshot = OrgSnapshot {
            root_ids: self.roots.iter().cloned().collect(),
            units: self.units.values().cloned().collect(),
            accounts: self.accounts.values().cloned().collect(),
        };
        snapshot.checked().map_err(|error| error.to_string())
    }

    /// Begins again.
    pub fn repeat(&mut self) {
        *self = self.again();
    }
}
