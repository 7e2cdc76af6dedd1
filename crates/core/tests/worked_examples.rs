//! Published inputs with the outputs that their sources publish, and hand arithmetic from the ledger's rules.
#![allow(clippy::unwrap_used)]

mod common;

use apportion_core::allocate::{AllocateError, Note};
use apportion_core::bill::{Kind, Measure};
use apportion_core::ledger::Component;
use apportion_core::model::*;
use apportion_core::money::{Money, split_integer};
use common::*;
use std::collections::BTreeMap;

/// FinOps Foundation, "A Guide to Spreading Out Shared Cloud Costs": 50,000 / 30,000 / 20,000 direct, 12,000 shared support.
fn shared_support(key: Key) -> Vec<Money> {
    let mut configuration = configuration(&["Eng", "QA", "Sales"]);
    configuration.pools.push(pool("support", key));
    configuration
        .special
        .insert(Component::Support, SpecialRule { method: Method::To(to_pool("support")), fallback: to_pool(UNTAGGED) });
    let rows = [usage("Sales", "50000"), usage("QA", "30000"), usage("Eng", "20000"), row(Kind::Support, "", "12000", "12000")];
    let result = run(&rows, &configuration);
    assert_eq!(result.rows.iter().map(|row| row.cents).sum::<i128>(), 11_200_000, "grand total 112,000");
    ["Sales", "QA", "Eng"].iter().map(|unit| unit_cash(&result, unit)).collect()
}

#[test]
fn a1_proportional_to_direct() {
    assert_eq!(shared_support(proportional()), [money("56000"), money("33600"), money("22400")]);
}

#[test]
fn a2_even() {
    assert_eq!(shared_support(Key::Even), [money("54000"), money("34000"), money("24000")]);
}

#[test]
fn a3_fixed_45_30_25() {
    let weights = BTreeMap::from([(to_unit("Sales"), 45), (to_unit("QA"), 30), (to_unit("Eng"), 25)]);
    assert_eq!(shared_support(Key::Fixed { weights }), [money("55400"), money("33600"), money("23000")]);
}

/// The pizza party: a venue of 1,500 and pizzas of 15, 10 and 5.
fn pizza(key: Key) -> Vec<Money> {
    let mut configuration = configuration(&["Marcus", "Rajesh", "Susan"]);
    configuration.pools.push(pool("venue", key));
    configuration.line_rules.push(LineRule {
        id: "venue".into(),
        when: Match { services: ["Venue".to_string()].into(), ..Match::default() },
        to: to_pool("venue"),
        effective: Effective::default(),
    });
    let mut venue = usage("Marcus", "1500");
    venue.service = "Venue".into();
    let result = run(&[venue, usage("Rajesh", "15"), usage("Susan", "10"), usage("Marcus", "5")], &configuration);
    ["Rajesh", "Susan", "Marcus"].iter().map(|unit| unit_cash(&result, unit)).collect()
}

#[test]
fn a4_pizza_party_even_and_proportional() {
    assert_eq!(pizza(Key::Even), [money("515"), money("510"), money("505")]);
    assert_eq!(pizza(proportional()), [money("765"), money("510"), money("255")]);
}

#[test]
fn a5_pool_of_100_over_25_and_75_nets_to_zero() {
    let rows = [usage("A", "25"), usage("B", "75"), usage("", "100")];
    let result = run(&rows, &configuration(&["A", "B"]));
    let share = |unit: &str| sum(&result, |row| row.key.component == Component::Pool && row.key.unit_id == unit).0;
    assert_eq!((share("A"), share("B")), (money("25"), money("75")));
    let source: Money = result.pool_sources.iter().map(|source| source.cash).sum();
    assert_eq!(share("A") + share("B") - source, Money::ZERO);
}

#[test]
fn a6_a_unit_of_weight_zero_is_shown_with_nothing() {
    let result = run(&[usage("A", "10"), usage("", "3")], &configuration(&["A", "B"]));
    let shown: Vec<_> = result.rows.iter().filter(|row| row.key.unit_id == "B").collect();
    assert_eq!(shown.len(), 1);
    assert_eq!((shown[0].cash, shown[0].cents, shown[0].share.as_str()), (Money::ZERO, 0, "0.000000000000"));
}

