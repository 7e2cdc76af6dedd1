//! A month closed by way of Athena's API is the month that the embedded engine closes.

use super::stand_ins::{front, s3};
use apportion_tests::front::aws_environment;
use apportion_tests::{apportion, apportion_with, close_folder, text, tree};
use std::path::Path;

/// Digests of a close's files without those that tell what it was made from and how.
fn figures(out: &Path) -> std::collections::BTreeMap<String, String> {
    let mut files = tree(&close_folder(out, "2026-09"));
    for name in ["manifest.json", "SHA256SUMS", "CHECKPOINT", "CHECKPOINT.sig"] {
        files.remove(name).unwrap();
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_by_athena_has_the_id_and_the_bytes_of_one_in_process() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    apportion(folder.path(), &["sample", "--rows", "5000", "--out", &text(&at("sample"))]).expect(0);
    let config = at("config");
    copy(&super::stand_ins::root().join("config"), &config);
    copy(&at("sample/drivers"), &config.join("drivers"));
    let close = |out: &Path, more: &[&str], environment: &[(&str, &str)]| {
        let sample = |name: &str| text(&at("sample").join(name));
        let (bill, organization, invoices) = (sample("bill"), sample("organization.json"), sample("invoices.json"));
        let (config, out) = (text(&config), text(out));
        let arguments = ["close", "--period", "2026-09", "--bill", &bill, "--config", &config, "--org", &organization];
        let arguments = [&arguments[..], &["--invoices", &invoices, "--out", &out], more].concat();
        apportion_with(folder.path(), &arguments, environment).expect(0)
    };
    close(&at("embedded"), &[], &[]);

    let out = at("athena");
    std::fs::create_dir(&out).unwrap();
    let front = front(&["--work", &text(&out)]).await;
    let s3 = s3();
    let environment = [&aws_environment(&s3)[..], &[("AWS_ENDPOINT_URL_ATHENA", front.url.as_str())]].concat();
    let ran = close(&out, &["--engine", "athena"], &environment);
    assert!(ran.stdout.contains("Athena scanned "), "{}", ran.stdout);
    assert_eq!(figures(&out), figures(&at("embedded")));

    let manifest = |out: &Path| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(close_folder(out, "2026-09").join("manifest.json")).unwrap()).unwrap()
    };
    let (ours, plain) = (manifest(&out), manifest(&at("embedded")));
    let scan = &ours["queries"][0];
    // Two queries of a small bill: the least that Athena asks for each, 10 MB at 5 dollars a terabyte.
    assert_eq!(scan["us_dollars"], "0.000100000000");
    assert!(scan["bytes"].as_u64().is_some_and(|bytes| bytes > 0 && bytes < 10_000_000), "{scan}");
    let mut without = ours.clone();
    without.as_object_mut().unwrap().remove("queries");
    assert_eq!(without, plain);
    let verified = apportion(folder.path(), &["verify", &text(&close_folder(&out, "2026-09"))]);
    verified.expect(0);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to),
            false => std::fs::copy(entry.path(), to).map(|_| ()).unwrap(),
        }
    }
}
