//! The end of an account: what is left is paid out, the name and address go, its tokens end, the ledger stays.

use chrono::{DateTime, Utc};
use common::{
    Money, UserId,
    context::Origin,
    db::{self, DbError},
    idempotency, outbox, point,
    trace::Trace,
};
use sqlx::MySqlConnection;

use super::{
    Ledger,
    book::{Account, Entry},
    rows,
};
use crate::{notices, store::revocations};

/// What became of the wish to close an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Closed.
    Done {
        /// What was left.
        paid_out: Money,
    },
    /// There is no such account, or no longer.
    NotFound,
    /// Money is set aside from or for this user.
    Pending,
}

impl Ledger {
    /// Closes the account of `user` at `now`, and tells the user.
    pub async fn close(&self, user: UserId, now: DateTime<Utc>) -> Result<Closing, DbError> {
        let trace = Origin::current().trace;
        db::retry(|_| async {
            let mut tx = db::begin(&self.pool, point!("close")).await?;
            let closing = close(&mut tx, user, now, &self.currency, &trace).await?;
            tx.commit().await?;
            Ok(closing)
        })
        .await
    }
}

async fn close(
    conn: &mut MySqlConnection,
    user: UserId,
    now: DateTime<Utc>,
    currency: &str,
    trace: &Trace,
) -> sqlx::Result<Closing> {
    // A hold locks both of its users first, so none can appear between this look and the commit.
    let accounts = rows::lock_users(conn, &[user].into()).await?;
    let Some(balances) = accounts.get(&user) else {
        // after an unknown commit the second run finds what the first one did
        let ours: Option<i64> =
            sqlx::query_scalar("SELECT id FROM users WHERE id = ? AND status = 'closed' AND updated_at = ?")
                .bind(user)
                .bind(now)
                .fetch_optional(&mut *conn)
                .await?;
        return match ours {
            Some(_) => Ok(Closing::Done { paid_out: paid_out(conn, user).await? }),
            None => Ok(Closing::NotFound),
        };
    };
    if balances.held != Money::ZERO || balances.incoming != 0 {
        return Ok(Closing::Pending);
    }
    let paid_out = balances.available;
    pay_out(conn, user, paid_out).await?;
    let addresses = rows::addresses(conn, &[user].into()).await?;
    sqlx::query(
        "UPDATE users SET full_name = '', email = NULL, password_hash = NULL, balance = 0, status = 'closed', updated_at = ?
         WHERE id = ?",
    )
    .bind(now)
    .bind(user)
    .execute(&mut *conn)
    .await?;
    revocations::revoke(conn, user).await?;
    let told = addresses.into_values().map(|address| notices::closed(user, address, paid_out, currency).within(trace));
    outbox::insertion(&told.collect::<Vec<_>>()).execute(conn).await?;
    Ok(Closing::Done { paid_out })
}

fn reference(user: UserId) -> String {
    format!("user:{user}:close")
}

/// What was paid out when the account was closed.
async fn paid_out(conn: &mut MySqlConnection, user: UserId) -> sqlx::Result<Money> {
    let paid_out: Option<Money> = sqlx::query_scalar(
        "SELECT amount FROM ledger_entries JOIN operations ON id = operation_id
         WHERE reference = ? AND account = 'external'",
    )
    .bind(reference(user))
    .fetch_optional(conn)
    .await?;
    Ok(paid_out.unwrap_or_default())
}

async fn pay_out(conn: &mut MySqlConnection, user: UserId, rest: Money) -> sqlx::Result<()> {
    let written = sqlx::query(
        "INSERT INTO operations (reference, fingerprint, kind, user_id, balance_after) VALUES (?, ?, 'close', ?, 0)",
    )
    .bind(reference(user))
    .bind(idempotency::fingerprint(&user))
    .bind(user)
    .execute(&mut *conn)
    .await?;
    let operation = i64::try_from(written.last_insert_id()).expect("ids fit BIGINT");
    if rest == Money::ZERO {
        return Ok(());
    }
    let available = Entry { account: Account::Available, user, amount: -rest, balance_after: Some(Money::ZERO) };
    let external = Entry { account: Account::External, user, amount: rest, balance_after: None };
    rows::entries(&[(operation, 0, available), (operation, 1, external)]).execute(conn).await
}
