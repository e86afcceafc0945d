//! The checks after the run: what the clients were told against what stands in the tables.

use mysql::row;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use lab::wallet::Service;
use serde_json::Value;

use super::{
    entries,
    history::{Asked, Log, Request, Status, Told},
    site::Site,
    splits::{self, Share, cents, parse, shares},
};

/// What is not as it must be.
#[derive(Debug, Default)]
pub struct Findings {
    /// Acknowledged and not there.
    pub lost: Vec<String>,
    /// There twice, or refused and there all the same.
    pub doubled: Vec<String>,
    /// Not come to its end.
    pub stuck: Vec<String>,
    /// Sums that do not agree.
    pub drift: Vec<String>,
    /// Anything else.
    pub other: Vec<String>,
}

impl Findings {
    fn named(&self) -> [(&'static str, &Vec<String>); 5] {
        [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("stuck", &self.stuck),
            ("drift", &self.drift),
            ("other", &self.other),
        ]
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.named().iter().map(|(_, all)| all.len()).sum()
    }

    /// At most `most` of each kind, in words.
    pub fn examples(&self, most: usize) -> Vec<String> {
        let some = |(name, all): (&str, &Vec<String>)| {
            all.iter().take(most).map(|what| format!("{name}: {what}")).collect::<Vec<_>>()
        };
        self.named().into_iter().flat_map(some).collect()
    }
}

row! {
    /// A transaction as it stands in the table.
    #[derive(Debug)]
    struct Row {
        id: i64,
        request: String,
        amount: String,
        status: String,
        sender_id: i64,
        receiver_id: i64,
        version: i32,
        failure: Option<String>,
        status_reason: Option<String>,
        /// True if money was ever held for it.
        accepted: bool,
        /// What the receivers have got, in cents.
        captured: i64,
        /// If they are several: the shares, as JSON.
        shares: Option<String>,
        /// Of a refund: what it is of.
        refund_of: Option<i64>,
    }
}

impl Row {
    /// The shares, if there are any.
    fn shares(&self) -> Option<Vec<Share>> {
        self.shares.as_deref().map(parse)
    }

    /// Those on the other side than the one who pays, or of a refund is paid, each with what it has got or given back, in cents.
    /// Whose share comes to nothing is not among them.
    fn parties(&self) -> Vec<(i64, i64)> {
        let Some(shares) = self.shares() else {
            return vec![(if self.refund_of.is_some() { self.sender_id } else { self.receiver_id }, self.captured)];
        };
        let shares = shares.into_iter().filter(|share| share.amount != 0);
        shares.map(|share| (share.receiver_id, share.captured)).collect()
    }

    /// Who is to be paid how much, in cents.
    fn asked(&self) -> Vec<(i64, i64)> {
        let Some(shares) = self.shares() else { return vec![(self.receiver_id, cents(&self.amount))] };
        shares.into_iter().map(|share| (share.receiver_id, share.amount)).collect()
    }

    /// True for one that user-service was certainly not reached for: nobody sees it.
    fn is_nobodys(&self) -> bool {
        self.failure.as_deref() == Some("not_reached")
    }
}

/// Looks through all books.
pub async fn check(site: &Site, log: &Log) -> Result<Findings> {
    let mut findings = Findings::default();
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, request, CAST(TRIM(TRAILING '.00' FROM amount) AS CHAR) AS amount, status, sender_id, receiver_id, version,
                failure, status_reason, accepted_at IS NOT NULL AS accepted, refund_of,
                CAST(100 * COALESCE(captured_amount, IF(status = 'completed', amount, 0)) AS SIGNED) AS captured, shares
         FROM transactions",
    )
    .fetch_all(&site.pool(Service::Transaction))
    .await?;
    transfers(log, &rows, &mut findings);
    reasons(&rows, &mut findings);
    let operations: Vec<(String, Option<String>, String)> =
        sqlx::query_as("SELECT reference, refusal, kind FROM operations").fetch_all(&site.pool(Service::User)).await?;
    changes_of_balance(log, &operations, &mut findings);
    proof(site, &mut findings).await?;
    holds(site, &mut findings).await?;
    left(site, &mut findings).await?;
    notifications(site, &rows, &mut findings).await?;
    mails(site, &mut findings).await?;
    reports(site, &rows, &mut findings).await?;
    findings.drift.extend(splits::check(site).await?);
    findings.drift.extend(entries::check(site).await?);
    findings.other.extend(log.contradictions.iter().cloned());
    Ok(findings)
}

