//! Meridian Health Group: its units, organization, accounts, and the drivers behind its shared pools. All invented.

use super::calendar::{days_from_civil, instant};
use super::random::{Dice, base36, mix, purpose};
use apportion_core::period::Period;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// One cost center.
#[derive(Debug)]
pub struct Unit {
    pub id: &'static str,
    pub name: &'static str,
    pub business_unit: &'static str,
    pub team: &'static str,
    pub applications: [&'static str; 4],
    pub headcount: u32,
    /// Share of what workload accounts spend, in parts of their sum.
    pub weight: u32,
}

const fn unit(
    id: &'static str,
    name: &'static str,
    business_unit: &'static str,
    team: &'static str,
    applications: [&'static str; 4],
    headcount: u32,
    weight: u32,
) -> Unit {
    Unit { id, name, business_unit, team, applications, headcount, weight }
}

pub const UNITS: [Unit; 14] = [
    unit(
        "CC-1010",
        "Claims Intake",
        "Claims",
        "claims-intake",
        ["claims-intake-api", "claims-edi-gateway", "claims-document-ocr", "claims-portal-upload"],
        46,
        110,
    ),
    unit(
        "CC-1020",
        "Claims Adjudication",
        "Claims",
        "adjudication",
        ["adjudication-engine", "benefit-rules", "claims-pricing", "claims-ledger"],
        58,
        150,
    ),
    unit(
        "CC-1030",
        "Payment Integrity",
        "Claims",
        "payment-integrity",
        ["payment-integrity", "fraud-signals", "overpayment-recovery", "audit-workbench"],
        27,
        70,
    ),
    unit(
        "CC-2010",
        "Data Platform",
        "Analytics",
        "data-platform",
        ["data-lake", "stream-ingest", "member-warehouse", "etl-orchestrator"],
        39,
        170,
    ),
    unit(
        "CC-2020",
        "Actuarial Models",
        "Analytics",
        "actuarial",
        ["actuarial-models", "reserve-forecast", "risk-adjustment", "premium-pricing"],
        22,
        75,
    ),
    unit(
        "CC-2030",
        "Population Health",
        "Analytics",
        "population-health",
        ["population-health", "care-gaps", "quality-measures", "cohort-explorer"],
        24,
        65,
    ),
    unit(
        "CC-3010",
        "Member Portal",
        "Member Services",
        "member-portal",
        ["member-portal", "member-mobile-api", "member-identity", "benefits-lookup"],
        51,
        90,
    ),
    unit(
        "CC-3020",
        "Contact Center",
        "Member Services",
        "contact-center",
        ["contact-center", "call-routing", "agent-desktop", "call-analytics"],
        64,
        60,
    ),
    unit(
        "CC-3030",
        "Enrollment",
        "Member Services",
        "enrollment",
        ["enrollment-core", "eligibility-feed", "broker-portal", "id-card-service"],
        35,
        55,
    ),
    unit(
        "CC-4010",
        "Provider Directory",
        "Provider Network",
        "provider-directory",
        ["provider-directory", "provider-credentialing", "network-search", "provider-portal"],
        20,
        40,
    ),
    unit(
        "CC-4020",
        "Care Management",
        "Provider Network",
        "care-management",
        ["care-management", "prior-authorization", "utilization-review", "telehealth-visits"],
        31,
        50,
    ),
    unit(
        "CC-5010",
        "Platform Engineering",
        "Corporate Technology",
        "platform",
        ["platform-clusters", "build-runners", "artifact-store", "observability"],
        33,
        45,
    ),
    unit(
        "CC-5020",
        "Security Operations",
        "Corporate Technology",
        "security-operations",
        ["security-events", "vulnerability-scanner", "key-management", "access-review"],
        18,
        25,
    ),
    unit(
        "CC-5030",
        "Corporate IT",
        "Corporate Technology",
        "corporate-it",
        ["erp-integration", "hr-reporting", "file-shares", "virtual-desktops"],
        42,
        35,
    ),
];

/// Index of Platform Engineering, Security Operations, Corporate IT in [`UNITS`].
pub const PLATFORM: usize = 11;
pub const SECURITY: usize = 12;
pub const CORPORATE_IT: usize = 13;
pub const CONTACT_CENTER: usize = 7;
const CLAIMS_INTAKE: usize = 0;

/// What an account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Payer,
    Network,
    Logging,
    Security,
    Services,
    Workload,
}

/// Deployment environment of a workload account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Production,
    Development,
    Test,
    Staging,
}

