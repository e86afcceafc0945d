//! Accounts that are frozen or locked.

use lab::http::{Reply, eventually};
use serde_json::{Value, json};

use crate::support::{Balance, PASSWORD, Service, User, assert_names_field, capture, hold, refund, release, transfer};

async fn put_state(service: &Service, user: &User, state: &str) -> Reply {
    service.service.put(&user.path("/state"), json!({"state": state, "reason": "A test."})).await
}

/// The same step, if an operator asks for it.
fn by_operator(mut step: Value) -> Value {
    for fields in step.as_object_mut().expect("a step").values_mut() {
        fields["by_operator"] = json!(true);
    }
    step
}

#[tokio::test]
async fn the_state_of_an_account_is_shown_and_changed_by_services() {
    let service = Service::start().await;
    let user = service.user("user", 0).await;
    assert_eq!(user.api.get(&user.path("")).await.expect(200)["state"], "active");
    for state in ["frozen", "frozen", "active"] {
        let changed = put_state(&service, &user, state).await.expect(200);
        assert_eq!((&changed["id"], &changed["state"]), (&json!(user.id), &json!(state)));
        assert_eq!(user.api.get(&user.path("")).await.expect(200)["state"], state);
    }
    let _ = user.api.put(&user.path("/state"), json!({"state": "active", "reason": "I want it."})).await.expect(403);
    let _ = service.anyone.put(&user.path("/state"), json!({"state": "active", "reason": "x"})).await.expect(401);
    let kept: Vec<(String, String, String)> =
        sqlx::query_as("SELECT state, reason, actor FROM account_states WHERE user_id = ? ORDER BY changed_at")
            .bind(user.id)
            .fetch_all(&service.database.pool())
            .await
            .unwrap();
    let row = |state: &str| (state.to_owned(), "A test.".to_owned(), "service".to_owned());
    assert_eq!(kept, ["frozen", "frozen", "active"].map(row));
}

#[tokio::test]
async fn what_is_no_state_or_has_no_reason_is_refused() {
    let service = Service::start().await;
    let user = service.user("user", 0).await;
    let put = async |body: Value| service.service.put(&user.path("/state"), body).await;
    assert_names_field(put(json!({"state": "closed", "reason": "x"})).await, "invalid_value", "state");
    assert_names_field(put(json!({"state": "frozen"})).await, "missing_field", "reason");
    assert_names_field(put(json!({"state": "frozen", "reason": ""})).await, "invalid_value", "reason");
    assert_names_field(put(json!({"state": "frozen", "reason": "x".repeat(256)})).await, "invalid_value", "reason");
    let _ = put(json!({"state": "frozen", "reason": "x".repeat(255)})).await.expect(200);
    let nobody = service.service.put("/users/999999999/state", json!({"state": "frozen", "reason": "x"})).await;
    let _ = nobody.expect_error(404, "user_not_found");
    let _ = service.service.delete(&user.path("")).await.expect(200);
    let _ = put_state(&service, &user, "active").await.expect_error(404, "user_not_found");
}

