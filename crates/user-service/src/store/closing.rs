//! The end of an account.

use chrono::{DateTime, Utc};
use common::{idempotency, origin::Origin};
use money::{Money, UserId};
use mysql::{
    Unit,
    bulk::{BulkInsert, Value},
};
use sqlx::MySqlConnection;

use super::ledger;
use crate::domain::book::{Entry, LedgerAccount};

/// Closes an account that is locked: the name, the address and the money go, the number stays.
pub async fn close(conn: &mut MySqlConnection, user: UserId, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query("UPDATE accounts SET available = 0, state = 'closed' WHERE user_id = ?")
        .bind(user)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "UPDATE users SET full_name = '', email = NULL, password_hash = NULL, closed_at = ?, updated_at = ? WHERE id = ?",
    )
    .bind(now)
    .bind(now)
    .bind(user)
    .execute(conn)
    .await?;
    Ok(())
}

/// True if the account was closed at exactly this moment, which is to say by this request.
pub async fn was_closed_at(conn: &mut MySqlConnection, user: UserId, moment: DateTime<Utc>) -> sqlx::Result<bool> {
    let found: Option<i64> = sqlx::query_scalar("SELECT id FROM users WHERE id = ? AND closed_at = ?")
        .bind(user)
        .bind(moment)
        .fetch_optional(conn)
        .await?;
    Ok(found.is_some())
}

fn reference(user: UserId) -> String {
    format!("user:{user}:close")
}

/// What was paid out when the account was closed.
pub async fn paid_out(conn: &mut MySqlConnection, user: UserId) -> sqlx::Result<Money> {
    let paid_out: Option<Money> = sqlx::query_scalar(
        "SELECT amount FROM ledger_entries JOIN operations ON id = operation_id
         WHERE reference = ? AND account = 'external'",
    )
    .bind(reference(user))
    .fetch_optional(conn)
    .await?;
    Ok(paid_out.unwrap_or_default())
}

/// Pays out what is left, as an operation of the ledger.
pub fn pay_out(unit: &mut Unit, user: UserId, rest: Money, origin: &Origin) {
    let mut operation = BulkInsert::new(
        "INSERT INTO operations (reference, fingerprint, kind, user_id, balance_after, actor, request_id)",
    );
    operation.row(&[
        Value::Text(&reference(user)),
        Value::Bytes(&idempotency::fingerprint(&user)),
        Value::Text("close"),
        user.get().into(),
        Money::ZERO.into(),
        Value::Text(origin.actor()),
        origin.request().into(),
    ]);
    let operation = unit.insert_with_ids(operation)[0];
    let available = Entry::new(LedgerAccount::Available, user, -rest, Some(Money::ZERO));
    let external = Entry::new(LedgerAccount::External, user, rest, None);
    if rest != Money::ZERO {
        ledger::write_entries(unit, &[(operation, 0, available), (operation, 1, external)]);
    }
}
