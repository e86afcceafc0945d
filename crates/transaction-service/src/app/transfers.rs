//! The life of a transfer: intent first, then the verb, then the outcome.
//!
//! Each change of a transaction is committed before user-service is asked for the verb that carries it out, and the
//! outcome is committed after the answer, with the fact that it makes true. A crash anywhere leaves a row that says
//! which verb to ask for again: see [`super::settle`].

use std::{convert::Infallible, slice, sync::Arc};

use axum::http::StatusCode;
use batch::{BatchError, Batcher, Lookups};
use common::{
    Result,
    caller::account::Accounts,
    client::CallError,
    idempotency::{self, Answer, KeyedRequest, Known},
    origin::Origin,
};
use fault::point;
use futures::future::join_all;
use money::TransactionId;
use mysql::DbError;
use sqlx::MySqlPool;

use super::standing::Standing;
use crate::{
    clients::UserClient,
    config::Config,
    domain::{
        intent::Request,
        step::{Step, StepAnswer, StepOutcome},
        transaction::Transaction,
        transition::{Changed, Transition},
    },
    store::{transactions as store, writer::Writer},
};

/// A step to ask for, and the request that asks.
type Asked = (Step, Origin);

/// Calls to user-service under way at once: one that hangs does not hold up the others. More if the database is far away, as that of
/// user-service then is, too.
const CALLS: usize = 4;

/// Creates, decides and settles transactions. Requests that wait together share commits and calls. Cheap to clone.
#[derive(Clone)]
pub struct Transfers(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) writer: Writer,
    pub(super) lookups: Lookups<TransactionId, Transaction, DbError>,
    steps: Batcher<Asked, Result<StepAnswer, CallError>, Infallible>,
    pub(super) standing: Standing,
    pub(super) pool: MySqlPool,
    pub(super) users: UserClient,
    /// Seconds until a pending transaction is cancelled.
    pub(super) pending_ttl: u32,
}

impl Transfers {
    /// Transfers in `pool`, with the money in user-service.
    pub fn new(pool: MySqlPool, users: UserClient, accounts: Accounts, config: &Config) -> Self {
        let max_batch = config.service.group_commit_max;
        let writer = Writer::new(pool.clone(), max_batch, config.pending_ttl);
        let steps = Batcher::start("steps", max_batch, || mysql::lanes(CALLS), |_| true, {
            let users = users.clone();
            move |steps, _| execute_all(users.clone(), steps)
        });
        let lookups = Lookups::start("transactions", max_batch, |row: &Transaction| row.id, DbError::is_unavailable, {
            let pool = pool.clone();
            move |ids| {
                let pool = pool.clone();
                async move { Ok(store::find_all(&mut *pool.acquire().await?, &ids).await?) }
            }
        });
        let standing = Standing::new(accounts);
        Self(Arc::new(Inner { writer, lookups, steps, standing, pool, users, pending_ttl: config.pending_ttl }))
    }

    /// Asks user-service for the verb that `row` waits for and commits the outcome; returns the row as it stands then.
    ///
    /// A row whose outcome is not known, or could not be stored, comes back as it was: the money may have moved, so
    /// this is no error, and the settler goes on with it. If `fresh`, this request has just created the row, and its
    /// first verb fails the transaction at once when user-service was certainly not reached. Any later verb carries out
    /// a decision of somebody who may have sent it already.
    pub(super) async fn advance(&self, mut row: Transaction, fresh: bool) -> Result<Transaction, NotSent> {
        while let Some(step) = row.outstanding() {
            let stored = match self.execute(step).await {
                Ok(outcome) => self.record(&row, outcome).await,
                Err(error @ (CallError::NotReached { .. } | CallError::Refused { .. }))
                    if fresh && row.is_being_created() =>
                {
                    tracing::warn!(transaction = %row.id, %error, "nothing was sent");
                    match self.change(&row, Transition::Unsent).await {
                        // also if an earlier attempt at this commit was the one that changed it
                        Ok(Changed { row: Some(now), .. }) if now.was_never_sent() => return Err(NotSent),
                        Ok(Changed { row: now, .. }) => return Ok(now.unwrap_or(row)),
                        Err(error) => Err(error),
                    }
                }
                Err(error) => {
                    tracing::warn!(transaction = %row.id, %error, "the settler will ask again");
                    return Ok(row);
                }
            };
            match stored {
                Ok(next) => row = next,
                Err(error) => {
                    tracing::warn!(transaction = %row.id, %error, "the settler will store the outcome");
                    return Ok(row);
                }
            }
        }
        Ok(row)
    }

