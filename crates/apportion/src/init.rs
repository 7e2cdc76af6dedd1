//! `apportion init`: a first configuration from what a bill holds.
//!
//! Pure: profile in, files out. The close succeeds with them as they stand; comments say how to go on. Values of tags, account
//! names and keys come from a bill, so each goes into a file as an escaped TOML string, never as bare text, comments included.

mod owners;
mod toml_text;

use apportion_config::column_key;
use apportion_core::money::Money;
use apportion_core::tags::TagColumn;
use apportion_engine::profile::{BillProfile, TagKeyProfile};
use owners::{FirstUnit, account_units, tag_units};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use toml_text::{comment, list, quoted};

/// Tag keys that say the same, by their name without prefix, case and punctuation. The order is the order of preference for the
/// owning dimension; the last, `environment`, never owns.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "cost_center",
        &["costcenter", "costcentre", "costcode", "cc", "costcenterid", "costcentercode", "chargecode", "billingcode"],
    ),
    ("project", &["project", "projectid", "projectname", "projectcode"]),
    ("team", &["team", "teamname", "squad"]),
    ("business_unit", &["businessunit", "bu", "department", "dept", "division"]),
    ("owner", &["owner", "ownername", "owneremail", "ownedby"]),
    (
        "application",
        &[
            "application",
            "applicationname",
            "applicationid",
            "app",
            "appname",
            "appid",
            "service",
            "product",
            "workload",
            "system",
        ],
    ),
    ("environment", &["environment", "env", "stage"]),
];

/// Keys of one dimension, as found in the bill.
struct Found<'a> {
    dimension: &'static str,
    /// The largest magnitude first, within each tag column.
    keys: Vec<&'a TagKeyProfile>,
    magnitude: Money,
}

/// The files of a first configuration, by path relative to its folder.
pub fn files(profile: &BillProfile) -> BTreeMap<String, String> {
    let found = dimensions(profile);
    let owner = owning(profile, &found);
    let units = match owner {
        Some(owner) => tag_units(&owner.keys),
        None => account_units(&profile.accounts),
    };
    BTreeMap::from([
        ("taxonomy.toml".to_owned(), taxonomy(profile, &found, owner)),
        ("units.toml".to_owned(), units_file(profile, owner, &units)),
        ("rules.toml".to_owned(), rules(profile, owner.is_none(), &units)),
    ])
}

/// A key without its prefix, in small letters and digits only.
fn bare_name(key: &str) -> String {
    let prefixes = ["user_", "user:", "resourceTags/", "accountTag/", "costCategory/", "userAttribute/"];
    let name = prefixes.iter().find_map(|prefix| key.strip_prefix(prefix)).unwrap_or(key);
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn dimensions(profile: &BillProfile) -> Vec<Found<'_>> {
    let mut all = Vec::new();
    for (dimension, names) in KNOWN {
        let mut keys: Vec<&TagKeyProfile> =
            profile.tag_keys.iter().filter(|key| names.contains(&bare_name(&key.key).as_str())).collect();
        if keys.is_empty() {
            continue;
        }
        keys.sort_by(|a, b| (a.column, b.magnitude, &a.key).cmp(&(b.column, a.magnitude, &b.key)));
        // The same tag may stand in two columns of one export, so columns are compared, not added.
        let mut columns: BTreeMap<TagColumn, Money> = BTreeMap::new();
        for key in &keys {
            *columns.entry(key.column).or_default() += key.magnitude;
        }
        let magnitude = columns.into_values().max().unwrap_or_default();
        all.push(Found { dimension, keys, magnitude });
    }
    all
}

/// The first dimension, in order of preference, that covers at least half as much as the best one; none if even that covers
/// less than a hundredth of the bill.
fn owning<'a, 'b>(profile: &BillProfile, found: &'b [Found<'a>]) -> Option<&'b Found<'a>> {
    let owners = || found.iter().filter(|found| found.dimension != "environment" && has_value(found));
    let best = owners().map(|found| found.magnitude).max()?;
    if best.units() < profile.magnitude.units() / 100 {
        return None;
    }
    owners().find(|found| found.magnitude.units() >= best.units() / 2)
}

fn has_value(found: &Found<'_>) -> bool {
    found.keys.iter().flat_map(|key| &key.values).any(|value| !apportion_core::tags::trim(&value.value).is_empty())
}

