//! How an account stands: what it has, and what it may still pay.

use chrono::{DateTime, Utc};
use money::{Amount, Money, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What an account has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountBalances {
    /// What the user can spend.
    pub available: Money,
    /// What is set aside for pending transactions.
    pub held: Money,
}

/// The limits of an account, and how far they are used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AccountLimitsBody", example = json!({
    "user_id": 1,
    "per_transaction": 5_000_000,
    "per_day": 10_000_000,
    "per_month": null,
    "day": {"used": 2_500_000, "remaining": 7_500_000, "resets_at": "2025-11-12T17:00:00.000000Z"},
    "month": null,
}))]
pub struct AccountLimits {
    /// Whose they are.
    pub user_id: UserId,
    /// The most that goes out in one payment; null is no limit.
    #[schemars(with = "Option<Money>")]
    pub per_transaction: Option<Amount>,
    /// The most that goes out on a day; null is no limit.
    #[schemars(with = "Option<Money>")]
    pub per_day: Option<Amount>,
    /// The most that goes out in a month; null is no limit.
    #[schemars(with = "Option<Money>")]
    pub per_month: Option<Amount>,
    /// This day, if it has a limit.
    pub day: Option<Usage>,
    /// This month, if it has a limit.
    pub month: Option<Usage>,
}

/// How far a limit is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// What counts against it.
    pub used: Money,
    /// What may still go out.
    pub remaining: Money,
    /// When nothing counts any more, as it is written.
    #[schemars(with = "DateTime<Utc>")]
    pub resets_at: String,
}

/// How an account stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Standing {
    /// What it has.
    pub balances: AccountBalances,
    /// Its limits, if any apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<AccountLimits>,
}
