//! Multi-row insertions of any length in one round trip.
//!
//! They go to the server as text: a prepared statement would be another one for each number of rows, to be prepared and
//! closed each time. Nothing can be injected: numbers are formatted, and whatever else is written in hexadecimal.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, MySqlConnection, mysql::MySqlQueryResult};

use crate::Money;

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
pub struct BulkInsert(String);

impl BulkInsert {
    /// An insertion into the table and columns of `head`, for example `INSERT INTO holds (transaction_id, state)`.
    pub fn new(head: &'static str) -> Self {
        Self(format!("{head} VALUES "))
    }

    /// Adds a row.
    pub fn row(&mut self, values: &[Value<'_>]) {
        let sql = &mut self.0;
        sql.push_str(if sql.ends_with(')') { ",(" } else { "(" });
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                sql.push(',');
            }
            push(sql, *value);
        }
        sql.push(')');
    }

    /// Writes the rows; nothing is done if there are none.
    pub async fn execute(self, conn: &mut MySqlConnection) -> sqlx::Result<MySqlQueryResult> {
        self.execute_or(conn, "").await
    }

    /// Writes the rows, and for those whose key exists does what `on_duplicate` says.
    pub async fn execute_or(
        mut self,
        conn: &mut MySqlConnection,
        on_duplicate: &'static str,
    ) -> sqlx::Result<MySqlQueryResult> {
        if !self.0.ends_with(')') {
            return Ok(MySqlQueryResult::default());
        }
        self.0.push_str(on_duplicate);
        sqlx::raw_sql(AssertSqlSafe(self.0)).execute(conn).await
    }
}

fn push(sql: &mut String, value: Value<'_>) {
    let written = match value {
        Value::Null => sql.write_str("NULL"),
        Value::Integer(number) => write!(sql, "{number}"),
        Value::Money(money) => write!(sql, "{money}"),
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
        Value::Time(time) => write!(sql, "'{}'", time.format("%Y-%m-%d %H:%M:%S%.6f")),
    };
    written.expect("a String takes everything");
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
        assert_eq!(
            insert.0,
            "INSERT INTO t (a, b, c, d, e, f) VALUES \
             (NULL,-1,10,CONVERT(X'27293b2044524f50205441424c4520743b202d2d' USING utf8mb4),X'00ff','2023-11-14 22:13:20.000001'),\
             (NULL,2,0,CONVERT(X'' USING utf8mb4),NULL,NULL)"
        );
    }
}
