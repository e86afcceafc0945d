//! Lists of transactions, newest first. Each page looks at a bounded number of them.

use common::{caller::Caller, labels::Lookup};
use money::{Amount, Money, UserId, time::Period};
use mysql::scan::{Condition, MOST_LOOKED_AT, Order, Scan, Stretch, push_created_within};
use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::{MySql, MySqlConnection, QueryBuilder};

use super::{columns, labels, shares};
use crate::domain::{actor::Actor, state::Status, transaction::Transaction};

/// What a list is narrowed to.
#[derive(Debug, Default, Clone)]
pub struct Filter {
    pub status: Option<Status>,
    /// Created within this.
    pub period: Period,
    pub min_amount: Option<Money>,
    pub max_amount: Option<Money>,
    /// Found by each of these.
    pub lookups: Vec<Lookup>,
    pub sender: Option<UserId>,
    pub receiver: Option<UserId>,
    /// Of a user's, only these.
    pub direction: Option<Direction>,
    /// With each of these in the description.
    pub words: Vec<String>,
}

/// Which of a user's transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Those that it received.
    In,
    /// Those that it sent.
    Out,
}

/// At most `rows` transactions with an id below `cursor`.
pub async fn all(
    conn: &mut MySqlConnection,
    filter: &Filter,
    cursor: Option<i64>,
    rows: u32,
) -> sqlx::Result<Stretch<Transaction>> {
    let mut found = everybodys(conn, filter, cursor, rows).await?;
    found.items.retain(|row| filter.suits(row.amount));
    Ok(found)
}

async fn everybodys(
    conn: &mut MySqlConnection,
    filter: &Filter,
    cursor: Option<i64>,
    rows: u32,
) -> sqlx::Result<Stretch<Transaction>> {
    if let Some(lookup) = filter.lookups.first() {
        return labelled(conn, None, lookup, ANYBODYS, filter, cursor, rows).await;
    }
    if let Some(user) = filter.sender {
        return scan(conn, BY_SENDER, &|q| _ = q.push("sender_id = ").push_bind(user), ANYBODYS, filter, cursor, rows)
            .await;
    }
    if let Some(user) = filter.receiver {
        return scan(
            conn,
            BY_RECEIVER,
            &|q| _ = q.push("receiver_id = ").push_bind(user),
            ANYBODYS,
            filter,
            cursor,
            rows,
        )
        .await;
    }
    match filter.status {
        None | Some(Status::Completed) => {
            scan(conn, BY_ID, &|q| _ = q.push("TRUE"), ANYBODYS, filter, cursor, rows).await
        }
        // these are few, and as none is due ever again the index has them in the order of their ids
        Some(status @ (Status::Failed | Status::Cancelled)) => {
            let ended = |query: &mut QueryBuilder<MySql>| {
                query.push("due_at IS NULL AND status = ").push_bind(status);
            };
            scan(conn, BY_STATUS, &ended, ANYBODYS, filter, cursor, rows).await
        }
        // these are open, and the index has them in another order
        Some(status @ (Status::Scheduled | Status::Processing | Status::Pending)) => {
            if are_many(conn, status).await? {
                scan(conn, BY_ID, &|q| _ = q.push("TRUE"), ANYBODYS, filter, cursor, rows).await
            } else {
                few(conn, status, filter, cursor, rows).await
            }
        }
    }
}

// What `Transaction::is_senders` and `is_receivers` say, less what the party has deleted.
const SENDERS: &str = "hidden_from_sender_at IS NULL
    AND (accepted_at IS NOT NULL OR failure IS NULL OR failure NOT IN ('user_not_found', 'not_reached'))";
const RECEIVERS: &str = "hidden_from_receiver_at IS NULL AND accepted_at IS NOT NULL";
/// For those who see everybody's.
const ANYBODYS: Condition<'static> = &|query| _ = query.push("TRUE");

