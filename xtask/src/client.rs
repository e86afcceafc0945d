//! The wallet's API, as the developer commands use it. Amounts stay JSON text; nothing here is a float.

use anyhow::{Context, Result, anyhow, bail};
use common::http::client::http_client;
use harness::wallet::Service;
use reqwest::{RequestBuilder, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{json, value::RawValue};

use crate::state::Endpoints;

/// The password of every sample user.
pub const PASSWORD: &str = "password123";

/// The running system.
pub struct Client {
    http: reqwest::Client,
    endpoints: Endpoints,
}

/// A user who is signed in.
pub struct Account {
    pub id: i64,
    pub name: String,
    pub email: String,
}

/// A transfer to make.
pub struct Transfer<'a> {
    pub sender: i64,
    pub receiver: i64,
    /// In whole units of the currency.
    pub amount: u64,
    pub description: &'a str,
    pub auto_complete: bool,
    pub key: &'a str,
}

#[derive(Deserialize)]
struct Login {
    user: User,
}

#[derive(Deserialize)]
struct User {
    id: i64,
}

/// A transaction, as far as it matters here.
#[derive(Deserialize)]
pub struct Transaction {
    pub id: i64,
    pub status: String,
}

#[derive(Deserialize)]
struct Balance {
    balance: Box<RawValue>,
}

#[derive(Deserialize)]
struct Problem {
    error: String,
    #[serde(default)]
    code: String,
}

/// What the ledger's check found.
#[derive(Deserialize)]
pub struct Verification {
    pub ok: bool,
    pub checked_operations: u64,
    pub checked_users: u64,
    pub violations: Vec<Violation>,
}

/// A row that breaks a rule of the ledger.
#[derive(Deserialize)]
pub struct Violation {
    pub rule: String,
    pub subject: String,
    pub detail: String,
}

impl Client {
    /// A client of the services at `endpoints`.
    pub fn new(endpoints: Endpoints) -> Self {
        Self { http: http_client(), endpoints }
    }

    /// Signs a sample user in, and up first if there is none.
    pub async fn sign_in(&self, name: &str, email: &str) -> Result<Account> {
        let registration = json!({"full_name": name, "email": email, "password": PASSWORD});
        let answer = self.send(Service::User, self.post(Service::User, "/auth/register").json(&registration)).await?;
        if answer.status() != StatusCode::CONFLICT {
            refuse_failure(answer).await.with_context(|| format!("{email} could not be registered"))?;
        }
        let login = self.post(Service::User, "/auth/login").json(&json!({"email": email, "password": PASSWORD}));
        let login: Login = self.call(Service::User, login).await.with_context(|| {
            format!("{email} exists, but not with the password {PASSWORD}; start anew with: cargo xtask reset")
        })?;
        Ok(Account { id: login.user.id, name: name.to_owned(), email: email.to_owned() })
    }

    /// Tops a user up as a service, once for each key.
    pub async fn top_up(&self, account: &Account, amount: u64, key: &str) -> Result<()> {
        let request = self.post(Service::User, &format!("/users/{}/topup", account.id));
        let request = self.with_token(request).header("Idempotency-Key", key).json(&json!({"amount": amount}));
        let _: serde_json::Value = self.call(Service::User, request).await?;
        Ok(())
    }

    /// The balance of a user, as the service wrote it.
    pub async fn balance(&self, user: i64) -> Result<String> {
        let url = format!("{}/users/{user}/balance", self.url(Service::User));
        let balance: Balance = self.call(Service::User, self.with_token(self.http.get(url))).await?;
        Ok(balance.balance.get().to_owned())
    }

    /// Makes a transaction, once for each key. None if the sender has not enough money.
    pub async fn transfer(&self, transfer: &Transfer<'_>) -> Result<Option<Transaction>> {
        let mut body = json!({
            "sender_id": transfer.sender,
            "receiver_id": transfer.receiver,
            "amount": transfer.amount,
            "description": transfer.description,
        });
        if transfer.auto_complete {
            body["auto_complete"] = true.into();
        }
        let request = self.with_token(self.post(Service::Transaction, "/transactions"));
        let request = request.header("Idempotency-Key", transfer.key).json(&body);
        let answer = self.send(Service::Transaction, request).await?;
        if answer.status() == StatusCode::BAD_REQUEST {
            let problem: Problem = answer.json().await.context("a refusal has a JSON body")?;
            if problem.code == "insufficient_balance" {
                return Ok(None);
            }
            bail!("the transaction was refused: {}", problem.error);
        }
        Ok(Some(refuse_failure(answer).await?.json().await?))
    }

    /// Completes, fails or cancels a pending transaction; the same decision again changes nothing.
    pub async fn decide(&self, transaction: i64, status: &str) -> Result<Transaction> {
        let url = format!("{}/transactions/{transaction}", self.url(Service::Transaction));
        let request = self.with_token(self.http.put(url)).json(&json!({"status": status}));
        self.call(Service::Transaction, request).await
    }

    /// Has the ledger checked.
    pub async fn verify(&self) -> Result<Verification> {
        let url = format!("{}/internal/ledger/verify", self.url(Service::User));
        self.call(Service::User, self.with_token(self.http.get(url))).await
    }

    /// The base URL of a service.
    pub fn url(&self, service: Service) -> &str {
        &self.endpoints.urls[service as usize]
    }

    /// What services show each other.
    pub fn service_token(&self) -> &str {
        &self.endpoints.service_token
    }

    fn post(&self, service: Service, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.url(service)))
    }

    fn with_token(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("X-Service-Token", &self.endpoints.service_token)
    }

    async fn call<T: DeserializeOwned>(&self, service: Service, request: RequestBuilder) -> Result<T> {
        let answer = self.send(service, request).await?;
        refuse_failure(answer).await?.json().await.with_context(|| format!("{} answered nonsense", service.name()))
    }

    async fn send(&self, service: Service, request: RequestBuilder) -> Result<reqwest::Response> {
        let (name, url) = (service.name(), self.url(service));
        request.send().await.map_err(|error| {
            if error.is_connect() {
                anyhow!("{name} is not running at {url}. Start the system with: cargo xtask up")
            } else {
                anyhow!(error).context(format!("{name} at {url} broke off; see its log"))
            }
        })
    }
}

async fn refuse_failure(answer: reqwest::Response) -> Result<reqwest::Response> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let text = answer.text().await.unwrap_or_default();
    let sentence = serde_json::from_str::<Problem>(&text).map_or(text, |problem| problem.error);
    bail!("the answer was {status}: {sentence}")
}