/// A part of the bill in percent with one decimal, cut.
fn percent(part: Money, whole: Money) -> String {
    if whole.units() <= 0 {
        return "0.0 %".to_owned();
    }
    // Magnitudes stay far below 1e35, so the product fits.
    let thousandths = part.units().saturating_mul(1000) / whole.units();
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

fn taxonomy(profile: &BillProfile, found: &[Found<'_>], owner: Option<&Found<'_>>) -> String {
    let mut text = String::from(
        "# Which tag keys mean the same thing. Written by `apportion init` from a bill; yours to change.\n\
         # docs/configuration.md describes every key of this file, docs/tags.md how values are compared.\n\
         version = 1\n\n",
    );
    let name = owner.map_or("cost_center", |owner| owner.dimension);
    let why = match owner {
        Some(owner) => format!("the tag that covers {} of this bill's magnitude", percent(owner.magnitude, profile.magnitude)),
        None => "no tag of this bill names owners, so units.toml lists accounts and rules.toml assigns them".to_owned(),
    };
    let _ = write!(text, "# The dimension whose value says who pays: {why}.\nowner = {}\n", quoted(name));
    for found in found {
        let owns = owner.is_some_and(|owner| owner.dimension == found.dimension);
        dimension(&mut text, profile, found, owns);
    }
    if !found.iter().any(|found| found.dimension == name) {
        let _ = write!(
            text,
            "\n[[dimension]]\nname = {}\nmandatory = false\nfold_case = true\n\n# The keys that your organization will use; this bill has none of them yet.\n\
             [dimension.keys]\ncur2_resource_tags = [\"user_cost_center\"]\ncur2_tags = [\"resourceTags/CostCenter\"]\nfocus_tags = [\"CostCenter\", \"cost_center\"]\n",
            quoted(name)
        );
    }
    unmapped(&mut text, profile, found);
    text
}

fn dimension(text: &mut String, profile: &BillProfile, found: &Found<'_>, owns: bool) {
    let coverage = percent(found.magnitude, profile.magnitude);
    let _ = write!(
        text,
        "\n# Covers {coverage} of the bill.\n[[dimension]]\nname = {}\nmandatory = {owns}\nfold_case = true\n\n[dimension.keys]\n",
        quoted(found.dimension)
    );
    let columns: BTreeSet<TagColumn> = found.keys.iter().map(|key| key.column).collect();
    for column in columns {
        let keys = found.keys.iter().filter(|key| key.column == column).map(|key| key.key.as_str());
        let _ = writeln!(text, "{} = {}", column_key(column), list(keys));
    }
    if owns {
        return;
    }
    let mut values: Vec<(&str, Money)> =
        found.keys.iter().flat_map(|key| &key.values).map(|value| (value.value.as_str(), value.magnitude)).collect();
    values.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let mut shown: Vec<&str> = Vec::new();
    for (value, _) in values {
        if shown.len() < 8 && !shown.contains(&value) {
            shown.push(value);
        }
    }
    if !shown.is_empty() {
        let _ = write!(
            text,
            "\n# Values in this bill: {}.\n# To print several spellings as one, for example: [dimension.values], then prod = [\"production\", \"prd\"]\n",
            shown.iter().map(|value| comment(value)).collect::<Vec<_>>().join(", ")
        );
    }
}

/// Names, in a comment, the tag keys that no dimension took.
fn unmapped(text: &mut String, profile: &BillProfile, found: &[Found<'_>]) {
    let taken: BTreeSet<(TagColumn, &str)> =
        found.iter().flat_map(|found| &found.keys).map(|key| (key.column, key.key.as_str())).collect();
    let mut others: Vec<&TagKeyProfile> =
        profile.tag_keys.iter().filter(|key| !taken.contains(&(key.column, key.key.as_str()))).collect();
    others.sort_by(|a, b| b.magnitude.cmp(&a.magnitude).then((a.column, &a.key).cmp(&(b.column, &b.key))));
    if others.is_empty() {
        return;
    }
    text.push_str("\n# Other tag keys of this bill, by the share of it that they cover:\n");
    for key in others.iter().take(40) {
        let _ = writeln!(
            text,
            "#   {:<20} {:>8}  {}",
            column_key(key.column),
            percent(key.magnitude, profile.magnitude),
            comment(&key.key)
        );
    }
    if others.len() > 40 {
        let _ = writeln!(text, "#   and {} more", others.len() - 40);
    }
}

fn units_file(profile: &BillProfile, owner: Option<&Found<'_>>, units: &[FirstUnit]) -> String {
    let from = match owner {
        Some(owner) => format!("the values of the tag {}", owner.dimension),
        None => "the accounts of the bill".to_owned(),
    };
    let mut text = format!(
        "# Who is charged: {from}. Written by `apportion init`; yours to change.\n\
         #   name           what statements print\n\
         #   business_unit  put the units that belong together under one name\n\
         #   owners         who gets the statement, for example owners = [\"claims.lead@example.org\"]\n\
         #   also           other spellings of the id in tags (case and blanks at the ends need none); to merge two units, move\n\
         #                  the id of one into `also` of the other\n\
         version = 1\n"
    );
    let left_out: u64 = owner.map_or(0, |owner| owner.keys.iter().map(|key| key.values_left_out).sum());
    if left_out > 0 {
        let _ = write!(
            text,
            "\n# The bill has {left_out} more values of that tag, each with little cost: they go to the pool `untagged`.\n"
        );
    }
    for unit in units {
        let _ = write!(text, "\n# {} of the bill", percent(unit.magnitude, profile.magnitude));
        if let Some(near) = &unit.near {
            let _ = write!(text, "; spelled nearly like {}", comment(near));
        }
        let _ = write!(
            text,
            "\n[[unit]]\nid = {}\nname = {}\nbusiness_unit = \"Everyone\"\nowners = []\n",
            quoted(&unit.id),
            quoted(&unit.name)
        );
        if !unit.also.is_empty() {
            let _ = writeln!(text, "also = {}", list(unit.also.iter().map(String::as_str)));
        }
    }
    text
}

const SPECIAL: &str = r#"
# ---------------------------------------------------------------------------------------------------------------------------
# What is not ordinary usage. Nothing is smeared: each stays its own component on the statement.
#   method = "owner"    like any line: line rule, owning tag, pool `untagged`
#   method = "follow"   in proportion to the charges that it belongs to; `fallback` takes what belongs to none
#   method = "assign"   to one unit or pool
[special.commitment]
method = "follow"
fallback = "pool:untagged"

[special.unused]
method = "assign"
assign = "pool:untagged"

[special.upfront]
method = "assign"
assign = "pool:untagged"

[special.discount]
method = "follow"
fallback = "pool:untagged"

[special.tax]
method = "follow"
fallback = "pool:untagged"

[special.support]
method = "assign"
assign = "pool:untagged"

[special.marketplace]
method = "owner"

[special.credit]
method = "assign"
assign = "pool:untagged"

[special.refund]
method = "assign"
assign = "pool:untagged"

[special.rounding]
method = "assign"
assign = "pool:untagged"

[special.adjustment]
method = "owner"

[special.unclassified]
method = "owner"

# ---------------------------------------------------------------------------------------------------------------------------
# Pools: cost without an owner, split among the units in the order of this file. A next step is a pool of its own for each
# shared platform, for example a network hub split by traffic:
#
#   [drivers]                                 (above the rules)
#   network_gb = "GB"                         and each month drivers/<YYYY-MM>/network_gb.csv with the header target,value
#
#   [[rule]]
#   id = "network-hub"
#   assign = "pool:network"
#   when = { accounts = ["111111111111"] }
#
#   [[pool]]
#   id = "network"
#   name = "Network hub"
#   key = "usage"
#   driver = "network_gb"
#   targets = "all"
#   fallback = "even"

# In proportion to each unit's own cost; in equal parts where no unit has any.
[[pool]]
id = "untagged"
name = "Shared and untagged"
key = "proportional"
base = "effective_direct"
targets = "all"
fallback = "even"
"#;

fn rules(profile: &BillProfile, by_account: bool, units: &[FirstUnit]) -> String {
    let is_code = |code: &str| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    let currency = profile.currencies.iter().map(|(code, _)| code.as_str()).find(|code| is_code(code)).unwrap_or("USD");
    let mut text = String::from(
        "# Where each line of the bill goes. Written by `apportion init`; yours to change. docs/configuration.md describes every key.\n\
         # An owner is the first [[rule]] that matches, else the unit that the owning tag names, else the pool `untagged`.\n\
         # `apportion config check --config DIR` says whether a change holds.\nversion = 1\n\n[close]\n",
    );
    let _ = writeln!(text, "currency = {}", quoted(currency));
    if profile.currencies.len() > 1 {
        let codes: Vec<String> = profile.currencies.iter().take(10).map(|(code, _)| comment(code)).collect();
        let _ = write!(
            text,
            "# This bill has several currencies ({}): one close for each.\ncurrencies = \"each\"\n",
            codes.join(", ")
        );
    }
    if by_account {
        text.push_str("\n# Each account is a unit. A tag that names owners, once there is one, makes these rules unnecessary.\n");
        for (index, unit) in units.iter().enumerate() {
            let Some(account) = &unit.account else { continue };
            let _ = write!(
                text,
                "\n[[rule]]\nid = {}\nassign = {}\nwhen = {{ accounts = [{}] }}\n",
                quoted(&rule_id(account, index)),
                quoted(&unit.id),
                quoted(account)
            );
        }
    }
    text.push_str(SPECIAL);
    text
}

/// `account-<id>` where the id is plain, else `account-n<position>`.
fn rule_id(account: &str, index: usize) -> String {
    let plain = account.len() <= 40 && account.bytes().all(|byte| byte.is_ascii_digit());
    if plain { format!("account-{account}") } else { format!("account-n{}", index + 1) }
}

#[cfg(test)]
mod tests;
