//! `digest`: what the day's stages left, as one mail; the day's rows into the archive.

use crate::days::{Days, snapshots};
use crate::evaluate::{EVALUATION, configuration};
use crate::figures::long_day;
use crate::mail::{Attachment, Message, build, picture_id};
use crate::outbox::{self, Letter, Preview, Sent, Topic};
use crate::page::{File, Notice, Page, Section, Tone};
use crate::{Context, Error, Output, archive, chart, html, sections, staged, staging, text};
use apportion_config::{Loaded, Mail};
use apportion_core::day::{Day, DayRun, FailedStage, RunRecord};
use apportion_core::evaluation::Evaluation;
use apportion_core::hygiene::Findings;
use apportion_output::sha256_hex;
use apportion_store::StoreError;
use serde::Deserialize;
use std::collections::BTreeMap;

const DAY_SECONDS: i64 = 86_400;

/// Stages by name, with the staged file that proves each and what the mail lacks without it.
const STAGES: [(&str, &str, &str); 6] = [
    ("organization", "organization.json", "OUs are those of an earlier snapshot, or unknown"),
    ("rollup", "rollup.json", "there are no figures of the day and no CSV"),
    ("evaluate", EVALUATION, "forecast, budgets and anomalies are missing"),
    ("hygiene", "hygiene.json", "tag hygiene is missing"),
    ("suggestions", "suggestions.json", "suggested owners are missing"),
    ("executive", "executive.pdf", "the page for executives is missing"),
];

/// The part of `hygiene.json` that the digest shows.
#[derive(Deserialize)]
struct Hygiene {
    findings: String,
    #[serde(default)]
    open: Vec<String>,
}

/// The part of `suggestions.json` that the digest shows.
#[derive(Deserialize)]
struct Suggestions {
    suggestions: String,
    count: usize,
    unowned: usize,
    acceptance: Acceptance,
}

#[derive(Deserialize)]
struct Acceptance {
    accepted: usize,
    rejected: usize,
}

pub(crate) async fn digest(context: &Context, run: &DayRun, stages: &[FailedStage]) -> Result<Output, Error> {
    let loaded = configuration(context, run).await?;
    let currency = &loaded.configuration.settings.currency;
    let csv = match Days::open(context, run, &loaded).await? {
        None => None,
        Some(mut days) => {
            let csv = archive::breakdown_csv(&days.rows(Some(run.date)).await?, run.date, currency)?;
            Some((archive::archive(context, run.date, &csv).await?, csv))
        }
    };
    let missing = missing(context, run, stages).await?;
    let names = missing.iter().map(|(name, _)| name.clone()).collect();
    let archived = csv.as_ref().map(|(key, _)| key.clone());
    let Some(mail) = &loaded.mail else {
        return Ok(Output::Digest { sent: false, mail: String::new(), version: 0, archive: archived, missing: names });
    };
    let pdf = pdf(context, run).await?;
    let (files, attachments) = files(mail, csv, pdf.clone(), run.date);
    let mut page = page(context, run, &loaded, &missing, files).await?;
    let evaluation: Option<Evaluation> = staged(context, &format!("{}{EVALUATION}", run.staging)).await?;
    let picture = evaluation.map(|found| chart::png(&found.trend)).transpose().map_err(staging)?.flatten();
    let content = content(&page, &attachments)?;
    let sent = Sent { figures: figures_of(&page) };
    let topic = Topic::Digest(run.date);
    let (version, is_new) = match context.outbox.newest(&topic).await? {
        Some(newest) if newest.content == content => match newest.doubt {
            None => (newest.version, false),
            Some(doubt) => return Err(Error::MailUnknown(doubt)),
        },
        Some(newest) => {
            page.notices.insert(0, replaced(&newest.sent, &sent, newest.version));
            (newest.version + 1, true)
        }
        None => (1, true),
    };
    let mut was_sent = false;
    if is_new {
        let (bytes, html) = message(mail, run.date, version, &page, picture.as_deref(), &attachments, &content)?;
        let preview = Preview { html, pdf };
        let (sender, recipients) = (mail.sender.as_str(), mail.recipients.as_slice());
        let letter = Letter {
            topic: &topic,
            version,
            content: &content,
            mail: &bytes,
            preview: &preview,
            sent: &sent,
            sender,
            recipients,
        };
        was_sent = context.outbox.send(&letter).await?;
    }
    Ok(Output::Digest { sent: was_sent, mail: outbox::key(&topic, version), version, archive: archived, missing: names })
}

