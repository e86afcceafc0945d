//! The limits of an account: what is set, what is used, and what is left.

use chrono_tz::Tz;
use common::Result;
use fault::point;
use money::{UserId, time};
use mysql::DbError;
use sqlx::MySqlPool;

use crate::{
    domain::limits::{Limits, Rules, Settings, Spent},
    store::limits::{self as rows, LimitChanges},
};

/// The limits of an account, and what counts against them today.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// The limits that hold.
    pub limits: Limits,
    /// What counts against them.
    pub spent: Spent,
    /// By which days and months it counts.
    pub rules: Rules,
}

impl Standing {
    /// That of an account with these settings, of which so much counts, where `rules` hold.
    pub(super) fn of(rules: Rules, settings: Settings, spent: Option<Spent>) -> Self {
        Self { limits: rules.limits(settings), spent: rules.spent(spent), rules }
    }
}

/// Shows and changes the limits of accounts. Cheap to clone.
#[derive(Clone)]
pub struct AccountLimits {
    pool: MySqlPool,
    defaults: Limits,
    zone: Tz,
}

impl AccountLimits {
    /// The limits of the accounts in `pool`: `defaults` where nothing else is set, on days of `zone`.
    pub fn new(pool: MySqlPool, defaults: Limits, zone: Tz) -> Self {
        Self { pool, defaults, zone }
    }

    /// How an account stands; `None` if there is none, or no longer.
    pub async fn show(&self, user: UserId) -> Result<Option<Standing>> {
        let found = rows::find(&mut *self.pool.acquire().await?, user).await?;
        let rules = Rules::at(self.defaults, self.zone, time::now());
        Ok(found.map(|(settings, spent)| Standing::of(rules, settings, spent)))
    }

    /// Changes the limits of an account, under the lock that its payments take.
    pub async fn change(&self, user: UserId, changes: &LimitChanges) -> Result<(), DbError> {
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("limits")).await?;
            rows::update(tx.conn().await?, user, changes).await?;
            tx.commit().await
        })
        .await
    }
}
