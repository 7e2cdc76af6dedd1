//! What a run found of each account as CSV: a partition of the table `findings` of `sql/schema`.

use apportion_core::day::Day;
use apportion_core::hygiene::Findings;
use apportion_engine::tables::FINDINGS;
use apportion_output::{OutputError, SafeCsv, day_partition, one_line};

/// Where the findings of a day lie.
pub fn partition_key(date: Day) -> String {
    format!("findings-by-account/{}/findings.csv", day_partition(date))
}

/// One row an account and currency, in the order of the findings.
pub(crate) fn findings_csv(findings: &Findings) -> Result<Vec<u8>, OutputError> {
    let date = findings.date.to_string();
    let mut csv = SafeCsv::new(&FINDINGS)?;
    for account in &findings.accounts {
        let amounts = &account.amounts;
        csv.text(&date)?.text(&one_line(&account.account_id))?.text(&one_line(&account.account_name))?;
        csv.text(&one_line(&account.ou))?.text(&one_line(&account.currency))?;
        csv.money(amounts.spend)?.money(amounts.taggable)?.money(amounts.untagged)?.money(amounts.unknown)?;
        csv.integer(account.share.into())?.integer(account.threshold.into())?;
        csv.text(if account.above { "true" } else { "false" })?.text(&one_line(&account.main_unit))?.end_row()?;
    }
    csv.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use apportion_core::hygiene::{AccountFinding, Amounts};
    use apportion_core::money::Money;
    use std::collections::BTreeMap;

    #[test]
    fn a_row_is_one_line_with_every_column_of_the_table() {
        let money = |cents| Money::from_minor(cents, 2);
        let date: Day = "2026-09-04".parse().unwrap();
        let amounts = Amounts {
            spend: money(1_234),
            taggable: money(1_000),
            untagged: money(50),
            unknown: money(-3),
            ..Amounts::default()
        };
        let account = AccountFinding {
            account_id: "100000000010".to_owned(),
            account_name: "=one\r\ntwo, \"three\"".to_owned(),
            ou: "Workloads/Claims".to_owned(),
            currency: "USD".to_owned(),
            share: amounts.share(),
            amounts,
            threshold: 500,
            above: false,
            main_unit: "CC-1".to_owned(),
            trend: Vec::new(),
        };
        let found = Findings {
            date,
            from: date,
            to: date,
            totals: BTreeMap::new(),
            accounts: vec![account],
            services: Vec::new(),
            unmapped_keys: Vec::new(),
            near_misses: Vec::new(),
            collisions: Vec::new(),
            conflicts: Vec::new(),
            missing_keys: Vec::new(),
            trend: BTreeMap::new(),
        };
        let text = String::from_utf8(findings_csv(&found).unwrap()).unwrap();
        let (header, row) = text.split_once('\n').unwrap();
        assert_eq!(header, FINDINGS.join(","));
        // 0.47 of 10.00 is 4.7 per cent.
        assert_eq!(
            row,
            "2026-09-04,100000000010,\"'=one␤two, \"\"three\"\"\",Workloads/Claims,USD,12.340000000000,10.000000000000,\
             0.500000000000,-0.030000000000,470,500,false,CC-1\n"
        );
        assert_eq!(partition_key(date), "findings-by-account/year=2026/month=09/day=04/findings.csv");
    }
}
