//! `apportion query`: every view over a published bill, byte for byte what `tests/views/expected.py` computed with Python's `csv` and
//! `decimal`; organization and units with hostile names beside it.
#![allow(clippy::unwrap_used)]

use apportion_tests::*;
use std::path::{Path, PathBuf};

fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("views").join(name)
}

fn query(view: &str, bill: &Path, more: &[&str]) -> Ran {
    let (bill, config) = (text(bill), text(&beside("config")));
    let mut arguments = vec!["query", view, "--bill", &bill, "--config", &config];
    arguments.extend(more);
    apportion(Path::new("no-keys"), &arguments)
}

#[test]
fn every_view_gives_what_another_program_computes() {
    let Some(bill) = shared("views of a published bill", "cur2/cur2_plain_final.csv.gz") else { return };
    let organization = text(&beside("organization.json"));
    let listed = apportion(Path::new("no-keys"), &["query"]).expect(0).stdout;
    let mut seen = 0;
    for line in listed.lines().skip(1) {
        let view = line.split(' ').next().unwrap();
        let expected = std::fs::read_to_string(beside(&format!("expected/{view}.csv"))).unwrap();
        let got = query(view, &bill, &["--org", &organization, "--csv"]).expect(0).stdout;
        assert_eq!(got, expected, "{view}");
        seen += 1;
    }
    assert_eq!(seen, std::fs::read_dir(beside("expected")).unwrap().count(), "one expected file for each view");
}

/// Parquet has the same doubles, and an export layout the same lines.
#[test]
fn views_do_not_depend_on_how_the_bill_is_delivered() {
    for path in
        ["cur2/cur2_plain_final.snappy.parquet", "cur2/data_exports_layout/create_new", "cur2/data_exports_layout/overwrite"]
    {
        let Some(bill) = shared("views of a published bill", path) else { return };
        let expected = std::fs::read_to_string(beside("expected/spend_by_service.csv")).unwrap();
        let rows = |text: &str| -> Vec<String> {
            text.lines()
                .map(|line| line.split(',').take(3).chain(line.split(',').skip(6)).collect::<Vec<_>>().join(","))
                .collect()
        };
        let got = query("spend_by_service", &bill, &["--csv"]).expect(0).stdout;
        assert_eq!(rows(&got), rows(&expected), "{path}");
    }
}

#[test]
fn a_table_for_people_is_rounded_and_what_cannot_be_run_is_named() {
    let Some(bill) = shared("views of a published bill", "cur2/cur2_plain_final.csv.gz") else { return };
    let table = query("spend_by_ou", &bill, &[]).expect(0).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines,
        [
            "billing_period  ou           currency     cash  effective  rows",
            "2026-09         __unknown__  USD       6583.50    6676.07  7656"
        ]
    );
    assert!(query("spend", &bill, &[]).expect(2).stderr.contains("there is no view `spend`. The views are:"));
    let gone = query("spend_by_ou", Path::new("gone.csv"), &[]).expect(2).stderr;
    assert!(gone.contains("--bill gone.csv: "), "{gone}");
    let alone = apportion(Path::new("no-keys"), &["query", "spend_by_ou"]).expect(2).stderr;
    assert!(alone.contains("apportion query spend_by_ou needs --bill PATH and --config DIR"), "{alone}");
}
