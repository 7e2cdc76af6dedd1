//! `close_notice`: month end was refused or failed. One mail says so in the words of those who wait for the close.
//!
//! Sent once for each execution by the same outbox as the digest. Who gets it stands in the `mail.toml` that was staged with the run; where
//! that is missing or wrong nobody gets a mail, and the alarm on failed executions is all that speaks.

use crate::figures::{full_amount, month_of, name_of};
use crate::mail::{Message, build};
use crate::outbox::{self, Letter, Preview, Sent, Topic};
use crate::page::{Cell, Figure, Notice, Page, Section, Table, Tone};
use crate::remedies::{self, Remedy};
use crate::{Context, Error, Output, digest, html, staged, text};
use apportion_config::Mail;
use apportion_core::close::{InvoiceLine, Readiness, Reconciliation, Run};
use apportion_core::money::Money;
use apportion_core::reconcile::Violation;
use apportion_runtime::NamedError;
use apportion_store::StoreError;
use serde::Deserialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// Rows of a table; the report has all of them.
const LONGEST_TABLE: usize = 30;
/// Longest sentence taken from an error, in characters.
const LONGEST_SENTENCE: usize = 1_200;

/// How a close ended that did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// A person must mend something: the same input would be refused again.
    Refused,
    /// It may pass when tried again.
    Failed,
}

/// An error as Step Functions hands it on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StateError {
    #[serde(rename = "Error")]
    pub name: String,
    /// A sentence, or the JSON that Lambda makes of one.
    #[serde(rename = "Cause", default)]
    pub cause: String,
}

pub(crate) async fn notice(context: &Context, run: &Run, ending: Ending, error: &StateError) -> Result<Output, Error> {
    let bytes = match context.work.get(&run.mail_key()).await {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound { .. }) => return Ok(Output::Notice { sent: false, mail: String::new() }),
        Err(error) => return Err(error.into()),
    };
    let mail = apportion_config::load_mail(&bytes).map_err(|error| Error::BadConfiguration(error.to_string()))?;
    let page = page(context, run, &mail, ending, error).await?;
    let content = digest::content(&page, &[])?;
    let topic = Topic::Close { period: run.period, execution: run.execution().to_owned() };
    let version = match context.outbox.newest(&topic).await? {
        Some(newest) if newest.content == content => {
            let sent_before = Output::Notice { sent: false, mail: outbox::key(&topic, newest.version) };
            return newest.doubt.map_or(Ok(sent_before), |doubt| Err(Error::MailUnknown(doubt)));
        }
        newest => newest.map_or(1, |newest| newest.version + 1),
    };
    let subject = format!("{}: {} is not closed ({})", mail.subject, month_of(run.period), name_of(&error.name, 60));
    let (body, text) = (html::render(&page, None), text::render(&page));
    let message = Message {
        topic: &topic,
        version,
        date: now_seconds(),
        recipients: &mail.close_recipients,
        subject: &subject,
        text: &text,
        html: &body,
        picture: None,
        attachments: &[],
        content: &content,
    };
    let bytes = build(&mail, &message)?;
    let letter = Letter {
        topic: &topic,
        version,
        content: &content,
        mail: &bytes,
        preview: &Preview { html: body, pdf: None },
        sent: &Sent::default(),
        sender: &mail.sender,
        recipients: &mail.close_recipients,
    };
    let sent = context.outbox.send(&letter).await?;
    Ok(Output::Notice { sent, mail: outbox::key(&topic, version) })
}

/// A notice is of the moment at which it is sent, unlike everything that is made from a bill.
fn now_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

async fn page(context: &Context, run: &Run, mail: &Mail, ending: Ending, error: &StateError) -> Result<Page, Error> {
    let month = month_of(run.period);
    let what = if run.provisional { "provisional close" } else { "close" };
    let word = match ending {
        Ending::Refused => "was refused",
        Ending::Failed => "failed",
    };
    let Remedy { meaning, todo } = remedies::of(&error.name, ending);
    let sentence = NamedError::from_cause(&error.name, &error.cause).message;
    let mut page = Page {
        title: mail.subject.clone(),
        subtitle: format!("{month}: the {what} {word}"),
        notices: vec![Notice { tone: Tone::Bad, text: format!("{month} is not closed. {meaning} Nothing was published.") }],
        figures: vec![
            figure("Error", name_of(&error.name, 60), format!("run {}", run.execution())),
            figure("Published", "Nothing".to_owned(), "no statement, no ledger; earlier closes stand as they are".to_owned()),
        ],
        sections: Vec::new(),
        files: Vec::new(),
        footer: vec![
            format!("The run's files lie below {} of the work store; its log lines name the run.", run.staging),
            "This mail is sent once for each run that does not end well.".to_owned(),
        ],
    };
    // What does not reconcile is told by the report, better than by the sentence that names it.
    if error.name != "DoesNotReconcile" {
        page.notices.push(Notice { tone: Tone::Plain, text: name_of(&sentence, LONGEST_SENTENCE) });
    }
    match read::<Reconciliation>(context, run, "close/reconciliation.json").await? {
        Found::Nothing => {}
        Found::Unreadable(why) => page.notices.push(Notice { tone: Tone::Warn, text: why }),
        Found::This(report) => proof(&mut page, &report),
    }
    if let Found::This(Readiness { awaited, .. }) = read(context, run, "readiness.json").await?
        && !awaited.is_empty()
    {
        page.sections.push(list("Awaited", "What the run found to be missing.", "What", &awaited));
    }
    let rows: Vec<String> = todo.iter().map(|line| (*line).to_owned()).collect();
    page.sections.push(list("What to do", "", "In this order", &rows));
    Ok(page)
}

