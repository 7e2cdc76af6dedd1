//! The suite that every engine must pass.
#![allow(clippy::unwrap_used)]

mod common;

use apportion_engine::schema::BillFormat;
use apportion_engine::{ExecutionId, FailureClass, Poll, QueryEngine, Statement, conformance};
use apportion_engine_embedded::EmbeddedEngine;
use common::table;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

#[tokio::test]
async fn a_statement_is_stopped_within_a_join() {
    let list = (0..1000).map(|number| format!("({number})")).collect::<Vec<_>>().join(", ");
    // A million million rows of a thousand that are read.
    let from = ["a", "b", "c", "d"].map(|name| format!("(values {list}) as {name} (n)")).join(" cross join ");
    let sql = format!("select max(a.n - b.n + c.n - d.n) as m from {from}");
    let statement = Statement { name: "endless".to_owned(), sql, tables: Vec::new(), lookups: Vec::new() };
    let engine = Arc::new(EmbeddedEngine::with_threads(1));
    let started = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { engine.start(&statement, "endless").await }
    });
    let id = ExecutionId("endless".to_owned());
    while !matches!(engine.poll(&id).await, Ok(Poll::Running { .. })) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Time to reach the join.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = Instant::now();
    engine.stop(&id).await.unwrap();
    started.await.unwrap().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    assert!(matches!(engine.poll(&id).await, Ok(Poll::Failed { class: FailureClass::Stopped, .. })));
}
