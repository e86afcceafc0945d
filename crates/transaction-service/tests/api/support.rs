//! transaction-service on a schema of its own, and what its callers do.

use common::{
    caller::{Grant, Signer},
    config::Env,
    worker::Workers,
};
use lab::{
    database::{self, TestDatabase},
    http::{Api, Reply, eventually, serve},
};
use money::time;
use mysql::DatabaseConfig;
use serde_json::{Value, json};
use transaction_service::{AppState, Config, app, start_workers};
use url::Url;

use crate::peers::{Notifications, UserService};

/// Connections that the service opens at most.
const POOL_SIZE: u32 = 8;

/// The user who pays in most tests.
pub const SENDER: i64 = 1;
/// The user who is paid in most tests.
pub const RECEIVER: i64 = 2;

/// A running transaction-service and the stubs of its peers. Its schema is gone when it is dropped.
pub struct Service {
    /// A caller without credentials.
    pub anyone: Api,
    /// A caller with the service token.
    pub service: Api,
    /// Who moves the money.
    pub users: UserService,
    /// Who is told.
    pub notifications: Notifications,
    database: TestDatabase,
    config: Config,
    state: AppState,
}

impl Service {
    /// A transaction-service in development with all defaults.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A transaction-service whose user-service is at `url`.
    pub async fn start_with_users_at(url: Url) -> Self {
        Self::start_with(|config| config.user_service_url = url).await
    }

    /// A transaction-service whose configuration is changed first.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let database = database::database().await;
        let (users, user_service_url) = UserService::start().await;
        let (notifications, notification_service_url) = Notifications::start().await;
        let mut config = development();
        config.user_service_url = user_service_url;
        config.notification_service_url = notification_service_url;
        config.service.database = DatabaseConfig::at(&database.url(), POOL_SIZE).unwrap();
        change(&mut config);
        let state = AppState::new(&config);
        state.migrate().await.expect("an empty schema can be migrated");
        let anyone = Api::new(serve(app(state.clone())).await);
        Self { service: anyone.as_service(), anyone, users, notifications, database, config, state }
    }

    /// One more instance on the same schema, called by a service.
    pub async fn another_instance(&self) -> Api {
        Api::new(serve(app(AppState::new(&self.config))).await).as_service()
    }

    /// Starts the settler and the relay of the outbox, until the test ends.
    pub fn start_workers(&self) {
        start_workers(&self.state, &Workers::default());
    }

    /// A caller with a token of this user.
    pub fn user(&self, id: i64) -> Api {
        let user = id.try_into().expect("a user's number");
        let grant = Grant::of(user, 0, 0, time::now(), 60);
        let token = Signer::new(&self.config.service).sign(&grant).expect("a token");
        self.anyone.as_user(&token)
    }

    /// `POST /transactions` by a service.
    pub async fn create(&self, body: Value) -> Reply {
        self.service.post("/transactions", body).await
    }

    /// A new pending transaction of 10,000 from [`SENDER`] to [`RECEIVER`].
    pub async fn pending(&self) -> i64 {
        self.create(payment(10_000)).await.expect(201).id()
    }

    /// `GET /transactions/{id}`
    pub async fn show(&self, id: i64) -> Reply {
        self.service.get(&format!("/transactions/{id}")).await
    }

    /// `PUT /transactions/{id}` with `status`.
    pub async fn decide(&self, id: i64, status: &str) -> Reply {
        self.service.put(&format!("/transactions/{id}"), json!({"status": status})).await
    }

    /// `DELETE /transactions/{id}`
    pub async fn delete(&self, id: i64) -> Reply {
        self.service.delete(&format!("/transactions/{id}")).await
    }

    /// Waits until the transaction has this status, and returns it.
    pub async fn becomes(&self, id: i64, status: &str) -> Reply {
        eventually(&format!("transaction {id} to be {status}"), async || {
            Some(self.show(id).await.expect(200)).filter(|reply| reply["status"] == status)
        })
        .await
    }

    /// Runs a statement that breaks the schema, or repairs it.
    pub async fn run(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.database.pool()).await.expect("the statement is valid");
    }

    /// A look into its schema.
    pub fn pool(&self) -> sqlx::MySqlPool {
        self.database.pool()
    }

    /// How often the settler has tried to settle the transaction.
    pub async fn settle_attempts(&self, id: i64) -> i32 {
        let attempts = sqlx::query_scalar("SELECT settle_attempts FROM transactions WHERE id = ?").bind(id);
        attempts.fetch_one(&self.database.pool()).await.expect("the transaction exists")
    }

    /// How many events wait to be told.
    pub async fn untold(&self) -> i64 {
        let pool = self.database.pool();
        sqlx::query_scalar("SELECT COUNT(*) FROM outbox").fetch_one(&pool).await.expect("the outbox can be counted")
    }

    /// Waits until everything is told.
    pub async fn everything_is_told(&self) {
        eventually("the outbox to empty", async || (self.untold().await == 0).then_some(())).await;
    }
}

/// The configuration of a transaction-service in development.
pub fn development() -> Config {
    let env = Env::new(|name| (name == "APP_ENV").then(|| "development".to_owned()));
    Config::from_env(env).expect("development needs no variable")
}

/// The body of `POST /transactions` from [`SENDER`] to [`RECEIVER`].
pub fn payment(amount: i64) -> Value {
    json!({"sender_id": SENDER, "receiver_id": RECEIVER, "amount": amount, "description": "Payment for goods"})
}

/// The same as a transfer in one step.
pub fn immediate(amount: i64) -> Value {
    let mut body = payment(amount);
    body["auto_complete"] = json!(true);
    body
}

/// The ids in a list.
#[track_caller]
pub fn ids(list: &Reply) -> Vec<i64> {
    let items = list.json.as_array().unwrap_or_else(|| panic!("no list: {}", list.text));
    items.iter().map(|item| item["id"].as_i64().expect("an id")).collect()
}

/// Fails unless the answer is a 400 with this code that names this field and no other.
#[track_caller]
pub fn assert_names_field(reply: Reply, code: &str, field: &str) {
    let reply = reply.expect_error(400, code);
    let named: Vec<&String> = reply["fields"].as_object().map(|fields| fields.keys().collect()).unwrap_or_default();
    assert_eq!(named, [field], "the answer was {}", reply.text);
}

/// Fails unless the answer has every member of the documented body, as it stands there.
#[track_caller]
pub fn assert_documented(reply: &Reply, documented: &Value) {
    for (member, value) in documented.as_object().expect("a documented body is an object") {
        assert_eq!(&reply[member.as_str()], value, "{member} in {}", reply.text);
    }
}

/// Fails unless the member is a moment in UTC as RFC 3339 writes it, with `Z`.
#[track_caller]
pub fn assert_is_moment(reply: &Reply, member: &str) {
    let text = reply[member].as_str().unwrap_or_else(|| panic!("no {member} in {}", reply.text));
    assert!(text.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(text).is_ok(), "{member} is {text}");
}
