//! Where mails go: a folder, or SES. Every outbox passes one suite, `tests/outbox`.

use crate::mail::content_of;
#[cfg(feature = "aws")]
use crate::ses::Ses;
use crate::{Error, versions};
use apportion_core::day::Day;
use apportion_core::period::Period;
use apportion_store::{PutOutcome, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a finished mail goes.
#[derive(Clone)]
pub enum Outbox {
    /// `outbox/<date>/digest.eml`, with `digest.html` and `executive.pdf` to look at; a mail that replaces it is `digest.2.eml`, and so on.
    /// Of a close that did not end well, `outbox/<period>/close-<execution>.eml` and `.html`.
    Directory(Store),
    /// SES sends it; the same files are kept in a store.
    #[cfg(feature = "aws")]
    Ses(Ses),
}

/// What a mail is about. Each topic has mails of its own, numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// The digest of a day.
    Digest(Day),
    /// A close that was refused or failed, by its execution.
    Close { period: Period, execution: String },
}

/// What the names of a close's notices begin with.
pub(crate) const CLOSE: &str = "close-";

impl Topic {
    /// The day or month that the mail is of.
    pub(crate) fn folder(&self) -> String {
        match self {
            Topic::Digest(date) => date.to_string(),
            Topic::Close { period, .. } => period.to_string(),
        }
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Topic::Digest(_) => "digest".to_owned(),
            Topic::Close { execution, .. } => format!("{CLOSE}{execution}"),
        }
    }

    fn stem(&self) -> String {
        format!("outbox/{}/{}", self.folder(), self.name())
    }
}

/// A mail on its way.
pub struct Letter<'a> {
    pub topic: &'a Topic,
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

/// What a sent mail said, for the one that may replace it: `digest.json` beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Name -> figure.
    pub figures: BTreeMap<String, String>,
}

/// The newest mail of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    pub version: u32,
    pub content: String,
    pub sent: Sent,
    /// Why it is not known whether it went out, if so: nothing sends it again before a person has looked.
    pub doubt: Option<String>,
}

pub fn key(topic: &Topic, version: u32) -> String {
    versions::key(&topic.stem(), "eml", version)
}

impl Outbox {
    pub async fn newest(&self, topic: &Topic) -> Result<Option<Newest>, Error> {
        match self {
            Outbox::Directory(store) => newest(store, topic).await,
            #[cfg(feature = "aws")]
            Outbox::Ses(ses) => ses.newest(topic).await,
        }
    }

    /// Sends once: the mail itself is written last and never overwritten. False if another run was first.
    pub async fn send(&self, letter: &Letter<'_>) -> Result<bool, Error> {
        match self {
            Outbox::Directory(store) => {
                // What lies beside a sent mail is of that mail.
                if store.head(&key(letter.topic, letter.version)).await?.is_some() {
                    return Ok(false);
                }
                keep_preview(store, letter).await?;
                Ok(store.put_once(&key(letter.topic, letter.version), letter.mail).await? == PutOutcome::Created)
            }
            #[cfg(feature = "aws")]
            Outbox::Ses(ses) => ses.send(letter).await,
        }
    }

    /// Says of a mail that nobody knew whether it went out. Gives what is now known of it.
    #[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "a folder leaves no doubt"))]
    pub async fn settle(&self, topic: &Topic, version: u32, was_sent: bool) -> Result<&'static str, Error> {
        match self {
            Outbox::Directory(_) => {
                let key = key(topic, version);
                let what = format!("`{key}` lies in the outbox or does not: there is no doubt to settle");
                Err(Error::NothingToSettle(what))
            }
            #[cfg(feature = "aws")]
            Outbox::Ses(ses) => ses.settle(topic, version, was_sent).await,
        }
    }
}

async fn newest(store: &Store, topic: &Topic) -> Result<Option<Newest>, Error> {
    let version = versions::newest(store, &topic.stem(), "eml").await?;
    if version == 0 {
        return Ok(None);
    }
    let content = content_of(&store.get(&key(topic, version)).await?).unwrap_or_default();
    let facts = versions::key(&topic.stem(), "json", version);
    let sent = match store.get(&facts).await {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| crate::staging(format!("{facts}: {error}")))?,
        Err(apportion_store::StoreError::NotFound { .. }) => Sent::default(),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(Newest { version, content, sent, doubt: None }))
}

/// What lies beside the mail.
pub(crate) async fn keep_preview(store: &Store, letter: &Letter<'_>) -> Result<(), Error> {
    let Letter { topic, version, .. } = *letter;
    store.put(&versions::key(&topic.stem(), "html", version), letter.preview.html.as_bytes()).await?;
    if let Some(pdf) = &letter.preview.pdf {
        store.put(&versions::key(&format!("outbox/{}/executive", topic.folder()), "pdf", version), pdf).await?;
    }
    Ok(store.put(&versions::key(&topic.stem(), "json", version), &crate::json(letter.sent)?).await?)
}
