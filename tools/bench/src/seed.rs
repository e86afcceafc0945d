//! Old transactions, millions of them: copies of one that the API made, with other parties and other times.

use anyhow::{Context, Result, ensure};
use common::labels::{Labels, Lookup, Metadata, Reference};
use lab::wallet::Service;
use mysql::bulk::{Value, literal};
use sqlx::AssertSqlSafe;

use super::{
    load::{
        people::{READERS, USERS},
        workload::{LABELS, label},
    },
    progress::Progress,
    site::Site,
};

/// Rows of one statement.
pub const CHUNK: u64 = 10_000;
/// Up to so many rows only those who read their pages are parties, so that their pages are full in a small table too.
const READERS_ONLY: u64 = 10_000;
/// Ten rows with the digits of a number.
const DIGITS: &str = "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
    UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";

/// A table of old transactions that grows.
pub struct Seed {
    rows: u64,
    /// The transaction that all others are copies of.
    model: i64,
    /// The first user.
    first: i64,
    /// All but the primary key.
    columns: Vec<String>,
    /// Whether every other one has a reference, and the others metadata.
    is_labelled: bool,
}

impl Seed {
    /// Makes the transaction that all others are copies of.
    pub async fn plant(site: &Site, is_labelled: bool) -> Result<Self> {
        let (first, second) = (site.people.all[0].id, site.people.all[1].id);
        let model = site.api.transfer(first, second).await?;
        let columns = sqlx::query_scalar(
            "SELECT CAST(column_name AS CHAR) FROM information_schema.columns
             WHERE table_schema = DATABASE() AND table_name = 'transactions' AND column_name <> 'id'
               AND COALESCE(generation_expression, '') = ''
             ORDER BY ordinal_position",
        )
        .fetch_all(site.pool(Service::Transaction))
        .await
        .context("the columns of transactions are not known")?;
        Ok(Self { rows: 1, model, first, columns, is_labelled })
    }

    /// How many transactions there are.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds copies until there are `rows`.
    pub async fn grow(&mut self, site: &Site, rows: u64, progress: &Progress) -> Result<()> {
        let bar = progress.rows(rows, &format!("making {rows} transactions"));
        bar.advance(self.rows);
        while self.rows < rows {
            let count = CHUNK.min(rows - self.rows);
            let sql = self.chunk(count);
            let written = sqlx::raw_sql(AssertSqlSafe(sql)).execute(site.pool(Service::Transaction)).await?;
            ensure!(written.rows_affected() == count, "{count} rows became {}", written.rows_affected());
            if self.is_labelled {
                sqlx::raw_sql(AssertSqlSafe(labels(count))).execute(site.pool(Service::Transaction)).await?;
            }
            self.rows += count;
            bar.advance(count);
        }
        // what the server does by itself some time after a table has grown
        sqlx::raw_sql("ANALYZE TABLE transactions, transaction_labels")
            .execute(site.pool(Service::Transaction))
            .await?;
        Ok(())
    }

    /// The next `count` rows, in the order of their numbers.
    fn chunk(&self, count: u64) -> String {
        let Self { rows, model, first, columns, is_labelled } = self;
        let parties = if *rows < READERS_ONLY { READERS } else { USERS };
        let name = format!("CONCAT('order-', MOD(n DIV 2, {LABELS}))"); // as load::workload::label writes it
        let value = |column: &String| match column.as_str() {
            "reference" if *is_labelled => format!("IF(MOD(n, 2) = 0, {name}, NULL)"),
            "metadata" if *is_labelled => {
                format!(r#"IF(MOD(n, 2) = 0, NULL, CONCAT('{{"order":"', {name}, '"}}'))"#)
            }
            column => value(column, *first, parties),
        };
        let values: Vec<String> = columns.iter().map(value).collect();
        let (columns, values, numbers) = (columns.join(", "), values.join(", "), numbers(*rows));
        format!(
            "INSERT INTO transactions ({columns})
             SELECT {values} FROM
                 {numbers}, transactions model
             WHERE model.id = {model} AND n < {rows} + {count}
             ORDER BY n"
        )
    }
}

/// What the newest `count` transactions are found by, for each party and for those who see everybody's.
fn labels(count: u64) -> String {
    let lookups = |labels: fn(String) -> Labels| {
        let digests = (0..LABELS).flat_map(|number| labels(label(number)).lookups().collect::<Vec<_>>());
        digests.map(|Lookup(bytes)| literal(Value::Bytes(&bytes))).collect::<Vec<_>>().join(", ")
    };
    let by_reference = lookups(|name| Labels::of(Some(Reference(name)), None));
    let by_metadata = lookups(|name| Labels::of(None, Metadata::of_json(&format!(r#"{{"order":"{name}"}}"#)).ok()));
    format!(
        "INSERT INTO transaction_labels (user_id, lookup, id)
         SELECT CASE party WHEN 0 THEN 0 WHEN 1 THEN sender_id ELSE receiver_id END,
                IF(reference IS NULL, ELT(1 + SUBSTRING(metadata, -3, 1), {by_metadata}),
                                      ELT(1 + RIGHT(reference, 1), {by_reference})), id
         FROM (SELECT id, reference, metadata, sender_id, receiver_id FROM transactions ORDER BY id DESC LIMIT {count}) made,
              (SELECT 0 AS party UNION ALL SELECT 1 UNION ALL SELECT 2) parties"
    )
}

/// A table of the [`CHUNK`] numbers `n` from `first` on.
pub fn numbers(first: u64) -> String {
    format!(
        "(SELECT {first} + a.n + 10 * b.n + 100 * c.n + 1000 * d.n AS n
          FROM {DIGITS} a, {DIGITS} b, {DIGITS} c, {DIGITS} d) numbers"
    )
}

/// What a column is in row `n`. The parties are chosen from so many users, from user `first` on.
fn value(column: &str, first: i64, parties: u32) -> String {
    // 7919 is a prime number, so that each user is as often a party as any other
    match column {
        "sender_id" => format!("{first} + MOD(n * 7919, {parties})"),
        "receiver_id" => format!("{first} + MOD(n * 7919 + 1 + MOD(n, {parties} - 1), {parties})"),
        // unique, and as scattered as the identities of requests without a key
        "request" => "CONCAT('once ', LEFT(SHA2(n, 256), 36))".to_owned(),
        "created_at" | "updated_at" | "accepted_at" | "changed_at" => {
            "TIMESTAMPADD(MICROSECOND, 100 * n, '2026-01-01 00:00:00')".to_owned()
        }
        other => format!("model.{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_a_row_its_own_is_new_and_all_else_is_copied() {
        assert_eq!(value("amount", 1, 10), "model.amount");
        assert_eq!(value("sender_id", 7, 10), "7 + MOD(n * 7919, 10)");
        assert!(value("request", 1, 10).contains("SHA2(n") && value("changed_at", 1, 10).contains("n,"));
    }

    #[test]
    fn a_small_table_belongs_to_the_readers() {
        let columns = vec!["sender_id".to_owned(), "amount".to_owned()];
        let seed = Seed { rows: 1, model: 3, first: 1, columns, is_labelled: false };
        let sql = seed.chunk(10);
        assert!(sql.contains(&format!("MOD(n * 7919, {READERS}), model.amount FROM")), "{sql}");
        assert!(sql.contains("model.id = 3 AND n < 1 + 10"), "{sql}");
        let large = Seed { rows: READERS_ONLY, ..seed };
        assert!(large.chunk(10).contains(&format!("MOD(n * 7919, {USERS})")));
    }
}
