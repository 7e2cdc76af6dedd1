//! Laws that hold for every bill: sum kept, order-free, sign, idempotent.
#![allow(clippy::unwrap_used)]

mod common;

use apportion_core::allocate::{largest_remainder_minor, limited_split, prorate};
use apportion_core::bill::{Kind, RollupRow};
use apportion_core::money::{Money, split_integer};
use apportion_core::reconcile::check_ledger;
use common::*;
use proptest::prelude::*;

fn any_row() -> impl Strategy<Value = RollupRow> {
    let owner = prop::sample::select(vec!["A", "B", "C", "", "nobody"]);
    let kind = prop::sample::select(Kind::ALL.to_vec());
    let amount = -10_000_000_000_000_000i128..10_000_000_000_000_000;
    let invoice = prop::sample::select(vec!["INV-1", "INV-2", ""]);
    let commitment = prop::sample::select(vec!["", "sp-1", "ri-1"]);
    let account = prop::sample::select(vec!["100000000008", "100000000009"]);
    let service = prop::sample::select(vec!["AmazonEC2", "AmazonS3"]);
    (owner, kind, amount.clone(), amount, invoice, commitment, account, service).prop_map(
        |(owner, kind, cash, effective, invoice, commitment, account, service)| {
            let mut made = row(kind, owner, "0", "0");
            made.cash.unblended = Money::from_units(cash);
            made.cash.net = made.cash.unblended;
            made.effective.unblended = Money::from_units(effective);
            made.effective.net = made.effective.unblended;
            made.invoice_id = invoice.into();
            made.commitment_id = commitment.into();
            made.account_id = account.into();
            made.service = service.into();
            made
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_cent_of_every_invoice_is_allocated_once(rows in prop::collection::vec(any_row(), 0..60)) {
        let result = run(&rows, &configuration(&["A", "B", "C"]));
        let controls = controls_of(&rows, None);
        prop_assert_eq!(check_ledger(&result.rows, &controls, 2), vec![]);
        let effective: Money = result.rows.iter().map(|row| row.effective).sum();
        let billed: Money = rows.iter().map(|row| row.effective.unblended).sum();
        prop_assert_eq!(effective, billed, "effective cost is kept too");
        for control in &controls {
            let cents: i128 = result.rows.iter().filter(|row| row.key.invoice == control.key).map(|row| row.cents).sum();
            prop_assert_eq!(cents, control.cents);
        }
    }

    #[test]
    fn the_order_of_rows_does_not_matter(rows in prop::collection::vec(any_row(), 0..40), seed in any::<u64>()) {
        let configuration = configuration(&["A", "B", "C"]);
        let expected = run(&rows, &configuration);
        let mut shuffled = rows.clone();
        let mut state = seed | 1;
        for index in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            shuffled.swap(index, (state >> 33) as usize % (index + 1));
        }
        prop_assert_eq!(run(&shuffled, &configuration), expected);
    }

    #[test]
    fn a_split_keeps_the_sum_and_the_sign(total in -(1i128 << 100)..(1i128 << 100), weights in prop::collection::vec(-(1i128 << 90)..(1i128 << 100), 1..12)) {
        match split_integer(total, &weights) {
            None => prop_assert!(weights.iter().all(|weight| *weight <= 0)),
            Some(parts) => {
                prop_assert_eq!(parts.iter().sum::<i128>(), total);
                let negated: Vec<i128> = parts.iter().map(|part| -part).collect();
                prop_assert_eq!(split_integer(-total, &weights).unwrap(), negated);
                for (part, weight) in parts.iter().zip(&weights) {
                    prop_assert!(*weight > 0 || *part == 0);
                    prop_assert!(part.signum() == 0 || part.signum() == total.signum());
                }
            }
        }
    }

    #[test]
    fn cents_keep_total_and_sign(amounts in prop::collection::vec(-1_000_000_000_000_000i128..1_000_000_000_000_000, 1..30)) {
        let amounts: Vec<Money> = amounts.into_iter().map(Money::from_units).collect();
        let total = amounts.iter().copied().sum::<Money>().round_to_minor(2);
        let cents = largest_remainder_minor(total, &amounts, 2).unwrap();
        prop_assert_eq!(cents.iter().sum::<i128>(), total);
        let negated: Vec<Money> = amounts.iter().map(|amount| -*amount).collect();
        let mirrored: Vec<i128> = cents.iter().map(|part| -part).collect();
        prop_assert_eq!(largest_remainder_minor(-total, &negated, 2).unwrap(), mirrored);
        for (part, amount) in cents.iter().zip(&amounts) {
            let off = (Money::from_minor(*part, 2) - *amount).abs();
            prop_assert!(off < Money::from_minor(1, 2), "no amount moves by a cent or more");
        }
    }

    #[test]
    fn a_share_of_amounts_keeps_its_total(amounts in prop::collection::vec(-1_000_000i128..1_000_000, 1..20), part in 0i128..1000, more in 1i128..1000) {
        let of = part + more;
        let sum: i128 = amounts.iter().sum();
        let total = Money::from_units(sum * part / of);
        let amounts: Vec<Money> = amounts.into_iter().map(Money::from_units).collect();
        let parts = prorate(total, &amounts, part, of).unwrap();
        prop_assert_eq!(parts.iter().copied().sum::<Money>(), total);
        for (part_of, amount) in parts.iter().zip(&amounts) {
            let off = part_of.units() * of - amount.units() * part;
            prop_assert!(off.abs() < 2 * of, "{} of {}", part_of, amount);
        }
        prop_assert_eq!(prorate(Money::from_units(sum + 10_000_000), &amounts, 1, 1), None, "that is no share of them");
    }

    #[test]
    fn limits_hold_and_the_sum_is_kept(total in 0i128..1_000_000, weights in prop::collection::vec(0i128..1000, 1..8), minimum in 0i128..2000, cap in 0i128..400_000) {
        let count = weights.len();
        let minimums = vec![minimum; count];
        let caps = vec![Some(cap); count];
        prop_assume!(minimum * count as i128 <= total && cap * count as i128 >= total && minimum <= cap);
        if let Ok(parts) = limited_split(total, &weights, &minimums, &caps) {
            prop_assert_eq!(parts.iter().sum::<i128>(), total);
            prop_assert!(parts.iter().all(|part| (minimum..=cap).contains(part)), "{:?}", parts);
        }
    }

    #[test]
    fn text_and_back(units in -(1i128 << 85)..(1i128 << 85)) {
        let money = Money::from_units(units);
        prop_assert_eq!(money.to_string().parse::<Money>().unwrap(), money);
    }
}
