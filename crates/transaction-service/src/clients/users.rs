//! user-service, as the mover of money, and as who knows whose an address is.

use std::collections::HashMap;

use common::{
    caller::account::{ACCOUNTS_PATH, Account},
    client::{CallError, ServiceClient},
    standing::Standing,
};
use fault::{Point, point};
use money::{BatchId, Email, UserId};
use serde::{Deserialize, Serialize};

use crate::domain::step::{Step, StepAnswer};

#[derive(Serialize)]
struct Operations<'a, S> {
    operations: &'a [S],
}

/// Steps that are carried out together or not at all.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Together<'a> {
    Batch { batch_id: i64, steps: &'a [Step] },
}

/// The number of a batch that is only tried: none has it.
const NO_BATCH: i64 = i64::MAX;

#[derive(Serialize)]
struct ReceiverQuery<'a> {
    email: &'a str,
    asked_by: Option<UserId>,
}

/// Who is to be paid by an address.
#[derive(Debug, Deserialize)]
pub struct Found {
    /// The account with the address, if there is one.
    pub id: Option<UserId>,
    /// If the user who asks has asked too often: seconds until the next time.
    pub retry_after: Option<u64>,
}

#[derive(Serialize)]
struct UsersQuery {
    ids: UserId,
}

#[derive(Deserialize)]
struct User {
    email: String,
}

/// Steps that are only tried.
#[derive(Serialize)]
struct TriedOperations<'a, T> {
    operations: &'a [T],
    user_id: UserId,
}

#[derive(Deserialize)]
struct TriedOutcomes {
    outcomes: Vec<StepAnswer>,
    standing: Option<Standing>,
}

/// What would become of steps.
pub struct TriedSteps {
    /// What user-service would answer to each, in order.
    pub answers: Vec<StepAnswer>,
    /// How the account would then stand that was asked for, if there is one.
    pub standing: Option<Standing>,
}

/// An account's number, and how it is shown to others.
#[derive(Deserialize)]
struct Named {
    id: UserId,
    display_name: String,
}

#[derive(Deserialize)]
struct Outcomes {
    outcomes: Vec<StepAnswer>,
}

/// Asks user-service to move money, and for accounts.
#[derive(Clone)]
pub struct UserClient(ServiceClient);

impl UserClient {
    /// A client of user-service.
    pub fn new(service: ServiceClient) -> Self {
        Self(service)
    }

    /// Asks for all `steps` in one call; the answers are in their order. A step that is asked again is answered
    /// again, so a call whose outcome is not known is repeated at once: often only a kept connection had been closed.
    pub async fn execute(&self, steps: &[Step]) -> Result<Vec<StepAnswer>, CallError> {
        self.ask_again(point!("call.operations"), steps).await
    }

    /// Asks for all `steps`, or none, under the identity of the batch.
    pub async fn execute_batch(&self, batch_id: BatchId, steps: &[Step]) -> Result<StepAnswer, CallError> {
        let mut answers =
            self.ask_again(point!("call.batch"), &[Together::Batch { batch_id: batch_id.get(), steps }]).await?;
        Ok(answers.swap_remove(0))
    }

    async fn ask_again(&self, point: Point, steps: &[impl Serialize + Sync]) -> Result<Vec<StepAnswer>, CallError> {
        match self.ask(point, steps).await {
            Err(unknown @ CallError::Unknown { .. }) => self.ask(point, steps).await.map_err(|again| match again {
                CallError::Unknown { .. } => again,
                // the first call may have arrived all the same
                CallError::NotReached { .. } | CallError::Refused { .. } => unknown,
            }),
            answered => answered,
        }
    }

    /// What would become of `steps`, each on what the one before it would leave, and how the account of `user` would then stand.
    /// Nothing changes.
    pub async fn try_out(&self, steps: &[Step], user: UserId) -> Result<TriedSteps, CallError> {
        self.tried(steps, user).await
    }

    /// The same of all `steps` or none, which have one answer.
    pub async fn try_batch(&self, steps: &[Step], user: UserId) -> Result<TriedSteps, CallError> {
        self.tried(&[Together::Batch { batch_id: NO_BATCH, steps }], user).await
    }

    async fn tried(&self, operations: &[impl Serialize + Sync], user_id: UserId) -> Result<TriedSteps, CallError> {
        let asked = TriedOperations { operations, user_id };
        let TriedOutcomes { outcomes: answers, standing } =
            self.0.post(point!("call.dry_run"), "/internal/operations/dry-run", &asked).await?;
        if answers.len() != operations.len() {
            let cause = format!("{} outcomes of {} steps that were tried", answers.len(), operations.len());
            return Err(CallError::Unknown { service: "user-service", cause });
        }
        Ok(TriedSteps { answers, standing })
    }

    /// Asks for the account with the address `email`. It counts for the user who asks, if one does.
    pub async fn receiver(&self, email: &Email, asked_by: Option<UserId>) -> Result<Found, CallError> {
        let query = ReceiverQuery { email: &email.0, asked_by };
        self.0.get(point!("call.receiver"), "/internal/receivers", &query).await
    }

    /// Those of `users`, at most [`MAX_ASKED`](common::caller::account::MAX_ASKED), who have accounts.
    pub async fn existing(&self, users: &[UserId]) -> Result<Vec<UserId>, CallError> {
        let ids: Vec<String> = users.iter().map(UserId::to_string).collect();
        let accounts: Vec<Account> =
            self.0.get(point!("call.existing"), ACCOUNTS_PATH, &[("ids", ids.join(","))]).await?;
        Ok(accounts.into_iter().map(|account| account.id).collect())
    }

    /// The display names of those of `users`, at most [`MAX_ASKED`](common::caller::account::MAX_ASKED), who have accounts.
    pub async fn names(&self, users: &[UserId]) -> Result<HashMap<UserId, String>, CallError> {
        let ids: Vec<String> = users.iter().map(UserId::to_string).collect();
        let named: Vec<Named> = self.0.get(point!("call.names"), "/internal/names", &[("ids", ids.join(","))]).await?;
        Ok(named.into_iter().map(|Named { id, display_name }| (id, display_name)).collect())
    }

    /// Asks for the address of `user`; `None` if there is no such account.
    pub async fn address(&self, user: UserId) -> Result<Option<String>, CallError> {
        let mut found: Vec<User> =
            self.0.get(point!("call.user"), "/internal/users", &UsersQuery { ids: user }).await?;
        Ok(found.pop().map(|user| user.email))
    }

    async fn ask(&self, point: Point, operations: &[impl Serialize + Sync]) -> Result<Vec<StepAnswer>, CallError> {
        let answer: Outcomes = self.0.post(point, "/internal/operations", &Operations { operations }).await?;
        if answer.outcomes.len() == operations.len() {
            Ok(answer.outcomes)
        } else {
            let cause = format!("{} outcomes for {} steps", answer.outcomes.len(), operations.len());
            Err(CallError::Unknown { service: "user-service", cause })
        }
    }
}
