//! `down` and `reset`: stopping what runs, and deleting what it kept.

use std::{
    fs,
    io::{IsTerminal, Write, stdin, stdout},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use lab::{process, ui::Step};

use crate::state::{self, State};

/// How long `up` may take to stop everything.
const STOP_LIMIT: Duration = Duration::from_mins(2);
/// How long a process without its `up` may take to stop.
const ORPHAN_LIMIT: Duration = Duration::from_secs(10);

#[derive(Args)]
pub struct ResetArguments {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Stops the `up` of this checkout.
pub fn run() -> Result<ExitCode> {
    let Some(running) = state::load() else {
        if state::is_running() {
            bail!("`cargo xtask up` is still starting. Try again in a moment, or press Ctrl-C in its terminal.");
        }
        println!("Nothing is running.");
        return Ok(ExitCode::SUCCESS);
    };
    if !state::is_running() {
        match end_orphans(&running) {
            0 => println!("Nothing is running."),
            ended => println!("`cargo xtask up` had been killed; stopped {ended} process(es) that it left behind."),
        }
        fs::remove_file(state::folder().join("state.json")).ok();
        return Ok(ExitCode::SUCCESS);
    }
    let step = Step::start("Stopping the services and the database");
    process::terminate(running.pid);
    let deadline = Instant::now() + STOP_LIMIT;
    while state::is_running() {
        if Instant::now() > deadline {
            bail!("process {} does not stop. End it with: kill -9 {}", running.pid, running.pid);
        }
        thread::sleep(Duration::from_millis(50));
    }
    step.done("Stopped");
    Ok(ExitCode::SUCCESS)
}

/// Ends what an `up` that was killed left behind: its services finish their requests first, and where no signal tells
/// children that their parent is gone they run on. Returns how many there were.
pub fn end_orphans(state: &State) -> usize {
    let orphans: Vec<_> = state.processes.iter().filter(|(pid, part)| process::is_running(*pid, part)).collect();
    for (pid, part) in &orphans {
        process::end_foreign(*pid, part, ORPHAN_LIMIT);
    }
    orphans.len()
}

/// Deletes everything that `up` kept.
pub fn reset(arguments: &ResetArguments) -> Result<ExitCode> {
    let folder = state::folder();
    if state::is_running() {
        bail!("the system is running. Stop it first with: cargo xtask down");
    }
    if !folder.exists() {
        println!("There is nothing to delete.");
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.yes && !confirmed(&folder.display().to_string())? {
        println!("Nothing was deleted.");
        return Ok(ExitCode::FAILURE);
    }
    fs::remove_dir_all(&folder).with_context(|| format!("cannot delete {}: delete it by hand", folder.display()))?;
    println!("Deleted {}. The next `cargo xtask up` starts with an empty database.", folder.display());
    Ok(ExitCode::SUCCESS)
}

fn confirmed(folder: &str) -> Result<bool> {
    if !stdin().is_terminal() {
        bail!("this deletes {folder}, with all users and money in it. To go ahead without a question, add --yes");
    }
    print!("Delete {folder}, with all users and money in it? [y/N] ");
    stdout().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
