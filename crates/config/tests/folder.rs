//! What of a folder counts, and that no input makes the reader panic or depend on order.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use apportion_config::{load, load_files, load_files_for_day};
use apportion_core::model::Owner;
use apportion_core::money::Money;
use apportion_core::period::Period;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

type Files = BTreeMap<String, Vec<u8>>;

fn period() -> Period {
    "2026-09".parse().unwrap()
}

/// The sample configuration as bytes.
fn sample() -> Files {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    load(&root, period()).unwrap().files.into_iter().collect()
}

fn message(files: &Files) -> String {
    load_files(files, period()).unwrap_err().to_string()
}

#[test]
fn files_of_editors_other_months_and_other_tools_do_not_count() {
    let plain = load_files(&sample(), period()).unwrap();
    let mut files = sample();
    for name in [
        "rules.toml~",
        ".rules.toml.swp",
        "README.md",
        "drivers/2026-09/.~lock.gb.csv",
        "drivers/2026-08/headcount.csv",
        "drivers/2026-09/notes.txt",
        "drivers/2026-09/old/headcount.csv",
    ] {
        files.insert(name.to_owned(), b"not a configuration".to_vec());
    }
    assert_eq!(load_files(&files, period()).unwrap(), plain);
}

const MAIL: &str =
    "version = 1\nsender = \"a@example.org\"\nrecipients = [\"b@example.org\"]\nallowed_domains = [\"example.org\"]\n";

#[test]
fn budgets_and_mail_count_for_the_daily_run_and_not_for_a_close() {
    let mut files = sample();
    files.insert("mail.toml".to_owned(), MAIL.as_bytes().to_vec());
    let with_mail = load_files_for_day(&files, period()).unwrap();
    let close = load_files(&files, period()).unwrap();
    files.remove("mail.toml");
    assert_ne!(with_mail.digest, load_files_for_day(&files, period()).unwrap().digest);
    assert_eq!(close, load_files(&files, period()).unwrap());
    let mail = with_mail.mail.unwrap();
    assert_eq!(
        (mail.sender.as_str(), mail.recipients, mail.subject.as_str()),
        ("a@example.org", vec!["b@example.org".to_owned()], "Cloud costs")
    );
    assert_eq!((mail.attachment_limit_bytes, mail.deadline_minutes, mail.organization_days), (5_000_000, 720, 7));
    assert_eq!((mail.anomalies.general.sigma_thousandths, mail.anomalies.general.least_days), (2_500, 21));
    assert_eq!(load_files_for_day(&files, period()).unwrap().mail, None);
}

#[test]
fn a_missing_file_is_named() {
    let mut files = sample();
    files.remove("units.toml");
    assert_eq!(
        message(&files),
        "units.toml: the file is missing — docs/configuration.md describes it, and `apportion init` writes a first one"
    );
    let mut files = sample();
    files.remove("drivers/2026-09/network_gb.csv");
    assert_eq!(
        message(&files),
        "drivers/2026-09/network_gb.csv: the file is missing — create it: the pool `network` is split by it in 2026-09; \
         the first line is `target,value`, then one line for each unit"
    );
    assert_eq!(
        load(Path::new("/nowhere/at/all"), period()).unwrap_err().to_string(),
        "/nowhere/at/all: cannot be read (there is no such folder) — check that it exists and that you may read it"
    );
}

#[test]
fn a_driver_that_no_pool_in_force_needs_may_be_absent() {
    let mut files = sample();
    let rules = String::from_utf8(files["rules.toml"].clone()).unwrap();
    let rules = rules.replace("driver = \"network_gb\"\n", "driver = \"network_gb\"\nto = \"2026-08\"\n").replace(
        "[[pool]]\nid = \"logging\"\nname = \"Log archive\"\nkey = \"even\"",
        "[[pool]]\nid = \"network\"\nname = \"Network hub\"\nkey = \"even\"\ntargets = \"all\"\nfallback = \"even\"\nfrom = \"2026-09\"\n\n\
         [[pool]]\nid = \"logging\"\nname = \"Log archive\"\nkey = \"even\"",
    );
    files.insert("rules.toml".to_owned(), rules.into_bytes());
    files.remove("drivers/2026-09/network_gb.csv");
    load_files(&files, period()).unwrap();
}

#[test]
fn an_undeclared_driver_file_is_refused() {
    let mut files = sample();
    files.insert("drivers/2026-09/netwrok_gb.csv".to_owned(), b"target,value\n".to_vec());
    assert_eq!(
        message(&files),
        "drivers/2026-09/netwrok_gb.csv:1: rules.toml declares no driver `netwrok_gb` — add netwrok_gb = \"what one counts\" under [drivers], or remove the file"
    );
}

#[test]
fn text_that_is_not_utf8_is_refused_with_its_line() {
    let mut files = sample();
    files.insert("units.toml".to_owned(), b"version = 1\n# caf\xe9\n".to_vec());
    assert_eq!(message(&files), "units.toml:2: the file is not UTF-8 text here — save it with the encoding UTF-8");
}

