//! Values as the server reads them in a statement. Nothing can be injected: numbers are formatted, a text is quoted as it
//! is if every character of it is harmless, and whatever else is written in hexadecimal.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use money::Money;

/// The id of a row that is written in the same unit of work, and not known yet: the server puts it in.
#[derive(Debug, Clone, Copy)]
pub struct Id {
    /// Which insertion of the unit.
    pub(crate) insertion: usize,
    /// Which row of it.
    pub(crate) row: usize,
}

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
    /// A moment so many microseconds from now, on the database's clock.
    InMicroseconds(u64),
    /// The id of another row.
    Id(Id),
}

/// Writes `value` into a statement.
pub fn push(sql: &mut String, value: Value<'_>) {
    let written = match value {
        Value::Null => sql.write_str("NULL"),
        Value::Integer(number) => write!(sql, "{number}"),
        Value::Money(money) => write!(sql, "{money}"),
        Value::Text(text) if text.bytes().all(is_harmless) => write!(sql, "'{text}'"),
        // a literal, which takes on the column's character set, so that an index on the column can be used
        Value::Text(text) => {
            sql.push_str("_utf8mb4 ");
            push_hex(sql, text.as_bytes());
            Ok(())
        }
        Value::Bytes(bytes) => {
            push_hex(sql, bytes);
            Ok(())
        }
        Value::InSeconds(seconds) => write!(sql, "NOW(6) + INTERVAL {seconds} SECOND"),
        Value::InMicroseconds(microseconds) => write!(sql, "NOW(6) + INTERVAL {microseconds} MICROSECOND"),
        Value::Id(Id { insertion, row }) => write!(sql, "@first_{insertion}+{row}*@step"),
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

impl From<Id> for Value<'_> {
    fn from(id: Id) -> Self {
        Self::Id(id)
    }
}
