//! `compose-drill`: what the documents promise of the wallet in containers is acted out, from the documents' own text, under a
//! load that must not notice.

mod containers;
mod load;
mod page;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use containers::{Kind, Project};
use lab::{
    ui::{self, Step},
    wallet::Service,
};
use load::Load;
use tokio::time::sleep;

/// How long an instance is frozen.
const FROZEN_FOR: Duration = Duration::from_secs(10);
/// Failures that are shown: more say nothing new.
const SHOWN: usize = 3;
/// The slowest answer while something is changed.
const PATIENCE: Duration = Duration::from_secs(2);

/// Acts out in containers what the documents promise of them, under load.
#[derive(Parser)]
#[command(name = "cargo xtask compose-drill", bin_name = "cargo xtask compose-drill", max_term_width = 100)]
struct Arguments {
    /// The database's image, such as mariadb:11.8; the one of the Compose file unless it is said
    #[arg(long, value_name = "IMAGE")]
    database: Option<String>,
    /// The part that `.ci/run` runs: development and its tour, production, one replacement, one restore
    #[arg(long)]
    short: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match check(arguments.database.as_deref(), arguments.short).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::error(&ui::with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

/// Acts everything out, and takes down what it has started. The error is the first promise that does not hold.
async fn check(database: Option<&str>, short: bool) -> Result<()> {
    ensure!(containers::has_engine(), "`docker info` does not answer: start Docker");
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
        changed_versions(&project, &mut load).await?;
        changed_secrets(&project, &mut load).await?;
        changed_passwords(&project, &mut load).await?;
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
        "{what}: {} of {} requests failed, and the slowest took {:?}: {}",
        seen.failed.len(),
        seen.requests,
        seen.slowest,
        seen.failed.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ")
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

/// Another version of each service, and back to the one before.
async fn changed_versions(project: &Project, load: &mut Load) -> Result<()> {
    project.tag_images("0.0.0-drill")?;
    unnoticed(load, "A new version of each service", || {
        project.set("WALLET_VERSION", "0.0.0-drill")?;
        project.shell("deploy/wallet roll")
    })
    .await?;
    unnoticed(load, "And back to the one before", || {
        project.set("WALLET_VERSION", "")?;
        project.shell("deploy/wallet roll report-service transaction-service user-service notification-service")
    })
    .await
}

/// Those of the services' accounts in the database, which does not start again for it, and that of its root.
async fn changed_passwords(project: &Project, load: &mut Load) -> Result<()> {
    let database = project.output("docker compose ps -q mysql-db")?;
    unnoticed(load, "Changing the passwords of the services in the database", || {
        for service in Service::ALL {
            project.set(&format!("{}_DB_PASSWORD", service.account().to_uppercase()), &project.new_secret()?)?;
        }
        project.shell("deploy/wallet roll")
    })
    .await?;
    unnoticed(load, "Plain `docker compose up -d` after it", || project.shell("docker compose up -d")).await?;
    ensure!(project.output("docker compose ps -q mysql-db")? == database, "the database was started again");
    unnoticed(load, "Changing the password of the database's root", || {
        project.shell("deploy/wallet root-password")?;
        project.shell("deploy/wallet up")
    })
    .await
}

/// A backup that was proved and the log beside it, as the profile makes them.
async fn backed_up(project: &Project) -> Result<()> {
    project.shell(&page::block("docs/operations.md", "docker compose --profile backup up -d")?)?;
    for _ in 0..120 {
        sleep(Duration::from_secs(1)).await;
        if project.shell("ls backups/wallet-*.sql.gz").is_ok() {
            return Ok(());
        }
    }
    bail!("no backup was made: {}", project.output("docker compose logs --no-log-prefix --tail 20 backup")?)
}

/// A dump under load, more load, an accident; a restore up to the moment before it brings everything back.
async fn restored(project: &Project, mut load: Load, short: bool) -> Result<()> {
    if !project.has_in_database("mysqldump") && !project.has_in_database("mariadb-dump") {
        ui::heading("Every promise held, but for backups: the database's image has no program for them");
        return Ok(());
    }
    let step = Step::start("Dumping under load");
    project.shell(&page::block("docs/operations.md", "deploy/wallet backup wallet.sql")?)?;
    if !short {
        backed_up(project).await?;
    }
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

    let step = Step::start("Mailing what was held back, and dropping what was put aside");
    project.shell(&page::block("docs/operations.md", "/internal/notifications/resend")?)?;
    project.shell(&page::block("docs/operations.md", "_before_restore;")?)?;
    step.done("Nothing of the restore is left");

    if !short {
        let step = Step::start("Losing the server, its data and its log, and restoring the copies");
        project.shell("docker compose run --rm --no-deps -T backup log")?; // as it does every minute
        project.shell(
            "docker compose --profile backup down --timeout 30 && docker volume rm \"${COMPOSE_PROJECT_NAME}_mysql-data\"",
        )?;
        project.shell("deploy/wallet up")?;
        let restore = page::block("docs/operations.md", "deploy/wallet restore backups/")?;
        let restore = page::with_moment(&restore, moment.trim())?;
        // the page's examples of names, as the shell finds the real ones
        let restore = page::with_names(
            &restore,
            &[("backups/wallet-", "backups/wallet-*.sql.gz"), ("backups/log-", "backups/log-*")],
        );
        project.shell(&restore)?;
        load.check_books(&paid).await?;
        step.done("Every acknowledged payment is there again, and the ledger is whole");
        let step = Step::start("Taking the restore back");
        project.shell("deploy/wallet undo-restore")?;
        step.done("The empty wallet is there again");
    }
    ui::heading("Every promise held");
    Ok(())
}
