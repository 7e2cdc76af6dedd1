//! `apportion suggestions`: what a person sees and decides, over a folder as the daily run leaves it.
#![allow(clippy::unwrap_used)]

use apportion_tests::*;
use std::path::Path;

const TABLE: &str = "id,account_id,service,resource_id,currency,amount,tag_value,suggested_owner,confidence_percent,evidence\n\
    aaaaaaaaaaaa,100000000009,AmazonEC2,\"'=cmd(), \"\"x\"\"\",USD,12.500000000000,,CC-1010,91.0,account 100000000009: 40 of 41\n\
    bbbbbbbbbbbb,100000000009,AmazonS3,claims-\u{202e}bucket,USD,1.000000000000,,CC-1020,62.5,name claims: 9 of 12\n";

fn suggestions(out: &Path, arguments: &[&str]) -> Ran {
    let out = text(out);
    let mut all = vec!["suggestions"];
    all.extend(arguments);
    all.extend(["--out", &out]);
    apportion(Path::new("no-keys"), &all)
}

#[test]
fn suggestions_are_listed_decided_once_and_counted() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path();
    assert!(suggestions(out, &["list"]).expect(2).stderr.contains("there are no suggestions in"));
    let folder = out.join("suggestions");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("2026-09-13.csv"), TABLE.replace("bbbbbbbbbbbb", "cccccccccccc")).unwrap();
    std::fs::write(folder.join("2026-09-14.csv"), TABLE.replace("aaaaaaaaaaaa", "dddddddddddd")).unwrap();
    std::fs::write(folder.join("2026-09-14.2.csv"), TABLE).unwrap();
    let listed = suggestions(out, &["list"]).expect(0).stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines[0], "suggestions/2026-09-14.2.csv", "the newest version of the newest day");
    assert!(lines[2].starts_with("aaaaaaaaaaaa") && lines[2].contains("=cmd(), \"x\""), "{listed}");
    assert!(lines[3].contains("claims-⟨U+202E⟩bucket"), "{listed}");
    assert_eq!(lines[4], "0 accepted, 0 rejected so far");

    // An id of an earlier day is known too; an unknown one among them leaves everything as it was.
    let unknown = suggestions(out, &["accept", "aaaaaaaaaaaa", "eeeeeeeeeeee"]).expect(2).stderr;
    assert!(unknown.contains("there is no suggestion `eeeeeeeeeeee`"), "{unknown}");
    assert!(!folder.join("decisions.csv").exists());
    let done = suggestions(out, &["accept", "aaaaaaaaaaaa", "cccccccccccc"]).expect(0).stdout;
    assert_eq!(done, "accepted aaaaaaaaaaaa, cccccccccccc\n2 accepted, 0 rejected so far: 100.0 % accepted\n");
    let done = suggestions(out, &["reject", "bbbbbbbbbbbb"]).expect(0).stdout;
    assert_eq!(done, "rejected bbbbbbbbbbbb\n2 accepted, 1 rejected so far: 66.6 % accepted\n");
    assert!(suggestions(out, &["reject", "aaaaaaaaaaaa"]).expect(2).stderr.contains("was accepted already"));
    let rows = rows_of(&folder.join("decisions.csv"));
    let kept: Vec<[&str; 4]> =
        rows.iter().map(|row| ["id", "decision", "resource_id", "owner"].map(|name| row[name].as_str())).collect();
    assert_eq!(
        kept,
        [
            ["aaaaaaaaaaaa", "accepted", "'=cmd(), \"x\"", "CC-1010"],
            ["cccccccccccc", "accepted", "claims-\u{202e}bucket", "CC-1020"],
            ["bbbbbbbbbbbb", "rejected", "claims-\u{202e}bucket", "CC-1020"],
        ]
    );
}
