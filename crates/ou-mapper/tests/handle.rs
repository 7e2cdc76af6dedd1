//! The step as a whole, over a folder.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use apportion_core::close::Run;
use apportion_store::{Store, StoreError};
use ou_mapper::{Context, Error, Event, OrgSource, Output, Staged};

const FILE: &str = r#"{
  "Roots": [{"Id": "r-1", "Name": "Root"}],
  "OrganizationalUnits": [
    {"Id": "ou-2", "Name": "Claims, \"East\"", "ParentId": "ou-1"},
    {"Id": "ou-1", "Name": "Workloads", "ParentId": "r-1"}
  ],
  "Accounts": [
    {"Id": "100000000009", "Name": "=cmd()", "ParentId": "ou-2", "Status": "SUSPENDED"},
    {"Id": "100000000001", "Name": "meridian-payer", "ParentId": "r-1", "State": "ACTIVE"}
  ]
}"#;

fn run(organization: Option<&str>) -> Run {
    Run {
        period: "2026-09".parse().unwrap(),
        staging: "staging/2026-09/one/".into(),
        bill: String::new(),
        configuration: String::new(),
        template: None,
        organization: organization.map(str::to_owned),
        invoices: None,
        provisional: false,
        closes: String::new(),
        currency: String::new(),
        attempt: 1,
    }
}

/// A file is read in one call.
async fn handle(context: &Context, event: Event) -> Result<Staged, Error> {
    match ou_mapper::handle(context, event).await? {
        Output::Done(staged) => Ok(staged),
        running @ Output::Running { .. } => panic!("{running:?}"),
    }
}

async fn with_file(text: &str) -> (tempfile::TempDir, Context) {
    let folder = tempfile::tempdir().unwrap();
    let work = Store::directory(folder.path());
    work.put("org.json", text.as_bytes()).await.unwrap();
    (folder, Context { work, source: OrgSource::File })
}

#[tokio::test]
async fn the_mapping_gives_each_account_its_units() {
    let (_folder, context) = with_file(FILE).await;
    let output = handle(&context, Event::Snapshot { run: run(Some("org.json")) }).await.unwrap();
    assert_eq!((output.accounts, output.organizational_units), (2, 2));
    let mapping = String::from_utf8(context.work.get("staging/2026-09/one/account_ou_mapping.csv").await.unwrap()).unwrap();
    assert_eq!(
        mapping,
        "AccountId,AccountName,OU,OUPath,OUId,State,ParentId,ParentIds\n\
         100000000001,meridian-payer,Root,,,ACTIVE,r-1,r-1\n\
         100000000009,'=cmd(),\"Claims, \"\"East\"\"\",\"Workloads/Claims, \"\"East\"\"\",ou-2,SUSPENDED,ou-2,r-1/ou-1/ou-2\n"
    );
}

#[tokio::test]
async fn the_order_of_the_file_does_not_matter_and_a_rerun_changes_nothing() {
    let (_folder, context) = with_file(FILE).await;
    let first = handle(&context, Event::Snapshot { run: run(Some("org.json")) }).await.unwrap();
    assert_eq!(handle(&context, Event::Snapshot { run: run(Some("org.json")) }).await.unwrap(), first);
    let mut reversed: serde_json::Value = serde_json::from_str(FILE).unwrap();
    for list in ["OrganizationalUnits", "Accounts"] {
        reversed[list].as_array_mut().unwrap().reverse();
    }
    let (_other, context) = with_file(&reversed.to_string()).await;
    assert_eq!(handle(&context, Event::Snapshot { run: run(Some("org.json")) }).await.unwrap().digest, first.digest);
}

#[tokio::test]
async fn a_snapshot_gives_itself_so_that_a_close_can_be_re_derived() {
    let (_folder, context) = with_file(FILE).await;
    let first = handle(&context, Event::Snapshot { run: run(Some("org.json")) }).await.unwrap();
    let mut again = run(Some(&first.snapshot));
    again.staging = "staging/2026-09/again/".into();
    assert_eq!(handle(&context, Event::Snapshot { run: again }).await.unwrap().digest, first.digest);
    // The empty snapshot too.
    let mut none = run(None);
    none.staging = "staging/2026-09/none/".into();
    let empty = handle(&context, Event::Snapshot { run: none }).await.unwrap();
    let mut again = run(Some(&empty.snapshot));
    again.staging = "staging/2026-09/none-again/".into();
    assert_eq!(handle(&context, Event::Snapshot { run: again }).await.unwrap().digest, empty.digest);
}

#[tokio::test]
async fn a_snapshot_is_never_overwritten() {
    let (_folder, context) = with_file(FILE).await;
    handle(&context, Event::Snapshot { run: run(Some("org.json")) }).await.unwrap();
    context.work.put("org.json", FILE.replace("meridian-payer", "renamed").as_bytes()).await.unwrap();
    let error = handle(&context, Event::Snapshot { run: run(Some("org.json")) }).await.unwrap_err();
    assert_eq!(error.name(), "BadOrganization");
    let snapshot = context.work.get("staging/2026-09/one/organization.json").await.unwrap();
    assert!(String::from_utf8(snapshot).unwrap().contains("meridian-payer"));
}

#[tokio::test]
async fn without_an_organization_every_account_is_unknown() {
    let (_folder, context) = with_file(FILE).await;
    let output = handle(&context, Event::Snapshot { run: run(None) }).await.unwrap();
    assert_eq!(output.accounts, 0);
    let bytes = context.work.get(&output.snapshot).await.unwrap();
    let snapshot: apportion_core::org::OrgSnapshot = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(snapshot, apportion_core::org::OrgSnapshot::default());
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_and_nothing_is_staged() {
    let (_folder, context) = with_file("{ \"Roots\": 1 }").await;
    for (key, expected) in
        [("org.json", "the organization file, line 1, column 12: "), ("gone.json", "there is no organization file `gone.json`")]
    {
        let error = handle(&context, Event::Snapshot { run: run(Some(key)) }).await.unwrap_err();
        assert!(matches!(&error, Error::BadOrganization(message) if message.starts_with(expected)), "{error}");
    }
    assert_eq!(context.work.list("staging/").await.unwrap(), []);
    let missing = context.work.get("staging/2026-09/one/organization.json").await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn the_shared_organizations_are_read_or_refused_by_their_account_ids() {
    let shared = match std::env::var("APPORTION_SHARED") {
        Ok(path) => std::path::Path::new(&path).join("data/organizations"),
        Err(_) => std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/organizations"),
    };
    if !shared.exists() {
        assert!(std::env::var_os("CI").is_none(), "shared data must be there in CI");
        println!("SKIPPED shared organizations: shared data not beside the clone");
        return;
    }
    let read = |name: &str| std::fs::read(shared.join(name)).unwrap();
    let landing_zone = ou_mapper::parse_organization(&read("lza_all_enabled.json")).unwrap();
    let paths = landing_zone.ou_paths();
    let root_account = landing_zone.accounts.iter().find(|account| account.id == "111111111111").unwrap();
    assert_eq!(paths[&root_account.id], "", "the management account lies under the root");
    for name in ["koku_org_tree_day0.json", "koku_org_tree_day-31.json", "koku_org_tree_day-90.json"] {
        let message = ou_mapper::parse_organization(&read(name)).unwrap_err().to_string();
        assert!(message.contains("`9999999999990` has an id of 13 characters"), "{name}: {message}");
        // With one digit less they are trees like any other.
        let trimmed = String::from_utf8(read(name)).unwrap().replace("\"9999999999", "\"999999999");
        ou_mapper::parse_organization(trimmed.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