impl Environment {
    pub const fn short(self) -> &'static str {
        match self {
            Environment::Production => "prod",
            Environment::Development => "dev",
            Environment::Test => "test",
            Environment::Staging => "stage",
        }
    }
}

/// One account.
#[derive(Debug, Clone)]
pub struct Account {
    pub id: String,
    pub name: String,
    pub role: Role,
    /// Index of the unit that mainly works in it.
    pub unit: usize,
    pub application: &'static str,
    pub environment: Environment,
    /// Billed by the EMEA entity, with VAT.
    pub emea: bool,
    /// Closed four months before the last month; storage goes on costing.
    pub closed: bool,
    /// Sales tax is charged on its use.
    pub taxed: bool,
    /// Relative spend.
    pub weight: u64,
    ou: &'static str,
    ou_leaf: &'static str,
}

/// How many months before the last one the closed account was closed.
pub const CLOSED_MONTHS_BACK: u32 = 4;
pub const PAYER_ID: &str = "100000000001";
pub const PAYER_NAME: &str = "meridian-payer";
const SHARED: [(&str, Role, &str, usize, u64); 4] = [
    ("network-hub", Role::Network, "Network", PLATFORM, 22),
    ("log-archive", Role::Logging, "Logging", PLATFORM, 18),
    ("security-tooling", Role::Security, "Security", SECURITY, 20),
    ("shared-services", Role::Services, "Services", PLATFORM, 40),
];

/// The accounts of the group, `count` of them (at least 6), ids ascending.
pub fn accounts(count: u32, seed: u64) -> Vec<Account> {
    let key = purpose(seed, "accounts");
    let mut list = vec![Account {
        id: PAYER_ID.to_owned(),
        name: PAYER_NAME.to_owned(),
        role: Role::Payer,
        unit: CORPORATE_IT,
        application: "billing-exports",
        environment: Environment::Production,
        emea: false,
        closed: false,
        taxed: false,
        weight: 2,
        ou: "",
        ou_leaf: "",
    }];
    for (index, (name, role, leaf, unit, weight)) in SHARED.into_iter().enumerate() {
        list.push(Account {
            id: account_id(index as u64 + 2),
            name: name.to_owned(),
            role,
            unit,
            application: name,
            environment: Environment::Production,
            emea: false,
            closed: false,
            taxed: index % 2 == 0,
            weight: weight * u64::from(count.max(40)) / 40,
            ou: "Shared Platform",
            ou_leaf: leaf,
        });
    }
    let workloads = count.saturating_sub(list.len() as u32);
    for index in 0..workloads {
        list.push(workload(index, workloads, key));
    }
    list
}

fn account_id(number: u64) -> String {
    format!("{:012}", 100_000_000_000 + number)
}

/// Fourteen production accounts, then fourteen for development, test and staging, then the next application, and so on.
fn workload(index: u32, workloads: u32, key: u64) -> Account {
    let mut dice = Dice::new(mix(key, u64::from(index)));
    let round = index / 28;
    let within = index as usize % 28;
    let mut unit = within % 14;
    let production = within < 14;
    let mut application = UNITS[unit].applications[round as usize % 4];
    let series = round / 4;
    let mut environment = if production {
        Environment::Production
    } else {
        [Environment::Development, Environment::Test, Environment::Staging][(within + round as usize) % 3]
    };
    let sandbox = workloads >= 3 && index + 1 == workloads;
    let closed = workloads >= 3 && index + 2 == workloads;
    let suffix = if series == 0 { String::new() } else { format!("-{:02}", series + 1) };
    let mut name = format!("{application}{suffix}-{}", environment.short());
    if closed {
        unit = CLAIMS_INTAKE;
        application = "claims-archive-legacy";
        environment = Environment::Development;
        name = "claims-archive-legacy-dev".to_owned();
    } else if sandbox {
        unit = CORPORATE_IT;
        application = "innovation-sandbox";
        environment = Environment::Development;
        name = "innovation-sandbox".to_owned();
    }
    let spread = 60 + dice.below(81);
    let size = u64::from(UNITS[unit].weight) * spread / 100;
    Account {
        id: account_id(u64::from(index) + 6),
        name,
        role: Role::Workload,
        unit,
        application,
        environment,
        emea: production && unit == CONTACT_CENTER && workloads >= 14,
        closed,
        taxed: dice.chance(380),
        weight: if closed || sandbox { 8 } else { size * if environment == Environment::Production { 10 } else { 3 } / 10 },
        ou: if sandbox { "" } else { UNITS[unit].business_unit },
        ou_leaf: if environment == Environment::Production { "Prod" } else { "Nonprod" },
    }
}

