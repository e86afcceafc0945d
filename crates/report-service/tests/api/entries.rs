//! Entries and balances, from the ledger's feed.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lab::http::{Api, Reply, eventually};
use money::time;
use serde_json::{Value, json};

use crate::support::{
    service::Service,
    sources::{ANI, BUDI, CITRA, NOBODY, Transaction, text},
};

const KEPT_NAMES: &str = "SELECT COUNT(*) FROM names WHERE display_name <> ''";

fn as_of(reply: &Reply) -> DateTime<Utc> {
    reply.header("x-data-as-of").parse().unwrap_or_else(|_| panic!("no moment in {}", reply.text))
}

/// Numbers and amounts of all of a user's entries, oldest first, page by page.
async fn all(api: &Api, user: i64, limit: usize) -> Vec<(i64, i64)> {
    let (mut seen, mut next) = (Vec::new(), Some(format!("/entries/user/{user}?limit={limit}")));
    while let Some(path) = next {
        let page = api.get(&path).await.expect(200);
        let entries = page.json.as_array().unwrap();
        assert!(entries.len() <= limit);
        seen.extend(entries.iter().map(|entry| (entry["id"].as_i64().unwrap(), entry["amount"].as_i64().unwrap())));
        next = page.next();
    }
    seen.reverse();
    seen
}

#[tokio::test]
async fn each_movement_shows_with_what_is_written_on_it_and_who_is_on_its_other_side() {
    let service = Service::start().await;
    let before = time::now();
    service.sources.store([Transaction { texts: Some(("Lunch", "invoice-17")), ..Transaction::new(10, "completed") }]);
    {
        let ledger = &mut service.sources.known().ledger;
        ledger.post(ANI, ("topup", 500), json!({"reference": "bank-1"}));
        ledger.pay(10, ANI, BUDI, 200);
        ledger.post(ANI, ("hold", -50), json!({"counterparty_id": NOBODY, "transaction_id": 11}));
        ledger.post(ANI, ("cashback", 1), json!({}));
    }
    let page = service.entries(ANI, "").await.expect(200);
    assert!(as_of(&page) >= before && page.next().is_none());
    let entry = |place: usize| {
        let mut entry = page.json[place].clone();
        let fields = entry.as_object_mut().unwrap();
        assert!(fields.remove("id").is_some_and(|id| id.is_i64()));
        assert!(fields.remove("created_at").is_some_and(|at| at.is_string()));
        entry
    };
    let plain = json!({"counterparty": null, "transaction_id": null, "reference": null, "description": null});
    let with = |fields: Value| {
        let mut entry = plain.clone();
        entry.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        entry
    };
    assert_eq!(page.json.as_array().unwrap().len(), 4);
    assert_eq!(entry(0), with(json!({"kind": "cashback", "amount": 1, "balance_after": 251})));
    let closed = json!({"id": NOBODY, "display_name": "Closed account"});
    let held =
        json!({"kind": "hold", "amount": -50, "balance_after": 250, "counterparty": closed, "transaction_id": 11});
    assert_eq!(entry(1), with(held));
    let paid = json!({
        "kind": "transfer", "amount": -200, "balance_after": 300, "transaction_id": 10, "reference": "invoice-17",
        "description": "Lunch", "counterparty": {"id": BUDI, "display_name": "User 2"},
    });
    assert_eq!(entry(2), with(paid));
    assert_eq!(entry(3), with(json!({"kind": "topup", "amount": 500, "balance_after": 500, "reference": "bank-1"})));
    let budi = service.entries(BUDI, "").await.expect(200);
    assert_eq!(budi.json[0]["counterparty"], json!({"id": ANI, "display_name": "User 1"}));
    assert_eq!(service.entries(CITRA, "").await.expect(200).json, json!([]));
    let _ = service.entries(NOBODY, "").await.expect_error(404, "user_not_found");
}

#[tokio::test]
async fn pages_lead_through_all_entries_and_what_is_no_page_is_refused() {
    let service = Service::start().await;
    {
        let ledger = &mut service.sources.known().ledger;
        let operation = ledger.begin();
        for amount in 1..=7 {
            ledger.change(operation, ANI, ("payout", amount), json!({})); // of one operation, and so of one moment
        }
        for amount in 1..=5 {
            ledger.post(ANI, ("topup", amount), json!({}));
        }
    }
    let expected = service.sources.known().ledger.entries(ANI);
    for limit in [1, 3, 12, 200] {
        assert_eq!(all(&service.api, ANI, limit).await, expected, "{limit} at a time");
    }
    for (query, field) in
        [("?cursor=7", "cursor"), ("?cursor=-1-1", "cursor"), ("?limit=201", "limit"), ("?page=2", "page")]
    {
        let refused = service.entries(ANI, query).await.expect(400);
        assert!(refused["fields"][field].is_string(), "{query}: {}", refused.text);
    }
}

