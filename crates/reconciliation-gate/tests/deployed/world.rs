//! One deployment for one test.

use apportion_runtime::table::{Range, Table};
use apportion_stand_ins::{Proxy, StandIn, call, dynamodb_table, emulator};
use apportion_store::Store;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use reconciliation_gate::{Context, Deployment, Error, Event, InvoiceSource, Machine, handle};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// Holds an execution until it is stopped.
pub const HOLD: &str = r#"{"StartAt":"Hold","States":{"Hold":{"Type":"Wait","Seconds":3600,"End":true}}}"#;
pub const SUCCEED: &str = r#"{"StartAt":"Done","States":{"Done":{"Type":"Succeed"}}}"#;
pub const FAIL: &str =
    r#"{"StartAt":"Broken","States":{"Broken":{"Type":"Fail","Error":"DoesNotReconcile","Cause":"a cent is off"}}}"#;
const ROLE: &str = "arn:aws:iam::123456789012:role/machine";

pub struct World {
    pub emulator: &'static StandIn,
    pub proxy: Proxy,
    pub folder: tempfile::TempDir,
    pub context: Context,
    pub table: Table,
    pub name: String,
}

pub fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "tests")
}

fn machine(emulator: &StandIn, name: &str, definition: &str) -> Machine {
    let input = json!({ "name": name, "definition": definition, "roleArn": ROLE, "type": "STANDARD" });
    let made: Value = serde_json::from_str(&call(emulator, "AWSStepFunctions.CreateStateMachine", &input.to_string())).unwrap();
    Machine::parse(made["stateMachineArn"].as_str().unwrap()).unwrap()
}

