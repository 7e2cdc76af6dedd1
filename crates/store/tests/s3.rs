//! The store over S3: the conformance suite on a stand-in, and what only a service far away can get wrong.
#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use apportion_store::{PutOutcome, Retention, S3, Store, StoreError, conformance};
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{BucketVersioningStatus, ObjectLockMode, VersioningConfiguration};
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Emulator, Fault, Proxy, client};

/// sha256("abc"), FIPS 180-2 appendix B.1.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

async fn bucket(client: &Client, name: &str, is_versioned: bool) {
    client.create_bucket().bucket(name).send().await.unwrap();
    if is_versioned {
        let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        client.put_bucket_versioning().bucket(name).versioning_configuration(enabled).send().await.unwrap();
    }
}

/// Fails the first `times` requests of a method.
fn first(times: usize, method: &'static str, fault: Fault) -> impl Fn(&str, &str) -> Option<Fault> + Send + Sync {
    let seen = AtomicUsize::new(0);
    move |found, _| (found == method && seen.fetch_add(1, Ordering::SeqCst) < times).then_some(fault)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bucket_passes_the_conformance_suite() {
    let emulator = Emulator::start();
    for (name, is_versioned, prefix) in [("plain", false, ""), ("versioned", true, ""), ("below", true, "a/b")] {
        bucket(&emulator.client(), name, is_versioned).await;
        let store = Store::s3(emulator.client(), name, prefix);
        // With a prefix the suite's longest keys are too long for S3, so it gets one of its own only without.
        if prefix.is_empty() {
            conformance::check(&store, "").await.unwrap_or_else(|what| panic!("{name}: {what}"));
        } else {
            store.put_once("x/y", b"abc").await.unwrap();
            assert_eq!(Store::s3(emulator.client(), name, "").get("a/b/x/y").await.unwrap(), b"abc");
            assert_eq!(store.list("x/").await.unwrap()[0].key, "x/y");
            assert_eq!(store.folders("").await.unwrap(), ["x"]);
        }
    }
}

#[tokio::test]
async fn a_version_is_read_after_the_object_was_replaced() {
    let emulator = Emulator::start();
    bucket(&emulator.client(), "kept", true).await;
    let store = Store::s3(emulator.client(), "kept", "");
    store.put("bill", b"abc").await.unwrap();
    let listed = store.list("bill").await.unwrap().remove(0);
    let pinned = store.pin(listed.clone()).await.unwrap();
    store.put("bill", b"delivered anew").await.unwrap();
    assert_eq!(store.get_version("bill", &pinned.version).await.unwrap(), b"abc");
    assert_eq!(store.copy_from(&store, "bill", &pinned.version, "frozen").await.unwrap().sha256, ABC);
    assert_eq!(store.get("frozen").await.unwrap(), b"abc");
    assert!(matches!(store.pin(listed).await, Err(StoreError::Changed { .. })));
}

#[tokio::test]
async fn listings_have_more_than_one_page() {
    let emulator = Emulator::start();
    bucket(&emulator.client(), "many", false).await;
    let store = Store::s3(emulator.client(), "many", "");
    // S3 gives 1,000 keys a page.
    let keys: Vec<String> = (0..1_003).map(|number| format!("all/{number:05}")).collect();
    for chunk in keys.chunks(64) {
        let puts = chunk.iter().map(|key| store.put(key, b""));
        for done in futures::future::join_all(puts).await {
            done.unwrap();
        }
    }
    let found: Vec<String> = store.list("all/").await.unwrap().into_iter().map(|entry| entry.key).collect();
    assert_eq!(found, keys);
}

#[tokio::test]
async fn large_objects_are_copied_in_parts_across_buckets() {
    let emulator = Emulator::start();
    bucket(&emulator.client(), "bill", true).await;
    bucket(&emulator.client(), "work", true).await;
    const PART: u64 = 5 << 20;
    let bill = Store::s3(emulator.client(), "bill", "");
    let work = Store::S3(S3::new(emulator.client(), "work", "").with_copies_in_parts(PART, PART));
    // Twelve MiB in three parts, each byte telling its place.
    let bytes: Vec<u8> = (0..12u32 << 20).map(|place| (place >> 12) as u8).collect();
    bill.put("big file.parquet", &bytes).await.unwrap();
    let version = bill.head("big file.parquet").await.unwrap().unwrap().version;
    let digest = bill.digest("big file.parquet", Some(&version)).await.unwrap();
    for _ in 0..2 {
        let copied = work.copy_from(&bill, "big file.parquet", &version, "inputs/x.parquet").await.unwrap();
        assert_eq!((copied.sha256, copied.size), (digest.sha256.clone(), bytes.len() as u64));
    }
    assert!(work.get("inputs/x.parquet").await.unwrap() == bytes);
    let uploads = emulator.client().list_multipart_uploads().bucket("work").send().await.unwrap();
    assert_eq!(uploads.uploads().len(), 0, "no upload is left open");
}

#[tokio::test]
async fn copies_between_a_folder_and_s3_are_exact() {
    let emulator = Emulator::start();
    bucket(&emulator.client(), "bill", true).await;
    let folder = tempfile::tempdir().unwrap();
    let (near, far) = (Store::directory(folder.path()), Store::s3(emulator.client(), "bill", ""));
    for (from, to) in [(&near, &far), (&far, &near)] {
        from.put("from", b"abc").await.unwrap();
        let version = from.head("from").await.unwrap().unwrap().version;
        assert_eq!(to.copy_from(from, "from", &version, "to").await.unwrap().sha256, ABC);
        assert_eq!(to.get("to").await.unwrap(), b"abc");
        from.put("from", b"other").await.unwrap();
        let version = from.head("from").await.unwrap().unwrap().version;
        assert!(matches!(to.copy_from(from, "from", &version, "to").await, Err(StoreError::Conflict { .. })));
    }
}

#[tokio::test]
async fn what_lies_below_closes_is_locked() {
    let emulator = Emulator::start();
    let admin = emulator.client();
    admin.create_bucket().bucket("locked").object_lock_enabled_for_bucket(true).send().await.unwrap();
    let proxy = Proxy::start(&emulator, |_, _| None).await;
    let bucket = S3::new(client(proxy.port, 3), "locked", "").with_retention(Retention { days: 30, is_compliance: true });
    let store = Store::S3(bucket);
    store.put_once("staging/x", b"abc").await.unwrap();
    assert_eq!(proxy.header("x-amz-object-lock-mode"), Vec::<String>::new());
    store.put_once("closes/2026-09/CURRENT", b"abc").await.unwrap();
    let version = store.head("staging/x").await.unwrap().unwrap().version;
    store.copy_from(&store, "staging/x", &version, "closes/2026-09/x").await.unwrap();
    // The stand-in does not heed the lock of a copy, so what is asked for is looked at.
    assert_eq!(proxy.header("x-amz-object-lock-mode"), ["COMPLIANCE", "COMPLIANCE"]);
    let until = proxy.header("x-amz-object-lock-retain-until-date");
    assert_eq!(until.len(), 2);
    let key = "closes/2026-09/CURRENT";
    let head = admin.head_object().bucket("locked").key(key).send().await.unwrap();
    assert_eq!(head.object_lock_mode(), Some(&ObjectLockMode::Compliance));
    let id = head.version_id().unwrap();
    let deleted = admin.delete_object().bucket("locked").key(key).version_id(id).send().await;
    assert!(deleted.is_err(), "what is locked cannot be deleted");
    let head = admin.head_object().bucket("locked").key("staging/x").send().await.unwrap();
    assert_eq!(head.object_lock_mode(), None, "staging is not locked");
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_known_as_its_own() {
    let emulator = Emulator::start();
    bucket(&emulator.client(), "lost", true).await;
    for (name, fault, attempts) in [
        // The client sends it again and is told that the object exists.
        ("again", Fault::DoneButLost, 3),
        ("again-503", Fault::DoneButRefused(503, "SlowDown"), 3),
        ("again-409", Fault::DoneButRefused(409, "ConditionalRequestConflict"), 3),
        // The client gives up.
        ("once", Fault::DoneButLost, 1),
        ("once-500", Fault::DoneButRefused(500, "InternalError"), 1),
    ] {
        let proxy = Proxy::start(&emulator, first(1, "PUT", fault)).await;
        let store = Store::s3(client(proxy.port, attempts), "lost", "");
        assert_eq!(store.put_once(name, b"mine").await.unwrap(), PutOutcome::Created, "{name}");
        assert_eq!(store.put_once(name, b"mine").await.unwrap(), PutOutcome::Exists, "{name}, the second time");
        assert_eq!(store.get(name).await.unwrap(), b"mine", "{name}");
    }
}

#[tokio::test]
async fn a_lost_answer_never_hides_another_writer() {
    let emulator = Emulator::start();
    bucket(&emulator.client(), "other", true).await;
    Store::s3(emulator.client(), "other", "").put_once("a", b"theirs").await.unwrap();
    let proxy = Proxy::start(&emulator, first(1, "PUT", Fault::DoneButLost)).await;
    let store = Store::s3(client(proxy.port, 1), "other", "");
    assert_eq!(store.put_once("a", b"mine").await.unwrap(), PutOutcome::Exists);
    assert_eq!(store.get("a").await.unwrap(), b"theirs");
    assert!(matches!(store.put_same("a", b"mine").await, Err(StoreError::Conflict { .. })));
}

#[tokio::test]
async fn throttling_passes_and_is_named_if_it_does_not() {
    let emulator = Emulator::start();
    bucket(&emulator.client(), "slow", true).await;
    let proxy = Proxy::start(&emulator, first(2, "PUT", Fault::Refuse(503, "SlowDown"))).await;
    let store = Store::s3(client(proxy.port, 4), "slow", "");
    store.put("a", b"abc").await.unwrap();
    assert_eq!(proxy.count("PUT"), 3);

    let always = Proxy::start(&emulator, |_, _| Some(Fault::Refuse(503, "SlowDown"))).await;
    let store = Store::s3(client(always.port, 2), "slow", "");
    for error in [
        store.get("a").await.unwrap_err(),
        store.put("a", b"x").await.unwrap_err(),
        store.put_once("b", b"x").await.unwrap_err(),
        store.list("").await.unwrap_err(),
        store.digest("a", None).await.unwrap_err(),
    ] {
        assert_eq!(error.name(), "Store", "{error}");
    }
    assert!(store.get("a").await.unwrap_err().to_string().contains("SlowDown"));
}

#[tokio::test]
async fn expired_credentials_are_refused_with_what_to_do() {
    let emulator = Emulator::start();
    bucket(&emulator.client(), "expired", true).await;
    let proxy = Proxy::start(&emulator, |_, _| Some(Fault::Refuse(400, "ExpiredToken"))).await;
    let store = Store::s3(client(proxy.port, 3), "expired", "");
    for error in [
        store.get("a").await.unwrap_err(),
        store.put_once("a", b"x").await.unwrap_err(),
        store.put("a", b"x").await.unwrap_err(),
        store.list("").await.unwrap_err(),
        store.get_version("a", "some-version").await.unwrap_err(),
    ] {
        assert_eq!(error.name(), "StoreRefused", "{error}");
        assert!(error.to_string().contains("renew them"), "{error}");
    }
    // A HEAD has no body, so only its status is known.
    let error = store.head("a").await.unwrap_err();
    assert_eq!(error.name(), "StoreRefused", "{error}");
    assert!(error.to_string().contains("expired"), "{error}");
    assert_eq!(proxy.count("PUT"), 2, "what is refused is not sent again");
}

#[tokio::test]
async fn refusals_name_the_right_that_is_missing_and_the_bucket_that_is_none() {
    let emulator = Emulator::start();
    bucket(&emulator.client(), "rights", true).await;
    let proxy = Proxy::start(&emulator, |_, _| Some(Fault::Refuse(403, "AccessDenied"))).await;
    let error = Store::s3(client(proxy.port, 3), "rights", "x").put_once("a", b"x").await.unwrap_err();
    assert_eq!(error.name(), "StoreRefused");
    assert!(error.to_string().starts_with("cannot write `a` in s3://rights/x: AccessDenied: injected; give the role"), "{error}");
    let none = Store::s3(emulator.client(), "no-such-bucket", "");
    for error in [none.get("a").await.unwrap_err(), none.put("a", b"x").await.unwrap_err(), none.list("").await.unwrap_err()] {
        assert_eq!(error.name(), "StoreRefused", "{error}");
        assert!(error.to_string().contains("check the name of the bucket"), "{error}");
    }
}

#[tokio::test]
async fn nobody_there_is_no_lasting_refusal() {
    // A port on which nothing listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Store::s3(client(port, 1), "away", "").put_once("a", b"x").await.unwrap_err();
    assert_eq!(error.name(), "Store", "{error}");
}
