//! Names that are hard on a table, trees that others published, and a tree's history.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use apportion_core::day::DayRun;
use apportion_store::Store;
use ou_mapper::{Context, Event, OrgSource, Output, account_ou_mapping, handle, parse_organization};
use serde_json::json;

fn mapping(file: &serde_json::Value) -> String {
    let snapshot = parse_organization(file.to_string().as_bytes()).unwrap();
    String::from_utf8(account_ou_mapping(&snapshot).unwrap()).unwrap()
}

const HEADER: &str = "AccountId,AccountName,OU,OUPath,OUId,State,ParentId,ParentIds\n";

#[test]
fn names_are_data_whatever_they_hold() {
    let names =
        ["a, b", "say \"yes\"", "two\nlines", "Zürich 東京 🏦", "=1+1", "twin", "twin", "'=quoted", " spaced ", "a/b", ""];
    let accounts: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(at, name)| json!({"Id": format!("{:012}", at + 1), "Name": name, "ParentId": "ou-1", "State": "ACTIVE"}))
        .collect();
    let file = json!({
        "Roots": [{"Id": "r-1"}],
        "OrganizationalUnits": [{"Id": "ou-1", "Name": "R&D, \"=Lab\" 5/6", "ParentId": "r-1"}],
        "Accounts": accounts,
    });
    // RFC 4180 quoting; a cell that a spreadsheet takes for a formula has an apostrophe before it; a slash in a name is no separator.
    let unit = "\"R&D, \"\"=Lab\"\" 5/6\",\"R&D, \"\"=Lab\"\" 5∕6\",ou-1,ACTIVE,ou-1,r-1/ou-1\n";
    let cells = [
        "\"a, b\"",
        "\"say \"\"yes\"\"\"",
        "\"two\nlines\"",
        "Zürich 東京 🏦",
        "'=1+1",
        "twin",
        "twin",
        "''=quoted",
        " spaced ",
        "a/b",
        "",
    ];
    let expected: String =
        cells.iter().enumerate().map(|(at, cell)| format!("{:012},{cell},{unit}", at + 1)).collect::<Vec<_>>().concat();
    assert_eq!(mapping(&file), format!("{HEADER}{expected}"));
}

/// Facts of org-formation's examples `5-three-levels-deep.yml` and `6-duplicate-names.yml`: units and what they hold, the management
/// account in the root. Ids are given here; an account is put into every unit.
#[test]
fn published_trees_give_the_paths_that_they_describe() {
    let tree = |units: &[(&str, &str, &str)]| {
        let mut accounts = vec![json!({"Id": "102625093955", "Name": "Organizational Master Account", "ParentId": "r-1"})];
        accounts
            .extend(units.iter().enumerate().map(|(at, (id, _, _))| json!({"Id": format!("{:012}", at + 1), "ParentId": id})));
        let units: Vec<_> = units.iter().map(|(id, name, parent)| json!({"Id": id, "Name": name, "ParentId": parent})).collect();
        let file = json!({"Roots": [{"Id": "r-1"}], "OrganizationalUnits": units, "Accounts": accounts});
        parse_organization(file.to_string().as_bytes()).unwrap().ou_paths().into_values().collect::<Vec<_>>()
    };
    let deep = [("ou-p", "parent", "r-1"), ("ou-m", "middle", "ou-p"), ("ou-1", "child1", "ou-m"), ("ou-2", "child2", "ou-m")];
    assert_eq!(tree(&deep), ["parent", "parent/middle", "parent/middle/child1", "parent/middle/child2", ""]);
    let twins = [
        ("ou-p", "parent", "r-1"),
        ("ou-m", "middle", "r-1"),
        ("ou-1", "child", "ou-p"),
        ("ou-2", "child", "ou-m"),
        ("ou-0", "child", "ou-2"),
    ];
    assert_eq!(tree(&twins), ["parent", "middle", "parent/child", "middle/child", "middle/child/child", ""]);
}

/// Five nodes with two accounts each.
fn five_nodes() -> serde_json::Value {
    let nodes = ["r-1", "ou-1", "ou-2", "ou-3", "ou-21"];
    let accounts: Vec<_> = (0..10)
        .map(|at| json!({"Id": format!("{:012}", at + 1), "Name": format!("account {at}"), "ParentId": nodes[at / 2], "State": "ACTIVE"}))
        .collect();
    let unit = |id: &str, parent: &str| json!({"Id": id, "Name": id.to_uppercase(), "ParentId": parent});
    let units = [unit("ou-1", "r-1"), unit("ou-2", "r-1"), unit("ou-3", "r-1"), unit("ou-21", "ou-2")];
    json!({"Roots": [{"Id": "r-1"}], "OrganizationalUnits": units, "Accounts": accounts})
}

