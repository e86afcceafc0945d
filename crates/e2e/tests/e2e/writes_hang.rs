//! A database that answers questions and lets writes wait, as MySQL does with a full disk, or one that has lost its tables: it is
//! noticed, requests are refused in time, and everything goes on by itself afterwards.

use std::time::{Duration, Instant};

use futures::future::join_all;
use lab::{
    database::temporary_server,
    http::{Reply, eventually},
    server::Purpose,
    wallet::Service,
    world::{User, World, payment},
};
use sqlx::{AssertSqlSafe, Connection};

/// How long a request may take that cannot be served.
const BOUND: Duration = Duration::from_secs(10);
/// Payments that are asked for while writes hang.
const PAYMENTS: usize = 20;

async fn pay(world: &World, from: &User, to: &User, number: usize) -> Reply {
    let mut body = payment(from, to, 1);
    body["auto_complete"] = true.into();
    world.service(Service::Transaction).keyed(&format!("payment-{number}")).post("/transactions", body).await
}

async fn shows(world: &World, service: Service, series: &str) -> bool {
    world.service(service).get("/metrics").await.text.lines().any(|line| line == series)
}

#[tokio::test]
async fn writes_that_hang_are_refused_in_time_and_settle_once_they_no_longer_do() {
    let (server, _folder) = temporary_server(Purpose::Test, &|step| eprintln!("{step}")).await.unwrap();
    let world = World::start_on(&server.admin(), &[(Service::Notification, "MAIL_USER_RATE", "off")]).await;
    let (ani, budi) = (world.user(1_000).await, world.user(0).await);
    let _ = pay(&world, &ani, &budi, 0).await.expect(201);

    let mut lock = server.admin().connect().await.unwrap();
    sqlx::raw_sql("FLUSH TABLES WITH READ LOCK").execute(&mut lock).await.unwrap();
    let begun = Instant::now();
    let replies = join_all((1..=PAYMENTS).map(|number| pay(&world, &ani, &budi, number))).await;
    assert!(begun.elapsed() < BOUND, "it took {:?}", begun.elapsed());
    for reply in &replies {
        assert!([202, 503].contains(&reply.status.as_u16()), "{} {}", reply.status, reply.text);
    }
    for service in Service::ALL {
        let _ = world.api(service).get("/ready").await.expect_error(503, "not_ready");
        assert!(shows(&world, service, "database_writable 0").await, "{}", service.name());
    }
    // noticed once, it costs nobody's time any more, and leaves nothing unknown
    let begun = Instant::now();
    let refused = pay(&world, &ani, &budi, PAYMENTS).await;
    let _ = refused.expect_error(503, "database_unavailable");
    assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?}", begun.elapsed());

    lock.close().await.unwrap();
    for service in Service::ALL {
        let api = world.api(service);
        eventually("the service to be ready", async || (api.get("/ready").await.status == 200).then_some(())).await;
        assert!(shows(&world, service, "database_writable 1").await, "{}", service.name());
    }
    // whoever asks again is answered, and nobody pays twice
    for number in 1..=PAYMENTS {
        eventually("the payment", async || {
            let reply = pay(&world, &ani, &budi, number).await;
            (reply.status == 201 && reply["status"] == "completed").then_some(())
        })
        .await;
    }
    let paid = i64::try_from(PAYMENTS + 1).unwrap();
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((1_000 - paid, 0), (paid, 0)));
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_session_that_is_silent_in_the_middle_of_a_transaction_holds_nobody_up_for_long() {
    let world = World::start().await;
    let (ani, budi) = (world.user(1_000).await, world.user(0).await);
    // as of an instance that was frozen there
    let pool = world.pool(Service::User);
    let mut frozen = pool.begin().await.unwrap();
    let lock = "SELECT user_id FROM accounts WHERE user_id IN (?, ?) FOR UPDATE";
    sqlx::query(lock).bind(ani.id).bind(budi.id).fetch_all(&mut *frozen).await.unwrap();
    let begun = Instant::now();
    let _ = pay(&world, &ani, &budi, 0).await.expect(201);
    assert!(begun.elapsed() < Duration::from_secs(4), "it took {:?}", begun.elapsed());
    assert!(frozen.commit().await.is_err(), "its session has ended");
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((999, 0), (1, 0)));
}

#[tokio::test]
async fn a_service_without_its_tables_is_not_ready() {
    let world = World::start().await;
    for (service, table) in Service::ALL.into_iter().zip(["holds", "outbox", "mail_meters", "report_marks"]) {
        let (api, pool) = (world.api(service), world.pool(service));
        let _ = api.get("/ready").await.expect(200);
        let rename = |from: &str, to: &str| AssertSqlSafe(format!("RENAME TABLE {from} TO {to}"));
        sqlx::raw_sql(rename(table, "elsewhere")).execute(&pool).await.unwrap();
        eventually("it to be noticed", async || (api.get("/ready").await.status == 503).then_some(())).await;
        assert_eq!(api.get("/ready").await.expect_error(503, "not_ready")["missing"], "database");
        sqlx::raw_sql(rename("elsewhere", table)).execute(&pool).await.unwrap();
        eventually("it to be ready", async || (api.get("/ready").await.status == 200).then_some(())).await;
    }
}

#[tokio::test]
async fn what_a_proof_on_request_finds_is_an_alarm_too() {
    let world = World::start().await;
    let ani = world.user(100).await;
    let users = world.service(Service::User);
    let audited = |count: i64| format!("ledger_violations {count}");
    eventually("the first audit", async || shows(&world, Service::User, &audited(0)).await.then_some(())).await;
    let pool = world.pool(Service::User);
    let change = format!("UPDATE accounts SET available = available + 1 WHERE user_id = {}", ani.id);
    sqlx::raw_sql(AssertSqlSafe(change)).execute(&pool).await.unwrap();
    assert_eq!(users.get("/internal/ledger/verify").await.expect(200)["ok"], false);
    assert!(shows(&world, Service::User, &audited(1)).await);
}
