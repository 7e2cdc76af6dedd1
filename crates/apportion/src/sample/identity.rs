//! What a resource is called and how it is tagged: names follow the owner's applications, tags are as untidy as people are.

use super::catalogue::{INSTANCES, Naming};
use super::company::{Account, Environment, Role, UNITS};
use super::plan::Plan;
use super::population::{REGIONS, Series};
use super::random::{Dice, base32, base36, hex, mix, uuid};
use std::borrow::Cow;

/// Keys under which people write the cost center.
pub const COST_CENTER_KEYS: [&str; 3] = ["user_cost_center", "user_costcenter", "user_cost_centre"];
/// Values that name no unit.
const STRANGE: [&str; 6] = ["CC-9999", "CC-0000", "CC-1O10", "TBD", "unknown", "CC-3015"];
const WORDS: [&str; 24] = [
    "api", "worker", "ingest", "export", "cache", "index", "queue", "web", "batch", "store", "events", "reports", "sync", "auth",
    "search", "archive", "loader", "parser", "router", "metrics", "notify", "rules", "staging", "audit",
];
const PLAIN: [&str; 6] = ["test", "tmp", "new", "backup", "default", "poc"];

/// How one resource is tagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tagging {
    /// With its owner's cost center, in some spelling.
    Owner,
    /// With a cost center that no unit has.
    Strange,
    /// Without a cost center: no tags, some tags, or a blank value.
    Untagged,
}

/// A tag of a bill line.
pub type Tag = (&'static str, Cow<'static, str>);

/// What is written about one resource.
#[derive(Debug, Clone)]
pub struct Identity {
    pub resource_id: Option<String>,
    /// Sorted by key.
    pub tags: Vec<Tag>,
    /// The instance to which a volume is attached.
    pub parent: Option<String>,
    /// Raw value of the cost center tag, as in the bill.
    pub cost_center: Option<Cow<'static, str>>,
}

/// Key of one member of a fleet.
fn member_key(series: &Series, member: usize) -> u64 {
    mix(series.key, 1_000 + member as u64)
}

/// The identity of a member of a series.
pub fn identity(plan: &Plan, series: &Series, member: usize, tagging: Tagging) -> Identity {
    let account = &plan.accounts[series.account];
    let key = member_key(series, member);
    let mut dice = Dice::new(key);
    let application = application(account, series.owners[member], &mut dice);
    let name = resource_name(account, application, series, member, key, &mut dice);
    let resource_id = resource_id(series, account, &name, key);
    let parent = series.parent.map(|parent| {
        let host = plan.population.series(&plan.accounts, INSTANCES, parent);
        format!("i-0{}", hex(member_key(&host, 0), 16))
    });
    let (tags, cost_center) = tags(account, series, member, tagging, application, &name, parent.as_deref(), &mut dice);
    Identity { resource_id, tags, parent, cost_center }
}

/// Application to which a resource belongs: the account's if its unit owns it, else one of the owner's.
fn application(account: &Account, owner: usize, dice: &mut Dice) -> &'static str {
    let other = *dice.pick(&UNITS[owner].applications);
    if account.role != Role::Workload || owner != account.unit || dice.chance(120) { other } else { account.application }
}

fn resource_name(account: &Account, application: &str, series: &Series, member: usize, key: u64, dice: &mut Dice) -> String {
    let word = dice.pick(&WORDS);
    let number = series.index * 3 + member as u64;
    if dice.chance(140) {
        let plain = dice.pick(&PLAIN);
        return format!("{plain}-{}-{}", base36(key, 4), number);
    }
    format!("{application}-{}-{word}-{number:02}", account.environment.short())
}

fn resource_id(series: &Series, account: &Account, name: &str, key: u64) -> Option<String> {
    let region = REGIONS[series.region].0;
    Some(match series.entry().naming {
        Naming::Instance => format!("i-0{}", hex(key, 16)),
        Naming::Volume => format!("vol-0{}", hex(key, 16)),
        Naming::Snapshot => format!("arn:aws:ec2:{region}:{}:snapshot/snap-0{}", account.id, hex(key, 16)),
        Naming::Bucket => format!("meridian-{name}"),
        Naming::WorkSpace => format!("arn:aws:workspaces:{region}:{}:workspace/ws-{}", account.id, base32(key, 9)),
        Naming::Arn(service, kind) => {
            let place = match service {
                "route53" | "cloudfront" => format!("arn:aws:{service}::{}:", account.id),
                _ => format!("arn:aws:{service}:{region}:{}:", account.id),
            };
            let last = match (service, kind) {
                ("kms", _) => uuid(key),
                ("ec2", "natgateway/") => format!("nat-0{}", hex(key, 16)),
                ("ec2", "vpc-endpoint/") => format!("vpce-0{}", hex(key, 16)),
                ("ec2", _) => format!("tgw-attach-0{}", hex(key, 16)),
                ("elasticloadbalancing", _) => format!("{name}/{}", hex(key, 16)),
                ("directconnect", _) => format!("dxcon-{}", base36(key, 8)),
                ("guardduty", _) => hex(key, 32),
                ("elasticfilesystem" | "fsx", _) => format!("fs-0{}", hex(key, 16)),
                ("route53" | "cloudfront", _) => format!("E{}", base36(key, 13).to_uppercase()),
                ("transfer", _) => format!("s-{}", hex(key, 17)),
                ("ecs", _) => format!("{name}/{}", hex(key, 32)),
                _ => name.to_owned(),
            };
            format!("{place}{kind}{last}")
        }
        Naming::Absent => return None,
    })
}