#[tokio::test]
async fn a_balance_is_that_of_the_last_entry_before_the_moment() {
    let service = Service::start().await;
    service.sources.known().ledger.post(ANI, ("topup", 500), json!({}));
    service.sources.known().ledger.post(ANI, ("debit", -200), json!({}));
    let entries = service.entries(ANI, "").await.expect(200);
    let at: DateTime<Utc> = entries.json[0]["created_at"].as_str().unwrap().parse().unwrap();
    let balance = async |at: DateTime<Utc>| {
        let reply = service.balance(ANI, &format!("?at={}", text(at))).await.expect(200);
        assert!(as_of(&reply) > at && reply["user_id"] == ANI, "{}", reply.text);
        reply["balance"].as_i64().unwrap()
    };
    assert_eq!(balance(at - TimeDelta::days(365)).await, 0, "before the first entry");
    assert_eq!(balance(at).await, 500, "strictly before");
    assert_eq!(balance(at + TimeDelta::microseconds(1)).await, 300);
    for query in [String::new(), "?at=2100-01-01T00:00:00Z".to_owned()] {
        let reply = service.balance(ANI, &query).await.expect(200);
        let at: DateTime<Utc> = reply["at"].as_str().unwrap().parse().unwrap();
        assert!(reply["balance"] == 300 && (time::now() - at).abs() < TimeDelta::minutes(1), "{}", reply.text);
    }
    assert_eq!(service.balance(CITRA, "").await.expect(200)["balance"], 0);
    let _ = service.balance(NOBODY, "").await.expect_error(404, "user_not_found");
    for query in ["?at=yesterday", "?at=2025-11-12", "?at=", "?from=2025-11-12T10:30:00Z"] {
        let field = &query[1..query.find('=').unwrap()];
        let refused = service.balance(ANI, query).await.expect(400);
        assert!(refused["fields"][field].is_string(), "{query}: {}", refused.text);
    }
}

#[tokio::test]
async fn for_what_is_long_past_the_ledger_is_not_asked() {
    let service = Service::start().await;
    service.sources.known().ledger.post(ANI, ("topup", 500), json!({}));
    let _ = service.entries(ANI, "").await.expect(200);
    service.sources.known().ledger.asked = 0;
    let balance = async |ago: TimeDelta| {
        let reply = service.balance(ANI, &format!("?at={}", text(time::now() - ago))).await.expect(200);
        (reply["balance"].as_i64().unwrap(), service.sources.known().ledger.asked)
    };
    assert_eq!(balance(TimeDelta::minutes(5)).await, (0, 0));
    assert_eq!(balance(TimeDelta::seconds(30)).await, (0, 1), "something of then may yet be committed");
}

#[tokio::test]
async fn what_commits_late_holds_nobody_up_and_is_never_skipped() {
    let service = Service::start().await;
    let late = {
        let ledger = &mut service.sources.known().ledger;
        ledger.post(ANI, ("topup", 100), json!({}));
        ledger.roll_back(3);
        let late = ledger.pay(1, ANI, BUDI, 40);
        ledger.hide(late);
        ledger.post(CITRA, ("topup", 7), json!({}));
        late
    };
    let asked = time::now();
    for (user, balance) in [(ANI, 100), (BUDI, 0), (CITRA, 7), (CITRA, 7)] {
        let reply = service.balance(user, "").await.expect(200);
        assert!(reply["balance"] == balance && as_of(&reply) >= asked, "{}", reply.text);
    }
    service.sources.known().ledger.commit();
    for (user, balance) in [(ANI, 60), (BUDI, 40), (CITRA, 7)] {
        assert_eq!(service.balance(user, "").await.expect(200)["balance"], balance, "operation {late}");
    }
    assert_eq!(all(&service.api, CITRA, 10).await.len(), 1, "what came twice counts once");
}

#[tokio::test]
async fn what_commits_late_behind_a_full_page_is_waited_for() {
    let service = Service::start().await;
    {
        let ledger = &mut service.sources.known().ledger;
        ledger.page = Some(2);
        ledger.post(ANI, ("topup", 100), json!({}));
        let late = ledger.pay(1, ANI, BUDI, 40);
        ledger.hide(late);
        for amount in [1, 2, 3, 4] {
            ledger.post(CITRA, ("topup", amount), json!({}));
        }
    }
    let citra = service.balance(CITRA, "").await.expect(200);
    assert_eq!(citra["balance"], 3, "a page is read past it, and no more");
    assert!(as_of(&citra) < time::now() - TimeDelta::milliseconds(1), "and the answer says so");
    service.sources.known().ledger.commit();
    assert_eq!(service.balance(CITRA, "").await.expect(200)["balance"], 10);
}

