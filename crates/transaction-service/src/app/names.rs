//! The names of those who pay and are paid, as they are shown to each other.

use std::collections::{BTreeSet, HashMap};

use common::{Result, caller::account::MAX_ASKED};
use futures::future::try_join_all;
use money::UserId;

use super::transfers::Transfers;

/// The display names of accounts.
pub struct Names(HashMap<UserId, String>);

impl Names {
    /// How an account is shown that is closed, or that there never was.
    const CLOSED: &str = "Closed account";

    /// How the account of `user` is shown.
    pub fn of(&self, user: UserId) -> String {
        self.0.get(&user).map_or(Self::CLOSED, String::as_str).to_owned()
    }
}

impl Transfers {
    /// The display names of `users`, at most [`MAX_ASKED`] in one call. 503 `service_unavailable` while user-service is away.
    pub async fn names(&self, users: impl IntoIterator<Item = UserId>) -> Result<Names> {
        let users: BTreeSet<UserId> = users.into_iter().collect();
        let users: Vec<UserId> = users.into_iter().collect();
        let found = try_join_all(users.chunks(MAX_ASKED).map(|some| self.0.users.names(some))).await?;
        Ok(Names(found.into_iter().flatten().collect()))
    }
}
