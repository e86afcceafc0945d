//! A full disk: requests are refused until there is room again, and nothing is done by half.

use std::time::Duration;

use futures::{StreamExt, future::join_all, stream};
use lab::{
    database::temporary_server,
    http::{Reply, eventually},
    server::{Purpose, Server},
    wallet::Service,
    world::{User, World, payment},
};

/// Payments that are asked for at once.
const AT_ONCE: usize = 32;
/// Payments by which the disk must have been full.
const MOST: usize = 20_000;
/// After so long services try a connection before they use it: until then one that ended with the server costs a 503.
const RESTED: Duration = Duration::from_secs(2);
/// Refusals to see.
const REFUSALS: usize = 200;

/// Takes all the room that is left, in rows of a mebibyte and then in smaller ones.
async fn fill(server: &Server, schema: &str) {
    let mut conn = server.admin().connect().await.unwrap();
    let table = format!("CREATE TABLE {schema}.filler (bytes LONGBLOB NOT NULL) ENGINE = InnoDB");
    sqlx::raw_sql(sqlx::AssertSqlSafe(table)).execute(&mut conn).await.unwrap();
    for size in [1 << 20, 1 << 14] {
        let insert = format!("INSERT INTO {schema}.filler VALUES (REPEAT('x', {size}))");
        let full = loop {
            if let Err(error) = sqlx::raw_sql(sqlx::AssertSqlSafe(insert.clone())).execute(&mut conn).await {
                break error.to_string();
            }
        };
        // MariaDB ends itself if there is not even room to roll the row back
        assert!(full.contains("is full") || full.contains("communicating with database"), "{full}");
    }
}

/// Pays 1 in one step, under the key of `number`.
async fn pay(world: &World, from: &User, to: &User, number: usize) -> Reply {
    let mut body = payment(from, to, 1);
    body["auto_complete"] = true.into();
    world.service(Service::Transaction).keyed(&format!("payment-{number}")).post("/transactions", body).await
}

#[tokio::test]
async fn a_full_disk_refuses_and_does_nothing_by_half() {
    let (mut server, _folder) = temporary_server(Purpose::LittleRoom, &|step| eprintln!("{step}")).await.unwrap();
    // all mails are to be out by the end
    let world = World::start_on(&server.admin(), &[(Service::Notification, "MAIL_USER_RATE", "off")]).await;
    let (ani, budi) = (world.user(1_000_000).await, world.user(0).await);

    let (mut acknowledged, mut open, mut refused, mut asked) = (0, 0, 0, 0);
    let paying = async {
        while refused < REFUSALS {
            assert!(asked < MOST, "the disk is never full");
            let replies = join_all((asked..asked + AT_ONCE).map(|number| pay(&world, &ani, &budi, number))).await;
            asked += AT_ONCE;
            for reply in replies {
                match reply.status.as_u16() {
                    201 => acknowledged += 1,
                    202 => open += 1,
                    503 => refused += 1,
                    _ => panic!("{} {}", reply.status, reply.text),
                }
            }
        }
    };
    tokio::join!(paying, fill(&server, world.schema(Service::User)));
    eprintln!("{acknowledged} acknowledged, {open} open, {refused} refused");
    assert!(acknowledged > 0, "the disk was full from the beginning");

    server.restart_for(Purpose::Use).await.unwrap();
    tokio::time::sleep(RESTED).await;
    let (paid, _) = world.balance(&budi).await;
    assert!(paid >= acknowledged, "{paid} were paid, and {acknowledged} acknowledged");
    let transactions = world.pool(Service::Transaction);
    eventually("every payment to come to its end", async || {
        let query = "SELECT COUNT(*) FROM transactions WHERE status = 'processing'";
        let left: i64 = sqlx::query_scalar(query).fetch_one(&transactions).await.ok()?;
        (left == 0).then_some(())
    })
    .await;
    // whoever asks again is answered now, and nobody pays twice
    stream::iter(0..asked)
        .for_each_concurrent(AT_ONCE, async |number| {
            assert_eq!(pay(&world, &ani, &budi, number).await.expect(201)["status"], "completed");
        })
        .await;
    let paid = i64::try_from(asked).unwrap();
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((1_000_000 - paid, 0), (paid, 0)));
    world.assert_ledger_holds().await;
    world.assert_everything_told().await;
}
