//! `budgets.csv` and `mail.toml`: one broken file for each kind of error, and the whole message that a person gets.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use apportion_config::{Loaded, load_files_for_day};
use apportion_core::budget::Target;
use std::collections::BTreeMap;
use std::path::Path;

const HEADER: &str = "target,from,to,amount,alert_percent,suppress_days\n";
const MAIL: &str = r#"version = 1
sender = "finops@example.org"
recipients = ["cfo@example.org"]
allowed_domains = ["example.org"]
"#;

/// The sample configuration with these two files.
fn load(budgets: Option<&str>, mail: Option<&str>) -> Result<Loaded, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let names = ["taxonomy.toml", "units.toml", "rules.toml", "drivers/2026-09/headcount.csv", "drivers/2026-09/network_gb.csv"];
    let mut files: BTreeMap<String, Vec<u8>> =
        names.iter().map(|name| ((*name).to_owned(), std::fs::read(folder.join(name)).unwrap())).collect();
    for (name, text) in [("budgets.csv", budgets), ("mail.toml", mail)] {
        if let Some(text) = text {
            files.insert(name.to_owned(), text.as_bytes().to_vec());
        }
    }
    load_files_for_day(&files, "2026-09".parse().unwrap()).map_err(|error| error.to_string())
}

#[test]
fn budgets_of_units_ous_and_everything_are_read() {
    let text = format!(
        "\u{feff}{HEADER}CC-1010,2026-01,2026-06,10.50,,\r\nCC-1010,2026-07,,11,90,14\r\nou:A/B,2026-01,,0,,\r\nall,2026-01,,5,,31\r\n"
    );
    let budgets = load(Some(&text), None).unwrap().budgets;
    let short: Vec<_> =
        budgets.iter().map(|one| (one.target.clone(), one.amount.to_string(), one.alert_percent, one.suppress_days)).collect();
    let unit = Target::Unit("CC-1010".to_owned());
    assert_eq!(
        short,
        [
            (unit.clone(), "10.500000000000".to_owned(), 80, 7),
            (unit, "11.000000000000".to_owned(), 90, 14),
            (Target::Ou("A/B".to_owned()), "0.000000000000".to_owned(), 80, 7),
            (Target::All, "5.000000000000".to_owned(), 80, 31),
        ]
    );
    let september = "2026-09".parse().unwrap();
    assert_eq!(budgets.iter().map(|one| one.effective.covers(september)).collect::<Vec<_>>(), [false, true, true, true]);
}

#[test]
fn every_fault_of_a_budget_names_line_fault_and_remedy() {
    for (lines, message) in [
        (
            "CC-9,2026-01,,1,,\n",
            "budgets.csv:2: units.toml has no unit \"CC-9\" — write a unit id, `ou:` and an OU path such as ou:Workloads/Claims, or `all`",
        ),
        (
            "all,,,1,,\n",
            "budgets.csv:2: column `from`: `` is not a billing period: write YYYY-MM, for example 2026-09 — write the month of the first budget and, if any, of the last",
        ),
        ("all,2026-05,2026-04,1,,\n", "budgets.csv:2: `from` 2026-05 is later than `to` 2026-04 — swap them; both months count"),
        ("all,2026-01,,-1,,\n", "budgets.csv:2: `-1` cannot be a budget — write zero or more, with at most twelve decimals"),
        (
            "all,2026-01,,\"1,000\",,\n",
            "budgets.csv:2: `1,000` is not a decimal number (digits, one point, an optional exponent such as 6.1E-7) — write a plain amount such as 120000.00",
        ),
        (
            "all,2026-01,,1\n",
            "budgets.csv:2: the line has 4 fields where 6 belong — write `target,from,to,amount,alert_percent,suppress_days`, the last two may be empty; an amount has no thousands separator",
        ),
        (
            "all,2026-01,,1,101,\n",
            "budgets.csv:2: column `alert_percent`: \"101\" is none that fits — write a whole number from 1 to 100, or nothing for 80",
        ),
        (
            "all,2026-01,,1,,+3\n",
            "budgets.csv:2: column `suppress_days`: \"+3\" is none that fits — write a whole number from 1 to 31, or nothing for 7",
        ),
        (
            "ou:/A,2026-01,,1,,\n",
            "budgets.csv:2: the OU path \"/A\" has an empty name — write the names from the root with one `/` between, none at the ends",
        ),
        (
            "ou:A\u{202e}B,2026-01,,1,,\n",
            "budgets.csv:2: the OU path \"A\\u{202e}B\" holds a character that reorders text (U+202E) — write the names from the root with `/` between",
        ),
        (
            "all,2026-01,2026-03,1,,\nall,2026-03,,1,,\n",
            "budgets.csv:3: `all` has a budget in the same months on line 2 — let the months of the two not overlap",
        ),
    ] {
        assert_eq!(load(Some(&format!("{HEADER}{lines}")), None).unwrap_err(), message);
    }
    assert_eq!(
        load(Some(""), None).unwrap_err(),
        "budgets.csv:1: the file is empty — write the header `target,from,to,amount,alert_percent,suppress_days`, or remove the file"
    );
    assert_eq!(
        load(Some("a;b\n"), None).unwrap_err(),
        "budgets.csv:1: the header is \"a;b\" — let the first line be `target,from,to,amount,alert_percent,suppress_days`"
    );
}

