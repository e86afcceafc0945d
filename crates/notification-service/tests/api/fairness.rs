//! No user's mails hold up another's, and what one user's actions cause in a minute is bounded.

use std::time::{Duration, Instant};

use lab::smtp::SmtpServer;
use serde_json::{Value, json};

use crate::support::{
    facts::{fact, paid, topped_up},
    service::Service,
    users::{ANI, BUDI},
};

/// What one user may cause in a minute unless `MAIL_USER_RATE` says otherwise.
const ALLOWANCE: usize = 60;
/// How long others may hold a mail up, and the time that it takes itself.
const SOON: Duration = Duration::from_secs(2);

/// A fact that `actor` causes, of which `user` is told, and the actor too.
fn caused(id: &str, actor: i64, user: i64) -> Value {
    if actor == user { topped_up(id, user, 1) } else { paid(id, actor, user) }
}

async fn hand_over(service: &Service, facts: &[Value]) {
    let _ = service.hand_over(facts).await.expect(200);
}

/// How many mails to others than `user` the server has got, and when those to `user` came.
fn mails(server: &SmtpServer, user: &str) -> (usize, Vec<Instant>) {
    let (mails, times) = (server.mails(), server.times("mail"));
    let own = mails.iter().zip(times).filter(|(mail, _)| mail.to == [user]).map(|(_, time)| time).collect::<Vec<_>>();
    (mails.len() - own.len(), own)
}

#[tokio::test]
async fn thousands_of_mails_that_a_few_cause_hold_up_nobody_and_come_at_their_pace() {
    let server = SmtpServer::plain().await;
    let service = Service::with_variables(&server.variables()).await;
    let people = service.users.crowd(300);
    service.work();
    for (attacker, others) in people.chunks(100).enumerate() {
        // to itself, to one other, and to many
        let told = |n: usize| [people[attacker], others[1], others[n % 100]][n % 3];
        let fact = |n: usize| caused(&format!("{attacker}.{n}"), people[attacker], told(n));
        hand_over(&service, &(0..900).map(fact).collect::<Vec<_>>()).await;
    }
    for n in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let begun = Instant::now();
        hand_over(&service, &[caused(&format!("honest.{n}"), BUDI, ANI)]).await;
        let came =
            lab::http::eventually("the mail", async || mails(&server, "ani@example.com").1.get(n).copied()).await;
        assert!(came - begun < SOON, "it took {:?}", came - begun);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (theirs, _) = mails(&server, "ani@example.com");
    assert!((3 * ALLOWANCE..3 * (ALLOWANCE + 15)).contains(&theirs), "{theirs} mails of theirs came");
    service.stop().await;
}

#[tokio::test]
async fn whoever_took_an_account_over_cannot_delay_what_warns_its_owner() {
    let server = SmtpServer::plain().await;
    let service = Service::with_variables(&server.variables()).await;
    let at_owner = |mut fact: Value| {
        fact["address"] = json!("owner@example.com");
        fact
    };
    let debit =
        |n: usize| at_owner(fact(&format!("debit.{n}"), "debit.completed", json!({"user_id": ANI, "amount": 1})));
    hand_over(&service, &(0..900).map(debit).collect::<Vec<_>>()).await;
    hand_over(&service, &(0..900).map(|n| caused(&n.to_string(), ANI, ANI)).collect::<Vec<_>>()).await;
    service.work();
    let warning = at_owner(fact("password", "security.password_changed", json!({"user_id": ANI})));
    let begun = Instant::now();
    hand_over(&service, &[warning]).await;
    let is_it = |mail: &lab::smtp::Mail| mail.text().contains("password of your account");
    lab::http::eventually("the mail", async || server.mails().iter().any(is_it).then_some(())).await;
    assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
    service.stop().await;
}

