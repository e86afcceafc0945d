//! Reads never stand in money's way: whatever one user reads, other users' payments go on, and so do their lists.

use std::time::{Duration, Instant};

use lab::{
    http::Api,
    wallet::Service,
    world::{User, World},
};
use money::time;
use mysql::bulk::BulkInsert;
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};

/// Transactions of the one who reads.
const OWN_ROWS: i64 = 60_000;
/// Transactions that their sender deleted.
const DELETED_ROWS: i64 = 100_000;
/// Connections of the one who reads.
const CONNECTIONS: usize = 40;
/// How long a connection waits that was over the rate limit.
const PAUSE: Duration = Duration::from_millis(500);
/// Payments of which the median is taken.
const PAYMENTS: usize = 100;
/// How often it is measured: others may use the machine meanwhile.
const ROUNDS: usize = 3;
/// How much longer others' payments may take in a debug build on a busy machine. (Reading all rows made it 700 times.)
const SLOWER: u32 = 4;
/// Index entries that a page looks at, at most, and a few pages.
const PAGES_OF_DELETED: i64 = DELETED_ROWS / 1_000 + 5;

/// Makes completed transactions from one to the other, as if they had been paid long ago.
async fn fill(world: &World, sender: &User, receiver: &User, rows: i64, deleted: bool) {
    let pool = world.pool(Service::Transaction);
    let mut conn = pool.acquire().await.expect("a connection");
    for first in (0..rows).step_by(2_000) {
        let mut insert = BulkInsert::new(
            "INSERT INTO transactions (sender_id, receiver_id, amount, description, status, accepted_at, hidden_at,
                 request, fingerprint, actor, created_at, updated_at)",
        );
        for n in first..(first + 2_000).min(rows) {
            let (request, now) = (format!("fill:{}:{n}", sender.id), time::now());
            let hidden_at = deleted.then_some(now);
            insert.row(&[
                sender.id.into(),
                receiver.id.into(),
                1.into(),
                "".into(),
                "completed".into(),
                now.into(),
                hidden_at.into(),
                request.as_str().into(),
                "0".repeat(32).as_str().into(),
                "service".into(),
                now.into(),
                now.into(),
            ]);
        }
        insert.execute(&mut conn).await.expect("the rows can be inserted");
    }
}

/// The median time of one-step transfers of `sender`, one after the other, on behalf of a service that no limit slows down.
async fn median_payment(world: &World, sender: &User, receiver: &User) -> Duration {
    let api = world.service(Service::Transaction);
    let mut times = Vec::with_capacity(PAYMENTS);
    for _ in 0..PAYMENTS {
        let body = json!({"sender_id": sender.id, "receiver_id": receiver.id, "amount": 1, "auto_complete": true});
        let begun = Instant::now();
        let _ = api.post("/transactions", body).await.expect(201);
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[PAYMENTS / 2]
}

/// Reads `path` again and again on one connection until it is told to stop; returns how often it was answered.
async fn read_on(api: Api, path: String, stop: watch::Receiver<bool>) -> usize {
    let mut answered = 0;
    while !*stop.borrow() {
        let reply = api.get(&path).await;
        match reply.status.as_u16() {
            200 => {
                assert_eq!(reply.json, json!([]), "nothing passes the filter");
                assert!(reply.next().is_some(), "a page that has not come to the end goes on");
                answered += 1;
            }
            429 => tokio::time::sleep(PAUSE).await,
            status => assert!(status == 503 && reply["code"] == "overloaded", "{status}: {}", reply.text),
        }
    }
    answered
}

#[tokio::test]
async fn other_users_payments_go_on_while_one_user_reads_all_that_it_may() {
    let world = World::start_with(&[(Service::Transaction, "RATE_LIMIT", "50")]).await;
    let (attacker, friend) = (world.user(0).await, world.user(0).await);
    let (ani, budi) = (world.user(1_000_000).await, world.user(0).await);
    fill(&world, &attacker, &friend, OWN_ROWS, false).await;
    let transactions = world.api(Service::Transaction);
    let reader = transactions.as_user(&attacker.token);
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let alone = median_payment(&world, &ani, &budi).await;
        let (stop, stopped) = watch::channel(false);
        let mut reads = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let path = format!("/transactions/user/{}?min_amount=999999999999999", attacker.id);
            reads.spawn(read_on(reader.clone(), path, stopped.clone()));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let beside = median_payment(&world, &ani, &budi).await;
        let others_list = transactions.as_user(&budi.token).get("/transactions?limit=1").await.expect(200);
        assert_eq!(others_list.json.as_array().map(Vec::len), Some(1), "another user's list is answered meanwhile");
        stop.send_replace(true);
        let answered: usize = reads.join_all().await.into_iter().sum();
        assert!(answered > 0, "nothing was read");
        println!("a payment takes {alone:?} alone and {beside:?} beside {answered} reads");
        ratios.push((beside.as_secs_f64(), alone.as_secs_f64()));
        if beside <= alone * SLOWER {
            return;
        }
    }
    panic!("others' payments take more than {SLOWER} times as long, in seconds: {ratios:?}");
}

#[tokio::test]
async fn payments_that_their_sender_deleted_do_not_weigh_on_their_receiver() {
    let world = World::start().await;
    let (sender, receiver, stranger) = (world.user(1_000).await, world.user(0).await, world.user(1_000).await);
    let oldest = world.pay(&stranger, &receiver, 1).await.expect(201).id();
    fill(&world, &sender, &receiver, DELETED_ROWS, true).await;
    let newest = world.pay(&stranger, &receiver, 1).await.expect(201).id();
    let reader = world.api(Service::Transaction).as_user(&receiver.token);
    let path = format!("/transactions/user/{}", receiver.id);
    let (mut seen, mut pages, mut next) = (Vec::new(), 0, Some(format!("{path}?limit=1")));
    while let Some(path) = next {
        let page = reader.get(&path).await.expect(200);
        seen.extend(page.json.as_array().expect("a list").iter().map(|row| row["id"].as_i64().expect("an id")));
        next = page.next();
        pages += 1;
        assert!(pages <= PAGES_OF_DELETED, "it does not come to an end");
    }
    assert_eq!(seen, [newest, oldest]);
    assert!(pages > DELETED_ROWS / 1_000, "a page looks at a bounded number of rows: {pages} pages");
}
