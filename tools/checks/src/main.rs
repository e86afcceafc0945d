//! The checks of `cargo xtask test` that are no Rust tests: `cargo xtask test` runs them, each alone runs with `--help`.

mod deployment;
mod kubernetes;
mod modules;
mod outside;
mod supply;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use lab::{database, ui};

/// Checks of the project that are no Rust tests.
#[derive(Parser)]
#[command(name = "checks", max_term_width = 100)]
struct Cli {
    /// Which
    #[arg(value_enum)]
    check: Check,
}

#[derive(Clone, Copy, ValueEnum)]
enum Check {
    /// The rules of the code that a program can check
    Tidy,
    /// What is in Cargo.lock
    Dependencies,
    /// The Dockerfile, the scripts, the Compose files and what Prometheus is told
    Containers,
    /// The manifests for Kubernetes
    Kubernetes,
    /// The services from outside: linters, schemathesis, the Postman collection
    Outside,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().check).await {
        Ok(()) => {
            println!("Nothing was found.");
            ExitCode::SUCCESS
        }
        Err(error) => {
            ui::error(&ui::with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(check: Check) -> Result<()> {
    match check {
        Check::Tidy => tidy::check()?,
        Check::Dependencies => supply::check()?,
        Check::Containers => deployment::check()?,
        Check::Kubernetes => kubernetes::check()?,
        Check::Outside => {
            let (admin, _server) = database::server_for_tests().await?;
            outside::check(&admin).await?;
        }
    }
    Ok(())
}
