//! Stand-in.

use std::{
    collections::HashMap,
    ops::{Deref, DerefMut},
};

use common::{Result, reads::Reading};
use money::UserId;
use sqlx::MySqlConnection;

use super::sync::Sync;
use crate::{
    codes,
    domain::entry::Entry,
    store::entries::{self as store, Current},
};

/// Stand-in.
pub struct Snapshot {
    pub current: Current,
    conn: Reading,
}
impl Deref for Snapshot {
    type Target = MySqlConnection;
    fn deref(&self) -> &MySqlConnection {
        &self.conn
    }
}
impl DerefMut for Snapshot {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        &mut self.conn
    }
}
impl Sync {
    pub async fn entries(&self, user: Option<UserId>) -> Result<Snapshot> {
        let mut conn = self.reads.acquire_for(user).await?;
        let current = store::current(&mut conn).await?.ok_or(codes::SERVICE_UNAVAILABLE)?;
        Ok(Snapshot { current, conn })
    }
    pub async fn must_have_existed(&self, user: UserId) -> Result<()> {
        self.must_exist(user).await.map(|_| ())
    }
    pub async fn write_texts(&self, _: &mut [Entry]) -> Result<()> {
        Ok(())
    }
    pub async fn names(&self, users: impl IntoIterator<Item = UserId>) -> Result<HashMap<UserId, String>> {
        Ok(users.into_iter().map(|user| (user, "Jane D.".to_owned())).collect())
    }
}
