//! Who is notified of a fact, and in which words. A notice never claims what did not happen.
//!
//! A warning goes to the address that the account had when it happened, which the fact brings: whoever has taken an account
//! over and changes its address, or closes it, does not get what is meant to warn its owner. No notice has an address, a name
//! or a password in it.

use common::{
    fact::{AccountChange, AccountClosed, AccountMovement, Fact, Kind, PaymentRequestState, TransactionState},
    trace::Trace,
};
use money::{Amount, Money, UserId};
use serde::de::DeserializeOwned;

/// What one user is notified of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The identity of the fact: a user is notified of it once.
    pub fact_id: String,
    /// The recipient.
    pub user_id: UserId,
    /// What they read.
    pub message: String,
    /// The place in a trace from which mailing it goes on, as W3C's `traceparent`.
    pub traceparent: Option<String>,
    /// The user whose action caused it: what one user causes in a minute is bounded.
    pub caused_by: Option<UserId>,
    /// Where it goes, if that must not depend on the account as it is by then.
    pub address: Option<String>,
    /// True if it may have been mailed before a restore: it waits until somebody has it sent.
    pub held_back: bool,
}

impl Notice {
    /// A notice that nobody in particular caused, outside any trace.
    pub fn new(fact_id: String, user_id: UserId, message: String) -> Self {
        Self { fact_id, user_id, message, traceparent: None, caused_by: None, address: None, held_back: false }
    }

    /// The same notice, caused by `user`.
    #[must_use]
    pub fn caused_by(self, user: UserId) -> Self {
        Self { caused_by: Some(user), ..self }
    }

    /// The same notice, within `trace`.
    #[must_use]
    pub fn within(self, trace: &Trace) -> Self {
        Self { traceparent: trace.to_text(), ..self }
    }
}

/// The notices of `fact`, with amounts in `currency`.
///
/// # Errors
/// If its data are not those of its kind.
pub fn notices(fact: &Fact, currency: &str) -> Result<Vec<Notice>, serde_json::Error> {
    match fact.kind {
        Kind::TopupCompleted => {
            let AccountMovement { user_id, amount, .. } = data(fact)?;
            Ok(to_owner(fact, user_id, format!("Top-up {} successful.", shown(amount, currency))))
        }
        Kind::DebitCompleted => {
            let AccountMovement { user_id, amount, .. } = data(fact)?;
            Ok(to_owner(fact, user_id, format!("Debit of {} successful.", shown(amount, currency))))
        }
        Kind::PaymentRequestCreated | Kind::PaymentRequestDeclined => {
            Ok(to_asked_or_asking(fact, &data(fact)?, currency))
        }
        Kind::UserClosed => {
            let closing: AccountClosed = data(fact)?;
            Ok(to_owner(fact, closing.user_id, closed(&closing, currency)))
        }
        Kind::PasswordChanged => {
            let AccountChange { user_id } = data(fact)?;
            let message = "The password of your account was changed. If it was not you, contact support at once.";
            Ok(to_owner(fact, user_id, message.into()))
        }
        Kind::EmailChanged => {
            let AccountChange { user_id } = data(fact)?;
            let message = "The e-mail address of your account was changed: this is the last mail to this one. If it was \
                           not you, contact support at once.";
            Ok(to_owner(fact, user_id, message.into()))
        }
        Kind::TransactionScheduled
        | Kind::TransactionCreated
        | Kind::TransactionCompleted
        | Kind::TransactionCancelled
        | Kind::TransactionExpired
        | Kind::TransactionDeclined
        | Kind::TransactionPartiallyCaptured
        | Kind::TransactionRefunded
        | Kind::TransactionFailed => Ok(to_parties(fact, &data(fact)?, currency)),
    }
}

fn data<T: DeserializeOwned>(fact: &Fact) -> Result<T, serde_json::Error> {
    serde_json::from_str(fact.data.get())
}

fn shown(amount: Amount, currency: &str) -> String {
    Money::from(amount).display(currency)
}

/// What becomes of an account counts as its owner's doing.
fn to_owner(fact: &Fact, user: UserId, message: String) -> Vec<Notice> {
    vec![Notice { address: fact.address.clone(), ..notice(fact, user, user, message) }]
}

