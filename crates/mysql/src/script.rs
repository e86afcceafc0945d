//! Statements that go to the server together, and what comes back.

use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Either, MySqlConnection, Row, mysql::MySqlRow};

use crate::{
    bulk::{BulkInsert, BulkUpdate, Id},
    distance::flight_size,
    error::{is_transient, number},
};

/// BIGINT UNSIGNED value is out of range: what a guard fails with.
const OUT_OF_RANGE: u16 = 1690;

/// Statements in their order.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Those that have not been sent.
    statements: Vec<(String, Wanted)>,
    /// How many insertions have ids that later statements use.
    with_ids: usize,
    /// The ids that came back, in their order.
    ids: Vec<i64>,
    /// The first ids of insertions whose step is not known yet, and the numbers of their rows.
    firsts: Vec<(u64, usize)>,
}

/// What a statement is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// What it does.
    Effect,
    /// Its rows.
    Rows,
    /// The first of the ids of so many rows.
    Ids(usize),
    /// How far the ids of one insertion are apart: a cluster may set it.
    Step,
    /// To fail if the update before it has found other rows than it should.
    Guard,
    /// To make all of it durable.
    Commit,
}

/// Why a script ended early.
#[derive(Debug)]
pub(crate) enum Failed {
    /// This statement failed, and none after it was carried out.
    Statement(sqlx::Error),
    /// An update found other rows than it should.
    Stale,
    /// The commit failed, or nobody knows whether the server came to it.
    AtCommit(sqlx::Error),
}

impl Failed {
    /// What the server or the connection said.
    pub fn into_cause(self) -> sqlx::Error {
        match self {
            Self::Statement(error) | Self::AtCommit(error) => error,
            Self::Stale => sqlx::Error::RowNotFound,
        }
    }

    /// True if it may all be durable: an error other than a lost race can follow a commit that is.
    pub fn may_have_committed(&self) -> bool {
        matches!(self, Self::AtCommit(error) if !is_transient(error))
    }

    /// True if it was not the server that said so.
    pub fn is_broken(&self) -> bool {
        match self {
            Self::Statement(error) | Self::AtCommit(error) => error.as_database_error().is_none(),
            Self::Stale => false,
        }
    }
}

impl Script {
    /// True if everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Adds BEGIN.
    pub fn begin(&mut self) {
        self.write("BEGIN".to_owned());
    }

    /// Adds COMMIT.
    pub fn commit(&mut self) {
        self.add("COMMIT".to_owned(), Wanted::Commit);
    }

    /// Adds a statement that is there for what it does.
    pub fn write(&mut self, sql: String) {
        self.add(sql, Wanted::Effect);
    }

    /// Adds a statement whose rows are wanted.
    pub fn read(&mut self, sql: String) {
        self.add(sql, Wanted::Rows);
    }

    /// Adds an insertion, if it has rows.
    pub fn insert(&mut self, insert: BulkInsert) {
        self.statements.extend(insert.statements().map(|(sql, _)| (sql, Wanted::Effect)));
    }

    /// Adds an insertion, if it has rows, whose ids come back.
    pub fn insert_for_ids(&mut self, insert: BulkInsert) {
        let mut is_step_needed = false;
        for (sql, rows) in insert.statements() {
            self.add(sql, Wanted::Ids(rows));
            is_step_needed |= rows > 1;
        }
        if is_step_needed {
            self.add("SELECT CAST(@@auto_increment_increment AS SIGNED)".to_owned(), Wanted::Step);
        }
    }

    /// Adds an insertion whose ids are used by what comes after it.
    pub fn insert_with_ids(&mut self, insert: BulkInsert) -> Vec<Id> {
        let mut ids = Vec::new();
        for (sql, rows) in insert.statements() {
            let insertion = self.with_ids;
            self.with_ids += 1;
            ids.extend((0..rows).map(|row| Id { insertion, row }));
            self.add(sql, Wanted::Effect);
            let keep = format!("SET @first_{insertion} = LAST_INSERT_ID(), @step = @@auto_increment_increment");
            self.add(keep, Wanted::Effect);
        }
        ids
    }

    /// Adds an update, which fails if it does not find all of its rows.
    pub fn update(&mut self, update: BulkUpdate) {
        for (sql, rows) in update.statements() {
            self.add(sql, Wanted::Effect);
            // one more than the largest number there is
            self.add(format!("SET @guard = {} + (ROW_COUNT() <> {rows})", u64::MAX), Wanted::Guard);
        }
    }

    fn add(&mut self, sql: String, wanted: Wanted) {
        self.statements.push((sql, wanted));
    }

