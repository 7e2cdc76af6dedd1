//! The sample holds what its description says: same bytes, exact truth, every kind of line.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::write::run_on;
use super::*;
use apportion_core::org::{Account, OrgSnapshot, OrganizationalUnit};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, MapArray, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Line types that a sample has from 20,000 lines on.
const LINE_TYPES: [&str; 16] = [
    "BundledDiscount",
    "Credit",
    "DiscountedUsage",
    "EdpDiscount",
    "Fee",
    "FlatRateSubscription",
    "PrivateRateDiscount",
    "RIFee",
    "Refund",
    "RiVolumeDiscount",
    "SavingsPlanCoveredUsage",
    "SavingsPlanNegation",
    "SavingsPlanRecurringFee",
    "SavingsPlanUpfrontFee",
    "Tax",
    "Usage",
];

fn options(rows: u64, accounts: u32, months: u32, out: &Path) -> SampleOptions {
    SampleOptions { rows, accounts, period: "2026-09".parse().unwrap(), months, seed: 1, out: out.to_owned() }
}

fn make(rows: u64, accounts: u32, months: u32) -> (TempDir, SampleReport) {
    let folder = TempDir::new().unwrap();
    let report = run(&options(rows, accounts, months, &folder.path().join("sample")), &mut |_| ()).unwrap();
    (folder, report)
}

fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut list = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                list.insert(path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap());
            }
        }
    }
    list
}

fn digests(root: &Path) -> BTreeMap<String, String> {
    files(root).into_iter().map(|(name, bytes)| (name, format!("{:x?}", Sha256::digest(&bytes).to_vec()))).collect()
}

fn batches(bill: &Path, period: &str) -> Vec<RecordBatch> {
    let mut list = Vec::new();
    let folder = bill.join(format!("cur2/meridian-cur2/data/BILLING_PERIOD={period}"));
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap().build().unwrap();
        list.extend(reader.map(Result::unwrap));
    }
    list
}

/// One line as a reader of the file sees it.
struct Read<'a> {
    batch: &'a RecordBatch,
    row: usize,
}

impl Read<'_> {
    fn text(&self, column: &str) -> &str {
        let array = self.batch.column_by_name(column).unwrap().as_string::<i32>();
        if array.is_null(self.row) { "" } else { array.value(self.row) }
    }

    /// The double by its shortest text: not the way in which the generator counts.
    fn money(&self, column: &str) -> Money {
        let array = self.batch.column_by_name(column).unwrap().as_primitive::<Float64Type>();
        if array.is_null(self.row) { Money::ZERO } else { format!("{}", array.value(self.row)).parse().unwrap() }
    }

    fn tags(&self, column: &str) -> BTreeMap<String, String> {
        let map: &MapArray = self.batch.column_by_name(column).unwrap().as_map();
        let entries = map.value(self.row);
        let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1).as_string::<i32>());
        (0..entries.len()).map(|index| (keys.value(index).to_owned(), values.value(index).to_owned())).collect()
    }

    /// Effective cost, true-up and upfront fee by the table of line item types.
    fn measures(&self) -> (Money, Money, Money) {
        let cash = self.money("line_item_unblended_cost");
        let zero = Money::ZERO;
        match self.text("line_item_line_item_type") {
            "DiscountedUsage" => (self.money("reservation_effective_cost"), zero, zero),
            "SavingsPlanCoveredUsage" => (self.money("savings_plan_savings_plan_effective_cost"), zero, zero),
            "SavingsPlanNegation" => (zero, zero, zero),
            "SavingsPlanUpfrontFee" => (zero, zero, cash),
            "Fee" if !self.text("reservation_reservation_a_r_n").is_empty() => (zero, zero, cash),
            "Refund"
                if self.text("line_item_line_item_description").starts_with("Refund for one-time fee for Savings Plan ID") =>
            {
                (zero, zero, cash)
            }
            "RIFee" => (
                self.money("reservation_unused_amortized_upfront_fee_for_billing_period")
                    + self.money("reservation_unused_recurring_fee"),
                -self.money("reservation_amortized_upfront_fee_for_billing_period"),
                zero,
            ),
            "SavingsPlanRecurringFee" => (
                self.money("savings_plan_total_commitment_to_date") - self.money("savings_plan_used_commitment"),
                -self.money("savings_plan_amortized_upfront_commitment_for_billing_period"),
                zero,
            ),
            _ => (cash, zero, zero),
        }
    }
}

fn each_line(batches: &[RecordBatch], mut each: impl FnMut(&Read)) {
    for batch in batches {
        for row in 0..batch.num_rows() {
            each(&Read { batch, row });
        }
    }
}

