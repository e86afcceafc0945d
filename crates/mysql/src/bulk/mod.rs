//! Insertions and updates of many rows in few round trips.
//!
//! They go to the server as text: a prepared statement would be another one for each number of rows, to be prepared and
//! closed each time.

mod value;

use std::collections::BTreeMap;

use value::push;

use crate::distance::flight_size;
pub use value::{Id, Value};

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
        if *rows > 0 && sql.len() > flight_size() {
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
    pub(crate) fn statements(self) -> impl Iterator<Item = (String, usize)> {
        self.parts.into_iter().map(move |(sql, rows)| (sql + self.tail, rows))
    }
}

/// An update of many rows: one statement for each set of values that rows have in common, however many rows.
#[derive(Debug)]
pub struct BulkUpdate {
    table: &'static str,
    /// The rows, each with its own values.
    rows: BTreeMap<InCommon, Vec<(i64, Vec<String>)>>,
}

/// What rows have in common that one statement updates.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct InCommon {
    set: String,
    /// The columns that have a value of its own in each row.
    own: Vec<&'static str>,
    condition: String,
}

/// A column with its value.
pub type Assignment<'a> = (&'static str, Value<'a>);

impl BulkUpdate {
    /// An update of `table`, whose primary key is `id`.
    pub fn new(table: &'static str) -> Self {
        Self { table, rows: BTreeMap::new() }
    }

    /// Sets `values` in row `id`, which many rows share, and its `own`, which differ from row to row, if its column in `only_if` has
    /// that value.
    pub fn row(&mut self, id: i64, values: &[Assignment<'_>], own: &[Assignment<'_>], only_if: Assignment<'_>) {
        let mut set = String::new();
        for (index, value) in values.iter().enumerate() {
            set.push_str(if index > 0 { ", " } else { "" });
            push_assignment(&mut set, value);
        }
        let mut condition = String::new();
        push_assignment(&mut condition, &only_if);
        let (own, values) = own.iter().map(|(column, value)| (*column, literal(*value))).unzip();
        self.rows.entry(InCommon { set, own, condition }).or_default().push((id, values));
    }
}

impl BulkUpdate {
    /// The updates, and the numbers of their rows.
    pub(crate) fn statements(self) -> impl Iterator<Item = (String, usize)> {
        let Self { table, rows } = self;
        rows.into_iter().map(move |(InCommon { set, own, condition }, rows)| {
            let own = own.iter().enumerate().map(|(place, column)| {
                let cases = rows.iter().map(|(id, values)| format!(" WHEN {id} THEN {}", values[place]));
                format!("{column} = CASE id{} END", cases.collect::<String>())
            });
            let set = (!set.is_empty()).then_some(set).into_iter().chain(own).collect::<Vec<_>>().join(", ");
            let list = rows.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>().join(",");
            (format!("UPDATE {table} SET {set} WHERE id IN ({list}) AND {condition}"), rows.len())
        })
    }
}

/// `(a,b,…)`, for an IN.
///
/// # Panics
/// If there are none: an IN needs one.
pub fn list<'a>(values: impl IntoIterator<Item = impl Into<Value<'a>>>) -> String {
    let mut sql = String::new();
    for value in values {
        sql.push(if sql.is_empty() { '(' } else { ',' });
        push(&mut sql, value.into());
    }
    assert!(!sql.is_empty(), "an IN needs a value");
    sql + ")"
}

/// `value` as it stands in a statement.
pub fn literal<'a>(value: impl Into<Value<'a>>) -> String {
    let mut sql = String::new();
    push(&mut sql, value.into());
    sql
}

