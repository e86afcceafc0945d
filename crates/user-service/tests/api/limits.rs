//! How much one client and one user may ask for.

use std::num::NonZeroU32;

use lab::http::Api;

use crate::support::{PASSWORD, Service};

/// Requests a second; twice as many may come at once.
const EACH_SECOND: NonZeroU32 = NonZeroU32::new(5).unwrap();

async fn limited() -> Service {
    Service::start_with(|config| config.service.http.rate_limit = Some(EACH_SECOND)).await
}

/// How many of `count` requests at once are answered and not refused.
async fn answered(api: &Api, path: &str, count: usize) -> usize {
    let replies = futures::future::join_all((0..count).map(|_| api.get(path))).await;
    for reply in &replies {
        assert!([200, 429].contains(&reply.status.as_u16()), "{}", reply.text);
        if reply.status == 429 {
            assert_eq!((reply["code"].as_str(), reply.header("retry-after")), (Some("rate_limited"), "1"));
        }
    }
    replies.iter().filter(|reply| reply.status == 200).count()
}

#[tokio::test]
async fn a_client_and_each_user_have_limits_of_their_own_and_services_have_none() {
    let service = limited().await;
    let (ani, budi) = (service.user("ani", 0).await, service.user("budi", 0).await);
    // some more may come in while they are counted; making the users took some of them
    assert!((1..20).contains(&answered(&service.anyone, "/users", 60).await));
    for user in [&ani, &budi] {
        assert!((10..20).contains(&answered(&user.api, &user.path("/balance"), 60).await), "as if nobody else asked");
    }
    assert_eq!(answered(&service.service, "/users", 60).await, 60);
    for always in ["/health", "/ready"] {
        assert_eq!(answered(&service.anyone, always, 60).await, 60);
    }
    let forged = service.anyone.clone().with("x-service-token", "guess");
    let guesses = futures::future::join_all((0..60).map(|_| forged.get("/internal/users"))).await;
    assert!(guesses.iter().any(|reply| reply.status == 429), "guessing tokens has its limit too");
}

#[tokio::test]
async fn whoever_has_a_token_that_has_ended_uses_nothing_up_of_what_its_owner_may_ask_for() {
    let service = limited().await;
    service.start_workers();
    let user = service.user("ani", 0).await;
    let change = serde_json::json!({"password": "another-password", "current_password": PASSWORD});
    let _ = user.api.put(&user.path(""), change).await.expect(200);
    let balance = user.path("/balance");
    lab::http::eventually("the token to end", async || (user.api.get(&balance).await.status == 401).then_some(()))
        .await;
    let owner = service.anyone.as_user(&service.token(&user.email, "another-password").await);
    let stolen = futures::future::join_all((0..60).map(|_| user.api.get(&balance))).await;
    assert!(stolen.iter().all(|reply| [401, 429].contains(&reply.status.as_u16())));
    assert_eq!(answered(&owner, &balance, 5).await, 5);
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_told_apart_and_nobody_else_is_believed() {
    let service = limited().await;
    let from = |address: &str| service.anyone.clone().with("x-forwarded-for", address);
    assert!(answered(&from("198.51.100.1"), "/users", 60).await < 20);
    assert!(answered(&from("198.51.100.2"), "/users", 60).await < 10, "that is the same client");

    let behind_proxy = |config: &mut user_service::Config| {
        config.service.http.rate_limit = Some(EACH_SECOND);
        // these tests' router does not know who is connected
        config.service.http.trusted_proxies = vec!["0.0.0.0/32".parse().unwrap()];
    };
    let service = Service::start_with(behind_proxy).await;
    let from = |address: &str| service.anyone.clone().with("x-forwarded-for", address);
    for address in ["198.51.100.1", "198.51.100.2"] {
        assert!((10..20).contains(&answered(&from(address), "/users", 60).await), "{address}");
    }
}