#[test]
fn every_fault_of_mail_toml_names_line_fault_and_remedy() {
    for (from, to, message) in [
        (
            "\"finops@example.org\"",
            "\"finops\"",
            "mail.toml:2: the mail address \"finops\" has no @ — write one plain address such as \"finops@example.org\"",
        ),
        (
            "\"cfo@example.org\"",
            "\"cfo@example.org\\r\\nBcc: x@evil.example\"",
            "mail.toml:3: the mail address \"cfo@example.org\\r\\nBcc: x@evil.example\" holds a line break (U+000D) — write one plain address such as \"finops@example.org\"",
        ),
        (
            "\"cfo@example.org\"",
            "\"cfo@elsewhere.example\"",
            "mail.toml:3: `cfo@elsewhere.example` is of no allowed domain — correct the address, or add its domain to allowed_domains",
        ),
        ("\"cfo@example.org\"", "", "mail.toml:3: there are no recipients — name who gets the digest"),
        (
            "allowed_domains",
            "close_recipients = []\nallowed_domains",
            "mail.toml:4: there are no recipients — name who gets the notices of closes",
        ),
        (
            "allowed_domains",
            "close_recipients = [\"cfo@elsewhere.example\"]\nallowed_domains",
            "mail.toml:4: `cfo@elsewhere.example` is of no allowed domain — correct the address, or add its domain to allowed_domains",
        ),
        (
            "\"cfo@example.org\"",
            "\"cfo@example.org\", \"cfo@example.org\"",
            "mail.toml:3: the recipient `cfo@example.org` is listed twice — keep one",
        ),
        (
            "version = 1",
            "version = 1\nsubject = \"a\\nBcc: b\"",
            "mail.toml:2: the subject \"a\\nBcc: b\" holds a line break (U+000A) — write one line of plain characters",
        ),
        (
            "version = 1",
            "version = 1\nsender_name = \"\\u202Emoc\"",
            "mail.toml:2: the sender's name \"\\u{202e}moc\" holds a character that reorders text (U+202E) — write one line of plain characters",
        ),
        (
            "version = 1",
            "version = 1\nattachment_limit_bytes = -1",
            "mail.toml:2: `attachment_limit_bytes` cannot be -1 — write 0 to 25000000",
        ),
        (
            "version = 1",
            "version = 1\narchive_url = \"http://a/?x=\"",
            "mail.toml:2: \"http://a/?x=\" cannot stand before a path — write an https:// address of plain characters, without ? and #",
        ),
        ("", "[run]\ndeadline_minutes = 0", "mail.toml:6: `deadline_minutes` cannot be 0 — write 1 to 1440"),
        (
            "",
            "[run]\ndeadline = 5",
            "mail.toml:6: unknown key `deadline` — correct or remove it; the keys known here are `deadline_minutes` or `organization_days`",
        ),
        (
            "",
            "[anomalies]\nsigma = \"0\"",
            "mail.toml:6: `sigma` cannot be \"0\" — write 0.5 to 20 in quotes, with at most three decimals; 2.5 is the default",
        ),
        (
            "",
            "[[anomalies.override]]\nunit = \"CC-9\"\nignore = true",
            "mail.toml:6: units.toml has no unit `CC-9` — correct the id, or add the unit to units.toml",
        ),
        (
            "",
            "[[anomalies.override]]\nsigma = \"3\"",
            "mail.toml:5: the override names neither unit nor service nor resource — name one, or change [anomalies] itself",
        ),
        (
            "",
            "[[anomalies.override]]\nresource = \"i-1\"\nservice = \"S\"\nignore = true",
            "mail.toml:6: a resource is judged by itself, whosever it is — write its id as the bill does, without unit and service",
        ),
        (
            "",
            "[[anomalies.override]]\nservice = \"S\"",
            "mail.toml:5: the override must either ignore or state a threshold — write `ignore = true`, or sigma or minimum",
        ),
    ] {
        assert!(MAIL.contains(from), "{from}");
        // An empty `from` means that the text is added at the end, from line 5 on.
        let text = if from.is_empty() { format!("{MAIL}{to}\n") } else { MAIL.replacen(from, to, 1) };
        assert_eq!(load(None, Some(&text)).unwrap_err(), message);
    }
}

#[test]
fn notices_of_closes_go_to_the_recipients_unless_others_are_named() {
    let mail = |text: &str| apportion_config::load_mail(text.as_bytes()).unwrap();
    assert_eq!(mail(MAIL).close_recipients, ["cfo@example.org"]);
    let named = MAIL.replace("allowed_domains", "close_recipients = [\"controller@example.org\"]\nallowed_domains");
    let named = mail(&named);
    assert_eq!(
        (named.recipients, named.close_recipients),
        (vec!["cfo@example.org".into()], vec!["controller@example.org".into()])
    );
    // What overrides name is the daily run's affair.
    mail(&format!("{MAIL}[[anomalies.override]]\nunit = \"gone\"\nignore = true\n"));
}
