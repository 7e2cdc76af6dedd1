//! The pools of `rules.toml`: how cost without an owner is split.

use crate::cascade;
use crate::drivers::HEADCOUNT;
use crate::error::{ConfigError, Source, Span};
use crate::raw::{FallbackTable, FallbackValue, Number, PoolTable, Table, TargetsValue, Text};
use crate::rules::{self, Known, Versions, amount_of, in_file_order, list, owner_text};
use apportion_core::model::{Base, Driver, Key, Owner, Pool, Targets, Unit};
use apportion_core::money::{Money, SCALE};
use apportion_core::period::Period;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

const KEYS: &str = "\"proportional\", \"even\", \"fixed\", \"headcount\" or \"usage\"";

/// A table of shares as written: target -> number.
type Shares = Option<Spanned<Table<Spanned<Number>>>>;

/// Reads the pools in the order of the file, which is the order in which they are split.
pub(crate) fn read(
    source: &Source,
    tables: &[Spanned<PoolTable>],
    known: &Known<'_>,
    drivers: &Table<Text>,
) -> Result<Vec<Pool>, ConfigError> {
    let mut versions = Versions::default();
    let mut pools = Vec::new();
    for table in tables {
        let table = table.get_ref();
        rules::check_id(source, "pool", &table.id)?;
        crate::units::check_name(source, "pool name", &table.name)?;
        let effective = rules::effective(source, table.from.as_ref(), table.to.as_ref())?;
        versions.add(source, "pool", &table.id, effective)?;
        pools.push(Reader { source, known, drivers, table }.pool(effective)?);
    }
    cascade::check_order(source, tables, &pools)?;
    Ok(pools)
}

/// What `key`, `driver`, `percents`, `weights` say, for a pool or its fallback.
struct KeyParts<'a> {
    key: &'a str,
    key_span: Span,
    base: Option<&'a Text>,
    driver: Option<&'a Text>,
    percents: &'a Shares,
    weights: &'a Shares,
}

struct Reader<'a> {
    source: &'a Source,
    known: &'a Known<'a>,
    drivers: &'a Table<Text>,
    table: &'a PoolTable,
}

