//! Captures of an amount, and the requests for them.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use money::{Money, TransactionId};
use mysql::{
    Unit,
    bulk::{BulkInsert, Value, list, literal},
    row,
};
use sqlx::MySqlConnection;

use super::shares;
use crate::domain::{capture_record::CaptureRecord, intent::Request};

/// Writes a capture that is decided, if there is one. A key that is known makes the commit a lost race.
pub fn insert(unit: &mut Unit, capture: Option<CaptureRecord>) {
    let Some(capture) = capture else { return };
    let CaptureRecord { transaction_id, step, is_final, captured_after, shares, refunded, request, .. } = &capture;
    let shares = shares::written(shares);
    let mut insert = BulkInsert::new(
        "INSERT INTO captures (transaction_id, step, is_final, captured_after, refunded, request, fingerprint, shares)",
    );
    insert.row(&[
        transaction_id.get().into(),
        i64::from(*step).into(),
        i64::from(*is_final).into(),
        (*captured_after).into(),
        (*refunded).into(),
        request.as_ref().map(|request| &*request.identity).into(),
        request.as_ref().map_or(Value::Null, |request| Value::Bytes(&request.fingerprint)),
        shares.as_deref().into(),
    ]);
    unit.insert(insert);
}

/// Writes down that a capture took effect.
pub fn settle(unit: &mut Unit, transaction: TransactionId, step: u16, now: DateTime<Utc>) {
    unit.write(format!(
        "UPDATE captures SET settled_at = {} WHERE transaction_id = {transaction} AND step = {step}",
        literal(now)
    ));
}

/// Those of `requests` that are known.
pub async fn known(unit: &mut Unit, requests: Vec<&str>) -> sqlx::Result<HashSet<String>> {
    if requests.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = format!("SELECT request FROM captures WHERE request IN {}", list(requests));
    let rows: Vec<(String,)> = unit.read(sql).await?;
    Ok(rows.into_iter().map(|(request,)| request).collect())
}

row! {
    struct Row {
        transaction_id: TransactionId,
        step: u16,
        is_final: bool,
        captured_after: Money,
        refunded: Money,
        settled_at: Option<DateTime<Utc>>,
        fingerprint: Vec<u8>,
        shares: Option<String>,
    }
}

/// The capture that the request `identity` asked for, if it is known.
pub async fn find(conn: &mut MySqlConnection, identity: &str) -> sqlx::Result<Option<CaptureRecord>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT transaction_id, step, is_final, captured_after, refunded, settled_at, fingerprint, shares
         FROM captures WHERE request = ?",
    )
    .bind(identity)
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let Row { transaction_id, step, is_final, captured_after, refunded, settled_at, fingerprint, shares } = row;
    let (request, shares) = (Some(Request { identity: identity.to_owned(), fingerprint }), shares::parse(shares)?);
    Ok(Some(CaptureRecord { transaction_id, step, is_final, captured_after, shares, refunded, settled_at, request }))
}

/// The last capture of a transaction that took effect.
#[derive(Debug)]
pub struct LastCapture {
    /// How much it paid.
    pub amount: Money,
    /// True if it was the end.
    pub is_final: bool,
}

/// The last capture of an amount of `transaction` that took effect, if there is one.
pub async fn last(conn: &mut MySqlConnection, transaction: TransactionId) -> sqlx::Result<Option<LastCapture>> {
    let rows: Vec<(bool, Money)> = sqlx::query_as(
        "SELECT is_final, captured_after FROM captures
         WHERE transaction_id = ? AND settled_at IS NOT NULL ORDER BY step DESC LIMIT 2",
    )
    .bind(transaction)
    .fetch_all(conn)
    .await?;
    let before = rows.get(1).map_or(Money::ZERO, |(_, captured)| *captured);
    Ok(rows.first().map(|&(is_final, captured)| LastCapture { amount: captured - before, is_final }))
}
