//! Batches and their items.

use chrono::{DateTime, Utc};
use fault::point;
use money::{BatchId, TransactionId, time};
use mysql::{
    DbError, Unit,
    bulk::{BulkInsert, Value, literal},
    row,
};
use sqlx::{MySqlConnection, MySqlPool};

use super::{SETTLE_AFTER_SECONDS, changes, intents, transactions};
use crate::domain::{
    batch::{Batch, Fault, Item, NewBatch},
    intent::{Intent, NewTransaction, Request},
    step::{Failure, StepOutcome},
    transaction::Transaction,
    transition::{ChangeRequest, Transition},
};

/// What became of a batch that was to be written.
pub enum Inserted {
    /// It is written, with these transactions, whose first steps are outstanding.
    New(BatchId, Vec<Transaction>),
    /// The request is known; this is what it made.
    Before(Batch),
}

/// Commits a batch with the intents of all its transactions, unless its request is known.
pub async fn insert(pool: &MySqlPool, new: &NewBatch) -> Result<Inserted, DbError> {
    mysql::retry(|attempt| async move {
        if attempt > 1
            && let Some(known) = find_request(&mut *pool.acquire().await?, &new.request.identity).await?
        {
            return Ok(Inserted::Before(known));
        }
        let mut tx = mysql::begin(pool, point!("batch")).await?;
        let (id, rows) = write(&mut tx, new).await?;
        tx.commit().await?;
        Ok(Inserted::New(id, rows))
    })
    .await
}

async fn write(unit: &mut Unit, new: &NewBatch) -> Result<(BatchId, Vec<Transaction>), DbError> {
    let NewBatch { request, actor, is_atomic, items } = new;
    let due = if *is_atomic { Value::InSeconds(SETTLE_AFTER_SECONDS) } else { Value::Null };
    let mut insert = BulkInsert::new("INSERT INTO batches (is_atomic, due_at, actor, request, fingerprint)");
    insert.row(&[
        i64::from(*is_atomic).into(),
        due,
        Value::Text(actor),
        Value::Text(&request.identity),
        Value::Bytes(&request.fingerprint),
    ]);
    unit.insert_for_ids(insert);
    let id = BatchId::try_from(unit.flush_for_ids().await?[0]).expect("generated ids are positive");

    let now = time::now();
    let intent = |(item, transaction): (usize, &NewTransaction)| Intent {
        new: NewTransaction { batch_id: Some(id), ..transaction.clone() },
        request: Request { identity: format!("batch {id} {item}"), fingerprint: request.fingerprint.clone() },
        actor: actor.clone(),
        now,
    };
    let made = items.iter().enumerate().filter_map(|(item, new)| Some((item, new.as_ref().ok()?)));
    let intents: Vec<Intent> = made.map(intent).collect();
    let intents: Vec<&Intent> = intents.iter().collect();
    // an atomic batch is settled as a whole: its transactions are never due by themselves
    let due = if *is_atomic { Value::Null } else { Value::InSeconds(SETTLE_AFTER_SECONDS) };
    unit.insert_for_ids(intents::insertion(&intents, due));
    let ids = if intents.is_empty() { Vec::new() } else { unit.flush_for_ids().await? };
    intents::find_by(unit, &ids, &intents);

    let mut insert = BulkInsert::new("INSERT INTO batch_items (batch_id, item, transaction_id, fault)");
    let mut numbers = ids.iter();
    for (place, item) in (0_i64..).zip(items) {
        let fault = item.as_ref().err().map(|fault| serde_json::to_string(fault).expect("texts can be written"));
        let transaction = item.as_ref().ok().and_then(|_| numbers.next().copied());
        insert.row(&[id.get().into(), place.into(), transaction.into(), fault.as_deref().into()]);
    }
    unit.insert(insert);
    let number = |id: i64| TransactionId::try_from(id).expect("generated ids are positive");
    Ok((id, intents.iter().zip(ids).map(|(intent, id)| intent.transaction(number(id))).collect()))
}

