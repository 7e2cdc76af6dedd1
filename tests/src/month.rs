//! A small FOCUS bill with figures that a person adds up in the head, and commands on it.

use crate::{Ran, SmallConfig, apportion, close_folder, rows_of, text};
use std::path::{Path, PathBuf};

pub const HEADER: &str = "ProviderName,InvoiceIssuerName,InvoiceId,BillingAccountId,BillingAccountName,SubAccountId,SubAccountName,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ChargeClass,ChargeDescription,ChargeFrequency,BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,ServiceName,ServiceCategory,ResourceId,ResourceName,ResourceType,RegionId,RegionName,PricingCategory,CommitmentDiscountId,CommitmentDiscountStatus,Tags";

/// One FOCUS 1.2 line of AWS.
pub fn line(invoice: &str, account: &str, category: &str, service: &str, cost: &str, owner: &str) -> String {
    let tags = if owner.is_empty() { "{}".to_owned() } else { format!("{{\"\"CostCenter\"\":\"\"{owner}\"\"}}") };
    format!(
        "AWS,AWS,{invoice},100000000001,Payer,{account},name-{account},2026-09-01T00:00:00Z,2026-10-01T00:00:00Z,2026-09-02T00:00:00Z,2026-09-03T00:00:00Z,{category},,text,Usage-Based,{cost},{cost},{cost},{cost},USD,{service},Compute,,,,us-east-1,US East,Standard,,,\"{tags}\""
    )
}

/// A: 100.00 and 50.005; B: 30.00; nobody: 19.995; tax 20.00 on two invoices.
pub fn bill_lines() -> Vec<String> {
    vec![
        line("INV-1", "100000000010", "Usage", "AmazonEC2", "100.00", "A"),
        line("INV-1", "100000000010", "Usage", "AmazonS3", "50.005", "A"),
        line("INV-1", "100000000011", "Usage", "AmazonEC2", "30.00", "B"),
        line("INV-2", "100000000011", "Usage", "AmazonEC2", "19.995", ""),
        line("INV-1", "100000000010", "Tax", "AmazonEC2", "12.00", ""),
        line("INV-2", "100000000011", "Tax", "AmazonEC2", "8.00", ""),
    ]
}

pub struct Month {
    pub folder: tempfile::TempDir,
    pub bill: PathBuf,
    pub config: String,
    pub out: PathBuf,
}

impl Month {
    pub fn new(lines: &[String]) -> Month {
        let folder = tempfile::tempdir().unwrap();
        let bill = folder.path().join("bill.csv");
        std::fs::write(&bill, format!("{HEADER}\n{}\n", lines.join("\n"))).unwrap();
        let config = SmallConfig::new(&["A", "B"]).write(&folder.path().join("config"));
        let out = folder.path().join("out");
        Month { bill, config, out, folder }
    }

    pub fn close(&self, more: &[&str]) -> Ran {
        self.close_period("2026-09", more)
    }

    pub fn close_period(&self, period: &str, more: &[&str]) -> Ran {
        let (bill, out) = (text(&self.bill), text(&self.out));
        let mut arguments = vec!["close", "--period", period, "--bill", &bill, "--config", &self.config, "--out", &out];
        arguments.extend(more);
        apportion(&self.keys(), &arguments)
    }

    pub fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    pub fn close_folder(&self) -> PathBuf {
        close_folder(&self.out, "2026-09")
    }

    pub fn invoices(&self, entries: &[(&str, &str, &str)]) -> String {
        let list: Vec<serde_json::Value> = entries
            .iter()
            .map(|(id, kind, total)| {
                serde_json::json!({ "InvoiceId": id, "InvoiceType": kind, "AccountId": "100000000001", "BillingPeriod": { "Month": 9, "Year": 2026 },
                    "BaseCurrencyAmount": { "TotalAmount": total, "CurrencyCode": "USD" } })
            })
            .collect();
        let path = self.folder.path().join("invoices.json");
        std::fs::write(&path, serde_json::json!({ "InvoiceSummaries": list }).to_string()).unwrap();
        text(&path)
    }
}

/// Minor units by unit, over all ledger rows.
pub fn cents_by_unit(close: &Path) -> Vec<(String, i128)> {
    let mut sums = std::collections::BTreeMap::new();
    for row in rows_of(&close.join("ledger.csv")) {
        *sums.entry(row["unit_id"].clone()).or_insert(0) += row["cents"].parse::<i128>().unwrap();
    }
    sums.into_iter().collect()
}
