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

use crate::domain::{capture_record::CaptureRecord, intent::Request};

/// Writes a capture that is decided, if there is one. A key that is known makes the commit a lost race.
pub fn insert(unit: &mut Unit, capture: Option<CaptureRecord>) {
    let Some(capture) = capture else { return };
    let CaptureRecord { transaction_id, step, is_final, captured_after, refunded, request, .. } = &capture;
    let mut insert = BulkInsert::new(
        "INSERT INTO captures (transaction_id, step, is_final, captured_after, refunded, request, fingerprint)",
    );
    insert.row(&[
        transaction_id.get().into(),
        i64::from(*step).into(),
        i64::from(*is_final).into(),
        (*captured_after).into(),
        (*refunded).into(),
        request.as_ref().map(|request| &*request.identity).into(),
        request.as_ref().map_or(Value::Null, |request| Value::Bytes(&request.fingerprint)),
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
    }
}

/// The capture that the request `identity` asked for, if it is known.
pub async fn find(conn: &mut MySqlConnection, identity: &str) -> sqlx::Result<Option<CaptureRecord>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT transaction_id, step, is_final, captured_after, refunded, settled_at, fingerprint
         FROM captures WHERE request = ?",
    )
    .bind(identity)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| {
        let Row { transaction_id, step, is_final, captured_after, refunded, settled_at, fingerprint } = row;
        let request = Some(Request { identity: identity.to_owned(), fingerprint });
        CaptureRecord { transaction_id, step, is_final, captured_after, refunded, settled_at, request }
    }))
}