fn notice(fact: &Fact, user_id: UserId, cause: UserId, message: String) -> Notice {
    // an invalid trace counts as none
    let trace = Trace::from_text(fact.traceparent.as_deref());
    let notice = Notice::new(fact.id.clone(), user_id, message).caused_by(cause).within(&trace);
    Notice { held_back: fact.held_back, ..notice }
}

fn closed(closing: &AccountClosed, currency: &str) -> String {
    let rest = if closing.paid_out == Money::ZERO {
        "There was nothing left to pay out.".to_owned()
    } else {
        format!("{} was paid out.", closing.paid_out.display(currency))
    };
    format!("Your account was closed. {rest} If it was not you, contact support at once.")
}

/// Who is asked for money, or who has asked and gets none. Each counts as the other's doing.
fn to_asked_or_asking(fact: &Fact, request: &PaymentRequestState, currency: &str) -> Vec<Notice> {
    let PaymentRequestState { payee_id: payee, payer_id: payer, .. } = *request;
    let amount = shown(request.amount, currency);
    if fact.kind == Kind::PaymentRequestDeclined {
        let message = format!("Your payment request for {amount} was declined.");
        return vec![notice(fact, payee, payer.unwrap_or(payee), message)];
    }
    let message = format!("You are asked to pay {amount}. Log in to see who asks, and to pay or decline.");
    payer.map(|payer| notice(fact, payer, payee, message)).into_iter().collect()
}

/// The sender has made the transaction, so every notice of it counts towards the sender's rate, whoever completes or cancels it.
fn to_parties(fact: &Fact, transaction: &TransactionState, currency: &str) -> Vec<Notice> {
    let mut notices = of_transaction(fact, transaction, currency);
    if is_answered(fact, transaction) {
        notices.retain(|notice| notice.user_id != transaction.sender_id);
    }
    notices
}

/// True for what the answer to a batch tells its sender: the payments that were made, and those that were refused.
fn is_answered(fact: &Fact, transaction: &TransactionState) -> bool {
    let at_once = || transaction.status_reason.as_deref() == Some("completed_at_once");
    let is_made = match fact.kind {
        Kind::TransactionCreated | Kind::TransactionFailed => true,
        Kind::TransactionCompleted => at_once(),
        _ => false,
    };
    transaction.batch_id.is_some() && is_made
}

fn of_transaction(fact: &Fact, transaction: &TransactionState, currency: &str) -> Vec<Notice> {
    let TransactionState { sender_id: sender, receiver_id: receiver, .. } = *transaction;
    let amount = shown(transaction.amount, currency);
    let tell = |user, message| notice(fact, user, sender, message);
    let given_back = |what: &str| format!("Transaction of {amount} {what}. The money is back in your balance.");
    let message = match fact.kind {
        Kind::TransactionPartiallyCaptured => return of_part(transaction, tell, currency),
        Kind::TransactionCompleted if transaction.paid_amount.is_some() => return of_part(transaction, tell, currency),
        Kind::TransactionRefunded => {
            return vec![
                tell(sender, format!("Your refund of {amount} has been successfully processed.")),
                tell(receiver, format!("{amount} has been refunded to you.")),
            ];
        }
        Kind::TransactionCompleted => {
            return vec![
                tell(sender, format!("Your payment of {amount} has been successfully processed.")),
                tell(receiver, format!("You have received {amount}.")),
            ];
        }
        Kind::TransactionScheduled => match transaction.execute_at {
            Some(at) => format!("Transaction of {amount} scheduled for {}.", at.format("%Y-%m-%d %H:%M UTC")),
            None => format!("Transaction of {amount} scheduled."),
        },
        Kind::TransactionCreated => format!("Transaction of {amount} pending approval."),
        Kind::TransactionExpired => given_back("expired"),
        Kind::TransactionDeclined => given_back("was declined by the receiver"),
        // nothing was set aside for it
        Kind::TransactionCancelled if transaction.execute_at.is_some() => {
            format!("Scheduled transaction of {amount} cancelled.")
        }
        Kind::TransactionCancelled => given_back("cancelled"),
        _ => match transaction.status_reason.as_deref() {
            None | Some("failed_by_sender" | "failed_by_service" | "failed_by_anyone") => given_back("failed"),
            Some(reason) if transaction.refund_of.is_some() => {
                format!("Refund of {amount} failed: {}.", refusal(reason))
            }
            Some(reason) => format!("Transaction of {amount} failed: {}.", refusal(reason)),
        },
    };
    vec![tell(sender, message)]
}

