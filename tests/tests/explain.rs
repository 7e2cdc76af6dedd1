//! From a statement line to the bill's own rows: every line of every unit adds up, by arithmetic that is not the program's own.
#![allow(clippy::unwrap_used)]

use apportion_tests::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const HEADER: &str = "ProviderName,InvoiceIssuerName,InvoiceId,BillingAccountId,SubAccountId,BillingPeriodStart,ChargePeriodStart,ChargeCategory,ChargeDescription,ChargeFrequency,BilledCost,EffectiveCost,ListCost,BillingCurrency,ServiceName,ResourceId,CommitmentDiscountId,CommitmentDiscountStatus,Tags";

/// One FOCUS 1.2 line; `costs` are billed and effective.
fn line(account: &str, category: &str, service: &str, costs: (&str, &str), owner: &str, commitment: (&str, &str)) -> String {
    let tags = if owner.is_empty() { "{}".to_owned() } else { format!("{{\"\"CostCenter\"\":\"\"{owner}\"\"}}") };
    let frequency = if category == "Purchase" { "Recurring" } else { "Usage-Based" };
    let (billed, effective) = costs;
    let (id, status) = commitment;
    format!(
        "AWS,AWS,INV-1,100000000001,{account},2026-09-01T00:00:00Z,2026-09-02T00:00:00Z,{category},\"text of {service}\",{frequency},{billed},{effective},{effective},USD,{service},res-{account},{id},{status},\"{tags}\""
    )
}

const NONE: (&str, &str) = ("", "");
const PLAN: &str = "arn:plan";

/// A uses 60 of a plan that costs 90 and idles for 30 of it; A has 100.10 besides, B 50; 33.35 has no owner and comes in two lines,
/// one of them a correction; 12.00 of tax; the invoice is 0.02 above the bill.
fn bill_lines() -> Vec<String> {
    vec![
        line("10", "Usage", "EC2", ("100.10", "100.10"), "A", NONE),
        line("10", "Usage", "EC2", ("0", "60.00"), "A", (PLAN, "Used")),
        line("10", "Usage", "EC2", ("0", "30.00"), "", (PLAN, "Unused")),
        line("10", "Purchase", "Plans", ("90.00", "0"), "", (PLAN, "")),
        line("11", "Usage", "EC2", ("50.00", "50.00"), "B", NONE),
        line("11", "Usage", "S3", ("43.35", "43.35"), "", NONE),
        line("11", "Usage", "S3", ("-10.00", "-10.00"), "", NONE),
        line("10", "Tax", "EC2", ("12.00", "12.00"), "", NONE),
        line("12", "Usage", "KMS", ("7.00", "7.00"), "shared", NONE),
    ]
}

struct Month {
    folder: tempfile::TempDir,
    close: PathBuf,
}

impl Month {
    /// Closes the small bill: `shared` cost goes to a pool that feeds the untagged one.
    fn new() -> Month {
        let folder = tempfile::tempdir().unwrap();
        let bill = folder.path().join("bill.csv");
        std::fs::write(&bill, format!("{HEADER}\n{}\n", bill_lines().join("\n"))).unwrap();
        let mut config = SmallConfig::new(&["A", "B"]);
        config.rules = "[[rule]]\nid = \"shared-keys\"\nassign = \"pool:first\"\nwhen = { services = [\"KMS\"] }\n".to_owned();
        let config = config.write(&folder.path().join("config"));
        let rules = Path::new(&config).join("rules.toml");
        let first = "[[pool]]\nid = \"first\"\nname = \"First\"\nkey = \"even\"\ntargets = [\"pool:untagged\", \"B\"]\nfallback = \"even\"\n\n";
        let text_of = std::fs::read_to_string(&rules).unwrap();
        std::fs::write(&rules, text_of.replacen("[[pool]]", &format!("{first}[[pool]]"), 1)).unwrap();
        let invoices = folder.path().join("invoices.json");
        // 100.10 + 90 + 50 + 33.35 + 12 + 7 = 292.45, and 0.02.
        let invoice = serde_json::json!({ "InvoiceSummaries": [{ "InvoiceId": "INV-1", "InvoiceType": "INVOICE", "AccountId": "100000000001",
            "BillingPeriod": { "Month": 9, "Year": 2026 }, "BaseCurrencyAmount": { "TotalAmount": "292.47", "CurrencyCode": "USD" } }] });
        std::fs::write(&invoices, invoice.to_string()).unwrap();
        let out = folder.path().join("out");
        let arguments = [
            "close",
            "--period",
            "2026-09",
            "--bill",
            &text(&bill),
            "--config",
            &config,
            "--out",
            &text(&out),
            "--invoices",
            &text(&invoices),
        ];
        apportion(folder.path(), &arguments).expect(0);
        Month { close: close_folder(&out, "2026-09"), folder }
    }

