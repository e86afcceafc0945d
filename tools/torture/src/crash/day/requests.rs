//! Payments to an address.

use anyhow::Result;
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
}