/// The mail, and the HTML with its picture inside to look at.
fn message(
    mail: &Mail,
    date: Day,
    version: u32,
    page: &Page,
    picture: Option<&[u8]>,
    attachments: &[Attachment],
    content: &str,
) -> Result<(Vec<u8>, String), Error> {
    let replaces = if version > 1 { format!(" (replaces mail {})", version - 1) } else { String::new() };
    let subject = format!("{}: {date}{replaces}", mail.subject);
    let id = picture_id(date);
    let source = format!("cid:{id}");
    let body = html::render(page, picture.map(|_| source.as_str()));
    let text = text::render(page);
    let message = Message {
        topic: &Topic::Digest(date),
        version,
        // The end of the day reported on.
        date: (date.number() + 1) * DAY_SECONDS,
        recipients: &mail.recipients,
        subject: &subject,
        text: &text,
        html: &body,
        picture: picture.map(|png| (id.as_str(), png)),
        attachments,
        content,
    };
    let inside = picture.map(|png| format!("data:image/png;base64,{}", base64(png)));
    Ok((build(mail, &message)?, html::render(page, inside.as_deref())))
}

/// Stages that failed, then those that left no file, each in order, with what the mail says of it.
async fn missing(context: &Context, run: &DayRun, stages: &[FailedStage]) -> Result<Vec<(String, String)>, Error> {
    let mut missing = Vec::new();
    for (name, file, lack) in STAGES {
        let failed = stages.iter().find(|stage| stage.name == name);
        let is_there = context.work.head(&format!("{}{file}", run.staging)).await?.is_some();
        let why = match failed {
            None if is_there => continue,
            None => "it did not run".to_owned(),
            Some(stage) => format!("{}: {}", stage.error, sentence(&stage.cause, run)),
        };
        missing.push((name.to_owned(), format!("{}: {lack} ({}).", capital(name), crate::figures::name_of(&why, 400))));
    }
    for stage in stages.iter().filter(|stage| STAGES.iter().all(|(name, ..)| *name != stage.name)) {
        let why = format!("{}: {}", stage.error, sentence(&stage.cause, run));
        let shown = crate::figures::name(&stage.name);
        missing.push((stage.name.clone(), format!("{}: it failed ({}).", capital(&shown), crate::figures::name_of(&why, 400))));
    }
    // Why comes before what follows from it.
    missing.sort_by_key(|(name, _)| stages.iter().all(|stage| stage.name != *name));
    Ok(missing)
}

fn capital(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// The sentence in a cause, which Lambda wraps in JSON. Without the place of the run: a rerun that fails alike says the same.
fn sentence(cause: &str, run: &DayRun) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(cause).ok();
    let message = parsed.as_ref().and_then(|value| value.get("errorMessage")).and_then(serde_json::Value::as_str);
    message.unwrap_or(cause).trim_end_matches('.').replace(&run.staging, "")
}

