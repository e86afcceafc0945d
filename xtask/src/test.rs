//! `test`: every check and test there is, on a database that it brings along.

use std::{
    env,
    num::NonZero,
    path::Path,
    process::{Command, ExitCode},
    thread,
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use lab::{
    admin::Admin,
    binaries::{self, Build},
    cargo, database, ui, workspace_root,
};

/// The choices of the short torture.
const SEED: &str = "1";
/// Tests of a crate that run at the same time, for each processor: they wait for services and databases.
const TESTS_PER_PROCESSOR: usize = 2;
/// Tests of the whole wallet that ask nothing of the database that other tests do not: one server is enough for them.
const NOT_ABOUT_THE_DATABASE: [&str; 16] = [
    "access",
    "documents",
    "dry_runs",
    "environment",
    "gateway",
    "hang_ups",
    "hostile",
    "logs",
    "monitoring",
    "notifications",
    "pages",
    "privacy",
    "readme",
    "replicas",
    "sessions",
    "strictness",
];

#[derive(Args)]
pub struct Arguments {
    /// For the inner loop: format, rules, lints and the tests of each crate, without those of the whole wallet
    #[arg(long, conflicts_with_all = ["rust_only", "no_lint"])]
    quick: bool,
    /// On another database server: only Rust tests, without those of the whole wallet that are not about the database, and the other half of
    /// the crashes
    #[arg(long)]
    rust_only: bool,
    /// Without format, lint, tidy and dependency checks
    #[arg(long)]
    no_lint: bool,
}

/// Runs all steps, and goes on after one that fails. The Rust tests come last, so that their summaries end the output.
pub async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (admin, _server) = database::server_for_tests().await?;
    let url = admin.url();
    let mut failed = Vec::new();
    let mut note = |step: &'static str, outcome: Result<()>| {
        if let Err(error) = outcome {
            ui::error(&format!("{step}: {}", ui::with_causes(&error)));
            failed.push(step);
        }
    };
    ui::heading("Everything is built");
    // together, so that each dependency is built once: alone, each program would ask for other features of it
    let programs = binaries::build_services(Build::WithTests)?;
    let tool = |name: &'static str, arguments: &[&str]| run_tool(&programs.join(name), arguments, &url);
    let check = |name| tool("checks", &[name]);
    let lints = !arguments.rust_only && !arguments.no_lint;
    if lints {
        ui::heading("Format, rules and lints");
        note("format", run_cargo(&["fmt", "--all", "--check"], &admin));
        note("tidy", check("tidy"));
        let clippy = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
        note("clippy", run_cargo(&clippy, &admin));
    }
    if arguments.quick {
        ui::heading("The tests of each crate");
        let tests = ["test", "--workspace", "--exclude", "e2e", "--lib", "--bins", "--tests", "--no-fail-fast"];
        note("cargo test", run_cargo(&tests, &admin));
        return Ok(verdict(&failed));
    }
    if lints {
        ui::heading("Dependencies");
        note("dependencies", check("dependencies"));
        ui::heading("Containers");
        note("containers", check("containers"));
        ui::heading("Kubernetes");
        note("kubernetes", check("kubernetes"));
    }
    if !arguments.rust_only {
        ui::heading("The services from outside");
        note("from outside", check("outside"));
    }
    ui::heading("A new version beside the one before");
    note("upgrade", tool("upgrade", &[]));
    ui::heading("Torture, in its short form");
    let mut torture = vec!["--short", "--seed", SEED];
    if arguments.rust_only {
        torture.extend(["--half", "2", "--only", "crashes"]); // the bank run has a durable server of its own
    } else {
        torture.extend(["--half", "1"]);
    }
    note("torture", tool("torture", &torture));
    ui::heading("The Rust tests");
    let tests = ["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"];
    if !arguments.rust_only {
        note("cargo test", run_cargo(&tests, &admin));
        return Ok(verdict(&failed));
    }
    note("cargo test", run_cargo(&[&tests[..], &["--exclude", "e2e"]].concat(), &admin));
    let skipped = NOT_ABOUT_THE_DATABASE.map(|module| format!("--skip={module}::"));
    let whole: Vec<&str> =
        ["test", "--workspace", "--test", "e2e", "--"].into_iter().chain(skipped.iter().map(|skip| &**skip)).collect();
    note("cargo test of the whole wallet", run_cargo(&whole, &admin));
    Ok(verdict(&failed))
}

fn verdict(failed: &[&str]) -> ExitCode {
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    ui::error(&format!("failed: {}", failed.join(", ")));
    ExitCode::FAILURE
}

/// Runs a program of `tools/`; fails if it does.
fn run_tool(program: &Path, arguments: &[&str], database: &str) -> Result<()> {
    let mut command = Command::new(program);
    let status = command.args(arguments).env("TEST_DATABASE_URL", database).status();
    let status = status.with_context(|| format!("{} cannot be started", program.display()))?;
    ensure!(status.success(), "`{} {}` found something; see above", program.display(), arguments.join(" "));
    Ok(())
}

fn run_cargo(arguments: &[&str], admin: &Admin) -> Result<()> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let at_once = env::var("RUST_TEST_THREADS").unwrap_or_else(|_| (processors * TESTS_PER_PROCESSOR).to_string());
    let status = cargo::cargo()
        .args(arguments)
        .env("TEST_DATABASE_URL", admin.url())
        .env("RUST_TEST_THREADS", at_once)
        .current_dir(workspace_root())
        .status()
        .context("cargo cannot be started: is Rust's toolchain in the PATH?")?;
    ensure!(status.success(), "`cargo {}` failed; see above", arguments.join(" "));
    Ok(())
}
