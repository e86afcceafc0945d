//! The entries that report-service has against the ledger that they are a copy of.

use std::time::{Duration, Instant};

use anyhow::Result;
use lab::wallet::Service;
use sqlx::AssertSqlSafe;
use tokio::time::sleep;

use super::site::Site;

/// How long it may take until all that was committed is taken over.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(30);
/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// What is not as in the ledger.
pub async fn check(site: &Site) -> Result<Vec<String>> {
    let mut conn = site.all_schemas().await?;
    let now: String =
        sqlx::query_scalar("SELECT DATE_FORMAT(NOW(6), '%Y-%m-%dT%H:%i:%s.%fZ')").fetch_one(&mut conn).await?;
    let reports = &site.instances[Service::Report as usize][0];
    let began = Instant::now();
    loop {
        let balance = reports.get("/balances/user/1").await;
        if balance.header("x-data-as-of") > now.as_str() {
            break;
        }
        if began.elapsed() > TAKEN_OVER_WITHIN {
            return Ok(vec![format!("the entries are still old: {}", balance.text)]);
        }
        sleep(PAUSE).await;
    }
    let (users, copies) = (site.schema(Service::User), site.schema(Service::Report));
    let differing: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT CONCAT('user ', a.user_id, ' has ', a.available, ', its newest entry says ', COALESCE(e.balance, 'nothing'),
                       ', and ', COALESCE(s.entries, 0), ' of ', COALESCE(l.entries, 0), ' entries add up to ',
                       COALESCE(s.total, 0))
         FROM {users}.accounts a
         LEFT JOIN (SELECT user_id, COUNT(*) AS entries FROM {users}.ledger_entries
                    WHERE account = 'available' AND amount <> 0 GROUP BY user_id) l ON l.user_id = a.user_id
         LEFT JOIN {copies}.entry_accounts e ON e.user_id = a.user_id
              AND e.generation = (SELECT generation FROM {copies}.entry_feeds WHERE feed = 'entries')
         LEFT JOIN (SELECT user_id, generation, COUNT(*) AS entries, SUM(amount) AS total FROM {copies}.entries
                    GROUP BY user_id, generation) s ON s.user_id = a.user_id AND s.generation = e.generation
         WHERE NOT (a.available = COALESCE(e.balance, 0) AND a.available = COALESCE(s.total, 0)
                    AND COALESCE(l.entries, 0) = COALESCE(s.entries, 0))"
    )))
    .fetch_all(&mut conn)
    .await?;
    Ok(differing)
}
