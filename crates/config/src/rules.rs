//! `rules.toml` but its pools: settings, drivers, line rules, special rules.

use crate::error::{ConfigError, Source, Span};
use crate::raw::{CloseTable, OrganizationTable, RuleTable, SpecialTable, Table, Text, Texts, WhenTable};
use crate::text;
use crate::units::Units;
use apportion_core::ledger::Component;
use apportion_core::model::{Effective, LineRule, Match, Method, Owner, SPECIAL, Settings, SpecialRule, UNTAGGED};
use apportion_core::money::Money;
use apportion_core::org::AsOf;
use apportion_core::period::Period;
use apportion_core::tags::Taxonomy;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// Value that matches a line without a value of a dimension.
pub const UNTAGGED_VALUE: &str = "__untagged__";

/// The largest tolerance that a configuration may state, in subunits: what ten billion lines would allow by
/// `max(100, sqrt(rows) x 0.5)`.
const LARGEST_TOLERANCE_SUBUNITS: i128 = 50_000;

/// What rules and pools may name.
pub(crate) struct Known<'a> {
    pub units: &'a Units,
    pub pools: &'a BTreeSet<String>,
    pub taxonomy: &'a Taxonomy,
}

/// `pool:ID` is a pool, anything else a unit.
pub(crate) fn parse_owner(text: &str) -> Owner {
    match text.strip_prefix("pool:") {
        Some(pool) => Owner::Pool(pool.to_owned()),
        None => Owner::Unit(text.to_owned()),
    }
}

/// How files write an owner.
pub(crate) fn owner_text(owner: &Owner) -> String {
    match owner {
        Owner::Unit(id) => id.clone(),
        Owner::Pool(id) => format!("pool:{id}"),
    }
}

impl Known<'_> {
    /// Reads an owner that exists.
    pub fn owner(&self, source: &Source, text: &Text) -> Result<Owner, ConfigError> {
        let owner = parse_owner(text.get_ref());
        match &owner {
            Owner::Pool(id) if !self.pools.contains(id) => Err(source.wrong(
                &text.span(),
                format!("there is no pool `{id}`"),
                format!("correct the id or add a [[pool]]; the pools are {}", list(self.pools)),
            )),
            Owner::Unit(id) if !self.units.ids.contains(id) => {
                let todo = if self.pools.contains(id) {
                    format!("write \"pool:{id}\" for the pool of that id")
                } else {
                    "correct the id, or add the unit to units.toml; a pool is written \"pool:ID\"".to_owned()
                };
                Err(source.wrong(&text.span(), format!("units.toml has no unit `{id}`"), todo))
            }
            _ => Ok(owner),
        }
    }

    /// Reads the id of a unit that exists, where a pool makes no sense.
    pub fn unit(&self, source: &Source, text: &Text) -> Result<String, ConfigError> {
        match self.owner(source, text)? {
            Owner::Unit(id) => Ok(id),
            Owner::Pool(id) => {
                Err(source.wrong(&text.span(), format!("`pool:{id}` stands where only a unit can"), "name a unit of units.toml"))
            }
        }
    }
}

/// A few names for a message, in order.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<&String> = names.into_iter().collect();
    let shown: Vec<&str> = names.iter().take(20).map(|name| name.as_str()).collect();
    if names.len() > shown.len() {
        format!("{}, and {} more", shown.join(", "), names.len() - shown.len())
    } else {
        shown.join(", ")
    }
}

pub(crate) fn settings(
    source: &Source,
    table: &CloseTable,
    organization: Option<&OrganizationTable>,
) -> Result<Settings, ConfigError> {
    let currency = table.currency.get_ref();
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(source.wrong(
            &table.currency.span(),
            format!("{currency:?} is not a currency code"),
            "write the three capital letters of ISO 4217, for example \"USD\"",
        ));
    }
    let each_currency = match &table.currencies {
        None => false,
        Some(word) if word.get_ref() == "each" => true,
        Some(word) => {
            return Err(source.wrong(
                &word.span(),
                format!("`currencies` cannot be {:?}", word.get_ref()),
                "write \"each\" for one close per currency, or remove the key: a bill in another currency is then refused",
            ));
        }
    };
    Ok(Settings {
        currency: currency.clone(),
        each_currency,
        tolerance: table.tolerance.as_ref().map(|amount| tolerance(source, "tolerance", amount)).transpose()?,
        tax_tolerance: table.tax_tolerance.as_ref().map(|amount| tolerance(source, "tax_tolerance", amount)).transpose()?,
        organization: organization.map(|table| as_of(source, table)).transpose()?.unwrap_or_default(),
    })
}

