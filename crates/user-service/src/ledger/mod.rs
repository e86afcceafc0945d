//! The ledger: the only code that moves money.
//!
//! [`operation`] says what can be asked, [`book`] decides it in memory, [`post`] makes a list of operations durable in
//! one database transaction, [`close`] ends an account, [`verify`] proves the invariants, [`audit`] does so regularly.

pub mod audit;
mod book;
mod close;
pub mod operation;
mod post;
mod rows;
mod verify;

use std::sync::Arc;

use common::{
    Result,
    group_commit::{GroupCommit, GroupError},
};
use sqlx::MySqlPool;

pub use close::Closing;
pub use operation::{Movement, Operation, Outcome, Refusal};
pub use verify::Verification;

/// Batches under way at once: one is written while another one commits.
const LANES: usize = 2;

/// The ledger of this service's schema. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    pool: MySqlPool,
    group: GroupCommit<Operation, Outcome>,
    currency: Arc<str>,
}

impl Ledger {
    /// The ledger in `pool`, which writes at most `max_batch` operations in one commit; `currency` words what users
    /// are told.
    pub fn new(pool: MySqlPool, currency: &str, max_batch: usize) -> Self {
        let (writer, currency): (_, Arc<str>) = (pool.clone(), currency.into());
        let words = currency.clone();
        let group = GroupCommit::start("ledger", max_batch, LANES, move |operations: Arc<[Operation]>, turn| {
            let (pool, currency) = (writer.clone(), words.clone());
            async move { post::post(&pool, &operations, &currency, &turn).await }
        });
        Self { pool, group, currency }
    }

    /// Carries out one operation; it is durable when this returns.
    pub async fn post_one(&self, operation: Operation) -> Result<Outcome, GroupError> {
        self.group.submit(operation).await
    }

    /// Carries out `operations`, each applied or refused alone; all are durable when this returns.
    ///
    /// They share a database transaction with whatever else is waiting: see [`GroupCommit`].
    pub async fn post(&self, operations: Vec<Operation>) -> Result<Vec<Outcome>, GroupError> {
        self.group.submit_all(operations).await
    }
}
