//! A function as Lambda runs it: settings read once, then one event after the other, in JSON log lines and named errors.

mod serve;
mod settings;

pub use serve::serve;
pub use settings::Settings;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use std::time::Duration;

/// What all clients of AWS go by: region, endpoints (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>`) and credentials of the
/// environment; four attempts with growing waits; three seconds to connect, thirty until an answer begins.
///
/// Reading a body has no limit of its own: the SDK ends one that stalls, and Lambda ends the call.
pub async fn configuration() -> SdkConfig {
    let times = TimeoutConfig::builder().connect_timeout(Duration::from_secs(3)).read_timeout(Duration::from_secs(30)).build();
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        .timeout_config(times)
        .load()
        .await
}
