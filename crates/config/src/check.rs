//! What a configuration means in a month, for a person to read: `apportion config check`.

use crate::Loaded;
use crate::pools::{drivers_of, sharing, short};
use crate::rules::{list, owner_text, span_text};
use apportion_core::model::{Base, Configuration, Key, LineRule, Match, Method, Owner, Pool, Targets, UNTAGGED};
use apportion_core::money::Money;
use apportion_core::org::AsOf;
use apportion_core::period::Period;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What holds, and what a person may not have meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub period: Period,
    pub digest: String,
    /// One statement a line.
    pub lines: Vec<String>,
    /// Nothing wrong, but worth a look.
    pub warnings: Vec<String>,
}

/// Resolves every rule and pool for the period for which `loaded` was read, and what the daily run goes by.
pub fn check(loaded: &Loaded, daily: &Loaded, period: Period) -> Check {
    let configuration = &loaded.configuration;
    let mut lines = Vec::new();
    files(loaded, &mut lines);
    units(configuration, &mut lines);
    dimensions(configuration, &mut lines);
    lines.push(match configuration.settings.organization {
        AsOf::PeriodEnd => format!("OUs: as the organization stood at the end of {period}"),
        AsOf::UsageDay => "OUs: as the organization stood on the day of use".to_owned(),
    });
    line_rules(configuration, period, &mut lines);
    special(configuration, &mut lines);
    lines.push("pools, in the order in which they are split".to_owned());
    for pool in configuration.pools.iter().filter(|pool| pool.effective.covers(period)) {
        describe_pool(configuration, pool, &mut lines);
    }
    let asleep: Vec<String> = configuration
        .pools
        .iter()
        .filter(|pool| !pool.effective.covers(period))
        .map(|pool| format!("{} ({})", pool.id, span_text(pool.effective)))
        .collect();
    if !asleep.is_empty() {
        lines.push(format!("  not in force in {period}: {}", asleep.join(", ")));
    }
    daily_settings(daily, period, &mut lines);
    Check { period, digest: loaded.digest.clone(), lines, warnings: warnings(configuration, period) }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The configuration holds for {}. Digest {}", self.period, self.digest)?;
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

fn files(loaded: &Loaded, lines: &mut Vec<String>) {
    let names: Vec<&str> = loaded.files.iter().map(|(name, _)| name.as_str()).collect();
    lines.push(format!("files: {}", names.join(", ")));
}

/// What the daily run goes by.
fn daily_settings(loaded: &Loaded, period: Period, lines: &mut Vec<String>) {
    let (now, other): (Vec<_>, Vec<_>) = loaded.budgets.iter().partition(|budget| budget.effective.covers(period));
    if !loaded.budgets.is_empty() {
        lines.push(format!("budgets of {period} ({} more for other months)", other.len()));
        for one in now {
            lines.push(format!(
                "  {}: {} a month, alert at {} % of it, again after {} days",
                one.target,
                short(one.amount),
                one.alert_percent,
                one.suppress_days
            ));
        }
    }
    let Some(mail) = &loaded.mail else { return };
    lines.push(format!("digest from {} to {}", mail.sender, list(&mail.recipients)));
    if mail.close_recipients != mail.recipients {
        lines.push(format!("  notices of closes to {}", list(&mail.close_recipients)));
    }
    let general = mail.anomalies.general;
    lines.push(format!(
        "  anomalies from {} deviations and {} on, after {} days; {} overrides",
        short(Money::from_minor(i128::from(general.sigma_thousandths), 3)),
        short(general.minimum),
        general.least_days,
        mail.anomalies.overrides.len()
    ));
}

fn units(configuration: &Configuration, lines: &mut Vec<String>) {
    let mut by_business_unit: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for unit in &configuration.units {
        by_business_unit.entry(&unit.business_unit).or_default().push(&unit.id);
    }
    lines.push(format!("{} units in {} business units", configuration.units.len(), by_business_unit.len()));
    for (name, ids) in by_business_unit {
        lines.push(format!("  {name}: {}", list(&owned(ids))));
    }
}

fn owned(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    texts.into_iter().map(|text| text.as_ref().to_owned()).collect()
}

fn dimensions(configuration: &Configuration, lines: &mut Vec<String>) {
    lines.push("tag dimensions, keys in the order in which they are tried".to_owned());
    for dimension in &configuration.taxonomy.dimensions {
        let owns = if dimension.name == configuration.taxonomy.owner { ", names the unit" } else { "" };
        let mandatory = if dimension.mandatory { "mandatory" } else { "optional" };
        let case = if dimension.fold_case { "without case" } else { "with case" };
        lines.push(format!("  {}: {mandatory}, compared {case}{owns}", dimension.name));
        for (column, keys) in &dimension.aliases {
            lines.push(format!("    {}: {}", crate::column_key(*column), list(keys)));
        }
    }
}

fn line_rules(configuration: &Configuration, period: Period, lines: &mut Vec<String>) {
    lines.push("line rules, first match wins; then the owning tag; then pool:untagged".to_owned());
    let (awake, asleep): (Vec<&LineRule>, Vec<&LineRule>) =
        configuration.line_rules.iter().partition(|rule| rule.effective.covers(period));
    for rule in awake {
        lines.push(format!("  {}: {} -> {}", rule.id, conditions(&rule.when), owner_text(&rule.to)));
    }
    if !asleep.is_empty() {
        let names: Vec<String> = asleep.iter().map(|rule| format!("{} ({})", rule.id, span_text(rule.effective))).collect();
        lines.push(format!("  not in force in {period}: {}", names.join(", ")));
    }
}

fn conditions(when: &Match) -> String {
    let mut parts = Vec::new();
    for (name, values) in [
        ("account", &when.accounts),
        ("OU", &when.ou_paths),
        ("service", &when.services),
        ("charge type", &when.charge_types),
        ("provider", &when.providers),
        ("issuer", &when.issuers),
    ] {
        if !values.is_empty() {
            parts.push(format!("{name} {}", values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(" or ")));
        }
    }
    if !when.components.is_empty() {
        parts.push(format!("component {}", owned(when.components.iter().map(|component| component.as_str())).join(" or ")));
    }
    for (dimension, values) in &when.tags {
        parts.push(format!("{dimension} {}", values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(" or ")));
    }
    parts.join(" and ")
}

fn special(configuration: &Configuration, lines: &mut Vec<String>) {
    lines.push("special rules".to_owned());
    for (component, rule) in &configuration.special {
        let what = match &rule.method {
            Method::Owner => "like any line".to_owned(),
            Method::Follow => format!("follows what it belongs to, else {}", owner_text(&rule.fallback)),
            Method::To(owner) => format!("-> {}", owner_text(owner)),
        };
        lines.push(format!("  {component}: {what}"));
    }
}

fn describe_pool(configuration: &Configuration, pool: &Pool, lines: &mut Vec<String>) {
    lines.push(format!("  {} \"{}\": {}", pool.id, pool.name, key_text(configuration, &pool.key)));
    let owners = sharing(pool, &configuration.units);
    let who = match &pool.targets {
        Targets::All => format!("all units ({})", owners.len()),
        Targets::BusinessUnits(names) => format!("the {} units of {}", owners.len(), list(names)),
        Targets::List(_) => list(&owned(owners.iter().map(owner_text))),
    };
    let exclude = if pool.exclude.is_empty() { String::new() } else { format!(", without {}", list(&pool.exclude)) };
    lines.push(format!("    shared by {who}{exclude}"));
    if let Some(shares) = shares(configuration, pool, &owners) {
        lines.push(format!("    shares {}", shares.join(", ")));
    }
    for (name, general, own) in [("minimum", pool.minimum, &pool.minimums), ("cap", pool.cap, &pool.caps)] {
        let mut amounts: Vec<String> = general.iter().map(|amount| short(*amount)).collect();
        amounts.extend(own.iter().map(|(unit, amount)| format!("{unit} {}", short(*amount))));
        if !amounts.is_empty() {
            lines.push(format!("    {name} {}", amounts.join(", ")));
        }
    }
    lines.push(format!("    fallback {}", key_text(configuration, &pool.fallback)));
}

fn key_text(configuration: &Configuration, key: &Key) -> String {
    match key {
        Key::Proportional { base: Base::EffectiveDirect } => "proportional to effective direct cost".to_owned(),
        Key::Proportional { base: Base::EffectiveDirectAndEarlierPools } => {
            "proportional to effective direct cost and what earlier pools gave".to_owned()
        }
        Key::Even => "even".to_owned(),
        Key::Fixed { weights } => format!("fixed, {} shares", weights.len()),
        Key::Headcount => "by headcount".to_owned(),
        Key::Usage { driver } => match configuration.drivers.get(driver) {
            Some(known) => format!("by {driver} ({})", known.unit),
            None => format!("by {driver}"),
        },
    }
}

/// The shares that are known before the bill: even, fixed and driver keys.
fn shares(configuration: &Configuration, pool: &Pool, owners: &BTreeSet<Owner>) -> Option<Vec<String>> {
    let weight_of = |owner: &Owner| -> Option<i128> {
        match &pool.key {
            Key::Proportional { .. } => None,
            Key::Even => Some(1),
            Key::Fixed { weights } => weights.get(owner).copied(),
            Key::Headcount => driver_value(configuration, crate::HEADCOUNT, owner),
            Key::Usage { driver } => driver_value(configuration, driver, owner),
        }
    };
    let weights: Vec<(&Owner, i128)> = owners.iter().filter_map(|owner| Some((owner, weight_of(owner)?))).collect();
    let total: i128 = weights.iter().map(|(_, weight)| weight).sum();
    if total == 0 {
        return None;
    }
    let shown = weights.iter().take(20).map(|(owner, weight)| {
        let hundredths = weight.saturating_mul(10_000) / total;
        format!("{} {}.{:02} %", owner_text(owner), hundredths / 100, hundredths % 100)
    });
    let mut shares: Vec<String> = shown.collect();
    if weights.len() > shares.len() {
        shares.push(format!("and {} more", weights.len() - shares.len()));
    }
    Some(shares)
}

fn driver_value(configuration: &Configuration, id: &str, owner: &Owner) -> Option<i128> {
    configuration.drivers.get(id)?.values.get(owner).map(|value: &Money| value.units())
}

fn warnings(configuration: &Configuration, period: Period) -> Vec<String> {
    let mut found = Vec::new();
    let in_force = || configuration.pools.iter().filter(|pool| pool.effective.covers(period));
    let mut fed: BTreeSet<&Owner> = BTreeSet::new();
    fed.extend(configuration.line_rules.iter().filter(|rule| rule.effective.covers(period)).map(|rule| &rule.to));
    for rule in configuration.special.values() {
        match &rule.method {
            Method::Owner => {}
            Method::Follow => drop(fed.insert(&rule.fallback)),
            Method::To(owner) => drop(fed.insert(owner)),
        }
    }
    for pool in in_force() {
        if let Targets::List(list) = &pool.targets {
            fed.extend(list);
        }
    }
    for pool in in_force() {
        if pool.id != UNTAGGED && !fed.contains(&Owner::Pool(pool.id.clone())) {
            found.push(format!("nothing gives to the pool `{}`", pool.id));
        }
    }
    let needed: BTreeSet<&str> = in_force().flat_map(drivers_of).collect();
    for id in configuration.drivers.keys().filter(|id| !needed.contains(id.as_str())) {
        found.push(format!("no pool in force in {period} is split by the driver `{id}`"));
    }
    let silent: Vec<String> =
        configuration.units.iter().filter(|unit| unit.owners.is_empty()).map(|unit| unit.id.clone()).collect();
    if !silent.is_empty() {
        found.push(format!("nobody gets the statement of {}: they have no owners", list(&silent)));
    }
    found
}
