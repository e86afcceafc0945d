//! Writes mails and hands them to the mail server, or to files when there is none.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use chrono::{DateTime, Utc};
use common::idempotency::fingerprint;
use fault::{Injected, point};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart},
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use money::NotificationId;
use secrecy::ExposeSecret;

use super::{
    fault::{Fault, SendError},
    refusal, subject,
};
use crate::config::{MailConfig, SmtpConfig};

/// Speaks TLS from the start (RFC 8314); on any other port the connection is upgraded by STARTTLS (RFC 3207).
const IMPLICIT_TLS_PORT: u16 = 465;
/// Mails that the mail server gets at once.
const MAX_CONVERSATIONS: usize = 16;

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
    /// One connection for each mail: a kept one whose mail was cut off would answer the next mail with its reply.
    Smtp {
        server: AsyncSmtpTransport<Tokio1Executor>,
        timeout: Duration,
    },
    Files(PathBuf),
}

impl Mailer {
    /// A mailer for a configuration; nothing is connected yet.
    pub fn new(config: &MailConfig) -> anyhow::Result<Self> {
        let transport = match &config.smtp {
            Some(smtp) => Transport::Smtp { server: smtp_transport(smtp)?, timeout: smtp.timeout },
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
            Transport::Smtp { .. } => MAX_CONVERSATIONS,
            // several would only wait for each other: a folder takes one new file at a time
            Transport::Files(_) => 1,
        }
    }

    /// How many of these may go to one recipient: a mailbox that takes long does not hold up the others.
    pub fn at_once_for_one(&self) -> usize {
        match self.transport {
            Transport::Smtp { .. } => MAX_CONVERSATIONS / 8,
            Transport::Files(_) => usize::MAX,
        }
    }

    /// Hands a mail over; `Ok` means that the server (or the disk) has it. The reason of a failure is in our own words.
    pub async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let not_sent = |injected: Injected| SendError::new(Fault::Unclear, injected.to_string());
        let point = point!("mail");
        point.before().await.map_err(not_sent)?;
        self.hand_over(letter).await?;
        point.after().await.map_err(not_sent)
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
            // lettre's own time-out covers the connection only
            Transport::Smtp { server, timeout } => match tokio::time::timeout(*timeout, server.send(mail)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(refusal::reason(&error, &letter.address)),
                Err(_) => Err(SendError::new(Fault::Unclear, "the mail server took too long")),
            },
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

fn smtp_transport(config: &SmtpConfig) -> anyhow::Result<AsyncSmtpTransport<Tokio1Executor>> {
    let mut tls = TlsParameters::builder(config.host.clone());
    if let Some(path) = &config.ca_file {
        let pem = fs::read(path).with_context(|| format!("SMTP_CA_FILE {} cannot be read", path.display()))?;
        let certificate = Certificate::from_pem(&pem).context("SMTP_CA_FILE holds no PEM certificate")?;
        tls = tls.add_root_certificate(certificate);
    }
    let tls = tls.build()?;
    let tls = match (config.port, &config.credentials) {
        (IMPLICIT_TLS_PORT, _) => Tls::Wrapper(tls),
        // Credentials never go over a connection that is not encrypted.
        (_, Some(_)) => Tls::Required(tls),
        (_, None) => Tls::Opportunistic(tls),
    };
    let mut smtp = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
        .port(config.port)
        .tls(tls)
        .timeout(Some(config.timeout / 2)); // to connect; whoever is slower cannot be told from one that is away
    if let Some((user, password)) = &config.credentials {
        smtp = smtp.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
    }
    Ok(smtp.build())
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
