//! The four services as processes that know each other.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use secrecy::ExposeSecret;

use crate::{
    admin::Schema,
    http_client::http_client,
    ports,
    process::{self, Launch, OnParentDeath, Process},
};

/// The documented service token of development.
pub const DEVELOPMENT_TOKEN: &str = "service_shared_secret_change_this";

/// How long a service may take to be ready; it waits for its database and brings its schema up to date first.
const READY_LIMIT: Duration = Duration::from_secs(90);
/// How long a service may wait for user-service, which may be away for as long as a test likes.
const PEER_LIMIT: Duration = Duration::from_secs(2);
/// How long a service has to finish what it does when it is told to stop; its own limit is 30 s.
const STOP_LIMIT: Duration = Duration::from_secs(35);
/// How often a service is asked whether it is ready.
const POLL: Duration = Duration::from_millis(50);
/// Lines of a log that an error shows.
const SHOWN_LINES: usize = 20;
/// Variables of this process that the services of a test see.
const KEPT_VARIABLES: [&str; 9] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LLVM_PROFILE_FILE",
];

/// One of the four services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Accounts, balances, the ledger.
    User,
    /// Transfers.
    Transaction,
    /// Notifications and mail.
    Notification,
    /// Reports and summaries.
    Report,
}

/// How to run the four services.
#[derive(Debug, Clone)]
pub struct WalletOptions {
    /// The folder of their programs.
    pub binaries: PathBuf,
    /// Their schemas, in the order of [`Service::ALL`].
    pub databases: [Schema; 4],
    /// Their ports, in the same order.
    pub ports: [u16; 4],
    /// The folder of their log files.
    pub logs: PathBuf,
    /// Where mails are written while no SMTP server is configured.
    pub mail: PathBuf,
    /// Their working directory; a `.env` there is read.
    pub folder: PathBuf,
    /// What they show each other.
    pub service_token: String,
    /// Whether they see the variables of this process: yes for people, no for tests.
    pub inherit_environment: bool,
    /// More variables, which win over all others.
    pub environment: Vec<(Service, String, String)>,
}

/// The four services. Dropping it stops them.
#[derive(Debug)]
pub struct Wallet {
    options: WalletOptions,
    http: reqwest::Client,
    instances: [Option<Process>; 4],
}

/// A running instance beside the first one of its service.
#[derive(Debug)]
pub struct Instance {
    /// Its process.
    pub process: Process,
    /// Its base URL, without a slash at the end.
    pub url: String,
}

impl Service {
    /// All four, in the order of their ports.
    pub const ALL: [Self; 4] = [Self::User, Self::Transaction, Self::Notification, Self::Report];

    /// The name of its program.
    pub fn name(self) -> &'static str {
        ["user-service", "transaction-service", "notification-service", "report-service"][self as usize]
    }

    /// The documented name of its schema.
    pub fn schema(self) -> &'static str {
        ["digital_wallet", "digital_wallet_tx", "digital_wallet_notifications", "digital_wallet_reports"][self as usize]
    }

    /// Its account in `init-db.sql`.
    pub fn account(self) -> &'static str {
        ["user_service", "transaction_service", "notification_service", "report_service"][self as usize]
    }

    /// The variable by which the other services find it.
    pub fn url_variable(self) -> &'static str {
        ["USER_SERVICE_URL", "TRANSACTION_SERVICE_URL", "NOTIFICATION_SERVICE_URL", "REPORT_SERVICE_URL"][self as usize]
    }
}

impl WalletOptions {
    /// Services for a test: free ports, nothing inherited, logs and mails under `folder`, which should be temporary and
    /// outside the workspace.
    pub fn for_test(binaries: &Path, databases: [Schema; 4], folder: &Path) -> Self {
        Self {
            binaries: binaries.to_owned(),
            databases,
            ports: std::array::from_fn(|_| ports::free_port()),
            logs: folder.to_owned(),
            mail: folder.join("mail"),
            folder: folder.to_owned(),
            service_token: DEVELOPMENT_TOKEN.to_owned(),
            inherit_environment: false,
            environment: Vec::new(),
        }
    }

