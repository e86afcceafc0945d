//! A summary is true at the moment that it names: compared with everything that was done, under load, while several
//! instances and the background run take the same changes over.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use lab::{
    http::{Api, Reply, eventually},
    wallet::Service,
    world::{User, World, payment},
};
use money::time;
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};

/// How long people pay while others read.
const LOAD: Duration = Duration::from_secs(12);
/// Who pays at once.
const PAYERS: usize = 3;
/// Readers of each of two instances.
const READERS: usize = 2;
/// Effects at one moment that are tried in all combinations.
const MAX_CONCURRENT: usize = 16;

/// Something that changed the receiver's totals at some moment between `from` and `to`.
#[derive(Debug, Clone, Copy)]
struct Effect {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    transactions: i64,
    received: i64,
}

/// An answer, the moment at which it must have been true, and whether that is after it was asked for.
#[derive(Debug, Clone)]
struct Told {
    as_of: DateTime<Utc>,
    transactions: i64,
    received: i64,
    is_present: bool,
}

#[derive(Clone, Default)]
struct History(Arc<Mutex<Vec<Effect>>>);

impl History {
    /// Does something that changes the totals by so much.
    async fn note(&self, transactions: i64, received: i64, what: impl Future<Output = Reply>) -> Reply {
        let from = time::now();
        let reply = what.await;
        let to = time::now();
        let mut effects = self.0.lock().unwrap();
        // that there is a transaction, and that it is completed, are told apart
        effects.extend((transactions > 0).then_some(Effect { from, to, transactions, received: 0 }));
        effects.extend((received > 0).then_some(Effect { from, to, transactions: 0, received }));
        reply
    }

    /// The effects, in the order in which they began.
    fn effects(&self) -> Vec<Effect> {
        let mut effects = self.0.lock().unwrap().clone();
        effects.sort_by_key(|effect| effect.from);
        effects
    }
}

/// True if the totals can have been so at `moment`: with all that was over by then, without what began later, and with
/// any of what was under way.
fn was_true(effects: &[Effect], told: &Told, moment: DateTime<Utc>) -> bool {
    let begun = effects.iter().take_while(|effect| effect.from <= moment);
    let (over, under_way): (Vec<&Effect>, Vec<&Effect>) = begun.partition(|effect| effect.to <= moment);
    let missing = (
        told.transactions - over.iter().map(|effect| effect.transactions).sum::<i64>(),
        told.received - over.iter().map(|effect| effect.received).sum::<i64>(),
    );
    assert!(under_way.len() <= MAX_CONCURRENT, "too much at once to try");
    (0..1_u32 << under_way.len()).any(|chosen| {
        let chosen = under_way.iter().enumerate().filter(|(index, _)| chosen >> index & 1 == 1);
        chosen.fold((0, 0), |sum, (_, effect)| (sum.0 + effect.transactions, sum.1 + effect.received)) == missing
    })
}

async fn summary(api: &Api, user: &User) -> Option<Told> {
    let asked = time::now();
    let reply = api.get(&format!("/summaries/user/{}", user.id)).await;
    if reply.status == 503 {
        assert_eq!(reply["code"], "overloaded", "{}", reply.text);
        return None; // nothing is known to be true; it is told to come back
    }
    let reply = reply.expect(200);
    let text = reply.header("x-data-as-of");
    let as_of: DateTime<Utc> = text.parse().unwrap_or_else(|_| panic!("no moment: {text:?}"));
    Some(Told {
        transactions: reply["total_transactions"].as_i64().expect("a count"),
        received: reply["total_received"].as_i64().expect("whole amounts were paid"),
        as_of,
        is_present: as_of >= asked,
    })
}

/// Pays in one step and in two, each time another amount, until it is told to stop.
async fn pay_on(api: Api, sender: User, receiver: User, number: i64, history: History, stop: watch::Receiver<bool>) {
    let mut pending = Vec::new();
    for n in 0.. {
        let amount = 1 + n * 7 + number;
        let mut body = payment(&sender, &receiver, amount);
        if n % 3 == 0 {
            body["auto_complete"] = json!(true);
            let _ = history.note(1, amount, api.post("/transactions", body)).await.expect(201);
        } else {
            pending.push((history.note(1, 0, api.post("/transactions", body)).await.expect(201).id(), amount));
        }
        // some stay open until many newer ones have been made
        if pending.len() > 40 {
            let (id, amount) = pending.remove(usize::try_from(n).unwrap() % 20);
            let path = format!("/transactions/{id}");
            let _ = history.note(0, amount, api.put(&path, json!({"status": "completed"}))).await.expect(200);
        }
        if *stop.borrow() {
            return;
        }
    }
}

#[tokio::test]
async fn whatever_a_summary_says_was_true_at_the_moment_that_it_names() {
    let mut world = World::start_with(&[(Service::Report, "REPORT_SYNC_INTERVAL", "1")]).await;
    let receiver = world.user(0).await;
    let second = world.wallet.another(Service::Report).await.expect("a second instance");
    let readers = [world.service(Service::Report), Api::new(second.url.clone()).as_service()];
    let (history, (stop, stopped)) = (History::default(), watch::channel(false));
    let mut payers = JoinSet::new();
    for number in 0..PAYERS {
        let sender = world.user(100_000_000).await;
        let api = world.service(Service::Transaction);
        let number = i64::try_from(number).unwrap();
        payers.spawn(pay_on(api, sender, receiver.clone(), number, history.clone(), stopped.clone()));
    }
    let mut reading = JoinSet::new();
    for api in readers.iter().flat_map(|api| vec![api.clone(); READERS]) {
        let (receiver, stopped) = (receiver.clone(), stopped.clone());
        reading.spawn(async move {
            let mut told = Vec::new();
            while !*stopped.borrow() {
                told.extend(summary(&api, &receiver).await);
            }
            told
        });
    }
    let begun = Instant::now();
    while begun.elapsed() < LOAD {
        // everything from the beginning, at the same time
        let synced = readers[0].post_empty("/sync/all").await;
        assert!([200, 409].contains(&synced.status.as_u16()), "{}", synced.text);
    }
    stop.send_replace(true);
    payers.join_all().await;
    let told: Vec<Told> = reading.join_all().await.into_iter().flatten().collect();
    let effects = history.effects();
    for told in &told {
        assert!(was_true(&effects, told, told.as_of), "{told:?} was not true then");
    }
    let present = told.iter().filter(|told| told.is_present).count();
    println!("{} effects, {} answers, {present} of them up to date", effects.len(), told.len());
    assert!(effects.len() > 100 && present > 10, "{} effects, {present} answers", effects.len());

    // at rest, everybody says the same
    let last = summary(&readers[1], &receiver).await.expect("an answer");
    assert!(last.is_present && was_true(&effects, &last, time::now()), "{last:?}");
    world.wallet.kill(Service::Transaction);
    for api in &readers {
        let old = eventually("the last totals", async || summary(api, &receiver).await).await;
        assert!(!old.is_present && was_true(&effects, &old, old.as_of), "{old:?}");
    }
}