impl Reader<'_> {
    fn wrong(&self, span: &Span, what: impl Into<String>, todo: impl Into<String>) -> ConfigError {
        self.source.wrong(span, what, todo)
    }

    fn id(&self) -> &str {
        self.table.id.get_ref()
    }

    fn pool(&self, effective: apportion_core::model::Effective) -> Result<Pool, ConfigError> {
        let table = self.table;
        let key = self.key(&KeyParts {
            key: table.key.get_ref(),
            key_span: table.key.span(),
            base: table.base.as_ref(),
            driver: table.driver.as_ref(),
            percents: &table.percents,
            weights: &table.weights,
        })?;
        let targets = self.targets(&key)?;
        let mut exclude = BTreeSet::new();
        for unit in &table.exclude {
            if !exclude.insert(self.known.unit(self.source, unit)?) {
                return Err(self.wrong(&unit.span(), format!("`exclude` names `{}` twice", unit.get_ref()), "keep one"));
            }
        }
        let amount = |key: &str, text: &Option<Text>| text.as_ref().map(|text| amount_of(self.source, key, text)).transpose();
        let mut pool = Pool {
            id: table.id.get_ref().clone(),
            name: table.name.get_ref().clone(),
            key,
            targets,
            exclude,
            minimum: amount("minimum", &table.minimum)?,
            cap: amount("cap", &table.cap)?,
            minimums: self.amounts("minimums", &table.minimums)?,
            caps: self.amounts("caps", &table.caps)?,
            fallback: Key::Even,
            effective,
        };
        let sharing = sharing(&pool, &self.known.units.units);
        if sharing.is_empty() {
            return Err(self.wrong(
                &table.id.span(),
                format!("every target of the pool `{}` is excluded", self.id()),
                "leave at least one that bears the cost",
            ));
        }
        pool.fallback = self.fallback(&sharing)?;
        self.check_shares(&pool.key, &table.exclude, &sharing)?;
        self.check_limits(&pool, &sharing)?;
        Ok(pool)
    }

    fn key(&self, parts: &KeyParts<'_>) -> Result<Key, ConfigError> {
        let unused = |key: &str, span: Option<Span>| match span {
            None => Ok(()),
            Some(span) => Err(self.wrong(
                &span,
                format!("`{key}` has no effect with the key {:?}", parts.key),
                "remove it, or change the key",
            )),
        };
        if parts.key != "proportional" {
            unused("base", parts.base.map(Spanned::span))?;
        }
        if parts.key != "usage" {
            unused("driver", parts.driver.map(Spanned::span))?;
        }
        if parts.key != "fixed" {
            unused("percents", parts.percents.as_ref().map(Spanned::span))?;
            unused("weights", parts.weights.as_ref().map(Spanned::span))?;
        }
        match parts.key {
            "proportional" => Ok(Key::Proportional { base: self.base(parts.base)? }),
            "even" => Ok(Key::Even),
            "headcount" => Ok(Key::Headcount),
            "fixed" => Ok(Key::Fixed { weights: self.shares(parts)? }),
            "usage" => Ok(Key::Usage { driver: self.driver(parts)? }),
            other => Err(self.wrong(&parts.key_span, format!("{other:?} is not a key"), format!("write {KEYS}"))),
        }
    }

    fn base(&self, base: Option<&Text>) -> Result<Base, ConfigError> {
        match base.map(|base| (base, base.get_ref().as_str())) {
            None | Some((_, "effective_direct")) => Ok(Base::EffectiveDirect),
            Some((_, "effective_direct+earlier_pools")) => Ok(Base::EffectiveDirectAndEarlierPools),
            Some((base, other)) => Err(self.wrong(
                &base.span(),
                format!("{other:?} is not a base"),
                "write \"effective_direct\" or \"effective_direct+earlier_pools\"",
            )),
        }
    }

    fn driver(&self, parts: &KeyParts<'_>) -> Result<String, ConfigError> {
        let Some(driver) = parts.driver else {
            return Err(self.wrong(
                &parts.key_span,
                format!("the pool `{}` has the key \"usage\" and no `driver`", self.id()),
                "add driver = \"…\", one of those that [drivers] declares",
            ));
        };
        if driver.get_ref() == HEADCOUNT {
            return Err(self.wrong(
                &driver.span(),
                "`headcount` is a key of its own",
                "write key = \"headcount\" without a driver",
            ));
        }
        if !self.drivers.keys().any(|name| name.get_ref() == driver.get_ref()) {
            return Err(self.wrong(
                &driver.span(),
                format!("there is no driver `{}`", driver.get_ref()),
                format!("declare it under [drivers] with what one counts, for example {} = \"GB\"", driver.get_ref()),
            ));
        }
        Ok(driver.get_ref().clone())
    }

    /// Fixed shares as integers in the same proportion: percents that sum to 100, or weights.
    fn shares(&self, parts: &KeyParts<'_>) -> Result<BTreeMap<Owner, i128>, ConfigError> {
        let (table, name) = match (parts.percents, parts.weights) {
            (Some(percents), None) => (percents, "percents"),
            (None, Some(weights)) => (weights, "weights"),
            (None, None) => {
                return Err(self.wrong(
                    &parts.key_span,
                    format!("the pool `{}` has the key \"fixed\" and no shares", self.id()),
                    "add `percents` that sum to 100, or `weights` as ratios",
                ));
            }
            (Some(_), Some(weights)) => {
                return Err(self.wrong(&weights.span(), "the pool has both `percents` and `weights`", "keep one of the two"));
            }
        };
        let mut exact = BTreeMap::new();
        let mut total = Money::ZERO;
        for (target, number) in in_file_order(table.get_ref()) {
            let owner = self.known.owner(self.source, target)?;
            let text = number.get_ref().0.as_str();
            let parsed = Money::parse(text)
                .map_err(|error| self.wrong(&number.span(), error.to_string(), "write a number such as 40 or \"33.5\""))?;
            if parsed.money.is_negative() || parsed.lossy {
                return Err(self.wrong(
                    &number.span(),
                    format!("the share of `{}` is {text}", target.get_ref()),
                    "write zero or more, with at most twelve decimals",
                ));
            }
            total += parsed.money;
            exact.insert(owner, parsed.money.units());
        }
        let hundred = Money::from_minor(100, 0);
        if name == "percents" && total != hundred {
            return Err(self.wrong(
                &table.span(),
                format!("the percents of the pool `{}` sum to {}, not to 100", self.id(), short(total)),
                "correct them, or call them `weights` if they are ratios",
            ));
        }
        if total.is_zero() {
            return Err(self.wrong(
                &table.span(),
                format!("no share of the pool `{}` is positive", self.id()),
                "give at least one target a share",
            ));
        }
        // 40 and 60 stay 40 and 60; 33.5 and 66.5 become 335 and 665.
        for _ in 0..SCALE {
            if exact.values().any(|units| units % 10 != 0) {
                break;
            }
            exact.values_mut().for_each(|units| *units /= 10);
        }
        Ok(exact)
    }

    fn targets(&self, key: &Key) -> Result<Targets, ConfigError> {
        let table = self.table;
        if let (Some(targets), Some(units)) = (&table.targets, &table.business_units) {
            let later = if targets.span().start > units.span().start { targets.span() } else { units.span() };
            return Err(self.wrong(&later, "the pool has both `targets` and `business_units`", "keep one of the two"));
        }
        if let Key::Fixed { weights } = key {
            if let Some(span) = table.targets.as_ref().map(Spanned::span).or(table.business_units.as_ref().map(Spanned::span)) {
                return Err(self.wrong(
                    &span,
                    "a fixed pool goes to those that have a share",
                    "remove `targets` and `business_units` here",
                ));
            }
            return Ok(Targets::List(weights.keys().cloned().collect()));
        }
        match (&table.targets, &table.business_units) {
            (Some(targets), _) => self.target_list(targets, key),
            (None, Some(names)) => {
                let mut found = BTreeSet::new();
                for name in names.get_ref() {
                    if !self.known.units.business_units.contains(name.get_ref()) {
                        return Err(self.wrong(
                            &name.span(),
                            format!("no unit belongs to the business unit `{}`", name.get_ref()),
                            format!("correct the name; the business units are {}", list(&self.known.units.business_units)),
                        ));
                    }
                    if !found.insert(name.get_ref().clone()) {
                        return Err(self.wrong(&name.span(), format!("`{}` is named twice", name.get_ref()), "keep one"));
                    }
                }
                if found.is_empty() {
                    return Err(self.wrong(&names.span(), "`business_units` is empty", "name at least one business unit"));
                }
                Ok(Targets::BusinessUnits(found))
            }
            (None, None) => Err(self.wrong(
                &table.id.span(),
                format!("the pool `{}` does not say who shares it", self.id()),
                "add targets = \"all\", targets = [\"CC-1010\", …] or business_units = [\"…\"]",
            )),
        }
    }

    fn target_list(&self, targets: &Spanned<TargetsValue>, key: &Key) -> Result<Targets, ConfigError> {
        let names = match targets.get_ref() {
            TargetsValue::Word(word) if word == "all" => return Ok(Targets::All),
            TargetsValue::Word(word) => {
                return Err(self.wrong(
                    &targets.span(),
                    format!("`targets` cannot be {word:?}"),
                    "write \"all\" for every unit, or a list such as [\"CC-1010\"]",
                ));
            }
            TargetsValue::List(names) => names,
        };
        let mut found = BTreeSet::new();
        for name in names {
            let owner = self.known.owner(self.source, name)?;
            if matches!((&owner, key), (Owner::Pool(_), Key::Proportional { .. })) {
                return Err(self.wrong(
                    &name.span(),
                    format!(
                        "the pool `{}` is proportional and `{}` is a pool, which has no cost of its own to weigh",
                        self.id(),
                        name.get_ref()
                    ),
                    "name units only, or use the key \"fixed\", \"even\" or \"usage\"",
                ));
            }
            if !found.insert(owner) {
                return Err(self.wrong(&name.span(), format!("`{}` is a target twice", name.get_ref()), "keep one"));
            }
        }
        if found.is_empty() {
            return Err(self.wrong(
                &targets.span(),
                "`targets` is an empty list",
                "name at least one unit or pool, or write \"all\"",
            ));
        }
        Ok(Targets::List(found))
    }

    fn fallback(&self, sharing: &BTreeSet<Owner>) -> Result<Key, ConfigError> {
        let Some(fallback) = &self.table.fallback else {
            return Err(self.wrong(
                &self.table.id.span(),
                format!("the pool `{}` has no fallback", self.id()),
                "add one, for example fallback = \"even\": it splits the pool when no target has a positive weight",
            ));
        };
        let (none, span) = (None, fallback.span());
        let parts = match fallback.get_ref() {
            FallbackValue::Word(key) => {
                KeyParts { key, key_span: span.clone(), base: None, driver: None, percents: &none, weights: &none }
            }
            FallbackValue::Table(table) => {
                let FallbackTable { key, driver, percents, weights } = &**table;
                KeyParts { key: key.get_ref(), key_span: key.span(), base: None, driver: driver.as_ref(), percents, weights }
            }
        };
        if parts.key == "proportional" {
            return Err(self.wrong(
                &parts.key_span,
                format!("the fallback of the pool `{}` is proportional, which can fail in the same way", self.id()),
                "write \"even\", \"fixed\", \"headcount\" or \"usage\"",
            ));
        }
        let key = self.key(&parts)?;
        if let Key::Fixed { weights } = &key
            && let Some(outside) = weights.keys().find(|owner| !sharing.contains(owner))
        {
            return Err(self.wrong(
                &parts.percents.as_ref().or(parts.weights.as_ref()).map_or(span, Spanned::span),
                format!(
                    "the fallback gives a share to `{}`, which is no target of the pool `{}`",
                    owner_text(outside),
                    self.id()
                ),
                "let a fallback name targets of the pool only",
            ));
        }
        Ok(key)
    }

    /// A fixed share of a unit that is excluded would be lost from the 100.
    fn check_shares(&self, key: &Key, exclude: &[Text], sharing: &BTreeSet<Owner>) -> Result<(), ConfigError> {
        let Key::Fixed { weights } = key else { return Ok(()) };
        let excluded = exclude.iter().find(|unit| weights.contains_key(&Owner::Unit(unit.get_ref().clone())));
        match excluded {
            Some(unit) => Err(self.wrong(
                &unit.span(),
                format!("`{}` has a share of the pool `{}` and is excluded from it", unit.get_ref(), self.id()),
                "remove one of the two",
            )),
            None if weights.iter().all(|(owner, weight)| *weight == 0 || !sharing.contains(owner)) => Err(self.wrong(
                &self.table.id.span(),
                format!("no target of the pool `{}` has a share", self.id()),
                "give one a share",
            )),
            None => Ok(()),
        }
    }

    fn amounts(&self, key: &str, table: &Table<Text>) -> Result<BTreeMap<String, Money>, ConfigError> {
        in_file_order(table)
            .into_iter()
            .map(|(unit, amount)| {
                let id = self.known.unit(self.source, unit)?;
                Ok((id, amount_of(self.source, key, amount)?))
            })
            .collect()
    }

    /// An override names a unit that shares, and no minimum lies above its cap.
    fn check_limits(&self, pool: &Pool, sharing: &BTreeSet<Owner>) -> Result<(), ConfigError> {
        for (key, table) in [("minimums", &self.table.minimums), ("caps", &self.table.caps)] {
            for (unit, _) in in_file_order(table) {
                if !sharing.contains(&Owner::Unit(unit.get_ref().clone())) {
                    return Err(self.wrong(
                        &unit.span(),
                        format!("`{key}` names `{}`, which does not share the pool `{}`", unit.get_ref(), self.id()),
                        "remove it, or make the unit a target",
                    ));
                }
            }
        }
        for owner in sharing {
            let Owner::Unit(unit) = owner else { continue };
            let minimum = pool.minimums.get(unit).copied().or(pool.minimum);
            let cap = pool.caps.get(unit).copied().or(pool.cap);
            if let (Some(minimum), Some(cap)) = (minimum, cap)
                && minimum > cap
            {
                let override_of = |table: &Table<Text>| table.get(&Spanned::new(0..0, unit.clone())).map(Spanned::span);
                let span = override_of(&self.table.minimums)
                    .or_else(|| override_of(&self.table.caps))
                    .or_else(|| self.table.minimum.as_ref().map(Spanned::span))
                    .unwrap_or_else(|| self.table.id.span());
                return Err(self.wrong(
                    &span,
                    format!(
                        "in the pool `{}` the unit `{unit}` bears at least {} and at most {}",
                        self.id(),
                        short(minimum),
                        short(cap)
                    ),
                    "lower the minimum or raise the cap",
                ));
            }
        }
        Ok(())
    }
}

