//! Published FOCUS examples through a whole close: what each charge becomes, billed and effective.
#![allow(clippy::unwrap_used)]

use apportion_tests::*;
use std::collections::BTreeMap;

const HEADER: &str = "ProviderName,InvoiceIssuerName,InvoiceId,BillingAccountId,BillingAccountName,SubAccountId,SubAccountName,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ChargeClass,ChargeDescription,ChargeFrequency,BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,ServiceName,ServiceCategory,ResourceId,ResourceName,ResourceType,RegionId,RegionName,PricingCategory,CommitmentDiscountId,CommitmentDiscountStatus,Tags";

/// One charge: category, class, frequency, billed, effective, commitment, its status.
type Charge = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

/// Closes a month of unit A's charges: component -> (cash, effective) in units of 1e-12, and the cents in all.
fn close(charges: &[Charge]) -> (BTreeMap<String, (i128, i128)>, i128) {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = charges
        .iter()
        .map(|(category, class, frequency, billed, effective, commitment, status)| {
            format!(
                "AWS,AWS,INV-1,100000000001,Payer,100000000010,acct,2023-01-01T00:00:00Z,2023-02-01T00:00:00Z,2023-01-01T00:00:00Z,2023-01-01T01:00:00Z,{category},{class},text,{frequency},{billed},{effective},{billed},{billed},USD,AmazonEC2,Compute,,,,us-east-1,US East,Standard,{commitment},{status},\"{{\"\"CostCenter\"\":\"\"A\"\"}}\""
            )
        })
        .collect();
    let bill = folder.path().join("bill.csv");
    std::fs::write(&bill, format!("{HEADER}\n{}\n", lines.join("\n"))).unwrap();
    let config = SmallConfig::new(&["A"]).write(&folder.path().join("config"));
    let out = folder.path().join("out");
    let arguments = ["close", "--period", "2023-01", "--bill", &text(&bill), "--config", &config, "--out", &text(&out)];
    apportion(folder.path(), &arguments).expect(0);
    let mut sums: BTreeMap<String, (i128, i128)> = BTreeMap::new();
    let mut cents = 0;
    for row in rows_of(&close_folder(&out, "2023-01").join("ledger.csv")) {
        let sum = sums.entry(row["component"].clone()).or_default();
        sum.0 += units(&row["cash"]);
        sum.1 += units(&row["effective"]);
        cents += row["cents"].parse::<i128>().unwrap();
    }
    (sums, cents)
}

fn is(sums: &BTreeMap<String, (i128, i128)>, component: &str, cash: &str, effective: &str) {
    assert_eq!(sums.get(component), Some(&(units(cash), units(effective))), "{component}: {sums:?}");
}

/// F4: usage 100, a credit correction of -30 and a usage correction of +5, all in one invoice: 75 net.
#[test]
fn f4_corrections_are_refunds_and_adjustments_and_net_to_75() {
    let (sums, cents) = close(&[
        ("Usage", "", "Usage-Based", "100.00", "100.00", "", ""),
        ("Credit", "Correction", "One-Time", "-30.00", "-30.00", "", ""),
        ("Usage", "Correction", "Usage-Based", "5.00", "5.00", "", ""),
    ]);
    is(&sums, "direct", "100", "100");
    is(&sums, "refund", "-30", "-30");
    is(&sums, "adjustment", "5", "5");
    assert_eq!(cents, 7500);
}

/// B2: 31 prepaid on day one, consumed at 1 a day.
#[test]
fn b2_prepaid_is_billed_once_and_effective_daily() {
    let mut charges: Vec<Charge> = vec![("Purchase", "", "One-Time", "31.00", "0.00", "plan", "")];
    charges.extend((0..31).map(|_| ("Usage", "", "Usage-Based", "0.00", "1.00", "plan", "Used")));
    let (sums, cents) = close(&charges);
    is(&sums, "upfront", "31", "0");
    is(&sums, "direct", "0", "31");
    assert_eq!(cents, 3100);
}

/// B3, B4, B5, B6: a commitment of 1.00 an hour, used wholly, not at all, to 75 %, and exceeded by 0.50.
#[test]
fn b3_to_b6_used_unused_and_exceeded_commitments() {
    let (sums, _) = close(&[("Usage", "", "Usage-Based", "0.00", "1.00", "c", "Used")]);
    is(&sums, "direct", "0", "1");
    let (sums, _) = close(&[("Usage", "", "Usage-Based", "0.00", "1.00", "c", "Unused")]);
    is(&sums, "unused", "0", "1");
    let (sums, _) = close(&[
        ("Usage", "", "Usage-Based", "0.00", "0.75", "c", "Used"),
        ("Usage", "", "Usage-Based", "0.00", "0.25", "c", "Unused"),
    ]);
    is(&sums, "direct", "0", "0.75");
    is(&sums, "unused", "0", "0.25");
    let (sums, cents) =
        close(&[("Usage", "", "Usage-Based", "0.00", "1.00", "c", "Used"), ("Usage", "", "Usage-Based", "0.50", "0.50", "", "")]);
    is(&sums, "direct", "0.5", "1.5");
    assert_eq!(cents, 50);
}

/// B7: partial upfront, 4,380 once and 0.50 recurring, wholly used: both billed, neither effective of itself.
#[test]
fn b7_partial_upfront_bills_both_parts() {
    let (sums, cents) = close(&[
        ("Purchase", "", "One-Time", "4380.00", "0.00", "c", ""),
        ("Purchase", "", "Recurring", "0.50", "0.00", "c", ""),
        ("Usage", "", "Usage-Based", "0.00", "1.00", "c", "Used"),
    ]);
    is(&sums, "upfront", "4380", "0");
    is(&sums, "commitment", "0.5", "0");
    is(&sums, "direct", "0", "1");
    assert_eq!(cents, 438_050);
}

/// B8: a plan of 693,003.60 all upfront, half used: 12 hours used and 12 unused at 79.11 each.
#[test]
fn b8_half_used_plan() {
    let mut charges: Vec<Charge> = vec![("Purchase", "", "One-Time", "693003.60", "0.00", "sp", "")];
    for status in ["Used", "Unused"] {
        charges.extend((0..12).map(|_| ("Usage", "", "Usage-Based", "0.00", "79.11", "sp", status)));
    }
    let (sums, cents) = close(&charges);
    is(&sums, "upfront", "693003.6", "0");
    is(&sums, "direct", "0", "949.32");
    is(&sums, "unused", "0", "949.32");
    assert_eq!(cents, 69_300_360);
}
