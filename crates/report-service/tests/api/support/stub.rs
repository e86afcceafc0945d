//! The routes of user-service and transaction-service that report-service calls, on what [`Sources`] knows.

use std::time::Instant;

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::{DateTime, Utc};
use lab::wallet::DEVELOPMENT_TOKEN;
use serde::Deserialize;
use serde_json::json;

use super::{
    ledger,
    sources::{Sources, Transaction, text},
};

/// The most transactions that transaction-service gives in one answer.
const MAX_CHANGES: usize = 1000;

/// The routes of both services.
pub fn routes(sources: &Sources) -> Router {
    Router::new()
        .route("/internal/totals", get(totals))
        .route("/internal/entries", get(ledger::feed))
        .route("/internal/names", get(names))
        .route("/internal/users", get(list_users))
        .route("/internal/users/{id}", get(show_user))
        .route("/internal/accounts", get(accounts))
        .route("/internal/transactions", get(feed))
        .route("/internal/transactions/newest", get(newest))
        .route("/internal/transactions/batch", get(batch))
        .route("/internal/transactions/user/{id}", get(walk))
        .route("/internal/transactions/{id}", get(show_transaction))
        .layer(middleware::from_fn(ask_for_token))
        .with_state(sources.clone())
}

fn refused(status: StatusCode, code: &str) -> Response {
    (status, Json(json!({"error": "No", "code": code, "request_id": "stub"}))).into_response()
}

