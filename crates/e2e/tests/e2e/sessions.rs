//! Access tokens end with the password that they were given for, and with the account: at every service, within seconds.

use std::time::{Duration, Instant};

use futures::future::join_all;
use lab::{
    faketime,
    http::eventually,
    wallet::Service,
    world::{PASSWORD, User, World, own_routes},
};
use reqwest::Method;
use serde_json::json;

/// How soon every service must know.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);
/// The lifetime of the tokens of a test that waits for their end, in seconds.
const SHORT: &str = "20";
/// How often a test looks whether a token has come back.
const POLL: Duration = Duration::from_millis(250);

async fn ends_everywhere(world: &World, user: &User) {
    let since = Instant::now();
    for (service, path) in own_routes(user) {
        let api = world.api(service).as_user(&user.token);
        eventually("the token to end", async || {
            let reply = api.get(&path).await;
            (reply.status == 401 && reply["code"] == "token_revoked").then_some(())
        })
        .await;
    }
    assert!(since.elapsed() < KNOWN_WITHIN, "it took {:?}", since.elapsed());
}

#[tokio::test]
async fn a_new_password_ends_the_tokens_of_the_old_one() {
    let world = World::start().await;
    let (mut ani, budi) = (world.user(100).await, world.user(0).await);
    world.assert_works_everywhere(&ani).await;
    let users = world.api(Service::User);
    let path = format!("/users/{}", ani.id);
    let _ = users.as_user(&ani.token).put(&path, json!({"full_name": "Ani"})).await.expect(200);
    world.assert_works_everywhere(&ani).await;

    let _ = users
        .as_user(&ani.token)
        .put(&path, json!({"password": "another password", "current_password": PASSWORD}))
        .await
        .expect(200);
    // at once, before the other services know of the change
    let login = users.post("/auth/login", json!({"email": ani.email, "password": "another password"})).await;
    ends_everywhere(&world, &ani).await;
    login.expect(200)["access_token"].as_str().expect("a token").clone_into(&mut ani.token);
    world.assert_works_everywhere(&ani).await;
    world.assert_works_everywhere(&budi).await;
}

#[tokio::test]
async fn the_tokens_of_a_closed_account_end_with_it() {
    let mut world = World::start().await;
    let ani = world.user(100).await;
    world.assert_works_everywhere(&ani).await;
    let closed = world.api(Service::User).as_user(&ani.token).delete(&format!("/users/{}", ani.id)).await;
    let _ = closed.expect(200);
    ends_everywhere(&world, &ani).await;

    // whoever starts later knows it too
    world.wallet.kill(Service::Report);
    world.wallet.start_again(Service::Report).await.unwrap();
    ends_everywhere(&world, &ani).await;
}

#[tokio::test]
async fn a_service_that_does_not_know_yet_which_tokens_have_ended_believes_none() {
    let mut world = World::start().await;
    let (ani, budi) = (world.user(100).await, world.user(0).await);
    let id = world.pay(&ani, &budi, 60).await.expect(201).id();
    let path = format!("/users/{}", ani.id);
    let owner = world.api(Service::User).as_user(&ani.token);
    let _ = owner.put(&path, json!({"password": "another password", "current_password": PASSWORD})).await.expect(200);
    world.wallet.kill(Service::User);
    world.wallet.kill(Service::Transaction);
    world.wallet.start_again(Service::Transaction).await.unwrap();

    let api = world.api(Service::Transaction);
    let ready = api.get("/ready").await.expect_error(503, "not_ready");
    assert_eq!(ready["missing"], "user-service");
    let decision = json!({"status": "completed"}).to_string();
    let decide = async || {
        api.as_user(&ani.token).send(Method::PUT, &format!("/transactions/{id}"), Some(decision.clone())).await
    };
    let _ = decide().await.expect_error(503, "service_unavailable");
    world.wallet.start_again(Service::User).await.unwrap();
    eventually("it to know", async || (api.get("/ready").await.status == 200).then_some(())).await;
    let _ = decide().await.expect_error(401, "token_revoked");
    assert_eq!(world.status(id).await, "pending");
}

/// Shows the token of `user` to every service, again and again: it stays refused.
async fn stays_refused(world: &World, user: &User, how_long: Duration) {
    let since = Instant::now();
    while since.elapsed() < how_long {
        for (service, path) in own_routes(user) {
            let reply = world.api(service).as_user(&user.token).get(&path).await;
            assert_eq!(reply.status, 401, "{service:?} after {:?}: {}", since.elapsed(), reply.text);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Logs `user` in once a second for three seconds, and changes the password: what is left is the last token before.
async fn change_password_after_logins(world: &World, user: &mut User) {
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        log_in(world, user).await;
    }
    let change = json!({"password": "another password"});
    let _ = world.service(Service::User).put(&format!("/users/{}", user.id), change).await.expect(200);
}

async fn log_in(world: &World, user: &mut User) {
    let login = json!({"email": user.email, "password": PASSWORD});
    let login = world.api(Service::User).post("/auth/login", login).await.expect(200);
    login["access_token"].as_str().expect("a token").clone_into(&mut user.token);
}

#[tokio::test]
async fn a_token_that_has_ended_never_comes_back() {
    let world = World::start_with(&[(Service::User, "JWT_EXPIRATION", SHORT)]).await;
    let mut ani = world.user(100).await;
    change_password_after_logins(&world, &mut ani).await;
    ends_everywhere(&world, &ani).await;
    stays_refused(&world, &ani, Duration::from_secs(27)).await;
}

#[tokio::test]
async fn a_token_that_has_ended_stays_so_when_tokens_are_given_for_less_time() {
    let mut world = World::start().await;
    let mut ani = world.user(100).await;
    change_password_after_logins(&world, &mut ani).await;
    ends_everywhere(&world, &ani).await;
    world.wallet.stop().await;
    world.wallet.set(Service::User, "JWT_EXPIRATION", "5");
    for service in Service::ALL {
        world.wallet.start_again(service).await.unwrap();
    }
    stays_refused(&world, &ani, Duration::from_secs(10)).await;
}

#[tokio::test]
async fn tokens_and_their_end_do_not_depend_on_the_clocks_of_instances() {
    let library = tokio::task::spawn_blocking(|| faketime::library(&|_| {})).await.unwrap().unwrap();
    let library = library.to_str().expect("a path in UTF-8");
    // mostly waiting, so they wait together
    let wrong = [(Service::User, "+30s"), (Service::User, "-30s"), (Service::Transaction, "-30s")];
    let one = async |(service, offset)| {
        let world = World::start_with(&[
            (Service::User, "JWT_EXPIRATION", SHORT),
            (service, "LD_PRELOAD", library),
            (service, "FAKETIME", offset),
            (service, "DONT_FAKE_MONOTONIC", "1"),
        ])
        .await;
        let (mut ani, mut budi) = (world.user(100).await, world.user(0).await);
        world.assert_works_everywhere(&budi).await;
        log_in(&world, &mut budi).await;
        let given = Instant::now();
        change_password_after_logins(&world, &mut ani).await;
        ends_everywhere(&world, &ani).await;
        world.assert_works_everywhere(&budi).await;
        stays_refused(&world, &ani, Duration::from_secs(25).saturating_sub(given.elapsed())).await;
        // the other one had all of its time, and no more
        for (service, path) in own_routes(&budi) {
            let expired = world.api(service).as_user(&budi.token).get(&path).await;
            let _ = expired.expect_error(401, "token_expired");
        }
    };
    let _: Vec<()> = join_all(wrong.into_iter().map(one)).await;
}
