//! Insertions and updates of many rows in few round trips.
//!
//! They go to the server as text: a prepared statement would be another one for each number of rows, to be prepared and
//! closed each time.

mod value;

use std::collections::BTreeMap;

use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Either, MySqlConnection, Row};

pub use value::Value;
use value::push;

/// Bytes that go to the server at once: what fits one TLS record, with some room. sqlx 0.9.0 leaves Nagle's algorithm on,
/// so that a second record would wait 40 ms for the server's delayed acknowledgement of the first.
const FLIGHT: usize = 15 * 1024;

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
        let mut script = Script::default();
        script.insert_for_ids(self);
        Ok(script.execute(conn).await?.ids)
    }
}

/// Insertions and updates that go to the server in as few flights as they fit into: a round trip costs as much as the
/// writing of some rows.
#[derive(Debug, Default)]
pub struct Script {
    /// Those that have not been run.
    statements: Vec<(String, Wanted)>,
    written: Written,
}

/// What is wanted of a statement's result.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Nothing,
    /// How many rows it found.
    Found,
    /// The first of the ids of so many rows.
    Ids(usize),
    /// How far the ids of one insertion are apart: a cluster may set it.
    Step,
}

/// What a script has done.
#[derive(Debug, Default)]
pub struct Written {
    /// How many rows its updates found.
    pub found: u64,
    /// The ids that the server gave to the rows for which they are wanted, in their order.
    pub ids: Vec<i64>,
    /// The first ids of insertions whose step is not known yet, and the numbers of their rows.
    firsts: Vec<(u64, usize)>,
}

impl Script {
    /// Adds an insertion, if it has rows.
    pub fn insert(&mut self, insert: BulkInsert) {
        self.statements.extend(insert.statements().map(|(sql, _)| (sql, Wanted::Nothing)));
    }

    /// Adds an insertion, if it has rows, whose ids are wanted.
    pub fn insert_for_ids(&mut self, insert: BulkInsert) {
        let rows: usize = insert.parts.iter().map(|(_, rows)| rows).sum();
        self.statements.extend(insert.statements().map(|(sql, rows)| (sql, Wanted::Ids(rows))));
        if rows > 1 {
            self.statements.push(("SELECT CAST(@@auto_increment_increment AS SIGNED)".to_owned(), Wanted::Step));
        }
    }

    /// Adds an update.
    pub fn update(&mut self, update: BulkUpdate) {
        for ((set, condition), ids) in update.rows {
            let ids = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
            let sql = format!("UPDATE {} SET {set} WHERE id IN ({ids}) AND {condition}", update.table);
            self.statements.push((sql, Wanted::Found));
        }
    }

    /// Runs what has been added so far, in its order, up to the first statement that fails.
    pub async fn run(&mut self, conn: &mut MySqlConnection) -> sqlx::Result<()> {
        let mut statements = self.statements.drain(..).peekable();
        while let Some((mut flight, first)) = statements.next() {
            let mut wanted = vec![first];
            while let Some((next, also)) = statements.next_if(|(next, _)| flight.len() + next.len() < FLIGHT) {
                flight.push_str("; ");
                flight.push_str(&next);
                wanted.push(also);
            }
            self.written.by(conn, flight, &wanted).await?;
        }
        Ok(())
    }

    /// Runs the rest, and says what all of it has done.
    pub async fn execute(mut self, conn: &mut MySqlConnection) -> sqlx::Result<Written> {
        self.run(conn).await?;
        self.written.number(1); // a single row
        Ok(self.written)
    }
}

impl Written {
    /// Sends a flight and notes what is `wanted` of each of its statements.
    async fn by(&mut self, conn: &mut MySqlConnection, flight: String, wanted: &[Wanted]) -> sqlx::Result<()> {
        let mut wanted = wanted.iter();
        let mut results = sqlx::raw_sql(AssertSqlSafe(flight)).fetch_many(conn);
        while let Some(result) = results.try_next().await? {
            match result {
                Either::Right(row) => self.number(row.try_get(0)?),
                Either::Left(done) => match wanted.next() {
                    Some(Wanted::Found) => self.found += done.rows_affected(),
                    Some(Wanted::Ids(rows)) => self.firsts.push((done.last_insert_id(), *rows)),
                    Some(Wanted::Nothing | Wanted::Step) | None => {}
                },
            }
        }
        Ok(())
    }

    fn number(&mut self, step: i64) {
        let step = usize::try_from(step).expect("a step is positive");
        for (first, rows) in self.firsts.drain(..) {
            let first = i64::try_from(first).expect("ids fit BIGINT");
            self.ids.extend((first..).step_by(step).take(rows));
        }
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
             (NULL,-1,10,CONVERT(X'27293b2044524f50205441424c4520743b202d2d' USING utf8mb4),X'00ff','2023-11-14 22:13:20.000001'),\
             (NULL,2,0,'',NULL,NULL),\
             (CONVERT(X'52702031302c30303020286974277\
             33a206e6f29' USING utf8mb4),'Rp 10,000 (it is; --)')"
        );
    }

    #[tokio::test]
    async fn what_does_not_fit_into_one_flight_goes_in_several_and_keeps_its_order() {
        const ROWS: i64 = 500;
        let database = lab::database::database().await;
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
        assert!(script.statements.iter().map(|(sql, _)| sql.len()).sum::<usize>() > 3 * FLIGHT);
        script.insert_for_ids(insertion(2 * ROWS));
        let written = script.execute(&mut conn).await.unwrap();
        assert_eq!(written.found, ids.len() as u64, "only rows that an update found");
        let new: Vec<i64> = sqlx::query_scalar("SELECT id FROM t WHERE n >= ? ORDER BY n")
            .bind(2 * ROWS)
            .fetch_all(&mut *conn)
            .await
            .unwrap();
        assert_eq!(written.ids, new, "only ids that were wanted");
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
        update.row(1, &[("state", "a".into()), ("n", Value::Null)], ("version", 1.into()));
        update.row(2, &[("state", "a".into()), ("n", Value::Null)], ("version", 2.into()));
        update.row(3, &[("state", "a".into()), ("n", Value::Null)], ("version", 1.into()));
        let same = |version: &str| ("state = 'a', n = NULL".to_owned(), format!("version = {version}"));
        assert_eq!(update.rows, BTreeMap::from([(same("1"), vec![1, 3]), (same("2"), vec![2])]));
    }
}
