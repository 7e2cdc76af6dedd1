//! From figures to what the digest says of them.

use crate::figures::{amount, change, exact, growth, month, name, percent};
use crate::page::{Cell, Figure, Notice, Section, Table, Tone};
use apportion_core::budget::Light;
use apportion_core::day::{POOL, UNTAGGED_OWNER};
use apportion_core::evaluation::{Anomaly, AnomalyState, BudgetState, Evaluation, Line, ServiceLine};
use apportion_core::hygiene::Findings;
use apportion_core::money::Money;
use apportion_core::org::UNKNOWN;

/// Names in one notice.
const NAMED: usize = 5;
/// Lines of a table that has no natural end.
const LONGEST_TABLE: usize = 40;

fn tone(light: Light) -> Tone {
    match light {
        Light::Green => Tone::Good,
        Light::Amber => Tone::Warn,
        Light::Red => Tone::Bad,
    }
}

fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn section(title: &str, lead: impl Into<String>, table: Option<Table>) -> Section {
    Section { title: title.to_owned(), lead: lead.into(), has_chart: false, table }
}

/// Texts, the first few of them by name.
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED { format!("{shown} and {} more", names.len() - NAMED) } else { shown }
}

/// What a reader must know before the figures.
pub fn notices(found: &Evaluation) -> Vec<Notice> {
    let places = found.places;
    let mut notices = Vec::new();
    let mut say = |tone, text| notices.push(Notice { tone, text });
    if !found.restated.is_empty() {
        let days: Vec<String> = found
            .restated
            .iter()
            .map(|one| format!("{} from {} to {}", one.day, exact(one.cash_before, places), exact(one.cash, places)))
            .collect();
        say(Tone::Warn, format!("Restated since an earlier run ({} days, cash): {}.", days.len(), listed(&days)));
    }
    if !found.unknown_accounts.is_empty() {
        let names: Vec<String> = found
            .unknown_accounts
            .iter()
            .map(|account| format!("{} {} ({})", account.id, name(&account.name), amount(account.month_to_date, places)))
            .collect();
        say(Tone::Warn, format!("Accounts that the organization lacks, shown as OU {UNKNOWN}: {}.", listed(&names)));
    }
    let red = |lines: &[Line]| -> Vec<String> {
        let is_news = |line: &&Line| line.budget.as_ref().is_some_and(|budget| budget.is_news && budget.light == Light::Red);
        lines.iter().filter(is_news).map(|line| name(&line.name)).collect()
    };
    let over: Vec<String> = red(std::slice::from_ref(&found.total))
        .into_iter()
        .map(|_| "everything".to_owned())
        .chain(red(&found.ous))
        .chain(red(&found.owners))
        .collect();
    if !over.is_empty() {
        say(Tone::Bad, format!("The forecast passes the budget of {}.", listed(&over)));
    }
    let near = |line: &&Line| line.budget.as_ref().is_some_and(|budget| budget.is_news && budget.light == Light::Amber);
    let near: Vec<String> = found.ous.iter().chain(&found.owners).filter(near).map(|line| name(&line.name)).collect();
    if !near.is_empty() {
        say(Tone::Warn, format!("The forecast comes near the budget of {}.", listed(&near)));
    }
    if !found.other_currencies.is_empty() {
        let lines: Vec<String> =
            found.other_currencies.iter().map(|(code, lines)| format!("{} ({lines} lines)", name(code))).collect();
        say(Tone::Warn, format!("Left out, since the figures are in {}: {}.", found.currency, listed(&lines)));
    }
    if !found.idle_budgets.is_empty() {
        let targets: Vec<String> = found.idle_budgets.iter().map(|target| name(target)).collect();
        say(Tone::Plain, format!("Budgets without any cost this month: {}.", listed(&targets)));
    }
    notices
}

