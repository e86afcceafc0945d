//! Payment requests.

use chrono::{DateTime, Utc};
use money::{TransactionId, UserId};
use mysql::scan::{Condition, Order, Scan, Stretch};
use sqlx::{FromRow, MySql, MySqlConnection, QueryBuilder, Row, mysql::MySqlRow};

use crate::domain::payment_request::{Ending, NewPaymentRequest, OPEN_DAYS, PaymentRequest, PaymentRequestId};

/// The columns of a [`PaymentRequest`], with how its transaction stands at that moment.
macro_rules! columns {
    () => {
        "id, token, payee_id, amount, description, payer_email, ending, ended_at, attempts, transaction_id,
         (SELECT paying.status FROM transactions paying WHERE paying.id = payment_requests.transaction_id)
             AS transaction_status,
         expires_at <= NOW(6) AS is_over, created_at, expires_at"
    };
}

impl FromRow<'_, MySqlRow> for PaymentRequest {
    fn from_row(row: &MySqlRow) -> sqlx::Result<Self> {
        let token: String = row.try_get("token")?;
        Ok(Self {
            id: row.try_get("id")?,
            token: token.parse().map_err(|phrase: &str| sqlx::Error::Decode(phrase.into()))?,
            payee_id: row.try_get("payee_id")?,
            amount: row.try_get("amount")?,
            description: row.try_get("description")?,
            payer_email: row.try_get("payer_email")?,
            ending: row.try_get("ending")?,
            ended_at: row.try_get("ended_at")?,
            attempts: row.try_get("attempts")?,
            transaction_id: row.try_get("transaction_id")?,
            transaction_status: row.try_get("transaction_status")?,
            is_over: row.try_get::<i64, _>("is_over")? != 0,
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
        })
    }
}

/// Writes a payment request, which is open from now on.
pub async fn insert(conn: &mut MySqlConnection, new: &NewPaymentRequest) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO payment_requests (token, payee_id, amount, description, payer_email, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, NOW(6), NOW(6) + INTERVAL ? DAY)",
    )
    .bind(new.token.as_str())
    .bind(new.payee_id)
    .bind(new.amount)
    .bind(&new.description)
    .bind(new.payer_email.as_ref().map(|email| &email.0))
    .bind(OPEN_DAYS)
    .execute(conn)
    .await?;
    Ok(())
}

/// The payment request that people know by `token`.
pub async fn find(conn: &mut MySqlConnection, token: &PaymentRequestId) -> sqlx::Result<Option<PaymentRequest>> {
    sqlx::query_as(concat!("SELECT ", columns!(), " FROM payment_requests WHERE token = ?"))
        .bind(token.as_str())
        .fetch_optional(conn)
        .await
}

/// The payment request `id`, locked: whatever else is to happen to it waits. Its transaction is not locked, but once that is
/// settled it stays so.
pub async fn lock(conn: &mut MySqlConnection, id: i64) -> sqlx::Result<Option<PaymentRequest>> {
    // locked first and read then: what a locking statement does with the table of its subquery differs between servers
    sqlx::query("SELECT id FROM payment_requests WHERE id = ? FOR UPDATE").bind(id).fetch_optional(&mut *conn).await?;
    sqlx::query_as(concat!("SELECT ", columns!(), " FROM payment_requests WHERE id = ?"))
        .bind(id)
        .fetch_optional(conn)
        .await
}

/// Writes that `transaction` is to pay the locked payment request `id`.
pub async fn claim(conn: &mut MySqlConnection, id: i64, transaction: TransactionId) -> sqlx::Result<()> {
    sqlx::query("UPDATE payment_requests SET transaction_id = ?, attempts = attempts + 1 WHERE id = ?")
        .bind(transaction)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes that the locked payment request `id` ended so.
pub async fn end(conn: &mut MySqlConnection, id: i64, ending: Ending, at: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("UPDATE payment_requests SET ending = ?, ended_at = ? WHERE id = ?")
        .bind(ending)
        .bind(at)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// At most `rows` payment requests with an id below `cursor`, newest first: those that `payee` has made, or all. None from before
/// `since`, if that is given.
pub async fn list(
    conn: &mut MySqlConnection,
    payee: Option<UserId>,
    since: Option<DateTime<Utc>>,
    cursor: Option<i64>,
    rows: u32,
) -> sqlx::Result<Stretch<PaymentRequest>> {
    let of_payee = |query: &mut QueryBuilder<MySql>| _ = query.push("payee_id = ").push_bind(payee);
    let all = |query: &mut QueryBuilder<MySql>| _ = query.push("TRUE");
    let (index, range): (_, Condition<'_>) =
        if payee.is_some() { ("payment_requests_of_payee", &of_payee) } else { ("PRIMARY", &all) };
    let filter = |query: &mut QueryBuilder<MySql>| match since {
        Some(since) => _ = query.push("created_at >= ").push_bind(since),
        None => _ = query.push("TRUE"),
    };
    let (columns, table, order) = (columns!(), "payment_requests", Order::NewestFirst);
    Scan { columns, table, index, range, filter: &filter, order, id: |row: &PaymentRequest| row.id }
        .read(conn, cursor, rows)
        .await
}

#[cfg(test)]
mod tests {
    use lab::plan::within;
    use money::Amount;

    use super::*;
    use crate::store::testing::filled_database;

    /// Payment requests in the table.
    const REQUESTS: i64 = 2_000;
    /// How many users have made them.
    const PAYEES: i64 = 20;
    const LIMIT: u32 = 20;
    /// The entry of the index, the request, and its transaction.
    const ROWS_OF_A_REQUEST: i64 = 3;

    #[tokio::test]
    async fn a_page_reads_its_own_rows_with_their_transactions_and_sorts_nothing() {
        let database = filled_database().await;
        let mut conn = database.pool().acquire().await.unwrap();
        let amount: Amount = "1".parse().unwrap();
        for n in 0..REQUESTS {
            let payee_id = (n % PAYEES + 1).try_into().unwrap();
            let token = PaymentRequestId::random();
            let new = NewPaymentRequest { token, payee_id, amount, description: String::new(), payer_email: None };
            insert(&mut conn, &new).await.unwrap();
        }
        sqlx::raw_sql("UPDATE payment_requests SET transaction_id = id, attempts = 1")
            .execute(&mut *conn)
            .await
            .unwrap();
        sqlx::raw_sql("ANALYZE TABLE payment_requests").execute(&mut *conn).await.unwrap();
        let payee: UserId = 7.try_into().unwrap();
        let most = i64::from(LIMIT) * ROWS_OF_A_REQUEST;
        for (payee, cursor) in [(None, None), (Some(payee), None), (Some(payee), Some(REQUESTS / 2))] {
            let page = within(&mut conn, "a page", most, async |conn| list(conn, payee, None, cursor, LIMIT).await);
            let page = page.await.items;
            assert_eq!(page.len(), LIMIT as usize);
            assert!(page.is_sorted_by(|one, next| one.id > next.id));
            assert!(page.iter().all(|row| row.transaction_status.is_some() && payee.is_none_or(|p| row.payee_id == p)));
        }
        let token = list(&mut conn, None, None, None, 1).await.unwrap().items.remove(0).token;
        let found = within(&mut conn, "one", ROWS_OF_A_REQUEST, async |conn| find(conn, &token).await).await;
        assert_eq!(found.unwrap().token, token);
    }
}
