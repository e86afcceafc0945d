//! `demo`: sample users and transactions in all states. Every step has a key, so that running it again adds nothing.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Context, Result};

use lab::{
    client::{ANI, Account, BUDI, Client, PASSWORD, TOP_UP, TOP_UP_KEY, Transfer},
    environment,
    ui::{self, Step},
};

use crate::state;

const USERS: [(&str, &str); 5] = [
    ANI,
    BUDI,
    ("Citra Lestari", "citra@example.com"),
    ("Dewi Anggraini", "dewi@example.com"),
    ("Eko Prasetyo", "eko@example.com"),
];

/// What becomes of a sample transaction.
#[derive(Clone, Copy)]
enum Fate {
    /// Completed in the step that made it.
    Direct,
    /// Stays pending.
    Pending,
    /// Made, then decided.
    Decided(&'static str),
}

use Fate::{Decided, Direct, Pending};

/// Sender, receiver (indices of [`USERS`]), amount, description, fate.
const TRANSACTIONS: [(usize, usize, u64, &str, Fate); 20] = [
    (0, 1, 25_000, "Lunch at the market", Direct),
    (0, 2, 150_000, "Concert ticket", Direct),
    (1, 0, 12_500, "Coffee", Direct),
    (1, 3, 300_000, "Share of the rent", Direct),
    (2, 4, 75_000, "Books", Direct),
    (3, 0, 40_000, "Groceries", Direct),
    (4, 1, 18_000, "Parking", Direct),
    (2, 0, 99_000, "Phone credit", Direct),
    (0, 3, 200_000, "Birthday present", Decided("completed")),
    (1, 2, 65_000, "Dinner", Decided("completed")),
    (3, 4, 110_000, "Train ticket", Decided("completed")),
    (4, 0, 55_000, "Umbrella", Decided("completed")),
    (0, 4, 80_000, "Order that was called off", Decided("cancelled")),
    (2, 1, 45_000, "Booked twice by mistake", Decided("cancelled")),
    (3, 2, 70_000, "Shop could not deliver", Decided("failed")),
    (4, 3, 35_000, "Seller did not answer", Decided("failed")),
    (1, 4, 90_000, "Shoes, waiting for delivery", Pending),
    (2, 3, 60_000, "Repair, waiting for the bill", Pending),
    (4, 2, 500_000_000, "A house, without the money for it", Direct),
    (3, 1, 900_000_000, "A yacht, without the money for it", Pending),
];

/// Fills the running system.
pub async fn run() -> Result<ExitCode> {
    environment::load()?;
    let client = Client::new(state::endpoints());
    let step = Step::start("Making sample users");
    let mut accounts = Vec::with_capacity(USERS.len());
    for (name, email) in USERS {
        let account = client.sign_in(name, email).await?;
        client.top_up(&account, TOP_UP, TOP_UP_KEY).await.with_context(|| format!("{email} could not be topped up"))?;
        accounts.push(account);
    }
    step.note("Making sample transactions");
    let mut states: BTreeMap<String, u32> = BTreeMap::new();
    for (number, sample) in TRANSACTIONS.iter().enumerate() {
        let status = make(&client, &accounts, number, *sample).await;
        *states.entry(status.with_context(|| format!("sample transaction {number}"))?).or_default() += 1;
    }
    step.done("Sample users and transactions are there");

    let mut users = ui::table(&["id", "name", "e-mail", "balance"]);
    for account in &accounts {
        users.add_row(vec![
            account.id.to_string(),
            account.name.clone(),
            account.email.clone(),
            client.balance(account.id).await?,
        ]);
    }
    println!("{users}");
    let states: Vec<String> = states.iter().map(|(status, count)| format!("{count} {status}")).collect();
    println!("Transactions: {}. Everyone's password is {PASSWORD}.", states.join(", "));
    Ok(ExitCode::SUCCESS)
}

async fn make(
    client: &Client,
    accounts: &[Account],
    number: usize,
    (sender, receiver, amount, description, fate): (usize, usize, u64, &str, Fate),
) -> Result<String> {
    let (sender, receiver) = (accounts[sender].id, accounts[receiver].id);
    // With the ids: users who are created again get transactions of their own.
    let key = format!("demo-{number}-{sender}-{receiver}");
    let auto_complete = matches!(fate, Direct);
    let transfer = Transfer { sender, receiver, amount, description, auto_complete, key: &key };
    let Some(transaction) = client.transfer(&transfer).await? else { return Ok("failed".to_owned()) };
    let Decided(status) = fate else { return Ok(transaction.status) };
    Ok(client.decide(transaction.id, status).await?.status)
}
