//! The ledger as others keep a copy of it: each change of what a user can spend, what it is, and who is on its other side. Pure.

use chrono::{DateTime, Utc};
use money::{Money, TransactionId, UserId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::book::LedgerAccount;

/// Legs that an operation may have, and more: the number of an entry is that of its operation times this, and its place. With
/// 2^37 operations, at 10,000 a second after 158 days without a pause and at 100 after 43 years, it is still less than 2^53,
/// which is where readers in JavaScript lose digits. A number is never split up again.
const LEGS: i64 = 65_536;

/// An operation as the ledger has it.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Grows along the ledger.
    pub id: i64,
    /// The stable word for the kind of movement; `close` for what is paid out when an account is closed.
    pub kind: String,
    /// The transaction that it is a step of.
    pub transaction_id: Option<TransactionId>,
    /// The caller's own name for it.
    pub note: Option<String>,
    /// When it was posted.
    pub created_at: DateTime<Utc>,
}

/// A leg of it.
#[derive(Debug, Clone, Copy)]
pub struct Leg {
    /// Its place in the operation.
    pub place: i64,
    /// Which of the user's accounts.
    pub account: LedgerAccount,
    /// Whose.
    pub user_id: UserId,
    /// What it changes by.
    pub amount: Money,
    /// What it stands at then.
    pub balance_after: Option<Money>,
    /// The transaction that it is of, where the operation is of several.
    pub transaction_id: Option<TransactionId>,
    /// True if it gives a fee to its receiver.
    pub is_fee: bool,
}

