//! `apportion daily` as a person or a scheduler runs it: good days and bad ones, by exit code, files and mail.
#![allow(clippy::unwrap_used)]

use apportion_tests::days::{Days, day_line};
use apportion_tests::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const C10: &str = "100000000010";
const C11: &str = "100000000011";

fn august() -> Vec<String> {
    vec![day_line("2026-08-31", C10, "Usage", "AmazonEC2", "500.00", "A")]
}

/// Of the 14th: 60.10 + 2.5 + 30.005 + 20 + 10 = 122.605 and 12 of tax; a week before 40; the month to date 100 + 40 + 122.605.
fn september() -> Vec<String> {
    vec![
        day_line("2026-09-01", C10, "Usage", "AmazonEC2", "100.00", "A"),
        day_line("2026-09-07", C10, "Usage", "AmazonEC2", "40.00", "A"),
        day_line("2026-09-14", C10, "Usage", "AmazonEC2", "60.10", "A"),
        day_line("2026-09-14", C10, "Usage", "AmazonS3", "2.5", "A"),
        day_line("2026-09-14", C11, "Usage", "AmazonEC2", "30.005", "B"),
        day_line("2026-09-14", C11, "Usage", "AmazonEC2", "20", ""),
        day_line("2026-09-14", C11, "Usage", "AmazonEC2", "10", "CC-none"),
        day_line("2026-09-14", C10, "Tax", "AmazonEC2", "12.00", ""),
        day_line("2026-09-15", C10, "Usage", "AmazonEC2", "999.00", "A"),
    ]
}

fn good() -> Days {
    let days = Days::new();
    days.bill("2026-08.csv", &august());
    days.bill("2026-09.csv", &september());
    days
}

fn amount(value: &Value) -> &str {
    value.as_str().unwrap().trim_end_matches('0').trim_end_matches('.')
}

const ARCHIVE: &str = "ou-breakdowns/year=2026/month=09/day=14/ou_breakdown.csv";
const FINDINGS: &str = "findings-by-account/year=2026/month=09/day=14/findings.csv";
const MAIL: &str = "outbox/2026-09-14/digest.eml";

#[test]
fn a_good_day_has_its_figures_its_files_and_one_mail() {
    let days = good();
    let summary = days.daily("2026-09-14", &["--json"]).expect(0).json();
    assert_eq!(
        (summary["outcome"].as_str(), &summary["failed"], &summary["skipped"]),
        (Some("complete"), &json!([]), &json!([]))
    );
    let figures = &summary["figures"];
    let of = |name: &str| amount(&figures[name]);
    assert_eq!(
        ["day", "week_before", "month_to_date", "previous_month", "untagged", "unknown", "cash"].map(of),
        ["122.605", "40", "262.605", "500", "20", "10", "134.605"]
    );
    assert_eq!(
        days.archive("09", "14"),
        "BillingDate,OU,Service,LinkedAccount,DailyCost\n\
         2026-09-14,,AmazonEC2,100000000011,60.005000000000\n\
         2026-09-14,Claims,AmazonEC2,100000000010,72.100000000000\n\
         2026-09-14,Claims,AmazonS3,100000000010,2.500000000000\n"
    );
    let files: Vec<String> = tree(&days.out).into_keys().collect();
    assert_eq!(
        files,
        [
            "alerts/2026-09/2026-09-14.json",
            "daily/health/2026-09-14.json",
            "daily/rollups/2026-08/2026-09-14.csv",
            "daily/rollups/2026-09/2026-09-14.csv",
            "daily/runs/2026-09-14/1.json",
            FINDINGS,
            "findings/2026-09-14.json",
            "org/2026-09-14.json",
            "org/account_ou_mapping.csv",
            "ou-breakdown-versions/2026-09-14/ou_breakdown.csv",
            ARCHIVE,
            "outbox/2026-09-14/digest.eml",
            "outbox/2026-09-14/digest.html",
            "outbox/2026-09-14/digest.json",
            "outbox/2026-09-14/executive.pdf",
            "outbox/tickets/2026-09-14-100000000011-USD-opened.json",
            "suggestions/2026-09-14.csv",
            "tickets/100000000011-USD/2026-09-14.json",
        ]
    );
    days.check_mail(MAIL, &[days.at(ARCHIVE), days.at("outbox/2026-09-14/executive.pdf")]);
    let mail = days.mail(MAIL);
    for said in ["Cloud costs: 2026-09-14", "123", "+206.5", "263", "500 in all of the month before", "11.4", "134.61"] {
        assert!(mail.contains(said), "{said}: {mail}");
    }
    assert!(!mail.contains("!!"), "nothing is wrong with the day: {mail}");
    let record: Value = serde_json::from_str(&days.read("daily/runs/2026-09-14/1.json")).unwrap();
    let stages: Vec<&String> = record["milliseconds"].as_object().unwrap().keys().collect();
    assert_eq!(stages, ["digest", "evaluate", "executive", "hygiene", "organization", "readiness", "rollup", "suggestions"]);
    // 30 of 262.605 is 11.42 %.
    let health = days.on_out(&["health"]).expect(0).stdout;
    assert!(health.contains("11.4 %  30.00 of 262.61") && health.contains("100.0 %  1 of 1"), "{health}");
}

