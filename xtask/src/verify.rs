//! `verify`: the ledger proves itself.

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    client::{Client, Verification},
    state::{self, Endpoints},
    ui,
};

/// The exit code when there is nothing to ask.
const NOT_RUNNING: u8 = 2;

/// Checks the ledger of the running system.
pub async fn run() -> Result<ExitCode> {
    state::load_dotenv()?;
    match Client::new(Endpoints::find()).verify().await {
        Ok(verification) => Ok(if report(&verification) { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        Err(error) => {
            ui::error(&format!("the ledger could not be checked: {}", ui::with_causes(&error)));
            Ok(ExitCode::from(NOT_RUNNING))
        }
    }
}

/// Prints what was found; true if all is well.
pub fn report(verification: &Verification) -> bool {
    let Verification { ok, checked_operations, checked_users, violations } = verification;
    if *ok && violations.is_empty() {
        println!("The ledger is whole: {checked_operations} operations and {checked_users} users were checked.");
        return true;
    }
    println!(
        "The ledger is broken: {} violation(s) in {checked_operations} operations and {checked_users} users.",
        violations.len()
    );
    let mut table = ui::table(&["rule", "row", "what is wrong"]);
    for violation in violations {
        table.add_row(vec![&violation.rule, &violation.subject, &violation.detail]);
    }
    println!("{table}");
    false
}
