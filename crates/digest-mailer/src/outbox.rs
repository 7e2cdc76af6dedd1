//! Where mails go: a folder now; SES comes behind the feature `aws`.

use crate::mail::content_of;
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
pub struct Newest {
    pub version: u32,
    pub content: String,
    pub sent: Sent,
}

fn stem(date: Day) -> String {
    format!("outbox/{date}/digest")
}

pub fn key(date: Day, version: u32) -> String {
    versions::key(&stem(date), "eml", version)
}

impl Outbox {
    fn store(&self) -> &Store {
        match self {
            Outbox::Directory(store) => store,
        }
    }

    pub async fn newest(&self, date: Day) -> Result<Option<Newest>, Error> {
        let store = self.store();
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
        Ok(Some(Newest { version, content, sent }))
    }

    /// Sends once: the mail itself is written last and never overwritten. False if another run was first.
    pub async fn send(&self, date: Day, version: u32, mail: &[u8], preview: &Preview, sent: &Sent) -> Result<bool, Error> {
        let store = self.store();
        store.put(&versions::key(&stem(date), "html", version), preview.html.as_bytes()).await?;
        if let Some(pdf) = &preview.pdf {
            store.put(&versions::key(&format!("outbox/{date}/executive"), "pdf", version), pdf).await?;
        }
        store.put(&versions::key(&stem(date), "json", version), &crate::json(sent)?).await?;
        Ok(store.put_once(&key(date, version), mail).await? == PutOutcome::Created)
    }
}
