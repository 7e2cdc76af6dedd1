//! Organizations as the source, against a stand-in that speaks its protocol, throttles at the published rates and has faults.
#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use apportion_core::day::DayRun;
use apportion_core::org::OrgSnapshot;
use apportion_store::Store;
use aws_sdk_organizations::config::{BehaviorVersion, Builder, Credentials, Region};
use ou_mapper::{
    Context, Error, Event, Figures, Limits, OrgSource, Organizations, Output, Rate, Staged, handle, parse_organization,
    snapshot_json,
};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The stand-in's clock and the limits run this much faster than AWS.
const SPEED: u32 = 20;

/// A root, an OU in it, an OU in that: one list of accounts after the other, so that faults have a known place.
const CHAIN: &str = r#"{
  "Roots": [{"Id": "r-1", "Name": "Root"}],
  "OrganizationalUnits": [{"Id": "ou-a", "Name": "A", "ParentId": "r-1"}, {"Id": "ou-b", "Name": "B", "ParentId": "ou-a"}],
  "Accounts": [
    {"Id": "100000000001", "Name": "payer", "ParentId": "r-1", "State": "ACTIVE"},
    {"Id": "100000000002", "Name": "mover", "ParentId": "ou-a", "State": "SUSPENDED"},
    {"Id": "100000000003", "Name": "deep", "ParentId": "ou-b", "State": "PENDING_CLOSURE"}
  ]
}"#;

struct StandIn {
    child: Child,
    port: u16,
}

impl StandIn {
    fn start(arguments: &[&str]) -> StandIn {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/organizations.py");
        let speed = SPEED.to_string();
        let mut child = Command::new("python3")
            .arg(script)
            .args(["--speed", &speed])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 runs the stand-in");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        StandIn { child, port: line.trim().parse().expect("the stand-in prints its port") }
    }

    /// Requests and throttled ones, over all operations.
    fn figures(&self) -> (u64, u64) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(b"GET /figures HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let figures: serde_json::Value = serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        let sum = |name: &str| figures[name].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
        (sum("requests"), sum("throttled"))
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn limits() -> Limits {
    let default = Limits::default();
    let rate = |rate: Rate| Rate { interval: rate.interval / SPEED, ..rate };
    Limits {
        for_parent: rate(default.for_parent),
        list_accounts: rate(default.list_accounts),
        list_roots: rate(default.list_roots),
        backoff: default.backoff / SPEED,
        longest_backoff: default.longest_backoff / SPEED / 4,
        ..default
    }
}

fn config(port: u16) -> Builder {
    Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
}

fn organizations(port: u16, limits: Limits) -> Organizations {
    Organizations::new(config(port).credentials_provider(Credentials::new("test", "test", None, None, "tests")), limits)
}

/// A folder with a mapper over it.
struct World {
    folder: tempfile::TempDir,
    context: Context,
}

impl World {
    fn new(stand_in: &StandIn) -> World {
        World::with(organizations(stand_in.port, limits()))
    }

    fn with(source: Organizations) -> World {
        let folder = tempfile::tempdir().unwrap();
        let work = Store::directory(folder.path());
        World { folder, context: Context { work, source: OrgSource::Organizations(source) } }
    }

    /// The same folder, another source.
    fn from(&self, source: Organizations) -> Context {
        Context { work: Store::directory(self.folder.path()), source: OrgSource::Organizations(source) }
    }

    async fn day(&self) -> Result<Output, Error> {
        handle(&self.context, day("2026-09-14")).await
    }

    async fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for entry in self.context.work.list("").await.unwrap() {
            files.push((entry.key.clone(), self.context.work.get(&entry.key).await.unwrap()));
        }
        files
    }

    async fn staged(&self) -> OrgSnapshot {
        parse_organization(&self.context.work.get("staging/daily/one/organization.json").await.unwrap()).unwrap()
    }

    async fn keep(&self, key: &str, text: &str) {
        self.context.work.put(key, text.as_bytes()).await.unwrap();
    }
}

fn day(date: &str) -> Event {
    let run = DayRun {
        date: date.parse().unwrap(),
        staging: "staging/daily/one/".to_owned(),
        bill: String::new(),
        configuration: "configuration/".to_owned(),
        organization: None,
        organization_dated: None,
        attempt: 1,
    };
    Event::Day { run }
}

fn done(output: Output) -> Staged {
    match output {
        Output::Done(staged) => staged,
        running @ Output::Running { .. } => panic!("{running:?}"),
    }
}

fn walk(staged: &Staged) -> Figures {
    staged.origin.as_ref().unwrap().walk.unwrap()
}

/// A stand-in over a tree, and the file that describes it.
fn over(tree: &str, arguments: &[&str]) -> (StandIn, tempfile::NamedTempFile) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(tree.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    (StandIn::start(&[&["--tree", path.as_str()], arguments].concat()), file)
}

fn faults<'a>(rules: &[&'a str]) -> Vec<&'a str> {
    rules.iter().flat_map(|rule| ["--fault", rule]).collect()
}

