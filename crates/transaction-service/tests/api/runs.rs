//! What becomes of schedules on their dates: each runs once, whatever happens.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use lab::http::{Reply, eventually};
use serde_json::{Value, json};

use crate::{
    peers::{Reaction, unreachable},
    schedules::{recurring, today},
    support::{SENDER, Service, assert_documented, ids},
};

async fn make(service: &Service, body: Value) -> i64 {
    service.service.post("/schedules", body).await.expect(201).id()
}

/// A daily schedule that starts today.
async fn daily(service: &Service) -> i64 {
    make(service, recurring("day", &today())).await
}

async fn show(service: &Service, id: i64) -> Reply {
    service.service.get(&format!("/schedules/{id}")).await.expect(200)
}

async fn execute(service: &Service, sql: &'static str) {
    let _ = sqlx::query(sql).execute(&service.pool()).await.expect("the statement is valid");
}

/// The date on which it runs next.
async fn next(service: &Service, id: i64) -> Option<NaiveDate> {
    show(service, id).await["next_runs"][0].as_str().map(|date| date.parse().unwrap())
}

async fn moves_on_to(service: &Service, id: i64, date: NaiveDate) {
    eventually(&format!("the schedule to go on to {date}"), async || {
        (next(service, id).await == Some(date)).then_some(())
    })
    .await;
}

/// The transactions of a schedule, by the requests that made them.
async fn runs(service: &Service, id: i64) -> Vec<String> {
    let query = sqlx::query_scalar("SELECT request FROM transactions WHERE schedule_id = ? ORDER BY id").bind(id);
    query.fetch_all(&service.pool()).await.unwrap()
}

fn run_of(id: i64, date: NaiveDate) -> String {
    format!("schedule {id} {date}")
}

#[tokio::test]
async fn a_start_today_runs_at_once_and_a_kill_before_it_moves_on_makes_nothing_new() {
    let service = Service::start().await;
    service.start_workers();
    let id = daily(&service).await;
    moves_on_to(&service, id, today() + Days::new(1)).await;
    let all = service.service.get(&format!("/transactions/user/{SENDER}")).await.expect(200);
    assert_documented(
        &Reply { json: all.json[0].clone(), ..all },
        &json!({"schedule_id": id, "status": "completed", "amount": 10_000, "description": "Rent"}),
    );
    // as it is if the instance was killed after the transaction was made
    execute(&service, "UPDATE schedules SET next_run = 0, due_at = NOW(6), amount = 20").await;
    moves_on_to(&service, id, today() + Days::new(1)).await;
    assert_eq!(runs(&service, id).await, [run_of(id, today())]);
    assert_eq!(service.users.verbs(), ["transfer"]);
}

#[tokio::test]
async fn after_an_outage_each_missed_date_runs_once() {
    let service = Service::start().await;
    let id = daily(&service).await;
    execute(&service, "UPDATE schedules SET start_on = start_on - INTERVAL 5 DAY, due_at = due_at - INTERVAL 5 DAY")
        .await;
    service.start_workers();
    moves_on_to(&service, id, today() + Days::new(1)).await;
    let dates: Vec<String> = (0..=5).rev().map(|ago| run_of(id, today() - Days::new(ago))).collect();
    assert_eq!(runs(&service, id).await, dates);
}

#[tokio::test]
async fn of_two_instances_at_once_each_date_runs_once() {
    const SCHEDULES: usize = 300;
    let service = Service::start().await;
    daily(&service).await;
    execute(
        &service,
        "INSERT INTO schedules (sender_id, receiver_id, amount, description, auto_complete, frequency, start_on, status,
             next_run, due_at, request, created_at, updated_at)
         WITH RECURSIVE numbers (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < 300)
         SELECT sender_id, receiver_id, amount, description, auto_complete, frequency, start_on, status,
             next_run, due_at, CONCAT('once ', n), created_at, updated_at FROM schedules JOIN numbers",
    )
    .await;
    (0..2).for_each(|_| service.start_workers());
    eventually("all schedules to have run", async || {
        let left = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM schedules WHERE next_run <> 1");
        (left.fetch_one(&service.pool()).await.unwrap() == 0).then_some(())
    })
    .await;
    let made: Vec<String> =
        sqlx::query_scalar("SELECT request FROM transactions").fetch_all(&service.pool()).await.unwrap();
    assert_eq!((made.len(), made.iter().collect::<BTreeSet<_>>().len()), (SCHEDULES, SCHEDULES));
    eventually("all runs to be carried out", async || (service.users.verbs().len() >= SCHEDULES).then_some(())).await;
    assert_eq!(service.users.verbs().len(), SCHEDULES);
}

