//! The store over S3: the conformance suite on a stand-in, and what only a service far away can get wrong.
#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use apportion_stand_ins::{Fault, Proxy, emulator};
use apportion_store::{PutOutcome, Retention, S3, Store, StoreError, conformance};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_s3::types::{BucketVersioningStatus, ObjectLockMode, VersioningConfiguration};
use std::time::Duration;

/// sha256("abc"), FIPS 180-2 appendix B.1.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// The stand-in's address, for all tests: their buckets have different names. `None` where it cannot be installed.
fn s3() -> Option<String> {
    emulator("S3 as a store").map(|emulator| emulator.url())
}

/// A client of whatever serves at an address, which sends a request at most so many times.
fn client(url: &str, attempts: u32) -> Client {
    let retries = RetryConfig::standard()
        .with_max_attempts(attempts)
        .with_initial_backoff(Duration::from_millis(5))
        .with_max_backoff(Duration::from_millis(20));
    let times = TimeoutConfig::builder().read_timeout(Duration::from_secs(120)).build();
    let configuration = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(url)
        .force_path_style(true)
        .retry_config(retries)
        .timeout_config(times);
    Client::from_conf(configuration.build())
}

async fn bucket(client: &Client, name: &str, is_versioned: bool) {
    client.create_bucket().bucket(name).send().await.unwrap();
    if is_versioned {
        let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        client.put_bucket_versioning().bucket(name).versioning_configuration(enabled).send().await.unwrap();
    }
}

