//! What a query costs among many rows: its plan, and what the server counts.

use sqlx::{MySqlConnection, Row, mysql::MySqlRow};

/// Rows that a query may read beside those that it is about: where a range begins and ends, and a list for its second
/// look at each.
const MARGIN: i64 = 10;

/// A column of a step that EXPLAIN (in the traditional format) tells.
///
/// # Panics
/// If there is no such column.
pub fn text(step: &MySqlRow, column: &str) -> String {
    step.try_get_unchecked::<Option<String>, _>(column).expect("EXPLAIN tells it").unwrap_or_default()
}

/// Asserts that each step reads by one of `indexes`, a range of it at most, and that nothing is sorted.
///
/// # Panics
/// If it is not so.
#[track_caller]
pub fn assert_by_index(steps: &[MySqlRow], indexes: &[&str], what: &str) {
    assert!(!steps.is_empty(), "{what}");
    for step in steps {
        let (access, key, extra) = (text(step, "type"), text(step, "key"), text(step, "Extra"));
        let plan = format!("{access} by {key:?}, {extra}: {what}");
        assert!(["const", "eq_ref", "ref", "range"].contains(&access.as_str()), "{plan}");
        assert!(indexes.contains(&key.as_str()), "{plan}");
        assert!(!extra.contains("filesort") && !extra.contains("temporary"), "{plan}");
    }
}

/// What a session has done so far.
#[derive(Debug, Clone, Copy)]
struct Effort {
    rows_read: i64,
    sorts: i64,
}

/// Runs statements and returns what they return.
///
/// # Panics
/// If they fail, sort, or read more than `rows` rows and a few.
pub async fn within<T>(
    conn: &mut MySqlConnection,
    what: &str,
    rows: i64,
    work: impl AsyncFnOnce(&mut MySqlConnection) -> sqlx::Result<T>,
) -> T {
    let before = effort(conn).await;
    let asking = effort(conn).await.rows_read - before.rows_read;
    let result = work(conn).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    let after = effort(conn).await;
    let (read, sorts) = (after.rows_read - before.rows_read - 2 * asking, after.sorts - before.sorts);
    assert!(read <= rows + MARGIN && sorts == 0, "{what}: {read} rows read and {sorts} sorts for {rows} rows");
    result
}

async fn effort(conn: &mut MySqlConnection) -> Effort {
    let counters: Vec<(String, String)> =
        sqlx::query_as("SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler_read%' OR Variable_name LIKE 'Sort_%'")
            .fetch_all(conn)
            .await
            .expect("a session may read its own counters");
    let sum = |names: &[&str]| -> i64 {
        let counted = counters.iter().filter(|(name, _)| names.iter().any(|start| name.starts_with(start)));
        counted.map(|(_, value)| value.parse::<i64>().expect("a counter is a number")).sum()
    };
    Effort { rows_read: sum(&["Handler_read"]), sorts: sum(&["Sort_range", "Sort_scan"]) }
}
