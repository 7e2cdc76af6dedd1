//! Clients for Athena's adapter that give up soon; the parity test has them too.

use apportion_engine_athena::Settings;
use aws_sdk_athena::config::retry::RetryConfig;
use aws_sdk_athena::config::timeout::TimeoutConfig;
use aws_sdk_athena::config::{BehaviorVersion, Credentials, Region};
use std::time::Duration;

/// Clients of Athena and S3 at these addresses.
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

/// A poll waits for the end of a query.
pub fn settings() -> Settings {
    Settings { patience: Duration::from_secs(60), ..Settings::new("primary", "apportion") }
}
