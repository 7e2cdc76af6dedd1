//! One drift ticket for an account while too much of it has no owner.

use super::{AccountFinding, Settings};
use crate::day::Day;
use crate::money::Money;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    Open,
    Closed,
}

/// A ticket as it stands: `tickets/<account>/<opened>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// `apportion-tag-drift-<account>-<currency>-<opened>`: what the other system knows it by.
    pub correlation_id: String,
    pub account_id: String,
    pub account_name: String,
    pub ou: String,
    pub currency: String,
    pub state: TicketState,
    /// Address, `""` if nobody is named anywhere.
    pub owner: String,
    pub assignment_group: String,
    pub opened: Day,
    pub due: Day,
    /// The run that last looked at it.
    pub seen: Day,
    pub closed: Option<Day>,
    /// Taggable money of the window without an owner, and of it that is the largest so far.
    pub amount: Money,
    pub largest_amount: Money,
    pub taggable: Money,
    /// Hundredths of a per cent.
    pub share: u32,
    pub threshold: u32,
    pub window_days: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Opened,
    Updated,
    Closed,
}

/// What a run does to a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub kind: ChangeKind,
    pub ticket: Ticket,
}

/// What becomes of an account's ticket on a day. `last` is its latest one, open or closed; `finding` is absent where the account
/// had no cost in the window. `owner` is the address of the account's main unit, `""` if it has none.
///
/// A run of a day that the ticket has seen already, or of one before, changes nothing: that is what makes a rerun quiet.
pub fn next_ticket(
    date: Day,
    last: Option<&Ticket>,
    finding: Option<&AccountFinding>,
    owner: &str,
    settings: &Settings,
) -> Option<Change> {
    if last.is_some_and(|ticket| ticket.seen >= date) {
        return None;
    }
    let above = finding.filter(|finding| finding.above && finding.amounts.unowned() >= settings.minimum_amount);
    match (last.filter(|ticket| ticket.state == TicketState::Open), above) {
        (None, None) => None,
        (None, Some(finding)) => Some(Change { kind: ChangeKind::Opened, ticket: opened(date, finding, owner, settings) }),
        (Some(ticket), Some(finding)) => {
            let mut ticket = measured(ticket.clone(), finding, settings);
            ticket.seen = date;
            Some(Change { kind: ChangeKind::Updated, ticket })
        }
        (Some(ticket), None) => {
            let mut ticket = match finding {
                Some(finding) => measured(ticket.clone(), finding, settings),
                None => Ticket { amount: Money::ZERO, taggable: Money::ZERO, share: 0, ..ticket.clone() },
            };
            (ticket.state, ticket.seen, ticket.closed) = (TicketState::Closed, date, Some(date));
            Some(Change { kind: ChangeKind::Closed, ticket })
        }
    }
}

fn measured(mut ticket: Ticket, finding: &AccountFinding, settings: &Settings) -> Ticket {
    ticket.amount = finding.amounts.unowned();
    ticket.largest_amount = ticket.largest_amount.max(ticket.amount);
    ticket.taggable = finding.amounts.taggable;
    ticket.share = finding.share;
    ticket.threshold = finding.threshold;
    ticket.window_days = settings.window_days;
    ticket.account_name.clone_from(&finding.account_name);
    ticket.ou.clone_from(&finding.ou);
    ticket
}

fn opened(date: Day, finding: &AccountFinding, owner: &str, settings: &Settings) -> Ticket {
    let account = settings.accounts.get(&finding.account_id);
    let named = account.and_then(|account| account.owner.as_deref());
    let owner = named.or((!owner.is_empty()).then_some(owner)).unwrap_or(&settings.owner);
    let ticket = Ticket {
        correlation_id: format!("apportion-tag-drift-{}-{}-{date}", finding.account_id, finding.currency),
        account_id: finding.account_id.clone(),
        account_name: String::new(),
        ou: String::new(),
        currency: finding.currency.clone(),
        state: TicketState::Open,
        owner: owner.to_owned(),
        assignment_group: settings.assignment_group.clone(),
        opened: date,
        due: date.plus(i64::from(settings.due_days)).unwrap_or(date),
        seen: date,
        closed: None,
        amount: Money::ZERO,
        largest_amount: Money::ZERO,
        taggable: Money::ZERO,
        share: 0,
        threshold: 0,
        window_days: 0,
    };
    measured(ticket, finding, settings)
}
