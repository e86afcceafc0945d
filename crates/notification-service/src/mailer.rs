//! Writes mails and hands them to the mail server, or to files when there is none.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use chrono::{DateTime, Utc};
use common::{NotificationId, error::error_chain, fault::Injected, idempotency::fingerprint, point};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart},
    transport::smtp::{
        self,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use secrecy::ExposeSecret;

use crate::config::{MailConfig, SmtpConfig};

/// Speaks TLS from the start (RFC 8314); on any other port the connection is upgraded by STARTTLS (RFC 3207).
const IMPLICIT_TLS_PORT: u16 = 465;
/// Replies to a wrong or missing login (RFC 4954): the configuration is at fault, not the mail.
const LOGIN_REPLIES: [u16; 4] = [530, 534, 535, 538];
/// Characters of the message that the subject line shows.
const MAX_SUBJECT: usize = 60;
/// Mails that the mail server gets at once.
const MAX_CONVERSATIONS: usize = 16;

/// A mail to write: a notification and whom it goes to.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The notification's number, by which the mail is recognised if it comes twice.
    pub notification: NotificationId,
    /// When the notification was made.
    pub created_at: DateTime<Utc>,
    /// The user's name.
    pub name: String,
    /// The user's address.
    pub address: String,
    /// What they are told.
    pub message: String,
}

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It may be taken another time.
    #[error("{0}")]
    Temporary(String),
    /// It never will.
    #[error("{0}")]
    Permanent(String),
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

    /// Hands a mail over; `Ok` means that the server (or the disk) has it. The reason of a failure does not show the
    /// address, which mail servers like to repeat.
    pub async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let hide = |reason: String| reason.replace(&letter.address, "the recipient");
        let not_sent = |injected: Injected| SendError::Temporary(injected.to_string());
        let point = point!("mail");
        point.before().await.map_err(not_sent)?;
        self.hand_over(letter).await.map_err(|error| match error {
            SendError::Temporary(reason) => SendError::Temporary(hide(reason)),
            SendError::Permanent(reason) => SendError::Permanent(hide(reason)),
        })?;
        point.after().await.map_err(not_sent)
    }

    async fn hand_over(&self, letter: &Letter) -> Result<(), SendError> {
        let mail = self.write(letter).map_err(|error| SendError::Permanent(error_chain(&*error)))?;
        match &self.transport {
            Transport::Files(dir) => {
                // One file for each notification: a mail that is sent again takes the place of the first.
                let path = dir.join(format!("notification-{}.eml", letter.notification));
                let written = tokio::task::spawn_blocking(move || replace(&path, &mail.formatted())).await;
                let written = written.map_err(io::Error::other).flatten();
                written.map_err(|error| SendError::Temporary(format!("the mail folder: {error}")))
            }
            // lettre's own time-out covers the connection only
            Transport::Smtp { server, timeout } => match tokio::time::timeout(*timeout, server.send(mail)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(reason(&error)),
                Err(_) => Err(SendError::Temporary("the mail server took too long".into())),
            },
        }
    }

    /// The mail for a letter. Its Message-ID depends on the notification and its text alone.
    fn write(&self, letter: &Letter) -> anyhow::Result<Message> {
        let address: Address = letter.address.parse()?;
        // lettre panics at a control character in a name
        let name: String = letter.name.chars().filter(|c| !c.is_control()).collect();
        let name = Some(name).filter(|name| !name.is_empty());
        let text = u64::from_be_bytes(*fingerprint(&letter.message).first_chunk().expect("a digest has 32 bytes"));
        let id = format!(
            "<notification-{}.{}.{text:x}@{}>",
            letter.notification,
            letter.created_at.timestamp_micros(),
            self.sender.email.domain()
        );
        let html = format!("<!doctype html><html><body><p>{}</p></body></html>", escape_html(&letter.message));
        let mail = Message::builder()
            .from(self.sender.clone())
            .to(Mailbox::new(name, address))
            .subject(subject(&letter.message))
            .message_id(Some(id))
            .multipart(MultiPart::alternative_plain_html(letter.message.clone(), html))?;
        Ok(mail)
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
        .timeout(Some(config.timeout));
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

fn reason(error: &smtp::Error) -> SendError {
    let login = error.status().is_some_and(|code| LOGIN_REPLIES.contains(&u16::from(code)));
    if error.is_permanent() && !login {
        SendError::Permanent(error_chain(error))
    } else {
        SendError::Temporary(error_chain(error))
    }
}

fn subject(message: &str) -> String {
    if message.chars().count() <= MAX_SUBJECT {
        return format!("Digital Wallet: {message}");
    }
    let start: String = message.chars().take(MAX_SUBJECT).collect();
    format!("Digital Wallet: {}…", start.trim_end())
}

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailer() -> Mailer {
        Mailer { transport: Transport::Files(PathBuf::new()), sender: "noreply@wallet.example".parse().unwrap() }
    }

    fn letter(name: &str, address: &str, message: &str) -> Letter {
        Letter {
            notification: 7.try_into().unwrap(),
            created_at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            name: name.into(),
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
        let letter = letter("Ani", "ani@example.com", "Top-up Rp 100,000 successful.");
        assert!(id(&written(&letter)).starts_with("Message-ID: <notification-7.1700000000000000."));
        assert_eq!(id(&written(&letter)), id(&written(&letter)));
        assert_ne!(id(&written(&letter)), id(&written(&Letter { message: "Another text".into(), ..letter })));
    }

    #[test]
    fn a_name_cannot_add_a_header() {
        let text = written(&letter("Ani\r\nBcc: evil@example.com", "ani@example.com", "Hello"));
        let headers = text.split("\r\n\r\n").next().unwrap();
        assert!(!headers.lines().any(|line| line.starts_with("Bcc:")), "{headers}");
    }

    #[test]
    fn markup_in_a_message_is_text() {
        let mail = written(&letter("Ani", "ani@example.com", "<script>alert(1)</script>"));
        assert!(mail.contains("&lt;script&gt;") && !mail.contains("<p><script>"), "{mail}");
    }

    #[test]
    fn an_address_that_is_none_is_refused_for_good() {
        assert!(mailer().write(&letter("Ani", "not an address", "Hello")).is_err());
    }
}
