//! What report-service keeps its copy by. Hidden transactions are included, but for the single one.

use axum::extract::State;
use chrono::{DateTime, Utc};
use common::{
    Result,
    as_of::AsOf,
    caller::Service,
    extract::{Json, Path, Query},
    labels::Reference,
    page::UpTo,
    reads::ReadPool,
    request,
};
use money::{Amount, Money, TransactionId, UserId, ids::IdList, time::Moment};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    codes,
    domain::{actor::Actor, reason::StatusReason, shares::Share, state::Status, transaction::Transaction},
    store::{
        feed::{self, Position},
        transactions as store,
    },
};

/// The most transactions in one answer.
const MAX_CHANGES: u32 = 1000;
/// The most transactions that can be asked for by id. Their numbers fit into a URL.
const MAX_IDS: usize = 1000;

/// A transaction as the feed tells it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TransactionChange")]
#[expect(clippy::struct_excessive_bools, reason = "a flat body, of which each is a fact of its own")]
pub struct Change {
    id: TransactionId,
    sender_id: UserId,
    receiver_id: UserId,
    #[schemars(with = "Money")]
    amount: Amount,
    status: Status,
    version: i32,
    created_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
    /// True once it was deleted for everybody.
    hidden: bool,
    /// True once its sender cannot see it any more.
    hidden_from_sender: bool,
    /// True once its receiver cannot see it any more.
    hidden_from_receiver: bool,
    /// False if it is none of the sender's transactions: it was refused because there is no such user, or its time has not come.
    counts_for_sender: bool,
    /// False if it is none of the receiver's transactions: it has ended, and no money was ever held for it, or its time has not come.
    counts_for_receiver: bool,
    /// Why it ended, once it has.
    status_reason: Option<StatusReason>,
    /// What the receiver has got of it.
    captured_amount: Money,
    /// What has gone back of that.
    refunded_amount: Money,
    /// If several are paid, or pay a refund: what of it is each one's. Nobody is told of another's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shares: Vec<ShareChange>,
    /// Of a refund: the transaction whose money goes back.
    refund_of: Option<TransactionId>,
    /// When it was to begin, if that was not at once: before, it counts for nobody.
    execute_at: Option<DateTime<Utc>>,
    /// When it ended; null before, and if that was not written down.
    settled_at: Option<DateTime<Utc>>,
    /// What was written on it.
    description: Option<String>,
    /// What its caller calls it.
    reference: Option<String>,
}

/// What of a transaction is one receiver's; of a refund, what one of those pays who were paid.
#[derive(Serialize, JsonSchema)]
pub struct ShareChange {
    user_id: UserId,
    amount: Money,
    /// What of that is paid.
    captured_amount: Money,
    /// True once the user cannot see the transaction any more.
    hidden: bool,
}

impl ShareChange {
    /// The share of `row` at this place, of which the first is the receiver's, or of a refund the sender's.
    fn of(row: &Transaction, place: usize, share: &Share) -> Self {
        let actor = match (place, row.refund_of) {
            (0, None) => Actor::Receiver,
            (0, Some(_)) => Actor::Sender,
            _ => Actor::Sharer(share.receiver_id),
        };
        Self {
            user_id: share.receiver_id,
            amount: share.amount,
            captured_amount: share.captured,
            hidden: row.is_hidden_from(actor),
        }
    }
}

impl From<Transaction> for Change {
    fn from(row: Transaction) -> Self {
        Self {
            id: row.id,
            sender_id: row.sender_id,
            receiver_id: row.receiver_id,
            amount: row.amount,
            status: row.status(),
            version: row.version,
            created_at: row.created_at,
            changed_at: row.changed_at,
            hidden: row.is_hidden(),
            hidden_from_sender: row.is_hidden_from(Actor::Sender),
            hidden_from_receiver: row.is_hidden_from(Actor::Receiver),
            counts_for_sender: row.counts_for_sender(),
            counts_for_receiver: row.counts_for_receiver(),
            status_reason: row.status_reason(),
            captured_amount: row.captured,
            refunded_amount: row.refunded,
            shares: row.shares.iter().enumerate().map(|(place, share)| ShareChange::of(&row, place, share)).collect(),
            refund_of: row.refund_of,
            execute_at: row.execute_at,
            settled_at: row.settled_at,
            description: (!row.description.is_empty()).then_some(row.description),
            reference: row.labels.reference.map(|Reference(text)| text),
        }
    }
}

