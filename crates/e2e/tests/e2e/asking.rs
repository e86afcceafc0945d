//! Asking for money through the whole wallet: it is paid once, whatever dies.

use std::time::Duration;

use lab::{
    http::eventually,
    wallet::Service,
    world::{User, World},
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

/// The pause before somebody asks again.
const PAUSE: Duration = Duration::from_millis(100);

/// The path of a payment request of `payee` for `amount`.
async fn ask(world: &World, payee: i64, amount: i64, payer_email: Option<&str>) -> String {
    let body = json!({"payee_id": payee, "amount": amount, "payer_email": payer_email});
    let made = world.service(Service::Transaction).post("/payment-requests", body).await.expect(201);
    format!("/payment-requests/{}", made["id"].as_str().expect("an id"))
}

async fn status(world: &World, path: &str) -> Value {
    world.service(Service::Transaction).get(path).await.expect(200)["status"].clone()
}

/// Asks `payer` to pay until the answer is certain, with a service that comes back when it dies, which is counted; true if it has
/// paid.
async fn insist(world: &mut World, payer: &User, path: &str, deaths: &mut u32) -> bool {
    loop {
        let api = world.api(Service::Transaction).as_user(&payer.token).keyed("lunch");
        let body = Some(json!({}).to_string());
        let answered = api.try_send(Method::POST, &format!("{path}/pay"), body).await;
        if world.wallet.ended().is_some() {
            *deaths += 1;
            world.wallet.set(Service::Transaction, "FAILPOINTS", "");
            world.wallet.kill(Service::Transaction);
            world.wallet.start_again(Service::Transaction).await.unwrap();
        }
        match answered {
            Ok(reply) if reply.status == 201 => return true,
            Ok(reply) if reply.status == 409 && ["paid", "open"].iter().any(|word| reply["status"] == *word) => {
                return false;
            }
            // it died, or somebody is paying, or nobody knows yet
            Ok(_) | Err(_) => sleep(PAUSE).await,
        }
    }
}

#[tokio::test]
async fn a_request_is_paid_once_wherever_the_service_dies_and_by_one_of_two() {
    let mut world = World::start().await;
    for fault in [
        "payment_request.claim.before=1*return(abort)",
        "payment_request.claim.after=1*return(abort)",
        "payment_request.claim.after=1*return(error)",
        "call.operations.before=1*return(abort)",
        "call.operations.after=1*return(abort)",
        "writes.before=1*return(abort)",
        "writes.after=1*return(abort)",
    ] {
        let (ani, citra, budi) = (world.user(100).await, world.user(100).await, world.user(0).await);
        let path = ask(&world, budi.id, 60, None).await;
        world.wallet.set(Service::Transaction, "FAILPOINTS", fault);
        world.wallet.stop_one(Service::Transaction).await;
        world.wallet.start_again(Service::Transaction).await.unwrap();
        let mut deaths = 0;
        let first = insist(&mut world, &ani, &path, &mut deaths).await;
        let second = insist(&mut world, &citra, &path, &mut deaths).await;
        assert_eq!((first, second, deaths), (true, false, u32::from(fault.contains("abort"))), "{fault}");
        assert_eq!(status(&world, &path).await, "paid", "{fault}");
        let balances = [world.balance(&ani).await, world.balance(&citra).await, world.balance(&budi).await];
        assert_eq!(balances, [(40, 0), (100, 0), (60, 0)], "{fault}");
    }
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn an_account_without_a_person_asks_and_the_named_payer_is_told_and_pays() {
    let world = World::start().await;
    let (ani, citra) = (world.user(100).await, world.user(0).await);
    let float = json!({"full_name": "A Shop's Float", "email": "float@example.com"});
    let float = world.service(Service::User).post("/users", float).await.expect(201).id();
    let looked_up = world.api(Service::User).as_user(&ani.token).get("/users/lookup?email=float@example.com").await;
    assert_eq!(looked_up.expect(200).json, json!({"id": float, "display_name": "A F."}));
    let path = ask(&world, float, 25, Some(&ani.email)).await;
    eventually("the mail", async || {
        let told = world.told(&ani).await;
        told.iter().any(|message| message.starts_with("You are asked to pay Rp 25.")).then_some(())
    })
    .await;
    let api = world.api(Service::Transaction);
    let _ = api.as_user(&citra.token).get(&path).await.expect(403);
    let ani_api = api.as_user(&ani.token);
    let _ = ani_api.post(&format!("{path}/pay"), json!({})).await.expect(201);
    let body = json!({"sender_id": ani.id, "receiver_email": "float@example.com", "amount": 5, "auto_complete": true});
    let _ = ani_api.post("/transactions", body).await.expect(201);
    let balance = world.service(Service::User).get(&format!("/users/{float}/balance")).await.expect(200);
    assert_eq!(balance["balance"], 30);
    world.assert_ledger_holds().await;
}
