//! The command contract that scripts depend on: exit codes, files, what is written when, and proof by stock tools.
#![allow(clippy::unwrap_used)]

use apportion_tests::month::*;
use apportion_tests::*;

#[test]
fn closed_files_are_those_of_the_contract_and_the_cents_are_the_invoices() {
    let month = Month::new(&bill_lines());
    let ran = month.close(&[]).expect(0);
    let close = month.close_folder();
    for name in [
        "ledger.parquet",
        "ledger.csv",
        "pools.csv",
        "reconciliation.json",
        "manifest.json",
        "SHA256SUMS",
        "CHECKPOINT",
        "CHECKPOINT.sig",
        "statements/A/statement.pdf",
        "statements/A/statement.csv",
        "statements/B/statement.pdf",
    ] {
        assert!(close.join(name).exists(), "{name}");
    }
    assert!(ran.stdout.contains("statements"), "{}", ran.stdout);
    let rows = rows_of(&close.join("ledger.csv"));
    for column in [
        "period",
        "provider",
        "issuer",
        "unit_id",
        "component",
        "pool_id",
        "rule_id",
        "invoice_id",
        "billing_account_id",
        "account_id",
        "ou_path",
        "service",
        "charge_type",
        "currency",
        "cash",
        "effective",
        "cents",
    ] {
        assert!(rows[0].contains_key(column), "{column}");
    }
    // By hand: base A 150.005, B 30. INV-1: usage 180.005 + tax 12, rounded to 192.01 (0.005 up). INV-2: 19.995 + 8 = 27.995 -> 28.00.
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(close.join("reconciliation.json")).unwrap()).unwrap();
    assert_eq!(report["passed"], true);
    let invoices: Vec<(String, String, i64)> = report["invoices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (
                line["invoice_id"].as_str().unwrap().into(),
                line["bill"].as_str().unwrap().into(),
                line["ledger_cents"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(invoices, [("INV-1".into(), "192.005000000000".into(), 19201), ("INV-2".into(), "27.995000000000".into(), 2800)]);
    for line in report["invoices"].as_array().unwrap() {
        for field in ["invoice", "difference", "tolerance", "passed"] {
            assert!(!line[field].is_null(), "{field}");
        }
    }
    assert_eq!(cents_by_unit(&close).iter().map(|(_, cents)| cents).sum::<i128>(), 22001);
    // Tax of INV-1 follows EC2 in account …10, which is A's alone; tax of INV-2 follows untagged EC2 into the untagged pool.
    let tax: Vec<_> = rows.iter().filter(|row| row["component"] == "tax").collect();
    assert!(tax.iter().any(|row| row["unit_id"] == "A" && row["invoice_id"] == "INV-1" && row["cash"] == "12.000000000000"));
    assert!(tax.iter().all(|row| row["invoice_id"] == "INV-1" || row["pool_id"] == "untagged"));
}

#[test]
fn the_proof_holds_with_sha256sum_and_openssl_alone() {
    let month = Month::new(&bill_lines());
    month.close(&[]).expect(0);
    let close = month.close_folder();
    run("sha256sum", &["--check", "--strict", "SHA256SUMS"], &close).expect(0);
    let key = text(&month.keys().join("signing-key.pub.pem"));
    run("openssl", &["dgst", "-sha256", "-verify", &key, "-signature", "CHECKPOINT.sig", "CHECKPOINT"], &close).expect(0);
    let checkpoint = std::fs::read_to_string(close.join("CHECKPOINT")).unwrap();
    assert!(checkpoint.contains(&sha256(&close.join("SHA256SUMS"))), "{checkpoint}");
    let listed = std::fs::read_to_string(close.join("SHA256SUMS")).unwrap();
    for name in tree(&close).keys().filter(|name| !["SHA256SUMS", "CHECKPOINT", "CHECKPOINT.sig"].contains(&name.as_str())) {
        assert!(listed.contains(&format!("  {name}\n")), "{name} is not summed");
    }
}

#[test]
fn verify_says_who_signed_and_finds_every_tampered_file() {
    let month = Month::new(&bill_lines());
    month.close(&[]).expect(0);
    let close = month.close_folder();
    let folder = text(&close);
    let without = apportion(&month.keys(), &["verify", &folder]).expect(0);
    assert!(without.stdout.contains("signer not proven"), "{}", without.stdout);
    let key = text(&month.keys().join("signing-key.pub.pem"));
    apportion(&month.keys(), &["verify", &folder, "--key", &key]).expect(0);
    let other = tempfile::tempdir().unwrap();
    run("openssl", &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "k.pem"], other.path()).expect(0);
    run("openssl", &["ec", "-in", "k.pem", "-pubout", "-out", "p.pem"], other.path()).expect(0);
    apportion(&month.keys(), &["verify", &folder, "--key", &text(&other.path().join("p.pem"))]).expect(5);
    for name in tree(&close).keys() {
        let path = close.join(name);
        let bytes = std::fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        let at = changed.len() / 2;
        changed[at] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        let found = apportion(&month.keys(), &["verify", &folder, "--key", &key]);
        assert!([2, 5].contains(&found.code), "{name}: exit {}", found.code);
        assert!((found.stdout + &found.stderr).contains(name.as_str()), "{name} is not named");
        std::fs::write(&path, &bytes).unwrap();
    }
    std::fs::write(close.join("statements/A/extra.pdf"), b"x").unwrap();
    apportion(&month.keys(), &["verify", &folder]).expect(5);
    std::fs::remove_file(close.join("statements/A/extra.pdf")).unwrap();
    std::fs::remove_file(close.join("statements/A/statement.csv")).unwrap();
    apportion(&month.keys(), &["verify", &folder]).expect(5);
}