    /// Takes out what has been added, in as few flights as it fits into.
    pub fn flights(&mut self) -> Vec<Flight> {
        let mut flights: Vec<Flight> = Vec::new();
        for (sql, wanted) in self.statements.drain(..) {
            match flights.last_mut() {
                Some(flight) if flight.sql.len() + sql.len() < flight_size() => {
                    flight.sql.push_str("; ");
                    flight.sql.push_str(&sql);
                    flight.wanted.push(wanted);
                }
                _ => flights.push(Flight { sql, wanted: vec![wanted] }),
            }
        }
        flights
    }

    /// Sends what has been added, up to the first statement that fails, and returns the rows of each that asked for some.
    pub async fn send(&mut self, conn: &mut MySqlConnection) -> Result<Vec<Vec<MySqlRow>>, Failed> {
        let mut rows = Vec::new();
        for flight in self.flights() {
            rows.extend(self.send_flight(conn, flight).await?);
        }
        Ok(rows)
    }

    /// Sends one flight.
    pub async fn send_flight(
        &mut self,
        conn: &mut MySqlConnection,
        flight: Flight,
    ) -> Result<Vec<Vec<MySqlRow>>, Failed> {
        let Flight { sql, wanted } = flight;
        let mut results = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(conn);
        let (mut done, mut rows, mut read) = (0, Vec::new(), Vec::new());
        loop {
            let at = wanted.get(done).copied();
            let next = match results.try_next().await {
                // what has come are not the answers to these statements
                Ok(None) if done < wanted.len() => {
                    Err(sqlx::Error::Protocol(format!("{done} answers to {} statements", wanted.len())))
                }
                next => next,
            };
            match next {
                Ok(None) => return Ok(read),
                Ok(Some(Either::Right(row))) if at == Some(Wanted::Step) => {
                    // the server goes on to the COMMIT whatever becomes of this
                    self.number(row.try_get(0).map_err(Failed::AtCommit)?);
                }
                Ok(Some(Either::Right(row))) => rows.push(row),
                Ok(Some(Either::Left(result))) => {
                    match at {
                        Some(Wanted::Ids(rows)) => self.firsts.push((result.last_insert_id(), rows)),
                        Some(Wanted::Rows) => read.push(std::mem::take(&mut rows)),
                        _ => {}
                    }
                    done += 1;
                }
                Err(error) => {
                    let may_have_committed = error.as_database_error().is_none() && wanted.contains(&Wanted::Commit);
                    return Err(match at {
                        Some(Wanted::Guard) if number(&error) == Some(OUT_OF_RANGE) => Failed::Stale,
                        Some(Wanted::Commit) => Failed::AtCommit(error),
                        _ if may_have_committed => Failed::AtCommit(error),
                        _ => Failed::Statement(error),
                    });
                }
            }
        }
    }

    /// The ids of the rows for which they are wanted, of all that was sent since they were taken last.
    pub fn take_ids(&mut self) -> Vec<i64> {
        self.number(1); // single rows
        std::mem::take(&mut self.ids)
    }

    fn number(&mut self, step: i64) {
        let step = usize::try_from(step).expect("a step is positive");
        for (first, rows) in self.firsts.drain(..) {
            let first = i64::try_from(first).expect("ids fit BIGINT");
            self.ids.extend((first..).step_by(step).take(rows));
        }
    }
}

/// Statements that go to the server at once.
#[derive(Debug)]
pub(crate) struct Flight {
    sql: String,
    wanted: Vec<Wanted>,
}

impl BulkInsert {
    /// Writes the rows; nothing is done if there are none.
    pub async fn execute(self, conn: &mut MySqlConnection) -> sqlx::Result<()> {
        let mut script = Script::default();
        script.insert(self);
        script.send(conn).await.map(drop).map_err(Failed::into_cause)
    }

    /// Writes the rows and returns the ids that the server gave them, in their order.
    pub async fn execute_for_ids(self, conn: &mut MySqlConnection) -> sqlx::Result<Vec<i64>> {
        let mut script = Script::default();
        script.insert_for_ids(self);
        script.send(conn).await.map_err(Failed::into_cause)?;
        Ok(script.take_ids())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fewer_answers_than_statements_are_no_answer() {
        let database = lab::database::database().await;
        let mut conn = database.pool().acquire().await.unwrap();
        let mut sent = async |sql: &str, wanted: &[Wanted]| {
            let flight = Flight { sql: sql.to_owned(), wanted: wanted.to_vec() };
            Script::default().send_flight(&mut conn, flight).await
        };
        assert_eq!(sent("DO 1; SELECT 1", &[Wanted::Effect, Wanted::Rows]).await.unwrap().len(), 1);
        // as if the first answer had been lost on the way
        let lost = sent("SELECT 1", &[Wanted::Effect, Wanted::Rows]).await.unwrap_err();
        assert!(lost.is_broken() && !lost.may_have_committed(), "{lost:?}");
        let lost = sent("DO 1", &[Wanted::Effect, Wanted::Commit]).await.unwrap_err();
        assert!(lost.is_broken() && lost.may_have_committed(), "{lost:?}");
    }
}
