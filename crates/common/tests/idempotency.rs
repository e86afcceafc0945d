//! Idempotency keys on a real server.

use axum::{body::to_bytes, http::StatusCode, response::IntoResponse};
use common::{
    caller::Caller,
    codes,
    idempotency::{self, Answer, IdempotencyKey, KeyedRequest, Known},
};
use fault::point;
use lab::database::{TestDatabase, database};
use mysql::DatabaseConfig;
use serde_json::{Value, json};
use sqlx::MySqlPool;

async fn schema() -> (TestDatabase, MySqlPool) {
    let database = database().await;
    let pool = mysql::pool(&DatabaseConfig::at(&database.url(), 8).unwrap());
    mysql::migrate(&pool, mysql::migrator([idempotency::TABLE])).await.unwrap();
    (database, pool)
}

fn user(id: i64) -> Caller {
    Caller::User(id.try_into().unwrap())
}

fn request(caller: Caller, key: &str, body: &Value) -> Option<KeyedRequest> {
    KeyedRequest::new(IdempotencyKey(Some(key.into())), caller, "POST /things", body)
}

/// What the request is answered: what is known of it, or `answer`, which is kept then.
async fn ask(pool: &MySqlPool, request: Option<KeyedRequest>, answer: &Answer) -> Result<Answer, StatusCode> {
    let request = request.as_ref();
    let known = mysql::retry(|_| async {
        let mut unit = mysql::begin(pool, point!("test")).await?;
        if let Some(known) = idempotency::look_up(unit.conn().await?, request).await? {
            return Ok(known);
        }
        idempotency::store(unit.conn().await?, request, answer).await?;
        unit.commit().await?;
        Ok(Known::Answered(answer.clone()))
    });
    known.await.unwrap().answer().map_err(|error| error.status())
}

async fn shown(answer: Answer) -> (StatusCode, bool, Value) {
    let response = answer.into_response();
    let (status, replayed) = (response.status(), response.headers().contains_key("idempotent-replayed"));
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    (status, replayed, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_key_is_answered_as_the_first_time_and_another_body_under_it_is_refused() {
    let (_database, pool) = schema().await;
    let (body, made) = (json!({"amount": 1}), |id: i64| Answer::new(StatusCode::CREATED, &json!({"id": id})));
    let first = ask(&pool, request(user(7), "k", &body), &made(1)).await.unwrap();
    let again = ask(&pool, request(user(7), "k", &body), &made(2)).await.unwrap();
    assert_eq!(shown(first).await, (StatusCode::CREATED, false, json!({"id": 1})));
    assert_eq!(shown(again).await, (StatusCode::CREATED, true, json!({"id": 1})));
    let other = ask(&pool, request(user(7), "k", &json!({"amount": 2})), &made(3)).await;
    assert_eq!(other.unwrap_err(), StatusCode::UNPROCESSABLE_ENTITY);
    let of_another = ask(&pool, request(user(8), "k", &body), &made(4)).await.unwrap();
    assert_eq!(shown(of_another).await.2, json!({"id": 4}), "a key belongs to its caller");
    let without = ask(&pool, None, &made(5)).await.unwrap();
    assert_eq!(shown(without).await, (StatusCode::CREATED, false, json!({"id": 5})));
}

#[tokio::test]
async fn a_refusal_is_kept_like_a_success() {
    let (_database, pool) = schema().await;
    let refused = Answer::refusal(&codes::ROUTE_NOT_FOUND.into());
    for replayed in [false, true] {
        let answer = ask(&pool, request(user(7), "k", &json!({})), &refused).await.unwrap();
        let (status, is_replayed, body) = shown(answer).await;
        assert_eq!((status, is_replayed, &body["code"]), (StatusCode::NOT_FOUND, replayed, &json!("route_not_found")));
    }
}

#[tokio::test]
async fn of_many_at_once_under_one_key_one_takes_effect() {
    let (_database, pool) = schema().await;
    let asked = (0..8).map(async |id: i64| {
        let answer = Answer::new(StatusCode::CREATED, &json!({"id": id}));
        shown(ask(&pool, request(user(7), "k", &json!({})), &answer).await.unwrap()).await
    });
    let answers = futures::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|(_, replayed, _)| !replayed).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|(.., body)| *body == answers[0].2), "{answers:?}");
}
