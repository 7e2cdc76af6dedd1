//! Programs that stand in for AWS, started once for a test binary and ended with it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A program that serves on loopback.
pub struct StandIn {
    port: u16,
    // Its standard input ends with this process, and so does it. `None` where somebody else has started it.
    _child: Option<Child>,
}

impl StandIn {
    /// One that runs already.
    pub fn at(port: u16) -> StandIn {
        StandIn { port, _child: None }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A plain GET: the body.
    pub fn get(&self, path: &str) -> String {
        let answer = get(self.port, path).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }
}

/// AWS: S3, DynamoDB, Step Functions, KMS and more. `None`, with a line that names what is skipped, where it cannot be installed; in
/// CI nothing may be skipped.
pub fn emulator(what: &str) -> Option<&'static StandIn> {
    static EMULATOR: OnceLock<Option<StandIn>> = OnceLock::new();
    EMULATOR.get_or_init(|| start("scripts/emulator", "/_ministack/health")).as_ref().or_else(|| skipped(what, "the emulator"))
}

/// SES v2, which keeps the mails for `GET /store`.
pub fn mail_server(what: &str) -> Option<&'static StandIn> {
    static MAIL: OnceLock<Option<StandIn>> = OnceLock::new();
    MAIL.get_or_init(|| start("scripts/ses-local", "/health-check")).as_ref().or_else(|| skipped(what, "the stand-in for SES"))
}

fn skipped(what: &str, stand_in: &str) -> Option<&'static StandIn> {
    assert!(std::env::var_os("CI").is_none(), "{what}: {stand_in} cannot be installed, and CI skips nothing");
    println!("SKIPPED {what}: {stand_in} cannot be installed");
    None
}

fn start(script: &str, health: &str) -> Option<StandIn> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let installed = Command::new(root.join(script)).arg("install").stdout(Stdio::null()).status();
    if !installed.is_ok_and(|status| status.success()) {
        return None;
    }
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let folder = folder(port);
    let child = Command::new("bash")
        .args([
            "-c",
            "\"$0\" run \"$1\" \"$2\" >\"$2/log\" 2>&1 & program=$!; cat >/dev/null; kill $program; wait $program; rm -r \"$2\"",
        ])
        .arg(root.join(script))
        .arg(port.to_string())
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while get(port, health).is_none_or(|answer| answer.is_empty()) {
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(started.elapsed() < Duration::from_secs(60), "{script} does not answer:\n{log}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(StandIn { port, _child: Some(child) })
}

fn folder(port: u16) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("apportion-stand-in-{}-{port}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// A call to the emulator: the operation as in `x-amz-target`, and its input; gives the body of the answer.
pub fn call(emulator: &StandIn, target: &str, input: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", emulator.port)).unwrap();
    // The emulator reads the service from the signature's scope.
    let service = target.split(['_', '.']).next().unwrap().to_ascii_lowercase();
    let service = match service.as_str() {
        "trentservice" => "kms",
        "awsstepfunctions" => "states",
        other => other,
    };
    let head = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: {target}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test/20260901/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0\r\nContent-Length: {}\r\n\r\n",
        emulator.port,
        input.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(input.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{target}: {answer}");
    body.to_owned()
}

/// What a request in REST gave.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// A request in REST to a service of the emulator.
pub fn rest(emulator: &StandIn, service: &str, method: &str, path: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", emulator.port)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test/20260901/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0\r\nContent-Length: {}\r\n\r\n",
        emulator.port,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body: answer.split_off(end + 4) }
}

/// A table with the keys that ours has.
pub fn dynamodb_table(emulator: &StandIn, name: &str) {
    let input = format!(
        "{{\"TableName\":\"{name}\",\"BillingMode\":\"PAY_PER_REQUEST\",\"KeySchema\":[{{\"AttributeName\":\"pk\",\"KeyType\":\"HASH\"}},{{\"AttributeName\":\"sk\",\"KeyType\":\"RANGE\"}}],\"AttributeDefinitions\":[{{\"AttributeName\":\"pk\",\"AttributeType\":\"S\"}},{{\"AttributeName\":\"sk\",\"AttributeType\":\"S\"}}]}}"
    );
    call(emulator, "DynamoDB_20120810.CreateTable", &input);
}
