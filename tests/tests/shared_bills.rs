//! Every third-party bill: `init`, `close`, `verify`; totals against the publisher's figures or Python's `decimal`.
#![allow(clippy::unwrap_used)]

use apportion_tests::*;
use std::collections::BTreeMap;
use std::path::Path;

/// What a bill must come to: period, lines, exact cash per invoice id, exact effective cost.
///
/// Computed with Python's `decimal`, each text quantised to 1e-12 with ROUND_HALF_UP, then summed; CUR 2.0 from its `.expected.json`.
struct Expected {
    path: &'static str,
    period: &'static str,
    rows: i64,
    invoices: &'static [(&'static str, &'static str)],
    effective: &'static str,
}

const CUR2: &[(&str, &str)] = &[("1846237719", "3883.94229399493168208"), ("1846237720", "2699.556725834647816")];

const BILLS: &[Expected] = &[
    Expected {
        path: "cur2/cur2_plain_final.csv.gz",
        period: "2026-09",
        rows: 7656,
        invoices: CUR2,
        effective: "6676.06701982957949808",
    },
    Expected {
        path: "cur2/cur2_plain_final.snappy.parquet",
        period: "2026-09",
        rows: 7656,
        invoices: CUR2,
        effective: "6676.06701982957949808",
    },
    Expected {
        path: "cur2/data_exports_layout/create_new",
        period: "2026-09",
        rows: 7656,
        invoices: CUR2,
        effective: "6676.06701982957949808",
    },
    Expected {
        path: "cur2/data_exports_layout/overwrite",
        period: "2026-09",
        rows: 7656,
        invoices: CUR2,
        effective: "6676.06701982957949808",
    },
    Expected {
        path: "focus/toolkit/aws_1_2_cost_and_usage_rows100_seed42.csv",
        period: "2026-05",
        rows: 100,
        invoices: &[("INV-2026-05-0001", "916.356611933204"), ("INV-2026-05-0002", "241.132211838928")],
        effective: "403.459218772132",
    },
    Expected {
        path: "focus/toolkit/aws_1_2_cost_and_usage_rows25_seed7.csv",
        period: "2026-05",
        rows: 25,
        invoices: &[("INV-2026-05-0001", "1.28064"), ("INV-2026-05-0002", "26.058559")],
        effective: "27.339199",
    },
    Expected {
        path: "focus/toolkit/aws_1_2_cost_and_usage_rows25_seed7_credits.csv",
        period: "2026-05",
        rows: 25,
        invoices: &[("INV-2026-05-0001", "1.28064"), ("INV-2026-05-0002", "26.058559")],
        effective: "27.339199",
    },
    Expected {
        path: "focus/toolkit/aws_1_3_cost_and_usage_rows100_seed42.csv",
        period: "2026-05",
        rows: 100,
        invoices: &[("INV-2026-05-0001", "373.317224805387"), ("INV-2026-05-0002", "868.798394309471")],
        effective: "215.678901114858",
    },
    Expected {
        path: "focus/toolkit/aws_1_3_cost_and_usage_rows25_seed7.csv",
        period: "2026-05",
        rows: 25,
        invoices: &[("INV-2026-05-0001", "175.128674118387"), ("INV-2026-05-0002", "845.008763643592")],
        effective: "287.666805761979",
    },
    Expected {
        path: "focus/toolkit/aws_1_3_cost_and_usage_rows25_seed7_credits.csv",
        period: "2026-05",
        rows: 25,
        invoices: &[("INV-2026-05-0001", "175.128674118387"), ("INV-2026-05-0002", "754.070303643592")],
        effective: "196.728345761979",
    },
];

/// Half-up cents of an exact total with more than two places.
fn cents(decimal: &str) -> i128 {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let digits = format!("{fraction:0<3}");
    let cents: i128 = format!("{whole}{}", &digits[..2]).parse().unwrap();
    cents + i128::from(digits.as_bytes()[2] >= b'5')
}

