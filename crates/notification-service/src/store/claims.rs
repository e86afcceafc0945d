//! Claims: who is mailing a notification at the moment.
//!
//! A claim is a lease on the row, under a name that is used once. Whatever ends it has that name in its guard, so that
//! a holder whose lease ran out does not overwrite its successor's result. Rows are locked by ascending id.

use std::time::Duration;

use chrono::{DateTime, Utc};
use money::{NotificationId, UserId};
use mysql::lease::Holder;
use sqlx::{MySqlConnection, QueryBuilder};

use super::notifications::{Notification, Status};
use crate::domain::fairness::LANES;

/// Seconds for which a claim lasts unless it is renewed, and for which its successor waits after a crash.
pub const LEASE_SECONDS: u32 = 3;
/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 255;

/// A notification that is to be mailed, and its place in its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Its number.
    pub id: NotificationId,
    /// Its recipient.
    pub user_id: UserId,
    /// When it was due, by the database's clock.
    pub since: DateTime<Utc>,
    /// False while one may still show up that has its place before this one.
    pub is_settled: bool,
}

/// Of each of these lanes, at most `limit` notifications that are to be mailed and that nobody is mailing, oldest first, behind
/// the one that is given. One that was deleted is not mailed, but for a warning: whoever has taken an account over could delete
/// it in time.
pub async fn due(
    conn: &mut MySqlConnection,
    lanes: &[(usize, Option<Due>)],
    limit: u32,
) -> sqlx::Result<[Vec<Due>; LANES]> {
    let mut query = QueryBuilder::new("");
    for (n, (lane, behind)) in lanes.iter().enumerate() {
        query.push(if n > 0 { " UNION ALL " } else { "" });
        // rows show up when they are committed, not in the order of their time
        query.push(
            "(SELECT CAST(lane AS SIGNED), id, user_id, next_attempt_at, next_attempt_at < NOW(6) - INTERVAL 1 SECOND",
        );
        query.push(" FROM notifications FORCE INDEX (notifications_by_lane) WHERE status = 'pending' AND lane = ");
        query.push_bind(i64::try_from(*lane).expect("there are few"));
        if let Some(Due { id, since, .. }) = behind {
            query.push(" AND (next_attempt_at > ").push_bind(*since);
            query.push(" OR (next_attempt_at = ").push_bind(*since);
            query.push(" AND id > ").push_bind(*id).push("))");
        }
        query.push(
            " AND next_attempt_at <= NOW(6) AND (hidden_at IS NULL OR address <> '')
              AND (claimed_until IS NULL OR claimed_until < NOW(6))
              ORDER BY next_attempt_at, id LIMIT ",
        );
        query.push_bind(limit).push(")");
    }
    let mut due = [const { Vec::new() }; LANES];
    if lanes.is_empty() {
        return Ok(due);
    }
    let rows: Vec<(i64, NotificationId, UserId, DateTime<Utc>, bool)> = query.build_query_as().fetch_all(conn).await?;
    for (lane, id, user_id, since, is_settled) in rows {
        let lane = usize::try_from(lane).expect("lanes are numbered from 0 on");
        due[lane].push(Due { id, user_id, since, is_settled });
    }
    Ok(due)
}

/// Claims those of `ids` that are still due, and returns them in the order of `ids`.
pub async fn claim_due(
    conn: &mut MySqlConnection,
    ids: &[NotificationId],
    holder: &Holder,
) -> sqlx::Result<Vec<Notification>> {
    // looked at again under the rows' locks: another worker, or a request to send, may have been faster;
    // by their ids, because a look at the index would lock its entries before their rows and could deadlock
    let mut claim = QueryBuilder::new("UPDATE notifications FORCE INDEX (PRIMARY) SET claim = ");
    claim.push_bind(holder.as_str());
    claim.push(", claimed_until = NOW(6) + INTERVAL ").push_bind(LEASE_SECONDS).push(" SECOND WHERE id IN ");
    mysql::push_list(&mut claim, ids.iter().copied());
    claim.push(
        " AND status = 'pending' AND next_attempt_at <= NOW(6) AND (hidden_at IS NULL OR address <> '')
          AND (claimed_until IS NULL OR claimed_until < NOW(6))",
    );
    claim.build().execute(&mut *conn).await?;

    let mut query = QueryBuilder::new(
        "SELECT id, user_id, message, status, failure_reason, attempts, traceparent, address, created_at, updated_at
         FROM notifications WHERE id IN ",
    );
    mysql::push_list(&mut query, ids.iter().copied());
    query.push(" AND claim = ").push_bind(holder.as_str());
    let mut claimed: Vec<Notification> = query.build_query_as().fetch_all(conn).await?;
    claimed.sort_by_cached_key(|notification| ids.iter().position(|id| *id == notification.id));
    Ok(claimed)
}

