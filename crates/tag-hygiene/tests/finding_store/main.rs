//! Both stores of findings pass one suite; the one in DynamoDB with faults between.
#![allow(clippy::unwrap_used)]

mod conformance;

use apportion_store::Store;
use tag_hygiene::FindingStore;

#[tokio::test]
async fn the_directory_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conformance::check(&FindingStore::Directory(Store::directory(folder.path()))).await.unwrap();
}

#[cfg(feature = "aws")]
mod dynamodb {
    use super::*;
    use apportion_core::hygiene::Findings;
    use apportion_runtime::table::{Item, Range, Table};
    use apportion_stand_ins::{Fault, Proxy, dynamodb_table, emulator};
    use aws_sdk_dynamodb::config::retry::RetryConfig;
    use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
    use std::time::Duration;
    use tag_hygiene::{FindingTable, KEPT_DAYS};

    struct World {
        folder: tempfile::TempDir,
        proxy: Proxy,
        table: Table,
        store: FindingStore,
    }

    fn world(name: &str) -> Option<World> {
        let emulator = emulator(name)?;
        dynamodb_table(emulator, name);
        let proxy = Proxy::before(&emulator.url());
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(proxy.url())
            // More often and sooner than on AWS: several faults may meet one request here.
            .retry_config(RetryConfig::standard().with_max_attempts(8).with_initial_backoff(Duration::from_millis(20)))
            .credentials_provider(Credentials::new("test", "test", None, None, "tests"));
        let table = Table::new(aws_sdk_dynamodb::Client::from_conf(config.build()), name);
        let folder = tempfile::tempdir().unwrap();
        let store = FindingStore::DynamoDb(FindingTable::new(table.clone(), Store::directory(folder.path())));
        Some(World { folder, proxy, table, store })
    }

    fn findings(date: &str, unowned: &str) -> Findings {
        let amounts =
            serde_json::json!({ "spend": "100", "taggable": "100", "untagged": unowned, "unknown": "0", "covered": {} });
        let mut value = serde_json::json!({
            "date": date, "from": date, "to": date, "totals": { "USD": amounts }, "accounts": [{
                "account_id": "100000000001", "account_name": "", "ou": "", "currency": "USD", "amounts": amounts,
                "share": 1000, "threshold": 500, "above": true, "main_unit": "", "trend": [],
            }],
        });
        for list in ["services", "unmapped_keys", "near_misses", "collisions", "conflicts", "missing_keys"] {
            value[list] = serde_json::json!([]);
        }
        value["trend"] = serde_json::json!({});
        serde_json::from_value(value).unwrap()
    }

    async fn items(table: &Table, pk: &str) -> Vec<Item> {
        table.query(pk, &Range { from: " ", to: "~", newest_first: false, limit: None }).await.unwrap()
    }

    #[tokio::test]
    async fn dynamodb_conforms() {
        let Some(world) = world("findings") else { return };
        conformance::check(&world.store).await.unwrap();
    }

    #[tokio::test]
    async fn dynamodb_conforms_through_throttling_resets_and_lost_answers() {
        let Some(world) = world("findings-faults") else { return };
        let throttled = Fault::Refuse { status: 400, code: "ThrottlingException" };
        let faults = [throttled, Fault::Reset, Fault::DoneButLost, Fault::DoneButFailed];
        for (index, fault) in faults.into_iter().cycle().take(24).enumerate() {
            for operation in ["PutItem", "Query"] {
                world.proxy.inject_after(operation, 7 * index, 1, fault.clone());
            }
        }
        conformance::check(&world.store).await.unwrap();
    }

    #[tokio::test]
    async fn findings_lie_by_account_and_day_and_go_after_their_time() {
        let Some(world) = world("findings-items") else { return };
        let key = world.store.put(&findings("2026-09-14", "10"), "staging/x/").await.unwrap();
        let whole: Findings = serde_json::from_slice(&std::fs::read(world.folder.path().join(&key)).unwrap()).unwrap();
        assert_eq!((key.as_str(), whole), ("staging/x/findings.json", findings("2026-09-14", "10")));
        let found = items(&world.table, "TAG#100000000001").await;
        assert_eq!(found.len(), 1);
        assert!(found[0].sk.starts_with("finding#2026-09-14#") && found[0].sk.ends_with("#USD"), "{}", found[0].sk);
        // date -u -d '2026-09-14 + 400 days' +%s: 1823904000
        assert_eq!((KEPT_DAYS, found[0].ttl), (400, Some(1_823_904_000)));
        assert_eq!(items(&world.table, "TAG#run").await[0].sk, "run#2026-09-14#000001");
    }

    /// The run's own item comes last: a run cut off before it leaves nothing that a trend would show.
    #[tokio::test]
    async fn a_run_cut_off_half_way_does_not_count() {
        let Some(world) = world("findings-cut") else { return };
        world.store.put(&findings("2026-09-14", "10"), "staging/x/").await.unwrap();
        world.proxy.inject("run#2026-09-15#000001", 9, Fault::Refuse { status: 400, code: "AccessDeniedException" });
        let error = world.store.put(&findings("2026-09-15", "20"), "staging/x/").await.unwrap_err();
        assert_eq!(error.name(), "ServiceDenied", "{error}");
        world.proxy.clear();
        let asked = findings("2026-09-16", "0");
        let days = async || {
            let trend = world.store.trend(&asked, asked.date, 14).await.unwrap();
            trend.accounts.into_values().flatten().map(|point| point.date.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(days().await, ["2026-09-14"]);
        assert_eq!(world.store.newest_day().await.unwrap().unwrap().to_string(), "2026-09-14");
        world.store.put(&findings("2026-09-15", "20"), "staging/x/").await.unwrap();
        assert_eq!(days().await, ["2026-09-14", "2026-09-15"]);
    }

    #[tokio::test]
    async fn expired_credentials_and_lasting_throttling_are_named() {
        let Some(world) = world("findings-refused") else { return };
        for (code, name) in [("ExpiredTokenException", "ExpiredCredentials"), ("ThrottlingException", "ServiceThrottled")] {
            world.proxy.inject("DynamoDB", 99, Fault::Refuse { status: 400, code });
            let error = world.store.put(&findings("2026-09-14", "10"), "staging/x/").await.unwrap_err();
            assert_eq!(error.name(), name, "{error}");
            world.proxy.clear();
        }
    }
}