#[tokio::test]
async fn a_walk_of_small_pages_gives_the_tree_of_the_file() {
    let shared = std::env::var("APPORTION_SHARED")
        .map_or_else(|_| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), std::path::PathBuf::from);
    let landing_zone = std::fs::read_to_string(shared.join("data/organizations/lza_all_enabled.json")).ok();
    assert!(landing_zone.is_some() || std::env::var_os("CI").is_none(), "shared data must be there in CI");
    for tree in [Some(CHAIN.to_owned()), landing_zone].into_iter().flatten() {
        // Two entries a page, every third page empty with a token.
        let (stand_in, _file) = over(&tree, &["--page", "2", "--empty", "3"]);
        let world = World::new(&stand_in);
        let staged = done(world.day().await.unwrap());
        let expected = snapshot_json(&parse_organization(tree.as_bytes()).unwrap()).unwrap();
        for key in [staged.snapshot.as_str(), "org/2026-09-14.json"] {
            assert_eq!(world.context.work.get(key).await.unwrap(), expected, "{key}");
        }
        let table = world.context.work.get(&staged.mapping).await.unwrap();
        assert_eq!(world.context.work.get("org/account_ou_mapping.csv").await.unwrap(), table);
        assert_eq!((walk(&staged).walks, walk(&staged).calls), (1, 1));
        assert_eq!(walk(&staged).requests, stand_in.figures().0);
        // A call again asks for nothing and says the same.
        assert_eq!(done(world.day().await.unwrap()), staged);
        assert_eq!(walk(&staged).requests, stand_in.figures().0);
    }
}

#[tokio::test]
async fn the_retired_status_is_a_state() {
    let (stand_in, _file) = over(CHAIN, &["--status"]);
    let world = World::new(&stand_in);
    done(world.day().await.unwrap());
    let states: Vec<String> = world.staged().await.accounts.into_iter().map(|account| account.state).collect();
    assert_eq!(states, ["ACTIVE", "SUSPENDED", "PENDING_CLOSURE"]);
}

#[tokio::test]
async fn requests_stay_under_the_published_rates() {
    // By hand: 61 places. ListAccounts 300 / 20 = 15 pages, ListRoots 1. Five accounts at most in a place: 61 pages. OUs: one page a place,
    // and one more where a place has more than 20 — the tree has none.
    let stand_in = StandIn::start(&["--generate", "60", "300"]);
    let world = World::new(&stand_in);
    let start = Instant::now();
    let figures = walk(&done(world.day().await.unwrap()));
    let (requests, throttled) = stand_in.figures();
    assert_eq!((figures.requests, figures.throttled), (requests, throttled));
    assert_eq!(requests - figures.retries, 15 + 1 + 61 + 61);
    // 122 at 5 a second after a burst of 5 take 23.4 s: 1.17 s at this speed. 15 at 8 a second after 8 take 0.9 s: 0.04 s.
    assert!(start.elapsed() >= Duration::from_millis(1200), "{:?}", start.elapsed());
    // A busy machine may bunch what was paced; the burst left over takes most of that.
    assert!(throttled * 20 <= requests, "{throttled} of {requests}");
}

#[tokio::test]
async fn throttling_failures_resets_and_refused_tokens_are_survived() {
    let rules =
        faults(&["*:2:throttle", "*:3:throttle", "*:6:500", "*:8:reset", "*:11:cut", "ListAccounts:7:token", "*:40:throttle"]);
    let stand_in = StandIn::start(&[&["--generate", "60", "300"], rules.as_slice()].concat());
    let world = World::new(&stand_in);
    let figures = walk(&done(world.day().await.unwrap()));
    assert!(figures.retries >= 6 && figures.throttled >= 3, "{figures:?}");
    let quiet = StandIn::start(&["--generate", "60", "300"]);
    let other = World::new(&quiet);
    done(other.day().await.unwrap());
    assert_eq!(world.staged().await, other.staged().await);
    assert_eq!(world.staged().await.accounts.len(), 300);
}

