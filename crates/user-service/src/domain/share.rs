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
}

impl Share {
    /// The `shares` of `amount`, of which all is the `receiver`'s if there are none.
    pub fn all(shares: &[Self], receiver_id: UserId, amount: Amount) -> Vec<Self> {
        if shares.is_empty() { vec![Self { receiver_id, amount: amount.money() }] } else { shares.to_vec() }
    }
}
