use super::conformance;
use apportion_runtime::table::{Item, Table};
use apportion_stand_ins::{Fault, Proxy, StandIn, dynamodb_table, emulator, mail_server};
use apportion_store::Store;
use aws_sdk_sesv2::config::{BehaviorVersion, Credentials, Region};
use digest_mailer::{Context, Error, Event, Letter, Outbox, Output, Preview, Sent, Ses, Topic, handle};
use std::time::Duration;

struct World {
    folder: tempfile::TempDir,
    mails: &'static StandIn,
    before_ses: Proxy,
    before_table: Proxy,
    table: Table,
    outbox: Outbox,
    /// Of this test alone: the stand-in keeps the mails of all.
    recipient: String,
}

const SENDER: &str = "apportion@example.com";

fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "tests")
}

fn table(url: String, name: &str) -> Table {
    let config = aws_sdk_dynamodb::config::Builder::new()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(aws_sdk_dynamodb::config::Region::from_static("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(credentials());
    Table::new(aws_sdk_dynamodb::Client::from_conf(config.build()), name)
}

fn world(name: &str) -> Option<World> {
    let (emulator, mails) = (emulator(name)?, mail_server(name)?);
    dynamodb_table(emulator, name);
    let (before_ses, before_table) = (Proxy::before(&mails.url()), Proxy::before(&emulator.url()));
    let folder = tempfile::tempdir().unwrap();
    let config = aws_sdk_sesv2::config::Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(before_ses.url())
        .credentials_provider(credentials());
    let archive = Store::directory(folder.path());
    let set = Some("apportion".to_owned());
    let ses = Ses::new(config, table(before_table.url(), name), archive, SENDER.to_owned(), set);
    let outbox = Outbox::Ses(ses.with_pause(Duration::from_millis(50)));
    let table = table(emulator.url(), name);
    Some(World { folder, mails, before_ses, before_table, table, outbox, recipient: format!("{name}@example.com") })
}

fn day() -> Topic {
    Topic::Digest("2026-09-15".parse().unwrap())
}

impl World {
    async fn send(&self, content: &str) -> Result<bool, Error> {
        self.send_to(content, SENDER, std::slice::from_ref(&self.recipient)).await
    }

    async fn send_to(&self, content: &str, sender: &str, recipients: &[String]) -> Result<bool, Error> {
        let mail = format!("From: {SENDER}\r\nTo: {}\r\nSubject: {content}\r\n\r\n{content}\r\n", self.recipient);
        let preview = Preview { html: content.to_owned(), pdf: None };
        let sent = Sent::default();
        let letter = Letter {
            topic: &day(),
            version: 1,
            content,
            mail: mail.as_bytes(),
            preview: &preview,
            sent: &sent,
            sender,
            recipients,
        };
        self.outbox.send(&letter).await
    }

    /// Subjects of the mails that went to this test's recipient.
    fn subjects(&self) -> Vec<String> {
        let store: serde_json::Value = serde_json::from_str(&self.mails.get("/store")).unwrap();
        let emails = store["emails"].as_array().unwrap().iter();
        let mine = emails.filter(|mail| mail["destination"]["to"].as_array().unwrap().iter().any(|to| *to == self.recipient));
        mine.map(|mail| mail["subject"].as_str().unwrap().to_owned()).collect()
    }

    async fn item(&self) -> Item {
        self.table.get("MAIL#2026-09-15#digest", "000001").await.unwrap().unwrap()
    }

    async fn state(&self) -> String {
        self.item().await.field("state").to_owned()
    }
}

#[tokio::test]
async fn ses_conforms() {
    let Some(world) = world("ses") else { return };
    conformance::check(&world.outbox, SENDER, &world.recipient).await.unwrap();
    assert_eq!(world.subjects(), ["2026-09-01", "2026-09-01", "2026-09-02", "2026-09-03"]);
    assert!(world.before_ses.seen("\"ConfigurationSetName\":\"apportion\"") == 4);
}

#[tokio::test]
async fn ses_conforms_while_the_table_throttles_and_loses_answers() {
    let Some(world) = world("ses-faults") else { return };
    let throttled = Fault::Refuse { status: 400, code: "ThrottlingException" };
    for (index, fault) in
        [throttled, Fault::Reset, Fault::DoneButLost, Fault::DoneButFailed].into_iter().cycle().take(12).enumerate()
    {
        world.before_table.inject_after("DynamoDB", 3 * index, 1, fault);
    }
    conformance::check(&world.outbox, SENDER, &world.recipient).await.unwrap();
    assert_eq!(world.subjects(), ["2026-09-01", "2026-09-01", "2026-09-02", "2026-09-03"]);
}

#[tokio::test]
async fn what_was_sent_is_kept_under_the_keys_of_the_folder() {
    let Some(world) = world("ses-kept") else { return };
    assert!(world.send("kept").await.unwrap());
    let kept = std::fs::read_to_string(world.folder.path().join("outbox/2026-09-15/digest.eml")).unwrap();
    assert!(kept.ends_with("\r\n\r\nkept\r\n"), "{kept}");
    assert!(world.folder.path().join("outbox/2026-09-15/digest.html").exists());
    let item = world.item().await;
    assert_eq!(item.field("state"), "sent");
    assert!(!item.field("message_id").is_empty());
}

/// SES has taken the mail and the answer is lost, or says otherwise: nothing is sent again, and a person is asked.
#[tokio::test]
async fn a_mail_of_which_the_answer_is_lost_goes_out_once_and_is_unknown_until_settled() {
    for (name, fault) in [("ses-lost", Fault::DoneButLost), ("ses-failed", Fault::DoneButFailed)] {
        let Some(world) = world(name) else { return };
        world.before_ses.inject("outbound-emails", 1, fault);
        for _ in 0..2 {
            let error = world.send("doubtful").await.unwrap_err();
            assert_eq!(error.name(), "MailUnknown", "{error}");
            assert!(error.to_string().contains("\"action\":\"settle\",\"date\":\"2026-09-15\",\"version\":1"), "{error}");
        }
        assert_eq!((world.state().await.as_str(), world.subjects().len()), ("unknown", 1));
        let newest = world.outbox.newest(&day()).await.unwrap().unwrap();
        assert!(newest.doubt.is_some() && newest.content == "doubtful", "{newest:?}");
        for _ in 0..2 {
            assert_eq!(world.outbox.settle(&day(), 1, true).await.unwrap(), "sent");
        }
        assert!(!world.send("doubtful").await.unwrap());
        assert_eq!(world.outbox.newest(&day()).await.unwrap().unwrap().doubt, None);
        let error = world.outbox.settle(&day(), 1, false).await.unwrap_err();
        assert_eq!(error.name(), "NothingToSettle", "{error}");
        assert_eq!(world.subjects(), ["doubtful"]);
    }
}

#[tokio::test]
async fn a_mail_that_a_person_says_was_not_sent_is_sent_by_the_next_run() {
    let Some(world) = world("ses-settled") else { return };
    world.before_ses.inject("outbound-emails", 1, Fault::Reset);
    assert_eq!(world.send("again").await.unwrap_err().name(), "MailUnknown");
    assert_eq!(world.outbox.settle(&day(), 1, false).await.unwrap(), "refused");
    assert_eq!(world.outbox.newest(&day()).await.unwrap(), None);
    assert!(world.send("again").await.unwrap());
    assert_eq!((world.subjects(), world.state().await.as_str()), (vec!["again".to_owned()], "sent"));
}

/// A run that died after its claim: the next one cannot know whether it had sent.
#[tokio::test]
async fn a_run_that_died_while_sending_leaves_an_unknown_mail() {
    let Some(world) = world("ses-died") else { return };
    let dead = Item::new("MAIL#2026-09-15#digest", "000001").with("state", "sending").with("claim", "of the dead");
    world.table.put(&dead.with("content", "dead").with("figures", "{}")).await.unwrap();
    let newest = world.outbox.newest(&day()).await.unwrap().unwrap();
    assert!(newest.doubt.unwrap().contains("did not come to its end"));
    assert_eq!(world.send("dead").await.unwrap_err().name(), "MailUnknown");
    assert_eq!((world.state().await.as_str(), world.subjects().len()), ("unknown", 0));
}

/// What SES surely did not take is sent by the next run, whatever it says then.
#[tokio::test]
async fn a_mail_that_ses_refuses_is_named_and_sent_by_the_next_run() {
    let Some(world) = world("ses-refused") else { return };
    for (status, code, name) in [
        (400, "MessageRejected", "MailRefused"),
        (400, "SendingPausedException", "MailRefused"),
        (400, "LimitExceededException", "MailRefused"),
        (403, "ExpiredTokenException", "ExpiredCredentials"),
        (403, "AccessDeniedException", "ServiceDenied"),
        (429, "TooManyRequestsException", "ServiceThrottled"),
    ] {
        world.before_ses.inject("outbound-emails", 99, Fault::Refuse { status, code });
        let error = world.send("refused").await.unwrap_err();
        assert_eq!(error.name(), name, "{error}");
        assert!(world.item().await.field("reason").contains(code));
        assert_eq!(world.outbox.newest(&day()).await.unwrap(), None, "what nobody got is not the newest mail");
        world.before_ses.clear();
    }
    assert!(world.send("in other words").await.unwrap());
    assert_eq!(world.subjects(), ["in other words"]);
}

#[tokio::test]
async fn too_many_requests_in_passing_cost_no_mail() {
    let Some(world) = world("ses-throttled") else { return };
    world.before_ses.inject("outbound-emails", 3, Fault::Refuse { status: 429, code: "TooManyRequestsException" });
    assert!(world.send("patient").await.unwrap());
    assert_eq!((world.subjects(), world.before_ses.seen("outbound-emails")), (vec!["patient".to_owned()], 4));
}

#[tokio::test]
async fn other_senders_and_too_many_recipients_are_refused_before_anything_is_claimed() {
    let Some(world) = world("ses-checked") else { return };
    let many: Vec<String> = (0..51).map(|number| format!("r{number}@example.com")).collect();
    for (sender, recipients) in [("other@example.com", &many[..1]), (SENDER, &many[..]), (SENDER, &[])] {
        let error = world.send_to("no", sender, recipients).await.unwrap_err();
        assert_eq!(error.name(), "BadConfiguration", "{error}");
    }
    assert_eq!((world.before_ses.seen("POST"), world.before_table.seen("PutItem")), (0, 0));
}

/// What a close's notice goes by is what the digest goes by: claimed, sent once, in doubt until settled.
#[tokio::test]
async fn the_notice_of_a_close_goes_out_once_and_may_be_settled() {
    let Some(world) = world("ses-notice") else { return };
    let work = Store::directory(world.folder.path());
    let recipient = world.recipient.clone();
    let mail = format!(
        "version = 1\nsender = \"{SENDER}\"\nrecipients = [\"digest@example.com\"]\nclose_recipients = [\"{recipient}\"]\nallowed_domains = [\"example.com\"]\n"
    );
    let staging = "staging/2026-09/2026-09-0123456789ab-1/";
    work.put(&format!("{staging}assets/mail.toml"), mail.as_bytes()).await.unwrap();
    let context = Context { work, outbox: world.outbox.clone() };
    let call = async |event: serde_json::Value| {
        let event: Event = serde_json::from_value(event).unwrap();
        handle(&context, event).await
    };
    let run = serde_json::json!({ "period": "2026-09", "staging": staging, "bill": "", "configuration": "c/", "template": null, "organization": null,
        "invoices": null, "provisional": false, "closes": "", "currency": "", "attempt": 1 });
    let tell = |cause: &str| serde_json::json!({ "action": "close_notice", "run": run, "outcome": "failed", "error": { "Error": "Staging", "Cause": cause } });
    for sent in [true, false] {
        let Output::Notice { sent: was_sent, .. } = call(tell("it is gone")).await.unwrap() else { panic!("another output") };
        assert_eq!(was_sent, sent);
    }
    assert_eq!(world.subjects(), ["Cloud costs: September 2026 is not closed (Staging)"]);
    let item = world.table.get("MAIL#2026-09#close-2026-09-0123456789ab-1", "000001").await.unwrap().unwrap();
    assert_eq!(item.field("state"), "sent");
    world.before_ses.inject("outbound-emails", 1, Fault::DoneButLost);
    let error = call(tell("it is gone again")).await.unwrap_err();
    assert_eq!(error.name(), "MailUnknown");
    let said = error.to_string();
    let settle = &said[said.find("{\"action\"").unwrap()..];
    let settle = &settle[..=settle.find('}').unwrap()];
    assert_eq!(call(serde_json::from_str(settle).unwrap()).await.unwrap(), Output::Settled { state: "sent" });
    assert_eq!(world.subjects().len(), 2);
}
