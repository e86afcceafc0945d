//! user-service on a schema of its own, and what its callers do.

use common::{config::Env, worker::Workers};
use lab::{
    database::{self, TestDatabase},
    http::{Api, Reply, serve},
};
use money::Money;
use mysql::DatabaseConfig;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio::task::JoinSet;
use user_service::{AppState, Config, app, start_workers};

/// Connections that the service opens at most.
const POOL_SIZE: u32 = 8;

/// The password of every [`User`].
pub const PASSWORD: &str = "a walk along the river";

/// A running user-service. Its schema is gone when it is dropped.
pub struct Service {
    /// A caller without credentials.
    pub anyone: Api,
    /// A caller with the service token.
    pub service: Api,
    /// Its schema, to look into and to break.
    pub database: TestDatabase,
    config: Config,
    state: AppState,
}

/// Somebody with an account.
#[derive(Clone)]
pub struct User {
    /// The account's number.
    pub id: i64,
    /// The address.
    pub email: String,
    /// A caller with the user's access token.
    pub api: Api,
}

/// What a user can spend and what is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Balance {
    pub balance: Money,
    pub held: Money,
}

impl Service {
    /// A user-service in development with all defaults.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A user-service whose configuration is changed first.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let database = database::database().await;
        let mut config = development();
        config.service.database = DatabaseConfig::at(&database.url(), POOL_SIZE).unwrap();
        change(&mut config);
        let state = AppState::new(&config);
        state.migrate().await.expect("an empty schema can be migrated");
        let anyone = Api::new(serve(app(state.clone())).await);
        Self { service: anyone.as_service(), anyone, database, config, state }
    }

    /// One more instance on the same schema.
    pub async fn another_instance(&self) -> Api {
        Api::new(serve(app(AppState::new(&self.config))).await).as_service()
    }

    /// Starts what runs in the background, until the test ends.
    pub fn start_workers(&self) {
        start_workers(&self.state, &self.config, &Workers::default());
    }

    /// A new user with `balance` in whole units, logged in.
    pub async fn user(&self, name: &str, balance: i64) -> User {
        let email = format!("{name}@example.com");
        let id = self.anyone.post("/auth/register", registration(&email)).await.expect(201).id();
        let api = self.anyone.as_user(&self.token(&email, PASSWORD).await);
        if balance > 0 {
            let credit = json!({"action": "credit", "amount": balance});
            let _ = self.service.put(&format!("/internal/users/{id}/balance"), credit).await.expect(200);
        }
        User { id, email, api }
    }

    /// The access token that a login gives.
    pub async fn token(&self, email: &str, password: &str) -> String {
        let login = self.login(email, password).await.expect(200);
        login["access_token"].as_str().expect("a token").to_owned()
    }

    /// `POST /auth/login`.
    pub async fn login(&self, email: &str, password: &str) -> Reply {
        self.anyone.post("/auth/login", json!({"email": email, "password": password})).await
    }

    /// `GET /users/{id}/balance`, exactly.
    pub async fn balance(&self, user: &User) -> Balance {
        let reply = self.service.get(&format!("/users/{}/balance", user.id)).await.expect(200);
        serde_json::from_str(&reply.text).expect("a balance")
    }

    /// `POST /internal/operations`; each outcome is `applied` or the code of its refusal.
    pub async fn execute(&self, operations: Value) -> Vec<String> {
        let reply = self.service.post("/internal/operations", json!({"operations": operations})).await.expect(200);
        outcomes(&reply)
    }

    /// Runs a statement that breaks the schema or its rows, or repairs them.
    pub async fn run(&self, statement: &str) {
        let run = sqlx::query(AssertSqlSafe(statement)).execute(&self.database.pool()).await;
        run.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// Fails if a row of the ledger breaks a rule.
    pub async fn assert_ledger_holds(&self) {
        let proof = self.service.get("/internal/ledger/verify").await.expect(200);
        assert_eq!((&proof["ok"], &proof["violations"]), (&json!(true), &json!([])), "the ledger is broken");
    }
}

