//! The limits of accounts. What counts against them is written with the balances: see [`super::ledger`].

use chrono::NaiveDate;
use money::{Money, UserId};
use sqlx::MySqlConnection;

use super::ledger::{settings, spent};
use crate::domain::limits::{Setting, Settings, Spent};

type Row = (Option<Money>, Option<Money>, Option<Money>, Option<NaiveDate>, Option<Money>, Option<Money>);

/// What is set for the limits of an account that is not closed, and what counts against them.
pub async fn find(conn: &mut MySqlConnection, user: UserId) -> sqlx::Result<Option<(Settings, Option<Spent>)>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT limit_per_transaction, limit_per_day, limit_per_month, spent_on, spent_day, spent_month FROM accounts
         WHERE user_id = ? AND state <> 'closed'",
    )
    .bind(user)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|(transaction, day, month, on, spent_day, spent_month)| {
        (settings(transaction, day, month), spent(on, spent_day, spent_month))
    }))
}

/// What is to change of the limits of an account; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitChanges {
    /// In one payment.
    pub per_transaction: Option<Setting>,
    /// On a day.
    pub per_day: Option<Setting>,
    /// In a month.
    pub per_month: Option<Setting>,
}

/// Changes the limits of an account that is not closed.
pub async fn update(conn: &mut MySqlConnection, user: UserId, changes: &LimitChanges) -> sqlx::Result<()> {
    let LimitChanges { per_transaction, per_day, per_month } = changes;
    // IF takes the new value also where that is NULL
    sqlx::query(
        "UPDATE accounts SET limit_per_transaction = IF(?, ?, limit_per_transaction),
                limit_per_day = IF(?, ?, limit_per_day), limit_per_month = IF(?, ?, limit_per_month)
         WHERE user_id = ? AND state <> 'closed'",
    )
    .bind(per_transaction.is_some())
    .bind(per_transaction.and_then(Setting::stored))
    .bind(per_day.is_some())
    .bind(per_day.and_then(Setting::stored))
    .bind(per_month.is_some())
    .bind(per_month.and_then(Setting::stored))
    .bind(user)
    .execute(conn)
    .await?;
    Ok(())
}
