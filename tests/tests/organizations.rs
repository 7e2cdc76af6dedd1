//! A close by the organization of the period's end, and by that of each usage day; `tests/golden/e31…` and `e32…` have the cents.
#![allow(clippy::unwrap_used)]

use apportion_tests::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Account 1 uses 10 on the 5th and 20 on the 15th, account 2 uses 40 on the 15th.
const BILL: &str = "SubAccountId,ChargePeriodStart,BilledCost,EffectiveCost\n\
    000000000001,2026-09-05T00:00:00Z,10,10\n\
    000000000001,2026-09-15T00:00:00Z,20,20\n\
    000000000002,2026-09-15T00:00:00Z,40,40\n";

const RULES: &str = "[[rule]]\nid = \"north\"\nassign = \"North\"\nwhen = { ou_paths = [\"North\"] }\n\n\
    [[rule]]\nid = \"south\"\nassign = \"South\"\nwhen = { ou_paths = [\"South\"] }\n";

/// Account 1 in the OU of that id (`ou-1` North, `ou-2` South), account 2 in South.
fn tree(ou: &str, name: &str) -> String {
    json!({ "Roots": [{ "Id": "r-1" }],
        "OrganizationalUnits": [{ "Id": "ou-1", "Name": "North", "ParentId": "r-1" }, { "Id": "ou-2", "Name": "South", "ParentId": "r-1" }],
        "Accounts": [{ "Id": "000000000001", "Name": name, "ParentId": ou, "State": "ACTIVE" },
            { "Id": "000000000002", "Name": "two", "ParentId": "ou-2", "State": "ACTIVE" }] })
    .to_string()
}

struct World {
    folder: tempfile::TempDir,
    bill: String,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bill.csv");
        std::fs::write(&path, whole_bill("focus_1_2", BILL)).unwrap();
        World { bill: text(&path), folder }
    }

    fn config(&self, as_of: Option<&str>) -> String {
        let mut config = SmallConfig::new(&["North", "South"]);
        config.rules = as_of.map(|word| format!("[organization]\nas_of = {word:?}\n\n")).unwrap_or_default() + RULES;
        config.write(&self.folder.path().join(format!("config-{}", as_of.unwrap_or("default"))))
    }

    /// A folder of dated trees: day, OU of account 1, its name.
    fn trees(&self, folder: &str, trees: &[(&str, &str, &str)]) -> String {
        let place = self.folder.path().join(folder);
        std::fs::create_dir_all(&place).unwrap();
        for (name, ou, account) in trees {
            std::fs::write(place.join(format!("{name}.json")), tree(ou, account)).unwrap();
        }
        text(&place)
    }

    fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn close(&self, out: &str, config: &str, more: &[&str]) -> Ran {
        let out = text(&self.out(out));
        let base = ["close", "--period", "2026-09", "--bill", &self.bill, "--config", config, "--out", &out];
        apportion(self.folder.path(), &[&base, more].concat())
    }

    fn closed(&self, out: &str) -> PathBuf {
        close_folder(&self.out(out), "2026-09")
    }

    /// Whole units of cash: North, South.
    fn cash(&self, out: &str) -> (i128, i128) {
        let rows = rows_of(&self.closed(out).join("ledger.csv"));
        let of = |unit| rows.iter().filter(|row| row["unit_id"] == unit).map(|row| units(&row["cash"])).sum::<i128>();
        (of("North") / 1_000_000_000_000, of("South") / 1_000_000_000_000)
    }
}

fn manifest(close: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(close.join("manifest.json")).unwrap()).unwrap()
}

