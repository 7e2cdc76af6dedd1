//! `mail.toml`: who gets the digest and the notices of closes, and from where on the daily run speaks up.

use crate::error::{ConfigError, Source};
use crate::raw::{AnomaliesTable, MailFile, OverrideTable, RunTable, Text, Texts};
use crate::rules::amount_of;
use crate::{text, units};
use apportion_core::anomaly::{Override, Settings, Thresholds};
use apportion_core::money::Money;
use std::collections::BTreeSet;
use toml::Spanned;

/// Largest attachment in bytes unless stated: a mail of 10 MB is the most that many servers take.
pub const ATTACHMENT_LIMIT_BYTES: u64 = 5_000_000;
/// Minutes after which a day that is still not delivered is given up, unless stated.
pub const DEADLINE_MINUTES: u32 = 720;
/// Days after which an organization file is called old, unless stated.
pub const ORGANIZATION_DAYS: u32 = 7;

/// The daily run's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub sender: String,
    /// Name shown beside the sender's address, `""` if none.
    pub sender_name: String,
    pub recipients: Vec<String>,
    /// Who hears of a close that was refused or failed.
    pub close_recipients: Vec<String>,
    /// What the subject begins with.
    pub subject: String,
    /// Larger attachments become links.
    pub attachment_limit_bytes: u64,
    /// What an archive path is appended to, ending in `/`; without it the mail names the path.
    pub archive_url: Option<String>,
    /// Readiness is polled until so many minutes after the run's start.
    pub deadline_minutes: u32,
    /// An organization snapshot older than this is named in the mail.
    pub organization_days: u32,
    pub anomalies: Settings,
}

/// Without `unit_ids` no unit that an override names is looked up.
pub(crate) fn read(source: &Source, unit_ids: Option<&BTreeSet<String>>) -> Result<Mail, ConfigError> {
    let file: MailFile = source.read()?;
    let domains = domains(source, &file.allowed_domains)?;
    let address = |address: &Text| -> Result<String, ConfigError> {
        match units::address_fault(address.get_ref()) {
            Some(fault) => Err(source.wrong(
                &address.span(),
                format!("the mail address {:?} {fault}", address.get_ref()),
                "write one plain address such as \"finops@example.org\"",
            )),
            None => Ok(address.get_ref().clone()),
        }
    };
    let recipients = |written: &Texts, what: &str| -> Result<Vec<String>, ConfigError> {
        if written.get_ref().is_empty() {
            return Err(source.wrong(&written.span(), "there are no recipients", format!("name who gets the {what}")));
        }
        let mut recipients: Vec<String> = Vec::new();
        for written in written.get_ref() {
            let recipient = address(written)?;
            let domain = recipient.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
            if !domains.contains(&domain) {
                return Err(source.wrong(
                    &written.span(),
                    format!("`{recipient}` is of no allowed domain"),
                    "correct the address, or add its domain to allowed_domains",
                ));
            }
            if recipients.contains(&recipient) {
                return Err(source.wrong(&written.span(), format!("the recipient `{recipient}` is listed twice"), "keep one"));
            }
            recipients.push(recipient);
        }
        Ok(recipients)
    };
    let of_digest = recipients(&file.recipients, "digest")?;
    let of_closes = file.close_recipients.as_ref().map(|written| recipients(written, "notices of closes")).transpose()?;
    let plain = |what: &str, written: &Option<Text>, default: &str| -> Result<String, ConfigError> {
        let Some(written) = written else { return Ok(default.to_owned()) };
        match text::plain_fault(written.get_ref(), 100) {
            Some(fault) => Err(source.wrong(
                &written.span(),
                format!("the {what} {:?} {fault}", written.get_ref()),
                "write one line of plain characters",
            )),
            None => Ok(written.get_ref().clone()),
        }
    };
    let run = file.run.as_ref().map(Spanned::get_ref);
    let of_run = |key: &str, of: fn(&RunTable) -> &Option<Spanned<i64>>, default: u32, most: i64| {
        whole(source, key, run.and_then(|run| of(run).as_ref()), i64::from(default), 1..=most)
    };
    Ok(Mail {
        sender: address(&file.sender)?,
        sender_name: plain("sender's name", &file.sender_name, "")?,
        close_recipients: of_closes.unwrap_or_else(|| of_digest.clone()),
        recipients: of_digest,
        subject: plain("subject", &file.subject, "Cloud costs")?,
        attachment_limit_bytes: whole(
            source,
            "attachment_limit_bytes",
            file.attachment_limit_bytes.as_ref(),
            ATTACHMENT_LIMIT_BYTES as i64,
            0..=25_000_000,
        )? as u64,
        archive_url: file.archive_url.as_ref().map(|url| archive_url(source, url)).transpose()?,
        deadline_minutes: of_run("deadline_minutes", |run| &run.deadline_minutes, DEADLINE_MINUTES, 1_440)? as u32,
        organization_days: of_run("organization_days", |run| &run.organization_days, ORGANIZATION_DAYS, 366)? as u32,
        anomalies: anomalies(source, file.anomalies.as_ref().map(Spanned::get_ref), unit_ids)?,
    })
}

