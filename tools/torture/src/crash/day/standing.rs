//! Limits, and an account that is frozen for a while.

use anyhow::Result;
use lab::{wallet::Service, world::transaction_of};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Day, expect};

impl Day {
    /// Payments that a limit allows, counts, gives back and refuses, and one that a frozen account may not make.
    pub(super) async fn limit_and_freeze(&mut self, ani: i64, budi: i64) -> Result<()> {
        self.limit("limits", ani, json!({"per_transaction": 500, "per_day": 100_000})).await?;
        let within = self.pay("within the limits", ani, budi, 26, false).await?;
        self.decide("cancelling within the limits", within, "cancelled").await?;
        self.pay("beyond a limit", ani, budi, 501, false).await?;
        self.limit("no limit", ani, json!({"per_transaction": null})).await?;
        self.put_state("freeze", budi, "frozen").await?;
        self.pay_frozen("from a frozen account", budi, ani, 3).await?;
        self.put_state("free", budi, "active").await
    }

    async fn limit(&mut self, what: &'static str, user: i64, limits: Value) -> Result<()> {
        let path = format!("/users/{user}/limits");
        expect(&self.request(what, Service::User, Method::PUT, path, Some(limits)).await?, &[200])
    }

    async fn put_state(&mut self, what: &'static str, user: i64, state: &str) -> Result<()> {
        let (path, body) = (format!("/users/{user}/state"), json!({"state": state, "reason": what}));
        expect(&self.request(what, Service::User, Method::PUT, path, Some(body)).await?, &[200])
    }

    /// Tries a payment of an account that may not pay, and waits until it is known that it failed.
    async fn pay_frozen(&mut self, what: &'static str, from: i64, to: i64, amount: i64) -> Result<()> {
        let body = json!({"sender_id": from, "receiver_id": to, "amount": amount, "description": what});
        let answer = self.request(what, Service::Transaction, Method::POST, "/transactions".into(), Some(body)).await?;
        expect(&answer, &[202, 403])?;
        let transaction = transaction_of(&answer)?;
        self.transactions.push((what, transaction));
        self.settled(what, transaction).await
    }
}
