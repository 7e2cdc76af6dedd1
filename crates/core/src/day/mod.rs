//! The daily run: what its steps hand to each other, and whose each day's cost is.
//!
//! Owners come from the close's own rules ([`owned`]); what is restated between two runs is [`restated`]'s answer. Forecast,
//! anomalies and budgets build on [`Owned`].

mod date;
mod history;
mod owned;

pub use date::{Day, DayError};
pub use history::{HistoryFile, Restated, dated_snapshots, newest, restated};
pub use owned::{OwnedError, POOL, UNTAGGED_OWNER, owned, ownership};

use crate::bill::{Family, Kind, Measure, family_of};
use crate::money::Money;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One run of the daily machine. Keys and prefixes are of the work store; prefixes end in `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayRun {
    /// The day reported on.
    pub date: Day,
    /// Where this run stages its files: `staging/daily/<date>/<run>/`.
    pub staging: String,
    /// File, or prefix, of the bill store; it may hold several billing periods.
    pub bill: String,
    /// Prefix of the configuration files.
    pub configuration: String,
    /// Key of the organization file, if there is one.
    pub organization: Option<String>,
    /// The day that the organization file is of, where that is known: an old one is named in the mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_dated: Option<Day>,
    /// Rises when a failed run is started again, so that its queries run again.
    pub attempt: u32,
}

/// One row of `sql/daily.sql`: exact sums over bill lines of one usage day, alike in all that ownership and the digest need.
///
/// Absent text is `""`. Order of fields is the order of sorting and of the columns of `daily/rollups/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DayRow {
    /// `YYYY-MM`.
    pub billing_period: Text,
    /// `YYYY-MM-DD`, the UTC day on which usage starts; `""` where the bill does not say.
    pub day: Text,
    pub provider: Text,
    /// Legal seller: line rules may match on it.
    pub issuer: Text,
    pub billing_account_id: Text,
    pub account_id: Text,
    pub service: Text,
    pub kind: Kind,
    /// The export's own word.
    pub charge_type: Text,
    pub currency: Text,
    /// The resource where an anomaly override names it, else `""`.
    #[serde(default)]
    pub resource_id: Text,
    /// Trimmed raw tag values, one for each dimension of [`ownership`]'s taxonomy, in its order.
    pub tags: Vec<Text>,
    /// The greatest name that the bill gives the account.
    pub account_name: Text,
    pub cash: Measure,
    pub effective: Measure,
    /// Bill lines summed.
    pub rows: i64,
    /// Lines that have a net cost.
    pub net_rows: i64,
}

impl DayRow {
    /// The usage day, `None` where the bill does not say.
    pub fn date(&self) -> Option<Day> {
        self.day.parse().ok()
    }
}

/// A part of a [`DayRow`], or all of it, with its owner. Money is of one family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owned {
    pub billing_period: Text,
    pub day: Text,
    pub provider: Text,
    pub billing_account_id: Text,
    pub account_id: Text,
    pub account_name: Text,
    /// OU path of the account on that day; `""` directly under the root, `__unknown__` if the organization lacks it.
    pub ou: Text,
    /// Unit id, [`UNTAGGED_OWNER`] (no owning tag), `__unknown__` (a value that names no unit), or `pool:<id>` where a rule says so.
    pub owner: Text,
    /// What the owning tag said where it names no unit, else `""`.
    pub owner_value: Text,
    pub service: Text,
    pub kind: Kind,
    pub charge_type: Text,
    pub currency: Text,
    /// As in [`DayRow`].
    #[serde(default)]
    pub resource_id: Text,
    pub cash: Money,
    pub effective: Money,
    /// Bill lines; those of a row that is split count in its first part.
    pub rows: i64,
}

/// The cost family of day rows: the close's rule over all of them.
pub fn family(rows: &[DayRow]) -> Family {
    family_of(rows.iter().map(|row| (row.charge_type.as_str(), row.net_rows)))
}

/// Prefix below a run's staging of its day rows, `<day>/<billing period>.csv`.
pub const ROLLUP: &str = "rollup/";
/// Stands for the day of lines without one.
pub const UNDATED: &str = "undated";

/// What the daily rollup found beside its rows: `rollup.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayFacts {
    /// Bill lines of the bill at hand by format, those of days after the run's date included.
    pub lines: BTreeMap<String, i64>,
    /// Billing periods that the bill at hand holds, up to that of the date: period -> key of what the run keeps of it.
    pub periods: BTreeMap<String, String>,
    /// Billing periods that the bill at hand lacks: period -> key of the file that an earlier run kept.
    pub from_history: BTreeMap<String, String>,
    /// The newest usage day up to the run's date, over all rows.
    pub newest_day: Option<Day>,
    pub family: Family,
    /// Currency -> bill lines.
    pub currencies: BTreeMap<String, i64>,
    /// Lines of the bill at hand without a usage day: in no day's figures.
    pub undated_lines: i64,
    /// Lines of usage days after the date, or of later billing periods: left out.
    pub later_lines: i64,
    /// Keys of the staged day rows, `<staging>rollup/<day>/<billing period>.csv`: what else lies there is left over.
    pub staged: Vec<String>,
    /// Days of which an earlier run saw something else.
    pub restated: Vec<Restated>,
    /// Things a person should know about the files.
    pub warnings: Vec<String>,
}

/// The stages of a daily run, in order: names in the machine's data, the digest and `daily/runs/`.
pub const STAGES: [&str; 8] =
    ["organization", "readiness", "rollup", "evaluate", "hygiene", "suggestions", "executive", "digest"];

/// How a daily run went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Complete,
    /// The bill has no line of the day yet.
    NotReady,
    /// At least one stage failed.
    Failed,
}

/// A stage that ended with an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedStage {
    pub name: String,
    /// The error's name.
    #[serde(rename = "Error")]
    pub error: String,
    /// A sentence.
    #[serde(rename = "Cause")]
    pub cause: String,
}

/// `daily/runs/<date>/<run>.json`: what `apportion health` counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    pub date: Day,
    /// Where the run staged its files.
    pub run: String,
    pub outcome: Outcome,
    pub failed: Vec<FailedStage>,
    /// Stages that were not run because one before them failed or found nothing.
    pub skipped: Vec<String>,
    /// What a run without lines of the day waits for.
    pub awaited: Vec<String>,
    /// Stage -> milliseconds, retries included; where who ran the machine measured them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub milliseconds: BTreeMap<String, u64>,
}

impl RunRecord {
    /// Where the record is kept.
    pub fn key(&self) -> String {
        let name = self.run.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        format!("daily/runs/{}/{name}.json", self.date)
    }
}
