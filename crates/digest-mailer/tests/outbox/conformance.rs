//! What every [`Outbox`] must do. Each check names what failed.

use apportion_core::day::Day;
use digest_mailer::{Error, Letter, Newest, Outbox, Preview, Sent, Topic};
use std::collections::BTreeMap;

/// Runs every check on an empty outbox that sends from `sender` to `recipient`; the first failure is the result.
pub async fn check(outbox: &Outbox, sender: &str, recipient: &str) -> Result<(), String> {
    let mailer = Mailer { outbox, sender, recipients: [recipient.to_owned()] };
    nothing_was_sent_at_first(&mailer).await?;
    a_mail_is_sent_once(&mailer).await?;
    a_mail_may_be_replaced(&mailer).await?;
    dates_are_apart(&mailer).await?;
    of_runs_at_once_one_sends(&mailer).await
}

/// Content that [`check`] has sent, in the order of dates and versions: no more, no less may have gone out.
pub const SENT: [&str; 4] = ["first", "second", "another date", "raced"];

struct Mailer<'a> {
    outbox: &'a Outbox,
    sender: &'a str,
    recipients: [String; 1],
}

impl Mailer<'_> {
    async fn send(&self, date: Day, version: u32, content: &str) -> Result<bool, String> {
        let mail = format!(
            "From: {}\r\nTo: {}\r\nSubject: {date}\r\nX-Apportion-Content: {content}\r\n\r\n{content}\r\n",
            self.sender, self.recipients[0]
        );
        let preview = Preview { html: format!("<p>{content}</p>"), pdf: Some(b"%PDF".to_vec()) };
        let sent = sent(content);
        let letter = Letter {
            topic: &Topic::Digest(date),
            version,
            content,
            mail: mail.as_bytes(),
            preview: &preview,
            sent: &sent,
            sender: self.sender,
            recipients: &self.recipients,
        };
        good(self.outbox.send(&letter).await, "send")
    }

    async fn newest(&self, date: Day) -> Result<Option<Newest>, String> {
        good(self.outbox.newest(&Topic::Digest(date)).await, "newest")
    }
}

fn require(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn good<T>(result: Result<T, Error>, what: &str) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}"))
}

fn day(number: u8) -> Result<Day, String> {
    format!("2026-09-{number:02}").parse().map_err(|error| format!("{error}"))
}

fn sent(content: &str) -> Sent {
    Sent { figures: BTreeMap::from([("Month to date".to_owned(), format!("{content} \u{20ac} \"1\""))]) }
}

fn newest(version: u32, content: &str) -> Option<Newest> {
    Some(Newest { version, content: content.to_owned(), sent: sent(content), doubt: None })
}

async fn nothing_was_sent_at_first(mailer: &Mailer<'_>) -> Result<(), String> {
    require(mailer.newest(day(1)?).await?.is_none(), "an empty outbox has no newest mail")
}

async fn a_mail_is_sent_once(mailer: &Mailer<'_>) -> Result<(), String> {
    require(mailer.send(day(1)?, 1, SENT[0]).await?, "the first to send sends")?;
    require(!mailer.send(day(1)?, 1, SENT[0]).await?, "what was sent is not sent again")?;
    require(!mailer.send(day(1)?, 1, "other").await?, "nor is other content under its number")?;
    require(mailer.newest(day(1)?).await? == newest(1, SENT[0]), "the newest mail says its content and figures")
}

async fn a_mail_may_be_replaced(mailer: &Mailer<'_>) -> Result<(), String> {
    require(mailer.send(day(1)?, 2, SENT[1]).await?, "the next number is another mail")?;
    require(mailer.newest(day(1)?).await? == newest(2, SENT[1]), "the newest mail is the one with the highest number")
}

async fn dates_are_apart(mailer: &Mailer<'_>) -> Result<(), String> {
    require(mailer.newest(day(2)?).await?.is_none(), "another date has no mail")?;
    require(mailer.send(day(2)?, 1, SENT[2]).await?, "another date's mail is sent")?;
    require(mailer.newest(day(1)?).await? == newest(2, SENT[1]), "and leaves the first date's alone")
}

async fn of_runs_at_once_one_sends(mailer: &Mailer<'_>) -> Result<(), String> {
    let (one, two, three) =
        (mailer.send(day(3)?, 1, SENT[3]), mailer.send(day(3)?, 1, SENT[3]), mailer.send(day(3)?, 1, SENT[3]));
    let (one, two, three) = tokio::join!(one, two, three);
    let sent = [one?, two?, three?].into_iter().filter(|sent| *sent).count();
    require(sent == 1, "of runs at once exactly one sends")
}
