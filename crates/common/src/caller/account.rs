//! Whether the account that an access token names is still the one that the token was given to.
//!
//! An id alone does not say so: after a backup was restored, the next account gets the id of one that was opened after the
//! backup. So each account has a random key, which its tokens carry and which no restored backup gives to anybody else. A
//! new password draws a new one. Every service asks user-service for the keys of those who call, in batches, and again
//! after [`FRESH_FOR`]. While user-service cannot be reached, what is known stays in force.
//!
//! Accounts of versions that drew no keys have the key 0, and their tokens carry none.

use mysql::row;
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use batch::Batcher;
use chrono::{DateTime, Utc};
use fault::point;
use money::UserId;
use mysql::DbError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::{
    account_state::AccountState,
    token::{CERTAINLY_LATER, Grant},
};
use crate::{
    client::{CallError, ServiceClient},
    codes,
    error::{ApiError, Result},
    recent::Recent,
};

/// Where user-service tells of accounts.
pub const ACCOUNTS_PATH: &str = "/internal/accounts";
/// The most accounts that one call asks for.
pub const MAX_ASKED: usize = 200;
/// How long what was read of an account is believed.
pub const FRESH_FOR: Duration = Duration::from_secs(30);
/// Accounts that one instance keeps in memory, some 100 bytes each.
const MAX_KNOWN: usize = 100_000;
/// How long a request waits for user-service to tell of an account that was known before.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it waits if there is nothing to go by: an instance that has just started may have no connection to the database
/// yet, and a slow answer is better than none.
const PATIENCE_WITHOUT: Duration = Duration::from_secs(3);
/// After a failure, how long nobody waits whose account is known.
const PAUSE: Duration = Duration::from_secs(1);
/// Calls under way at once: one, and another if that one is stuck.
const CALLS: usize = 2;

row! {
    /// What tells one account from another with the same id.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    pub struct Account {
        /// Its number.
        pub id: UserId,
        /// What its tokens carry; 0 if they carry nothing.
        pub key: i64,
        /// The first version of its tokens that is valid: see [`crate::caller::revocation`].
        pub version: i32,
        /// When it was opened, on the database's clock.
        pub created_at: DateTime<Utc>,
        /// When this was read, on the same clock.
        pub read_at: DateTime<Utc>,
        /// What it may do with money; active, if user-service is of a version that does not tell.
        #[serde(default)]
        pub state: AccountState,
    }
}

/// Why nobody can say anything of an account.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AskError {
    /// user-service did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The database of user-service did not.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Call(error) => Self::new(codes::SERVICE_UNAVAILABLE).because(error),
            AskError::Database(error) => error.into(),
        }
    }
}

type Answer = Result<Option<Account>, AskError>;

/// The accounts of those who call. Cheap to clone.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    known: RwLock<Recent<UserId, Reading>>,
    questions: Batcher<UserId, Answer, Infallible>,
    /// When asking failed last.
    failed_at: Mutex<Option<Instant>>,
}

/// What was read of an account, and when it was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) account: Account,
    asked_at: Instant,
}

impl Reading {
    /// The present moment on the clock by which tokens are dated; late by as long as the answer took, at most.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.account.read_at + self.asked_at.elapsed()
    }
}