struct World {
    _folder: tempfile::TempDir,
    context: Context,
    runs: u32,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let context = Context { work: Store::directory(folder.path()), source: OrgSource::File };
        World { _folder: folder, context, runs: 0 }
    }

    async fn day(&mut self, date: &str, file: &serde_json::Value) {
        self.runs += 1;
        self.context.work.put("organization-file.json", file.to_string().as_bytes()).await.unwrap();
        let run = DayRun {
            date: date.parse().unwrap(),
            staging: format!("staging/daily/{date}/{}/", self.runs),
            bill: String::new(),
            configuration: String::new(),
            organization: Some("organization-file.json".to_owned()),
            organization_dated: None,
            attempt: 1,
        };
        assert!(matches!(handle(&self.context, Event::Day { run }).await.unwrap(), Output::Done(_)));
    }

    async fn kept(&self) -> Vec<String> {
        let keys = self.context.work.list("org/").await.unwrap().into_iter().map(|entry| entry.key);
        keys.filter(|key| key.ends_with(".json")).collect()
    }

    async fn text(&self, key: &str) -> String {
        String::from_utf8(self.context.work.get(key).await.unwrap()).unwrap()
    }
}

/// koku's crawler test: a root, three OUs and an OU in one of them, two accounts in each, are fifteen entries; an account's move makes a
/// second dated one and leaves the first.
#[tokio::test]
async fn fifteen_entries_are_kept_and_a_move_is_a_second_dated_one() {
    let mut world = World::new();
    let mut file = five_nodes();
    world.day("2026-09-14", &file).await;
    let first = world.text("org/2026-09-14.json").await;
    let kept: serde_json::Value = serde_json::from_str(&first).unwrap();
    let entries = |kept: &serde_json::Value| -> usize {
        ["Roots", "OrganizationalUnits", "Accounts"].iter().map(|list| kept[list].as_array().unwrap().len()).sum()
    };
    assert_eq!(entries(&kept), 15);
    file["Accounts"][9]["ParentId"] = json!("ou-3");
    world.day("2026-09-15", &file).await;
    assert_eq!(world.kept().await, ["org/2026-09-14.json", "org/2026-09-15.json"]);
    assert_eq!(world.text("org/2026-09-14.json").await, first);
    let second: serde_json::Value = serde_json::from_str(&world.text("org/2026-09-15.json").await).unwrap();
    assert_eq!(entries(&second), 15);
    let places = [&kept, &second].map(|kept| kept["Accounts"][9]["ParentId"].clone());
    assert_eq!(places, ["ou-21", "ou-3"]);
}

#[tokio::test]
async fn a_day_that_goes_back_to_its_first_tree_keeps_all_three_and_the_last_one_counts() {
    let mut world = World::new();
    let first = five_nodes();
    let mut second = first.clone();
    second["Accounts"][0]["ParentId"] = json!("ou-1");
    for file in [&first, &first, &second, &second, &first] {
        world.day("2026-09-14", file).await;
    }
    assert_eq!(world.kept().await, ["org/2026-09-14.2.json", "org/2026-09-14.3.json", "org/2026-09-14.json"]);
    assert_eq!(world.text("org/2026-09-14.3.json").await, world.text("org/2026-09-14.json").await);
    assert_ne!(world.text("org/2026-09-14.2.json").await, world.text("org/2026-09-14.json").await);
    let newest = apportion_core::day::dated_snapshots(world.kept().await);
    assert_eq!(newest.into_values().collect::<Vec<_>>(), ["org/2026-09-14.3.json"]);
    let table = world.text("org/account_ou_mapping.csv").await;
    assert!(table.contains("\n000000000001,account 0,Root,,,ACTIVE,r-1,r-1\n"), "{table}");
}

#[tokio::test]
async fn the_table_is_that_of_the_latest_day_even_if_an_earlier_one_runs_after_it() {
    let mut world = World::new();
    let first = five_nodes();
    let mut second = first.clone();
    second["Accounts"][0]["Name"] = json!("renamed");
    world.day("2026-09-15", &second).await;
    world.day("2026-09-14", &first).await;
    assert!(world.text("org/account_ou_mapping.csv").await.contains("renamed"));
    world.day("2026-09-15", &first).await;
    assert!(!world.text("org/account_ou_mapping.csv").await.contains("renamed"));
}
