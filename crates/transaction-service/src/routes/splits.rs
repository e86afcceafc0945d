//! Several receivers of one payment, as requests name them and as they are answered.

use std::collections::HashSet;

use common::{ApiError, Result};
use money::{Amount, Email, Money, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    codes,
    domain::{
        receiver::Receiver,
        shares::{MAX_SPLITS, Share},
    },
};

/// What one of several receivers is to get.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSplit {
    /// Who is paid.
    pub receiver_id: UserId,
    /// How much of the amount.
    amount: Amount,
}

/// What of a payment goes to somebody else than its receiver.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFee {
    /// Who gets it.
    receiver_id: UserId,
    /// How much of the amount; less than all of it.
    amount: Amount,
}

/// What one of several receivers is to get, as it is answered.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Part {
    receiver_id: UserId,
    amount: Money,
}

impl From<&Share> for Part {
    fn from(share: &Share) -> Self {
        Self { receiver_id: share.receiver_id, amount: share.amount }
    }
}

/// What one of several receivers gets; of a refund, what it gives back.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Split")]
pub struct Split {
    receiver_id: UserId,
    amount: Money,
    /// What of that it has got.
    captured_amount: Money,
    /// What has gone back of that.
    refunded_amount: Money,
}

impl From<&Share> for Split {
    fn from(share: &Share) -> Self {
        Self {
            receiver_id: share.receiver_id,
            amount: share.amount,
            captured_amount: share.captured,
            refunded_amount: share.refunded,
        }
    }
}

/// Who is to be paid, in the words of a request: of several, the first.
pub fn receiver(id: Option<UserId>, email: Option<&Email>, splits: Option<&[NewSplit]>) -> Result<Receiver> {
    let fault = |code, phrase: &str| ApiError::new(code).field(Receiver::ID, phrase).field(Receiver::ADDRESS, phrase);
    match (id, email, splits) {
        (Some(id), None, None) => Ok(Receiver::Id(id)),
        (None, Some(email), None) => Ok(Receiver::Address(email.clone())),
        (None, None, Some([first, ..])) => Ok(Receiver::Id(first.receiver_id)),
        (None, None, Some([])) => Err(ApiError::invalid("splits", "must not be empty")),
        (_, _, Some(_)) => Err(ApiError::invalid("splits", "must stand without receiver_id and receiver_email")),
        (Some(_), Some(_), None) => Err(fault(codes::INVALID_VALUE, "must not stand beside the other one")),
        (None, None, None) => Err(fault(codes::MISSING_FIELD, "is missing: give it or the other one")),
    }
}

/// The shares of a payment of `amount` by `sender` to `receiver`, whom the request names in `field`, if it pays several.
pub fn asked(
    sender: UserId,
    (receiver, field): (UserId, &str),
    amount: Amount,
    (splits, fee): (Option<&[NewSplit]>, Option<&NewFee>),
) -> Result<Vec<Share>> {
    match (splits, fee) {
        (Some(_), Some(_)) => Err(ApiError::invalid("fee", "must stand without splits")),
        (Some(splits), None) => shares(sender, amount, splits),
        (None, fee) => {
            must_differ(sender, receiver, field)?;
            fee.map_or(Ok(Vec::new()), |fee| with_fee(sender, receiver, amount, fee))
        }
    }
}

/// Refuses a payment to oneself, whose receiver is in this `field`.
fn must_differ(sender: UserId, receiver: UserId, field: &str) -> Result<()> {
    if sender == receiver {
        return Err(ApiError::new(codes::SELF_TRANSFER).field(field, "must be another user than the sender"));
    }
    Ok(())
}

/// The `splits` and the `fee` by which a request asks for these shares.
pub fn to_ask(shares: &[Share]) -> (Option<Vec<Part>>, Option<Part>) {
    match shares {
        [] => (None, None),
        [_, fee] if fee.is_fee => (None, Some(fee.into())),
        shares => (Some(shares.iter().map(Part::from).collect()), None),
    }
}

