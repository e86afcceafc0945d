//! What a stub of user-service says of the accounts that access tokens name: every one exists, since long ago, without a key.

use axum::{Json, Router, extract::Query, routing::get};
use chrono::DateTime;
use common::{
    UserId,
    accounts::{ACCOUNTS_PATH, Account, MAX_ASKED},
    ids::IdList,
    time,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    ids: IdList<UserId, MAX_ASKED>,
}

/// The route by which services ask for them.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route(ACCOUNTS_PATH, get(list))
}

async fn list(Query(Asked { ids: IdList(ids) }): Query<Asked>) -> Json<Vec<Account>> {
    let account = |id| Account { id, key: 0, version: 0, created_at: DateTime::UNIX_EPOCH, read_at: time::now() };
    Json(ids.into_iter().map(account).collect())
}