/// What is told of a payment in parts: what has gone to the receiver now, and what has come back once it is over.
fn of_part(transaction: &TransactionState, tell: impl Fn(UserId, String) -> Notice, currency: &str) -> Vec<Notice> {
    let TransactionState { sender_id: sender, receiver_id: receiver, amount, .. } = *transaction;
    let paid = transaction.paid_amount.unwrap_or_default();
    let rest = amount.money() - transaction.captured_amount.unwrap_or_default();
    let (whole, shown_rest) = (shown(amount, currency), rest.display(currency));
    let is_over = transaction.status == "completed" && rest != Money::ZERO;
    if paid == Money::ZERO {
        let back = format!("{shown_rest} of your payment of {whole} was not needed and is back in your balance.");
        return vec![tell(sender, back)];
    }
    let paid = paid.display(currency);
    let mut of_sender = format!("{paid} of your payment of {whole} has been successfully processed.");
    if is_over {
        of_sender = format!("{of_sender} The remaining {shown_rest} is back in your balance.");
    }
    vec![tell(sender, of_sender), tell(receiver, format!("You have received {paid}."))]
}

/// Why a transaction was refused, in words; what later versions call it is no reason to tell nobody.
fn refusal(reason: &str) -> &'static str {
    match reason {
        "insufficient_balance" => "your balance is too low",
        "limit_exceeded" => "it exceeds a limit of your account",
        "account_frozen" => "your account is frozen",
        "account_locked" => "your account is locked",
        "receiver_not_found" => "the receiver does not exist",
        "receiver_unavailable" => "the receiver cannot be paid at the moment",
        "exceeds_refundable" => "it is more than is left to refund",
        _ => "it could not be carried out",
    }
}

#[cfg(test)]
mod tests {
    use common::origin::Origin;
    use serde_json::json;

    use super::*;

    fn fact(kind: &str, data: &serde_json::Value) -> Fact {
        let kind = serde_json::from_value(kind.into()).unwrap();
        Fact::new("1".into(), kind, data, &Origin::default()).at("then@example.com".into())
    }

    fn transaction(kind: &str, reason: Option<&str>) -> Fact {
        let state = json!({
            "id": 10,
            "sender_id": 1,
            "receiver_id": 2,
            "amount": 10_000,
            "description": "Lunch",
            "status": "any",
            "status_reason": reason,
            "created_at": "2025-11-12T10:30:00Z",
            "updated_at": "2025-11-12T10:30:00Z",
        });
        fact(kind, &state)
    }

    fn told(fact: &Fact) -> Vec<(i64, String)> {
        notices(fact, "IDR").unwrap().into_iter().map(|notice| (notice.user_id.get(), notice.message)).collect()
    }

    /// A transaction of 10,000 of which so much is captured, with this fact so much more.
    fn in_parts(kind: &str, status: &str, captured: i64, paid: i64) -> Fact {
        let mut state: serde_json::Value = serde_json::from_str(transaction(kind, None).data.get()).unwrap();
        for (name, value) in
            [("status", json!(status)), ("captured_amount", json!(captured)), ("paid_amount", json!(paid))]
        {
            state[name] = value;
        }
        fact(kind, &state)
    }

    #[test]
    fn of_a_batch_only_its_receivers_are_told_what_its_answer_says() {
        let told_of = |kind: &str, reason: Option<&str>| {
            let mut state: serde_json::Value = serde_json::from_str(transaction(kind, reason).data.get()).unwrap();
            state["batch_id"] = json!(7);
            told(&fact(kind, &state)).into_iter().map(|(user, _)| user).collect::<Vec<_>>()
        };
        assert_eq!(told_of("transaction.completed", Some("completed_at_once")), [2]);
        assert_eq!(told_of("transaction.created", None), [] as [i64; 0]);
        assert_eq!(told_of("transaction.failed", Some("insufficient_balance")), [] as [i64; 0]);
        assert_eq!(told_of("transaction.completed", Some("completed_by_sender")), [1, 2]);
        assert_eq!(told_of("transaction.cancelled", Some("cancelled_by_sender")), [1]);
    }

