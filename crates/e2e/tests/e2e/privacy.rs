//! What a payer can learn about a receiver, and do to it: nothing.

use std::collections::BTreeSet;

use futures::future::join_all;
use lab::{
    http::Api,
    wallet::Service,
    world::{User, World, payment},
};
use serde_json::{Value, json};

/// The largest amount of a request.
const LARGEST: i64 = 999_999_999_999_999;
/// More payments of the largest amount than an account's limit for top-ups holds.
const PAYMENTS: usize = 110;
/// How many of them are made at the same time.
const AT_ONCE: usize = 10;

/// A payer with an empty account, who can be given money at any time.
struct Attacker<'a> {
    world: &'a World,
    user: User,
    payments: Api,
}

impl<'a> Attacker<'a> {
    async fn of(world: &'a World) -> Self {
        let user = world.user(0).await;
        let payments = world.api(Service::Transaction).as_user(&user.token);
        Self { world, user, payments }
    }

    async fn top_up(&self, amount: i64) {
        let path = format!("/users/{}/topup", self.user.id);
        let _ = self.world.service(Service::User).post(&path, json!({"amount": amount})).await.expect(200);
    }

    /// Pays `amount` to `receiver`, in one step or two, and returns all that tells this from another payment of its kind.
    async fn pay(&self, receiver: &User, amount: i64, at_once: bool) -> Vec<(u16, BTreeSet<String>, Value)> {
        self.top_up(amount).await;
        let mut body = payment(&self.user, receiver, amount);
        body["auto_complete"] = json!(at_once);
        let created = self.payments.post("/transactions", body).await;
        let mut answers = vec![created.clone()];
        if !at_once {
            let path = format!("/transactions/{}", created.id());
            answers.push(self.payments.put(&path, json!({"status": "completed"})).await);
        }
        answers.push(self.payments.get(&format!("/transactions/{}", created.id())).await);
        let members = |json: &Value| json.as_object().map(|o| o.keys().cloned().collect()).unwrap_or_default();
        answers.iter().map(|a| (a.status.as_u16(), members(&a.json), a["status"].clone())).collect()
    }
}

#[tokio::test]
async fn a_payer_learns_nothing_about_a_receivers_balance_and_cannot_fill_its_account() {
    let world = World::start_with(&Service::ALL.map(|service| (service, "RATE_LIMIT", "off"))).await;
    let (victim, poor, third) = (world.user(5_000).await, world.user(0).await, world.user(1_000).await);
    let attacker = Attacker::of(&world).await;

    for _ in 0..PAYMENTS / AT_ONCE {
        join_all((0..AT_ONCE).map(|_| attacker.pay(&victim, LARGEST, true))).await;
    }
    // amounts by which a limit could be found, at every size, are answered as they are for somebody who has nothing
    for at_once in [true, false] {
        let mut amount = LARGEST;
        while amount > 0 {
            let (told, control) =
                (attacker.pay(&victim, amount, at_once).await, attacker.pay(&poor, amount, at_once).await);
            assert_eq!(told, control, "{amount}");
            assert!(told.iter().all(|(status, ..)| [200, 201].contains(status)), "{told:?}");
            amount /= 10;
        }
    }

    let paid = world.pay(&third, &victim, 1_000).await.expect(201).id();
    let _ = world.decide(paid, "completed").await.expect(200);
    assert_eq!(world.balance(&third).await, (0, 0));
    // 5,000 and 110 times the largest amount, 2 × (999,999,999,999,999 + 99,999,999,999,999 + … + 9), and 1,000
    let balance = world.service(Service::User).get(&format!("/users/{}/balance", victim.id)).await.expect(200);
    assert!(balance.text.contains(r#""balance":112222222222228080,"#), "{}", balance.text);
    world.assert_ledger_holds().await;

    // every book holds such sums: the summary adds them up, and the account can be emptied and closed
    let reports = world.service(Service::Report);
    let _ = reports.post_empty("/sync/all").await.expect(200);
    let summary = reports.get(&format!("/summaries/user/{}", victim.id)).await.expect(200);
    assert!(summary.text.contains(r#""total_received":112222222222223080,"#), "{}", summary.text);
    let closed = world.api(Service::User).as_user(&victim.token).delete(&format!("/users/{}", victim.id)).await;
    let _ = closed.expect(200);
    world.assert_ledger_holds().await;
}

#[tokio::test]
async fn what_others_ask_for_neither_insults_nor_holds_anybody() {
    let world = World::start().await;
    let (ani, budi) = (world.user(100).await, world.user(0).await);
    let (by_ani, by_budi) =
        (world.api(Service::Transaction).as_user(&ani.token), world.api(Service::Transaction).as_user(&budi.token));
    let insult = "What you should know about yourself";
    let mut body = payment(&ani, &budi, 1_000);
    body["description"] = json!(insult);
    let refused = by_ani.post("/transactions", body).await.expect_error(400, "insufficient_balance");
    let path = format!("/transactions/{}", refused["transaction_id"]);
    assert_eq!(by_ani.get(&path).await.expect(200)["status_reason"], "insufficient_balance");
    let _ = by_budi.get(&path).await.expect(403);
    assert_eq!(by_budi.get("/transactions").await.expect(200).json, json!([]));
    let summary = async |user: &User| {
        let path = format!("/summaries/user/{}", user.id);
        let summary = world.service(Service::Report).get(&path).await.expect(200);
        (summary["total_transactions"].as_i64(), summary["last_transaction"].is_null())
    };
    assert_eq!((summary(&ani).await, summary(&budi).await), ((Some(1), false), (Some(0), true)));
    let report = json!({"user_id": budi.id, "transaction_id": refused["transaction_id"]});
    let _ = world.service(Service::Report).post("/reports", report).await.expect_error(400, "not_a_party");

    // money that somebody holds for another one does not keep that one from leaving
    let pending = world.pay(&ani, &budi, 1).await.expect(201).id();
    let account = world.api(Service::User).as_user(&budi.token);
    let path = format!("/users/{}", budi.id);
    let _ = account.delete(&path).await.expect_error(409, "pending_transactions");
    let declined = by_budi.put(&format!("/transactions/{pending}"), json!({"status": "cancelled"})).await.expect(200);
    assert_eq!((&declined["status"], &declined["status_reason"]), (&json!("cancelled"), &json!("declined")));
    let _ = account.delete(&path).await.expect(200);
    assert_eq!(world.balance(&ani).await, (100, 0));
    world.assert_ledger_holds().await;
    world.assert_everything_told().await;
    assert!(world.told(&ani).await.iter().any(|text| text.contains("declined by the receiver")));
    let told = world.told(&budi).await;
    assert!(told.iter().all(|text| text.contains("closed") && !text.contains(insult)), "{told:?}");
}
