//! Tamper with one thing at a time: the check that guards it names it, and nothing is written.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use staged::Staged;
use statement_renderer::publish::Status;
use statement_renderer::signer::KeyFile;
use statement_renderer::statement_folder;
use std::fs;

#[path = "../../../statement-renderer/tests/staged/mod.rs"]
mod staged;

const CLOSE: &str = "closes/2026-09/bbbb";

/// Two months, published, with their frozen bill.
async fn published() -> Staged {
    let first = Staged::new("2026-08", "aaaa").await;
    assert_eq!(first.publish().await.unwrap().status, Status::Committed);
    let second = Staged::after(first.folder, "2026-09", "bbbb", Some(("2026-08", "aaaa"))).await;
    assert_eq!(second.publish().await.unwrap().status, Status::Committed);
    second
}

async fn run(staged: &Staged, trust: &Trust) -> Result<Report, Failure> {
    verify(&staged.out().join(CLOSE), trust, |_, _| async { Ok(Vec::new()) }).await
}

fn check<'a>(report: &'a Report, name: &str) -> &'a Check {
    report.checks.iter().find(|check| check.name == name).unwrap()
}

fn key(staged: &Staged) -> Trust {
    Trust::Key(staged.signer().public_key())
}

/// Names of the checks that do not hold.
fn broken(report: &Report) -> Vec<&'static str> {
    report.checks.iter().filter(|check| check.outcome == Outcome::DoesNotHold).map(|check| check.name).collect()
}

#[tokio::test]
async fn a_published_close_holds_by_key_and_by_fingerprint() {
    let staged = published().await;
    let before = staged.files("");
    let fingerprint = Trust::Fingerprint(staged.signer().public_key().fingerprint().unwrap());
    for trust in [key(&staged), fingerprint] {
        let report = run(&staged, &trust).await.unwrap();
        assert_eq!(broken(&report), Vec::<&str>::new(), "{}", report.text());
        assert!(report.checks.iter().all(|check| check.outcome == Outcome::Holds), "{}", report.text());
        assert_eq!((report.holds, report.exit_code(), report.period.to_string().as_str()), (true, 0, "2026-09"));
    }
    assert_eq!(staged.files(""), before, "verify writes nothing");
}

#[tokio::test]
async fn without_a_key_the_signer_is_not_proven_but_the_close_holds() {
    let staged = published().await;
    let report = run(&staged, &Trust::Nobody).await.unwrap();
    assert_eq!(check(&report, "signature").outcome, Outcome::NotProven);
    assert_eq!(report.exit_code(), 0);
    assert!(report.text().contains("signer not proven"), "{}", report.text());
}

#[tokio::test]
async fn each_changed_missing_and_extra_file_is_named() {
    let staged = published().await;
    let close = staged.out().join(CLOSE);
    let pdf = format!("{}/statement.pdf", statement_folder(staged::UNITS[0]));
    fs::write(close.join("pools.csv"), "changed").unwrap();
    fs::remove_file(close.join(&pdf)).unwrap();
    fs::write(close.join("statements/extra.txt"), "x").unwrap();
    let report = run(&staged, &key(&staged)).await.unwrap();
    let findings = &check(&report, "sums").findings;
    assert_eq!(findings.len(), 3, "{findings:?}");
    assert!(findings[0].starts_with("pools.csv: changed (sha256 "), "{findings:?}");
    assert!(findings[1].starts_with("statements/extra.txt: extra"), "{findings:?}");
    assert_eq!(findings[2], format!("{pdf}: missing"));
    assert_eq!(broken(&report), ["sums", "conservation"]);
    assert_eq!(report.exit_code(), 5);
}

