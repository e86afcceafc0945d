//! A day of the wallet: every flow there is, by people who ask again until they are answered for certain.

mod later;
mod parts;
mod reading;
mod requests;
mod standing;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lab::{
    http::{Api, Reply},
    wallet::Service,
};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::MySqlPool;
use tokio::time::sleep;

use lab::world::transaction_of;

/// How long somebody goes on asking.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause before asking again.
const PAUSE: Duration = Duration::from_millis(50);
/// The number of nobody's account.
pub const NOBODY: i64 = 999_999_999;
/// A hash of `password123` with less work than the service asks for, so that the next login replaces it.
const OUTDATED_HASH: &str =
    "$argon2id$v=19$m=8192,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$PjV3R/py1iiVX84GQuBOk7bWefQPSYBSD8tWVkiDRzo";

/// A day, and what was made on it.
pub struct Day {
    /// Callers of the services, with the service token.
    services: [Api; 4],
    /// A look into each schema, in the order of the services.
    pub pools: [MySqlPool; 4],
    /// Makes the people, and their requests, different from those of other days.
    number: u32,
    /// The newest notification of the day before.
    pub first_notification: i64,
    people: Vec<(&'static str, i64)>,
    transactions: Vec<(&'static str, i64)>,
    /// The longest that anybody had to ask for one thing, and for what.
    pub longest: (Duration, &'static str),
}

impl Day {
    /// A day on which nothing has happened yet.
    pub async fn new(number: u32, services: [Api; 4], pools: [MySqlPool; 4]) -> Result<Self> {
        let first_notification =
            sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) FROM notifications").fetch_one(&pools[2]).await?;
        let (people, transactions) = (Vec::new(), Vec::new());
        Ok(Self { services, pools, number, first_notification, people, transactions, longest: (Duration::ZERO, "") })
    }

    /// The accounts that were opened, by name.
    pub fn people(&self) -> Vec<(&'static str, i64)> {
        self.people.clone()
    }

    /// The transactions that were made, by name.
    pub fn transactions(&self) -> Vec<(&'static str, i64)> {
        self.transactions.clone()
    }

    /// A caller of `service` with the service token.
    pub fn service(&self, service: Service) -> &Api {
        &self.services[service as usize]
    }

    /// What `service` shows at `path`.
    pub async fn look(&self, service: Service, path: &str) -> Result<Reply> {
        Ok(self.service(service).try_send(Method::GET, path, None).await?)
    }

    /// Everything that happens on the day.
    pub async fn live(&mut self) -> Result<()> {
        self.spoil_the_outboxes().await?;
        let ani = self.register("Ani").await?;
        let budi = self.register("Budi").await?;
        let citra = self.register("Citra").await?;
        self.outdate_password(ani).await?;
        self.log_in("Ani").await?;
        self.summary(ani).await?; // report-service sees a user for the first time
        self.change_balance("top-up", ani, "topup", 1_000).await?;
        self.change_balance("top-up of the closed", citra, "topup", 10).await?;
        self.change_balance("debit", ani, "debit", 30).await?;
        self.rename(budi).await?;

        let completed = self.pay("completed", ani, budi, 100, false).await?;
        self.decide("completing", completed, "completed").await?;
        self.pay("one step", ani, budi, 50, true).await?;
        self.pay_in_parts(ani, budi).await?;
        self.split(ani, [budi, citra]).await?;
        self.pay_together(ani, budi).await?;
        self.pay_an_address(("Ani", ani), "Budi").await?;
        self.ask_for_money(ani, budi).await?;
        self.limit_and_freeze(ani, budi).await?;
        self.pay_later(ani, budi).await?;
        self.summary(budi).await?; // which no run has proved yet
        self.read_entries(ani).await?;
        let cancelled = self.pay("cancelled", ani, budi, 20, false).await?;
        self.age(cancelled).await?;
        self.synchronize().await?;
        self.clear_old_entries().await?;
        self.summary(ani).await?; // report-service asks again for what has been open for long
        self.decide("cancelling", cancelled, "cancelled").await?;
        let expired = self.pay("expired", ani, budi, 21, false).await?;
        self.expire(expired).await?;
        let declined = self.pay("declined", ani, budi, 23, false).await?;
        self.decline("Budi", declined).await?;
        self.look_around("Budi", budi).await?;
        self.try_to_pay(ani, budi).await?;
        let deleted = self.pay("deleted", ani, budi, 22, false).await?;
        self.delete_transaction(deleted).await?;
        self.pay("refused", ani, budi, 1_000_000, false).await?;
        self.pay("last of the closed", citra, ani, 10, true).await?;
        self.read_old_reports(citra).await?;
        self.mailed(citra).await?; // while there is an address
        self.close(citra).await?;

        self.notify("News for Budi.", budi).await?;
        let undeliverable = self.notify("News for nobody.", NOBODY).await?;
        let old = self.notify("Old news for Budi.", budi).await?;
        self.edit_and_hide(old).await?;
        let now = self.notify("News that cannot wait.", budi).await?;
        self.send_now(now).await?;
        self.send_again(undeliverable).await?;

        self.report(ani, completed).await?;
        self.statement(ani).await?;
        self.look_at_the_whole().await?;
        self.reconcile().await?;
        self.synchronize().await
    }

    /// Asks until `ask` has an answer.
    async fn insist<T>(&mut self, what: &'static str, mut ask: impl AsyncFnMut() -> Option<T>) -> Result<T> {
        let began = Instant::now();
        loop {
            if let Some(answer) = ask().await {
                self.longest = self.longest.max((began.elapsed(), what));
                return Ok(answer);
            }
            if began.elapsed() > PATIENCE {
                bail!("{what}: no certain answer within {PATIENCE:?}");
            }
            sleep(PAUSE).await;
        }
    }

    /// Sends a request until its answer is neither a time-out nor a 5xx.
    async fn request(
        &mut self,
        what: &'static str,
        service: Service,
        method: Method,
        path: String,
        body: Option<Value>,
    ) -> Result<Reply> {
        let api = self.service(service).keyed(&format!("day {} {what}", self.number).replace(' ', "-"));
        self.insist(what, async || {
            let body = body.as_ref().map(Value::to_string);
            let reply = api.try_send(method.clone(), &path, body).await.ok()?;
            let uncertain = reply.status.is_server_error() || reply["code"] == "request_in_progress";
            (!uncertain).then_some(reply)
        })
        .await
    }

    fn address(&self, name: &str) -> String {
        format!("{}{}@example.com", name.to_lowercase(), self.number)
    }

    async fn register(&mut self, name: &'static str) -> Result<i64> {
        let email = self.address(name);
        let body = json!({"full_name": name, "email": email, "password": "password123"});
        let answer = self.request(name, Service::User, Method::POST, "/auth/register".into(), Some(body)).await?;
        // whoever got no answer to the first request hears that the address is taken: by themselves
        let id = if answer["code"] == "email_taken" { self.log_in(name).await? } else { id(&answer)? };
        self.people.push((name, id));
        Ok(id)
    }

    async fn log_in(&mut self, name: &'static str) -> Result<i64> {
        let body = json!({"email": self.address(name), "password": "password123"});
        let answer = self.request("login", Service::User, Method::POST, "/auth/login".into(), Some(body)).await?;
        answer["user"]["id"].as_i64().with_context(|| answer.text.clone())
    }

    /// A fact that notification-service refuses, in both outboxes: it must not hold up the others.
    async fn spoil_the_outboxes(&self) -> Result<()> {
        for pool in &self.pools[..2] {
            sqlx::query("DELETE FROM outbox WHERE fact = '{}'").execute(pool).await?;
            sqlx::query("INSERT INTO outbox (fact) VALUES ('{}')").execute(pool).await?;
        }
        Ok(())
    }

    /// As if the account came from a time when passwords were worth less work.
    async fn outdate_password(&self, user: i64) -> Result<()> {
        let update = sqlx::query("UPDATE users SET password_hash = ? WHERE id = ?").bind(OUTDATED_HASH).bind(user);
        update.execute(&self.pools[0]).await?;
        Ok(())
    }

    async fn change_balance(&mut self, what: &'static str, user: i64, verb: &str, amount: i64) -> Result<()> {
        let (path, body) = (format!("/users/{user}/{verb}"), json!({"amount": amount}));
        expect(&self.request(what, Service::User, Method::POST, path, Some(body)).await?, &[200])
    }

    async fn rename(&mut self, user: i64) -> Result<()> {
        let (path, body) = (format!("/users/{user}"), json!({"full_name": "Budi Santoso"}));
        expect(&self.request("rename", Service::User, Method::PUT, path, Some(body)).await?, &[200])
    }

    /// Waits until all that `user` is told is mailed.
    async fn mailed(&mut self, user: i64) -> Result<()> {
        let [users, transactions, notifications, _] = self.pools.clone();
        self.insist("mail", async || {
            let mut left = 0;
            for pool in [&users, &transactions] {
                let waiting = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM outbox WHERE fact <> '{}'");
                left += waiting.fetch_one(pool).await.ok()?;
            }
            let pending = "SELECT COUNT(*) FROM notifications WHERE user_id = ? AND status = 'pending'";
            left += sqlx::query_scalar::<_, i64>(pending).bind(user).fetch_one(&notifications).await.ok()?;
            (left == 0).then_some(())
        })
        .await
    }

    async fn close(&mut self, user: i64) -> Result<()> {
        let path = format!("/users/{user}");
        // whoever got no answer to the first request hears that there is no such account any more
        expect(&self.request("close", Service::User, Method::DELETE, path, None).await?, &[200, 404])
    }

    /// Makes a transaction and waits until it is settled, or held.
    async fn pay(&mut self, what: &'static str, from: i64, to: i64, amount: i64, one_step: bool) -> Result<i64> {
        let body = json!({"sender_id": from, "receiver_id": to, "amount": amount, "description": what, "auto_complete": one_step});
        let answer = self.request(what, Service::Transaction, Method::POST, "/transactions".into(), Some(body)).await?;
        expect(&answer, &[201, 202, 400])?;
        let transaction = transaction_of(&answer)?;
        self.transactions.push((what, transaction));
        self.settled(what, transaction).await?;
        Ok(transaction)
    }

    /// Waits until what `service` shows at `path` has a status that is `enough`.
    async fn reaches(
        &mut self,
        what: &'static str,
        service: Service,
        path: &str,
        enough: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let api = self.service(service).clone();
        self.insist(what, async || {
            let shown = api.try_send(Method::GET, path, None).await.ok()?;
            shown["status"].as_str().filter(|status| enough(status)).map(drop)
        })
        .await
    }

    async fn settled(&mut self, what: &'static str, transaction: i64) -> Result<()> {
        let path = format!("/transactions/{transaction}");
        self.reaches(what, Service::Transaction, &path, |status| status != "processing").await
    }

    async fn decide(&mut self, what: &'static str, transaction: i64, status: &'static str) -> Result<()> {
        let api = self.service(Service::Transaction).clone();
        self.decide_as(&api, what, transaction, status).await
    }

    /// A caller of `service` with the token of `name`.
    async fn as_oneself(&mut self, name: &'static str, service: Service) -> Result<Api> {
        let body = json!({"email": self.address(name), "password": "password123"});
        let login = self.request("login", Service::User, Method::POST, "/auth/login".into(), Some(body)).await?;
        let token = login["access_token"].as_str().with_context(|| login.text.clone())?;
        Ok(self.service(service).clone().without("x-service-token").as_user(token))
    }

    /// As the receiver, with a token of its own.
    async fn decline(&mut self, name: &'static str, transaction: i64) -> Result<()> {
        let api = self.as_oneself(name, Service::Transaction).await?;
        self.decide_as(&api, "declining", transaction, "cancelled").await
    }

    async fn decide_as(&mut self, api: &Api, what: &'static str, transaction: i64, status: &'static str) -> Result<()> {
        let (path, body) = (format!("/transactions/{transaction}"), json!({"status": status}).to_string());
        loop {
            let answer = self
                .insist(what, async || {
                    let reply = api.try_send(Method::PUT, &path, Some(body.clone())).await.ok()?;
                    (!reply.status.is_server_error()).then_some(reply)
                })
                .await?;
            self.settled(what, transaction).await?;
            // a decision that could not be sent leaves the transaction as it was
            if answer["code"] != "transaction_in_progress" {
                return expect(&answer, &[200, 202, 409]);
            }
        }
    }

    /// As if the time in which it can be completed had passed.
    async fn expire(&mut self, transaction: i64) -> Result<()> {
        let update = sqlx::query("UPDATE transactions SET due_at = NOW(6) WHERE id = ?").bind(transaction);
        update.execute(&self.pools[1]).await?;
        let path = format!("/transactions/{transaction}");
        self.reaches("expiry", Service::Transaction, &path, |status| status == "cancelled").await
    }

    /// As if it had been pending for a while.
    async fn age(&self, transaction: i64) -> Result<()> {
        let update = "UPDATE transactions SET changed_at = NOW(6) - INTERVAL 5 MINUTE WHERE id = ?";
        sqlx::query(update).bind(transaction).execute(&self.pools[1]).await?;
        Ok(())
    }

    async fn delete_transaction(&mut self, transaction: i64) -> Result<()> {
        let path = format!("/transactions/{transaction}");
        let answer = self.request("delete", Service::Transaction, Method::DELETE, path, None).await?;
        expect(&answer, &[200, 202, 404])
    }

    async fn notify(&mut self, message: &'static str, user: i64) -> Result<i64> {
        let body = json!({"user_id": user, "message": message});
        let path = "/notifications".to_owned();
        id(&self.request(message, Service::Notification, Method::POST, path, Some(body)).await?)
    }

    async fn edit_and_hide(&mut self, notification: i64) -> Result<()> {
        let path = format!("/notifications/{notification}");
        let body = json!({"message": "Corrected news for Budi."});
        let edited = self.request("edit", Service::Notification, Method::PUT, path.clone(), Some(body)).await?;
        expect(&edited, &[200])?;
        self.reaches("mail", Service::Notification, &path, |status| status == "sent").await?;
        expect(&self.request("hide", Service::Notification, Method::DELETE, path, None).await?, &[200, 404])
    }

    async fn send_now(&mut self, notification: i64) -> Result<()> {
        let path = format!("/notifications/{notification}/send");
        // the worker may be faster
        expect(&self.request("send", Service::Notification, Method::POST, path, None).await?, &[200, 202, 409])
    }

    /// What could not be mailed is tried again, and cannot be mailed again.
    async fn send_again(&mut self, notification: i64) -> Result<()> {
        let path = format!("/notifications/{notification}");
        self.reaches("failure", Service::Notification, &path, |status| status == "failed").await?;
        let path = format!("{path}/resend");
        let answer = self.request("resend", Service::Notification, Method::POST, path, None).await?;
        ensure!(!answer.status.is_success(), "mailed to nobody: {}", answer.text);
        // and with all that failed, after which it fails once more
        let all = "/internal/notifications/resend".to_owned();
        expect(&self.request("resend", Service::Notification, Method::POST, all, Some(json!({}))).await?, &[200])?;
        let path = format!("/notifications/{notification}");
        self.reaches("failure", Service::Notification, &path, |status| status == "failed").await
    }

    async fn report(&mut self, user: i64, transaction: i64) -> Result<()> {
        let body = json!({"user_id": user, "transaction_id": transaction});
        expect(
            &self.request("report", Service::Report, Method::POST, "/reports".into(), Some(body)).await?,
            &[200, 201],
        )
    }

    async fn statement(&mut self, user: i64) -> Result<()> {
        let path = format!("/statements/user/{user}?from=2020-01-01&to=2029-12-31&format=pdf");
        expect(&self.request("statement", Service::Report, Method::GET, path, None).await?, &[200])
    }

    async fn summary(&mut self, user: i64) -> Result<()> {
        let path = format!("/summaries/user/{user}");
        expect(&self.request("summary", Service::Report, Method::GET, path, None).await?, &[200])
    }

    async fn synchronize(&mut self) -> Result<()> {
        let api = self.service(Service::Report).clone();
        self.insist("synchronization", async || {
            let answer = api.try_send(Method::POST, "/sync/all", None).await.ok()?;
            answer.status.is_success().then_some(())
        })
        .await
    }
}

fn expect(answer: &Reply, statuses: &[u16]) -> Result<()> {
    if statuses.contains(&answer.status.as_u16()) { Ok(()) } else { bail!("the answer was {}", answer.text) }
}

fn id(answer: &Reply) -> Result<i64> {
    answer["id"].as_i64().with_context(|| format!("the answer was {}", answer.text))
}