    fn explain(&self, more: &[&str]) -> Ran {
        let close = text(&self.close);
        let mut arguments = vec!["explain", &close];
        arguments.extend(more);
        apportion(self.folder.path(), &arguments)
    }
}

fn amount(value: &Value, name: &str) -> i128 {
    units(value[name].as_str().unwrap())
}

fn list<'a>(line: &'a Value, name: &str) -> &'a [Value] {
    line[name].as_array().unwrap()
}

/// Sum over a list and what stands for the rest of it, of what is in the line.
fn in_line(line: &Value, name: &str, others: &str, of: &str) -> i128 {
    let listed: i128 = list(line, name).iter().map(|one| amount(&one["in_line"], of)).sum();
    listed + if line[others].is_null() { 0 } else { amount(&line[others]["in_line"], of) }
}

/// Every level of a line against the line, and the line against the unit's row of the ledger.
fn check_line(line: &Value, row: &BTreeMap<String, String>, top: usize) {
    let what = format!("{} {} {}", row["unit_id"], line["line"], line["component"]);
    for (column, field) in
        [("component", "component"), ("rule_id", "rule_id"), ("service", "service"), ("account_id", "account_id")]
    {
        assert_eq!(line[field], row[column], "{what}");
    }
    let cents: i128 = row["cents"].parse().unwrap();
    for of in ["cash", "effective"] {
        let total = units(&row[of]);
        assert_eq!(amount(line, of), total, "{what}");
        let rounding = amount(&line["rounding"], of);
        assert_eq!(in_line(line, "bill_rows", "other_bill_rows", of) + rounding, total, "{what}: bill rows");
        assert_eq!(in_line(line, "rollup_rows", "other_rollup_rows", of) + rounding, total, "{what}: rollup rows");
        let last: i128 =
            list(line, "pools").iter().filter(|pool| pool["feeds"] == "").map(|pool| amount(&pool["in_line"], of)).sum();
        assert!(row["pool_id"].is_empty() || last == total, "{what}: pools");
        for pool in list(line, "pools") {
            assert_eq!(in_line(pool, "sources", "other_sources", of), amount(&pool["in_line"], of), "{what}: sources");
        }
    }
    assert_eq!(amount(line, "cash") + amount(line, "to_cents"), cents * 10_000_000_000, "{what}: cents");
    for name in ["bill_rows", "rollup_rows"] {
        assert!(list(line, name).len() <= top, "{what}: {name}");
    }
}

/// Every ledger row of every unit of a close.
fn check_close(keys: &Path, close: &Path, top: usize) -> usize {
    let mut by_unit: BTreeMap<String, Vec<BTreeMap<String, String>>> = BTreeMap::new();
    for row in rows_of(&close.join("ledger.csv")) {
        by_unit.entry(row["unit_id"].clone()).or_default().push(row);
    }
    let mut lines = 0;
    for (unit, rows) in by_unit {
        let folder = text(close);
        let ran = apportion(keys, &["explain", &folder, "--unit", &unit, "--top", &top.to_string(), "--json"]).expect(0);
        let explanation = ran.json();
        let explained = list(&explanation, "lines");
        assert_eq!(explained.len(), rows.len());
        for (line, row) in explained.iter().zip(&rows) {
            check_line(line, row, top);
        }
        lines += rows.len();
    }
    lines
}

fn component<'a>(explanation: &'a Value, word: &str) -> Vec<&'a Value> {
    list(explanation, "lines").iter().filter(|line| line["component"] == word).collect()
}

#[test]
fn every_line_of_a_small_close_adds_up() {
    let month = Month::new();
    for top in [1, 2, 10] {
        assert_eq!(check_close(month.folder.path(), &month.close, top), rows_of(&month.close.join("ledger.csv")).len());
    }
}

