//! What a daily run says at its end, for a person and for programs.

use crate::daily::{Ended, output};
use crate::report::{Align, printable, table};
use apportion_core::budget::Light;
use apportion_core::day::{Outcome, RunRecord};
use apportion_core::evaluation::{AnomalyState, Evaluation, Line};
use apportion_core::money::Money;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What is awaited, in one line for stderr.
pub fn awaited(record: &RunRecord) -> String {
    format!("there is no data of {} yet; awaited: {}", record.date, printable(&record.awaited.join("; ")))
}

/// The stages that failed, one a line, for stderr.
pub fn failed(record: &RunRecord) -> String {
    let lines: Vec<String> = record
        .failed
        .iter()
        .map(|stage| format!("{} failed ({}): {}", stage.name, stage.error, printable(&stage.cause)))
        .collect();
    lines.join("\n")
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::NotReady => "no data yet",
        Outcome::Failed => "INCOMPLETE",
    }
}

/// Tenths of a percent as text.
fn percent(permille: Option<i64>) -> String {
    permille.map_or_else(
        || "none".to_owned(),
        |tenths| format!("{}{}.{} %", if tenths < 0 { "-" } else { "" }, tenths.abs() / 10, tenths.abs() % 10),
    )
}

fn minor(money: Money, found: &Evaluation) -> String {
    Money::minor_to_string(money.round_to_minor(found.places), found.places)
}

/// For a person.
pub fn text(ended: &Ended) -> String {
    let record = &ended.record;
    let mut text = format!("{}: {}\n", record.date, word(record.outcome));
    for stage in &record.failed {
        let _ = writeln!(text, "  FAILED {}: {}", stage.name, printable(&stage.cause));
    }
    if !record.skipped.is_empty() {
        let _ = writeln!(text, "  not run: {}", record.skipped.join(", "));
    }
    for line in &record.awaited {
        let _ = writeln!(text, "  awaits {}", printable(line));
    }
    if let Some(found) = &ended.evaluation {
        figures(&mut text, found);
    }
    text.push('\n');
    text.push_str(&places(ended));
    text
}

fn figures(text: &mut String, found: &Evaluation) {
    let (total, forecast) = (&found.total, &found.total.forecast);
    let change = Evaluation::permille(total.day - total.week_before, total.week_before);
    let change = change.map_or_else(String::new, |tenths| {
        format!("{}{} against the week before", if tenths > 0 { "+" } else { "" }, percent(Some(tenths)))
    });
    let budget = match &total.budget {
        None => "no budget for everything".to_owned(),
        Some(budget) => {
            let part = budget.percent.map_or_else(String::new, |percent| format!("{percent} % "));
            format!("{}: {part}of the budget of {}", budget.light.as_str(), minor(budget.amount, found))
        }
    };
    let nobody = found.untagged + found.unknown;
    let parts = format!("untagged {}, no such unit {}", minor(found.untagged, found), minor(found.unknown, found));
    let before = format!("{} in all of the month before", minor(found.previous_month, found));
    let rows: Vec<Vec<String>> = [
        ("on the day".to_owned(), minor(total.day, found), change),
        ("month to date".to_owned(), minor(forecast.month_to_date, found), before),
        ("forecast".to_owned(), minor(forecast.month_end, found), budget),
        ("without an owner".to_owned(), percent(Evaluation::permille(nobody, forecast.month_to_date)), parts),
        ("cash on the day".to_owned(), minor(found.cash, found), "what the CSV adds up to".to_owned()),
    ]
    .into_iter()
    .map(|(name, value, note)| vec![name, value, note])
    .collect();
    let headings = [format!("effective cost, {}", found.currency), String::new(), String::new()];
    text.push('\n');
    for line in table(&headings, &[Align::Left, Align::Right, Align::Left], &rows).lines() {
        let _ = writeln!(text, "  {line}");
    }
    let open = found.anomalies.iter().filter(|one| one.state != AnomalyState::Dismissed).count();
    let (red, amber) = (lights(found, Light::Red), lights(found, Light::Amber));
    let _ = writeln!(
        text,
        "\n  anomalies: {open}; {} of {} services of units have too few days to judge",
        found.sparse, found.groups
    );
    let _ = writeln!(text, "  budgets: {red} red, {amber} amber");
    if !found.restated.is_empty() {
        let _ = writeln!(text, "  {} days restated since an earlier run", found.restated.len());
    }
    for account in &found.unknown_accounts {
        let _ = writeln!(
            text,
            "  account {} is not in the organization: {} this month",
            printable(&account.id),
            minor(account.month_to_date, found)
        );
    }
}

