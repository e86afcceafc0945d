//! Accounts by id. Look-ups that wait together share a query, which begins after the last of them came: each sees
//! whatever was committed before it was asked for.

use std::{collections::HashMap, sync::Arc};

use common::{Result, UserId, db::DbError, group_commit::GroupCommit};
use sqlx::MySqlPool;

use super::users::{self, User};

/// Queries under way at once.
const QUERIES: usize = 2;

/// Looks accounts up. Cheap to clone.
#[derive(Clone)]
pub struct Lookups(GroupCommit<UserId, Option<User>>);

impl Lookups {
    /// Looks into `pool`, for at most `max_batch` accounts in one query.
    pub fn new(pool: MySqlPool, max_batch: usize) -> Self {
        Self(GroupCommit::start(max_batch, QUERIES, move |ids: Arc<[UserId]>, _| {
            let pool = pool.clone();
            async move { find_all(&pool, &ids).await }
        }))
    }

    /// The account `id`, if it is active.
    pub async fn find(&self, id: UserId) -> Result<Option<User>> {
        Ok(self.0.submit(id).await?)
    }
}

async fn find_all(pool: &MySqlPool, ids: &[UserId]) -> Result<Vec<Option<User>>, DbError> {
    let found = users::find_all(&mut *pool.acquire().await?, ids).await?;
    let found: HashMap<UserId, User> = found.into_iter().map(|user| (user.id, user)).collect();
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}