#[test]
fn a_rerun_sends_nothing_and_a_restated_day_says_what_changed() {
    let days = good();
    days.daily("2026-09-14", &[]).expect(0);
    let first = tree(&days.out);
    let again = days.daily("2026-09-14", &["--json"]).expect(0).json();
    assert_eq!((&again["mail"]["sent"], &again["mail"]["version"]), (&json!(false), &json!(1)));
    let mut second = tree(&days.out);
    assert!(second.remove("daily/runs/2026-09-14/2.json").is_some());
    assert_eq!(second, first, "a rerun replaces nothing");

    days.bill("2026-09.csv", &[september(), vec![day_line("2026-09-14", C10, "Usage", "AmazonS3", "7.5", "A")]].concat());
    let restated = days.daily("2026-09-14", &["--json"]).expect(0).json();
    assert_eq!((&restated["mail"]["sent"], &restated["mail"]["version"]), (&json!(true), &json!(2)));
    assert_eq!(amount(&restated["figures"]["day"]), "130.105");
    let one = &restated["figures"]["restated"][0];
    assert_eq!(
        (one["day"].as_str(), amount(&one["cash_before"]), amount(&one["cash"])),
        (Some("2026-09-14"), "134.605", "142.105")
    );
    let third = tree(&days.out);
    for (name, digest) in &first {
        let is_view = name == ARCHIVE || name == FINDINGS || name.starts_with("tickets/") || name.starts_with("alerts/");
        assert!(is_view || third.get(name) == Some(digest), "{name} was replaced");
    }
    assert_eq!(third["ou-breakdown-versions/2026-09-14/ou_breakdown.csv"], first[ARCHIVE], "the earlier content stays");
    assert_eq!(third["ou-breakdown-versions/2026-09-14/ou_breakdown.2.csv"], third[ARCHIVE]);
    assert!(third[FINDINGS] != first[FINDINGS] && third.contains_key("findings/2026-09-14.2.json"), "{third:?}");
    let mail = days.mail("outbox/2026-09-14/digest.2.eml");
    for said in
        ["(replaces mail 1)", "This mail replaces mail 1 of the same day", "Restated since an earlier run", "134.61 to 142.11"]
    {
        assert!(mail.contains(said), "{said}: {mail}");
    }
}

#[test]
fn a_day_that_is_not_delivered_is_said_and_made_good_later() {
    let days = Days::new();
    let lines = september();
    days.bill("2026-09.csv", &lines[..2]);
    let ran = days.daily("2026-09-14", &[]).expect(3);
    let awaited = "bill lines of 2026-09-14: the newest usage day in the bill is 2026-09-07";
    assert!(ran.stderr.contains(&format!("no data of 2026-09-14 yet; awaited: {awaited}")), "{}", ran.stderr);
    assert!(ran.stdout.contains(awaited) && ran.stdout.contains(MAIL), "{}", ran.stdout);
    let mail = days.mail(MAIL);
    assert!(mail.contains("There is no data of 2026-09-14 yet") && mail.contains(awaited), "{mail}");
    days.check_mail(MAIL, &[]);
    assert!(!days.at("ou-breakdowns").exists() && !days.at("findings").exists());
    assert_eq!(days.daily("2026-09-14", &["--json"]).expect(3).json()["mail"]["sent"], false, "said once");
    days.bill("2026-09.csv", &lines);
    let summary = days.daily("2026-09-14", &["--json"]).expect(0).json();
    assert_eq!((&summary["mail"]["sent"], &summary["mail"]["version"]), (&json!(true), &json!(2)));
    let health = days.on_out(&["health", "--json"]).expect(0).json();
    let runs = &health["run_success"]["now"];
    assert_eq!((&runs["part"], &runs["whole"]), (&json!(1), &json!(1)), "waiting is no failure");
}

