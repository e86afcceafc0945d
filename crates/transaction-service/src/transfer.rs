//! The life of a transfer: intent first, then the verb, then the outcome.
//!
//! Each change of a transaction is committed before user-service is asked for the verb that carries it out, and the
//! outcome is committed after the answer, with what the parties are told. A crash anywhere leaves a row that says
//! which verb to ask for again: see [`crate::settle`].

mod actor;
mod change;
mod decision;
mod journal;
mod machine;
mod model;

use std::{sync::Arc, time::Duration};

use common::{
    Code, Result, TransactionId,
    context::Origin,
    db::DbError,
    group_commit::{GroupCommit, GroupError},
    http::client::CallError,
    lookups::Lookups,
    time,
};
use sqlx::MySqlPool;
use tokio::time::{Instant, sleep, timeout_at};

pub use actor::{Actor, Reason, StatusReason};
pub use change::Change;
pub use decision::{Decided, Decision, Ruling};
use journal::Journal;
pub use model::{Failure, NewTransaction, Request, Status, Step, Terms, Transaction, Verb};

use crate::{
    Config,
    clients::{StepOutcome, UserClient},
    store::{
        changes::Changed,
        intents::{Inserted, Intent},
        transactions as store,
    },
};

/// A step to ask for, and the request that asks.
type Asked = (Step, Origin);

/// How long a request waits for another one under the same key.
const OUTCOME_WAIT: Duration = Duration::from_secs(3);
/// How long until it carries on what the other one has begun: the instance that was at it may be frozen.
const OWN_TURN: Duration = Duration::from_millis(400);
/// How often it looks meanwhile.
const OUTCOME_PAUSE: Duration = Duration::from_millis(100);

/// Calls to user-service under way at once: one that hangs does not hold up the others.
const CALLS: usize = 4;

/// What became of the wish to create a transaction.
pub enum Creation {
    /// A new transaction, as far as it has come.
    New(Transaction),
    /// The request was carried out before; this is its transaction.
    Before(Transaction),
}

/// Creates, decides and settles transactions. Requests that wait together share commits and calls. Cheap to clone.
#[derive(Clone)]
pub struct Transfers(Arc<Inner>);

struct Inner {
    journal: Journal,
    lookups: Lookups<TransactionId, Transaction>,
    steps: GroupCommit<Asked, Result<StepOutcome, CallError>>,
}

impl Transfers {
    /// Transfers in `pool`, with the money in user-service.
    pub fn new(pool: MySqlPool, users: UserClient, config: &Config) -> Self {
        let max_batch = config.service.group_commit_max;
        let terms = Terms { currency: config.service.currency.clone(), pending_ttl: config.pending_ttl };
        let journal = Journal::new(pool.clone(), max_batch, terms);
        let steps = GroupCommit::start("steps", max_batch, CALLS, move |steps, _| execute_all(users.clone(), steps));
        let lookups = Lookups::start(
            "transactions",
            max_batch,
            |row: &Transaction| row.id,
            move |ids| {
                let pool = pool.clone();
                async move { store::find_all(&mut *pool.acquire().await?, &ids).await }
            },
        );
        Self(Arc::new(Inner { journal, lookups, steps }))
    }

    /// Creates a transaction and asks user-service to set the money aside, or to move it if it is a one-step transfer.
    pub async fn create(&self, new: &NewTransaction, request: &Request) -> Result<Creation> {
        let now = time::unique_now(); // tells this request from another one under the same key
        let intent = Intent { new: new.clone(), request: request.clone(), now };
        match self.0.journal.insert(intent).await? {
            Inserted::New(row) => self.start(row).await,
            Inserted::Before(row) if row.fingerprint != request.fingerprint => Err(Code::IdempotencyKeyReused.into()),
            // a second run after an unknown commit finds what the first one wrote
            Inserted::Before(row) if row.created_at == now => self.start(row).await,
            Inserted::Before(row) => Ok(Creation::Before(self.outcome(row).await?)),
        }
    }

