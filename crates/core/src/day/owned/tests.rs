//! Owners of days: expected amounts are hand arithmetic, and the close itself.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::allocate::{Inputs, allocate};
use crate::bill::{Measure, RollupRow};
use crate::day::family;
use crate::model::{Base, Effective, Key, LineRule, Match, Pool, SPECIAL, Settings, SpecialRule, Targets, Unit};
use crate::org::{Account, Organization, OrganizationalUnit};
use crate::reconcile::{Comparison, controls};
use crate::tags::Dimension;
use crate::text::Text;
use proptest::prelude::*;

pub fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn both(text: &str) -> Measure {
    Measure { unblended: money(text), net: money(text) }
}

/// Usage of 2026-09 on a day, tagged with a cost center and nothing else.
pub fn day_row(day: &str, cost_center: &str, amount: &str) -> DayRow {
    DayRow {
        billing_period: "2026-09".into(),
        day: day.into(),
        provider: "AWS".into(),
        issuer: "Amazon Web Services, Inc.".into(),
        billing_account_id: "100000000001".into(),
        account_id: "100000000009".into(),
        service: "AmazonEC2".into(),
        kind: Kind::Usage,
        charge_type: "Usage".into(),
        currency: "USD".into(),
        resource_id: Default::default(),
        tags: vec![cost_center.into()],
        account_name: "acct".into(),
        cash: both(amount),
        effective: both(amount),
        rows: 1,
        net_rows: 0,
    }
}

fn of_kind(kind: Kind, cost_center: &str, amount: &str) -> DayRow {
    DayRow { kind, charge_type: kind.as_str().into(), ..day_row("2026-09-14", cost_center, amount) }
}

fn dimension(name: &str) -> Dimension {
    Dimension {
        name: name.into(),
        mandatory: true,
        aliases: BTreeMap::new(),
        fold_case: true,
        canonical: vec![],
        value_aliases: BTreeMap::new(),
    }
}

/// Units A and B; discounts and tax follow, support and what is unused go to pools, the rest is looked for.
fn configuration() -> Configuration {
    let special = SPECIAL.map(|component| {
        let method = match component {
            Component::Discount | Component::Tax | Component::Commitment => Method::Follow,
            Component::Support => Method::To(Owner::Pool("support".into())),
            Component::Unused => Method::To(Owner::Unit("B".into())),
            _ => Method::Owner,
        };
        (component, SpecialRule { method, fallback: Owner::Pool("fallback".into()) })
    });
    let unit = |id: &str| Unit { id: id.into(), name: id.into(), business_unit: "BU".into(), owners: vec![] };
    let pool = |id: &str| Pool {
        id: id.into(),
        name: id.into(),
        key: Key::Proportional { base: Base::EffectiveDirect },
        targets: Targets::All,
        exclude: Default::default(),
        minimum: None,
        cap: None,
        minimums: Default::default(),
        caps: Default::default(),
        fallback: Key::Even,
        effective: Effective::default(),
    };
    Configuration {
        taxonomy: Taxonomy { owner: "cost_center".into(), dimensions: vec![dimension("cost_center")] },
        units: vec![unit("A"), unit("B")],
        line_rules: vec![],
        special: special.into(),
        pools: ["support", "fallback", UNTAGGED].map(pool).into(),
        drivers: BTreeMap::new(),
        settings: Settings {
            currency: "USD".into(),
            each_currency: false,
            tolerance: None,
            tax_tolerance: None,
            organization: Default::default(),
        },
    }
}

fn rule(id: &str, when: Match, to: Owner) -> LineRule {
    LineRule { id: id.into(), when, to, effective: Effective::default() }
}

fn run(rows: &[DayRow], configuration: &Configuration) -> Vec<Owned> {
    owned(rows, configuration, &[], family(rows)).unwrap()
}

/// Owner, cash, effective, lines: in the order of the result.
fn short(owned: &[Owned]) -> Vec<(String, String, String, i64)> {
    let plain = |money: Money| money.to_string().trim_end_matches('0').trim_end_matches('.').to_owned();
    owned.iter().map(|one| (String::from(&one.owner), plain(one.cash), plain(one.effective), one.rows)).collect()
}

