//! Writes mails and hands them to the mail server, or to files when there is none.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use chrono::{DateTime, Utc};
use common::idempotency::fingerprint;
use fault::{Injected, point};
use lettre::{
    Address, Message,
    message::{Mailbox, MultiPart},
};
use money::NotificationId;

use super::{
    conversation::MailServer,
    fault::{Fault, SendError},
    subject,
};
use crate::config::MailConfig;

/// Mails that the mail server gets at once.
const MAX_CONVERSATIONS: usize = 16;
/// How long a mail that becomes a file may take at most before whoever asked for it goes on.
const FILE_PATIENCE: Duration = Duration::from_secs(10);

/// A mail to write: a notification and where it goes. Nothing in it is text that a user may choose: whoever gives another
/// person's address for its own must not be able to write to that person.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The notification's number, by which the mail is recognised if it comes twice.
    pub notification: NotificationId,
    /// When the notification was made.
    pub created_at: DateTime<Utc>,
    /// The user's address.
    pub address: String,
    /// The text.
    pub message: String,
}

/// Hands mails over. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    transport: Transport,
    sender: Mailbox,
}

#[derive(Clone)]
enum Transport {
    Smtp(Arc<MailServer>),
    Files(PathBuf),
}

impl Mailer {
    /// A mailer for a configuration; nothing is connected yet.
    pub fn new(config: &MailConfig) -> anyhow::Result<Self> {
        let transport = match &config.smtp {
            Some(smtp) => Transport::Smtp(Arc::new(MailServer::new(smtp)?)),
            None => {
                fs::create_dir_all(&config.dir)
                    .with_context(|| format!("MAIL_DIR {} cannot be created", config.dir.display()))?;
                Transport::Files(config.dir.clone())
            }
        };
        Ok(Self { transport, sender: config.sender.clone() })
    }

    /// How many mails may be handed over at once.
    pub fn at_once(&self) -> usize {
        match self.transport {
            Transport::Smtp(_) => MAX_CONVERSATIONS,
            // several would only wait for each other: a folder takes one new file at a time
            Transport::Files(_) => 1,
        }
    }

    /// How many of these may go to one recipient: a mailbox that takes long does not hold up the others.
    pub fn at_once_for_one(&self) -> usize {
        match self.transport {
            Transport::Smtp(_) => MAX_CONVERSATIONS / 8,
            Transport::Files(_) => usize::MAX,
        }
    }

    /// After how long a mail waits for nothing but the server's answer to it, which may take much longer.
    pub fn patience(&self) -> Duration {
        match &self.transport {
            Transport::Smtp(server) => server.timeout(),
            Transport::Files(_) => FILE_PATIENCE,
        }
    }

    /// Hands a mail over; `Ok` means that the server (or the disk) has it. The reason of a failure is in our own words.
    pub async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let failed = |fault| move |injected: Injected| SendError::new(fault, injected.to_string());
        let point = point!("mail");
        point.before().await.map_err(failed(Fault::Unclear))?;
        self.hand_over(letter).await?;
        point.after().await.map_err(failed(Fault::Unanswered))
    }

    async fn hand_over(&self, letter: &Letter) -> Result<(), SendError> {
        let mail = self.write(letter)?;
        match &self.transport {
            Transport::Files(dir) => {
                // One file for each notification: a mail that is sent again takes the place of the first.
                let path = dir.join(format!("notification-{}.eml", letter.notification));
                let written = tokio::task::spawn_blocking(move || replace(&path, &mail.formatted())).await;
                let written = written.map_err(io::Error::other).flatten();
                written.map_err(|error| SendError::new(Fault::Away, format!("the mail folder: {error}")))
            }
            Transport::Smtp(server) => server.send(&mail, &letter.address).await,
        }
    }

    /// The mail for a letter. Its Message-ID depends on the notification and its text alone.
    fn write(&self, letter: &Letter) -> Result<Message, SendError> {
        let nowhere = |_| SendError::new(Fault::Unsendable, "the user's address is none that mail can go to");
        let address: Address = letter.address.parse().map_err(nowhere)?;
        let text = u64::from_be_bytes(*fingerprint(&letter.message).first_chunk().expect("a digest has 32 bytes"));
        let id = format!(
            "<notification-{}.{}.{text:x}@{}>",
            letter.notification,
            letter.created_at.timestamp_micros(),
            self.sender.email.domain()
        );
        let lines = escape_html(&letter.message).replace('\n', "<br>\n");
        let html = format!("<!doctype html><html><body><p>{lines}</p></body></html>");
        Message::builder()
            .from(self.sender.clone())
            .to(Mailbox::new(None, address))
            .raw_header(subject::header(&letter.message))
            .message_id(Some(id))
            .multipart(MultiPart::alternative_plain_html(letter.message.clone(), html))
            .map_err(|error| SendError::new(Fault::Unsendable, format!("the mail cannot be written: {error}")))
    }
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("part");
    fs::write(&draft, content)?;
    fs::rename(&draft, path)
}

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;

    use super::*;

    fn mailer() -> Mailer {
        Mailer { transport: Transport::Files(PathBuf::new()), sender: "noreply@wallet.example".parse().unwrap() }
    }

    fn letter(address: &str, message: &str) -> Letter {
        Letter {
            notification: 7.try_into().unwrap(),
            created_at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            address: address.into(),
            message: message.into(),
        }
    }

    fn written(letter: &Letter) -> String {
        String::from_utf8(mailer().write(letter).unwrap().formatted()).unwrap()
    }

    #[test]
    fn the_same_text_of_a_notification_has_the_same_message_id() {
        let id = |text: &str| text.lines().find(|l| l.starts_with("Message-ID:")).unwrap().to_owned();
        let letter = letter("ani@example.com", "Top-up Rp 100,000 successful.");
        assert!(id(&written(&letter)).starts_with("Message-ID: <notification-7.1700000000000000."));
        assert_eq!(id(&written(&letter)), id(&written(&letter)));
        assert_ne!(id(&written(&letter)), id(&written(&Letter { message: "Another text".into(), ..letter })));
    }

    #[test]
    fn a_message_of_several_lines_arrives_with_them() {
        let mail = written(&letter("ani@example.com", "One\nTwo <&>\n\n=?utf-8?q?=50?="));
        let mail = MessageParser::default().parse(mail.as_bytes()).unwrap();
        let text = mail.body_text(0).unwrap().replace("\r\n", "\n");
        assert_eq!(text.trim_end(), "One\nTwo <&>\n\n=?utf-8?q?=50?=");
        let html = mail.body_html(0).unwrap().replace("\r\n", "\n");
        assert!(html.contains("<p>One<br>\nTwo &lt;&amp;&gt;<br>\n<br>\n=?utf-8?q?=50?=</p>"), "{html}");
        assert_eq!(mail.subject(), Some("Digital Wallet: One Two <&>  =?utf-8?q?=50?="));
    }

    #[test]
    fn markup_in_a_message_is_text() {
        let mail = written(&letter("ani@example.com", "<script>alert(1)</script>"));
        assert!(mail.contains("&lt;script&gt;") && !mail.contains("<p><script>"), "{mail}");
    }

    #[test]
    fn an_address_that_is_none_is_refused_for_good() {
        assert!(mailer().write(&letter("not an address", "Hello")).is_err());
    }
}
