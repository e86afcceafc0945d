//! Transactions of which several are paid, each its share: splits, and fees. Pure.

use chrono::{DateTime, Utc};
use money::{Amount, Money, UserId};
use serde::{Deserialize, Serialize};

/// The most receivers of one transaction.
pub const MAX_SPLITS: usize = 20;

/// What of a transaction is one receiver's; of a refund, what one of those pays who were paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Whose.
    pub receiver_id: UserId,
    /// How much; of a refund also nothing.
    pub amount: Money,
    /// What of that is paid.
    pub captured: Money,
    /// What of that has gone back.
    pub refunded: Money,
    /// True for a fee, beside what the receiver gets.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_fee: bool,
    /// When its receiver deleted the transaction; the first one's is kept with the transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden_at: Option<DateTime<Utc>>,
}

impl Share {
    /// A share of which nothing is paid yet.
    pub fn new(receiver_id: UserId, amount: Money) -> Self {
        let (captured, refunded) = (Money::ZERO, Money::ZERO);
        Self { receiver_id, amount, captured, refunded, is_fee: false, hidden_at: None }
    }

    /// The shares of a payment of `amount` of which a part is a `fee`.
    pub fn with_fee(receiver: UserId, amount: Amount, (collector, fee): (UserId, Amount)) -> Vec<Self> {
        let fee = Self { is_fee: true, ..Self::new(collector, fee.money()) };
        vec![Self::new(receiver, amount.money() - fee.amount), fee]
    }

    /// The same shares at the moment when so much of each was paid, and nothing had gone back.
    pub fn paid(shares: &[Self], captured: impl Fn(&Self) -> Money) -> Vec<Self> {
        shares.iter().map(|share| Self { captured: captured(share), refunded: Money::ZERO, ..share.clone() }).collect()
    }
}

/// A share of a step, in the words of user-service.
#[derive(Debug, Clone, Serialize)]
pub struct StepShare {
    /// Whose.
    pub receiver_id: UserId,
    /// How much.
    pub amount: Money,
    /// True for a fee, beside what the receiver gets.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_fee: bool,
}

/// Those who have a share beyond the first, and more than nothing.
pub fn others(shares: &[Share]) -> impl Iterator<Item = UserId> {
    shares.iter().skip(1).filter(|share| share.amount != Money::ZERO).map(|share| share.receiver_id)
}
