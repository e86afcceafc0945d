//! Whether what was acknowledged is what stands in the tables. A figure is printed only if it is.

use anyhow::{Result, ensure};
use lab::wallet::Service;

use super::{load::workload::Rows, site::Site};

/// The newest rows at some moment.
#[derive(Debug, Clone, Copy)]
pub struct Marks {
    /// Of transactions.
    pub transaction: i64,
    operation: i64,
}

/// The newest rows now.
pub async fn marks(site: &Site) -> Result<Marks> {
    let newest = async |service, sql| sqlx::query_scalar(sql).fetch_one(site.pool(service)).await;
    Ok(Marks {
        transaction: newest(Service::Transaction, "SELECT COALESCE(MAX(id), 0) FROM transactions").await?,
        operation: newest(Service::User, "SELECT COALESCE(MAX(id), 0) FROM operations").await?,
    })
}

/// Fails unless the rows since `marks` are `expected`: nothing lost, nothing left unfinished, nothing done twice.
pub async fn compare(site: &Site, marks: &Marks, expected: &Rows) -> Result<()> {
    let mut found = Rows::new();
    let transactions: Vec<(String, u64)> =
        sqlx::query_as("SELECT status, CAST(COUNT(*) AS UNSIGNED) FROM transactions WHERE id > ? GROUP BY status")
            .bind(marks.transaction)
            .fetch_all(site.pool(Service::Transaction))
            .await?;
    found.extend(transactions.into_iter().map(|(status, count)| (format!("transactions {status}"), count)));
    let operations: Vec<(String, bool, u64)> = sqlx::query_as(
        "SELECT kind, refusal IS NOT NULL, CAST(COUNT(*) AS UNSIGNED) FROM operations WHERE id > ?
         GROUP BY kind, refusal IS NOT NULL",
    )
    .bind(marks.operation)
    .fetch_all(site.pool(Service::User))
    .await?;
    found.extend(operations.into_iter().map(|(kind, refused, count)| {
        let what = if refused { "refused" } else { "" };
        (format!("operations {kind} {what}").trim_end().to_owned(), count)
    }));
    ensure!(
        found == *expected,
        "the rows are not what was acknowledged.\n  acknowledged: {}\n  in the tables: {}",
        shown(expected),
        shown(&found)
    );
    Ok(())
}

/// Facts that wait in the outboxes.
pub async fn backlog(site: &Site) -> Result<u64> {
    let mut facts = 0;
    for service in [Service::User, Service::Transaction] {
        let waiting: u64 =
            sqlx::query_scalar("SELECT CAST(COUNT(*) AS UNSIGNED) FROM outbox").fetch_one(site.pool(service)).await?;
        facts += waiting;
    }
    Ok(facts)
}

/// The oldest and the newest fact in each outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outboxes([(i64, i64); 2]);

impl Outboxes {
    /// How many facts there are at most; 0 if there are none.
    pub fn left(self) -> u64 {
        self.0.iter().filter(|(oldest, _)| *oldest > 0).map(|(oldest, newest)| oldest.abs_diff(*newest) + 1).sum()
    }
}

/// The ends of the outboxes: counting all facts often would take time from those who hand them over.
pub async fn outboxes(site: &Site) -> Result<Outboxes> {
    let mut ends = [(0, 0); 2];
    for (ends, service) in ends.iter_mut().zip([Service::User, Service::Transaction]) {
        *ends = sqlx::query_as("SELECT COALESCE(MIN(id), 0), COALESCE(MAX(id), 0) FROM outbox")
            .fetch_one(site.pool(service))
            .await?;
    }
    Ok(Outboxes(ends))
}

/// How many notifications there must be in the end, by what the ledger says.
pub async fn expected_notifications(site: &Site) -> Result<u64> {
    // both parties learn of a payment, the sender of a refusal and of money set aside
    Ok(sqlx::query_scalar(
        "SELECT CAST(COALESCE(SUM(IF(refusal IS NULL AND kind IN ('transfer', 'capture'), 2, 1)), 0) AS UNSIGNED)
         FROM operations",
    )
    .fetch_one(site.pool(Service::User))
    .await?)
}

/// Notifications of facts.
pub async fn notifications(site: &Site) -> Result<u64> {
    Ok(sqlx::query_scalar("SELECT CAST(COUNT(*) AS UNSIGNED) FROM notifications")
        .fetch_one(site.pool(Service::Notification))
        .await?)
}

fn shown(rows: &Rows) -> String {
    let lines: Vec<String> = rows.iter().map(|(what, count)| format!("{count} {what}")).collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_outbox_has_nothing_left() {
        assert_eq!(Outboxes([(0, 0), (0, 0)]).left(), 0);
        assert_eq!(Outboxes([(5, 5), (10, 19)]).left(), 11);
    }

    #[test]
    fn rows_read_as_a_list() {
        assert_eq!(shown(&Rows::new()), "nothing");
        let rows = Rows::from([("b".to_owned(), 2), ("a".to_owned(), 1)]);
        assert_eq!(shown(&rows), "1 a, 2 b");
    }
}
