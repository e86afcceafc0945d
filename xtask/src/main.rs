//! The developer commands: `cargo xtask --help`. The heavy ones are programs of their own, in `tools/`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lab::ui;

mod demo;
mod down;
mod state;
mod test;
mod tool;
mod up;
mod verify;

use tool::Tool;

/// Runs, shows and tests the Digital Wallet on this machine.
///
/// Needs nothing but Rust: a database server is found, or installed where that needs no question.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the database and the four services, until Ctrl-C
    Up(up::Arguments),
    /// Stop what `up` started in another terminal
    Down,
    /// Delete all data of `up`: the database, mails and logs in .wallet/
    Reset(down::ResetArguments),
    /// Make sample users and transactions in the running system; again changes nothing
    Demo,
    /// Prove that the ledger of the running system is whole: exit 0, or 1 with the broken rows
    Verify,
    /// Run every check and test there is; brings its own database
    Test(test::Arguments),
    /// Measure what the system does under load on this machine; brings its own database (`bench --help`)
    Bench(tool::Arguments),
    /// Try to make the system lose money: crashes at every commit and call (`torture --help`)
    Torture(tool::Arguments),
    /// Let the version before serve while this one takes over, and see that no payment suffers (part of `test`)
    UpgradeTest(tool::Arguments),
    /// Check the rules of the code that a program can check (part of `test`)
    Tidy,
    /// Act out in containers what the documents promise of them, under load; needs Docker (`compose-drill --help`)
    ComposeDrill(tool::Arguments),
    /// Check the Dockerfile, the Compose files, what Prometheus is told, and the Kubernetes manifests (part of `test`)
    Deployment,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Up(arguments) => up::run(&arguments).await,
        Command::Down => down::run(),
        Command::Reset(arguments) => down::reset(&arguments),
        Command::Demo => demo::run().await,
        Command::Verify => verify::run().await,
        Command::Test(arguments) => test::run(&arguments).await,
        // an unoptimised load generator would take the time of what it measures
        Command::Bench(arguments) => Tool::released("bench").become_it(&arguments),
        // a debug build: release builds have no failpoints
        Command::Torture(arguments) => Tool::new("torture").become_it(&arguments),
        Command::UpgradeTest(arguments) => Tool::new("upgrade").become_it(&arguments),
        Command::Tidy => Tool::new("checks").run(&["tidy"]).map(|()| ExitCode::SUCCESS),
        Command::ComposeDrill(arguments) => Tool::new("drill").become_it(&arguments),
        Command::Deployment => {
            let checks = ["containers", "kubernetes"].map(|check| Tool::new("checks").run(&[check]));
            checks.into_iter().collect::<Result<(), _>>().map(|()| ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|error| {
        ui::error(&ui::with_causes(&error));
        ExitCode::FAILURE
    })
}