fn as_of(source: &Source, table: &OrganizationTable) -> Result<AsOf, ConfigError> {
    match table.as_of.get_ref().as_str() {
        "period_end" => Ok(AsOf::PeriodEnd),
        "usage_day" => Ok(AsOf::UsageDay),
        other => Err(source.wrong(
            &table.as_of.span(),
            format!("`as_of` cannot be {other:?}"),
            "write \"period_end\" (every line goes by the tree of the month's end) or \"usage_day\" (each by the tree of its day)",
        )),
    }
}

fn tolerance(source: &Source, key: &str, amount: &Text) -> Result<Money, ConfigError> {
    let money = amount_of(source, key, amount)?;
    // 2 is the exponent of nearly every currency; the exact ceiling depends on the invoice's rows, and `reconcile` holds it.
    if money > Money::from_minor(LARGEST_TOLERANCE_SUBUNITS, 2) {
        return Err(source.wrong(
            &amount.span(),
            format!("`{key}` is {}, beyond any ceiling", amount.get_ref()),
            "the tolerance of an invoice is the larger of 100 cents and half a cent times the root of its rows; a configuration can only lower it",
        ));
    }
    Ok(money)
}

/// An exact amount, zero or more.
pub(crate) fn amount_of(source: &Source, key: &str, amount: &Text) -> Result<Money, ConfigError> {
    let parsed = Money::parse(amount.get_ref()).map_err(|error| {
        source.wrong(&amount.span(), format!("`{key}`: {error}"), "write an exact amount in quotes, for example \"250.00\"")
    })?;
    if parsed.money.is_negative() {
        return Err(source.wrong(&amount.span(), format!("`{key}` is negative: {}", amount.get_ref()), "write zero or more"));
    }
    if parsed.lossy {
        return Err(source.wrong(&amount.span(), format!("`{key}` has more than twelve decimals"), "write at most twelve"));
    }
    Ok(parsed.money)
}

pub(crate) fn effective(source: &Source, from: Option<&Text>, to: Option<&Text>) -> Result<Effective, ConfigError> {
    let parse = |key: &str, text: Option<&Text>| -> Result<Option<Period>, ConfigError> {
        text.map(|text| {
            text.get_ref().parse().map_err(|_| {
                source.wrong(
                    &text.span(),
                    format!("`{key}` is {:?}, which is no billing month", text.get_ref()),
                    "write YYYY-MM, for example \"2026-09\"",
                )
            })
        })
        .transpose()
    };
    let effective = Effective { from: parse("from", from)?, to: parse("to", to)? };
    if let (Some(first), Some(last), Some(text)) = (effective.from, effective.to, to)
        && first > last
    {
        return Err(source.wrong(
            &text.span(),
            format!("`to` {last} lies before `from` {first}"),
            "swap them; both months are included",
        ));
    }
    Ok(effective)
}

/// Versions of one id may follow each other, but not overlap.
#[derive(Default)]
pub(crate) struct Versions {
    seen: BTreeMap<String, Vec<(Effective, usize)>>,
}

impl Versions {
    pub fn add(&mut self, source: &Source, what: &str, id: &Text, effective: Effective) -> Result<(), ConfigError> {
        let line = source.line(&id.span());
        let versions = self.seen.entry(id.get_ref().clone()).or_default();
        if let Some((other, first)) = versions.iter().find(|(other, _)| overlap(*other, effective)) {
            let always = |effective: &Effective| effective.from.is_none() && effective.to.is_none();
            let (fault, todo) = if always(other) && always(&effective) {
                (
                    format!("the {what} `{}` stands on line {first} too", id.get_ref()),
                    "give it another id, or give each a `from` and a `to`",
                )
            } else {
                (
                    format!(
                        "the {what} `{}` holds in {}, which overlaps {} of line {first}",
                        id.get_ref(),
                        span_text(effective),
                        span_text(*other)
                    ),
                    "let one version end (`to`) in the month before the next begins (`from`)",
                )
            };
            return Err(source.wrong(&id.span(), fault, todo));
        }
        versions.push((effective, line));
        Ok(())
    }
}

pub(crate) fn overlap(a: Effective, b: Effective) -> bool {
    let starts_before_end = |x: Effective, y: Effective| match (x.from, y.to) {
        (Some(from), Some(to)) => from <= to,
        _ => true,
    };
    starts_before_end(a, b) && starts_before_end(b, a)
}