type Sums = BTreeMap<String, (u64, Money, Money)>;

fn truth(value: &Value, name: &str) -> Sums {
    let money = |value: &Value| value.as_str().unwrap().parse().unwrap();
    let entries = value[name].as_object().unwrap().iter();
    entries
        .map(|(key, sum)| (key.clone(), (sum["rows"].as_u64().unwrap(), money(&sum["unblended"]), money(&sum["effective"]))))
        .collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn same_options_give_the_same_bytes_on_any_number_of_threads() {
    let folder = TempDir::new().unwrap();
    let made: Vec<BTreeMap<String, String>> = [1, 3]
        .into_iter()
        .map(|threads| {
            let out = folder.path().join(format!("on-{threads}"));
            run_on(threads, &options(24_000, 40, 2, &out), &mut |_| ()).unwrap();
            digests(&out)
        })
        .collect();
    assert_eq!(made[0], made[1]);
    assert!(made[0].len() > 12, "{:?}", made[0].keys());
    let other = folder.path().join("other");
    run(&SampleOptions { seed: 2, ..options(24_000, 40, 2, &other) }, &mut |_| ()).unwrap();
    let other = digests(&other);
    let differs = |name: &&String| other.get(*name) != made[0].get(*name);
    let same: Vec<&String> = made[0].keys().filter(|name| !differs(name)).collect();
    assert!(
        same.iter().all(|name| name.ends_with("headcount.csv") || name.ends_with("units.csv") || name.ends_with("Manifest.json")),
        "{same:?}"
    );
}

#[test]
fn the_last_month_does_not_depend_on_how_many_come_before() {
    let (one, _) = make(20_000, 40, 1);
    let (three, report) = make(20_000, 40, 3);
    let last = |folder: &TempDir| -> BTreeMap<String, String> {
        let all = digests(&folder.path().join("sample"));
        all.into_iter().filter(|(name, _)| name.starts_with("bill/") && name.contains("2026-09")).collect()
    };
    assert_eq!(last(&one), last(&three));
    // 3 % a month, per day; the effective cost of upfront purchases rises less than their cash
    let daily: Vec<i128> = report.months.iter().map(|month| month.effective.units() / i128::from(month.period.days())).collect();
    let growth: Vec<i128> = daily.windows(2).map(|pair| pair[1] * 1000 / pair[0]).collect();
    assert!(growth.iter().all(|permille| (1020..=1045).contains(permille)), "{growth:?}");
}

#[test]
fn truth_is_what_a_reader_of_the_bill_adds_up() {
    let (_folder, report) = make(24_000, 40, 2);
    let totals = json(&report.truth.join("totals.json"));
    for period in totals["periods"].as_array().unwrap() {
        let (mut types, mut invoices) = (Sums::new(), Sums::new());
        let mut bridge: BTreeMap<String, [Money; 4]> = BTreeMap::new();
        let mut offsets: BTreeMap<(String, String), Money> = BTreeMap::new();
        each_line(&batches(&report.bill, period["period"].as_str().unwrap()), |line| {
            let cash = line.money("line_item_unblended_cost");
            let (effective, true_up, upfront) = line.measures();
            for (sums, key) in
                [(&mut types, line.text("line_item_line_item_type")), (&mut invoices, line.text("bill_invoice_id"))]
            {
                let sum = sums.entry(key.to_owned()).or_default();
                *sum = (sum.0 + 1, sum.1 + cash, sum.2 + effective);
            }
            let (plan, reservation) = (line.text("savings_plan_savings_plan_a_r_n"), line.text("reservation_reservation_a_r_n"));
            let commitment = format!("{plan}{reservation}");
            if !commitment.is_empty() {
                let sums = bridge.entry(commitment).or_default();
                for (sum, amount) in sums.iter_mut().zip([cash, effective, true_up, upfront]) {
                    *sum += amount;
                }
            }
            if matches!(line.text("line_item_line_item_type"), "SavingsPlanCoveredUsage" | "SavingsPlanNegation") {
                *offsets.entry((plan.to_owned(), line.text("line_item_usage_account_id").to_owned())).or_default() += cash;
            }
        });
        assert_eq!(types, truth(period, "by_line_type"));
        assert_eq!(invoices, truth(period, "by_invoice"));
        for (commitment, [cash, effective, true_up, upfront]) in bridge {
            assert_eq!(effective + true_up + upfront, cash, "{commitment}");
        }
        assert!(offsets.values().all(|sum| sum.is_zero()), "{offsets:?}");
    }
}

#[test]
fn truth_is_what_python_adds_up() {
    // `apportion sample --rows 20000 --out DIR`, then scripts/check_sample.py DIR (pyarrow, decimal) printed these.
    let (_folder, report) = make(20_000, 40, 1);
    let month = &report.months[0];
    let said = (19_825, "3138296.685068387778".to_owned(), "3102499.434668387778".to_owned());
    assert_eq!((month.rows, month.unblended.to_fixed(), month.effective.to_fixed()), said);
}

#[test]
fn the_default_looks_like_the_group_it_is_of() {
    let (_folder, report) = make(200_000, 40, 1);
    let month = &report.months[0];
    let dollars = month.unblended.round_to_minor(0);
    assert!((3_038_000..=3_162_000).contains(&dollars), "{dollars} is not within 2 % of 3.1 million");
    let share = month.untagged.units() * 1000 / month.usage.units();
    assert!((50..=70).contains(&share), "{share} thousandths untagged");
    assert!((180_000..=220_000).contains(&month.rows), "{} lines", month.rows);
    let totals = json(&report.truth.join("totals.json"));
    let types = truth(&totals["periods"][0], "by_line_type");
    let expected: BTreeSet<&str> = LINE_TYPES.into_iter().collect();
    assert_eq!(types.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    assert_eq!(month.invoices, 6);
}

#[test]
fn invoices_are_the_bill_in_cents_and_a_few_cents_of_rounding() {
    let (_folder, report) = make(20_000, 40, 2);
    let totals = json(&report.truth.join("totals.json"));
    let summaries = json(&report.invoices);
    let mut differences = Vec::new();
    for period in totals["periods"].as_array().unwrap() {
        for (id, (_, cash, _)) in truth(period, "by_invoice") {
            let of_id = |summary: &&Value| summary["InvoiceId"] == id.as_str();
            let summary = summaries["InvoiceSummaries"].as_array().unwrap().iter().find(of_id).unwrap();
            let total: Money = summary["BaseCurrencyAmount"]["TotalAmount"].as_str().unwrap().parse().unwrap();
            let memo = summary["InvoiceType"] == "CREDIT_MEMO";
            assert_eq!(memo, cash.is_negative(), "{id}");
            let signed = if memo { -total } else { total };
            differences.push(signed.round_to_minor(2) - cash.round_to_minor(2));
        }
    }
    differences.sort_unstable();
    assert_eq!(differences.iter().filter(|cents| **cents != 0).count(), 2, "{differences:?}");
    assert_eq!(differences.last(), Some(&7));
}

#[test]
fn owners_and_tags_agree_with_the_bill() {
    let (_folder, report) = make(20_000, 40, 1);
    let owners = fs::read_to_string(report.truth.join("resource_owners.csv")).unwrap();
    let known: BTreeMap<&str, Vec<&str>> = owners
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            (cells[1], cells)
        })
        .collect();
    let mut seen = BTreeSet::new();
    let (mut untagged, mut usage) = (Money::ZERO, Money::ZERO);
    each_line(&batches(&report.bill, "2026-09"), |line| {
        let resource = line.text("line_item_resource_id");
        let tags = line.tags("resource_tags");
        let keys = ["user_cost_center", "user_costcenter", "user_cost_centre"];
        let value = keys.iter().find_map(|key| tags.get(*key)).map_or("", String::as_str);
        let kind = line.text("line_item_line_item_type");
        let seller = line.text("bill_billing_entity") == "AWS Marketplace";
        if matches!(kind, "Usage" | "SavingsPlanCoveredUsage" | "DiscountedUsage") && !seller {
            let effective = line.measures().0;
            usage += effective;
            if value.trim().is_empty() {
                untagged += effective;
            }
        }
        if let Some(cells) = known.get(resource) {
            assert_eq!(cells[2], line.text("line_item_usage_account_id"));
            assert_eq!(cells[5] == "no", value.trim().is_empty(), "{resource} {value}");
            assert_eq!(cells[6].trim_matches('"'), value);
            seen.insert(resource.to_owned());
        } else {
            assert_eq!(resource, "", "no owner is known");
        }
    });
    assert_eq!(seen.len(), known.len(), "resources of which nobody bills a line");
    assert_eq!((report.months[0].usage, report.months[0].untagged), (usage, untagged));
}