/// A figure changed, with every sum, the checkpoint and the signature made anew by the key itself: only the re-derivation can tell.
#[test]
fn verify_rederives_so_a_consistent_forgery_does_not_hold() {
    let month = Month::new(&bill_lines());
    month.close(&[]).expect(0);
    let close = month.close_folder();
    let replace = |name: &str, from: &str, to: &str| {
        let path = close.join(name);
        let before = std::fs::read_to_string(&path).unwrap();
        assert!(before.contains(from), "{name} has no {from}");
        std::fs::write(&path, before.replace(from, to)).unwrap();
    };
    let (pools, sums) = (sha256(&close.join("pools.csv")), sha256(&close.join("SHA256SUMS")));
    replace("pools.csv", "19.995", "19.996");
    replace("SHA256SUMS", &pools, &sha256(&close.join("pools.csv")));
    replace("CHECKPOINT", &sums, &sha256(&close.join("SHA256SUMS")));
    let (private, public) = (text(&month.keys().join("signing-key.pem")), text(&month.keys().join("signing-key.pub.pem")));
    run("openssl", &["dgst", "-sha256", "-sign", &private, "-out", "CHECKPOINT.sig", "CHECKPOINT"], &close).expect(0);
    let found = apportion(&month.keys(), &["verify", &text(&close), "--key", &public]).expect(5);
    for check in ["sums", "signature", "conservation", "inputs"] {
        assert!(found.stdout.contains(&format!("{check:<13} holds")), "{check}: {}", found.stdout);
    }
    assert!(found.stdout.contains("re-derivation DOES NOT HOLD"), "{}", found.stdout);
    assert!(found.stdout.contains("pools.csv"), "{}", found.stdout);
}

/// An input changed after the close is found as such.
#[test]
fn verify_finds_a_changed_input() {
    let month = Month::new(&bill_lines());
    month.close(&[]).expect(0);
    let inputs = month.out.join("inputs/2026-09");
    let frozen = tree(&inputs);
    let units = frozen.keys().find(|name| name.ends_with("units.toml")).unwrap();
    let path = inputs.join(units);
    let changed = std::fs::read_to_string(&path).unwrap().replace("Unit A", "Unit Z");
    std::fs::write(&path, changed).unwrap();
    let found = apportion(&month.keys(), &["verify", &text(&month.close_folder())]).expect(5);
    assert!(found.stdout.contains("units.toml"), "{}", found.stdout);
}

#[test]
fn a_second_close_of_the_same_writes_nothing_and_of_another_is_refused() {
    let month = Month::new(&bill_lines());
    month.close(&[]).expect(0);
    let before = tree(&month.out);
    let again = month.close(&[]).expect(0);
    assert!(again.stdout.contains("already closed"), "{}", again.stdout);
    assert_eq!(tree(&month.out), before);
    let first = std::fs::read_to_string(month.out.join("closes/2026-09/CURRENT")).unwrap();
    let mut lines = bill_lines();
    lines[0] = lines[0].replace("100.00", "100.01");
    std::fs::write(&month.bill, format!("{HEADER}\n{}\n", lines.join("\n"))).unwrap();
    let refused = month.close(&[]).expect(1);
    assert!(refused.stderr.contains(first.trim()), "names the close that stands: {}", refused.stderr);
    assert_eq!(std::fs::read_to_string(month.out.join("closes/2026-09/CURRENT")).unwrap(), first);
    let closes = std::fs::read_dir(month.out.join("closes/2026-09")).unwrap().count();
    assert_eq!(closes, 2, "CURRENT and one close");
}

