//! SES sends; DynamoDB keeps that it was sent once.
//!
//! SES takes no token that would make a second request harmless, and does not say afterwards whether it took one. So a mail is claimed
//! before it is sent, by an item `MAIL#<date>#digest` `<version>` (of a close `MAIL#<period>#close-<execution>`), and goes out at most once:
//!
//! | `state` | what is known | a later run |
//! |---|---|---|
//! | `sending` | a run has claimed it and is at work, or died | waits, then calls it `unknown` |
//! | `sent` | SES took it; `message_id` | sends nothing |
//! | `refused` | SES took nothing; `reason` | claims and sends it |
//! | `unknown` | the answer was lost; `reason` | sends nothing, fails with `MailUnknown` until a person settles it |

use crate::Error;
use crate::outbox::{CLOSE, Letter, Newest, Sent, Topic, keep_preview, key};
use apportion_runtime::service::{Class, ServiceError};
use apportion_runtime::table::{Item, Put, Range, Table, When};
use apportion_store::Store;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::{Builder, retry::RetryConfig};
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{Destination, EmailContent, RawMessage};
use std::time::Duration;

const SENDING: &str = "sending";
const SENT: &str = "sent";
const REFUSED: &str = "refused";
const UNKNOWN: &str = "unknown";
/// What SES takes in one mail.
const MOST_RECIPIENTS: usize = 50;
/// Attempts at a mail that SES refuses for too many requests, and how often a run looks whether another has ended.
const ATTEMPTS: u32 = 5;

/// SES as the outbox.
#[derive(Clone, Debug)]
pub struct Ses {
    client: Client,
    table: Table,
    archive: Store,
    /// The one address that this deployment may send from.
    sender: String,
    configuration_set: Option<String>,
    /// Wait after the first refusal for too many requests, which doubles; and between looks at another run's mail.
    pause: Duration,
}

impl Ses {
    /// `config` says region, credentials and, for tests, the endpoint. Retries are set here: the SDK's own would send twice what was
    /// taken and reported as failed. `archive` keeps what was sent, under the same keys as the outbox folder.
    pub fn new(config: Builder, table: Table, archive: Store, sender: String, configuration_set: Option<String>) -> Ses {
        let client = Client::from_conf(config.retry_config(RetryConfig::disabled()).build());
        Ses { client, table, archive, sender, configuration_set, pause: Duration::from_secs(1) }
    }

    /// With another pause than a second.
    pub fn with_pause(self, pause: Duration) -> Ses {
        Ses { pause, ..self }
    }

    pub(crate) async fn newest(&self, topic: &Topic) -> Result<Option<Newest>, Error> {
        let range = Range { from: "0", to: "9", newest_first: true, limit: None };
        let items = self.table.query(&pk(topic), &range).await?;
        let Some(item) = items.into_iter().find(|item| item.field("state") != REFUSED) else { return Ok(None) };
        let version = item.sk.parse().map_err(|error| crate::staging(format!("{} {}: {error}", item.pk, item.sk)))?;
        let figures = serde_json::from_str(item.field("figures")).map_err(crate::staging)?;
        let (content, sent) = (item.field("content").to_owned(), Sent { figures });
        let item = self.ended(item).await?;
        let doubt = (item.field("state") == UNKNOWN).then(|| doubt(&item));
        // One that was refused while this run looked is sent by the next.
        Ok((item.field("state") != REFUSED).then_some(Newest { version, content, sent, doubt }))
    }

