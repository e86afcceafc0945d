//! The users of a wallet under load, with tokens that they need not log in for.

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use common::{
    ApiError,
    caller::{Grant, Signer},
    config::{Env, ServiceConfig},
};
use hyper::{Uri, header::HeaderValue};
use money::{UserId, time};
use sqlx::MySqlPool;

use crate::api::Api;

/// How many users there are.
pub const USERS: u32 = 1000;
/// How many of them read their pages: few enough to have more than a page of transactions even in a small table.
pub const READERS: u32 = 100;
/// What each of them is topped up with, in whole units: enough for every scenario.
pub const BALANCE: u64 = 1_000_000_000;
/// Everybody's password.
pub const PASSWORD: &str = "password123";

/// How long the tokens are valid, in seconds: longer than any run.
const TOKEN_SECONDS: i64 = 24 * 60 * 60;
/// Top-ups under way at once.
const TOP_UPS: usize = 50;

/// A user who sends requests.
#[derive(Debug)]
pub struct Person {
    /// The account's number.
    pub id: i64,
    /// The address.
    pub email: String,
    /// The `Authorization` header.
    pub bearer: HeaderValue,
    /// `/users/{id}/balance`
    pub balance: Uri,
    /// `/users/{id}/topup`
    pub top_up: Uri,
    /// `/transactions/user/{id}`
    pub page: Uri,
}

/// All users of a wallet under load. Their numbers follow one another.
#[derive(Debug)]
pub struct People {
    /// In the order of their numbers.
    pub all: Vec<Person>,
    /// `/transactions`
    pub transactions: Uri,
    /// `/transactions/batch`
    pub batches: Uri,
    /// `/auth/login`
    pub login: Uri,
}

impl People {
    /// Makes the users in an empty wallet, each with [`BALANCE`], by way of user-service's schema and API.
    pub async fn make(api: &Api, users: &MySqlPool) -> Result<Self> {
        let first = api.register("user1@example.com", PASSWORD).await?;
        copy_first(users, first).await.context("the users cannot be copied")?;
        let accounts: Vec<(i64, String, i64)> =
            sqlx::query_as("SELECT id, email, token_key FROM users ORDER BY id").fetch_all(users).await?;
        ensure!(accounts.len() == USERS as usize, "there must be {USERS} users, and there are {}", accounts.len());
        let signer = Signer::new(&development()?);
        check_tokens(api, &signer, first, accounts[0].2).await?;
        let all = accounts.into_iter().map(|(id, email, key)| Person::new(id, email, key, &signer));
        let people = Self::new(all.collect::<Result<_>>()?);
        for some in people.all.chunks(TOP_UPS) {
            futures::future::try_join_all(some.iter().map(|person| api.top_up(person.id, BALANCE))).await?;
        }
        Ok(people)
    }

    fn new(all: Vec<Person>) -> Self {
        Self {
            all,
            transactions: Uri::from_static("/transactions"),
            batches: Uri::from_static("/transactions/batch"),
            login: Uri::from_static("/auth/login"),
        }
    }

    /// Those who read their pages.
    pub fn readers(&self) -> &[Person] {
        &self.all[..READERS as usize]
    }

    /// Users 1 to `count`, who exist nowhere.
    #[cfg(test)]
    pub fn for_test(count: i64) -> Self {
        let signer = Signer::new(&development().unwrap());
        let person = |id| Person::new(id, format!("user{id}@example.com"), 0, &signer).unwrap();
        Self::new((1..=count).map(person).collect())
    }
}

impl Person {
    fn new(id: i64, email: String, key: i64, signer: &Signer) -> Result<Self> {
        let grant = Grant::of(UserId::try_from(id)?, key, 0, time::now(), TOKEN_SECONDS);
        let token = signer.sign(&grant).map_err(|error| no_token(&error))?;
        Ok(Self {
            id,
            email,
            bearer: HeaderValue::try_from(format!("Bearer {token}"))?,
            balance: Uri::try_from(format!("/users/{id}/balance"))?,
            top_up: Uri::try_from(format!("/users/{id}/topup"))?,
            page: Uri::try_from(format!("/transactions/user/{id}"))?,
        })
    }
}

/// The other users are copies of the first one's row: registering each would spend 50 ms of processor time on argon2, and
/// no scenario can tell the difference. Their money comes through the API, so the ledger stays whole.
async fn copy_first(users: &MySqlPool, first: i64) -> Result<()> {
    // older than the transactions of a seed: nobody is shown what is older than the own account
    let aged = "UPDATE users SET created_at = '2025-01-01 00:00:00' WHERE id = ?";
    sqlx::query(aged).bind(first).execute(users).await?;
    let (mut count, wanted) = (1, i64::from(USERS));
    while count < wanted {
        sqlx::query(
            "INSERT INTO users (id, full_name, email, password_hash, token_key, created_at, updated_at)
             SELECT id + ?, full_name, CONCAT('user', id - ? + ? + 1, '@example.com'), password_hash, token_key, created_at,
                    updated_at
             FROM users WHERE id < ?",
        )
        .bind(count)
        .bind(first)
        .bind(count)
        .bind(first + count.min(wanted - count))
        .execute(users)
        .await?;
        count = (count * 2).min(wanted);
    }
    let accounts = "INSERT INTO accounts (user_id) SELECT id FROM users WHERE id > ?";
    sqlx::query(accounts).bind(first).execute(users).await?;
    Ok(())
}

/// What the services of a load have: the documented secrets of development.
pub fn development() -> Result<ServiceConfig> {
    let mut env = Env::new(|name| (name == "APP_ENV").then(|| "development".to_owned()));
    let config = env.service("user-service", 5001, "");
    env.finish(config).context("development needs no variable")
}

/// A token that is made here for the second of a login must be the token of that login.
async fn check_tokens(api: &Api, signer: &Signer, user: i64, key: i64) -> Result<()> {
    let before = time::now();
    let login = api.log_in("user1@example.com", PASSWORD).await?;
    let seconds = (time::now() - before).num_seconds() + 2;
    for second in 0..seconds {
        let then = before + std::time::Duration::from_secs(second.unsigned_abs());
        let grant = Grant::of(UserId::try_from(user)?, key, 0, then, login.expires_in);
        let made = signer.sign(&grant).map_err(|error| no_token(&error))?;
        if made == login.access_token {
            return Ok(());
        }
    }
    bail!("user-service's tokens differ from those that common::caller::Signer signs")
}

fn no_token(error: &ApiError) -> Error {
    anyhow!("no token can be made: {error:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_of_a_load_have_the_documented_secrets() {
        assert_eq!(development().unwrap().group_commit_max, 256);
        assert!(People::for_test(1).all[0].bearer.to_str().unwrap().starts_with("Bearer ey"));
    }
}
