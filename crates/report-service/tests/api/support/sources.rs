//! A stub of user-service and transaction-service: what they know, and how they may fail.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use harness::{http::eventually, wallet::DEVELOPMENT_TOKEN};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

/// An account of most tests.
pub const ANI: i64 = 1;
/// Another one.
pub const BUDI: i64 = 2;
/// A third one, without transactions in most tests.
pub const CITRA: i64 = 3;
/// A number without an account.
pub const NOBODY: i64 = 99;

/// A sum of money in hundredths, written as the services write it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cents(pub i128);

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        match rest {
            0 => write!(f, "{whole}"),
            rest if rest % 10 == 0 => write!(f, "{whole}.{}", rest / 10),
            rest => write!(f, "{whole}.{rest:02}"),
        }
    }
}

impl fmt::Debug for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A transaction as transaction-service holds it.
#[derive(Debug, Clone)]
pub struct Transaction {
    pub id: i64,
    pub sender: i64,
    pub receiver: i64,
    pub amount: Cents,
    pub status: &'static str,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    pub hidden: bool,
}

impl Transaction {
    /// A payment of 100 from Ani to Budi in its first version, an hour of its own after [`the_first_hour`].
    pub fn new(id: i64, status: &'static str) -> Self {
        let time = the_first_hour() + TimeDelta::hours(id);
        Self {
            id,
            sender: ANI,
            receiver: BUDI,
            amount: Cents(10_000),
            status,
            version: 1,
            created_at: time,
            changed_at: time,
            hidden: false,
        }
    }

    /// The same with another amount, in hundredths.
    pub fn of(self, cents: i128) -> Self {
        Self { amount: Cents(cents), ..self }
    }

    /// The same between others.
    pub fn between(self, sender: i64, receiver: i64) -> Self {
        Self { sender, receiver, ..self }
    }

    /// The same, changed at another time.
    pub fn changed_at(self, changed_at: DateTime<Utc>) -> Self {
        Self { changed_at, ..self }
    }

    /// Its next version, a second later.
    pub fn then(self, status: &'static str) -> Self {
        Self { status, version: self.version + 1, changed_at: self.changed_at + TimeDelta::seconds(1), ..self }
    }

    fn has(&self, user: i64) -> bool {
        [self.sender, self.receiver].contains(&user)
    }

    fn body(&self) -> String {
        let Self { id, sender, receiver, amount, status, version, hidden, .. } = self;
        let (created_at, changed_at) = (text(self.created_at), text(self.changed_at));
        format!(
            r#"{{"id":{id},"sender_id":{sender},"receiver_id":{receiver},"amount":{amount},"status":"{status}",
               "version":{version},"created_at":"{created_at}","changed_at":"{changed_at}","hidden":{hidden}}}"#
        )
    }
}

/// When the wallet of these tests began.
pub fn the_first_hour() -> DateTime<Utc> {
    DateTime::from_timestamp(1_762_000_000, 0).expect("a moment in November 2025")
}

/// A moment as the services write it.
pub fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// What a user's summary must say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    pub transactions: i64,
    pub spent: Cents,
    pub received: Cents,
    pub last: Option<DateTime<Utc>>,
}

impl Totals {
    /// Counted directly.
    pub fn count<'a>(user: i64, transactions: impl IntoIterator<Item = &'a Transaction>) -> Self {
        let mut totals = Self::default();
        for transaction in transactions.into_iter().filter(|transaction| transaction.has(user)) {
            totals.transactions += 1;
            totals.last = totals.last.max(Some(transaction.created_at));
            if transaction.status == "completed" {
                let side = if transaction.sender == user { &mut totals.spent } else { &mut totals.received };
                side.0 += transaction.amount.0;
            }
        }
        totals
    }
}

/// The two services behind report-service.
#[derive(Clone)]
pub struct Sources {
    known: Arc<Mutex<Known>>,
    /// Through which every request for one user goes.
    pub lookups: Gate,
    /// Through which every request for the whole feed goes.
    pub feed: Gate,
}

