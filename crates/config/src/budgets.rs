//! `budgets.csv`: what a unit, an OU or everything may cost in a month.

use crate::error::{ConfigError, Source, at_line};
use crate::rules::overlap;
use crate::text;
use apportion_core::budget::{ALERT_PERCENT, Budget, SUPPRESS_DAYS, Target};
use apportion_core::model::Effective;
use apportion_core::money::Money;
use apportion_core::period::Period;
use std::collections::BTreeSet;

const COLUMNS: [&str; 6] = ["target", "from", "to", "amount", "alert_percent", "suppress_days"];
const HEADER: &str = "target,from,to,amount,alert_percent,suppress_days";

type Fault = (String, String);

/// Reads the budgets in the order of the file.
pub(crate) fn read(source: &Source, units: &BTreeSet<String>) -> Result<Vec<Budget>, ConfigError> {
    let wrong = |line: usize, (what, todo): Fault| at_line(&source.file, line, what, todo);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source.text.as_bytes());
    let mut budgets: Vec<(usize, Budget)> = Vec::new();
    let mut headed = false;
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(1, csv::Position::line) as usize;
            wrong(line, ("the line is not CSV".to_owned(), format!("write `{HEADER}`")))
        })?;
        let line = record.position().map_or(1, csv::Position::line) as usize;
        let fields: Vec<&str> = record.iter().map(str::trim).collect();
        if !headed {
            if fields != COLUMNS {
                let found = format!("the header is {:?}", record.iter().collect::<Vec<_>>().join(","));
                return Err(wrong(line, (found, format!("let the first line be `{HEADER}`"))));
            }
            headed = true;
            continue;
        }
        let fields: [&str; 6] = fields.try_into().map_err(|fields: Vec<&str>| {
            let what = format!("the line has {} fields where {} belong", fields.len(), COLUMNS.len());
            wrong(line, (what, format!("write `{HEADER}`, the last two may be empty; an amount has no thousands separator")))
        })?;
        let budget = budget(fields, units).map_err(|fault| wrong(line, fault))?;
        if let Some((first, _)) =
            budgets.iter().find(|(_, other)| other.target == budget.target && overlap(other.effective, budget.effective))
        {
            let what = format!("`{}` has a budget in the same months on line {first}", budget.target);
            return Err(wrong(line, (what, "let the months of the two not overlap".to_owned())));
        }
        budgets.push((line, budget));
    }
    if !headed {
        return Err(wrong(1, ("the file is empty".to_owned(), format!("write the header `{HEADER}`, or remove the file"))));
    }
    Ok(budgets.into_iter().map(|(_, budget)| budget).collect())
}

fn budget([target, from, to, amount, alert, suppress]: [&str; 6], units: &BTreeSet<String>) -> Result<Budget, Fault> {
    let effective = Effective { from: Some(month("from", from)?), to: if to.is_empty() { None } else { Some(month("to", to)?) } };
    if effective.to.is_some_and(|to| effective.from > Some(to)) {
        return Err((format!("`from` {from} is later than `to` {to}"), "swap them; both months count".to_owned()));
    }
    let parsed =
        Money::parse(amount).map_err(|error| (error.to_string(), "write a plain amount such as 120000.00".to_owned()))?;
    if parsed.money.is_negative() || parsed.lossy {
        let what = format!("`{amount}` cannot be a budget");
        return Err((what, "write zero or more, with at most twelve decimals".to_owned()));
    }
    Ok(Budget {
        target: self::target(target, units)?,
        effective,
        amount: parsed.money,
        alert_percent: whole("alert_percent", alert, ALERT_PERCENT, 1..=100)?,
        suppress_days: whole("suppress_days", suppress, SUPPRESS_DAYS, 1..=31)?,
    })
}

fn target(written: &str, units: &BTreeSet<String>) -> Result<Target, Fault> {
    if units.contains(written) {
        return Ok(Target::Unit(written.to_owned()));
    }
    if written == "all" {
        return Ok(Target::All);
    }
    let Some(path) = written.strip_prefix("ou:") else {
        return Err((
            format!("units.toml has no unit {written:?}"),
            "write a unit id, `ou:` and an OU path such as ou:Workloads/Claims, or `all`".to_owned(),
        ));
    };
    match text::plain_fault(path, 800) {
        Some(fault) => {
            Err((format!("the OU path {path:?} {fault}"), "write the names from the root with `/` between".to_owned()))
        }
        None if path.starts_with('/') || path.ends_with('/') || path.contains("//") => Err((
            format!("the OU path {path:?} has an empty name"),
            "write the names from the root with one `/` between, none at the ends".to_owned(),
        )),
        None => Ok(Target::Ou(path.to_owned())),
    }
}

fn month(column: &str, written: &str) -> Result<Period, Fault> {
    written.parse().map_err(|error| {
        (format!("column `{column}`: {error}"), "write the month of the first budget and, if any, of the last".to_owned())
    })
}

fn whole(column: &str, written: &str, default: u32, range: std::ops::RangeInclusive<u32>) -> Result<u32, Fault> {
    if written.is_empty() {
        return Ok(default);
    }
    let digits = written.bytes().all(|byte| byte.is_ascii_digit());
    written.parse().ok().filter(|number| digits && range.contains(number)).ok_or_else(|| {
        let todo = format!("write a whole number from {} to {}, or nothing for {default}", range.start(), range.end());
        (format!("column `{column}`: {written:?} is none that fits"), todo)
    })
}
