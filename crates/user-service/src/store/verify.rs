//! Proves the ledger's invariants in one consistent snapshot, however busy the service is.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::{Connection, Executor, MySqlConnection};

/// The most broken rows that are reported for each rule.
const MAX_VIOLATIONS: u32 = 100;

/// What a verification found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Verification {
    /// True if every rule holds.
    pub ok: bool,
    /// How many operations were looked at.
    pub checked_operations: i64,
    /// How many users were looked at.
    pub checked_users: i64,
    /// The rows that break a rule, at most 100 for each.
    pub violations: Vec<Violation>,
}

/// A row that breaks a rule.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// Which row.
    pub subject: String,
    /// What is wrong with it.
    pub detail: String,
}

/// Each rule with a query that finds what breaks it: a subject and a detail.
const RULES: &[(&str, &str)] = &[
    (
        "each operation sums to 0",
        "SELECT CONCAT('operation ', operation_id), CONCAT('sum ', SUM(amount)) FROM ledger_entries
         GROUP BY operation_id HAVING SUM(amount) <> 0 ORDER BY operation_id LIMIT ?",
    ),
    (
        "a refused operation has no entries",
        "SELECT CONCAT('operation ', o.id), CONCAT('refused as ', o.refusal) FROM operations o
         WHERE o.refusal IS NOT NULL AND EXISTS (SELECT 1 FROM ledger_entries e WHERE e.operation_id = o.id)
         ORDER BY o.id LIMIT ?",
    ),
    (
        "an applied movement has entries",
        "SELECT CONCAT('operation ', o.id), o.kind FROM operations o
         WHERE o.refusal IS NULL AND o.kind NOT IN ('release', 'close')
           AND NOT EXISTS (SELECT 1 FROM ledger_entries e WHERE e.operation_id = o.id)
         ORDER BY o.id LIMIT ?",
    ),
    (
        "balance and held equal the sums of their entries",
        "SELECT CONCAT('user ', a.user_id),
                CONCAT('balance ', a.available, ' against ', COALESCE(e.available, 0),
                       ', held ', a.held, ' against ', COALESCE(e.held, 0))
         FROM accounts a LEFT JOIN (
             SELECT user_id, SUM(IF(account = 'available', amount, 0)) AS available, SUM(IF(account = 'held', amount, 0)) AS held
             FROM ledger_entries GROUP BY user_id
         ) e ON e.user_id = a.user_id
         WHERE a.available <> COALESCE(e.available, 0) OR a.held <> COALESCE(e.held, 0)
         ORDER BY a.user_id LIMIT ?",
    ),
    (
        "balance_after chains",
        "SELECT CONCAT('user ', user_id, ' ', account, ' operation ', operation_id),
                CONCAT('stands at ', balance_after, ' after ', previous, ' and ', amount)
         FROM (SELECT user_id, account, operation_id, amount, balance_after,
                      COALESCE(LAG(balance_after) OVER (PARTITION BY user_id, account ORDER BY operation_id, leg), 0) AS previous
               FROM ledger_entries WHERE account <> 'external') chain
         WHERE balance_after <> previous + amount LIMIT ?",
    ),
    (
        "no balance is negative",
        "SELECT CONCAT('user ', user_id), CONCAT('balance ', available, ', held ', held) FROM accounts
         WHERE available < 0 OR held < 0 ORDER BY user_id LIMIT ?",
    ),
    (
        "held money equals what is left of the holds",
        "SELECT CONCAT('user ', a.user_id), CONCAT('held ', a.held, ' against holds of ', COALESCE(h.amount, 0))
         FROM accounts a LEFT JOIN (
             SELECT sender_id, SUM(amount - captured - released) AS amount FROM holds GROUP BY sender_id
         ) h ON h.sender_id = a.user_id
         WHERE a.held <> COALESCE(h.amount, 0) ORDER BY a.user_id LIMIT ?",
    ),
    (
        "incoming counts the holds for a user",
        "SELECT CONCAT('user ', a.user_id), CONCAT('incoming ', a.incoming, ' against ', COALESCE(h.number, 0), ' holds')
         FROM accounts a LEFT JOIN (
             SELECT receiver_id, COUNT(*) AS number FROM (
                 SELECT receiver_id FROM holds WHERE shares IS NULL AND amount > captured + released
                 UNION ALL
                 SELECT s.receiver_id FROM holds,
                        JSON_TABLE(holds.shares, '$[*]' COLUMNS (receiver_id BIGINT PATH '$.receiver_id')) s
                 WHERE holds.shares IS NOT NULL AND holds.amount > holds.captured + holds.released
             ) open GROUP BY receiver_id
         ) h ON h.receiver_id = a.user_id
         WHERE a.incoming <> COALESCE(h.number, 0) ORDER BY a.user_id LIMIT ?",
    ),
    (
        "no hold has paid more than it held",
        "SELECT CONCAT('transaction ', transaction_id), CONCAT('captured ', captured, ' and released ', released, ' of ', amount)
         FROM holds WHERE captured < 0 OR released < 0 OR captured + released > COALESCE(amount, 0)
         ORDER BY transaction_id LIMIT ?",
    ),
    (
        "no more is refunded than was captured",
        "SELECT CONCAT('transaction ', transaction_id), CONCAT('refunded ', refunded, ' of ', captured)
         FROM holds WHERE refunded < 0 OR refunded > captured
         ORDER BY transaction_id LIMIT ?",
    ),
    (
        "the shares of a hold add up to it",
        "SELECT CONCAT('transaction ', transaction_id),
                CONCAT('shares of ', SUM(s.amount), ', captured ', SUM(s.captured), ', refunded ', SUM(s.refunded),
                       ' against ', MAX(h.amount), ', ', MAX(h.captured), ', ', MAX(h.refunded))
         FROM holds h, JSON_TABLE(h.shares, '$[*]' COLUMNS (
             amount DECIMAL(19, 2) PATH '$.amount', captured DECIMAL(19, 2) PATH '$.captured',
             refunded DECIMAL(19, 2) PATH '$.refunded')) s
         WHERE h.shares IS NOT NULL GROUP BY transaction_id
         HAVING SUM(s.amount) <> MAX(h.amount) OR SUM(s.captured) <> MAX(h.captured) OR SUM(s.refunded) <> MAX(h.refunded)
             OR SUM(s.captured > s.amount) > 0 OR SUM(s.refunded > s.captured) > 0 OR SUM(s.refunded < 0) > 0
         ORDER BY transaction_id LIMIT ?",
    ),
    (
        // debits count, too, and are in no hold
        "what counts against limits is no less than what holds took on the day",
        "SELECT CONCAT('user ', a.user_id),
                CONCAT('counted ', a.spent_day, ' of ', a.spent_month, ' against holds of ', COALESCE(h.amount, 0))
         FROM accounts a LEFT JOIN (
             SELECT sender_id, counted_on, SUM(amount - released) AS amount FROM holds
             WHERE counted_on IS NOT NULL GROUP BY sender_id, counted_on
         ) h ON h.sender_id = a.user_id AND h.counted_on = a.spent_on
         WHERE a.spent_day < COALESCE(h.amount, 0) OR a.spent_month < a.spent_day
         ORDER BY a.user_id LIMIT ?",
    ),
    (
        "each entry belongs to an account",
        "SELECT CONCAT('operation ', e.operation_id), CONCAT('user ', e.user_id) FROM ledger_entries e
         WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.user_id = e.user_id)
         ORDER BY e.operation_id LIMIT ?",
    ),
];

/// Checks every rule, in a snapshot of this session's own.
pub async fn prove(conn: &mut MySqlConnection) -> sqlx::Result<Verification> {
    conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    let mut snapshot = conn.begin_with("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
    let verification = check(&mut snapshot).await?;
    snapshot.rollback().await?;
    Ok(verification)
}

async fn check(conn: &mut MySqlConnection) -> sqlx::Result<Verification> {
    let mut violations = Vec::new();
    for (rule, sql) in RULES {
        let rows: Vec<(String, String)> = sqlx::query_as(*sql).bind(MAX_VIOLATIONS).fetch_all(&mut *conn).await?;
        violations.extend(rows.into_iter().map(|(subject, detail)| Violation { rule, subject, detail }));
    }
    let (checked_operations,) = sqlx::query_as("SELECT COUNT(*) FROM operations").fetch_one(&mut *conn).await?;
    let (checked_users,) = sqlx::query_as("SELECT COUNT(*) FROM users").fetch_one(conn).await?;
    Ok(Verification { ok: violations.is_empty(), checked_operations, checked_users, violations })
}