/// Before the stand-in, one that spoils the first requests of a kind: a method, or "" for all.
fn spoilt(url: &str, kind: &str, times: usize, fault: Fault) -> Proxy {
    let proxy = Proxy::before(url);
    proxy.inject(kind, times, fault);
    proxy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bucket_passes_the_conformance_suite() {
    let Some(url) = s3() else { return };
    for (name, is_versioned, prefix) in [("plain", false, ""), ("versioned", true, ""), ("below", true, "a/b")] {
        bucket(&client(&url, 3), name, is_versioned).await;
        let store = Store::s3(client(&url, 3), name, prefix);
        // With a prefix the suite's longest keys are too long for S3, so it gets one of its own only without.
        if prefix.is_empty() {
            conformance::check(&store, "").await.unwrap_or_else(|what| panic!("{name}: {what}"));
        } else {
            store.put_once("x/y", b"abc").await.unwrap();
            assert_eq!(Store::s3(client(&url, 3), name, "").get("a/b/x/y").await.unwrap(), b"abc");
            assert_eq!(store.list("x/").await.unwrap()[0].key, "x/y");
            assert_eq!(store.folders("").await.unwrap(), ["x"]);
        }
    }
}

#[tokio::test]
async fn a_version_is_read_after_the_object_was_replaced() {
    let Some(url) = s3() else { return };
    bucket(&client(&url, 3), "kept", true).await;
    let store = Store::s3(client(&url, 3), "kept", "");
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
    let Some(url) = s3() else { return };
    bucket(&client(&url, 3), "many", false).await;
    let store = Store::s3(client(&url, 3), "many", "");
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
    let Some(url) = s3() else { return };
    bucket(&client(&url, 3), "large-bill", true).await;
    bucket(&client(&url, 3), "large-work", true).await;
    const PART: u64 = 5 << 20;
    let bill = Store::s3(client(&url, 3), "large-bill", "");
    let work = Store::S3(S3::new(client(&url, 3), "large-work", "").with_copies_in_parts(PART, PART));
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
    let uploads = client(&url, 3).list_multipart_uploads().bucket("large-work").send().await.unwrap();
    assert_eq!(uploads.uploads().len(), 0, "no upload is left open");
}

#[tokio::test]
async fn copies_between_a_folder_and_s3_are_exact() {
    let Some(url) = s3() else { return };
    bucket(&client(&url, 3), "near-and-far", true).await;
    let folder = tempfile::tempdir().unwrap();
    let (near, far) = (Store::directory(folder.path()), Store::s3(client(&url, 3), "near-and-far", ""));
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
    let Some(url) = s3() else { return };
    let admin = client(&url, 3);
    admin.create_bucket().bucket("locked").object_lock_enabled_for_bucket(true).send().await.unwrap();
    let proxy = Proxy::before(&url);
    let bucket = S3::new(client(&proxy.url(), 3), "locked", "").with_retention(Retention { days: 30, is_compliance: true });
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
    let Some(url) = s3() else { return };
    bucket(&client(&url, 3), "lost", true).await;
    for (name, fault, attempts) in [
        // The client sends it again and is told that the object exists.
        ("again", Fault::DoneButLost, 3),
        ("again-503", Fault::DoneButRefusedXml { status: 503, code: "SlowDown" }, 3),
        ("again-409", Fault::DoneButRefusedXml { status: 409, code: "ConditionalRequestConflict" }, 3),
        // The client gives up.
        ("once", Fault::DoneButLost, 1),
        ("once-500", Fault::DoneButRefusedXml { status: 500, code: "InternalError" }, 1),
    ] {
        let proxy = spoilt(&url, "PUT /", 1, fault);
        let store = Store::s3(client(&proxy.url(), attempts), "lost", "");
        assert_eq!(store.put_once(name, b"mine").await.unwrap(), PutOutcome::Created, "{name}");
        assert_eq!(store.put_once(name, b"mine").await.unwrap(), PutOutcome::Exists, "{name}, the second time");
        assert_eq!(store.get(name).await.unwrap(), b"mine", "{name}");
    }
}

#[tokio::test]
async fn a_lost_answer_never_hides_another_writer() {
    let Some(url) = s3() else { return };
    bucket(&client(&url, 3), "other", true).await;
    Store::s3(client(&url, 3), "other", "").put_once("a", b"theirs").await.unwrap();
    let proxy = spoilt(&url, "PUT /", 1, Fault::DoneButLost);
    let store = Store::s3(client(&proxy.url(), 1), "other", "");
    assert_eq!(store.put_once("a", b"mine").await.unwrap(), PutOutcome::Exists);
    assert_eq!(store.get("a").await.unwrap(), b"theirs");
    assert!(matches!(store.put_same("a", b"mine").await, Err(StoreError::Conflict { .. })));
}

#[tokio::test]
async fn throttling_passes_and_is_named_if_it_does_not() {
    let Some(url) = s3() else { return };
    bucket(&client(&url, 3), "slow", true).await;
    let proxy = spoilt(&url, "PUT /", 2, Fault::RefuseXml { status: 503, code: "SlowDown" });
    let store = Store::s3(client(&proxy.url(), 4), "slow", "");
    store.put("a", b"abc").await.unwrap();
    assert_eq!(proxy.seen("PUT /"), 3);

    let always = spoilt(&url, "", usize::MAX, Fault::RefuseXml { status: 503, code: "SlowDown" });
    let store = Store::s3(client(&always.url(), 2), "slow", "");
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
    let Some(url) = s3() else { return };
    bucket(&client(&url, 3), "expired", true).await;
    let proxy = spoilt(&url, "", usize::MAX, Fault::RefuseXml { status: 400, code: "ExpiredToken" });
    let store = Store::s3(client(&proxy.url(), 3), "expired", "");
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
    assert_eq!(proxy.seen("PUT /"), 2, "what is refused is not sent again");
}

#[tokio::test]
async fn refusals_name_the_right_that_is_missing_and_the_bucket_that_is_none() {
    let Some(url) = s3() else { return };
    bucket(&client(&url, 3), "rights", true).await;
    let proxy = spoilt(&url, "", usize::MAX, Fault::RefuseXml { status: 403, code: "AccessDenied" });
    let error = Store::s3(client(&proxy.url(), 3), "rights", "x").put_once("a", b"x").await.unwrap_err();
    assert_eq!(error.name(), "StoreRefused");
    assert!(error.to_string().starts_with("cannot write `a` in s3://rights/x: AccessDenied: injected; give the role"), "{error}");
    let none = Store::s3(client(&url, 3), "no-such-bucket", "");
    for error in [none.get("a").await.unwrap_err(), none.put("a", b"x").await.unwrap_err(), none.list("").await.unwrap_err()] {
        assert_eq!(error.name(), "StoreRefused", "{error}");
        assert!(error.to_string().contains("check the name of the bucket"), "{error}");
    }
}

#[tokio::test]
async fn nobody_there_is_no_lasting_refusal() {
    // A port on which nothing listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Store::s3(client(&format!("http://127.0.0.1:{port}"), 1), "away", "").put_once("a", b"x").await.unwrap_err();
    assert_eq!(error.name(), "Store", "{error}");
}
