//! Payments that the clients split, and what became of their shares.

use anyhow::Result;
use lab::wallet::Service;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::site::Site;

/// Who gets how much of `amount`, which is in whole units, in cents: all of it the first, or a third the second.
pub fn shares(first: i64, second: Option<i64>, amount: i64) -> Vec<(i64, i64)> {
    let all = amount * 100;
    match second {
        None => vec![(first, all)],
        Some(second) => vec![(first, all - all / 3), (second, all / 3)],
    }
}

/// The same between two, as a request has it.
pub fn splits(first: i64, second: i64, amount: i64) -> Value {
    let split = |(user, cents): (i64, i64)| json!({"receiver_id": user, "amount": format!("{}.{:02}", cents / 100, cents % 100)});
    shares(first, Some(second), amount).into_iter().map(split).collect()
}

/// A share as either service has it, in cents.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
pub struct Share {
    /// Whose.
    pub receiver_id: i64,
    /// How much.
    pub amount: i64,
    /// What of that is paid.
    pub captured: i64,
    /// What has gone back of that.
    refunded: i64,
}

#[derive(Deserialize)]
struct Written {
    receiver_id: i64,
    amount: Box<RawValue>,
    captured: Box<RawValue>,
    refunded: Box<RawValue>,
}

impl From<Written> for Share {
    fn from(Written { receiver_id, amount, captured, refunded }: Written) -> Self {
        let [amount, captured, refunded] = [amount, captured, refunded].map(|written| cents(written.get()));
        Self { receiver_id, amount, captured, refunded }
    }
}

/// The shares that one of the services wrote.
pub fn parse(written: &str) -> Vec<Share> {
    serde_json::from_str(written).expect("a service wrote them")
}

/// An amount as it is written, in cents.
pub fn cents(written: &str) -> i64 {
    let (whole, part) = written.split_once('.').unwrap_or((written, ""));
    let number = |text: &str| text.parse::<i64>().expect("an amount");
    number(whole) * 100 + number(&format!("{part:0<2}"))
}

/// Shares of which the two services do not have the same.
pub async fn check(site: &Site) -> Result<Vec<String>> {
    let (transactions, users) = (site.schema(Service::Transaction), site.schema(Service::User));
    let query = format!(
        "SELECT t.id, t.shares, h.shares FROM {transactions}.transactions t JOIN {users}.holds h ON h.transaction_id = t.id
         WHERE t.refund_of IS NULL AND t.shares IS NOT NULL"
    );
    let mut conn = site.all_schemas().await?;
    let both: Vec<(i64, String, Option<String>)> =
        sqlx::query_as(sqlx::AssertSqlSafe(query)).fetch_all(&mut conn).await?;
    let differ =
        |(_, one, other): &&(i64, String, Option<String>)| parse(one) != parse(other.as_deref().unwrap_or("[]"));
    Ok(both.iter().filter(differ).map(|differing| format!("shares of {differing:?}")).collect())
}
