#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use serde_json::json;

async fn put(store: &Store, key: &str, bytes: &[u8]) {
    store.put(key, bytes).await.unwrap();
}

#[tokio::test]
async fn periods_closes_and_what_is_awaited_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::directory(folder.path());
    put(&store, "closes/2026-08/aaaa/manifest.json", b"{}").await;
    put(&store, "closes/2026-08/gggg/ledger.csv", b"x").await;
    put(&store, "closes/2026-08/CURRENT", b"aaaa").await;
    put(&store, "EUR/closes/2026-08/eeee/manifest.json", b"{}").await;
    put(&store, "EUR/closes/2026-08/CURRENT", b"eeee").await;
    put(&store, "provisional/2026-09/bbbb/manifest.json", b"{}").await;
    put(&store, "inputs/2026-09/x/bill/y.csv", b"y").await;
    let readiness = json!({ "ready": false, "awaited": ["invoice ids: 7 bill lines", "invoice \u{202e}8"] });
    put(&store, "staging/2026-10/one-1/readiness.json", readiness.to_string().as_bytes()).await;
    put(&store, "staging/2026-10/two-1/bill.json", b"{}").await;
    put(&store, "staging/2026-10/two-1/readiness.json", b"{ cut").await;
    let status = status(folder.path()).await.unwrap();
    assert_eq!(
        status.text(),
        "2026-08 closed aaaa\n  never committed gggg\n\
         2026-08 EUR closed eeee\n\
         2026-09 open\n  provisional bbbb\n\
         2026-10 open\n  not ready: staging/2026-10/one-1\n    awaits invoice ids: 7 bill lines\n    awaits invoice \u{27e8}U+202E\u{27e9}8\n  unfinished: staging/2026-10/two-1\n"
    );
    assert_eq!(status.periods[3].runs[0].state, RunState::NotReady);
}

#[tokio::test]
async fn an_empty_folder_and_none_at_all_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(status(folder.path()).await.unwrap().text(), "nothing was closed here yet\n");
    std::fs::create_dir_all(folder.path().join("staging/2026-09")).unwrap();
    assert_eq!(status(folder.path()).await.unwrap().periods, []);
    assert_eq!(status(&folder.path().join("none")).await.unwrap_err().code, 2);
}
