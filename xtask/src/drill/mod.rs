//! `compose-drill`: what the documents promise of the wallet in containers is acted out, from the documents' own text, under a
//! load that must not notice.

mod containers;
mod load;
mod page;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::Args;
use tokio::time::sleep;

use crate::ui::{self, Step};
use containers::{Kind, Project};
use load::Load;

/// How long an instance is frozen.
const FROZEN_FOR: Duration = Duration::from_secs(10);
/// The slowest answer while something is changed.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Args)]
pub struct Arguments {
    /// The database's image, such as mariadb:11.8; the one of the Compose file unless it is said
    #[arg(long, value_name = "IMAGE")]
    database: Option<String>,
    /// The part that `test` runs: development and its tour, production, one replacement, one restore
    #[arg(long)]
    short: bool,
}

/// True if an engine answers.
pub fn has_engine() -> bool {
    containers::has_engine()
}

/// Acts everything out, and takes down what it has started.
pub async fn run(arguments: &Arguments) -> Result<ExitCode> {
    check(arguments.database.as_deref(), arguments.short).await?;
    Ok(ExitCode::SUCCESS)
}

/// The same; the error is the first promise that does not hold.
pub async fn check(database: Option<&str>, short: bool) -> Result<()> {
    ensure!(has_engine(), "`docker info` does not answer: start Docker");
    let step = Step::start("Building the images; the first time this takes some minutes");
    containers::build()?;
    step.done("The four images are built");
    development(database)?;
    production(database, short).await
}

fn development(database: Option<&str>) -> Result<()> {
    let step = Step::start("Starting the wallet as for development");
    let project = Project::new(Kind::Development, database)?;
    let start = page::block("README.md", "docker compose up -d --build --wait")?;
    project.shell(&start.replace(" --build", ""))?; // they were built from the checkout
    step.done("It is healthy");
    let step = Step::start("Taking the README's tour");
    project.take_tour()?;
    step.done("The tour comes to what it says");
    Ok(())
}

async fn production(database: Option<&str>, short: bool) -> Result<()> {
    let step = Step::start("Starting the wallet as for production");
    let project = Project::new(Kind::Production, database)?;
    project.shell("deploy/wallet check")?;
    project.shell("deploy/wallet up")?;
    step.done("It is healthy");
    let mut load = Load::start(&project).await?;
    sleep(Duration::from_secs(2)).await;

    unnoticed(&mut load, "Replacing user-service", || project.shell("deploy/wallet roll user-service")).await?;
    if !short {
        unnoticed(&mut load, "Replacing all services", || project.shell("deploy/wallet roll")).await?;
        changed_secrets(&project, &mut load).await?;
        unnoticed(&mut load, "From two instances to four", || {
            project.set("TRANSACTION_SERVICE_REPLICAS", "4")?;
            project.shell("deploy/wallet roll transaction-service")
        })
        .await?;
        unnoticed(&mut load, "And back to two", || {
            project.set("TRANSACTION_SERVICE_REPLICAS", "2")?;
            project.shell("deploy/wallet roll transaction-service")
        })
        .await?;
        unnoticed(&mut load, "Killing an instance", || project.kill_one("transaction-service")).await?;
        for service in ["transaction-service", "user-service", "notification-service"] {
            unnoticed(&mut load, &format!("Freezing an instance of {service}"), || {
                project.freeze_one(service, FROZEN_FOR)
            })
            .await?;
        }
        unnoticed(&mut load, "Renewing the gateway's certificate", || project.renew_certificate()).await?;
    }
    restored(&project, load, short).await
}

/// Does something under the load, which must not notice.
async fn unnoticed(load: &mut Load, what: &str, change: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    let step = Step::start(what);
    load.begin();
    tokio::task::block_in_place(change).with_context(|| what.to_owned())?;
    sleep(Duration::from_secs(3)).await;
    let seen = load.end();
    ensure!(
        seen.failed.is_empty(),
        "{what}: {} of {} requests failed: {}",
        seen.failed.len(),
        seen.requests,
        seen.failed.join("; ")
    );
    ensure!(seen.slowest <= PATIENCE, "{what}: a request took {:?}", seen.slowest);
    step.done(&format!(
        "{what}: {} requests, none failed, the slowest took {} ms",
        seen.requests,
        seen.slowest.as_millis()
    ));
    Ok(())
}

/// Each secret, by the steps of SECURITY.md.
async fn changed_secrets(project: &Project, load: &mut Load) -> Result<()> {
    for name in ["SERVICE_TOKEN", "JWT_SECRET"] {
        let (old, new) = (project.setting(name)?, project.new_secret()?);
        for (step, (main, also)) in [(&old, new.as_str()), (&new, old.as_str()), (&new, "")].into_iter().enumerate() {
            let what = format!("Changing {name}, step {}", step + 1);
            unnoticed(load, &what, || {
                project.set(name, main)?;
                project.set(&format!("{name}_ALSO"), also)?;
                project.shell("deploy/wallet roll")
            })
            .await?;
            if name == "JWT_SECRET" && step == 1 {
                load.log_in_again().await?; // tokens of the old secret end with it
            }
        }
    }
    let new = project.new_secret()?;
    unnoticed(load, "Changing METRICS_TOKEN", || {
        project.set("METRICS_TOKEN", &new)?;
        project.shell("deploy/wallet roll")
    })
    .await
}

/// A dump under load, more load, an accident; a restore up to the moment before it brings everything back.
async fn restored(project: &Project, mut load: Load, short: bool) -> Result<()> {
    if !project.has_in_database("mysqldump") && !project.has_in_database("mariadb-dump") {
        ui::heading("Every promise held, but for backups: the database's image has no program for them");
        return Ok(());
    }
    let step = Step::start("Dumping under load");
    project.shell(&page::block("docs/operations.md", "deploy/wallet backup wallet.sql")?)?;
    sleep(Duration::from_secs(if short { 3 } else { 10 })).await;
    let paid = load.stop().await?;
    step.done(&format!("{} payments were acknowledged in all", paid.len()));

    let step = Step::start("Restoring it after an accident");
    sleep(Duration::from_secs(2)).await; // the log knows seconds
    let moment = project.sql("SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:%s')")?;
    sleep(Duration::from_secs(2)).await;
    project.sql("DROP DATABASE digital_wallet_tx; DROP DATABASE digital_wallet")?;
    let restore = page::block("docs/operations.md", "deploy/wallet restore wallet.sql --until")?;
    project.shell(&page::with_moment(&restore, moment.trim())?)?;
    load.check_books(&paid).await?;
    step.done("Every acknowledged payment is there, and the ledger is whole");

    if !short {
        let step = Step::start("Taking the restore back, and restoring the dump alone");
        project.shell("deploy/wallet undo-restore").err().context("a restore was taken back over lost schemas")?;
        step.done("What was lost stays lost");
    }
    ui::heading("Every promise held");
    Ok(())
}