pub fn figures(found: &Evaluation) -> Vec<Figure> {
    let places = found.places;
    let total = &found.total;
    let compared = growth(total.day, total.week_before);
    let against = if compared.is_empty() { String::new() } else { format!("{compared} against the week before") };
    let forecast = &total.forecast;
    let (note, light) = match &total.budget {
        Some(budget) => (format!("{} of the budget of {}", of_budget(budget), amount(budget.amount, places)), tone(budget.light)),
        None => ("no budget for everything".to_owned(), Tone::Plain),
    };
    let how =
        if forecast.by_run_rate && forecast.month_end == forecast.run_rate { "; run rate, since few days are known" } else { "" };
    let share = Evaluation::permille(found.untagged + found.unknown, forecast.month_to_date);
    let nobody =
        format!("{} untagged, {} with a value that names no unit", amount(found.untagged, places), amount(found.unknown, places));
    let figure = |label: &str, value: String, note: String, tone| Figure { label: label.to_owned(), value, note, tone };
    vec![
        figure(&format!("On {}", found.date), amount(total.day, places), against, Tone::Plain),
        figure(
            &format!("{} to date", month(found.date)),
            amount(forecast.month_to_date, places),
            format!("{} in all of the month before", amount(found.previous_month, places)),
            Tone::Plain,
        ),
        figure("Forecast for the month's end", amount(forecast.month_end, places), format!("{note}{how}"), light),
        figure("Without an owner, month to date", share.map_or_else(|| "none".to_owned(), percent), nobody, Tone::Plain),
    ]
}

fn of_budget(budget: &BudgetState) -> String {
    budget.percent.map_or_else(|| "more than any part".to_owned(), |percent| format!("{percent}\u{a0}%"))
}

pub fn trend(found: &Evaluation) -> Option<Section> {
    let places = found.places;
    let lowest = found.trend.iter().min_by_key(|(day, money)| (*money, *day))?;
    let highest = found.trend.iter().max_by_key(|(day, money)| (*money, *day))?;
    let lead = format!(
        "{} days up to {}: lowest {} on {}, highest {} on {}.",
        found.trend.len(),
        found.date,
        amount(lowest.1, places),
        lowest.0,
        amount(highest.1, places),
        highest.0
    );
    Some(Section { has_chart: true, ..section("Cost by day", lead, None) })
}