fn key(identity: &str) -> &str {
    identity.rsplit([' ', ':']).next().unwrap_or_default()
}

fn transfers(log: &Log, rows: &[Row], findings: &mut Findings) {
    let mut by_key: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_key.entry(key(&row.request)).or_default().push(row);
    }
    for (key, request) in &log.requests {
        if !matches!(request.asked, Asked::Transfer { .. } | Asked::Refund { .. }) {
            continue;
        }
        let found = by_key.get(key.as_str()).map(Vec::as_slice).unwrap_or_default();
        if found.len() > 1 {
            findings.doubled.push(format!("{key} made {} transactions", found.len()));
        }
        match request.told {
            Told::Done(Some((id, told))) => match found.first() {
                Some(row) if row.id == id && agrees(told, &row.status) => {
                    let is_asked = match request.asked {
                        Asked::Transfer { from, to, second, .. } => {
                            row.sender_id == from && row.asked() == shares(to, second, request.amount)
                        }
                        Asked::Refund { of } => row.refund_of == Some(of),
                        Asked::TopUp { .. } | Asked::Debit { .. } => false,
                    };
                    if !is_asked || row.amount != request.amount.to_string() {
                        findings.other.push(format!("{key} asked for {:?} and is {row:?}", request.asked));
                    }
                }
                other => findings.lost.push(format!("{key} was told {told:?} of {id} and is {other:?}")),
            },
            Told::Refused => {
                if let Some(row) = found.iter().find(|row| row.status == "completed" || row.status == "pending") {
                    findings.doubled.push(format!("{key} was refused and is {row:?}"));
                }
            }
            Told::Done(None) | Told::Unknown => {}
        }
    }
}

/// Whatever has ended says why: by a decision that leads there, or by what kept one from it.
fn reasons(rows: &[Row], findings: &mut Findings) {
    for row in rows {
        let reason = row.status_reason.as_deref().unwrap_or_default();
        let agrees = match row.status.as_str() {
            // nothing is kept of why one completed at once
            "completed" => ["", "completed_by_service", "already_captured"].contains(&reason),
            "cancelled" => ["cancelled_by_service", "expired"].contains(&reason),
            "failed" => row.failure.is_some(),
            _ => true,
        };
        // a decision is about held money
        let was_held = row.status != "failed" || row.status_reason.is_some();
        if !agrees || (row.status != "processing" && row.accepted != was_held) {
            findings.other.push(format!("no such end: {row:?}"));
        }
    }
}

fn agrees(told: Status, stands: &str) -> bool {
    match told {
        Status::Pending => ["pending", "completed", "cancelled", "failed"].contains(&stands),
        Status::Completed => stands == "completed",
        Status::Cancelled => stands == "cancelled",
    }
}

fn changes_of_balance(log: &Log, operations: &[(String, Option<String>, String)], findings: &mut Findings) {
    let mut applied: BTreeMap<&str, usize> = BTreeMap::new();
    for (reference, refusal, kind) in operations {
        if refusal.is_none() && (kind == "topup" || kind == "debit") {
            *applied.entry(key(reference)).or_default() += 1;
        }
    }
    for (key, Request { asked, told, .. }) in &log.requests {
        if matches!(asked, Asked::Transfer { .. } | Asked::Refund { .. }) {
            continue;
        }
        let times = applied.get(key.as_str()).copied().unwrap_or_default();
        match told {
            Told::Done(_) if times == 0 => findings.lost.push(format!("{key} was acknowledged: {asked:?}")),
            Told::Refused if times > 0 => findings.doubled.push(format!("{key} was refused and is applied")),
            _ if times > 1 => findings.doubled.push(format!("{key} was applied {times} times")),
            _ => {}
        }
    }
}

