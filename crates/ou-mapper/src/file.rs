//! The organization file: `Roots`, `OrganizationalUnits` and `Accounts` in the shapes of the Organizations API, OUs and accounts
//! with the `ParentId` that the API gives by the call that lists them. Unknown keys are left alone.

use apportion_core::day::Day;
use apportion_core::org::{Account, DatedTree, OrgError, OrgSnapshot, OrganizationalUnit};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny};

/// Why an organization file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Not JSON, or not of this shape; serde says line and column.
    #[error("line {line}, column {column}: {what}")]
    Json { line: usize, column: usize, what: String },
    #[error("{0}; correct the file or export the organization again")]
    Tree(#[from] OrgError),
    #[error("the list `Trees` is empty: give it the organization of at least one day")]
    NoTrees,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Organization {
    roots: Vec<Root>,
    #[serde(default)]
    organizational_units: Vec<Unit>,
    #[serde(default)]
    accounts: Vec<Member>,
}

/// `{"Trees": […]}`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Trees {
    trees: Vec<Tree>,
}

/// One of them: when, and an organization.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tree {
    snapshot: Day,
    /// What a close wrote of it; a person need not.
    from: Option<Day>,
    roots: Vec<Root>,
    #[serde(default)]
    organizational_units: Vec<Unit>,
    #[serde(default)]
    accounts: Vec<Member>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Root {
    #[serde(deserialize_with = "identifier")]
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Unit {
    #[serde(deserialize_with = "identifier")]
    id: String,
    name: String,
    #[serde(deserialize_with = "identifier")]
    parent_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Member {
    #[serde(deserialize_with = "account_id")]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(deserialize_with = "identifier")]
    parent_id: String,
    state: Option<String>,
    /// The name of `State` until 2026-09-09.
    status: Option<String>,
}

/// An id that may stand in a `/`-separated list.
fn identifier<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    if id.is_empty() || id.len() > 128 || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return Err(D::Error::custom(format!("`{}` is not an id of Organizations (letters, digits, `-`, `_`)", short(&id))));
    }
    Ok(id)
}

fn account_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    if id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(id);
    }
    let digits = id.chars().count();
    Err(D::Error::custom(format!(
        "the account `{}` has an id of {digits} characters: an AWS account id has 12 digits, as text with its leading zeros; correct the Id",
        short(&id)
    )))
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

impl From<serde_json::Error> for FileError {
    fn from(error: serde_json::Error) -> FileError {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let what = text.strip_suffix(&place).unwrap_or(&text).to_owned();
        FileError::Json { line: error.line(), column: error.column(), what }
    }
}

/// Reads and checks an organization file; a snapshot that the mapper wrote is one too, the empty one included. The result is
/// sorted by id.
pub fn parse_organization(bytes: &[u8]) -> Result<OrgSnapshot, FileError> {
    snapshot(serde_json::from_slice(without_mark(bytes))?)
}

/// What an organization file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrganizationFile {
    One(OrgSnapshot),
    /// `{"Trees": […]}`: trees of several days, each an organization with the day of its `Snapshot`; at least one.
    Dated(Vec<DatedTree>),
}

