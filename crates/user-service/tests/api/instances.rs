//! Two instances on one schema under random requests: nothing is lost, made or done twice.

use std::sync::Arc;

use lab::http::{Api, Reply};
use money::Money;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Balance, Service, User, outcomes};

const SEED: u64 = 20_251_112;
const USERS: usize = 4;
const TRANSACTIONS: u64 = 40;
const REQUESTS: usize = 240;
const CALLERS: usize = 8;

/// Numbers without a pattern that are the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn pick<'a>(&mut self, users: &'a [User]) -> &'a User {
        &users[usize::try_from(self.roll(USERS as u64)).expect("a small number")]
    }

    /// From 0.01 to 50.00, as the text of a number.
    fn amount(&mut self) -> String {
        let cents = 1 + self.roll(5000);
        format!("{}.{:02}", cents / 100, cents % 100)
    }

    fn step(&mut self, users: &[User]) -> Value {
        // The payload belongs to the transaction, as it does in transaction-service.
        let transaction = 1 + self.roll(TRANSACTIONS);
        let mut own = Dice(SEED ^ (transaction << 20));
        let (sender, receiver) = (own.pick(users).id, own.pick(users).id);
        let mut fields = json!({
            "transaction_id": transaction,
            "sender_id": sender,
            "receiver_id": if sender == receiver { users[usize::from(users[0].id == sender)].id } else { receiver },
            "amount": own.amount(),
        });
        let verb =
            ["hold", "hold", "transfer", "capture", "release"][usize::try_from(self.roll(5)).expect("it is small")];
        if matches!(verb, "capture" | "release") {
            fields["step"] = json!(2);
        }
        if verb == "release" {
            fields.as_object_mut().expect("an object").remove("amount");
        }
        json!({verb: fields})
    }
}

/// One request, which can be sent again as it is.
struct Request {
    path: String,
    key: String,
    body: Value,
    /// What a success adds to the money in the wallet, as the text of an amount; and whether it takes it away.
    flow: Option<(String, bool)>,
}

impl Request {
    fn random(number: usize, dice: &mut Dice, users: &[User]) -> Self {
        let key = format!("request-{number}");
        let user = dice.pick(users);
        match dice.roll(10) {
            kind @ 0..5 => {
                let (is_debit, amount) = (kind > 2, dice.amount());
                let path = user.path(if is_debit { "/debit" } else { "/topup" });
                Self { path, key, body: json!({"amount": amount}), flow: Some((amount, is_debit)) }
            }
            _ => {
                let steps: Vec<Value> = (0..=dice.roll(6)).map(|_| dice.step(users)).collect();
                Self { path: "/internal/operations".to_owned(), key, body: json!({"operations": steps}), flow: None }
            }
        }
    }

    async fn send(&self, api: &Api) -> Reply {
        api.keyed(&self.key).post(&self.path, self.body.clone()).await
    }
}

/// Sends all requests from several callers at once, who take turns with the instances; the answers are in order.
async fn send_all(requests: &Arc<Vec<Request>>, instances: &[Api; 2]) -> Vec<Reply> {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (requests, instances) = (Arc::clone(requests), instances.clone());
        callers.spawn(async move {
            let mut replies = Vec::new();
            for (number, request) in requests.iter().enumerate().skip(caller).step_by(CALLERS) {
                replies.push((number, request.send(&instances[(number / CALLERS) % 2]).await));
            }
            replies
        });
    }
    let mut replies: Vec<(usize, Reply)> = callers.join_all().await.into_iter().flatten().collect();
    replies.sort_by_key(|(number, _)| *number);
    replies.into_iter().map(|(_, reply)| reply).collect()
}

async fn balances(service: &Service, users: &[User]) -> Vec<Balance> {
    let mut found = Vec::new();
    for user in users {
        found.push(service.balance(user).await);
    }
    found
}

/// What the answers say that came into the wallet, less what went out.
fn net_inflow(requests: &[Request], replies: &[Reply]) -> Money {
    let flows =
        requests.iter().zip(replies).filter(|(_, reply)| reply.status == 200).filter_map(|(r, _)| r.flow.as_ref());
    let money = |(amount, is_debit): &(String, bool)| {
        let amount: Money = serde_json::from_str(amount).expect("an amount");
        if *is_debit { -amount } else { amount }
    };
    flows.map(money).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn random_requests_to_two_instances_keep_the_books_balanced() {
    let service = Service::start().await;
    let instances = [service.service.clone(), service.another_instance().await];
    let mut users = Vec::new();
    for number in 0..USERS {
        users.push(service.user(&format!("user{number}"), 0).await);
    }
    let mut dice = Dice(SEED);
    let requests = Arc::new((0..REQUESTS).map(|n| Request::random(n, &mut dice, &users)).collect::<Vec<_>>());

    let replies = send_all(&requests, &instances).await;
    for reply in &replies {
        let is_refused = reply["code"] == "insufficient_balance" && reply.status == 400;
        assert!(reply.status == 200 || is_refused, "{} {}", reply.status, reply.text);
    }
    service.assert_ledger_holds().await;
    let after = balances(&service, &users).await;
    let total: Money = after.iter().map(|b| b.balance + b.held).sum();
    assert_eq!(total, net_inflow(&requests, &replies));

    let swapped = [instances[1].clone(), instances[0].clone()];
    let again = send_all(&requests, &swapped).await;
    for ((request, first), second) in requests.iter().zip(&replies).zip(&again) {
        assert_eq!(first.status, second.status, "{}", request.path);
        if request.flow.is_some() {
            assert_eq!((&first["balance"], &first["code"]), (&second["balance"], &second["code"]), "{}", request.path);
            assert_eq!(second.header("idempotent-replayed"), "true");
        } else {
            assert_eq!(outcomes(first), outcomes(second));
        }
    }
    assert_eq!(balances(&service, &users).await, after, "repeated requests moved money");
    service.assert_ledger_holds().await;
}