/// `organization.json`: roots, organizational units and accounts in the shapes of the Organizations API.
pub fn organization(accounts: &[Account], seed: u64) -> Value {
    let key = purpose(seed, "organization");
    let root = "r-mhg1";
    let organization_id = format!("o-{}", base36(mix(key, 0), 10));
    let ou_id = |path: &str| format!("ou-mhg1-{}", base36(purpose(key, path), 8));
    let ou_arn = |id: &str| format!("arn:aws:organizations::{PAYER_ID}:ou/{organization_id}/{id}");
    let mut units = Vec::new();
    let mut add = |path: &str, name: &str, parent: String| {
        let id = ou_id(path);
        units.push(json!({"Id": id, "Arn": ou_arn(&id), "Name": name, "ParentId": parent}));
        id
    };
    let shared = add("Shared Platform", "Shared Platform", root.to_owned());
    for (_, _, leaf, _, _) in SHARED {
        add(&format!("Shared Platform/{leaf}"), leaf, shared.clone());
    }
    let workloads = add("Workloads", "Workloads", root.to_owned());
    let mut businesses: Vec<&str> = UNITS.iter().map(|unit| unit.business_unit).collect();
    businesses.dedup();
    for business in businesses {
        let id = add(&format!("Workloads/{business}"), business, workloads.clone());
        for leaf in ["Prod", "Nonprod"] {
            add(&format!("Workloads/{business}/{leaf}"), leaf, id.clone());
        }
    }
    let list: Vec<Value> = accounts
        .iter()
        .enumerate()
        .map(|(index, account)| {
            let parent = match account.role {
                _ if account.ou.is_empty() => root.to_owned(),
                Role::Workload => ou_id(&format!("Workloads/{}/{}", account.ou, account.ou_leaf)),
                _ => ou_id(&format!("Shared Platform/{}", account.ou_leaf)),
            };
            let day = days_from_civil(2021, 3, 9) + index.min(700) as i64 * 2;
            json!({
                "Id": account.id,
                "Arn": format!("arn:aws:organizations::{PAYER_ID}:account/{organization_id}/{}", account.id),
                "Email": format!("aws+{}@meridian-health.example", account.name),
                "Name": account.name,
                "State": if account.closed { "SUSPENDED" } else { "ACTIVE" },
                "JoinedMethod": if index == 0 { "INVITED" } else { "CREATED" },
                "JoinedTimestamp": instant(day * 86_400_000 + 52_200_000),
                "ParentId": parent,
            })
        })
        .collect();
    let root_arn = format!("arn:aws:organizations::{PAYER_ID}:root/{organization_id}/{root}");
    json!({
        "Roots": [{"Id": root, "Arn": root_arn, "Name": "Root"}],
        "OrganizationalUnits": units,
        "Accounts": list,
    })
}

/// `truth/units.csv`: the cost centers, their names and business units.
pub fn units_csv() -> String {
    let mut text = String::from("cost_center,name,business_unit\n");
    for unit in &UNITS {
        let _ = writeln!(text, "{},{},{}", unit.id, unit.name, unit.business_unit);
    }
    text
}

/// `drivers/<period>/headcount.csv`: people by unit, growing slowly.
pub fn headcount_csv(months_back: u32) -> String {
    let mut text = String::from("target,value\n");
    for unit in &UNITS {
        let people = unit.headcount - unit.headcount * months_back.min(24) / 96;
        let _ = writeln!(text, "{},{people}", unit.id);
    }
    text
}

/// `drivers/<period>/network_gb.csv`: gigabytes through the network hub by unit.
pub fn network_csv(period: Period, months_back: u32, seed: u64) -> String {
    let key = purpose(seed, &format!("network {period}"));
    let mut text = String::from("target,value\n");
    for (index, unit) in UNITS.iter().enumerate() {
        let base = u64::from(unit.weight) * 640 * u64::from(100 - months_back.min(24) * 2) / 100;
        let gigabytes = base * (850 + mix(key, index as u64) % 301) / 1000;
        let _ = writeln!(text, "{},{gigabytes}.{}", unit.id, mix(key, 99 + index as u64) % 10);
    }
    text
}
