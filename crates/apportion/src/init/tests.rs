#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::files;
use apportion_config::load_files;
use apportion_core::model::{Configuration, Owner};
use apportion_core::money::Money;
use apportion_core::tags::TagColumn;
use apportion_engine::profile::{AccountProfile, BillProfile, TagKeyProfile, TagValueProfile};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn dollars(amount: i128) -> Money {
    Money::from_minor(amount * 100, 2)
}

fn key(column: TagColumn, name: &str, values: &[(&str, i128)]) -> TagKeyProfile {
    TagKeyProfile {
        column,
        key: name.to_owned(),
        magnitude: values.iter().map(|(_, amount)| dollars(*amount)).sum(),
        values: values
            .iter()
            .map(|(value, amount)| TagValueProfile { value: (*value).to_owned(), magnitude: dollars(*amount), rows: 1 })
            .collect(),
        values_left_out: 0,
    }
}

fn profile(accounts: &[(&str, &str)], tag_keys: Vec<TagKeyProfile>) -> BillProfile {
    BillProfile {
        format: "cur2".to_owned(),
        period: "2026-09".parse().unwrap(),
        currencies: vec![("USD".to_owned(), dollars(1000))],
        magnitude: dollars(1000),
        accounts: accounts
            .iter()
            .map(|(id, name)| AccountProfile { id: (*id).to_owned(), name: (*name).to_owned(), magnitude: dollars(10) })
            .collect(),
        tag_keys,
    }
}

fn load(profile: &BillProfile) -> Configuration {
    let files: BTreeMap<String, Vec<u8>> = files(profile).into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    match load_files(&files, profile.period) {
        Ok(loaded) => loaded.configuration,
        Err(error) => {
            let named = error.to_string();
            let file = named.split(':').next().unwrap_or_default();
            panic!("{error}\n{}", String::from_utf8_lossy(files.get(file).map_or(&[], |bytes| bytes)));
        }
    }
}

/// The unit that a raw tag value means.
fn unit_of(configuration: &Configuration, raw: &str) -> Option<String> {
    let owner = &configuration.taxonomy.dimensions[configuration.taxonomy.owner_index().unwrap()];
    let value = owner.canonical_value(raw)?;
    configuration.units.iter().find(|unit| owner.fold(&unit.id) == owner.fold(&value)).map(|unit| unit.id.clone())
}

#[test]
fn the_values_of_the_cost_center_tag_become_units() {
    let tags = vec![
        key(TagColumn::Cur2ResourceTags, "user_cost_center", &[("CC-1010", 300), ("cc-1010", 20), (" CC-1020 ", 100), ("", 5)]),
        key(TagColumn::Cur2ResourceTags, "user_costcenter", &[("CC-1030", 50)]),
        key(TagColumn::Cur2ResourceTags, "user_team", &[("claims", 600)]),
        key(TagColumn::Cur2ResourceTags, "user_env", &[("prod", 900), ("Prod\u{202e}\n", 10)]),
        key(TagColumn::Cur2ResourceTags, "user_name", &[("web-1", 900)]),
    ];
    let configuration = load(&profile(&[("100000000001", "payer")], tags));
    assert_eq!(configuration.taxonomy.owner, "cost_center");
    let ids: Vec<&str> = configuration.units.iter().map(|unit| unit.id.as_str()).collect();
    assert_eq!(ids, ["CC-1010", "CC-1020", "CC-1030"]);
    assert_eq!(unit_of(&configuration, "cc-1020").as_deref(), Some("CC-1020"));
    let owner = &configuration.taxonomy.dimensions[0];
    assert_eq!(owner.aliases[&TagColumn::Cur2ResourceTags], ["user_cost_center", "user_costcenter"]);
    assert!(configuration.line_rules.is_empty());
    assert_eq!(configuration.pools.len(), 1);
    assert_eq!(configuration.special.len(), 12);
}

#[test]
fn a_tag_that_covers_far_more_wins_over_a_preferred_name() {
    let tags = vec![
        key(TagColumn::FocusTags, "CostCenter", &[("1010", 30)]),
        key(TagColumn::FocusTags, "Team", &[("claims", 700)]),
        key(TagColumn::FocusTags, "environment", &[("prod", 990)]),
    ];
    assert_eq!(load(&profile(&[], tags)).taxonomy.owner, "team");
}

#[test]
fn without_an_owning_tag_each_account_is_a_unit() {
    let tags = vec![
        key(TagColumn::Cur2ResourceTags, "user_env", &[("prod", 900)]),
        key(TagColumn::Cur2ResourceTags, "user_team", &[("x", 1)]),
    ];
    let configuration = load(&profile(&[("100000000001", "payer"), ("100000000002", "payer"), ("", "")], tags));
    assert_eq!(configuration.units.len(), 2);
    assert_eq!(configuration.line_rules.len(), 2);
    assert_eq!(configuration.line_rules[1].to, Owner::Unit("100000000002".to_owned()));
    assert_eq!(configuration.units[1].name, "payer (100000000002)");
}