/// A published total cut to twelve places; the file's rows may differ from it by half a unit each.
fn near(found: i128, published: &str, rows: i64) -> bool {
    let (whole, fraction) = published.split_once('.').unwrap_or((published, ""));
    let cut = format!("{whole}.{}", &format!("{fraction:0<12}")[..12]);
    (found - units(&cut)).abs() <= i128::from(rows) / 2 + 1
}

/// The CUR 2.0 bills have 946 cost centers, random words most of them: `init` is tried on one of them, elsewhere three will do.
fn close_with_units(bill: &Path, period: &str, folder: &Path) -> Ran {
    if !text(bill).contains("/cur2/") {
        return close_with_init(bill, period, folder);
    }
    let config = SmallConfig::new(&["CC-1001", "CC-1002", "CC-1003"]).write(&folder.join("config"));
    let out = text(&folder.join("out"));
    apportion(folder, &["close", "--period", period, "--bill", &text(bill), "--config", &config, "--out", &out, "--json"])
}

fn close_with_init(bill: &Path, period: &str, folder: &Path) -> Ran {
    let (config, out) = (text(&folder.join("config")), text(&folder.join("out")));
    apportion(folder, &["init", "--bill", &text(bill), "--out", &config]).expect(0);
    apportion(folder, &["close", "--period", period, "--bill", &text(bill), "--config", &config, "--out", &out, "--json"])
}

#[test]
fn every_bill_closes_to_its_published_totals_and_verifies() {
    for bill in BILLS {
        let Some(path) = shared(bill.path, bill.path) else { continue };
        let folder = tempfile::tempdir().unwrap();
        let report = close_with_units(&path, bill.period, folder.path()).expect(0).json();
        assert_eq!(report["reconciliation"]["rows"], bill.rows, "{}", bill.path);
        let close = close_folder(&folder.path().join("out"), bill.period);
        let mut cash: BTreeMap<String, i128> = BTreeMap::new();
        let mut ledger_cents: BTreeMap<String, i128> = BTreeMap::new();
        let mut effective = 0;
        for row in rows_of(&close.join("ledger.csv")) {
            if row["component"] != "rounding" {
                *cash.entry(row["invoice_id"].clone()).or_default() += units(&row["cash"]);
            }
            *ledger_cents.entry(row["invoice_id"].clone()).or_default() += row["cents"].parse::<i128>().unwrap();
            effective += units(&row["effective"]);
        }
        for (invoice, total) in bill.invoices {
            assert!(near(cash[*invoice], total, bill.rows), "{} {invoice}: {} for {total}", bill.path, cash[*invoice]);
            assert_eq!(ledger_cents[*invoice], cents(total), "{} {invoice}", bill.path);
        }
        assert_eq!(cash.len(), bill.invoices.len(), "{}", bill.path);
        assert!(near(effective, bill.effective, bill.rows), "{}: {effective} for {}", bill.path, bill.effective);
        apportion(folder.path(), &["verify", &text(&close)]).expect(0);
    }
}

#[test]
fn parquet_and_csv_of_one_bill_give_the_same_cents() {
    let files = ["cur2/cur2_plain_final.csv.gz", "cur2/cur2_plain_final.snappy.parquet"];
    let mut ledgers = Vec::new();
    for file in files {
        let Some(path) = shared("Parquet against CSV", file) else { return };
        let folder = tempfile::tempdir().unwrap();
        close_with_units(&path, "2026-09", folder.path()).expect(0);
        let close = close_folder(&folder.path().join("out"), "2026-09");
        let key = |row: &BTreeMap<String, String>| {
            format!("{} {} {} {}", row["unit_id"], row["invoice_id"], row["service"], row["cents"])
        };
        ledgers.push(rows_of(&close.join("ledger.csv")).iter().map(key).collect::<Vec<_>>());
    }
    assert_eq!(ledgers[0], ledgers[1]);
}

