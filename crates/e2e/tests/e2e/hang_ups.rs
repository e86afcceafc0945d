//! Clients that hang up in the middle: neither the pools nor the money suffer.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use lab::{
    http::eventually,
    wallet::{DEVELOPMENT_TOKEN, Service},
    world::{User, World, payment},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};

/// Requests that are cut.
const CUT: usize = 1_000;
/// Of them at once.
const AT_ONCE: usize = 50;
/// How soon the next request is answered: a pool that lost its connections makes it wait for three seconds.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// A request to pay 1 under the key of `number`, as it goes over the wire.
fn request(number: usize, from: &User, to: &User) -> Vec<u8> {
    let mut body = payment(from, to, 1);
    body["auto_complete"] = true.into();
    let body = body.to_string();
    format!(
        "POST /transactions HTTP/1.1\r\nhost: localhost\r\nx-service-token: {DEVELOPMENT_TOKEN}\r\n\
         idempotency-key: cut-{number}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[tokio::test]
async fn a_thousand_clients_that_hang_up_leave_the_pools_and_the_money_sound() {
    let world = World::start().await;
    let (ani, budi) = (world.user(10_000).await, world.user(0).await);
    let address = world.wallet.url(Service::Transaction).trim_start_matches("http://").to_owned();

    stream::iter(0..CUT)
        .for_each_concurrent(AT_ONCE, async |number| {
            let whole = request(number, &ani, &budi);
            // a part of it, or all of it and a moment in which it is worked on
            let (length, moment) = match number % 4 {
                0 => (whole.len() * (number % 97) / 97, Duration::ZERO),
                1 => (whole.len() - 1, Duration::from_millis(5)),
                2 => (whole.len(), Duration::ZERO),
                // up to as long as a payment takes on a busy machine
                _ => (whole.len(), Duration::from_millis(number as u64 % 300)),
            };
            let mut connection = TcpStream::connect(&address).await.unwrap();
            connection.write_all(&whole[..length]).await.unwrap();
            sleep(moment).await;
        })
        .await;

    let asked = Instant::now();
    let _ = world.pay(&ani, &budi, 1).await.expect(201);
    assert!(asked.elapsed() < ANSWERED_WITHIN, "it took {:?}", asked.elapsed());
    let transactions = world.pool(Service::Transaction);
    eventually("every payment to come to its end", async || {
        let query = "SELECT COUNT(*) FROM transactions WHERE status = 'processing'";
        let left: i64 = sqlx::query_scalar(query).fetch_one(&transactions).await.ok()?;
        (left == 0).then_some(())
    })
    .await;

    // whoever asks again is paid once, whether the first request got through or not
    for number in (0..CUT).step_by(7) {
        let mut body = payment(&ani, &budi, 1);
        body["auto_complete"] = true.into();
        let api = world.service(Service::Transaction).keyed(&format!("cut-{number}"));
        assert_eq!(api.post("/transactions", body).await.expect(201)["status"], "completed");
    }
    let each_once = "SELECT COUNT(*), COUNT(DISTINCT request) FROM transactions WHERE status = 'completed'";
    let (completed, distinct): (i64, i64) = sqlx::query_as(each_once).fetch_one(&transactions).await.unwrap();
    assert_eq!(completed, distinct);
    assert!(completed > i64::try_from(CUT / 4).unwrap(), "{completed} requests got through");
    // the first one after the cuts holds its money still
    assert_eq!(world.balance(&ani).await, (10_000 - completed - 1, 1));
    assert_eq!(world.balance(&budi).await, (completed, 0));
    world.assert_ledger_holds().await;
}