impl User {
    /// The path of the account, and what stands below it.
    pub fn path(&self, below: &str) -> String {
        format!("/users/{}{below}", self.id)
    }

    /// `POST /users/{id}/topup` by the user.
    pub async fn top_up(&self, amount: i64) -> Reply {
        self.api.post(&self.path("/topup"), json!({"amount": amount})).await
    }

    /// Tops up an empty account until nothing fits in any more.
    pub async fn fill(&self) {
        let mut top_ups = JoinSet::new();
        for _ in 0..100 {
            let (api, path) = (self.api.clone(), self.path("/topup"));
            top_ups.spawn(async move { api.post(&path, json!({"amount": 999_999_999_999_999_i64})).await.expect(200) });
        }
        top_ups.join_all().await;
        let full = self.api.post(&self.path("/topup"), json!({"amount": 99.99})).await.expect(200);
        assert!(full.text.contains(r#""balance":99999999999999999.99"#), "{}", full.text);
    }

    /// `POST /users/{id}/debit` by the user.
    pub async fn debit(&self, amount: i64) -> Reply {
        self.api.post(&self.path("/debit"), json!({"amount": amount})).await
    }
}

impl Balance {
    /// In whole units.
    pub fn new(balance: i64, held: i64) -> Self {
        Self { balance: balance.into(), held: held.into() }
    }
}

/// The configuration of a user-service in development.
pub fn development() -> Config {
    let env = Env::new(|name| (name == "APP_ENV").then(|| "development".to_owned()));
    Config::from_env(env).expect("development needs no variable")
}

/// The body of a registration.
pub fn registration(email: &str) -> Value {
    json!({"full_name": "John Doe", "email": email, "password": PASSWORD})
}

/// The outcomes of an answer of `/internal/operations`.
pub fn outcomes(reply: &Reply) -> Vec<String> {
    let word = |outcome: &Value| match outcome["outcome"].as_str() {
        Some("refused") => outcome["code"].as_str().expect("a refusal has a code").to_owned(),
        other => other.expect("an outcome").to_owned(),
    };
    reply["outcomes"].as_array().expect("a list of outcomes").iter().map(word).collect()
}

/// The step that sets `amount` aside.
pub fn hold(transaction: i64, sender: &User, receiver: &User, amount: i64) -> Value {
    json!({"hold": transfer_fields(transaction, sender, receiver, amount)})
}

/// The step that moves `amount` at once.
pub fn transfer(transaction: i64, sender: &User, receiver: &User, amount: i64) -> Value {
    json!({"transfer": transfer_fields(transaction, sender, receiver, amount)})
}

fn transfer_fields(transaction: i64, sender: &User, receiver: &User, amount: i64) -> Value {
    json!({"transaction_id": transaction, "sender_id": sender.id, "receiver_id": receiver.id, "amount": amount})
}

/// The step of this number that pays the receiver `amount` of what was set aside.
pub fn capture(transaction: i64, step: u16, sender: &User, receiver: &User, amount: i64) -> Value {
    let mut fields = transfer_fields(transaction, sender, receiver, amount);
    fields["step"] = json!(step);
    json!({"capture": fields})
}

/// The refund of this number, of so much of transaction `of`.
pub fn refund(transaction: i64, of: i64, sender: &User, receiver: &User, amount: i64) -> Value {
    let mut fields = transfer_fields(transaction, sender, receiver, amount);
    fields["refund_of"] = json!(of);
    json!({"refund": fields})
}

/// The step of this number that gives the sender back what is left of what was set aside.
pub fn release(transaction: i64, step: u16, sender: &User, receiver: &User) -> Value {
    json!({"release": {
        "transaction_id": transaction, "step": step, "sender_id": sender.id, "receiver_id": receiver.id,
    }})
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
