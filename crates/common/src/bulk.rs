//! Insertions and updates of many rows in few round trips.
//!
//! They go to the server as text: a prepared statement would be another one for each number of rows, to be prepared and
//! closed each time. Nothing can be injected: numbers are formatted, a text is quoted as it is if every character of it
//! is harmless, and whatever else is written in hexadecimal.

use std::{collections::BTreeMap, fmt::Write};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Either, MySqlConnection, Row, mysql::MySqlQueryResult};

use crate::Money;

/// Bytes that go to the server at once: what fits one TLS record, with some room. sqlx 0.9.0 leaves Nagle's algorithm on,
/// so that a second record would wait 40 ms for the server's delayed acknowledgement of the first.
const FLIGHT: usize = 15 * 1024;

/// A value of a row.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A sum of money.
    Money(Money),
    /// A text, or a code.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A moment.
    Time(DateTime<Utc>),
    /// A moment so many seconds from now, on the database's clock.
    InSeconds(u32),
}

/// An insertion to which rows are added.
#[derive(Debug)]
pub struct BulkInsert {
    head: &'static str,
    tail: &'static str,
    /// Insertions of a flight each, without the tail, and the numbers of their rows.
    parts: Vec<(String, usize)>,
}

impl BulkInsert {
    /// An insertion into the table and columns of `head`, for example `INSERT INTO holds (transaction_id, state)`.
    pub fn new(head: &'static str) -> Self {
        Self { head, tail: "", parts: Vec::new() }
    }

    /// Adds a row. One that does not fit into the flight begins the next one.
    pub fn row(&mut self, values: &[Value<'_>]) {
        if self.parts.is_empty() {
            self.parts.push((format!("{} VALUES ", self.head), 0));
        }
        let (sql, rows) = self.parts.last_mut().expect("there is one");
        let end = sql.len();
        sql.push_str(if *rows > 0 { ",(" } else { "(" });
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                sql.push(',');
            }
            push(sql, *value);
        }
        sql.push(')');
        if *rows > 0 && sql.len() > FLIGHT {
            let row = sql.split_off(end);
            let row = row.trim_start_matches(',');
            self.parts.push((format!("{} VALUES {row}", self.head), 1));
        } else {
            *rows += 1;
        }
    }

    /// For rows whose key exists, does `what` instead, for example ` ON DUPLICATE KEY UPDATE state = VALUES(state)`.
    #[must_use]
    pub fn on_duplicate(mut self, what: &'static str) -> Self {
        self.tail = what;
        self
    }

    /// The insertions, and the numbers of their rows.
    fn statements(self) -> impl Iterator<Item = (String, usize)> {
        self.parts.into_iter().map(move |(sql, rows)| (sql + self.tail, rows))
    }

    /// Writes the rows; nothing is done if there are none.
    pub async fn execute(self, conn: &mut MySqlConnection) -> sqlx::Result<()> {
        let mut script = Script::default();
        script.insert(self);
        script.execute(conn).await.map(drop)
    }

    /// Writes the rows and returns the ids that the server gave them, in their order.
    pub async fn execute_for_ids(self, conn: &mut MySqlConnection) -> sqlx::Result<Vec<i64>> {
        let mut ids = Vec::new();
        for (sql, rows) in self.statements() {
            // the ids of one insertion are a sequence, whose step a cluster may set
            let sql = sql + "; SELECT CAST(@@auto_increment_increment AS SIGNED)";
            let (mut first, mut step) = (None, None);
            let mut results = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(&mut *conn);
            while let Some(result) = results.try_next().await? {
                match result {
                    Either::Left(written) => first = first.or(Some(written.last_insert_id())),
                    Either::Right(row) => step = Some(row.try_get::<i64, _>(0)?),
                }
            }
            let first = i64::try_from(first.ok_or(sqlx::Error::RowNotFound)?).expect("ids fit BIGINT");
            let step = usize::try_from(step.ok_or(sqlx::Error::RowNotFound)?).expect("a step is positive");
            ids.extend((first..).step_by(step).take(rows));
        }
        Ok(ids)
    }
}

