//! The message: text and HTML as alternatives, the picture beside the HTML, the attachments around both.
//!
//! The same content gives the same bytes at the same date: boundaries and ids come from the content.

use crate::Error;
use crate::outbox::Topic;
use apportion_config::Mail;
use apportion_core::day::Day;
use apportion_output::sha256_hex;
use mail_builder::MessageBuilder;
use mail_builder::headers::HeaderType;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::MimePart;

/// Header that names the content: what was sent once is not sent again.
pub const CONTENT: &str = "X-Apportion-Content";

pub struct Attachment {
    pub name: String,
    pub mime: &'static str,
    pub bytes: Vec<u8>,
}

pub struct Message<'a> {
    pub topic: &'a Topic,
    pub version: u32,
    /// Seconds since 1970-01-01.
    pub date: i64,
    pub recipients: &'a [String],
    pub subject: &'a str,
    pub text: &'a str,
    pub html: &'a str,
    /// Its id in the HTML, and the PNG.
    pub picture: Option<(&'a str, &'a [u8])>,
    pub attachments: &'a [Attachment],
    /// Names what the mail says; see [`CONTENT`].
    pub content: &'a str,
}

/// Id of the picture in the HTML.
pub fn picture_id(date: Day) -> String {
    format!("trend-{date}@apportion")
}

pub fn build(mail: &Mail, message: &Message<'_>) -> Result<Vec<u8>, Error> {
    let domain = mail.sender.rsplit('@').next().unwrap_or("localhost");
    let (name, of) = (message.topic.name(), message.topic.folder());
    let id = format!("{name}-{of}-{}-{}@{domain}", message.version, message.content.get(..16).unwrap_or_default());
    let boundary = |part: &str| {
        let digest = sha256_hex(format!("{}/{}/{part}", message.content, message.version).as_bytes());
        format!("=_{part}_{}", digest.get(..32).unwrap_or_default())
    };
    let multipart = |kind: &str, parts| {
        MimePart::new(ContentType::new(format!("multipart/{kind}")).attribute("boundary", boundary(kind)), parts)
    };
    let html = MimePart::new("text/html", message.html);
    let html = match message.picture {
        None => html,
        Some((id, png)) => {
            let picture = MimePart::new("image/png", png).inline().cid(id);
            multipart("related", vec![html, picture])
        }
    };
    let body = multipart("alternative", vec![MimePart::new("text/plain", message.text), html]);
    let mut parts = vec![body];
    parts.extend(
        message
            .attachments
            .iter()
            .map(|one| MimePart::new(ContentType::new(one.mime), one.bytes.as_slice()).attachment(one.name.as_str())),
    );
    let sender_name = (!mail.sender_name.is_empty()).then_some(mail.sender_name.as_str());
    let recipients: Vec<Address<'_>> =
        message.recipients.iter().map(|one| Address::new_address(None::<&str>, one.as_str())).collect();
    let builder = MessageBuilder::new()
        .from(Address::new_address(sender_name, mail.sender.as_str()))
        .to(Address::new_list(recipients))
        .subject(message.subject)
        .date(message.date)
        .message_id(id.as_str())
        .header("Auto-Submitted", HeaderType::Raw(Raw::new("auto-generated")))
        .header(CONTENT, HeaderType::Raw(Raw::new(message.content)));
    builder.body(multipart("mixed", parts)).write_to_vec().map_err(crate::staging)
}

/// The content that a message names; `None` if it is none of ours.
pub fn content_of(message: &[u8]) -> Option<String> {
    let head = message.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty() && *line != b"\r");
    let mark = format!("{CONTENT}: ");
    head.filter_map(|line| std::str::from_utf8(line).ok()?.trim_end().strip_prefix(&mark).map(str::to_owned)).next()
}