#[test]
fn an_account_that_the_organization_lacks_is_named_and_stops_nothing() {
    let days = Days::new();
    days.bill("b.csv", &[september(), vec![day_line("2026-09-14", "100000000012", "Usage", "AmazonEC2", "5", "A")]].concat());
    let ran = days.daily("2026-09-14", &[]).expect(0);
    assert!(ran.stdout.contains("account 100000000012 is not in the organization: 5.00"), "{}", ran.stdout);
    assert!(days.archive("09", "14").contains("2026-09-14,__unknown__,AmazonEC2,100000000012,5.000000000000\n"));
    let mail = days.mail(MAIL);
    assert!(mail.contains("Accounts that the organization lacks, shown as OU __unknown__: 100000000012"), "{mail}");
}

#[test]
fn bad_input_is_one_error_before_anything_is_written() {
    let days = good();
    let bad = |arguments: &[&str], said: &str| {
        let ran = days.daily("2026-09-14", arguments).expect(2);
        assert!(ran.stderr.contains(said) && ran.stdout.is_empty(), "{said}: {}{}", ran.stderr, ran.stdout);
        assert!(!days.out.exists(), "{said}");
    };
    let config = |name: &str, text: &str| std::fs::write(days.config.join(name), text).unwrap();
    let mail = std::fs::read_to_string(days.config.join("mail.toml")).unwrap();
    config("mail.toml", &mail.replace("cfo@example.org", "cfo@elsewhere.org"));
    bad(&[], "mail.toml:3: `cfo@elsewhere.org` is of no allowed domain");
    config("mail.toml", &mail);
    config("budgets.csv", "target,from,to,amount,alert_percent,suppress_days\nZ,2026-01,,5,,\n");
    bad(&[], "budgets.csv:2: units.toml has no unit");
    std::fs::remove_file(days.config.join("budgets.csv")).unwrap();
    let ran = days.daily("2026-09-31", &[]).expect(2);
    assert!(ran.stderr.contains("is not a day"), "{}", ran.stderr);
    let ran = days.daily_without_organization("2026-09-14", &["--org", "nowhere.json"]).expect(2);
    assert!(ran.stderr.contains("the organization file nowhere.json"), "{}", ran.stderr);
    std::fs::remove_dir_all(&days.bill).unwrap();
    bad(&[], "--bill ");
}

#[test]
fn an_empty_bill_fails_the_rollup_and_the_mail_says_why() {
    let days = Days::new();
    days.bill("b.csv", &[]);
    let ran = days.daily("2026-09-14", &[]).expect(1);
    let said = "the bill has no lines: its files hold nothing but a header";
    assert!(ran.stderr.contains(&format!("rollup failed (BadBill): {said}")), "{}", ran.stderr);
    assert!(ran.stdout.contains("not run: evaluate, hygiene, suggestions, executive"), "{}", ran.stdout);
    let mail = days.mail(MAIL);
    assert!(mail.contains(&format!("!! Rollup: there are no figures of the day and no CSV (BadBill: {said}")), "{mail}");
}

