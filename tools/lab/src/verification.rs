//! What the ledger's proof found, for people.

use crate::{client::Verification, ui};

/// Prints what was found; true if all is well.
pub fn print(verification: &Verification) -> bool {
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
