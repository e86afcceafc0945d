//! The relay of the outbox on a real server, with a notification-service that fails.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use common::{
    client::{ServiceClient, http_client},
    config::Env,
    fact::{AccountChange, Fact, Kind},
    origin::Origin,
    outbox::{self, FACTS_PATH, Relay},
    worker::Step,
};
use lab::{
    database::{TestDatabase, database},
    http::serve,
};
use mysql::{DatabaseConfig, lease};
use serde_json::{Value, json};
use sqlx::MySqlPool;

/// A notification-service that answers each call with the next of these, then with 200, and keeps what it took.
#[derive(Clone, Default)]
struct Notifications {
    answers: Arc<Mutex<Vec<u16>>>,
    refuses: Option<&'static str>,
    took: Arc<Mutex<Vec<String>>>,
}

impl Notifications {
    fn receive(&self, body: &Value) -> (StatusCode, Json<Value>) {
        let ids: Vec<String> =
            body["facts"].as_array().unwrap().iter().map(|fact| fact["id"].as_str().unwrap().to_owned()).collect();
        let mut answers = self.answers.lock().unwrap();
        let mut status = if answers.is_empty() { 200 } else { answers.remove(0) };
        if self.refuses.is_some_and(|refused| ids.iter().any(|id| id == refused)) {
            status = 400;
        }
        if status == 200 {
            self.took.lock().unwrap().extend(ids);
        }
        (StatusCode::from_u16(status).unwrap(), Json(json!({"code": "any"})))
    }

    fn took(&self) -> Vec<String> {
        self.took.lock().unwrap().clone()
    }
}

async fn schema() -> (TestDatabase, MySqlPool) {
    let database = database().await;
    let pool = mysql::pool(&DatabaseConfig::at(&database.url(), 8).unwrap());
    mysql::migrate(&pool, mysql::migrator([lease::TABLE, outbox::TABLE])).await.unwrap();
    (database, pool)
}

async fn happens(pool: &MySqlPool, ids: &[&str]) {
    let data = AccountChange { user_id: 7.try_into().unwrap() };
    let fact = |id: &&str| Fact::new((*id).into(), Kind::PasswordChanged, &data, &Origin::default());
    let facts: Vec<Fact> = ids.iter().map(fact).collect();
    let mut unit = mysql::begin(pool, fault::Point::new("test")).await.unwrap();
    outbox::write(&mut unit, &facts);
    unit.commit().await.unwrap();
}

async fn left(pool: &MySqlPool) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM outbox").fetch_one(pool).await.unwrap()
}

async fn relay(pool: &MySqlPool, stub: &Notifications) -> Relay {
    let receive = async |State(stub): State<Notifications>, Json(body): Json<Value>| stub.receive(&body);
    let router = Router::new().route(FACTS_PATH, post(receive)).with_state(stub.clone());
    let mut env = Env::new(|name| (name == "APP_ENV").then(|| "development".to_owned()));
    let config = env.service("user-service", 5001, "digital_wallet");
    let config = env.finish(config).unwrap();
    let url = serve(router).await.parse().unwrap();
    Relay::new(pool.clone(), ServiceClient::new(&config, http_client(), "notification-service", url))
}

#[tokio::test]
async fn facts_are_handed_over_in_order_and_go_once_they_are_taken() {
    let ((_database, pool), stub) = (schema().await, Notifications::default());
    let relay = relay(&pool, &stub).await;
    assert_eq!(relay.run_once().await.unwrap(), Step::Idle);
    happens(&pool, &["1", "2", "3"]).await;
    assert_eq!(relay.run_once().await.unwrap(), Step::Worked);
    assert_eq!((stub.took(), left(&pool).await), (vec!["1".into(), "2".into(), "3".into()], 0));
}

#[tokio::test]
async fn what_was_not_taken_stays_and_the_relay_waits_before_it_tries_again() {
    let ((_database, pool), stub) = (schema().await, Notifications::default());
    stub.answers.lock().unwrap().push(503);
    let relay = relay(&pool, &stub).await;
    happens(&pool, &["1"]).await;
    relay.run_once().await.unwrap_err();
    assert_eq!(relay.run_once().await.unwrap(), Step::Idle, "it waits");
    assert_eq!((stub.took(), left(&pool).await), (Vec::<String>::new(), 1));
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    assert_eq!(relay.run_once().await.unwrap(), Step::Worked);
    assert_eq!((stub.took(), left(&pool).await), (vec!["1".into()], 0));
}

#[tokio::test]
async fn a_fact_that_is_refused_stays_and_holds_up_no_other() {
    let ((_database, pool), stub) = (schema().await, Notifications { refuses: Some("2"), ..Notifications::default() });
    let relay = relay(&pool, &stub).await;
    happens(&pool, &["1", "2", "3"]).await;
    assert_eq!(relay.run_once().await.unwrap(), Step::Worked);
    assert_eq!((stub.took(), left(&pool).await), (vec!["1".into(), "3".into()], 1));
    assert_eq!(relay.run_once().await.unwrap(), Step::Idle, "it is tried again later");
}

#[tokio::test]
async fn one_of_two_instances_is_the_relay() {
    let ((_database, pool), stub) = (schema().await, Notifications::default());
    let (one, other) = (relay(&pool, &stub).await, relay(&pool, &stub).await);
    happens(&pool, &["1"]).await;
    assert_eq!(one.run_once().await.unwrap(), Step::Worked);
    happens(&pool, &["2"]).await;
    assert_eq!(other.run_once().await.unwrap(), Step::Idle);
    assert_eq!(one.run_once().await.unwrap(), Step::Worked);
    assert_eq!(stub.took(), ["1", "2"]);
}