/// user-service's own proof of its ledger: operations sum to 0, balances equal their entries, held money its holds.
async fn proof(site: &Site, findings: &mut Findings) -> Result<()> {
    let proof = site.instances[Service::User as usize][0].get("/internal/ledger/verify").await;
    if proof["ok"] != Value::Bool(true) {
        findings.drift.push(proof.text);
    }
    Ok(())
}

/// Completed is captured and the rest released, failed or cancelled is released, refused or unknown; what came back is what the refunds
/// say.
async fn holds(site: &Site, findings: &mut Findings) -> Result<()> {
    let (transactions, users) = (site.schema(Service::Transaction), site.schema(Service::User));
    let query = format!(
        "SELECT t.id, t.status, CONCAT(h.captured, ' captured, ', h.released, ' released') FROM {transactions}.transactions t
         LEFT JOIN {users}.holds h ON h.transaction_id = t.id
         WHERE t.refund_of IS NULL AND NOT (CASE t.status
                    WHEN 'completed' THEN h.captured <=> COALESCE(t.captured_amount, t.amount)
                         AND h.captured + h.released <=> t.amount AND h.refunded <=> COALESCE(t.refunded_amount, 0)
                         AND h.refunded <=> (SELECT COALESCE(SUM(back.amount), 0) FROM {transactions}.transactions back
                                             WHERE back.refund_of = t.id AND back.status = 'completed')
                    WHEN 'pending' THEN h.captured <=> 0 AND h.released <=> 0 AND h.amount <=> t.amount
                    ELSE COALESCE(h.captured, 0) = 0 AND COALESCE(h.released, h.amount) <=> h.amount END)"
    );
    let mut conn = site.all_schemas().await?;
    let wrong: Vec<(i64, String, Option<String>)> =
        sqlx::query_as(sqlx::AssertSqlSafe(query)).fetch_all(&mut conn).await?;
    findings.drift.extend(wrong.iter().map(|(id, status, hold)| format!("{id} is {status} and its money {hold:?}")));
    let orphans: Vec<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT h.transaction_id FROM {users}.holds h LEFT JOIN {transactions}.transactions t ON t.id = h.transaction_id
         WHERE t.id IS NULL"
    )))
    .fetch_all(&mut conn)
    .await?;
    findings.drift.extend(orphans.iter().map(|id| format!("money is set aside for {id}, which does not exist")));
    Ok(())
}

async fn left(site: &Site, findings: &mut Findings) -> Result<()> {
    let left = [
        (Service::User, "SELECT CONCAT('outbox ', fact) FROM outbox"),
        (Service::Transaction, "SELECT CONCAT('outbox ', fact) FROM outbox"),
        (
            Service::Transaction,
            "SELECT CONCAT('transaction ', id, ' ', step) FROM transactions WHERE status = 'processing'",
        ),
        (Service::Notification, "SELECT CONCAT('notification ', id) FROM notifications WHERE status <> 'sent'"),
    ];
    for (service, query) in left {
        let found: Vec<String> = sqlx::query_scalar(query).fetch_all(&site.pool(service)).await?;
        findings.stuck.extend(found);
    }
    Ok(())
}

/// Whom a fact concerns has exactly one notification of it.
async fn notifications(site: &Site, rows: &[Row], findings: &mut Findings) -> Result<()> {
    let stored: Vec<(String, i64)> = sqlx::query_as("SELECT fact_id, user_id FROM notifications")
        .fetch_all(&site.pool(Service::Notification))
        .await?;
    let told: BTreeSet<(&str, i64)> = stored.iter().map(|(fact, user)| (fact.as_str(), *user)).collect();
    if told.len() != stored.len() {
        findings.doubled.push(format!("{} notifications tell {} things", stored.len(), told.len()));
    }
    let all = |row: &Row, one| [one].into_iter().chain(row.parties().into_iter().map(|(user, _)| user)).collect();
    for row in rows {
        let (name, users) = match (row.status.as_str(), row.status_reason.as_deref()) {
            ("completed", _) if row.refund_of.is_some() => ("refunded", all(row, row.receiver_id)),
            ("completed", _) => ("completed", all(row, row.sender_id)),
            ("pending", _) => ("created", vec![row.sender_id]),
            ("cancelled", Some("expired")) => ("expired", vec![row.sender_id]),
            ("cancelled", _) => ("cancelled", vec![row.sender_id]),
            _ if row.is_nobodys() => continue,
            // the service that has asked for it knows; who was short is nobody else's business
            _ if row.refund_of.is_some() && row.shares.is_some() => continue,
            _ => ("failed", vec![row.sender_id]),
        };
        let fact = format!("transaction:{}:{name}", row.id);
        for user in users {
            if !told.contains(&(fact.as_str(), user)) {
                findings.lost.push(format!("user {user} was not told of {fact}: {row:?}"));
            }
        }
    }
    Ok(())
}