#[tokio::test]
async fn a_walk_cut_off_by_its_budget_goes_on_where_it_was() {
    let stand_in = StandIn::start(&["--generate", "60", "300"]);
    let short = Limits { budget: Duration::from_millis(400), ..limits() };
    let world = World::with(organizations(stand_in.port, short));
    let mut met = Vec::new();
    let staged = loop {
        match world.day().await.unwrap() {
            Output::Running { accounts, .. } => met.push(accounts),
            Output::Done(staged) => break staged,
        }
        assert_eq!(world.context.work.list("org/").await.unwrap(), [], "nothing is kept before the walk is whole");
        assert!(world.context.work.head("staging/daily/one/organization.json").await.unwrap().is_none());
    };
    assert!(met.len() >= 2 && met.is_sorted(), "{met:?}");
    assert_eq!(walk(&staged).calls as usize, met.len() + 1);
    assert_eq!(walk(&staged).requests - walk(&staged).retries, 138, "nothing was asked twice");
    let once = World::new(&stand_in);
    done(once.day().await.unwrap());
    assert_eq!(once.staged().await, world.staged().await);
}

#[tokio::test]
async fn a_walk_that_never_ends_is_given_up() {
    let stand_in = StandIn::start(&["--generate", "60", "300"]);
    let none = Limits { budget: Duration::ZERO, attempts: 2, ..limits() };
    let world = World::with(organizations(stand_in.port, none));
    for _ in 0..10 {
        assert!(matches!(world.day().await.unwrap(), Output::Running { .. }));
    }
    let error = world.day().await.unwrap_err();
    assert_eq!(error.name(), "OrganizationUnsettled");
    assert!(error.to_string().starts_with("the walk has not ended after 10 calls and "), "{error}");
}

#[tokio::test]
async fn a_tree_that_changes_under_the_walk_is_walked_again() {
    // The third list of accounts is that of ou-b; the change comes before its answer.
    for (rule, parent) in [
        // From a place seen to one not seen: met twice.
        ("ListAccountsForParent:3:move=100000000002=ou-b", "ou-b"),
        // The other way: never met.
        ("ListAccountsForParent:3:move=100000000003=r-1", "r-1"),
    ] {
        let (stand_in, _file) = over(CHAIN, &faults(&[rule]));
        let world = World::new(&stand_in);
        let figures = walk(&done(world.day().await.unwrap()));
        assert_eq!(figures.walks, 2, "{rule}");
        let moved = rule.split('=').nth(1).unwrap();
        let accounts = world.staged().await.accounts;
        assert_eq!(accounts.len(), 3);
        assert_eq!(accounts.iter().find(|account| account.id == moved).unwrap().parent_id, parent);
    }
    // An OU that goes takes its accounts' place with it.
    let rules = ["ListAccountsForParent:3:move=100000000003=ou-a", "ListAccountsForParent:3:delete=ou-b"];
    let (stand_in, _file) = over(CHAIN, &faults(&rules));
    let world = World::new(&stand_in);
    assert_eq!(walk(&done(world.day().await.unwrap())).walks, 2);
    assert_eq!(world.staged().await.units.len(), 1);
    // A new account disturbs nothing, whether it was met or not.
    let (stand_in, _file) = over(CHAIN, &faults(&["ListAccountsForParent:3:add=100000000009=ou-b"]));
    let world = World::new(&stand_in);
    assert_eq!(walk(&done(world.day().await.unwrap())).walks, 1);
    assert_eq!(world.staged().await.accounts.len(), 4);
}

#[tokio::test]
async fn a_tree_that_never_rests_is_an_error() {
    let rules = ["3:move=100000000002=ou-b", "6:move=100000000002=ou-a", "9:move=100000000002=ou-b"]
        .map(|rule| format!("ListAccountsForParent:{rule}"));
    let (stand_in, _file) = over(CHAIN, &faults(&rules.iter().map(String::as_str).collect::<Vec<_>>()));
    let world = World::new(&stand_in);
    let error = world.day().await.unwrap_err();
    assert_eq!(error.name(), "OrganizationUnsettled");
    assert!(error.to_string().contains("each of 3 walks, last: the account 100000000002 moved"), "{error}");
}

#[tokio::test]
async fn a_walk_that_fails_half_way_changes_nothing_and_goes_on_later() {
    let stand_in = StandIn::start(&[&["--generate", "60", "300"], faults(&["*:70+:denied"]).as_slice()].concat());
    let world = World::new(&stand_in);
    // Too old to stand in for today's.
    world.keep("org/2026-08-01.json", CHAIN).await;
    world.keep("org/account_ou_mapping.csv", "as it was\n").await;
    let before = world.files().await;
    let error = world.day().await.unwrap_err();
    assert_eq!(error.name(), "OrganizationsDenied");
    let message = error.to_string();
    assert!(message.starts_with("no right to List") && message.contains("allow it to the mapper's role"), "{message}");
    let mut after = world.files().await;
    after.retain(|(key, _)| key != "staging/daily/one/organization_walk.json");
    assert_eq!(after, before);
    let asked = stand_in.figures().0;
    let quiet = StandIn::start(&["--generate", "60", "300"]);
    let context = world.from(organizations(quiet.port, limits()));
    let staged = done(handle(&context, day("2026-09-14")).await.unwrap());
    assert_eq!((staged.accounts, walk(&staged).calls), (300, 2));
    assert_eq!(walk(&staged).requests, asked + quiet.figures().0);
    assert!(quiet.figures().0 < 138 - 60, "{:?}", quiet.figures());
}

