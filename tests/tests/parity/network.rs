//! Trino through a network that fails: between us and it, a proxy that resets, answers 503, is slow, or gives half a body.

use crate::bills::doubles;
use crate::world::{self, World};
use apportion_engine::{FailureClass, Poll, QueryEngine, Statement};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Reset,
    Unavailable,
    Slow,
    Half,
}

/// One message: its head and its body, by `Content-Length`.
fn message(stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    loop {
        let from = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if head[from..].trim().is_empty() {
            break;
        }
    }
    let length =
        head.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// Passes one request on, over a connection that is closed after it.
fn pass(client: TcpStream, target: &str, fault: Fault) -> Option<()> {
    let (head, body) = message(&client)?;
    let mut client = client;
    if fault == Fault::Reset {
        return None;
    }
    if fault == Fault::Unavailable {
        return client.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok();
    }
    let mut server = TcpStream::connect(target).ok()?;
    // The host stays the proxy's, so that Trino names the proxy in its addresses.
    let lines = head.trim_end().lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head = lines.collect::<Vec<_>>().join("\r\n");
    server.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
    server.write_all(&body).ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).ok()?;
    match fault {
        Fault::Slow => std::thread::sleep(Duration::from_secs(2)),
        Fault::Half => answer.truncate(answer.len() / 2 + 1),
        _ => {}
    }
    client.write_all(&answer).ok()
}

/// A proxy on loopback; `fault` says what happens to the n-th request.
fn proxy(target: String, fault: impl Fn(usize) -> Fault + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (seen, fault) = (Arc::new(AtomicUsize::new(0)), Arc::new(fault));
    let counter = Arc::clone(&seen);
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let number = counter.fetch_add(1, Ordering::Relaxed);
            let (target, fault) = (target.clone(), fault(number));
            std::thread::spawn(move || pass(client, &target, fault));
        }
    });
    (address, seen)
}

fn target(world: &World) -> String {
    world.trino.trim_start_matches("http://").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_survives_a_network_that_fails_every_third_time() {
    let Some(world) = World::find("network").await else { return };
    let placed = world.place_bytes("rows.parquet", &doubles(&vec![0.1; 20_000])).await.unwrap();
    let sql = "select SubAccountId as n, cast(BilledCost as decimal(38, 12)) as d from bill";
    let statement = Statement { name: "rows".to_owned(), sql: sql.to_owned(), tables: placed.tables, lookups: vec![] };
    for fault in [Fault::Reset, Fault::Unavailable, Fault::Slow, Fault::Half] {
        let (address, seen) = proxy(target(&world), move |number| if number % 3 == 1 { fault } else { Fault::None });
        let engine = world.trino_at(&address, "glue");
        let id = engine.start(&statement, &world::token()).await.unwrap();
        let ended = loop {
            match engine.poll(&id).await.unwrap() {
                Poll::Running { .. } => continue,
                ended => break ended,
            }
        };
        assert!(matches!(ended, Poll::Succeeded { .. }), "{fault:?}: {ended:?}");
        let (_, mut rows) = engine.rows(&id).await.unwrap().collect().await.unwrap();
        rows.sort();
        rows.dedup();
        assert_eq!(rows.len(), 20_000, "{fault:?}: every row once");
        println!("network: {fault:?} every third time, {} requests", seen.load(Ordering::Relaxed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trino_that_is_gone_or_busy_is_named() {
    let Some(world) = World::find("network, gone").await else { return };
    let placed = world.place_bytes("one.parquet", &doubles(&[1.0])).await.unwrap();
    let statement =
        Statement { name: "one".to_owned(), sql: "select 1 as a from bill".to_owned(), tables: placed.tables, lookups: vec![] };
    for (fault, class) in [(Fault::Reset, FailureClass::Internal), (Fault::Unavailable, FailureClass::Throttled)] {
        let (address, _) = proxy(target(&world), move |_| fault);
        let engine = world.trino_at(&address, "glue");
        let id = engine.start(&statement, &world::token()).await.unwrap();
        match engine.poll(&id).await.unwrap() {
            Poll::Failed { class: found, message } => {
                assert!(found == class && message.contains(&address), "{fault:?}: {message}")
            }
            other => panic!("{fault:?}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_stopped_in_trino_too() {
    let Some(world) = World::find("stop").await else { return };
    let placed = world.place_bytes("stop.parquet", &doubles(&vec![0.1; 3_000])).await.unwrap();
    // 2.7e10 pairs: more than any machine does while a test waits.
    let sql = "select count(*) as n from bill as a cross join bill as b cross join bill as c where a.BilledCost + b.BilledCost > c.BilledCost";
    let statement = Statement { name: "long".to_owned(), sql: sql.to_owned(), tables: placed.tables, lookups: vec![] };
    let engine = world.trino_at(&world.trino, "glue");
    let id = engine.start(&statement, &world::token()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    engine.stop(&id).await.unwrap();
    match engine.poll(&id).await.unwrap() {
        Poll::Failed { class: FailureClass::Stopped, .. } => {}
        other => panic!("{other:?}"),
    }
    let running = "select count(*) as n from system.runtime.queries where state = 'RUNNING' and query like '%bill as c%' and query not like '%system.runtime%'";
    let ask = Statement { name: "running".to_owned(), sql: running.to_owned(), tables: vec![], lookups: vec![] };
    let id = engine.start(&ask, &world::token()).await.unwrap();
    while let Poll::Running { .. } = engine.poll(&id).await.unwrap() {}
    let (_, rows) = engine.rows(&id).await.unwrap().collect().await.unwrap();
    assert_eq!(rows, [[Some("0".to_owned())]]);
}
