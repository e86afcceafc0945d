//! The copies of transactions and users. The totals go with them: see [`summaries`].

use mysql::row;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use money::{Amount, Money, TransactionId, UserId};
use mysql::{
    DbError, Unit,
    bulk::{BulkInsert, Value, list},
};
use sqlx::MySqlConnection;

use super::{
    reports, summaries,
    sync_state::{self, SyncState},
};
use crate::{
    domain::change::{Change, Status, implied_captured},
    domain::totals::{Counted, Deltas, InTotals},
};

/// Takes changes over: whatever is newer than its copy replaces it, and the totals follow in the same transaction.
/// The order of changes does not matter, nor how often one comes.
pub async fn take_over(unit: &mut Unit, changes: &[Change]) -> Result<(), DbError> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut newest: BTreeMap<TransactionId, &Change> = BTreeMap::new();
    for change in changes {
        let known = newest.entry(change.id).or_insert(change);
        if known.version < change.version {
            *known = change;
        }
    }
    // most changes are either new or known: only what is to be replaced is locked, and looked at again
    let (seen, state) = unit.read_both(select(newest.keys().copied(), ""), sync_state::select()).await?;
    let (seen, run_at) = (by_id(seen), state.first().and_then(|state: &SyncState| state.true_at));
    newest.retain(|id, change| seen.get(id).is_none_or(|copy| copy.is_replaced_by(change)));
    let known: Vec<TransactionId> = newest.keys().copied().filter(|id| seen.contains_key(id)).collect();
    let locked = match known[..] {
        [] => HashMap::new(),
        _ => by_id(unit.read(select(known, " FOR UPDATE")).await?),
    };
    let mut deltas = Deltas::default();
    let (mut added, mut changed, mut lost) = (Vec::new(), Vec::new(), Vec::new());
    for change in newest.into_values() {
        match locked.get(&change.id) {
            Some(copy) if !copy.is_replaced_by(change) => {}
            Some(copy) => {
                deltas.add(Some(copy.in_totals()), &addend(change));
                changed.push(change);
                lost.extend(
                    (copy.counts_for_sender && !change.counts_for_sender).then_some((change.id, change.sender_id)),
                );
                let for_receiver = copy.counts_for_receiver && !change.counts_for_receiver;
                lost.extend(for_receiver.then_some((change.id, change.receiver_id)));
            }
            None => {
                deltas.add(None, &addend(change));
                added.push(change);
            }
        }
    }
    // two runs may both find no copy: the second one's INSERT is a duplicate, and it starts again
    write(unit, &added, "");
    let replace = " ON DUPLICATE KEY UPDATE status = VALUES(status), version = VALUES(version),
        counts_for_sender = VALUES(counts_for_sender), counts_for_receiver = VALUES(counts_for_receiver),
        captured = VALUES(captured)";
    write(unit, &changed, replace);
    summaries::add(unit, &deltas, run_at);
    if lost.is_empty() {
        return Ok(());
    }
    unit.flush().await?;
    for (transaction, user) in lost {
        reports::forget(unit.conn().await?, transaction, user).await?;
        summaries::find_last(unit.conn().await?, user).await?;
    }
    Ok(())
}

/// What is written down of what the receiver has got. Of most it is nothing or all, which need not be.
fn captured(change: &Change) -> Option<Money> {
    let captured = change.captured();
    (captured != implied_captured(change.status, change.amount)).then_some(captured)
}

fn addend(change: &Change) -> Counted {
    Counted {
        sender_id: change.sender_id,
        receiver_id: change.receiver_id,
        is_refund: change.refund_of.is_some(),
        created_at: change.created_at,
        changed_at: change.changed_at,
        in_totals: InTotals {
            captured: change.captured(),
            for_sender: change.counts_for_sender,
            for_receiver: change.counts_for_receiver,
        },
    }
}

row! {
    /// What a copy holds that decides whether a change is newer.
    struct Stored {
        transaction_id: TransactionId,
        version: i32,
        amount: Amount,
        status: Status,
        captured: Option<Money>,
        counts_for_sender: bool,
        counts_for_receiver: bool,
    }
}

impl Stored {
    /// True for a newer version; and for the same one if the copy was made by a version of this service that counted each
    /// transaction for both parties.
    fn is_replaced_by(&self, change: &Change) -> bool {
        let counts_less = self.counts_for_sender && !change.counts_for_sender
            || self.counts_for_receiver && !change.counts_for_receiver;
        self.version < change.version || (self.version == change.version && counts_less)
    }

