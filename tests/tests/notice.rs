//! The mail about a close that does not end well: once for each run, in words, read by a parser that shares no code with ours.
#![allow(clippy::unwrap_used)]

use apportion_tests::month::*;
use apportion_tests::*;
use std::path::{Path, PathBuf};

const MAIL: &str = "version = 1\nsender = \"finops@example.org\"\nsender_name = \"FinOps\"\nrecipients = [\"digest@example.org\"]\n\
    close_recipients = [\"cfo@example.org\", \"controlling@example.org\"]\nallowed_domains = [\"example.org\"]\nsubject = \"Example costs\"\n";

/// By Python's `email`: headers, text and HTML.
const READ: &str = "import email, json, sys\nfrom email import policy\n\
    m = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=policy.default)\n\
    print(json.dumps({'from': m['From'], 'to': m['To'], 'subject': m['Subject'], 'date': m['Date'].datetime.timestamp(),\n\
      'text': m.get_body(('plain',)).get_content(), 'html': m.get_body(('html',)).get_content(),\n\
      'attachments': len(list(m.iter_attachments()))}))";

fn month(mail: &str) -> Month {
    let month = Month::new(&bill_lines());
    std::fs::write(Path::new(&month.config).join("mail.toml"), mail).unwrap();
    month
}

fn mails(month: &Month) -> Vec<PathBuf> {
    let outbox = month.out.join("outbox");
    tree(&outbox).keys().filter(|name| name.ends_with(".eml")).map(|name| outbox.join(name)).collect()
}

/// The only mail, checked and read.
#[track_caller]
fn the_mail(month: &Month) -> serde_json::Value {
    let found = mails(month);
    assert_eq!(found.len(), 1, "{found:?}");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    run("python3", &["../scripts/check_digest.py", &text(&found[0])], here).expect(0);
    run("python3", &["-c", READ, &text(&found[0])], here).expect(0).json()
}

#[track_caller]
fn assert_says(mail: &serde_json::Value, part: &str, sentences: &[&str]) {
    let text = mail[part].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in sentences {
        assert!(text.contains(sentence), "{sentence:?} is not in the {part}: {text}");
    }
}

/// INV-1 has 192.005 in the bill; 1.00 is allowed either way, so 193.00 closes and 193.01 is a cent too far.
#[test]
fn an_invoice_a_cent_too_far_is_told_in_one_mail() {
    let month = month(MAIL);
    let beyond = month.invoices(&[("INV-1", "INVOICE", "193.01"), ("INV-2", "INVOICE", "28.00")]);
    let ran = month.close(&["--invoices", &beyond]).expect(4);
    let mail = the_mail(&month);
    assert_eq!(mail["from"], "FinOps <finops@example.org>");
    assert_eq!(mail["to"], "cfo@example.org, controlling@example.org");
    assert_eq!(mail["subject"], "Example costs: September 2026 is not closed (DoesNotReconcile)");
    assert_eq!(mail["attachments"], 0);
    let age = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
        - mail["date"].as_f64().unwrap();
    assert!((0.0..600.0).contains(&age), "dated {age} s ago");
    assert_says(
        &mail,
        "text",
        &[
            "September 2026: the close was refused",
            "Nothing was published.",
            "DoesNotReconcile",
            "1 of 2",
            "differences of 1.005 USD in all",
            "INV-1 192.005 193.01 1.005",
            "allowed 1.00",
            "What to do",
            "daily offer",
        ],
    );
    assert!(!mail["text"].as_str().unwrap().contains("INV-2"), "{}", mail["text"]);
    let preview = ran.stderr.lines().find_map(|line| line.strip_prefix("The notice: ")).unwrap();
    assert_eq!(std::fs::read_to_string(preview).unwrap().replace("\r\n", "\n").trim(), mail["html"].as_str().unwrap().trim());
    assert!(!month.out.join("closes").exists());
    // What is allowed closes, and tells nobody.
    let within = month.invoices(&[("INV-1", "INVOICE", "193.00"), ("INV-2", "INVOICE", "28.00")]);
    month.close(&["--invoices", &within]).expect(0);
    assert_eq!(mails(&month).len(), 1);
}

