//! The wallet's API as the benchmark needs it beside the load. Some of these calls take minutes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use common::server::METRICS_PATH;
use lab::{
    client::Verification,
    http_client::http_client,
    wallet::{Service, Wallet},
};
use reqwest::{RequestBuilder, Url};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// How long a call may take that reads every row there is.
const LONG_CALL: Duration = Duration::from_mins(15);

/// A wallet's four services.
#[derive(Debug)]
pub struct Api {
    http: reqwest::Client,
    urls: [String; 4],
    service_token: String,
}

/// How an answer came that is streamed.
pub struct Download {
    /// From the request to the first byte.
    pub first_byte: Duration,
    /// From the request to the last byte.
    pub whole: Duration,
    /// How long it is.
    pub bytes: u64,
}

/// The answer to a login.
#[derive(Deserialize)]
pub struct Login {
    /// The token.
    pub access_token: String,
    /// How long it is valid, in seconds.
    pub expires_in: i64,
}

/// The answer to a full synchronization.
#[derive(Deserialize)]
pub struct Synced {
    /// How many transactions were taken over.
    pub synced_transactions: u64,
}

#[derive(Deserialize)]
struct Made {
    id: i64,
}

impl Api {
    /// The services of `wallet`.
    pub fn new(wallet: &Wallet) -> Self {
        let urls = Service::ALL.map(|service| wallet.url(service));
        Self { http: http_client(), urls, service_token: wallet.service_token().to_owned() }
    }

    /// Registers a user and returns its number.
    pub async fn register(&self, email: &str, password: &str) -> Result<i64> {
        let body = json!({"full_name": "Bench User", "email": email, "password": password});
        let Made { id } = self.call(self.post(Service::User, "/auth/register").json(&body)).await?;
        Ok(id)
    }

    /// Signs a user in.
    pub async fn log_in(&self, email: &str, password: &str) -> Result<Login> {
        self.call(self.post(Service::User, "/auth/login").json(&json!({"email": email, "password": password}))).await
    }

    /// Tops a user up, in whole units.
    pub async fn top_up(&self, user: i64, amount: u64) -> Result<()> {
        let request = self.post(Service::User, &format!("/users/{user}/topup")).json(&json!({"amount": amount}));
        let _: Value = self.call(request).await?;
        Ok(())
    }

    /// Makes a one-step transfer and returns the transaction's number.
    pub async fn transfer(&self, sender: i64, receiver: i64) -> Result<i64> {
        let body = json!({
            "sender_id": sender, "receiver_id": receiver, "amount": 1, "description": "Lunch", "auto_complete": true
        });
        let Made { id } = self.call(self.post(Service::Transaction, "/transactions").json(&body)).await?;
        Ok(id)
    }

    /// Makes a schedule that begins on `start` and pays in one step, and returns its number.
    pub async fn schedule(&self, sender: i64, receiver: i64, start: &str) -> Result<i64> {
        let payment = json!({
            "sender_id": sender, "receiver_id": receiver, "amount": 1, "description": "Rent", "auto_complete": true
        });
        let body = json!({"transaction": payment, "every": "month", "start": start});
        let Made { id } = self.call(self.post(Service::Transaction, "/schedules").json(&body)).await?;
        Ok(id)
    }

    /// Has the ledger checked, and fails if a row breaks a rule.
    pub async fn verify(&self) -> Result<()> {
        let url = format!("{}/internal/ledger/verify", self.urls[Service::User as usize]);
        let proof: Verification = self.call(self.http.get(url).timeout(LONG_CALL)).await?;
        match proof.violations.first() {
            None if proof.ok => Ok(()),
            Some(first) => bail!(
                "the ledger is broken in {} place(s), first: {}, {}: {}",
                proof.violations.len(),
                first.rule,
                first.subject,
                first.detail
            ),
            None => bail!("the ledger is broken"),
        }
    }

    /// Has report-service take over everything.
    pub async fn sync_all(&self) -> Result<Synced> {
        self.call(self.post(Service::Report, "/sync/all").timeout(LONG_CALL)).await
    }

    /// What a service counts, as Prometheus reads it.
    pub async fn metrics(&self, service: Service) -> Result<String> {
        let (text, _) = self.text(self.http.get(format!("{}{METRICS_PATH}", self.urls[service as usize]))).await?;
        Ok(text)
    }

    /// Reads an answer as it comes, and keeps nothing of it.
    pub async fn download(&self, service: Service, path: &str) -> Result<Download> {
        let url = format!("{}{path}", self.urls[service as usize]);
        let asked = Instant::now();
        let request = self.http.get(url).timeout(LONG_CALL).header("X-Service-Token", &self.service_token);
        let mut answer = request.send().await?.error_for_status()?;
        let (mut first_byte, mut bytes) = (None, 0);
        while let Some(part) = answer.chunk().await? {
            first_byte.get_or_insert(asked.elapsed());
            bytes += part.len() as u64;
        }
        let whole = asked.elapsed();
        Ok(Download { first_byte: first_byte.unwrap_or(whole), whole, bytes })
    }

    fn post(&self, service: Service, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.urls[service as usize]))
    }

    async fn call<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let (text, url) = self.text(request).await?;
        serde_json::from_str(&text).with_context(|| format!("{url} answered nonsense: {text}"))
    }

    /// What a request that succeeds is answered, and by whom.
    async fn text(&self, request: RequestBuilder) -> Result<(String, Url)> {
        let answer = request.header("X-Service-Token", &self.service_token).send().await?;
        let (status, url) = (answer.status(), answer.url().clone());
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("{url} answered {status}: {text}");
        }
        Ok((text, url))
    }
}
