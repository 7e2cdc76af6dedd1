//! Puts what a run is made from where the functions read it: the same for the command line and for `offer`.

use crate::Error;
use apportion_core::close::Run;
use apportion_core::day::{Day, DayRun};
use apportion_core::period::Period;
use apportion_output::sha256_hex;
use apportion_store::Store;
use std::collections::BTreeMap;

/// What a run is made from beside the bill.
#[derive(Debug, Clone, Default)]
pub struct Assets {
    /// Files of the configuration that count for the run, with their paths, as `apportion_config` gives them.
    pub configuration: Vec<(String, Vec<u8>)>,
    pub organization: Option<Vec<u8>>,
    pub invoices: Option<Vec<u8>>,
    /// Files of the statement template, by path, where it is the run's own.
    pub template: Option<BTreeMap<String, Vec<u8>>>,
    /// `mail.toml`: who hears of a close that is refused or fails. No close is made from it.
    pub mail: Option<Vec<u8>>,
}

/// A close that is asked for. `staging` ends in `/` and is this run's alone.
#[derive(Debug, Clone)]
pub struct Asked {
    pub period: Period,
    pub staging: String,
    /// File, or prefix, of the bill store.
    pub bill: String,
    pub provisional: bool,
    /// `""`, or the currency's own prefix.
    pub closes: String,
    pub currency: String,
    pub attempt: u32,
}

impl Assets {
    /// One line a file, `sha256 name`: what they are, whatever the run.
    pub fn lines(&self) -> String {
        self.files().map(|(name, bytes)| format!("{} {name}\n", sha256_hex(bytes))).collect()
    }

    fn files(&self) -> impl Iterator<Item = (String, &[u8])> {
        let folder = |folder: &'static str, name: &str| format!("{folder}/{name}");
        let configuration = self.configuration.iter().map(move |(name, bytes)| (folder("configuration", name), bytes.as_slice()));
        let organization = self.organization.iter().map(|bytes| ("organization.json".to_owned(), bytes.as_slice()));
        let invoices = self.invoices.iter().map(|bytes| ("invoices.json".to_owned(), bytes.as_slice()));
        let template = self.template.iter().flatten().map(move |(name, bytes)| (folder("template", name), bytes.as_slice()));
        configuration.chain(organization).chain(invoices).chain(template)
    }

    async fn put(&self, work: &Store, staging: &str) -> Result<(), Error> {
        for (name, bytes) in self.files() {
            work.put(&format!("{staging}assets/{name}"), bytes).await?;
        }
        Ok(())
    }
}

/// Stages a close.
pub async fn stage(work: &Store, asked: Asked, assets: &Assets) -> Result<Run, Error> {
    let Asked { period, staging, bill, provisional, closes, currency, attempt } = asked;
    assets.put(work, &staging).await?;
    let at = |name: &str| format!("{staging}assets/{name}");
    let run = Run {
        period,
        bill,
        configuration: at("configuration/"),
        template: assets.template.is_some().then(|| at("template/")),
        organization: assets.organization.is_some().then(|| at("organization.json")),
        invoices: assets.invoices.is_some().then(|| at("invoices.json")),
        provisional,
        closes,
        currency,
        attempt,
        staging,
    };
    if let Some(mail) = &assets.mail {
        work.put(&run.mail_key(), mail).await?;
    }
    Ok(run)
}

/// Stages a daily run over a bill; `dated` is the day that the organization file is of.
pub async fn stage_day(
    work: &Store,
    date: Day,
    (staging, attempt): (String, u32),
    bill: String,
    assets: &Assets,
    dated: Option<Day>,
) -> Result<DayRun, Error> {
    assets.put(work, &staging).await?;
    let organization = assets.organization.is_some().then(|| format!("{staging}assets/organization.json"));
    let configuration = format!("{staging}assets/configuration/");
    Ok(DayRun {
        date,
        bill,
        configuration,
        organization_dated: dated.filter(|_| organization.is_some()),
        organization,
        attempt,
        staging,
    })
}
