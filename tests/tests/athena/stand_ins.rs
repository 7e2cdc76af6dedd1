//! What the tests of Athena start: an S3 (the emulator) and the front that speaks Athena.

use apportion_engine_athena::{AthenaEngine, Settings};
use aws_sdk_athena::config::retry::RetryConfig;
use aws_sdk_athena::config::timeout::TimeoutConfig;
use aws_sdk_athena::config::{BehaviorVersion, Credentials, Region};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A process of ours, ended with the value.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The address of an S3 on this machine, the same for all tests.
pub fn s3() -> String {
    let Some(emulator) = apportion_stand_ins::emulator("Athena over S3") else {
        panic!("`scripts/emulator install` does not work")
    };
    emulator.url()
}

/// Clients of Athena and S3 that give up soon.
pub fn clients(athena: &str, s3: &str) -> (aws_sdk_athena::Client, aws_sdk_s3::Client) {
    let credentials = Credentials::new("test", "test", None, None, "tests");
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(5));
    let limits = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(20)).build();
    let of_athena = aws_sdk_athena::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials.clone())
        .retry_config(retries.clone())
        .timeout_config(limits.clone())
        .endpoint_url(athena);
    let of_s3 = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .retry_config(retries)
        .timeout_config(limits)
        .force_path_style(true)
        .endpoint_url(s3);
    (aws_sdk_athena::Client::from_conf(of_athena.build()), aws_sdk_s3::Client::from_conf(of_s3.build()))
}

/// A bucket that may be there already.
pub async fn bucket(name: &str) {
    let _ = clients("http://127.0.0.1:9", &s3()).1.create_bucket().bucket(name).send().await;
}

pub struct Front {
    _process: Running,
    pub url: String,
}

impl Front {
    /// `apportion athena` with results in the bucket `results`, and what else is given.
    pub async fn start(arguments: &[&str]) -> Front {
        bucket("results").await;
        let mut command = Command::new(apportion_tests::binary());
        command.args(["athena", "--port", "0", "--results", "s3://results/athena/"]).args(arguments).stdout(Stdio::piped());
        let environment = [
            ("AWS_ENDPOINT_URL", s3()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ];
        let mut child = command.envs(environment).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let process = Running(child);
        assert!(line.starts_with("http://127.0.0.1:"), "the front says `{line}`");
        Front { _process: process, url: line.trim().to_owned() }
    }
}

/// Our adapter with a poll that waits for the end of a query.
pub fn engine(athena: &str, s3: &str) -> AthenaEngine {
    let (athena, s3) = clients(athena, s3);
    AthenaEngine::new(athena, s3, settings())
}

pub fn settings() -> Settings {
    Settings { patience: Duration::from_secs(60), ..Settings::new("primary", "apportion") }
}