pub fn anomalies(found: &Evaluation) -> Section {
    let places = found.places;
    let shown: Vec<&Anomaly> =
        found.anomalies.iter().filter(|one| one.state != AnomalyState::Dismissed).take(LONGEST_TABLE).collect();
    let dismissed = found.anomalies.iter().filter(|one| one.state == AnomalyState::Dismissed).count();
    let mut lead = if shown.is_empty() { "Nothing unusual. ".to_owned() } else { String::new() };
    lead.push_str(&format!(
        "{} services of units judged, {} have too few days to judge.",
        found.groups - found.sparse,
        found.sparse
    ));
    if dismissed > 0 {
        lead.push_str(&format!(" {dismissed} dismissed."));
    }
    let rows = shown.iter().map(|one| {
        let since = if one.found.since == found.date { String::new() } else { format!(", since {}", one.found.since) };
        let account =
            if one.account_id.is_empty() { String::new() } else { format!(" in {} {}", one.account_id, name(&one.account_name)) };
        let state = if one.state == AnomalyState::Confirmed { ", confirmed" } else { "" };
        let resource = if one.resource_id.is_empty() { String::new() } else { format!(", {}", name(&one.resource_id)) };
        vec![
            Cell::new(format!("{}: {}{resource}", name(&one.owner_name), name(&one.service)))
                .note(format!("{}{account}{since}{state}", one.id).trim().to_owned()),
            Cell::new(amount(one.found.actual, places)),
            Cell::new(amount(one.found.expected, places)),
            Cell::new(change(one.found.extra, places)).tone(Tone::Bad).note(format!("{:.1} sigma", one.found.score)),
        ]
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    let table = (!rows.is_empty()).then(|| Table { columns: columns(&["Unit and service", "Cost", "Usual", "More"]), rows });
    section("Anomalies", lead, table)
}

fn day_cell(day: Money, before: Money, places: u32) -> Cell {
    Cell::new(amount(day, places)).note(growth(day, before))
}

fn budget_cells(line: &Line, places: u32) -> Vec<Cell> {
    let end = Cell::new(amount(line.forecast.month_end, places));
    match &line.budget {
        None => vec![end, Cell::new("no budget")],
        Some(budget) => {
            let light = tone(budget.light);
            let bar = budget.percent.and_then(|percent| u32::try_from(percent).ok()).unwrap_or(if budget.light == Light::Red {
                100
            } else {
                0
            });
            vec![
                end,
                Cell::new(
                    format!(
                        "{} {}",
                        budget.light.as_str(),
                        budget.percent.map_or_else(String::new, |percent| format!("{percent}\u{a0}%"))
                    )
                    .trim(),
                )
                .tone(light)
                .note(format!("of {}", amount(budget.amount, places)))
                .bar(bar),
            ]
        }
    }
}

fn line_name(line: &Line) -> Cell {
    match line.id.as_str() {
        "" => Cell::new("(directly under the root)"),
        UNTAGGED_OWNER => Cell::new("Untagged").note(UNTAGGED_OWNER),
        UNKNOWN => Cell::new("Unknown").note(UNKNOWN),
        pool if pool.starts_with(POOL) => Cell::new(name(pool)).note("split at month end"),
        id if line.name == id => Cell::new(name(id)),
        id => Cell::new(name(&line.name)).note(name(id)),
    }
}

fn lines(title: &str, lead: &str, first: &str, list: &[Line], places: u32) -> Option<Section> {
    let rows: Vec<Vec<Cell>> = list
        .iter()
        .take(LONGEST_TABLE)
        .map(|line| {
            let mut row = vec![line_name(line), day_cell(line.day, line.week_before, places)];
            row.extend(budget_cells(line, places));
            row
        })
        .collect();
    let more =
        if list.len() > LONGEST_TABLE { format!(" The {LONGEST_TABLE} largest of {}.", list.len()) } else { String::new() };
    let table = Table { columns: columns(&[first, "Day", "Forecast", "Budget"]), rows };
    (!list.is_empty()).then(|| section(title, format!("{lead}{more}"), Some(table)))
}

pub fn budgets(found: &Evaluation) -> Vec<Section> {
    let ous = lines("Budgets by OU", "Forecast for the month's end against the month's budget.", "OU", &found.ous, found.places);
    let units = lines("Units", "", "Unit", &found.owners, found.places);
    ous.into_iter().chain(units).collect()
}

pub fn services(found: &Evaluation) -> Vec<Section> {
    let places = found.places;
    let highest = found.top_services.first().map_or(0, |line| line.day.units());
    let top = found.top_services.iter().map(|line| {
        let part = if highest > 0 { line.day.units().max(0) * 100 / highest } else { 0 };
        vec![
            Cell::new(name(&line.service)).bar(u32::try_from(part).unwrap_or(0)),
            day_cell(line.day, line.week_before, places),
            Cell::new(amount(line.month_to_date, places)),
        ]
    });
    let top = Table { columns: columns(&["Service", "Day", "Month to date"]), rows: top.collect() };
    let mover = |line: &ServiceLine| {
        let moved = line.day - line.week_before;
        let tone = if moved.is_negative() { Tone::Good } else { Tone::Bad };
        vec![
            Cell::new(name(&line.service)).note(name(if line.owner_name.is_empty() { &line.owner } else { &line.owner_name })),
            Cell::new(amount(line.day, places)),
            Cell::new(amount(line.week_before, places)),
            Cell::new(change(moved, places)).tone(tone),
        ]
    };
    let movers = Table {
        columns: columns(&["Service of a unit", "Day", "Week before", "Change"]),
        rows: found.movers.iter().map(mover).collect(),
    };
    let nothing = |table: &Table, text: &str| if table.rows.is_empty() { text.to_owned() } else { String::new() };
    let (no_top, no_movers) =
        (nothing(&top, "Nothing cost anything."), nothing(&movers, "Nothing moved by a unit of the currency."));
    vec![
        section("Top 10 services", no_top, Some(top).filter(|table| !table.rows.is_empty())),
        section("Biggest movers against the week before", no_movers, Some(movers).filter(|table| !table.rows.is_empty())),
    ]
}

/// Accounts with the most taggable money that nobody owns.
pub fn hygiene(findings: &Findings, open_tickets: usize, places: u32) -> Section {
    let shown: Vec<_> = findings.accounts.iter().filter(|one| one.above).take(10).collect();
    let rows: Vec<Vec<Cell>> = shown
        .iter()
        .map(|one| {
            let nobody = one.amounts.untagged + one.amounts.unknown;
            vec![
                Cell::new(format!("{} {}", one.account_id, name(&one.account_name)).trim().to_owned()).note(name(&one.ou)),
                Cell::new(amount(nobody, places)),
                Cell::new(percent(i64::from(one.share) / 10))
                    .tone(Tone::Bad)
                    .note(format!("allowed {}", percent(i64::from(one.threshold) / 10))),
            ]
        })
        .collect();
    let above = findings.accounts.iter().filter(|one| one.above).count();
    let lead = format!(
        "Accounts above their allowed share of taggable spend without an owner, {} to {}: {above}. Open tickets: {open_tickets}.",
        findings.from, findings.to
    );
    let table = Table { columns: columns(&["Account", "Without an owner", "Share"]), rows };
    section("Tag hygiene: worst offenders", lead, Some(table).filter(|table| !table.rows.is_empty()))
}