fn expect(found: &[Owned], expected: &[(&str, &str, &str, i64)]) {
    let mut found = short(found);
    let mut expected: Vec<_> = expected
        .iter()
        .map(|(owner, cash, effective, rows)| ((*owner).into(), (*cash).into(), (*effective).into(), *rows))
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_unit_untagged_and_a_value_that_names_no_unit() {
    let rows = [day_row("2026-09-14", " a ", "1.50"), day_row("2026-09-14", "", "2"), day_row("2026-09-14", "CC-9999", "3")];
    let found = run(&rows, &configuration());
    expect(&found, &[("A", "1.5", "1.5", 1), ("__untagged__", "2", "2", 1), ("__unknown__", "3", "3", 1)]);
    assert_eq!(found.iter().find(|one| one.owner == UNKNOWN).unwrap().owner_value, "cc-9999");
}

#[test]
fn line_rules_come_first_by_month_and_give_pools_their_name() {
    let mut configuration = configuration();
    let accounts = Match { accounts: ["100000000009".to_owned()].into(), ..Match::default() };
    let mut until_august = rule("old", accounts.clone(), Owner::Unit("B".into()));
    until_august.effective.to = Some("2026-08".parse().unwrap());
    configuration.line_rules = vec![until_august, rule("new", accounts, Owner::Pool("network".into()))];
    let mut august = day_row("2026-08-31", "A", "1");
    august.billing_period = "2026-08".into();
    expect(
        &run(&[august, day_row("2026-09-14", "A", "2")], &configuration),
        &[("B", "1", "1", 1), ("pool:network", "2", "2", 1)],
    );
}

#[test]
fn rules_on_tags_keep_their_dimension_and_the_rest_of_the_taxonomy_is_cut() {
    let mut configuration = configuration();
    configuration.taxonomy.dimensions = vec![dimension("team"), dimension("environment"), dimension("cost_center")];
    let sandbox = Match { tags: [("environment".to_owned(), ["sandbox".to_owned()].into())].into(), ..Match::default() };
    configuration.line_rules = vec![rule("sandbox", sandbox, Owner::Unit("B".into()))];
    let names: Vec<String> = ownership(&configuration).dimensions.into_iter().map(|dimension| dimension.name).collect();
    assert_eq!(names, ["environment", "cost_center"]);
    let row = |tags: [&str; 2]| DayRow { tags: tags.map(Text::from).into(), ..day_row("2026-09-14", "", "1") };
    expect(&run(&[row(["Sandbox", "A"]), row(["prod", "A"])], &configuration), &[("A", "1", "1", 1), ("B", "1", "1", 1)]);
}

/// 60 and 40 of charges share a discount of 10 as 6 and 4; another service's discount follows the account; one of another
/// account has nothing to follow.
#[test]
fn discounts_follow_the_charges_of_their_day() {
    let other_day = DayRow { day: "2026-09-15".into(), ..of_kind(Kind::Usage, "B", "900") };
    let of_service = |service: &str, amount: &str| DayRow { service: service.into(), ..of_kind(Kind::Discount, "", amount) };
    let elsewhere = DayRow { account_id: "100000000008".into(), ..of_kind(Kind::Discount, "", "-7") };
    let rows = [
        of_kind(Kind::Usage, "A", "60"),
        of_kind(Kind::Usage, "B", "40"),
        DayRow { service: "AmazonS3".into(), ..of_kind(Kind::Usage, "B", "100") },
        other_day,
        of_service("AmazonEC2", "-10"),
        of_service("AWSELB", "-2"),
        elsewhere,
    ];
    expect(
        &run(&rows, &configuration()),
        &[
            ("A", "60", "60", 1),
            ("B", "40", "40", 1),
            ("B", "100", "100", 1),
            ("B", "900", "900", 1),
            ("A", "-6", "-6", 1),
            ("B", "-4", "-4", 0),
            ("A", "-0.6", "-0.6", 1),
            ("B", "-1.4", "-1.4", 0),
            ("pool:fallback", "-7", "-7", 1),
        ],
    );
}

/// Covered usage of 30 and 10 is taken back in full from each; what the plan did not use belongs to whom the rule says.
#[test]
fn commitments_net_to_zero_in_cash_and_cost_what_was_used_and_unused() {
    let amounts = |row: DayRow, cash: &str, effective: &str| DayRow { cash: both(cash), effective: both(effective), ..row };
    let rows = [
        amounts(of_kind(Kind::Covered, "A", "0"), "30", "20"),
        amounts(of_kind(Kind::Covered, "", "0"), "10", "7"),
        amounts(of_kind(Kind::Negation, "", "0"), "-40", "0"),
        amounts(of_kind(Kind::CommitmentFee, "", "0"), "28", "1"),
    ];
    expect(
        &run(&rows, &configuration()),
        &[
            ("A", "30", "20", 1),
            ("__untagged__", "10", "7", 1),
            ("A", "-30", "0", 1),
            ("__untagged__", "-10", "0", 0),
            ("B", "28", "1", 1),
        ],
    );
}

fn snapshot(parent_of_account: &str, name: &str) -> OrgSnapshot {
    let unit =
        |id: &str, name: &str, parent: &str| OrganizationalUnit { id: id.into(), name: name.into(), parent_id: parent.into() };
    let account =
        Account { id: "100000000009".into(), name: String::new(), parent_id: parent_of_account.into(), state: "ACTIVE".into() };
    let units = vec![unit("ou-1", name, "r-1"), unit("ou-2", "=Second, \"B\"", "ou-1")];
    OrgSnapshot { root_ids: vec!["r-1".into()], units, accounts: vec![account] }.checked().unwrap()
}

#[test]
fn each_day_has_the_organization_that_held_on_it() {
    let organizations = [
        ("2026-09-02".parse().unwrap(), snapshot("ou-1", "First")),
        ("2026-09-10".parse().unwrap(), snapshot("ou-2", "First/renamed")),
        ("2026-09-20".parse().unwrap(), snapshot("r-1", "First")),
    ];
    let mut configuration = configuration();
    let under_first = Match { ou_paths: ["First".to_owned()].into(), ..Match::default() };
    configuration.line_rules = vec![rule("first", under_first, Owner::Unit("B".into()))];
    let mut stranger = day_row("2026-09-14", "A", "1");
    stranger.account_id = "100000000007".into();
    let mut rows: Vec<DayRow> =
        ["01", "02", "09", "10", "19", "20", "30"].map(|day| day_row(&format!("2026-09-{day}"), "A", "1")).into();
    rows.extend([stranger, day_row("", "A", "1")]);
    let found = owned(&rows, &configuration, &organizations, Family::Unblended).unwrap();
    let places: Vec<(&str, &str, &str)> =
        found.iter().map(|one| (one.day.as_str(), one.ou.as_str(), one.owner.as_str())).collect();
    let second = "First\u{2215}renamed/=Second, \"B\"";
    let expected = [
        ("", "First", "B"),
        ("2026-09-01", "First", "B"),
        ("2026-09-02", "First", "B"),
        ("2026-09-09", "First", "B"),
        ("2026-09-10", second, "A"),
        ("2026-09-14", "__unknown__", "A"),
        ("2026-09-19", second, "A"),
        ("2026-09-20", "", "A"),
        ("2026-09-30", "", "A"),
    ];
    assert_eq!(places, expected);
}

#[test]
fn a_billing_period_that_is_no_month_is_an_error_that_counts_its_lines() {
    let rows = [DayRow { billing_period: Default::default(), rows: 7, ..day_row("2026-09-14", "A", "1") }];
    let error = owned(&rows, &configuration(), &[], Family::Net).unwrap_err().to_string();
    assert_eq!(error, "7 bill lines say `` for their billing period, which is no month: export the bill again");
}

fn any_row() -> impl Strategy<Value = DayRow> {
    let texts = (
        prop::sample::select(vec!["A", "b ", "", "nobody", "=cmd()"]),
        prop::sample::select(vec!["", "2026-09-13", "2026-09-14"]),
        prop::sample::select(vec!["100000000008", "100000000009", ""]),
        prop::sample::select(vec!["AmazonEC2", "AmazonS3"]),
    );
    let amount = || -10_000_000_000_000_000i128..10_000_000_000_000_000;
    (texts, prop::sample::select(Kind::ALL.to_vec()), amount(), amount(), 0i64..9).prop_map(
        |((owner, day, account, service), kind, cash, effective, rows)| {
            let measure = |units| Measure { unblended: Money::from_units(units), net: Money::from_units(units + 1) };
            let row = of_kind(kind, owner, "0");
            let (cash, effective) = (measure(cash), measure(effective));
            DayRow { day: day.into(), account_id: account.into(), service: service.into(), cash, effective, rows, ..row }
        },
    )
}

/// The same line in a close.
fn closed(row: &DayRow) -> RollupRow {
    RollupRow {
        billing_period: row.billing_period.clone(),
        provider: row.provider.clone(),
        issuer: row.issuer.clone(),
        billing_account_id: row.billing_account_id.clone(),
        invoice_id: "I".into(),
        account_id: row.account_id.clone(),
        service: row.service.clone(),
        charge_type: row.charge_type.clone(),
        kind: row.kind,
        commitment_id: Default::default(),
        currency: row.currency.clone(),
        organization_day: Default::default(),
        tags: row.tags.clone(),
        account_name: row.account_name.clone(),
        cash: row.cash,
        effective: row.effective,
        true_up: Measure::default(),
        upfront: Measure::default(),
        list: Money::ZERO,
        rows: row.rows,
        cash_rows: row.rows,
        net_rows: row.net_rows,
        lossy_rows: 0,
        incomplete_rows: 0,
    }
}

proptest! {
    #[test]
    fn every_line_has_one_owner_and_order_does_not_matter(
        (rows, shuffled) in prop::collection::vec(any_row(), 0..40).prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))
    ) {
        let found = run(&rows, &configuration());
        prop_assert_eq!(&found, &run(&shuffled, &configuration()));
        for day in ["", "2026-09-13", "2026-09-14"] {
            let of_day = || found.iter().filter(|one| one.day == day);
            let given = || rows.iter().filter(|row| row.day == day);
            let cash: Money = given().map(|row| row.cash.unblended).sum();
            let effective: Money = given().map(|row| row.effective.unblended).sum();
            prop_assert_eq!(of_day().map(|one| one.cash).sum::<Money>(), cash);
            prop_assert_eq!(of_day().map(|one| one.effective).sum::<Money>(), effective);
            prop_assert_eq!(of_day().map(|one| one.rows).sum::<i64>(), given().map(|row| row.rows).sum::<i64>());
        }
    }

    /// What a close finds directly, a day finds too: same rules, same tags.
    #[test]
    fn direct_cost_has_the_owner_that_a_close_gives_it(rows in prop::collection::vec(any_row(), 0..40)) {
        let mut configuration = configuration();
        let s3 = Match { services: ["AmazonS3".to_owned()].into(), ..Match::default() };
        configuration.line_rules = vec![rule("s3", s3, Owner::Unit("B".into()))];
        let rows: Vec<DayRow> = rows.into_iter().filter(|row| matches!(row.kind, Kind::Usage | Kind::Covered | Kind::Support)).collect();
        let closing: Vec<RollupRow> = rows.iter().map(closed).collect();
        let how = Comparison { family: Family::Net, minor_exponent: 2, tolerance: None, tax_tolerance: None, provisional: false };
        let controls = controls(&closing, None, &how).controls;
        let ledger = allocate(&Inputs {
            period: "2026-09".parse().unwrap(),
            family: Family::Net,
            rows: &closing,
            configuration: &configuration,
            org: &Organization::default(),
            controls: &controls,
            minor_exponent: 2,
        }).unwrap();
        let found = owned(&rows, &configuration, &[], Family::Net).unwrap();
        for unit in ["A", "B"] {
            let direct = ledger.rows.iter().filter(|row| row.key.unit_id == unit && row.key.component == Component::Direct);
            let days = || found.iter().filter(|one| one.owner == unit);
            prop_assert_eq!(days().map(|one| one.effective).sum::<Money>(), direct.map(|row| row.effective).sum::<Money>());
        }
        let pooled = ledger.pool_sources.iter().filter(|source| source.pool_id == UNTAGGED);
        let unowned: Money = found.iter().filter(|one| one.owner.starts_with("__")).map(|one| one.effective).sum();
        prop_assert_eq!(unowned, pooled.map(|source| source.effective).sum::<Money>());
    }
}