#[test]
fn spikes_stand_out_by_what_the_truth_says() {
    let (_folder, report) = make(60_000, 40, 1);
    let text = fs::read_to_string(report.truth.join("spikes.csv")).unwrap();
    let mut days: BTreeMap<(String, String, String), Money> = BTreeMap::new();
    each_line(&batches(&report.bill, "2026-09"), |line| {
        if line.text("line_item_line_item_type") == "Usage" {
            let date = line.text("identity_time_interval")[..10].to_owned();
            let key = (date, line.text("line_item_usage_account_id").to_owned(), line.text("line_item_product_code").to_owned());
            *days.entry(key).or_default() += line.money("line_item_unblended_cost");
        }
    });
    let mut count = 0;
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let key = (cells[0].to_owned(), cells[1].to_owned(), cells[2].to_owned());
        let (usual, extra): (Money, Money) = (cells[4].parse().unwrap(), cells[5].parse().unwrap());
        assert!(days.get(&key).is_some_and(|cost| *cost >= usual + extra), "{line}");
        assert!(extra >= usual + usual, "{line}");
        count += 1;
    }
    assert!(count >= 5, "{count} spikes");
    assert_eq!(count, report.months[0].spikes);
}

#[test]
fn the_organization_is_a_tree_with_every_account_of_the_bill() {
    let (_folder, report) = make(20_000, 40, 1);
    let value = json(&report.organization);
    let text = |value: &Value, key: &str| value[key].as_str().unwrap().to_owned();
    let list = |name: &str| value[name].as_array().unwrap().clone();
    let snapshot = OrgSnapshot {
        root_ids: list("Roots").iter().map(|root| text(root, "Id")).collect(),
        units: list("OrganizationalUnits")
            .iter()
            .map(|unit| OrganizationalUnit { id: text(unit, "Id"), name: text(unit, "Name"), parent_id: text(unit, "ParentId") })
            .collect(),
        accounts: list("Accounts")
            .iter()
            .map(|one| Account {
                id: text(one, "Id"),
                name: text(one, "Name"),
                parent_id: text(one, "ParentId"),
                state: text(one, "State"),
            })
            .collect(),
    };
    let snapshot = snapshot.checked().unwrap();
    let paths = snapshot.ou_paths();
    assert_eq!(paths["100000000002"], "Shared Platform/Network");
    assert_eq!(paths["100000000006"], "Workloads/Claims/Prod");
    assert_eq!(paths.values().filter(|path| path.is_empty()).count(), 2, "the payer and one sandbox stand at the root");
    assert_eq!(snapshot.accounts.iter().filter(|account| account.state == "SUSPENDED").count(), 1);
    let mut unknown = BTreeSet::new();
    each_line(&batches(&report.bill, "2026-09"), |line| {
        if !paths.contains_key(line.text("line_item_usage_account_id")) {
            unknown.insert(line.text("line_item_usage_account_id").to_owned());
        }
    });
    assert_eq!(unknown, BTreeSet::new());
}