/// A change of what a user can spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(example = json!({
    "id": 655_361,
    "user_id": 1,
    "created_at": "2025-11-12T10:30:00.000000Z",
    "kind": "topup",
    "amount": 100_000,
    "balance_after": 150_000,
    "reference": "invoice-17",
}))]
pub struct Entry {
    /// Grows along the ledger.
    pub id: i64,
    /// Whose balance it is.
    pub user_id: UserId,
    /// When it was posted.
    pub created_at: DateTime<Utc>,
    /// What it is; there may be more of them.
    pub kind: String,
    /// By how much the balance changes.
    pub amount: Money,
    /// The balance after it.
    pub balance_after: Money,
    /// Who is on its other side: whoever pays, or the first who is paid; of a hold and its release the first who is to be paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterparty_id: Option<UserId>,
    /// The transaction that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<TransactionId>,
    /// The caller's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// The entries of an operation with these legs, in their order. A counterparty that the legs do not tell is missing.
pub fn of(posted: &Posted, legs: &[Leg]) -> Vec<Entry> {
    // the legs of a transaction follow each other; a batch has thousands
    legs.chunk_by(|one, next| one.transaction_id == next.transaction_id).flat_map(|legs| of_one(posted, legs)).collect()
}

/// The same of the legs of one transaction.
fn of_one<'a>(posted: &'a Posted, legs: &'a [Leg]) -> impl Iterator<Item = Entry> + 'a {
    let spendable = legs.iter().filter(|leg| leg.account == LedgerAccount::Available && leg.amount != Money::ZERO);
    spendable.filter_map(move |leg| {
        let holds = legs.iter().any(|other| other.account == LedgerAccount::Held && other.user_id == leg.user_id);
        let is_other_side = |other: &&Leg| {
            other.user_id != leg.user_id
                && other.account != LedgerAccount::External
                && other.amount != Money::ZERO
                && other.amount.is_negative() != leg.amount.is_negative()
        };
        Some(Entry {
            id: posted.id * LEGS + leg.place,
            user_id: leg.user_id,
            created_at: posted.created_at,
            kind: kind(posted, leg, holds).to_owned(),
            amount: leg.amount,
            balance_after: leg.balance_after?,
            counterparty_id: if holds { None } else { legs.iter().find(is_other_side).map(|other| other.user_id) },
            transaction_id: leg.transaction_id.or(posted.transaction_id),
            reference: posted.note.clone(),
        })
    })
}

/// What a leg is; `holds` if its user sets money aside in the same transaction, or has it back.
fn kind<'a>(posted: &'a Posted, leg: &Leg, holds: bool) -> &'a str {
    match &*posted.kind {
        _ if leg.is_fee => "fee",
        "capture" if holds => "release", // the rest, after the final one
        "batch" if holds => "hold",
        "batch" | "close" => "payout",
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_batch_is_told_apart_leg_by_leg() {
        let mut all = Vec::new();
        for transaction in 1..=1_000 {
            let to = (2..=21).map(|user| (LedgerAccount::Available, user, 1));
            let mut legs = legs(&[(LedgerAccount::Available, 1, -20)].into_iter().chain(to).collect::<Vec<_>>());
            for leg in &mut legs {
                leg.transaction_id = Some(TransactionId::try_from(transaction).unwrap());
            }
            all.extend(legs);
        }
        let entries = of(&posted("batch"), &all);
        assert_eq!(entries.len(), 21_000);
        let mut counterparties = entries.chunks(21).map(|one| (one[0].counterparty_id, one[20].counterparty_id));
        assert!(counterparties.all(|pair| pair == (Some(user(2)), Some(user(1)))));
    }

    fn user(id: i64) -> UserId {
        id.try_into().unwrap()
    }

    fn posted(kind: &str) -> Posted {
        let created_at = DateTime::UNIX_EPOCH;
        Posted { id: 3, kind: kind.to_owned(), transaction_id: None, note: None, created_at }
    }

    /// Legs on accounts of users, in order.
    fn legs(legs: &[(LedgerAccount, i64, i64)]) -> Vec<Leg> {
        let leg = |(place, (account, id, amount)): (i64, &(LedgerAccount, i64, i64))| Leg {
            place,
            account: *account,
            user_id: user(*id),
            amount: (*amount).into(),
            balance_after: (*account != LedgerAccount::External).then_some(0.into()),
            transaction_id: None,
            is_fee: false,
        };
        (0..).zip(legs).map(leg).collect()
    }

    /// What the entries say: kind, whose, how much, and who is on the other side.
    fn said(kind: &str, legs: &[Leg]) -> Vec<(String, i64, Money, Option<i64>)> {
        let said =
            |entry: Entry| (entry.kind, entry.user_id.get(), entry.amount, entry.counterparty_id.map(UserId::get));
        of(&posted(kind), legs).into_iter().map(said).collect()
    }

    #[test]
    fn each_movement_is_what_statements_call_it_and_names_the_other_side() {
        use LedgerAccount::{Available, External, Held};
        let word = str::to_owned;
        let topup = legs(&[(External, 1, -5), (Available, 1, 5)]);
        assert_eq!(said("topup", &topup), [(word("topup"), 1, 5.into(), None)]);
        assert_eq!(of(&posted("topup"), &topup)[0].id, 3 * LEGS + 1);
        let left = legs(&[(Available, 1, -5), (External, 1, 5)]);
        assert_eq!(said("close", &left), [(word("payout"), 1, Money::from(-5), None)]);
        let hold = legs(&[(Available, 1, -5), (Held, 1, 5)]);
        assert_eq!(said("hold", &hold), [(word("hold"), 1, Money::from(-5), None)]);
        assert_eq!(said("batch", &hold), [(word("hold"), 1, Money::from(-5), None)]);
        let capture = legs(&[(Held, 1, -4), (Available, 2, 4), (Held, 1, -1), (Available, 1, 1)]);
        let captured = [(word("capture"), 2, 4.into(), Some(1)), (word("release"), 1, 1.into(), None)];
        assert_eq!(said("capture", &capture), captured);
        let mut split = legs(&[(Available, 1, -5), (Available, 2, 4), (Available, 3, 1)]);
        split[2].is_fee = true;
        let paid = |kind: &str| [(word(kind), 1, Money::from(-5), Some(2)), (word(kind), 2, 4.into(), Some(1))];
        let fee = (word("fee"), 3, 1.into(), Some(1));
        assert_eq!(said("transfer", &split), [&paid("transfer")[..], std::slice::from_ref(&fee)].concat());
        assert_eq!(said("batch", &split), [&paid("payout")[..], &[fee]].concat());
        let refund = legs(&[(Available, 2, -4), (Available, 3, -1), (Available, 1, 5)]);
        let refunded = [(2, -4, 1), (3, -1, 1), (1, 5, 2)];
        let refunded = refunded.map(|(id, amount, other)| (word("refund"), id, amount.into(), Some(other)));
        assert_eq!(said("refund", &refund), refunded);
        assert_eq!(said("topup", &legs(&[(External, 1, 0)])), [], "one more reference moves nothing");
    }

    #[test]
    fn of_an_operation_of_several_transactions_the_other_side_is_that_of_the_same_one() {
        use LedgerAccount::{Available, Held};
        let mut batch = legs(&[
            (Available, 1, -5),
            (Available, 2, 5),
            (Available, 1, -3),
            (Held, 1, 3),
            (Available, 1, -1),
            (Available, 3, 1),
        ]);
        for (leg, transaction) in batch.iter_mut().zip([7, 7, 8, 8, 9, 9]) {
            leg.transaction_id = Some(transaction.try_into().unwrap());
        }
        let others =
            [("payout", Some(2)), ("payout", Some(1)), ("hold", None), ("payout", Some(3)), ("payout", Some(1))];
        let said: Vec<(String, Option<i64>)> =
            said("batch", &batch).into_iter().map(|(kind, _, _, other)| (kind, other)).collect();
        assert_eq!(said, others.map(|(kind, other)| (kind.to_owned(), other)));
    }
}
