//! A whole close by each engine: the same id, the same bytes; what a close and a day leave as tables; and a close that is interrupted.

use crate::network::is_cancelled;
use crate::world::{self, World};
use apportion_engine::{Row, Statement};
use apportion_tests::front::aws_environment;
use apportion_tests::network::{Fault, Network};
use apportion_tests::{Ran, apportion, apportion_with, binary, close_folder, rows_of, run, text, tree};
use arrow_array::Decimal128Array;
use arrow_array::cast::AsArray;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const PERIOD: &str = "2026-09";
/// How a request for a page of a running statement begins; then the statement's name at Trino follows.
const EXECUTING: &str = "GET /v1/statement/executing/";

/// The sample, its configuration, and folders below the one that Trino's catalog `files` sees.
struct Office {
    sample: PathBuf,
    config: PathBuf,
    /// The sample's bill, in a folder.
    bill: PathBuf,
    out: PathBuf,
    /// The schema with tables over `out` and `bill`, and what both folders are called after.
    schema: String,
}

impl Office {
    fn new(world: &World) -> Office {
        let (sample, config) = (world.folder.path().join("close-sample"), world.folder.path().join("close-config"));
        if !sample.exists() {
            apportion(world.folder.path(), &["sample", "--period", PERIOD, "--rows", "20000", "--out", &text(&sample)]).expect(0);
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
            run("cp", &["-r", &text(&source), &text(&config)], Path::new("/")).expect(0);
            run("cp", &["-r", &text(&sample.join("drivers")), &text(&config)], Path::new("/")).expect(0);
        }
        let schema = world::token();
        let (out, bill) = (world.files.join(&schema), world.files.join(format!("{schema}-bill")));
        for folder in [&out, &bill] {
            std::fs::create_dir_all(folder).unwrap();
        }
        // With its times: a manifest names the version of each file.
        run("cp", &["-rp", &text(&sample.join("bill")), &text(&bill.join("month"))], Path::new("/")).expect(0);
        Office { sample, config, bill, out, schema }
    }