/// Keeps requests waiting while it is closed.
#[derive(Clone)]
pub struct Gate {
    closed: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Gate {
    fn new() -> Self {
        Self { closed: watch::Sender::new(false), waiting: watch::Sender::new(0) }
    }

    /// Keeps requests waiting from now on.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Lets those that wait through, and all others.
    pub fn open(&self) {
        self.closed.send_replace(false);
    }

    /// Waits until `count` requests wait.
    pub async fn holds(&self, count: usize) {
        let what = format!("{count} requests to wait");
        eventually(&what, async || (*self.waiting.borrow() >= count).then_some(())).await;
    }

    async fn pass(&self) {
        self.waiting.send_modify(|waiting| *waiting += 1);
        self.closed.subscribe().wait_for(|closed| !closed).await.ok();
        self.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

#[derive(Default)]
struct Known {
    users: BTreeSet<i64>,
    transactions: BTreeMap<i64, Transaction>,
    /// Given out one by one instead of what the feed would hold.
    script: Option<VecDeque<Vec<Transaction>>>,
    users_down: bool,
    transactions_down: bool,
    feed_of_users_down: bool,
    /// Pages of the whole feed that are still answered, if it is to fail after them.
    pages_left: Option<usize>,
}

impl Sources {
    /// With Ani, Budi and Citra, and no transactions.
    pub fn new() -> Self {
        let known = Known { users: [ANI, BUDI, CITRA].into(), ..Known::default() };
        Self { known: Arc::new(Mutex::new(known)), lookups: Gate::new(), feed: Gate::new() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    /// Adds accounts.
    pub fn add_users(&self, ids: impl IntoIterator<Item = i64>) {
        self.known().users.extend(ids);
    }

    /// Stores transactions, in place of earlier versions.
    pub fn store(&self, transactions: impl IntoIterator<Item = Transaction>) {
        self.known().transactions.extend(transactions.into_iter().map(|transaction| (transaction.id, transaction)));
    }

    /// Every transaction that is stored.
    pub fn transactions(&self) -> Vec<Transaction> {
        self.known().transactions.values().cloned().collect()
    }

    /// What a user's summary must say.
    pub fn totals(&self, user: i64) -> Totals {
        Totals::count(user, self.known().transactions.values())
    }

    /// Gives out these pages of the whole feed, one for each request, whatever position is asked for.
    pub fn follow_script(&self, pages: impl IntoIterator<Item = Vec<Transaction>>) {
        self.known().script = Some(pages.into_iter().collect());
    }

    /// True once every page of the script was given out.
    pub fn script_is_over(&self) -> bool {
        self.known().script.as_ref().is_none_or(VecDeque::is_empty)
    }

    /// Makes user-service answer 503, or no longer.
    pub fn set_users_down(&self, down: bool) {
        self.known().users_down = down;
    }

    /// Makes transaction-service answer 503, or no longer.
    pub fn set_transactions_down(&self, down: bool) {
        self.known().transactions_down = down;
    }

    /// Makes the feed of single users answer 503, or no longer: readers then see what runs of the whole feed brought.
    pub fn set_feed_of_users_down(&self, down: bool) {
        self.known().feed_of_users_down = down;
    }

    /// Makes the whole feed fail after so many more pages; `None` mends it.
    pub fn fail_after_pages(&self, pages: Option<usize>) {
        self.known().pages_left = pages;
    }

    /// The routes of both services that report-service calls.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/internal/users", get(list_users))
            .route("/internal/users/{id}", get(show_user))
            .route("/internal/transactions", get(feed))
            .route("/internal/transactions/{id}", get(show_transaction))
            .layer(middleware::from_fn(ask_for_token))
            .with_state(self.clone())
    }
}

fn refused(status: StatusCode, code: &str) -> Response {
    (status, Json(json!({"error": "No", "code": code, "request_id": "stub"}))).into_response()
}

fn down() -> Response {
    refused(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable")
}

fn raw(body: String) -> Response {
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

#[derive(Deserialize)]
struct FeedQuery {
    since: DateTime<Utc>,
    #[serde(default)]
    after_id: i64,
    user_id: Option<i64>,
    limit: usize,
}

async fn feed(State(sources): State<Sources>, Query(query): Query<FeedQuery>) -> Response {
    if query.user_id.is_none() {
        sources.feed.pass().await;
    }
    let mut known = sources.known();
    if known.transactions_down || query.limit > 1000 || (query.user_id.is_some() && known.feed_of_users_down) {
        return down();
    }
    if query.user_id.is_none()
        && let Some(left) = known.pages_left
    {
        match left.checked_sub(1) {
            Some(left) => known.pages_left = Some(left),
            None => return down(),
        }
    }
    let page = if let Some(script) = &mut known.script {
        if query.user_id.is_some() { Vec::new() } else { script.pop_front().unwrap_or_default() }
    } else {
        let is_after = |row: &&Transaction| (row.changed_at, row.id) > (query.since, query.after_id);
        let wanted = |row: &&Transaction| query.user_id.is_none_or(|user| row.has(user));
        let mut page: Vec<Transaction> = known.transactions.values().filter(is_after).filter(wanted).cloned().collect();
        page.sort_by_key(|row| (row.changed_at, row.id));
        page.truncate(query.limit);
        page
    };
    let rows: Vec<String> = page.iter().map(Transaction::body).collect();
    raw(format!("[{}]", rows.join(",")))
}
