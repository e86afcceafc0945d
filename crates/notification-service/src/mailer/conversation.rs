//! A conversation with the mail server: one connection for each mail, because a kept one whose mail was cut off would answer
//! the next mail with its reply.
//!
//! Until the server has the mail, nobody gets it, and `SMTP_TIMEOUT` bounds all of that. Whoever does not wait for the answer
//! to the mail itself, and mails it again, mails it twice: servers look into mails before they take them, and are allowed ten
//! minutes for that (RFC 5321, 4.5.3.2.6).

use std::{fs, time::Duration};

use anyhow::Context;
use lettre::{
    Message,
    transport::smtp::{
        self,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    fault::{Fault, SendError},
    refusal::{self, Step},
};
use crate::config::SmtpConfig;

/// Speaks TLS from the start (RFC 8314); on any other port the connection is upgraded by STARTTLS (RFC 3207).
const IMPLICIT_TLS_PORT: u16 = 465;
/// How many times longer than for all the rest the server may take for its answer to the mail: five minutes unless
/// `SMTP_TIMEOUT` says otherwise, and ten at most.
const ANSWER_TIMES: u32 = 30;
/// How long the server may take to say good-bye; what came of the mail is known by then.
const FAREWELL: Duration = Duration::from_secs(1);

/// A mail server, and how to speak with it.
pub(super) struct MailServer {
    host: String,
    port: u16,
    tls: TlsParameters,
    credentials: Option<Credentials>,
    name: ClientId,
    timeout: Duration,
}

impl MailServer {
    /// The server of a configuration; nothing is connected yet.
    pub(super) fn new(config: &SmtpConfig) -> anyhow::Result<Self> {
        let mut tls = TlsParameters::builder(config.host.clone());
        if let Some(path) = &config.ca_file {
            let pem = fs::read(path).with_context(|| format!("SMTP_CA_FILE {} cannot be read", path.display()))?;
            let certificate = Certificate::from_pem(&pem).context("SMTP_CA_FILE holds no PEM certificate")?;
            tls = tls.add_root_certificate(certificate);
        }
        let login = |(user, password): &(String, secrecy::SecretString)| {
            Credentials::new(user.clone(), password.expose_secret().to_owned())
        };
        Ok(Self {
            host: config.host.clone(),
            port: config.port,
            tls: tls.build()?,
            credentials: config.credentials.as_ref().map(login),
            name: ClientId::default(),
            timeout: config.timeout,
        })
    }

    /// How long it may take until it has a mail.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Hands a mail to `address` over; `Ok` means that the server has taken it.
    pub(super) async fn send(&self, mail: &Message, address: &str) -> Result<(), SendError> {
        let (deadline, text) = (Instant::now() + self.timeout, mail.formatted());
        let too_long = |_| SendError::new(Fault::Unclear, "the mail server took too long");
        let not_sent = |step| move |error: smtp::Error| refusal::reason(&error, step, address);
        let connected = timeout_at(deadline, self.connect()).await.map_err(too_long)?;
        let mut connection = connected.map_err(not_sent(Step::Login))?;
        let announced = timeout_at(deadline, announce(&mut connection, mail, &text)).await.map_err(too_long)?;
        let sent = match announced {
            Ok(()) => match timeout(self.timeout * ANSWER_TIMES, connection.message(&text)).await {
                Ok(answer) => answer.map(drop).map_err(|error| refusal::of_sent(&error, address)),
                Err(_) => return Err(SendError::new(Fault::Unanswered, "the mail server has not answered the mail")),
            },
            Err(Stopped::Smtp(step, error)) => Err(not_sent(step)(error)),
            Err(Stopped::Unsendable(reason)) => Err(SendError::new(Fault::Unsendable, reason)),
        };
        timeout(FAREWELL, connection.abort()).await.ok();
        sent
    }

    /// A connection that is as private as it must be, and logged in.
    async fn connect(&self) -> Result<AsyncSmtpConnection, smtp::Error> {
        let is_implicit = self.port == IMPLICIT_TLS_PORT;
        let tls = is_implicit.then(|| self.tls.clone());
        // whoever is slower cannot be told from one that is away
        let patience = Some(self.timeout / 2);
        let server = (self.host.as_str(), self.port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(server, patience, &self.name, tls, None).await?;
        // credentials never go over a connection that is not encrypted
        if !is_implicit && (self.credentials.is_some() || connection.can_starttls()) {
            connection.starttls(self.tls.clone(), &self.name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

/// Why a mail was not even sent.
enum Stopped {
    Smtp(Step, smtp::Error),
    Unsendable(&'static str),
}

/// Says from whom and to whom a mail is, up to where the server waits for the mail itself.
async fn announce(connection: &mut AsyncSmtpConnection, mail: &Message, text: &[u8]) -> Result<(), Stopped> {
    let (envelope, server) = (mail.envelope(), connection.server_info());
    let mut parameters = Vec::new();
    let addresses = envelope.from().into_iter().chain(envelope.to());
    if !addresses.into_iter().all(|address| AsRef::<str>::as_ref(address).is_ascii()) {
        if !server.supports_feature(Extension::SmtpUtfEight) {
            return Err(Stopped::Unsendable("the mail server takes no addresses beyond ASCII"));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !text.is_ascii() {
        if !server.supports_feature(Extension::EightBitMime) {
            return Err(Stopped::Unsendable("the mail server takes no mails beyond ASCII"));
        }
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let stopped_at = |step| move |error| Stopped::Smtp(step, error);
    let from = Mail::new(envelope.from().cloned(), parameters);
    connection.command(from).await.map_err(stopped_at(Step::Sender))?;
    for recipient in envelope.to() {
        let to = Rcpt::new(recipient.clone(), Vec::new());
        connection.command(to).await.map_err(stopped_at(Step::Recipient))?;
    }
    connection.command(Data).await.map_err(stopped_at(Step::Content))?;
    Ok(())
}
