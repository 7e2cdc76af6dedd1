//! Statements and the controller's summary of closes made by the command: previews, templates, the year, what invoices say.
#![allow(clippy::unwrap_used)]

use apportion_tests::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

const HEADER: &str = "ProviderName,InvoiceIssuerName,InvoiceId,BillingAccountId,SubAccountId,SubAccountName,BillingPeriodStart,ChargePeriodStart,ChargeCategory,ChargeDescription,BilledCost,EffectiveCost,ListCost,BillingCurrency,ServiceName,ResourceId,Tags";

fn line(period: &str, account: &str, service: &str, cost: &str, owner: &str) -> String {
    let tags = if owner.is_empty() { "{}".to_owned() } else { format!("{{\"\"CostCenter\"\":\"\"{owner}\"\"}}") };
    format!(
        "AWS,AWS,INV-{period},100000000001,{account},name of {account},{period}-01T00:00:00Z,{period}-02T00:00:00Z,Usage,text,{cost},{cost},{cost},USD,{service},res,\"{tags}\""
    )
}

struct Books {
    folder: tempfile::TempDir,
    config: String,
    out: PathBuf,
}

impl Books {
    fn new(rules: &str) -> Books {
        let folder = tempfile::tempdir().unwrap();
        let mut config = SmallConfig::new(&["A", "B"]);
        config.rules = rules.to_owned();
        let config = config.write(&folder.path().join("config"));
        Books { config, out: folder.path().join("out"), folder }
    }

    fn close(&self, period: &str, lines: &[String], more: &[&str]) -> Ran {
        let bill = self.folder.path().join(format!("{period}.csv"));
        std::fs::write(&bill, format!("{HEADER}\n{}\n", lines.join("\n"))).unwrap();
        let (bill, out) = (text(&bill), text(&self.out));
        let mut arguments = vec!["close", "--period", period, "--bill", &bill, "--config", &self.config, "--out", &out];
        arguments.extend(more);
        apportion(self.folder.path(), &arguments)
    }

    /// A month in which A uses `a`, B `b`, and nobody 10.00.
    fn month(&self, period: &str, a: &str, b: &str) -> PathBuf {
        let lines = [line(period, "1", "EC2", a, "A"), line(period, "2", "EC2", b, "B"), line(period, "2", "S3", "10.00", "")];
        self.close(period, &lines, &[]).expect(0);
        close_folder(&self.out, period)
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        apportion(self.folder.path(), arguments)
    }

    fn path(&self, name: &str) -> String {
        text(&self.folder.path().join(name))
    }
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Text of a PDF by poppler on one line; `None`, said aloud, without poppler, which CI must have.
fn words_of(pdf: &Path) -> Option<String> {
    match Command::new("pdftotext").args(["-enc", "UTF-8"]).arg(pdf).arg("-").output() {
        Ok(output) => Some(String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "pdftotext: {error}");
            println!("SKIPPED text of the PDF: pdftotext (poppler-utils) is not installed");
            None
        }
    }
}

#[test]
fn a_preview_is_the_published_page_byte_for_byte() {
    let books = Books::new("");
    books.month("2026-08", "90.00", "20.00");
    let close = books.month("2026-09", "100.00", "30.00");
    let (folder, preview) = (text(&close), books.path("preview.pdf"));
    for (which, published) in [(vec!["--unit", "A"], "statements/A/statement.pdf"), (vec!["--summary"], "summary.pdf")] {
        let mut arguments = vec!["render", "--close", &folder, "--out", &preview];
        arguments.extend(which);
        let ran = books.run(&arguments).expect(0);
        assert!(!ran.stdout.contains("note:"), "{}", ran.stdout);
        assert_eq!(sha256(Path::new(&preview)), sha256(&close.join(published)));
    }
    for inside in ["preview.pdf", "statements/A/statement.pdf"] {
        let refused = books.run(&["render", "--close", &folder, "--unit", "A", "--out", &text(&close.join(inside))]).expect(2);
        assert!(refused.stderr.contains("outside"), "{}", refused.stderr);
    }
    assert!(books.run(&["render", "--close", &folder, "--unit", "C", "--out", &preview]).expect(2).stderr.contains("A, B"));
    books.run(&["verify", &folder]).expect(0);
}

