//! The files as they are written: one struct per table, every value with its place.
//!
//! Only shape is decided here; what the values mean is decided in the module of each file.

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

pub type Text = Spanned<String>;
pub type Texts = Spanned<Vec<Text>>;
pub type Table<T> = BTreeMap<Text, T>;

/// `taxonomy.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxonomyFile {
    #[serde(rename = "version")]
    pub _version: i64,
    pub owner: Text,
    #[serde(default)]
    pub dimension: Vec<Spanned<DimensionTable>>,
}

/// `[[dimension]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DimensionTable {
    pub name: Text,
    #[serde(default)]
    pub mandatory: bool,
    pub fold_case: bool,
    pub keys: Spanned<KeysTable>,
    #[serde(default)]
    pub values: Table<Vec<Text>>,
}

/// `[dimension.keys]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysTable {
    #[serde(default)]
    pub cur2_resource_tags: Vec<Text>,
    #[serde(default)]
    pub cur2_tags: Vec<Text>,
    #[serde(default)]
    pub cur2_cost_category: Vec<Text>,
    #[serde(default)]
    pub focus_tags: Vec<Text>,
}

/// `units.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitsFile {
    #[serde(rename = "version")]
    pub _version: i64,
    #[serde(default)]
    pub unit: Vec<Spanned<UnitTable>>,
}

/// `[[unit]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitTable {
    pub id: Text,
    pub name: Text,
    pub business_unit: Text,
    #[serde(default)]
    pub owners: Vec<Text>,
    #[serde(default)]
    pub also: Vec<Text>,
}

/// `hygiene.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HygieneFile {
    #[serde(rename = "version")]
    pub _version: i64,
    pub window_days: Option<Spanned<i64>>,
    pub threshold_percent: Option<Text>,
    pub minimum_amount: Option<Text>,
    pub due_days: Option<Spanned<i64>>,
    pub assignment_group: Option<Text>,
    pub owner: Option<Text>,
    #[serde(default)]
    pub untaggable_services: Vec<Text>,
    pub name_keys: Option<Spanned<KeysTable>>,
    pub parent_keys: Option<Spanned<KeysTable>>,
    pub minimum_confidence_percent: Option<Text>,
    #[serde(default)]
    pub account: Vec<Spanned<HygieneAccount>>,
}

/// `[[account]]` of `hygiene.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HygieneAccount {
    pub id: Text,
    pub threshold_percent: Option<Text>,
    pub owner: Option<Text>,
}

/// `rules.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesFile {
    #[serde(rename = "version")]
    pub _version: i64,
    pub close: Spanned<CloseTable>,
    pub organization: Option<Spanned<OrganizationTable>>,
    #[serde(default)]
    pub drivers: Table<Text>,
    #[serde(default)]
    pub rule: Vec<Spanned<RuleTable>>,
    #[serde(default)]
    pub special: Option<Spanned<Table<Spanned<SpecialTable>>>>,
    #[serde(default)]
    pub pool: Vec<Spanned<PoolTable>>,
}

/// `[close]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseTable {
    pub currency: Text,
    pub currencies: Option<Text>,
    pub tolerance: Option<Text>,
    pub tax_tolerance: Option<Text>,
}

/// `[[rule]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTable {
    pub id: Text,
    pub assign: Text,
    pub when: Spanned<WhenTable>,
    pub from: Option<Text>,
    pub to: Option<Text>,
}

/// `when = { … }` of a rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhenTable {
    pub accounts: Option<Texts>,
    pub ou_paths: Option<Texts>,
    pub services: Option<Texts>,
    pub charge_types: Option<Texts>,
    pub components: Option<Texts>,
    pub providers: Option<Texts>,
    pub issuers: Option<Texts>,
    #[serde(default)]
    pub tags: Table<Texts>,
}

/// `[organization]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationTable {
    pub as_of: Text,
}

/// `[special.<component>]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecialTable {
    pub method: Text,
    pub assign: Option<Text>,
    pub fallback: Option<Text>,
}

