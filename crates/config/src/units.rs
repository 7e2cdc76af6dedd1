//! `units.toml`: who is charged.

use crate::error::{ConfigError, Source};
use crate::raw::{Text, UnitTable, UnitsFile};
use crate::text;
use apportion_core::model::Unit;
use std::collections::{BTreeMap, BTreeSet};

/// The units, and the other spellings of their ids with the place where each stands.
pub(crate) struct Units {
    /// Sorted by id.
    pub units: Vec<Unit>,
    /// (other spelling, unit id), in file order.
    pub also: Vec<(Text, String)>,
    pub ids: BTreeSet<String>,
    pub business_units: BTreeSet<String>,
}

pub(crate) fn read(source: &Source) -> Result<Units, ConfigError> {
    let file: UnitsFile = source.read()?;
    if file.unit.is_empty() {
        return Err(source.wrong(&(0..0), "the file names no unit", "add a [[unit]] with id, name and business_unit"));
    }
    let mut names = Names::default();
    let mut read = Units { units: Vec::new(), also: Vec::new(), ids: BTreeSet::new(), business_units: BTreeSet::new() };
    for table in &file.unit {
        let unit = unit(source, table.get_ref(), &mut names)?;
        read.also.extend(table.get_ref().also.iter().map(|spelling| (spelling.clone(), unit.id.clone())));
        read.ids.insert(unit.id.clone());
        read.business_units.insert(unit.business_unit.clone());
        read.units.push(unit);
    }
    read.units.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(read)
}

/// Names met so far, by the form in which they are compared: (name as written, line).
#[derive(Default)]
struct Names {
    ids: BTreeMap<String, (String, usize)>,
    names: BTreeMap<String, (String, usize)>,
    business_units: BTreeMap<String, (String, usize)>,
}

fn unit(source: &Source, table: &UnitTable, names: &mut Names) -> Result<Unit, ConfigError> {
    refuse(source, "unit id", &table.id, text::unit_id_fault(table.id.get_ref()))?;
    check_name(source, "unit name", &table.name)?;
    check_name(source, "business unit", &table.business_unit)?;
    unique(source, "unit id", &table.id, &mut names.ids)?;
    unique(source, "unit name", &table.name, &mut names.names)?;
    let form = text::collision_form(table.business_unit.get_ref());
    let first = names
        .business_units
        .entry(form)
        .or_insert_with(|| (table.business_unit.get_ref().clone(), source.line(&table.business_unit.span())));
    if first.0 != *table.business_unit.get_ref() {
        return Err(source.wrong(
            &table.business_unit.span(),
            format!(
                "the business unit `{}` differs from `{}` of line {} in spelling only",
                table.business_unit.get_ref(),
                first.0,
                first.1
            ),
            "write it in one way",
        ));
    }
    let mut owners = Vec::new();
    for address in &table.owners {
        if let Some(fault) = address_fault(address.get_ref()) {
            return Err(source.wrong(
                &address.span(),
                format!("the mail address {:?} {fault}", address.get_ref()),
                "write one plain address such as \"claims.lead@example.org\"",
            ));
        }
        if owners.contains(address.get_ref()) {
            return Err(source.wrong(&address.span(), format!("the owner `{}` is listed twice", address.get_ref()), "keep one"));
        }
        owners.push(address.get_ref().clone());
    }
    Ok(Unit {
        id: table.id.get_ref().clone(),
        name: table.name.get_ref().clone(),
        business_unit: table.business_unit.get_ref().clone(),
        owners,
    })
}

/// Refuses what no name may be.
pub(crate) fn check_name(source: &Source, what: &str, name: &Text) -> Result<(), ConfigError> {
    refuse(source, what, name, text::name_fault(name.get_ref()))
}

fn refuse(source: &Source, what: &str, name: &Text, fault: Option<String>) -> Result<(), ConfigError> {
    let Some(fault) = fault else { return Ok(()) };
    let todo = if fault.starts_with("mixes") {
        "type it anew in one script; look-alike letters make two names that nobody can tell apart"
    } else {
        "type it anew, in plain characters"
    };
    Err(source.wrong(&name.span(), format!("the {what} {:?} {fault}", name.get_ref()), todo))
}

fn unique(source: &Source, what: &str, name: &Text, seen: &mut BTreeMap<String, (String, usize)>) -> Result<(), ConfigError> {
    let text = name.get_ref();
    let form = text::collision_form(text);
    let line = source.line(&name.span());
    if let Some((other, first)) = seen.insert(form, (text.clone(), line)) {
        let (fault, todo) = if other == *text {
            (format!("the {what} `{text}` stands on line {first} too"), "give each unit its own")
        } else {
            (
                format!(
                    "the {what} `{text}` is the same as `{other}` of line {first} once case, accents' encoding, punctuation and look-alike letters are set aside"
                ),
                "make the two differ in a letter or digit: files and pages are named after them",
            )
        };
        return Err(source.wrong(&name.span(), fault, todo));
    }
    Ok(())
}

/// A plain `local@domain`: nothing that could start another header or another recipient.
pub(crate) fn address_fault(address: &str) -> Option<String> {
    if let Some(fault) = text::hidden_fault(address) {
        return Some(fault);
    }
    let odd = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '<' | '>' | '(' | ')' | '[' | ']' | '"' | '\\');
    if let Some(character) = address.chars().find(|c| odd(*c)) {
        return Some(format!("holds {character:?}"));
    }
    let (local, domain) = match address.split_once('@') {
        Some(parts) => parts,
        None => return Some("has no @".to_owned()),
    };
    let domain_is_fine = domain.contains('.') && !domain.contains('@') && domain.split('.').all(|label| !label.is_empty());
    if local.is_empty() || !domain_is_fine {
        return Some("is not of the form name@domain".to_owned());
    }
    (address.len() > 254).then(|| "is longer than 254 characters".to_owned())
}
