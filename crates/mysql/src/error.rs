//! What an error of the server means: try again, come back later, or a fault.

use std::sync::Arc;

/// Why a unit of work did not end as it should.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// A statement failed: its transaction was rolled back. (One outside a transaction may have happened.)
    #[error(transparent)]
    Sql(Arc<sqlx::Error>),
    /// Another unit of work inserted the same unique key first: the next attempt finds it.
    #[error("another unit of work was faster")]
    Raced(#[source] Arc<sqlx::Error>),
    /// The connection broke during COMMIT: the work may have happened or not.
    #[error("the outcome of a commit is not known")]
    CommitUnknown(#[source] Arc<sqlx::Error>),
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error.into())
    }
}

impl DbError {
    /// True if the database cannot serve at the moment, or did not say what became of a commit.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Sql(error) => is_unavailable(error),
            Self::CommitUnknown(_) => true,
            Self::Raced(_) => false,
        }
    }

    /// True if the connection broke, or the server had ended it, whatever had become of the work by then.
    pub(crate) fn is_about_the_connection(&self) -> bool {
        match self {
            Self::Sql(error) | Self::CommitUnknown(error) => {
                matches!(**error, sqlx::Error::Io(_)) || matches!(number(error), Some(1927 | 4031))
            }
            Self::Raced(_) => false,
        }
    }
}

pub(crate) fn number(error: &sqlx::Error) -> Option<u16> {
    let database = error.as_database_error()?;
    Some(database.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()?.number())
}

/// The unit of work lost a race and may simply start again from BEGIN: deadlock (1213), lock wait time-out (1205),
/// record changed since it was read (1020), rolled back by the group (3101).
pub fn is_transient(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(1213 | 1205 | 1020 | 3101))
}

/// The database cannot serve at the moment, as the numbers in [`UNAVAILABLE`] say, or there is no connection to it.
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => number(error).is_some_and(|number| UNAVAILABLE.contains(&number)),
    }
}

/// What the server says when it cannot serve, whatever is asked.
const UNAVAILABLE: &[u16] = &[
    1021, 1114, 1041, 1037, 1038, // no room on its disk or in a table, no memory
    1040, 1203, 1226, // too many connections, of all, of this account, or more than the account may use
    1044, 1045, 1049, 1129, 1130,
    1698, // access denied, no such schema, host blocked: being set up, or being changed
    1053, 1077, 1079, 1927, // shutting down, this connection killed
    1290, 1792, 1836, // read-only
    1317, 1969, 3024, // the statement was interrupted, or took longer than it may
    1158, 1159, 1160, 1161, 1184, // the network failed between server and client
    2003, 3032, 3100, // a router without a primary, a member out of its group, a plug-in that refuses the commit
];

/// A row that was not to be waited for is locked: MariaDB says that it has waited (1205), MySQL that it would have to (3572).
pub fn is_locked(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(1205 | 3572))
}

/// A unique key has this row already (1062).
pub fn is_duplicate(error: &sqlx::Error) -> bool {
    number(error) == Some(1062)
}

/// For insertions that another unit of work may race: a duplicate key starts the work again, which then finds the row.
pub fn raced(error: sqlx::Error) -> DbError {
    if is_duplicate(&error) { DbError::Raced(error.into()) } else { error.into() }
}

/// For optimistic updates of rows that have another version than expected: the next attempt reads them.
pub fn stale() -> DbError {
    DbError::Raced(Arc::new(sqlx::Error::RowNotFound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_server_says_when_it_cannot_serve_is_known_as_that() {
        let database = lab::database::database().await;
        let pool = database.pool();
        for number in UNAVAILABLE {
            let signal = format!("SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'so it is'");
            let error = sqlx::raw_sql(sqlx::AssertSqlSafe(signal)).execute(&pool).await.unwrap_err();
            assert!(is_unavailable(&error), "{number}: {error}");
        }
        let unknown = sqlx::raw_sql("SELECT nothing").execute(&pool).await.unwrap_err();
        assert!(!is_unavailable(&unknown));
    }
}
