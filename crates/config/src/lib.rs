//! The configuration folder, read strictly.
//!
//! `taxonomy.toml`, `units.toml`, `rules.toml` and `drivers/<period>/*.csv` become one
//! [`Configuration`] and one digest, `budgets.csv` and `mail.toml`, where present, what the daily run needs. Nothing is guessed: the
//! first thing that cannot hold is an error with file, line, fault and remedy. What only the bill can tell (a minimum above the pool's
//! amount, say) is left to `core::allocate`.

mod budgets;
mod cascade;
mod check;
mod drivers;
mod error;
mod hygiene;
mod mail;
mod pools;
mod raw;
mod rules;
mod taxonomy;
mod text;
mod units;

pub use check::{Check, check};
pub use drivers::HEADCOUNT;
pub use error::{ConfigError, Problem};
pub use hygiene::{HYGIENE, hygiene};
pub use mail::{ATTACHMENT_LIMIT_BYTES, DEADLINE_MINUTES, Mail, ORGANIZATION_DAYS};
pub use rules::UNTAGGED_VALUE;
pub use taxonomy::column_key;
pub use text::{LONGEST_ID, LONGEST_NAME, collision_form, name_fault, unit_id_fault};

use apportion_core::budget::Budget;
use apportion_core::model::{Configuration, Driver, Method, Owner, Pool, UNTAGGED};
use apportion_core::period::Period;
use error::Source;
use raw::{RulesFile, Table, Text};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use units::Units;

/// Version of every file, as written in its `version`.
pub const VERSION: i64 = 1;

/// Files that every configuration has.
const NEEDED: [&str; 3] = ["taxonomy.toml", "units.toml", "rules.toml"];
/// Files that only the daily run reads: no part of a close, nor of its digest.
const DAILY: [&str; 3] = [HYGIENE, "budgets.csv", MAIL];
/// Who gets which mail.
pub const MAIL: &str = "mail.toml";

/// A configuration that holds, with what it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    pub configuration: Configuration,
    /// `budgets.csv`, in its order; none without the file, and none for a close, which does not read it.
    pub budgets: Vec<Budget>,
    /// `mail.toml`, likewise; without it there is no digest to send.
    pub mail: Option<Mail>,
    /// SHA-256, hex, over one line `sha256 path` for each file, sorted by path.
    pub digest: String,
    /// Relative path and bytes of what was read, sorted by path.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Reads the folder for one period.
///
/// # Errors
/// The first fault found, with file and line.
pub fn load(dir: &Path, period: Period) -> Result<Loaded, ConfigError> {
    check_folder(dir)?;
    let mut names: Vec<String> = NEEDED.iter().map(|name| (*name).to_owned()).collect();
    let folder = dir.join("drivers").join(period.to_string());
    if folder.is_dir() {
        for entry in std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
            let entry = entry.map_err(|error| unreadable(&folder, &error))?;
            names.push(format!("drivers/{period}/{}", entry.file_name().to_string_lossy()));
        }
    }
    let names = names.into_iter().filter(|name| belongs(name, period));
    load_files(&read_present(dir, names)?, period)
}

/// Says whether the folder's files need an upgrade. Version 1 is the first, so there is none to make yet.
///
/// # Errors
/// A file that is missing, is no TOML, or has a version that this program does not know.
pub fn upgrade(dir: &Path) -> Result<String, ConfigError> {
    check_folder(dir)?;
    let names = NEEDED.iter().chain(&["mail.toml"]).map(|name| (*name).to_owned());
    let files: Vec<(String, Vec<u8>)> = read_present(dir, names)?.into_iter().collect();
    let mut checked = NEEDED.to_vec();
    checked.extend(files.iter().any(|(name, _)| name == "mail.toml").then_some("mail.toml"));
    for name in &checked {
        source(&files, name)?.check_version()?;
    }
    Ok(format!("{} have version {VERSION}, which is current: nothing to do", checked.join(", ")))
}

