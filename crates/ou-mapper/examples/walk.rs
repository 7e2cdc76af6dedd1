//! Walks the organization behind an endpoint and prints the snapshot: `walk URL [SPEED] [BUDGET_SECONDS]`. Figures go to stderr.
//!
//! `SPEED` divides all times, for a stand-in whose clock runs as fast; the budget shows that a walk goes on where it was.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use apportion_store::Store;
use aws_sdk_organizations::config::{BehaviorVersion, Credentials, Region};
use ou_mapper::{Limits, Organizations, Rate, Walked, snapshot_json};
use std::io::Write;
use std::time::{Duration, Instant};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let url = arguments.first().expect("give the endpoint's URL");
    let number = |at: usize, default: f64| arguments.get(at).map_or(default, |text| text.parse().expect("a number"));
    let (speed, default) = (number(1, 1.0), Limits::default());
    let faster = |time: Duration| time.div_f64(speed);
    let rate = |rate: Rate| Rate { interval: faster(rate.interval), ..rate };
    let limits = Limits {
        for_parent: rate(default.for_parent),
        list_accounts: rate(default.list_accounts),
        list_roots: rate(default.list_roots),
        backoff: faster(default.backoff),
        longest_backoff: faster(default.longest_backoff),
        budget: Duration::from_secs_f64(number(2, 720.0)),
        ..default
    };
    let credentials = Credentials::new("test", "test", None, None, "example");
    let config = aws_sdk_organizations::config::Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(credentials);
    let organizations = Organizations::new(config, limits);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::directory(folder.path());
    let start = Instant::now();
    let (organization, figures) = loop {
        match organizations.walk(&store, "walk.json").await.unwrap() {
            Walked::Done { organization, figures } => break (organization, figures),
            Walked::Running { organizational_units, accounts, figures } => {
                eprintln!("{organizational_units} OUs, {accounts} accounts so far; {figures:?}");
            }
        }
    };
    let (units, accounts) = (organization.units.len(), organization.accounts.len());
    eprintln!("{units} OUs, {accounts} accounts in {:.1} s; {figures:?}", start.elapsed().as_secs_f64());
    std::io::stdout().write_all(&snapshot_json(&organization).unwrap()).unwrap();
}
