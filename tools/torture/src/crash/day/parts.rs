//! Payments in parts, and what goes back.

use anyhow::{Context, Result};
use lab::{wallet::Service, world::transaction_of};
use reqwest::Method;
use serde_json::json;

use super::{Day, NOBODY, expect};

impl Day {
    /// Captures, refunds, and what is too much of either.
    pub(super) async fn pay_in_parts(&mut self, ani: i64, budi: i64) -> Result<()> {
        let parts = self.pay("in parts", ani, budi, 90, false).await?;
        self.capture("first part", parts, 25, false).await?;
        self.capture("last part", parts, 40, true).await?;
        self.capture("too much", parts, 26, false).await?;
        self.refund("refund", parts, 30).await?;
        self.refund("refund of too much", parts, 36).await?;
        let rest = self.pay("rest", ani, budi, 24, false).await?;
        self.capture("part before the rest", rest, 4, false).await?;
        self.decide("cancelling the rest", rest, "cancelled").await?;
        Ok(())
    }

    /// A payment to two, captured in parts, all of which goes back.
    pub(super) async fn split(&mut self, ani: i64, [budi, citra]: [i64; 2]) -> Result<()> {
        let what = "split";
        let splits = json!([{"receiver_id": budi, "amount": 43}, {"receiver_id": citra, "amount": 18}]);
        let body = json!({"sender_id": ani, "amount": 61, "splits": splits, "description": what});
        let answer = self.request(what, Service::Transaction, Method::POST, "/transactions".into(), Some(body)).await?;
        expect(&answer, &[201, 202])?;
        let split = transaction_of(&answer)?;
        self.transactions.push((what, split));
        self.settled(what, split).await?;
        self.capture("part of the split", split, 7, false).await?;
        self.decide("completing the split", split, "completed").await?;
        self.refund("refund of the split", split, 61).await
    }

    /// Payments together: each for itself, and all or none.
    pub(super) async fn pay_together(&mut self, ani: i64, budi: i64) -> Result<()> {
        self.batch("each for itself", false, &[(ani, budi, "6.01"), (ani, NOBODY, "1"), (ani, budi, "1000000")])
            .await?;
        self.batch("all of them", true, &[(ani, budi, "6.02"), (budi, ani, "6.03")]).await?;
        self.batch("none of them", true, &[(ani, budi, "6.04"), (ani, budi, "1000000")]).await
    }

    /// Asks for a batch, and waits until it is known what came of each of its transactions.
    async fn batch(&mut self, what: &'static str, atomic: bool, payments: &[(i64, i64, &str)]) -> Result<()> {
        let payment = |&(sender, receiver, amount): &(i64, i64, &str)| json!({"sender_id": sender, "receiver_id": receiver, "amount": amount, "description": what, "auto_complete": true});
        let body = json!({"atomic": atomic, "transactions": payments.iter().map(payment).collect::<Vec<_>>()});
        let path = "/transactions/batch".to_owned();
        let answer = self.request(what, Service::Transaction, Method::POST, path, Some(body)).await?;
        expect(&answer, &[201, 202, 400])?;
        let id = answer["id"].as_i64().or(answer["batch_id"].as_i64()).context("the answer names the batch")?;
        let made = self.look(Service::Transaction, &format!("/batches/{id}")).await?;
        let made = made["results"].as_array().into_iter().flatten();
        let made: Vec<i64> = made.filter_map(|item| item["transaction_id"].as_i64()).collect();
        for transaction in made {
            self.transactions.push((what, transaction));
            self.settled(what, transaction).await?;
        }
        Ok(())
    }

    /// Captures a part, and waits until it is known what came of it.
    async fn capture(&mut self, what: &'static str, transaction: i64, amount: i64, is_final: bool) -> Result<()> {
        let path = format!("/transactions/{transaction}/captures");
        let body = json!({"amount": amount, "final": is_final});
        loop {
            let answer =
                self.request(what, Service::Transaction, Method::POST, path.clone(), Some(body.clone())).await?;
            self.settled(what, transaction).await?;
            if answer["code"] != "transaction_in_progress" {
                return expect(&answer, &[201, 202, 409]);
            }
        }
    }

    /// Gives back a part of what was captured, and waits until it is known what came of it.
    async fn refund(&mut self, what: &'static str, transaction: i64, amount: i64) -> Result<()> {
        let path = format!("/transactions/{transaction}/refunds");
        let body = json!({"amount": amount, "reason": what});
        let answer = self.request(what, Service::Transaction, Method::POST, path, Some(body)).await?;
        expect(&answer, &[201, 202, 409])?;
        let refund = transaction_of(&answer)?;
        self.transactions.push((what, refund));
        self.settled(what, refund).await
    }
}
