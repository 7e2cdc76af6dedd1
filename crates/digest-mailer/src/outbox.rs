//! Where mails go: a folder, or SES. Every outbox passes one suite, `tests/outbox`.

use crate::mail::content_of;
#[cfg(feature = "aws")]
use crate::ses::Ses;
use crate::{Error, versions};
use apportion_core::day::Day;
use apportion_store::{PutOutcome, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a finished mail goes.
#[derive(Clone)]
pub enum Outbox {
    /// `outbox/<date>/digest.eml`, with `digest.html` and `executive.pdf` to look at; a mail that replaces it is `digest.2.eml`, and so on.
    Directory(Store),
    /// SES sends it; the same files are kept in a store.
    #[cfg(feature = "aws")]
    Ses(Ses),
}

/// A mail on its way.
pub struct Letter<'a> {
    pub date: Day,
    /// From 1; above 1 it replaces the one before.
    pub version: u32,
    /// Names what the mail says: the same content is not sent again.
    pub content: &'a str,
    /// The message as RFC 5322 has it.
    pub mail: &'a [u8],
    pub preview: &'a Preview,
    pub sent: &'a Sent,
    /// Addresses, from the configuration.
    pub sender: &'a str,
    pub recipients: &'a [String],
}

/// What lies beside the mail for those who look without a mail program.
pub struct Preview {
    pub html: String,
    /// The page for executives, as attached.
    pub pdf: Option<Vec<u8>>,
}

/// What a sent digest said, for the one that may replace it: `digest.json` beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Name -> figure.
    pub figures: BTreeMap<String, String>,
}

/// The newest mail of a date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    pub version: u32,
    pub content: String,
    pub sent: Sent,
    /// Why it is not known whether it went out, if so: nothing sends it again before a person has looked.
    pub doubt: Option<String>,
}

fn stem(date: Day) -> String {
    format!("outbox/{date}/digest")
}

pub fn key(date: Day, version: u32) -> String {
    versions::key(&stem(date), "eml", version)
}

impl Outbox {
    pub async fn newest(&self, date: Day) -> Result<Option<Newest>, Error> {
        match self {
            Outbox::Directory(store) => newest(store, date).await,
            #[cfg(feature = "aws")]
            Outbox::Ses(ses) => ses.newest(date).await,
        }
    }

    /// Sends once: the mail itself is written last and never overwritten. False if another run was first.
    pub async fn send(&self, letter: &Letter<'_>) -> Result<bool, Error> {
        match self {
            Outbox::Directory(store) => {
                // What lies beside a sent mail is of that mail.
                if store.head(&key(letter.date, letter.version)).await?.is_some() {
                    return Ok(false);
                }
                keep_preview(store, letter).await?;
                Ok(store.put_once(&key(letter.date, letter.version), letter.mail).await? == PutOutcome::Created)
            }
            #[cfg(feature = "aws")]
            Outbox::Ses(ses) => ses.send(letter).await,
        }
    }

    /// Says of a mail that nobody knew whether it went out. Gives what is now known of it.
    #[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "a folder leaves no doubt"))]
    pub async fn settle(&self, date: Day, version: u32, was_sent: bool) -> Result<&'static str, Error> {
        match self {
            Outbox::Directory(_) => {
                let what = format!("mail {version} of {date} lies in the outbox or does not: there is no doubt to settle");
                Err(Error::NothingToSettle(what))
            }
            #[cfg(feature = "aws")]
            Outbox::Ses(ses) => ses.settle(date, version, was_sent).await,
        }
    }
}

async fn newest(store: &Store, date: Day) -> Result<Option<Newest>, Error> {
    let version = versions::newest(store, &stem(date), "eml").await?;
    if version == 0 {
        return Ok(None);
    }
    let content = content_of(&store.get(&key(date, version)).await?).unwrap_or_default();
    let facts = versions::key(&stem(date), "json", version);
    let sent = match store.get(&facts).await {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| crate::staging(format!("{facts}: {error}")))?,
        Err(apportion_store::StoreError::NotFound { .. }) => Sent::default(),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(Newest { version, content, sent, doubt: None }))
}

/// What lies beside the mail.
pub(crate) async fn keep_preview(store: &Store, letter: &Letter<'_>) -> Result<(), Error> {
    let Letter { date, version, .. } = *letter;
    store.put(&versions::key(&stem(date), "html", version), letter.preview.html.as_bytes()).await?;
    if let Some(pdf) = &letter.preview.pdf {
        store.put(&versions::key(&format!("outbox/{date}/executive"), "pdf", version), pdf).await?;
    }
    Ok(store.put(&versions::key(&stem(date), "json", version), &crate::json(letter.sent)?).await?)
}
