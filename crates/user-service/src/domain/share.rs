//! What of a transaction is whose, if several are paid.

use money::{Amount, Money, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most receivers of one transaction.
pub const MAX_SHARES: usize = 20;

/// What one of several receivers of a transaction gets, or gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Whose.
    pub receiver_id: UserId,
    /// How much; of a capture or a refund also nothing.
    pub amount: Money,
    /// True for a fee, beside what the receiver gets. It is no part of the step's identity.
    #[serde(default, skip_serializing)]
    pub is_fee: bool,
}

impl Share {
    /// The `shares` of `amount`, of which all is the `receiver`'s if there are none.
    pub fn all(shares: &[Self], receiver_id: UserId, amount: Amount) -> Vec<Self> {
        if shares.is_empty() {
            vec![Self { receiver_id, amount: amount.money(), is_fee: false }]
        } else {
            shares.to_vec()
        }
    }
}

/// What became of the share of one of several receivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldShare {
    /// Whose.
    pub receiver_id: UserId,
    /// How much was set aside for it at first.
    pub amount: Money,
    /// What of that it has got.
    pub captured: Money,
    /// What it has given back of what it has got.
    pub refunded: Money,
}

impl HeldShare {
    /// A share of which nothing is paid yet.
    pub fn new(Share { receiver_id, amount, .. }: &Share) -> Self {
        Self { receiver_id: *receiver_id, amount: *amount, captured: Money::ZERO, refunded: Money::ZERO }
    }
}
