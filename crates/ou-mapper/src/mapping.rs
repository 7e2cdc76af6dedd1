//! A snapshot as files: its JSON, and `account_ou_mapping.csv` for people and Athena.

use apportion_core::org::{OrgSnapshot, UNKNOWN};
use apportion_output::{OutputError, SafeCsv};
use serde::Serialize;
use std::collections::BTreeMap;

/// A snapshot, or the trees that a close goes by, as JSON, sorted by id: the same organization gives the same bytes, in whatever order it came.
pub fn snapshot_json(organization: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(organization)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Columns of `account_ou_mapping.csv`.
pub const MAPPING_COLUMNS: [&str; 8] = ["AccountId", "AccountName", "OU", "OUPath", "OUId", "State", "ParentId", "ParentIds"];

/// `account_ou_mapping.csv`, one line an account, sorted by account id. `OU` is the name of the unit that holds the account
/// (`Root` directly under the root), `OUPath` all names from the root, `ParentIds` all ids from the root, `/`-separated.
pub fn account_ou_mapping(organization: &OrgSnapshot) -> Result<Vec<u8>, OutputError> {
    let units: BTreeMap<&str, _> = organization.units.iter().map(|unit| (unit.id.as_str(), unit)).collect();
    let paths = organization.ou_paths();
    let mut csv = SafeCsv::new(&MAPPING_COLUMNS)?;
    for account in &organization.accounts {
        let holder = units.get(account.parent_id.as_str());
        let mut ids = vec![account.parent_id.as_str()];
        while let Some(unit) = ids.last().and_then(|id| units.get(id)) {
            ids.push(&unit.parent_id);
        }
        ids.reverse();
        csv.text(&account.id)?.text(&account.name)?.text(holder.map_or("Root", |unit| &unit.name))?;
        csv.text(paths.get(&account.id).map_or(UNKNOWN, String::as_str))?;
        csv.text(holder.map_or("", |unit| &unit.id))?.text(&account.state)?;
        csv.text(&account.parent_id)?.text(&ids.join("/"))?.end_row()?;
    }
    csv.finish()
}
