//! `GET /users/lookup`: whom an address belongs to, and how often somebody may ask.

use common::config::Mode;
use futures::future::join_all;
use lab::http::{Api, Reply};
use serde_json::json;

use crate::support::{Service, assert_names_field, registration};

/// Look-ups of one caller in a minute.
const EACH_MINUTE: usize = 10;

async fn look_up(api: &Api, email: &str) -> Reply {
    api.get(&format!("/users/lookup?email={email}")).await
}

/// What transaction-service asks.
async fn receiver(service: &Service, query: &str) -> Reply {
    service.service.get(&format!("/internal/receivers?{query}")).await.expect(200)
}

#[tokio::test]
async fn an_address_is_answered_with_a_number_and_no_more_of_the_name_than_a_payer_needs() {
    let service = Service::start().await;
    let (ani, budi) = (service.user("ani", 0).await, service.user("budi", 0).await);
    for api in [&ani.api, &service.service] {
        let found = look_up(api, "%20Budi@EXAMPLE.com").await.expect(200);
        assert_eq!(found.json, json!({"id": budi.id, "display_name": "John D."}));
    }
    let _ = look_up(&service.anyone, &budi.email).await.expect_error(401, "missing_token");
    assert_names_field(look_up(&ani.api, "budi").await, "invalid_value", "email");
    assert_names_field(ani.api.get("/users/lookup").await, "missing_field", "email");
}

#[tokio::test]
async fn an_address_that_never_existed_or_was_closed_is_nobodys() {
    let service = Service::start().await;
    let (ani, budi) = (service.user("ani", 0).await, service.user("budi", 0).await);
    let _ = service.service.delete(&budi.path("")).await.expect(200);
    let closed = look_up(&ani.api, &budi.email).await.expect_error(404, "user_not_found");
    let never = look_up(&ani.api, "nobody@example.com").await.expect_error(404, "user_not_found");
    assert_eq!(closed["fields"], never["fields"]);
    let again = service.anyone.post("/auth/register", registration(&budi.email)).await.expect(201);
    assert_eq!(look_up(&ani.api, &budi.email).await.expect(200)["id"], again.id());
}

#[tokio::test]
async fn services_see_the_display_names_of_accounts_that_are_not_closed() {
    let service = Service::start().await;
    let (ani, budi, gone) =
        (service.user("ani", 0).await, service.user("budi", 0).await, service.user("citra", 0).await);
    let _ = service.service.delete(&gone.path("")).await.expect(200);
    let renamed = json!({"full_name": "Ani"});
    let _ = service.service.put(&ani.path(""), renamed).await.expect(200);
    let path = format!("/internal/names?ids={},{},{},{}", budi.id, gone.id, ani.id, i64::MAX);
    let names = service.service.get(&path).await.expect(200);
    let (ani_shown, budi_shown) =
        (json!({"id": ani.id, "display_name": "Ani"}), json!({"id": budi.id, "display_name": "John D."}));
    assert_eq!(names.json, json!([ani_shown, budi_shown]));
    let many = |count: i64| (1..=count).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    let _ = service.service.get(&format!("/internal/names?ids={}", many(200))).await.expect(200);
    assert_names_field(
        service.service.get(&format!("/internal/names?ids={}", many(201))).await,
        "invalid_value",
        "ids",
    );
    let _ = ani.api.get(&path).await.expect_error(403, "forbidden");
}

#[tokio::test]
async fn each_caller_looks_up_ten_addresses_a_minute_whatever_it_finds_and_whichever_instance_it_asks() {
    for mode in [Mode::Development, Mode::Production] {
        let service = Service::start_with(|config| {
            config.service.mode = mode;
            config.service.http.rate_limit = None;
        })
        .await;
        let (ani, budi) = (service.user("ani", 0).await, service.user("budi", 0).await);
        let another = service.another_instance().await;
        let shop = service.service.clone().with("x-service-name", "shop");
        let shop_elsewhere = another.clone().with("x-service-name", "shop");
        for n in 0..EACH_MINUTE {
            let shop = if n % 2 == 0 { &shop } else { &shop_elsewhere };
            for api in [&ani.api, shop] {
                let status = if n % 3 == 0 { 404 } else { 200 };
                let email = if status == 404 { "nobody@example.com" } else { &budi.email };
                let _ = look_up(api, email).await.expect(status);
            }
        }
        for api in [&ani.api, &shop, &shop_elsewhere] {
            let refused = look_up(api, &budi.email).await.expect_error(429, "rate_limited");
            let wait: u64 = refused.header("retry-after").parse().expect("seconds");
            assert!((1..=60).contains(&wait), "{wait}");
        }
        for free in [&budi.api, &service.service] {
            let _ = look_up(free, &ani.email).await.expect(200);
        }
        service.run("UPDATE lookups SET ends_at = NOW(6) WHERE caller = 'service:shop'").await;
        let _ = look_up(&shop, &budi.email).await.expect(200);
        let _ = look_up(&ani.api, &budi.email).await.expect_error(429, "rate_limited");
    }
}

#[tokio::test]
async fn look_ups_at_once_are_ten_as_well() {
    let service = Service::start().await;
    let user = service.user("ani", 0).await;
    let replies = join_all((0..3 * EACH_MINUTE).map(|_| look_up(&user.api, &user.email))).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), EACH_MINUTE);
    assert!(replies.iter().all(|reply| [200, 429].contains(&reply.status.as_u16())));
}

#[tokio::test]
async fn a_payment_to_an_address_counts_like_a_look_up_for_users_and_not_for_services() {
    let service = Service::start().await;
    let (ani, budi) = (service.user("ani", 0).await, service.user("budi", 0).await);
    let asking = format!("email={}&asked_by={}", budi.email, ani.id);
    for _ in 0..EACH_MINUTE - 1 {
        assert_eq!(receiver(&service, &asking).await.json, json!({"id": budi.id}));
    }
    let nobody = format!("email=nobody@example.com&asked_by={}", ani.id);
    assert_eq!(receiver(&service, &nobody).await.json, json!({}));
    let wait = receiver(&service, &asking).await["retry_after"].as_u64().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    let _ = look_up(&ani.api, &budi.email).await.expect_error(429, "rate_limited");
    for _ in 0..2 * EACH_MINUTE {
        assert_eq!(receiver(&service, &format!("email={}", budi.email)).await.json, json!({"id": budi.id}));
    }
}

#[tokio::test]
async fn what_no_longer_counts_is_forgotten() {
    let service = Service::start().await;
    let (ani, budi) = (service.user("ani", 0).await, service.user("budi", 0).await);
    for user in [&ani, &budi] {
        let _ = look_up(&user.api, &budi.email).await.expect(200);
    }
    service
        .run(&format!("UPDATE lookups SET ends_at = NOW(6) - INTERVAL 1 SECOND WHERE caller = 'user:{}'", ani.id))
        .await;
    service.start_workers();
    let pool = service.database.pool();
    lab::http::eventually("old look-ups to be forgotten", async || {
        let left: Vec<String> = sqlx::query_scalar("SELECT caller FROM lookups").fetch_all(&pool).await.unwrap();
        (left == [format!("user:{}", budi.id)]).then_some(())
    })
    .await;
}