/// Insertions and updates that go to the server in as few flights as they fit into: a round trip costs as much as the
/// writing of some rows.
#[derive(Debug, Default)]
pub struct Script {
    statements: Vec<String>,
    /// Which of them are updates.
    updates: Vec<bool>,
}

impl Script {
    /// Adds an insertion, if it has rows.
    pub fn insert(&mut self, insert: BulkInsert) {
        for (sql, _) in insert.statements() {
            self.push(sql, false);
        }
    }

    /// Adds an update.
    pub fn update(&mut self, update: BulkUpdate) {
        for ((set, condition), ids) in update.rows {
            let ids = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
            self.push(format!("UPDATE {} SET {set} WHERE id IN ({ids}) AND {condition}", update.table), true);
        }
    }

    fn push(&mut self, statement: String, is_update: bool) {
        self.statements.push(statement);
        self.updates.push(is_update);
    }

    /// Runs the statements in their order, up to the first that fails, and says how many rows the updates found.
    pub async fn execute(self, conn: &mut MySqlConnection) -> sqlx::Result<u64> {
        let mut found = 0;
        let mut statements = self.statements.into_iter().zip(self.updates).peekable();
        while let Some((mut flight, is_update)) = statements.next() {
            let mut updates = vec![is_update];
            while let Some((next, is_update)) = statements.next_if(|(next, _)| flight.len() + next.len() < FLIGHT) {
                flight.push_str("; ");
                flight.push_str(&next);
                updates.push(is_update);
            }
            let results: Vec<MySqlQueryResult> =
                sqlx::raw_sql(AssertSqlSafe(flight)).execute_many(&mut *conn).try_collect().await?;
            let updated = results.iter().zip(updates).filter(|(_, is_update)| *is_update);
            found += updated.map(|(result, _)| result.rows_affected()).sum::<u64>();
        }
        Ok(found)
    }
}

/// An update that sets the same values in many rows: one statement for each set of values, however many rows.
#[derive(Debug)]
pub struct BulkUpdate {
    table: &'static str,
    /// The rows by what is set in them, and on which condition.
    rows: BTreeMap<(String, String), Vec<i64>>,
}

/// A column with its value.
pub type Assignment<'a> = (&'static str, Value<'a>);

impl BulkUpdate {
    /// An update of `table`, whose primary key is `id`.
    pub fn new(table: &'static str) -> Self {
        Self { table, rows: BTreeMap::new() }
    }

    /// Sets `values` in row `id`, if its column in `only_if` has that value.
    pub fn row(&mut self, id: i64, values: &[Assignment<'_>], only_if: Assignment<'_>) {
        let mut set = String::new();
        for (index, value) in values.iter().enumerate() {
            set.push_str(if index > 0 { ", " } else { "" });
            push_assignment(&mut set, value);
        }
        let mut condition = String::new();
        push_assignment(&mut condition, &only_if);
        self.rows.entry((set, condition)).or_default().push(id);
    }
}

fn push_assignment(sql: &mut String, (column, value): &Assignment<'_>) {
    sql.push_str(column);
    sql.push_str(" = ");
    push(sql, *value);
}

fn push(sql: &mut String, value: Value<'_>) {
    let written = match value {
        Value::Null => sql.write_str("NULL"),
        Value::Integer(number) => write!(sql, "{number}"),
        Value::Money(money) => write!(sql, "{money}"),
        Value::Text(text) if text.bytes().all(is_harmless) => write!(sql, "'{text}'"),
        Value::Text(text) => {
            sql.push_str("CONVERT(");
            push_hex(sql, text.as_bytes());
            sql.write_str(" USING utf8mb4)")
        }
        Value::Bytes(bytes) => {
            push_hex(sql, bytes);
            Ok(())
        }
        Value::InSeconds(seconds) => write!(sql, "NOW(6) + INTERVAL {seconds} SECOND"),
        Value::Time(time) => write!(sql, "'{}'", time.naive_utc()),
    };
    written.expect("a String takes everything");
}

/// True for a character that means itself between quotes, in every SQL mode and every character set of a connection.
fn is_harmless(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'"' | b'\\')
}

