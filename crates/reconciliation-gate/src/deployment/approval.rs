//! A second person approves a close before it is published.
//!
//! The machine waits with a task token; whoever may call `approve` answers it. Who that is says IAM, and CloudTrail keeps it: the name given
//! here is for the record, and must not be that of the one who started the run.

use super::offer::{OFFER, Offered, offer_key};
use super::{Deployment, kept, run_key};
use crate::{Error, Output};
use apportion_core::close::Run;
use apportion_core::period::Period;
use apportion_runtime::service::ServiceError;
use apportion_runtime::table::{Item, Put, When};
use serde::{Deserialize, Serialize};
use serde_json::json;

const APPROVAL: &str = "approval";
const ASKED: &str = "asked";

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Name of the execution that waits; where empty, the one that `period` was last offered as.
    #[serde(default)]
    pub run: String,
    #[serde(default)]
    pub period: Option<Period>,
    pub approver: String,
    pub approved: bool,
    #[serde(default)]
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Approved,
    Refused,
}

impl Answer {
    fn of(approved: bool) -> Answer {
        if approved { Answer::Approved } else { Answer::Refused }
    }

    fn state(self) -> &'static str {
        match self {
            Answer::Approved => "approved",
            Answer::Refused => "refused",
        }
    }
}

/// Keeps the token and says in the log how to answer. A machine that asks again has a new token, and the question is open again.
pub(crate) async fn ask(deployment: &Deployment, run: &Run, token: &str, started_by: &str) -> Result<Output, Error> {
    let name = run.execution();
    let item = Item::new(run_key(name), APPROVAL).with("state", ASKED).with("token", token).with("started_by", started_by);
    deployment.table.put(&kept(item.with("period", run.period.to_string()))).await?;
    let command = json!({ "action": "approve", "run": name, "approver": "YOUR NAME", "approved": true });
    let period = run.period;
    tracing::warn!(
        period = period.to_string(),
        started_by,
        "a second person must approve this close before it is published: look at {}close/, then `apportion approve --period {period}`, or call this function with {command}",
        run.staging
    );
    Ok(Output::ApprovalAsked { run: name.to_owned() })
}

/// Takes an answer, once, and hands it to the machine. The same answer by the same person again is handed over again.
pub(crate) async fn approve(deployment: &Deployment, decision: &Decision) -> Result<Output, Error> {
    let run = run_of(deployment, decision).await?;
    let wrong = |what: &str| Error::BadApproval(format!("{run}: {what}"));
    let Some(asked) = deployment.table.get(&run_key(&run), APPROVAL).await? else {
        return Err(wrong("no run of that name waits for approval"));
    };
    if plain(&decision.approver).is_empty() {
        return Err(wrong("say who approves: `approver` is empty"));
    }
    if plain(&decision.approver) == plain(asked.field("started_by")) {
        return Err(wrong("whoever started a run does not approve it: ask a second person"));
    }
    let answer = Answer::of(decision.approved);
    let decided =
        asked.clone().with("state", answer.state()).with("approver", &*decision.approver).with("reason", &*decision.reason);
    let decided = match deployment.table.put_when(&decided, When::Holds("state", &[ASKED])).await? {
        Put::Done => decided,
        Put::Refused(Some(there)) if there == decided => decided,
        Put::Refused(there) => {
            let there = there.unwrap_or_default();
            return Err(wrong(&format!("it was {} by {} already", there.field("state"), there.field("approver"))));
        }
    };
    send(deployment, &decided, answer).await.map_err(|error| match error.code.as_str() {
        "TaskTimedOut" | "TaskDoesNotExist" | "InvalidToken" => {
            wrong(&format!("the run does not wait any more ({}): a new offer starts it again", error.code))
        }
        _ => error.into(),
    })?;
    Ok(Output::Decided { run, answer, approver: decision.approver.clone() })
}

/// The execution that is meant.
async fn run_of(deployment: &Deployment, decision: &Decision) -> Result<String, Error> {
    if !decision.run.is_empty() {
        return Ok(decision.run.clone());
    }
    let Some(period) = decision.period else {
        return Err(Error::BadApproval("say what is approved: name `run` or `period`".to_owned()));
    };
    let wrong = |what: &str| Err(Error::BadApproval(format!("{period}: nothing waits for approval: {what}")));
    let Some(item) = deployment.table.get(&offer_key(period), OFFER).await? else {
        return wrong("month end was not offered yet");
    };
    let offered: Offered =
        serde_json::from_str(item.field("offered")).map_err(|error| Error::Staging(format!("{} {OFFER}: {error}", item.pk)))?;
    if offered.execution.is_empty() {
        return wrong(&format!("no run of it has started ({})", offered.why.join("; ")));
    }
    Ok(offered.execution)
}

async fn send(deployment: &Deployment, decided: &Item, answer: Answer) -> Result<(), ServiceError> {
    let (token, approver) = (decided.field("token"), decided.field("approver"));
    match answer {
        Answer::Approved => {
            let output = json!({ "approved_by": approver }).to_string();
            let sent = deployment.step_functions.send_task_success().task_token(token).output(output).send().await;
            sent.map(drop).map_err(|error| ServiceError::of("states:SendTaskSuccess", &error))
        }
        Answer::Refused => {
            let cause = format!("{approver} did not approve it: {}", decided.field("reason"));
            let fail = deployment.step_functions.send_task_failure().task_token(token).error("ApprovalRefused").cause(cause);
            fail.send().await.map(drop).map_err(|error| ServiceError::of("states:SendTaskFailure", &error))
        }
    }
}

/// A name as it is compared.
fn plain(name: &str) -> String {
    name.trim().to_lowercase()
}
