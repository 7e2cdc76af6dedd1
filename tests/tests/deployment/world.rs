//! The deployment as a person sees it who has its keys: buckets, machines, functions.

use super::between::Between;
use apportion_stand_ins::{StandIn, call, rest};
use apportion_tests::{apportion_with, run, text};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;

pub const MONTH_END: &str = "apportion-month-end";
pub const DAILY: &str = "apportion-daily";
pub const LEDGER: &str = "apportion-ledger-123456789012";
pub const WORK: &str = "apportion-work-123456789012";
const BILL: &str = "apportion-bill-123456789012";
const MANIFEST: &str = "meridian-cur2-Manifest.json";
/// How much higher the ports lie at which functions look for the stand-ins: `APPORTION_BETWEEN` of `scripts/deploy-local`.
const SHIFT: u16 = 10;

/// A version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub key: String,
    pub id: String,
    pub is_deletion: bool,
}

pub struct World {
    /// What `scripts/deploy-local` keeps: the sample, the configuration, Terraform's outputs.
    pub folder: PathBuf,
    /// The last month that has ended, the newest of the sample.
    pub period: String,
    pub aws: StandIn,
    pub mail: StandIn,
    pub between: Between,
    outputs: Value,
    s3: Client,
    runtime: Runtime,
    /// Closed in process, from the same files.
    local: PathBuf,
    scratch: tempfile::TempDir,
}

/// The one deployment, for one test at a time, wiped. `None`, with a line that names what is skipped, where nothing is deployed.
pub fn world(what: &str) -> Option<MutexGuard<'static, World>> {
    static WORLD: OnceLock<Option<Mutex<World>>> = OnceLock::new();
    let Some(world) = WORLD.get_or_init(|| std::env::var_os("APPORTION_DEPLOYED").map(|folder| Mutex::new(open(folder.into()))))
    else {
        println!("SKIPPED {what}: `make test-deployed` deploys what it needs");
        return None;
    };
    let world = world.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    world.between.calm();
    world.wipe();
    Some(world)
}

fn open(folder: PathBuf) -> World {
    let port: u16 = std::fs::read_to_string(folder.join("port")).unwrap().trim().parse().unwrap();
    let outputs = std::fs::read_to_string(folder.join("outputs.json")).unwrap();
    let sample: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("sample/sample.json")).unwrap()).unwrap();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .force_path_style(true)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"));
    let scratch = tempfile::tempdir().unwrap();
    let world = World {
        period: sample["period"].as_str().unwrap().to_owned(),
        aws: StandIn::at(port),
        mail: StandIn::at(port + 1),
        between: Between::before([port, port + 1, port + 2, port + 3, port + 4], SHIFT),
        outputs: serde_json::from_str(&outputs).unwrap(),
        s3: Client::from_conf(config.build()),
        runtime: Runtime::new().unwrap(),
        local: scratch.path().join("local"),
        folder,
        scratch,
    };
    world.close_locally();
    for period in world.periods() {
        if period != world.period {
            world.deliver(&period);
        }
    }
    world
}

impl World {
    fn sample(&self, name: &str) -> String {
        text(&self.folder.join("sample").join(name))
    }

    fn close_locally(&self) {
        let (bill, organization, invoices) =
            (self.sample("bill"), self.sample("organization.json"), self.sample("invoices.json"));
        let (config, out) = (text(&self.folder.join("config")), text(&self.local));
        let arguments = ["close", "--period", &self.period, "--bill", &bill, "--config", &config, "--org", &organization];
        apportion_with(self.scratch.path(), &[&arguments[..], &["--invoices", &invoices, "--out", &out]].concat(), &[]).expect(0);
    }

    /// `--out` of the close in process.
    pub fn local(&self) -> &Path {
        &self.local
    }

    /// A day in process, with the same history: none.
    pub fn day_locally(&self, date: &str, out: &Path) {
        let (bill, organization, config) =
            (self.sample("bill"), self.sample("organization.json"), text(&self.folder.join("config")));
        let arguments = ["daily", "--date", date, "--bill", &bill, "--config", &config, "--org", &organization];
        apportion_with(out, &[&arguments[..], &["--out", &text(out)]].concat(), &[]).expect(0);
    }

    /// The export of the sample: the folder that holds `data/` and `metadata/`.
    fn export(&self) -> PathBuf {
        self.folder.join("sample/bill/cur2/meridian-cur2")
    }