    pub(crate) async fn send(&self, letter: &Letter<'_>) -> Result<bool, Error> {
        self.check(letter)?;
        let claimed = item(letter)?;
        match self.table.put_when(&claimed, When::AbsentOr("state", &[REFUSED])).await? {
            Put::Done => {}
            // The claim was written although its answer said otherwise.
            Put::Refused(Some(there)) if there.field("claim") == claimed.field("claim") => {}
            Put::Refused(Some(there)) => return standing(&self.ended(there).await?),
            Put::Refused(None) => return Err(Error::MailRefused("the claim on the mail came and went: run again".to_owned())),
        }
        if let Err(error) = self.keep(letter).await {
            self.mark(&claimed, REFUSED, "reason", &format!("not sent: {error}")).await?;
            return Err(error);
        }
        match self.deliver(letter).await {
            Ok(message_id) => match self.mark(&claimed, SENT, "message_id", &message_id).await {
                Ok(()) => Ok(true),
                Err(error) => {
                    let why = format!("SES took it as {message_id}, and that could not be kept: {error}");
                    Err(Error::MailUnknown(doubt(&claimed.with("reason", why))))
                }
            },
            Err(error) if error.class == Class::Unavailable => {
                let reason = error.to_string();
                self.mark(&claimed, UNKNOWN, "reason", &reason).await?;
                Err(Error::MailUnknown(doubt(&claimed.with("reason", reason))))
            }
            Err(error) => {
                self.mark(&claimed, REFUSED, "reason", &error.to_string()).await?;
                match error.class {
                    Class::Refused => Err(Error::MailRefused(error.to_string())),
                    _ => Err(error.into()),
                }
            }
        }
    }

    pub(crate) async fn settle(&self, topic: &Topic, version: u32, was_sent: bool) -> Result<&'static str, Error> {
        let nothing = |state: &str| {
            Err(Error::NothingToSettle(format!("`{}` is not in doubt: its state is `{state}`", key(topic, version))))
        };
        let Some(there) = self.table.get(&pk(topic), &sk(version)).await? else { return nothing("none") };
        let state = if was_sent { SENT } else { REFUSED };
        if there.field("state") == state && there.field("reason") == BY_HAND {
            return Ok(state);
        }
        let settled = there.clone().with("state", state).with("reason", BY_HAND);
        match self.table.put_when(&settled, When::Holds("state", &[UNKNOWN])).await? {
            Put::Done => Ok(state),
            Put::Refused(Some(there)) if there == settled => Ok(state),
            Put::Refused(there) => nothing(there.as_ref().map_or("none", |there| there.field("state"))),
        }
    }

    /// What SES or its policy would refuse, said before anything is claimed.
    fn check(&self, letter: &Letter<'_>) -> Result<(), Error> {
        if letter.sender != self.sender {
            return Err(Error::BadConfiguration(format!(
                "mail.toml: `sender` is {}, this deployment sends from {}: write that address, or deploy with the other one",
                letter.sender, self.sender
            )));
        }
        match letter.recipients.len() {
            0 => Err(Error::BadConfiguration("mail.toml: `recipients` is empty: name at least one address".to_owned())),
            count if count > MOST_RECIPIENTS => Err(Error::BadConfiguration(format!(
                "mail.toml: `recipients` has {count} addresses, SES takes {MOST_RECIPIENTS}: use a distribution list"
            ))),
            _ => Ok(()),
        }
    }

    async fn keep(&self, letter: &Letter<'_>) -> Result<(), Error> {
        keep_preview(&self.archive, letter).await?;
        Ok(self.archive.put(&key(letter.topic, letter.version), letter.mail).await?)
    }

    /// Gives SES's id of the message. Only what was refused for too many requests is tried again: nothing else surely did nothing.
    async fn deliver(&self, letter: &Letter<'_>) -> Result<String, ServiceError> {
        let (mut attempt, mut pause) = (1, self.pause);
        loop {
            match self.request(letter).await {
                Err(error) if error.class == Class::Throttled && attempt < ATTEMPTS => {
                    tokio::time::sleep(pause).await;
                    (attempt, pause) = (attempt + 1, pause * 2);
                }
                other => return other,
            }
        }
    }

    async fn request(&self, letter: &Letter<'_>) -> Result<String, ServiceError> {
        let refused =
            |detail: String| ServiceError { operation: "ses:SendEmail", class: Class::Refused, code: String::new(), detail };
        let raw = RawMessage::builder().data(Blob::new(letter.mail)).build().map_err(|error| refused(error.to_string()))?;
        let to = Destination::builder().set_to_addresses(Some(letter.recipients.to_vec())).build();
        let send = self.client.send_email().from_email_address(&self.sender).destination(to);
        let send = send.content(EmailContent::builder().raw(raw).build());
        let sent = send.set_configuration_set_name(self.configuration_set.clone()).send().await;
        match sent {
            Ok(answer) => Ok(answer.message_id.unwrap_or_default()),
            Err(error) => Err(ServiceError::of("ses:SendEmail", &error)),
        }
    }

    /// Writes what became of a claim, which stays this run's until it is refused.
    async fn mark(&self, claimed: &Item, state: &str, name: &str, value: &str) -> Result<(), Error> {
        let marked = claimed.clone().with("state", state).with(name, value);
        match self.table.put_when(&marked, When::Holds("claim", &[claimed.field("claim")])).await? {
            Put::Done => Ok(()),
            Put::Refused(there) => Err(crate::staging(format!(
                "`{}` `{}` is `{state}`, but another run holds it now: {}",
                claimed.pk,
                claimed.sk,
                there.as_ref().map_or("nothing", |there| there.field("state"))
            ))),
        }
    }

    /// The item once the run that sends it has ended; called `unknown` where it does not end in time.
    async fn ended(&self, mut item: Item) -> Result<Item, Error> {
        for _ in 0..ATTEMPTS {
            if item.field("state") != SENDING {
                return Ok(item);
            }
            tokio::time::sleep(self.pause).await;
            item = self.table.get(&item.pk, &item.sk).await?.unwrap_or(item);
        }
        let why = "the run that sent it did not come to its end";
        let unknown = item.clone().with("state", UNKNOWN).with("reason", why);
        match self.table.put_when(&unknown, When::Holds("state", &[SENDING])).await? {
            Put::Done => Ok(unknown),
            Put::Refused(there) => Ok(there.unwrap_or(unknown)),
        }
    }
}

