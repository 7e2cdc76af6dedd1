//! Engines through a network that fails: between us and a real server, a proxy that resets, answers 503, is slow, or gives half a body.

use crate::bills::doubles;
use crate::world::{self, ATHENA, Contender, Placed, TRINO, World};
use apportion_engine::{FailureClass, Poll, QueryEngine, Row, Statement, conformance};
use apportion_tests::network::{Fault, Network};
use std::sync::Arc;
use std::time::Duration;

static FAULTS: [Fault; 4] = [Fault::Reset, Fault::Unavailable, Fault::Slow(Duration::from_millis(500)), Fault::HalfABody];

/// Every `nth` request meets a fault, each kind in its turn.
fn every(nth: usize, faults: &'static [Fault]) -> Network {
    Network::new(move |number, _| (number % nth == nth - 1).then(|| faults[number / nth % faults.len()]))
}

fn statement(name: &str, sql: &str, placed: &Placed) -> Statement {
    Statement { name: name.to_owned(), sql: sql.to_owned(), tables: placed.tables.clone(), lookups: vec![] }
}

async fn end(engine: &dyn QueryEngine, statement: &Statement) -> (apportion_engine::ExecutionId, Poll) {
    let id = engine.start(statement, &world::token()).await.unwrap();
    loop {
        match engine.poll(&id).await.unwrap() {
            Poll::Running { .. } => continue,
            ended => return (id, ended),
        }
    }
}

/// Rows of a statement, sorted.
async fn rows(engine: &dyn QueryEngine, statement: &Statement) -> Vec<Row> {
    let (id, ended) = end(engine, statement).await;
    assert!(matches!(ended, Poll::Succeeded { .. }), "{}: {ended:?}", statement.name);
    let (_, mut rows) = engine.rows(&id).await.unwrap().collect().await.unwrap();
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn every_engine_passes_the_suite_through_a_network_that_fails() {
    let Some(world) = World::find("conformance, network").await else { return };
    let placed = world.place_bytes("bill.csv", conformance::BILL.as_bytes()).await.unwrap();
    // Two hops of the front's, and S3 where it puts results: each fails on its own.
    let (near, far, store, direct) = (every(7, &FAULTS), every(7, &FAULTS), every(7, &FAULTS), every(7, &FAULTS));
    let front = world::front(&far.before(&world.trino), &world.aws, "glue", "apportion");
    let contenders = [
        Contender { name: TRINO, engine: Arc::new(world.trino_at(&direct.before(&world.trino), "glue")) },
        Contender { name: ATHENA, engine: Arc::new(world.athena_at(&near.before(&front.url), &store.before(&world.aws))) },
    ];
    for contender in contenders {
        let failures = conformance::run(contender.engine.as_ref(), &placed.tables[0], &world::token()).await;
        assert!(failures.is_empty(), "{}:\n{}", contender.name, failures.join("\n"));
    }
    let count = |network: &Network| network.requests().len();
    println!(
        "network: the suite passes with every seventh request spoilt: {} to Trino; {} to Athena, {} from there to Trino, {} to S3",
        count(&direct),
        count(&near),
        count(&far),
        count(&store)
    );
    assert!([direct, near, far, store].iter().all(|network| count(network) >= 7 * FAULTS.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_survives_a_network_that_fails_every_third_time() {
    let Some(world) = World::find("network").await else { return };
    let placed = world.place_bytes("rows.parquet", &doubles(&vec![0.1; 20_000])).await.unwrap();
    let statement = statement("rows", "select SubAccountId as n, cast(BilledCost as decimal(38, 12)) as d from bill", &placed);
    for faults in FAULTS.chunks(1) {
        let network = every(3, faults);
        let mut rows = rows(&world.trino_at(&network.before(&world.trino), "glue"), &statement).await;
        rows.dedup();
        assert_eq!(rows.len(), 20_000, "{faults:?}: every row once");
        println!("network: {faults:?} every third time, {} requests", network.requests().len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trino_that_is_gone_or_busy_is_named() {
    let Some(world) = World::find("network, gone").await else { return };
    let placed = world.place_bytes("one.parquet", &doubles(&[1.0])).await.unwrap();
    let statement = statement("one", "select 1 as a from bill", &placed);
    for (fault, class) in [(Fault::Reset, FailureClass::Internal), (Fault::Unavailable, FailureClass::Throttled)] {
        let address = Network::new(move |_, _| Some(fault)).before(&world.trino);
        match end(&world.trino_at(&address, "glue"), &statement).await.1 {
            Poll::Failed { class: found, message } => {
                assert!(found == class && message.contains(&address), "{fault:?}: {message}")
            }
            other => panic!("{fault:?}: {other:?}"),
        }
        // Athena has one word for both.
        let front = world::front(&address, &world.aws, "glue", "apportion");
        match end(&world.athena_at(&front.url, &world.aws), &statement).await.1 {
            Poll::Failed { class: FailureClass::Internal, message } => assert!(message.contains(&address), "{message}"),
            other => panic!("{fault:?}: {other:?}"),
        }
    }
}

/// How Trino keeps a statement: its state, and the name of its error.
async fn kept(world: &World, condition: &str) -> Vec<Row> {
    let sql = format!(
        "select state, coalesce(error_code, '') as e from system.runtime.queries where {condition} and query not like '%runtime.queries%'"
    );
    let asked = Statement { name: "kept".to_owned(), sql, tables: vec![], lookups: vec![] };
    rows(&world.trino_at(&world.trino, "glue"), &asked).await
}

/// Waits for the one statement to be cancelled.
pub async fn is_cancelled(world: &World, condition: &str) {
    let wanted = [["FAILED", "USER_CANCELED"].map(|text| Some(text.to_owned())).to_vec()];
    for _ in 0..40 {
        if kept(world, condition).await == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("{condition}: {:?}", kept(world, condition).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_stopped_in_trino_too() {
    let Some(world) = World::find("stop").await else { return };
    let placed = world.place_bytes("stop.parquet", &doubles(&vec![0.1; 3_000])).await.unwrap();
    for (number, contender) in world.distant().into_iter().enumerate() {
        // 2.7e10 pairs: more than any machine does while a test waits.
        let (mark, engine) = (format!("stopped_{}_{number}", std::process::id()), contender.engine);
        let sql = format!(
            "select count(*) as {mark} from bill as a cross join bill as b cross join bill as c where a.BilledCost + b.BilledCost > c.BilledCost"
        );
        let id = engine.start(&statement("long", &sql, &placed), &world::token()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        engine.stop(&id).await.unwrap();
        match engine.poll(&id).await.unwrap() {
            Poll::Failed { class: FailureClass::Stopped, .. } => {}
            other => panic!("{}: {other:?}", contender.name),
        }
        is_cancelled(&world, &format!("query like '%{mark}%'")).await;
    }
}