#[test]
fn an_old_organization_file_is_named_with_its_age() {
    let days = good();
    days.date_organization("2026-09-07");
    days.daily("2026-09-14", &[]).expect(0);
    assert!(!days.mail(MAIL).contains("The organization is that of"), "seven days are allowed");
    days.date_organization("2026-09-06");
    days.daily("2026-09-14", &[]).expect(0);
    let said = "The organization is that of 2026-09-06, 8 days ago; 7 are allowed.";
    let mail = days.mail("outbox/2026-09-14/digest.2.eml");
    assert!(mail.contains(said), "{mail}");
    assert_eq!(days.daily("2026-09-14", &["--json"]).expect(0).json()["mail"]["sent"], false);

    // Without a file the newest one kept holds, under its own date.
    days.bill("2026-09.csv", &[september(), vec![day_line("2026-09-22", C10, "Usage", "AmazonEC2", "3", "A")]].concat());
    days.daily_without_organization("2026-09-22", &[]).expect(0);
    assert_eq!(days.archive("09", "22").lines().nth(1), Some("2026-09-22,Claims,AmazonEC2,100000000010,3.000000000000"));
    let mail = days.mail("outbox/2026-09-22/digest.eml");
    assert!(mail.contains("The organization is that of 2026-09-14, 8 days ago; 7 are allowed."), "{mail}");
    assert!(!days.at("org/2026-09-22.json").exists(), "nobody looked on that day");
}

#[test]
fn a_stage_that_fails_is_named_and_the_others_are_done() {
    let days = good();
    std::fs::create_dir(&days.out).unwrap();
    // A file where a folder belongs: nothing can be written below it.
    std::fs::write(days.at("suggestions"), "").unwrap();
    let ran = days.daily("2026-09-14", &["--json"]).expect(1);
    assert!(ran.stderr.contains("suggestions failed (StoreRefused)"), "{}", ran.stderr);
    let summary = ran.json();
    assert_eq!((&summary["mail"]["missing"], &summary["outcome"]), (&json!(["suggestions"]), &json!("failed")));
    assert_eq!(amount(&summary["figures"]["day"]), "122.605");
    assert!(days.at(ARCHIVE).exists() && days.at("findings/2026-09-14.json").exists());
    let mail = days.mail(MAIL);
    let (_, notices) = mail.split_once("!! ").unwrap();
    assert!(notices.starts_with("Suggestions: suggested owners are missing (StoreRefused"), "{mail}");
    days.check_mail(MAIL, &[days.at(ARCHIVE), days.at("outbox/2026-09-14/executive.pdf")]);
    assert_eq!(days.daily("2026-09-14", &["--json"]).expect(1).json()["mail"]["sent"], false, "the same failure is said once");
    std::fs::remove_file(days.at("suggestions")).unwrap();
    let mended = days.daily("2026-09-14", &["--json"]).expect(0).json();
    assert_eq!((&mended["mail"]["version"], &mended["mail"]["missing"]), (&json!(2), &json!([])));
    let health = days.on_out(&["health"]).expect(0).stdout;
    assert!(health.contains("33.3 %  1 of 3"), "{health}");
}

#[test]
fn a_broken_page_for_executives_is_named_and_the_mail_goes_out_without_it() {
    let days = good();
    let template = days.folder.path().join("template");
    apportion(days.folder.path(), &["template", "--out", &text(&template)]).expect(0);
    std::fs::write(template.join("executive.typ"), "#let data = json(\"data.json\")\n#panic(\"no page today\")\n").unwrap();
    let ran = days.daily("2026-09-14", &["--template", &text(&template)]).expect(1);
    assert!(ran.stderr.contains("executive") && ran.stderr.contains("no page today"), "{}", ran.stderr);
    let mail = days.mail(MAIL);
    let named = "Executive: the page for executives is missing (BadRendering:";
    assert!(mail.contains(named) && mail.contains("no page today"), "{mail}");
    assert!(mail.find(named) < mail.find("September to date"), "what is missing stands at the top: {mail}");
    // Figures and CSV are there all the same; once the page can be printed, a second mail has it and says what it replaces.
    days.check_mail(MAIL, &[days.at(ARCHIVE)]);
    days.daily("2026-09-14", &[]).expect(0);
    let second = days.mail("outbox/2026-09-14/digest.2.eml");
    assert!(second.contains("This mail replaces mail 1 of the same day") && !second.contains("is missing"), "{second}");
}

