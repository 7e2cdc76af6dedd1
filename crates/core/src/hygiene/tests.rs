//! Shares, near misses and tickets: by hand, and laws.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::bill::{Kind, Measure};
use crate::model::{Configuration, Settings as CloseSettings, Unit};
use crate::org::OrgSnapshot;
use proptest::prelude::*;

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn dimension(name: &str, mandatory: bool, canonical: &[&str], aliases: &[(&str, &str)]) -> Dimension {
    Dimension {
        name: name.into(),
        mandatory,
        aliases: BTreeMap::from([(TagColumn::FocusTags, vec![name.to_owned()])]),
        fold_case: true,
        canonical: canonical.iter().map(|value| (*value).to_owned()).collect(),
        value_aliases: aliases.iter().map(|(spelling, value)| ((*spelling).to_owned(), (*value).to_owned())).collect(),
    }
}

fn configuration() -> Configuration {
    let unit = |id: &str| Unit { id: id.into(), name: id.into(), business_unit: "BU".into(), owners: vec![] };
    Configuration {
        taxonomy: Taxonomy {
            owner: "cost_center".into(),
            dimensions: vec![
                dimension("cost_center", true, &["CC-1010", "CC-1020", "Claims Intake"], &[]),
                dimension("environment", true, &["prod", "nonprod"], &[("production", "prod")]),
                dimension("team", false, &[], &[]),
            ],
        },
        units: ["CC-1010", "CC-1020", "Claims Intake"].map(unit).into(),
        line_rules: vec![],
        special: BTreeMap::new(),
        pools: vec![],
        drivers: BTreeMap::new(),
        settings: CloseSettings {
            currency: "USD".into(),
            each_currency: false,
            tolerance: None,
            tax_tolerance: None,
            organization: Default::default(),
        },
    }
}

fn row(kind: Kind, account: &str, tags: [&str; 2], amount: Money) -> CoverageRow {
    CoverageRow {
        provider: "AWS".into(),
        issuer: String::new(),
        account_id: account.into(),
        service: "AmazonEC2".into(),
        kind,
        charge_type: "Usage".into(),
        currency: "USD".into(),
        has_resource: true,
        tags: tags.map(crate::text::Text::from).into(),
        account_name: String::new(),
        effective: Measure { unblended: amount, net: amount },
        rows: 1,
        net_rows: 0,
    }
}

fn run(rows: &[CoverageRow], settings: &Settings) -> Findings {
    findings("2026-09-14".parse().unwrap(), rows, &configuration(), settings, &OrgSnapshot::default())
}

fn near(value: &str) -> Option<String> {
    let values = vec![TagValue { value: value.into(), magnitude: money("1"), rows: 1 }];
    let key = TagKey { column: TagColumn::FocusTags, key: "cost_center".into(), magnitude: money("1"), values };
    let mut found = run(&[], &Settings::default());
    study(&mut found, &TagKeys { keys: vec![key], columns: [TagColumn::FocusTags].into() }, &configuration());
    found.near_misses.pop().map(|near| near.suggested)
}

#[test]
fn slips_of_letters_are_suggested_and_other_numbers_are_not() {
    for (value, suggested) in [
        ("CC1010", Some("CC-1010")),
        ("cc-1O1O", Some("CC-1010")),
        ("CCC-1010", Some("CC-1010")),
        ("cc_1020 ", Some("CC-1020")),
        ("claims-intake", Some("Claims Intake")),
        ("claims intkae", Some("Claims Intake")),
        ("Claims Intakes!", Some("Claims Intake")),
        ("claims", None),
        ("CC-1030", None),
        ("CC-1001", None),
        ("CC-10100", None),
        ("TBD", None),
        ("CC-1010", None),
        ("=cmd()", None),
        ("\u{202e}", None),
    ] {
        assert_eq!(near(value).as_deref(), suggested, "{value}");
    }
}

#[test]
fn the_threshold_is_exact() {
    let rows =
        |untagged: &str| [row(Kind::Usage, "1", ["CC-1010", ""], money("95")), row(Kind::Usage, "1", ["", ""], money(untagged))];
    let above = |untagged: &str| run(&rows(untagged), &Settings::default()).accounts[0].above;
    // 5 of 100 is not more than 5 %; one unit of 1e-12 more is.
    assert_eq!([above("5"), above("5.000000000001"), above("0")], [false, true, false]);
    let negative = run(&[row(Kind::Usage, "1", ["", ""], money("-5"))], &Settings::default());
    assert_eq!((negative.accounts[0].above, negative.accounts[0].share), (false, 0), "a correction is no debt");
}

#[test]
fn what_cannot_carry_a_tag_does_not_count_against_anybody() {
    let mut rows: Vec<CoverageRow> = Kind::ALL.map(|kind| row(kind, "1", ["", ""], money("1"))).into();
    rows.push(CoverageRow { has_resource: false, ..row(Kind::Usage, "1", ["", ""], money("1")) });
    rows.push(CoverageRow { charge_type: "Fee".into(), ..row(Kind::Usage, "1", ["", ""], money("1")) });
    rows.push(CoverageRow { service: "AWSCloudTrail".into(), ..row(Kind::Usage, "1", ["", ""], money("1")) });
    let settings = Settings { untaggable_services: ["AWSCloudTrail".to_owned()].into(), ..Settings::default() };
    let found = run(&rows, &settings);
    // Usage, covered usage and Marketplace are taggable; tax, credit and refund are not even spend.
    assert_eq!((found.totals["USD"].taggable, found.totals["USD"].spend), (money("3"), money("14")));
    let nameless: Vec<CoverageRow> = vec![CoverageRow { has_resource: false, ..row(Kind::Usage, "1", ["", ""], money("1")) }];
    assert_eq!(run(&nameless, &settings).totals["USD"].taggable, money("1"), "a bill without resource ids is judged by kind");
}

