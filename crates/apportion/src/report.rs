//! What a command says at its end, for a person.

use crate::close::{Summary, cents};
use apportion_core::allocate::Note;
use apportion_core::close::{InvoiceLine, Readiness, Reconciliation};
use apportion_core::money::Money;
use apportion_core::period::Period;
use std::fmt::Write as _;
use std::path::Path;

/// Text from a bill on a terminal: control characters as their code points.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let bidi = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || bidi {
            let _ = write!(shown, "\u{27e8}U+{:04X}\u{27e9}", character as u32);
        } else {
            shown.push(character);
        }
    }
    shown
}

/// How a column of a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    /// Amounts and counts.
    Right,
}

/// A table for a terminal: headings, then rows, every text made printable.
pub fn table(headings: &[String], align: &[Align], rows: &[Vec<String>]) -> String {
    let printed = |row: &[String]| row.iter().map(|cell| printable(cell)).collect::<Vec<String>>();
    let lines: Vec<Vec<String>> = std::iter::once(printed(headings)).chain(rows.iter().map(|row| printed(row))).collect();
    let mut widths = vec![0; headings.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for ((cell, width), align) in line.iter().zip(&widths).zip(align) {
            let pad = " ".repeat(width - cell.chars().count());
            match align {
                Align::Left => row.push_str(&format!("{cell}{pad}  ")),
                Align::Right => row.push_str(&format!("{pad}{cell}  ")),
            }
        }
        let _ = writeln!(text, "{}", row.trim_end());
    }
    text
}

/// The reconciliation of a close and where things lie.
pub fn summary(summary: &Summary) -> String {
    let report = &summary.reconciliation;
    let mut text = String::new();
    let _ = writeln!(text, "{} {}: {} ({})", summary.period, summary.status, summary.close, summary.currency);
    if report.provisional {
        let _ = writeln!(text, "PROVISIONAL: not the period's close; figures may still change");
    }
    text.push('\n');
    invoices(&mut text, report);
    for line in &report.statements {
        let _ = writeln!(text, "  {}", printable(line));
    }
    notes(&mut text, report);
    for line in &summary.left_out {
        let _ = writeln!(text, "  left out: {}", printable(line));
    }
    for scan in &summary.scans {
        let _ = writeln!(text, "  Athena scanned {} bytes of {}: {} USD at list price", scan.bytes, scan.format, scan.us_dollars);
    }
    if let Some(folder) = &summary.folder {
        let _ = writeln!(text, "\nstatements      {}", folder.join("statements").display());
        let _ = writeln!(text, "ledger          {}", folder.join("ledger.csv").display());
        let _ = writeln!(text, "reconciliation  {}", folder.join("reconciliation.json").display());
        // `verify` reads a folder.
        if !report.provisional && !crate::place::is_s3(folder) {
            let _ = writeln!(text, "prove it        apportion verify {}", folder.display());
        }
    } else {
        let _ = writeln!(text, "\ndry run: nothing was written");
    }
    text
}

fn invoices(text: &mut String, report: &Reconciliation) {
    let headings = ["invoice", "issuer", "bill", "invoice total", "difference", "tolerance", "ledger", ""];
    let mut rows: Vec<Vec<String>> = report.invoices.iter().map(|line| invoice_cells(line, &report.currency).into()).collect();
    let total = [
        "all".to_owned(),
        String::new(),
        shown(report.totals.bill_cash),
        shown(report.invoices.iter().map(|line| line.invoice).sum()),
        shown(report.invoices.iter().map(|line| line.difference).sum()),
        String::new(),
        cents(report.totals.ledger_cents, &report.currency),
        if report.passed { "ok" } else { "FAILS" }.to_owned(),
    ];
    rows.push(total.into());
    let mut align = [Align::Right; 8];
    (align[0], align[1], align[7]) = (Align::Left, Align::Left, Align::Left);
    for line in table(&headings.map(str::to_owned), &align, &rows).lines() {
        let _ = writeln!(text, "  {line}");
    }
}

