//! `offer`: a manifest has arrived, or the day's schedule comes round. Starts month end if it is due and its inputs are new.
//!
//! What is started depends on what lies there, never on the event: duplicates, late and out-of-order events come to the same name.

use super::start::{Pending, Started};
use super::{Deployment, kept};
use crate::due::{Due, Wanted, due};
use crate::stage::{Asked, Assets, stage, stage_day};
use crate::{Context, Error, Output, locate};
use apportion_core::day::Day;
use apportion_core::period::Period;
use apportion_output::sha256_hex;
use apportion_runtime::table::Item;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// How often a daily run looks for its bill: the machine's wait, half an hour.
const POLL_MINUTES: u32 = 30;
/// Sort key of what the last offer of a month came to.
pub(super) const OFFER: &str = "offer";
/// Who started a run that no person started.
const SCHEDULE: &str = "schedule";

/// What is offered; all of it may be absent: then it is the schedule's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Key of a file that has arrived.
    #[serde(default)]
    pub key: Option<String>,
    /// When, as EventBridge writes it: `2026-10-03T12:00:00Z`. Without it, now.
    #[serde(default)]
    pub scheduled: Option<String>,
    /// The month that a person names.
    #[serde(default)]
    pub period: Option<Period>,
    /// Who that is.
    #[serde(default)]
    pub started_by: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferStatus {
    Started,
    /// An execution of these inputs is under way.
    Running,
    /// One has ended well: nothing is new since.
    Ended,
    /// The month is closed.
    Closed,
    /// Not all is there; `why` says what is awaited.
    Awaiting,
    /// `why` says why not.
    NotDue,
}

/// What became of an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    pub status: OfferStatus,
    /// The month, or the day.
    pub of: String,
    /// Name of the execution, `""` if there is none.
    pub execution: String,
    pub why: Vec<String>,
}

impl Offered {
    fn not(status: OfferStatus, of: impl ToString, why: Vec<String>) -> Offered {
        Offered { status, of: of.to_string(), execution: String::new(), why }
    }

    fn of(of: impl ToString, (execution, started): (String, Started)) -> Offered {
        let status = match started {
            Started::Now => OfferStatus::Started,
            Started::Running => OfferStatus::Running,
            Started::Ended => OfferStatus::Ended,
        };
        Offered { status, of: of.to_string(), execution, why: Vec::new() }
    }
}

/// Starts month end if it is due.
pub(crate) async fn offer(context: &Context, deployment: &Deployment, request: &Request) -> Result<Output, Error> {
    let today = day_of(request.scheduled.as_deref())?;
    let wanted = match (request.period, &request.key) {
        (Some(period), _) => Wanted::Named(period),
        (None, Some(key)) => match locate::manifest_period(key) {
            Some(period) => Wanted::Delivered(period),
            None => {
                let why = vec![format!("`{key}` is no manifest of an export")];
                return Ok(Output::Offered(Offered::not(OfferStatus::NotDue, "", why)));
            }
        },
        (None, None) => Wanted::Next,
    };
    let (period, offered) = match due(wanted, &closed(deployment).await?, today) {
        Due::Closed(period) => (period, Offered::not(OfferStatus::Closed, period, Vec::new())),
        Due::NotNow(period, why) => (period, Offered::not(OfferStatus::NotDue, period, vec![why])),
        Due::Now(period) => (period, start(context, deployment, period, request.started_by.as_deref()).await?),
    };
    // What is kept is what matters of a month: not that an event of a closed or later one came by.
    if !matches!(offered.status, OfferStatus::NotDue | OfferStatus::Closed) {
        let text = serde_json::to_string(&offered).map_err(|error| Error::Staging(error.to_string()))?;
        let item = Item::new(offer_key(period), OFFER).with("offered", text);
        deployment.table.put(&kept(item)).await?;
    }
    Ok(Output::Offered(offered))
}

pub(super) fn offer_key(period: Period) -> String {
    format!("GATE#{period}")
}

