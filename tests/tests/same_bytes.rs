//! Same inputs, same bytes: whatever the order of rows, the pieces of the delivery, threads, time zone or locale.
#![allow(clippy::unwrap_used)]

use apportion_tests::*;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Digests of ledger, CSV and PDF files of a close.
fn close(bill: &Path, folder: &Path, config: &str, environment: &[(&str, &str)]) -> BTreeMap<String, String> {
    let out = folder.join("out");
    let arguments = ["close", "--period", "2026-09", "--bill", &text(bill), "--config", config, "--out", &text(&out)];
    apportion_with(folder, &arguments, environment).expect(0);
    let mut files = tree(&close_folder(&out, "2026-09"));
    // The manifest names the delivered files, and the sums the manifest.
    for name in ["manifest.json", "SHA256SUMS", "CHECKPOINT", "CHECKPOINT.sig"] {
        files.remove(name).unwrap();
    }
    files.insert("CURRENT".into(), sha256(&out.join("closes/2026-09/CURRENT")));
    files
}

/// The records of a gzipped CSV: header and rows, parsed so that quoted line breaks survive.
fn records(path: &Path) -> (csv::StringRecord, Vec<csv::StringRecord>) {
    let file = flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap());
    let mut reader = csv::Reader::from_reader(file);
    let header = reader.headers().unwrap().clone();
    (header, reader.records().map(Result::unwrap).collect())
}

fn write(path: PathBuf, header: &csv::StringRecord, rows: &[csv::StringRecord], compressed: bool) {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header).unwrap();
    for row in rows {
        writer.write_record(row).unwrap();
    }
    let bytes = writer.into_inner().unwrap();
    if compressed {
        let mut file = flate2::write::GzEncoder::new(std::fs::File::create(path).unwrap(), flate2::Compression::fast());
        file.write_all(&bytes).unwrap();
        file.finish().unwrap();
    } else {
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn order_pieces_threads_time_zone_and_locale_do_not_matter() {
    let Some(original) = shared("same bytes", "cur2/cur2_plain_final.csv.gz") else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = SmallConfig::new(&["CC-1001", "CC-1002", "CC-1003"]).write(&folder.path().join("config"));
    let first = close(&original, &folder.path().join("first"), &config, &[("TZ", "UTC")]);
    assert!(first.len() > 5);

    let (header, mut rows) = records(&original);
    let mut state = 0x9e3779b97f4a7c15u64;
    for index in (1..rows.len()).rev() {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        rows.swap(index, (state >> 33) as usize % (index + 1));
    }
    let pieces = folder.path().join("pieces");
    std::fs::create_dir_all(pieces.join("deeper")).unwrap();
    let (one, rest) = rows.split_at(100);
    let (two, three) = rest.split_at(5000);
    write(pieces.join("z.csv.gz"), &header, one, true);
    write(pieces.join("deeper/a.csv"), &header, two, false);
    write(pieces.join("m.csv.gz"), &header, three, true);
    let environment = [
        ("TZ", "Pacific/Kiritimati"),
        ("LANG", "tr_TR.UTF-8"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("TOKIO_WORKER_THREADS", "1"),
        ("APPORTION_THREADS", "1"),
    ];
    let second = close(&pieces, &folder.path().join("second"), &config, &environment);
    assert_eq!(first, second);
}