/// AWS split cost allocation: 4 vCPU and 16 GB at 9:1 of 1.00 an hour; 4*9/52 + 16/52 = 1 exactly.
#[test]
fn a14_shares_of_52_parts_sum_to_one() {
    let parts = money("1").split(&[36, 16]).unwrap();
    assert_eq!(parts.iter().copied().sum::<Money>(), money("1"));
    assert_eq!(parts, [money("0.692307692308"), money("0.307692307692")]);
}

/// koku PR 5252: covered usage 2 and its negation -2 net to 0; the owner keeps the effective cost.
#[test]
fn b12_negations_net_to_zero_for_each_unit() {
    let mut rows = vec![];
    for (owner, cash, effective) in [("A", "2", "1.2"), ("B", "6", "3.6")] {
        let mut covered = row(Kind::Covered, owner, cash, effective);
        covered.commitment_id = "sp-1".into();
        rows.push(covered);
    }
    let mut negation = row(Kind::Negation, "", "-8", "0");
    negation.commitment_id = "sp-1".into();
    rows.push(negation);
    let result = run(&rows, &configuration(&["A", "B"]));
    assert_eq!((unit_cash(&result, "A"), unit_cash(&result, "B")), (Money::ZERO, Money::ZERO));
    assert_eq!(sum(&result, |row| row.key.unit_id == "A").1, money("1.2"));
    assert!(result.notes.is_empty(), "{:?}", result.notes);
}

#[test]
fn negation_counts_a_blank_plan_as_one_and_leaves_on_demand_usage_alone() {
    let rows = [usage("B", "500"), row(Kind::Covered, "A", "2", "1"), row(Kind::Negation, "", "-2", "0")];
    let result = run(&rows, &configuration(&["A", "B"]));
    assert_eq!((unit_cash(&result, "A"), unit_cash(&result, "B")), (Money::ZERO, money("500")));
}

/// LEDGER.md: 0.10 recurring and 0.05 amortised an hour, 720 hours, bought by Y, wholly used by X.
#[test]
fn commitment_fees_follow_use_not_the_buyer() {
    let mut covered = row(Kind::Covered, "X", "144", "108");
    covered.commitment_id = "sp".into();
    let mut negation = row(Kind::Negation, "", "-144", "0");
    negation.commitment_id = "sp".into();
    let mut fee = row(Kind::CommitmentFee, "Y", "72", "0");
    fee.commitment_id = "sp".into();
    fee.true_up = Measure { unblended: money("-36"), net: money("-36") };
    let result = run(&[covered, negation, fee], &configuration(&["X", "Y"]));
    assert_eq!(sum(&result, |row| row.key.unit_id == "X"), (money("72"), money("108"), 7200));
    assert_eq!(sum(&result, |row| row.key.unit_id == "Y"), (Money::ZERO, Money::ZERO, 0));
}

/// FOCUS usage scenario 3: 75 % used. The unused quarter of fee and effective cost goes by the `unused` rule.
#[test]
fn b5_the_unused_quarter_goes_by_its_rule() {
    let mut configuration = configuration(&["Idle", "X"]);
    configuration
        .special
        .insert(Component::Unused, SpecialRule { method: Method::To(to_unit("Idle")), fallback: to_pool(UNTAGGED) });
    let with = |mut row: apportion_core::bill::RollupRow| {
        row.commitment_id = "c".into();
        row
    };
    let rows = [
        with(row(Kind::Usage, "X", "0", "0.75")),
        with(row(Kind::Unused, "", "0", "0.25")),
        with(row(Kind::CommitmentFee, "", "1", "0")),
    ];
    let result = run(&rows, &configuration);
    assert_eq!(sum(&result, |row| row.key.unit_id == "X"), (money("0.75"), money("0.75"), 75));
    assert_eq!(sum(&result, |row| row.key.unit_id == "Idle"), (money("0.25"), money("0.25"), 25));
    let idle = result.rows.iter().filter(|row| row.key.unit_id == "Idle").all(|row| row.key.component == Component::Unused);
    assert!(idle);
}

