//! Notices of closes whatever the names in them, read by a parser that shares no code with ours.
#![allow(clippy::unwrap_used)]

mod common;

use apportion_store::Store;
use common::hostile;
use digest_mailer::{Context, Event, Outbox, Output, handle};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const MAIL: &str = "version = 1\nsender = \"finops@example.org\"\nrecipients = [\"cfo@example.org\"]\nallowed_domains = [\"example.org\"]\n\
    [[anomalies.override]]\nunit = \"of another configuration\"\nignore = true\n";

fn event(error: &str, cause: &str, outcome: &str) -> Event {
    let run = json!({ "period": "2026-09", "staging": "staging/2026-09/2026-09-0123456789ab-1/", "bill": "", "configuration": "c/",
        "template": null, "organization": null, "invoices": null, "provisional": false, "closes": "", "currency": "", "attempt": 1 });
    let event = json!({ "action": "close_notice", "run": run, "outcome": outcome, "error": { "Error": error, "Cause": cause } });
    serde_json::from_value(event).unwrap()
}

struct World {
    folder: tempfile::TempDir,
    context: Context,
}

impl World {
    async fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::directory(folder.path());
        let context = Context { work: store.clone(), outbox: Outbox::Directory(store) };
        let world = World { folder, context };
        world.stage("assets/mail.toml", MAIL.as_bytes()).await;
        world
    }

    async fn stage(&self, name: &str, bytes: &[u8]) {
        self.context.work.put(&format!("staging/2026-09/2026-09-0123456789ab-1/{name}"), bytes).await.unwrap();
    }

    async fn tell(&self, error: &str, cause: &str) -> (bool, String) {
        match handle(&self.context, event(error, cause, "refused")).await.unwrap() {
            Output::Notice { sent, mail } => (sent, mail),
            other => panic!("{other:?}"),
        }
    }

    /// Checked by `scripts/check_digest.py`.
    fn html(&self, mail: &str) -> String {
        let path = self.folder.path().join(mail);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/check_digest.py");
        let checked = Command::new("python3").arg(script).arg(&path).output().unwrap();
        assert!(
            checked.status.success(),
            "{}{}",
            String::from_utf8_lossy(&checked.stdout),
            String::from_utf8_lossy(&checked.stderr)
        );
        let html = std::fs::read_to_string(path.with_extension("html")).unwrap();
        if let Some(gallery) = std::env::var_os("APPORTION_GALLERY") {
            std::fs::create_dir_all(&gallery).unwrap();
            let name = format!("notice-{}.html", std::thread::current().name().unwrap_or("x").replace("::", "-"));
            std::fs::write(Path::new(&gallery).join(name), &html).unwrap();
        }
        html
    }
}

/// A report as the gate writes it, one invoice of which is off.
fn report(names: &[String]) -> Value {
    let line = |id: &String, passed: bool| {
        json!({ "provider": "AWS", "issuer": id, "billing_account_id": "1", "invoice_id": id, "source": "invoice",
        "rows": 3, "bill": "12345.5", "invoice": "12350", "difference": "4.5", "tolerance": "1", "ledger_cents": 1, "tax": null, "passed": passed })
    };
    let off = |id: &String| {
        json!({ "invoice": { "provider": "AWS", "issuer": id, "billing_account_id": "1", "invoice_id": id },
        "unit_id": id, "step": id, "expected": "1234.5", "found": id })
    };
    json!({ "period": "2026-09", "close": "", "provisional": false, "currency": "USD", "passed": false,
        "invoices": names.iter().enumerate().map(|(at, id)| line(id, at % 2 == 1)).collect::<Vec<_>>(),
        "totals": { "bill_cash": "0", "bill_effective": "0", "ledger_cash": "0", "ledger_effective": "0", "ledger_cents": 0, "units": 0, "ledger_rows": 0 },
        "bridge": [], "violations": names.iter().map(off).collect::<Vec<_>>(), "unbilled": names, "other_family": {}, "notes": [], "statements": [],
        "ignored": [], "other_periods": {}, "other_currencies": {}, "lossy_rows": 0, "rows": 0 })
}

#[tokio::test]
async fn a_notice_is_sent_once_for_each_execution() {
    let world = World::new().await;
    let cause = "{\"errorMessage\":\"`a.csv` is cut short\",\"errorType\":\"BadBill\"}";
    let first = world.tell("BadBill", cause).await;
    assert_eq!(first, (true, "outbox/2026-09/close-2026-09-0123456789ab-1.eml".to_owned()));
    assert_eq!(world.tell("BadBill", cause).await, (false, first.1.clone()));
    let html = world.html(&first.1);
    assert!(html.contains("`a.csv` is cut short") && !html.contains("errorMessage"), "{html}");
}

#[tokio::test]
async fn names_and_sentences_are_data() {
    let world = World::new().await;
    world.stage("close/reconciliation.json", report(&hostile()).to_string().as_bytes()).await;
    world.stage("readiness.json", json!({ "ready": false, "awaited": hostile() }).to_string().as_bytes()).await;
    for name in hostile() {
        let (_, mail) = world.tell(&name, &name).await;
        let html = world.html(&mail);
        assert!(!html.contains("<script>") && !html.contains('\u{202e}'), "{html}");
        assert!(html.contains("12,345.50") && html.contains("Awaited"), "{html}");
    }
}

#[tokio::test]
async fn a_report_that_cannot_be_read_leaves_a_gap_and_not_the_mail_away() {
    let world = World::new().await;
    world.stage("close/reconciliation.json", b"{\"period\":").await;
    let (sent, mail) = world.tell("DoesNotReconcile", "it differs").await;
    assert!(sent && world.html(&mail).contains("close/reconciliation.json: EOF"));
}

#[tokio::test]
async fn without_recipients_nothing_is_sent_and_a_wrong_file_is_named() {
    let world = World::new().await;
    world.stage("assets/mail.toml", b"version = 1\n").await;
    let error = handle(&world.context, event("BadBill", "x", "failed")).await.unwrap_err();
    assert_eq!(error.name(), "BadConfiguration");
    std::fs::remove_file(world.folder.path().join("staging/2026-09/2026-09-0123456789ab-1/assets/mail.toml")).unwrap();
    assert_eq!(world.tell("BadBill", "x").await, (false, String::new()));
}