async fn pdf(context: &Context, run: &DayRun) -> Result<Option<Vec<u8>>, Error> {
    match context.work.get(&format!("{}executive.pdf", run.staging)).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What is attached, and what the page says of it.
fn files(mail: &Mail, csv: Option<(String, Vec<u8>)>, pdf: Option<Vec<u8>>, date: Day) -> (Vec<File>, Vec<Attachment>) {
    let (mut files, mut attachments) = (Vec::new(), Vec::new());
    let fits = |bytes: &[u8]| bytes.len() as u64 <= mail.attachment_limit_bytes;
    let mut attach = |name: String, mime, bytes, files: &mut Vec<File>, text: &str| {
        files.push(File { text: format!("Attached: {name}, {text}."), url: None });
        attachments.push(Attachment { name, mime, bytes });
    };
    if let Some((key, csv)) = csv {
        let rows = csv.iter().filter(|byte| **byte == b'\n').count().saturating_sub(1);
        if fits(&csv) {
            let what = format!("cash by OU, service and account, unrounded, {rows} rows");
            attach(format!("ou_breakdown_{date}.csv"), "text/csv", csv, &mut files, &what);
        } else {
            let place = mail.archive_url.as_ref().map(|url| format!("{url}{key}"));
            let path = if place.is_none() { format!(": {key}") } else { String::new() };
            let text =
                format!("The CSV ({rows} rows, {} kB) is too large for a mail; it lies in the archive{path}", csv.len() / 1_000);
            files.push(File { text, url: place });
        }
    }
    if let Some(pdf) = pdf {
        if fits(&pdf) {
            attach(format!("executive_{date}.pdf"), "application/pdf", pdf, &mut files, "one page for executives");
        } else {
            files.push(File { text: "The page for executives is too large for a mail.".to_owned(), url: None });
        }
    }
    (files, attachments)
}

async fn page(
    context: &Context,
    run: &DayRun,
    loaded: &Loaded,
    missing: &[(String, String)],
    files: Vec<File>,
) -> Result<Page, Error> {
    let mut notices: Vec<Notice> = missing.iter().map(|(_, text)| Notice { tone: Tone::Bad, text: text.clone() }).collect();
    let record: Option<RunRecord> = staged(context, &format!("{}run.json", run.staging)).await?;
    if let Some(record) = record.filter(|record| !record.awaited.is_empty()) {
        let awaited: Vec<String> = record.awaited.iter().map(|line| crate::figures::name_of(line, 300)).collect();
        notices.insert(
            0,
            Notice { tone: Tone::Bad, text: format!("There is no data of {} yet. Awaited: {}.", run.date, awaited.join("; ")) },
        );
    }
    notices.extend(organization_source(context, run).await?);
    notices.extend(organization_age(context, run, loaded).await?);
    let mut page = Page {
        title: loaded.mail.as_ref().map_or_else(|| "Cloud costs".to_owned(), |mail| mail.subject.clone()),
        subtitle: long_day(run.date),
        notices,
        figures: Vec::new(),
        sections: Vec::new(),
        files,
        footer: Vec::new(),
    };
    let evaluation: Option<Evaluation> = staged(context, &format!("{}{EVALUATION}", run.staging)).await?;
    if let Some(found) = &evaluation {
        page.notices.extend(sections::notices(found));
        page.figures = sections::figures(found);
        page.sections.extend(sections::trend(found));
        page.sections.push(sections::anomalies(found));
        page.sections.extend(sections::budgets(found));
        page.sections.extend(sections::services(found));
        page.footer.push(format!(
            "Figures are effective cost in {} without tax, credit and refund, rounded; days are UTC. The CSV is cash: its rows add up to {}.",
            found.currency,
            crate::figures::exact(found.cash, found.places)
        ));
        page.footer.push("Forecast: what was spent, and what the days left usually cost by level, trend and weekday.".to_owned());
    }
    page.sections.extend(hygiene(context, run, evaluation.as_ref()).await?);
    Ok(page)
}

/// Of `organization_source.json`, what a reader must know.
#[derive(Deserialize)]
struct OrganizationSource {
    stale_since: Option<Day>,
    failure: Option<String>,
}

/// Says that an earlier organization stands in for the day's, and why.
async fn organization_source(context: &Context, run: &DayRun) -> Result<Option<Notice>, Error> {
    let source: Option<OrganizationSource> = staged(context, &format!("{}organization_source.json", run.staging)).await?;
    let Some((day, source)) = source.and_then(|source| Some((source.stale_since?, source))) else { return Ok(None) };
    let why = crate::figures::name_of(source.failure.as_deref().unwrap_or("no reason given"), 300);
    Ok(Some(Notice { tone: Tone::Bad, text: format!("The organization is that of {day}: it could not be read. {why}.") }))
}

/// Names an organization snapshot that is older than allowed.
async fn organization_age(context: &Context, run: &DayRun, loaded: &Loaded) -> Result<Option<Notice>, Error> {
    let is_staged = context.work.head(&format!("{}organization.json", run.staging)).await?.is_some();
    if is_staged && run.organization.is_some() && run.organization_dated.is_none() {
        return Ok(None);
    }
    let given = run.organization_dated.filter(|_| is_staged);
    let limit = i64::from(loaded.mail.as_ref().map_or(apportion_config::ORGANIZATION_DAYS, |mail| mail.organization_days));
    let kept = snapshots(context).await?.into_keys().filter(|day| *day <= run.date).max();
    let text = match given.or(kept) {
        Some(day) if run.date.since(day) <= limit => return Ok(None),
        Some(day) => format!("The organization is that of {day}, {} days ago; {limit} are allowed.", run.date.since(day)),
        None => return Ok(None),
    };
    Ok(Some(Notice { tone: Tone::Bad, text }))
}

async fn hygiene(context: &Context, run: &DayRun, evaluation: Option<&Evaluation>) -> Result<Vec<Section>, Error> {
    let places = evaluation.map_or(2, |found| found.places);
    let mut found = Vec::new();
    if let Some(hygiene) = staged::<Hygiene>(context, &format!("{}hygiene.json", run.staging)).await?
        && let Some(findings) = staged::<Findings>(context, &hygiene.findings).await?
    {
        found.push(sections::hygiene(&findings, hygiene.open.len(), places));
    }
    if let Some(suggestions) = staged::<Suggestions>(context, &format!("{}suggestions.json", run.staging)).await? {
        let Acceptance { accepted, rejected } = suggestions.acceptance;
        let lead = format!(
            "{} of {} resources without an owner have a likely one: {}. So far {accepted} were accepted, {rejected} rejected.",
            suggestions.count, suggestions.unowned, suggestions.suggestions
        );
        found.push(Section { title: "Suggested owners".to_owned(), lead, has_chart: false, table: None });
    }
    Ok(found)
}

/// Names all that a reader gets.
pub(crate) fn content(page: &Page, attachments: &[Attachment]) -> Result<String, Error> {
    let mut parts = serde_json::to_string(page).map_err(staging)?;
    for one in attachments {
        parts.push_str(&format!("\n{} {}", one.name, sha256_hex(&one.bytes)));
    }
    Ok(sha256_hex(parts.as_bytes()))
}

fn figures_of(page: &Page) -> BTreeMap<String, String> {
    let mut figures: BTreeMap<String, String> = page.figures.iter().map(|one| (one.label.clone(), one.value.clone())).collect();
    let count = |title: &str| {
        page.sections.iter().find(|one| one.title == title).and_then(|one| one.table.as_ref()).map_or(0, |table| table.rows.len())
    };
    figures.insert("Anomalies".to_owned(), count("Anomalies").to_string());
    figures.extend(page.files.iter().enumerate().map(|(at, file)| (format!("File {}", at + 1), file.text.clone())));
    figures
}

fn replaced(before: &Sent, now: &Sent, version: u32) -> Notice {
    let changes: Vec<String> = now
        .figures
        .iter()
        .filter(|(label, value)| before.figures.get(*label) != Some(value))
        .map(|(label, value)| format!("{label}: {value} (was {})", before.figures.get(label).map_or("missing", String::as_str)))
        .collect();
    let what = if changes.is_empty() { "details below".to_owned() } else { changes.join("; ") };
    Notice { tone: Tone::Bad, text: format!("This mail replaces mail {version} of the same day. Changed: {what}.") }
}

/// RFC 4648, for the preview only: the mail's own encodings are the library's.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= chunk.len() { letter as char } else { '=' });
        }
    }
    text
}