/// The latest month that has a folder of drivers; `None` if there is none.
///
/// # Errors
/// A `drivers` folder that cannot be read.
pub fn latest_driver_period(dir: &Path) -> Result<Option<Period>, ConfigError> {
    let folder = dir.join("drivers");
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut latest = None;
    for entry in std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
        let entry = entry.map_err(|error| unreadable(&folder, &error))?;
        let period: Option<Period> = entry.file_name().to_str().and_then(|name| name.parse().ok());
        latest = latest.max(period);
    }
    Ok(latest)
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigError {
    ConfigError::Unreadable { path: path.display().to_string(), reason: error.to_string() }
}

fn check_folder(dir: &Path) -> Result<(), ConfigError> {
    if dir.is_dir() {
        return Ok(());
    }
    Err(ConfigError::Unreadable { path: dir.display().to_string(), reason: "there is no such folder".to_owned() })
}

/// Those of the files that exist.
fn read_present(dir: &Path, names: impl Iterator<Item = String>) -> Result<BTreeMap<String, Vec<u8>>, ConfigError> {
    let mut files = BTreeMap::new();
    for name in names {
        let path = dir.join(&name);
        match std::fs::read(&path) {
            Ok(bytes) => {
                files.insert(name, bytes);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&path, &error)),
        }
    }
    Ok(files)
}

/// The same from bytes, by relative path. Files that are no part of the period's configuration are left out.
///
/// # Errors
/// The first fault found, with file and line.
pub fn load_files(files: &BTreeMap<String, Vec<u8>>, period: Period) -> Result<Loaded, ConfigError> {
    let files: Vec<(String, Vec<u8>)> =
        files.iter().filter(|(name, _)| belongs(name, period)).map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
    let configuration = read(&files, period, Drivers::Needed)?;
    loaded(configuration, files)
}

/// The same for a day: no pool is split, so no driver is needed and none is read.
///
/// # Errors
/// The first fault found, with file and line.
pub fn load_for_day(dir: &Path, period: Period) -> Result<Loaded, ConfigError> {
    check_folder(dir)?;
    let names = NEEDED.iter().chain(&DAILY).map(|name| (*name).to_owned());
    load_files_for_day(&read_present(dir, names)?, period)
}

/// The same as [`load_for_day`], from bytes, by relative path.
///
/// # Errors
/// The first fault found, with file and line.
pub fn load_files_for_day(files: &BTreeMap<String, Vec<u8>>, period: Period) -> Result<Loaded, ConfigError> {
    let is_wanted = |name: &str| NEEDED.contains(&name) || DAILY.contains(&name);
    let wanted = files.iter().filter(|(name, _)| is_wanted(name));
    let files: Vec<(String, Vec<u8>)> = wanted.map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
    let configuration = read(&files, period, Drivers::Left)?;
    hygiene(&files)?;
    loaded(configuration, files)
}

fn loaded(configuration: Configuration, files: Vec<(String, Vec<u8>)>) -> Result<Loaded, ConfigError> {
    let unit_ids: BTreeSet<String> = configuration.units.iter().map(|unit| unit.id.clone()).collect();
    let present =
        |name: &str| files.iter().find(|(file, _)| file == name).map(|(_, bytes)| Source::decode(name, bytes)).transpose();
    let budgets = present("budgets.csv")?.map(|source| budgets::read(&source, &unit_ids)).transpose()?.unwrap_or_default();
    let mail = present("mail.toml")?.map(|source| mail::read(&source, Some(&unit_ids))).transpose()?;
    Ok(Loaded { configuration, budgets, mail, digest: digest(&files), files })
}

/// `mail.toml` alone, from its bytes: who hears of a close must be known whatever is wrong with the rest of the configuration. Units that
/// overrides name are not looked up.
///
/// # Errors
/// The first fault found, with file and line.
pub fn load_mail(bytes: &[u8]) -> Result<Mail, ConfigError> {
    mail::read(&Source::decode(MAIL, bytes)?, None)
}

