//! Schedules and scheduled transactions through all services.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use lab::{
    http::eventually,
    wallet::Service,
    world::{User, World},
};
use money::time;
use serde_json::{Value, json};
use sqlx::MySqlPool;
use tokio::time::sleep;

/// Schedules that are due at one moment.
const SCHEDULES: i64 = 2_000;
/// How soon all of them have run, on a busy machine and with both services killed in between.
const RUN_WITHIN: Duration = Duration::from_secs(30);

/// The body of `POST /schedules` of one unit each month, from today on.
async fn monthly(pool: &MySqlPool, from: &User, to: &User) -> Value {
    // the day that it is in Jakarta
    let today = sqlx::query_scalar("SELECT DATE_FORMAT(NOW() + INTERVAL 7 HOUR, '%Y-%m-%d')");
    let today: String = today.fetch_one(pool).await.unwrap();
    let payment = json!({"sender_id": from.id, "receiver_id": to.id, "amount": 1, "auto_complete": true});
    json!({"transaction": payment, "every": "month", "start": today})
}

async fn count(pool: &MySqlPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn many_schedules_at_one_moment_run_once_each_also_if_both_services_are_killed() {
    let mut world = World::start().await;
    let (ani, budi) = (world.user(SCHEDULES).await, world.user(0).await);
    let pool = world.pool(Service::Transaction);
    let body = monthly(&pool, &ani, &budi).await;
    let first = world.service(Service::Transaction).post("/schedules", body).await.expect(201).id();
    eventually("the first run", async || (world.balance(&budi).await == (1, 0)).then_some(())).await;
    let copies = sqlx::query(
        "INSERT INTO schedules (sender_id, receiver_id, amount, description, auto_complete, frequency, start_on, status,
             next_run, due_at, request, created_at, updated_at)
         SELECT sender_id, receiver_id, amount, description, auto_complete, frequency, start_on, status,
             0, NOW(6) + INTERVAL 1 SECOND, CONCAT('once ', ones.n + 10 * tens.n + 100 * hundreds.n + 1000 * thousands.n),
             created_at, updated_at
         FROM schedules, (SELECT 0 AS n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4
                          UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) AS ones,
             (SELECT 0 AS n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4
              UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) AS tens,
             (SELECT 0 AS n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4
              UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) AS hundreds,
             (SELECT 0 AS n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4
              UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) AS thousands
         WHERE schedules.id = ? LIMIT ?",
    );
    let _ = copies.bind(first).bind(SCHEDULES - 1).execute(&pool).await.unwrap();
    let begun = Instant::now();
    let made = "SELECT COUNT(*) FROM transactions WHERE schedule_id IS NOT NULL";
    for service in [Service::User, Service::Transaction] {
        let before = count(&pool, made).await;
        eventually("some runs", async || (count(&pool, made).await > before + 50).then_some(())).await;
        world.wallet.kill(service);
        sleep(Duration::from_millis(300)).await;
        world.wallet.start_again(service).await.unwrap();
    }
    let settled = "SELECT COUNT(*) FROM transactions WHERE schedule_id IS NOT NULL AND status = 'completed'";
    while count(&pool, settled).await < SCHEDULES {
        assert!(begun.elapsed() < RUN_WITHIN, "{} of {SCHEDULES}", count(&pool, settled).await);
        sleep(Duration::from_millis(100)).await;
    }
    println!("{SCHEDULES} schedules took {:?}", begun.elapsed());
    eventually("all to go on", async || {
        (count(&pool, "SELECT COUNT(*) FROM schedules WHERE next_run <> 1").await == 0).then_some(())
    })
    .await;
    let schedules = "SELECT COUNT(DISTINCT schedule_id) FROM transactions WHERE schedule_id IS NOT NULL";
    assert_eq!((count(&pool, made).await, count(&pool, schedules).await), (SCHEDULES, SCHEDULES));
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((0, 0), (SCHEDULES, 0)));
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn closing_an_account_ends_what_it_has_planned_at_its_next_turn() {
    let world = World::start().await;
    let (ani, budi, citra) = (world.user(100).await, world.user(0).await, world.user(0).await);
    let pool = world.pool(Service::Transaction);
    let api = world.service(Service::Transaction);
    let tomorrow = "SELECT DATE_FORMAT(NOW() + INTERVAL 1 DAY, '%Y-%m-%dT%H:%i:%sZ')";
    let at: String = sqlx::query_scalar(tomorrow).fetch_one(&pool).await.unwrap();
    let later = json!({"sender_id": citra.id, "receiver_id": budi.id, "amount": 1, "execute_at": at});
    let later = api.post("/transactions", later).await.expect(201).id();
    let mut schedules = Vec::new();
    for (from, to) in [(&citra, &budi), (&ani, &citra)] {
        let mut body = monthly(&pool, from, to).await;
        body["start"] = json!("2099-12-31");
        schedules.push(api.post("/schedules", body).await.expect(201).id());
    }
    let _ = world.service(Service::User).delete(&format!("/users/{}", citra.id)).await.expect(200);
    for table in ["UPDATE transactions SET due_at = NOW(6)", "UPDATE schedules SET due_at = NOW(6)"] {
        let _ = sqlx::query(table).execute(&pool).await.unwrap();
    }
    eventually("the transaction to fail", async || (world.status(later).await == "failed").then_some(())).await;
    for (id, reason) in [(schedules[0], "user_not_found"), (schedules[1], "receiver_not_found")] {
        eventually("the schedule to end", async || {
            let shown = api.get(&format!("/schedules/{id}")).await.expect(200);
            (shown["status"] == "ended").then(|| assert_eq!(shown["status_reason"], reason))
        })
        .await;
    }
    world.assert_everything_told().await;
    let failed = "Transaction of Rp 1 failed: the receiver does not exist.";
    assert!(world.mails(&ani).iter().any(|mail| mail == failed), "{:?}", world.mails(&ani));
    assert_eq!(world.balance(&ani).await, (100, 0));
}

