//! Golden months: each file of `tests/golden` holds a bill, units, rules and the ledger that a person computed from them.
//!
//! Sections start with `===`. `bill FORMAT` is CSV of the columns that matter, the others are filled in: `tag` is the cost center.
//! `ledger` has one line for each unit, component, pool (`-` for none) and invoice, sums over the ledger's rows, nothing left out.
//! `organization YYYY-MM-DD` is a dated tree, `places` the ledger by OU (`-` for none, `_` for a blank), `verified` what verify prints.
#![allow(clippy::unwrap_used)]

use apportion_tests::*;
use std::collections::BTreeMap;
use std::path::Path;

/// Sections by their heading.
fn sections(text: &str) -> BTreeMap<String, String> {
    let parts = text.split("\n=== ").skip(1);
    parts.map(|part| part.split_once('\n').unwrap()).map(|(head, body)| (head.to_owned(), body.trim().to_owned())).collect()
}

/// What `aws invoicing list-invoice-summaries` would print of lines `id type total`.
fn invoices(lines: &str) -> String {
    let entry = |line: &str| {
        let [id, kind, total] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
        serde_json::json!({ "InvoiceId": id, "InvoiceType": kind, "AccountId": "100000000000",
            "BillingPeriod": { "Month": 9, "Year": 2026 }, "BaseCurrencyAmount": { "TotalAmount": total, "CurrencyCode": "USD" } })
    };
    serde_json::json!({ "InvoiceSummaries": lines.lines().map(entry).collect::<Vec<_>>() }).to_string()
}

type Lines = BTreeMap<[String; 4], (i128, i128, i128)>;

fn expected(table: &str) -> Lines {
    let line = |line: &str| {
        let [unit, component, pool, invoice, cash, effective, cents] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("seven columns are wanted: {line}")
        };
        let pool = if pool == "-" { "" } else { pool };
        ([unit, component, pool, invoice].map(str::to_owned), (units(cash), units(effective), cents.parse().unwrap()))
    };
    table.lines().skip(1).map(line).collect()
}

fn found(ledger: &Path) -> Lines {
    let mut lines = Lines::new();
    for row in rows_of(ledger) {
        let key = ["unit_id", "component", "pool_id", "invoice_id"].map(|column| row[column].clone());
        let line = lines.entry(key).or_default();
        line.0 += units(&row["cash"]);
        line.1 += units(&row["effective"]);
        line.2 += row["cents"].parse::<i128>().unwrap();
    }
    lines
}

/// Each pool gives out exactly what came in: the shares of one origin charge sum to it (A15).
fn pools_are_given_out_whole(close: &Path, name: &str) {
    let mut sums: BTreeMap<(String, String), i128> = BTreeMap::new();
    for row in rows_of(&close.join("pools.csv")) {
        *sums.entry((row["pool_id"].clone(), row["invoice_id"].clone())).or_default() += units(&row["cash"]);
    }
    for row in rows_of(&close.join("ledger.csv")).iter().filter(|row| !row["pool_id"].is_empty()) {
        *sums.entry((row["pool_id"].clone(), row["invoice_id"].clone())).or_default() -= units(&row["cash"]);
    }
    assert!(sums.values().all(|sum| *sum == 0), "{name}: {sums:?}");
}

/// The folder of the sections `organization YYYY-MM-DD`, if there are any.
fn dated(sections: &BTreeMap<String, String>, folder: &Path) -> Option<String> {
    let place = folder.join("organizations");
    for (day, json) in sections.iter().filter_map(|(head, json)| Some((head.strip_prefix("organization ")?, json))) {
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join(format!("{day}.json")), json).unwrap();
    }
    place.exists().then(|| apportion_tests::text(&place))
}

/// OU, unit, component and cash, where a month says where accounts stood.
fn places(ledger: &Path) -> BTreeMap<(String, String, String), i128> {
    let mut sums = BTreeMap::new();
    for row in rows_of(ledger) {
        let ou = if row["ou_path"].is_empty() { "-".to_owned() } else { row["ou_path"].replace(' ', "_") };
        *sums.entry((ou, row["unit_id"].clone(), row["component"].clone())).or_default() += units(&row["cash"]);
    }
    sums
}

fn expected_places(table: &str) -> BTreeMap<(String, String, String), i128> {
    let line = |line: &str| {
        let [ou, unit, component, cash] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
        ((ou.to_owned(), unit.to_owned(), component.to_owned()), units(cash))
    };
    table.lines().skip(1).map(line).collect()
}

fn close(name: &str, text: &str) {
    let sections = sections(text);
    let folder = tempfile::tempdir().unwrap();
    let (format, bill) = sections.iter().find_map(|(head, body)| Some((head.strip_prefix("bill ")?, body))).unwrap();
    let place = |file: &str, content: &str| {
        let path = folder.path().join(file);
        std::fs::write(&path, content).unwrap();
        apportion_tests::text(&path)
    };
    let bill = place("bill.csv", &whole_bill(format, bill));
    let mut config = SmallConfig::new(&sections["units"].split_whitespace().collect::<Vec<_>>());
    config.rules = sections.get("rules").cloned().unwrap_or_default();
    let config = config.write(&folder.path().join("config"));
    let out = folder.path().join("out");
    let out_text = apportion_tests::text(&out);
    let mut arguments = vec!["close", "--period", "2026-09", "--bill", &bill, "--config", &config, "--out", &out_text];
    let invoices = sections.get("invoices").map(|lines| place("invoices.json", &invoices(lines)));
    arguments.extend(invoices.iter().flat_map(|path| ["--invoices", path.as_str()]));
    let organization =
        sections.get("organization").map(|json| place("organization.json", json)).or(dated(&sections, folder.path()));
    arguments.extend(organization.iter().flat_map(|path| ["--org", path.as_str()]));
    let ran = apportion(folder.path(), &arguments);
    assert_eq!(ran.code, 0, "{name}: {}{}", ran.stdout, ran.stderr);
    let closed = close_folder(&out, "2026-09");
    let (expected, found) = (expected(&sections["ledger"]), found(&closed.join("ledger.csv")));
    assert_eq!(found, expected, "{name}: found, expected; {}", ran.stdout);
    pools_are_given_out_whole(&closed, name);
    if let Some(table) = sections.get("places") {
        assert_eq!(places(&closed.join("ledger.csv")), expected_places(table), "{name}: found, expected");
    }
    if sections.contains_key("verified") {
        let verified = apportion(folder.path(), &["verify", &apportion_tests::text(&closed)]);
        assert_eq!(verified.code, 0, "{name}: {}{}", verified.stdout, verified.stderr);
        assert!(verified.stdout.contains(&sections["verified"]), "{name}: {}", verified.stdout);
    }
}

#[test]
fn every_golden_month_gives_the_ledger_that_stands_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 15, "{} files in {}", files.len(), folder.display());
    for file in files {
        close(&file.file_stem().unwrap().to_string_lossy(), &std::fs::read_to_string(&file).unwrap());
    }
}