    /// Commits what `outcome` means for `row`, and for the transaction that it refunds, with the fact that it makes true, and
    /// returns the row as it stands then.
    pub async fn record(&self, row: &Transaction, outcome: StepOutcome) -> Result<Transaction, BatchError<DbError>> {
        let refunded = match row.refund_of {
            Some(of) => self.0.lookups.find(of).await?,
            None => None,
        };
        let changed = self.0.writer.change(row, refunded, Transition::Outcome { step: row.step, outcome }).await?;
        changed.row.ok_or_else(|| BatchError::Failed(DbError::from(sqlx::Error::RowNotFound)))
    }

    /// Commits a transition of the transaction that was last `seen` so, if its state allows it.
    pub async fn change(&self, seen: &Transaction, transition: Transition) -> Result<Changed, BatchError<DbError>> {
        self.0.writer.change(seen, None, transition).await
    }

    /// Asks user-service for a step, together with whatever else is to be asked.
    pub async fn execute(&self, step: Step) -> Result<StepOutcome, CallError> {
        let transaction = step.transaction();
        // an overload means that nothing was sent, anything else that nobody knows
        let answer = self.0.steps.submit((step, Origin::current())).await.unwrap_or_else(|error| {
            let (service, cause) = ("user-service", error.to_string());
            Err(match error {
                BatchError::Overloaded => CallError::NotReached { service, cause },
                BatchError::Lost => CallError::Unknown { service, cause },
            })
        })?;
        if let Some(exceeded) = answer.exceeded {
            self.0.standing.keep(transaction, exceeded);
        }
        Ok(answer.outcome)
    }

    /// What is known of a request with a key; `None` if it is new, or has none.
    pub async fn answered_before(&self, keyed: Option<&KeyedRequest>) -> Result<Option<Known>> {
        if keyed.is_none() {
            return Ok(None);
        }
        Ok(idempotency::look_up(&mut *self.0.pool.acquire().await?, keyed).await?)
    }

    /// Keeps what a request for a capture or a refund is refused with, so that it is answered again; unless it was sent twice, and has made
    /// a transaction meanwhile, which it returns.
    pub async fn keep_refusal(
        &self,
        keyed: Option<&KeyedRequest>,
        answer: &Answer,
    ) -> Result<Option<Transaction>, DbError> {
        let Some(request) = keyed.map(Request::from) else { return Ok(None) };
        let request = &request;
        mysql::retry(|_| async move {
            let mut tx = mysql::begin(&self.0.pool, point!("refusal")).await?;
            if let Some(made) = store::find_request(tx.conn().await?, &request.identity).await? {
                return Ok(Some(made));
            }
            if idempotency::look_up(tx.conn().await?, keyed).await?.is_some() {
                return Ok(None);
            }
            idempotency::store(tx.conn().await?, keyed, answer).await?;
            tx.commit().await?;
            Ok(None)
        })
        .await
    }

    /// The transaction `id`, unless it is hidden from everybody.
    pub async fn find(&self, id: TransactionId) -> Result<Option<Transaction>> {
        Ok(self.0.lookups.find(id).await?.filter(|row| !row.is_hidden()))
    }
}

/// One call for all of them, on behalf of the request that was first. If user-service refuses it because a step is not as it must be, each
/// is asked for alone: the others must not fail with it.
async fn execute_all(users: UserClient, asked: Arc<[Asked]>) -> Result<Vec<Result<StepAnswer, CallError>>, Infallible> {
    let origin = asked.first().map(|(_, origin)| origin.clone()).unwrap_or_default();
    let steps: Vec<Step> = asked.iter().map(|(step, _)| step.clone()).collect();
    Ok(match origin.scope(users.execute(&steps)).await {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(CallError::Refused { status: StatusCode::BAD_REQUEST, .. }) if steps.len() > 1 => {
            let alone = async |(step, origin): &Asked| {
                let answers = origin.clone().scope(users.execute(slice::from_ref(step))).await;
                answers.map(|mut answers| answers.swap_remove(0))
            };
            join_all(asked.iter().map(alone)).await
        }
        Err(error) => steps.iter().map(|_| Err(error.clone())).collect(),
    })
}

/// Nothing was sent; the transaction is failed and its key is free again.
pub(super) struct NotSent;