    fn periods(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.export().join("data")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().replace("BILLING_PERIOD=", "")).collect()
    }

    /// Puts a month where AWS would: all data, in a folder of this delivery, then the manifest that names it, whose arrival is the event.
    pub fn deliver(&self, period: &str) {
        let delivery = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let folder = self.export().join(format!("data/BILLING_PERIOD={period}"));
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap();
            let key = format!("bill/apportion/data/BILLING_PERIOD={period}/{delivery}/{name}");
            self.put(&key, std::fs::read(&file).unwrap());
        }
        let manifest = self.export().join(format!("metadata/BILLING_PERIOD={period}/{MANIFEST}"));
        let manifest = std::fs::read_to_string(manifest).unwrap();
        let place = format!("/data/BILLING_PERIOD={period}/");
        self.put(&self.manifest(period), manifest.replace(&place, &format!("{place}{delivery}/")).into_bytes());
    }

    /// The manifest that lies there arrives once more.
    pub fn deliver_manifest_again(&self) {
        let key = self.manifest(&self.period);
        let manifest = self.get(BILL, &key);
        self.put(&key, manifest);
    }

    fn put(&self, key: &str, bytes: Vec<u8>) {
        self.runtime.block_on(self.s3.put_object().bucket(BILL).key(key).body(bytes.into()).send()).unwrap();
    }

    fn get(&self, bucket: &str, key: &str) -> Vec<u8> {
        let object = self.runtime.block_on(self.s3.get_object().bucket(bucket).key(key).send()).unwrap();
        self.runtime.block_on(object.body.collect()).unwrap().to_vec()
    }

    /// Key of a month's manifest.
    pub fn manifest(&self, period: &str) -> String {
        format!("bill/apportion/metadata/BILLING_PERIOD={period}/{MANIFEST}")
    }

    pub fn versions(&self, bucket: &str) -> Vec<Version> {
        let (mut found, mut key, mut id) = (Vec::new(), None, None);
        loop {
            let list = self.s3.list_object_versions().bucket(bucket).set_key_marker(key).set_version_id_marker(id);
            let page = self.runtime.block_on(list.send()).unwrap();
            let version = |key: Option<&str>, id: Option<&str>, is_deletion| Version {
                key: key.unwrap().to_owned(),
                id: id.unwrap().to_owned(),
                is_deletion,
            };
            found.extend(page.versions().iter().map(|one| version(one.key(), one.version_id(), false)));
            found.extend(page.delete_markers().iter().map(|one| version(one.key(), one.version_id(), true)));
            if page.is_truncated() != Some(true) {
                return found;
            }
            (key, id) = (page.next_key_marker, page.next_version_id_marker);
        }
    }

    /// Whether S3 lets a version be removed by somebody who may not pass Object Lock by.
    pub fn may_delete(&self, bucket: &str, version: &Version) -> bool {
        let delete = self.s3.delete_object().bucket(bucket).key(&version.key).version_id(&version.id);
        self.runtime.block_on(delete.send()).is_ok()
    }

    /// As nothing had ever run: no close, no work, no item. The bill stays.
    pub fn wipe(&self) {
        for bucket in [LEDGER, WORK] {
            for version in self.versions(bucket) {
                let delete = self.s3.delete_object().bucket(bucket).key(version.key).version_id(version.id);
                self.runtime.block_on(delete.bypass_governance_retention(true).send()).unwrap();
            }
        }
        let scanned = self.ask("DynamoDB_20120810.Scan", &json!({ "TableName": "apportion" }));
        for item in scanned["Items"].as_array().unwrap() {
            let key = json!({ "TableName": "apportion", "Key": { "pk": item["pk"], "sk": item["sk"] } });
            self.ask("DynamoDB_20120810.DeleteItem", &key);
        }
        rest(&self.mail, "ses", "POST", "/clear-store", b"");
    }

    /// All files of a bucket, by key.
    pub fn files(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        let keys: BTreeSet<String> = self.versions(bucket).into_iter().map(|version| version.key).collect();
        keys.into_iter().map(|key| (key.clone(), self.get(bucket, &key))).collect()
    }

    /// A call in JSON.
    pub fn ask(&self, target: &str, input: &Value) -> Value {
        serde_json::from_str(&call(&self.aws, target, &input.to_string())).unwrap()
    }

    fn states(&self, operation: &str, input: &Value) -> Value {
        self.ask(&format!("AWSStepFunctions.{operation}"), input)
    }

    pub fn machine(&self, name: &str) -> String {
        format!("arn:aws:states:us-east-1:123456789012:stateMachine:{name}")
    }

    /// Names of a machine's executions.
    pub fn executions(&self, machine: &str) -> BTreeSet<String> {
        let listed = self.states("ListExecutions", &json!({ "stateMachineArn": self.machine(machine), "maxResults": 1000 }));
        listed["executions"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Starts something and gives the execution that comes of it.
    pub fn started(&self, machine: &str, start: impl FnOnce()) -> String {
        let before = self.executions(machine);
        start();
        let begun = Instant::now();
        loop {
            if let Some(name) = self.executions(machine).difference(&before).next() {
                return name.clone();
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing starts {machine}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn start(&self, machine: &str, name: &str, input: &Value) {
        let input = json!({ "stateMachineArn": self.machine(machine), "name": name, "input": input.to_string() });
        self.states("StartExecution", &input);
    }

    fn execution(&self, machine: &str, name: &str) -> String {
        format!("arn:aws:states:us-east-1:123456789012:execution:{machine}:{name}")
    }

    pub fn describe(&self, machine: &str, name: &str) -> Value {
        self.states("DescribeExecution", &json!({ "executionArn": self.execution(machine, name) }))
    }

    /// What an execution was started with.
    pub fn input(&self, machine: &str, name: &str) -> Value {
        serde_json::from_str(self.describe(machine, name)["input"].as_str().unwrap()).unwrap()
    }

    /// The execution once it has ended.
    pub fn ended(&self, machine: &str, name: &str) -> Value {
        let begun = Instant::now();
        loop {
            let found = self.describe(machine, name);
            if found["status"] != "RUNNING" {
                return found;
            }
            assert!(begun.elapsed() < Duration::from_secs(400), "{name} does not end");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The output of an execution that must end well.
    #[track_caller]
    pub fn succeeded(&self, machine: &str, name: &str) -> Value {
        let ended = self.ended(machine, name);
        assert_eq!(ended["status"], "SUCCEEDED", "{name}: {} {}", ended["error"], ended["cause"]);
        serde_json::from_str(ended["output"].as_str().unwrap()).unwrap()
    }

    /// All events of an execution.
    pub fn history(&self, machine: &str, name: &str) -> Vec<Value> {
        let (arn, mut events, mut token) = (self.execution(machine, name), Vec::new(), Value::Null);
        loop {
            let mut input = json!({ "executionArn": arn, "maxResults": 1000 });
            if !token.is_null() {
                input["nextToken"] = token;
            }
            let page = self.states("GetExecutionHistory", &input);
            events.extend(page["events"].as_array().unwrap().iter().cloned());
            token = page["nextToken"].clone();
            if token.is_null() {
                return events;
            }
        }
    }

    /// ARN of the published version of a function, by its name in the state machines.
    pub fn function(&self, name: &str) -> String {
        self.outputs["functions"]["value"][name].as_str().unwrap().to_owned()
    }

    /// The roles allow what the functions did while it was noted.
    #[track_caller]
    pub fn rights_suffice(&self) {
        let calls: Vec<Value> = self.between.noted().into_iter().map(|note| note.request).collect();
        let script = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deployment/rights.py"));
        let (state, noted) =
            (text(&self.folder.join("tree/infra/terraform.tfstate")), text(&self.scratch.path().join("calls.json")));
        std::fs::write(&noted, Value::from(calls).to_string()).unwrap();
        let ran = run("python3", &[&script, &state, &noted], &self.folder);
        println!("{}", ran.expect(0).stdout.trim());
    }

    /// ARN of the key that signs.
    pub fn signing_key(&self) -> &str {
        self.outputs["signing_key"]["value"].as_str().unwrap()
    }

    /// Calls a function and waits for its answer: the output, or the error's type and message.
    pub fn invoke(&self, arn: &str, payload: &Value) -> Result<Value, (String, String)> {
        let arn = arn.replace(':', "%3A");
        let path = format!("/2015-03-31/functions/{arn}/invocations");
        let answer = rest(&self.aws, "lambda", "POST", &path, payload.to_string().as_bytes());
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.head));
        if !answer.head.to_ascii_lowercase().contains("x-amz-function-error") {
            return Ok(body);
        }
        let field = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Err((field("errorType"), field("errorMessage")))
    }

    /// Calls what events and schedules call.
    pub fn offer(&self, payload: &Value) -> Result<Value, (String, String)> {
        self.invoke("arn:aws:lambda:us-east-1:123456789012:function:apportion-reconciliation-gate:live", payload)
    }
}
