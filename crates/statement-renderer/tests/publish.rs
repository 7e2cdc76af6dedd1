//! Publication: the same final bytes and one commit, whatever happens on the way.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod staged;

use apportion_core::close::CloseFacts;
use apportion_output::{ledger_csv, ledger_parquet, parse_sums, sha256_hex};
use apportion_store::{Directory, Faults, Store};
use staged::{Staged, UNITS, inputs, row};
use statement_renderer::publish::{Checkpoint, Context, Event, Manifest, Output, Status, committed, handle};
use statement_renderer::signer::{KeyFile, Signer};
use statement_renderer::statement_folder;
use std::path::Path;
use std::sync::Arc;

#[tokio::test]
async fn a_published_close_is_summed_signed_and_committed() {
    let staged = Staged::new("2026-09", "aaaa").await;
    let output = staged.publish().await.unwrap();
    assert_eq!(output, Output { status: Status::Committed, folder: "closes/2026-09/aaaa".into(), current: None });
    let files = staged.files("closes");
    assert_eq!(files["closes/2026-09/CURRENT"], b"aaaa");
    let close = |name: &str| files[&format!("closes/2026-09/aaaa/{name}")].clone();
    let sums = String::from_utf8(close("SHA256SUMS")).unwrap();
    let listed: Vec<String> = parse_sums(&sums).unwrap().into_iter().map(|(name, _)| name).collect();
    let folder = statement_folder(UNITS[1]);
    let other = statement_folder(UNITS[0]);
    let mut expected = vec![
        "ledger.csv".to_owned(),
        "ledger.parquet".to_owned(),
        "manifest.json".to_owned(),
        "pools.csv".to_owned(),
        "reconciliation.json".to_owned(),
        format!("{folder}/statement.csv"),
        format!("{folder}/statement.pdf"),
        format!("{other}/statement.csv"),
        format!("{other}/statement.pdf"),
    ];
    expected.sort();
    assert_eq!(listed, expected);
    for (name, sha256) in parse_sums(&sums).unwrap() {
        assert_eq!(sha256_hex(&close(&name)), sha256, "{name}");
    }
    let checkpoint = String::from_utf8(close("CHECKPOINT")).unwrap();
    let sums_digest = sha256_hex(sums.as_bytes());
    assert_eq!(checkpoint, format!("period 2026-09\nclose aaaa\nsha256sums {sums_digest}\nprevious none\n"));
    assert!(staged.signer().public_key().verifies(checkpoint.as_bytes(), &close("CHECKPOINT.sig")));
    let manifest: Manifest = serde_json::from_slice(&close("manifest.json")).unwrap();
    assert_eq!((manifest.facts, manifest.files), (staged.facts.clone(), inputs(&staged.run).files));
    // The renderer reads the facts alone from it.
    assert_eq!(serde_json::from_slice::<CloseFacts>(&close("manifest.json")).unwrap(), staged.facts);
}

#[tokio::test]
async fn stock_tools_agree() {
    let staged = Staged::new("2026-09", "aaaa").await;
    staged.publish().await.unwrap();
    let close = staged.out().join("closes/2026-09/aaaa");
    let run = |tool: &str, arguments: &[&str]| match std::process::Command::new(tool).args(arguments).current_dir(&close).output()
    {
        Ok(output) => Some(output),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{tool} must be there in CI: {error}");
            println!("SKIPPED {tool}: it is not installed here");
            None
        }
    };
    let Some(sums) = run("sha256sum", &["--strict", "-c", "SHA256SUMS"]) else { return };
    assert!(sums.status.success(), "{}", String::from_utf8_lossy(&sums.stderr));
    assert_eq!(String::from_utf8_lossy(&sums.stdout).lines().filter(|line| line.ends_with(": OK")).count(), 9);
    let key = staged.folder.path().join("keys/signing-key.pub.pem");
    let check = ["dgst", "-sha256", "-verify", key.to_str().unwrap(), "-signature", "CHECKPOINT.sig", "CHECKPOINT"];
    let Some(signature) = run("openssl", &check) else { return };
    assert_eq!(String::from_utf8_lossy(&signature.stdout), "Verified OK\n");
}

