//! A stand-in for S3 (`scripts/emulator`), and a proxy before it that fails as a network and a service do.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io::{Read, Write};
use std::net::{TcpListener as StdListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// The stand-in on a port of its own, ended when dropped.
pub struct Emulator {
    child: Child,
    pub port: u16,
    _folder: tempfile::TempDir,
}

impl Emulator {
    pub fn start() -> Emulator {
        let port = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/emulator");
        let child = Command::new(script)
            .args(["run", &port.to_string()])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("scripts/emulator runs");
        let emulator = Emulator { child, port, _folder: folder };
        // The first start installs it.
        let begun = Instant::now();
        while !emulator.is_ready() {
            assert!(begun.elapsed() < Duration::from_secs(180), "scripts/emulator run {port} was not ready in 180 s");
            std::thread::sleep(Duration::from_millis(100));
        }
        emulator
    }

    fn is_ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let asked = b"GET /_ministack/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
        let mut text = String::new();
        stream.write_all(asked).is_ok() && stream.read_to_string(&mut text).is_ok() && text.starts_with("HTTP/1.1 200")
    }

    pub fn client(&self) -> Client {
        client(self.port, 3)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of whatever serves a port, which sends a request at most so many times.
pub fn client(port: u16, attempts: u32) -> Client {
    let retries = RetryConfig::standard()
        .with_max_attempts(attempts)
        .with_initial_backoff(Duration::from_millis(5))
        .with_max_backoff(Duration::from_millis(20));
    let times = TimeoutConfig::builder().read_timeout(Duration::from_secs(120)).build();
    let configuration = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .force_path_style(true)
        .retry_config(retries)
        .timeout_config(times);
    Client::from_conf(configuration.build())
}

/// What the proxy does to a request instead of passing it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers with this status and code; the stand-in hears nothing.
    Refuse(u16, &'static str),
    /// Passes it on, then answers with this status and code all the same.
    DoneButRefused(u16, &'static str),
    /// Passes it on, then closes the connection without an answer.
    DoneButLost,
}

type Rule = dyn Fn(&str, &str) -> Option<Fault> + Send + Sync;

/// A proxy before the stand-in.
pub struct Proxy {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// Method and headers of a request.
type Seen = (String, HeaderMap);

impl Proxy {
    /// `rule` is asked with method and path of each request.
    pub async fn start(emulator: &Emulator, rule: impl Fn(&str, &str) -> Option<Fault> + Send + Sync + 'static) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, rule, upstream): (_, Arc<Rule>, _) = (Arc::clone(&seen), Arc::new(rule), emulator.port);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, rule) = (Arc::clone(&log), Arc::clone(&rule));
                let service = service_fn(move |request| serve(request, upstream, Arc::clone(&log), Arc::clone(&rule)));
                tokio::spawn(async move {
                    // An error of the service closes the connection, which is what a lost answer looks like.
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Proxy { port, seen }
    }

    /// How many requests of a method came.
    pub fn count(&self, method: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|(seen, _)| seen == method).count()
    }

    /// The values that a header had in the requests that had it.
    pub fn header(&self, name: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter_map(|(_, headers)| Some(headers.get(name)?.to_str().unwrap().to_owned())).collect()
    }
}

async fn serve(
    request: Request<Incoming>,
    upstream: u16,
    log: Arc<Mutex<Vec<Seen>>>,
    rule: Arc<Rule>,
) -> Result<Response<Full<Bytes>>, String> {
    let (mut parts, body) = request.into_parts();
    let method = parts.method.to_string();
    log.lock().unwrap().push((method.clone(), parts.headers.clone()));
    let fault = rule(&method, parts.uri.path());
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    if let Some(Fault::Refuse(status, code)) = fault {
        return Ok(refusal(&method, status, code));
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = format!("http://127.0.0.1:{upstream}{path}").parse().unwrap();
    let http = HttpClient::builder(TokioExecutor::new()).build_http();
    let answer = http.request(Request::from_parts(parts, Full::new(body))).await.map_err(|error| error.to_string())?;
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    match fault {
        Some(Fault::DoneButLost) => Err("the connection is closed".to_owned()),
        Some(Fault::DoneButRefused(status, code)) => Ok(refusal(&method, status, code)),
        _ => Ok(Response::from_parts(parts, Full::new(body))),
    }
}

/// An error as S3 words it.
fn refusal(method: &str, status: u16, code: &str) -> Response<Full<Bytes>> {
    let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>injected</Message></Error>");
    let body = if method == "HEAD" { Bytes::new() } else { Bytes::from(text) };
    Response::builder().status(status).header("content-type", "application/xml").body(Full::new(body)).unwrap()
}
