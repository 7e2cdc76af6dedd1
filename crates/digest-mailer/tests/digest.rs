//! A day evaluated, archived and sent, and the mail read by Python's `email`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use apportion_core::bill::Kind;
use apportion_core::day::FailedStage;
use apportion_core::money::Money;
use common::{Company, DATE, STAGING, day, hostile, row, rows};
use digest_mailer::{Output, breakdown_key};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const ARCHIVE: &str = "ou-breakdowns/year=2026/month=09/day=15/ou_breakdown.csv";

/// Another program reads the mail: it must hold.
fn check(company: &Company, mail: &str, attachments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/check_digest.py");
    let paths = attachments.iter().map(|key| company.path(key));
    let output = Command::new("python3").arg(script).arg(company.path(mail)).args(paths).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    if let Some(folder) = std::env::var_os("APPORTION_GALLERY") {
        let name = mail.replace('/', "_");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(company.path(mail), Path::new(&folder).join(&name)).unwrap();
        std::fs::copy(company.path(&mail.replace(".eml", ".html")), Path::new(&folder).join(name.replace(".eml", ".html")))
            .unwrap();
    }
    said
}

fn outbox(company: &Company) -> BTreeSet<String> {
    let folder = company.path(&format!("outbox/{DATE}"));
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeSet::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_day_is_evaluated_archived_and_sent_once() {
    let company = Company::new().await;
    company.stage_all().await;
    let Output::Evaluated { anomalies, groups, sparse, .. } = company.evaluate().await else { panic!() };
    // The one spike; hostile services and those of the unknown account are a day old.
    assert_eq!((anomalies, groups, sparse), (1, 8 * 6 + 8 + 1, 9));
    let sent = company.digest(Vec::new()).await;
    let Output::Digest { sent: was_sent, mail, version, archive, missing } = sent else { panic!() };
    assert_eq!((was_sent, version, archive.as_deref(), missing), (true, 1, Some(ARCHIVE), Vec::new()));
    assert_eq!(breakdown_key(day(DATE)), ARCHIVE);
    check(&company, &mail, &[ARCHIVE, &format!("{STAGING}executive.pdf")]);
    let first = std::fs::read(company.path(&mail)).unwrap();
    // Again: the same files, nothing sent.
    company.evaluate().await;
    let Output::Digest { sent, version, .. } = company.digest(Vec::new()).await else { panic!() };
    assert_eq!((sent, version), (false, 1));
    assert_eq!(std::fs::read(company.path(&mail)).unwrap(), first);
    assert_eq!(outbox(&company), ["digest.eml", "digest.html", "digest.json", "executive.pdf"].map(str::to_owned).into());
    // Elsewhere: the same bytes.
    let other = Company::new().await;
    other.stage_all().await;
    other.evaluate().await;
    other.digest(Vec::new()).await;
    assert_eq!(std::fs::read(other.path(&mail)).unwrap(), first);
}

#[tokio::test]
async fn a_restated_day_sends_a_mail_that_says_what_it_replaces_and_keeps_both_csv_files() {
    let company = Company::new().await;
    company.stage_all().await;
    company.evaluate().await;
    company.digest(Vec::new()).await;
    let before = company.text(ARCHIVE);
    let mut late = rows(company.run.date);
    late.push(row(company.run.date, 0, "CC-1010", "AmazonS3", Kind::Usage, Money::from_minor(500_000, 2)));
    company.stage_rollup(&late).await;
    company.evaluate().await;
    let Output::Digest { sent, mail, version, .. } = company.digest(Vec::new()).await else { panic!() };
    assert_eq!((sent, version, mail.as_str()), (true, 2, "outbox/2026-09-15/digest.2.eml"));
    let said = check(&company, &mail, &[ARCHIVE, &format!("{STAGING}executive.pdf")]);
    assert!(said.contains("Meridian cloud costs: 2026-09-15 (replaces mail 1)"), "{said}");
    let html = company.text("outbox/2026-09-15/digest.2.html");
    assert!(html.contains("This mail replaces mail 1 of the same day. Changed: "), "{html}");
    assert!(html.contains("On 2026-09-15: "), "{html}");
    assert_ne!(company.text(ARCHIVE), before);
    assert_eq!(company.text("ou-breakdown-versions/2026-09-15/ou_breakdown.csv"), before);
    assert_eq!(company.text("ou-breakdown-versions/2026-09-15/ou_breakdown.2.csv"), company.text(ARCHIVE));
    let Output::Digest { sent, .. } = company.digest(Vec::new()).await else { panic!() };
    assert!(!sent);
}

#[tokio::test]
async fn stages_that_failed_or_did_not_run_are_named_at_the_top_and_the_rest_is_sent() {
    let company = Company::new().await;
    company.stage_rollup(&rows(company.run.date)).await;
    company.evaluate().await;
    let cause = r#"{"errorMessage":"the query was stopped: <b>timeout</b>\r\nBcc: x","errorType":"QueryFailed"}"#;
    let failed = FailedStage { name: "hygiene".to_owned(), error: "QueryFailed".to_owned(), cause: cause.to_owned() };
    let Output::Digest { sent, mail, missing, .. } = company.digest(vec![failed]).await else { panic!() };
    assert_eq!((sent, missing), (true, ["hygiene", "organization", "suggestions", "executive"].map(str::to_owned).to_vec()));
    check(&company, &mail, &[ARCHIVE]);
    let html = company.text("outbox/2026-09-15/digest.html");
    let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("no {text} in {html}"));
    let first_figure = place("On 2026-09-15");
    assert!(
        place(
            "Hygiene: tag hygiene is missing (QueryFailed: the query was stopped: &lt;b&gt;timeout&lt;/b&gt;⟨U+000D⟩⟨U+000A⟩Bcc: x)."
        ) < first_figure
    );
    assert!(place("Suggestions: suggested owners are missing (it did not run).") < first_figure);
    // Nothing knows the accounts: they are named, and the day is not stopped.
    assert!(place("Accounts that the organization lacks, shown as OU __unknown__") < first_figure);
}

