//! Drift tickets: their state with the findings, each change as a record for ServiceNow in `outbox/`.
//!
//! The record is written before the ticket, once, under a name of the day and the change: a run that dies between the two writes the
//! same record again and sends nothing twice.

use crate::finding_store::{ticket_folder, ticket_key};
use crate::{Context, Error, Known, json};
use apportion_core::day::Day;
use apportion_core::hygiene::{AccountFinding, Change, ChangeKind, Findings, TicketState, next_ticket};
use apportion_core::money::Money;
use serde_json::{Value, json as object};
use std::collections::{BTreeMap, BTreeSet};

/// Tickets after a run.
pub(crate) struct Kept {
    /// Keys of open ones.
    pub open: Vec<String>,
    /// Keys of those that changed, with what happened to them.
    pub changed: Vec<(String, ChangeKind)>,
}

/// Opens, updates and closes; with `may_change` false only says what is open.
pub(crate) async fn keep(context: &Context, found: &Findings, known: &Known, may_change: bool) -> Result<Kept, Error> {
    let mut last = context.findings.tickets().await?;
    let findings: BTreeMap<(String, String), &AccountFinding> =
        found.accounts.iter().map(|finding| ((finding.account_id.clone(), finding.currency.clone()), finding)).collect();
    let accounts: BTreeSet<(String, String)> = findings.keys().chain(last.keys()).cloned().collect();
    let mut kept = Kept { open: Vec::new(), changed: Vec::new() };
    for account in accounts {
        let finding = findings.get(&account).copied();
        let owner = finding.map_or("", |finding| unit_owner(known, &finding.main_unit));
        let change = next_ticket(found.date, last.get(&account), finding, owner, &known.settings).filter(|_| may_change);
        if let Some(change) = change {
            send(context, found.date, &change).await?;
            let key = context.findings.put_ticket(&change.ticket).await?;
            kept.changed.push((key, change.kind));
            last.insert(account.clone(), change.ticket);
        }
        if let Some(ticket) = last.get(&account).filter(|ticket| ticket.state == TicketState::Open) {
            kept.open.push(ticket_key(ticket));
        }
    }
    Ok(kept)
}

/// First address of a unit.
fn unit_owner<'a>(known: &'a Known, unit: &str) -> &'a str {
    let unit = known.configuration.units.iter().find(|known| known.id == unit);
    unit.and_then(|unit| unit.owners.first()).map_or("", String::as_str)
}

/// Puts the record of a change into the outbox, once.
async fn send(context: &Context, date: Day, change: &Change) -> Result<(), Error> {
    let word = match change.kind {
        ChangeKind::Opened => "opened",
        ChangeKind::Updated => "updated",
        ChangeKind::Closed => "closed",
    };
    let key = format!("outbox/tickets/{date}-{}-{word}.json", ticket_folder(&change.ticket));
    context.work.put_once(&key, &json(&record(date, change))?).await?;
    Ok(())
}

/// Hundredths of a per cent as text.
fn percent(hundredths: u32) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// An amount in whole minor units, as a person reads it; the exact one stands in the ticket.
fn shown(money: Money, currency: &str) -> String {
    let exponent = apportion_core::close::minor_exponent(currency);
    format!("{} {currency}", Money::minor_to_string(money.round_to_minor(exponent), exponent))
}

/// The change in the fields of a ServiceNow task. States are those of its incident table: 1 new, 2 in progress, 6 resolved.
fn record(date: Day, change: &Change) -> Value {
    let ticket = &change.ticket;
    let account = match ticket.account_name.as_str() {
        "" => ticket.account_id.clone(),
        name => format!("{} ({name})", ticket.account_id),
    };
    let amount = shown(ticket.amount, &ticket.currency);
    let figures = format!(
        "{amount} of {} taggable spend in the {} days to {date} has no owner: {} %, where {} % is allowed.",
        shown(ticket.taggable, &ticket.currency),
        ticket.window_days,
        percent(ticket.share),
        percent(ticket.threshold)
    );
    let mut record = object!({
        "short_description": format!("Tag drift in account {account}: {} % of taggable spend has no owner", percent(ticket.share)),
        "description": format!("{figures}\nOrganizational unit: {}\nTag the resources, or accept the suggested owners; the ticket closes by itself.", ticket.ou),
        "category": "FinOps",
        "subcategory": "Tagging",
        "assignment_group": ticket.assignment_group,
        "assigned_to": ticket.owner,
        "opened_at": ticket.opened,
        "due_date": ticket.due,
        "correlation_id": ticket.correlation_id,
        "correlation_display": "Apportion",
        "impact": "3",
        "urgency": "3",
        "state": "2",
        "work_notes": figures,
        "u_account_id": ticket.account_id,
        "u_amount": ticket.amount,
        "u_currency": ticket.currency,
        "u_share_percent": percent(ticket.share),
    });
    match change.kind {
        ChangeKind::Opened => record["state"] = object!("1"),
        ChangeKind::Updated => {}
        ChangeKind::Closed => {
            record["state"] = object!("6");
            record["closed_at"] = object!(date);
            record["close_code"] = object!("Solved (Permanently)");
            record["close_notes"] = object!(format!("Cured: {figures}"));
        }
    }
    record
}