#[test]
fn a_chain_of_months_and_no_close_before_a_closed_one() {
    let month = Month::new(&bill_lines());
    month.close(&[]).expect(0);
    let first = sha256(&month.close_folder().join("CHECKPOINT"));
    let next: Vec<String> =
        bill_lines().iter().map(|line| line.replace("2026-10-01", "2026-11-01").replace("2026-09-01", "2026-10-01")).collect();
    std::fs::write(&month.bill, format!("{HEADER}\n{}\n", next.join("\n"))).unwrap();
    month.close_period("2026-10", &[]).expect(0);
    let close = close_folder(&month.out, "2026-10");
    assert!(std::fs::read_to_string(close.join("CHECKPOINT")).unwrap().contains(&first), "the chain");
    apportion(&month.keys(), &["verify", &text(&close)]).expect(0);
    apportion(&month.keys(), &["verify", &text(&month.close_folder())]).expect(0);
    let earlier: Vec<String> =
        bill_lines().iter().map(|line| line.replace("2026-09-01", "2026-08-01").replace("2026-10-01", "2026-09-01")).collect();
    std::fs::write(&month.bill, format!("{HEADER}\n{}\n", earlier.join("\n"))).unwrap();
    let refused = month.close_period("2026-08", &[]).expect(2);
    assert!(refused.stderr.contains("2026-09") || refused.stderr.contains("2026-10"), "{}", refused.stderr);
    let status = apportion(&month.keys(), &["status", "--out", &text(&month.out)]).expect(0);
    assert!(status.stdout.contains("2026-09") && status.stdout.contains("2026-10"), "{}", status.stdout);
}

#[test]
fn a_dry_run_leaves_nothing_behind() {
    let month = Month::new(&bill_lines());
    let ran = month.close(&["--dry-run"]).expect(0);
    assert!(ran.stdout.contains("INV-1") && ran.stdout.contains("dry run"), "{}", ran.stdout);
    assert!(tree(&month.out).is_empty());
    let id = month.close(&["--dry-run", "--json"]).expect(0).json()["close"].clone();
    let closed = month.close(&["--json"]).expect(0).json();
    assert_eq!(closed["close"], id, "the dry run names the close that it would be");
}

#[test]
fn invoices_decide_ready_rounding_and_refusal() {
    let month = Month::new(&bill_lines());
    let missing = month.invoices(&[("INV-1", "INVOICE", "192.00")]);
    let refused = month.close(&["--invoices", &missing]).expect(3);
    assert!(refused.stderr.contains("INV-2"), "{}", refused.stderr);
    let beyond = month.invoices(&[("INV-1", "INVOICE", "193.02"), ("INV-2", "INVOICE", "28.00")]);
    let refused = month.close(&["--invoices", &beyond]).expect(4);
    assert!(refused.stderr.contains("INV-1") && refused.stderr.contains("bill to invoice"), "{}", refused.stderr);
    assert!(!month.out.join("closes").exists());
    let unbilled = month.invoices(&[("INV-1", "INVOICE", "192.01"), ("INV-2", "INVOICE", "28.00"), ("INV-3", "INVOICE", "1.00")]);
    assert!(month.close(&["--invoices", &unbilled]).expect(4).stderr.contains("INV-3"));
    let broken = month.folder.path().join("broken.json");
    std::fs::write(&broken, "{\n  \"InvoiceSummaries\": [").unwrap();
    assert!(month.close(&["--invoices", &text(&broken)]).expect(2).stderr.contains("line 2"));
    let good = month.invoices(&[("INV-1", "INVOICE", "192.03"), ("INV-2", "INVOICE", "28.00")]);
    month.close(&["--invoices", &good]).expect(0);
    let rows = rows_of(&month.close_folder().join("ledger.csv"));
    let rounding: i128 = rows.iter().filter(|row| row["component"] == "rounding").map(|row| units(&row["cash"])).sum();
    assert_eq!(rounding, units("0.03"), "0.025 on INV-1 and 0.005 on INV-2");
    assert_eq!(cents_by_unit(&month.close_folder()).iter().map(|(_, cents)| cents).sum::<i128>(), 22003);
}

#[test]
fn credit_memos_reduce_what_is_payable() {
    let mut lines = bill_lines();
    lines.push(line("CM-1", "100000000010", "Credit", "AmazonEC2", "-40.00", "A"));
    let month = Month::new(&lines);
    let invoices =
        month.invoices(&[("INV-1", "INVOICE", "192.01"), ("INV-2", "INVOICE", "28.00"), ("CM-1", "CREDIT_MEMO", "40.00")]);
    month.close(&["--invoices", &invoices]).expect(0);
    assert_eq!(cents_by_unit(&month.close_folder()).iter().map(|(_, cents)| cents).sum::<i128>(), 18001);
}