#[tokio::test]
async fn the_same_close_again_writes_nothing() {
    let staged = Staged::new("2026-09", "aaaa").await;
    staged.publish().await.unwrap();
    let before = staged.files("closes");
    let modified = || std::fs::metadata(staged.out().join("closes/2026-09/aaaa/ledger.csv")).unwrap().modified().unwrap();
    let time = modified();
    // Even a publisher that cannot write finds that nothing is to do.
    let faults = Arc::new(Faults::after(0));
    let output = staged.publish_to(Store::Directory(Directory::new(staged.out()).with_faults(faults))).await.unwrap();
    assert_eq!(output.status, Status::Already);
    assert_eq!((staged.files("closes"), modified()), (before, time));
}

#[tokio::test]
async fn another_close_of_the_period_is_a_conflict_and_writes_nothing() {
    let first = Staged::new("2026-09", "aaaa").await;
    first.publish().await.unwrap();
    let before = first.files("closes");
    let second = Staged::after(first.folder, "2026-09", "bbbb", None).await;
    let output = second.publish().await.unwrap();
    assert_eq!((output.status, output.current.as_deref()), (Status::Conflict, Some("aaaa")));
    assert_eq!(second.files("closes"), before);
}

#[tokio::test]
async fn closes_chain_and_an_earlier_period_comes_too_late() {
    let first = Staged::new("2026-08", "aaaa").await;
    first.publish().await.unwrap();
    let checkpoint = first.files("closes")["closes/2026-08/aaaa/CHECKPOINT"].clone();
    // A gap between periods is no break in the chain.
    let second = Staged::after(first.folder, "2026-10", "bbbb", Some(("2026-08", "aaaa"))).await;
    assert_eq!(second.publish().await.unwrap().status, Status::Committed);
    let text = String::from_utf8(second.files("closes")["closes/2026-10/bbbb/CHECKPOINT"].clone()).unwrap();
    assert_eq!(Checkpoint::parse(&text).unwrap().previous, sha256_hex(&checkpoint));
    let late = Staged::after(second.folder, "2026-09", "cccc", Some(("2026-08", "aaaa"))).await;
    let before = late.files("closes");
    let output = late.publish().await.unwrap();
    assert_eq!((output.status, output.current.as_deref()), (Status::EarlierThanClosed, Some("2026-10")));
    assert_eq!(late.files("closes"), before);
    let periods: Vec<String> = committed(&late.work(), "").await.unwrap().keys().map(ToString::to_string).collect();
    assert_eq!(periods, ["2026-08", "2026-10"]);
}

#[tokio::test]
async fn figures_made_on_another_previous_close_are_not_published() {
    let first = Staged::new("2026-08", "aaaa").await;
    first.publish().await.unwrap();
    let second = Staged::after(first.folder, "2026-09", "bbbb", None).await;
    let error = second.publish().await.unwrap_err();
    assert_eq!(error.name(), "PreviousChanged");
    assert!(error.to_string().contains("was none when the figures were made and is 2026-08 aaaa now"), "{error}");
    assert!(!second.files("closes").keys().any(|name| name.contains("2026-09")));
}

#[tokio::test]
async fn a_provisional_close_has_no_checkpoint_and_commits_nothing() {
    let mut staged = Staged::new("2026-09", "aaaa").await;
    staged.run.provisional = true;
    staged.facts.provisional = true;
    staged.stage().await;
    let context = Context { work: staged.work(), closes: staged.work(), signer: None };
    for _ in 0..2 {
        let output = handle(&context, Event { run: staged.run.clone() }).await.unwrap();
        assert_eq!((output.status, output.folder.as_str()), (Status::Provisional, "provisional/2026-09/aaaa"));
    }
    let files = staged.files("provisional");
    assert_eq!(files.len(), 10, "nine files and their sums: {:?}", files.keys());
    assert!(!files.keys().any(|name| name.contains("CHECKPOINT") || name.contains("CURRENT")));
    assert!(staged.files("closes").is_empty());
}