/// Those that `user` sent or received, as the user sees them. One index range for each role, merged here: a single query for
/// both would have to sort all of them.
pub async fn of_user(
    conn: &mut MySqlConnection,
    user: UserId,
    filter: &Filter,
    cursor: Option<i64>,
    rows: u32,
) -> sqlx::Result<Stretch<Transaction>> {
    let is_or_any = |party: Option<UserId>| party.is_none_or(|party| party == user);
    let wants_sent = filter.direction != Some(Direction::In) && is_or_any(filter.sender);
    let wants_received = filter.direction != Some(Direction::Out) && is_or_any(filter.receiver);
    // a list of what another table leads to is narrowed to the parties here
    let narrowed = Filter { sender: None, receiver: None, ..filter.clone() };
    let shared = Shared::of(user, filter);
    if let Some(lookup) = filter.lookups.first() {
        if !wants_sent && !wants_received && !shared.is_any() {
            return Ok(Stretch { items: Vec::new(), reached: None });
        }
        let visible = |query: &mut QueryBuilder<MySql>| {
            query.push("(FALSE");
            if wants_sent {
                query.push(" OR (sender_id = ").push_bind(user).push(format_args!(" AND {SENDERS}"));
                push_is(query, "receiver_id", filter.receiver);
                query.push(")");
            }
            if wants_received {
                query.push(" OR (receiver_id = ").push_bind(user).push(format_args!(" AND {RECEIVERS}"));
                push_is(query, "sender_id", filter.sender);
                query.push(")");
            }
            if shared.is_any() {
                query.push(" OR (");
                shared.push(query);
                query.push(format_args!(" AND id IN (SELECT id FROM {} WHERE user_id = ", shares::TABLE));
                query.push_bind(user).push("))");
            }
            query.push(")");
        };
        let found = labelled(conn, Some(user), lookup, &visible, &narrowed, cursor, rows).await?;
        return Ok(seen_by(user, filter, found));
    }
    let mut stretches = Vec::new();
    if wants_sent {
        let sent = |query: &mut QueryBuilder<MySql>| _ = query.push("sender_id = ").push_bind(user);
        stretches.push(scan(conn, BY_SENDER, &sent, &|query| _ = query.push(SENDERS), filter, cursor, rows).await?);
    }
    if wants_received {
        let received = |query: &mut QueryBuilder<MySql>| _ = query.push("receiver_id = ").push_bind(user);
        stretches
            .push(scan(conn, BY_RECEIVER, &received, &|query| _ = query.push(RECEIVERS), filter, cursor, rows).await?);
    }
    if shared.is_any() {
        let range = |query: &mut QueryBuilder<MySql>| _ = query.push("user_id = ").push_bind(user);
        let visible = |query: &mut QueryBuilder<MySql>| shared.push(query);
        stretches
            .push(looked_up(conn, (shares::TABLE, shares::INDEX), &range, &visible, &narrowed, cursor, rows).await?);
    }
    Ok(seen_by(user, filter, Stretch::merge(stretches, rows, |row| row.id.get())))
}

/// Those of which a user has a share, beyond the first: payments that it received, and refunds that it paid a part of. They are narrowed
/// to the parties here, since in its view it is the receiver, or of a refund the sender.
struct Shared {
    wants_received: bool,
    wants_paid_back: bool,
    sender: Option<UserId>,
    receiver: Option<UserId>,
}

impl Shared {
    fn of(user: UserId, filter: &Filter) -> Self {
        let is_or_any = |party: Option<UserId>| party.is_none_or(|party| party == user);
        Self {
            wants_received: filter.direction != Some(Direction::Out) && is_or_any(filter.receiver),
            wants_paid_back: filter.direction != Some(Direction::In) && is_or_any(filter.sender),
            sender: filter.sender,
            receiver: filter.receiver,
        }
    }

    fn is_any(&self) -> bool {
        self.wants_received || self.wants_paid_back
    }