/// An answer of a service that is there and cannot serve.
pub fn down() -> Response {
    refused(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable")
}

/// An answer with this body.
pub fn raw(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn ask_for_token(request: Request, next: Next) -> Response {
    if request.headers().get("x-service-token").is_some_and(|token| token == DEVELOPMENT_TOKEN) {
        next.run(request).await
    } else {
        refused(StatusCode::UNAUTHORIZED, "invalid_service_token")
    }
}

fn user_body(id: i64) -> String {
    format!(r#"{{"id":{id},"full_name":"User {id}","email":"user{id}@example.com","balance":0}}"#)
}

async fn show_user(State(sources): State<Sources>, Path(id): Path<i64>) -> Response {
    sources.lookups.pass().await;
    let known = sources.known();
    match known.users.contains(&id) {
        _ if known.users_down => down(),
        true => raw(user_body(id)),
        false => refused(StatusCode::NOT_FOUND, "user_not_found"),
    }
}

/// As [`lab::accounts`] answers, but for when an account was opened.
async fn accounts(State(sources): State<Sources>, Query(query): Query<BatchQuery>) -> Response {
    let known = sources.known();
    let account = |id: i64| {
        let mut account = lab::accounts::account(id);
        if let Some(opened) = known.opened.get(&id) {
            account["created_at"] = text(*opened).into();
        }
        account
    };
    Json(query.ids.split(',').map(|id| account(id.parse().expect("a number"))).collect::<Vec<_>>()).into_response()
}

async fn totals(State(sources): State<Sources>) -> Response {
    let known = sources.known();
    if known.users_down {
        return down();
    }
    as_of(known.now(), raw(format!(r#"{{"users":{},"money":{}}}"#, known.users.len(), known.money)))
}

async fn names(State(sources): State<Sources>, Query(query): Query<BatchQuery>) -> Response {
    let answer = {
        let known = sources.known();
        if known.users_down {
            return down();
        }
        let ids = query.ids.split(',').map(|id| id.parse::<i64>().expect("a number"));
        let name = |id: i64| json!({"id": id, "display_name": format!("User {id}")});
        Json(ids.filter(|id| known.users.contains(id)).map(name).collect::<Vec<_>>()).into_response()
    };
    sources.names.pass().await;
    answer
}

#[derive(Deserialize)]
struct UsersQuery {
    limit: usize,
    cursor: Option<i64>,
}

async fn list_users(State(sources): State<Sources>, Query(query): Query<UsersQuery>) -> Response {
    let known = sources.known();
    if known.users_down || query.limit > 200 {
        return down();
    }
    let after = query.cursor.unwrap_or_default() + 1;
    let users: Vec<String> = known.users.range(after..).take(query.limit).map(|id| user_body(*id)).collect();
    raw(format!("[{}]", users.join(",")))
}

async fn show_transaction(State(sources): State<Sources>, Path(id): Path<i64>) -> Response {
    let known = sources.known();
    if known.transactions_down {
        return down();
    }
    match known.transactions.get(&id).filter(|transaction| !transaction.hidden) {
        Some(transaction) => raw(transaction.body()),
        None => refused(StatusCode::NOT_FOUND, "transaction_not_found"),
    }
}

fn list<'a>(transactions: impl IntoIterator<Item = &'a Transaction>) -> Response {
    let rows: Vec<String> = transactions.into_iter().map(Transaction::body).collect();
    raw(format!("[{}]", rows.join(",")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeedQuery {
    since: DateTime<Utc>,
    #[serde(default)]
    after_id: i64,
    limit: usize,
}

async fn feed(State(sources): State<Sources>, Query(query): Query<FeedQuery>) -> Response {
    sources.feed.pass().await;
    let takes = sources.known().page_takes;
    tokio::time::sleep(takes).await;
    let mut known = sources.known();
    known.asked.feed.push((Instant::now(), query.since));
    if known.transactions_down || query.limit > MAX_CHANGES {
        return down();
    }
    if let Some(left) = known.pages_left {
        match left.checked_sub(1) {
            Some(left) => known.pages_left = Some(left),
            None => return down(),
        }
    }
    if let Some(script) = &mut known.script {
        return list(&script.pop_front().unwrap_or_default());
    }
    let is_after = |row: &&Transaction| (row.changed_at, row.id) > (query.since, query.after_id);
    let mut page: Vec<&Transaction> = known.transactions.values().filter(is_after).collect();
    page.sort_by_key(|row| (row.changed_at, row.id));
    page.truncate(query.limit);
    list(page)
}

async fn newest(State(sources): State<Sources>) -> Response {
    let known = sources.known();
    if known.transactions_down {
        return down();
    }
    let newest = known.transactions.values().max_by_key(|row| (row.changed_at, row.id));
    as_of(known.now(), raw(newest.map_or_else(|| "null".to_owned(), Transaction::body)))
}

/// An answer that names the moment at which it was true.
pub fn as_of(moment: DateTime<Utc>, mut answer: Response) -> Response {
    answer.headers_mut().insert("x-data-as-of", text(moment).parse().expect("a moment is a header's value"));
    answer
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WalkQuery {
    before_id: Option<i64>,
    limit: usize,
}

async fn walk(State(sources): State<Sources>, Path(user): Path<i64>, Query(query): Query<WalkQuery>) -> Response {
    let mut known = sources.known();
    known.go_on();
    known.asked.walks.push((query.before_id, query.limit));
    if known.transactions_down || known.walks_down || query.limit > MAX_CHANGES {
        return down();
    }
    let below = known.transactions.range(..query.before_id.unwrap_or(i64::MAX));
    let page = list(below.rev().map(|(_, row)| row).filter(|row| row.has(user)).take(query.limit));
    if query.before_id.is_none() { as_of(known.now(), page) } else { page }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchQuery {
    ids: String,
}

async fn batch(State(sources): State<Sources>, Query(query): Query<BatchQuery>) -> Response {
    let ids: Vec<i64> = query.ids.split(',').map(|id| id.parse().expect("a number")).collect();
    let mut known = sources.known();
    known.go_on();
    known.asked.batches.push(ids.clone());
    if known.transactions_down || known.walks_down || ids.len() > MAX_CHANGES {
        return down();
    }
    list(ids.iter().filter_map(|id| known.transactions.get(id)))
}
