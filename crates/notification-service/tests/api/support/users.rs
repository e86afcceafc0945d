//! A stub of user-service: it knows who lives where.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use lab::wallet::DEVELOPMENT_TOKEN;
use serde::Deserialize;
use serde_json::json;

/// The account of Ani, whom most tests write to.
pub const ANI: i64 = 1;
/// The account of Budi, who is somebody else.
pub const BUDI: i64 = 2;
/// A number without an account.
pub const NOBODY: i64 = 99;

/// The accounts, as user-service tells them.
#[derive(Clone, Default)]
pub struct Users(Arc<Mutex<Accounts>>);

#[derive(Default)]
struct Accounts {
    people: BTreeMap<i64, (String, String)>,
    down: bool,
    calls: Vec<usize>,
}

impl Users {
    /// With Ani and Budi.
    pub fn new() -> Self {
        let users = Self::default();
        users.add(ANI, "Ani Wijaya", "ani@example.com");
        users.add(BUDI, "Budi Santoso", "budi@example.com");
        users
    }

    /// Adds an account.
    pub fn add(&self, id: i64, name: &str, email: &str) {
        self.0.lock().unwrap().people.insert(id, (name.into(), email.into()));
    }

    /// Adds so many accounts and returns their numbers.
    pub fn crowd(&self, count: usize) -> Vec<i64> {
        let numbers: Vec<i64> = (1000..).take(count).collect();
        for number in &numbers {
            self.add(*number, "Somebody", &format!("user{number}@example.com"));
        }
        numbers
    }

    /// Answers 503 from now on, or no longer.
    pub fn set_down(&self, down: bool) {
        self.0.lock().unwrap().down = down;
    }

    /// For how many users it was asked in each call.
    pub fn calls(&self) -> Vec<usize> {
        self.0.lock().unwrap().calls.clone()
    }

    /// The routes that notification-service calls.
    pub fn routes(&self) -> Router {
        Router::new().route("/internal/users", get(list)).merge(lab::accounts::routes()).with_state(self.clone())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ids {
    ids: String,
}

async fn list(State(users): State<Users>, Query(Ids { ids }): Query<Ids>, headers: HeaderMap) -> Response {
    let mut accounts = users.0.lock().unwrap();
    let refused = |status: StatusCode, code: &str| {
        (status, Json(json!({"error": "No", "code": code, "request_id": "stub"}))).into_response()
    };
    if accounts.down {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable");
    }
    if headers.get("x-service-token").is_none_or(|token| token != DEVELOPMENT_TOKEN) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_service_token");
    }
    let ids: Vec<i64> = ids.split(',').map(|id| id.parse().unwrap()).collect();
    accounts.calls.push(ids.len());
    let found = ids.iter().filter_map(|id| {
        let (name, email) = accounts.people.get(id)?;
        Some(json!({"id": id, "full_name": name, "email": email, "balance": 0}))
    });
    Json(found.collect::<Vec<_>>()).into_response()
}