/// A deployment with a delivered bill of September 2026 and nothing closed.
pub fn world(name: &str, definition: &str) -> Option<World> {
    let emulator = emulator(name)?;
    dynamodb_table(emulator, name);
    let proxy = Proxy::before(&emulator.url());
    let config = aws_sdk_dynamodb::config::Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(proxy.url())
        .credentials_provider(credentials());
    let table = Table::new(aws_sdk_dynamodb::Client::from_conf(config.build()), name);
    let config = aws_sdk_sfn::config::Builder::new()
        .behavior_version(aws_sdk_sfn::config::BehaviorVersion::latest())
        .region(aws_sdk_sfn::config::Region::from_static("us-east-1"))
        .endpoint_url(proxy.url())
        .credentials_provider(credentials());
    let folder = tempfile::tempdir().unwrap();
    let at = |part: &str| Store::directory(folder.path().join(part));
    let deployment = Deployment {
        closes: at("closes"),
        release: at("release"),
        invoices: InvoiceSource::File(Some(folder.path().join("invoices.json"))),
        table: table.clone(),
        step_functions: aws_sdk_sfn::Client::from_conf(config.build()),
        month_end: machine(emulator, &format!("{name}-month-end"), definition),
        daily: Some(machine(emulator, &format!("{name}-daily"), definition)),
        is_approval_required: false,
    };
    let mut context = Context::new(at("bill"), at("work"));
    context.deployment = Some(Arc::new(deployment));
    let world = World { emulator, proxy, context, table, name: name.to_owned(), folder };
    world.write("invoices.json", r#"{"InvoiceSummaries":[]}"#);
    configuration(&world);
    world.deliver("2026-09", "one");
    Some(world)
}

/// Units by one tag, one pool.
fn configuration(world: &World) {
    world.write(
        "release/configuration/taxonomy.toml",
        "version = 1\nowner = \"cost_center\"\n\n[[dimension]]\nname = \"cost_center\"\nmandatory = true\nfold_case = true\n[dimension.keys]\ncur2_resource_tags = [\"user_cost_center\"]\n",
    );
    world.write(
        "release/configuration/units.toml",
        "version = 1\n\n[[unit]]\nid = \"A\"\nname = \"Unit A\"\nbusiness_unit = \"All\"\nowners = []\n",
    );
    let mut rules = "version = 1\n\n[close]\ncurrency = \"USD\"\n\n".to_owned();
    for component in ["tax", "discount", "commitment"] {
        rules.push_str(&format!("[special.{component}]\nmethod = \"follow\"\nfallback = \"pool:untagged\"\n\n"));
    }
    for component in ["refund", "marketplace", "adjustment", "unclassified"] {
        rules.push_str(&format!("[special.{component}]\nmethod = \"owner\"\n\n"));
    }
    for component in ["unused", "upfront", "support", "credit", "rounding"] {
        rules.push_str(&format!("[special.{component}]\nmethod = \"assign\"\nassign = \"pool:untagged\"\n\n"));
    }
    rules.push_str("[[pool]]\nid = \"untagged\"\nname = \"Untagged\"\nkey = \"even\"\ntargets = \"all\"\nfallback = \"even\"\n");
    world.write("release/configuration/rules.toml", &rules);
}

impl World {
    pub fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn exists(&self, name: &str) -> bool {
        Path::new(self.folder.path()).join(name).exists()
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// An export of a month: its data, then its manifest.
    pub fn deliver(&self, period: &str, content: &str) {
        self.write(&format!("bill/export/data/BILLING_PERIOD={period}/export-00001.csv.gz"), content);
        self.write(
            &format!("bill/{}", manifest(period)),
            &format!("{{\"dataFiles\":[\"s3://bucket/export/data/BILLING_PERIOD={period}/export-00001.csv.gz\"]}}"),
        );
    }

    pub fn close(&self, period: &str) {
        self.write(&format!("closes/closes/{period}/CURRENT"), "abc");
    }

    /// Calls the gate as Lambda does, with JSON.
    pub async fn send(&self, event: Value) -> Result<Value, Error> {
        let event: Event = serde_json::from_value(event).unwrap();
        Ok(serde_json::to_value(handle(&self.context, event).await?).unwrap())
    }

    /// Status and name of the execution.
    pub async fn offer(&self, event: Value) -> (String, String) {
        let offered = self.send(event).await.unwrap();
        (offered["status"].as_str().unwrap().to_owned(), offered["execution"].as_str().unwrap().to_owned())
    }

    fn arn(&self, kind: &str, name: &str) -> String {
        format!("arn:aws:states:us-east-1:123456789012:{kind}:{name}")
    }

    fn states(&self, operation: &str, input: &Value) -> Value {
        serde_json::from_str(&call(self.emulator, &format!("AWSStepFunctions.{operation}"), &input.to_string())).unwrap()
    }

    /// Names of all executions of a machine, sorted.
    pub fn executions(&self, machine: &str) -> Vec<String> {
        let arn = self.arn("stateMachine", &format!("{}-{machine}", self.name));
        let listed = self.states("ListExecutions", &json!({ "stateMachineArn": arn }));
        let mut names: Vec<String> =
            listed["executions"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    pub fn describe(&self, machine: &str, execution: &str) -> Value {
        let arn = self.arn("execution", &format!("{}-{machine}:{execution}", self.name));
        self.states("DescribeExecution", &json!({ "executionArn": arn }))
    }

    pub fn stop(&self, machine: &str, execution: &str) {
        let arn = self.arn("execution", &format!("{}-{machine}:{execution}", self.name));
        self.states("StopExecution", &json!({ "executionArn": arn }));
    }

    /// The execution once it has ended.
    pub fn ended(&self, machine: &str, execution: &str) -> Value {
        for _ in 0..200 {
            let found = self.describe(machine, execution);
            if found["status"] != "RUNNING" {
                return found;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("{execution} does not end");
    }

    pub fn start(&self, machine: &str, name: &str, input: &Value) {
        let arn = self.arn("stateMachine", &format!("{}-{machine}", self.name));
        self.states("StartExecution", &json!({ "stateMachineArn": arn, "name": name, "input": input.to_string() }));
    }

    pub fn create_activity(&self) -> String {
        self.states("CreateActivity", &json!({ "name": self.name }))["activityArn"].as_str().unwrap().to_owned()
    }

    /// The token that a machine waits with.
    pub fn token(&self, activity: &str) -> String {
        let task = self.states("GetActivityTask", &json!({ "activityArn": activity }));
        task["taskToken"].as_str().unwrap_or_else(|| panic!("{task}")).to_owned()
    }

    pub fn update(&self, machine: &str, definition: &str) {
        let arn = self.arn("stateMachine", &format!("{}-{machine}", self.name));
        self.states("UpdateStateMachine", &json!({ "stateMachineArn": arn, "definition": definition }));
    }

    /// Sort keys below a partition key.
    pub async fn keys(&self, pk: &str) -> Vec<String> {
        let items = self.table.query(pk, &Range { from: " ", to: "~", newest_first: false, limit: None }).await.unwrap();
        items.into_iter().map(|item| item.sk).collect()
    }
}

pub fn manifest(period: &str) -> String {
    format!("export/metadata/BILLING_PERIOD={period}/export-Manifest.json")
}

/// What EventBridge sends when a file has arrived.
pub fn created(key: &str, moment: &str) -> Value {
    json!({
        "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": "Object Created", "source": "aws.s3",
        "account": "123456789012", "time": moment, "region": "us-east-1", "resources": ["arn:aws:s3:::bucket"],
        "detail": { "version": "0", "bucket": { "name": "bucket" }, "reason": "PutObject",
            "object": { "key": key, "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184", "sequencer": "00617F08299329D189" } },
    })
}
