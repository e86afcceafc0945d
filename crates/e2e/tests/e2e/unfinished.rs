//! Whoever sends half of many requests holds up nobody else.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use lab::{wallet::Service, world::World};
use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep},
};

/// Clients that send the beginnings of requests.
const CLIENTS: u8 = 20;
/// Requests that each of them begins in a second.
const EACH_SECOND: u32 = 46;
/// For how long.
const SECONDS: u32 = 4;

/// A login whose body has begun, from a loopback address of the client's own.
async fn half_a_login(client: u8, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::new(127, 0, 7, client), 0).into())?;
    let mut stream = socket.connect(to).await?;
    let head = "POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 60\r\n\r\n{";
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}

#[tokio::test]
async fn unfinished_bodies_hold_up_nobody() {
    let limit = Service::ALL.map(|service| (service, "RATE_LIMIT", "50"));
    let world = World::start_with(&limit).await;
    let (ani, budi) = (world.user(1_000).await, world.user(0).await);
    let address: SocketAddr = world.wallet.url(Service::User).trim_start_matches("http://").parse().unwrap();

    let attack = tokio::spawn(async move {
        let mut open = Vec::new();
        for _ in 0..SECONDS * EACH_SECOND {
            for client in 1..=CLIENTS {
                open.extend(half_a_login(client, address).await.ok());
            }
            sleep(Duration::from_secs(1) / EACH_SECOND).await;
        }
        open.len()
    });
    let service = world.service(Service::Transaction);
    let begun = Instant::now();
    let mut paid: i64 = 0;
    while begun.elapsed() < Duration::from_secs(SECONDS.into()) {
        let payment = json!({"sender_id": ani.id, "receiver_id": budi.id, "amount": 1, "auto_complete": true});
        let reply = service.post("/transactions", payment).await.expect(201);
        assert_eq!(reply["status"], "completed", "calls between services have places of their own");
        paid += 1;
        let own = world.api(Service::User).as_user(&ani.token).get(&format!("/users/{}/balance", ani.id)).await;
        assert_eq!(own.expect(200)["balance"], 1_000 - paid);
        let _ = world.api(Service::User).get("/ready").await.expect(200);
        sleep(Duration::from_millis(50)).await;
    }
    let opened = attack.await.unwrap();
    assert!(opened > 1_000, "the attack was {opened} connections");
    assert_eq!(world.balance(&budi).await, (paid, 0));
}
