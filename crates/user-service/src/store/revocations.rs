//! Which tokens have ended before their time.

use common::caller::revocation::{self, KEPT_FOR, MAX_REVOCATIONS, Position, Revocation};
use money::UserId;
use mysql::Unit;
use sqlx::MySqlConnection;

/// Ends all tokens that `user` has.
pub async fn revoke(unit: &mut Unit, user: UserId) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO revocations (user_id, version, revoked_at) VALUES (?, 1, NOW(6))
         ON DUPLICATE KEY UPDATE version = version + 1, revoked_at = NOW(6)",
    )
    .bind(user)
    .execute(unit.conn().await?)
    .await?;
    unit.on_commit(revocation::is_written);
    Ok(())
}

/// The revocations from `position` on by which tokens ended that may otherwise be valid now, whatever `JWT_EXPIRATION` was
/// when they were given.
pub async fn from(conn: &mut MySqlConnection, position: Position) -> sqlx::Result<Vec<Revocation>> {
    sqlx::query_as(
        "SELECT user_id, version, revoked_at, revoked_at + INTERVAL ? SECOND AS matters_until
         FROM revocations FORCE INDEX (revocations_in_order)
         WHERE revoked_at >= GREATEST(COALESCE(?, '2000-01-01'), NOW(6) - INTERVAL ? SECOND)
           AND (revoked_at > COALESCE(?, '2000-01-01') OR user_id > ?)
         ORDER BY revoked_at, user_id LIMIT ?",
    )
    .bind(KEPT_FOR.num_seconds())
    .bind(position.since)
    .bind(KEPT_FOR.num_seconds())
    .bind(position.since)
    .bind(position.after_id)
    .bind(MAX_REVOCATIONS as u64)
    .fetch_all(conn)
    .await
}

#[cfg(test)]
mod tests {
    use fault::Point;
    use lab::{database::database, plan::within};

    use super::*;

    fn user(n: i64) -> UserId {
        UserId::try_from(n).unwrap()
    }

    #[tokio::test]
    async fn they_are_read_in_pages_and_only_while_they_matter() {
        let database = database().await;
        let pool = mysql::pool(&mysql::DatabaseConfig::at(&database.url(), 8).unwrap());
        mysql::migrate(&pool, crate::store::migrations::migrations()).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let count = i64::try_from(MAX_REVOCATIONS).unwrap() + 1;
        let mut unit = mysql::begin(&pool, Point::new("test")).await.unwrap();
        for n in 1..=count {
            revoke(&mut unit, user(n)).await.unwrap();
        }
        unit.commit().await.unwrap();
        // all at one moment, and one whose tokens have expired since
        sqlx::query("UPDATE revocations SET revoked_at = NOW(6)").execute(&mut *conn).await.unwrap();
        sqlx::query("UPDATE revocations SET revoked_at = NOW(6) - INTERVAL 2 YEAR WHERE user_id = 1")
            .execute(&mut *conn)
            .await
            .unwrap();
        let mut unit = mysql::begin(&pool, Point::new("test")).await.unwrap();
        revoke(&mut unit, user(2)).await.unwrap();
        unit.commit().await.unwrap();
        sqlx::raw_sql("ANALYZE TABLE revocations").execute(&mut *conn).await.unwrap();

        let first = within(&mut conn, "a page", count, async |conn| from(conn, Position::default()).await).await;
        assert_eq!(first.len(), MAX_REVOCATIONS);
        assert_eq!((first[0].user_id, first.last().unwrap().version), (user(3), 2));
        let end = Position { since: Some(first[500].revoked_at), after_id: first[500].user_id.get() };
        let rest = from(&mut conn, end).await.unwrap();
        assert_eq!(rest.len(), MAX_REVOCATIONS - 501, "those of the same moment, then the later one");
        assert_eq!((rest[0].user_id, rest.last().unwrap().user_id), (first[501].user_id, user(2)));
        assert_eq!(rest[0].matters_until - rest[0].revoked_at, KEPT_FOR);
    }
}
