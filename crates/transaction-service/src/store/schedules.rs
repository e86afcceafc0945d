//! Schedules: payments that are made again and again.

use std::fmt::Write;

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use common::labels::Reference;
use money::{ScheduleId, UserId};
use mysql::{
    Unit,
    bulk::{Value, literal},
    scan::{Order, Scan, Stretch},
};
use sqlx::{FromRow, MySql, MySqlConnection, QueryBuilder, Row, mysql::MySqlRow};

use super::{row::labels, shares};
use crate::domain::{
    recurrence::Recurrence,
    schedule::{NewSchedule, Payment, Schedule},
};

/// Stands in the table as the receiver of a schedule that pays several, who are in `shares`. Versions that know no shares, which run beside
/// this one while instances are replaced, then find nobody to pay, in place of paying all of it to the first.
const SEVERAL: i64 = i64::MAX;
/// Schedules that one statement moves on.
const ROWS_OF_A_STATEMENT: usize = 100;

macro_rules! schedule_columns {
    () => {
        "id, sender_id, receiver_id, amount, description, reference, metadata, auto_complete, shares, frequency, start_on, end_on, status, reason,
         next_run, version, deleted_at, created_at, updated_at"
    };
}

impl FromRow<'_, MySqlRow> for Schedule {
    fn from_row(row: &MySqlRow) -> sqlx::Result<Self> {
        let shares = shares::of(row)?;
        Ok(Self {
            id: row.try_get("id")?,
            payment: Payment {
                sender_id: row.try_get("sender_id")?,
                receiver_id: shares
                    .first()
                    .map_or_else(|| row.try_get("receiver_id"), |share| Ok(share.receiver_id))?,
                amount: row.try_get("amount")?,
                description: row.try_get("description")?,
                labels: labels(row)?,
                auto_complete: row.try_get("auto_complete")?,
                shares,
            },
            recurrence: Recurrence {
                every: row.try_get("frequency")?,
                start: row.try_get("start_on")?,
                end: row.try_get("end_on")?,
            },
            status: row.try_get("status")?,
            reason: row.try_get("reason")?,
            next_run: row.try_get("next_run")?,
            version: row.try_get("version")?,
            deleted_at: row.try_get("deleted_at")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// This moment, on the clock by which schedules are due.
pub async fn now(conn: &mut MySqlConnection) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar("SELECT NOW(6)").fetch_one(conn).await
}

/// Writes a schedule that is active from now on, under an identity of its own, and returns it; if it is there already, as a second
/// run after an unknown commit finds it, returns that one.
pub async fn insert(
    conn: &mut MySqlConnection,
    identity: &str,
    new: &NewSchedule,
    due_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<Schedule> {
    let NewSchedule { payment, recurrence } = new;
    sqlx::query(
        "INSERT INTO schedules (sender_id, receiver_id, amount, description, reference, metadata, auto_complete, shares,
             frequency, start_on, end_on, status, next_run, due_at, request, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'active', 0, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE id = id",
    )
    .bind(payment.sender_id)
    .bind(if payment.shares.is_empty() { payment.receiver_id.get() } else { SEVERAL })
    .bind(payment.amount)
    .bind(&payment.description)
    .bind(payment.labels.reference.as_ref().map(|Reference(text)| text))
    .bind((!payment.labels.metadata.is_empty()).then(|| payment.labels.metadata.to_json()))
    .bind(payment.auto_complete)
    .bind(shares::written(&payment.shares))
    .bind(recurrence.every)
    .bind(recurrence.start)
    .bind(recurrence.end)
    .bind(far(due_at))
    .bind(identity)
    .bind(now)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    sqlx::query_as(concat!("SELECT ", schedule_columns!(), " FROM schedules WHERE request = ?"))
        .bind(identity)
        .fetch_one(conn)
        .await
}

/// A moment as `DATETIME` has it: the type as which moments are sent otherwise ends in 2038.
fn far(moment: DateTime<Utc>) -> NaiveDateTime {
    moment.naive_utc()
}

/// The schedule `id`, unless it is deleted.
pub async fn find(conn: &mut MySqlConnection, id: ScheduleId) -> sqlx::Result<Option<Schedule>> {
    sqlx::query_as(concat!("SELECT ", schedule_columns!(), " FROM schedules WHERE id = ? AND deleted_at IS NULL"))
        .bind(id)
        .fetch_optional(conn)
        .await
}

/// The same, locked.
pub async fn lock(conn: &mut MySqlConnection, id: ScheduleId) -> sqlx::Result<Option<Schedule>> {
    sqlx::query_as(concat!(
        "SELECT ",
        schedule_columns!(),
        " FROM schedules WHERE id = ? AND deleted_at IS NULL FOR UPDATE"
    ))
    .bind(id)
    .fetch_optional(conn)
    .await
}

/// Writes what may change of a schedule that is locked, where days are those of `zone`.
pub async fn update(conn: &mut MySqlConnection, schedule: &Schedule, zone: Tz) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE schedules SET amount = ?, description = ?, end_on = ?, status = ?, reason = ?, next_run = ?, due_at = ?,
             version = ?, deleted_at = ?, updated_at = ?
         WHERE id = ?",
    )
    .bind(schedule.payment.amount)
    .bind(&schedule.payment.description)
    .bind(schedule.recurrence.end)
    .bind(schedule.status)
    .bind(schedule.reason)
    .bind(schedule.next_run)
    .bind(schedule.due_at(zone).map(far))
    .bind(schedule.version)
    .bind(schedule.deleted_at)
    .bind(schedule.updated_at)
    .bind(schedule.id)
    .execute(conn)
    .await?;
    Ok(())
}

/// At most `rows` schedules of `user`, or of everybody, made at `since` or later, with an id below `cursor`, newest first.
pub async fn list(
    conn: &mut MySqlConnection,
    user: Option<UserId>,
    since: Option<DateTime<Utc>>,
    cursor: Option<i64>,
    rows: u32,
) -> sqlx::Result<Stretch<Schedule>> {
    let range = |query: &mut QueryBuilder<MySql>| {
        if let Some(user) = user {
            query.push("sender_id = ").push_bind(user);
        } else {
            query.push("TRUE");
        }
    };
    let filter = |query: &mut QueryBuilder<MySql>| {
        query.push("deleted_at IS NULL");
        if let Some(since) = since {
            query.push(" AND created_at >= ").push_bind(since);
        }
    };
    Scan {
        columns: schedule_columns!(),
        table: "schedules",
        index: if user.is_some() { "schedules_of_sender" } else { "PRIMARY" },
        range: &range,
        filter: &filter,
        order: Order::NewestFirst,
        id: |schedule: &Schedule| schedule.id.get(),
    }
    .read(conn, cursor, rows)
    .await
}

const DUE: &str = concat!(
    "SELECT ",
    schedule_columns!(),
    " FROM schedules FORCE INDEX (schedules_due) WHERE due_at <= NOW(6) ORDER BY due_at LIMIT ?"
);

/// Schedules that are due, at most `limit`: those that have been so the longest.
pub async fn due(conn: &mut MySqlConnection, limit: u32) -> sqlx::Result<Vec<Schedule>> {
    sqlx::query_as(DUE).bind(limit).fetch_all(conn).await
}

/// A schedule before and after a run.
pub struct HasRun {
    /// As it was read.
    pub before: Schedule,
    /// As it is then.
    pub after: Schedule,
}

/// Has `unit` move schedules that have run on to their next dates, where days are those of `zone`: in one statement for many. One that
/// somebody else has changed or moved meanwhile stays as that has left it, and runs the same date again, which makes nothing new.
pub fn move_on(unit: &mut Unit, runs: &[HasRun], zone: Tz) {
    // in the order of their ids, in which another instance locks them too
    let mut runs: Vec<&HasRun> = runs.iter().collect();
    runs.sort_by_key(|run| run.before.id);
    for runs in runs.chunks(ROWS_OF_A_STATEMENT) {
        unit.write(moving(runs, zone));
    }
}

fn moving(runs: &[&HasRun], zone: Tz) -> String {
    let mut sql = String::from("UPDATE (");
    for (index, HasRun { before, after }) in runs.iter().enumerate() {
        sql.push_str(if index == 0 { "" } else { " UNION ALL " });
        // the first row names the columns, and gives them their types
        let name = |name: &'static str| if index == 0 { name } else { "" };
        write!(
            sql,
            "SELECT {}{},{}{},{}{},CAST({} AS DATETIME(6)){},{}{},{}{}",
            after.id,
            name(" AS id"),
            before.version,
            name(" AS version"),
            after.next_run,
            name(" AS next_run"),
            literal(after.due_at(zone)),
            name(" AS due_at"),
            literal(<&str>::from(after.status)),
            name(" AS status"),
            literal(after.reason.map(<&str>::from).map_or(Value::Null, Value::Text)),
            name(" AS reason"),
        )
        .expect("a String takes everything");
    }
    // the few that have run are looked up one by one, whatever the server thinks of how many there are
    sql + ") AS has_run STRAIGHT_JOIN schedules ON schedules.id = has_run.id AND schedules.version = has_run.version
         SET schedules.next_run = has_run.next_run, schedules.due_at = has_run.due_at, schedules.status = has_run.status,
             schedules.reason = has_run.reason, schedules.version = schedules.version + 1, schedules.updated_at = NOW(6)"
}

/// How many schedules are due, and for how many microseconds the oldest of them has been.
pub async fn overdue(conn: &mut MySqlConnection, most: u32) -> sqlx::Result<(i64, i64)> {
    sqlx::query_as(
        "SELECT COUNT(*), COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(due_at), NOW(6)), 0)
         FROM (SELECT due_at FROM schedules WHERE due_at <= NOW(6) ORDER BY due_at LIMIT ?) AS overdue",
    )
    .bind(most)
    .fetch_one(conn)
    .await
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use common::labels::Labels;
    use lab::{
        database::database,
        plan::{assert_by_index, within},
    };
    use sqlx::AssertSqlSafe;

    use super::*;
    use crate::domain::{recurrence::Every, schedule::ScheduleStatus};

    const ZONE: Tz = Tz::Asia__Jakarta;
    /// Enough for a whole scan to be dearer than an index.
    const SCHEDULES: i64 = 5_000;
    const USERS: i64 = 50;

    fn new(user: i64) -> NewSchedule {
        NewSchedule {
            payment: Payment {
                sender_id: (user + 1).try_into().unwrap(),
                receiver_id: (user + 2).try_into().unwrap(),
                amount: "10".parse().unwrap(),
                description: "Rent".into(),
                labels: Labels::default(),
                auto_complete: true,
                shares: Vec::new(),
            },
            recurrence: Recurrence {
                every: Every::Month,
                start: NaiveDate::from_ymd_opt(2026, 1, 31).unwrap(),
                end: None,
            },
        }
    }

    #[tokio::test]
    async fn what_is_due_and_what_is_a_users_is_found_by_index() {
        let database = database().await;
        let pool = mysql::pool(&mysql::DatabaseConfig::at(&database.url(), 8).unwrap());
        mysql::migrate(&pool, crate::store::migrations::migrations()).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        sqlx::raw_sql("SET autocommit = 0").execute(&mut *conn).await.unwrap();
        for number in 0..SCHEDULES {
            let far = DateTime::from_timestamp(4_000_000_000 + number, 0).unwrap();
            let due_at = if number < 5 { DateTime::UNIX_EPOCH + chrono::TimeDelta::days(number + 1) } else { far };
            let made_at = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(1);
            insert(&mut conn, &format!("once {number}"), &new(number % USERS), due_at, made_at).await.unwrap();
        }
        sqlx::raw_sql("COMMIT; ANALYZE TABLE schedules").execute(&mut *conn).await.unwrap();
        let found = within(&mut conn, "due", 5, async |conn| due(conn, 100).await).await;
        assert_eq!(found.iter().map(|schedule| schedule.id.get()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        let user = Some(7.try_into().unwrap());
        let page = within(&mut conn, "of a user", 20, async |conn| list(conn, user, None, None, 20).await).await;
        assert!(page.items.len() == 20 && page.items.is_sorted_by(|one, next| one.id > next.id));
        let page = within(&mut conn, "of everybody", 20, async |conn| list(conn, None, None, None, 20).await).await;
        assert_eq!(page.items[0].id.get(), SCHEDULES);

        let mut runs: Vec<HasRun> = found
            .into_iter()
            .map(|before| {
                let mut after = before.clone();
                after.has_run(None, DateTime::UNIX_EPOCH);
                HasRun { before, after }
            })
            .collect();
        let explained =
            AssertSqlSafe(format!("EXPLAIN FORMAT=TRADITIONAL {}", moving(&runs.iter().collect::<Vec<_>>(), ZONE)));
        let steps = sqlx::raw_sql(explained).fetch_all(&mut *conn).await.unwrap();
        let of_table: Vec<MySqlRow> =
            steps.into_iter().filter(|step| lab::plan::text(step, "table") == "schedules").collect();
        assert_by_index(&of_table, &["PRIMARY"], "moving on");

        // somebody else has changed the second one meanwhile
        sqlx::raw_sql("UPDATE schedules SET version = 7 WHERE id = 2; COMMIT").execute(&mut *conn).await.unwrap();
        runs[2].after.delete(DateTime::UNIX_EPOCH);
        let mut unit = mysql::begin(&pool, fault::Point::new("test")).await.unwrap();
        move_on(&mut unit, &runs, ZONE);
        unit.commit().await.unwrap();
        sqlx::raw_sql("COMMIT").execute(&mut *conn).await.unwrap();
        let mut moved = Vec::new();
        for id in 1..=4_i64 {
            let schedule = find(&mut conn, id.try_into().unwrap()).await.unwrap().unwrap();
            moved.push((schedule.next_run, schedule.version, schedule.status));
        }
        let active = |next_run, version| (next_run, version, ScheduleStatus::Active);
        assert_eq!(moved, [active(1, 2), active(0, 7), (1, 2, ScheduleStatus::Ended), active(1, 2)]);
        let found = due(&mut conn, 100).await.unwrap();
        assert_eq!(found.iter().map(|schedule| schedule.id.get()).collect::<Vec<_>>()[0], 2, "it is still due");
    }
}
