//! Files that were compared with the entries, and what they are compared with.

use chrono::{DateTime, NaiveDate, Utc};
use money::{Money, ReconciliationId};
use mysql::{
    DbError, Unit,
    bulk::{BulkInsert, Value},
    row,
};
use sqlx::MySqlConnection;

use super::entries::moment;
use crate::domain::{entry::Place, reconciliation::Lists};

/// Movements on a page of [`page_of_movements`].
pub const PAGE: u32 = 1_000;

pub(super) const MOVEMENTS: &str = "SELECT created_at, entry_id, amount, reference FROM entry_references
     WHERE generation = ? AND created_at >= ? AND (created_at > ? OR entry_id > ?) AND created_at < ?
     ORDER BY created_at, entry_id LIMIT ?";
pub(super) const FIND: &str =
    "SELECT id, from_day, to_day, as_of, matched, differing, missing_here, missing_there, created_at, fingerprint
     FROM reconciliations WHERE id = ?";
pub(super) const FIND_REQUEST: &str =
    "SELECT id, from_day, to_day, as_of, matched, differing, missing_here, missing_there, created_at, fingerprint
     FROM reconciliations WHERE request = ?";
pub(super) const LIST: &str =
    "SELECT id, from_day, to_day, as_of, matched, differing, missing_here, missing_there, created_at, fingerprint
     FROM reconciliations WHERE id < ? ORDER BY id DESC LIMIT ?";
pub(super) const PART: &str = "SELECT lists FROM reconciliation_parts WHERE reconciliation_id = ? AND number = ?";

row! {
    /// A comparison, without what it has found.
    #[derive(Debug, Clone)]
    pub struct Reconciliation {
        pub id: ReconciliationId,
        /// The first day that is compared.
        pub from_day: NaiveDate,
        /// The last day.
        pub to_day: NaiveDate,
        /// Whatever was committed before is compared.
        pub as_of: DateTime<Utc>,
        pub matched: i32,
        pub differing: i32,
        pub missing_here: i32,
        pub missing_there: i32,
        pub created_at: DateTime<Utc>,
        /// The digest of what the request asked for, if it had a key.
        pub fingerprint: Option<Vec<u8>>,
    }
}

row! {
    /// A top-up, credit or debit that carries a reference.
    #[derive(Debug)]
    pub struct MovementRow {
        pub created_at: DateTime<Utc>,
        pub entry_id: i64,
        pub amount: Money,
        pub reference: String,
    }
}

/// At most [`PAGE`] movements of all users with a reference behind `after` and before `to`, oldest first.
pub async fn page_of_movements(
    conn: &mut MySqlConnection,
    generation: i32,
    after: Place,
    to: DateTime<Utc>,
) -> sqlx::Result<Vec<MovementRow>> {
    let Place { created_at, id } = after;
    let query = sqlx::query_as(MOVEMENTS).bind(generation).bind(moment(created_at)).bind(moment(created_at)).bind(id);
    query.bind(moment(to)).bind(PAGE).fetch_all(conn).await
}

/// A comparison that is to be kept.
#[derive(Debug)]
pub struct New<'a> {
    pub from_day: NaiveDate,
    pub to_day: NaiveDate,
    pub as_of: DateTime<Utc>,
    pub lists: &'a Lists,
    /// The identity and the digest of the request, if it has a key.
    pub request: Option<(&'a str, &'a [u8])>,
    pub now: DateTime<Utc>,
}

/// Keeps a comparison. A request that is known makes it a lost race.
pub async fn insert(unit: &mut Unit, new: &New<'_>) -> Result<Reconciliation, DbError> {
    let counted = |list: usize| i32::try_from(list).unwrap_or(i32::MAX);
    let (matched, differing) = (counted(new.lists.matched.len()), counted(new.lists.differing.len()));
    let (missing_here, missing_there) = (counted(new.lists.missing_here.len()), counted(new.lists.missing_there.len()));
    let mut insert = BulkInsert::new(
        "INSERT INTO reconciliations
             (from_day, to_day, as_of, matched, differing, missing_here, missing_there, request, fingerprint, created_at)",
    );
    insert.row(&[
        Value::Text(&new.from_day.to_string()),
        Value::Text(&new.to_day.to_string()),
        new.as_of.into(),
        matched.into(),
        differing.into(),
        missing_here.into(),
        missing_there.into(),
        new.request.map_or(Value::Null, |(identity, _)| Value::Text(identity)),
        new.request.map_or(Value::Null, |(_, fingerprint)| Value::Bytes(fingerprint)),
        new.now.into(),
    ]);
    unit.insert_for_ids(insert);
    let id = ReconciliationId::try_from(unit.flush_for_ids().await?[0]).expect("generated ids are positive");
    let conn = unit.conn().await?;
    for (number, part) in (0_i32..).zip(new.lists.parts()) {
        let text = serde_json::to_string(&part).map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query("INSERT INTO reconciliation_parts (reconciliation_id, number, lists) VALUES (?, ?, ?)")
            .bind(id)
            .bind(number)
            .bind(text)
            .execute(&mut *conn)
            .await?;
    }
    let fingerprint = new.request.map(|(_, fingerprint)| fingerprint.to_vec());
    let New { from_day, to_day, as_of, now: created_at, .. } = *new;
    Ok(Reconciliation {
        id,
        from_day,
        to_day,
        as_of,
        matched,
        differing,
        missing_here,
        missing_there,
        created_at,
        fingerprint,
    })
}

/// The comparison `id`, without what it has found.
pub async fn find(conn: &mut MySqlConnection, id: ReconciliationId) -> sqlx::Result<Option<Reconciliation>> {
    sqlx::query_as(FIND).bind(id).fetch_optional(conn).await
}

/// The comparison that a request has made.
pub async fn find_request(conn: &mut MySqlConnection, identity: &str) -> sqlx::Result<Option<Reconciliation>> {
    sqlx::query_as(FIND_REQUEST).bind(identity).fetch_optional(conn).await
}

/// At most `limit` comparisons with an id below `below`, newest first.
pub async fn list(conn: &mut MySqlConnection, below: Option<i64>, limit: u32) -> sqlx::Result<Vec<Reconciliation>> {
    sqlx::query_as(LIST).bind(below.unwrap_or(i64::MAX)).bind(limit).fetch_all(conn).await
}

/// What a comparison has found.
pub async fn lists(conn: &mut MySqlConnection, id: ReconciliationId) -> sqlx::Result<Lists> {
    let mut lists = Lists::default();
    for number in 0_i32.. {
        let query = sqlx::query_scalar::<_, String>(PART).bind(id).bind(number);
        let Some(text) = query.fetch_optional(&mut *conn).await? else { break };
        lists.append(serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(error.into()))?);
    }
    Ok(lists)
}