#[test]
fn an_invoice_that_the_bill_lacks_is_named() {
    let month = month(MAIL);
    let more = month.invoices(&[("INV-1", "INVOICE", "192.01"), ("INV-2", "INVOICE", "28.00"), ("INV-3", "INVOICE", "1.00")]);
    month.close(&["--invoices", &more]).expect(4);
    assert_says(
        &the_mail(&month),
        "html",
        &["INV-3: 1.000000000000 is payable by the invoices file, and the bill has no line of it"],
    );
}

#[test]
fn bad_input_is_told_with_its_sentence_and_told_again_only_if_it_differs() {
    let month = month(MAIL);
    let bill = |cost: &str| {
        let mut lines = bill_lines();
        lines.push(line("INV-1", "100000000010", "Usage", "AmazonEC2", cost, "A"));
        std::fs::write(&month.bill, format!("{HEADER}\n{}\n", lines.join("\n"))).unwrap();
    };
    bill("twelve");
    for _ in 0..2 {
        month.close(&[]).expect(2);
        let mail = the_mail(&month);
        assert_eq!(mail["subject"], "Example costs: September 2026 is not closed (BadBill)");
        assert_says(&mail, "text", &["The delivered bill cannot be read", "twelve", "have the export delivered again"]);
    }
    bill("thirteen");
    month.close(&[]).expect(2);
    assert_eq!(mails(&month).len(), 2);
}

/// The month before is committed and lies nowhere: nothing in the bill is to mend.
#[test]
fn a_step_that_fails_is_told_in_one_mail() {
    let month = month(MAIL);
    let earlier = month.out.join("closes/2026-08");
    std::fs::create_dir_all(&earlier).unwrap();
    std::fs::write(earlier.join("CURRENT"), "0123456789abcdef\n").unwrap();
    let ran = month.close(&[]).expect(1);
    assert!(ran.stderr.contains("on to TellFailure"), "{}", ran.stderr);
    let mail = the_mail(&month);
    assert_says(
        &mail,
        "text",
        &[
            "September 2026: the close failed",
            "not for what is in the bill or the invoices",
            "Nothing was published.",
            "second time",
        ],
    );
    assert!(!month.out.join("closes/2026-09").exists());
}

#[test]
fn what_is_no_failure_tells_nobody() {
    let month = month(MAIL);
    let missing = month.invoices(&[("INV-1", "INVOICE", "192.00")]);
    month.close(&["--invoices", &missing]).expect(3);
    let beyond = month.invoices(&[("INV-1", "INVOICE", "193.01"), ("INV-2", "INVOICE", "28.00")]);
    month.close(&["--invoices", &beyond, "--dry-run"]).expect(4);
    assert_eq!(mails(&month), Vec::<PathBuf>::new());
}

/// Nobody can be told, and that is said; the close ends as it would.
#[test]
fn a_mail_toml_that_does_not_hold_leaves_the_exit_code_and_is_named() {
    let month = month(&MAIL.replace("\"cfo@example.org\"", "\"cfo@elsewhere.example\""));
    let beyond = month.invoices(&[("INV-1", "INVOICE", "193.01"), ("INV-2", "INVOICE", "28.00")]);
    let ran = month.close(&["--invoices", &beyond]).expect(4);
    let why = "TellRefusal: BadConfiguration (mail.toml:5: `cfo@elsewhere.example` is of no allowed domain";
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
    assert_eq!(mails(&month), Vec::<PathBuf>::new());
    std::fs::remove_file(Path::new(&month.config).join("mail.toml")).unwrap();
    month.close(&["--invoices", &beyond]).expect(4);
    assert!(!month.out.join("outbox").exists());
}