#[tokio::test]
async fn a_close_remade_with_its_sums_is_caught_by_the_signature() {
    let staged = published().await;
    let close = staged.out().join(CLOSE);
    fs::write(close.join("pools.csv"), "changed").unwrap();
    let sums = fs::read_to_string(close.join("SHA256SUMS")).unwrap();
    let old = parse_sums(&sums).unwrap().into_iter().find(|(name, _)| name == "pools.csv").unwrap().1;
    let sums = sums.replace(&old, &sha256_hex(b"changed"));
    fs::write(close.join("SHA256SUMS"), &sums).unwrap();
    assert_eq!(broken(&run(&staged, &key(&staged)).await.unwrap()), ["chain"], "CHECKPOINT names the old sums");
    let mut checkpoint = Checkpoint::parse(&fs::read_to_string(close.join("CHECKPOINT")).unwrap()).unwrap();
    checkpoint.sums = sha256_hex(sums.as_bytes());
    fs::write(close.join("CHECKPOINT"), checkpoint.to_text()).unwrap();
    assert_eq!(broken(&run(&staged, &key(&staged)).await.unwrap()), ["signature"]);
    // Signed again by somebody else: only the key tells.
    let other = KeyFile::in_folder(&staged.folder.path().join("other"), &staged.out()).unwrap();
    fs::write(close.join("CHECKPOINT.sig"), other.sign(checkpoint.to_text().as_bytes())).unwrap();
    assert_eq!(broken(&run(&staged, &key(&staged)).await.unwrap()), ["signature"]);
    let pinned = Trust::Fingerprint(staged.signer().public_key().fingerprint().unwrap());
    assert_eq!(broken(&run(&staged, &pinned).await.unwrap()), ["signature"]);
    assert!(run(&staged, &Trust::Nobody).await.unwrap().holds, "which is why verify says: signer not proven");
}

#[tokio::test]
async fn a_signature_that_is_none_does_not_hold_even_without_a_key() {
    let staged = published().await;
    for bytes in [&b"not a signature"[..], b""] {
        fs::write(staged.out().join(CLOSE).join("CHECKPOINT.sig"), bytes).unwrap();
        assert_eq!(broken(&run(&staged, &Trust::Nobody).await.unwrap()), ["signature"]);
    }
    fs::remove_file(staged.out().join(CLOSE).join("CHECKPOINT.sig")).unwrap();
    assert_eq!(broken(&run(&staged, &Trust::Nobody).await.unwrap()), ["signature"]);
}

#[tokio::test]
async fn an_edited_earlier_close_breaks_the_chain() {
    for (name, bytes) in
        [("CHECKPOINT", None), ("SHA256SUMS", Some(&b"x"[..])), ("manifest.json", Some(b"{}")), ("CHECKPOINT", Some(b"x"))]
    {
        let staged = published().await;
        let path = staged.out().join("closes/2026-08/aaaa").join(name);
        match bytes {
            None => fs::remove_file(&path).unwrap(),
            Some(bytes) => fs::write(&path, bytes).unwrap(),
        }
        let report = run(&staged, &key(&staged)).await.unwrap();
        assert_eq!(broken(&report), ["chain"], "{name}: {}", report.text());
        assert!(check(&report, "chain").findings.iter().all(|finding| finding.starts_with("2026-08: ")), "{}", report.text());
    }
    // An earlier close signed by another key.
    let staged = published().await;
    let close = staged.out().join("closes/2026-08/aaaa");
    let other = KeyFile::in_folder(&staged.folder.path().join("other"), &staged.out()).unwrap();
    fs::write(close.join("CHECKPOINT.sig"), other.sign(&fs::read(close.join("CHECKPOINT")).unwrap())).unwrap();
    assert_eq!(broken(&run(&staged, &key(&staged)).await.unwrap()), ["chain"]);
    assert!(run(&staged, &Trust::Nobody).await.unwrap().holds);
}