/// By hand. Base: A 160.10, B 50.00, of 210.10. Fee: 60 of 90 to A, 30 idle. Pool `first`: 7.00, half to B, half to `untagged`.
/// `untagged`: direct 33.35, from `first` 3.50, unused 30 cash and 30 effective, tax nothing, rounding 0.02.
#[test]
fn the_way_of_each_kind_of_line_is_what_hand_arithmetic_says() {
    let month = Month::new();
    let a = month.explain(&["--unit", "A", "--json", "--top", "100"]).expect(0).json();
    let direct = component(&a, "direct");
    assert_eq!(direct.iter().map(|line| amount(line, "cash")).sum::<i128>(), units("100.10"));
    let [fee] = component(&a, "commitment")[..] else { panic!("one line of fees: {a}") };
    assert_eq!(fee["rule_id"], "follow.commitment_use");
    assert_eq!((fee["charged"].as_str().unwrap(), list(fee, "bill_rows").len()), ("60.00", 1));
    let row = &list(fee, "bill_rows")[0];
    assert_eq!(
        (row["row"].as_i64().unwrap(), amount(row, "cash"), amount(&row["in_line"], "cash")),
        (4, units("90"), units("60"))
    );
    assert_eq!(row["description"], "text of Plans");
    let [tax] = component(&a, "tax")[..] else { panic!("one line of tax: {a}") };
    assert_eq!(tax["charged"], "12.00", "all charges of EC2 in account 10 are A's");
    let pool: Vec<&Value> = component(&a, "pool").into_iter().filter(|line| line["pool_id"] == "untagged").collect();
    let [pool] = pool[..] else { panic!("one line of the untagged pool: {a}") };
    let share = |held: i128| held * units("160.10") / units("210.10");
    // Two amounts, each with its largest remainder of 1e-12.
    assert!((amount(pool, "cash") - share(units("33.35")) - share(units("3.50"))).abs() <= 2);
    let rows: BTreeMap<i64, i128> =
        list(pool, "bill_rows").iter().map(|row| (row["row"].as_i64().unwrap(), amount(&row["in_line"], "cash"))).collect();
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), [6, 7, 9]);
    assert!((rows[&6] - share(units("43.35"))).abs() <= 2 && (rows[&7] + share(units("10"))).abs() <= 2);
    assert!((rows[&9] - share(units("3.50"))).abs() <= 2, "half of 7.00 came through the pool before");
    let fed: Vec<&Value> = list(pool, "pools").iter().filter(|step| step["feeds"] == "untagged").collect();
    assert_eq!((fed.len(), fed[0]["pool_id"].as_str().unwrap(), amount(fed[0], "cash")), (1, "first", units("7")));
    let [rounding] = component(&a, "rounding")[..] else { panic!("one line of rounding: {a}") };
    assert!(list(rounding, "bill_rows").is_empty(), "no bill row has it");
    assert!((amount(&rounding["rounding"], "cash") - share(units("0.02"))).abs() <= 1);
}

#[test]
fn text_and_csv_say_the_same_as_json() {
    let month = Month::new();
    let text_form = month.explain(&["--unit", "B", "--component", "pool"]).expect(0).stdout;
    for part in ["pool.untagged: split by effective direct cost", "which fed untagged", "row 6", "to whole cents", "proved:"] {
        assert!(text_form.contains(part), "{part}: {text_form}");
    }
    let file = month.folder.path().join("b.csv");
    for top in ["1", "100"] {
        month.explain(&["--unit", "B", "--csv", "--top", top, "--out", &text(&file)]).expect(0);
        let rows = rows_of(&file);
        let mut sums: BTreeMap<String, i128> = BTreeMap::new();
        for row in &rows {
            *sums.entry(row["line"].clone()).or_default() += units(&row["line_cash"]);
        }
        let ledger: Vec<_> = rows_of(&month.close.join("ledger.csv")).into_iter().filter(|row| row["unit_id"] == "B").collect();
        assert_eq!(sums.len(), ledger.len());
        for (index, row) in ledger.iter().enumerate() {
            let cents: i128 = row["cents"].parse().unwrap();
            assert_eq!(sums[&(index + 1).to_string()], cents * 10_000_000_000, "whole cents, by a plain sum of the column");
        }
        month.explain(&["--unit", "B", "--csv", "--out", &text(&file)]).expect(2);
        std::fs::remove_file(&file).unwrap();
    }
    let inside = text(&month.close.join("explained.csv"));
    month.explain(&["--unit", "B", "--csv", "--out", &inside]).expect(2);
}

