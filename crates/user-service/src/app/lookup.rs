//! Finding whom an address belongs to, a few times a minute: so that a person can confirm whom to pay, and nobody can try out
//! which addresses have accounts.

use std::time::Duration;

use fault::point;
use money::{Email, UserId};
use mysql::DbError;
use sqlx::MySqlPool;

use crate::store::lookups;

/// What came of a look-up.
pub enum Lookup {
    /// The active account with the address.
    Found {
        /// Its number.
        id: UserId,
        /// Its owner's name.
        full_name: String,
    },
    /// No account has it.
    Nobody,
    /// There were too many: this long until the next one.
    TooMany(Duration),
}

/// Looks `email` up. If it is for `caller`, that counts, whatever comes of it.
pub async fn look_up(pool: &MySqlPool, caller: Option<&str>, email: &Email) -> Result<Lookup, DbError> {
    if let Some(caller) = caller {
        let wait = mysql::retry(|_| async {
            let mut tx = mysql::begin(pool, point!("lookup")).await?;
            let wait = lookups::count(tx.conn().await?, caller).await?;
            if wait.is_none() {
                tx.commit().await?;
            }
            Ok(wait)
        })
        .await?;
        if let Some(wait) = wait {
            return Ok(Lookup::TooMany(wait));
        }
    }
    let found = lookups::find(&mut *pool.acquire().await?, &email.0).await?;
    Ok(found.map_or(Lookup::Nobody, |(id, full_name)| Lookup::Found { id, full_name }))
}