row! {
    struct Row {
        id: BatchId,
        is_atomic: bool,
        actor: String,
        fingerprint: Vec<u8>,
        created_at: DateTime<Utc>,
    }
}

impl From<Row> for Batch {
    fn from(Row { id, is_atomic, actor, fingerprint, created_at }: Row) -> Self {
        Self { id, is_atomic, actor, fingerprint, created_at }
    }
}

const BATCH: &str = "SELECT id, is_atomic, actor, fingerprint, created_at FROM batches WHERE ";

/// The batch `id`.
pub async fn find(conn: &mut MySqlConnection, id: BatchId) -> sqlx::Result<Option<Batch>> {
    let sql = sqlx::AssertSqlSafe(format!("{BATCH} id = ?"));
    let row: Option<Row> = sqlx::query_as(sql).bind(id).fetch_optional(conn).await?;
    Ok(row.map(Batch::from))
}

/// The batch that the request `identity` made, if it is known.
pub async fn find_request(conn: &mut MySqlConnection, identity: &str) -> sqlx::Result<Option<Batch>> {
    let sql = sqlx::AssertSqlSafe(format!("{BATCH} request = ?"));
    let row: Option<Row> = sqlx::query_as(sql).bind(identity).fetch_optional(conn).await?;
    Ok(row.map(Batch::from))
}

/// What the items of the batch `id` have come to, in order.
pub async fn items(conn: &mut MySqlConnection, id: BatchId) -> sqlx::Result<Vec<Item>> {
    let rows: Vec<(Option<TransactionId>, Option<String>)> =
        sqlx::query_as("SELECT transaction_id, fault FROM batch_items WHERE batch_id = ? ORDER BY item")
            .bind(id)
            .fetch_all(&mut *conn)
            .await?;
    let ids: Vec<TransactionId> = rows.iter().filter_map(|(transaction, _)| *transaction).collect();
    let mut made = Vec::new();
    if !ids.is_empty() {
        made = transactions::find_all(conn, &ids).await?;
        made.sort_unstable_by_key(|row| row.id);
    }
    let item = |(transaction, fault): (Option<TransactionId>, Option<String>)| match (transaction, fault) {
        (Some(id), _) => {
            let at = made.binary_search_by_key(&id, |row| row.id).map_err(|_| sqlx::Error::RowNotFound)?;
            Ok(Item::Made(Box::new(made[at].clone()), None))
        }
        (None, fault) => {
            let fault: Fault =
                serde_json::from_str(&fault.unwrap_or_default()).map_err(|error| sqlx::Error::Decode(error.into()))?;
            Ok(Item::Faulty(fault))
        }
    };
    rows.into_iter().map(item).collect()
}

/// Claims one atomic batch that is overdue, and pushes its next turn away: twice as far each time, up to a minute.
pub async fn claim_overdue(pool: &MySqlPool, id: BatchId) -> Result<bool, DbError> {
    mysql::retry(|_| async {
        let mut tx = mysql::begin(pool, point!("batch.overdue")).await?;
        let claimed = sqlx::query(
            "UPDATE batches
             SET due_at = NOW(6) + INTERVAL LEAST(? * POW(2, LEAST(settle_attempts, 5)), 60) SECOND,
                 settle_attempts = settle_attempts + 1
             WHERE id = ? AND due_at <= NOW(6)",
        )
        .bind(SETTLE_AFTER_SECONDS)
        .bind(id)
        .execute(tx.conn().await?)
        .await?;
        tx.commit().await?;
        Ok(claimed.rows_affected() == 1)
    })
    .await
}