/// The months of a version, for a person.
pub(crate) fn span_text(effective: Effective) -> String {
    match (effective.from, effective.to) {
        (None, None) => "every month".to_owned(),
        (Some(from), None) => format!("{from} and later"),
        (None, Some(to)) => format!("{to} and earlier"),
        (Some(from), Some(to)) if from == to => from.to_string(),
        (Some(from), Some(to)) => format!("{from} to {to}"),
    }
}

pub(crate) fn line_rules(
    source: &Source,
    tables: &[Spanned<RuleTable>],
    known: &Known<'_>,
) -> Result<Vec<LineRule>, ConfigError> {
    let mut versions = Versions::default();
    tables
        .iter()
        .map(|table| {
            let table = table.get_ref();
            check_id(source, "rule", &table.id)?;
            let effective = effective(source, table.from.as_ref(), table.to.as_ref())?;
            versions.add(source, "rule", &table.id, effective)?;
            let when = conditions(source, &table.when, known)?;
            let to = known.owner(source, &table.assign)?;
            Ok(LineRule { id: table.id.get_ref().clone(), when, to, effective })
        })
        .collect()
}

pub(crate) fn check_id(source: &Source, what: &str, id: &Text) -> Result<(), ConfigError> {
    if text::is_identifier(id.get_ref(), &['-']) {
        return Ok(());
    }
    Err(source.wrong(
        &id.span(),
        format!("{:?} cannot be the id of a {what}", id.get_ref()),
        "use small letters, digits, - and _, at most 60",
    ))
}

fn conditions(source: &Source, when: &Spanned<WhenTable>, known: &Known<'_>) -> Result<Match, ConfigError> {
    let table = when.get_ref();
    let mut condition = Match {
        accounts: set(source, "accounts", table.accounts.as_ref())?,
        ou_paths: set(source, "ou_paths", table.ou_paths.as_ref())?,
        services: set(source, "services", table.services.as_ref())?,
        charge_types: set(source, "charge_types", table.charge_types.as_ref())?,
        components: BTreeSet::new(),
        providers: set(source, "providers", table.providers.as_ref())?,
        issuers: set(source, "issuers", table.issuers.as_ref())?,
        tags: BTreeMap::new(),
    };
    for path in table.ou_paths.iter().flat_map(|paths| paths.get_ref()) {
        if path.get_ref().split('/').any(str::is_empty) {
            return Err(source.wrong(
                &path.span(),
                format!("{:?} is not an OU path", path.get_ref()),
                "write the names of the OUs from the root, for example \"Workloads/Claims\", with no / at either end",
            ));
        }
    }
    set(source, "components", table.components.as_ref())?;
    for word in table.components.iter().flat_map(|words| words.get_ref()) {
        condition.components.insert(component(source, &word.span(), word.get_ref())?);
    }
    for (name, values) in in_file_order(&table.tags) {
        let values = tag_values(source, name, values, known.taxonomy)?;
        condition.tags.insert(name.get_ref().clone(), values);
    }
    if condition == Match::default() {
        return Err(source.wrong(
            &when.span(),
            "the rule has no condition, so it would take every line",
            "state at least one of accounts, ou_paths, services, charge_types, components, providers, issuers, tags",
        ));
    }
    Ok(condition)
}