    /// Appends the condition that one of them is shown.
    fn push(&self, query: &mut QueryBuilder<MySql>) {
        query.push("(accepted_at IS NOT NULL AND (FALSE");
        if self.wants_received {
            query.push(" OR (refund_of IS NULL");
            push_is(query, "sender_id", self.sender);
            query.push(")");
        }
        if self.wants_paid_back {
            query.push(" OR (refund_of IS NOT NULL");
            push_is(query, "receiver_id", self.receiver);
            query.push(")");
        }
        query.push("))");
    }
}

/// Appends the condition that a column has this party, if one is wanted.
fn push_is(query: &mut QueryBuilder<MySql>, column: &str, party: Option<UserId>) {
    if let Some(party) = party {
        query.push(format_args!(" AND {column} = ")).push_bind(party);
    }
}

/// What was found, as `user` sees it. Its own share is what the filter by amount is about; and what it has deleted of those that it has a
/// share of, and a refund of which it pays nothing, is left out.
fn seen_by(user: UserId, filter: &Filter, found: Stretch<Transaction>) -> Stretch<Transaction> {
    let is_shown = |row: &Transaction| {
        let is_nothing = row.is_none_of_the_first() && row.sender_id == user;
        !is_nothing && !row.is_hidden_from(Actor::of(Caller::User(user), row))
    };
    let items = found
        .items
        .into_iter()
        .filter(is_shown)
        .map(|row| row.seen_by(Some(user)))
        .filter(|row| filter.suits(row.amount))
        .collect();
    Stretch { items, reached: found.reached }
}

/// Those that `user`, or whoever sees everybody's, finds by `lookup`. Their labels are looked at, newest first, and of each whether
/// its transaction is shown.
async fn labelled(
    conn: &mut MySqlConnection,
    user: Option<UserId>,
    lookup: &Lookup,
    visible: Condition<'_>,
    filter: &Filter,
    cursor: Option<i64>,
    rows: u32,
) -> sqlx::Result<Stretch<Transaction>> {
    let range = |query: &mut QueryBuilder<MySql>| labels::push_range(query, user, lookup);
    looked_up(conn, ("transaction_labels", labels::INDEX), &range, visible, filter, cursor, rows).await
}

/// Those that a `range` of another table leads to, of which each entry has a transaction's id.
async fn looked_up(
    conn: &mut MySqlConnection,
    (table, index): (&str, &str),
    range: Condition<'_>,
    visible: Condition<'_>,
    filter: &Filter,
    cursor: Option<i64>,
    rows: u32,
) -> sqlx::Result<Stretch<Transaction>> {
    let shown = |query: &mut QueryBuilder<MySql>| filter.push_shown(query, visible);
    let of_entry = |query: &mut QueryBuilder<MySql>| {
        query.push("COALESCE((SELECT ");
        shown(query);
        query.push(format!(" FROM transactions WHERE transactions.id = {table}.id), FALSE)"));
    };
    let order = Order::NewestFirst;
    let found = Scan { columns: "id", table, index, range, filter: &of_entry, order, id: |row: &(i64,)| row.0 }
        .read(conn, cursor, rows)
        .await?;
    let ids: Vec<i64> = found.items.into_iter().map(|(id,)| id).collect();
    let items = whole(BY_ID, &|query| _ = query.push("TRUE"), &shown).find(conn, &ids).await?;
    Ok(Stretch { items, reached: found.reached })
}

// Indexes that have their range in the order of the ids.
const BY_ID: &str = "PRIMARY";
const BY_STATUS: &str = "transactions_due";
const BY_SENDER: &str = "transactions_of_sender";
const BY_RECEIVER: &str = "transactions_of_receiver";

async fn scan(
    conn: &mut MySqlConnection,
    index: &str,
    range: Condition<'_>,
    visible: Condition<'_>,
    filter: &Filter,
    cursor: Option<i64>,
    rows: u32,
) -> sqlx::Result<Stretch<Transaction>> {
    let filter = |query: &mut QueryBuilder<MySql>| filter.push_shown(query, visible);
    whole(index, range, &filter).read(conn, cursor, rows).await
}

