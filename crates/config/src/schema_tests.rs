//! The published schemas say what the reader accepts: the same keys, and the sample configuration.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::raw::{
    AnomaliesTable, CloseTable, DimensionTable, FallbackTable, HygieneAccount, HygieneFile, KeysTable, MailFile,
    OrganizationTable, OverrideTable, PoolTable, RuleTable, RulesFile, RunTable, SpecialTable, TaxonomyFile, UnitTable,
    UnitsFile, WhenTable,
};
use apportion_core::model::SPECIAL;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config")
}

fn schema(name: &str) -> Value {
    let path = root().join(format!("schema/{name}.schema.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The keys that serde knows: those that it lists when it meets one that it does not.
fn keys_of<T: DeserializeOwned>() -> BTreeSet<String> {
    let Err(error) = toml::from_str::<T>("no_such_key = 1") else { panic!("an unknown key was accepted") };
    let message = error.message().to_owned();
    message.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

fn properties(schema: &Value, pointer: &str) -> BTreeSet<String> {
    let table = schema.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    assert_eq!(table["additionalProperties"], false, "{pointer}");
    table["properties"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn schemas_and_reader_know_the_same_keys() {
    let (taxonomy, units, rules) = (schema("taxonomy"), schema("units"), schema("rules"));
    let (hygiene, mail) = (schema("hygiene"), schema("mail"));
    for (schema, pointer, keys) in [
        (&taxonomy, "", keys_of::<TaxonomyFile>()),
        (&taxonomy, "/$defs/dimension", keys_of::<DimensionTable>()),
        (&taxonomy, "/$defs/keys", keys_of::<KeysTable>()),
        (&units, "", keys_of::<UnitsFile>()),
        (&units, "/$defs/unit", keys_of::<UnitTable>()),
        (&hygiene, "", keys_of::<HygieneFile>()),
        (&hygiene, "/$defs/account", keys_of::<HygieneAccount>()),
        (&hygiene, "/$defs/keys", keys_of::<KeysTable>()),
        (&rules, "", keys_of::<RulesFile>()),
        (&rules, "/$defs/close", keys_of::<CloseTable>()),
        (&rules, "/$defs/organization", keys_of::<OrganizationTable>()),
        (&rules, "/$defs/rule", keys_of::<RuleTable>()),
        (&rules, "/$defs/rule/properties/when", keys_of::<WhenTable>()),
        (&rules, "/$defs/special", keys_of::<SpecialTable>()),
        (&rules, "/$defs/pool", keys_of::<PoolTable>()),
        (&rules, "/$defs/fallback", keys_of::<FallbackTable>()),
        (&mail, "", keys_of::<MailFile>()),
        (&mail, "/$defs/run", keys_of::<RunTable>()),
        (&mail, "/$defs/anomalies", keys_of::<AnomaliesTable>()),
        (&mail, "/$defs/override", keys_of::<OverrideTable>()),
    ] {
        assert_eq!(properties(schema, pointer), keys, "{pointer}");
    }
    let special: BTreeSet<String> = SPECIAL.iter().map(|component| component.as_str().to_owned()).collect();
    assert_eq!(properties(&rules, "/properties/special"), special);
}

#[test]
fn the_sample_configuration_is_valid_by_the_schemas() {
    for name in ["taxonomy", "units", "rules", "hygiene", "mail"] {
        let text = std::fs::read_to_string(root().join(format!("{name}.toml"))).unwrap();
        let value: Value = toml::from_str(&text).unwrap();
        let schema = schema(name);
        assert_eq!(faults(&schema, &schema, &value, name), Vec::<String>::new());
    }
}

#[test]
fn the_schemas_refuse_what_the_reader_refuses() {
    let rules = schema("rules");
    let text = std::fs::read_to_string(root().join("rules.toml")).unwrap();
    for (from, to) in [
        ("version = 1", "version = 2"),
        ("currency = \"USD\"", "curency = \"USD\""),
        ("key = \"headcount\"", "key = \"heads\""),
        ("method = \"follow\"", "method = \"chase\""),
        ("targets = \"all\"", "targets = \"everyone\""),
        ("fallback = \"headcount\"", "fallback = \"proportional\""),
        ("[special.tax]", "[special.taxes]"),
    ] {
        assert!(text.contains(from), "{from}");
        let value: Value = toml::from_str(&text.replace(from, to)).unwrap();
        assert_ne!(faults(&rules, &rules, &value, "rules"), Vec::<String>::new(), "{to}");
    }
}

/// The part of JSON Schema that these schemas use, but `pattern`, `default` and lengths.
fn faults(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return faults(root, root.pointer(reference.trim_start_matches('#')).unwrap(), value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fitting = choices.iter().filter(|choice| faults(root, choice, value, at).is_empty()).count();
        return if fitting == 1 { Vec::new() } else { vec![format!("{at}: fits {fitting} of the choices")] };
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |name: &&str| match *name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "boolean" => value.is_boolean(),
        other => panic!("unknown type {other}"),
    };
    let mut found = Vec::new();
    if !types.is_empty() && !types.iter().any(is) {
        found.push(format!("{at}: is not {types:?}"));
    }
    if schema.get("const").is_some_and(|constant| constant != value) {
        found.push(format!("{at}: is not the constant"));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        found.push(format!("{at}: is none of the words"));
    }
    if let Some(object) = value.as_object() {
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(key) {
                found.push(format!("{at}: lacks {key}"));
            }
        }
        for (key, inner) in object {
            let place = format!("{at}.{key}");
            match (schema["properties"].get(key), &schema["additionalProperties"]) {
                (Some(property), _) => found.extend(faults(root, property, inner, &place)),
                (None, Value::Bool(false)) => found.push(format!("{place}: is unknown")),
                (None, other @ Value::Object(_)) => found.extend(faults(root, other, inner, &place)),
                _ => {}
            }
        }
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(items) = schema.get("items") {
            found.extend(faults(root, items, inner, &format!("{at}[{index}]")));
        }
    }
    found
}
