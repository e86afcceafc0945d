//! The end of an account: what is left is paid out, the name and address go, its tokens end, the ledger stays.

use chrono::{DateTime, Utc};
use common::{origin::Origin, outbox};
use fault::point;
use money::{Money, UserId};
use mysql::{DbError, Unit};

use super::ledger::Ledger;
use crate::{
    domain::{facts, operation::Refusal},
    store::{closing, ledger as rows, revocations},
};

/// The outcome of a request to close an account.
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
    /// The account may not send what is left.
    Refused(Refusal),
}

impl Ledger {
    /// Closes the account of `user` at `now`. One that is frozen or locked is closed `by_operator` alone: what is left goes out.
    pub async fn close(&self, user: UserId, by_operator: bool, now: DateTime<Utc>) -> Result<Closing, DbError> {
        let origin = Origin::current();
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("close")).await?;
            let closing = close(&mut tx, user, by_operator, now, &origin).await?;
            tx.commit().await?;
            Ok(closing)
        })
        .await
    }
}

async fn close(
    unit: &mut Unit,
    user: UserId,
    by_operator: bool,
    now: DateTime<Utc>,
    origin: &Origin,
) -> sqlx::Result<Closing> {
    // A hold locks both of its users first, so none can appear between this look and the commit.
    let accounts = rows::lock_accounts(unit, &[user].into()).await?;
    let Some(balances) = accounts.get(&user) else {
        // after an unknown commit the second run finds what the first one did
        if !closing::was_closed_at(unit.conn().await?, user, now).await? {
            return Ok(Closing::NotFound);
        }
        return Ok(Closing::Done { paid_out: closing::paid_out(unit.conn().await?, user).await? });
    };
    if let Err(refusal) = balances.may_send()
        && !by_operator
    {
        return Ok(Closing::Refused(refusal));
    }
    if balances.held != Money::ZERO || balances.incoming != 0 {
        return Ok(Closing::Pending);
    }
    let paid_out = balances.available;
    closing::pay_out(unit, user, paid_out, origin);
    let addresses = rows::addresses(unit, &[user].into()).await?;
    closing::close(unit.conn().await?, user, now).await?;
    revocations::revoke(unit, user).await?;
    let fact = addresses.into_values().map(|address| facts::closed(user, address, paid_out, origin));
    outbox::write(unit, &fact.collect::<Vec<_>>());
    Ok(Closing::Done { paid_out })
}
