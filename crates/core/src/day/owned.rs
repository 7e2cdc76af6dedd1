//! Whose each day's cost is, by the rules of the close.
//!
//! Usage and whatever has `method = "owner"` goes by line rule and owning tag, what is assigned goes where the rule says; what
//! follows charges (discounts, tax) follows those of the same day, account and service, else of the day and account, else the
//! fallback. Pools are not split: that is month end's work, and a pool's cost has no owner until then.

use super::{Day, DayRow, Owned};
use crate::allocate::component_of;
use crate::allocate::owner::{Finder, Line};
use crate::bill::{Family, Kind};
use crate::ledger::Component;
use crate::model::{Configuration, Method, Owner, UNTAGGED};
use crate::money::Money;
use crate::org::{OrgSnapshot, UNKNOWN};
use crate::period::Period;
use crate::tags::Taxonomy;
use std::collections::BTreeMap;

/// Owner of what has no owning tag.
pub const UNTAGGED_OWNER: &str = "__untagged__";
/// What an owner that is a pool begins with.
pub const POOL: &str = "pool:";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnedError {
    #[error("{lines} bill lines say `{billing_period}` for their billing period, which is no month: export the bill again")]
    BillingPeriod { billing_period: String, lines: i64 },
}

/// The taxonomy cut to what ownership needs: the owning dimension and those that a line rule, of whatever months, matches on.
pub fn ownership(configuration: &Configuration) -> Taxonomy {
    let taxonomy = &configuration.taxonomy;
    let is_matched = |name: &String| configuration.line_rules.iter().any(|rule| rule.when.tags.contains_key(name));
    let dimensions =
        taxonomy.dimensions.iter().filter(|dimension| dimension.name == taxonomy.owner || is_matched(&dimension.name));
    Taxonomy { owner: taxonomy.owner.clone(), dimensions: dimensions.cloned().collect() }
}

/// Where a row goes before anything is split.
enum Place {
    Whole {
        owner: String,
        value: String,
    },
    /// After the cash of charges; the owner if there are none.
    Follow(String),
    /// After the cash of covered usage.
    Negation {
        owner: String,
        value: String,
    },
}

/// What is near enough to follow: day, billing account and account; with a service or without.
type Near<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, Option<&'a str>);
type Weights<'a> = BTreeMap<Near<'a>, BTreeMap<String, Money>>;

/// Gives every row its owner and OU; the sum over the result is the sum over `rows`, and their order does not matter.
///
/// `configuration` is the whole one; the rows' tags are those of [`ownership`]. `organizations` are sorted by day: a usage day goes by the newest
/// snapshot that is not after it, else by the oldest.
pub fn owned(
    rows: &[DayRow],
    configuration: &Configuration,
    organizations: &[(Day, OrgSnapshot)],
    family: Family,
) -> Result<Vec<Owned>, OwnedError> {
    let cut = Configuration { taxonomy: ownership(configuration), ..configuration.clone() };
    let nobody = OrgSnapshot::default();
    let mut sorted: Vec<&DayRow> = rows.iter().collect();
    sorted.sort();
    let mut finders: BTreeMap<(Period, Option<Day>), Finder<'_>> = BTreeMap::new();
    let mut placed = Vec::with_capacity(sorted.len());
    for row in sorted {
        let period: Period = row.billing_period.parse().map_err(|_| OwnedError::BillingPeriod {
            billing_period: row.billing_period.chars().take(40).collect(),
            lines: rows.iter().filter(|other| other.billing_period == row.billing_period).map(|other| other.rows).sum(),
        })?;
        let (dated, organization) = organization_of(row, organizations).map_or((None, &nobody), |(day, org)| (Some(*day), org));
        let finder = finders.entry((period, dated)).or_insert_with(|| Finder::new(&cut, organization, period));
        placed.push((row, finder.ou_path(&row.account_id).to_owned(), place(row, finder, &cut)));
    }
    Ok(split(placed, family))
}

fn organization_of<'a>(row: &DayRow, organizations: &'a [(Day, OrgSnapshot)]) -> Option<&'a (Day, OrgSnapshot)> {
    let not_after = |day: Day| organizations.iter().rfind(|(dated, _)| *dated <= day);
    row.date().and_then(not_after).or(organizations.first())
}

fn line(row: &DayRow) -> Line<'_> {
    Line {
        provider: &row.provider,
        issuer: &row.issuer,
        account_id: &row.account_id,
        service: &row.service,
        charge_type: &row.charge_type,
        tags: &row.tags,
    }
}