#[tokio::test]
async fn a_close_whose_inputs_are_not_frozen_is_not_published() {
    let staged = Staged::new("2026-09", "aaaa").await;
    std::fs::remove_file(staged.out().join(staged.facts.organization_key())).unwrap();
    let error = staged.publish().await.unwrap_err().to_string();
    assert_eq!(error, format!("`{}` was not frozen: run the close again", staged.facts.organization_key()));
    assert!(staged.files("closes").is_empty());
}

#[tokio::test]
async fn without_a_signer_nothing_is_published() {
    let staged = Staged::new("2026-09", "aaaa").await;
    let context = Context { work: staged.work(), closes: staged.work(), signer: None };
    let error = handle(&context, Event { run: staged.run.clone() }).await.unwrap_err();
    assert_eq!(error.name(), "NoSigner");
    assert!(staged.files("closes").is_empty());
}

#[tokio::test]
async fn a_crash_at_any_write_and_a_rerun_give_the_same_bytes_and_one_commit() {
    let whole = Staged::new("2026-09", "aaaa").await;
    whole.publish().await.unwrap();
    let expected = whole.files("closes");
    let mut crashes = 0;
    let mut committed_before_the_crash = 0;
    for point in 0.. {
        let staged = Staged::new("2026-09", "aaaa").await;
        // The same key, so that signatures are the same too.
        copy_folder(&whole.folder.path().join("keys"), &staged.folder.path().join("keys"));
        let faults = Arc::new(Faults::after(point));
        let failing = Store::Directory(Directory::new(staged.out()).with_faults(faults));
        let crashed = staged.publish_to(failing).await;
        let was_committed = staged.files("closes").contains_key("closes/2026-09/CURRENT");
        match &crashed {
            Ok(output) => {
                assert_eq!(output.status, Status::Committed);
                assert_eq!(staged.files("closes"), expected);
                break;
            }
            Err(error) => assert_eq!(error.name(), "Store", "{error}"),
        }
        crashes += 1;
        committed_before_the_crash += usize::from(was_committed);
        if was_committed {
            assert_eq!(staged.files("closes"), expected, "what is committed is whole, point {point}");
        }
        let rerun = staged.publish().await.unwrap();
        assert_eq!(rerun.status, if was_committed { Status::Already } else { Status::Committed }, "point {point}");
        assert_eq!(staged.files("closes"), expected, "point {point}");
    }
    // Nine files, sums, checkpoint, signature and commit, three points each.
    assert_eq!(crashes, 13 * 3);
    assert_eq!(committed_before_the_crash, 1, "only the last point comes after the commit");
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let path = item.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn publishers_at_the_same_time_commit_once() {
    for _ in 0..10 {
        let staged = Arc::new(Staged::new("2026-09", "aaaa").await);
        staged.signer();
        let racers: Vec<_> = (0..4)
            .map(|_| {
                let staged = staged.clone();
                tokio::spawn(async move { staged.publish().await.unwrap().status })
            })
            .collect();
        let mut outcomes = Vec::new();
        for racer in racers {
            outcomes.push(racer.await.unwrap());
        }
        assert_eq!(outcomes.iter().filter(|status| **status == Status::Committed).count(), 1, "{outcomes:?}");
        assert!(outcomes.iter().all(|status| matches!(status, Status::Committed | Status::Already)));
        assert_eq!(staged.files("closes").len(), 13);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn different_closes_at_the_same_time_commit_one_of_them() {
    for _ in 0..10 {
        let first = Staged::new("2026-09", "aaaa").await;
        let (out, keys) = (first.out(), first.folder.path().join("keys"));
        let second = Staged::after(tempfile::tempdir().unwrap(), "2026-09", "bbbb", None).await;
        let race = |staged: Staged| {
            let (closes, signer) = (Store::directory(&out), KeyFile::in_folder(&keys, &out).unwrap());
            tokio::spawn(async move {
                let context = Context { work: staged.work(), closes, signer: Some(Signer::KeyFile(signer)) };
                let output = handle(&context, Event { run: staged.run.clone() }).await.unwrap();
                (staged, output)
            })
        };
        let (one, two) = (race(first), race(second));
        let ((_first, one), (_second, two)) = (one.await.unwrap(), two.await.unwrap());
        let current = std::fs::read_to_string(out.join("closes/2026-09/CURRENT")).unwrap();
        let (winner, loser, id) = if one.status == Status::Committed { (one, two, "aaaa") } else { (two, one, "bbbb") };
        assert_eq!((winner.status, loser.status), (Status::Committed, Status::Conflict));
        assert_eq!((current.as_str(), loser.current.as_deref()), (id, Some(id)));
    }
}

#[tokio::test]
async fn a_cent_off_anywhere_publishes_nothing() {
    let period = "2026-09".parse().unwrap();
    let rows = |first: i128| [row(UNITS[0], first), row(UNITS[1], -34)];
    let folder = statement_folder(UNITS[0]);
    let cases: Vec<(String, Vec<u8>, &str)> = vec![
        ("close/ledger.parquet".into(), ledger_parquet(period, &rows(1235)).unwrap(), "different rows"),
        ("close/ledger.csv".into(), ledger_csv(period, &rows(1235)).unwrap(), "invoice to units: expected 12.00, found 12.01"),
        (format!("close/{folder}/statement.csv"), b"unit_id,cents\nCC-1010,1233\n".to_vec(), "comes to 1233 minor units"),
        (format!("close/{folder}/statement.csv"), b"unit_id,cents\nCC-9999,1234\n".to_vec(), "has a line of unit CC-9999"),
        (format!("close/{folder}/statement.csv"), b"cents\n1234\n".to_vec(), "no column `unit_id`"),
        ("close/statements/CC-77/statement.csv".into(), b"unit_id,cents\nCC-77,1\n".to_vec(), "charges 1 minor units"),
        ("close/reconciliation.json".into(), b"{}".to_vec(), "reconciliation.json: missing field"),
        (
            "close/summary.csv".into(),
            b"unit_id,invoice_id,component,cents\nCC-1010,7,direct,1233\n".to_vec(),
            "summary.csv: unit CC-1010, invoice 7, direct: 1233 minor units, the ledger has 1234",
        ),
    ];
    for (name, bytes, expected) in cases {
        let staged = Staged::new("2026-09", "aaaa").await;
        staged.put(&name, &bytes).await;
        let error = staged.publish().await.unwrap_err();
        assert_eq!(error.name(), "DoesNotReconcile", "{name}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert!(staged.files("closes").is_empty(), "{name}");
    }
    let staged = Staged::new("2026-09", "aaaa").await;
    std::fs::remove_file(staged.out().join(&staged.run.staging).join(format!("close/{folder}/statement.pdf"))).unwrap();
    let error = staged.publish().await.unwrap_err().to_string();
    assert!(error.contains("unit CC-1010 has no statements/CC-1010/statement.pdf"), "{error}");
    let staged = Staged::new("2026-09", "aaaa").await;
    std::fs::remove_file(staged.out().join(&staged.run.staging).join("close/ledger.csv")).unwrap();
    assert_eq!(staged.publish().await.unwrap_err().name(), "Staging");
}

#[tokio::test]
async fn the_beginning_of_another_close_in_the_way_is_named_and_left_alone() {
    for (name, bytes) in
        [("ledger.csv", &b"other"[..]), ("extra.txt", b"x"), ("SHA256SUMS", b"x"), ("CHECKPOINT", b"x"), ("manifest.json", b"{}")]
    {
        let staged = Staged::new("2026-09", "aaaa").await;
        staged.work().put(&format!("closes/2026-09/aaaa/{name}"), bytes).await.unwrap();
        let error = staged.publish().await.unwrap_err();
        assert_eq!(error.name(), "LeftOver", "{error}");
        assert!(error.to_string().contains("closes/2026-09/aaaa") && error.to_string().contains(&format!("({name})")), "{error}");
        let files = staged.files("closes");
        assert_eq!(files[&format!("closes/2026-09/aaaa/{name}")], bytes);
        assert!(!files.contains_key("closes/2026-09/CURRENT"));
    }
}

#[tokio::test]
async fn a_signature_by_another_key_is_not_taken_for_ours_and_a_valid_one_stays() {
    let staged = Staged::new("2026-09", "aaaa").await;
    let other = KeyFile::in_folder(&staged.folder.path().join("other"), &staged.out()).unwrap();
    // Publish up to the commit, then take the commit away and put another signature.
    staged.publish().await.unwrap();
    let close = staged.out().join("closes/2026-09/aaaa");
    std::fs::remove_file(staged.out().join("closes/2026-09/CURRENT")).unwrap();
    let checkpoint = std::fs::read(close.join("CHECKPOINT")).unwrap();
    std::fs::write(close.join("CHECKPOINT.sig"), other.sign(&checkpoint)).unwrap();
    assert_eq!(staged.publish().await.unwrap_err().name(), "ForeignSignature");
    assert!(!staged.out().join("closes/2026-09/CURRENT").exists());
    // The negated s of a signature is a valid signature of other bytes.
    let valid = negated(&staged.signer().sign(&checkpoint));
    assert!(staged.signer().public_key().verifies(&checkpoint, &valid));
    std::fs::write(close.join("CHECKPOINT.sig"), &valid).unwrap();
    assert_eq!(staged.publish().await.unwrap().status, Status::Committed);
    assert_eq!(std::fs::read(close.join("CHECKPOINT.sig")).unwrap(), valid);
}

fn negated(der: &[u8]) -> Vec<u8> {
    let signature = p256::ecdsa::Signature::from_der(der).unwrap();
    let (r, s) = signature.split_scalars();
    p256::ecdsa::Signature::from_scalars(*r, -*s).unwrap().to_der().as_bytes().to_vec()
}

#[tokio::test]
async fn the_same_files_delivered_under_another_name_are_the_same_close() {
    let staged = Staged::new("2026-09", "aaaa").await;
    staged.publish().await.unwrap();
    std::fs::remove_file(staged.out().join("closes/2026-09/CURRENT")).unwrap();
    let before = staged.files("closes");
    let mut moved = inputs(&staged.run);
    moved.files[0].delivered_as = "copy/bill.csv".into();
    moved.files[0].version = "4-2".into();
    staged.put("inputs.json", &serde_json::to_vec(&moved).unwrap()).await;
    assert_eq!(staged.publish().await.unwrap().status, Status::Committed);
    let mut after = staged.files("closes");
    after.remove("closes/2026-09/CURRENT");
    assert_eq!(after, before, "the first manifest stays");
}

#[test]
fn a_checkpoint_is_exactly_its_text() {
    let text = "period 2026-09\nclose a\nsha256sums b\nprevious none\n";
    assert_eq!(Checkpoint::parse(text).unwrap().to_text(), text);
    for wrong in [
        "",
        "period 2026-09\n",
        &text.replace("close a", "close"),
        &text.replace('\n', "\r\n"),
        &format!("{text}more x\n"),
        &text.replace("2026-09", "2026-9"),
    ] {
        assert_eq!(Checkpoint::parse(wrong), None, "{wrong:?}");
    }
}