async fn start(context: &Context, deployment: &Deployment, period: Period, started_by: Option<&str>) -> Result<Offered, Error> {
    let bill = match locate::files(context, period).await? {
        Ok(files) => files,
        Err(awaited) => return Ok(Offered::not(OfferStatus::Awaiting, period, awaited)),
    };
    let files = configuration(deployment).await?;
    let loaded = apportion_config::load_files(&files, period).map_err(|error| Error::BadConfiguration(error.to_string()))?;
    let invoices = deployment.invoices.read(period).await?;
    let mail = files.get(apportion_config::MAIL).cloned();
    let assets = Assets { configuration: loaded.files, invoices, mail, ..Assets::default() };
    let files: String = bill.iter().map(|entry| format!("{} {} {}\n", entry.key, entry.version, entry.size)).collect();
    let digest = sha256_hex(format!("{files}{}", assets.lines()).as_bytes());
    let stem = format!("{period}-{}", &digest[..12]);
    let assets = &assets;
    let input = move |name: String, attempt: u32| -> Pending<'_> {
        let asked = Asked {
            period,
            staging: format!("staging/{period}/{name}/"),
            bill: String::new(),
            provisional: false,
            closes: String::new(),
            currency: String::new(),
            attempt,
        };
        Box::pin(async move {
            let run = stage(&context.work, asked, assets).await?;
            Ok(json!({
                "run": run,
                "dry_run": false,
                "approval_required": deployment.is_approval_required,
                "started_by": started_by.unwrap_or(SCHEDULE),
            }))
        })
    };
    Ok(Offered::of(period, deployment.start(&deployment.month_end, &stem, false, input).await?))
}

/// Starts the daily run of the day before, or of the one that a person names; that one again even if it has ended well.
pub(crate) async fn offer_day(
    context: &Context,
    deployment: &Deployment,
    scheduled: Option<&str>,
    date: Option<Day>,
) -> Result<Output, Error> {
    let machine = deployment
        .daily
        .as_ref()
        .ok_or_else(|| Error::NotDeployed("there is no daily machine: set APPORTION_DAILY to its ARN".to_owned()))?;
    let yesterday = day_of(scheduled)?.plus(-1);
    let day = date.or(yesterday).ok_or_else(|| Error::BadRequest("there is no day before 1970-01-01".to_owned()))?;
    let files = configuration(deployment).await?;
    let loaded =
        apportion_config::load_files_for_day(&files, day.period()).map_err(|error| Error::BadConfiguration(error.to_string()))?;
    let deadline = loaded.mail.as_ref().map_or(apportion_config::DEADLINE_MINUTES, |mail| mail.deadline_minutes);
    let assets = Assets { configuration: loaded.files, ..Assets::default() };
    let assets = &assets;
    let input = move |name: String, attempt: u32| -> Pending<'_> {
        Box::pin(async move {
            let staging = (format!("staging/daily/{day}/{name}/"), attempt);
            let run = stage_day(&context.work, day, staging, String::new(), assets, None).await?;
            let stages = json!({ "readiness": { "output": { "polls": 0 } } });
            Ok(json!({ "run": run, "most_polls": deadline / POLL_MINUTES + 1, "stages": stages }))
        })
    };
    let started = deployment.start(machine, &day.to_string(), date.is_some(), input).await?;
    Ok(Output::Offered(Offered::of(day, started)))
}

async fn configuration(deployment: &Deployment) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut files = deployment.release.get_all("configuration/").await?;
    files.retain(|name, _| name.split('/').all(|part| !part.starts_with('.')));
    if files.is_empty() {
        return Err(Error::BadConfiguration(format!("{} has no file below configuration/", deployment.release)));
    }
    Ok(files)
}

/// Months that have a close.
async fn closed(deployment: &Deployment) -> Result<BTreeSet<Period>, Error> {
    let mut closed = BTreeSet::new();
    for name in deployment.closes.folders("closes/").await? {
        let Ok(period) = name.parse::<Period>() else { continue };
        if deployment.closes.head(&format!("closes/{period}/CURRENT")).await?.is_some() {
            closed.insert(period);
        }
    }
    Ok(closed)
}

/// The UTC day of a moment, or today.
fn day_of(moment: Option<&str>) -> Result<Day, Error> {
    let Some(text) = moment else {
        let days = super::now_seconds() / apportion_runtime::table::DAY_SECONDS;
        return Day::from_number(days).ok_or_else(|| Error::BadRequest("the clock is wrong".to_owned()));
    };
    let wrong = || Error::BadRequest(format!("`{text}` is no moment: write 2026-10-03T12:00:00Z"));
    text.get(..10).and_then(|day| day.parse().ok()).ok_or_else(wrong)
}
