//! The whole wallet for a test, and what its people do.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::{
    admin::Admin,
    binaries::binaries,
    database::{self, TestDatabase, temporary_server},
    http::{Api, Reply, eventually},
    server::{Purpose, Server},
    wallet::{Service, Wallet, WalletOptions},
};
use anyhow::{Context, Result};
use mail_parser::MessageParser;
use serde_json::{Value, json};
use sqlx::MySqlPool;
use tempfile::TempDir;

/// The password of every [`User`].
pub const PASSWORD: &str = "a walk along the river";
/// `JWT_SECRET` of a wallet in production.
pub const PRODUCTION_JWT_SECRET: &str = "7Q0fZr2mWc9XbT4uKe6VhJ1sNd8LgPya";
/// `SERVICE_TOKEN` of a wallet in production.
pub const PRODUCTION_TOKEN: &str = "Hx3vB7nQ2kRt9yLw5mZc0JdF8sGpUe4a";
/// The account of a wallet in production, with its password.
const PRODUCTION_ACCOUNT: (&str, &str) = ("production", "the password of a test in production");

/// A whole wallet. Its processes and schemas are gone when it is dropped.
pub struct World {
    /// The four processes.
    pub wallet: Wallet,
    databases: Vec<TestDatabase>,
    /// Callers of the services without credentials; making one takes its time.
    apis: [Api; 4],
    _folder: TempDir,
    people: AtomicU32,
    _server: Option<(Server, TempDir)>,
}

/// Somebody with an account and an access token.
#[derive(Clone)]
pub struct User {
    /// The account's number.
    pub id: i64,
    /// The address.
    pub email: String,
    /// Proves who calls.
    pub token: String,
}

impl World {
    /// A wallet with all defaults, but for a report-service that synchronizes on request only.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A wallet with these variables set for these services.
    ///
    /// # Panics
    /// If it does not start; the message shows the log of the service that did not.
    pub async fn start_with(environment: &[(Service, &str, &str)]) -> Self {
        Self::start_on(&database::admin(), environment).await
    }

    /// A wallet on the server of `admin`.
    ///
    /// # Panics
    /// Like [`Self::start_with`].
    pub async fn start_on(admin: &Admin, environment: &[(Service, &str, &str)]) -> Self {
        let binaries = tokio::task::spawn_blocking(binaries).await.expect("the services compile");
        let databases = admin.schemas().await.unwrap_or_else(|error| panic!("no database for this test: {error:#}"));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let configs = [0, 1, 2, 3].map(|n: usize| databases[n].schema.clone());
        let mut options = WalletOptions::for_test(binaries, configs, folder.path());
        if let Some((.., token)) = environment.iter().find(|(_, name, _)| *name == "SERVICE_TOKEN") {
            options.service_token = (*token).to_owned();
        }
        options.set(Service::Report, "REPORT_SYNC_INTERVAL", "0");
        options.set(Service::Notification, "MAIL_RETRY_SECONDS", "1");
        for (service, name, value) in environment {
            options.set(*service, name, value);
        }
        let wallet = Wallet::start(options).await.unwrap_or_else(|error| panic!("{error:#}"));
        let apis = Service::ALL.map(|service| Api::new(wallet.url(service)));
        Self { wallet, databases, apis, _folder: folder, people: AtomicU32::new(0), _server: None }
    }

    /// A wallet in production with secrets of its own, without general limits, on a server of its own.
    ///
    /// # Panics
    /// Like [`Self::start_with`]; so it does on a server that is not durable.
    pub async fn in_production(purpose: Purpose, environment: &[(Service, &str, &str)]) -> Self {
        let server = temporary_server(purpose, &|step| eprintln!("{step}")).await;
        let server = server.unwrap_or_else(|error| panic!("no database: {error:#}"));
        let (user, password) = PRODUCTION_ACCOUNT;
        let account = format!("CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'; GRANT ALL ON *.* TO '{user}'@'%'");
        server.0.admin().run(&account).await.unwrap_or_else(|error| panic!("no account: {error:#}"));
        let secrets = [
            ("APP_ENV", "production"),
            ("SERVICE_TOKEN", PRODUCTION_TOKEN),
            ("JWT_SECRET", PRODUCTION_JWT_SECRET),
            ("RATE_LIMIT", "off"),
        ];
        let mut variables: Vec<_> =
            Service::ALL.iter().flat_map(|service| secrets.map(|(name, value)| (*service, name, value))).collect();
        variables.extend(environment);
        let admin = Admin::new("127.0.0.1", server.0.port(), user, password);
        Self { _server: Some(server), ..Self::start_on(&admin, &variables).await }
    }

    /// A caller of `service` without credentials.
    pub fn api(&self, service: Service) -> Api {
        self.apis[service as usize].clone()
    }

    /// A caller of `service` with the service token.
    pub fn service(&self, service: Service) -> Api {
        self.api(service).with("x-service-token", self.wallet.service_token())
    }

    /// A look into the schema of `service`.
    pub fn pool(&self, service: Service) -> MySqlPool {
        self.databases[service as usize].pool()
    }

    /// The name of the schema of `service`.
    pub fn schema(&self, service: Service) -> &str {
        &self.databases[service as usize].schema.name
    }

