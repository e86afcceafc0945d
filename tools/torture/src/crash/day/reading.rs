//! What people only look at on the day.

use anyhow::{Result, ensure};
use lab::wallet::Service;
use reqwest::Method;
use serde_json::json;
use sqlx::AssertSqlSafe;

use super::{Day, expect};

/// Reports that a user has had for long: as many as report-service marks at once.
const OLD_REPORTS: i64 = 500;
/// The first of their transactions, far from all others.
const OLD_TRANSACTIONS: i64 = 1_000_000_000_000;

impl Day {
    /// What a payment would come to: nobody has paid by that.
    pub(super) async fn try_to_pay(&mut self, from: i64, to: i64) -> Result<()> {
        let body = json!({"sender_id": from, "receiver_id": to, "amount": 1});
        let path = "/transactions?dry_run=true".to_owned();
        expect(&self.request("a dry run", Service::Transaction, Method::POST, path, Some(body)).await?, &[201])
    }

    /// With a token of one's own, at services that have not seen it.
    pub(super) async fn look_around(&mut self, name: &'static str, user: i64) -> Result<()> {
        let own = [
            (Service::Notification, "/notifications".to_owned()),
            (Service::Transaction, "/transactions?expand=parties".to_owned()),
            (Service::Report, format!("/summaries/user/{user}")),
        ];
        for (service, path) in own {
            let api = self.as_oneself(name, service).await?;
            self.insist("a look", async || {
                api.try_send(Method::GET, &path, None).await.ok().filter(|r| r.status == 200)
            })
            .await?;
        }
        Ok(())
    }

    /// Every movement of one's balance, with the names of those on the other side.
    pub(super) async fn read_entries(&mut self, user: i64) -> Result<()> {
        let path = format!("/entries/user/{user}");
        expect(&self.request("entries", Service::Report, Method::GET, path, None).await?, &[200])
    }

    /// Waits until the entries are gone that a rebuild has replaced, as if that had been long ago.
    pub(super) async fn clear_old_entries(&mut self) -> Result<()> {
        let reports = self.pools[3].clone();
        sqlx::query("UPDATE entry_feeds SET switched_at = switched_at - INTERVAL 1 HOUR").execute(&reports).await?;
        self.insist("old entries", async || {
            let old = "SELECT COUNT(*) FROM entry_feeds WHERE feed = 'entries' AND oldest < generation";
            let old: i64 = sqlx::query_scalar(old).fetch_one(&reports).await.ok()?;
            (old == 0).then_some(())
        })
        .await
    }

    /// As if `user` had had reports for long, more than are counted one by one.
    pub(super) async fn read_old_reports(&mut self, user: i64) -> Result<()> {
        let first = OLD_TRANSACTIONS + i64::from(self.number) * OLD_REPORTS;
        let ids: Vec<i64> = (first..first + OLD_REPORTS).collect();
        let rows = |row: &dyn Fn(i64) -> String| ids.iter().map(|id| row(*id)).collect::<Vec<_>>().join(", ");
        let copies = rows(&|id| format!("({id}, {user}, 1, 1, 'completed', TRUE, TRUE, 1, NOW(6) - INTERVAL 1 DAY)"));
        let reports = rows(&|id| format!("({user}, {id}, NOW(6) - INTERVAL 1 HOUR)"));
        for insert in [
            format!(
                "INSERT INTO transactions
                     (transaction_id, sender_id, receiver_id, amount, status, counts_for_sender, counts_for_receiver, version,
                      created_at)
                 VALUES {copies}"
            ),
            format!("INSERT INTO reports (user_id, transaction_id, created_at) VALUES {reports}"),
        ] {
            sqlx::raw_sql(AssertSqlSafe(insert)).execute(&self.pools[3]).await?;
        }
        let path = format!("/reports/user/{user}");
        expect(&self.request("old reports", Service::Report, Method::GET, path, None).await?, &[200])
    }

    /// What operators look at in the evening.
    pub(super) async fn look_at_the_whole(&mut self) -> Result<()> {
        // what all accounts have is kept again, however short this day is
        sqlx::raw_sql("DELETE FROM wallet_totals").execute(&self.pools[3]).await?;
        let path = "/overview".to_owned();
        expect(&self.request("overview", Service::Report, Method::GET, path, None).await?, &[200])
    }

    /// Compares a statement of a bank with the wallet, once.
    pub(super) async fn reconcile(&mut self) -> Result<()> {
        let key = format!("day-{}-reconciliation", self.number);
        let api = self.service(Service::Report).keyed(&key).with("content-type", "text/csv");
        let file = "date,amount,reference\n2026-11-26,100,nobody's\n".to_owned();
        let answer = self
            .insist("reconciliation", async || {
                let reply = api.try_send(Method::POST, "/reconciliations", Some(file.clone())).await.ok()?;
                (!reply.status.is_server_error()).then_some(reply)
            })
            .await?;
        expect(&answer, &[201])?;
        let kept: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM reconciliations WHERE request LIKE ?")
            .bind(format!("% {key}"))
            .fetch_one(&self.pools[3])
            .await?;
        ensure!(kept == 1, "the statement was compared {kept} times");
        Ok(())
    }
}
