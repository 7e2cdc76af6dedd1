//! `pools.csv`: where each pool's money came from.

use crate::OutputError;
use crate::safe_csv::{Reader, SafeCsv};
use apportion_core::ledger::{Component, InvoiceKey, PoolSource};
use apportion_core::period::Period;

/// Columns of `pools.csv`, in order. `cash` and `effective` have twelve decimals.
pub const POOLS_COLUMNS: [&str; 16] = [
    "period",
    "pool_id",
    "component",
    "rule_id",
    "from_pool_id",
    "provider",
    "issuer",
    "billing_account_id",
    "invoice_id",
    "account_id",
    "service",
    "charge_type",
    "owner_value",
    "currency",
    "cash",
    "effective",
];

/// Writes rows in the order given.
pub fn pools_csv(period: Period, rows: &[PoolSource]) -> Result<Vec<u8>, OutputError> {
    let mut csv = SafeCsv::new(&POOLS_COLUMNS)?;
    let period = period.to_string();
    for row in rows {
        let texts = [
            period.as_str(),
            &row.pool_id,
            row.component.as_str(),
            &row.rule_id,
            &row.from_pool_id,
            &row.invoice.provider,
            &row.invoice.issuer,
            &row.invoice.billing_account_id,
            &row.invoice.invoice_id,
            &row.account_id,
            &row.service,
            &row.charge_type,
            &row.owner_value,
            &row.currency,
        ];
        for text in texts {
            csv.text(text)?;
        }
        csv.money(row.cash)?.money(row.effective)?.end_row()?;
    }
    csv.finish()
}

/// Reads what [`pools_csv`] wrote.
pub fn read_pools_csv(bytes: &[u8]) -> Result<Vec<PoolSource>, OutputError> {
    let reader = Reader::new("pools.csv", bytes)?;
    reader.expect_header(&POOLS_COLUMNS)?;
    let mut rows = Vec::new();
    for row in reader {
        let row = row?;
        let component = row.text(2);
        rows.push(PoolSource {
            pool_id: row.text(1),
            component: Component::from_word(&component).ok_or_else(|| row.wrong(format!("`{component}` is not a component")))?,
            rule_id: row.text(3),
            from_pool_id: row.text(4),
            invoice: InvoiceKey {
                provider: row.text(5),
                issuer: row.text(6),
                billing_account_id: row.text(7),
                invoice_id: row.text(8),
            },
            account_id: row.text(9),
            service: row.text(10),
            charge_type: row.text(11),
            owner_value: row.text(12),
            currency: row.text(13),
            cash: row.parse(14)?,
            effective: row.parse(15)?,
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_pools_reads_like_this() {
        let source = PoolSource {
            pool_id: "untagged".into(),
            component: Component::Credit,
            rule_id: "special.credit".into(),
            from_pool_id: Default::default(),
            invoice: InvoiceKey {
                provider: "AWS".into(),
                issuer: "AWS Inc".into(),
                billing_account_id: "100000000001".into(),
                invoice_id: "7".into(),
            },
            account_id: "100000000009".into(),
            service: "AmazonEC2".into(),
            charge_type: "Credit".into(),
            owner_value: "=CC-9999".into(),
            currency: "USD".into(),
            cash: "-1.5".parse().unwrap(),
            effective: "0".parse().unwrap(),
        };
        let bytes = pools_csv("2026-09".parse().unwrap(), std::slice::from_ref(&source)).unwrap();
        assert_eq!(read_pools_csv(&bytes).unwrap(), [source]);
        let text = String::from_utf8(bytes).unwrap();
        let expected = "2026-09,untagged,credit,special.credit,,AWS,AWS Inc,100000000001,7,100000000009,AmazonEC2,Credit,'=CC-9999,\
             USD,-1.500000000000,0.000000000000\n";
        assert_eq!(text, format!("{}\n{expected}", POOLS_COLUMNS.join(",")));
    }
}