#[test]
fn a_template_is_written_out_changed_previewed_and_closed_with() {
    let books = Books::new("");
    let (template, preview) = (books.path("finance"), books.path("preview.pdf"));
    books.run(&["template", "--out", &template]).expect(0);
    assert!(books.run(&["template", "--out", &template]).expect(2).stderr.contains("never overwritten"));
    let close = text(&books.month("2026-08", "100.00", "30.00"));
    let render = ["render", "--close", &close, "--unit", "A", "--template", &template, "--out", &preview];
    books.run(&render).expect(0);
    let plain = sha256(Path::new(&preview));
    assert_eq!(plain, sha256(&Path::new(&close).join("statements/A/statement.pdf")), "as it was written out, it prints the same");
    let settings = Path::new(&template).join("settings.typ");
    let own = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, own.replace("Cloud cost statement", "Wolkenkosten")).unwrap();
    books.run(&render).expect(0);
    if let Some(words) = words_of(Path::new(&preview)) {
        assert!(words.contains("Wolkenkosten"), "{words}");
    }
    std::fs::remove_file(&preview).unwrap();
    std::fs::write(&settings, own.replace("#let words = (", "#let words = (\n  broken: nowhere,")).unwrap();
    let before = tree(&books.out);
    let refused = books.run(&render).expect(2);
    assert!(refused.stderr.contains("settings.typ:") && refused.stderr.contains("nowhere"), "{}", refused.stderr);
    assert!(!Path::new(&preview).exists() && tree(&books.out) == before, "nothing was written");
    let next = [line("2026-09", "1", "EC2", "1.00", "A")];
    let refused = books.close("2026-09", &next, &["--template", &template]).expect(2);
    assert!(refused.stderr.contains("settings.typ:"), "{}", refused.stderr);
    assert!(!books.out.join("closes/2026-09/CURRENT").exists());
    std::fs::write(&settings, own.replace("Cloud cost statement", "Wolkenkosten")).unwrap();
    books.close("2026-09", &next, &["--template", &template]).expect(0);
    let own_close = close_folder(&books.out, "2026-09");
    books.run(&["render", "--close", &text(&own_close), "--unit", "A", "--out", &preview]).expect(0);
    assert_eq!(sha256(Path::new(&preview)), sha256(&own_close.join("statements/A/statement.pdf")), "by the frozen template");
    books.run(&["verify", &text(&own_close)]).expect(0);
}

/// Total of a month's ledger in cents, for a unit or for all.
fn cents(close: &Path, unit: Option<&str>) -> i64 {
    let rows = rows_of(&close.join("ledger.csv"));
    let own = rows.iter().filter(|row| unit.is_none_or(|unit| row["unit_id"] == unit));
    own.map(|row| row["cents"].parse::<i64>().unwrap()).sum()
}

#[test]
fn the_year_to_date_is_the_sum_of_the_years_closes_and_rederives() {
    let books = Books::new("");
    let december = books.month("2025-12", "500.00", "1.00");
    let months: Vec<PathBuf> = [("2026-01", "100.00", "30.00"), ("2026-02", "200.00", "1.00"), ("2026-04", "7.00", "300.03")]
        .iter()
        .map(|(period, a, b)| books.month(period, a, b))
        .collect();
    assert!(read_json(&december.join("summary.json"))["year"].is_null());
    assert!(read_json(&months[0].join("summary.json"))["year"].is_null(), "December is another year");
    let summary = read_json(&months[2].join("summary.json"));
    // 140 + 211 + 317.03
    assert_eq!(
        summary["year"],
        json!({ "year": 2026, "first": { "year": 2026, "month": 1, "day": 1 }, "closes": 3, "total": 66_803 })
    );
    assert_eq!(summary["previous"]["total"], 21_100);
    for unit in summary["units"].as_array().unwrap() {
        let id = unit["id"].as_str().unwrap();
        let year: i64 = months.iter().map(|close| cents(close, Some(id))).sum();
        assert_eq!(unit["year_to_date"], year, "{id}");
    }
    let pool: i64 = summary["pools"][0]["year_to_date"].as_i64().unwrap();
    assert_eq!((summary["pools"][0]["id"].as_str().unwrap(), pool), ("untagged", 3000));
    for close in &months {
        books.run(&["verify", &text(close)]).expect(0);
    }
    let preview = books.path("preview.pdf");
    books.run(&["render", "--close", &text(&months[2]), "--summary", "--out", &preview]).expect(0);
    assert_eq!(sha256(Path::new(&preview)), sha256(&months[2].join("summary.pdf")));
    if let Some(words) = words_of(&months[2].join("summary.pdf")) {
        assert!(words.contains("Year to date, January 2026 to April 2026: 668.03 in 3 closes"), "{words}");
    }
}