fn bodies(rows: Vec<Transaction>) -> Json<Vec<Change>> {
    Json(rows.into_iter().map(Change::from).collect())
}

fn limit(asked: Option<UpTo<MAX_CHANGES>>) -> u32 {
    asked.map_or(MAX_CHANGES, |UpTo(limit)| limit)
}

request! {
    /// Where a reader of the feed is.
    pub struct FeedQuery {
        /// Changed at this moment or later.
        #[schemars(extend("examples" = ["2025-11-12T10:30:00Z"]))]
        since: Moment,
        /// Of those changed at exactly that moment, only ids above this one.
        after_id: Option<i64>,
        /// The most transactions to answer.
        limit: Option<UpTo<MAX_CHANGES>>,
    }
}

/// `GET /internal/transactions`: changes in order. A short answer is the end for now.
pub async fn changes(
    _: Service,
    State(reads): State<ReadPool>,
    Query(query): Query<FeedQuery>,
) -> Result<Json<Vec<Change>>> {
    let limit = limit(query.limit);
    let position = Position { changed_at: query.since.0, id: query.after_id.unwrap_or(0) };
    Ok(bodies(feed::changes(&mut *reads.acquire().await?, position, limit).await?))
}

/// `GET /internal/transactions/newest`: the one that changed last, or null: where the feed ends at this moment.
pub async fn newest(_: Service, State(reads): State<ReadPool>) -> Result<AsOf<Option<Change>>> {
    let mut conn = reads.acquire().await?;
    // the moment comes first: whatever was committed by then shows
    let moment = feed::now(&mut conn).await?;
    Ok(AsOf(feed::newest(&mut conn).await?.map(Change::from), Some(moment)))
}

request! {
    /// How far a reader of a user's transactions has come.
    pub struct UserQuery {
        /// Only ids below this one.
        before_id: Option<TransactionId>,
        /// The most transactions to answer.
        limit: Option<UpTo<MAX_CHANGES>>,
    }
}

/// `GET /internal/transactions/user/{user_id}`: the user's transactions, newest first. A short answer is the end. The first
/// page names the moment at which it was true.
pub async fn of_user(
    _: Service,
    Path(user): Path<UserId>,
    State(reads): State<ReadPool>,
    Query(query): Query<UserQuery>,
) -> Result<AsOf<Vec<Change>>> {
    let limit = limit(query.limit);
    let mut conn = reads.acquire().await?;
    let (rows, moment) = match query.before_id {
        Some(before) => (feed::of_user(&mut conn, user, Some(before), limit).await?, None),
        None => {
            let (rows, moment) = feed::newest_of_user(&mut conn, user, limit).await?;
            (rows, Some(moment))
        }
    };
    Ok(AsOf(rows.into_iter().map(Change::from).collect(), moment))
}

request! {
    /// Which transactions are asked for.
    pub struct BatchQuery {
        /// Their numbers, with commas between them.
        ids: IdList<TransactionId, MAX_IDS>,
    }
}

/// `GET /internal/transactions/batch`: those of the transactions that there are.
pub async fn batch(
    _: Service,
    State(reads): State<ReadPool>,
    Query(query): Query<BatchQuery>,
) -> Result<Json<Vec<Change>>> {
    let IdList(ids) = query.ids;
    Ok(bodies(store::find_all(&mut *reads.acquire().await?, &ids).await?))
}

/// `GET /internal/transactions/{id}`
pub async fn show(_: Service, Path(id): Path<TransactionId>, State(reads): State<ReadPool>) -> Result<Json<Change>> {
    let row = store::find(&mut *reads.acquire().await?, id).await?.filter(|row| !row.is_hidden());
    Ok(Json(row.ok_or(codes::TRANSACTION_NOT_FOUND)?.into()))
}
