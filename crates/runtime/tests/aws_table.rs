//! The table against a stand-in for DynamoDB, with faults between.
#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used)]

use apportion_runtime::service::{Class, ServiceError};
use apportion_runtime::table::{Item, Put, Range, Table, When};
use apportion_stand_ins::{Fault, Proxy, StandIn, dynamodb_table, emulator};
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};

fn table(url: &str, name: &str) -> Table {
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"));
    Table::new(aws_sdk_dynamodb::Client::from_conf(config.build()), name)
}

fn world(name: &str) -> Option<(&'static StandIn, Proxy, Table)> {
    let emulator = emulator(name)?;
    dynamodb_table(emulator, name);
    let proxy = Proxy::before(&emulator.url());
    let table = table(&proxy.url(), name);
    Some((emulator, proxy, table))
}

fn item(sk: &str, state: &str) -> Item {
    Item::new("RUN#one", sk).with("state", state).with("odd", "\u{0}é\"\n")
}

#[tokio::test]
async fn items_are_written_read_and_queried_in_order() {
    let Some((_, _, table)) = world("items") else { return };
    assert_eq!(table.get("RUN#one", "1").await.unwrap(), None);
    for number in 0..5 {
        table.put(&Item { ttl: Some(1_800_000_000), ..item(&number.to_string(), "a") }).await.unwrap();
    }
    table.put(&Item::new("RUN#other", "2")).await.unwrap();
    assert_eq!(table.get("RUN#one", "1").await.unwrap(), Some(Item { ttl: Some(1_800_000_000), ..item("1", "a") }));
    let keys = async |range: Range<'_>| -> Vec<String> {
        table.query("RUN#one", &range).await.unwrap().into_iter().map(|item| item.sk).collect()
    };
    let range = Range { from: "1", to: "3", newest_first: false, limit: None };
    assert_eq!(keys(range).await, ["1", "2", "3"]);
    assert_eq!(keys(Range { newest_first: true, limit: Some(2), ..range }).await, ["3", "2"]);
    assert_eq!(keys(Range { from: "7", to: "9", ..range }).await, [""; 0]);
}

#[tokio::test]
async fn a_query_goes_on_past_a_megabyte() {
    let Some((_, _, table)) = world("pages") else { return };
    // DynamoDB ends a page at 1 MB: six items of 300 kB are two pages or more.
    let large = "x".repeat(300_000);
    for number in 0..6 {
        table.put(&Item::new("RUN#large", number.to_string()).with("text", large.clone())).await.unwrap();
    }
    let range = Range { from: "0", to: "9", newest_first: false, limit: None };
    assert_eq!(table.query("RUN#large", &range).await.unwrap().len(), 6);
}

#[tokio::test]
async fn a_condition_lets_one_of_many_writers_through() {
    let Some((_, _, table)) = world("conditions") else { return };
    let writers = (0..16).map(|writer| {
        let table = table.clone();
        tokio::spawn(async move { table.put_when(&item("claim", &writer.to_string()), When::Absent).await.unwrap() })
    });
    let mut done = 0;
    for writer in writers.collect::<Vec<_>>() {
        done += usize::from(writer.await.unwrap() == Put::Done);
    }
    assert_eq!(done, 1);
    let one = item("state", "refused");
    assert_eq!(table.put_when(&one, When::Holds("state", &["refused"])).await.unwrap(), Put::Refused(None));
    assert_eq!(table.put_when(&one, When::AbsentOr("state", &["refused"])).await.unwrap(), Put::Done);
    assert_eq!(table.put_when(&item("state", "sent"), When::AbsentOr("state", &["x", "refused"])).await.unwrap(), Put::Done);
    let refused = table.put_when(&one, When::AbsentOr("state", &["refused"])).await.unwrap();
    assert_eq!(refused, Put::Refused(Some(item("state", "sent"))));
}

#[tokio::test]
async fn throttling_resets_and_failures_pass_and_what_stays_is_named() {
    let Some((emulator, proxy, table)) = world("faults") else { return };
    for fault in [Fault::Refuse { status: 400, code: "ThrottlingException" }, Fault::Reset, Fault::DoneButLost] {
        proxy.inject("PutItem", 1, fault.clone());
        table.put(&item("passing", "a")).await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
    }
    let named = async |status, code| -> ServiceError {
        proxy.inject("GetItem", 10, Fault::Refuse { status, code });
        let error = table.get("RUN#one", "1").await.unwrap_err();
        proxy.clear();
        error
    };
    for (status, code, class, name) in [
        (400, "ProvisionedThroughputExceededException", Class::Throttled, "ServiceThrottled"),
        (500, "InternalServerError", Class::Unavailable, "ServiceUnavailable"),
        (400, "ExpiredTokenException", Class::Expired, "ExpiredCredentials"),
        (400, "AccessDeniedException", Class::Denied, "ServiceDenied"),
        (400, "ResourceNotFoundException", Class::Refused, "ServiceRefused"),
    ] {
        let error = named(status, code).await;
        assert_eq!((error.class, error.name()), (class, name), "{error}");
        assert!(error.to_string().starts_with("dynamodb:GetItem ") && error.to_string().contains(code), "{error}");
    }
    let gone = self::table("http://127.0.0.1:9", "faults").get("RUN#one", "1").await.unwrap_err();
    assert_eq!(gone.class, Class::Unavailable, "{gone}");
    let other = self::table(&emulator.url(), "no-such-table").get("RUN#one", "1").await.unwrap_err();
    assert_eq!(other.class, Class::Refused, "{other}");
}

/// The SDK tries again what was done and reported as failed; the writer then finds its own item.
#[tokio::test]
async fn a_conditional_write_that_was_done_and_reported_as_failed_shows_what_was_written() {
    let Some((_, proxy, table)) = world("lost") else { return };
    for (sk, fault) in [("failed", Fault::DoneButFailed), ("lost", Fault::DoneButLost)] {
        proxy.inject("PutItem", 1, fault);
        let mine = item(sk, "mine");
        assert_eq!(table.put_when(&mine, When::Absent).await.unwrap(), Put::Refused(Some(mine)), "{sk}");
    }
}

#[tokio::test]
async fn missing_credentials_are_named_as_such() {
    let Some(emulator) = emulator("credentials") else { return };
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(emulator.url())
        .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(
            aws_config::profile::ProfileFileCredentialsProvider::builder().profile_name("no-such-profile").build(),
        ));
    let table = Table::new(aws_sdk_dynamodb::Client::from_conf(config.build()), "any");
    let error = table.get("RUN#one", "1").await.unwrap_err();
    assert_eq!(error.class, Class::Expired, "{error}");
}
