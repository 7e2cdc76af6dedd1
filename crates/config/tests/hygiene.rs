//! `hygiene.toml`: what it means, and the whole message for each thing that cannot hold.
#![allow(clippy::unwrap_used)]

use apportion_config::{HYGIENE, hygiene};
use apportion_core::hygiene::Settings;
use apportion_core::tags::TagColumn;

fn read(text: &str) -> Result<Settings, String> {
    hygiene(&[(HYGIENE.to_owned(), text.as_bytes().to_vec())]).map_err(|error| error.to_string())
}

#[test]
fn without_a_file_the_defaults_hold_and_an_empty_one_says_the_same() {
    assert_eq!(hygiene(&[]).unwrap(), Settings::default());
    assert_eq!(read("version = 1").unwrap(), Settings::default());
    assert_eq!((Settings::default().threshold, Settings::default().minimum_confidence), (500, 600));
}

#[test]
fn what_is_written_counts() {
    let text = "version = 1\nwindow_days = 1\nthreshold_percent = \"2.5\"\nminimum_confidence_percent = \"75.5\"\n\
                untaggable_services = [\"AWSCloudTrail\"]\n[name_keys]\nfocus_tags = [\"Title\"]\n\
                [[account]]\nid = \"000000000042\"\nthreshold_percent = \"20\"\n[[account]]\nid = \"9\"\nowner = \"a@b.example\"\n";
    let settings = read(text).unwrap();
    assert_eq!((settings.window_days, settings.threshold, settings.minimum_confidence), (1, 250, 755));
    assert_eq!(settings.name_keys, [(TagColumn::FocusTags, vec!["Title".to_owned()])].into());
    let thresholds = ["000000000042", "9", "42"].map(|account| settings.threshold_of(account));
    assert_eq!((thresholds, settings.accounts["9"].owner.as_deref()), ([2000, 250, 250], Some("a@b.example")));
    let first = |days| Settings { window_days: days, ..Settings::default() }.first_day("2026-03-02".parse().unwrap()).to_string();
    assert_eq!([first(1), first(2), first(7), first(0)], ["2026-03-02", "2026-03-01", "2026-02-24", "2026-03-02"]);
}

#[test]
fn what_cannot_hold_is_named_with_its_line() {
    for (line, message) in [
        ("window_days = 0", "`window_days` is 0 — write a number of 1 to 31"),
        ("due_days = 366", "`due_days` is 366 — write a number of 1 to 365"),
        (
            "threshold_percent = \"5.125\"",
            "`threshold_percent` is 5.125 — write a per cent of 0 to 100 with at most two decimals, for example \"5\" or \"2.5\"",
        ),
        (
            "threshold_percent = \"101\"",
            "`threshold_percent` is 101 — write a per cent of 0 to 100 with at most two decimals, for example \"5\" or \"2.5\"",
        ),
        ("minimum_amount = \"-1\"", "`minimum_amount` is negative: -1 — write zero or more"),
        ("threshold_percent = 5", "found integer `5` where a text belongs — write it in quotes: \"5\""),
        ("owner = \"finops\"", "the mail address \"finops\" has no @ — write one plain address such as \"finops@example.org\""),
        (
            "untaggable_services = [\"A\", \"A\"]",
            "the service \"A\" is empty or listed twice — list each service once, as the bill spells it",
        ),
        ("account = [{ id = \" 1\" }]", "\" 1\" is no account id — write it as the bill does, in quotes"),
        ("account = [{ id = \"1\" }, { id = \"1\" }]", "the account `1` is listed twice — keep one [[account]] for it"),
        (
            "name_keys = { focus_tags = [\"a\", \"a\"] }",
            "the tag key \"a\" is empty or listed twice — list each key once, as the bill spells it",
        ),
    ] {
        assert_eq!(read(&format!("version = 1\n\n{line}\n")).unwrap_err(), format!("hygiene.toml:3: {message}"));
    }
    let unknown = read("version = 1\nthreshold = 5\n").unwrap_err();
    assert!(
        unknown.starts_with("hygiene.toml:2: unknown key `threshold` — correct or remove it; the keys known here are `version`"),
        "{unknown}"
    );
}