#[test]
fn a_broken_organization_file_costs_the_ous_and_nothing_else() {
    let days = good();
    std::fs::write(&days.organization, "{\"Roots\": [").unwrap();
    let ran = days.daily("2026-09-14", &["--json"]).expect(1);
    assert!(ran.stderr.contains("organization failed (BadOrganization): the organization file, line 1"), "{}", ran.stderr);
    assert_eq!(amount(&ran.json()["figures"]["day"]), "122.605");
    assert!(days.archive("09", "14").contains("2026-09-14,__unknown__,AmazonEC2,100000000010,72.100000000000\n"));
    assert!(days.mail(MAIL).contains("Organization: OUs are those of an earlier snapshot, or unknown (BadOrganization"));
}

#[test]
fn earlier_months_come_from_earlier_runs() {
    let days = Days::new();
    days.bill("b.csv", &august());
    days.daily("2026-08-31", &[]).expect(0);
    days.bill("b.csv", &september());
    let summary = days.daily("2026-09-14", &["--json"]).expect(0).json();
    assert_eq!(amount(&summary["figures"]["previous_month"]), "500");
}

/// 100 on the first ten days' account is 300 for the month by run rate: 93 % of 320, and 150 % of 200.
#[test]
fn budgets_have_lights() {
    let days = Days::new();
    days.bill("b.csv", &[day_line("2026-09-10", C10, "Usage", "AmazonEC2", "100", "A")]);
    let budgets =
        "target,from,to,amount,alert_percent,suppress_days\nall,2026-09,,320,,\nou:Claims,2026-09,,200,,\nA,2026-09,,1000,,\n";
    std::fs::write(days.config.join("budgets.csv"), budgets).unwrap();
    let summary = days.daily("2026-09-10", &["--json"]).expect(0).json();
    let figures = &summary["figures"];
    assert_eq!((amount(&figures["forecast"]), &figures["budget"]["percent"]), ("300", &json!(93)));
    assert_eq!(
        (&figures["budget"]["light"], &figures["budgets_red"], &figures["budgets_amber"]),
        (&json!("amber"), &json!(1), &json!(1))
    );
    assert!(days.mail("outbox/2026-09-10/digest.eml").contains("The forecast passes the budget of Claims"));
}

/// Forty days of 100 and one of 500: usual 100, 400 more.
#[test]
fn an_anomaly_is_listed_dismissed_and_counted() {
    let days = Days::new();
    let august = (6..=31).map(|day| format!("2026-08-{day:02}"));
    let dates: Vec<String> = august.chain((1..=13).map(|day| format!("2026-09-{day:02}"))).collect();
    let mut lines: Vec<String> = dates.iter().map(|day| day_line(day, C10, "Usage", "AmazonEC2", "100", "A")).collect();
    lines.push(day_line("2026-09-14", C10, "Usage", "AmazonEC2", "500", "A"));
    days.bill("b.csv", &lines);
    days.daily("2026-09-14", &[]).expect(0);
    let listed = days.on_out(&["anomalies", "list"]).expect(0).stdout;
    let row: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[1..], ["Unit", "A", "AmazonEC2", C10, "2026-09-14", "2026-09-14", "500.00", "100.00", "400.00", "open"]);
    assert!(days.on_out(&["anomalies", "confirm", row[0], "nothing"]).expect(2).stderr.contains("there is no anomaly `nothing`"));
    assert!(
        days.on_out(&["anomalies", "list"]).expect(0).stdout.contains("All: 1 open, 0 confirmed, 0 dismissed"),
        "all or none"
    );
    let done = days.on_out(&["anomalies", "dismiss", row[0], "--by", "me", "--reason", "a test"]).expect(0).stdout;
    assert_eq!(done, format!("dismissed {}\nAll: 0 open, 0 confirmed, 1 dismissed: 100.0 % false alarms\n", row[0]));
    assert!(days.on_out(&["anomalies", "list"]).expect(0).stdout.starts_with("no anomaly waits for a word\n"));
    assert!(days.on_out(&["anomalies", "list", "--all"]).expect(0).stdout.contains("dismissed\n"));
    let health = days.on_out(&["health", "--json"]).expect(0).json();
    let now = |value: &Value| (value["now"]["part"].clone(), value["now"]["whole"].clone());
    assert_eq!(now(&health["false_positives"]["All"]), (json!(1), json!(1)));
    assert_eq!(now(&health["sparse_groups"]), (json!(0), json!(1)));
}