/// A mail that was sent twice has the same Message-ID, and each notification was mailed.
async fn mails(site: &Site, findings: &mut Findings) -> Result<()> {
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for mail in site.mails() {
        let id = mail.id();
        let notification = id.split('.').next().unwrap_or_default().to_owned();
        ids.entry(notification).or_default().insert(id);
    }
    findings.doubled.extend(
        ids.iter()
            .filter(|(_, ids)| ids.len() > 1)
            .map(|(n, ids)| format!("{n} was mailed under {} Message-IDs", ids.len())),
    );
    let sent: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM notifications WHERE status = 'sent'")
        .fetch_one(&site.pool(Service::Notification))
        .await?;
    if usize::try_from(sent)? > ids.len() {
        findings.lost.push(format!("{sent} notifications are sent, {} were mailed", ids.len()));
    }
    Ok(())
}

/// What report-service says equals what transaction-service has.
async fn reports(site: &Site, rows: &[Row], findings: &mut Findings) -> Result<()> {
    let reports = &site.instances[Service::Report as usize][0];
    let synced = reports.post_empty("/sync/all").await;
    if !synced.status.is_success() {
        findings.other.push(format!("/sync/all: {}", synced.text));
    }
    let copies: Vec<(i64, String, i32)> = sqlx::query_as("SELECT transaction_id, status, version FROM transactions")
        .fetch_all(&site.pool(Service::Report))
        .await
        .context("the copies")?;
    let copies: BTreeMap<i64, (String, i32)> =
        copies.into_iter().map(|(id, status, version)| (id, (status, version))).collect();
    // how many each has, and what of it was spent and received, in cents
    let mut totals: BTreeMap<i64, (i64, i64, i64)> = BTreeMap::new();
    for row in rows {
        if copies.get(&row.id) != Some(&(row.status.clone(), row.version)) {
            findings.drift.push(format!("the copy of {} is {:?} and not {}", row.id, copies.get(&row.id), row.status));
        }
        // a refund counts against what was received and spent before
        let is_completed = row.status == "completed";
        if row.refund_of.is_some() {
            for (payer, given_back) in row.parties() {
                let (sent, _, received) = totals.entry(payer).or_default();
                *sent += i64::from(!row.is_nobodys());
                *received -= if is_completed { given_back } else { 0 };
            }
            let (came, spent, _) = totals.entry(row.receiver_id).or_default();
            *came += i64::from(row.accepted);
            *spent -= if is_completed { row.captured } else { 0 };
            continue;
        }
        let (sent, spent, _) = totals.entry(row.sender_id).or_default();
        *sent += i64::from(!row.is_nobodys());
        *spent += if is_completed { row.captured } else { 0 };
        for (receiver, paid) in row.parties() {
            let (came, _, received) = totals.entry(receiver).or_default();
            *came += i64::from(row.accepted);
            *received += if is_completed { paid } else { 0 };
        }
    }
    for (user, expected) in totals {
        let summary = reports.get(&format!("/summaries/user/{user}")).await;
        let sum = |name: &str| Some(cents(&summary[name].as_number()?.to_string()));
        let found = (summary["total_transactions"].as_i64(), sum("total_spent"), sum("total_received"));
        if found != (Some(expected.0), Some(expected.1), Some(expected.2)) {
            findings.drift.push(format!("user {user} has {expected:?}: {}", summary.text));
        }
    }
    Ok(())
}