    /// Sets a variable of one service.
    pub fn set(&mut self, service: Service, name: &str, value: &str) {
        self.environment.push((service, name.to_owned(), value.to_owned()));
    }
}

impl Wallet {
    /// Starts all four and waits until they are ready.
    pub async fn start(options: WalletOptions) -> Result<Self> {
        for folder in [&options.logs, &options.mail] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}: make it writable", folder.display()))?;
        }
        let mut wallet = Self { options, http: http_client(), instances: [None, None, None, None] };
        for service in Service::ALL {
            match fs::remove_file(wallet.log(service)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot replace {}", wallet.log(service).display()));
                }
                _ => wallet.launch(service)?,
            }
        }
        for service in Service::ALL {
            wallet.wait_until_ready(service).await?;
        }
        Ok(wallet)
    }

    /// The base URL of a service, without a slash at the end.
    pub fn url(&self, service: Service) -> String {
        format!("http://127.0.0.1:{}", self.options.ports[service as usize])
    }

    /// The log file of a service.
    pub fn log(&self, service: Service) -> PathBuf {
        self.options.logs.join(format!("{}.log", service.name()))
    }

    /// The folder of mails.
    pub fn mail(&self) -> &Path {
        &self.options.mail
    }

    /// What services show each other.
    pub fn service_token(&self) -> &str {
        &self.options.service_token
    }

    /// The process of a service, unless it was stopped or killed here.
    pub fn process(&mut self, service: Service) -> Option<&mut Process> {
        self.instances[service as usize].as_mut()
    }

    /// Sets a variable of one service, from its next start on.
    pub fn set(&mut self, service: Service, name: &str, value: &str) {
        self.options.set(service, name, value);
    }

    /// Uses other programs, from the next start of each service on.
    pub fn use_programs(&mut self, folder: &Path) {
        folder.clone_into(&mut self.options.binaries);
    }

    /// Starts a service that was stopped or killed, on its port, and waits until it is ready.
    pub async fn start_again(&mut self, service: Service) -> Result<()> {
        ensure!(self.process(service).is_none(), "{} runs already: stop it first", service.name());
        self.launch(service)?;
        self.wait_until_ready(service).await
    }

    /// Stops one service in good order and waits for its end.
    pub async fn stop_one(&mut self, service: Service) -> Option<ExitStatus> {
        let mut process = self.instances[service as usize].take()?;
        process.stop(STOP_LIMIT).await
    }

    /// Ends one service as a crash would (SIGKILL).
    pub fn kill(&mut self, service: Service) {
        if let Some(mut process) = self.instances[service as usize].take() {
            process.kill();
        }
    }

    /// Keeps a service from answering, with its connections open, until [`Wallet::resume`].
    pub fn pause(&mut self, service: Service) {
        if let Some(process) = self.process(service) {
            process.pause();
        }
    }

    /// Lets a paused service go on.
    pub fn resume(&mut self, service: Service) {
        if let Some(process) = self.process(service) {
            process.resume();
        }
    }

    /// Starts one more instance of a service on the same schema, on a free port, and waits until it is ready.
    pub async fn another(&self, service: Service) -> Result<Instance> {
        let port = ports::free_port();
        let log = self.options.logs.join(format!("{}-{port}.log", service.name()));
        let mut process = Process::start(&self.options.launch(service, port, log))?;
        let url = format!("http://127.0.0.1:{port}");
        wait_until_ready(&self.http, service, &url, &mut process).await?;
        Ok(Instance { process, url })
    }

    /// A service that ended without being told to, and how.
    pub fn ended(&mut self) -> Option<(Service, ExitStatus)> {
        Service::ALL.into_iter().find_map(|service| Some((service, self.process(service)?.status()?)))
    }

    /// Stops all four in good order and waits for their end.
    pub async fn stop(&mut self) {
        self.instances.iter_mut().flatten().for_each(Process::terminate);
        for service in Service::ALL {
            self.stop_one(service).await;
        }
    }

    fn launch(&mut self, service: Service) -> Result<()> {
        let port = self.options.ports[service as usize];
        let process = Process::start(&self.options.launch(service, port, self.log(service)))?;
        self.instances[service as usize] = Some(process);
        Ok(())
    }

    async fn wait_until_ready(&mut self, service: Service) -> Result<()> {
        let (http, url) = (self.http.clone(), self.url(service));
        let process = self.process(service).with_context(|| format!("{} was not started", service.name()))?;
        wait_until_ready(&http, service, &url, process).await
    }
}