    /// One with its tables made in a Trino.
    fn with_tables(world: &World) -> Office {
        let office = Office::new(world);
        let mut arguments = ["schema", "--work", &office.uri(""), "--bill", &office.bill_as()].map(str::to_owned).to_vec();
        arguments.extend(office.cluster(&world.trino));
        let made = apportion(world.folder.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
        assert!(made.stdout.contains("cur2\n") && made.stdout.contains("findings\n"), "{}", made.stdout);
        office
    }

    /// What Trino calls a file of `out`.
    fn uri(&self, key: &str) -> String {
        format!("local:///{}/{key}", self.schema)
    }

    fn bill_as(&self) -> String {
        format!("local:///{}-bill/", self.schema)
    }

    fn cluster(&self, trino: &str) -> Vec<String> {
        ["--engine", &format!("trino={trino}"), "--catalog", "files", "--schema", &self.schema].map(str::to_owned).to_vec()
    }

    /// A command over the bill.
    fn command(&self, words: &[&str], more: &[String]) -> Vec<String> {
        let (bill, config, org) = (text(&self.bill), text(&self.config), text(&self.sample.join("organization.json")));
        let all = [words, &["--bill", &bill, "--config", &config, "--org", &org]].concat();
        all.into_iter().map(str::to_owned).chain(more.iter().cloned()).collect()
    }

    fn run(&self, world: &World, words: &[&str], more: &[String]) -> Ran {
        let arguments = self.command(words, more);
        apportion(world.folder.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn close_command(&self, more: &[String]) -> Vec<String> {
        let (out, invoices) = (text(&self.out), text(&self.sample.join("invoices.json")));
        self.command(&["close", "--period", PERIOD, "--out", &out, "--invoices", &invoices], more)
    }

    fn close(&self, world: &World, more: &[String], environment: &[(&str, &str)]) -> Ran {
        let arguments = self.close_command(more);
        apportion_with(world.folder.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>(), environment)
    }

    /// What a command needs that reads the bill where it lies by way of Trino.
    fn over_bill(&self, world: &World) -> Vec<String> {
        [self.cluster(&world.trino), vec!["--bill-as".to_owned(), self.bill_as()]].concat()
    }

    fn closed(&self) -> PathBuf {
        close_folder(&self.out, PERIOD)
    }

    /// Every row of a statement by Trino, sorted.
    async fn rows(&self, world: &World, sql: &str) -> Vec<Row> {
        let settings = apportion_engine_trino::Settings { schema: self.schema.clone(), ..world.settings(&world.trino, "files") };
        let engine = apportion_engine_trino::TrinoEngine::new(settings).unwrap();
        let statement = Statement { name: "table".to_owned(), sql: sql.to_owned(), tables: vec![], lookups: vec![] };
        let wait = Duration::from_millis(100);
        let rows = apportion_engine::run(&engine, &statement, &world::token(), wait, tokio::time::sleep).await.unwrap();
        let mut rows = rows.collect().await.unwrap().1;
        rows.sort();
        rows
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_by_each_engine_is_the_close() {
    let Some(world) = World::find("closes").await else { return };
    let (embedded, by_trino, by_athena) = (Office::new(&world), Office::with_tables(&world), Office::with_tables(&world));
    embedded.close(&world, &[], &[]).expect(0);
    let cluster = by_trino.cluster(&world.trino);
    by_trino.close(&world, &cluster, &[]).expect(0);
    let (mut wanted, mut got) = (tree(&embedded.closed()), tree(&by_trino.closed()));
    // Signatures differ from one to the next by design.
    assert!(wanted.remove("CHECKPOINT.sig").is_some() && got.remove("CHECKPOINT.sig").is_some());
    assert_eq!(wanted, got);

    let front = world::front(&world.trino, &world.aws, "files", &by_athena.schema);
    let athena = ["--engine", "athena", "--database", &by_athena.schema].map(str::to_owned);
    let environment = [&aws_environment(&world.aws)[..], &[("AWS_ENDPOINT_URL_ATHENA", front.url.as_str())]].concat();
    let ran = by_athena.close(&world, &athena, &environment).expect(0);
    assert!(ran.stdout.contains("Athena scanned "), "{}", ran.stdout);
    let mut got = tree(&by_athena.closed());
    // The manifest of a close by Athena tells what the queries cost, and the sums are over that too.
    for name in ["manifest.json", "SHA256SUMS", "CHECKPOINT"] {
        assert!(wanted.remove(name).is_some() && got.remove(name).is_some());
    }
    got.remove("CHECKPOINT.sig").unwrap();
    assert_eq!(wanted, got);
    let manifest = |office: &Office| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(office.closed().join("manifest.json")).unwrap()).unwrap()
    };
    let mut ours = manifest(&by_athena);
    let scans = ours.as_object_mut().unwrap().remove("queries").unwrap();
    assert_eq!(ours, manifest(&embedded));
    assert!(scans[0]["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{scans}");
    println!("closes: {} files alike by three engines, id {}", wanted.len(), embedded.closed().file_name().unwrap().display());

    // `verify` makes the month again with the embedded engine.
    for office in [&by_trino, &by_athena] {
        apportion(world.folder.path(), &["verify", &text(&office.closed())]).expect(0);
    }
    // What a cluster cannot do is said before anything is written.
    let dry = [&["--dry-run".to_owned()], &cluster[..]].concat();
    assert!(by_trino.close(&world, &dry, &[]).expect(2).stderr.contains("which no other engine sees"));

    ledger_is_a_table(&world, &by_trino).await;
}

async fn ledger_is_a_table(world: &World, office: &Office) {
    let close = office.closed();
    let mut sums = [0_i128; 3];
    for batch in
        ParquetRecordBatchReaderBuilder::try_new(File::open(close.join("ledger.parquet")).unwrap()).unwrap().build().unwrap()
    {
        let batch = batch.unwrap();
        let sum = |name: &str| batch.column_by_name(name).unwrap().as_primitive_opt().map(total).unwrap();
        sums[0] += batch.num_rows() as i128;
        sums[1] += sum("cash");
        sums[2] += sum("effective");
    }
    let id = close.file_name().unwrap().to_str().unwrap();
    let path = office.uri(&format!("closes/{PERIOD}/{id}/ledger.parquet"));
    let sql = format!(
        "select count(*) as n, sum(cash) as c, sum(effective) as e from files.\"{}\".ledger \
         where close_period = '{PERIOD}' and close_id = '{id}' and \"$path\" = '{path}'",
        office.schema
    );
    let rows = office.rows(world, &sql).await;
    let [Some(count), Some(cash), Some(effective)] = rows[0].as_slice() else { panic!("{rows:?}") };
    assert_eq!([count.parse().unwrap(), apportion_tests::units(cash), apportion_tests::units(effective)], sums);
}

fn total(column: &Decimal128Array) -> i128 {
    column.iter().flatten().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_by_trino_is_the_day_and_leaves_tables() {
    let Some(world) = World::find("a day").await else { return };
    let (embedded, office) = (Office::new(&world), Office::with_tables(&world));
    let day = |office: &Office, more: &[String]| {
        office.run(&world, &["daily", "--date", "2026-09-09", "--out", &text(&office.out)], more).expect(0);
        let mut files = tree(&office.out);
        // How long each stage took.
        files.retain(|name, _| !name.starts_with("daily/runs/"));
        files
    };
    let wanted = day(&embedded, &[]);
    assert_eq!(day(&office, &office.over_bill(&world)), wanted);
    for view in apportion_engine::views::VIEWS {
        let printed = |more: &[String]| office.run(&world, &["query", view.name, "--csv"], more).expect(0).stdout;
        assert_eq!(printed(&office.over_bill(&world)), printed(&[]), "{}", view.name);
    }
    println!("a day: {} files alike, and {} views", wanted.len(), apportion_engine::views::VIEWS.len());

    let day = "year = '2026' and month = '09' and day = '09'".to_owned();
    let org = format!("location = 'org' and \"$path\" = '{}'", office.uri("org/account_ou_mapping.csv"));
    for (table, condition, file) in [
        ("ou_breakdown", &day, "ou-breakdowns/year=2026/month=09/day=09/ou_breakdown.csv"),
        ("findings", &day, "findings-by-account/year=2026/month=09/day=09/findings.csv"),
        ("account_ou_mapping", &org, "org/account_ou_mapping.csv"),
    ] {
        let definition = apportion_engine::tables::definitions().into_iter().find(|known| known.name == table).unwrap();
        let columns: Vec<String> = definition.columns.into_iter().map(|(name, _)| name).collect();
        let path = office.out.join(file);
        // Columns of a CSV go by their place: the table's are the file's.
        let header = std::fs::read_to_string(&path).unwrap().lines().next().unwrap().to_lowercase();
        assert_eq!(header, columns.join(","), "{table}");
        let sql = format!("select {} from files.\"{}\".{table} where {condition}", columns.join(", "), office.schema);
        let row = |row: std::collections::BTreeMap<String, String>| -> Row {
            columns
                .iter()
                .map(|name| row.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, cell)| cell.clone()))
                .collect()
        };
        let mut wanted: Vec<Row> = rows_of(&path).into_iter().map(row).collect();
        wanted.sort();
        assert!(wanted.len() > 1, "{table}: {wanted:?}");
        assert_eq!(office.rows(&world, &sql).await, wanted, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_stops_the_statement_on_the_cluster() {
    let Some(world) = World::find("interrupt").await else { return };
    let office = Office::with_tables(&world);
    // Pages come late, so that the statement still runs when the signal comes.
    let network = Network::new(|_, request| request.starts_with(EXECUTING).then_some(Fault::Slow(Duration::from_secs(3))));
    let cluster = office.cluster(&network.before(&world.trino));
    let mut process = Command::new(binary())
        .args(office.close_command(&cluster))
        .env("APPORTION_KEY_DIR", world.folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let query = loop {
        let requests = network.requests();
        let found = requests.iter().find_map(|request| request.strip_prefix(EXECUTING)?.split('/').next());
        match found {
            Some(query) => break query.to_owned(),
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
        assert!(process.try_wait().unwrap().is_none(), "the close ended early");
    };
    run("kill", &["-INT", &process.id().to_string()], Path::new("/")).expect(0);
    let ended = process.wait_with_output().unwrap();
    // 128 and the number of the signal, as shells have it.
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("interrupted"), "{ended:?}");
    is_cancelled(&world, &format!("query_id = '{query}'")).await;
    assert!(!office.out.join("closes").join(PERIOD).join("CURRENT").exists());
}