/// rudderlabs/ice: 0.055 recurring and 0.045 amortised of 0.10 an hour; account 2 uses a tenth of a plan that account 1 owns.
#[test]
fn b10_a_tenth_of_the_plan_borrows_a_tenth_of_the_fee() {
    let mut covered = row(Kind::Covered, "two", "0.02", "0.01");
    covered.commitment_id = "sp".into();
    let mut negation = row(Kind::Negation, "", "-0.02", "0");
    negation.commitment_id = "sp".into();
    let mut rest = row(Kind::Covered, "one", "0.18", "0.09");
    rest.commitment_id = "sp".into();
    rest.account_id = "100000000008".into();
    let mut rest_negation = row(Kind::Negation, "", "-0.18", "0");
    rest_negation.commitment_id = "sp".into();
    rest_negation.account_id = "100000000008".into();
    let mut fee = row(Kind::CommitmentFee, "one", "0.055", "0");
    fee.commitment_id = "sp".into();
    let result = run(&[covered, negation, rest, rest_negation, fee], &configuration(&["one", "two"]));
    // Without the half cent by which 0.055 is rounded to an invoice.
    let two = sum(&result, |row| row.key.unit_id == "two" && row.key.component != Component::Rounding);
    assert_eq!(two.0, money("0.0055"), "recurring");
    assert_eq!(two.1 - two.0, money("0.0045"), "amortised");
}

#[test]
fn tax_follows_the_charges_of_its_account_and_product_then_of_its_account() {
    let mut other = usage("B", "100");
    other.service = "AmazonS3".into();
    let mut tax = row(Kind::Tax, "", "10", "10");
    let rows = vec![usage("A", "300"), usage("B", "100"), other.clone(), tax.clone()];
    let configuration = configuration(&["A", "B"]);
    let result = run(&rows, &configuration);
    let of = |result: &apportion_core::allocate::Allocation, unit: &str| {
        sum(result, |row| row.key.component == Component::Tax && row.key.unit_id == unit).0
    };
    assert_eq!((of(&result, "A"), of(&result, "B")), (money("7.5"), money("2.5")), "300 : 100 of EC2");
    tax.service = "AWSQueueService".into();
    let result = run(&[usage("A", "300"), usage("B", "100"), other, tax], &configuration);
    assert_eq!((of(&result, "A"), of(&result, "B")), (money("6"), money("4")), "300 : 200 of the account");
}

#[test]
fn an_account_without_charges_sends_tax_to_its_fallback() {
    let mut tax = row(Kind::Tax, "", "10", "10");
    tax.account_id = "100000000007".into();
    let result = run(&[usage("A", "30"), usage("B", "10"), tax], &configuration(&["A", "B"]));
    let rows: Vec<_> = result.rows.iter().filter(|row| row.key.component == Component::Tax).collect();
    assert!(rows.iter().all(|row| row.key.pool_id == UNTAGGED && row.key.account_id.is_empty()));
    assert_eq!(rows.iter().map(|row| row.cash).collect::<Vec<_>>(), [money("7.5"), money("2.5")]);
}

/// 100.00 over 3 and over 7 (D6): largest remainder, never 100.03.
#[test]
fn d6_even_split_in_cents() {
    let cents = |count: usize| split_integer(10_000, &vec![1; count]).unwrap();
    assert_eq!(cents(3), [3334, 3333, 3333]);
    assert_eq!(cents(7), [1429, 1429, 1429, 1429, 1428, 1428, 1428]);
}

/// focus-data-toolkit golden fixtures, scale 6: as a multiset where their spare unit goes last and ours by order.
#[test]
fn f1_f2_f3_splits_at_six_places() {
    let at_six = |total: i128, weights: &[i128]| split_integer(total, weights).unwrap();
    let mut equal = at_six(100_000_000, &[1, 1, 1]);
    equal.sort_unstable();
    assert_eq!(equal, [33_333_333, 33_333_333, 33_333_334]);
    assert_eq!(at_six(100_000_000, &[3, 2, 1]), [50_000_000, 33_333_333, 16_666_667]);
    assert_eq!(at_six(-50_000_000, &[4, 6]), [-20_000_000, -30_000_000]);
}