#[test]
fn keys_that_look_like_a_dimension_are_named_and_those_of_aws_come_last() {
    let key = |name: &str, magnitude: &str| TagKey {
        column: TagColumn::FocusTags,
        key: name.into(),
        magnitude: money(magnitude),
        values: vec![],
    };
    let keys =
        vec![key("aws:createdBy", "900"), key("Cost Centre", "5"), key("CostCenter", "6"), key("colour", "7"), key("team", "8")];
    let mut found = run(&[], &Settings::default());
    study(&mut found, &TagKeys { keys, columns: [TagColumn::FocusTags].into() }, &configuration());
    let unmapped: Vec<(&str, Option<&str>)> =
        found.unmapped_keys.iter().map(|key| (key.key.as_str(), key.looks_like.as_deref())).collect();
    let costs = Some("cost_center");
    // `centre` is `center` with two neighbours swapped: one edit.
    assert_eq!(unmapped, [("colour", None), ("CostCenter", costs), ("Cost Centre", costs), ("aws:createdBy", None)]);
    let missing: Vec<(&str, bool)> = found.missing_keys.iter().map(|one| (one.dimension.as_str(), one.all)).collect();
    assert_eq!(missing, [("cost_center", true), ("environment", true)]);
}

fn any_row() -> impl Strategy<Value = CoverageRow> {
    let owner = prop::sample::select(vec!["CC-1010", "cc-1020", "", "nobody"]);
    let environment = prop::sample::select(vec!["prod", "", "x"]);
    let account = prop::sample::select(vec!["1", "2", ""]);
    (owner, environment, account, prop::sample::select(Kind::ALL.to_vec()), -1_000_000i64..1_000_000, any::<bool>()).prop_map(
        |(owner, environment, account, kind, amount, has_resource)| {
            let amount = Money::from_minor(amount.into(), 2);
            CoverageRow { has_resource, ..row(kind, account, [owner, environment], amount) }
        },
    )
}

proptest! {
    #[test]
    fn accounts_and_services_add_up_and_order_does_not_matter(
        (rows, shuffled) in prop::collection::vec(any_row(), 0..30).prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))
    ) {
        let found = run(&rows, &Settings::default());
        prop_assert_eq!(&found, &run(&shuffled, &Settings::default()));
        let total = found.totals.get("USD").cloned().unwrap_or_default();
        for pick in [|one: &Amounts| one.spend, |one: &Amounts| one.taggable, |one: &Amounts| one.unowned()] {
            prop_assert_eq!(found.accounts.iter().map(|one| pick(&one.amounts)).sum::<Money>(), pick(&total));
            prop_assert_eq!(found.services.iter().map(|one| pick(&one.amounts)).sum::<Money>(), pick(&total));
        }
        prop_assert_eq!(
            total.covered.get("cost_center").copied().unwrap_or_default() + total.untagged,
            total.taggable,
            "what has no value of the owning dimension is untagged"
        );
    }

    /// Whatever the shares of a month are, runs in order and run again: at most one ticket is open, each is closed once, and what is
    /// open is above.
    #[test]
    fn an_account_has_one_ticket_while_it_lasts(shares in prop::collection::vec((any::<bool>(), 1usize..3), 1..30)) {
        let settings = Settings { minimum_amount: Money::ZERO, ..Settings::default() };
        let mut last: Option<Ticket> = None;
        let mut was_above = false;
        for (index, (is_above, runs)) in shares.into_iter().enumerate() {
            let date = "2026-09-01".parse::<Day>().unwrap().plus(i64::try_from(index).unwrap()).unwrap();
            let amount = if is_above { money("50") } else { money("1") };
            let rows = [row(Kind::Usage, "1", ["CC-1010", ""], money("99")), row(Kind::Usage, "1", ["", ""], amount)];
            let found = run(&rows, &settings);
            for number in 0..runs {
                let change = next_ticket(date, last.as_ref(), found.accounts.first(), "", &settings);
                let expected = match (number, was_above, is_above) {
                    (0, false, true) => Some(ChangeKind::Opened),
                    (0, true, true) => Some(ChangeKind::Updated),
                    (0, true, false) => Some(ChangeKind::Closed),
                    (0, false, false) => None,
                    // A rerun of a day on which there was nothing says nothing either, and any other is quiet.
                    _ => None,
                };
                prop_assert_eq!(change.as_ref().map(|change| change.kind), expected);
                if let Some(change) = change {
                    last = Some(change.ticket);
                }
            }
            was_above = is_above;
            prop_assert_eq!(last.as_ref().is_some_and(|ticket| ticket.state == TicketState::Open), is_above);
        }
    }
}