/// `[[pool]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolTable {
    pub id: Text,
    pub name: Text,
    pub key: Text,
    pub base: Option<Text>,
    pub driver: Option<Text>,
    pub percents: Option<Spanned<Table<Spanned<Number>>>>,
    pub weights: Option<Spanned<Table<Spanned<Number>>>>,
    pub targets: Option<Spanned<TargetsValue>>,
    pub business_units: Option<Texts>,
    #[serde(default)]
    pub exclude: Vec<Text>,
    pub minimum: Option<Text>,
    pub cap: Option<Text>,
    #[serde(default)]
    pub minimums: Table<Text>,
    #[serde(default)]
    pub caps: Table<Text>,
    pub fallback: Option<Spanned<FallbackValue>>,
    pub from: Option<Text>,
    pub to: Option<Text>,
}

/// `mail.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailFile {
    #[serde(rename = "version")]
    pub _version: i64,
    pub sender: Text,
    pub sender_name: Option<Text>,
    pub recipients: Texts,
    pub close_recipients: Option<Texts>,
    pub allowed_domains: Texts,
    pub subject: Option<Text>,
    pub attachment_limit_bytes: Option<Spanned<i64>>,
    pub archive_url: Option<Text>,
    pub run: Option<Spanned<RunTable>>,
    pub anomalies: Option<Spanned<AnomaliesTable>>,
}

/// `[run]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunTable {
    pub deadline_minutes: Option<Spanned<i64>>,
    pub organization_days: Option<Spanned<i64>>,
}

/// `[anomalies]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnomaliesTable {
    pub sigma: Option<Text>,
    pub minimum: Option<Text>,
    pub least_days: Option<Spanned<i64>>,
    #[serde(default)]
    pub r#override: Vec<Spanned<OverrideTable>>,
}

/// `[[anomalies.override]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideTable {
    pub unit: Option<Text>,
    pub service: Option<Text>,
    pub resource: Option<Text>,
    pub sigma: Option<Text>,
    pub minimum: Option<Text>,
    pub ignore: Option<bool>,
}

/// A decimal written as an integer or as text; never as a TOML float, which is not exact.
#[derive(Debug, Clone)]
pub struct Number(pub String);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or a decimal in quotes such as \"33.5\"")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value.to_string()))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Number, E> {
                Ok(Number(value.to_owned()))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

/// `targets = "all"`, or a list of unit ids and `pool:ID`.
#[derive(Debug)]
pub enum TargetsValue {
    Word(String),
    List(Vec<Text>),
}

impl<'de> Deserialize<'de> for TargetsValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TargetsVisitor;
        impl<'de> Visitor<'de> for TargetsVisitor {
            type Value = TargetsValue;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\", or a list such as [\"CC-1010\", \"pool:network\"]")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<TargetsValue, E> {
                Ok(TargetsValue::Word(value.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<TargetsValue, A::Error> {
                let mut targets = Vec::new();
                while let Some(target) = list.next_element()? {
                    targets.push(target);
                }
                Ok(TargetsValue::List(targets))
            }
        }
        deserializer.deserialize_any(TargetsVisitor)
    }
}

/// `fallback = "even"`, or a table with a key of its own.
#[derive(Debug)]
pub enum FallbackValue {
    Word(String),
    Table(Box<FallbackTable>),
}

/// `[pool.fallback]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FallbackTable {
    pub key: Text,
    pub driver: Option<Text>,
    pub percents: Option<Spanned<Table<Spanned<Number>>>>,
    pub weights: Option<Spanned<Table<Spanned<Number>>>>,
}

impl<'de> Deserialize<'de> for FallbackValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FallbackVisitor;
        impl<'de> Visitor<'de> for FallbackVisitor {
            type Value = FallbackValue;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key such as \"even\", or a table such as { key = \"usage\", driver = \"network_gb\" }")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<FallbackValue, E> {
                Ok(FallbackValue::Word(value.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FallbackValue, A::Error> {
                let table = FallbackTable::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(FallbackValue::Table(Box::new(table)))
            }
        }
        deserializer.deserialize_any(FallbackVisitor)
    }
}