    /// The transaction of a request that is asked again, once it is known what came of it; for as long as that takes, up to
    /// [`OUTCOME_WAIT`]. A proxy that gave an instance up asks another one while the first may still be at it, or never be again: then
    /// this one goes on with it, as the settler would.
    async fn outcome(&self, mut row: Transaction) -> Result<Transaction> {
        let (mut own_turn, deadline) = (Instant::now() + OWN_TURN, Instant::now() + OUTCOME_WAIT);
        while row.is_being_created() && Instant::now() < deadline {
            sleep(OUTCOME_PAUSE).await;
            row = self.0.lookups.find(row.id).await?.unwrap_or(row);
            if row.is_being_created() && Instant::now() >= own_turn {
                own_turn = deadline; // once: the settler goes on
                if let Ok(Ok(advanced)) = timeout_at(deadline, self.advance(row.clone(), false)).await {
                    row = advanced;
                }
            }
        }
        Ok(row)
    }

    async fn start(&self, row: Transaction) -> Result<Creation> {
        match self.advance(row, true).await {
            Ok(row) => Ok(Creation::New(row)),
            Err(NotSent) => Err(Code::ServiceUnavailable.into()),
        }
    }

    /// Asks user-service for the verb that `row` waits for and commits the outcome; returns the row as it stands then.
    ///
    /// A row whose outcome is not known, or could not be stored, comes back as it was: the money may have moved, so
    /// this is no error, and the settler goes on with it. If `fresh`, this request has just created the row, and its
    /// first verb fails the transaction at once when user-service was certainly not reached. Any later verb carries out
    /// a decision of somebody who may have sent it already.
    async fn advance(&self, mut row: Transaction, fresh: bool) -> Result<Transaction, NotSent> {
        while let Some(step) = row.outstanding() {
            let stored = match self.execute(step).await {
                Ok(outcome) => self.record(&row, outcome).await,
                Err(error @ (CallError::NotReached { .. } | CallError::Refused { .. }))
                    if fresh && row.is_being_created() =>
                {
                    tracing::warn!(transaction = %row.id, %error, "nothing was sent");
                    match self.change(&row, Change::Unsent).await {
                        Ok(Changed { won: true, .. }) => return Err(NotSent),
                        Ok(_) => return Ok(row),
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

    /// Commits what `outcome` means for `row`, with what the parties are told, and returns the row as it stands then.
    pub async fn record(&self, row: &Transaction, outcome: StepOutcome) -> Result<Transaction, GroupError> {
        let Some(step) = row.step else { return Ok(row.clone()) };
        let changed = self.change(row, Change::Outcome { step, outcome }).await?;
        changed.row.ok_or_else(|| DbError::from(sqlx::Error::RowNotFound).into())
    }

    /// Commits a change of the transaction that was last `seen` so, if its state allows it.
    pub async fn change(&self, seen: &Transaction, change: Change) -> Result<Changed, GroupError> {
        self.0.journal.change(seen, change).await
    }

    /// Asks user-service for a step, together with whatever else is to be asked.
    pub async fn execute(&self, step: Step) -> Result<StepOutcome, CallError> {
        // an overload means that nothing was sent, anything else that nobody knows
        self.0.steps.submit((step, Origin::current())).await.unwrap_or_else(|error| {
            let (service, cause) = ("user-service", error.to_string());
            Err(match error {
                GroupError::Overloaded => CallError::NotReached { service, cause },
                GroupError::Db(_) | GroupError::Lost => CallError::Unknown { service, cause },
            })
        })
    }

    /// The transaction `id`, unless it is hidden from everybody.
    pub async fn find(&self, id: TransactionId) -> Result<Option<Transaction>> {
        Ok(self.0.lookups.find(id).await?.filter(|row| !row.is_hidden()))
    }
}

/// One call for all of them, on behalf of the request that was first.
async fn execute_all(users: UserClient, asked: Arc<[Asked]>) -> Result<Vec<Result<StepOutcome, CallError>>, DbError> {
    let origin = asked.first().map(|(_, origin)| origin.clone()).unwrap_or_default();
    let steps: Vec<Step> = asked.iter().map(|(step, _)| *step).collect();
    Ok(match origin.scope(users.execute(&steps)).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(error) => steps.iter().map(|_| Err(error.clone())).collect(),
    })
}

/// Nothing was sent; the transaction is failed and its key is free again.
struct NotSent;