#[tokio::test]
async fn a_scheduled_transaction_counts_in_no_total_before_its_time() {
    let world = World::start().await;
    let (ani, budi) = (world.user(100).await, world.user(0).await);
    let pool = world.pool(Service::Transaction);
    let tomorrow = "SELECT DATE_FORMAT(NOW() + INTERVAL 1 DAY, '%Y-%m-%dT%H:%i:%sZ')";
    let at: String = sqlx::query_scalar(tomorrow).fetch_one(&pool).await.unwrap();
    let body =
        json!({"sender_id": ani.id, "receiver_id": budi.id, "amount": 60, "auto_complete": true, "execute_at": at});
    let id = world.service(Service::Transaction).post("/transactions", body).await.expect(201).id();
    let sums = async |user: &User| {
        let asked = time::now();
        let summary = world.service(Service::Report).get(&format!("/summaries/user/{}", user.id)).await.expect(200);
        let as_of: DateTime<Utc> = summary.header("x-data-as-of").parse().unwrap();
        assert!(as_of >= asked, "{as_of}: {}", summary.text);
        ["total_transactions", "total_spent", "total_received"].map(|total| summary[total].as_i64().unwrap())
    };
    assert_eq!((sums(&ani).await, sums(&budi).await), ([0, 0, 0], [0, 0, 0]));
    assert_eq!(world.balance(&ani).await, (100, 0), "nothing is set aside");
    let _ = sqlx::query("UPDATE transactions SET due_at = NOW(6)").execute(&pool).await.unwrap();
    eventually("its time", async || (world.status(id).await == "completed").then_some(())).await;
    assert_eq!((sums(&ani).await, sums(&budi).await), ([1, 60, 0], [1, 0, 60]));
}
