//! Who may call what, in development and in production.

use common::{caller::Gatekeeper, config::Mode, time};
use harness::http::Api;
use serde_json::json;

use crate::support::{RECEIVER, SENDER, Service, ids, payment};

const STRANGER: i64 = 3;

async fn in_production() -> Service {
    Service::start_with(|config| config.service.mode = Mode::Production).await
}

#[tokio::test]
async fn a_service_or_the_sender_creates_a_transaction_in_every_mode() {
    for service in [Service::start().await, in_production().await] {
        let create = async |api: &Api| api.post("/transactions", payment(1)).await;
        let _ = create(&service.anyone).await.expect_error(401, "missing_token");
        let wrong = service.anyone.clone().with("x-service-token", "wrong");
        let _ = create(&wrong).await.expect_error(401, "invalid_service_token");
        let _ = create(&service.anyone.as_user("garbage")).await.expect_error(401, "invalid_token");
        for other in [RECEIVER, STRANGER] {
            let _ = create(&service.user(other)).await.expect_error(403, "forbidden");
        }
        assert_eq!(service.users.verbs(), Vec::<String>::new());
        let _ = create(&service.user(SENDER)).await.expect(201);
        let _ = create(&service.service).await.expect(201);
    }
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let service = in_production().await;
    let config = crate::support::development();
    let hour_ago = time::now() - std::time::Duration::from_hours(1);
    let token = Gatekeeper::new(&config.service).issue(SENDER.try_into().unwrap(), 0, hour_ago, 60).unwrap();
    let refused = service.anyone.as_user(&token).get("/transactions").await.expect_error(401, "token_expired");
    assert_eq!(refused["error"], "Token has expired");
}

#[tokio::test]
async fn development_is_open_to_callers_without_credentials() {
    let service = Service::start().await;
    let id = service.pending().await;
    let path = format!("/transactions/{id}");
    let _ = service.anyone.get(&path).await.expect(200);
    let _ = service.anyone.get("/transactions").await.expect(200);
    let _ = service.anyone.get("/transactions/user/1").await.expect(200);
    let _ = service.anyone.put(&path, json!({"status": "completed"})).await.expect(200);
    let _ = service.anyone.delete(&path).await.expect(200);
}

#[tokio::test]
async fn in_production_nobody_acts_without_credentials() {
    let service = in_production().await;
    let id = service.pending().await;
    let path = format!("/transactions/{id}");
    for refused in [
        service.anyone.get(&path).await,
        service.anyone.get("/transactions").await,
        service.anyone.get("/transactions/user/1").await,
        service.anyone.put(&path, json!({"status": "completed"})).await,
        service.anyone.delete(&path).await,
    ] {
        let _ = refused.expect_error(401, "missing_token");
    }
    assert_eq!(service.show(id).await.expect(200)["status"], "pending");
}

#[tokio::test]
async fn a_transaction_is_seen_by_its_parties_and_decided_by_its_sender() {
    for service in [Service::start().await, in_production().await] {
        let id = service.pending().await;
        let path = format!("/transactions/{id}");
        let _ = service.user(SENDER).get(&path).await.expect(200);
        let _ = service.user(RECEIVER).get(&path).await.expect(200);
        let _ = service.user(STRANGER).get(&path).await.expect_error(403, "forbidden");
        for other in [RECEIVER, STRANGER] {
            let other = service.user(other);
            for body in [json!({"status": "completed"}), json!({"status": "cancelled"}), json!({"description": "x"})] {
                let _ = other.put(&path, body).await.expect_error(403, "forbidden");
            }
            let _ = other.delete(&path).await.expect_error(403, "forbidden");
        }
        assert_eq!(service.users.verbs(), ["hold"]);
        let _ = service.user(SENDER).put(&path, json!({"status": "completed"})).await.expect(200);
        let _ = service.user(SENDER).delete(&path).await.expect(200);
    }
}

#[tokio::test]
async fn a_users_lists_hold_only_its_own_transactions() {
    let service = in_production().await;
    let between = async |sender: i64, receiver: i64| {
        let body = json!({"sender_id": sender, "receiver_id": receiver, "amount": 1});
        service.create(body).await.expect(201).id()
    };
    let (sent, received, foreign) =
        (between(SENDER, RECEIVER).await, between(STRANGER, SENDER).await, between(RECEIVER, STRANGER).await);
    let sender = service.user(SENDER);
    for list in ["/transactions", "/transactions/user/1"] {
        assert_eq!(ids(&sender.get(list).await.expect(200)), [received, sent], "{list}");
    }
    assert_eq!(ids(&service.service.get("/transactions").await.expect(200)), [foreign, received, sent]);
    assert_eq!(ids(&service.service.get("/transactions/user/3").await.expect(200)), [foreign, received]);
    let _ = sender.get("/transactions/user/2").await.expect_error(403, "forbidden");
}

#[tokio::test]
async fn the_feed_is_for_services() {
    let service = Service::start().await;
    let id = service.pending().await;
    for path in ["/internal/transactions?since=2020-01-01T00:00:00Z".to_owned(), format!("/internal/transactions/{id}")]
    {
        let _ = service.anyone.get(&path).await.expect_error(401, "missing_service_token");
        let _ = service.user(SENDER).get(&path).await.expect_error(403, "forbidden");
        let _ = service.service.get(&path).await.expect(200);
    }
}