impl Drop for Wallet {
    fn drop(&mut self) {
        // All at once; each process then waits for its own end when it is dropped.
        self.instances.iter_mut().flatten().for_each(Process::terminate);
    }
}

impl WalletOptions {
    fn launch(&self, service: Service, port: u16, log: PathBuf) -> Launch {
        let database = &self.databases[service as usize];
        let mut environment: Vec<(String, String)> = Vec::new();
        let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
        if self.inherit_environment {
            let is_set = |name| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
            if !is_set("APP_ENV") && !is_set("FLASK_ENV") {
                set("APP_ENV", "development".to_owned());
            }
            if !is_set("HOST") {
                set("HOST", "localhost".to_owned());
            }
        } else {
            for name in KEPT_VARIABLES {
                if let Ok(value) = std::env::var(name) {
                    set(name, value);
                }
            }
            set("APP_ENV", "development".to_owned());
            set("HOST", "127.0.0.1".to_owned());
        }
        set("PORT", port.to_string());
        set("DB_HOST", database.host.clone());
        set("DB_PORT", database.port.to_string());
        set("DB_USER", database.user.clone());
        set("DB_PASSWORD", database.password.expose_secret().to_owned());
        set("DB_NAME", database.name.clone());
        set("SERVICE_TOKEN", self.service_token.clone());
        set("MAIL_DIR", self.mail.display().to_string());
        for (other, port) in Service::ALL.into_iter().zip(self.ports) {
            set(other.url_variable(), format!("http://127.0.0.1:{port}"));
        }
        for (_, name, value) in self.environment.iter().filter(|(of, ..)| *of == service) {
            set(name, value.clone());
        }
        Launch {
            program: self.binaries.join(service.name()),
            arguments: Vec::new(),
            environment,
            inherit_environment: self.inherit_environment,
            folder: self.folder.clone(),
            log,
            on_parent_death: OnParentDeath::Terminate,
        }
    }
}

/// Waits for `/ready`; after a while, a service that lacks nothing but user-service will do.
async fn wait_until_ready(http: &reqwest::Client, service: Service, url: &str, process: &mut Process) -> Result<()> {
    let begun = Instant::now();
    loop {
        let how = match http.get(format!("{url}/ready")).send().await {
            Ok(response) if response.status().is_success() => return Ok(()),
            Ok(response) => match response.text().await.unwrap_or_default() {
                text if begun.elapsed() > PEER_LIMIT && text.contains(r#""missing":"user-service""#) => return Ok(()),
                text => format!("is not ready: {text}"),
            },
            Err(error) => format!("does not answer: {error}"),
        };
        let ended = process.status();
        if ended.is_some() || begun.elapsed() > READY_LIMIT {
            let how = ended.map_or(how, |status| format!("ended with {status}"));
            bail!(
                "{} {how}. The last lines of {}:\n{}",
                service.name(),
                process.log().display(),
                process::tail(process.log(), SHOWN_LINES)
            );
        }
        tokio::time::sleep(POLL).await;
    }
}