#[test]
fn a_bill_without_invoice_ids_is_not_ready_and_closes_provisionally() {
    let Some(bill) = shared("the bill that is not final", "cur2/cur2_plain_notfinal.snappy.parquet") else { return };
    let folder = tempfile::tempdir().unwrap();
    let refused = close_with_units(&bill, "2026-09", folder.path()).expect(3);
    assert!(refused.stderr.contains("invoice ids") && refused.stderr.contains("pro forma"), "{}", refused.stderr);
    let out = folder.path().join("out");
    assert!(!out.join("closes").exists());
    let arguments = [
        "close",
        "--period",
        "2026-09",
        "--bill",
        &text(&bill),
        "--config",
        &text(&folder.path().join("config")),
        "--out",
        &text(&out),
        "--provisional",
    ];
    let closed = apportion(folder.path(), &arguments).expect(0);
    assert!(closed.stdout.contains("PROVISIONAL"));
    assert!(!out.join("closes").exists(), "never the period's close");
    let files = tree(&out.join("provisional/2026-09"));
    assert!(files.keys().any(|name| name.ends_with("statement.pdf")));
    assert!(!files.keys().any(|name| name.contains("CHECKPOINT") || name.contains("CURRENT")));
}

#[test]
fn two_exports_under_one_folder_are_refused() {
    let Some(bill) = shared("two exports", "cur2/data_exports_layout") else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = SmallConfig::new(&["CC-1001"]).write(&folder.path().join("config"));
    let arguments =
        ["close", "--period", "2026-09", "--bill", &text(&bill), "--config", &config, "--out", &text(&folder.path().join("out"))];
    let refused = apportion(folder.path(), &arguments).expect(2);
    assert!(refused.stderr.contains("2 exports"), "{}", refused.stderr);
}

/// Spreadsheet habits, no FOCUS: currency signs, short dates, missing columns. And the legacy CUR. Whatever is no bill is refused by its
/// name with one of these reasons, and what is one was closed above.
#[test]
fn files_that_are_no_bill_are_refused_with_the_reason() {
    let reasons =
        ["is not a decimal number", "is not a timestamp", "the columns are not those of a bill", "this is a legacy CUR"];
    let mut refused = Vec::new();
    for folder in ["focus/spec-examples/csv", "focus/spec-examples/correction-handling", "focus/toolkit", "legacy-cur"] {
        let Some(folder) = shared(folder, folder) else { continue };
        for entry in std::fs::read_dir(&folder).unwrap() {
            let bill = entry.unwrap().path();
            let name = bill.file_name().unwrap().to_string_lossy().into_owned();
            let closed = name.contains("cost_and_usage") || name.starts_with("consolidated");
            if !name.ends_with(".csv") || closed {
                continue;
            }
            let scratch = tempfile::tempdir().unwrap();
            let config = SmallConfig::new(&["A"]).write(&scratch.path().join("config"));
            let out = scratch.path().join("out");
            let arguments = ["close", "--period", "2025-04", "--bill", &text(&bill), "--config", &config, "--out", &text(&out)];
            let said = apportion(scratch.path(), &arguments).expect(2).stderr;
            assert!(said.contains(&name) && reasons.iter().any(|reason| said.contains(reason)), "{name}: {said}");
            assert!(!out.join("closes").exists(), "{name}");
            refused.push(name);
        }
    }
    assert!(refused.is_empty() || refused.len() == 37, "{}: {refused:?}", refused.len());
}