#[tokio::test]
async fn while_the_ledger_is_away_the_copy_answers_and_says_of_when_it_is() {
    let service = Service::start().await;
    service.sources.set_users_down(true);
    for reply in [service.entries(ANI, "").await, service.balance(ANI, "").await] {
        let _ = reply.expect_error(503, "service_unavailable");
    }
    service.sources.set_users_down(false);
    service.sources.known().ledger.pay(1, ANI, BUDI, -300);
    let present = service.entries(ANI, "").await.expect(200);
    service.sources.set_users_down(true);
    service.sources.known().ledger.post(ANI, ("topup", 5), json!({}));
    let away = service.entries(ANI, "").await.expect(200);
    assert_eq!(away.json, present.json, "with the names that are known");
    assert!(as_of(&away) <= as_of(&present));
    assert_eq!(service.balance(ANI, "").await.expect(200)["balance"], 300);
    service.sources.set_users_down(false);
    assert_eq!(service.balance(ANI, "").await.expect(200)["balance"], 305);
}

#[tokio::test]
async fn a_closed_account_keeps_its_entries_and_loses_its_name() {
    let service = Service::start().await;
    service.sources.known().ledger.pay(1, BUDI, ANI, -80);
    let _ = service.entries(ANI, "").await.expect(200);
    assert_eq!(service.stored(KEPT_NAMES).await, 1);
    service.sources.known().users.remove(&BUDI);
    service.sources.known().ledger.close(BUDI);
    assert_eq!(service.balance(BUDI, "").await.expect(200)["balance"], 80);
    assert_eq!(service.stored(KEPT_NAMES).await, 0, "the feed tells that it is closed");
    let entries = service.entries(ANI, "").await.expect(200);
    assert_eq!(entries.json[0]["counterparty"]["display_name"], "Closed account");
}

#[tokio::test]
async fn a_name_that_was_told_before_its_account_was_closed_is_not_written_back() {
    let service = Service::start().await;
    service.sources.known().ledger.pay(1, BUDI, ANI, -80);
    service.sources.names.close();
    let close = async {
        service.sources.names.holds(1).await;
        service.sources.known().users.remove(&BUDI);
        service.sources.known().ledger.close(BUDI);
        assert_eq!(service.balance(BUDI, "").await.expect(200)["balance"], 80);
        service.sources.names.open();
    };
    let (entries, ()) = tokio::join!(service.entries(ANI, ""), close);
    assert_eq!(entries.expect(200).json[0]["counterparty"]["display_name"], "User 2");
    assert_eq!(service.stored(KEPT_NAMES).await, 0);
    // the number of a closed account that a new one has got
    service.sources.add_users([BUDI]);
    assert_eq!(service.entries(ANI, "").await.expect(200).json[0]["counterparty"]["display_name"], "User 2");
    assert_eq!(service.stored(KEPT_NAMES).await, 1);
}

#[tokio::test]
async fn a_rebuild_replaces_the_entries_at_once_and_the_old_ones_go_later() {
    let service = Service::start().await;
    service.sources.known().ledger.page = Some(2);
    for amount in 1..=9 {
        service.sources.known().ledger.post(ANI, ("topup", amount), json!({"reference": "r"}));
    }
    let expected = service.sources.known().ledger.entries(ANI);
    assert_eq!(all(&service.api, ANI, 200).await, expected);
    service.sql("UPDATE entries SET amount = amount + 1").await;
    // a rebuild that died
    service
        .sql(
            "INSERT INTO entry_feeds (feed, generation, position, true_at, switched_at, oldest)
             VALUES ('rebuild', 2, 3, NOW(6), NOW(6), 1);
             INSERT INTO entries SELECT 2, user_id, created_at, id, kind, 77, 77, NULL, NULL, NULL FROM entries LIMIT 3",
        )
        .await;
    let _ = service.sync().await.expect(200);
    assert_eq!(all(&service.api, ANI, 200).await, expected);
    assert_eq!(service.stored("SELECT COUNT(DISTINCT generation) FROM entries").await, 3, "nobody's read is disturbed");
    service.sql("UPDATE entry_feeds SET switched_at = switched_at - INTERVAL 1 HOUR").await;
    service.work_without_runs();
    let left = "SELECT (SELECT COUNT(*) FROM entries) + (SELECT COUNT(*) FROM entry_accounts)
                     + (SELECT COUNT(*) FROM entry_references)";
    eventually("old generations to go", async || (service.stored(left).await == 9 + 1 + 9).then_some(())).await;
    assert_eq!(all(&service.api, ANI, 200).await, expected);
    service.stop().await;
}