/// `reason` of a state that a person gave.
const BY_HAND: &str = "settled by hand";

fn pk(topic: &Topic) -> String {
    format!("MAIL#{}#{}", topic.folder(), topic.name())
}

fn sk(version: u32) -> String {
    format!("{version:06}")
}

fn item(letter: &Letter<'_>) -> Result<Item, Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(crate::staging)?;
    let claim: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let figures = serde_json::to_string(&letter.sent.figures).map_err(crate::staging)?;
    Ok(Item::new(pk(letter.topic), sk(letter.version))
        .with("state", SENDING)
        .with("claim", claim)
        .with("content", letter.content)
        .with("figures", figures))
}

/// What another run's mail means for this one.
fn standing(there: &Item) -> Result<bool, Error> {
    match there.field("state") {
        SENT => Ok(false),
        REFUSED => Err(Error::MailRefused(format!("another run was refused ({}): run again", there.field("reason")))),
        _ => Err(Error::MailUnknown(doubt(there))),
    }
}

/// What is not known, and what to do.
fn doubt(item: &Item) -> String {
    let mut parts = item.pk.splitn(3, '#').skip(1);
    let (of, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let topic = match name.strip_prefix(CLOSE) {
        None => format!("\"date\":\"{of}\""),
        Some(execution) => format!("\"period\":\"{of}\",\"execution\":\"{execution}\""),
    };
    let version = item.sk.trim_start_matches('0');
    format!(
        "it is not known whether mail {version} of {of} went out ({}): look for it with a recipient or in the events of SES, then call the mailer with {{\"action\":\"settle\",{topic},\"version\":{version},\"was_sent\":true}}, or false to have it sent by the next run",
        item.field("reason")
    )
}