/// Claims one notification that is still in `status`; false while somebody else mails it, or if it changed.
pub async fn claim(
    conn: &mut MySqlConnection,
    id: NotificationId,
    status: Status,
    holder: &Holder,
) -> sqlx::Result<bool> {
    let taken = sqlx::query(
        "UPDATE notifications SET claim = ?, claimed_until = NOW(6) + INTERVAL ? SECOND
         WHERE id = ? AND status = ? AND hidden_at IS NULL
           AND (claimed_until IS NULL OR claimed_until < NOW(6) OR claim = ?)",
    )
    .bind(holder.as_str())
    .bind(LEASE_SECONDS)
    .bind(id)
    .bind(status)
    .bind(holder.as_str())
    .execute(conn)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Lets claims last for another [`LEASE_SECONDS`], also those that have run out and that nobody has taken.
pub async fn renew(conn: &mut MySqlConnection, ids: &[NotificationId], holder: &Holder) -> sqlx::Result<()> {
    let mut query = QueryBuilder::new("UPDATE notifications SET claimed_until = NOW(6) + INTERVAL ");
    query.push_bind(LEASE_SECONDS).push(" SECOND");
    execute_on(conn, query, ids, holder).await
}

/// Ends claims under which nothing was tried.
pub async fn give_back(conn: &mut MySqlConnection, ids: &[NotificationId], holder: &Holder) -> sqlx::Result<()> {
    let query = QueryBuilder::new("UPDATE notifications SET claim = NULL, claimed_until = NULL");
    execute_on(conn, query, ids, holder).await
}

/// Ends claims: mailed.
pub async fn sent(
    conn: &mut MySqlConnection,
    ids: &[NotificationId],
    holder: &Holder,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let mut query = QueryBuilder::new(
        "UPDATE notifications
         SET status = 'sent', failure_reason = NULL, claim = NULL, claimed_until = NULL,
             address = IF(address IS NULL, NULL, ''), updated_at = ",
    );
    query.push_bind(now);
    execute_on(conn, query, ids, holder).await
}

/// Ends a claim: to be tried again after `delay`, also one that had been given up, but not one that was deleted meanwhile. `attempts` is how often the worker has
/// tried so far, and `reason` why it was not mailed this time.
pub async fn try_later(
    conn: &mut MySqlConnection,
    id: NotificationId,
    holder: &Holder,
    attempts: u32,
    delay: Duration,
    reason: &str,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE notifications
         SET status = IF(hidden_at IS NULL OR address <> '', 'pending', 'failed'), failure_reason = ?, attempts = ?,
             next_attempt_at = NOW(6) + INTERVAL ? SECOND, claim = NULL, claimed_until = NULL
         WHERE id = ? AND claim = ?",
    )
    .bind(kept(reason))
    .bind(attempts)
    .bind(delay.as_secs())
    .bind(id)
    .bind(holder.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a claim: given up.
pub async fn failed(
    conn: &mut MySqlConnection,
    id: NotificationId,
    holder: &Holder,
    reason: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE notifications
         SET status = 'failed', failure_reason = ?, claim = NULL, claimed_until = NULL,
             address = IF(address IS NULL, NULL, ''), updated_at = ?
         WHERE id = ? AND claim = ?",
    )
    .bind(kept(reason))
    .bind(now)
    .bind(id)
    .bind(holder.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

fn kept(reason: &str) -> String {
    reason.chars().take(MAX_REASON).collect()
}

async fn execute_on(
    conn: &mut MySqlConnection,
    mut update: QueryBuilder<sqlx::MySql>,
    ids: &[NotificationId],
    holder: &Holder,
) -> sqlx::Result<()> {
    update.push(" WHERE id IN ");
    mysql::push_list(&mut update, ids.iter().copied());
    update.push(" AND claim = ").push_bind(holder.as_str());
    update.build().execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use lab::database::database;
    use money::time;

    use super::*;
    use crate::{
        domain::{fairness::Fairness, notices::Notice},
        store::notifications,
    };

    const FIRST: [(usize, Option<Due>); 1] = [(0, None)];

    #[tokio::test]
    async fn what_is_deleted_is_over_also_if_it_is_under_way_and_warnings_are_not() {
        let database = database().await;
        let pool = mysql::pool(&mysql::DatabaseConfig::at(&database.url(), 8).unwrap());
        mysql::migrate(&pool, crate::store::migrations::migrations()).await.unwrap();
        let conn = &mut *pool.acquire().await.unwrap();
        let notice = |n: i64| Notice::new(n.to_string(), n.try_into().unwrap(), "Hello".into());
        let warning = Notice { address: Some("then@example.com".into()), ..notice(4) };
        let notices = [notice(1), notice(2), notice(3), warning];
        notifications::insert_notices(conn, &notices, &Fairness::default(), time::now(), 1).await.unwrap();
        let ids: Vec<_> = due(conn, &FIRST, 4).await.unwrap()[0].iter().map(|due| due.id).collect();
        let holder = Holder::new();
        assert_eq!(claim_due(conn, &ids[1..3], &holder).await.unwrap().len(), 2);
        for id in &ids {
            assert!(notifications::hide(conn, *id, time::now()).await.unwrap());
        }
        sent(conn, &[ids[1]], &holder, time::now()).await.unwrap();
        try_later(conn, ids[2], &holder, 1, Duration::ZERO, "not yet").await.unwrap();
        let statuses: Vec<String> =
            sqlx::query_scalar("SELECT status FROM notifications ORDER BY id").fetch_all(&mut *conn).await.unwrap();
        assert_eq!(statuses, ["failed", "sent", "failed", "pending"]);
        assert_eq!(due(conn, &FIRST, 4).await.unwrap()[0].iter().map(|due| due.id).collect::<Vec<_>>(), ids[3..]);
        assert_eq!(notifications::pending(conn).await.unwrap().0, 1);
    }

    #[tokio::test]
    async fn a_holder_whose_lease_ran_out_changes_nothing_after_its_successor() {
        let database = database().await;
        let pool = mysql::pool(&mysql::DatabaseConfig::at(&database.url(), 8).unwrap());
        mysql::migrate(&pool, crate::store::migrations::migrations()).await.unwrap();
        let conn = &mut *pool.acquire().await.unwrap();
        let notice = Notice::new("1".into(), 1.try_into().unwrap(), "Hello".into());
        notifications::insert_notices(conn, &[notice], &Fairness::default(), time::now(), 1).await.unwrap();
        let [first, ..] = due(conn, &FIRST, 1).await.unwrap();
        let id = first[0].id;
        let (paused, successor) = (Holder::new(), Holder::new());

        assert_eq!(claim_due(conn, &[id], &paused).await.unwrap().len(), 1);
        assert!(due(conn, &FIRST, 1).await.unwrap().iter().all(Vec::is_empty));
        assert!(claim_due(conn, &[id], &successor).await.unwrap().is_empty());
        assert!(!claim(conn, id, Status::Pending, &successor).await.unwrap());
        let lapse = "UPDATE notifications SET claimed_until = NOW(6) - INTERVAL 1 SECOND";
        sqlx::raw_sql(lapse).execute(&mut *conn).await.unwrap();
        assert_eq!(claim_due(conn, &[id], &successor).await.unwrap().len(), 1);

        sent(conn, &[id], &paused, time::now()).await.unwrap();
        failed(conn, id, &paused, "too late", time::now()).await.unwrap();
        try_later(conn, id, &paused, 3, Duration::from_mins(1), "too late").await.unwrap();
        give_back(conn, &[id], &paused).await.unwrap();
        let now = notifications::find(conn, id).await.unwrap().unwrap();
        assert_eq!((now.status, now.attempts), (Status::Pending, 0));
        assert!(!claim(conn, id, Status::Pending, &Holder::new()).await.unwrap(), "it is still the successor's");

        sqlx::raw_sql(lapse).execute(&mut *conn).await.unwrap();
        renew(conn, &[id], &paused).await.unwrap();
        assert_eq!(due(conn, &FIRST, 1).await.unwrap()[0].len(), 1);
        renew(conn, &[id], &successor).await.unwrap();
        assert!(due(conn, &FIRST, 1).await.unwrap().iter().all(Vec::is_empty));
        sent(conn, &[id], &successor, time::now()).await.unwrap();
        assert_eq!(notifications::find(conn, id).await.unwrap().unwrap().status, Status::Sent);
    }
}