    #[test]
    fn each_part_is_told_to_both_and_the_rest_to_the_sender() {
        let processed = "of your payment of Rp 10,000 has been successfully processed.";
        let received = |amount: &str| (2, format!("You have received Rp {amount}."));
        let part = in_parts("transaction.partially_captured", "pending", 2_500, 2_500);
        assert_eq!(told(&part), [(1, format!("Rp 2,500 {processed}")), received("2,500")]);
        let last = in_parts("transaction.completed", "completed", 10_000, 7_500);
        assert_eq!(told(&last), [(1, format!("Rp 7,500 {processed}")), received("7,500")]);
        let some = in_parts("transaction.completed", "completed", 6_000, 3_500);
        let back = format!("Rp 3,500 {processed} The remaining Rp 4,000 is back in your balance.");
        assert_eq!(told(&some), [(1, back), received("3,500")]);
        let rest = in_parts("transaction.completed", "completed", 6_000, 0);
        let back = "Rp 4,000 of your payment of Rp 10,000 was not needed and is back in your balance.";
        assert_eq!(told(&rest), [(1, back.to_owned())]);
    }

    #[test]
    fn the_sender_alone_is_told_what_is_scheduled_and_that_nothing_comes_back_of_it() {
        let scheduled = |kind, reason| {
            let mut state: serde_json::Value = serde_json::from_str(transaction(kind, reason).data.get()).unwrap();
            state["execute_at"] = json!("2026-12-30T17:00:00Z");
            told(&fact(kind, &state))
        };
        let one = |message: &str| vec![(1, message.to_owned())];
        let at = "Transaction of Rp 10,000 scheduled for 2026-12-30 17:00 UTC.";
        assert_eq!(scheduled("transaction.scheduled", None), one(at));
        let cancelled = "Scheduled transaction of Rp 10,000 cancelled.";
        assert_eq!(scheduled("transaction.cancelled", Some("cancelled_by_sender")), one(cancelled));
        let failed = "Transaction of Rp 10,000 failed: your balance is too low.";
        assert_eq!(scheduled("transaction.failed", Some("insufficient_balance")), one(failed));
    }

    #[test]
    fn both_are_told_of_a_refund() {
        let given = (1, "Your refund of Rp 10,000 has been successfully processed.".to_owned());
        let got = (2, "Rp 10,000 has been refunded to you.".to_owned());
        assert_eq!(told(&transaction("transaction.refunded", None)), [given, got]);
        let mut state: serde_json::Value =
            serde_json::from_str(transaction("transaction.failed", Some("exceeds_refundable")).data.get()).unwrap();
        state["refund_of"] = json!(9);
        let failed = "Refund of Rp 10,000 failed: it is more than is left to refund.".to_owned();
        assert_eq!(told(&fact("transaction.failed", &state)), [(1, failed)]);
    }

    #[test]
    fn the_parties_are_told_what_happened() {
        let one = |kind, reason| match &*told(&transaction(kind, reason)) {
            [(1, message)] => message.clone(),
            other => panic!("the sender alone is told: {other:?}"),
        };
        assert_eq!(one("transaction.created", None), "Transaction of Rp 10,000 pending approval.");
        for (kind, what) in [
            ("transaction.expired", "expired"),
            ("transaction.declined", "was declined by the receiver"),
            ("transaction.cancelled", "cancelled"),
        ] {
            let back = format!("Transaction of Rp 10,000 {what}. The money is back in your balance.");
            assert_eq!(one(kind, Some("a reason")), back);
        }
        for (reason, words) in [
            ("insufficient_balance", "your balance is too low"),
            ("limit_exceeded", "it exceeds a limit of your account"),
            ("account_frozen", "your account is frozen"),
            ("account_locked", "your account is locked"),
            ("receiver_not_found", "the receiver does not exist"),
            ("receiver_unavailable", "the receiver cannot be paid at the moment"),
            ("not_held", "it could not be carried out"),
            ("a word of a later version", "it could not be carried out"),
        ] {
            assert_eq!(one("transaction.failed", Some(reason)), format!("Transaction of Rp 10,000 failed: {words}."));
        }
        let back = "Transaction of Rp 10,000 failed. The money is back in your balance.";
        assert_eq!(one("transaction.failed", Some("failed_by_sender")), back);
        assert_eq!(
            told(&transaction("transaction.completed", None)),
            [
                (1, "Your payment of Rp 10,000 has been successfully processed.".to_owned()),
                (2, "You have received Rp 10,000.".to_owned())
            ]
        );
    }