fn invoice_cells(line: &InvoiceLine, currency: &str) -> [String; 8] {
    let short = |value: &str, width: usize| -> String { printable(value).chars().take(width).collect() };
    [
        if line.invoice_id.is_empty() { "(none)".to_owned() } else { short(&line.invoice_id, 32) },
        short(if line.issuer.is_empty() { &line.provider } else { &line.issuer }, 32),
        shown(line.bill),
        shown(line.invoice),
        shown(line.difference),
        shown(line.tolerance),
        cents(line.ledger_cents, currency),
        if line.passed { "ok" } else { "FAILS" }.to_owned(),
    ]
}

/// An exact amount without the zeros that say nothing, at least two decimals.
pub fn shown(money: Money) -> String {
    let text = money.to_string();
    let cut = text.trim_end_matches('0');
    let decimals = cut.len() - cut.find('.').map_or(0, |at| at + 1);
    if decimals >= 2 { cut.to_owned() } else { text[..text.len() - 10].to_owned() }
}

fn notes(text: &mut String, report: &Reconciliation) {
    for note in &report.notes {
        let line = match note {
            Note::PoolFallback { pool_id, reason } => format!("pool {pool_id} was split by its fallback: {reason}"),
            Note::NegativeBase { pool_id, target, base } => {
                format!("{target} weighs nothing in pool {pool_id}: its base is {}", shown(*base))
            }
            Note::UnknownOwner { value, cash, .. } => {
                format!("`{value}` names no unit: {} went to the untagged pool", shown(*cash))
            }
            Note::UnknownAccount { account_id, cash } => {
                format!("account {account_id} is not in the organization: {} of cash", shown(*cash))
            }
            Note::Untagged { cash, rows, .. } => {
                format!("{} on {rows} lines had no owner and went to the untagged pool", shown(*cash))
            }
            Note::Unclassified { charge_type, cash, .. } => {
                format!("line type `{charge_type}` is unknown: {} kept as unclassified", shown(*cash))
            }
            Note::NegationWithoutUsage { account_id, commitment_id, cash } => {
                format!("negation without covered usage in {account_id}, {commitment_id}: {}", shown(*cash))
            }
        };
        let _ = writeln!(text, "  note: {}", printable(&line));
    }
    let open: Money = report.bridge.iter().map(|line| line.residual).sum();
    let unbridged = report.bridge.iter().filter(|line| !line.residual.is_zero()).count();
    if unbridged > 0 {
        let _ = writeln!(
            text,
            "  note: effective + true-up + upfront leave {} of cash unexplained on {unbridged} commitments",
            shown(open)
        );
    }
    for (period, rows) in &report.other_periods {
        let _ = writeln!(text, "  note: {rows} lines of billing period {} were left out", printable(period));
    }
    for line in &report.ignored {
        let _ = writeln!(text, "  left out: {}", printable(line));
    }
}

/// Why a period is not ready, and what is awaited.
pub fn not_ready(period: Period, readiness: &Readiness) -> String {
    let mut text = format!("{period} is not ready. Awaited:");
    for item in &readiness.awaited {
        let _ = write!(text, "\n  - {}", printable(item));
    }
    text.push_str("\nRun again once it has arrived, or add --provisional for figures that may still change.");
    text
}

/// Where the ledger or the bill differs from the invoices.
pub fn failure(report: &Reconciliation, cause: &str, place: Option<&Path>) -> String {
    let mut text = format!("{} does not reconcile; nothing was published.\n", report.period);
    for violation in &report.violations {
        let unit = if violation.unit_id.is_empty() { String::new() } else { format!(", unit {}", printable(&violation.unit_id)) };
        let _ = writeln!(
            text,
            "  invoice {}{unit}, step {}: {} expected, {} found",
            printable(&violation.invoice.invoice_id),
            violation.step,
            violation.expected,
            violation.found
        );
    }
    for (invoice, other) in &report.other_family {
        let _ = writeln!(text, "  invoice {}: the other cost family would have given {}", printable(invoice), shown(*other));
    }
    for line in &report.unbilled {
        let _ = writeln!(text, "  {}", printable(line));
    }
    match place {
        Some(place) => {
            let _ = write!(text, "The report: {}", place.display());
        }
        None => text.push_str(cause),
    }
    text
}
