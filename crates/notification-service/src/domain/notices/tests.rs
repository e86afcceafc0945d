//! Who is told what.

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
    for (name, value) in [("status", json!(status)), ("captured_amount", json!(captured)), ("paid_amount", json!(paid))]
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
        state["refused_at_once"] = json!(reason == Some("insufficient_balance"));
        told(&fact(kind, &state)).into_iter().map(|(user, _)| user).collect::<Vec<_>>()
    };
    assert_eq!(told_of("transaction.completed", Some("completed_at_once")), [2]);
    assert_eq!(told_of("transaction.created", None), [] as [i64; 0]);
    assert_eq!(told_of("transaction.failed", Some("insufficient_balance")), [] as [i64; 0]);
    // what the answer could not say yet
    for reason in ["failed_by_service", "receiver_unavailable"] {
        assert_eq!(told_of("transaction.failed", Some(reason)), [1]);
    }
    assert_eq!(told_of("transaction.completed", Some("completed_by_sender")), [1, 2]);
    assert_eq!(told_of("transaction.cancelled", Some("cancelled_by_sender")), [1]);
}

#[test]
fn each_of_several_receivers_is_told_of_its_own_share() {
    let shared = |kind: &str, refund_of: Option<i64>, status: &str, paid: [i64; 2]| {
        let mut state: serde_json::Value = serde_json::from_str(transaction(kind, None).data.get()).unwrap();
        let share =
            |(user, amount, paid): (i64, i64, i64)| json!({"user_id": user, "amount": amount, "paid_amount": paid});
        state["shares"] = json!([share((2, 9_000, paid[0])), share((3, 1_000, paid[1]))]);
        (state["refund_of"], state["status"]) = (json!(refund_of), json!(status));
        if refund_of.is_some() {
            (state["sender_id"], state["receiver_id"]) = (json!(2), json!(1));
        }
        fact(kind, &state)
    };
    let of = |user: i64, message: &str| (user, message.to_owned());
    assert_eq!(
        told(&shared("transaction.completed", None, "completed", [9_000, 1_000])),
        [
            of(1, "Your payment of Rp 10,000 has been successfully processed."),
            of(2, "You have received Rp 9,000."),
            of(3, "You have received Rp 1,000."),
        ]
    );
    assert_eq!(
        told(&shared("transaction.refunded", Some(9), "completed", [9_000, 1_000])),
        [
            of(1, "Rp 10,000 has been refunded to you."),
            of(2, "Your refund of Rp 9,000 has been successfully processed."),
            of(3, "Your refund of Rp 1,000 has been successfully processed."),
        ]
    );
    // who gets nothing this time is told nothing
    let told_of = |kind: &str, refund_of: Option<i64>, paid: [i64; 2]| {
        told(&shared(kind, refund_of, "pending", paid)).into_iter().map(|(user, _)| user).collect::<Vec<_>>()
    };
    assert_eq!(told_of("transaction.refunded", Some(9), [0, 10]), [1, 3]);
    assert_eq!(told_of("transaction.created", None, [0, 0]), [1]);
    assert_eq!(told_of("transaction.declined", None, [0, 0]), [1]);
    // a service has asked for it, and knows; who is short is nobody else's business
    assert_eq!(told_of("transaction.failed", Some(9), [0, 0]), [] as [i64; 0]);
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
            "user.frozen",
            json!({"user_id": 7}),
            "Your account was frozen: it receives money, but sends none. Contact support to learn why.".to_owned(),
        ),
        (
            "user.locked",
            json!({"user_id": 7}),
            "Your account was locked: it neither receives nor sends money, and nobody logs in. Contact support to learn why."
                .to_owned(),
        ),
        (
            "user.unfrozen",
            json!({"user_id": 7}),
            "Your account can be used without restrictions again.".to_owned(),
        ),
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
