//! `upgrade-test`: the version before serves while this one takes over, service after service, and no payment suffers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use lab::{
    admin::Admin,
    binaries::{self, Build},
    client::{ANI, BUDI, Client, Endpoints, TOP_UP, TOP_UP_KEY, Transfer},
    database,
    ui::{self, Step},
    verification,
    wallet::{Service, Wallet, WalletOptions},
    workspace_root,
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

/// The order in which the services are replaced: each understands what the others of the version before send.
const ORDER: [Service; 4] = [Service::Notification, Service::User, Service::Transaction, Service::Report];
/// Payments that are made before, between and after the replacements, at least.
const PAYMENTS: u32 = 20;
/// In whole units.
const AMOUNT: u64 = 10;

/// How long a payment waits before it is repeated.
const RETRY: Duration = Duration::from_millis(20);
/// How long [`PAYMENTS`] may take while an instance is replaced.
const PATIENCE: Duration = Duration::from_mins(2);

/// Lets the version before serve while this one takes over, and sees that no payment suffers.
///
/// On a server of its own, or the one in `TEST_DATABASE_URL`.
#[derive(Parser)]
#[command(name = "cargo xtask upgrade-test", bin_name = "cargo xtask upgrade-test", max_term_width = 100)]
struct Arguments {
    /// The commit of the version before, instead of the newest one with fewer migrations
    #[arg(long)]
    from: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::error(&ui::with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let (admin, _server) = database::server_for_tests().await?;
    check(arguments.from.as_deref(), &admin).await
}

/// Runs the test on `admin`'s server.
async fn check(from: Option<&str>, admin: &Admin) -> Result<()> {
    let from = match from {
        Some(from) => from.to_owned(),
        None => match version_before()? {
            Some(commit) => commit,
            None => {
                ensure!(!workspace_root().join(".git").exists(), "the history is missing: git fetch --unshallow");
                eprintln!("- Not tried: this is no clone, so the version before is not known");
                return Ok(());
            }
        },
    };
    let before = programs_of(&from)?;
    let now = binaries::build_services(Build::WithTests)?;

    let step = Step::start("Starting the version before");
    let schemas = [admin.schema().await?, admin.schema().await?, admin.schema().await?, admin.schema().await?];
    let folder = tempfile::tempdir().context("cannot make a folder for temporary files: set TMPDIR")?;
    let databases = [0, 1, 2, 3].map(|n: usize| schemas[n].schema.clone());
    let mut wallet = Wallet::start(WalletOptions::for_test(&before, databases, folder.path())).await?;
    step.done(&format!("The version of {} serves", &from[..from.len().min(10)]));

    let outcome = replace_all(&mut wallet, &now).await;
    wallet.stop().await;
    outcome
}

async fn replace_all(wallet: &mut Wallet, now: &Path) -> Result<()> {
    let client = Arc::new(Client::new(Endpoints::of(wallet)));
    let payer = client.sign_in(ANI.0, ANI.1).await?;
    let payee = client.sign_in(BUDI.0, BUDI.1).await?;
    client.top_up(&payer, TOP_UP, TOP_UP_KEY).await?;
    let payments = Payments::begin(client.clone(), payer.id, payee.id);
    payments.go_on().await?;
    wallet.use_programs(now);
    for service in ORDER {
        // the new one migrates while the one before serves
        let _beside = wallet.another(service).await?;
        payments.go_on().await?;
        wallet.stop_one(service).await;
        wallet.start_again(service).await?;
        payments.go_on().await?;
        eprintln!("- {} is replaced", service.name());
    }
    let paid = payments.end().await?;
    let received = client.balance(payee.id).await?;
    let expected = u64::from(paid) * AMOUNT;
    ensure!(received.parse() == Ok(expected), "{paid} payments of {AMOUNT} were confirmed, and {received} came");
    ensure!(verification::print(&client.verify().await?), "the ledger is broken");
    eprintln!("- {paid} payments were confirmed meanwhile, and none was lost");
    Ok(())
}

/// Payments one after another, each repeated under its key until it is confirmed, as a careful client does.
struct Payments {
    confirmed: Arc<AtomicU32>,
    end: Arc<AtomicBool>,
    paying: JoinHandle<()>,
}

impl Payments {
    fn begin(client: Arc<Client>, payer: i64, payee: i64) -> Self {
        let (confirmed, end) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, ended) = (confirmed.clone(), end.clone());
        let paying = tokio::spawn(async move {
            loop {
                let key = format!("upgrade-{}", count.load(Ordering::Relaxed));
                let payment = Transfer {
                    sender: payer,
                    receiver: payee,
                    amount: AMOUNT,
                    description: "while a new version comes",
                    auto_complete: true,
                    key: &key,
                };
                match client.transfer(&payment).await {
                    Ok(Some(paid)) if paid.status == "completed" => {
                        count.fetch_add(1, Ordering::Relaxed);
                        if ended.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                    // not known yet, or an instance that has just gone
                    _ => sleep(RETRY).await,
                }
            }
        });
        Self { confirmed, end, paying }
    }