/// Reads and checks a file of one organization, or of dated ones.
pub fn parse_organization_file(bytes: &[u8]) -> Result<OrganizationFile, FileError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Probe {
        trees: Option<IgnoredAny>,
    }
    let probe: Probe = serde_json::from_slice(without_mark(bytes))?;
    if probe.trees.is_none() {
        return parse_organization(bytes).map(OrganizationFile::One);
    }
    let file: Trees = serde_json::from_slice(without_mark(bytes))?;
    let dated = |tree: Tree| {
        let Tree { snapshot: day, from, roots, organizational_units, accounts } = tree;
        let tree = snapshot(Organization { roots, organizational_units, accounts })?;
        Ok(DatedTree { from: from.unwrap_or(day), snapshot: day, tree })
    };
    let trees = file.trees.into_iter().map(dated).collect::<Result<Vec<_>, FileError>>()?;
    if trees.is_empty() { Err(FileError::NoTrees) } else { Ok(OrganizationFile::Dated(trees)) }
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn snapshot(file: Organization) -> Result<OrgSnapshot, FileError> {
    let snapshot = OrgSnapshot {
        root_ids: file.roots.into_iter().map(|root| root.id).collect(),
        units: file
            .organizational_units
            .into_iter()
            .map(|unit| OrganizationalUnit { id: unit.id, name: unit.name, parent_id: unit.parent_id })
            .collect(),
        accounts: file
            .accounts
            .into_iter()
            .map(|account| Account {
                id: account.id,
                name: account.name,
                parent_id: account.parent_id,
                state: account.state.or(account.status).unwrap_or_else(|| "ACTIVE".to_owned()),
            })
            .collect(),
    };
    Ok(snapshot.checked()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse_organization(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn state_counts_before_the_retired_status_and_unknown_keys_are_left_alone() {
        let text = r#"{"source": "x", "Roots": [{"Id": "r-1", "Name": "Root", "PolicyTypes": []}], "OrganizationalUnits": [],
            "Accounts": [
              {"Id": "000000000003", "Name": "c", "ParentId": "r-1"},
              {"Id": "000000000002", "Name": "b", "ParentId": "r-1", "Status": "SUSPENDED", "Email": "b@example.com"},
              {"Id": "000000000001", "Name": "a", "ParentId": "r-1", "Status": "ACTIVE", "State": "PENDING_CLOSURE"}]}"#;
        let snapshot = parse_organization(text.as_bytes()).unwrap();
        let found: Vec<_> = snapshot.accounts.iter().map(|account| (account.id.as_str(), account.state.as_str())).collect();
        assert_eq!(found, [("000000000001", "PENDING_CLOSURE"), ("000000000002", "SUSPENDED"), ("000000000003", "ACTIVE")]);
    }

    #[test]
    fn errors_give_line_and_column_and_what_to_do() {
        assert!(error("{\n  \"Roots\": [}").starts_with("line 2, column 13: "), "{}", error("{\n  \"Roots\": [}"));
        assert!(error("").starts_with("line 1, column 0: "));
        assert_eq!(error("{}"), "line 1, column 2: missing field `Roots`");
        let rootless = r#"{"Roots": [], "Accounts": [{"Id": "000000000001", "ParentId": "r-1"}]}"#;
        assert!(error(rootless).starts_with("`000000000001` has the parent `r-1`, which is neither a root nor an OU"));
        let thirteen = "{\"Roots\": [{\"Id\": \"r\"}],\n \"Accounts\": [{\"Id\": \"9999999999990\", \"ParentId\": \"r\"}]}";
        let message = error(thirteen);
        assert!(message.starts_with("line 2, column 36: the account `9999999999990` has an id of 13 characters"), "{message}");
        assert!(message.ends_with("12 digits, as text with its leading zeros; correct the Id"), "{message}");
        let number = "{\"Roots\": [{\"Id\": \"r\"}],\n \"Accounts\": [{\"Id\": 123456789012, \"ParentId\": \"r\"}]}";
        assert!(
            error(number).starts_with("line 2, column 33: invalid type: integer `123456789012`, expected a string"),
            "{}",
            error(number)
        );
        let slash = r#"{"Roots": [{"Id": "r/1"}]}"#;
        assert!(error(slash).contains("`r/1` is not an id"), "{}", error(slash));
    }

    #[test]
    fn dated_trees_are_read_and_each_is_checked() {
        let tree = |day: &str, more: &str| format!(r#"{{"Snapshot": "{day}", {more} "Roots": [{{"Id": "r-1"}}]}}"#);
        let read = |trees: &str| parse_organization_file(format!(r#"{{"Trees": [{trees}]}}"#).as_bytes());
        let two = format!("{}, {}", tree("2026-08-30", r#""From": "2026-09-01","#), tree("2026-09-15", ""));
        let OrganizationFile::Dated(found) = read(&two).unwrap() else { panic!("one tree") };
        let days: Vec<(String, String)> =
            found.iter().map(|dated| (dated.from.to_string(), dated.snapshot.to_string())).collect();
        let expected = [("2026-09-01", "2026-08-30"), ("2026-09-15", "2026-09-15")];
        assert_eq!(days, expected.map(|(from, snapshot)| (from.to_owned(), snapshot.to_owned())));
        assert_eq!(read("").unwrap_err(), FileError::NoTrees);
        let error = read(&tree("2026-09-31", "")).unwrap_err().to_string();
        assert!(error.starts_with("line 1, column ") && error.contains("`2026-09-31` is not a day"), "{error}");
        let stray = r#"{"Snapshot": "2026-09-01", "Roots": [], "Accounts": [{"Id": "000000000001", "ParentId": "r-1"}]}"#;
        assert!(read(stray).unwrap_err().to_string().starts_with("`000000000001` has the parent `r-1`"));
        let one = parse_organization_file(br#"{"Roots": [{"Id": "r-1"}]}"#).unwrap();
        assert!(matches!(one, OrganizationFile::One(_)));
    }

    #[test]
    fn a_tree_that_is_none_is_refused() {
        let account = |id: &str, parent: &str| format!(r#"{{"Id": "{id}", "Name": "n", "ParentId": "{parent}"}}"#);
        let file = |units: &str, accounts: &str| {
            error(&format!(r#"{{"Roots": [{{"Id": "r-1"}}], "OrganizationalUnits": [{units}], "Accounts": [{accounts}]}}"#))
        };
        let one = account("000000000001", "r-1");
        assert!(file("", &format!("{one}, {one}")).starts_with("the account `000000000001` appears twice"));
        assert!(file("", &account("000000000001", "ou-gone")).starts_with("`000000000001` has the parent `ou-gone`"));
        let circle = format!("{}, {}", account("ou-a", "ou-b"), account("ou-b", "ou-a"));
        assert_eq!(file(&circle, ""), "the OU `ou-a` is its own ancestor; correct the file or export the organization again");
    }
}