#[tokio::test]
async fn failures_have_names_and_only_those_that_may_pass_are_tried_again() {
    for (rule, name, requests) in [
        ("*:1+:expired", "ExpiredCredentials", 1),
        ("*:1+:denied", "OrganizationsDenied", 1),
        ("*:1+:throttle", "OrganizationsThrottled", 8),
        ("*:1+:500", "OrganizationsUnavailable", 8),
        ("*:1+:reset", "OrganizationsUnavailable", 8),
    ] {
        let (stand_in, _file) = over(CHAIN, &faults(&[rule]));
        let error = World::new(&stand_in).day().await.unwrap_err();
        assert_eq!((error.name(), stand_in.figures().0), (name, requests), "{error}");
        assert!(error.to_string().contains("ListAccounts"), "{error}");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = World::with(organizations(closed, Limits { attempts: 2, ..limits() })).day().await.unwrap_err();
    assert_eq!(error.name(), "OrganizationsUnavailable", "{error}");
    let error = World::with(Organizations::new(config(closed), limits())).day().await.unwrap_err();
    assert_eq!(error.name(), "ExpiredCredentials", "{error}");
}

#[tokio::test]
async fn an_earlier_snapshot_stands_in_while_it_is_young_enough_and_is_named() {
    let (stand_in, _file) = over(CHAIN, &faults(&["*:1+:expired"]));
    // Seven days are allowed where the configuration does not say.
    for (kept, allowed) in [("2026-09-07", true), ("2026-09-06", false), ("2026-09-15", false)] {
        let world = World::new(&stand_in);
        world.keep(&format!("org/{kept}.json"), "{\"Roots\": []}").await;
        world.keep(&format!("org/{kept}.2.json"), CHAIN).await;
        let before = world.files().await;
        match world.day().await {
            Ok(output) if allowed => {
                let staged = done(output.clone());
                assert_eq!(staged.origin.as_ref().unwrap().stale_since, Some(kept.parse().unwrap()));
                assert!(staged.origin.unwrap().failure.unwrap().contains("renew them"));
                assert_eq!(world.staged().await, parse_organization(CHAIN.as_bytes()).unwrap());
                assert_eq!(serde_json::to_value(&output).unwrap()["stale_since"], kept);
            }
            Err(error) if !allowed => assert_eq!(error.name(), "ExpiredCredentials"),
            other => panic!("{kept}: {other:?}"),
        }
        // It is not kept as that of the day.
        let mut after = world.files().await;
        after.retain(|(key, _)| !key.starts_with("staging/"));
        assert_eq!(after, before);
    }
}

#[tokio::test]
async fn the_configuration_says_how_old_a_snapshot_may_be() {
    let (stand_in, _file) = over(CHAIN, &faults(&["*:1+:expired"]));
    for (days, allowed) in [("2", false), ("4", true)] {
        let world = World::new(&stand_in);
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
        for file in std::fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|file| file.path().is_file()) {
            let text = std::fs::read_to_string(file.path()).unwrap();
            let text = text.replace("organization_days = 7", &format!("organization_days = {days}"));
            world.keep(&format!("configuration/{}", file.file_name().to_str().unwrap()), &text).await;
        }
        world.keep("org/2026-09-11.json", CHAIN).await;
        assert_eq!(world.day().await.is_ok(), allowed, "{days}");
    }
}

#[tokio::test]
async fn a_close_goes_by_the_last_snapshot_of_its_period() {
    let (stand_in, _file) = over(CHAIN, &faults(&["*:1+:expired"]));
    let world = World::new(&stand_in);
    for (day, name) in [("2026-08-31", "August"), ("2026-09-02", "early"), ("2026-09-29", "late"), ("2026-10-01", "October")] {
        world.keep(&format!("org/{day}.json"), &CHAIN.replace("payer", name)).await;
    }
    let run = serde_json::json!({
        "period": "2026-09", "staging": "staging/2026-09/one/", "bill": "", "configuration": "", "template": null,
        "organization": null, "invoices": null, "provisional": false, "closes": "", "currency": "", "attempt": 1,
    });
    let event = Event::Snapshot { run: serde_json::from_value(run).unwrap() };
    let staged = done(handle(&world.context, event).await.unwrap());
    assert_eq!(staged.origin.unwrap().kept, Some("2026-09-29".parse().unwrap()));
    let snapshot = parse_organization(&world.context.work.get(&staged.snapshot).await.unwrap()).unwrap();
    assert_eq!(snapshot.accounts[0].name, "late");
    assert_eq!(stand_in.figures().0, 0);
}
