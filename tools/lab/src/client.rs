//! The wallet's API, as the developer commands use it. Amounts stay JSON text; nothing here is a float.

use anyhow::{Context, Result, anyhow, bail};
use reqwest::{RequestBuilder, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{json, value::RawValue};

use crate::{
    environment,
    http_client::http_client,
    wallet::{Service, Wallet},
};

/// The password of every sample user.
pub const PASSWORD: &str = "password123";

/// The users of the example that `up` prints; the demo has them too.
pub const ANI: (&str, &str) = ("Ani Wijaya", "ani@example.com");
/// The other one.
pub const BUDI: (&str, &str) = ("Budi Santoso", "budi@example.com");
/// What each sample user is topped up with, in whole units of the currency.
pub const TOP_UP: u64 = 1_000_000;
/// The key of that top-up.
pub const TOP_UP_KEY: &str = "demo-top-up";
/// The port below the first service's.
pub const DEFAULT_PORT_BASE: u16 = 5000;

/// Where the services are, and what they take from a caller that is a service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Endpoints {
    /// Base URLs in the order of the services' ports.
    pub urls: [String; 4],
    /// `X-Service-Token`
    pub service_token: String,
}

impl Endpoints {
    /// The services of `wallet`.
    pub fn of(wallet: &Wallet) -> Self {
        let urls = Service::ALL.map(|service| wallet.url(service));
        Self { urls, service_token: wallet.service_token().to_owned() }
    }

    /// The services on the documented ports.
    pub fn documented() -> Self {
        let urls = [1, 2, 3, 4].map(|n| format!("http://localhost:{}", DEFAULT_PORT_BASE + n));
        Self { urls, service_token: environment::service_token() }
    }
}

/// The running system.
pub struct Client {
    http: reqwest::Client,
    endpoints: Endpoints,
}

/// A user who is signed in.
pub struct Account {
    /// Its number.
    pub id: i64,
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
}

/// A transfer to make.
pub struct Transfer<'a> {
    /// Who pays.
    pub sender: i64,
    /// Who is paid.
    pub receiver: i64,
    /// In whole units of the currency.
    pub amount: u64,
    /// What for.
    pub description: &'a str,
    /// Whether the money moves at once.
    pub auto_complete: bool,
    /// The request's idempotency key.
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
    /// Its number.
    pub id: i64,
    /// Its status.
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
    /// True if every rule holds.
    pub ok: bool,
    /// How many operations were looked at.
    pub checked_operations: u64,
    /// How many users were looked at.
    pub checked_users: u64,
    /// The rows that break a rule.
    pub violations: Vec<Violation>,
}

/// A row that breaks a rule of the ledger.
#[derive(Deserialize)]
pub struct Violation {
    /// The rule.
    pub rule: String,
    /// Which row.
    pub subject: String,
    /// What is wrong with it.
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
            format!(
                "{email} exists, but not with the password {PASSWORD}; start again from nothing with: cargo xtask reset"
            )
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
