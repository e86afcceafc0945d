//! A unit of work: what is written between BEGIN and COMMIT.

use std::io;

use fault::{Injected, Point};
use sqlx::{Executor, FromRow, MySql, MySqlConnection, MySqlPool, mysql::MySqlRow, pool::PoolConnection};
use tokio::runtime::Handle;

use crate::{
    bulk::{BulkInsert, BulkUpdate, Id},
    error::{DbError, is_transient, raced, stale},
    retry::is_committing,
    script::{Failed, Script},
};

/// A database transaction on its way to a commit, at a point that has a name. Dropping it rolls it back.
///
/// Insertions and updates wait until something is read, or until the commit, and go to the server together: a round trip costs as
/// much as the writing of some rows, and far more if the database is far away.
#[derive(Debug)]
pub struct Unit {
    /// `None` only while it is dropped.
    conn: Option<PoolConnection<MySql>>,
    waiting: Script,
    /// True once the server may have begun.
    has_begun: bool,
    point: Point,
    committed: Vec<fn()>,
}

/// Begins to write. There is no other way: whatever changes a row is committed at a point at which tests can stop it.
pub async fn begin(pool: &MySqlPool, point: Point) -> sqlx::Result<Unit> {
    let mut waiting = Script::default();
    waiting.begin();
    Ok(Unit { conn: Some(pool.acquire().await?), waiting, has_begun: false, point, committed: Vec::new() })
}

impl Unit {
    /// Adds an insertion, if it has rows. A row whose unique key is there already makes the commit a lost race.
    pub fn insert(&mut self, insert: BulkInsert) {
        self.waiting.insert(insert);
    }

    /// Adds an insertion, if it has rows; the ids that the server gives them come with [`Self::flush_for_ids`].
    pub fn insert_for_ids(&mut self, insert: BulkInsert) {
        self.waiting.insert_for_ids(insert);
    }

    /// Adds an insertion, and returns what stands for the ids of its rows in whatever is added after it.
    pub fn insert_with_ids(&mut self, insert: BulkInsert) -> Vec<Id> {
        self.waiting.insert_with_ids(insert)
    }

    /// Adds an update. A row that is not as the update presumes makes the commit a lost race.
    pub fn update(&mut self, update: BulkUpdate) {
        self.waiting.update(update);
    }

    /// Adds a statement that has its values in it, and whose rows nobody wants.
    pub fn write(&mut self, sql: String) {
        self.waiting.write(sql);
    }

    /// Calls `committed` once this unit's commit is confirmed.
    pub fn on_commit(&mut self, committed: fn()) {
        self.committed.push(committed);
    }

    /// The rows that `sql` finds, which has its values in it.
    pub async fn read<R: for<'r> FromRow<'r, MySqlRow>>(&mut self, sql: String) -> sqlx::Result<Vec<R>> {
        self.waiting.read(sql);
        let rows = self.send().await.map_err(Failed::into_cause)?;
        decoded(rows.last().map_or(&[], Vec::as_slice))
    }

    /// The rows that each of two statements finds, one after the other.
    pub async fn read_both<A, B>(&mut self, one: String, other: String) -> sqlx::Result<(Vec<A>, Vec<B>)>
    where
        A: for<'r> FromRow<'r, MySqlRow>,
        B: for<'r> FromRow<'r, MySqlRow>,
    {
        self.waiting.read(one);
        self.waiting.read(other);
        let rows = self.send().await.map_err(Failed::into_cause)?;
        let [one, other] = &rows[..] else { unreachable!("each statement has its rows") };
        Ok((decoded(one)?, decoded(other)?))
    }

    /// The connection, for statements that are prepared.
    pub async fn conn(&mut self) -> sqlx::Result<&mut MySqlConnection> {
        if !self.waiting.is_empty() {
            self.send().await.map_err(Failed::into_cause)?;
        }
        Ok(self.open())
    }

    /// Sends what has been added before the commit is sent, so that whoever comes later under the same unique key waits for it, even
    /// if the commit is late.
    pub async fn flush(&mut self) -> Result<(), DbError> {
        self.flush_for_ids().await.map(drop)
    }

    /// The same; returns the ids of [`Self::insert_for_ids`], in their order.
    pub async fn flush_for_ids(&mut self) -> Result<Vec<i64>, DbError> {
        match self.send().await {
            Ok(_) => Ok(self.waiting.take_ids()),
            Err(failed) => Err(self.give_up(failed).await),
        }
    }

    /// Commits, together with what has been added. A refused commit is told apart from one whose answer never came.
    pub async fn commit(mut self) -> Result<(), DbError> {
        let mut script = std::mem::take(&mut self.waiting);
        script.commit();
        let mut flights = script.flights();
        let last = flights.pop().expect("it has the COMMIT");
        self.has_begun = true;
        for flight in flights {
            if let Err(failed) = script.send_flight(self.open(), flight).await {
                return Err(self.give_up(failed).await);
            }
        }
        self.point.before().await.map_err(broken)?;
        is_committing(true);
        let committed = script.send_flight(self.open(), last).await;
        if let Err(failed) = committed {
            is_committing(failed.may_have_committed());
            let error = self.give_up(failed).await;
            is_committing(false);
            return Err(error);
        }
        is_committing(false);
        self.has_begun = false;
        self.committed.iter().for_each(|committed| committed());
        self.point.after().await.map_err(|injected| DbError::CommitUnknown(broken(injected).into()))
    }

    async fn send(&mut self) -> Result<Vec<Vec<MySqlRow>>, Failed> {
        let mut script = std::mem::take(&mut self.waiting);
        self.has_begun = true;
        let sent = script.send(self.open()).await;
        self.waiting = script;
        self.doubt(sent.as_ref().err());
        sent
    }

    fn open(&mut self) -> &mut MySqlConnection {
        self.conn.as_mut().expect("it is there until the unit is over")
    }

    /// Nothing that still comes on a connection that broke can be believed, so it is closed, and the server rolls back.
    fn doubt(&mut self, failed: Option<&Failed>) {
        if failed.is_some_and(Failed::is_broken)
            && let Some(conn) = &mut self.conn
        {
            conn.close_on_drop();
            self.has_begun = false;
        }
    }

    /// Rolls back, so that the next attempt does not wait for this one's locks.
    async fn give_up(&mut self, failed: Failed) -> DbError {
        self.doubt(Some(&failed));
        if !failed.is_broken() && self.open().execute("ROLLBACK").await.is_ok() {
            self.has_begun = false;
        }
        match failed {
            Failed::Stale => stale(),
            Failed::Statement(error) => raced(error),
            Failed::AtCommit(error) if is_transient(&error) => error.into(),
            Failed::AtCommit(error) => DbError::CommitUnknown(error.into()),
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let Some(mut conn) = self.conn.take().filter(|_| self.has_begun) else { return };
        // without a runtime the process ends, and its sessions with it
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            if conn.execute("ROLLBACK").await.is_err() {
                conn.close().await.ok();
            }
        });
    }
}

fn decoded<R: for<'r> FromRow<'r, MySqlRow>>(rows: &[MySqlRow]) -> sqlx::Result<Vec<R>> {
    rows.iter().map(R::from_row).collect()
}

/// As if the connection to the database had broken.
fn broken(injected: Injected) -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::ConnectionReset, injected))
}