    fn in_totals(&self) -> InTotals {
        let captured = self.captured.unwrap_or(implied_captured(self.status, self.amount));
        InTotals { captured, for_sender: self.counts_for_sender, for_receiver: self.counts_for_receiver }
    }
}

fn select(ids: impl IntoIterator<Item = TransactionId>, lock: &'static str) -> String {
    format!(
        "SELECT transaction_id, version, amount, status, captured, counts_for_sender, counts_for_receiver FROM transactions
         WHERE transaction_id IN {} ORDER BY transaction_id{lock}",
        list(ids.into_iter().map(TransactionId::get))
    )
}

fn by_id(rows: Vec<Stored>) -> HashMap<TransactionId, Stored> {
    rows.into_iter().map(|copy| (copy.transaction_id, copy)).collect()
}

fn write(unit: &mut Unit, changes: &[&Change], on_duplicate: &'static str) {
    let mut insert = BulkInsert::new(
        "INSERT INTO transactions (transaction_id, sender_id, receiver_id, amount, status, version, created_at,
             counts_for_sender, counts_for_receiver, captured)",
    );
    for change in changes {
        insert.row(&[
            change.id.get().into(),
            change.sender_id.get().into(),
            change.receiver_id.get().into(),
            change.amount.money().into(),
            Value::Text(change.status.into()),
            i64::from(change.version).into(),
            change.created_at.into(),
            i64::from(change.counts_for_sender).into(),
            i64::from(change.counts_for_receiver).into(),
            captured(change).into(),
        ]);
    }
    unit.insert(insert.on_duplicate(on_duplicate));
}

/// Remembers users.
pub async fn take_over_users(conn: &mut MySqlConnection, users: &[UserId]) -> sqlx::Result<()> {
    let mut insert = BulkInsert::new("INSERT INTO users (user_id)");
    for user in users {
        insert.row(&[user.get().into()]);
    }
    insert.on_duplicate(" ON DUPLICATE KEY UPDATE user_id = VALUES(user_id)").execute(conn).await
}

/// True if the user has been seen before.
pub async fn is_known(conn: &mut MySqlConnection, user: UserId) -> sqlx::Result<bool> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT user_id FROM users WHERE user_id = ?").bind(user).fetch_optional(conn).await?;
    Ok(found.is_some())
}

pub(super) const OPEN: &str =
    "(SELECT transaction_id FROM transactions WHERE sender_id = ? AND status = 'processing' AND transaction_id < ?
      ORDER BY transaction_id DESC LIMIT ?)
     UNION ALL
     (SELECT transaction_id FROM transactions WHERE sender_id = ? AND status = 'pending' AND transaction_id < ?
      ORDER BY transaction_id DESC LIMIT ?)
     UNION ALL
     (SELECT transaction_id FROM transactions WHERE sender_id = ? AND status = 'scheduled' AND transaction_id < ?
      ORDER BY transaction_id DESC LIMIT ?)
     UNION ALL
     (SELECT transaction_id FROM transactions WHERE receiver_id = ? AND status = 'scheduled' AND transaction_id < ?
      ORDER BY transaction_id DESC LIMIT ?)
     UNION ALL
     (SELECT transaction_id FROM transactions WHERE receiver_id = ? AND status = 'processing' AND transaction_id < ?
      ORDER BY transaction_id DESC LIMIT ?)
     UNION ALL
     (SELECT transaction_id FROM transactions WHERE receiver_id = ? AND status = 'pending' AND transaction_id < ?
      ORDER BY transaction_id DESC LIMIT ?)";

/// The ranges of [`OPEN`]: one for each role and status.
pub(super) const OPEN_RANGES: usize = 6;

/// The transactions of `user` below `below` whose copies are open, newest first, at most `limit`: those that may have
/// changed. One index range for each role and status.
pub async fn open(
    conn: &mut MySqlConnection,
    user: UserId,
    below: Option<TransactionId>,
    limit: usize,
) -> sqlx::Result<Vec<TransactionId>> {
    let mut query = sqlx::query_scalar(OPEN);
    for _ in 0..OPEN_RANGES {
        query = query.bind(user).bind(below.map_or(i64::MAX, TransactionId::get)).bind(limit as u64);
    }
    let mut open: Vec<TransactionId> = query.fetch_all(conn).await?;
    open.sort_unstable_by_key(|id| Reverse(*id));
    open.truncate(limit);
    Ok(open)
}