/// FOCUS numeric format examples (F5), and what pandas writes.
#[test]
fn f5_numeric_format() {
    for (text, expected) in [
        ("4", "4.000000000000"),
        ("-3", "-3.000000000000"),
        ("1.234", "1.234000000000"),
        ("-100.2", "-100.200000000000"),
        ("0", "0.000000000000"),
        ("35.2E-7", "0.000003520000"),
        ("1.5E-3", "0.001500000000"),
        ("35.2E7", "352000000.000000000000"),
    ] {
        let parsed = Money::parse(text).unwrap();
        assert_eq!(parsed.money.to_string(), expected);
        assert!(!parsed.lossy && !parsed.plus_exponent);
    }
    for (text, expected) in [("35.2E+7", "352000000.000000000000"), ("1.5E+3", "1500.000000000000")] {
        let parsed = Money::parse(text).unwrap();
        assert_eq!(parsed.money.to_string(), expected);
        assert!(parsed.plus_exponent, "read, with a warning");
    }
    for text in ["35.24 x 10^7", "2.3^3", "3,432,342", "+333", "abc", "", "-", ".", "1e", "NaN", "inf", "$10", "1.2.3"] {
        assert!(Money::parse(text).is_err(), "{text}");
    }
}

#[test]
fn half_away_from_zero_at_the_twelfth_decimal() {
    for (text, expected, lossy) in [
        ("0.0000000000005", "0.000000000001", true),
        ("-0.0000000000005", "-0.000000000001", true),
        ("0.00000000000049999", "0.000000000000", true),
        ("1e-13", "0.000000000000", true),
        ("1e-400", "0.000000000000", true),
        ("3883.94229399493168208", "3883.942293994932", true),
        ("0.1230000000000000", "0.123000000000", false),
    ] {
        let parsed = Money::parse(text).unwrap();
        assert_eq!((parsed.money.to_string().as_str(), parsed.lossy), (expected, lossy), "{text}");
    }
    assert!(Money::parse("1e16").is_err());
    assert!(Money::parse("1000000000000000").is_ok());
    assert!(Money::parse("1000000000000000.000000000001").is_err());
}

/// A month of credits only: no positive base, so the declared fallback splits it, and the ledger says so.
#[test]
fn a_zero_base_goes_by_the_fallback() {
    let result = run(&[row(Kind::Credit, "", "-10", "-10")], &configuration(&["A", "B", "C"]));
    let cents: Vec<i128> = result.rows.iter().map(|row| row.cents).collect();
    assert_eq!(cents, [-334, -333, -333]);
    assert!(result.rows.iter().all(|row| row.key.rule_id == "pool.untagged.fallback" && row.driver_unit == "even"));
    assert!(result.notes.iter().any(|note| matches!(note, Note::PoolFallback { .. })));
}

#[test]
fn a_negative_base_weighs_nothing_and_is_named() {
    let result = run(&[usage("A", "-5"), usage("B", "10"), usage("", "4")], &configuration(&["A", "B"]));
    assert_eq!((unit_cash(&result, "A"), unit_cash(&result, "B")), (money("-5"), money("14")));
    assert!(result.notes.iter().any(|note| matches!(note, Note::NegativeBase { target, .. } if target == "A")));
}

#[test]
fn caps_free_money_for_the_others_and_minimums_take_it() {
    let mut configuration = configuration(&["A", "B", "C"]);
    configuration.pools[0].cap = Some(money("50"));
    configuration.pools[0].minimum = Some(money("15"));
    // 100 by 80 : 15 : 5 -> A capped at 50; the other 50 by 15 : 5 = 37.5 and 12.5 -> C at 15, B takes the remaining 35.
    let rows = [usage("A", "80"), usage("B", "15"), usage("C", "5"), usage("", "100")];
    let result = run(&rows, &configuration);
    let of = |unit: &str| sum(&result, |row| row.key.component == Component::Pool && row.key.unit_id == unit).0;
    assert_eq!((of("A"), of("B"), of("C")), (money("50"), money("35"), money("15")));
}