    #[test]
    fn all_that_is_told_of_a_transaction_is_its_senders_doing_and_goes_to_the_accounts_addresses() {
        for notice in notices(&transaction("transaction.completed", None), "IDR").unwrap() {
            assert_eq!((notice.caused_by.map(UserId::get), notice.address), (Some(1), None));
        }
    }

    #[test]
    fn an_owner_is_told_at_the_address_of_then_what_became_of_the_account() {
        let support = "If it was not you, contact support at once.";
        for (kind, data, message) in [
            ("topup.completed", json!({"user_id": 7, "amount": 100_000}), "Top-up Rp 100,000 successful.".to_owned()),
            ("debit.completed", json!({"user_id": 7, "amount": "10.5"}), "Debit of Rp 10.50 successful.".to_owned()),
            (
                "user.closed",
                json!({"user_id": 7, "paid_out": 7_000}),
                format!("Your account was closed. Rp 7,000 was paid out. {support}"),
            ),
            (
                "user.closed",
                json!({"user_id": 7, "paid_out": 0}),
                format!("Your account was closed. There was nothing left to pay out. {support}"),
            ),
            (
                "security.password_changed",
                json!({"user_id": 7}),
                format!("The password of your account was changed. {support}"),
            ),
            (
                "security.email_changed",
                json!({"user_id": 7}),
                format!("The e-mail address of your account was changed: this is the last mail to this one. {support}"),
            ),
        ] {
            let [notice] = &notices(&fact(kind, &data), "IDR").unwrap()[..] else { panic!("{kind} has one notice") };
            assert_eq!((notice.user_id.get(), &notice.message), (7, &message));
            assert_eq!(notice.caused_by, Some(notice.user_id), "it is the owner's doing");
            assert_eq!(notice.address.as_deref(), Some("then@example.com"));
        }
    }

    #[test]
    fn the_named_payer_is_told_of_a_payment_request_and_the_payee_that_it_is_declined() {
        let request = |kind: &str, payer: Option<i64>| {
            let state = json!({
                "id": "0".repeat(32), "payee_id": 2, "payer_id": payer, "amount": 25_000, "description": "Lunch",
                "created_at": "2025-11-12T10:30:00Z", "expires_at": "2025-12-12T10:30:00Z",
            });
            let told = notices(&fact(kind, &state), "IDR").unwrap().into_iter();
            let shown = |notice: Notice| (notice.user_id.get(), notice.caused_by.map(UserId::get), notice.message);
            told.map(shown).collect::<Vec<_>>()
        };
        let asked = "You are asked to pay Rp 25,000. Log in to see who asks, and to pay or decline.".to_owned();
        assert_eq!(request("payment_request.created", Some(3)), [(3, Some(2), asked)]);
        assert_eq!(request("payment_request.created", None), []);
        let declined = "Your payment request for Rp 25,000 was declined.".to_owned();
        assert_eq!(request("payment_request.declined", Some(3)), [(2, Some(3), declined.clone())]);
        assert_eq!(request("payment_request.declined", None), [(2, Some(2), declined)]);
    }

    #[test]
    fn data_of_another_kind_are_an_error() {
        assert!(notices(&fact("topup.completed", &json!({"id": 7})), "IDR").is_err());
        assert!(notices(&fact("transaction.failed", &json!({"user_id": 7, "amount": 1})), "IDR").is_err());
    }
}
