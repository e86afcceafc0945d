//! What the parties are told: what really happened, once, however often notification-service fails.

use serde_json::json;

use crate::{
    peers::{Reaction, Told, unreachable},
    support::{RECEIVER, SENDER, Service, immediate, payment},
};

/// What was told of one transaction: to whom and in which words.
fn told_of(told: &[Told], id: i64) -> Vec<(i64, &str)> {
    let prefix = format!("transaction:{id}:");
    told.iter().filter(|(event, ..)| event.starts_with(&prefix)).map(|(_, user, text)| (*user, text.as_str())).collect()
}

#[tokio::test]
async fn the_parties_are_told_what_happened() {
    let service = Service::start().await;
    let refused_by = async |verb: &'static str, refusal: &'static str, body| {
        service.users.on(verb, Reaction::Refuses(refusal));
        let refused = service.create(body).await;
        service.users.on(verb, Reaction::Applies);
        refused["transaction_id"].as_i64().expect("an id")
    };
    let pending = service.pending().await;
    let [completed, cancelled, failed, deleted] =
        [service.pending().await, service.pending().await, service.pending().await, service.pending().await];
    for (id, status) in [(completed, "completed"), (cancelled, "cancelled"), (failed, "failed")] {
        let _ = service.decide(id, status).await.expect(200);
        let _ = service.decide(id, status).await.expect(200);
    }
    let _ = service.delete(deleted).await.expect(200);
    let moved = service.create(immediate(50_000)).await.expect(201).id();
    let poor = refused_by("hold", "insufficient_balance", payment(10_000)).await;
    let nobody = refused_by("transfer", "receiver_not_found", immediate(10_000)).await;
    let no_sender = refused_by("hold", "user_not_found", payment(10_000)).await;
    let full = service.pending().await;
    service.users.on("capture", Reaction::Refuses("receiver_unavailable"));
    let _ = service.decide(full, "completed").await.expect_error(409, "receiver_unavailable");

    service.start_workers();
    service.everything_is_told().await;
    let told = service.notifications.told();
    let waiting = (SENDER, "Transaction of Rp 10,000 pending approval.");
    let back = "The money is back in your balance.";
    assert_eq!(told_of(&told, pending), [waiting]);
    assert_eq!(
        told_of(&told, completed),
        [
            waiting,
            (SENDER, "Your payment of Rp 10,000 has been successfully processed."),
            (RECEIVER, "You have received Rp 10,000.")
        ]
    );
    for id in [cancelled, deleted] {
        let text = format!("Transaction of Rp 10,000 cancelled. {back}");
        assert_eq!(told_of(&told, id), [waiting, (SENDER, text.as_str())]);
    }
    assert_eq!(
        told_of(&told, failed),
        [waiting, (SENDER, format!("Transaction of Rp 10,000 failed. {back}").as_str())]
    );
    assert_eq!(
        told_of(&told, moved),
        [
            (SENDER, "Your payment of Rp 50,000 has been successfully processed."),
            (RECEIVER, "You have received Rp 50,000.")
        ]
    );
    assert_eq!(told_of(&told, poor), [(SENDER, "Transaction of Rp 10,000 failed: your balance is too low.")]);
    assert_eq!(told_of(&told, nobody), [(SENDER, "Transaction of Rp 10,000 failed: the receiver does not exist.")]);
    assert_eq!(told_of(&told, no_sender), []);
    assert_eq!(
        told_of(&told, full),
        [waiting, (SENDER, "Transaction of Rp 10,000 failed: the receiver cannot be paid at the moment.")]
    );
}

#[tokio::test]
async fn a_failing_notification_service_is_told_again_until_it_listens() {
    let service = Service::start().await;
    service.notifications.fail(3);
    let id = service.create(immediate(10_000)).await.expect(201).id();
    service.start_workers();
    service.everything_is_told().await;
    assert_eq!(
        told_of(&service.notifications.told(), id),
        [
            (SENDER, "Your payment of Rp 10,000 has been successfully processed."),
            (RECEIVER, "You have received Rp 10,000.")
        ]
    );
}

#[tokio::test]
async fn an_event_that_is_refused_does_not_hold_up_the_others() {
    let service = Service::start().await;
    service.notifications.refuse("Rp 66,666");
    let _ = service.create(payment(66_666)).await.expect(201);
    let good = service.pending().await;
    service.start_workers();
    lab::http::eventually("the other event to be told", async || {
        let told = service.notifications.told();
        (!told_of(&told, good).is_empty()).then_some(())
    })
    .await;
    assert_eq!(service.untold().await, 1, "the refused event is kept");
    service.notifications.refuse("something else");
    service.everything_is_told().await;
}

#[tokio::test]
async fn money_moves_while_notification_service_is_away() {
    let service = Service::start_with(|config| config.notification_service_url = unreachable()).await;
    service.start_workers();
    let id = service.pending().await;
    assert_eq!(service.decide(id, "completed").await.expect(200)["status"], "completed");
    assert_eq!(service.untold().await, 3, "what could not be told yet is kept");
}

#[tokio::test]
async fn an_amount_is_told_in_the_wallets_currency() {
    let service = Service::start_with(|config| config.service.currency = "USD".to_owned()).await;
    let body = json!({"sender_id": SENDER, "receiver_id": RECEIVER, "amount": "1234567.5"});
    let id = service.create(body).await.expect(201).id();
    service.start_workers();
    service.everything_is_told().await;
    assert_eq!(
        told_of(&service.notifications.told(), id),
        [(SENDER, "Transaction of USD 1,234,567.50 pending approval.")]
    );
}
