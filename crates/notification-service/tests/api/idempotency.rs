//! `Idempotency-Key` on `POST /notifications`.

use lab::http::Reply;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{
    service::{Service, pluck},
    users::{ANI, BUDI},
};

async fn stored(service: &Service) -> usize {
    pluck(&service.api.get("/notifications").await.expect(200).json, "id").len()
}

fn is_replayed(reply: &Reply) -> bool {
    reply.header("idempotent-replayed") == "true"
}

#[tokio::test]
async fn a_key_is_answered_again_and_takes_effect_once() {
    let service = Service::start().await;
    let api = service.api.as_service().keyed("key-1");
    let body = json!({"user_id": ANI, "message": "Hello"});
    let first = api.post("/notifications", body.clone()).await.expect(201);
    assert!(!is_replayed(&first));
    let _ = service.send(first.id()).await.expect(200);

    let again = api.post("/notifications", body).await.expect(201);
    assert_eq!(again.json, first.json, "the first answer, although the notification is sent by now");
    assert!(is_replayed(&again));
    let rewritten =
        api.post_text("/notifications", "{ \"message\":\"\\u0048ello\" , \"user_id\":1 }").await.expect(201);
    assert_eq!(rewritten.json, first.json, "equal requests are equal however they are written");
    assert_eq!(stored(&service).await, 1);
}

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    let service = Service::start().await;
    let api = service.api.as_service().keyed("key-1");
    let _ = api.post("/notifications", json!({"user_id": ANI, "message": "Hello"})).await.expect(201);
    for other in [json!({"user_id": BUDI, "message": "Hello"}), json!({"user_id": ANI, "message": "Bye"})] {
        let _ = api.post("/notifications", other).await.expect_error(422, "idempotency_key_reused");
    }
    assert_eq!(stored(&service).await, 1);
}

#[tokio::test]
async fn another_key_and_no_key_are_other_requests() {
    let service = Service::start().await;
    let body = json!({"user_id": ANI, "message": "Hello"});
    let api = service.api.as_service();
    for api in [api.keyed("key-1"), api.keyed("KEY-1"), api.keyed("key-1."), api.clone(), api] {
        let made = api.post("/notifications", body.clone()).await.expect(201);
        assert!(!is_replayed(&made));
    }
    assert_eq!(stored(&service).await, 5);
}

#[tokio::test]
async fn a_request_that_never_took_effect_does_not_burn_its_key() {
    let service = Service::start().await;
    let body = json!({"user_id": ANI, "message": "Hello"});
    let keyed = service.api.keyed("key-1");
    let _ = keyed.post("/notifications", body.clone()).await.expect(401);
    let keyed = keyed.as_service();
    let _ = keyed.post("/notifications", json!({"user_id": ANI, "message": ""})).await.expect(400);
    let made = keyed.post("/notifications", body).await.expect(201);
    assert!(!is_replayed(&made));
}

#[tokio::test]
async fn a_key_is_1_to_255_visible_ascii_characters() {
    let service = Service::start().await;
    let body = json!({"user_id": ANI, "message": "Hello"});
    for key in ["", "two words", "é", &"k".repeat(256)] {
        let refused = service.api.as_service().keyed(key).post("/notifications", body.clone()).await;
        let _ = refused.expect_error(400, "invalid_idempotency_key");
    }
    let named = service.api.as_service().with("x-service-name", &"n".repeat(32));
    let longest = named.keyed(&"k".repeat(255));
    let first = longest.post("/notifications", body.clone()).await.expect(201);
    assert_eq!(longest.post("/notifications", body).await.expect(201).id(), first.id());
    assert_eq!(stored(&service).await, 1);
}

#[tokio::test]
async fn one_key_at_the_same_time_makes_one_notification() {
    let service = Service::start().await;
    let api = service.api.as_service().keyed("key-1");
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let api = api.clone();
        requests.spawn(async move { api.post("/notifications", json!({"user_id": ANI, "message": "Hello"})).await });
    }
    let replies = requests.join_all().await;
    let ids: Vec<i64> = replies.into_iter().map(|reply| reply.expect(201).id()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(stored(&service).await, 1);
}