/// Amount without trailing zeros.
pub(crate) fn short(money: Money) -> String {
    let text = money.to_fixed();
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Who shares a pool: its targets without those excluded.
pub(crate) fn sharing(pool: &Pool, units: &[Unit]) -> BTreeSet<Owner> {
    let unit_owners = |keep: &dyn Fn(&Unit) -> bool| -> BTreeSet<Owner> {
        units.iter().filter(|unit| keep(unit)).map(|unit| Owner::Unit(unit.id.clone())).collect()
    };
    let mut owners = match &pool.targets {
        Targets::All => unit_owners(&|_| true),
        Targets::BusinessUnits(names) => unit_owners(&|unit| names.contains(&unit.business_unit)),
        Targets::List(list) => list.clone(),
    };
    owners.retain(|owner| !matches!(owner, Owner::Unit(id) if pool.exclude.contains(id)));
    owners
}

/// Ids of the drivers that a pool needs.
pub(crate) fn drivers_of(pool: &Pool) -> BTreeSet<&str> {
    [&pool.key, &pool.fallback]
        .into_iter()
        .filter_map(|key| match key {
            Key::Headcount => Some(HEADCOUNT),
            Key::Usage { driver } => Some(driver.as_str()),
            _ => None,
        })
        .collect()
}

/// Every sharing target has a number in every driver that the pool needs.
pub(crate) fn check_drivers(
    pool: &Pool,
    period: Period,
    units: &[Unit],
    drivers: &BTreeMap<String, Driver>,
) -> Result<(), ConfigError> {
    for id in drivers_of(pool) {
        let file = format!("drivers/{period}/{id}.csv");
        let Some(driver) = drivers.get(id) else {
            return Err(ConfigError::Missing {
                file,
                todo: format!(
                    "create it: the pool `{}` is split by it in {period}; the first line is `target,value`, then one line for each unit",
                    pool.id
                ),
            });
        };
        let missing: Vec<String> =
            sharing(pool, units).iter().filter(|owner| !driver.values.contains_key(owner)).map(owner_text).collect();
        if !missing.is_empty() {
            return Err(crate::error::at_line(
                &file,
                1,
                format!("there is no line for {}", list(&missing)),
                format!("add one for each target of the pool `{}`; zero is a value", pool.id),
            ));
        }
    }
    Ok(())
}
