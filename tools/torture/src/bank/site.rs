//! What the bank run takes place on: a durable database server, two instances of each service, a mail server, and a proxy
//! on every way between them.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use lab::{
    Progress,
    binaries::binaries,
    database::TestDatabase,
    http::Api,
    server::{Options, Purpose, Server},
    smtp::{Mail, SmtpServer},
    wallet::{Service, Wallet, WalletOptions},
};
use serde_json::json;
use sqlx::{MySqlConnection, MySqlPool};
use tempfile::TempDir;

use lab::proxy::Proxy;

/// The instances of each service.
pub const INSTANCES: usize = 2;

/// When what nobody has decided expires: soon, so that it races those who do decide.
pub const PENDING_TTL: Duration = Duration::from_secs(1);

/// How the mail server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mailing {
    /// As it should.
    Works,
    /// It accepts connections and says nothing.
    Hangs,
    /// Nobody listens.
    Refuses,
}

/// Everything that runs.
pub struct Site {
    // dropped in this order: those who use something before what they use
    /// The four services, twice.
    pub wallets: Vec<Wallet>,
    /// Callers of both instances of each service, with the service token.
    pub instances: [[Api; INSTANCES]; 4],
    /// On the way to each service, before both of its instances.
    pub links: [Proxy; 4],
    /// On each service's way to the database.
    pub database_links: [Proxy; 4],
    databases: Vec<TestDatabase>,
    /// The database server.
    pub server: Server,
    mail_port: u16,
    mail: Option<SmtpServer>,
    mails: Vec<Mail>,
    _folders: Vec<TempDir>,
}

impl Site {
    /// Starts everything.
    pub async fn start(progress: Progress<'_>) -> Result<Self> {
        let binaries = tokio::task::spawn_blocking(binaries).await.context("the services compile")?;
        let database_folder = tempfile::tempdir().context("a temporary folder")?;
        let options = Options { dir: database_folder.path().to_owned(), port: None, purpose: Purpose::Use };
        let server = Server::start(options, progress).await?;
        let databases = server.admin().schemas().await?;
        let mail = SmtpServer::start(json!({})).await;
        let address = format!("127.0.0.1:{}", server.port());
        let database_links = proxies(|_| vec![address.clone()]).await;

        let mut folders = Vec::new();
        let mut options = Vec::new();
        for _ in 0..INSTANCES {
            let folder = tempfile::tempdir().context("a temporary folder")?;
            options.push(wallet(binaries, &databases, &database_links, folder.path(), mail.port));
            folders.push(folder);
        }
        let links = proxies(|service| {
            options.iter().map(|options| format!("127.0.0.1:{}", options.ports[service as usize])).collect()
        })
        .await;
        let mut wallets = Vec::new();
        for mut options in options {
            for (of, link) in Service::ALL.into_iter().zip(&links) {
                for service in Service::ALL {
                    options.set(service, of.url_variable(), &link.url());
                }
            }
            wallets.push(Wallet::start(options).await?);
        }
        folders.push(database_folder);
        let instances =
            Service::ALL.map(|service| [0, 1].map(|n: usize| Api::new(wallets[n].url(service)).as_service()));
        let (mail_port, mail, mails) = (mail.port, Some(mail), Vec::new());
        Ok(Self {
            wallets,
            instances,
            links,
            database_links,
            databases,
            server,
            mail_port,
            mail,
            mails,
            _folders: folders,
        })
    }

    /// A look into the schema of `service`, past the proxy.
    pub fn pool(&self, service: Service) -> MySqlPool {
        self.databases[service as usize].pool()
    }

    /// The name of the schema of `service`.
    pub fn schema(&self, service: Service) -> &str {
        &self.databases[service as usize].schema.name
    }

    /// A look into all schemas.
    pub async fn all_schemas(&self) -> Result<MySqlConnection> {
        self.server.admin().connect().await
    }

    /// Changes how the mail server behaves.
    pub async fn set_mailing(&mut self, mailing: Mailing) {
        if let Some(server) = self.mail.take() {
            self.mails.extend(server.stop().await);
        }
        self.mail = match mailing {
            Mailing::Works => Some(SmtpServer::start(json!({"port": self.mail_port})).await),
            Mailing::Hangs => Some(SmtpServer::start(json!({"port": self.mail_port, "mute": true})).await),
            Mailing::Refuses => None,
        };
    }

    /// Every mail that was accepted so far.
    pub fn mails(&self) -> Vec<Mail> {
        self.mails.iter().cloned().chain(self.mail.iter().flat_map(SmtpServer::mails)).collect()
    }
}

async fn proxies(addresses: impl Fn(Service) -> Vec<String>) -> [Proxy; 4] {
    let [user, transaction, notification, report] = Service::ALL.map(addresses);
    [
        Proxy::before(user).await,
        Proxy::before(transaction).await,
        Proxy::before(notification).await,
        Proxy::before(report).await,
    ]
}

fn wallet(
    binaries: &Path,
    databases: &[TestDatabase],
    links: &[Proxy; 4],
    folder: &Path,
    mail_port: u16,
) -> WalletOptions {
    let configs = [0, 1, 2, 3].map(|n: usize| {
        let mut config = databases[n].schema.clone();
        config.port = links[n].port();
        config
    });
    let mut options = WalletOptions::for_test(binaries, configs, folder);
    options.set(Service::Report, "REPORT_SYNC_INTERVAL", "2");
    options.set(Service::Transaction, "PENDING_TTL", &PENDING_TTL.as_secs().to_string());
    for (name, value) in [
        ("SMTP_SERVER", "127.0.0.1"),
        ("SMTP_PORT", &mail_port.to_string()),
        ("SMTP_TIMEOUT", "2"),
        ("MAIL_RETRY_SECONDS", "1"),
        ("MAIL_MAX_ATTEMPTS", "20"),
        ("MAIL_RATE", "1000"),
        ("MAIL_USER_RATE", "off"), // a day's mails must be out by its end
    ] {
        options.set(Service::Notification, name, value);
    }
    options
}