#[test]
fn small_and_wide_samples_work() {
    for (rows, accounts) in [(500, 6), (3_000, 12), (5_000, 2_000)] {
        let (_folder, report) = make(rows, accounts, 1);
        let value = json(&report.organization);
        assert_eq!(value["Accounts"].as_array().unwrap().len(), accounts as usize);
        let ids: BTreeSet<&str> = value["Accounts"].as_array().unwrap().iter().map(|one| one["Name"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), accounts as usize, "names are unique");
        assert!(report.months[0].rows >= rows / 2 && report.months[0].rows <= rows * 2, "{rows} {}", report.months[0].rows);
    }
}

#[test]
fn wrong_options_are_named() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("sample");
    let refused = |options: SampleOptions| run(&options, &mut |_| ()).unwrap_err().to_string();
    assert_eq!(refused(options(499, 40, 1, &out)), "--rows 499 is out of range: give 500 to 1000000000");
    assert_eq!(refused(options(500, 5, 1, &out)), "--accounts 5 is out of range: give 6 to 50000");
    assert_eq!(refused(options(500, 6, 0, &out)), "--months 0 is out of range: give 1 to 24");
    assert_eq!(refused(options(500, 6, 25, &out)), "--months 25 is out of range: give 1 to 24");
    assert!(!out.exists());
}

#[test]
fn a_folder_that_holds_anything_else_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("sample");
    fs::create_dir(&out).unwrap();
    run(&options(500, 6, 1, &out), &mut |_| ()).unwrap();
    let before = digests(&out);
    run(&options(500, 6, 1, &out), &mut |_| ()).unwrap();
    assert_eq!(digests(&out), before, "a sample is replaced by the same one");
    fs::write(out.join("notes.txt"), "mine").unwrap();
    let error = run(&options(600, 6, 1, &out), &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("holds `notes.txt`"), "{error}");
    let mut after = digests(&out);
    after.remove("notes.txt");
    assert_eq!(after, before);
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = run(&options(500, 6, 1, &file), &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("is not a folder"), "{error}");
    let names: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(names.len(), 2, "nothing is left beside the sample: {names:?}");
}
