//! The end of an account.

use serde_json::json;

use crate::support::{Balance, Service, capture, hold, registration, release};

#[tokio::test]
async fn an_account_with_money_set_aside_from_or_for_it_stays_open() {
    let service = Service::start().await;
    let (sender, receiver) = (service.user("sender", 100).await, service.user("receiver", 0).await);
    assert_eq!(service.execute(json!([hold(1, &sender, &receiver, 60)])).await, ["applied"]);
    for user in [&sender, &receiver] {
        let _ = user.api.delete(&user.path("")).await.expect_error(409, "pending_transactions");
    }
    assert_eq!(service.balance(&sender).await, Balance::new(40, 60));
    assert_eq!(service.execute(json!([release(1, 2, &sender, &receiver)])).await, ["applied"]);
    for user in [&sender, &receiver] {
        let _ = user.api.delete(&user.path("")).await.expect(200);
    }
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_closed_account_is_gone_everywhere() {
    let service = Service::start().await;
    let (user, other) = (service.user("john", 1234).await, service.user("other", 100).await);
    let closed = user.api.delete(&user.path("")).await.expect(200);
    assert_eq!(closed["paid_out"], 1234);
    service.assert_ledger_holds().await;

    let amount = || json!({"amount": 1});
    let internal = format!("/internal{}", user.path(""));
    for reply in [
        user.api.delete(&user.path("")).await,
        user.api.get(&user.path("")).await,
        user.api.get(&user.path("/balance")).await,
        user.api.put(&user.path(""), json!({"full_name": "Back"})).await,
        user.api.post(&user.path("/topup"), amount()).await,
        user.api.post(&user.path("/debit"), amount()).await,
        service.service.get(&internal).await,
        service.service.put(&format!("{internal}/balance"), json!({"action": "credit", "amount": 1})).await,
    ] {
        let _ = reply.expect_error(404, "user_not_found");
    }
    let _ = service.login(&user.email, crate::support::PASSWORD).await.expect_error(401, "invalid_credentials");
    assert_eq!(
        service
            .execute(json!([hold(1, &user, &other, 1), hold(2, &other, &user, 1), capture(1, 2, &user, &other, 1)]))
            .await,
        ["user_not_found", "receiver_not_found", "not_held"]
    );
    for list in ["/users", "/internal/users"] {
        let users = service.service.get(list).await.expect(200);
        assert_eq!(users.json.as_array().map(Vec::len), Some(1), "{}", users.text);
        assert_eq!(users.json[0]["id"], other.id);
    }
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn an_address_is_free_again_and_the_new_account_is_another_one() {
    let service = Service::start().await;
    let closed = service.user("john", 50).await;
    let _ = closed.api.delete(&closed.path("")).await.expect(200);
    let reopened = service.anyone.post("/auth/register", registration(&closed.email)).await.expect(201);
    assert_ne!(reopened.id(), closed.id);
    assert_eq!(reopened["balance"], 0);
    let stranger = closed.api.get(&format!("/users/{}", reopened.id())).await;
    let _ = stranger.expect_error(403, "forbidden");
    service.assert_ledger_holds().await;
}

#[tokio::test]
async fn closing_keeps_the_ledger_and_erases_the_person() {
    let service = Service::start().await;
    let user = service.user("john", 50).await;
    let _ = user.api.delete(&user.path("")).await.expect(200);
    let pool = service.database.pool();
    let person: (String, Option<String>, Option<String>) =
        sqlx::query_as("SELECT full_name, email, password_hash FROM users WHERE id = ?")
            .bind(user.id)
            .fetch_one(&pool)
            .await
            .expect("the row stays for the ledger");
    assert_eq!(person, (String::new(), None, None));
    let entries: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM ledger_entries WHERE user_id = ?")
        .bind(user.id)
        .fetch_one(&pool)
        .await
        .expect("the entries stay");
    assert_eq!(entries, 4, "two of the credit and two of the pay-out");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_while_money_moves_loses_none() {
    let service = Service::start().await;
    let (leaving, other) = (service.user("leaving", 100).await, service.user("other", 100).await);
    let mut racers = tokio::task::JoinSet::new();
    for n in 1..=10 {
        let (api, step) = (service.service.clone(), hold(n, &other, &leaving, 5));
        racers.spawn(async move { api.post("/internal/operations", json!({"operations": [step]})).await });
        let (api, path) = (leaving.api.clone(), leaving.path("/topup"));
        racers.spawn(async move { api.post(&path, json!({"amount": 1})).await });
    }
    let (api, path) = (leaving.api.clone(), leaving.path(""));
    racers.spawn(async move { api.delete(&path).await });
    for reply in racers.join_all().await {
        assert!(matches!(reply.status.as_u16(), 200 | 404 | 409), "{}", reply.text);
    }
    service.assert_ledger_holds().await;
}
