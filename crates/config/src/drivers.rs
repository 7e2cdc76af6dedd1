//! `drivers/<period>/<driver>.csv`: the numbers behind a headcount or usage key.

use crate::error::{ConfigError, Source, at_line};
use crate::rules::parse_owner;
use apportion_core::model::{Driver, Owner};
use apportion_core::money::Money;
use std::collections::{BTreeMap, BTreeSet};

/// Id of the driver that the key `headcount` uses.
pub const HEADCOUNT: &str = "headcount";

/// Reads one driver file: header `target,value`, then one line per unit id or `pool:ID`.
pub(crate) fn read(
    source: &Source,
    id: &str,
    unit: &str,
    units: &BTreeSet<String>,
    pools: &BTreeSet<String>,
) -> Result<Driver, ConfigError> {
    let wrong = |line: usize, what: String, todo: &str| at_line(&source.file, line, what, todo);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source.text.as_bytes());
    let mut values: BTreeMap<Owner, Money> = BTreeMap::new();
    let mut lines: BTreeMap<Owner, usize> = BTreeMap::new();
    let mut headed = false;
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(1, csv::Position::line);
            wrong(line as usize, "the line is not CSV".to_owned(), "write `target,value`, one pair on a line")
        })?;
        let line = record.position().map_or(1, csv::Position::line) as usize;
        if !headed {
            if record.iter().map(str::trim).ne(["target", "value"]) {
                let found = record.iter().collect::<Vec<_>>().join(",");
                let todo = if found.contains(';') {
                    "save the file with commas: the first line is `target,value`"
                } else {
                    "let the first line be `target,value`"
                };
                return Err(wrong(line, format!("the header is {found:?}"), todo));
            }
            headed = true;
            continue;
        }
        let (Some(target), Some(value), 2) = (record.get(0), record.get(1), record.len()) else {
            return Err(wrong(
                line,
                format!(
                    "the line has {} where 2 fields belong",
                    if record.len() == 1 { "1 field".to_owned() } else { format!("{} fields", record.len()) }
                ),
                "write `target,value`; a number has no thousands separator",
            ));
        };
        let owner = parse_owner(target.trim());
        known(&owner, units, pools).map_err(|(what, todo)| wrong(line, what, todo))?;
        let value = number(id, value).map_err(|(what, todo)| wrong(line, what, todo))?;
        if let Some(first) = lines.insert(owner.clone(), line) {
            return Err(wrong(line, format!("`{}` stands on line {first} too", target.trim()), "keep one of the two"));
        }
        values.insert(owner, value);
    }
    if !headed {
        return Err(wrong(1, "the file is empty".to_owned(), "write the header `target,value` and a line for each unit"));
    }
    if values.is_empty() {
        return Err(wrong(1, "the file has a header and nothing else".to_owned(), "write a line for each unit"));
    }
    Ok(Driver { id: id.to_owned(), unit: unit.to_owned(), values })
}

fn known(owner: &Owner, units: &BTreeSet<String>, pools: &BTreeSet<String>) -> Result<(), (String, &'static str)> {
    match owner {
        Owner::Unit(id) if id.is_empty() => Err(("the line names no target".to_owned(), "write a unit id, or remove the line")),
        Owner::Unit(id) if !units.contains(id) => {
            Err((format!("units.toml has no unit `{id}`"), "correct the id, or add the unit to units.toml"))
        }
        Owner::Pool(id) if !pools.contains(id) => {
            Err((format!("rules.toml has no pool `{id}`"), "correct the id, or add the pool to rules.toml"))
        }
        _ => Ok(()),
    }
}

fn number(driver: &str, text: &str) -> Result<Money, (String, &'static str)> {
    let text = text.trim();
    let parsed = Money::parse(text).map_err(|error| (error.to_string(), "write a plain number such as 12 or 1234.5"))?;
    if parsed.money.is_negative() {
        return Err((format!("`{text}` is negative"), "a driver is zero or more; zero means that the target bears nothing"));
    }
    if parsed.lossy {
        return Err((format!("`{text}` has more than twelve decimals"), "round it to at most twelve"));
    }
    if driver == HEADCOUNT && parsed.money.truncate_to_minor(0).1 != 0 {
        return Err((
            format!("`{text}` people is not a whole number"),
            "count people, not shares; a usage driver may have decimals",
        ));
    }
    Ok(parsed.money)
}
