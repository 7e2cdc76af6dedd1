//! The month on what was deployed is the month in process.

use super::world::{LEDGER, MONTH_END, Version, WORK, World, world};
use apportion_tests::{apportion, close_folder, text, tree};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Files that say what a close was made from and who signed it, beside what it says.
const ABOUT: [&str; 4] = ["manifest.json", "SHA256SUMS", "CHECKPOINT", "CHECKPOINT.sig"];

/// Writes files by their keys.
pub fn write(files: &BTreeMap<String, Vec<u8>>, folder: &Path) {
    for (key, bytes) in files {
        let path = folder.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// Public half of the key that signs, as `openssl` and `apportion verify` read it.
fn public_key(world: &World) -> String {
    let answer = world.ask("TrentService.GetPublicKey", &json!({ "KeyId": world.signing_key() }));
    let text = answer["PublicKey"].as_str().unwrap();
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|from| &text[from..text.len().min(from + 64)]).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// What was published is what the month in process published, once, signed, and follows from its frozen inputs.
#[track_caller]
pub fn same_as_in_process(world: &World) {
    let folder = tempfile::tempdir().unwrap();
    let published = world.versions(LEDGER);
    let files = world.files(LEDGER);
    assert_eq!(published.len(), files.len(), "every file of a close is written once");
    assert!(published.iter().all(|version| !version.is_deletion));
    write(&files, folder.path());
    let mut frozen = world.files(WORK);
    frozen.retain(|key, _| key.starts_with("inputs/"));
    let versions = world.versions(WORK).into_iter().filter(|version| version.key.starts_with("inputs/")).count();
    assert_eq!(versions, frozen.len(), "what is frozen is written once");
    write(&frozen, folder.path());

    let current = |out: &Path| std::fs::read_to_string(out.join("closes").join(&world.period).join("CURRENT")).unwrap();
    assert_eq!(current(folder.path()), current(world.local()), "the id of the close");
    let (ours, local) = (close_folder(folder.path(), &world.period), close_folder(world.local(), &world.period));
    let figures = |close: &Path| {
        let mut files = tree(close);
        for name in ABOUT {
            files.remove(name).unwrap_or_else(|| panic!("{name} is missing"));
        }
        files
    };
    assert_eq!(figures(&ours), figures(&local));
    assert_eq!(manifest(&ours), manifest(&local));

    let key = folder.path().join("key.pem");
    std::fs::write(&key, public_key(world)).unwrap();
    apportion(folder.path(), &["verify", &text(&ours), "--key", &text(&key)]).expect(0);
}

/// The manifest without what differs between an export in S3 read by Athena and a folder read in process: where the bill lay, in what
/// words the invoices came, that the template is one of the release, and what the queries scanned.
fn manifest(close: &Path) -> Value {
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(close.join("manifest.json")).unwrap()).unwrap();
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for name in ["invoices_file", "own_template", "delivered_as", "version", "queries"] {
                    fields.remove(name);
                }
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => {
                let differs = |item: &Value| {
                    let path = item["path"].as_str().unwrap_or_default();
                    path.starts_with("invoices/") || path.starts_with("template/")
                };
                items.retain(|item| !differs(item));
                items.iter_mut().for_each(strip);
                items.sort_by_key(Value::to_string);
            }
            _ => {}
        }
    }
    strip(&mut manifest);
    manifest
}

/// Seconds, state transitions and events of an execution.
pub fn figures(world: &World, machine: &str, name: &str) -> String {
    let (described, history) = (world.describe(machine, name), world.history(machine, name));
    let seconds = described["stopDate"].as_f64().unwrap() - described["startDate"].as_f64().unwrap();
    let entered = history.iter().filter(|event| event["type"].as_str().unwrap().ends_with("StateEntered")).count();
    format!("{machine}: {seconds:.1} s, {entered} states entered, {} events", history.len())
}

#[test]
fn a_delivered_month_is_closed_with_the_bytes_of_one_in_process() {
    let Some(world) = world("a deployed month end") else { return };
    world.between.renew();
    world.between.note();
    let execution = world.started(MONTH_END, || world.deliver(&world.period));
    let output = world.succeeded(MONTH_END, &execution);
    world.rights_suffice();
    println!("{}", figures(&world, MONTH_END, &execution));
    assert_eq!(output["published"]["result"]["status"], "committed", "{output}");
    same_as_in_process(&world);

    // 45 accounts and 21 OUs in pages of 20, under the published rates.
    let walk = &output["organization"]["result"];
    assert_eq!((&walk["accounts"], &walk["organizational_units"]), (&json!(45), &json!(21)), "{walk}");
    // The bucket's Object Lock. The stand-in forgets it for what is copied there, as statements and ledger are; AWS does not.
    let put = |version: &Version| ABOUT.iter().chain(&["CURRENT"]).any(|name| version.key.ends_with(name));
    let locked: Vec<Version> = world.versions(LEDGER).into_iter().filter(put).collect();
    assert_eq!(locked.len(), 5);
    for version in locked {
        assert!(!world.may_delete(LEDGER, &version), "{} can be deleted", version.key);
    }
}
