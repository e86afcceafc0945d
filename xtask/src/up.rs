//! `up`: the database and the four services on this machine, until Ctrl-C.

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use lab::{
    admin::{Admin, Schema},
    binaries::{self, Build},
    client::{ANI, Account, BUDI, Client, DEFAULT_PORT_BASE, Endpoints, PASSWORD, TOP_UP, TOP_UP_KEY},
    environment::{self, variable},
    ports, process,
    server::{INIT_SQL, Options, Purpose, Server},
    ui::{self, Step},
    wallet::{Service, Wallet, WalletOptions},
    workspace_root,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    down,
    state::{self, Guard, State},
};

/// The port of a private database, if it is free.
const DATABASE_PORT: u16 = 3306;
/// The password of the services' accounts in `init-db.sql`.
const SERVICE_PASSWORD: &str = "wallet_development";
/// Lines of a log that are shown when a service ends by itself.
const SHOWN_LINES: usize = 20;

#[derive(Args)]
pub struct Arguments {
    /// The services listen on N+1 to N+4
    #[arg(long, value_name = "N", default_value_t = DEFAULT_PORT_BASE)]
    port_base: u16,
    /// Run a debug build: it is made faster and runs slower
    #[arg(long)]
    debug: bool,
}

struct System {
    // Dropped in this order: the services stop before their database.
    wallet: Wallet,
    server: Option<Server>,
    database: String,
}

struct Signals([Signal; 3]);

/// Starts everything, waits for Ctrl-C or a failure, and stops everything.
pub async fn run(arguments: &Arguments) -> Result<ExitCode> {
    environment::load()?;
    let guard = Guard::take()?;
    if let Some(killed) = state::load() {
        down::end_orphans(&killed);
    }
    let service_ports = check_ports(arguments.port_base)?;
    eprintln!("- Building the services; the first time this takes some minutes");
    let binaries = binaries::build_services(if arguments.debug { Build::Debug } else { Build::Release })?;

    let mut signals = Signals::listen()?;
    let started = tokio::select! {
        system = start(binaries, service_ports, &guard) => Some(system?),
        () = signals.wait() => None,
    };
    let Some((mut system, client)) = started else {
        eprintln!("Stopped before everything was started.");
        return Ok(ExitCode::SUCCESS);
    };
    let users = tokio::select! {
        users = example_users(&client) => users?,
        () = signals.wait() => return stop(system, &mut signals, ExitCode::SUCCESS).await,
    };
    announce(&system, &client, &users);
    let code = tokio::select! {
        failure = watch(&mut system) => {
            ui::error(&failure);
            ExitCode::FAILURE
        }
        () = signals.wait() => ExitCode::SUCCESS,
    };
    stop(system, &mut signals, code).await
}

fn check_ports(base: u16) -> Result<[u16; 4]> {
    let Some(last) = base.checked_add(4) else { bail!("--port-base must be at most {}", u16::MAX - 4) };
    let ports = [base + 1, base + 2, base + 3, last];
    for (service, port) in Service::ALL.into_iter().zip(ports) {
        if !ports::is_free(port) {
            let owner = ports::owner(port).unwrap_or_else(|| "another program".to_owned());
            bail!(
                "port {port}, which {} needs, is taken by {owner}.\nStop that program (if it is this system in another \
                 checkout, with `cargo xtask down` there), or take other ports: cargo xtask up --port-base {}",
                service.name(),
                if base == 6000 { 7000 } else { 6000 }
            );
        }
    }
    Ok(ports)
}

async fn start(binaries: PathBuf, ports: [u16; 4], guard: &Guard) -> Result<(System, Client)> {
    let (server, databases, database) = match variable("DB_HOST") {
        Some(host) => given_database(&host).await?,
        None => private_database().await?,
    };
    let step = Step::start("Starting the four services");
    let folder = state::folder();
    let options = WalletOptions {
        binaries,
        databases,
        ports,
        logs: folder.clone(),
        mail: variable("MAIL_DIR").map_or_else(|| folder.join("mail"), |mail| workspace_root().join(mail)),
        folder: workspace_root(),
        service_token: environment::service_token(),
        inherit_environment: true,
        environment: Vec::new(),
    };
    let mut wallet = Wallet::start(options).await?;
    step.done("The four services are ready");

    let endpoints = Endpoints {
        urls: ports.map(|port| format!("http://localhost:{port}")),
        service_token: wallet.service_token().to_owned(),
    };
    let mut processes: Vec<(u32, String)> = Service::ALL
        .iter()
        .filter_map(|service| Some((wallet.process(*service)?.pid(), service.name().to_owned())))
        .collect();
    processes.extend(server.iter().filter_map(|server| Some((server.pid()?, folder.display().to_string()))));
    guard.save(&State { pid: std::process::id(), endpoints: endpoints.clone(), processes })?;
    Ok((System { wallet, server, database }, Client::new(endpoints)))
}

type Database = (Option<Server>, [Schema; 4], String);

async fn private_database() -> Result<Database> {
    let step = Step::start("Starting a private database server");
    let port = if ports::is_free(DATABASE_PORT) { DATABASE_PORT } else { ports::free_port() };
    let options = Options { dir: state::folder().join("database"), port: Some(port), purpose: Purpose::Use };
    let server = Server::start(options, &|text| step.note(text)).await?;
    step.done(&format!("{} runs on port {port}", server.product()));
    let admin = server.admin();
    let databases = Service::ALL.map(|service| Schema {
        user: service.account().to_owned(),
        password: SERVICE_PASSWORD.into(),
        ..admin.on(service.schema())
    });
    let database = format!("{}  (mysql -h 127.0.0.1 -P {port} -u root -proot)", admin.url());
    Ok((Some(server), with_pool_size(databases), database))
}