/// The specification's commitment examples, with the columns that they leave out: every billed and effective cent is in the ledger.
#[test]
fn commitment_examples_of_the_specification_close_once_their_columns_are_whole() {
    for example in [
        "commitment_discount_purchase_scenario_1",
        "commitment_discount_purchase_scenario_2",
        "commitment_discount_purchase_scenario_3",
        "commitment_discount_usage_scenario_1",
        "commitment_discount_usage_scenario_2",
        "commitment_discount_usage_scenario_3",
        "commitment_discount_usage_scenario_4",
        "one_hundred_percent_utilization_with_commitment_discount_flexibility_with_1_resource",
        "one_hundred_percent_utilization_with_commitment_discount_flexibility_with_2_resources",
        "one_hundred_percent_utilization_without_commitment_discount_flexibility",
        "zero_percent_utilization_without_commitment_discount_flexibility",
    ] {
        let Some(file) = shared(example, &format!("focus/spec-examples/csv/{example}.csv")) else { continue };
        let folder = tempfile::tempdir().unwrap();
        let bill = folder.path().join("bill.csv");
        std::fs::write(&bill, whole_bill("focus_1_2", &std::fs::read_to_string(&file).unwrap())).unwrap();
        let config = SmallConfig::new(&["A"]).write(&folder.path().join("config"));
        let out = folder.path().join("out");
        let arguments = ["close", "--period", "2023-01", "--bill", &text(&bill), "--config", &config, "--out", &text(&out)];
        let ran = apportion(folder.path(), &arguments);
        assert_eq!(ran.code, 0, "{example}: {}{}", ran.stdout, ran.stderr);
        let sum = |rows: &[BTreeMap<String, String>], column: &str| rows.iter().map(|row| units(&row[column])).sum::<i128>();
        let (given, ledger) = (rows_of(&file), rows_of(&close_folder(&out, "2023-01").join("ledger.csv")));
        let without_rounding: Vec<_> = ledger.into_iter().filter(|row| row["component"] != "rounding").collect();
        assert_eq!(sum(&without_rounding, "cash"), sum(&given, "BilledCost"), "{example}");
        assert_eq!(sum(&without_rounding, "effective"), sum(&given, "EffectiveCost"), "{example}");
    }
}

/// EUR and USD, three providers, in one file: refused, then one close for each currency.
#[test]
fn currencies_are_closed_apart_only_if_configured() {
    let Some(bill) = shared("several providers", "focus/toolkit/consolidated_multi_provider_1_3.csv") else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = SmallConfig::new(&["A", "B"]);
    let path = config.write(&folder.path().join("config"));
    let out = folder.path().join("out");
    let arguments = ["close", "--period", "2026-05", "--bill", &text(&bill), "--config", &path, "--out", &text(&out), "--json"];
    let refused = apportion(folder.path(), &arguments).expect(2);
    assert!(refused.stderr.contains("EUR"), "{}", refused.stderr);
    let rules = std::fs::read_to_string(folder.path().join("config/rules.toml")).unwrap();
    std::fs::write(
        folder.path().join("config/rules.toml"),
        rules.replace("currency = \"USD\"", "currency = \"USD\"\ncurrencies = \"each\""),
    )
    .unwrap();
    let summaries = apportion(folder.path(), &arguments).expect(0).json();
    let cents: Vec<(String, i64)> = summaries
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (one["currency"].as_str().unwrap().to_owned(), one["reconciliation"]["totals"]["ledger_cents"].as_i64().unwrap())
        })
        .collect();
    assert_eq!(cents, [("USD".to_owned(), 20_800), ("EUR".to_owned(), 10_000)]);
    let providers: Vec<String> =
        rows_of(&close_folder(&out, "2026-05").join("ledger.csv")).iter().map(|row| row["provider"].clone()).collect();
    assert!(providers.contains(&"Datadog".to_owned()) && providers.contains(&"AWS".to_owned()));
}

/// A first configuration for the CUR 2.0 bill: every cost center that it names is a unit, and nothing needs an edit.
#[test]
fn init_on_a_bill_with_a_thousand_owners_closes_as_it_stands() {
    let Some(bill) = shared("init", "cur2/cur2_plain_final.csv.gz") else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = text(&folder.path().join("config"));
    apportion(folder.path(), &["init", "--bill", &text(&bill), "--out", &config]).expect(0);
    apportion(folder.path(), &["config", "check", "--config", &config, "--period", "2026-09"]).expect(0);
    let again = apportion(folder.path(), &["init", "--bill", &text(&bill), "--out", &config]).expect(2);
    assert!(again.stderr.contains("never overwritten"), "{}", again.stderr);
    let out = text(&folder.path().join("out"));
    let arguments = ["close", "--period", "2026-09", "--bill", &text(&bill), "--config", &config, "--out", &out];
    apportion(folder.path(), &arguments).expect(0);
    assert!(
        tree(&close_folder(&folder.path().join("out"), "2026-09")).len() > 1800,
        "a PDF and a CSV for each of 900 units and more"
    );
}
