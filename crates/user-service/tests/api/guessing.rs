//! Guessing passwords: whoever fails too often has to wait, and learns nothing by it.

use std::time::{Duration, Instant};

use common::config::Mode;
use futures::future::join_all;
use tokio::time::sleep;

use crate::support::{PASSWORD, Service};

/// Failed logins of one account after which the next has to wait.
const FREE: usize = 10;

#[tokio::test]
async fn an_account_is_closed_to_logins_for_a_while_after_too_many_failures() {
    // also where everything else is open
    for mode in [Mode::Development, Mode::Production] {
        let service = Service::start_with(|config| config.service.mode = mode).await;
        let user = service.user("john", 0).await;
        for _ in 0..FREE {
            let _ = service.login(&user.email, "wrong-password").await.expect_error(401, "invalid_credentials");
        }
        // spelt as they like, and with the right password
        let refused = service.login(" John@EXAMPLE.com ", PASSWORD).await.expect_error(429, "too_many_attempts");
        let wait: u64 = refused.header("retry-after").parse().expect("seconds");
        assert_eq!(wait, 1, "then 2, 4, …");

        let _ = service.another_instance().await.post("/auth/login", login(&user.email)).await.expect(429);
        sleep(Duration::from_secs(wait)).await;
        let _ = service.login(&user.email, PASSWORD).await.expect(200);
        // and nothing is left of it
        let _ = service.login(&user.email, "wrong-password").await.expect_error(401, "invalid_credentials");
        let _ = service.login(&user.email, PASSWORD).await.expect(200);
    }
}

#[tokio::test]
async fn an_account_that_does_not_exist_is_answered_the_same() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    let mut answers = Vec::new();
    for email in [user.email.as_str(), "nobody@example.com"] {
        let mut statuses = Vec::new();
        for _ in 0..FREE + 3 {
            let reply = service.login(email, "wrong-password").await;
            statuses.push((reply.status.as_u16(), reply.header("retry-after").to_owned(), reply["code"].clone()));
        }
        answers.push(statuses);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].last().unwrap().0, 429);
}

#[tokio::test]
async fn many_guesses_at_once_gain_nothing() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    let began = Instant::now();
    let replies = join_all((0..5 * FREE).map(|_| service.login(&user.email, "wrong-password"))).await;
    let judged = replies.iter().filter(|reply| reply.status == 401).count();
    // one more for each second that it takes on a slow machine
    let most = FREE + usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!(judged <= most, "{judged} guesses were judged");
    assert!(replies.iter().all(|reply| [401, 429].contains(&reply.status.as_u16())));
}

#[tokio::test]
async fn a_client_that_tries_many_accounts_has_to_wait_and_its_successes_do_not_count() {
    /// Failed logins of one client after which the next has to wait.
    const FREE: usize = 100;
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    for _ in 0..20 {
        let _ = service.login(&user.email, PASSWORD).await.expect(200);
    }
    for number in 0..FREE {
        let email = format!("guess{number}@example.com");
        let _ = service.login(&email, "wrong-password").await.expect_error(401, "invalid_credentials");
    }
    let _ = service.login("another@example.com", "wrong-password").await.expect_error(429, "too_many_attempts");

    // three quarters of an hour later
    let later = "UPDATE login_attempts SET forgiven_until = forgiven_until - INTERVAL 46 MINUTE, blocked_until = NOW(6) \
                 WHERE forgiven_until IS NOT NULL AND failures = 100";
    service.run(later).await;
    for number in 0..3 {
        let _ = service.login(&user.email, PASSWORD).await.expect(200);
        let email = format!("later{number}@example.com");
        let _ = service.login(&email, "wrong-password").await.expect_error(401, "invalid_credentials");
    }
    let _ = service.login("another@example.com", "wrong-password").await.expect_error(429, "too_many_attempts");

    // who logs in with the right password holds nobody up
    service.run("UPDATE login_attempts SET blocked_until = NOW(6) WHERE failures = 100").await;
    for _ in 0..3 {
        let _ = service.login(&user.email, PASSWORD).await.expect(200);
    }
}

#[tokio::test]
async fn a_wrong_current_password_counts_like_a_failed_login() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    let change = |current: &str| serde_json::json!({"password": "another-password", "current_password": current});
    for n in 0..FREE {
        let reply = match n % 2 {
            0 => user.api.put(&user.path(""), change("wrong-password")).await.expect_error(403, "wrong_password"),
            _ => service.login(&user.email, "wrong-password").await.expect_error(401, "invalid_credentials"),
        };
        drop(reply);
    }
    let refused = user.api.put(&user.path(""), change(PASSWORD)).await.expect_error(429, "too_many_attempts");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    let _ = service.login(&user.email, PASSWORD).await.expect_error(429, "too_many_attempts");
    sleep(Duration::from_secs(wait)).await;
    let _ = user.api.put(&user.path(""), change(PASSWORD)).await.expect(200);
    // and nothing is left of it
    let _ = service.login(&user.email, "wrong-password").await.expect_error(401, "invalid_credentials");
    let _ = service.login(&user.email, "another-password").await.expect(200);
}

fn login(email: &str) -> serde_json::Value {
    serde_json::json!({"email": email, "password": PASSWORD})
}