#[tokio::test]
async fn what_is_beyond_the_allowance_is_delayed_and_not_dropped() {
    /// Each is told to two.
    const PAYMENTS: usize = 65;
    let server = SmtpServer::plain().await;
    let mut variables = server.variables();
    variables.extend([("MAIL_USER_RATE", "120".into()), ("MAIL_RATE", "1000".into())]);
    let service = Service::with_variables(&variables).await;
    let people = service.users.crowd(PAYMENTS);
    let facts: Vec<Value> = (0..PAYMENTS).map(|n| caused(&n.to_string(), ANI, people[n])).collect();
    let begun = Instant::now();
    hand_over(&service, &facts).await;
    service.work();
    let _ = server.received(2 * PAYMENTS).await;
    let last = *server.times("mail").last().expect("a mail");
    assert!(last - begun > Duration::from_secs(4), "ten mails are half a second apart, and took {:?}", last - begun);
    service.stop().await;
}

#[tokio::test]
async fn a_fact_that_is_handed_over_again_does_not_count_again() {
    let service = Service::start().await;
    let facts: Vec<Value> = (0..ALLOWANCE).map(|n| caused(&n.to_string(), ANI, ANI)).collect();
    for _ in 0..5 {
        hand_over(&service, &facts).await;
    }
    // with a new one among them
    let again = [&facts[..], &[caused("new", ANI, ANI)]].concat();
    hand_over(&service, &again).await;
    service.work();
    let newest = service.api.as_service().get("/notifications?limit=1").await.expect(200);
    let begun = Instant::now();
    service.becomes(newest.json[0]["id"].as_i64().expect("an id"), "sent").await;
    assert!(begun.elapsed() < Duration::from_secs(20), "it took {:?}", begun.elapsed());
    service.stop().await;
}

/// Fails unless each mail to Budi comes soon.
async fn budi_does_not_wait(service: &Service, server: &SmtpServer) {
    for n in 0..3 {
        let begun = Instant::now();
        hand_over(service, &[caused(&format!("honest.{n}"), BUDI, BUDI)]).await;
        let came =
            lab::http::eventually("the mail", async || mails(server, "budi@example.com").1.get(n).copied()).await;
        assert!(came - begun < SOON, "it took {:?}", came - begun);
    }
}

#[tokio::test]
async fn mailboxes_that_take_long_hold_up_nobody() {
    let server = SmtpServer::start(json!({"hang": "user10", "hang_ms": 4_000})).await;
    let service = Service::with_variables(&server.variables()).await;
    let people = service.users.crowd(7);
    let stuck: Vec<Value> = (0..70).map(|n| caused(&n.to_string(), people[n / 10], people[n / 10])).collect();
    hand_over(&service, &stuck).await;
    service.work();
    server.saw("hanging").await;
    budi_does_not_wait(&service, &server).await;
    service.stop().await;
}

#[tokio::test]
async fn however_many_mails_a_slow_mailbox_has_before_them_others_do_not_wait() {
    let server = SmtpServer::start(json!({"hang": "ani@", "hang_ms": 60_000})).await;
    let mut variables = server.variables();
    variables.push(("SMTP_TIMEOUT", "1".into()));
    variables.push(("MAIL_USER_RATE", "off".into()));
    let service = Service::with_variables(&variables).await;
    for n in 0..5 {
        let facts: Vec<Value> = (0..1_000).map(|m| caused(&format!("{n}.{m}"), ANI, ANI)).collect();
        hand_over(&service, &facts).await;
    }
    service.work();
    server.saw("hanging").await;
    budi_does_not_wait(&service, &server).await;
}

#[tokio::test]
async fn a_user_cannot_hurry_more_mails_than_it_may_cause() {
    const USER_RATE: usize = 3;
    let service = Service::in_production_with(&[("MAIL_USER_RATE", USER_RATE.to_string())]).await;
    let mut ids = Vec::new();
    for n in 0..=USER_RATE {
        ids.push(service.notify(ANI, &format!("Number {n}")).await);
    }
    let send = async |id: i64| service.as_user(ANI).post_empty(&format!("/notifications/{id}/send")).await;
    for id in &ids[..USER_RATE] {
        let _ = send(*id).await.expect(200);
    }
    let refused = send(ids[USER_RATE]).await.expect_error(429, "rate_limited");
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    assert_eq!(service.show(ids[USER_RATE]).await["status"], "pending");
    let _ = send(ids[0]).await.expect(200); // it is sent already
    let service_may = service.api.as_service().post_empty(&format!("/notifications/{}/send", ids[USER_RATE])).await;
    let _ = service_may.expect(200);
    assert_eq!(service.files().len(), ids.len());
}