/// Entries of a table in the order of the file, so that the first fault is the one reported.
pub(crate) fn in_file_order<T>(table: &Table<T>) -> Vec<(&Text, &T)> {
    let mut entries: Vec<(&Text, &T)> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn set(source: &Source, key: &str, values: Option<&Texts>) -> Result<BTreeSet<String>, ConfigError> {
    let Some(values) = values else { return Ok(BTreeSet::new()) };
    if values.get_ref().is_empty() {
        return Err(source.wrong(
            &values.span(),
            format!("`{key}` is an empty list, which would match everything"),
            "name at least one, or remove the key",
        ));
    }
    let mut found = BTreeSet::new();
    for value in values.get_ref() {
        if value.get_ref().is_empty() {
            return Err(source.wrong(&value.span(), format!("`{key}` holds an empty text"), "write a value, or remove it"));
        }
        if !found.insert(value.get_ref().clone()) {
            return Err(source.wrong(&value.span(), format!("`{key}` names `{}` twice", value.get_ref()), "keep one"));
        }
    }
    Ok(found)
}

fn component(source: &Source, span: &Span, word: &str) -> Result<Component, ConfigError> {
    match Component::from_word(word) {
        Some(component) if component == Component::Direct || SPECIAL.contains(&component) => Ok(component),
        _ => {
            let words: Vec<String> =
                [Component::Direct].iter().chain(&SPECIAL).map(|component| component.as_str().to_owned()).collect();
            Err(source.wrong(span, format!("`{word}` is not a component of a bill"), format!("write one of {}", list(&words))))
        }
    }
}

fn tag_values(source: &Source, name: &Text, values: &Texts, taxonomy: &Taxonomy) -> Result<BTreeSet<String>, ConfigError> {
    let Some(dimension) = taxonomy.dimensions.iter().find(|dimension| dimension.name == *name.get_ref()) else {
        let names: Vec<String> = taxonomy.dimensions.iter().map(|dimension| dimension.name.clone()).collect();
        return Err(source.wrong(
            &name.span(),
            format!("taxonomy.toml has no dimension `{}`", name.get_ref()),
            format!("correct the name; the dimensions are {}", list(&names)),
        ));
    };
    let found = set(source, name.get_ref(), Some(values))?;
    for value in values.get_ref() {
        let canonical = dimension.canonical_value(value.get_ref());
        if value.get_ref() != UNTAGGED_VALUE && canonical.as_ref() != Some(value.get_ref()) {
            let todo = match canonical {
                Some(canonical) => format!("write {canonical:?}, the value that this spelling stands for"),
                None => format!("write \"{UNTAGGED_VALUE}\" for lines without a value"),
            };
            return Err(source.wrong(&value.span(), format!("{:?} never appears after normalisation", value.get_ref()), todo));
        }
    }
    Ok(found)
}

/// Reads `[special]`: a rule for each component that has one.
pub(crate) fn special(
    source: &Source,
    tables: Option<&Spanned<Table<Spanned<SpecialTable>>>>,
    known: &Known<'_>,
) -> Result<BTreeMap<Component, SpecialRule>, ConfigError> {
    let mut rules = BTreeMap::new();
    for (word, table) in tables.map(|tables| in_file_order(tables.get_ref())).unwrap_or_default() {
        let Some(component) = SPECIAL.into_iter().find(|component| component.as_str() == word.get_ref()) else {
            let words: Vec<String> = SPECIAL.iter().map(|component| component.as_str().to_owned()).collect();
            return Err(source.wrong(
                &word.span(),
                format!("`special.{}` is not a component with a rule of its own", word.get_ref()),
                format!("write one of {}", list(&words)),
            ));
        };
        rules.insert(component, special_rule(source, component, table, known)?);
    }
    if let Some(component) = SPECIAL.into_iter().find(|component| !rules.contains_key(component)) {
        let end = source.text.len();
        return Err(source.wrong(
            &tables.map_or(end..end, Spanned::span),
            format!("there is no rule for the component `{component}`"),
            format!("add [special.{component}] with a method: nothing is guessed"),
        ));
    }
    Ok(rules)
}

fn special_rule(
    source: &Source,
    component: Component,
    table: &Spanned<SpecialTable>,
    known: &Known<'_>,
) -> Result<SpecialRule, ConfigError> {
    let SpecialTable { method, assign, fallback } = table.get_ref();
    let extra = |key: &str, text: &Option<Text>| match text {
        None => Ok(()),
        Some(text) => Err(source.wrong(
            &text.span(),
            format!("`{key}` has no effect with the method {:?}", method.get_ref()),
            "remove it, or change the method",
        )),
    };
    let needed = |key: &str, text: &Option<Text>| match text {
        Some(text) => known.owner(source, text),
        None => Err(source.wrong(
            &method.span(),
            format!("special.{component} has the method {:?} and no `{key}`", method.get_ref()),
            format!("add {key} = \"pool:ID\" or a unit id"),
        )),
    };
    match method.get_ref().as_str() {
        "owner" => {
            extra("assign", assign)?;
            extra("fallback", fallback)?;
            Ok(SpecialRule { method: Method::Owner, fallback: Owner::Pool(UNTAGGED.to_owned()) })
        }
        "follow" => {
            extra("assign", assign)?;
            Ok(SpecialRule { method: Method::Follow, fallback: needed("fallback", fallback)? })
        }
        "assign" => {
            extra("fallback", fallback)?;
            let to = needed("assign", assign)?;
            Ok(SpecialRule { method: Method::To(to.clone()), fallback: to })
        }
        other => Err(source.wrong(
            &method.span(),
            format!("{other:?} is not a method"),
            "write \"owner\" (like any line), \"follow\" (in proportion to what it belongs to) or \"assign\" (to one unit or pool)",
        )),
    }
}