fn place(row: &DayRow, finder: &Finder<'_>, configuration: &Configuration) -> Place {
    let find = |component| {
        let found = finder.find(line(row), component);
        let owner = match (&found.owner, found.by_absence, found.owner_value.as_str()) {
            (_, true, "") => UNTAGGED_OWNER.to_owned(),
            (_, true, _) => UNKNOWN.to_owned(),
            (owner, false, _) => name(owner),
        };
        (owner, found.owner_value.into())
    };
    let component = match row.kind {
        Kind::Negation => {
            let (owner, value) = find(Component::Direct);
            return Place::Negation { owner, value };
        }
        // Its effective cost is what was not used; only a close follows each plan's use with the fee.
        Kind::CommitmentFee => Component::Unused,
        kind => component_of(kind),
    };
    let whole = |(owner, value)| Place::Whole { owner, value };
    if component == Component::Direct {
        return whole(find(component));
    }
    if let Some(found) = finder.line_rule(line(row), component, true) {
        return whole((name(&found.owner), String::new()));
    }
    match configuration.special.get(&component) {
        Some(rule) => match &rule.method {
            Method::Owner => whole(find(component)),
            Method::To(owner) => whole((name(owner), String::new())),
            Method::Follow if component == Component::Unused => whole((name(&rule.fallback), String::new())),
            Method::Follow => Place::Follow(name(&rule.fallback)),
        },
        None => whole(find(component)),
    }
}

fn name(owner: &Owner) -> String {
    match owner {
        Owner::Unit(id) => id.clone(),
        Owner::Pool(id) if id == UNTAGGED => UNTAGGED_OWNER.to_owned(),
        Owner::Pool(id) => format!("{POOL}{id}"),
    }
}

fn near<'a>(row: &'a DayRow, service: Option<&'a str>) -> Near<'a> {
    (&row.day, &row.provider, &row.currency, &row.billing_account_id, &row.account_id, service)
}

fn add<'a>(weights: &mut Weights<'a>, row: &'a DayRow, owner: &str, cash: Money) {
    for service in [Some(row.service.as_str()), None] {
        *weights.entry(near(row, service)).or_default().entry(owner.to_owned()).or_default() += cash;
    }
}

/// Turns places into owners: negations after covered usage first, since they are part of the charges that others follow.
fn split(placed: Vec<(&DayRow, String, Place)>, family: Family) -> Vec<Owned> {
    let mut result = Vec::with_capacity(placed.len());
    let (mut covered, mut charges) = (Weights::new(), Weights::new());
    for (row, ou, place) in &placed {
        if let Place::Whole { owner, value } = place {
            result.push(part(row, ou, owner, value, row.cash.of(family), row.effective.of(family), row.rows));
            if row.kind == Kind::Covered {
                add(&mut covered, row, owner, row.cash.of(family));
            }
            if is_charge(row.kind) {
                add(&mut charges, row, owner, row.cash.of(family));
            }
        }
    }
    for (row, ou, place) in &placed {
        if let Place::Negation { owner, value } = place {
            let parts = follow(row, ou, &covered, (owner, value), family);
            for part in &parts {
                add(&mut charges, row, &part.owner, part.cash);
            }
            result.extend(parts);
        }
    }
    for (row, ou, place) in &placed {
        if let Place::Follow(fallback) = place {
            result.extend(follow(row, ou, &charges, (fallback, ""), family));
        }
    }
    result.sort();
    result
}

/// As in a close: what is bought; commitment fees are no charge of the day here.
fn is_charge(kind: Kind) -> bool {
    matches!(kind, Kind::Usage | Kind::Covered | Kind::Support | Kind::Marketplace | Kind::Upfront | Kind::Unclassified)
}

fn follow(row: &DayRow, ou: &str, weights: &Weights<'_>, other: (&str, &str), family: Family) -> Vec<Owned> {
    let (cash, effective) = (row.cash.of(family), row.effective.of(family));
    for service in [Some(row.service.as_str()), None] {
        let Some(owners) = weights.get(&near(row, service)) else { continue };
        let list: Vec<i128> = owners.values().map(|money| money.units()).collect();
        let (Some(cash), Some(effective)) = (cash.split(&list), effective.split(&list)) else { continue };
        let shares = owners.iter().zip(cash).zip(effective).filter(|((share, _), _)| share.1.units() > 0);
        return shares
            .enumerate()
            .map(|(index, (((owner, _), cash), effective))| {
                part(row, ou, owner, "", cash, effective, if index == 0 { row.rows } else { 0 })
            })
            .collect();
    }
    vec![part(row, ou, other.0, other.1, cash, effective, row.rows)]
}

fn part(row: &DayRow, ou: &str, owner: &str, value: &str, cash: Money, effective: Money, rows: i64) -> Owned {
    Owned {
        billing_period: row.billing_period.clone(),
        day: row.day.clone(),
        provider: row.provider.clone(),
        billing_account_id: row.billing_account_id.clone(),
        account_id: row.account_id.clone(),
        account_name: row.account_name.clone(),
        ou: ou.into(),
        owner: owner.into(),
        owner_value: value.into(),
        service: row.service.clone(),
        kind: row.kind,
        charge_type: row.charge_type.clone(),
        currency: row.currency.clone(),
        resource_id: row.resource_id.clone(),
        cash,
        effective,
        rows,
    }
}

#[cfg(test)]
pub(super) mod tests;
