//! What users are told: an outage delays it and changes nothing else, and nobody misuses or blocks it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use lab::{
    http::{Api, eventually},
    server::Purpose,
    wallet::Service,
    world::{PASSWORD, User, World, payment},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_notification_service_that_is_down_changes_no_transfer_and_each_fact_is_mailed_once() {
    let mut world = World::start().await;
    let (ani, budi) = (world.user(1_000).await, world.user(0).await);
    world.assert_everything_told().await;
    world.wallet.stop_one(Service::Notification).await;
    for n in 1..=10 {
        let id = world.pay(&ani, &budi, n).await.expect(201).id();
        assert_eq!(world.decide(id, "completed").await.expect(200)["status"], "completed");
    }
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((945, 0), (55, 0)));
    let waiting: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM outbox").fetch_one(&world.pool(Service::Transaction)).await.unwrap();
    assert_eq!(waiting, 20, "two facts for each payment wait");

    world.wallet.start_again(Service::Notification).await.unwrap();
    world.assert_everything_told().await;
    let received: Vec<String> = (1..=10).map(|n| format!("You have received Rp {n}.")).collect();
    assert_eq!(world.told(&budi).await, received, "oldest first");
    let mut mailed = received;
    mailed.sort_unstable();
    assert_eq!(world.mails(&budi), mailed);
    assert_eq!(world.mails(&ani).len(), 21);
}

#[tokio::test]
async fn a_mail_server_that_is_down_changes_no_transfer() {
    // A port on which nobody listens.
    let port = lab::ports::free_port().to_string();
    let world = World::start_with(&[
        (Service::Notification, "SMTP_SERVER", "127.0.0.1"),
        (Service::Notification, "SMTP_PORT", &port),
    ])
    .await;
    let (ani, budi) = (world.user(100).await, world.user(0).await);
    let id = world.pay(&ani, &budi, 60).await.expect(201).id();
    assert_eq!(world.decide(id, "completed").await.expect(200)["status"], "completed");
    assert_eq!(world.balance(&budi).await, (60, 0));
    let notifications = world.service(Service::Notification);
    let told = eventually("the notifications to be stored", async || {
        Some(world.told(&budi).await).filter(|messages| !messages.is_empty())
    })
    .await;
    assert_eq!(told, ["You have received Rp 60."]);
    let list = notifications.get("/notifications").await.expect(200);
    assert!(list.json.as_array().unwrap().iter().all(|notification| notification["status"] != "sent"));
}

#[tokio::test]
async fn no_user_makes_the_wallet_mail_words_of_its_own_or_forges_a_notice() {
    const VICTIM: &str = "victim@example.org";
    const BAIT: &str = "Your account is locked. Sign in at https://wallet.evil.example";
    let world = World::in_production(Purpose::Use, &[]).await;
    let (attacker, other) = (world.user(0).await, world.user(0).await);
    let users = world.api(Service::User).as_user(&attacker.token);
    let path = format!("/users/{}", attacker.id);
    // whatever a user may choose is bait, and its address somebody else's
    let _ = users.put(&path, json!({"full_name": BAIT})).await.expect(200);
    let theirs = json!({"email": VICTIM, "current_password": PASSWORD});
    let _ = users.put(&path, theirs).await.expect(200);
    let top_up = json!({"amount": 10});
    let _ = world.service(Service::User).post(&format!("{path}/topup"), top_up).await.expect(200);
    let transactions = world.api(Service::Transaction).as_user(&attacker.token);
    for auto_complete in [false, true] {
        let mut body = payment(&attacker, &other, 1);
        body["description"] = BAIT.into();
        body["auto_complete"] = auto_complete.into();
        let _ = transactions.post("/transactions", body).await.expect(201);
    }
    world.assert_everything_told().await;

    let notifications = world.api(Service::Notification).as_user(&attacker.token);
    let told = notifications.get("/notifications").await.expect(200);
    let own: Vec<i64> = told.json.as_array().unwrap().iter().map(|told| told["id"].as_i64().unwrap()).collect();
    assert!(own.len() >= 4, "{}", told.text);
    for id in &own {
        let path = format!("/notifications/{id}");
        for body in [
            json!({"message": BAIT, "status": "pending"}),
            json!({"message": "You have received Rp 5,000,000.", "status": "sent"}),
            json!({"message": BAIT}),
            json!({"status": "pending"}),
        ] {
            let _ = notifications.put(&path, body).await.expect_error(403, "forbidden");
        }
    }
    let forged = json!({"user_id": attacker.id, "message": BAIT});
    let _ = notifications.post("/notifications", forged.clone()).await.expect_error(403, "forbidden");
    let fact = json!({
        "id": "forged",
        "type": "security.password_changed",
        "created_at": "2025-11-12T10:30:00Z",
        "actor": "system",
        "data": {"user_id": attacker.id},
        "address": VICTIM,
    });
    let facts = json!({"facts": [fact]});
    let _ = notifications.post("/internal/facts", facts).await.expect_error(403, "forbidden");
    let anyone = world.api(Service::Notification);
    let _ = anyone.post("/notifications", forged).await.expect_error(401, "missing_service_token");

    assert_eq!(notifications.get("/notifications").await.expect(200).json, told.json, "nothing changed");
    // it may hurry what the wallet says, and delete it
    let _ = notifications.post_empty(&format!("/notifications/{}/send", own[0])).await.expect(200);
    let _ = notifications.delete(&format!("/notifications/{}", own[0])).await.expect(200);
    world.assert_everything_told().await;
    for mail in std::fs::read_dir(world.wallet.mail()).unwrap() {
        let mail = std::fs::read_to_string(mail.unwrap().path()).unwrap();
        let readable = mail.replace("=\r\n", "").replace("=20", " ");
        assert!(!readable.contains("locked") && !readable.contains("evil.example"), "{mail}");
        assert!(!readable.contains("5,000,000") && !readable.contains("Payment for goods"), "{mail}");
    }
    // and the address that the attacker had has been told where mails no longer go, not where they go
    let warned = world.mails(&attacker);
    assert!(warned.iter().any(|text| text.contains("e-mail address of your account was changed")), "{warned:?}");
    assert!(warned.iter().all(|text| !text.contains('@')), "{warned:?}");
}