/// The cost center in one of its spellings.
fn spelling(owner: usize, dice: &mut Dice) -> Cow<'static, str> {
    let id = UNITS[owner].id;
    match dice.below(100) {
        0..80 => Cow::Borrowed(id),
        80..87 => Cow::Owned(id.to_lowercase()),
        87..90 => Cow::Owned(format!(" {id}")),
        90..95 => Cow::Owned(id.replace('-', "")),
        _ => Cow::Owned(id.trim_start_matches("CC-").to_owned()),
    }
}

fn environment_value(environment: Environment, dice: &mut Dice) -> &'static str {
    let list: [&'static str; 4] = match environment {
        Environment::Production => ["prod", "Prod", "production", "PROD"],
        Environment::Development => ["dev", "Dev", "development", "DEV"],
        Environment::Test => ["test", "Test", "qa", "TEST"],
        Environment::Staging => ["stage", "staging", "Stage", "stg"],
    };
    match dice.below(100) {
        0..66 => list[0],
        66..78 => list[1],
        78..92 => list[2],
        _ => list[3],
    }
}

/// Tags, and the raw cost center among them.
#[allow(clippy::too_many_arguments)] // each is a fact of the one resource
fn tags(
    account: &Account,
    series: &Series,
    member: usize,
    tagging: Tagging,
    application: &'static str,
    name: &str,
    parent: Option<&str>,
    dice: &mut Dice,
) -> (Vec<Tag>, Option<Cow<'static, str>>) {
    let owner = series.owners[member];
    let unit = &UNITS[owner];
    let mut list: Vec<Tag> = Vec::with_capacity(7);
    let cost_key = match dice.below(100) {
        0..78 => COST_CENTER_KEYS[0],
        78..92 => COST_CENTER_KEYS[1],
        _ => COST_CENTER_KEYS[2],
    };
    let mut cost_center = None;
    match tagging {
        Tagging::Owner => cost_center = Some(spelling(owner, dice)),
        Tagging::Strange => cost_center = Some(Cow::Borrowed(*dice.pick(&STRANGE))),
        Tagging::Untagged => {
            // four in ten carry no tags at all, one in ten a blank value
            match dice.below(10) {
                0..4 => return (list, None),
                4 => cost_center = Some(Cow::Borrowed(if dice.chance(500) { "" } else { " " })),
                _ => {}
            }
        }
    }
    if !series.entry().taggable {
        return (list, None);
    }
    if let Some(value) = &cost_center {
        list.push((cost_key, value.clone()));
    }
    if dice.chance(930) {
        let key = if dice.chance(850) { "user_environment" } else { "user_env" };
        list.push((key, Cow::Borrowed(environment_value(account.environment, dice))));
    }
    let knows_owner = tagging != Tagging::Untagged || dice.chance(300);
    if knows_owner && dice.chance(880) {
        let key = if dice.chance(880) { "user_application" } else { "user_app" };
        list.push((key, Cow::Borrowed(application)));
    }
    if knows_owner && dice.chance(420) {
        let key = if dice.chance(800) { "user_business_unit" } else { "user_bu" };
        let value =
            if dice.chance(850) { Cow::Borrowed(unit.business_unit) } else { Cow::Owned(unit.business_unit.to_lowercase()) };
        list.push((key, value));
    }
    if knows_owner && dice.chance(520) {
        match dice.below(200) {
            0..168 => list.push(("user_team", Cow::Borrowed(unit.team))),
            168..199 => list.push(("user_owner", Cow::Owned(format!("{}@meridian-health.example", unit.team)))),
            _ => list.push(("user_team", Cow::Borrowed("@oncall, \"core\""))),
        }
    }
    if dice.chance(450) {
        list.push(("user_name", if dice.chance(10) { Cow::Owned(format!("={name}")) } else { Cow::Owned(name.to_owned()) }));
    }
    if let Some(parent) = parent
        && dice.chance(700)
    {
        list.push(("user_instance_id", Cow::Owned(parent.to_owned())));
    }
    if dice.chance(220) {
        list.push(("user_data_classification", Cow::Borrowed(if dice.chance(600) { "phi" } else { "internal" })));
    }
    if dice.chance(120) {
        list.push(("aws_cloudformation_stack_name", Cow::Owned(format!("{application}-{}", account.environment.short()))));
    }
    list.sort_by(|a, b| a.0.cmp(b.0));
    (list, cost_center)
}