#[tokio::test]
async fn without_a_rollup_the_mail_says_so_and_has_no_figures() {
    let company = Company::new().await;
    let failed = FailedStage {
        name: "readiness".to_owned(),
        error: "NoData".to_owned(),
        cause: "no line of 2026-09-15 by the deadline".to_owned(),
    };
    let Output::Digest { sent, mail, archive, missing, .. } = company.digest(vec![failed]).await else { panic!() };
    assert_eq!((sent, archive, missing.len()), (true, None, 7));
    check(&company, &mail, &[]);
    let html = company.text("outbox/2026-09-15/digest.html");
    assert!(html.contains("Rollup: there are no figures of the day and no CSV (it did not run)."), "{html}");
    let readiness = html.find("Readiness: it failed (NoData: no line of 2026-09-15 by the deadline).").unwrap();
    assert!(readiness < html.find("Rollup: ").unwrap(), "{html}");
}

#[tokio::test]
async fn an_earlier_organization_is_named_at_the_top() {
    let company = Company::new().await;
    company.stage_all().await;
    company.evaluate().await;
    let source = br#"{"stale_since": "2026-09-01", "failure": "no right to ListRoots", "kept": null, "walk": null}"#;
    company.put(&format!("{STAGING}organization_source.json"), source).await;
    let Output::Digest { mail, .. } = company.digest(Vec::new()).await else { panic!() };
    let html = company.text(&mail.replace(".eml", ".html"));
    assert!(html.contains("The organization is that of 2026-09-01: it could not be read. no right to ListRoots."), "{html}");
}

#[tokio::test]
async fn a_csv_beyond_the_limit_becomes_a_link() {
    let company = Company::new().await;
    company.stage_all().await;
    let mail =
        company.text("configuration/mail.toml").replace("attachment_limit_bytes = 5_000_000", "attachment_limit_bytes = 100");
    company.put("configuration/mail.toml", mail.as_bytes()).await;
    company.evaluate().await;
    let Output::Digest { mail, .. } = company.digest(Vec::new()).await else { panic!() };
    check(&company, &mail, &[&format!("{STAGING}executive.pdf")]);
    let html = company.text("outbox/2026-09-15/digest.html");
    assert!(html.contains(&format!("https://cloudcosts.meridian.example/archive/{ARCHIVE}")), "{html}");
}

#[tokio::test]
async fn the_csv_holds_the_day_in_cash_and_nothing_else() {
    let company = Company::new().await;
    company.stage_all().await;
    company.evaluate().await;
    company.digest(Vec::new()).await;
    let mut reader = csv::Reader::from_path(company.path(ARCHIVE)).unwrap();
    let mut sum = Money::ZERO;
    let mut services = BTreeSet::new();
    for record in reader.records() {
        let record = record.unwrap();
        assert_eq!(&record[0], DATE);
        assert!(!record[1].contains(['\r', '\n']) && !record[2].contains(['\r', '\n']), "{record:?}");
        services.insert(record[2].to_owned());
        sum += record[4].parse::<Money>().unwrap();
    }
    // Tax and credit are cash too.
    let wanted: Money = rows(day(DATE)).iter().filter(|row| row.day == DATE).map(|row| row.cash.unblended).sum();
    assert_eq!(sum, wanted);
    assert!(services.contains(&format!("'{}", hostile()[1])), "{services:?}");
    assert!(services.contains("'+1-1␤Bcc: evil@evil.example␤␤body"), "{services:?}");
}