/// A range of whole transactions.
fn whole<'a>(index: &'a str, range: Condition<'a>, filter: Condition<'a>) -> Scan<'a, Transaction> {
    let (columns, table, order) = (columns!(), "transactions", Order::NewestFirst);
    Scan { columns, table, index, range, filter, order, id: |row: &Transaction| row.id.get() }
}

/// True if there are more transactions in this status than a page may look at.
async fn are_many(conn: &mut MySqlConnection, status: Status) -> sqlx::Result<bool> {
    let beyond: Option<i64> = sqlx::query_scalar(
        "SELECT id FROM transactions FORCE INDEX (transactions_due) WHERE status = ? LIMIT 1 OFFSET ?",
    )
    .bind(status)
    .bind(MOST_LOOKED_AT)
    .fetch_optional(conn)
    .await?;
    Ok(beyond.is_some())
}

/// Of a status in which few transactions are: all of them are looked at, and sorted.
async fn few(
    conn: &mut MySqlConnection,
    status: Status,
    filter: &Filter,
    cursor: Option<i64>,
    rows: u32,
) -> sqlx::Result<Stretch<Transaction>> {
    let mut query: QueryBuilder<MySql> = QueryBuilder::new(concat!(
        "SELECT ",
        columns!(),
        " FROM transactions FORCE INDEX (transactions_due) WHERE status = "
    ));
    query.push_bind(status);
    query.push(" AND id < ").push_bind(cursor.unwrap_or(i64::MAX)).push(" AND ");
    filter.push(&mut query);
    query.push(" ORDER BY id DESC LIMIT ").push_bind(rows);
    let items: Vec<Transaction> = query.build_query_as().fetch_all(conn).await?;
    let reached = items.last().filter(|_| items.len() == rows as usize).map(|row| row.id.get());
    Ok(Stretch { items, reached })
}

impl Filter {
    /// Appends the condition of what a list shows of those that are `visible`.
    fn push_shown(&self, query: &mut QueryBuilder<MySql>, visible: Condition<'_>) {
        visible(query);
        query.push(" AND ");
        self.push(query);
    }

    /// Appends the condition of what a list shows.
    fn push(&self, query: &mut QueryBuilder<MySql>) {
        query.push("hidden_at IS NULL");
        if let Some(status) = self.status {
            query.push(" AND status = ").push_bind(status);
        }
        push_created_within(query, self.period);
        // whoever has a share must not find out about the others' by narrowing a list: those are narrowed once it is known who asks
        if let Some(least) = self.min_amount {
            query.push(" AND (shares IS NOT NULL OR amount >= ").push_bind(least).push(")");
        }
        if let Some(most) = self.max_amount {
            query.push(" AND (shares IS NOT NULL OR amount <= ").push_bind(most).push(")");
        }
        if let Some(sender) = self.sender {
            query.push(" AND sender_id = ").push_bind(sender);
        }
        if let Some(receiver) = self.receiver {
            query.push(" AND receiver_id = ").push_bind(receiver);
        }
        for lookup in self.lookups.iter().skip(1) {
            labels::push_has(query, lookup);
        }
        for word in &self.words {
            query.push(" AND description LIKE ").push_bind(containing(word)).push(" ESCAPE '!'");
        }
    }
}

impl Filter {
    /// True for an amount within the bounds, as whoever asks sees it.
    fn suits(&self, amount: Amount) -> bool {
        let amount = amount.money();
        self.min_amount.is_none_or(|least| amount >= least) && self.max_amount.is_none_or(|most| amount <= most)
    }
}

/// The pattern of a text that has `word` in it.
fn containing(word: &str) -> String {
    let mut pattern = String::from("%");
    for char in word.chars() {
        if matches!(char, '!' | '%' | '_') {
            pattern.push('!');
        }
        pattern.push(char);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests;