fn push_hex(sql: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    sql.push_str("X'");
    for byte in bytes {
        sql.push(char::from(DIGITS[usize::from(byte >> 4)]));
        sql.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    sql.push('\'');
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<Money> for Value<'_> {
    fn from(money: Money) -> Self {
        Self::Money(money)
    }
}

impl From<i32> for Value<'_> {
    fn from(number: i32) -> Self {
        Self::Integer(number.into())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<DateTime<Utc>> for Value<'_> {
    fn from(time: DateTime<Utc>) -> Self {
        Self::Time(time)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_text_holds_it_stays_a_text() {
        let mut insert = BulkInsert::new("INSERT INTO t (a, b, c, d, e, f)");
        let time = DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap();
        let text = Value::Text("'); DROP TABLE t; --");
        insert.row(&[
            Value::Null,
            Value::Integer(-1),
            Value::Money(10.into()),
            text,
            Value::Bytes(&[0, 255]),
            Value::Time(time),
        ]);
        insert.row(&[Value::from(None::<i64>), 2.into(), Money::ZERO.into(), "".into(), Value::Null, Value::Null]);
        insert.row(&["Rp 10,000 (it's: no)".into(), "Rp 10,000 (it is; --)".into()]);
        assert_eq!(
            insert.parts[0].0,
            "INSERT INTO t (a, b, c, d, e, f) VALUES \
             (NULL,-1,10,CONVERT(X'27293b2044524f50205441424c4520743b202d2d' USING utf8mb4),X'00ff','2023-11-14 22:13:20.000001'),\
             (NULL,2,0,'',NULL,NULL),\
             (CONVERT(X'52702031302c30303020286974277\
             33a206e6f29' USING utf8mb4),'Rp 10,000 (it is; --)')"
        );
    }

    #[tokio::test]
    async fn what_does_not_fit_into_one_flight_goes_in_several_and_keeps_its_order() {
        const ROWS: i64 = 500;
        let database = harness::database::database().await;
        let mut conn = database.pool().acquire().await.unwrap();
        let table =
            "CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, n BIGINT NOT NULL, text VARCHAR(200) NOT NULL)";
        sqlx::raw_sql(table).execute(&mut *conn).await.unwrap();
        let text = "x".repeat(100);
        let insertion = |first: i64| {
            let mut insert = BulkInsert::new("INSERT INTO t (n, text)");
            for n in first..first + ROWS {
                insert.row(&[n.into(), text.as_str().into()]);
            }
            insert
        };
        let insert = insertion(0);
        assert!(insert.parts.len() > 2 && insert.parts.iter().all(|(sql, _)| sql.len() <= FLIGHT));
        let ids = insert.execute_for_ids(&mut conn).await.unwrap();
        let stored: Vec<(i64, i64)> =
            sqlx::query_as("SELECT id, n FROM t ORDER BY n").fetch_all(&mut *conn).await.unwrap();
        assert_eq!(stored, ids.iter().copied().zip(0..ROWS).collect::<Vec<_>>());

        let mut script = Script::default();
        script.insert(insertion(ROWS));
        let mut update = BulkUpdate::new("t");
        for id in &ids {
            update.row(*id, &[("n", (-id).into())], ("text", text.as_str().into()));
        }
        script.update(update);
        assert!(script.statements.iter().map(String::len).sum::<usize>() > 3 * FLIGHT);
        assert_eq!(script.execute(&mut conn).await.unwrap(), ids.len() as u64, "only updates count");
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM t WHERE n >= ? OR n = -id")
            .bind(ROWS)
            .fetch_one(&mut *conn)
            .await
            .unwrap();
        assert_eq!(count, 2 * ROWS);
    }

    #[test]
    fn rows_that_get_the_same_values_share_a_statement() {
        let mut update = BulkUpdate::new("t");
        update.row(1, &[("state", "a".into()), ("n", Value::Null)], ("version", 1.into()));
        update.row(2, &[("state", "a".into()), ("n", Value::Null)], ("version", 2.into()));
        update.row(3, &[("state", "a".into()), ("n", Value::Null)], ("version", 1.into()));
        let same = |version: &str| ("state = 'a', n = NULL".to_owned(), format!("version = {version}"));
        assert_eq!(update.rows, BTreeMap::from([(same("1"), vec![1, 3]), (same("2"), vec![2])]));
    }
}