    /// Waits for some more of them.
    async fn go_on(&self) -> Result<()> {
        let aim = self.confirmed.load(Ordering::Relaxed) + PAYMENTS;
        let reached = async {
            while self.confirmed.load(Ordering::Relaxed) < aim {
                sleep(RETRY).await;
            }
        };
        timeout(PATIENCE, reached).await.context("payments do not go on")
    }

    /// Ends after the payment that is being made; returns how many were confirmed.
    async fn end(self) -> Result<u32> {
        self.end.store(true, Ordering::Relaxed);
        timeout(PATIENCE, self.paying).await.context("the last payment is not confirmed")??;
        Ok(self.confirmed.load(Ordering::Relaxed))
    }
}

/// The migrations of all services.
const MIGRATIONS: &str = ":(glob)crates/*/migrations/*";

/// The newest commit before this version that has fewer migrations, each of them as it is now; or, if nothing was added to the
/// migrations of version 1, the commit that wrote them. `None` where that is not known.
fn version_before() -> Result<Option<String>> {
    let changed = git(&["log", "--first-parent", "--format=%H", "--", MIGRATIONS])?.unwrap_or_default();
    for commit in changed.lines() {
        let Some(before) = git(&["rev-parse", "--verify", "--quiet", &format!("{commit}^")])? else { continue };
        let since = |kinds: &str| {
            git(&["diff", "--name-only", &format!("--diff-filter={kinds}"), &before, "HEAD", "--", MIGRATIONS])
        };
        if since("A")?.is_some() && since("a")?.is_none() {
            return Ok(Some(before));
        }
    }
    Ok(changed.lines().next().map(str::to_owned))
}

/// What git says; `None` if it fails or says nothing.
fn git(arguments: &[&str]) -> Result<Option<String>> {
    let output = Command::new("git").args(arguments).current_dir(workspace_root()).stdin(Stdio::null()).output();
    let output = output.context("git cannot be started: install it")?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok((output.status.success() && !said.is_empty()).then_some(said))
}

/// The services' programs as of `commit`, built from a copy of its files.
fn programs_of(commit: &str) -> Result<PathBuf> {
    let root = workspace_root();
    let source = root.join("target/version-before");
    let programs = source.join("programs");
    fs::remove_dir_all(&source).or_else(|error| if source.exists() { Err(error) } else { Ok(()) })?;
    fs::create_dir_all(&programs).with_context(|| format!("cannot make {}", programs.display()))?;
    let archive = source.join("source.tar");
    carry_out(Command::new("git").args(["archive", "--output"]).arg(&archive).arg(commit).current_dir(&root))?;
    carry_out(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&source))?;
    // into the same folder: what both versions depend on is built once
    let built = binaries::build_services_of(&source)?;
    for service in Service::ALL {
        fs::copy(built.join(service.name()), programs.join(service.name()))?;
    }
    Ok(programs)
}

fn carry_out(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("{program} cannot be started"))?;
    ensure!(status.success(), "{program} failed; see above");
    Ok(())
}