#[test]
fn what_does_not_exist_is_one_error_with_what_does() {
    let month = Month::new();
    for (arguments, wanted) in [
        (vec!["--unit", "AA"], "`A`"),
        (vec!["--unit", "A", "--component", "poool"], "`pool`"),
        (vec!["--unit", "A", "--component", "marketplace"], "no line of this component"),
        (vec!["--unit", "A", "--service", "EC3"], "`EC2`"),
        (vec!["--unit", "A", "--pool", "frist"], "`untagged`"),
        (vec!["--unit", "A", "--line", "99"], "statement.csv has"),
    ] {
        let ran = month.explain(&arguments).expect(2);
        assert!(ran.stderr.contains(wanted) && ran.stdout.is_empty(), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn tampered_and_missing_inputs_are_named() {
    let month = Month::new();
    let inputs = month.folder.path().join("out/inputs/2026-09");
    let bill = tree(&inputs).into_keys().find(|name| name.ends_with(".csv") && name.contains("/bill/")).unwrap();
    let path = inputs.join(&bill);
    let before = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, before.replace("43.35", "43.36")).unwrap();
    let ran = month.explain(&["--unit", "A"]).expect(5);
    assert!(ran.stderr.contains("changed") && ran.stderr.contains("apportion verify"), "{}", ran.stderr);
    std::fs::remove_file(&path).unwrap();
    let ran = month.explain(&["--unit", "A"]).expect(5);
    assert!(ran.stderr.contains("missing"), "{}", ran.stderr);
    std::fs::write(&path, before).unwrap();
    let ledger = month.close.join("ledger.csv");
    let text_of = std::fs::read_to_string(&ledger).unwrap();
    std::fs::write(&ledger, text_of.replace("100.100000000000", "100.110000000000")).unwrap();
    assert!(month.explain(&["--unit", "A"]).expect(5).stderr.contains("ledger.csv"));
}

/// The sample's month has negations, fees, discounts by two levels, caps, minimums, cascades and six invoices.
#[test]
fn every_line_of_the_sample_adds_up() {
    let folder = tempfile::tempdir().unwrap();
    let sample = folder.path().join("sample");
    apportion(folder.path(), &["sample", "--rows", "4000", "--out", &text(&sample)]).expect(0);
    let config = folder.path().join("config");
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    for name in ["rules.toml", "taxonomy.toml", "units.toml"] {
        std::fs::create_dir_all(&config).unwrap();
        std::fs::copy(own.join(name), config.join(name)).unwrap();
    }
    run("cp", &["-r", &text(&sample.join("drivers")), &text(&config)], folder.path()).expect(0);
    let out = folder.path().join("out");
    let (bill, organization, invoices) =
        (text(&sample.join("bill")), text(&sample.join("organization.json")), text(&sample.join("invoices.json")));
    let arguments = [
        "close",
        "--period",
        "2026-09",
        "--bill",
        &bill,
        "--config",
        &text(&config),
        "--out",
        &text(&out),
        "--org",
        &organization,
        "--invoices",
        &invoices,
    ];
    apportion(folder.path(), &arguments).expect(0);
    let close = close_folder(&out, "2026-09");
    let lines = check_close(folder.path(), &close, 3);
    assert!(lines > 400, "{lines}");
}

/// Lines of a third-party bill against Python's `decimal` over its CSV, which never saw our code; and rows by number and id.
#[test]
fn lines_of_the_shared_bill_are_what_python_sums() {
    let Some(bill) = shared("explain of a CUR 2.0 bill", "cur2/cur2_plain_final.csv.gz") else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = SmallConfig::new(&["CC-1001", "CC-1002", "CC-1003"]).write(&folder.path().join("config"));
    let out = folder.path().join("out");
    let arguments = ["close", "--period", "2026-09", "--bill", &text(&bill), "--config", &config, "--out", &text(&out)];
    apportion(folder.path(), &arguments).expect(0);
    let close = close_folder(&out, "2026-09");
    assert!(check_close(folder.path(), &close, 5) > 10);
    let all = ["explain", &text(&close), "--unit", "CC-1001", "--top", "1000000", "--csv"];
    let explained = folder.path().join("explained.csv");
    std::fs::write(&explained, apportion(folder.path(), &all).expect(0).stdout).unwrap();
    let script = r#"
import csv, gzip, sys
from collections import defaultdict
from decimal import Decimal, ROUND_HALF_UP
bill = list(csv.DictReader(gzip.open(sys.argv[1], "rt", encoding="utf-8", newline="")))
exact = lambda text: Decimal(text or 0).quantize(Decimal("1e-12"), rounding=ROUND_HALF_UP)
checked, direct = 0, defaultdict(Decimal)
for row in csv.DictReader(open(sys.argv[2], encoding="utf-8", newline="")):
    if row["entry"] == "bill_row":
        line = bill[int(row["row"]) - 1]
        assert line["identity_line_item_id"] == row["line_id"], row
        assert exact(line["line_item_unblended_cost"]) == Decimal(row["cash"]), (row, line["line_item_unblended_cost"])
        checked += 1
        if row["rule_id"].startswith("tag."):
            direct[row["service"]] += Decimal(row["line_cash"])
wanted = defaultdict(Decimal)
for line in bill:
    tags = line["resource_tags"]
    if '"user_cost_center":"CC-1001"' in tags.replace(" ", "") and line["line_item_line_item_type"] in ("Usage", "SavingsPlanCoveredUsage", "DiscountedUsage"):
        wanted[line["line_item_product_code"]] += exact(line["line_item_unblended_cost"])
assert wanted and {k: v for k, v in wanted.items() if v} == {k: v for k, v in direct.items() if v}, (wanted, direct)
print(checked)
"#;
    let ran = run("python3", &["-c", script, &text(&bill), &text(&explained)], folder.path()).expect(0);
    assert!(ran.stdout.trim().parse::<usize>().unwrap() > 100, "{}", ran.stdout);
}
