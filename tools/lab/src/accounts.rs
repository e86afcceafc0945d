//! What a stub of user-service says of the accounts that access tokens name: every one but [`NOBODY`] exists, since long ago, without a
//! key.

use axum::{Json, Router, extract::Query, routing::get};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

/// The number of no account.
pub const NOBODY: i64 = 999_999_999;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    ids: String,
}

/// The route by which services ask for them.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/internal/accounts", get(list))
}

async fn list(Query(Asked { ids }): Query<Asked>) -> Json<Vec<Value>> {
    let ids = ids.split(',').map(|id| id.parse().expect("services ask for numbers"));
    Json(ids.filter(|id| *id != NOBODY).map(account).collect())
}

/// What is said of one.
#[expect(clippy::disallowed_methods, reason = "it stands for the clock of user-service's database")]
pub fn account(id: i64) -> Value {
    json!({"id": id, "key": 0, "version": 0, "created_at": DateTime::UNIX_EPOCH, "read_at": Utc::now()})
}