#[tokio::test]
async fn a_close_that_is_not_the_periods_own_is_told() {
    let staged = published().await;
    fs::write(staged.out().join("closes/2026-09/CURRENT"), "cccc").unwrap();
    let report = run(&staged, &key(&staged)).await.unwrap();
    assert_eq!(check(&report, "commit").findings, ["the period's close is cccc, this one was never committed"]);
    fs::remove_file(staged.out().join("closes/2026-09/CURRENT")).unwrap();
    let report = run(&staged, &key(&staged)).await.unwrap();
    assert_eq!(check(&report, "commit").findings, ["it was never committed: the period has no CURRENT"]);
    // A close taken out of the chain's middle.
    let staged = published().await;
    fs::remove_file(staged.out().join("closes/2026-08/CURRENT")).unwrap();
    let report = run(&staged, &key(&staged)).await.unwrap();
    assert_eq!(check(&report, "commit").findings, ["it builds on 2026-08 aaaa, the close before it is none"]);
}

#[tokio::test]
async fn a_changed_or_missing_input_is_named_and_the_month_is_not_run_again() {
    let staged = published().await;
    let path = staged.out().join(staged.facts.inputs_prefix()).join("bill/x.csv");
    let not_run = |_: Place, _: Manifest| async { panic!("the inputs do not hold") };
    fs::write(&path, "bull").unwrap();
    let report = verify(&staged.out().join(CLOSE), &Trust::Nobody, not_run).await.unwrap();
    assert_eq!(broken(&report), ["inputs"]);
    assert!(check(&report, "inputs").findings[0].starts_with("bill/x.csv: changed"), "{}", report.text());
    fs::remove_file(&path).unwrap();
    let not_run = |_: Place, _: Manifest| async { panic!("the inputs do not hold") };
    let report = verify(&staged.out().join(CLOSE), &Trust::Nobody, not_run).await.unwrap();
    assert!(check(&report, "inputs").findings[0].ends_with("bill/x.csv: missing"), "{}", report.text());
    assert_eq!(check(&report, "re-derivation").outcome, Outcome::NotProven);
}

#[tokio::test]
async fn each_frozen_part_is_guarded() {
    for (part, bytes, expected) in [
        ("configuration/{}/rules.toml", Some("x"), "rules.toml: changed"),
        ("configuration/{}/extra.toml", Some("x"), "extra.toml: extra"),
        ("configuration/{}/rules.toml", None, "rules.toml: missing"),
        ("sql/{}/rollup.sql", Some("x"), "rollup.sql: changed"),
    ] {
        let staged = published().await;
        let facts = &staged.facts;
        let digest = if part.starts_with("sql") { &facts.sql_digest } else { &facts.configuration_digest };
        let path = staged.out().join(facts.inputs_prefix()).join(part.replace("{}", digest));
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let report = run(&staged, &key(&staged)).await.unwrap();
        assert_eq!(broken(&report), ["inputs"], "{part}: {}", report.text());
        let findings = &check(&report, "inputs").findings;
        assert!(findings.len() == 1 && findings[0].contains(expected), "{findings:?}");
    }
}

#[tokio::test]
async fn a_month_that_cannot_be_run_again_is_unreadable_unless_it_does_not_hold_anyway() {
    let staged = published().await;
    let folder = staged.out().join(CLOSE);
    let cannot = |_: Place, _: Manifest| async { Err(Failure::bad_input("no template")) };
    assert_eq!(verify(&folder, &key(&staged), cannot).await.unwrap_err().code, 2);
    fs::remove_dir_all(staged.out().join("closes/2026-08/aaaa")).unwrap();
    let cannot = |_: Place, _: Manifest| async { Err(Failure::bad_input("no previous close")) };
    let report = verify(&folder, &key(&staged), cannot).await.unwrap();
    assert_eq!((broken(&report), report.exit_code()), (vec!["chain"], 5));
    assert_eq!(check(&report, "re-derivation").findings, ["no previous close"]);
}