#[test]
fn driver_files_of_spreadsheets_are_read() {
    let mut files = sample();
    let plain = String::from_utf8(files["drivers/2026-09/headcount.csv"].clone()).unwrap();
    let saved = format!("\u{feff}{}", plain.replace('\n', "\r\n").replace("CC-1010,46", "\"CC-1010\" , 46.00 "));
    files.insert("drivers/2026-09/headcount.csv".to_owned(), saved.into_bytes());
    let loaded = load_files(&files, period()).unwrap();
    let headcount = &loaded.configuration.drivers["headcount"];
    assert_eq!(headcount.values[&Owner::Unit("CC-1010".to_owned())], Money::from_minor(46, 0));
    assert_eq!(headcount.unit, "people");
}

#[test]
fn shares_of_a_person_are_refused() {
    let mut files = sample();
    let plain = String::from_utf8(files["drivers/2026-09/headcount.csv"].clone()).unwrap();
    files.insert("drivers/2026-09/headcount.csv".to_owned(), plain.replace("CC-1020,58", "CC-1020,58.5").into_bytes());
    assert_eq!(
        message(&files),
        "drivers/2026-09/headcount.csv:3: `58.5` people is not a whole number — count people, not shares; a usage driver may have decimals"
    );
}

#[test]
fn windows_line_ends_and_byte_order_marks_change_nothing_but_the_digest() {
    let mut files = sample();
    for bytes in files.values_mut() {
        let text = String::from_utf8(bytes.clone()).unwrap().replace('\n', "\r\n");
        *bytes = format!("\u{feff}{text}").into_bytes();
    }
    assert_eq!(load_files(&files, period()).unwrap().configuration, load_files(&sample(), period()).unwrap().configuration);
}

/// The blocks of a file that start with `header`, and what stands before them.
fn blocks(text: &str, header: &str) -> (String, Vec<String>) {
    let mut parts = text.split(header);
    let before = parts.next().unwrap_or_default().to_owned();
    (before, parts.map(|part| format!("{header}{}\n", part.trim_end())).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_units_and_keys_is_free(seed in any::<u64>()) {
        let mut files = sample();
        let text = String::from_utf8(files["units.toml"].clone()).unwrap();
        let (before, mut units) = blocks(&text, "[[unit]]\n");
        // Comments between units would end a block: drop them, they say nothing to the reader.
        for unit in &mut units {
            let mut lines: Vec<&str> = unit.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
            let keys = lines.split_off(1);
            let turn = (seed as usize) % keys.len();
            lines.extend(keys[turn..].iter().chain(&keys[..turn]));
            *unit = lines.join("\n") + "\n";
        }
        let mut state = seed;
        for index in (1..units.len()).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            units.swap(index, (state >> 33) as usize % (index + 1));
        }
        files.insert("units.toml".to_owned(), format!("{before}\n{}", units.concat()).into_bytes());
        prop_assert_eq!(load_files(&files, period()).unwrap().configuration, load_files(&sample(), period()).unwrap().configuration);
    }

    #[test]
    fn no_driver_file_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut files = sample();
        files.insert("drivers/2026-09/headcount.csv".to_owned(), bytes);
        let _ = load_files(&files, period());
    }

    #[test]
    fn no_likely_driver_file_panics(lines in proptest::collection::vec("(CC-10[123]0|pool:network|=cmd|\u{feff}|\"|)[,;](-?[0-9]{0,30}(\\.[0-9]{0,14})?|1e[+-]?[0-9]{1,5}|NaN|\")(\r?\n|\r|)", 0..8)) {
        let mut files = sample();
        let text = format!("target,value\n{}", lines.concat());
        files.insert("drivers/2026-09/headcount.csv".to_owned(), text.into_bytes());
        if let Err(error) = load_files(&files, period()) {
            prop_assert!(error.to_string().starts_with("drivers/2026-09/headcount.csv:"), "{}", error);
        }
    }

    #[test]
    fn no_damaged_toml_panics(name in 0..3usize, at in any::<prop::sample::Index>(), length in 0..40usize, junk in "\\PC{0,6}") {
        let mut files = sample();
        let name = ["taxonomy.toml", "units.toml", "rules.toml"][name];
        let text = String::from_utf8(files[name].clone()).unwrap();
        let characters: Vec<char> = text.chars().collect();
        let start = at.index(characters.len());
        let end = (start + length).min(characters.len());
        let damaged: String = characters[..start].iter().chain(junk.chars().collect::<Vec<_>>().iter()).chain(&characters[end..]).collect();
        files.insert(name.to_owned(), damaged.into_bytes());
        if let Err(error) = load_files(&files, period()) {
            prop_assert!(error.to_string().contains(": "), "{}", error);
        }
    }
}