#[tokio::test]
async fn whoever_had_an_account_is_mailed_what_became_of_it() {
    let world = World::start().await;
    let ani = world.user(1_000).await;
    world.assert_everything_told().await;
    let (users, path) = (world.api(Service::User).as_user(&ani.token), format!("/users/{}", ani.id));
    // all at once, as a thief would
    let _ = users.post(&format!("{path}/debit"), json!({"amount": 400})).await.expect(200);
    let moved = json!({"email": "thief@example.org", "password": "another password", "current_password": PASSWORD});
    let _ = users.put(&path, moved).await.expect(200);
    let closed = world.service(Service::User).delete(&path).await.expect(200);
    assert_eq!(closed["paid_out"], 600);
    world.assert_everything_told().await;
    let thief = User { email: "thief@example.org".into(), ..ani.clone() };
    let told = world.mails(&ani);
    assert_eq!(told.len(), 4, "{told:?}");
    for words in ["Debit of Rp 400", "Top-up Rp 1,000", "password of your account", "e-mail address of your account"] {
        assert!(told.iter().any(|text| text.contains(words)), "{words}: {told:?}");
    }
    let last = "Your account was closed. Rp 600 was paid out. If it was not you, contact support at once.";
    assert_eq!(world.mails(&thief), [last]);
}

/// How long others may hold a mail up.
const FAIR: Duration = Duration::from_secs(1);

/// Mails in a second, unless `MAIL_RATE` says otherwise.
const MAIL_RATE: i64 = 100;
/// What production lets each user ask for in a second.
const RATE: u32 = 50;

/// Makes requests at the rate that a user may, until the end, and says how many.
async fn flood(end: Arc<AtomicBool>, api: Api, path: String, bodies: Vec<Value>) -> usize {
    let (mut pace, mut requests) = (tokio::time::interval(Duration::from_secs(1) / RATE), JoinSet::new());
    for body in bodies.into_iter().cycle() {
        pace.tick().await;
        if end.load(Ordering::Relaxed) {
            break;
        }
        let (api, path) = (api.clone(), path.clone());
        requests.spawn(async move { api.post(&path, body).await });
    }
    let replies = requests.join_all().await;
    assert!(replies.iter().all(|reply| reply.status.is_success()), "{:?}", replies.last().map(|reply| &reply.text));
    replies.len()
}

/// How long it takes from a top-up of `user`, its `number`th, to the mail.
async fn time_to_mail(world: &World, user: &User, number: usize) -> Duration {
    let begun = Instant::now();
    let path = format!("/users/{}/topup", user.id);
    let _ = world.service(Service::User).post(&path, json!({"amount": number})).await.expect(200);
    eventually("the mail", async || (world.mails(user).len() == number).then_some(())).await;
    begun.elapsed()
}

#[tokio::test]
async fn users_who_cause_thousands_of_mails_do_not_hold_up_that_of_another() {
    let world = World::start().await;
    let honest = world.user(0).await;
    let attackers = [world.user(1_000_000).await, world.user(1_000_000).await, world.user(1_000_000).await];
    let mut receivers = Vec::new();
    for _ in 0..20 {
        receivers.push(world.user(0).await);
    }
    world.assert_everything_told().await;
    let alone = time_to_mail(&world, &honest, 1).await;

    let (end, mut attack) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
    for attacker in &attackers[..2] {
        let (api, path) = (world.service(Service::User), format!("/users/{}/topup", attacker.id));
        attack.spawn(flood(end.clone(), api, path, vec![json!({"amount": 1})]));
    }
    let payment_to = |receiver: &User| {
        let mut body = payment(&attackers[2], receiver, 1);
        body["auto_complete"] = true.into();
        body
    };
    let payments = receivers.iter().map(payment_to).collect();
    attack.spawn(flood(end.clone(), world.service(Service::Transaction), "/transactions".into(), payments));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut under_attack = Vec::new();
    for number in 2..=8 {
        under_attack.push(time_to_mail(&world, &honest, number).await);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // the median, and with some room: this machine may be busy with something else
    under_attack.sort_unstable();
    assert!(under_attack[3] < alone + 3 * FAIR, "{under_attack:?} in place of {alone:?}");
    // on any machine: no more mails of others came before than are sent in that second
    let overtaken: i64 = sqlx::query_scalar(
        "SELECT MAX(others) FROM (
             SELECT (SELECT COUNT(*) FROM notifications other
                     WHERE other.status = 'sent' AND other.user_id <> own.user_id
                       AND other.updated_at BETWEEN own.created_at AND own.updated_at) AS others
             FROM notifications own WHERE own.user_id = ?) counted",
    )
    .bind(honest.id)
    .fetch_one(&world.pool(Service::Notification))
    .await
    .unwrap();
    assert!(overtaken <= MAIL_RATE, "{overtaken} mails of others came first");
    end.store(true, Ordering::Relaxed);
    let caused: usize = attack.join_all().await.into_iter().sum();
    assert!(caused > 300, "they caused only {caused}");
    let newest = world.service(Service::Notification).get("/notifications?limit=200").await.expect(200);
    let delayed = newest.json.as_array().unwrap().iter().filter(|told| told["status"] == "pending").count();
    assert!(delayed > 100, "what is beyond the allowance waits: {delayed}");
}
