//! The engines under test, and bills placed where each of them finds them.

use crate::adapter::{clients, settings};
use apportion_core::close::{InputsManifest, Located, Run, Shard};
use apportion_engine::schema::BillFormat;
use apportion_engine::tables::Roots;
use apportion_engine::{Area, Notes, QueryEngine, Stored, Table, TableFile};
use apportion_engine_athena::AthenaEngine;
use apportion_engine_embedded::EmbeddedEngine;
use apportion_engine_trino::{Settings, TrinoEngine};
use apportion_store::Store;
use apportion_tests::front::Front;
use apportion_tests::{run, text};
use reconciliation_gate::{Context, Event, Output};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An engine and its name.
pub struct Contender {
    pub name: &'static str,
    pub engine: Arc<dyn QueryEngine>,
}

pub const EMBEDDED: &str = "embedded";
pub const TRINO: &str = "Trino";
pub const ATHENA: &str = "Athena's front over Trino";

/// What `scripts/test-trino` started.
pub struct World {
    pub trino: String,
    pub aws: String,
    /// The folder that Trino's catalog `files` calls `local:///`.
    pub files: PathBuf,
    /// The work store on this machine; S3 has the same files below the same keys.
    pub folder: tempfile::TempDir,
    /// Athena's API over that Trino.
    front: Front,
}

/// A bill that every engine finds.
pub struct Placed {
    pub name: String,
    pub tables: Vec<Table>,
}

