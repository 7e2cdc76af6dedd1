//! Athena's adapter against the front that speaks Athena, with an S3 between them, and a network that fails.
#![allow(clippy::unwrap_used)]

mod adapter;
mod clients;
mod closes;
mod stand_ins;

use adapter::{clients, settings};
use apportion_core::close::{Content, Layout};
use apportion_engine::schema::BillFormat;
use apportion_engine::{
    Area, EngineError, FailureClass, Notes, Poll, QueryEngine, Row, Statement, Stored, Table, TableFile, conformance,
};
use apportion_engine_athena::{AthenaEngine, Settings};
use apportion_tests::network::{Fault, Network};
use stand_ins::{bucket, engine, front, s3};
use std::time::Duration;

const SLOW: Fault = Fault::Slow(Duration::from_millis(500));
const KEY: &str = "inputs/conformance/bill.csv";

/// The suite's bill as it lies in a work store.
fn bill() -> Table {
    let columns = conformance::BILL.lines().next().unwrap().split(',').map(str::to_owned).collect();
    let stored = Stored { area: Area::Frozen, key: KEY.to_owned(), layout: Layout { content: Content::Csv, columns } };
    let files = vec![TableFile { path: None, stored: Some(stored) }];
    Table { name: "bill".to_owned(), format: BillFormat::Focus12, files, notes: Notes::Cells }
}

fn statement(sql: &str) -> Statement {
    Statement { name: "test".to_owned(), sql: sql.to_owned(), tables: Vec::new(), lookups: Vec::new() }
}

/// A token that nobody else uses.
fn token(name: &str) -> String {
    format!("{name}-{:-<48}", uuid())
}

fn uuid() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
    text.trim().to_owned()
}

/// Numbers 0 to `thousands * 1000 - 1` with a text each, in no order.
fn numbers(thousands: usize) -> String {
    let list = |count: usize| (0..count).map(|number| format!("({number})")).collect::<Vec<_>>().join(", ");
    format!(
        "select a.n * 1000 + b.n as n, 'line \"' || cast(b.n as varchar) || '\"' as t from (values {}) as a (n) cross join (values {}) as b (n)",
        list(thousands),
        list(1000)
    )
}

/// A query that takes minutes.
fn endless() -> String {
    let numbers = numbers(1000);
    format!("select max(x.n - y.n) as m from ({numbers}) as x cross join ({numbers}) as y")
}