#[test]
fn a_move_counts_from_its_day_or_for_the_whole_month_as_configured() {
    let world = World::new();
    let moved = [("2026-08-30", "ou-1", "one"), ("2026-09-10", "ou-2", "one"), ("2026-10-03", "ou-1", "one")];
    let trees = world.trees("org", &moved);
    world.close("day", &world.config(Some("usage_day")), &["--org", &trees]).expect(0);
    assert_eq!(world.cash("day"), (10, 60));
    let stretches =
        json!([{ "from": "2026-09-01", "snapshot": "2026-08-30" }, { "from": "2026-09-10", "snapshot": "2026-09-10" }]);
    let used = json!({ "as_of": "usage_day", "stretches": stretches });
    assert_eq!(manifest(&world.closed("day"))["organization"], used);
    // Without the table, and with it, the month's end: both trees of the folder up to then, or that one alone, are the same close.
    world.close("end", &world.config(None), &["--org", &trees]).expect(0);
    assert_eq!(world.cash("end"), (0, 70));
    assert_eq!(manifest(&world.closed("end"))["organization"], json!({ "as_of": "period_end" }));
    let file = format!("{trees}/2026-09-10.json");
    let again = world.close("end", &world.config(None), &["--org", &file, "--json"]).expect(0).json();
    assert_eq!(again["status"], "already closed");
    // The way of every cent can be walked back to the bill.
    let close = text(&world.closed("day"));
    let explained = apportion(world.folder.path(), &["explain", &close, "--unit", "South", "--json"]).expect(0).json();
    let rows: Vec<&str> = explained["lines"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|line| line["bill_rows"].as_array().unwrap())
        .map(|row| row["usage_date"].as_str().unwrap())
        .collect();
    assert_eq!(rows, ["2026-09-15", "2026-09-15"]);
}

#[test]
fn where_nothing_moved_both_give_the_same_ledger() {
    let world = World::new();
    let trees = world.trees("org", &[("2026-08-30", "ou-1", "one"), ("2026-09-10", "ou-1", "renamed")]);
    world.close("day", &world.config(Some("usage_day")), &["--org", &trees]).expect(0);
    world.close("end", &world.config(Some("period_end")), &["--org", &trees]).expect(0);
    for name in ["ledger.csv", "ledger.parquet", "pools.csv", "statements/North/statement.csv"] {
        let read = |out| {
            let bytes = std::fs::read(world.closed(out).join(name)).unwrap();
            String::from_utf8_lossy(&bytes).replace(manifest(&world.closed(out))["close"].as_str().unwrap(), "CLOSE")
        };
        assert_eq!(read("day"), read("end"), "{name}");
    }
    let rollup = |out| manifest(&world.closed(out))["rollup_digest"].clone();
    assert_eq!(rollup("day"), rollup("end"), "nothing is cut");
}

#[test]
fn a_close_without_a_file_goes_by_what_daily_runs_kept() {
    let world = World::new();
    // The day saw two trees: the second is the day's.
    world.trees("out/org", &[("2026-09-04", "ou-1", "one"), ("2026-09-10", "ou-1", "one"), ("2026-09-10.2", "ou-2", "one")]);
    let config = world.config(Some("usage_day"));
    let tried = world.close("out", &config, &["--dry-run", "--json"]).expect(0).json();
    world.close("out", &config, &[]).expect(0);
    assert_eq!(world.cash("out"), (10, 60));
    assert_eq!(tried["close"], manifest(&world.closed("out"))["close"], "a dry run sees them too");
    let verified = apportion(world.folder.path(), &["verify", &text(&world.closed("out"))]).expect(0).stdout;
    assert!(verified.contains("re-derivation holds"), "{verified}");
}

#[test]
fn a_month_without_a_tree_is_an_error_that_says_what_to_do() {
    let world = World::new();
    let later = world.trees("later", &[("2026-10-01", "ou-1", "one")]);
    for as_of in [None, Some("usage_day")] {
        let ran = world.close("out", &world.config(as_of), &["--org", &later]).expect(2);
        assert!(ran.stderr.contains("it has no <YYYY-MM-DD>.json of 2026-09-30 or before"), "{}", ran.stderr);
    }
    let ran = world.close("out", &world.config(Some("usage_day")), &[]).expect(2);
    assert!(ran.stderr.contains("2026-09 has no snapshot: name a file or a folder of dated ones"), "{}", ran.stderr);
    assert!(!world.out("out").join("closes").exists());
}
