//! Faults that only a whole month can meet: hostile text from bill to page, nothing to divide by, a killed run, a full disk.
#![allow(clippy::unwrap_used)]

use apportion_tests::month::*;
use apportion_tests::*;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Instant;

/// One line with any owner text; the CSV writer quotes.
fn bill_of(owners: &[&str]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER.split(',')).unwrap();
    for (index, owner) in owners.iter().enumerate() {
        let plain = line("INV-1", "100000000010", "Usage", "AmazonEC2", &format!("{}.00", index + 1), "A");
        let mut cells: Vec<String> = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(plain.as_bytes())
            .records()
            .next()
            .unwrap()
            .unwrap()
            .iter()
            .map(str::to_owned)
            .collect();
        *cells.last_mut().unwrap() = serde_json::json!({ "CostCenter": owner }).to_string();
        cells[6] = (*owner).to_owned();
        writer.write_record(&cells).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

/// Faults 20, 21, 24, 25: a name is data in SQL, CSV and page, whatever it says.
#[test]
fn hostile_names_go_through_a_whole_month_as_data() {
    let long = "x".repeat(256);
    let hostile = [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-2+3",
        "@SUM(1)",
        "\ttab",
        "line\nbreak",
        "quote\"quote",
        "semi;colon",
        "a'b''c",
        "'; drop table bill; --",
        "{{cost_line}}",
        "#read(\"/etc/passwd\")",
        "$eval(1)$",
        "\u{202e}evil",
        "\u{0}nul",
        "עברית",
        "数据平台",
        "😀",
        "<script>alert(1)</script>",
        &long,
    ];
    let month = Month::new(&[]);
    std::fs::write(&month.bill, bill_of(&hostile)).unwrap();
    month.close(&[]).expect(0);
    let close = month.close_folder();
    // 1 + 2 + … + 20 = 210, all of it in the untagged pool, since no unit has such a name.
    assert_eq!(cents_by_unit(&close).iter().map(|(_, cents)| cents).sum::<i128>(), 21_000);
    let pools = rows_of(&close.join("pools.csv"));
    assert_eq!(pools.iter().map(|row| units(&row["cash"])).sum::<i128>(), units("210"));
    for name in tree(&close).keys().filter(|name| name.ends_with(".csv")) {
        let numbers = ["cash", "effective", "charged", "amount", "cents"];
        for (column, cell) in rows_of(&close.join(name)).iter().flatten() {
            let number = numbers.iter().any(|word| column.contains(word)) || cell.parse::<f64>().is_ok();
            assert!(number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']), "{name} {column}: {cell:?}");
        }
    }
    apportion(&month.keys(), &["verify", &text(&close)]).expect(0);
}

/// Fault 25: a tag key is a literal in SQL, whatever it says.
#[test]
fn a_tag_key_with_sql_in_it_is_a_key() {
    let month = Month::new(&[]);
    let key = "o'k\"; drop table bill; -- {{cost_line}}";
    std::fs::write(&month.bill, bill_of(&["A", "B"]).replace("CostCenter", &key.replace('"', "\\\"\""))).unwrap();
    let taxonomy = month.folder.path().join("config/taxonomy.toml");
    let changed =
        std::fs::read_to_string(&taxonomy).unwrap().replace("focus_tags = [\"CostCenter\"]", &format!("focus_tags = [{key:?}]"));
    std::fs::write(&taxonomy, changed).unwrap();
    month.close(&[]).expect(0);
    assert_eq!(cents_by_unit(&month.close_folder()), [("A".to_owned(), 100), ("B".to_owned(), 200)]);
}

/// Fault 13: a month that comes to nothing closes, and divides by nothing.
#[test]
fn a_month_of_zero_closes() {
    let zero = [line("INV-1", "100000000010", "Usage", "AmazonEC2", "0", "A")];
    let offset = [
        line("INV-1", "100000000010", "Usage", "AmazonEC2", "10.00", "A"),
        line("INV-1", "100000000010", "Credit", "AmazonEC2", "-10.00", ""),
    ];
    for lines in [&zero[..], &offset] {
        let month = Month::new(lines);
        month.close(&[]).expect(0);
        assert_eq!(cents_by_unit(&month.close_folder()).iter().map(|(_, cents)| cents).sum::<i128>(), 0);
        apportion(&month.keys(), &["verify", &text(&month.close_folder())]).expect(0);
    }
}

/// Fault 14: nothing has an owner: all of it goes by the pool's declared fallback, and report and statement say so.
#[test]
fn a_bill_without_owners_goes_by_the_fallback_and_says_so() {
    let lines: Vec<String> = (0..4).map(|_| line("INV-1", "100000000010", "Usage", "AmazonEC2", "25.00", "")).collect();
    let month = Month::new(&lines);
    let said = month.close(&[]).expect(0).stdout;
    assert!(said.contains("pool untagged was split by its fallback"), "{said}");
    assert!(said.contains("100.00 on 4 lines had no owner"), "{said}");
    let close = month.close_folder();
    assert_eq!(cents_by_unit(&close), [("A".to_owned(), 5000), ("B".to_owned(), 5000)], "100.00 in even parts");
    run("pdftotext", &["-layout", "statements/A/statement.pdf", "page.txt"], &close).expect(0);
    let page = std::fs::read_to_string(close.join("page.txt")).unwrap();
    assert!(page.contains("in 2 equal parts") && page.contains("the declared fallback split it"), "{page}");
}

/// Fault 32: closed accounts still bill, and one that the organization lacks is named, never dropped.
#[test]
fn suspended_and_unknown_accounts_are_billed_and_the_unknown_is_named() {
    let month = Month::new(&bill_lines());
    let organization = month.folder.path().join("organization.json");
    let account = serde_json::json!({ "Id": "100000000010", "Name": "old", "ParentId": "r-1", "State": "SUSPENDED" });
    let tree = serde_json::json!({ "Roots": [{ "Id": "r-1" }], "OrganizationalUnits": [], "Accounts": [account] });
    std::fs::write(&organization, tree.to_string()).unwrap();
    let said = month.close(&["--org", &text(&organization)]).expect(0).stdout;
    assert!(said.contains("account 100000000011 is not in the organization"), "{said}");
    assert!(!said.contains("account 100000000010 is not"), "{said}");
    assert_eq!(cents_by_unit(&month.close_folder()).iter().map(|(_, cents)| cents).sum::<i128>(), 22_001);
    let rows = rows_of(&month.close_folder().join("ledger.csv"));
    let paths: BTreeMap<&str, &str> = rows
        .iter()
        .filter(|row| row["component"] == "direct")
        .map(|row| (row["account_id"].as_str(), row["ou_path"].as_str()))
        .collect();
    assert_eq!(paths["100000000011"], "__unknown__");
    assert_ne!(paths["100000000010"], "__unknown__");
}

/// Faults 35 and 48: killed at any moment, a close is all there or not there, and the next run gives the same bytes.
#[test]
fn a_close_killed_at_any_moment_is_finished_by_the_next_run() {
    let month = Month::new(&bill_lines());
    let started = Instant::now();
    month.close(&[]).expect(0);
    let took = started.elapsed();
    let expected = tree(&month.out.join("closes"));
    let (bill, mut killed) = (text(&month.bill), 0);
    for part in 1..=8 {
        let folder = month.folder.path().join(format!("out-{part}"));
        let out = text(&folder);
        let arguments = ["close", "--period", "2026-09", "--bill", &bill, "--config", &month.config, "--out", &out];
        let mut command = Command::new(binary());
        command.args(arguments).env("APPORTION_KEY_DIR", month.keys()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(took.mul_f64(f64::from(part) / 9.0));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        if folder.join("closes/2026-09/CURRENT").exists() {
            apportion(&month.keys(), &["verify", &text(&close_folder(&folder, "2026-09"))]).expect(0);
        }
        apportion(&month.keys(), &arguments).expect(0);
        assert_eq!(tree(&folder.join("closes")), expected, "killed after {part}/9");
    }
    assert!(killed >= 4, "{killed} of 8 runs were killed before their end: the moments are chosen badly");
}

/// Fault 44: no room for a file, wherever the run is: an error that names it, nothing published, and a run with room succeeds.
#[test]
fn a_full_disk_stops_the_run_and_leaves_no_close() {
    let month = Month::new(&bill_lines());
    let (bill, out) = (text(&month.bill), text(&month.out));
    // A limit on the size of a file, in KiB, stands in for the disk: writes beyond it fail as on a full one.
    for kibibytes in ["0", "2", "16", "64"] {
        let script = format!("ulimit -f {kibibytes}; trap '' XFSZ; exec \"$0\" \"$@\"");
        let binary = text(&binary());
        let ran = Command::new("bash")
            .args([
                "-c",
                &script,
                &binary,
                "close",
                "--period",
                "2026-09",
                "--bill",
                &bill,
                "--config",
                &month.config,
                "--out",
                &out,
            ])
            .env("APPORTION_KEY_DIR", month.keys())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(matches!(ran.status.code(), Some(1 | 2)), "{kibibytes} KiB: {:?} {said}", ran.status);
        assert!(said.contains("too large"), "{kibibytes} KiB: {said}");
        assert!(!month.out.join("closes/2026-09/CURRENT").exists(), "{kibibytes} KiB");
    }
    month.close(&[]).expect(0);
    apportion(&month.keys(), &["verify", &text(&month.close_folder())]).expect(0);
}

/// `docs/faults.md` names tests; each of them exists.
#[test]
fn every_fault_names_a_test_that_exists() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let listed = std::fs::read_to_string(root.join("docs/faults.md")).unwrap();
    let mut code = String::new();
    let mut waiting = vec![root.join("crates"), root.join("tests")];
    while let Some(at) = waiting.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                code.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let quoted = listed.split('`').skip(1).step_by(2);
    let tests: Vec<&str> = quoted.filter(|name| name.matches('_').count() > 2 && !name.contains(['/', '.'])).collect();
    assert!(tests.len() > 50, "{}", tests.len());
    for test in tests {
        assert!(code.contains(&format!("fn {test}(")), "{test} does not exist");
    }
}
