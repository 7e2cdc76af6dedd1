//! Runs the built `apportion` as a person would, and reads what it wrote with other tools than its own.
#![allow(clippy::unwrap_used, clippy::expect_used)] // test support: a panic is the report

pub mod days;
mod filled;
pub mod front;
pub mod month;
pub mod network;

pub use filled::whole_bill;

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a command did.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Fails unless the exit code is the one wanted.
    #[track_caller]
    pub fn expect(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in:\n{}", self.stdout))
    }
}

/// The built command: it lies beside the folder of the test binaries.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("apportion");
    assert!(path.exists(), "{} is missing: run `make test`, which builds it first", path.display());
    path
}

/// A run of `apportion` with its signing key in a folder of the test's own.
pub fn apportion(keys: &Path, arguments: &[&str]) -> Ran {
    apportion_with(keys, arguments, &[])
}

pub fn apportion_with(keys: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(binary());
    command.args(arguments).env("APPORTION_KEY_DIR", keys).envs(environment.iter().copied());
    ran(command.output().unwrap())
}

/// Any other command.
pub fn run(program: &str, arguments: &[&str], folder: &Path) -> Ran {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    ran(output.unwrap_or_else(|error| panic!("{program}: {error}")))
}

fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Third-party data beside the clone, or `None` with a line that names what is skipped. In CI nothing may be skipped.
pub fn shared(what: &str, path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("APPORTION_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"));
    let found = root.join("data").join(path);
    if found.exists() {
        return Some(found.canonicalize().unwrap());
    }
    assert!(std::env::var_os("CI").is_none(), "{what}: {} is missing in CI", found.display());
    println!("SKIPPED {what}: shared data not beside the clone");
    None
}

/// Text of a path for a command line.
pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Rows of a CSV file as maps.
pub fn rows_of(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader.deserialize().map(|row| row.unwrap()).collect()
}

pub fn sha256(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every file below a folder with its digest.
pub fn tree(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(at) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(&at) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.insert(text(path.strip_prefix(folder).unwrap()), sha256(&path));
            }
        }
    }
    found
}

/// The folder of the period's close.
pub fn close_folder(out: &Path, period: &str) -> PathBuf {
    let current = std::fs::read_to_string(out.join(format!("closes/{period}/CURRENT"))).unwrap();
    out.join(format!("closes/{period}/{}", current.trim()))
}

/// Decimal text as units of 1e-12, by schoolbook arithmetic of this file's own.
pub fn units(decimal: &str) -> i128 {
    let (negative, magnitude) = match decimal.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, decimal),
    };
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    assert!(fraction.len() <= 12, "{decimal}");
    let units: i128 = format!("{whole}{fraction:0<12}").parse().unwrap_or_else(|error| panic!("{decimal}: {error}"));
    if negative { -units } else { units }
}

/// A small configuration: units by the FOCUS tag `CostCenter` and the CUR 2.0 tag `user_cost_center`, one proportional pool.
pub struct SmallConfig {
    pub units: Vec<String>,
    pub currency: String,
    pub rules: String,
}

impl SmallConfig {
    pub fn new(units: &[&str]) -> SmallConfig {
        SmallConfig { units: units.iter().map(|unit| (*unit).to_owned()).collect(), currency: "USD".into(), rules: String::new() }
    }

    /// Writes the folder and gives its path.
    pub fn write(&self, folder: &Path) -> String {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(
            folder.join("taxonomy.toml"),
            "version = 1\nowner = \"cost_center\"\n\n[[dimension]]\nname = \"cost_center\"\nmandatory = true\nfold_case = true\n[dimension.keys]\ncur2_resource_tags = [\"user_cost_center\"]\ncur2_tags = [\"resourceTags/CostCenter\"]\nfocus_tags = [\"CostCenter\"]\n",
        )
        .unwrap();
        let mut units = "version = 1\n".to_owned();
        for unit in &self.units {
            units.push_str(&format!("\n[[unit]]\nid = {unit:?}\nname = \"Unit {unit}\"\nbusiness_unit = \"All\"\nowners = []\n"));
        }
        std::fs::write(folder.join("units.toml"), units).unwrap();
        std::fs::write(folder.join("rules.toml"), self.rules_text()).unwrap();
        text(folder)
    }

    fn rules_text(&self) -> String {
        let mut rules = format!("version = 1\n\n[close]\ncurrency = {:?}\n\n", self.currency);
        for component in ["tax", "discount", "commitment"] {
            rules.push_str(&format!("[special.{component}]\nmethod = \"follow\"\nfallback = \"pool:untagged\"\n\n"));
        }
        for component in ["refund", "marketplace", "adjustment", "unclassified"] {
            rules.push_str(&format!("[special.{component}]\nmethod = \"owner\"\n\n"));
        }
        for component in ["unused", "upfront", "support", "credit", "rounding"] {
            rules.push_str(&format!("[special.{component}]\nmethod = \"assign\"\nassign = \"pool:untagged\"\n\n"));
        }
        rules.push_str("[[pool]]\nid = \"untagged\"\nname = \"Untagged\"\nkey = \"proportional\"\ntargets = \"all\"\nfallback = \"even\"\n\n");
        rules.push_str(&self.rules);
        rules
    }
}