fn push_assignment(sql: &mut String, (column, value): &Assignment<'_>) {
    sql.push_str(column);
    sql.push_str(" = ");
    push(sql, *value);
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use money::Money;

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
             (NULL,-1,10,_utf8mb4 X'27293b2044524f50205441424c4520743b202d2d',X'00ff','2023-11-14 22:13:20.000001'),\
             (NULL,2,0,'',NULL,NULL),\
             (_utf8mb4 X'52702031302c30303020286974277\
             33a206e6f29','Rp 10,000 (it is; --)')"
        );
    }

    #[tokio::test]
    async fn what_does_not_fit_into_one_flight_goes_in_several_and_keeps_its_order() {
        const ROWS: i64 = 500;
        let database = lab::database::database().await;
        let pool = database.pool();
        let mut conn = pool.acquire().await.unwrap();
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
        assert!(insert.parts.len() > 2 && insert.parts.iter().all(|(sql, _)| sql.len() <= flight_size()));
        let ids = insert.execute_for_ids(&mut conn).await.unwrap();
        let stored: Vec<(i64, i64)> =
            sqlx::query_as("SELECT id, n FROM t ORDER BY n").fetch_all(&mut *conn).await.unwrap();
        assert_eq!(stored, ids.iter().copied().zip(0..ROWS).collect::<Vec<_>>());

        let mut unit = crate::begin(&pool, fault::Point::new("test")).await.unwrap();
        unit.insert(insertion(ROWS));
        let mut update = BulkUpdate::new("t");
        for id in &ids {
            update.row(*id, &[], &[("n", (-id).into())], ("text", text.as_str().into()));
        }
        unit.update(update);
        unit.insert_for_ids(insertion(2 * ROWS));
        let new_ids = unit.flush_for_ids().await.unwrap();
        unit.commit().await.unwrap();
        let new: Vec<i64> = sqlx::query_scalar("SELECT id FROM t WHERE n >= ? ORDER BY n")
            .bind(2 * ROWS)
            .fetch_all(&mut *conn)
            .await
            .unwrap();
        assert_eq!(new_ids, new, "only ids that were wanted");
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM t WHERE n BETWEEN ? AND ? OR n = -id")
            .bind(ROWS)
            .bind(2 * ROWS - 1)
            .fetch_one(&mut *conn)
            .await
            .unwrap();
        assert_eq!(count, 2 * ROWS);
    }

    #[tokio::test]
    async fn a_single_row_has_its_id_and_no_row_has_none() {
        let database = lab::database::database().await;
        let mut conn = database.pool().acquire().await.unwrap();
        let table = "CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, n BIGINT NOT NULL) AUTO_INCREMENT = 7";
        sqlx::raw_sql(table).execute(&mut *conn).await.unwrap();
        let mut insert = BulkInsert::new("INSERT INTO t (n)");
        insert.row(&[1.into()]);
        assert_eq!(insert.execute_for_ids(&mut conn).await.unwrap(), [7]);
        let none = BulkInsert::new("INSERT INTO t (n)");
        assert_eq!(none.execute_for_ids(&mut conn).await.unwrap(), Vec::<i64>::new());
    }

    #[test]
    fn rows_that_get_the_same_values_share_a_statement() {
        let mut update = BulkUpdate::new("t");
        let mut row = |id, own: &[Assignment<'_>], version: i64| {
            update.row(id, &[("state", "a".into()), ("n", Value::Null)], own, ("version", version.into()));
        };
        row(1, &[], 1);
        row(2, &[], 2);
        row(3, &[], 1);
        row(4, &[("m", 7.into())], 1);
        row(5, &[("m", Value::Null)], 1);
        assert_eq!(
            update.statements().collect::<Vec<_>>(),
            [
                ("UPDATE t SET state = 'a', n = NULL WHERE id IN (1,3) AND version = 1".to_owned(), 2),
                ("UPDATE t SET state = 'a', n = NULL WHERE id IN (2) AND version = 2".to_owned(), 1),
                (
                    "UPDATE t SET state = 'a', n = NULL, m = CASE id WHEN 4 THEN 7 WHEN 5 THEN NULL END \
                     WHERE id IN (4,5) AND version = 1"
                        .to_owned(),
                    2
                ),
            ]
        );
    }
}