fn domains(source: &Source, written: &Spanned<Vec<Text>>) -> Result<BTreeSet<String>, ConfigError> {
    let mut domains = BTreeSet::new();
    for domain in written.get_ref() {
        if let Some(fault) = units::address_fault(&format!("x@{}", domain.get_ref())) {
            return Err(source.wrong(
                &domain.span(),
                format!("the domain {:?} {fault}", domain.get_ref()),
                "write what stands after the @, such as \"example.org\"",
            ));
        }
        domains.insert(domain.get_ref().to_ascii_lowercase());
    }
    if domains.is_empty() {
        return Err(source.wrong(&written.span(), "no domain is allowed", "name the domains that may get the digest"));
    }
    Ok(domains)
}

fn archive_url(source: &Source, url: &Text) -> Result<String, ConfigError> {
    let written = url.get_ref();
    let is_plain = written.starts_with("https://")
        && written.bytes().all(|byte| (0x21..0x7f).contains(&byte) && !b"\"'<>\\^`{|}?#".contains(&byte));
    if !is_plain {
        let todo = "write an https:// address of plain characters, without ? and #";
        return Err(source.wrong(&url.span(), format!("{written:?} cannot stand before a path"), todo));
    }
    Ok(format!("{}/", written.trim_end_matches('/')))
}

fn whole(
    source: &Source,
    key: &str,
    written: Option<&Spanned<i64>>,
    default: i64,
    range: std::ops::RangeInclusive<i64>,
) -> Result<i64, ConfigError> {
    let Some(written) = written else { return Ok(default) };
    if range.contains(written.get_ref()) {
        return Ok(*written.get_ref());
    }
    let todo = format!("write {} to {}", range.start(), range.end());
    Err(source.wrong(&written.span(), format!("`{key}` cannot be {}", written.get_ref()), todo))
}

fn anomalies(
    source: &Source,
    table: Option<&AnomaliesTable>,
    unit_ids: Option<&BTreeSet<String>>,
) -> Result<Settings, ConfigError> {
    let Some(table) = table else { return Ok(Settings::default()) };
    let default = Thresholds::default();
    let least_days = whole(source, "least_days", table.least_days.as_ref(), i64::from(default.least_days), 14..=56)? as u32;
    let (sigma, least) = (sigma(source, table.sigma.as_ref())?, minimum(source, table.minimum.as_ref())?);
    let general = Thresholds {
        sigma_thousandths: sigma.unwrap_or(default.sigma_thousandths),
        minimum: least.unwrap_or(default.minimum),
        least_days,
    };
    let overrides = table.r#override.iter().map(|table| one_override(source, table, unit_ids)).collect::<Result<_, _>>()?;
    Ok(Settings { general, overrides })
}

fn one_override(
    source: &Source,
    table: &Spanned<OverrideTable>,
    unit_ids: Option<&BTreeSet<String>>,
) -> Result<Override, ConfigError> {
    let written = table.get_ref();
    let is_unknown = |unit: &&Text| unit_ids.is_some_and(|known| !known.contains(unit.get_ref()));
    if let Some(unit) = written.unit.as_ref().filter(is_unknown) {
        return Err(source.wrong(
            &unit.span(),
            format!("units.toml has no unit `{}`", unit.get_ref()),
            "correct the id, or add the unit to units.toml",
        ));
    }
    let ignore = written.ignore.unwrap_or(false);
    let (sigma, minimum) = (sigma(source, written.sigma.as_ref())?, minimum(source, written.minimum.as_ref())?);
    let is_of_group = written.unit.is_some() || written.service.is_some();
    match &written.resource {
        None if !is_of_group => {
            let todo = "name one, or change [anomalies] itself";
            return Err(source.wrong(&table.span(), "the override names neither unit nor service nor resource", todo));
        }
        Some(resource) if is_of_group || resource.get_ref().trim().is_empty() => {
            let todo = "write its id as the bill does, without unit and service";
            return Err(source.wrong(&resource.span(), "a resource is judged by itself, whosever it is", todo));
        }
        _ => {}
    }
    if ignore == (sigma.is_some() || minimum.is_some()) {
        return Err(source.wrong(
            &table.span(),
            "the override must either ignore or state a threshold",
            "write `ignore = true`, or sigma or minimum",
        ));
    }
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.get_ref().clone());
    let (unit, service, resource) = (text(&written.unit), text(&written.service), text(&written.resource));
    Ok(Override { unit, service, resource, sigma_thousandths: sigma, minimum, ignore })
}

fn minimum(source: &Source, written: Option<&Text>) -> Result<Option<Money>, ConfigError> {
    written.map(|amount| amount_of(source, "minimum", amount)).transpose()
}

/// `"2.5"` in thousandths.
fn sigma(source: &Source, written: Option<&Text>) -> Result<Option<u32>, ConfigError> {
    let Some(written) = written else { return Ok(None) };
    let parsed =
        Money::parse(written.get_ref()).ok().filter(|parsed| !parsed.lossy).map(|parsed| parsed.money.truncate_to_minor(3));
    match parsed {
        Some((thousandths @ 500..=20_000, 0)) => Ok(Some(thousandths as u32)),
        _ => Err(source.wrong(
            &written.span(),
            format!("`sigma` cannot be {:?}", written.get_ref()),
            "write 0.5 to 20 in quotes, with at most three decimals; 2.5 is the default",
        )),
    }
}
