//! What came in and went out, for charts.

use chrono::{DateTime, Utc};
use money::{Money, UserId};
use sqlx::{AssertSqlSafe, MySqlConnection};

/// Each transaction counts once, by what it has moved altogether, in the stretch in which it began; one that may still change does
/// not. What is of no transaction counts by itself.
const NETS: &str = "SELECT n.began, n.net
         FROM (SELECT transaction_id, MIN(created_at) AS began, SUM(amount) AS net FROM entries
               WHERE generation = ? AND user_id = ? AND created_at >= ? AND created_at < ?
               GROUP BY COALESCE(transaction_id, -id), transaction_id) n
         LEFT JOIN transactions t ON t.transaction_id = n.transaction_id
         WHERE t.status IS NULL OR t.status NOT IN ('processing', 'pending', 'scheduled')";

/// What came in and went out of `user` in each stretch between two of `bounds`, which ascend. Stretches without either are left out.
pub async fn flows(
    conn: &mut MySqlConnection,
    generation: i32,
    user: UserId,
    bounds: &[DateTime<Utc>],
) -> sqlx::Result<Vec<(i64, Money, Money)>> {
    let [first, later @ ..] = bounds else { return Ok(Vec::new()) };
    let Some(last) = later.last() else { return Ok(Vec::new()) };
    let mut query = sqlx::query_as(AssertSqlSafe(sql(later.len())));
    for bound in later {
        query = query.bind(bound);
    }
    query.bind(generation).bind(user).bind(first).bind(last).fetch_all(conn).await
}

/// The statement for so many stretches.
fn sql(stretches: usize) -> String {
    let cases: Vec<String> = (0..stretches).map(|index| format!("WHEN f.began < ? THEN {index}")).collect();
    let cases = cases.join(" ");
    format!(
        "SELECT CASE {cases} END AS stretch, SUM(GREATEST(f.net, 0)), SUM(GREATEST(-f.net, 0)) FROM ({NETS}) f
         GROUP BY stretch"
    )
}
