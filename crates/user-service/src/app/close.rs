//! The end of an account: what is left is paid out, the name and address go, its tokens end, the ledger stays.

use chrono::{DateTime, Utc};
use common::{origin::Origin, outbox, trace::Trace};
use fault::point;
use money::{Money, UserId};
use mysql::DbError;
use sqlx::MySqlConnection;

use super::ledger::Ledger;
use crate::{
    domain::notices,
    store::{closing, ledger as rows, revocations},
};

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
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("close")).await?;
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
        if !closing::was_closed_at(conn, user, now).await? {
            return Ok(Closing::NotFound);
        }
        return Ok(Closing::Done { paid_out: closing::paid_out(conn, user).await? });
    };
    if balances.held != Money::ZERO || balances.incoming != 0 {
        return Ok(Closing::Pending);
    }
    let paid_out = balances.available;
    closing::pay_out(conn, user, paid_out).await?;
    let addresses = rows::addresses(conn, &[user].into()).await?;
    closing::close(conn, user, now).await?;
    revocations::revoke(conn, user).await?;
    let told = addresses.into_values().map(|address| notices::closed(user, address, paid_out, currency).within(trace));
    outbox::insertion(&told.collect::<Vec<_>>()).execute(conn).await?;
    Ok(Closing::Done { paid_out })
}