#[tokio::test]
async fn anomalies_keep_their_state_and_false_alarms_are_counted_by_business_unit() {
    use apportion_core::evaluation::AnomalyState;
    use digest_mailer::{Decision, FalsePositives, decide, false_positives, records};
    let company = Company::new().await;
    company.stage_all().await;
    company.evaluate().await;
    let store = &company.context.work;
    let kept = records(store).await.unwrap();
    let short: Vec<_> =
        kept.iter().map(|one| (one.anomaly.owner.as_str(), one.anomaly.service.as_str(), one.anomaly.state)).collect();
    assert_eq!(short, [("CC-1020", "AmazonDynamoDB", AnomalyState::Open)]);
    let id = kept[0].anomaly.id.clone();
    let decision = |state| Decision { state, by: "a.person".to_owned(), on: day("2026-09-16"), reason: "a load test".to_owned() };
    decide(store, &id, decision(AnomalyState::Dismissed)).await.unwrap();
    assert!(decide(store, "none", decision(AnomalyState::Dismissed)).await.is_err());
    assert!(decide(store, &id, decision(AnomalyState::Open)).await.is_err());
    // A rerun of the day keeps what was decided.
    company.evaluate().await;
    let kept = records(store).await.unwrap();
    assert_eq!((kept.len(), kept[0].anomaly.state), (1, AnomalyState::Dismissed));
    let team = FalsePositives { open: 0, confirmed: 0, dismissed: 1, permille: Some(1_000) };
    assert_eq!(false_positives(&kept).into_iter().collect::<Vec<_>>(), [("Claims".to_owned(), team)]);
    company.digest(Vec::new()).await;
    assert!(
        company
            .text("outbox/2026-09-15/digest.html")
            .contains("Nothing unusual. 48 services of units judged, 9 have too few days to judge. 1 dismissed.")
    );
}

#[tokio::test]
async fn an_anomaly_that_a_restatement_undoes_is_withdrawn() {
    use apportion_core::evaluation::AnomalyState;
    let company = Company::new().await;
    company.stage_all().await;
    company.evaluate().await;
    let calm: Vec<_> =
        rows(company.run.date).into_iter().filter(|row| row.day != DATE || row.service != "AmazonDynamoDB").collect();
    company.stage_rollup(&calm).await;
    company.evaluate().await;
    let kept = digest_mailer::records(&company.context.work).await.unwrap();
    assert_eq!(kept.iter().map(|one| one.anomaly.state).collect::<Vec<_>>(), [AnomalyState::Withdrawn]);
}

#[tokio::test]
async fn alerts_are_news_once_and_a_rerun_says_the_same() {
    let company = Company::new().await;
    company.stage_all().await;
    let Output::Evaluated { alerts, .. } = company.evaluate().await else { panic!() };
    assert!(alerts > 0);
    let Output::Evaluated { alerts: again, .. } = company.evaluate().await else { panic!() };
    assert_eq!(again, alerts);
    // The day before had said the same of everything.
    let text = company.text("alerts/2026-09/2026-09-15.json").replace("2026-09-15", "2026-09-14");
    company.put("alerts/2026-09/2026-09-14.json", text.as_bytes()).await;
    let Output::Evaluated { alerts, .. } = company.evaluate().await else { panic!() };
    assert_eq!(alerts, 0);
}

/// What Python's `email` reads as the text of the mail.
fn text_of(company: &Company, mail: &str) -> String {
    let program = "import sys,email,email.policy\nwith open(sys.argv[1],'rb') as f: m=email.message_from_binary_file(f,policy=email.policy.default)\nsys.stdout.reconfigure(encoding='utf-8',newline='')\nsys.stdout.write(m.get_body(('plain',)).get_content())";
    let output = Command::new("python3").args(["-c", program]).arg(company.path(mail)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_text_and_the_csv_of_a_day_are_these() {
    let company = Company::new().await;
    company.stage_all().await;
    company.evaluate().await;
    let Output::Digest { mail, .. } = company.digest(Vec::new()).await else { panic!() };
    insta::assert_snapshot!("digest_text", text_of(&company, &mail));
    insta::assert_snapshot!("ou_breakdown", company.text(ARCHIVE));
}

#[tokio::test]
async fn a_day_that_is_not_there_yet_says_what_is_awaited() {
    let company = Company::new().await;
    let record = format!(
        r#"{{"date":"{DATE}","run":"{STAGING}","outcome":"not_ready","failed":[],"skipped":["rollup"],"awaited":["bill lines of {DATE}"]}}"#
    );
    company.put(&format!("{STAGING}run.json"), record.as_bytes()).await;
    let Output::Digest { mail, .. } = company.digest(Vec::new()).await else { panic!() };
    check(&company, &mail, &[]);
    let text = text_of(&company, &mail);
    assert!(text.contains("!! There is no data of 2026-09-15 yet. Awaited: bill lines of 2026-09-15."), "{text}");
}
