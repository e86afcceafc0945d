//! Trying requests out before they are made: through both services, to the cent.

use futures::future::join_all;
use lab::{
    http::{Api, Reply},
    wallet::Service,
    world::World,
};
use serde_json::{Value, json};

/// Tries a request, sends it, and fails unless both are answered alike and the caller's account then stands as was said.
async fn try_then_do(world: &World, api: &Api, (method, path): (&str, &str), body: &Value, caller: i64) -> Reply {
    let users = world.service(Service::User);
    let account = async || {
        let balance = users.get(&format!("/users/{caller}/balance")).await.expect(200).json;
        let limits = users.get(&format!("/users/{caller}/limits")).await.expect(200).json;
        (json!({"available": balance["balance"], "held": balance["held"]}), limits)
    };
    let before = account().await;
    let send = async |path: &str| api.send(method.parse().unwrap(), path, Some(body.to_string())).await;
    let tried = send(&format!("{path}?dry_run=true")).await;
    assert_eq!(account().await, before, "{path}: {}", tried.text);
    let real = send(path).await;
    assert_eq!((tried.status, &tried["code"]), (real.status, &real["code"]), "{} {}", tried.text, real.text);
    assert_eq!(tried["id"], Value::Null);
    if real.status.is_success() {
        for member in
            ["amount", "status", "captured_amount", "refunded_amount", "status_reason", "balance", "refund_of"]
        {
            assert_eq!(tried[member], real[member], "{member} of {path}");
        }
        let (balances, limits) = account().await;
        assert_eq!(
            (&tried["balances"], &tried["dry_run"], &tried["fee"]),
            (&balances, &json!(true), &json!(0)),
            "{path}"
        );
        if !tried["limits"].is_null() {
            assert_eq!(tried["limits"], limits, "{path}");
        }
    } else {
        for member in ["limit", "remaining", "resets_at", "fields"] {
            assert_eq!(tried[member], real[member], "{member} of {path}");
        }
    }
    real
}