#[test]
fn limits_that_cannot_hold_are_errors_of_the_configuration() {
    let rows = [usage("A", "1"), usage("", "100")];
    let mut low = configuration(&["A", "B"]);
    low.pools[0].cap = Some(money("49.99"));
    assert!(matches!(try_run(&rows, &low), Err(AllocateError::CapsTooLow { .. })));
    let mut high = configuration(&["A", "B"]);
    high.pools[0].minimum = Some(money("50.01"));
    assert!(matches!(try_run(&rows, &high), Err(AllocateError::MinimumsTooHigh { .. })));
}

/// Step-down: 100 of pool one goes half to A and half to pool two, which then gives its 50 + 30 to B.
#[test]
fn a_pool_feeds_a_later_one() {
    let mut configuration = configuration(&["A", "B"]);
    let mut one = pool("one", Key::Fixed { weights: BTreeMap::from([(to_unit("A"), 1), (to_pool("two"), 1)]) });
    one.targets = Targets::List([to_unit("A"), to_pool("two")].into());
    let mut two = pool("two", Key::Even);
    two.targets = Targets::List([to_unit("B")].into());
    configuration.pools = vec![pool(UNTAGGED, proportional()), one, two];
    for (service, pool) in [("One", "one"), ("Two", "two")] {
        configuration.line_rules.push(LineRule {
            id: service.into(),
            when: Match { services: [service.to_string()].into(), ..Match::default() },
            to: to_pool(pool),
            effective: Effective::default(),
        });
    }
    let (mut first, mut second) = (usage("", "100"), usage("", "30"));
    first.service = "One".into();
    second.service = "Two".into();
    let result = run(&[first.clone(), second.clone()], &configuration);
    assert_eq!((unit_cash(&result, "A"), unit_cash(&result, "B")), (money("50"), money("80")));
    assert!(result.pool_sources.iter().any(|source| source.from_pool_id == "one" && source.cash == money("50")));
    configuration.pools.swap(1, 2);
    assert!(matches!(try_run(&[first, second], &configuration), Err(AllocateError::FeedsEarlier { .. })));
}

#[test]
fn headcount_must_name_every_unit_and_a_zero_is_shown() {
    let mut configuration = configuration(&["A", "B"]);
    configuration.pools[0].key = Key::Headcount;
    let people = |values: &[(&str, &str)]| Driver {
        id: "headcount".into(),
        unit: "people".into(),
        values: values.iter().map(|(unit, count)| (to_unit(unit), money(count))).collect(),
    };
    configuration.drivers.insert("headcount".into(), people(&[("A", "3")]));
    let rows = [usage("A", "1"), usage("", "9")];
    let error = try_run(&rows, &configuration).unwrap_err();
    assert!(error.to_string().contains("drivers/2026-09/headcount.csv lacks a line for B"), "{error}");
    configuration.drivers.insert("headcount".into(), people(&[("A", "3"), ("B", "0")]));
    let result = run(&rows, &configuration);
    let pooled: Vec<_> = result.rows.iter().filter(|row| row.key.component == Component::Pool).collect();
    assert_eq!(pooled.len(), 2);
    assert_eq!((pooled[0].driver_value.as_str(), pooled[0].driver_total.as_str(), pooled[0].cash), ("3", "3", money("9")));
    assert_eq!((pooled[1].driver_value.as_str(), pooled[1].cash), ("0", Money::ZERO));
}

#[test]
fn a_tag_that_names_no_unit_is_untagged_money_and_named() {
    let result = run(&[usage("A", "10"), usage("cc-9999", "5")], &configuration(&["A"]));
    assert!(
        result
            .notes
            .iter()
            .any(|note| matches!(note, Note::UnknownOwner { value, cash, .. } if value == "cc-9999" && *cash == money("5")))
    );
    assert_eq!(result.pool_sources[0].owner_value, "cc-9999");
}
