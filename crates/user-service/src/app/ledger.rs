//! The ledger: the only code that moves money.
//!
//! [`crate::domain::operation`] says what can be asked, [`crate::domain::book`] decides it in memory, [`super::post`] makes a
//! list of operations durable in one database transaction, [`super::close`] ends an account, [`super::audit`] proves the
//! invariants again and again.

use std::sync::Arc;

use batch::{BatchError, Batcher};
use chrono_tz::Tz;
use common::Result;
use money::{UserId, time};
use mysql::DbError;
use sqlx::MySqlPool;

use super::{limits::Standing, post};
use crate::domain::{
    book::Balances,
    limits::{Limits, Rules},
    operation::{Operation, Outcome},
};

/// Batches under way at once: one is written while another one commits. More if the database is far away.
const LANES: usize = 2;

/// The ledger of this service's schema. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    pub(super) pool: MySqlPool,
    group: Batcher<Operation, Outcome, DbError>,
    defaults: Limits,
    zone: Tz,
}

/// What would become of operations.
pub struct TriedOut {
    /// Of each, in order.
    pub outcomes: Vec<Outcome>,
    /// How the account would then stand that was asked for, if there is one.
    pub account: Option<TriedAccount>,
}

/// How an account would stand.
pub struct TriedAccount {
    /// What it would have.
    pub balances: Balances,
    /// Its limits, and what would count against them.
    pub standing: Standing,
}

impl Ledger {
    /// The ledger in `pool`, which writes at most `max_batch` operations in one commit. Accounts have the limits `defaults` where
    /// nothing else is set, on days of `zone`.
    pub fn new(pool: MySqlPool, max_batch: usize, defaults: Limits, zone: Tz) -> Self {
        let writer = pool.clone();
        let group = Batcher::start(
            "ledger",
            max_batch,
            || mysql::lanes(LANES),
            DbError::is_unavailable,
            move |operations: Arc<[Operation]>, baton| {
                let (pool, rules) = (writer.clone(), Rules::at(defaults, zone, time::now()));
                async move { post::post(&pool, &operations, rules, &baton).await }
            },
        );
        Self { pool, group, defaults, zone }
    }

    /// Carries out one operation; it is durable when this returns.
    pub async fn post_one(&self, operation: Operation) -> Result<Outcome, BatchError<DbError>> {
        self.group.submit(operation).await
    }

    /// Carries out `operations`, each applied or refused alone; all are durable when this returns.
    ///
    /// They share a database transaction with whatever else is waiting: see [`Batcher`].
    pub async fn post(&self, operations: Vec<Operation>) -> Result<Vec<Outcome>, BatchError<DbError>> {
        self.group.submit_all(operations).await
    }

    /// Says what would become of `operations`, each on what the one before it would leave, and how the account of `user` would then
    /// stand. Nothing changes, and nothing is kept of it.
    pub async fn try_out(&self, operations: &[Operation], user: UserId) -> Result<TriedOut, DbError> {
        let rules = Rules::at(self.defaults, self.zone, time::now());
        let (outcomes, balances) = post::try_out(&self.pool, operations, rules, user).await?;
        let account = balances.map(|balances| TriedAccount {
            standing: Standing::of(rules, balances.settings, balances.spent),
            balances,
        });
        Ok(TriedOut { outcomes, account })
    }
}