/// Commits what came of an atomic batch at all of its transactions, with the facts that it makes true, unless that is known. That
/// nothing was sent only counts while nobody else can have sent it. True if the batch is given up then.
pub async fn settle(
    pool: &MySqlPool,
    id: BatchId,
    rows: &[Transaction],
    outcome: StepOutcome,
    pending_ttl: u32,
) -> Result<bool, DbError> {
    let unsent = outcome == StepOutcome::Refused { code: Failure::NotReached };
    let transition = || if unsent { Transition::Unsent } else { Transition::Outcome { step: 1, outcome } };
    let origin = common::origin::Origin::current();
    let request = |row: &Transaction| ChangeRequest {
        seen: row.clone(),
        refunded: None,
        transition: transition(),
        origin: origin.clone(),
    };
    let requests: Vec<ChangeRequest> = rows.iter().map(request).collect();
    let (requests, now): (Vec<&ChangeRequest>, _) = (requests.iter().collect(), time::now());
    let (requests, given_up) = (&requests, &literal(&*format!("unsent {id}")));
    mysql::retry(|attempt| async move {
        let mut tx = mysql::begin(pool, point!("batch.outcome")).await?;
        let sql = format!(
            "SELECT due_at IS NOT NULL, settle_attempts, request = {given_up} FROM batches WHERE id = {id} FOR UPDATE"
        );
        let found: Vec<(bool, i32, bool)> = tx.read(sql).await?;
        if !found.iter().any(|(is_open, attempts, _)| *is_open && (!unsent || *attempts == 0)) {
            return Ok(found.iter().any(|(_, _, is_given_up)| *is_given_up));
        }
        changes::plan(&mut tx, requests, now, pending_ttl, attempt).await?;
        let free = if unsent { format!(", request = {given_up}") } else { String::new() };
        tx.write(format!("UPDATE batches SET due_at = NULL{free} WHERE id = {id}"));
        tx.commit().await?;
        Ok(unsent)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::transaction::tests::new;

    const APPLIED: StepOutcome = StepOutcome::Applied;
    const UNSENT: StepOutcome = StepOutcome::Refused { code: Failure::NotReached };

    async fn atomic(pool: &MySqlPool, identity: &str) -> (BatchId, Vec<Transaction>) {
        let request = Request { identity: identity.to_owned(), fingerprint: vec![1; 32] };
        let batch = NewBatch { request, actor: "service".into(), is_atomic: true, items: vec![Ok(new()), Ok(new())] };
        match insert(pool, &batch).await.unwrap() {
            Inserted::New(id, rows) => (id, rows),
            Inserted::Before(_) => panic!("{identity} is new"),
        }
    }

    #[tokio::test]
    async fn what_was_not_sent_gives_a_batch_up_unless_somebody_else_has_asked_for_it() {
        let database = lab::database::database().await;
        let pool = &mysql::pool(&mysql::DatabaseConfig::at(&database.url(), 8).unwrap());
        mysql::migrate(pool, crate::store::migrations::migrations()).await.unwrap();
        let ends = async |(id, rows): &(BatchId, Vec<Transaction>), outcome| {
            settle(pool, *id, rows, outcome, 60).await.unwrap()
        };
        let unsent = atomic(pool, "unsent").await;
        assert!(ends(&unsent, UNSENT).await);
        assert!(ends(&unsent, UNSENT).await, "also for who has not heard of the commit");
        let _ = atomic(pool, "unsent").await;

        let settled = atomic(pool, "settled").await;
        assert!(!ends(&settled, APPLIED).await && !ends(&settled, UNSENT).await);

        let claimed = atomic(pool, "claimed").await;
        sqlx::query("UPDATE batches SET due_at = NOW(6) - INTERVAL 1 SECOND").execute(pool).await.unwrap();
        assert!(claim_overdue(pool, claimed.0).await.unwrap());
        assert!(!ends(&claimed, UNSENT).await, "the settler may have sent it");
        assert!(!ends(&claimed, APPLIED).await);
        let statuses = items(&mut pool.acquire().await.unwrap(), claimed.0).await.unwrap();
        assert!(statuses.iter().all(|item| item.status() == crate::domain::state::Status::Pending));
    }
}
