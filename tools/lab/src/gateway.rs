//! The gateway of `deploy/gateway` on this machine: nginx, with the configuration that its container has.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Certificate;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{
    Progress,
    http::Api,
    packages::{self, Packages},
    ports,
    process::{self, Launch, OnParentDeath, Process},
    system,
    wallet::Service,
    workspace_root,
};

const PACKAGES: Packages = Packages {
    what: "nginx, with openssl",
    debian: &["nginx", "openssl"],
    fedora: "nginx openssl",
    arch: "nginx openssl",
    homebrew: "nginx openssl",
};
/// How long it may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How often is looked whether it does.
const POLL: Duration = Duration::from_millis(20);
/// Lines of its log that an error shows.
const SHOWN_LINES: usize = 20;
/// How long a test waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a gateway stands before, and what it lets through.
#[derive(Debug, Clone)]
pub struct Options {
    /// The base URLs of the services, in the order of [`Service::ALL`].
    pub services: [String; 4],
    /// Requests a second of each address.
    pub rate: u32,
    /// Whether services may come in from outside.
    pub lets_services_in: bool,
    /// The DNS server that knows the names in `services`.
    pub resolver: SocketAddr,
}

/// A running gateway. Dropping it stops it.
pub struct Gateway {
    /// Dropped before the folder that it writes to.
    _process: Process,
    folder: TempDir,
    port: u16,
}

impl Options {
    /// For services whose URLs have addresses, more requests than a test makes, and nobody but users.
    pub fn before(services: [String; 4]) -> Self {
        Self { services, rate: 1000, lets_services_in: false, resolver: SocketAddr::from((Ipv4Addr::LOCALHOST, 53)) }
    }
}

impl Gateway {
    /// Starts a gateway on a free port, with a certificate of its own.
    pub async fn start(options: &Options) -> Result<Self> {
        let nginx = nginx(&|_| {})?;
        let folder = tempfile::tempdir().context("cannot make a folder for temporary files: set TMPDIR")?;
        let (port, redirect_port) = (ports::free_port(), ports::free_port());
        let deploy = workspace_root().join("deploy/gateway");
        let paths = [certificate(folder.path()), folder.path().join("key.pem")];
        let mut variables = vec![
            ("GATEWAY_PORT", format!("127.0.0.1:{port}")),
            ("GATEWAY_REDIRECT_PORT", format!("127.0.0.1:{redirect_port}")),
            ("GATEWAY_RESOLVER", options.resolver.to_string()),
            ("GATEWAY_RATE", options.rate.to_string()),
            ("GATEWAY_SERVICES", if options.lets_services_in { "allowed" } else { "" }.to_owned()),
            ("GATEWAY_CERTIFICATE", paths[0].display().to_string()),
            ("GATEWAY_KEY", paths[1].display().to_string()),
        ];
        variables.extend(Service::ALL.map(Service::url_variable).into_iter().zip(options.services.clone()));

        let mut script = Command::new(deploy.join("certificate.sh"));
        let made = script.envs(variables.iter().cloned()).stdin(Stdio::null()).output();
        let made = made.context("certificate.sh cannot be started")?;
        ensure!(made.status.success(), "certificate.sh failed:\n{}", packages::last_lines(&made));
        let configuration = fill_in(&fs::read_to_string(deploy.join("nginx.conf.template"))?, &variables)?;
        fs::write(folder.path().join("nginx.conf"), configuration)?;

        let arguments = ["-e", "stderr", "-p", &folder.path().display().to_string(), "-c", "nginx.conf"];
        let mut process = Process::start(&Launch {
            program: nginx,
            arguments: arguments.into_iter().chain(["-g", "daemon off;"]).map(Into::into).collect(),
            environment: Vec::new(),
            inherit_environment: true,
            folder: folder.path().to_owned(),
            log: folder.path().join("log"),
            on_parent_death: OnParentDeath::Terminate,
        })?;
        listens(port, &mut process).await?;
        Ok(Self { _process: process, folder, port })
    }

    /// Where it listens for TLS.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// A caller that trusts the gateway's certificate and nothing else.
    pub fn api(&self) -> Api {
        self.api_as(|client| client)
    }

    /// The same from another address of this machine.
    pub fn api_from(&self, address: impl Into<IpAddr>) -> Api {
        let address = address.into();
        self.api_as(|client| client.local_address(address))
    }

    /// The same with a client that is set up further.
    ///
    /// # Panics
    /// If the client cannot be made.
    #[expect(clippy::disallowed_methods, reason = "the client of the services trusts what the system trusts")]
    pub fn api_as(&self, set_up: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> Api {
        let pem = fs::read(certificate(self.folder.path())).expect("the certificate was made");
        let trusted = Certificate::from_pem(&pem).expect("the certificate can be read");
        let client = reqwest::Client::builder().tls_certs_only([trusted]).timeout(TIMEOUT);
        Api::through(set_up(client).build().expect("a client"), self.url())
    }

    /// What it has written, the log of its requests included.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

fn certificate(folder: &Path) -> PathBuf {
    folder.join("certificate.pem")
}

/// The path of `nginx`; it and `openssl` are installed where that needs no question.
fn nginx(progress: Progress<'_>) -> Result<PathBuf> {
    let find = || system::find("openssl").and(system::find("nginx"));
    packages::find_or_install(find, &PACKAGES, progress)
}

/// Writes values into `${…}`, as envsubst does in the container.
fn fill_in(template: &str, variables: &[(&str, String)]) -> Result<String> {
    let filled = variables.iter().fold(template.to_owned(), |text, (name, value)| {
        let place = format!("${{{name}}}");
        text.replace(&place, value)
    });
    let left = filled.split("${").skip(1).map(|rest| rest.split('}').next().unwrap_or_default()).next();
    left.map_or(Ok(()), |name| bail!("nginx.conf.template wants {name}, which has no value"))?;
    Ok(filled)
}

async fn listens(port: u16, process: &mut Process) -> Result<()> {
    let begun = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
        if process.status().is_some() || begun.elapsed() > START_LIMIT {
            bail!("nginx does not listen. What it says:\n{}", process::tail(process.log(), SHOWN_LINES));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
