//! Payments that begin later, and those that are made again and again.

use anyhow::{Context, Result};
use lab::wallet::Service;
use reqwest::Method;
use serde_json::json;

use super::{Day, expect, id};

impl Day {
    /// A payment that is cancelled before its time, one whose time comes, and a schedule that starts today.
    pub(super) async fn pay_later(&mut self, ani: i64, budi: i64) -> Result<()> {
        let cancelled = self.schedule_once("cancelled before its time", ani, budi, 26).await?;
        self.decide("cancelling before its time", cancelled, "cancelled").await?;
        let later = self.schedule_once("later", ani, budi, 27).await?;
        sqlx::query("UPDATE transactions SET due_at = NOW(6) WHERE id = ?").bind(later).execute(&self.pools[1]).await?;
        let path = format!("/transactions/{later}");
        self.reaches("beginning", Service::Transaction, &path, |status| status == "pending").await?;
        self.decide("completing what began later", later, "completed").await?;
        self.pay_regularly(ani, budi).await
    }

    async fn schedule_once(&mut self, what: &'static str, from: i64, to: i64, amount: i64) -> Result<i64> {
        // the same for all days, so that their pictures are the same
        let new_year = sqlx::query_scalar("SELECT CONCAT(YEAR(NOW()) + 1, '-01-01T00:00:00Z')");
        let execute_at: String = new_year.fetch_one(&self.pools[1]).await?;
        let body = json!({"sender_id": from, "receiver_id": to, "amount": amount, "description": what, "execute_at": execute_at});
        let path = "/transactions".to_owned();
        let transaction = id(&self.request(what, Service::Transaction, Method::POST, path, Some(body)).await?)?;
        self.transactions.push((what, transaction));
        Ok(transaction)
    }

    /// A schedule that runs at once, and is paused and deleted after that.
    async fn pay_regularly(&mut self, from: i64, to: i64) -> Result<()> {
        let pool = self.pools[1].clone();
        let today = sqlx::query_scalar("SELECT DATE_FORMAT(NOW() + INTERVAL 7 HOUR, '%Y-%m-%d')");
        let today: String = today.fetch_one(&pool).await?;
        let payment =
            json!({"sender_id": from, "receiver_id": to, "amount": 28, "description": "run", "auto_complete": true});
        let body = json!({"transaction": payment, "every": "month", "start": today});
        let path = "/schedules".to_owned();
        let schedule = id(&self.request("schedule", Service::Transaction, Method::POST, path, Some(body)).await?)?;
        self.insist("run", async || {
            let moved_on = "SELECT id FROM schedules WHERE id = ? AND next_run = 1";
            sqlx::query_scalar::<_, i64>(moved_on).bind(schedule).fetch_optional(&pool).await.ok()?
        })
        .await?;
        let runs = sqlx::query_scalar("SELECT id FROM transactions WHERE schedule_id = ?").bind(schedule);
        let run = runs.fetch_optional(&pool).await?.context("a schedule moved on without a run")?;
        self.transactions.push(("run", run));
        self.settled("run", run).await?;
        let path = format!("/schedules/{schedule}");
        let pause = Some(json!({"status": "paused"}));
        expect(&self.request("pause", Service::Transaction, Method::PUT, path.clone(), pause).await?, &[200])?;
        // whoever got no answer to the first request hears that there is no such schedule any more
        expect(&self.request("end", Service::Transaction, Method::DELETE, path, None).await?, &[200, 404])
    }
}
