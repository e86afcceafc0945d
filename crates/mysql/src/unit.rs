//! A unit of work: what is written between BEGIN and COMMIT.

use std::{
    io,
    ops::{Deref, DerefMut},
};

use fault::{Injected, Point};
use sqlx::{MySql, MySqlConnection, MySqlPool, Transaction};

use crate::{
    error::{DbError, is_transient},
    retry::is_committing,
};

/// A database transaction on its way to a commit, at a point that has a name. Dropping it rolls it back.
#[derive(Debug)]
pub struct Unit {
    tx: Transaction<'static, MySql>,
    point: Point,
}

/// Begins to write. There is no other way: whatever changes a row is committed at a point at which tests can stop it.
pub async fn begin(pool: &MySqlPool, point: Point) -> sqlx::Result<Unit> {
    Ok(Unit { tx: pool.begin().await?, point })
}

impl Unit {
    /// Commits, and tells apart a refused commit from one whose answer never came.
    pub async fn commit(self) -> Result<(), DbError> {
        let unknown = |error: sqlx::Error| DbError::CommitUnknown(error.into());
        self.point.before().await.map_err(broken)?;
        is_committing(true);
        let committed = self.tx.commit().await;
        is_committing(false);
        // an error other than a lost race can follow a commit that is durable all the same
        committed.map_err(|error| if is_transient(&error) { error.into() } else { unknown(error) })?;
        self.point.after().await.map_err(|injected| unknown(broken(injected)))
    }
}

impl Deref for Unit {
    type Target = MySqlConnection;
    fn deref(&self) -> &MySqlConnection {
        &self.tx
    }
}

impl DerefMut for Unit {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        &mut self.tx
    }
}

/// As if the connection to the database had broken.
fn broken(injected: Injected) -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::ConnectionReset, injected))
}