/// The shares of a payment of `amount` that `sender` splits so: 1 to [`MAX_SPLITS`], each of another user, which add up to it.
fn shares(sender: UserId, amount: Amount, splits: &[NewSplit]) -> Result<Vec<Share>> {
    if splits.is_empty() || splits.len() > MAX_SPLITS {
        return Err(ApiError::invalid("splits", format!("must be a list of 1 to {MAX_SPLITS}")));
    }
    let (mut users, mut sum) = (HashSet::new(), Money::ZERO);
    for (place, split) in splits.iter().enumerate() {
        let field = format!("splits[{place}].receiver_id");
        if split.receiver_id == sender {
            return Err(ApiError::new(codes::SELF_TRANSFER).field(&field, "must be another user than the sender"));
        }
        if !users.insert(split.receiver_id) {
            return Err(ApiError::invalid(&field, "must be another user than those before"));
        }
        sum = sum + split.amount.money();
        let is_last = place + 1 == splits.len();
        if sum > amount.money() || (is_last && sum != amount.money()) {
            let phrase = format!("must add up to {amount} with the others: up to here it is {sum}");
            return Err(ApiError::new(codes::INVALID_VALUE).field(&format!("splits[{place}].amount"), phrase));
        }
    }
    Ok(splits.iter().map(|split| Share::new(split.receiver_id, split.amount.money())).collect())
}

/// The shares of a payment of `amount` by `sender` to `receiver` with this fee.
fn with_fee(sender: UserId, receiver: UserId, amount: Amount, fee: &NewFee) -> Result<Vec<Share>> {
    if fee.receiver_id == sender {
        let error = ApiError::new(codes::SELF_TRANSFER);
        return Err(error.field("fee.receiver_id", "must be another user than the sender"));
    }
    if fee.receiver_id == receiver {
        return Err(ApiError::invalid("fee.receiver_id", "must be another user than the receiver"));
    }
    if fee.amount >= amount {
        return Err(ApiError::new(codes::INVALID_VALUE).field("fee.amount", format!("must be less than {amount}")));
    }
    Ok(Share::with_fee(receiver, amount, (fee.receiver_id, fee.amount)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(amount: &str, splits: &[(i64, &str)]) -> String {
        let split = |(id, amount): &(i64, &str)| NewSplit {
            receiver_id: (*id).try_into().unwrap(),
            amount: amount.parse().unwrap(),
        };
        let splits: Vec<NewSplit> = splits.iter().map(split).collect();
        match shares(1.try_into().unwrap(), amount.parse().unwrap(), &splits) {
            Ok(_) => "nothing".to_owned(),
            Err(error) => format!("{} {}", error.code().name(), error.fields().keys().next().unwrap()),
        }
    }

    #[test]
    fn splits_are_of_users_that_differ_and_add_up() {
        assert_eq!(refused("10", &[(2, "9.99"), (3, "0.01")]), "nothing");
        assert_eq!(refused("10", &[(2, "10")]), "nothing");
        assert_eq!(refused("10", &[(2, "9.99"), (3, "0.02")]), "invalid_value splits[1].amount");
        assert_eq!(refused("10", &[(2, "10"), (3, "1"), (4, "1")]), "invalid_value splits[1].amount");
        assert_eq!(refused("10", &[(2, "5"), (3, "4.99")]), "invalid_value splits[1].amount");
        assert_eq!(refused("10", &[(2, "5"), (2, "5")]), "invalid_value splits[1].receiver_id");
        assert_eq!(refused("10", &[(2, "5"), (1, "5")]), "self_transfer splits[1].receiver_id");
        assert_eq!(refused("10", &[]), "invalid_value splits");
        let most: Vec<(i64, &str)> = (2..).take(MAX_SPLITS).map(|id| (id, "1")).collect();
        assert_eq!(refused("20", &most), "nothing");
        let more: Vec<(i64, &str)> = (2..).take(MAX_SPLITS + 1).map(|id| (id, "1")).collect();
        assert_eq!(refused("21", &more), "invalid_value splits");
    }

    #[test]
    fn a_fee_is_a_part_for_somebody_else() {
        let user = |id: i64| UserId::try_from(id).unwrap();
        let of = |receiver: i64, amount: &str| {
            let fee = NewFee { receiver_id: user(receiver), amount: amount.parse().unwrap() };
            with_fee(user(1), user(2), "10".parse().unwrap(), &fee)
        };
        let amounts: Vec<Money> = of(3, "0.01").unwrap().iter().map(|share| share.amount).collect();
        assert_eq!(amounts.iter().map(Money::to_string).collect::<Vec<_>>(), ["9.99", "0.01"]);
        for (receiver, amount, field) in
            [(1, "1", "fee.receiver_id"), (2, "1", "fee.receiver_id"), (3, "10", "fee.amount")]
        {
            assert_eq!(of(receiver, amount).unwrap_err().fields().keys().next().unwrap(), field);
        }
    }
}