#[test]
fn bad_input_is_one_clear_error_and_exit_2() {
    let month = Month::new(&bill_lines());
    let out = text(&month.out);
    let bill = text(&month.bill);
    let gone = month.folder.path().join("gone.csv");
    let ran = apportion(
        &month.keys(),
        &["close", "--period", "2026-09", "--bill", &text(&gone), "--config", &month.config, "--out", &out],
    )
    .expect(2);
    assert!(ran.stderr.contains("gone.csv"));
    apportion(&month.keys(), &["close", "--period", "2026-13", "--bill", &bill, "--config", &month.config, "--out", &out])
        .expect(2);
    let rules = month.folder.path().join("config/rules.toml");
    let original = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(&rules, format!("colour = \"red\"\n{original}")).unwrap();
    let ran = month.close(&[]).expect(2);
    assert!(ran.stderr.contains("rules.toml:1") && ran.stderr.contains("colour"), "{}", ran.stderr);
    std::fs::write(&rules, &original).unwrap();
    let mut lines = bill_lines();
    lines[2] = lines[2].replace("30.00", "thirty");
    std::fs::write(&month.bill, format!("{HEADER}\n{}\n", lines.join("\n"))).unwrap();
    let ran = month.close(&[]).expect(2);
    assert!(
        ran.stderr.contains("BilledCost") && ran.stderr.contains("thirty") && ran.stderr.contains('4'),
        "file, line, column: {}",
        ran.stderr
    );
    assert!(!month.out.join("closes").exists());
}

#[test]
fn another_period_and_an_empty_bill_are_not_ready() {
    let month = Month::new(&bill_lines());
    let ran = month.close_period("2026-08", &[]).expect(3);
    assert!(ran.stderr.contains("2026-09 (6 lines)"), "{}", ran.stderr);
    std::fs::write(&month.bill, format!("{HEADER}\n")).unwrap();
    month.close(&[]).expect(3);
}

#[test]
fn an_incomplete_dataset_is_not_ready() {
    let month = Month::new(&bill_lines());
    let header = format!("{HEADER},x_DatasetCompletionStatus");
    for (status, code) in [("Incomplete", 3), ("Complete", 0)] {
        let lines: Vec<String> = bill_lines().iter().map(|line| format!("{line},{status}")).collect();
        std::fs::write(&month.bill, format!("{header}\n{}\n", lines.join("\n"))).unwrap();
        month.close(&[]).expect(code);
    }
}

#[test]
fn the_same_file_twice_is_refused() {
    let month = Month::new(&bill_lines());
    let folder = month.folder.path().join("twice");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(&month.bill, folder.join("a.csv")).unwrap();
    std::fs::copy(&month.bill, folder.join("b.csv")).unwrap();
    let (bill, out) = (text(&folder), text(&month.out));
    let ran =
        apportion(&month.keys(), &["close", "--period", "2026-09", "--bill", &bill, "--config", &month.config, "--out", &out])
            .expect(2);
    assert!(ran.stderr.contains("a.csv") && ran.stderr.contains("b.csv"), "{}", ran.stderr);
}

#[test]
fn the_signing_key_is_private_and_never_beside_the_close() {
    use std::os::unix::fs::PermissionsExt;
    let month = Month::new(&bill_lines());
    month.close(&[]).expect(0);
    let mode = std::fs::metadata(month.keys().join("signing-key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(tree(&month.out).keys().all(|name| !name.ends_with(".pem")));
    std::fs::set_permissions(month.keys().join("signing-key.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let fresh = Month::new(&bill_lines());
    let (bill, out) = (text(&fresh.bill), text(&fresh.out));
    let arguments = ["close", "--period", "2026-09", "--bill", &bill, "--config", &fresh.config, "--out", &out];
    apportion(&month.keys(), &arguments).expect(2);
    apportion(&fresh.out.join("keys"), &arguments).expect(2);
    assert!(!fresh.out.join("closes").exists());
}

/// pandas and .NET write `1.5E+3`, which FOCUS forbids: read exactly, and the report says so, the same on every machine.
#[test]
fn an_exponent_with_a_plus_is_read_exactly_and_reported() {
    let mut lines = bill_lines();
    lines[0] = line("INV-1", "100000000010", "Usage", "AmazonEC2", "1.5E+3", "A");
    let month = Month::new(&lines);
    let ran = month.close(&[]).expect(0);
    let report = std::fs::read_to_string(month.close_folder().join("reconciliation.json")).unwrap();
    assert!(report.contains("\"1592.005000000000\""), "1,500 instead of 100 on 192.005: {}", ran.stdout);
    assert!(!report.contains(&text(month.folder.path())), "no path of this machine in a close");
    apportion(&month.keys(), &["verify", &text(&month.close_folder())]).expect(0);
}