#[test]
fn a_dry_run_says_all_and_leaves_nothing() {
    let days = good();
    let ran = days.daily("2026-09-14", &["--dry-run"]).expect(0);
    assert!(ran.stdout.contains("122.61") && ran.stdout.ends_with("dry run: nothing was written or sent\n"), "{}", ran.stdout);
    assert!(!days.out.exists());
    days.daily("2026-09-14", &[]).expect(0);
    let before = tree(&days.out);
    // It reads what was kept: the day was sent already.
    assert_eq!(days.daily("2026-09-14", &["--dry-run", "--json"]).expect(0).json()["mail"]["sent"], false);
    assert_eq!(tree(&days.out), before);
}

/// OU path of each account of an organization file, walked here: names from the root, the root's own left out.
fn paths(organization: &Value) -> BTreeMap<String, String> {
    let list = |name: &str| organization[name].as_array().unwrap().clone();
    let units: BTreeMap<String, (String, String)> = list("OrganizationalUnits")
        .iter()
        .map(|unit| {
            let of = |name: &str| unit[name].as_str().unwrap().to_owned();
            (of("Id"), (of("Name"), of("ParentId")))
        })
        .collect();
    let walk = |account: &Value| {
        let (mut names, mut at) = (Vec::new(), account["ParentId"].as_str().unwrap().to_owned());
        while let Some((name, parent)) = units.get(&at) {
            names.insert(0, name.clone());
            at.clone_from(parent);
        }
        (account["Id"].as_str().unwrap().to_owned(), names.join("/"))
    };
    list("Accounts").iter().map(walk).collect()
}

/// Three runs, each with the tree of its day: what a day showed is what held on it, also when it is looked at again later.
#[test]
fn the_dated_trees_give_each_day_its_ous() {
    let Some(folder) = shared("dated organization trees", "organizations") else { return };
    let days = Days::new();
    let dates = [
        ("07", "01", "koku_org_tree_day-90.json"),
        ("08", "29", "koku_org_tree_day-31.json"),
        ("09", "29", "koku_org_tree_day0.json"),
    ];
    let accounts: Vec<String> = (0..6).map(|number| format!("99999999999{number}")).collect();
    let lines = dates.iter().flat_map(|(month, day, _)| {
        accounts.iter().map(move |account| day_line(&format!("2026-{month}-{day}"), account, "Usage", "AmazonEC2", "1", "A"))
    });
    days.bill("b.csv", &lines.collect::<Vec<_>>());
    let mut seen = Vec::new();
    for (month, day, name) in dates {
        // Account ids there have thirteen digits; one is cut.
        let text = std::fs::read_to_string(folder.join(name)).unwrap().replace("\"9999999999", "\"999999999");
        std::fs::write(&days.organization, &text).unwrap();
        days.date_organization(&format!("2026-{month}-{day}"));
        days.daily(&format!("2026-{month}-{day}"), &[]).expect(0);
        let known = paths(&serde_json::from_str(&text).unwrap());
        let expected: BTreeMap<String, String> = accounts
            .iter()
            .map(|account| (account.clone(), known.get(account).cloned().unwrap_or_else(|| "__unknown__".to_owned())))
            .collect();
        let rows = rows_of(&days.at(&format!("ou-breakdowns/year=2026/month={month}/day={day}/ou_breakdown.csv")));
        let found: BTreeMap<String, String> = rows.iter().map(|row| (row["LinkedAccount"].clone(), row["OU"].clone())).collect();
        assert_eq!(found, expected, "{name}");
        seen.push(found);
    }
    assert!(seen[0] != seen[1] && seen[1] != seen[2], "the trees differ");
    // The first day again, with no organization given: the tree kept of that day, not the newest.
    let first = tree(&days.at("ou-breakdowns"));
    days.daily_without_organization("2026-07-01", &[]).expect(0);
    assert_eq!(tree(&days.at("ou-breakdowns")), first);
}