/// A staged file of the run.
enum Found<T> {
    This(T),
    Nothing,
    /// There, and not as it was written.
    Unreadable(String),
}

/// What cannot be read leaves a gap in the mail, never the mail away; a store that does not answer is tried again by the machine.
async fn read<T: serde::de::DeserializeOwned>(context: &Context, run: &Run, name: &str) -> Result<Found<T>, Error> {
    match staged(context, &format!("{}{name}", run.staging)).await {
        Ok(found) => Ok(found.map_or(Found::Nothing, Found::This)),
        Err(Error::Staging(why)) => Ok(Found::Unreadable(name_of(&why, LONGEST_SENTENCE))),
        Err(error) => Err(error),
    }
}

fn figure(label: &str, value: String, note: String) -> Figure {
    Figure { label: label.to_owned(), value, note, tone: Tone::Bad }
}

/// A table of one column.
fn list(title: &str, lead: &str, column: &str, lines: &[String]) -> Section {
    let rows = lines.iter().take(LONGEST_TABLE).map(|line| vec![Cell::new(name_of(line, LONGEST_SENTENCE))]).collect();
    let table = Table { columns: vec![column.to_owned()], rows };
    Section { title: title.to_owned(), lead: lead.to_owned(), has_chart: false, table: Some(table) }
}

/// What the reconciliation says: which invoices are off, by how much, and at which step.
fn proof(page: &mut Page, report: &Reconciliation) {
    let off: Vec<&InvoiceLine> = report.invoices.iter().filter(|line| !line.passed).collect();
    let of = report.invoices.len();
    if report.passed {
        let note = format!("{of} invoices equal the ledger to the cent; it failed after that");
        page.figures.push(Figure { tone: Tone::Good, ..figure("Invoices", "All proven".to_owned(), note) });
        return;
    }
    let delta: Money = off.iter().map(|line| line.difference.abs()).sum();
    let note = format!("differences of {} {} in all", full_amount(delta), report.currency);
    page.figures.push(figure("Invoices that are off", format!("{} of {of}", off.len()), note));
    if !off.is_empty() {
        page.sections.push(invoices(&off, &report.currency));
    }
    if !report.unbilled.is_empty() {
        let lead = "What the issuer says is payable, and the bill does not hold.";
        page.sections.push(list("Invoices without a line in the bill", lead, "Invoice", &report.unbilled));
    }
    if !report.violations.is_empty() {
        page.sections.push(steps(&report.violations));
    }
}

fn invoices(off: &[&InvoiceLine], currency: &str) -> Section {
    let rows = off.iter().take(LONGEST_TABLE).map(|line| {
        let issuer = if line.issuer.is_empty() { &line.provider } else { &line.issuer };
        vec![
            Cell::new(invoice_name(&line.invoice_id)).note(name_of(issuer, 60)),
            Cell::new(full_amount(line.bill)),
            Cell::new(full_amount(line.invoice)),
            Cell::new(full_amount(line.difference)).note(format!("allowed {}", full_amount(line.tolerance))).tone(Tone::Bad),
        ]
    });
    let columns = ["Invoice", "Bill", "Invoice total", "Difference"].map(str::to_owned).to_vec();
    let more = off.len().saturating_sub(LONGEST_TABLE);
    let lead = if more > 0 { format!("In {currency}; {more} more stand in the report.") } else { format!("In {currency}.") };
    let table = Table { columns, rows: rows.collect() };
    Section { title: "Invoices that do not add up".to_owned(), lead, has_chart: false, table: Some(table) }
}

fn steps(violations: &[Violation]) -> Section {
    let rows = violations.iter().take(LONGEST_TABLE).map(|one| {
        let unit = if one.unit_id.is_empty() { String::new() } else { format!(", unit {}", name_of(&one.unit_id, 60)) };
        vec![
            Cell::new(name_of(&one.step, 60)).note(format!("{}{unit}", invoice_name(&one.invoice.invoice_id))),
            Cell::new(amount(&one.expected)),
            Cell::new(amount(&one.found)),
        ]
    });
    let columns = ["Step", "Expected", "Found"].map(str::to_owned).to_vec();
    let more = violations.len().saturating_sub(LONGEST_TABLE);
    let lead =
        if more > 0 { format!("Where sums part; {more} more stand in the report.") } else { "Where sums part.".to_owned() };
    Section { title: "At which step".to_owned(), lead, has_chart: false, table: Some(Table { columns, rows: rows.collect() }) }
}

/// What a step expected or found: mostly an amount.
fn amount(text: &str) -> String {
    text.parse().map_or_else(|_| name_of(text, 60), full_amount)
}

fn invoice_name(id: &str) -> String {
    if id.is_empty() { "(no id)".to_owned() } else { name_of(id, 60) }
}