    /// A new user with `balance` and an access token.
    pub async fn user(&self, balance: i64) -> User {
        let number = self.people.fetch_add(1, Ordering::Relaxed);
        let email = format!("user{number}@example.com");
        let api = self.api(Service::User);
        let registration = json!({"full_name": format!("User {number}"), "email": email, "password": PASSWORD});
        let id = api.post("/auth/register", registration).await.expect(201).id();
        let login = api.post("/auth/login", json!({"email": email, "password": PASSWORD})).await.expect(200);
        let token = login["access_token"].as_str().expect("a token").to_owned();
        if balance > 0 {
            let path = format!("/users/{id}/topup");
            let _ = self.service(Service::User).post(&path, json!({"amount": balance})).await.expect(200);
        }
        User { id, email, token }
    }

    /// Asserts that the token of `user` works at every service.
    ///
    /// # Panics
    /// If it does not.
    pub async fn assert_works_everywhere(&self, user: &User) {
        for (service, path) in own_routes(user) {
            let _ = self.api(service).as_user(&user.token).get(&path).await.expect(200);
        }
    }

    /// `POST /transactions` of `amount`.
    pub async fn pay(&self, sender: &User, receiver: &User, amount: i64) -> Reply {
        self.service(Service::Transaction).post("/transactions", payment(sender, receiver, amount)).await
    }

    /// `PUT /transactions/{id}` with `status`.
    pub async fn decide(&self, transaction: i64, status: &str) -> Reply {
        let path = format!("/transactions/{transaction}");
        self.service(Service::Transaction).put(&path, json!({"status": status})).await
    }

    /// The status of a transaction.
    pub async fn status(&self, transaction: i64) -> String {
        let reply = self.service(Service::Transaction).get(&format!("/transactions/{transaction}")).await.expect(200);
        reply["status"].as_str().expect("a status").to_owned()
    }

    /// What `user` can spend and what is set aside, in whole units.
    pub async fn balance(&self, user: &User) -> (i64, i64) {
        let reply = self.service(Service::User).get(&format!("/users/{}/balance", user.id)).await.expect(200);
        let whole = |name: &str| reply[name].as_i64().expect("these tests pay in whole units");
        (whole("balance"), whole("held"))
    }

    /// The rows of the ledger that break a rule: none.
    pub async fn assert_ledger_holds(&self) {
        let proof = self.service(Service::User).get("/internal/ledger/verify").await.expect(200);
        assert_eq!(proof["violations"], json!([]), "the ledger is broken");
        assert_eq!(proof["ok"], true);
    }

    /// Waits until the transaction has left `processing` and returns its status.
    pub async fn settled(&self, transaction: i64) -> String {
        eventually("the transaction to settle", async || {
            Some(self.status(transaction).await).filter(|status| status != "processing")
        })
        .await
    }

    /// Waits until every outbox is empty and every notification mailed.
    pub async fn assert_everything_told(&self) {
        for service in [Service::User, Service::Transaction] {
            let pool = self.pool(service);
            eventually("the outbox to empty", async || {
                let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outbox").fetch_one(&pool).await.ok()?;
                (left == 0).then_some(())
            })
            .await;
        }
        let pool = self.pool(Service::Notification);
        eventually("every notification to be mailed", async || {
            let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM notifications WHERE status = 'pending'")
                .fetch_one(&pool)
                .await
                .ok()?;
            (left == 0).then_some(())
        })
        .await;
    }

    /// What `user` was told, oldest first, from the notifications.
    pub async fn told(&self, user: &User) -> Vec<String> {
        let list = self.service(Service::Notification).get("/notifications?limit=200").await.expect(200);
        let mut messages: Vec<(i64, String)> = list
            .json
            .as_array()
            .expect("a list")
            .iter()
            .filter(|notification| notification["user_id"] == user.id)
            .map(|n| (n["id"].as_i64().expect("an id"), n["message"].as_str().expect("a text").to_owned()))
            .collect();
        messages.sort_unstable();
        messages.into_iter().map(|(_, message)| message).collect()
    }

    /// The texts of the mails to `user` in the mail folder, sorted.
    pub fn mails(&self, user: &User) -> Vec<String> {
        let entries = std::fs::read_dir(self.wallet.mail()).expect("the mail folder");
        let mut texts: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "eml"))
            .filter_map(|entry| {
                let raw = std::fs::read(entry.path()).expect("a mail can be read");
                let mail = MessageParser::default().parse(&raw).expect("a mail can be parsed");
                let to = mail.to()?.first()?.address()?.to_owned();
                let text = mail.body_text(0)?.trim().to_owned();
                (to == user.email).then_some(text)
            })
            .collect();
        texts.sort_unstable();
        texts
    }
}

/// A route of each service that shows what is the user's alone.
pub fn own_routes(user: &User) -> [(Service, String); 4] {
    [
        (Service::User, format!("/users/{}/balance", user.id)),
        (Service::Transaction, format!("/transactions/user/{}", user.id)),
        (Service::Notification, "/notifications".to_owned()),
        (Service::Report, format!("/summaries/user/{}", user.id)),
    ]
}

/// The body of `POST /transactions`.
pub fn payment(sender: &User, receiver: &User, amount: i64) -> Value {
    json!({"sender_id": sender.id, "receiver_id": receiver.id, "amount": amount, "description": "Payment for goods"})
}

/// The number of the transaction that `POST /transactions` made, also where it was refused.
pub fn transaction_of(answer: &Reply) -> Result<i64> {
    let id = answer["id"].as_i64().or(answer["transaction_id"].as_i64());
    id.with_context(|| format!("the answer was {}", answer.text))
}