/// A token, and a name, that nobody has used; as long as Athena wants one to be.
pub fn token() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("t{}-{:0>32}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A sentence about a file with the file's name only, since each engine calls its folder otherwise.
pub fn without_folder(sentence: &str) -> String {
    let (path, rest) = sentence.split_once(": ").unwrap_or((sentence, ""));
    format!("{}: {rest}", path.rsplit('/').next().unwrap_or(path))
}

const WORK: &str = "work";
const BILLS: &str = "bills";
/// Of Athena.
const RESULTS: &str = "results";

impl World {
    /// `None`, with a line that says so, where nobody started a Trino.
    pub async fn find(what: &str) -> Option<World> {
        let get = |name: &str| std::env::var(name).ok();
        let (Some(trino), Some(aws), Some(files)) =
            (get("APPORTION_TEST_TRINO"), get("APPORTION_TEST_AWS"), get("APPORTION_TEST_FILES"))
        else {
            println!("SKIPPED {what}: `make test-trino` starts the Trino that it needs");
            return None;
        };
        for bucket in [WORK, BILLS, RESULTS] {
            curl(&["-X", "PUT", &format!("{aws}/{bucket}")]);
        }
        let front = front(&trino, &aws, "glue", "apportion");
        let world = World { trino, aws, files: files.into(), folder: tempfile::tempdir().unwrap(), front };
        let roots = Roots { bill: format!("s3://{BILLS}/"), work: format!("s3://{WORK}/"), closes: format!("s3://{WORK}/") };
        let engine = world.trino_at(&world.trino.clone(), "glue");
        engine.create_tables(&roots, Some(&format!("s3://{WORK}/none/"))).await.unwrap();
        Some(world)
    }

    pub fn settings(&self, url: &str, catalog: &str) -> Settings {
        let settings = Settings::from_variables(url, catalog, "apportion", &|_| None).unwrap();
        Settings { delivered_root: Some(format!("s3://{BILLS}/")), ..settings }
    }

    pub fn trino_at(&self, url: &str, catalog: &str) -> TrinoEngine {
        TrinoEngine::new(self.settings(url, catalog)).unwrap()
    }

    /// Athena's adapter before a front and S3 at these addresses.
    pub fn athena_at(&self, front: &str, s3: &str) -> AthenaEngine {
        let (athena, s3) = clients(front, s3);
        let delivered_root = Some(format!("s3://{BILLS}/"));
        AthenaEngine::new(athena, s3, apportion_engine_athena::Settings { delivered_root, ..settings() })
    }

    /// Those that work by way of a network.
    pub fn distant(&self) -> Vec<Contender> {
        vec![
            Contender { name: TRINO, engine: Arc::new(self.trino_at(&self.trino, "glue")) },
            Contender { name: ATHENA, engine: Arc::new(self.athena_at(&self.front.url, &self.aws)) },
        ]
    }

    /// The engines; the first is what the others are compared with. A further engine is a line here.
    pub fn contenders(&self) -> Vec<Contender> {
        let embedded = Contender { name: EMBEDDED, engine: Arc::new(EmbeddedEngine::new()) };
        std::iter::once(embedded).chain(self.distant()).collect()
    }

    /// Copies a file to S3.
    fn upload(&self, path: &Path, bucket: &str, key: &str) {
        // `=` and the like are allowed in the path of an address.
        curl(&["-f", "-T", &text(path), &format!("{}/{bucket}/{key}", self.aws)]);
    }

    pub async fn place_bytes(&self, name: &str, bytes: &[u8]) -> Result<Placed, String> {
        let folder = self.folder.path().join(token());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
        self.place(&folder.join(name)).await
    }

    /// Freezes a bill as a close does, here and in S3; an error says why it is none.
    pub async fn place(&self, path: &Path) -> Result<Placed, String> {
        let (bill, key) = if path.is_dir() {
            (Store::directory(path), String::new())
        } else {
            (Store::directory(path.parent().unwrap()), text(Path::new(path.file_name().unwrap())))
        };
        let work = Store::directory(self.folder.path());
        let (context, run) = (Context::new(bill, work.clone()), run_of(key));
        let located = locate(&context, &run).await?;
        let shard = Shard { from: 0, to: located.files.len() };
        let handle = async |event| reconciliation_gate::handle(&context, event).await.map_err(|error| error.to_string());
        handle(Event::Fingerprint { run: run.clone(), shard }).await?;
        handle(Event::Freeze { run: run.clone(), shard }).await?;
        handle(Event::FreezeCommit { run: run.clone() }).await?;
        let inputs: InputsManifest = read(&work, &format!("{}inputs.json", run.staging)).await;
        let mut tables: BTreeMap<BillFormat, Vec<TableFile>> = BTreeMap::new();
        for frozen in &inputs.files {
            let key = format!("{}{}", inputs.prefix(), frozen.path);
            let path = work.local_path(&key).unwrap();
            self.upload(&path, WORK, &key);
            let delivered = located.files.iter().find(|file| file.key == frozen.delivered_as).unwrap();
            let layout = located.layout_of(delivered).unwrap().clone();
            let stored = Some(Stored { area: Area::Frozen, key, layout });
            tables.entry(frozen.format.parse().unwrap()).or_default().push(TableFile { path: Some(path), stored });
        }
        Ok(Placed { name: text(Path::new(path.file_name().unwrap())), tables: tables_of(tables) })
    }

    /// Copies all that lies in a folder to S3, and finds the bill in it as a daily run does.
    pub async fn deliver(&self, path: &Path) -> Placed {
        let top = token();
        let mut waiting = vec![path.to_path_buf()];
        while let Some(at) = waiting.pop() {
            for entry in std::fs::read_dir(&at).unwrap() {
                let found = entry.unwrap().path();
                if found.is_dir() {
                    waiting.push(found);
                } else {
                    self.upload(&found, BILLS, &format!("{top}/{}", text(found.strip_prefix(path).unwrap())));
                }
            }
        }
        let context = Context::new(Store::directory(path), Store::directory(self.folder.path()));
        let located = locate(&context, &run_of(String::new())).await.unwrap();
        let mut tables: BTreeMap<BillFormat, Vec<TableFile>> = BTreeMap::new();
        for file in &located.files {
            let layout = located.layout_of(file).unwrap().clone();
            let stored = Some(Stored { area: Area::Delivered, key: format!("{top}/{}", file.key), layout });
            let path = context.bill.local_path(&file.key);
            tables.entry(file.format.parse().unwrap()).or_default().push(TableFile { path, stored });
        }
        Placed { name: "delivered".to_owned(), tables: tables_of(tables) }
    }
}

fn curl(arguments: &[&str]) {
    let mut all = vec!["-s", "-S", "-o", "/dev/null"];
    all.extend(arguments);
    run("curl", &all, Path::new("/")).expect(0);
}

/// Athena's front over a Trino, whose catalog and schema stand for Athena's.
pub fn front(trino: &str, aws: &str, catalog: &str, schema: &str) -> Front {
    Front::start(aws, &["--engine", &format!("trino={trino}"), "--catalog", catalog, "--schema", schema])
}

fn tables_of(tables: BTreeMap<BillFormat, Vec<TableFile>>) -> Vec<Table> {
    let table = |(format, files)| Table { name: "bill".to_owned(), format, files, notes: Notes::Unread };
    tables.into_iter().map(table).collect()
}

fn run_of(bill: String) -> Run {
    Run {
        period: "2026-09".parse().unwrap(),
        staging: format!("staging/{}/", token()),
        bill,
        configuration: String::new(),
        template: None,
        organization: None,
        invoices: None,
        provisional: false,
        closes: String::new(),
        currency: String::new(),
        attempt: 1,
    }
}

async fn locate(context: &Context, run: &Run) -> Result<Located, String> {
    match reconciliation_gate::handle(context, Event::Locate { run: run.clone() }).await {
        Ok(Output::Located { ready: true, .. }) => Ok(read(&context.work, &format!("{}bill.json", run.staging)).await),
        Ok(_) => Err("not ready".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

async fn read<T: serde::de::DeserializeOwned>(store: &Store, key: &str) -> T {
    serde_json::from_slice(&store.get(key).await.unwrap()).unwrap()
}