async fn fetch(engine: &AthenaEngine, statement: &Statement, token: &str) -> Result<Vec<Row>, EngineError> {
    let id = engine.start(statement, token).await?;
    // Two minutes: the machine may be busy with other tests.
    for _ in 0..600 {
        match engine.poll(&id).await? {
            Poll::Failed { class, message } => return Err(EngineError::Failed { class, message }),
            Poll::Running { .. } => tokio::time::sleep(Duration::from_millis(200)).await,
            Poll::Succeeded { .. } => return Ok(engine.rows(&id).await?.collect().await?.1),
        }
    }
    panic!("{id} still runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn athenas_adapter_conforms_over_a_bill_in_s3() {
    bucket("work").await;
    let (_, store) = clients("http://127.0.0.1:9", &s3());
    let body = conformance::BILL.as_bytes().to_vec().into();
    store.put_object().bucket("work").key(format!("prefix/{KEY}")).body(body).send().await.unwrap();
    let front = front(&["--work", "s3://work/prefix"]).await;
    let engine = engine(&front.url, &s3());
    let failures = conformance::run(&engine, &bill(), &token("suite")).await;
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Every fault at every request of a query: it is survived, or the error says that one may try again; the rows are never other ones.
#[tokio::test(flavor = "multi_thread")]
async fn a_failing_network_costs_time_and_never_rows() {
    let front = front(&[]).await;
    let sql = statement(&numbers(3));
    let mut expected = fetch(&engine(&front.url, &s3()), &sql, &token("plain")).await.unwrap();
    expected.sort();
    let row = |number: usize| vec![Some(number.to_string()), Some(format!("line \"{}\"", number % 1000))];
    let mut by_hand: Vec<Row> = (0..3000).map(row).collect();
    by_hand.sort();
    assert_eq!(expected, by_hand);

    let counted = Network::new(|_, _| None);
    let (athena, store) = (counted.before(&front.url), counted.before(&s3()));
    fetch(&engine(&athena, &store), &sql, &token("counted")).await.unwrap();
    println!("requests of one query: {:?}", counted.requests());

    let kinds = [Fault::Reset, Fault::LostAnswer, Fault::Unavailable, Fault::HalfABody, SLOW];
    // The state is asked for by the poll, and again before the result is read.
    let requests = [("StartQ", 0), ("GetQueryExecution", 0), ("GetQueryExecution", 1), ("GetQueryRuntime", 0), ("GET ", 0)];
    for ((name, at), fault) in requests.into_iter().flat_map(|request| kinds.map(|fault| (request, fault))) {
        let mut met = 0;
        let network = Network::new(move |_, request| {
            met += usize::from(request.starts_with(name));
            (request.starts_with(name) && met == at + 1).then_some(fault)
        });
        let engine = engine(&network.before(&front.url), &network.before(&s3()));
        let rows = fetch(&engine, &sql, &token("once")).await;
        let mut rows = rows.unwrap_or_else(|error| panic!("{fault:?} of {name} {at}: {error}"));
        rows.sort();
        assert!(rows == expected, "{fault:?} of {name} {at}: other rows");
        let asked = network.requests().iter().filter(|request| request.starts_with(name)).count();
        assert!(asked > at + usize::from(fault != SLOW), "{fault:?} of {name} {at} was not met");
    }
    for ((name, _), fault) in requests.into_iter().flat_map(|request| kinds[..4].iter().map(move |fault| (request, *fault))) {
        let network = Network::new(move |_, request| request.starts_with(name).then_some(fault));
        let engine = engine(&network.before(&front.url), &network.before(&s3()));
        let error = fetch(&engine, &sql, &token("always")).await.unwrap_err();
        assert!(matches!(error.class(), FailureClass::Internal | FailureClass::Throttled), "{fault:?} of {name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_with_fewer_rows_than_the_engine_gave_is_refused() {
    let front = front(&[]).await;
    let network = Network::new(|_, request| request.starts_with("GET ").then_some(Fault::FewerRows));
    let engine = engine(&front.url, &network.before(&s3()));
    let error = fetch(&engine, &statement(&numbers(3)), &token("fewer")).await.unwrap_err();
    assert!(error.class() == FailureClass::Internal && error.to_string().contains("Athena gave 3000"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_query_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(KEY);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, conformance::BILL).unwrap();
    let work = folder.path().to_str().unwrap();
    let front = front(&["--work", work, "--bytes-cutoff", "100", "--concurrency", "2"]).await;
    let class = |result: Result<Vec<Row>, EngineError>| result.unwrap_err().class();
    let adapter = engine(&front.url, &s3());
    let counted = Statement { tables: vec![bill()], ..statement("select count(*) as n, max(ServiceName) as s from bill") };
    assert_eq!(class(fetch(&adapter, &counted, &token("cut")).await), FailureClass::CutOff);
    assert_eq!(class(fetch(&adapter, &statement("select nothing"), &token("wrong")).await), FailureClass::Statement);
    assert_eq!(class(fetch(&adapter, &statement("select 1 as a"), "short").await), FailureClass::Statement);

    let (athena, store) = clients(&front.url, &s3());
    let soon = Settings { timeout: Duration::from_secs(1), patience: Duration::from_secs(30), ..settings() };
    let hasty = AthenaEngine::new(athena.clone(), store.clone(), soon);
    assert_eq!(class(fetch(&hasty, &statement(&endless()), &token("late")).await), FailureClass::CutOff);

    let patient = AthenaEngine::new(athena, store, Settings { patience: Duration::ZERO, ..settings() });
    let id = patient.start(&statement(&endless()), &token("stopped")).await.unwrap();
    let other = patient.start(&statement(&endless()), &token("other")).await.unwrap();
    assert_eq!(class(fetch(&adapter, &statement("select 1 as a"), &token("too-many")).await), FailureClass::Throttled);
    assert!(matches!(patient.poll(&id).await, Ok(Poll::Running { .. })));
    assert!(matches!(patient.rows(&id).await, Err(EngineError::NotFinished(_))));
    patient.stop(&id).await.unwrap();
    patient.stop(&other).await.unwrap();
    assert!(matches!(patient.poll(&id).await, Ok(Poll::Failed { class: FailureClass::Stopped, .. })));
    assert_eq!(fetch(&adapter, &statement("select 1 as a"), &token("free")).await, Ok(vec![vec![Some("1".to_owned())]]));
}

/// Peak memory of this process, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

/// Runs alone in its process where it is asked for by name, and then the figure is that of the client.
#[tokio::test(flavor = "multi_thread")]
async fn a_million_rows_pass_in_bounded_memory() {
    use futures::StreamExt;
    let front = front(&[]).await;
    let engine = engine(&front.url, &s3());
    let id = engine.start(&statement(&numbers(1000)), &token("million")).await.unwrap();
    assert!(matches!(engine.poll(&id).await, Ok(Poll::Succeeded { .. })));
    let before = peak();
    let mut rows = engine.rows(&id).await.unwrap().rows;
    let (mut count, mut sum) = (0u64, 0u64);
    while let Some(row) = rows.next().await {
        sum += row.unwrap()[0].as_ref().unwrap().parse::<u64>().unwrap();
        count += 1;
    }
    // The sum of 0 to n - 1 is n (n - 1) / 2.
    assert_eq!((count, sum), (1_000_000, 499_999_500_000));
    let after = peak();
    println!("peak memory before reading {before}, after {after}");
    assert!(after - before < 50 << 20, "reading took {} more bytes", after - before);
}