fn lights(found: &Evaluation, light: Light) -> usize {
    let lines = std::iter::once(&found.total).chain(&found.ous).chain(&found.owners);
    lines.filter(|line: &&Line| line.budget.as_ref().is_some_and(|budget| budget.light == light)).count()
}

/// A key as a path, if the run gave it and wrote it.
fn path(ended: &Ended, key: &Value) -> Option<String> {
    let key = key.as_str().filter(|key| !key.is_empty())?;
    Some(ended.out.as_ref()?.join(key).display().to_string())
}

fn preview(mail: &str) -> String {
    mail.strip_suffix("eml").map(|stem| format!("{stem}html")).unwrap_or_default()
}

fn places(ended: &Ended) -> String {
    if ended.out.is_none() {
        return "dry run: nothing was written or sent\n".to_owned();
    }
    let mut text = String::new();
    let mut say = |name: &str, place: Option<String>, note: &str| {
        if let Some(place) = place {
            let _ = writeln!(text, "{name:<13} {place}{note}");
        }
    };
    let mail = path(ended, output(ended, "digest", "mail"));
    let sent = output(ended, "digest", "sent") == true;
    say("mail", mail.clone(), if sent { "" } else { " (the same was sent before)" });
    say("look at it", mail.as_deref().map(preview), "");
    if !ended.has_mail {
        say("mail", Some("none: the configuration has no mail.toml".to_owned()), "");
    }
    say("archive", path(ended, output(ended, "digest", "archive")), "");
    say("findings", path(ended, output(ended, "hygiene", "findings")), "");
    let open = output(ended, "hygiene", "open").as_array().map_or(0, Vec::len);
    let changed = ["opened", "updated", "closed"].map(|name| output(ended, "hygiene", name).as_u64().unwrap_or(0));
    let [opened, updated, closed] = changed;
    let tickets = ended.seen.outputs.contains_key("hygiene").then(|| path(ended, &json!("tickets"))).flatten();
    say("tickets", tickets, &format!(" ({open} open; now {opened} opened, {updated} updated, {closed} closed)"));
    let count = output(ended, "suggestions", "count").as_u64().unwrap_or(0);
    say("suggestions", path(ended, output(ended, "suggestions", "suggestions")), &format!(" ({count})"));
    say("run", path(ended, &json!(ended.record.key())), "");
    text
}

/// For programs. Amounts are exact decimal texts, paths are `null` where there is nothing.
pub fn json(ended: &Ended) -> Value {
    let record = &ended.record;
    let mail = path(ended, output(ended, "digest", "mail"));
    json!({
        "date": record.date,
        "outcome": record.outcome,
        "dry_run": ended.out.is_none(),
        "failed": record.failed,
        "skipped": record.skipped,
        "awaited": record.awaited,
        "milliseconds": record.milliseconds,
        "figures": ended.evaluation.as_ref().map(figures_json),
        "mail": {
            "path": mail,
            "preview": mail.as_deref().map(preview),
            "version": output(ended, "digest", "version"),
            "sent": output(ended, "digest", "sent"),
            "missing": output(ended, "digest", "missing"),
        },
        "archive": path(ended, output(ended, "digest", "archive")),
        "findings": path(ended, output(ended, "hygiene", "findings")),
        "accounts_above_threshold": output(ended, "hygiene", "above"),
        "open_tickets": output(ended, "hygiene", "open"),
        "changed_tickets": output(ended, "hygiene", "changed"),
        "suggestions": path(ended, output(ended, "suggestions", "suggestions")),
        "suggested": output(ended, "suggestions", "count"),
        "run": path(ended, &json!(record.key())),
    })
}

fn figures_json(found: &Evaluation) -> Value {
    let total = &found.total;
    json!({
        "currency": found.currency,
        "day": total.day,
        "week_before": total.week_before,
        "month_to_date": total.forecast.month_to_date,
        "previous_month": found.previous_month,
        "forecast": total.forecast.month_end,
        "budget": total.budget,
        "untagged": found.untagged,
        "unknown": found.unknown,
        "cash": found.cash,
        "anomalies": found.anomalies,
        "groups": found.groups,
        "sparse": found.sparse,
        "budgets_red": lights(found, Light::Red),
        "budgets_amber": lights(found, Light::Amber),
        "unknown_accounts": found.unknown_accounts,
        "restated": found.restated,
    })
}