#[test]
fn a_bill_without_accounts_has_one_unit() {
    let configuration = load(&profile(&[], Vec::new()));
    assert_eq!(configuration.units.len(), 1);
    assert_eq!(configuration.pools[0].id, "untagged");
}

#[test]
fn several_currencies_are_closed_one_by_one() {
    let mut bill = profile(&[("1", "")], Vec::new());
    bill.currencies = vec![("credits".to_owned(), dollars(9)), ("EUR".to_owned(), dollars(5)), ("USD".to_owned(), dollars(1))];
    let settings = load(&bill).settings;
    assert_eq!((settings.currency.as_str(), settings.each_currency), ("EUR", true));
}

#[test]
fn hostile_values_each_find_their_unit() {
    let long = "x".repeat(256);
    let values = [
        "=cmd|' /C calc'!A0",
        "a\"b",
        "a\\b",
        "two\nlines",
        "\u{202e}gpj.exe",
        "\u{0}nul",
        "__untagged__",
        "pool:network",
        "C",
        "C++",
        "C#",
        "a-b",
        "a_b",
        "a b",
        "a.b",
        "a/b",
        "../../etc/passwd",
        "..",
        ".",
        "-",
        "+1",
        "@x",
        "\u{ff23}\u{ff23}-1",
        "CC-1",
        "Équipe",
        "équipe ",
        "部門",
        "\u{1f680}",
        "P\u{430}yroll",
        "Payroll",
        "\u{feff}",
        "everyone",
        "#{read()}",
        "'; drop table bill; --",
        long.as_str(),
        "İstanbul",
        "ﬁ",
    ];
    let tags = vec![key(TagColumn::FocusTags, "cost\"center\n", &values.map(|value| (value, 25)))];
    let mut bill = profile(&[("100000000001", "=cmd()")], tags);
    bill.tag_keys.push(key(TagColumn::FocusTags, "]\n[evil]\nx = 1", &[("v", 1)]));
    let configuration = load(&bill);
    let found: Vec<Option<String>> = values.iter().map(|value| unit_of(&configuration, value)).collect();
    assert!(found.iter().all(Option::is_some), "{found:?}");
    // `Équipe` and `équipe ` are one; everything else stays apart.
    let distinct: std::collections::BTreeSet<&Option<String>> = found.iter().collect();
    assert_eq!(distinct.len(), values.len() - 1);
    for unit in &configuration.units {
        assert!(unit.id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')), "{}", unit.id);
    }
}

#[test]
fn five_thousand_accounts_make_five_thousand_units() {
    let accounts: Vec<(String, String)> = (0..5000).map(|n| (format!("{n:012}"), format!("account {}", n % 7))).collect();
    let accounts: Vec<(&str, &str)> = accounts.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
    assert_eq!(load(&profile(&accounts, Vec::new())).units.len(), 5000);
}

fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-cA-C1_. /-]{0,5}",
        "[\"'\\\\\n\r\t=+@#\\[\\]{}\u{202e}\u{200f}\u{0}é]{0,8}",
        "[xX]{250,256}",
        Just("=cmd()".to_owned()),
        Just(String::new()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_the_bill_holds_the_configuration_loads(
        accounts in proptest::collection::vec((hostile_text(), hostile_text()), 0..6),
        keys in proptest::collection::vec((0..4usize, prop_oneof![hostile_text(), Just("user_cost_center".to_owned()), Just("CostCenter".to_owned()), Just("team".to_owned())], proptest::collection::vec(hostile_text(), 0..12)), 0..5),
        currencies in proptest::collection::vec("[A-Z]{3}|\\PC{0,4}", 0..3),
    ) {
        let columns = [TagColumn::Cur2ResourceTags, TagColumn::Cur2Tags, TagColumn::Cur2CostCategory, TagColumn::FocusTags];
        let mut seen = std::collections::BTreeSet::new();
        let tags: Vec<TagKeyProfile> = keys
            .iter()
            .filter(|(column, name, _)| !name.is_empty() && seen.insert((*column, name.clone())))
            .map(|(column, name, values)| {
                let values: Vec<(&str, i128)> = values.iter().map(|value| (value.as_str(), 100)).collect();
                key(columns[*column], name, &values)
            })
            .collect();
        let accounts: Vec<(&str, &str)> = accounts.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
        let mut bill = profile(&accounts, tags);
        bill.currencies = currencies.into_iter().map(|code| (code, dollars(1))).collect();
        let configuration = load(&bill);
        prop_assert!(!configuration.units.is_empty());
        prop_assert_eq!(files(&bill), files(&bill));
    }
}
