//! `hygiene.toml`: what tag hygiene looks at, and when an account gets a ticket. Where it is absent its defaults hold.

use crate::error::{ConfigError, Source};
use crate::raw::{HygieneFile, KeysTable, Text};
use crate::rules::amount_of;
use crate::taxonomy::chains;
use crate::units::{address_fault, check_name};
use apportion_core::hygiene::{AccountSettings, Settings};
use apportion_core::money::Money;
use apportion_core::tags::TagColumn;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// Name of the file.
pub const HYGIENE: &str = "hygiene.toml";

/// The settings among a configuration's files, the defaults if the file is not there.
///
/// # Errors
/// The first fault found, with file and line.
pub fn hygiene(files: &[(String, Vec<u8>)]) -> Result<Settings, ConfigError> {
    match files.iter().find(|(name, _)| name == HYGIENE) {
        Some((name, bytes)) => read(&Source::decode(name, bytes)?),
        None => Ok(Settings::default()),
    }
}

fn read(source: &Source) -> Result<Settings, ConfigError> {
    let file: HygieneFile = source.read()?;
    let mut settings = Settings::default();
    if let Some(days) = &file.window_days {
        settings.window_days = within(source, "window_days", days, 1..=31)?;
    }
    if let Some(days) = &file.due_days {
        settings.due_days = within(source, "due_days", days, 1..=365)?;
    }
    if let Some(percent) = &file.threshold_percent {
        settings.threshold = hundredths(source, "threshold_percent", percent)?;
    }
    if let Some(percent) = &file.minimum_confidence_percent {
        settings.minimum_confidence = hundredths(source, "minimum_confidence_percent", percent)? / 10;
    }
    if let Some(amount) = &file.minimum_amount {
        settings.minimum_amount = amount_of(source, "minimum_amount", amount)?;
    }
    if let Some(group) = &file.assignment_group {
        check_name(source, "assignment group", group)?;
        settings.assignment_group.clone_from(group.get_ref());
    }
    if let Some(owner) = &file.owner {
        settings.owner = address(source, owner)?;
    }
    settings.untaggable_services = services(source, &file.untaggable_services)?;
    if let Some(keys) = &file.name_keys {
        settings.name_keys = columns(source, keys)?;
    }
    if let Some(keys) = &file.parent_keys {
        settings.parent_keys = columns(source, keys)?;
    }
    settings.accounts = accounts(source, &file)?;
    Ok(settings)
}

fn within(source: &Source, key: &str, value: &Spanned<i64>, range: std::ops::RangeInclusive<u32>) -> Result<u32, ConfigError> {
    let number = u32::try_from(*value.get_ref()).ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        source.wrong(&value.span(), format!("`{key}` is {}", value.get_ref()), format!("write a number of {least} to {most}"))
    })
}

/// Per cent with at most two decimals, 0 to 100, as hundredths of a per cent.
fn hundredths(source: &Source, key: &str, percent: &Text) -> Result<u32, ConfigError> {
    let money = amount_of(source, key, percent)?;
    let unit = Money::from_minor(1, 2).units();
    let whole = u32::try_from(money.units() / unit).ok().filter(|whole| *whole <= 10_000 && money.units() % unit == 0);
    whole.ok_or_else(|| {
        let what = format!("`{key}` is {}", percent.get_ref());
        source.wrong(
            &percent.span(),
            what,
            "write a per cent of 0 to 100 with at most two decimals, for example \"5\" or \"2.5\"",
        )
    })
}

fn address(source: &Source, owner: &Text) -> Result<String, ConfigError> {
    match address_fault(owner.get_ref()) {
        None => Ok(owner.get_ref().clone()),
        Some(fault) => Err(source.wrong(
            &owner.span(),
            format!("the mail address {:?} {fault}", owner.get_ref()),
            "write one plain address such as \"finops@example.org\"",
        )),
    }
}

fn services(source: &Source, list: &[Text]) -> Result<BTreeSet<String>, ConfigError> {
    let mut services = BTreeSet::new();
    for service in list {
        if service.get_ref().is_empty() || !services.insert(service.get_ref().clone()) {
            return Err(source.wrong(
                &service.span(),
                format!("the service {:?} is empty or listed twice", service.get_ref()),
                "list each service once, as the bill spells it",
            ));
        }
    }
    Ok(services)
}

fn columns(source: &Source, table: &Spanned<KeysTable>) -> Result<BTreeMap<TagColumn, Vec<String>>, ConfigError> {
    let mut columns = BTreeMap::new();
    for (column, keys) in chains(table.get_ref()) {
        let mut seen = BTreeSet::new();
        for key in keys {
            if key.get_ref().is_empty() || !seen.insert(key.get_ref()) {
                let what = format!("the tag key {:?} is empty or listed twice", key.get_ref());
                return Err(source.wrong(&key.span(), what, "list each key once, as the bill spells it"));
            }
        }
        if !keys.is_empty() {
            columns.insert(column, keys.iter().map(|key| key.get_ref().clone()).collect());
        }
    }
    Ok(columns)
}

fn accounts(source: &Source, file: &HygieneFile) -> Result<BTreeMap<String, AccountSettings>, ConfigError> {
    let mut accounts = BTreeMap::new();
    for table in file.account.iter().map(Spanned::get_ref) {
        let id = table.id.get_ref();
        if id.trim() != id || id.is_empty() {
            return Err(source.wrong(
                &table.id.span(),
                format!("{id:?} is no account id"),
                "write it as the bill does, in quotes",
            ));
        }
        let threshold = table.threshold_percent.as_ref().map(|text| hundredths(source, "threshold_percent", text)).transpose()?;
        let owner = table.owner.as_ref().map(|owner| address(source, owner)).transpose()?;
        if accounts.insert(id.clone(), AccountSettings { threshold, owner }).is_some() {
            return Err(source.wrong(
                &table.id.span(),
                format!("the account `{id}` is listed twice"),
                "keep one [[account]] for it",
            ));
        }
    }
    Ok(accounts)
}