#[tokio::test]
async fn a_run_without_money_is_told_and_the_schedule_goes_on() {
    let service = Service::start().await;
    service.users.on("transfer", Reaction::Refuses("insufficient_balance"));
    service.start_workers();
    let id = daily(&service).await;
    moves_on_to(&service, id, today() + Days::new(1)).await;
    assert_eq!(show(&service, id).await["status"], "active");
    service.everything_is_told().await;
    let told = service.notifications.told();
    let told: Vec<(&Value, &Value)> = told.iter().map(|fact| (&fact["type"], &fact["data"]["status_reason"])).collect();
    assert_eq!(told, [(&json!("transaction.failed"), &json!("insufficient_balance"))]);
}

#[tokio::test]
async fn a_schedule_ends_with_the_account_of_either_party() {
    for (refusal, facts) in [("user_not_found", 0), ("receiver_not_found", 1)] {
        let service = Service::start().await;
        service.users.on("transfer", Reaction::Refuses(refusal));
        service.start_workers();
        let id = daily(&service).await;
        eventually("the schedule to end", async || (show(&service, id).await["status"] == "ended").then_some(())).await;
        assert_documented(&show(&service, id).await, &json!({"status_reason": refusal, "next_runs": []}));
        service.everything_is_told().await;
        assert_eq!(service.notifications.told().len(), facts, "a closed account is told nothing");
        let refused = service.service.put(&format!("/schedules/{id}"), json!({"status": "active"})).await;
        let _ = refused.expect_error(409, "schedule_ended");
    }
}

#[tokio::test]
async fn what_was_missed_while_paused_is_skipped() {
    let service = Service::start().await;
    let [paused, deleted] = [daily(&service).await, daily(&service).await];
    let _ = service.service.put(&format!("/schedules/{paused}"), json!({"status": "paused"})).await.expect(200);
    let _ = service.service.delete(&format!("/schedules/{deleted}")).await.expect(200);
    service.start_workers();
    let other = daily(&service).await;
    moves_on_to(&service, other, today() + Days::new(1)).await;
    let active = service.service.put(&format!("/schedules/{paused}"), json!({"status": "active"})).await.expect(200);
    assert_eq!(active["next_runs"][0], json!((today() + Days::new(1)).to_string()));
    let last = daily(&service).await;
    moves_on_to(&service, last, today() + Days::new(1)).await;
    assert_eq!(ids(&service.service.get("/transactions").await.expect(200)).len(), 2, "of the other two alone");
}

#[tokio::test]
async fn it_ends_after_its_last_date() {
    let service = Service::start().await;
    service.start_workers();
    let mut body = recurring("month", &today());
    body["end"] = json!(today().to_string());
    let id = make(&service, body).await;
    eventually("the schedule to end", async || (show(&service, id).await["status"] == "ended").then_some(())).await;
    assert_eq!(show(&service, id).await["status_reason"], "end_reached");
    assert_eq!(runs(&service, id).await, [run_of(id, today())]);
}

#[tokio::test]
async fn a_run_waits_for_a_user_service_that_is_away_and_the_schedule_goes_on() {
    let service = Service::start_with_users_at(unreachable()).await;
    service.start_workers();
    let id = daily(&service).await;
    moves_on_to(&service, id, today() + Days::new(1)).await;
    let all = service.service.get("/transactions").await.expect(200);
    assert_eq!((all.json[0]["status"].as_str(), all.json[0]["schedule_id"].as_i64()), (Some("processing"), Some(id)));
    assert_eq!(runs(&service, id).await, [run_of(id, today())]);
}