#[tokio::test]
async fn what_comes_out_different_does_not_hold_and_the_hook_is_told_where() {
    let staged = published().await;
    let expected = staged.out().canonicalize().unwrap();
    let (folder, trust) = (staged.out().join(CLOSE), key(&staged));
    let report = verify(&folder, &trust, |place, manifest| async move {
        assert_eq!((place.out, place.closes_prefix), (expected.clone(), String::new()));
        assert_eq!((place.close, manifest.facts.close), (expected.join(CLOSE), "bbbb".to_owned()));
        Ok(vec!["ledger.csv: other bytes".to_owned()])
    });
    assert_eq!(broken(&report.await.unwrap()), ["re-derivation"]);
}

#[tokio::test]
async fn another_output_version_is_a_warning_that_names_the_version_needed() {
    let mut staged = Staged::new("2026-08", "aaaa").await;
    staged.facts.output_version = 77;
    staged.put("close.json", &serde_json::to_vec(&staged.facts).unwrap()).await;
    staged.publish().await.unwrap();
    let not_run = |_: Place, _: Manifest| async { panic!("another version's bytes cannot be made") };
    let report = verify(&staged.out().join("closes/2026-08/aaaa"), &key(&staged), not_run).await.unwrap();
    assert_eq!(report.exit_code(), 0, "{}", report.text());
    assert!(check(&report, "re-derivation").findings[0].starts_with("the close has output version 77, "));
}

#[tokio::test]
async fn a_provisional_close_is_neither_committed_nor_signed() {
    let mut staged = Staged::new("2026-09", "bbbb").await;
    staged.run.provisional = true;
    staged.facts.provisional = true;
    staged.stage().await;
    staged.publish().await.unwrap();
    let folder = staged.out().join("provisional/2026-09/bbbb");
    let report = verify(&folder, &Trust::Nobody, |_, _| async { Ok(Vec::new()) }).await.unwrap();
    let names: Vec<&str> = report.checks.iter().map(|check| check.name).collect();
    assert_eq!(names, ["sums", "conservation", "inputs", "re-derivation"]);
    assert!(report.holds && report.provisional && report.text().contains("PROVISIONAL"), "{}", report.text());
}

#[tokio::test]
async fn a_close_per_currency_is_found_below_its_own_prefix() {
    let mut staged = Staged::new("2026-09", "bbbb").await;
    staged.run.closes = "EUR/".to_owned();
    staged.publish().await.unwrap();
    let folder = staged.out().join("EUR/closes/2026-09/bbbb");
    let report = verify(&folder, &key(&staged), |_, _| async { Ok(Vec::new()) }).await.unwrap();
    assert!(report.holds, "{}", report.text());
}

#[tokio::test]
async fn what_is_no_close_is_unreadable() {
    let staged = published().await;
    for folder in ["nowhere", "closes", "closes/2026-09", "closes/2026-09/CURRENT"] {
        let error = verify(&staged.out().join(folder), &Trust::Nobody, |_, _| async { Ok(Vec::new()) }).await.unwrap_err();
        assert_eq!(error.code, 2, "{folder}");
        assert!(error.message.contains("OUT/closes/<period>/<close>") || error.message.contains("directory"), "{error}");
    }
    fs::write(staged.out().join(CLOSE).join("manifest.json"), "{").unwrap();
    assert_eq!(run(&staged, &Trust::Nobody).await.unwrap_err().code, 2);
}

#[test]
fn keys_and_fingerprints_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    fs::write(&path, "no key").unwrap();
    assert_eq!(Trust::of(Some(&path), None).unwrap_err().code, 2);
    assert_eq!(Trust::of(Some(&folder.path().join("none")), None).unwrap_err().code, 2);
    assert_eq!(Trust::of(None, Some("abc")).unwrap_err().code, 2);
    let pinned = "AB:".repeat(31) + "AB";
    assert!(matches!(Trust::of(None, Some(&pinned)), Ok(Trust::Fingerprint(hex)) if hex == "ab".repeat(32)));
    assert!(matches!(Trust::of(None, None), Ok(Trust::Nobody)));
}
