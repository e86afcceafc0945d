//! Who is notified of a fact, and in which words. A notice never claims what did not happen.
//!
//! A warning goes to the address that the account had when it happened, which the fact brings: whoever has taken an account
//! over and changes its address, or closes it, does not get what is meant to warn its owner. No notice has an address, a name
//! or a password in it.

use common::{
    fact::{
        AccountChange, AccountClosed, AccountMovement, Fact, Kind, PaymentRequestState, ShareState, TransactionState,
    },
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
    /// True if it tells that money went out: of that there may be any number.
    pub of_debit: bool,
    /// True if it may have been mailed before a restore: it waits until somebody has it sent.
    pub held_back: bool,
}

impl Notice {
    /// A notice that nobody in particular caused, outside any trace.
    pub fn new(fact_id: String, user_id: UserId, message: String) -> Self {
        Self {
            fact_id,
            user_id,
            message,
            traceparent: None,
            caused_by: None,
            address: None,
            of_debit: false,
            held_back: false,
        }
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
        Kind::UserFrozen | Kind::UserLocked | Kind::UserUnfrozen => {
            let AccountChange { user_id } = data(fact)?;
            Ok(to_owner(fact, user_id, state(fact.kind).into()))
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
    Notice { of_debit: fact.kind == Kind::DebitCompleted, held_back: fact.held_back, ..notice }
}

fn state(kind: Kind) -> &'static str {
    match kind {
        Kind::UserFrozen => "Your account was frozen: it receives money, but sends none. Contact support to learn why.",
        Kind::UserLocked => {
            "Your account was locked: it neither receives nor sends money, and nobody logs in. Contact support to learn why."
        }
        _ => "Your account can be used without restrictions again.",
    }
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
    let mut notices = if transaction.shares.is_empty() {
        of_transaction(fact, transaction, currency)
    } else {
        of_shared(fact, transaction, currency)
    };
    if is_answered(fact, transaction) {
        notices.retain(|notice| notice.user_id != transaction.sender_id);
    }
    notices
}

/// True for what the results of a batch tell its sender: the payments that were made, and those that were refused.
fn is_answered(fact: &Fact, transaction: &TransactionState) -> bool {
    let at_once = || transaction.status_reason.as_deref() == Some("completed_at_once");
    let is_made = match fact.kind {
        Kind::TransactionCreated => true,
        Kind::TransactionFailed => transaction.refused_at_once,
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

/// What is told of a transaction with several receivers: to each of them its own share, and no other.
fn of_shared(fact: &Fact, transaction: &TransactionState, currency: &str) -> Vec<Notice> {
    let TransactionState { sender_id: sender, receiver_id: receiver, .. } = *transaction;
    let is_refund = transaction.refund_of.is_some();
    // a refund goes from all of them to one, and a payment from one to all of them
    let one = if is_refund { receiver } else { sender };
    let of_one = of_transaction(fact, transaction, currency).into_iter().filter(|notice| notice.user_id == one);
    let paid = transaction.shares.iter().filter(|share| share.paid_amount != Money::ZERO);
    let of_share = |share: &ShareState| {
        let paid = share.paid_amount.display(currency);
        let message = if is_refund {
            format!("Your refund of {paid} has been successfully processed.")
        } else {
            format!("You have received {paid}.")
        };
        notice(fact, share.user_id, sender, message)
    };
    of_one.chain(paid.map(of_share)).collect()
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
mod tests;
