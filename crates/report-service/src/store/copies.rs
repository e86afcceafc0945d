//! The copies of transactions and users. The totals go with them: see [`summaries`].

use mysql::row;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    iter,
};

use chrono_tz::Tz;
use money::{Amount, Money, TransactionId, UserId};
use mysql::{
    DbError, Unit,
    bulk::{BulkInsert, Value, list},
};
use sqlx::{MySqlConnection, QueryBuilder};

use super::{
    overview, reports, shares, summaries,
    sync_state::{self, SyncState},
};
use crate::{
    domain::change::{Change, ShareChange, Status, implied_captured},
    domain::overview::{Counted as InOverview, OverviewDeltas},
    domain::totals::{Counted, Deltas, InTotals},
};

/// Takes changes over: whatever is newer than its copy replaces it, and the totals follow in the same transaction.
/// The order of changes does not matter, nor how often one comes. With a `zone` they are counted in the overview too, on the days of
/// that zone: large pages are, since each of them changes the same few rows.
pub async fn take_over(unit: &mut Unit, changes: &[Change], zone: Option<Tz>) -> Result<(), DbError> {
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
    newest.retain(|id, change| seen.get(id).is_none_or(|copy| copy.is_behind(change, zone)));
    let known: Vec<TransactionId> = newest.keys().copied().filter(|id| seen.contains_key(id)).collect();
    let locked = match known[..] {
        [] => HashMap::new(),
        _ => by_id(unit.read(select(known, " FOR UPDATE")).await?),
    };
    let (mut deltas, mut counts, mut counted) = (Deltas::default(), OverviewDeltas::default(), HashMap::new());
    let (mut added, mut changed, mut recounted, mut lost) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for change in newest.into_values() {
        let copy = locked.get(&change.id);
        if let Some(zone) = zone.filter(|zone| copy.is_none_or(|copy| copy.is_counted_before(change, *zone))) {
            let before = overview::counted(copy.and_then(|copy| copy.counted.as_deref()))?;
            let after = InOverview::of(change, zone);
            counts.add(before.as_ref(), &after);
            counted.insert(change.id, overview::written(&after));
            recounted.extend(copy.map(|_| change));
        }
        match copy {
            Some(copy) if !copy.is_replaced_by(change) => {}
            Some(copy) => {
                replace(&mut deltas, copy, change)?;
                changed.push(change);
                let for_sender = copy.counts_for_sender && !change.counts_for_sender;
                let for_receiver = copy.counts_for_receiver && !change.counts_for_receiver;
                lost.extend(for_sender.then_some((change.id, change.sender_id)));
                lost.extend(for_receiver.then_some((change.id, change.receiver_id)));
                let for_sharers = if change.refund_of.is_some() { for_sender } else { for_receiver };
                let others = change.shares.iter().skip(1).filter(|_| for_sharers);
                lost.extend(others.map(|share| (change.id, share.user_id)));
            }
            None => {
                for after in &addends(change) {
                    deltas.add(None, after);
                }
                added.push(change);
            }
        }
    }
    // two runs may both find no copy: the second one's INSERT is a duplicate, and it starts again
    write(unit, &added, &counted, "");
    let replace = " ON DUPLICATE KEY UPDATE status = VALUES(status), version = VALUES(version),
        counts_for_sender = VALUES(counts_for_sender), counts_for_receiver = VALUES(counts_for_receiver),
        captured = VALUES(captured), shares = VALUES(shares), description = VALUES(description),
        reference = VALUES(reference), settled_at = VALUES(settled_at)";
    write(unit, &changed, &counted, replace);
    write(unit, &recounted, &counted, " ON DUPLICATE KEY UPDATE counted = VALUES(counted)");
    shares::write(unit, added.iter().chain(&changed).copied());
    summaries::add(unit, &deltas, run_at);
    overview::add(unit, &counts.changes());
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

/// Counts a change in place of its copy.
fn replace(deltas: &mut Deltas, copy: &Stored, change: &Change) -> sqlx::Result<()> {
    if copy.lacks_shares(change) {
        // a version of this service that knows no shares has counted all of it for the first receiver
        let nothing = InTotals { captured: Money::ZERO, for_sender: false, for_receiver: false };
        deltas.add(Some(copy.whole()), &Counted { in_totals: nothing, ..counted(change) });
        for after in &addends(change) {
            deltas.add(None, after);
        }
        return Ok(());
    }
    for (before, after) in copy.in_totals(change)?.into_iter().zip(&addends(change)) {
        deltas.add(Some(before), after);
    }
    Ok(())
}

/// A transaction as it counts for two parties.
fn counted(change: &Change) -> Counted {
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

/// What transactions come to in the totals of their parties, from nothing.
pub fn count(changes: &[Change]) -> Deltas {
    let mut deltas = Deltas::default();
    for after in changes.iter().flat_map(addends) {
        deltas.add(None, &after);
    }
    deltas
}

/// What a transaction adds to the totals of its parties. If several are paid each one's share adds to its own: the sender's part comes first,
/// then each share. Of a refund it is the other way round.
fn addends(change: &Change) -> Vec<Counted> {
    let in_totals = |captured, for_sender, for_receiver| InTotals { captured, for_sender, for_receiver };
    let whole = counted(change);
    if change.shares.is_empty() {
        return vec![whole];
    }
    let of_one = whole.in_totals.of_one(whole.is_refund);
    let of_share = |share: &ShareChange| {
        let counts = change.counts_for_share(share);
        let in_totals = in_totals(share.captured_amount, counts && whole.is_refund, counts && !whole.is_refund);
        if whole.is_refund {
            Counted { sender_id: share.user_id, in_totals, ..whole }
        } else {
            Counted { receiver_id: share.user_id, in_totals, ..whole }
        }
    };
    iter::once(Counted { in_totals: of_one, ..whole }).chain(change.shares.iter().map(of_share)).collect()
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
        shares: Option<String>,
        description: Option<String>,
        reference: Option<String>,
        counted: Option<String>,
    }
}

impl Stored {
    /// True if something is to be done about `change`.
    fn is_behind(&self, change: &Change, zone: Option<Tz>) -> bool {
        self.is_replaced_by(change) || zone.is_some_and(|zone| self.is_counted_before(change, zone))
    }

    /// True if the overview does not count it as it is to be counted: a copy may be newer than what is counted of it.
    fn is_counted_before(&self, change: &Change, zone: Tz) -> bool {
        let counted = overview::counted(self.counted.as_deref()).ok().flatten();
        counted.is_none_or(|counted| counted.is_behind(change, zone))
    }

    /// True for a newer version; and for the same one if the copy was made by a version of this service that counted each
    /// transaction for both parties, or kept nothing of what was written on it.
    fn is_replaced_by(&self, change: &Change) -> bool {
        let counts_less = self.counts_for_sender && !change.counts_for_sender
            || self.counts_for_receiver && !change.counts_for_receiver;
        let lacks_texts = change.description.is_some() && self.description.is_none()
            || change.reference.is_some() && self.reference.is_none();
        let is_other = counts_less || lacks_texts || self.lacks_shares(change);
        self.version < change.version || (self.version == change.version && is_other)
    }

    /// True if the copy was made by a version of this service that knows no shares.
    fn lacks_shares(&self, change: &Change) -> bool {
        self.shares.is_none() && !change.shares.is_empty()
    }

    /// What of it is in the totals of two parties.
    fn whole(&self) -> InTotals {
        let captured = self.captured.unwrap_or(implied_captured(self.status, self.amount));
        InTotals { captured, for_sender: self.counts_for_sender, for_receiver: self.counts_for_receiver }
    }

    /// What of it is in the totals of its parties, in the order of the [`addends`] of its `change`.
    fn in_totals(&self, change: &Change) -> sqlx::Result<Vec<InTotals>> {
        let whole = self.whole();
        if change.shares.is_empty() {
            return Ok(vec![whole]);
        }
        let is_refund = change.refund_of.is_some();
        let of_share = |(share, captured): (&ShareChange, Money)| {
            let counts = share.amount != Money::ZERO;
            InTotals {
                captured,
                for_sender: counts && is_refund && self.counts_for_sender,
                for_receiver: counts && !is_refund && self.counts_for_receiver,
            }
        };
        let captured = shares::captured(self.shares.as_deref())?;
        Ok(iter::once(whole.of_one(is_refund)).chain(change.shares.iter().zip(captured).map(of_share)).collect())
    }
}

fn select(ids: impl IntoIterator<Item = TransactionId>, lock: &'static str) -> String {
    format!(
        "SELECT transaction_id, version, amount, status, captured, counts_for_sender, counts_for_receiver, shares,
             description, reference, counted
         FROM transactions
         WHERE transaction_id IN {} ORDER BY transaction_id{lock}",
        list(ids.into_iter().map(TransactionId::get))
    )
}

fn by_id(rows: Vec<Stored>) -> HashMap<TransactionId, Stored> {
    rows.into_iter().map(|copy| (copy.transaction_id, copy)).collect()
}

fn write(unit: &mut Unit, changes: &[&Change], counted: &HashMap<TransactionId, String>, on_duplicate: &'static str) {
    let mut insert = BulkInsert::new(
        "INSERT INTO transactions (transaction_id, sender_id, receiver_id, amount, status, version, created_at,
             counts_for_sender, counts_for_receiver, captured, shares, description, reference, counted, settled_at)",
    );
    for change in changes {
        let shares = shares::written(change);
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
            shares.as_deref().into(),
            change.description.as_deref().into(),
            change.reference.as_deref().into(),
            counted.get(&change.id).map(String::as_str).into(),
            change.ended_at().into(),
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

row! {
    /// What was written on a transaction, as far as its copy knows.
    #[derive(Debug, Clone)]
    pub struct Text {
        pub transaction_id: TransactionId,
        pub status: Status,
        pub description: Option<String>,
        pub reference: Option<String>,
    }
}

pub(super) const TEXTS: &str =
    "SELECT transaction_id, status, description, reference FROM transactions WHERE transaction_id IN ";

/// What was written on those of `transactions` that have a copy.
pub async fn texts(conn: &mut MySqlConnection, transactions: &[TransactionId]) -> sqlx::Result<Vec<Text>> {
    if transactions.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(TEXTS);
    mysql::push_list(&mut query, transactions.iter().copied());
    query.build_query_as().fetch_all(conn).await
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
      ORDER BY transaction_id DESC LIMIT ?)
     UNION ALL
     (SELECT transaction_id FROM transaction_shares WHERE user_id = ? AND is_open = 1 AND transaction_id < ?
      ORDER BY transaction_id DESC LIMIT ?)";

/// The ranges of [`OPEN`]: one for each role and status, and one for shares.
pub(super) const OPEN_RANGES: usize = 7;

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
    open.dedup(); // of several receivers the first is found twice
    open.truncate(limit);
    Ok(open)
}
