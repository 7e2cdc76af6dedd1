//! How a bill is delivered: the manifest decides which files are the bill, and whether it is there yet.
#![allow(clippy::unwrap_used)]

use apportion_tests::month::*;
use apportion_tests::*;
use std::path::PathBuf;

/// An export in Data Exports layout, file by file.
struct Export {
    month: Month,
    root: PathBuf,
}

impl Export {
    fn new() -> Export {
        let month = Month::new(&[]);
        let root = month.folder.path().join("bucket");
        Export { month, root }
    }

    fn put(&self, key: &str, content: &str) {
        let path = self.root.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// A data file of one line of usage by A.
    fn data(&self, key: &str, cost: &str) {
        let line = line("INV-1", "100000000010", "Usage", "AmazonEC2", cost, "A");
        self.put(key, &format!("{HEADER}\n{line}\n"));
    }

    fn manifest(&self, key: &str, files: &[&str]) {
        let files: Vec<String> = files.iter().map(|file| format!("s3://bucket/prefix/{file}")).collect();
        self.put(key, &serde_json::json!({ "dataFiles": files }).to_string());
    }

    fn close(&self) -> Ran {
        let (bill, out) = (text(&self.root), text(&self.month.out));
        let config = &self.month.config;
        apportion(&self.month.keys(), &["close", "--period", "2026-09", "--bill", &bill, "--config", config, "--out", &out])
    }

    /// Closes and gives the cents charged to A.
    fn cents(&self) -> i128 {
        self.close().expect(0);
        cents_by_unit(&self.month.close_folder())[0].1
    }

    /// Not ready, and nothing written; gives what is awaited.
    fn awaited(&self) -> String {
        let said = self.close().expect(3).stderr;
        assert!(!self.month.out.join("closes").exists() && !self.month.out.join("inputs").exists(), "{said}");
        said
    }
}

const MANIFEST: &str = "export/metadata/BILLING_PERIOD=2026-09/export-Manifest.json";

#[test]
fn an_overwritten_export_is_what_its_manifest_names_and_stale_parts_are_left_out() {
    let export = Export::new();
    export.data("export/data/BILLING_PERIOD=2026-09/export-00001.csv", "1.00");
    export.data("export/data/BILLING_PERIOD=2026-09/export-00002.csv", "20.00");
    export.data("export/data/BILLING_PERIOD=2026-09/export-00003.csv", "300.00");
    export.data("export/data/BILLING_PERIOD=2026-08/export-00001.csv", "4000.00");
    export.manifest(
        MANIFEST,
        &["export/data/BILLING_PERIOD=2026-09/export-00001.csv", "export//data/BILLING_PERIOD=2026-09/export-00002.csv"],
    );
    let said = export.close().expect(0).stdout;
    assert_eq!(cents_by_unit(&export.month.close_folder())[0].1, 2100);
    assert!(said.contains("export-00003.csv") && said.contains("left out"), "{said}");
}

#[test]
fn slashes_and_case_of_the_period_folder_do_not_matter() {
    let export = Export::new();
    export.data("export/data/billing_period=2026-09/export-00001.csv", "1.00");
    export.manifest(
        "export/metadata/billing_period=2026-09/export-Manifest.json",
        &["/export///data//BILLING_PERIOD=2026-09/export-00001.csv"],
    );
    assert_eq!(export.cents(), 100);
}

#[test]
fn of_several_executions_the_one_of_the_period_manifest_counts() {
    let export = Export::new();
    let data = |execution: &str| format!("export/data/BILLING_PERIOD=2026-09/{execution}/export-00001.csv");
    for (execution, cost) in [("2026-10-01T00:00:00Z-a", "1.00"), ("2026-10-02T00:00:00Z-b", "20.00")] {
        export.data(&data(execution), cost);
        let manifest = format!("export/metadata/BILLING_PERIOD=2026-09/{execution}/export-Manifest.json");
        export.manifest(&manifest, &[&data(execution)]);
    }
    export.manifest(MANIFEST, &[&data("2026-10-01T00:00:00Z-a")]);
    assert_eq!(export.cents(), 100);
}

#[test]
fn without_a_period_manifest_the_newest_execution_with_a_manifest_counts() {
    let export = Export::new();
    for (execution, cost) in [("2026-10-01T00:00:00Z-a", "1.00"), ("2026-10-02T00:00:00Z-b", "20.00")] {
        let data = format!("export/data/BILLING_PERIOD=2026-09/{execution}/export-00001.csv");
        export.data(&data, cost);
        export.manifest(&format!("export/metadata/BILLING_PERIOD=2026-09/{execution}/export-Manifest.json"), &[&data]);
    }
    assert_eq!(export.cents(), 2000);
}

#[test]
fn newer_data_without_a_manifest_is_awaited() {
    let export = Export::new();
    let data = "export/data/BILLING_PERIOD=2026-09/2026-10-01T00:00:00Z-a/export-00001.csv";
    export.data(data, "1.00");
    export.manifest("export/metadata/BILLING_PERIOD=2026-09/2026-10-01T00:00:00Z-a/export-Manifest.json", &[data]);
    export.data("export/data/BILLING_PERIOD=2026-09/2026-10-02T00:00:00Z-b/export-00001.csv", "20.00");
    assert!(export.awaited().contains("2026-10-02T00:00:00Z-b"));
}

#[test]
fn a_file_that_the_manifest_names_and_that_is_missing_is_awaited() {
    let export = Export::new();
    export.data("export/data/BILLING_PERIOD=2026-09/export-00001.csv", "1.00");
    export.manifest(
        MANIFEST,
        &["export/data/BILLING_PERIOD=2026-09/export-00001.csv", "export/data/BILLING_PERIOD=2026-09/export-00002.csv"],
    );
    assert!(export.awaited().contains("export-00002.csv"));
}

#[test]
fn a_manifest_that_is_not_there_or_not_whole_is_awaited() {
    let export = Export::new();
    export.data("export/data/BILLING_PERIOD=2026-09/export-00001.csv", "1.00");
    assert!(export.awaited().contains("anifest"));
    export.put(MANIFEST, "{ \"dataFiles\": [");
    assert!(export.awaited().contains("does not parse yet"));
    export.manifest(MANIFEST, &[]);
    assert!(export.awaited().contains("names no file"));
}

#[test]
fn a_manifest_of_another_period_is_refused() {
    let export = Export::new();
    export.data("export/data/BILLING_PERIOD=2026-09/export-00001.csv", "1.00");
    export.manifest(MANIFEST, &["export/data/BILLING_PERIOD=2026-08/export-00001.csv"]);
    let said = export.close().expect(2).stderr;
    assert!(said.contains("BILLING_PERIOD=2026-08") && !export.month.out.join("closes").exists(), "{said}");
}
