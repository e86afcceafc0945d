//! Payments to an address, and money that people ask each other for.

use anyhow::{Context, Result};
use lab::{wallet::Service, world::transaction_of};
use reqwest::Method;
use serde_json::json;

use super::{Day, expect};

impl Day {
    /// `payer` looks up whose address `payee` has, and pays it.
    pub(super) async fn pay_an_address(&mut self, payer: (&'static str, i64), payee: &'static str) -> Result<()> {
        let email = self.address(payee);
        let api = self.as_oneself(payer.0, Service::User).await?;
        let path = format!("/users/lookup?email={email}");
        let found = self
            .insist("look-up", async || {
                api.try_send(Method::GET, &path, None).await.ok().filter(|reply| !reply.status.is_server_error())
            })
            .await?;
        expect(&found, &[200])?;
        let what = "to an address";
        let body = json!({"sender_id": payer.1, "receiver_email": email, "amount": 5, "description": what, "auto_complete": true});
        let answer = self.request(what, Service::Transaction, Method::POST, "/transactions".into(), Some(body)).await?;
        expect(&answer, &[201, 202, 400])?;
        let transaction = transaction_of(&answer)?;
        self.transactions.push((what, transaction));
        self.settled(what, transaction).await
    }

    /// `payee` asks for money twice: once it is paid, and once it is asked for no longer.
    pub(super) async fn ask_for_money(&mut self, payer: i64, payee: i64) -> Result<()> {
        let (what, asked) = ("asked for", self.ask("asking", payee).await?);
        let path = format!("{asked}/pay");
        let body = Some(json!({"payer_id": payer}));
        let answer = self.request(what, Service::Transaction, Method::POST, path, body).await?;
        expect(&answer, &[201, 202])?;
        let transaction = transaction_of(&answer)?;
        self.transactions.push((what, transaction));
        self.settled(what, transaction).await?;
        self.reaches("a paid request", Service::Transaction, &asked, |status| status == "paid").await?;
        let again = Some(json!({"payer_id": payer}));
        let path = format!("{asked}/pay");
        expect(&self.request("paying again", Service::Transaction, Method::POST, path, again).await?, &[409])?;

        let asked = self.ask("asking again", payee).await?;
        let answer = self.request("withdrawal", Service::Transaction, Method::DELETE, asked.clone(), None).await?;
        // whoever got no answer to the first request hears that it is not open any more
        expect(&answer, &[200, 409])?;
        self.reaches("a withdrawn request", Service::Transaction, &asked, |status| status == "withdrawn").await
    }

    /// The path of a new payment request.
    async fn ask(&mut self, what: &'static str, payee: i64) -> Result<String> {
        let body = Some(json!({"payee_id": payee, "amount": 7, "description": what}));
        let answer = self.request(what, Service::Transaction, Method::POST, "/payment-requests".into(), body).await?;
        expect(&answer, &[201])?;
        let id = answer["id"].as_str().with_context(|| answer.text.clone())?;
        Ok(format!("/payment-requests/{id}"))
    }
}
