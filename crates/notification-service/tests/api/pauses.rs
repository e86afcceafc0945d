//! When all mails wait for the server, and whose refusals are no reason for that.

use std::time::{Duration, Instant};

use lab::smtp::SmtpServer;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{service::Service, users::BUDI};

/// How long others may hold a mail up, and the time that it takes itself.
const SOON: Duration = Duration::from_secs(2);

#[tokio::test]
async fn addresses_at_which_there_is_nobody_stop_nobody_elses_mails() {
    let server = SmtpServer::start(json!({"refuse": "user"})).await;
    let service = Service::with_variables(&server.variables()).await;
    let people = service.users.crowd(12);
    service.work();
    for round in 0..3 {
        // by the worker, and by themselves at the same moment
        let told = service.tell(people.iter().map(|user| (*user, format!("Round {round}")))).await;
        let mut requests = JoinSet::new();
        for id in told {
            let (api, path) = (service.api.clone(), format!("/notifications/{id}/send"));
            requests.spawn(async move { api.post_empty(&path).await });
        }
        let _ = requests.join_all().await;
        let (begun, other) = (Instant::now(), service.notify(BUDI, "Hello").await);
        service.becomes(other, "sent").await;
        assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
    }
    service.stop().await;
}

#[tokio::test]
async fn requests_that_fail_prolong_no_pause() {
    let policy = json!({"refuse": "user", "reply": 554, "says": "5.7.1 Access denied"});
    let server = SmtpServer::start(policy).await;
    let service = Service::with_variables(&server.variables()).await;
    let people = service.users.crowd(6);
    let told = service.tell(people.iter().map(|user| (*user, "Hello".into()))).await;
    for _ in 0..4 {
        for id in &told {
            let _ = service.send(*id).await.expect_error(503, "mail_unavailable");
        }
    }
    service.execute("UPDATE notifications SET next_attempt_at = NOW(6) + INTERVAL 1 HOUR").await;
    service.work();
    let (begun, other) = (Instant::now(), service.notify(BUDI, "Hello").await);
    service.becomes(other, "sent").await;
    assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
    service.stop().await;
}
