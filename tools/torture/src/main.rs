//! `cargo xtask torture`: tries to make the wallet lose money.

mod bank;
mod crash;
mod model;
mod planted;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};
use clap::{Parser, ValueEnum};
use crash::Selection;
use lab::world::World;

/// Cases of the model in memory.
const MEMORY_CASES: u32 = 10_000;
/// Cases of the model against the services.
const SERVER_CASES: u32 = 200;
/// The same in the short form.
const SHORT_SERVER_CASES: u32 = 40;
/// How long the bank run lasts in the short form.
const SHORT_BANK_RUN: Duration = Duration::from_secs(30);
/// Violations of a kind that are shown; one cause often has many.
const SHOWN: usize = 10;

/// Tries to make the wallet lose money, and shows that it does not.
///
/// Brings its own database server, of the program in `DATABASE_SERVER` if that is set. All but the bank run, which kills
/// its server, take the one in `TEST_DATABASE_URL` if there is one.
#[derive(Parser)]
#[command(name = "cargo xtask torture", bin_name = "cargo xtask torture", max_term_width = 100)]
struct Arguments {
    /// Only these parts
    #[arg(long, value_name = "PART", value_enum, num_args = 1..)]
    only: Vec<Part>,
    /// A choice of what there is to try, in a few minutes
    #[arg(long)]
    short: bool,
    /// How long the bank run lasts, without its end
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// Crashes only at points whose name begins so, such as `ledger` or `call.operations.after`
    #[arg(long, value_name = "NAME", default_value = "")]
    point: String,
    /// Crashes only on one side of each point: on this one of two shares, which have the other side each
    #[arg(long, value_name = "1|2", value_parser = clap::value_parser!(u8).range(1..=2))]
    half: Option<u8>,
    /// Plants only faults whose name begins so, such as `no-tombstone`
    #[arg(long, value_name = "NAME", default_value = "")]
    fault: String,
    /// Repeats the choices of an earlier run
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What the wallet is meant to do, in memory and against the services
    Model,
    /// At each commit and each call a service dies, fails or waits
    Crashes,
    /// Clients move money while everything around them is killed, paused and cut
    Bank,
    /// Faults are put into a copy of the code, and the other parts must find them; not in the short form
    Planted,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    let chosen = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    if chosen(Part::Model) {
        model(seed, if arguments.short { SHORT_SERVER_CASES } else { SERVER_CASES }).await?;
    }
    if chosen(Part::Crashes) {
        let (point, half, seed) = (arguments.point.clone(), arguments.half, arguments.short.then_some(seed));
        let selection = Selection { point, half, seed };
        crashes(&selection).await?;
    }
    if chosen(Part::Bank) {
        let length = if arguments.short { SHORT_BANK_RUN } else { Duration::from_mins(arguments.minutes) };
        bank(length, seed).await?;
    }
    if chosen(Part::Planted) && !arguments.short {
        plant(&arguments.fault).await?;
    }
    Ok(())
}

async fn model(seed: u64, server_cases: u32) -> Result<()> {
    model::transfers_hold(MEMORY_CASES, seed).map_err(|failure| anyhow!("the design does not hold: {failure}"))?;
    println!("model in memory    {MEMORY_CASES} cases");
    let world = World::start().await;
    model::ledger_agrees(&world, server_cases, seed).await?;
    model::transfers_agree(&world, server_cases, seed).await?;
    world.assert_ledger_holds().await;
    println!("against the server {server_cases} cases of the ledger, {server_cases} of transfers");
    Ok(())
}

async fn bank(length: Duration, seed: u64) -> Result<()> {
    let report = bank::run(length, seed, &|text| eprintln!("  {text}")).await?;
    println!("bank run on {}, {length:.0?}", report.server);
    println!("requests           {} ({} of them again)", report.sent, report.repeated);
    println!("acknowledged       {}", report.acknowledged);
    println!("refused            {}", report.refused);
    println!("unknown            {}", report.unknown);
    println!("kills              {} ({} of the database)", report.kills, report.database_kills);
    println!("money added up     {} times", report.samples);
    let findings = &report.findings;
    println!("lost               {}", findings.lost.len());
    println!("doubled            {}", findings.doubled.len());
    println!("stuck              {}", findings.stuck.len());
    println!("drift              {}", findings.drift.len());
    println!("anything else      {}", findings.other.len());
    println!("recovery           p50 {:.1?}, p99 {:.1?}", report.recovery.0, report.recovery.1);
    for finding in findings.examples(SHOWN) {
        println!("violation: {finding}");
    }
    ensure!(findings.count() == 0, "the bank run found {} violations", findings.count());
    Ok(())
}

async fn plant(name: &str) -> Result<()> {
    let (mut caught, mut count) = (0, 0);
    for fault in planted::ALL.iter().filter(|fault| fault.name.starts_with(name)) {
        count += 1;
        eprintln!("  planting {}", fault.name);
        let search = planted::search(fault).await?;
        match &search.found {
            Some(line) => println!("{:<32} caught: {line}", fault.name),
            None => println!("{:<32} not caught as {:?}: see {}", fault.name, fault.found_as, search.log.display()),
        }
        caught += usize::from(search.found.is_some());
    }
    println!("planted faults     {caught} of {count} caught");
    ensure!(caught == count && count > 0, "the harness does not bite");
    Ok(())
}

async fn crashes(selection: &Selection) -> Result<()> {
    let began = Instant::now();
    let report = crash::run(selection, &|text| eprintln!("  {text}")).await?;
    println!("crash points hit   {} of {}", report.hit, report.sides);
    println!("faults             {} in {:.0?}", report.faults, began.elapsed());
    println!("violations         {}", report.violations.len());
    println!("slowest recovery   {:.1?} ({})", report.slowest, report.slowest_fault);
    for missed in &report.missed {
        println!("not hit: {missed}");
    }
    for violation in &report.violations {
        println!("violation: {violation}");
    }
    ensure!(report.missed.is_empty() && report.violations.is_empty(), "not everything held");
    Ok(())
}
