//! The people at the counter: they pay, cancel, top up, take out and ask again, each after the other's answer.

use std::time::{Duration, Instant};

use fastrand::Rng;
use lab::{
    http::{Api, Reply},
    wallet::Service,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{
    history::{Asked, History, Status, Told},
    site::{INSTANCES, PENDING_TTL},
    splits::splits,
};

/// How long a client waits for an answer; then the outcome is unknown.
const PATIENCE: Duration = Duration::from_secs(4);
/// The largest amount, in whole units.
const MAX_AMOUNT: i64 = 50;
/// Requests that a client remembers, to send them again.
const MEMORY: usize = 20;

/// A client and whom it can reach.
pub struct Client {
    /// Which one.
    pub number: usize,
    /// Both instances of each service, with the service token.
    pub instances: [[Api; INSTANCES]; 4],
    /// Whose accounts are used.
    pub accounts: Vec<i64>,
    /// What all clients were told.
    pub history: History,
    /// Chooses what is done.
    pub random: Rng,
}

#[derive(Clone)]
struct Sent {
    key: String,
    asked: Asked,
    amount: i64,
}

impl Client {
    /// Asks for one thing after the other until `end`.
    pub async fn work(mut self, end: Instant) {
        let mut memory: Vec<Sent> = Vec::new();
        let mut count = 0;
        while Instant::now() < end {
            if !memory.is_empty() && self.random.u8(..100) < 15 {
                let again = memory[self.random.usize(..memory.len())].clone();
                let mut random = self.random.fork();
                self.ask(&again, &mut random).await;
                continue;
            }
            count += 1;
            let sent = Sent {
                key: format!("client-{}-{count}", self.number),
                asked: self.asked(),
                amount: self.random.i64(1..=MAX_AMOUNT),
            };
            if self.random.u8(..100) < 5 {
                // an impatient one asks twice at once
                let (mut first, mut second) = (self.random.fork(), self.random.fork());
                tokio::join!(self.ask(&sent, &mut first), self.ask(&sent, &mut second));
            } else {
                let mut random = self.random.fork();
                self.ask(&sent, &mut random).await;
            }
            memory.push(sent);
            if memory.len() > MEMORY {
                memory.remove(0);
            }
        }
    }

    fn asked(&mut self) -> Asked {
        let from = self.accounts[self.random.usize(..self.accounts.len())];
        let others: Vec<i64> = self.accounts.iter().copied().filter(|account| *account != from).collect();
        let to = others[self.random.usize(..others.len())];
        let second = others.iter().copied().find(|other| *other != to).filter(|_| self.random.u8(..100) < 15);
        match self.random.u8(..100) {
            0..45 => Asked::Transfer { from, to, second, one_step: true },
            45..80 => Asked::Transfer { from, to, second, one_step: false },
            80..90 => Asked::TopUp { user: from },
            _ => Asked::Debit { user: from },
        }
    }

    fn api(&self, service: Service, random: &mut Rng) -> &Api {
        &self.instances[service as usize][random.usize(..INSTANCES)]
    }

    async fn ask(&self, sent: &Sent, random: &mut Rng) {
        let Sent { key, asked, amount } = sent;
        self.history.invoke(key, *asked, *amount);
        let told = match *asked {
            Asked::Transfer { from, to, second, one_step } => {
                let mut body =
                    json!({"sender_id": from, "amount": amount, "description": key, "auto_complete": one_step});
                match second {
                    None => body["receiver_id"] = json!(to),
                    Some(second) => body["splits"] = splits(to, second, *amount),
                }
                self.pay(&self.api(Service::Transaction, random).keyed(key), "/transactions", body).await
            }
            Asked::Refund { of } => {
                let (path, body) = (format!("/transactions/{of}/refunds"), json!({"amount": amount, "reason": key}));
                self.pay(&self.api(Service::Transaction, random).keyed(key), &path, body).await
            }
            Asked::TopUp { user } => {
                self.change(&self.api(Service::User, random).keyed(key), user, "topup", *amount).await
            }
            Asked::Debit { user } => {
                self.change(&self.api(Service::User, random).keyed(key), user, "debit", *amount).await
            }
        };
        self.history.told(key, told);
        if let Told::Done(Some((id, status))) = told {
            self.read_back(key, id, status, random).await;
            match (asked, status) {
                (Asked::Transfer { .. }, Status::Pending) => self.decide(key, id, *amount, random).await,
                (Asked::Transfer { .. }, Status::Completed) if random.u8(..100) < 15 => {
                    self.refund_twice(key, id, *amount, random).await;
                }
                _ => {}
            }
        }
    }

    /// Asks for two refunds at once that may be too much together.
    async fn refund_twice(&self, key: &str, of: i64, most: i64, random: &mut Rng) {
        // the same amounts whenever they are asked for: another amount under a known key is refused
        let refund = |number: i64| Sent {
            key: format!("{key}-refund-{number}"),
            asked: Asked::Refund { of },
            amount: (7 * of + 5 * number) % most + 1,
        };
        let (one, other) = (refund(1), refund(2));
        let (mut first, mut second) = (random.fork(), random.fork());
        // boxed, since a refund is asked for like a payment
        tokio::join!(Box::pin(self.ask(&one, &mut first)), Box::pin(self.ask(&other, &mut second)));
    }

    async fn send(&self, api: &Api, method: Method, path: &str, body: Option<Value>) -> Option<Reply> {
        let body = body.map(|body| body.to_string());
        timeout(PATIENCE, api.try_send(method, path, body)).await.ok()?.ok()
    }

    async fn pay(&self, api: &Api, path: &str, body: Value) -> Told {
        let reply = self.send(api, Method::POST, path, Some(body)).await;
        let Some(reply) = reply.filter(is_certain) else { return Told::Unknown };
        match (reply["id"].as_i64(), status(&reply)) {
            (Some(id), Some(status)) => Told::Done(Some((id, status))),
            _ => Told::Refused,
        }
    }

    async fn change(&self, api: &Api, user: i64, verb: &str, amount: i64) -> Told {
        let (path, body) = (format!("/users/{user}/{verb}"), json!({"amount": amount}));
        let reply = self.send(api, Method::POST, &path, Some(body)).await;
        match reply.filter(is_certain) {
            None => Told::Unknown,
            Some(reply) if reply.status.is_success() => Told::Done(None),
            Some(_) => Told::Refused,
        }
    }

    /// Completes most, some for a part and some only when they are about to expire, cancels some, and leaves some to whoever asks again.
    async fn decide(&self, key: &str, id: i64, amount: i64, random: &mut Rng) {
        let decision = match random.u8(..10) {
            0..5 => "completed",
            5 => {
                sleep(PENDING_TTL.mul_f64(random.f64() + 0.75)).await;
                "completed"
            }
            6..8 => "cancelled",
            _ => return,
        };
        let (path, mut body) = (format!("/transactions/{id}"), json!({"status": decision}));
        if decision == "completed" && random.u8(..10) < 3 {
            body["amount"] = json!(random.i64(1..=amount));
        }
        let reply = self.send(self.api(Service::Transaction, random), Method::PUT, &path, Some(body)).await;
        if let Some(status) = reply.filter(is_certain).as_ref().and_then(status) {
            self.history.told(key, Told::Done(Some((id, status))));
            self.read_back(key, id, status, random).await;
        }
    }

    /// Whoever was told something sees it from then on, wherever they look.
    async fn read_back(&self, key: &str, id: i64, told: Status, random: &mut Rng) {
        let (api, path) = (self.api(Service::Transaction, random), format!("/transactions/{id}"));
        let Some(reply) = self.send(api, Method::GET, &path, None).await else { return };
        if !is_certain(&reply) {
            return;
        }
        let seen = status(&reply);
        // pending may have become anything since
        let agrees = told == Status::Pending && reply.status.is_success() || seen == Some(told);
        if !agrees {
            self.history.with(|log| log.contradictions.push(format!("{key}: told {told:?}, then read {}", reply.text)));
        }
    }
}

/// False where the money may have moved or not.
fn is_certain(reply: &Reply) -> bool {
    let running = ["request_in_progress", "transaction_in_progress"];
    let is_running = reply["code"].as_str().is_some_and(|code| running.contains(&code));
    !reply.status.is_server_error() && reply.status != 202 && reply.status != 429 && !is_running
}

fn status(reply: &Reply) -> Option<Status> {
    match reply["status"].as_str()? {
        "pending" => Some(Status::Pending),
        "completed" => Some(Status::Completed),
        "cancelled" => Some(Status::Cancelled),
        _ => None,
    }
}
