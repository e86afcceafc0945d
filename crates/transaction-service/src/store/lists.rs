//! Lists of transactions, newest first.

use chrono::{DateTime, Utc};
use common::{Money, UserId};
use sqlx::{MySql, MySqlConnection, QueryBuilder};

use super::columns;
use crate::transfer::{Status, Transaction};

/// What a list is narrowed to.
#[derive(Debug, Default, Clone)]
pub struct Filter {
    pub status: Option<Status>,
    /// Created at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Created before this moment or at it.
    pub to: Option<DateTime<Utc>>,
    pub min_amount: Option<Money>,
    pub max_amount: Option<Money>,
}

/// At most `limit` transactions with an id below `cursor`.
pub async fn all(
    conn: &mut MySqlConnection,
    filter: &Filter,
    cursor: Option<i64>,
    limit: u32,
) -> sqlx::Result<Vec<Transaction>> {
    select(conn, "", None, filter, cursor, limit).await
}

/// The same for those that `user` sent or received. One index range for each role, merged here: a single query for
/// both would have to sort all of them.
pub async fn of_user(
    conn: &mut MySqlConnection,
    user: UserId,
    filter: &Filter,
    cursor: Option<i64>,
    limit: u32,
) -> sqlx::Result<Vec<Transaction>> {
    let mut rows = select(conn, " AND sender_id = ", Some(user), filter, cursor, limit).await?;
    rows.extend(select(conn, " AND receiver_id = ", Some(user), filter, cursor, limit).await?);
    rows.sort_by_key(|row| std::cmp::Reverse(row.id));
    rows.truncate(limit as usize);
    Ok(rows)
}

async fn select(
    conn: &mut MySqlConnection,
    role: &'static str,
    user: Option<UserId>,
    filter: &Filter,
    cursor: Option<i64>,
    limit: u32,
) -> sqlx::Result<Vec<Transaction>> {
    let mut query: QueryBuilder<MySql> =
        QueryBuilder::new(concat!("SELECT ", columns!(), " FROM transactions WHERE hidden_at IS NULL AND id < "));
    query.push_bind(cursor.unwrap_or(i64::MAX));
    if let Some(user) = user {
        query.push(role).push_bind(user);
    }
    if let Some(status) = filter.status {
        query.push(" AND status = ").push_bind(status);
    }
    if let Some(from) = filter.from {
        query.push(" AND created_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        query.push(" AND created_at <= ").push_bind(to);
    }
    if let Some(least) = filter.min_amount {
        query.push(" AND amount >= ").push_bind(least);
    }
    if let Some(most) = filter.max_amount {
        query.push(" AND amount <= ").push_bind(most);
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    query.build_query_as().fetch_all(conn).await
}
