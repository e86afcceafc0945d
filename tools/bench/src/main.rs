//! `bench`: what the wallet does under load on this machine, each figure proved by the rows that it left.
//!
//! A release build, a database with full durability, the four services as processes, and a load generator in this
//! process share the machine. After each scenario the ledger is verified, and the rows are compared with what was
//! acknowledged: a scenario that does not balance fails the run, and its figure is not printed.

mod api;
mod batches;
mod bench;
mod books;
mod chart;
mod cpu;
mod entries;
mod figures;
mod floor;
mod history;
mod load;
mod long_statements;
mod machine;
mod measure;
mod payments;
mod plan;
mod progress;
mod report;
mod results;
mod schedules;
mod seed;
mod server;
mod site;
mod targets;
mod verdict;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Result, anyhow, ensure};
use bench::Bench;
use clap::Parser;
use lab::{
    binaries::{self, Build},
    environment,
    ui::{self, Step},
};
use plan::{Effort, FULL, QUICK, Scenario};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use site::Site;

/// A service with 1,024 connections opens more files than some systems allow at first.
const OPEN_FILES: u64 = 8192;

/// Measures what the wallet does under load on this machine.
#[derive(Parser)]
#[command(
    name = "cargo xtask bench",
    bin_name = "cargo xtask bench",
    max_term_width = 100,
    after_help = "The database is a private one with full durability, or the one in DB_HOST (with DB_PORT, DB_USER \
    and DB_PASSWORD; the account must be allowed to make schemas). Every wallet gets schemas of its own, which are gone \
    at the end. The exit code is 1 if anything does not balance; a target that is missed is only shown."
)]
struct Arguments {
    /// Short rounds: about a minute, and the time to build and to start; the default
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Long rounds, three of each, and large tables: about twenty minutes
    #[arg(long)]
    full: bool,
    /// Only these scenarios
    #[arg(long, value_name = "NAME", value_enum, num_args = 1..)]
    only: Vec<Scenario>,
    /// Put the database so far away, there and back, for example 2ms; the proxy in between takes processor time of its own
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    far: Option<Duration>,
    /// Write the figures to this file instead of target/bench/<product>-<quick|full>.json
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw throughput and latency over the number of connections into this folder
    #[arg(long, value_name = "FOLDER")]
    svg: Option<PathBuf>,
}

impl Arguments {
    fn effort(&self) -> &'static Effort {
        if self.full { &FULL } else { &QUICK }
    }
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix("ms").and_then(|number| number.parse().ok());
    number.map(Duration::from_millis).ok_or_else(|| "must be whole milliseconds, for example 2ms".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    run(&Arguments::parse()).await.unwrap_or_else(|error| {
        ui::error(&ui::with_causes(&error));
        ExitCode::FAILURE
    })
}

/// Measures what was chosen and prints it. Ctrl-C stops everything.
async fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(!cfg!(debug_assertions), "a debug build takes the time of what it measures: cargo xtask bench");
    environment::load()?;
    allow_open_files();
    eprintln!("- Building the services; the first time this takes some minutes");
    let binaries = binaries::build_services(Build::Release)?;
    // Dropping what is measured stops its processes.
    tokio::select! {
        measured = measure(arguments, binaries) => measured,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("Stopped.");
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn measure(arguments: &Arguments, binaries: PathBuf) -> Result<ExitCode> {
    let chosen = Scenario::chosen(&arguments.only);
    let effort = arguments.effort();
    let mut bench = Bench::start(effort, chosen.len(), binaries, arguments.far).await?;
    let outcome = async {
        payments::run(&mut bench, &chosen).await?;
        history::run(&mut bench, &chosen).await
    };
    outcome.await.map_err(|error| {
        let logs = site::logs();
        anyhow!("{}\nThe logs of the services are in {}.", ui::with_causes(&error), logs.display())
    })?;
    let Bench { mut results, progress, server, .. } = bench;
    drop(progress);
    let step = Step::start("Deleting the data and the mails");
    drop(server);
    step.done("Deleted");
    Site::remove_logs();

    results.targets = targets::verdicts(&results);
    report::print(&results);
    let mut files = vec![results.save(arguments.json.as_deref())?];
    if let Some(folder) = &arguments.svg {
        let charts = chart::save(&results, folder)?;
        if charts.is_empty() {
            ui::error("there is no chart: it needs transfers at two numbers of connections");
        }
        files.extend(charts);
    }
    for file in files {
        println!("Written: {}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Lets the services that are started open more files, as a production system does, as far as this one allows it.
fn allow_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    if current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once("bench").chain(line.split_whitespace()))
    }

    #[test]
    fn a_run_is_quick_unless_it_is_asked_to_be_full() {
        assert_eq!(parse("").unwrap().effort().name, "quick");
        assert_eq!(parse("--quick").unwrap().effort().name, "quick");
        assert_eq!(parse("--full").unwrap().effort().name, "full");
        assert!(parse("--quick --full").is_err());
    }

    #[test]
    fn scenarios_are_chosen_by_name() {
        let only = parse("--only transfers-256 drain --svg docs").unwrap().only;
        assert_eq!(only, [Scenario::Transfers256, Scenario::Drain]);
        assert!(parse("--only transfers-2").is_err());
        assert!(parse("--only").is_err());
    }
}
