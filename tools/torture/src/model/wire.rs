//! The steps, amounts and answers of the model as requests and answers have them.

use serde_json::{Value, json};

use super::ledger::{Answer, Refusal, Second, Step};

/// An amount of cents as requests have it.
pub fn units(cents: i64) -> Value {
    json!(f64::from(i32::try_from(cents).expect("amounts are small")) / 100.0)
}

/// The number that the services know the `index`th by, of a case whose numbers begin at `base`.
pub fn number(base: i64, index: usize) -> i64 {
    base + i64::try_from(index).expect("cases are small")
}

/// A step in the words of user-service.
pub fn body(step: Step, base: i64) -> Value {
    let parties = |transaction: usize, from: usize, to: usize| {
        json!({
            "transaction_id": number(base, transaction), "sender_id": number(base, from), "receiver_id": number(base, to),
        })
    };
    // the first of those who are paid, of a refund of those who pay, is named apart
    let with = |mut fields: Value, first: usize, amount: i64, second: Second| {
        fields["amount"] = units(amount);
        if let Some((user, part)) = second {
            let share = |user: usize, part: i64| json!({"receiver_id": number(base, user), "amount": units(part)});
            fields["shares"] = json!([share(first, amount - part), share(user, part)]);
        }
        fields
    };
    match step {
        Step::Hold { transaction, from, to, amount, second } => {
            json!({"hold": with(parties(transaction, from, to), to, amount, second)})
        }
        Step::Transfer { transaction, from, to, amount, second } => {
            json!({"transfer": with(parties(transaction, from, to), to, amount, second)})
        }
        Step::Refund { transaction, of, from, to, amount, second } => {
            let mut fields = with(parties(transaction, from, to), from, amount, second);
            fields["refund_of"] = json!(number(base, of));
            json!({"refund": fields})
        }
        Step::Capture { transaction, number, from, to, amount, is_final, second } => {
            let mut fields = with(parties(transaction, from, to), to, amount, second);
            (fields["step"], fields["final"]) = (json!(number), json!(is_final));
            json!({"capture": fields})
        }
        Step::Release { transaction, number: step, from, to, second } => {
            let mut fields = parties(transaction, from, to);
            fields["step"] = json!(step);
            if let Some(second) = second {
                fields["receivers"] = json!([number(base, to), number(base, second)]);
            }
            json!({"release": fields})
        }
    }
}

/// An amount of cents as answers have it, whole ones without decimals.
pub fn written(cents: i64) -> Value {
    if cents % 100 == 0 { json!(cents / 100) } else { units(cents) }
}

/// An answer in the words of user-service.
pub fn word(answer: Answer) -> Option<&'static str> {
    Some(match answer? {
        Refusal::UserNotFound => "user_not_found",
        Refusal::ReceiverNotFound => "receiver_not_found",
        Refusal::InsufficientBalance => "insufficient_balance",
        Refusal::NotHeld => "not_held",
        Refusal::ExceedsRefundable => "exceeds_refundable",
        Refusal::ReferenceReused => "reference_reused",
    })
}