impl Accounts {
    /// Those that user-service tells of.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn of(users: ServiceClient) -> Self {
        Self::new(move |ids| {
            let users = users.clone();
            async move {
                let ids: Vec<String> = ids.iter().map(UserId::to_string).collect();
                Ok(users.get(point!("call.accounts"), ACCOUNTS_PATH, &[("ids", ids.join(","))]).await?)
            }
        })
    }

    /// Those that `ask` finds, of the ids that it is given.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new<A, F>(ask: A) -> Self
    where
        A: Fn(Vec<UserId>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<Account>, AskError>> + Send + 'static,
    {
        let questions = Batcher::start(
            "token accounts",
            MAX_ASKED,
            || CALLS,
            |_| true,
            move |users: Arc<[UserId]>, _| {
                let mut distinct = users.to_vec();
                distinct.sort_unstable();
                distinct.dedup();
                let asked = ask(distinct);
                async move {
                    // one that failed is not repeated for each account: that would be as many calls
                    let found = asked.await.map(|found| {
                        found.into_iter().map(|account| (account.id, account)).collect::<HashMap<UserId, Account>>()
                    });
                    let answer = |user| found.as_ref().map(|found| found.get(user).copied()).map_err(AskError::clone);
                    Ok(users.iter().map(answer).collect())
                }
            },
        );
        Self(Arc::new(Inner { known: RwLock::new(Recent::new(MAX_KNOWN)), questions, failed_at: Mutex::new(None) }))
    }

    /// The account that the token was given to; 401 if it is no longer that one, or gone, 503 if nobody can say. `None` if
    /// user-service is of a version that does not tell.
    pub(crate) async fn of_token(&self, grant: &Grant) -> Result<Option<Reading>> {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner).get(&grant.user).copied();
        if let Some(Reading { account, asked_at }) = known
            && asked_at.elapsed() < FRESH_FOR
        {
            if account.key == grant.key {
                return Ok(known);
            }
            if account.read_at >= grant.issued_at + CERTAINLY_LATER {
                return Err(codes::TOKEN_REVOKED.into()); // no newer key could be the token's
            }
        }
        Box::pin(self.ask(grant, known)).await
    }

    /// What the account of `user` may do with money at this moment, whatever is known of it from before; `None` if there is no such
    /// account, or nobody answers in time.
    pub async fn state_now(&self, user: UserId) -> Option<AccountState> {
        let answer = timeout(PATIENCE, self.0.questions.submit(user)).await;
        answer.ok()?.ok()?.ok()?.map(|account| account.state)
    }

    async fn ask(&self, grant: &Grant, known: Option<Reading>) -> Result<Option<Reading>> {
        let in_force = known.filter(|reading| reading.account.key == grant.key);
        if in_force.is_some() && self.has_just_failed() {
            return Ok(in_force);
        }
        let asked_at = Instant::now();
        let patience = if in_force.is_some() { PATIENCE } else { PATIENCE_WITHOUT };
        let answer = timeout(patience, self.0.questions.submit(grant.user)).await;
        let failure: ApiError = match answer {
            Ok(Ok(Ok(found))) => {
                let reading = found.map(|account| Reading { account, asked_at });
                let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
                match reading {
                    Some(reading) => known.set(grant.user, reading),
                    None => known.remove(&grant.user),
                }
                drop(known);
                let is_its = reading.filter(|reading| reading.account.key == grant.key);
                return is_its.map(Some).ok_or_else(|| codes::TOKEN_REVOKED.into());
            }
            Ok(Ok(Err(AskError::Call(error)))) if error.has_code(codes::ROUTE_NOT_FOUND) => return Ok(None),
            Ok(Ok(Err(error))) => error.into(),
            Ok(Err(error)) => error.into(),
            Err(late) => ApiError::new(codes::SERVICE_UNAVAILABLE).because(late),
        };
        *self.0.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        in_force.map(Some).ok_or(failure)
    }

    fn has_just_failed(&self) -> bool {
        let failed_at = *self.0.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        failed_at.is_some_and(|at| at.elapsed() < PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use reqwest::StatusCode;

    use super::*;

    /// What user-service does when it is asked.
    #[derive(Clone)]
    enum Reaction {
        Knows(i64),
        HasNone,
        Fails,
        IsSilent,
        IsOfTheVersionBefore,
    }

    struct Stub {
        accounts: Accounts,
        reaction: Arc<Mutex<Reaction>>,
        calls: Arc<AtomicUsize>,
    }

    fn user(id: i64) -> UserId {
        id.try_into().unwrap()
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// An account that was read at second 1,000.
    fn account(id: UserId, key: i64) -> Account {
        Account { id, key, version: 0, created_at: at(1), read_at: at(1000), state: AccountState::Active }
    }

    fn refused(code: crate::Code) -> AskError {
        CallError::Refused { service: "user-service", status: StatusCode::NOT_FOUND, code: code.name().into() }.into()
    }

    impl Stub {
        fn new(reaction: Reaction) -> Self {
            let (reaction, calls) = (Arc::new(Mutex::new(reaction)), Arc::new(AtomicUsize::new(0)));
            let (reacts, counts) = (reaction.clone(), calls.clone());
            let accounts = Accounts::new(move |ids| {
                counts.fetch_add(1, Ordering::Relaxed);
                let reaction = reacts.lock().unwrap().clone();
                async move {
                    match reaction {
                        Reaction::Knows(key) => Ok(ids.into_iter().map(|id| account(id, key)).collect()),
                        Reaction::HasNone => Ok(Vec::new()),
                        Reaction::Fails => {
                            Err(CallError::NotReached { service: "user-service", cause: "a test".into() }.into())
                        }
                        Reaction::IsSilent => std::future::pending().await,
                        Reaction::IsOfTheVersionBefore => Err(refused(codes::ROUTE_NOT_FOUND)),
                    }
                }
            });
            Self { accounts, reaction, calls }
        }

        fn will(&self, reaction: Reaction) {
            *self.reaction.lock().unwrap() = reaction;
        }

        /// What a token with `key` of second `issued_at` gets, and how many calls that took.
        async fn shown(&self, key: i64, issued_at: i64) -> (Result<bool, String>, usize) {
            let before = self.calls.load(Ordering::Relaxed);
            let grant = Grant { user: user(1), key, version: 0, issued_at: at(issued_at), expires_at: at(issued_at) };
            let found = self.accounts.of_token(&grant).await;
            let found = found.map(|account| account.is_some());
            let found = found.map_err(|error| error.body()["code"].as_str().unwrap_or_default().to_owned());
            (found, self.calls.load(Ordering::Relaxed) - before)
        }
    }

    const LET_IN: Result<bool, String> = Ok(true);

    fn error<T>(code: &str) -> Result<T, String> {
        Err(code.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_is_asked_for_once_and_again_when_it_is_no_longer_fresh() {
        let stub = Stub::new(Reaction::Knows(7));
        assert_eq!(stub.shown(7, 10).await, (LET_IN, 1));
        assert_eq!(stub.shown(7, 10).await, (LET_IN, 0));
        stub.will(Reaction::Knows(8));
        tokio::time::advance(FRESH_FOR.mul_f64(0.9)).await;
        assert_eq!(stub.shown(7, 10).await, (LET_IN, 0));
        tokio::time::advance(FRESH_FOR.mul_f64(0.2)).await;
        assert_eq!(stub.shown(7, 10).await, (error("token_revoked"), 1), "a backup was restored");
        assert_eq!(stub.shown(7, 10).await, (error("token_revoked"), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_of_the_answer_goes_on() {
        let stub = Stub::new(Reaction::Knows(7));
        let grant = Grant { user: user(1), key: 7, version: 0, issued_at: at(10), expires_at: at(20) };
        assert_eq!(stub.accounts.of_token(&grant).await.unwrap().unwrap().now(), at(1000));
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(stub.accounts.of_token(&grant).await.unwrap().unwrap().now(), at(1020));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_token_that_may_be_newer_than_what_is_known_makes_anybody_ask() {
        let stub = Stub::new(Reaction::Knows(7));
        assert_eq!(stub.shown(7, 10).await, (LET_IN, 1));
        assert_eq!(stub.shown(6, 995).await, (error("token_revoked"), 0));
        stub.will(Reaction::Knows(8));
        assert_eq!(stub.shown(8, 1001).await, (LET_IN, 1));
        assert_eq!(stub.shown(7, 10).await, (error("token_revoked"), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_stays_in_force_while_nobody_answers() {
        for reaction in [Reaction::Fails, Reaction::IsSilent] {
            let stub = Stub::new(Reaction::Knows(7));
            assert_eq!(stub.shown(7, 10).await, (LET_IN, 1));
            stub.will(reaction.clone());
            tokio::time::advance(FRESH_FOR).await;
            let begun = Instant::now();
            assert_eq!(stub.shown(7, 10).await, (LET_IN, 1));
            assert!(begun.elapsed() <= PATIENCE + Duration::from_millis(10), "{:?}", begun.elapsed());
            assert_eq!(stub.shown(7, 10).await, (LET_IN, 0), "nobody waits right after a failure");
            assert_eq!(stub.shown(8, 2000).await.0, error("service_unavailable"), "it may be a new key");

            let unknown = Stub::new(reaction);
            assert_eq!(unknown.shown(7, 10).await.0, error("service_unavailable"));
        }
    }

    #[tokio::test]
    async fn tokens_of_an_account_that_is_gone_have_ended() {
        let stub = Stub::new(Reaction::Knows(7));
        assert_eq!(stub.shown(7, 10).await, (LET_IN, 1));
        stub.will(Reaction::HasNone);
        assert_eq!(stub.shown(9, 2000).await, (error("token_revoked"), 1));
        assert_eq!(stub.shown(7, 10).await, (error("token_revoked"), 1), "what is gone is forgotten");
    }

    #[tokio::test]
    async fn a_user_service_of_the_version_before_says_nothing_of_accounts() {
        let stub = Stub::new(Reaction::IsOfTheVersionBefore);
        assert_eq!(stub.shown(0, 10).await.0, Ok(false));
    }
}