/// The taxonomy alone, with the units' spellings, of no month in particular.
///
/// # Errors
/// The first fault found in `units.toml` or `taxonomy.toml`, with file and line.
pub fn load_taxonomy(dir: &Path) -> Result<apportion_core::tags::Taxonomy, ConfigError> {
    check_folder(dir)?;
    let files: Vec<(String, Vec<u8>)> = read_present(dir, NEEDED.iter().map(|name| (*name).to_owned()))?.into_iter().collect();
    let units_source = source(&files, "units.toml")?;
    let units = units::read(&units_source)?;
    taxonomy::read(&source(&files, "taxonomy.toml")?, &units, &units_source)
}

/// Whether the numbers behind headcount and usage keys are read and must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drivers {
    Needed,
    Left,
}

/// Whether a path is part of a period's configuration. Hidden files (editors', macOS') are not.
fn belongs(name: &str, period: Period) -> bool {
    if NEEDED.contains(&name) {
        return true;
    }
    let file = name.strip_prefix("drivers/").and_then(|rest| rest.strip_prefix(&format!("{period}/")));
    file.is_some_and(|file| file.ends_with(".csv") && !file.starts_with('.') && !file.contains('/'))
}

fn digest(files: &[(String, Vec<u8>)]) -> String {
    let mut lines = String::new();
    for (name, bytes) in files {
        lines.push_str(&hex(&Sha256::digest(bytes)));
        lines.push(' ');
        lines.push_str(name);
        lines.push('\n');
    }
    hex(&Sha256::digest(lines.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn source(files: &[(String, Vec<u8>)], name: &str) -> Result<Source, ConfigError> {
    match files.iter().find(|(file, _)| file == name) {
        Some((_, bytes)) => Source::decode(name, bytes),
        None => Err(ConfigError::Missing {
            file: name.to_owned(),
            todo: "docs/configuration.md describes it, and `apportion init` writes a first one".to_owned(),
        }),
    }
}

fn read(files: &[(String, Vec<u8>)], period: Period, wanted: Drivers) -> Result<Configuration, ConfigError> {
    let units_source = source(files, "units.toml")?;
    let units = units::read(&units_source)?;
    let taxonomy = taxonomy::read(&source(files, "taxonomy.toml")?, &units, &units_source)?;
    let rules_source = source(files, "rules.toml")?;
    let file: RulesFile = rules_source.read()?;
    let pool_ids: BTreeSet<String> = file.pool.iter().map(|pool| pool.get_ref().id.get_ref().clone()).collect();
    if !pool_ids.contains(UNTAGGED) {
        let end = rules_source.text.len();
        return Err(rules_source.wrong(
            &(end..end),
            format!("there is no pool `{UNTAGGED}`"),
            format!("add a [[pool]] with id = \"{UNTAGGED}\": it takes what has no owner"),
        ));
    }
    let known = rules::Known { units: &units, pools: &pool_ids, taxonomy: &taxonomy };
    let organization = file.organization.as_ref().map(|table| table.get_ref());
    let settings = rules::settings(&rules_source, file.close.get_ref(), organization)?;
    check_driver_names(&rules_source, &file.drivers)?;
    let line_rules = rules::line_rules(&rules_source, &file.rule, &known)?;
    let special = rules::special(&rules_source, file.special.as_ref(), &known)?;
    let pools = pools::read(&rules_source, &file.pool, &known, &file.drivers)?;
    let mut drivers = BTreeMap::new();
    if wanted == Drivers::Needed {
        drivers = read_drivers(files, period, &file.drivers, &units, &pool_ids)?;
        for pool in pools.iter().filter(|pool| pool.effective.covers(period)) {
            pools::check_drivers(pool, period, &units.units, &drivers)?;
        }
    }
    let configuration = Configuration { taxonomy, units: units.units, line_rules, special, pools, drivers, settings };
    check_in_force(&rules_source, &file, &configuration, period)?;
    Ok(configuration)
}

fn check_driver_names(source: &Source, drivers: &Table<Text>) -> Result<(), ConfigError> {
    for (name, unit) in rules::in_file_order(drivers) {
        if !text::is_identifier(name.get_ref(), &['-']) {
            return Err(source.wrong(
                &name.span(),
                format!("{:?} cannot be the id of a driver", name.get_ref()),
                "use small letters, digits, - and _: it is the name of a file",
            ));
        }
        units::check_name(source, "unit of a driver", unit)?;
    }
    Ok(())
}

fn read_drivers(
    files: &[(String, Vec<u8>)],
    period: Period,
    declared: &Table<Text>,
    units: &Units,
    pools: &BTreeSet<String>,
) -> Result<BTreeMap<String, Driver>, ConfigError> {
    let mut drivers = BTreeMap::new();
    let folder = format!("drivers/{period}/");
    for (name, bytes) in files {
        let Some(id) = name.strip_prefix(&folder).and_then(|file| file.strip_suffix(".csv")) else { continue };
        let unit = match declared.iter().find(|(driver, _)| driver.get_ref() == id) {
            Some((_, unit)) => unit.get_ref().as_str(),
            None if id == HEADCOUNT => "people",
            None => {
                return Err(error::at_line(
                    name,
                    1,
                    format!("rules.toml declares no driver `{id}`"),
                    format!("add {id} = \"what one counts\" under [drivers], or remove the file"),
                ));
            }
        };
        let source = Source::decode(name, bytes)?;
        drivers.insert(id.to_owned(), drivers::read(&source, id, unit, &units.ids, pools)?);
    }
    Ok(drivers)
}

/// Whatever can receive cost in the period is in force in it.
fn check_in_force(source: &Source, file: &RulesFile, configuration: &Configuration, period: Period) -> Result<(), ConfigError> {
    let versions = |id: &str| -> Vec<&Pool> { configuration.pools.iter().filter(|pool| pool.id == id).collect() };
    let check = |owner: &Owner, span: &error::Span, who: String| -> Result<(), ConfigError> {
        let Owner::Pool(id) = owner else { return Ok(()) };
        let versions = versions(id);
        if versions.iter().any(|pool| pool.effective.covers(period)) {
            return Ok(());
        }
        let held: Vec<String> = versions.iter().map(|pool| rules::span_text(pool.effective)).collect();
        Err(source.wrong(
            span,
            format!("{who} gives to the pool `{id}`, which is not in force in {period} (it is in {})", held.join("; ")),
            "widen the pool's `from` or `to`, or end the rule with it",
        ))
    };
    for (rule, table) in configuration.line_rules.iter().zip(&file.rule) {
        if rule.effective.covers(period) {
            check(&rule.to, &table.get_ref().assign.span(), format!("the rule `{}`", rule.id))?;
        }
    }
    for (component, rule) in &configuration.special {
        let table = file
            .special
            .as_ref()
            .and_then(|tables| tables.get_ref().iter().find(|(word, _)| word.get_ref() == component.as_str()));
        let place = table.map_or(0..0, |(_, table)| table.span());
        check(&rule.fallback, &place, format!("special.{component}"))?;
        if let Method::To(owner) = &rule.method {
            check(owner, &place, format!("special.{component}"))?;
        }
    }
    for (pool, table) in configuration.pools.iter().zip(&file.pool) {
        if pool.effective.covers(period) {
            for owner in pools::sharing(pool, &configuration.units) {
                check(&owner, &table.get_ref().id.span(), format!("the pool `{}`", pool.id))?;
            }
        }
    }
    let untagged = file.pool.iter().find(|pool| pool.get_ref().id.get_ref() == UNTAGGED);
    check(
        &Owner::Pool(UNTAGGED.to_owned()),
        &untagged.map_or(0..0, |pool| pool.get_ref().id.span()),
        "a line without an owner".to_owned(),
    )
}

#[cfg(test)]
mod schema_tests;
