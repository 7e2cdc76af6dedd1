//! Bill against invoices: tolerance, credit memos, receipts, what is awaited.
#![allow(clippy::unwrap_used)]

mod common;

use apportion_core::bill::Kind;
use apportion_core::money::Money;
use apportion_core::reconcile::*;
use common::*;

fn invoice(id: &str, kind: &str, total: &str) -> InvoiceTotal {
    InvoiceTotal {
        details: Default::default(),
        invoice_id: id.into(),
        invoice_type: kind.into(),
        total: money(total),
        before_tax: None,
        account_id: "100000000001".into(),
        issuer: String::new(),
    }
}

fn how() -> Comparison {
    Comparison { family: UNBLENDED, minor_exponent: 2, tolerance: None, tax_tolerance: None, provisional: false }
}

#[test]
fn tolerance_is_a_hundred_subunits_until_forty_thousand_rows() {
    assert_eq!(ceiling(0, 2), money("1.00"));
    assert_eq!(ceiling(40_000, 2), money("1.00"));
    assert_eq!(ceiling(1_000_000, 2), money("5.00"), "sqrt(1e6) x 0.005");
    assert_eq!(ceiling(40_000, 0), money("100"), "a currency without subunits");
}

#[test]
fn a_difference_within_tolerance_is_rounding_and_the_ledger_equals_the_invoice() {
    let rows = [usage("A", "10.004"), usage("B", "5.003")];
    let controls = controls_of(&rows, Some(&[invoice("INV-1", "INVOICE", "15.05")]));
    assert_eq!(controls[0].difference, money("0.043"));
    assert!(controls[0].passed);
    let result = run_with(&rows, &configuration(&["A", "B"]), &controls).unwrap();
    assert_eq!(result.rows.iter().map(|row| row.cents).sum::<i128>(), 1505);
    assert_eq!(check_ledger(&result.rows, &controls, 2), vec![]);
}

#[test]
fn one_cent_past_the_tolerance_does_not_pass() {
    let rows = [usage("A", "10")];
    let at = controls_of(&rows, Some(&[invoice("INV-1", "INVOICE", "11.00")]));
    assert!(at[0].passed);
    let past = controls_of(&rows, Some(&[invoice("INV-1", "INVOICE", "11.01")]));
    assert!(!past[0].passed);
    let lowered = Comparison { tolerance: Some(money("0.5")), ..how() };
    assert!(!controls(&rows, Some(&[invoice("INV-1", "INVOICE", "10.51")]), &lowered).controls[0].passed);
    let raised = Comparison { tolerance: Some(money("50")), ..how() };
    assert!(!controls(&rows, Some(&[invoice("INV-1", "INVOICE", "11.01")]), &raised).controls[0].passed, "the ceiling holds");
}

#[test]
fn credit_memos_count_as_minus_their_magnitude() {
    let mut credit = row(Kind::Refund, "A", "-20", "-20");
    credit.invoice_id = "CM-1".into();
    let rows = [usage("A", "100"), credit];
    for total in ["20.00", "-20.00"] {
        let invoices = [invoice("INV-1", "INVOICE", "100.00"), invoice("CM-1", "CREDIT_MEMO", total)];
        let result = controls(&rows, Some(&invoices), &how());
        assert!(result.controls.iter().all(|control| control.passed && control.difference.is_zero()), "{total}");
        assert_eq!(result.controls.iter().map(|control| control.cents).sum::<i128>(), 8000);
    }
}

#[test]
fn awaited_unbilled_and_ignored_are_told_apart() {
    let mut second = usage("A", "1");
    second.invoice_id = "INV-2".into();
    let rows = [usage("A", "1"), second];
    let invoices = [
        invoice("INV-1", "INVOICE", "1.00"),
        invoice("INV-7", "INVOICE", "3.00"),
        invoice("INV-8", "INVOICE", "0.00"),
        invoice("R-1", "PAYMENT_RECEIPT", "1.00"),
        invoice("T-1", "TAX_INVOICE", "1.00"),
    ];
    let result = controls(&rows, Some(&invoices), &how());
    assert_eq!(result.awaited.len(), 1);
    assert!(result.awaited[0].contains("INV-2"));
    assert_eq!(result.unbilled.len(), 1);
    assert!(result.unbilled[0].contains("INV-7"));
    assert_eq!(result.ignored.len(), 2);
}

