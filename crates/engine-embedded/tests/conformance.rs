//! The suite that every engine must pass.
#![allow(clippy::unwrap_used)]

mod common;

use apportion_engine::conformance;
use apportion_engine::schema::BillFormat;
use apportion_engine_embedded::EmbeddedEngine;
use common::table;

#[tokio::test]
async fn the_embedded_engine_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bill.csv");
    std::fs::write(&path, conformance::BILL).unwrap();
    for threads in [1, 3] {
        let engine = EmbeddedEngine::with_threads(threads);
        let failures = conformance::run(&engine, &table(BillFormat::Focus12, std::slice::from_ref(&path)), "suite").await;
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}