#[tokio::test]
async fn an_entry_that_the_feed_has_left_out_stops_its_user_until_it_is_found() {
    let service = Service::start().await;
    let topup = |amount| service.sources.known().ledger.post(ANI, ("topup", amount), json!({}));
    topup(1);
    let left_out = topup(2) / 65_536;
    service.sources.known().ledger.left_out.insert(left_out);
    service.sources.known().ledger.post(BUDI, ("topup", 5), json!({}));
    assert_eq!(service.balance(BUDI, "").await.expect(200)["balance"], 5);
    topup(4);
    assert_eq!(service.balance(ANI, "").await.expect(200)["balance"], 1, "nothing is taken over that does not follow");
    service.sources.known().ledger.left_out.clear();
    service.work();
    let repaired = async || (service.balance(ANI, "").await.json["balance"] == 7).then_some(());
    eventually("the missing entry", repaired).await;
    assert_eq!(all(&service.api, ANI, 2).await, service.sources.known().ledger.entries(ANI));
    service.stop().await;
}

#[tokio::test]
async fn requests_that_come_together_take_entries_over_together() {
    let service = Service::start().await;
    service.sources.known().ledger.post(ANI, ("topup", 5), json!({}));
    let _ = service.balance(ANI, "").await.expect(200);
    let before = service.sources.known().ledger.asked;
    let mut replies = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let api = service.api.clone();
        replies.spawn(async move { api.get(&format!("/balances/user/{ANI}")).await });
    }
    for reply in replies.join_all().await {
        assert_eq!(reply.expect(200)["balance"], 5);
    }
    let asked = service.sources.known().ledger.asked - before;
    assert!(asked <= 10, "{asked} pages for 20 requests");
}

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.0 >> 33) % sides).unwrap()
    }
}

#[tokio::test]
async fn whatever_happens_entries_add_up_to_the_balance_of_the_ledger() {
    const USERS: [i64; 3] = [ANI, BUDI, CITRA];
    for seed in 1..=4 {
        let service = Service::start().await;
        let second = service.second_instance().await;
        service.sources.known().ledger.page = Some(3);
        let mut dice = Dice(seed);
        for step in 0..60 {
            {
                let ledger = &mut service.sources.known().ledger;
                let (from, to) =
                    (USERS[usize::try_from(step % 3).unwrap()], USERS[usize::try_from((step + 1) % 3).unwrap()]);
                for _ in 0..=dice.roll(3) {
                    let amount = dice.roll(1_000) - 300;
                    match dice.roll(6) {
                        0 => ledger.roll_back(dice.roll(4)),
                        1 => drop(ledger.post(from, ("topup", amount), json!({"reference": "r"}))),
                        2 => {
                            let late = ledger.pay(step + 1, from, to, amount);
                            ledger.hide(late);
                        }
                        3 => ledger.commit(),
                        _ => drop(ledger.pay(step + 1, from, to, amount)),
                    }
                }
            }
            let user = USERS[usize::try_from(dice.roll(3)).unwrap()];
            let (one, other) = (format!("/balances/user/{user}"), format!("/entries/user/{user}?limit=5"));
            let (balance, page) = tokio::join!(second.get(&one), service.api.get(&other));
            let (balance, page) = (balance.expect(200), page.expect(200));
            assert!(balance["balance"].is_number());
            for pair in page.json.as_array().unwrap().windows(2) {
                let before = pair[0]["balance_after"].as_i64().unwrap() - pair[0]["amount"].as_i64().unwrap();
                assert_eq!(pair[1]["balance_after"], before, "seed {seed}, step {step}: {}", page.text);
            }
            if step == 40 {
                let _ = service.sync().await; // may be refused if nothing is there to rebuild beside a run of the worker
            }
        }
        service.sources.known().ledger.commit();
        for user in USERS {
            let (expected, balance) = {
                let ledger = &service.sources.known().ledger;
                (ledger.entries(user), ledger.balance(user))
            };
            assert_eq!(
                second.get(&format!("/balances/user/{user}")).await.expect(200)["balance"],
                balance,
                "seed {seed}"
            );
            assert_eq!(all(&second, user, 7).await, expected, "seed {seed}, user {user}");
            assert_eq!(expected.iter().map(|(_, amount)| amount).sum::<i64>(), balance);
        }
        service.stop().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_ledger_that_was_restored_is_taken_over_by_a_full_run() {
    let service = Service::start().await;
    let first = service.sources.known().ledger.post(ANI, ("topup", 100), json!({}));
    for _ in 0..3 {
        service.sources.known().ledger.post(ANI, ("topup", 50), json!({}));
    }
    assert_eq!(service.entries(ANI, "").await.expect(200).json.as_array().unwrap().len(), 4);
    service.sources.known().ledger.restore(first / 65_536);
    let _ = service.sync().await.expect(200);
    assert_eq!(all(&service.api, ANI, 10).await, [(first, 100)]);
    let next = service.sources.known().ledger.post(ANI, ("debit", -30), json!({}));
    assert_eq!(all(&service.api, ANI, 10).await, [(first, 100), (next, -30)]);
}