#[test]
fn tax_is_compared_apart() {
    let rows = [usage("A", "100"), row(Kind::Tax, "", "7", "7")];
    let mut stated = invoice("INV-1", "INVOICE", "107.00");
    stated.before_tax = Some(money("100.00"));
    let passed = controls(&rows, Some(std::slice::from_ref(&stated)), &how());
    assert!(passed.controls[0].passed);
    stated.before_tax = Some(money("98.00"));
    let failed = controls(&rows, Some(&[stated]), &how());
    assert!(!failed.controls[0].passed, "2.00 of tax too much, though the total agrees");
    assert_eq!(failed.controls[0].tax.as_ref().unwrap().difference, money("2"));
}

#[test]
fn other_providers_go_by_their_own_sums_even_with_an_invoices_file() {
    let mut azure = usage("A", "10.006");
    azure.provider = "Microsoft".into();
    azure.invoice_id = "MS-1".into();
    let result = controls(&[usage("A", "1"), azure], Some(&[invoice("INV-1", "INVOICE", "1.00")]), &how());
    assert!(result.awaited.is_empty());
    let own = result.controls.iter().find(|control| control.key.provider == "Microsoft").unwrap();
    assert_eq!((own.source, own.cents, own.difference), (ControlSource::Bill, 1001, money("0.004")));
}

#[test]
fn a_moved_cent_is_found_with_invoice_unit_and_step() {
    let rows = [usage("A", "10"), usage("B", "5")];
    let controls = controls_of(&rows, None);
    let mut result = run(&rows, &configuration(&["A", "B"]));
    result.rows[0].cents += 1;
    result.rows[1].cents -= 1;
    let found = check_ledger(&result.rows, &controls, 2);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|violation| violation.step == "units to lines" && violation.invoice.invoice_id == "INV-1"));
    assert_eq!((found[0].unit_id.as_str(), found[0].expected.as_str(), found[0].found.as_str()), ("A", "10.00", "10.01"));
    result.rows[0].cash += Money::from_units(1);
    assert!(check_ledger(&result.rows, &controls, 2).iter().any(|violation| violation.step == "invoice to ledger"));
}

/// An invoice id under two issuers: one file total covers both, and every cent of it is somewhere.
#[test]
fn an_id_shared_by_two_issuers_is_compared_whole() {
    let mut other = usage("B", "5.006");
    other.issuer = Default::default();
    let rows = [usage("A", "10.001"), other];
    let result = controls(&rows, Some(&[invoice("INV-1", "INVOICE", "15.02")]), &how());
    assert_eq!(result.controls.len(), 2);
    assert_eq!(result.controls.iter().map(|control| control.cents).sum::<i128>(), 1502);
    assert!(result.controls.iter().all(|control| control.passed));
}

#[test]
fn bridge_closes_per_payer_and_commitment() {
    let mut covered = row(Kind::Covered, "A", "144", "108");
    covered.commitment_id = "sp".into();
    let mut negation = row(Kind::Negation, "", "-144", "0");
    negation.commitment_id = "sp".into();
    let mut fee = row(Kind::CommitmentFee, "A", "72", "0");
    fee.commitment_id = "sp".into();
    fee.true_up.unblended = money("-36");
    let lines = bridge(&[covered, negation, fee, usage("A", "3")], UNBLENDED);
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.residual.is_zero()));
    let plan = lines.iter().find(|line| line.commitment_id == "sp").unwrap();
    assert_eq!((plan.effective, plan.true_up, plan.cash), (money("108"), money("-36"), money("72")));
}