#[tokio::test]
async fn whatever_moves_money_comes_to_what_was_said_before() {
    let world = World::start().await;
    let (ani, budi) = (world.user(20_000).await, world.user(100).await);
    let limits = json!({"per_day": 30_000, "per_transaction": 15_000});
    let users = world.service(Service::User);
    let _ = users.put(&format!("/users/{}/limits", ani.id), limits).await.expect(200);
    let transactions = world.api(Service::Transaction);
    let (as_ani, as_budi) = (transactions.as_user(&ani.token), transactions.as_user(&budi.token));
    let service = world.service(Service::Transaction);
    let pay = |amount: f64, at_once: bool| json!({"sender_id": ani.id, "receiver_id": budi.id, "amount": amount, "auto_complete": at_once});
    let post = "/transactions";

    let held = try_then_do(&world, &as_ani, ("POST", post), &pay(10_000.5, false), ani.id).await.expect(201).id();
    let paid = try_then_do(&world, &service, ("POST", post), &pay(1_000.25, true), ani.id).await.expect(201).id();
    let _ = try_then_do(&world, &as_ani, ("POST", post), &pay(14_000.0, true), ani.id).await.expect(400);
    let _ = try_then_do(&world, &as_ani, ("POST", post), &pay(15_000.5, true), ani.id).await.expect(400);
    let nobody = json!({"sender_id": ani.id, "receiver_id": 999_999_999, "amount": 1});
    let _ = try_then_do(&world, &as_ani, ("POST", post), &nobody, ani.id).await.expect(404);

    let captures = format!("/transactions/{held}/captures");
    let _ = try_then_do(&world, &as_ani, ("POST", &captures), &json!({"amount": 0.25}), ani.id).await.expect(201);
    let _ = try_then_do(&world, &as_ani, ("POST", &captures), &json!({"amount": 10_000.5}), ani.id).await.expect(409);
    let last = json!({"amount": 2_500.25, "final": true});
    let _ = try_then_do(&world, &as_ani, ("POST", &captures), &last, ani.id).await.expect(201);
    let part = json!({"status": "completed", "amount": 100.25});
    let put = format!("/transactions/{}", world.pay(&ani, &budi, 300).await.expect(201).id());
    let _ = try_then_do(&world, &as_ani, ("PUT", &put), &part, ani.id).await.expect(200);
    let refunds = format!("/transactions/{held}/refunds");
    let _ = try_then_do(&world, &as_budi, ("POST", &refunds), &json!({"amount": 0.75}), budi.id).await.expect(201);
    let _ = try_then_do(&world, &as_budi, ("POST", &refunds), &json!({"amount": 2_500}), budi.id).await.expect(409);
    let _ = try_then_do(&world, &as_budi, ("POST", &format!("/transactions/{paid}/refunds")), &json!({}), budi.id)
        .await
        .expect(201);

    let declined = world.pay(&ani, &budi, 300).await.expect(201).id();
    let (cancelled, put) = (json!({"status": "cancelled"}), format!("/transactions/{declined}"));
    let _ = try_then_do(&world, &as_budi, ("PUT", &put), &cancelled, budi.id).await.expect(200);
    let failed = format!("/transactions/{}", world.pay(&ani, &budi, 300).await.expect(201).id());
    let _ = try_then_do(&world, &service, ("PUT", &failed), &json!({"status": "failed"}), ani.id).await.expect(200);

    let batch = |atomic: bool, amounts: [f64; 2]| json!({"atomic": atomic, "transactions": amounts.map(|amount| pay(amount, true))});
    let post_batch = ("POST", "/transactions/batch");
    let _ = try_then_do(&world, &as_ani, post_batch, &batch(true, [10.25, 20.5]), ani.id).await.expect(201);
    let _ = try_then_do(&world, &as_ani, post_batch, &batch(false, [10.25, 1e6]), ani.id).await.expect(201);
    let _ = try_then_do(&world, &as_ani, post_batch, &batch(true, [10.25, 1e6]), ani.id).await.expect(400);

    let own = world.api(Service::User).as_user(&ani.token);
    for (verb, amount) in [("topup", 0.25), ("debit", 7_000.75)] {
        let path = format!("/users/{}/{verb}", ani.id);
        let _ = try_then_do(&world, &own, ("POST", &path), &json!({"amount": amount}), ani.id).await.expect(200);
    }
    let frozen = json!({"state": "frozen", "reason": "a test"});
    let _ = users.put(&format!("/users/{}/state", ani.id), frozen).await.expect(200);
    let _ = try_then_do(&world, &as_ani, ("POST", post), &pay(1.0, true), ani.id).await.expect(403);
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn many_that_are_tried_beside_real_payments_keep_the_ledger_whole() {
    let world = World::start().await;
    let (ani, budi) = (world.user(1_000).await, world.user(1_000).await);
    let service = world.service(Service::Transaction);
    let body = |n: usize| {
        let (from, to) = if n.is_multiple_of(2) { (&ani, &budi) } else { (&budi, &ani) };
        json!({"sender_id": from.id, "receiver_id": to.id, "amount": 10, "auto_complete": true})
    };
    let (tried, real) = ("/transactions?dry_run=true", "/transactions");
    let replies = join_all((0..120).map(|n| service.post(if n % 3 == 0 { real } else { tried }, body(n)))).await;
    assert!(replies.iter().all(|reply| reply.status == 201), "{:?}", replies.iter().find(|reply| reply.status != 201));
    assert_eq!((world.balance(&ani).await, world.balance(&budi).await), ((1_000, 0), (1_000, 0)));
    let list = service.get("/transactions?limit=200").await.expect(200);
    assert_eq!(list.json.as_array().map(Vec::len), Some(40));
    world.assert_ledger_holds().await;
}