#[test]
fn what_invoices_say_is_on_the_summary_and_in_the_id() {
    let books = Books::new("");
    let lines = [line("2026-09", "1", "EC2", "100.00", "A")];
    let path = books.path("invoices.json");
    let invoices = |order: &str| {
        let invoice = json!({ "InvoiceId": "INV-2026-09", "InvoiceType": "INVOICE", "AccountId": "100000000001",
            "Entity": { "InvoicingEntity": "Amazon Web Services EMEA SARL" }, "BillingPeriod": { "Month": 9, "Year": 2026 },
            "DueDate": "2026-11-02T00:00:00+00:00", "PurchaseOrderNumber": order,
            "BaseCurrencyAmount": { "TotalAmount": "100.00", "CurrencyCode": "USD" },
            "PaymentCurrencyAmount": { "TotalAmount": "92.40", "CurrencyCode": "EUR", "CurrencyExchangeDetails": { "Rate": "0.924" } } });
        std::fs::write(&path, json!({ "InvoiceSummaries": [invoice] }).to_string()).unwrap();
    };
    let id = || books.close("2026-09", &lines, &["--invoices", &path, "--dry-run", "--json"]).expect(0).json()["close"].clone();
    invoices("PO-1");
    let first = id();
    invoices("PO-2");
    assert_ne!(first, id(), "another purchase order is another page");
    books.close("2026-09", &lines, &["--invoices", &path]).expect(0);
    let close = close_folder(&books.out, "2026-09");
    let details = &read_json(&close.join("summary.json"))["invoices"][0]["check"]["details"];
    assert_eq!(details["purchase_order"], "PO-2");
    assert_eq!(details["due"], json!({ "year": 2026, "month": 11, "day": 2 }));
    assert_eq!(details["exchange_rate"], "0.924");
    if let Some(words) = words_of(&close.join("summary.pdf")) {
        assert!(words.contains("PO PO-2 · due 2 November 2026 · payable in EUR: 92.40 at 0.924"), "{words}");
    }
    books.run(&["verify", &text(&close)]).expect(0);
}

/// 40.00 of keys: half to B, half to the untagged pool, which holds 10.00 besides.
#[test]
fn a_statement_says_what_came_through_a_pool_of_pools() {
    let books = Books::new("[[rule]]\nid = \"keys\"\nassign = \"pool:first\"\nwhen = { services = [\"KMS\"] }\n");
    let rules = Path::new(&books.config).join("rules.toml");
    let first = "[[pool]]\nid = \"first\"\nname = \"Key office\"\nkey = \"even\"\ntargets = [\"pool:untagged\", \"B\"]\nfallback = \"even\"\n\n";
    let own = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(&rules, own.replacen("[[pool]]", &format!("{first}[[pool]]"), 1)).unwrap();
    let period = "2026-09";
    let lines = [
        line(period, "1", "EC2", "300.00", "A"),
        line(period, "2", "EC2", "100.00", "B"),
        line(period, "2", "S3", "10.00", ""),
        line(period, "3", "KMS", "40.00", ""),
    ];
    books.close(period, &lines, &[]).expect(0);
    let close = close_folder(&books.out, period);
    let Some(a) = words_of(&close.join("statements/A/statement.pdf")) else { return };
    // 30.00 in all, three quarters for A: 22.50, of which 15.00 of the 20.00 that came through the key office.
    assert!(
        a.contains("30.00 in all, shared by effective direct cost: yours is 300.00 of 400.00 = 75.0 %, so you pay 22.50."),
        "{a}"
    );
    assert!(a.contains("20.00 of it came through the pool Key office, of which about 15.00 is yours."), "{a}");
    let b = words_of(&close.join("statements/B/statement.pdf")).unwrap();
    assert!(b.contains("40.00 in all, in 2 equal parts: one is yours = 50.0 %, so you pay 20.00."), "{b}");
    assert!(b.contains("20.00 of it goes on to Untagged and comes to units from there."), "{b}");
}
