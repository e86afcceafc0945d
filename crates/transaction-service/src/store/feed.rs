//! The feed of changes, oldest first, by which report-service keeps its copy.
//!
//! `changed_at` is set when a statement runs and shows when its transaction commits, so rows may appear behind a
//! reader's cursor: the reader goes back by an overlap.

use chrono::{DateTime, Utc};
use common::UserId;
use sqlx::{MySql, MySqlConnection, QueryBuilder};

use super::columns;
use crate::transfer::Transaction;

/// Where a reader of the feed stands.
#[derive(Debug, Clone, Copy)]
pub struct Position {
    pub changed_at: DateTime<Utc>,
    pub id: i64,
}

/// At most `limit` transactions after `position`, hidden ones too; only those of `user` if that is given.
pub async fn changes(
    conn: &mut MySqlConnection,
    user: Option<UserId>,
    position: Position,
    limit: u32,
) -> sqlx::Result<Vec<Transaction>> {
    let Some(user) = user else { return select(conn, "", None, position, limit).await };
    let mut rows = select(conn, " AND sender_id = ", Some(user), position, limit).await?;
    rows.extend(select(conn, " AND receiver_id = ", Some(user), position, limit).await?);
    rows.sort_by_key(|row| (row.changed_at, row.id));
    rows.truncate(limit as usize);
    Ok(rows)
}

async fn select(
    conn: &mut MySqlConnection,
    role: &'static str,
    user: Option<UserId>,
    position: Position,
    limit: u32,
) -> sqlx::Result<Vec<Transaction>> {
    let mut query: QueryBuilder<MySql> =
        QueryBuilder::new(concat!("SELECT ", columns!(), " FROM transactions WHERE changed_at >= "));
    query.push_bind(position.changed_at);
    query.push(" AND (changed_at > ").push_bind(position.changed_at).push(" OR id > ").push_bind(position.id).push(")");
    if let Some(user) = user {
        query.push(role).push_bind(user);
    }
    query.push(" ORDER BY changed_at, id LIMIT ").push_bind(limit);
    query.build_query_as().fetch_all(conn).await
}