#[tokio::test]
async fn a_frozen_account_receives_and_does_not_send() {
    let service = Service::start().await;
    let (frozen, other) = (service.user("frozen", 100).await, service.user("other", 100).await);
    let _ = put_state(&service, &frozen, "frozen").await.expect(200);
    let _ = frozen.debit(1).await.expect_error(403, "account_frozen");
    let debit = json!({"action": "debit", "amount": 1});
    let path = format!("/internal/users/{}/balance", frozen.id);
    let _ = service.service.put(&path, debit).await.expect_error(403, "account_frozen");
    let sent = json!([transfer(1, &frozen, &other, 1), hold(2, &frozen, &other, 1)]);
    assert_eq!(service.execute(sent).await, ["account_frozen", "account_frozen"]);
    let received =
        json!([transfer(3, &other, &frozen, 10), hold(4, &other, &frozen, 10), capture(4, 2, &other, &frozen, 10)]);
    assert_eq!(service.execute(received).await, ["applied", "applied", "applied"]);
    let _ = frozen.top_up(5).await.expect(200);
    assert_eq!(service.balance(&frozen).await, Balance::new(125, 0));
    let _ = service.login(&frozen.email, PASSWORD).await.expect(200);

    let _ = put_state(&service, &frozen, "active").await.expect(200);
    assert_eq!(
        service.execute(json!([transfer(1, &frozen, &other, 1), transfer(5, &frozen, &other, 1)])).await,
        ["account_frozen", "applied"],
        "a refusal stays"
    );
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_locked_account_does_neither_and_nobody_logs_in() {
    let service = Service::start().await;
    let (locked, other) = (service.user("locked", 100).await, service.user("other", 100).await);
    let _ = put_state(&service, &locked, "locked").await.expect(200);
    let ended = eventually("the token to end", async || {
        Some(locked.api.get(&locked.path("")).await).filter(|reply| reply.status == 401)
    });
    let _ = ended.await.expect_error(401, "token_revoked");
    let _ = service.login(&locked.email, PASSWORD).await.expect_error(403, "account_locked");
    let _ = service.login(&locked.email, "another password").await.expect_error(401, "invalid_credentials");
    let top_up = service.service.post(&locked.path("/topup"), json!({"amount": 1})).await;
    let _ = top_up.expect_error(403, "account_locked");
    let steps = json!([
        transfer(1, &locked, &other, 1),
        transfer(2, &other, &locked, 1),
        hold(3, &other, &locked, 1),
        transfer(4, &other, &locked, 1_000),
    ]);
    let unavailable = "receiver_unavailable";
    assert_eq!(service.execute(steps).await, ["account_locked", unavailable, unavailable, unavailable]);

    let _ = put_state(&service, &locked, "active").await.expect(200);
    let _ = locked.api.get(&locked.path("")).await.expect_error(401, "token_revoked");
    let token = service.token(&locked.email, PASSWORD).await;
    let _ = service.anyone.as_user(&token).get(&locked.path("")).await.expect(200);
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_token_of_a_locked_account_ends_at_every_instance() {
    let service = Service::start().await;
    service.start_workers();
    let user = service.user("user", 0).await;
    let token = service.token(&user.email, PASSWORD).await;
    let other = service.another_instance().await.without("x-service-token").as_user(&token);
    let body = json!({"state": "locked", "reason": "A test."});
    let _ = service.another_instance().await.put(&user.path("/state"), body).await.expect(200);
    for api in [&user.api, &other] {
        eventually("the token to end", async || (api.get(&user.path("")).await.status == 401).then_some(())).await;
    }
}

#[tokio::test]
async fn what_was_set_aside_before_is_captured_and_refunded_by_operators_alone() {
    let service = Service::start().await;
    let (frozen, other) = (service.user("frozen", 100).await, service.user("other", 0).await);
    let before = json!([hold(1, &frozen, &other, 40), hold(2, &frozen, &other, 30), transfer(3, &frozen, &other, 20)]);
    assert_eq!(service.execute(before).await, ["applied", "applied", "applied"]);
    let _ = put_state(&service, &frozen, "frozen").await.expect(200);
    assert_eq!(service.execute(json!([capture(1, 2, &frozen, &other, 40)])).await, ["account_frozen"]);
    let operators = by_operator(capture(1, 3, &frozen, &other, 10));
    assert_eq!(service.execute(json!([operators, operators])).await, ["applied", "applied"], "once");
    let released = json!([release(1, 4, &frozen, &other), release(2, 2, &frozen, &other)]);
    assert_eq!(service.execute(released).await, ["applied", "applied"]);
    assert_eq!(service.balance(&frozen).await, Balance::new(70, 0));

    let _ = put_state(&service, &frozen, "active").await.expect(200);
    let _ = put_state(&service, &other, "frozen").await.expect(200);
    let own = refund(4, 3, &other, &frozen, 20);
    let operators = by_operator(refund(5, 3, &other, &frozen, 20));
    assert_eq!(service.execute(json!([own, operators])).await, ["account_frozen", "applied"]);
    assert_eq!(
        (service.balance(&frozen).await, service.balance(&other).await),
        (Balance::new(90, 0), Balance::new(10, 0))
    );
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn who_asks_is_no_part_of_a_steps_identity() {
    let service = Service::start().await;
    let (one, other) = (service.user("one", 100).await, service.user("other", 0).await);
    let own = capture(1, 2, &one, &other, 40);
    assert_eq!(service.execute(json!([hold(1, &one, &other, 40), own])).await, ["applied", "applied"]);
    assert_eq!(service.execute(json!([by_operator(own)])).await, ["applied"]);
    assert_eq!(service.balance(&other).await, Balance::new(40, 0));
}

#[tokio::test]
async fn a_frozen_account_is_closed_by_services_alone() {
    let service = Service::start().await;
    let user = service.user("user", 100).await;
    let _ = put_state(&service, &user, "frozen").await.expect(200);
    let _ = user.api.delete(&user.path("")).await.expect_error(403, "account_frozen");
    assert_eq!(service.balance(&user).await, Balance::new(100, 0));
    let closed = service.service.delete(&user.path("")).await.expect(200);
    assert_eq!(closed["paid_out"], 100);
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn of_payments_and_a_freeze_at_once_none_is_paid_after_it() {
    let service = Service::start().await;
    let (frozen, other) = (service.user("frozen", 100).await, service.user("other", 0).await);
    let payments = futures::future::join_all((1..=40).map(|n| {
        let steps = json!([transfer(n, &frozen, &other, 1)]);
        let service = &service;
        async move { service.execute(steps).await.remove(0) }
    }));
    let freeze = async {
        let _ = put_state(&service, &frozen, "frozen").await.expect(200);
        service.balance(&frozen).await
    };
    let (outcomes, when_frozen) = futures::join!(payments, freeze);
    assert_eq!(service.balance(&frozen).await, when_frozen, "something was paid after the answer");
    let paid = outcomes.iter().filter(|outcome| *outcome == "applied").count();
    assert!(outcomes.iter().all(|outcome| ["applied", "account_frozen"].contains(&outcome.as_str())), "{outcomes:?}");
    assert_eq!(service.balance(&other).await, Balance::new(i64::try_from(paid).unwrap(), 0));
    service.assert_ledger_holds().await;
}
