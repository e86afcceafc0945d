//! The ledger: the only code that moves money.
//!
//! [`operation`] says what can be asked, [`book`] decides it in memory, [`post`] makes a list of operations durable in
//! one database transaction, [`close`] ends an account, [`verify`] proves the invariants.

mod book;
mod close;
pub mod operation;
mod post;
mod rows;
mod verify;

use std::sync::Arc;

use common::{Result, db::DbError};
use sqlx::MySqlPool;

pub use close::Closing;
pub use operation::{Movement, Operation, Outcome, Refusal};
pub use verify::Verification;

/// The ledger of this service's schema. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    pool: MySqlPool,
    currency: Arc<str>,
}

impl Ledger {
    /// The ledger in `pool`; `currency` words what users are told.
    pub fn new(pool: MySqlPool, currency: String) -> Self {
        Self { pool, currency: currency.into() }
    }

    /// Carries out one operation; it is durable when this returns.
    pub async fn post_one(&self, operation: Operation) -> Result<Outcome> {
        let mut outcomes = self.post(vec![operation]).await?;
        Ok(outcomes.remove(0))
    }

    /// Carries out `operations` in order, each applied or refused alone; all are durable when this returns.
    ///
    /// One call is one database transaction with a constant number of statements, whatever the length of the list:
    /// this is the place where requests that wait together can share a commit.
    pub async fn post(&self, operations: Vec<Operation>) -> Result<Vec<Outcome>, DbError> {
        post::post(&self.pool, &operations, &self.currency).await
    }
}
