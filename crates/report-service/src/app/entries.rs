//! What is answered of the entries: as they stand once what is new is taken over, with what is written on their transactions, and
//! with the names of those on their other side.

use std::{
    collections::{BTreeSet, HashMap},
    ops::{Deref, DerefMut},
};

use chrono::{DateTime, Utc};
use common::{Result, error::error_chain, reads};
use fault::point;
use money::{Money, TransactionId, UserId, time};
use mysql::DbError;
use sqlx::MySqlConnection;

use super::sync::{OVERLAP, Sync, Taken};
use crate::{
    clients::MAX_IDS,
    codes,
    domain::entry::{Entry, Whose},
    store::{
        copies::{self, Text},
        entries::{self as store, Current},
        names::{self, Kept},
    },
};

/// The name of whoever has closed its account.
const CLOSED: &str = "Closed account";
/// The name of whom nobody knows at the moment.
const UNKNOWN: &str = "Unknown";

/// The entries as they stood at one moment, to be read with the store's functions.
pub struct Snapshot {
    /// Which entries, and before which moment all that was committed is among them.
    pub current: Current,
    conn: reads::Snapshot,
}

impl Deref for Snapshot {
    type Target = MySqlConnection;
    fn deref(&self) -> &MySqlConnection {
        &self.conn
    }
}

impl DerefMut for Snapshot {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        &mut self.conn
    }
}

/// What a user could spend at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Balance {
    /// How much.
    pub balance: Money,
    /// All that was committed before this moment counts.
    pub moment: DateTime<Utc>,
}

/// Before which moment all that was committed is among the entries: the one that is noted, or a newer one that they were taken over at.
fn true_at(current: Current, taken: Option<Taken>) -> DateTime<Utc> {
    let of_these = taken.filter(|taken| taken.generation == current.generation);
    of_these.map_or(current.true_at, |taken| taken.moment.max(current.true_at))
}

impl Sync {
    /// Takes over what is new, and gives the entries as they stand then, for what `user` may see, or for anybody. 503 if nothing was
    /// ever taken over.
    pub async fn entries(&self, user: Option<UserId>) -> Result<Snapshot> {
        let taken = self.take_over_new_entries().await;
        let mut conn = self.reads.snapshot_for(user).await?;
        let mut current = store::current(&mut conn).await?.ok_or(codes::SERVICE_UNAVAILABLE)?;
        current.true_at = true_at(current, taken);
        Ok(Snapshot { current, conn })
    }

    /// What a user could spend before `at`. 404 unless there is, or was, such a user. What is long past is known, and the ledger
    /// is not asked for it.
    pub async fn balance(&self, whose: Whose, at: DateTime<Utc>) -> Result<Balance> {
        let settled = at.checked_add_signed(OVERLAP).filter(|settled| *settled <= time::now());
        let known = match settled {
            Some(settled) => self.balances.find((whose, at)).await?.filter(|found| found.current.true_at >= settled),
            None => None,
        };
        let (found, taken) = match known {
            Some(found) => (found, None),
            None => {
                let taken = self.take_over_new_entries().await;
                (self.balances.find((whose, at)).await?.ok_or(codes::SERVICE_UNAVAILABLE)?, taken)
            }
        };
        if !found.is_known {
            self.must_exist(whose.user).await?;
        }
        Ok(Balance { balance: found.balance.unwrap_or_default(), moment: true_at(found.current, taken) })
    }

    /// 404 unless there is such a user, or was: one that is closed has its entries.
    pub async fn must_have_existed(&self, user: UserId) -> Result<()> {
        let is_known = {
            let mut conn = self.reads.acquire().await?;
            let current = store::current(&mut conn).await?;
            copies::is_known(&mut conn, user).await?
                || match current {
                    Some(current) => store::has_any(&mut conn, current.generation, user).await?,
                    None => false,
                }
        };
        if !is_known {
            self.must_exist(user).await?;
        }
        Ok(())
    }

    /// Writes what stands on their transactions on entries. What is settled is in the copy; the rest is asked for again.
    pub async fn write_texts(&self, entries: &mut [Entry]) -> Result<()> {
        let transactions: BTreeSet<TransactionId> = entries.iter().filter_map(|entry| entry.transaction_id).collect();
        let transactions: Vec<TransactionId> = transactions.into_iter().collect();
        let mut texts = self.texts(&transactions).await?;
        let is_settled = |id: &TransactionId| texts.get(id).is_some_and(|text| !text.status.is_open());
        let open: Vec<TransactionId> = transactions.into_iter().filter(|id| !is_settled(id)).collect();
        for ids in open.chunks(MAX_IDS) {
            match self.transactions.batch(ids).await {
                Ok(changes) => {
                    self.take_over(&changes).await?;
                    texts.extend(self.texts(ids).await?);
                }
                Err(error) => {
                    tracing::warn!(error = error_chain(&error), "answering from the copy");
                    break;
                }
            }
        }
        for entry in entries {
            let Some(text) = entry.transaction_id.and_then(|id| texts.get(&id)) else { continue };
            entry.reference = text.reference.clone().or(entry.reference.take());
            entry.description.clone_from(&text.description);
        }
        Ok(())
    }

    async fn texts(&self, transactions: &[TransactionId]) -> Result<HashMap<TransactionId, Text>> {
        let texts = copies::texts(&mut *self.pool.acquire().await?, transactions).await?;
        Ok(texts.into_iter().map(|text| (text.transaction_id, text)).collect())
    }

    /// The display names of `users`; the last known ones if user-service is away.
    pub async fn names(&self, users: impl IntoIterator<Item = UserId>) -> Result<HashMap<UserId, String>> {
        let users: BTreeSet<UserId> = users.into_iter().collect();
        let users: Vec<UserId> = users.into_iter().collect();
        if users.is_empty() {
            return Ok(HashMap::new());
        }
        // what is kept is read first: of who is closed before the answer is there, no name is kept
        let kept = names::find(&mut *self.pool.acquire().await?, &users).await?;
        let asked = self.users.names(&users).await;
        let (mut names, missing) = match asked {
            Ok(names) => {
                let names: HashMap<UserId, String> = names.into_iter().collect();
                self.keep_names(&users, &kept, &names).await?;
                (names, CLOSED)
            }
            Err(error) => {
                tracing::warn!(error = error_chain(&error), "answering with the names that are known");
                (kept.names, UNKNOWN)
            }
        };
        for user in users {
            names.entry(user).or_insert_with(|| missing.to_owned());
        }
        Ok(names)
    }

    /// Keeps what has changed of the names of `users`.
    async fn keep_names(&self, users: &[UserId], kept: &Kept, names: &HashMap<UserId, String>) -> Result<(), DbError> {
        let gone: Vec<UserId> =
            users.iter().copied().filter(|user| kept.names.contains_key(user) && !names.contains_key(user)).collect();
        let changed: Vec<_> = names.iter().filter(|(user, name)| kept.names.get(user) != Some(name)).collect();
        if gone.is_empty() && changed.is_empty() {
            return Ok(());
        }
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.pool, point!("names")).await?;
            names::write(&mut tx, kept, changed.iter().map(|(user, name)| (**user, name.as_str())));
            names::forget(&mut tx, &gone);
            tx.commit().await
        })
        .await
    }
}