/// `DB_HOST` is set: the server there, with the account in `DB_USER` and `DB_PASSWORD`.
async fn given_database(host: &str) -> Result<Database> {
    let port = variable("DB_PORT").unwrap_or_else(|| DATABASE_PORT.to_string());
    let port = port.parse().context("DB_PORT must be a port number, for example DB_PORT=3306")?;
    let user = variable("DB_USER").unwrap_or_else(|| "root".to_owned());
    let password = variable("DB_PASSWORD").unwrap_or_else(|| "root".to_owned());
    let step = Step::start(&format!("Preparing the database server at {host}:{port}"));
    let admin = Admin::new(host, port, &user, &password);
    admin.connect().await.with_context(|| {
        format!(
            "DB_HOST={host} is set, but that server cannot be used. Correct DB_HOST, DB_PORT, DB_USER and DB_PASSWORD \
             in the environment or .env, or unset DB_HOST to get a private server"
        )
    })?;
    if let Err(error) = admin.run(INIT_SQL).await {
        for service in Service::ALL {
            let usable = admin.run(&format!("USE {}", service.schema())).await;
            if usable.is_err() {
                return Err(error.context(format!(
                    "{user} may not make the schemas and accounts. Have an administrator run init-db.sql on {host}"
                )));
            }
        }
    }
    step.done(&format!("The database server at {host}:{port} has the schemas"));
    let databases = Service::ALL.map(|service| admin.on(service.schema()));
    let database = format!("mysql -h {host} -P {port} -u {user} -p");
    Ok((None, with_pool_size(databases), database))
}

fn with_pool_size(mut databases: [Schema; 4]) -> [Schema; 4] {
    for database in &mut databases {
        database.pool_size = 16;
    }
    databases
}

/// Two users and some money, so that the example works at once.
async fn example_users(client: &Client) -> Result<[Account; 2]> {
    let ani = client.sign_in(ANI.0, ANI.1).await?;
    let budi = client.sign_in(BUDI.0, BUDI.1).await?;
    client.top_up(&ani, TOP_UP, TOP_UP_KEY).await?;
    Ok([ani, budi])
}

fn announce(system: &System, client: &Client, [ani, budi]: &[Account; 2]) {
    let here = env::current_dir().unwrap_or_default();
    let short =
        |path: PathBuf| path.strip_prefix(&here).map_or_else(|_| path.clone(), PathBuf::from).display().to_string();
    let mut table = ui::table(&["service", "URL", "log"]);
    for service in Service::ALL {
        let url = client.url(service);
        table.add_row(vec![service.name().to_owned(), url.to_owned(), short(system.wallet.log(service))]);
    }
    let mail = match variable("SMTP_SERVER") {
        Some(server) => format!("sent through {server}"),
        None => short(system.wallet.mail().to_owned()),
    };
    println!("\n{table}");
    let reach = match variable("HOST") {
        Some(host) => format!("from wherever {host} is reached (HOST)"),
        None => "from this machine alone; from others too with HOST=:: in .env".to_owned(),
    };
    println!("{}  {reach}", ui::bold("Reachable "));
    println!("{}  {}", ui::bold("Database  "), system.database);
    println!("{}  {mail}", ui::bold("Mail      "));
    println!("{}  {} / {PASSWORD}", ui::bold("Demo login"), ani.email);
    println!("\n{}\n", ui::bold("Move money: Ani pays Budi 10,000"));
    println!(
        "curl -s {}/transactions \\\n  -H 'Content-Type: application/json' \\\n  -H 'X-Service-Token: {}' \\\n  \
         -d '{{\"sender_id\": {}, \"receiver_id\": {}, \"amount\": 10000, \"description\": \"Lunch\", \"auto_complete\": true}}'",
        client.url(Service::Transaction),
        client.service_token(),
        ani.id,
        budi.id
    );
    println!("\nMore sample data: cargo xtask demo. Check the ledger: cargo xtask verify. Stop: Ctrl-C.");
}

/// Waits until something that should run has ended, and tells what.
async fn watch(system: &mut System) -> String {
    loop {
        if let Some((service, status)) = system.wallet.ended() {
            let log = system.wallet.log(service);
            return format!(
                "{} ended by itself with {status}. The last lines of {}:\n{}",
                service.name(),
                log.display(),
                process::tail(&log, SHOWN_LINES)
            );
        }
        if let Some(server) = &mut system.server
            && !server.is_running()
        {
            let log = server.log();
            return format!(
                "the database server ended by itself. The last lines of {}:\n{}",
                log.display(),
                process::tail(&log, SHOWN_LINES)
            );
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}

async fn stop(mut system: System, signals: &mut Signals, code: ExitCode) -> Result<ExitCode> {
    let stopping = async {
        let step = Step::start("Stopping the services");
        system.wallet.stop().await;
        if let Some(server) = &mut system.server {
            step.note("Stopping the database");
            server.stop().await;
        }
        step.done("Stopped");
    };
    tokio::select! {
        () = stopping => Ok(code),
        // Asked twice: dropping the system ends what is left within seconds.
        () = signals.wait() => Ok(ExitCode::FAILURE),
    }
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be received");
        Ok(Self([listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?]))
    }

    /// Waits until this process is asked to stop.
    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
            _ = hangup.recv() => (),
        }
    }
}
