//! Reports: one for each user and transaction.

use std::collections::BTreeSet;

use lab::http::Reply;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{
    service::{Service, report},
    sources::{ANI, BUDI, CITRA, NOBODY, Sources, Transaction},
};

fn is_replayed(reply: &Reply) -> bool {
    reply.header("idempotent-replayed") == "true"
}

fn pluck(reply: &Reply, member: &str) -> Vec<Value> {
    reply["reports"].as_array().expect("reports").iter().map(|report| report[member].clone()).collect()
}

#[track_caller]
fn assert_utc(value: &Value) {
    let text = value.as_str().unwrap_or_else(|| panic!("no time: {value}"));
    assert!(text.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(text).is_ok(), "{text}");
}

#[tokio::test]
async fn a_report_is_made_once_for_each_party() {
    let service = Service::start().await;
    service.sources.store([Transaction::new(10, "completed")]);
    let made = service.report(ANI, 10).await.expect(201);
    assert!(made.id() > 0);
    assert_eq!(
        (&made["user_id"], &made["transaction_id"], &made["status"]),
        (&json!(ANI), &json!(10), &json!("generated"))
    );
    assert_utc(&made["created_at"]);
    assert_eq!(service.report(ANI, 10).await.expect(200).json, made.json);

    let other = service.report(BUDI, 10).await.expect(201);
    assert_ne!(other.id(), made.id());
    assert_eq!(service.reports(ANI).await.expect(200)["total"], 1);
}

#[tokio::test]
async fn a_report_needs_a_user_a_transaction_and_a_part_in_it() {
    let service = Service::start().await;
    let hidden = Transaction { hidden: true, ..Transaction::new(11, "cancelled") };
    service.sources.store([Transaction::new(10, "completed"), hidden]);
    let _ = service.report(NOBODY, 10).await.expect_error(404, "user_not_found");
    let _ = service.report(ANI, 999).await.expect_error(404, "transaction_not_found");
    let _ = service.report(ANI, 11).await.expect_error(404, "transaction_not_found");
    let refused = service.report(CITRA, 10).await.expect_error(400, "not_a_party");
    assert!(refused["fields"]["user_id"].is_string());
    for user in [ANI, CITRA] {
        assert_eq!(service.reports(user).await.expect(200)["total"], 0);
    }
}

#[tokio::test]
async fn what_is_no_request_for_a_report_is_refused_by_name() {
    let service = Service::start().await;
    service.sources.store([Transaction::new(10, "completed")]);
    for (body, code, field) in [
        (json!({"user_id": ANI}), "missing_field", "transaction_id"),
        (json!({"transaction_id": 10}), "missing_field", "user_id"),
        (json!({"user_id": 0, "transaction_id": 10}), "invalid_value", "user_id"),
        (json!({"user_id": ANI, "transaction_id": "10"}), "invalid_value", "transaction_id"),
        (json!({"user_id": ANI, "transaction_id": 1.5}), "invalid_value", "transaction_id"),
        (json!({"user_id": ANI, "transaction_id": 10, "status": "generated"}), "unknown_field", "status"),
    ] {
        let refused = service.api.as_service().post("/reports", body.clone()).await.expect_error(400, code);
        assert!(refused["fields"][field].is_string(), "{body}: {}", refused.text);
    }
}

#[tokio::test]
async fn one_report_asked_for_at_the_same_time_is_made_once() {
    let service = Service::start().await;
    service.sources.store([Transaction::new(10, "completed")]);
    let mut requests = JoinSet::new();
    for _ in 0..10 {
        let api = service.api.as_service();
        requests.spawn(async move { report(&api, ANI, 10).await });
    }
    let replies = requests.join_all().await;
    let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200; 9], vec![201]].concat());
    let ids: BTreeSet<i64> = replies.iter().map(Reply::id).collect();
    assert_eq!(ids.len(), 1);
    service.assert_agrees_with_sources(&[ANI, BUDI]).await;
}

#[tokio::test]
async fn a_key_is_answered_again_refusals_included() {
    let service = Service::start().await;
    service.sources.store([Transaction::new(10, "completed")]);
    let api = service.api.as_service();
    let made = report(&api.keyed("made"), ANI, 10).await.expect(201);
    let missing = report(&api.keyed("missing"), ANI, 20).await.expect_error(404, "transaction_not_found");
    let nobody = report(&api.keyed("nobody"), NOBODY, 10).await.expect_error(404, "user_not_found");
    let stranger = report(&api.keyed("stranger"), CITRA, 10).await.expect_error(400, "not_a_party");
    let again = report(&api.keyed("again"), ANI, 10).await.expect(200);
    for first in [&made, &missing, &nobody, &stranger, &again] {
        assert!(!is_replayed(first));
    }

    // By now the answers would be others.
    service.sources.store([Transaction::new(20, "completed")]);
    service.sources.add_users([NOBODY]);
    for (key, user, transaction, first) in [
        ("made", ANI, 10, made),
        ("missing", ANI, 20, missing),
        ("nobody", NOBODY, 10, nobody),
        ("stranger", CITRA, 10, stranger),
        ("again", ANI, 10, again),
    ] {
        let replayed = report(&api.keyed(key), user, transaction).await;
        assert_eq!(replayed.status, first.status, "{key}");
        assert!(is_replayed(&replayed), "{key}");
        for member in ["id", "transaction_id", "status", "created_at", "error", "code", "fields"] {
            assert_eq!(replayed[member], first[member], "{key}");
        }
    }
    let _ = service.report(ANI, 20).await.expect(201);
}

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    let service = Service::start().await;
    service.sources.store([Transaction::new(10, "completed"), Transaction::new(11, "completed")]);
    let keyed = service.api.as_service().keyed("key-1");
    let _ = report(&keyed, ANI, 10).await.expect(201);
    let _ = report(&keyed, ANI, 11).await.expect_error(422, "idempotency_key_reused");
    let _ = report(&keyed, BUDI, 10).await.expect_error(422, "idempotency_key_reused");
    assert_eq!(service.reports(ANI).await.expect(200)["total"], 1);
}

#[tokio::test]
async fn a_request_that_never_took_effect_does_not_burn_its_key() {
    let service = Service::start().await;
    service.sources.store([Transaction::new(10, "completed")]);
    let keyed = service.api.as_service().keyed("key-1");
    let _ = report(&keyed, 0, 10).await.expect(400);
    for set_down in [Sources::set_users_down, Sources::set_transactions_down] {
        set_down(&service.sources, true);
        let unavailable = report(&keyed, ANI, 10).await.expect_error(503, "service_unavailable");
        assert!(unavailable.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
        set_down(&service.sources, false);
    }
    let made = report(&keyed, ANI, 10).await.expect(201);
    assert!(!is_replayed(&made));
}

#[tokio::test]
async fn one_key_at_the_same_time_makes_one_report() {
    let service = Service::start().await;
    service.sources.store([Transaction::new(10, "completed")]);
    let keyed = service.api.as_service().keyed("key-1");
    let mut requests = JoinSet::new();
    for _ in 0..10 {
        let keyed = keyed.clone();
        requests.spawn(async move { report(&keyed, ANI, 10).await });
    }
    let replies = requests.join_all().await;
    let bodies: BTreeSet<String> = replies.into_iter().map(|reply| reply.expect(201).json.to_string()).collect();
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn a_user_s_reports_are_listed_as_documented() {
    let service = Service::start().await;
    service
        .sources
        .store([Transaction::new(10, "completed").of(5_000_000), Transaction::new(11, "pending").of(1_000_050)]);
    let first = service.report(ANI, 10).await.expect(201);
    let second = service.report(ANI, 11).await.expect(201);
    let list = service.api.get(&format!("/reports/user/{ANI}?page=1&per_page=50")).await.expect(200);
    let expected = json!({
        "user_id": ANI,
        "page": 1,
        "per_page": 50,
        "total": 2,
        "reports": [
            {"id": second.id(), "transaction_id": 11, "amount": 10000.5, "status": "pending", "created_at": second["created_at"]},
            {"id": first.id(), "transaction_id": 10, "amount": 50000, "status": "completed", "created_at": first["created_at"]},
        ],
    });
    assert_eq!(list.json, expected);
    assert_eq!(list.header("x-data-as-of"), "", "an answer that is up to date says nothing");
}

#[tokio::test]
async fn the_amounts_of_reports_are_exact() {
    let service = Service::start().await;
    service
        .sources
        .store([Transaction::new(1, "completed").of(10), Transaction::new(2, "completed").of(999_999_999_999_999)]);
    for id in [1, 2] {
        let _ = service.report(ANI, id).await.expect(201);
    }
    let text = service.reports(ANI).await.expect(200).text;
    assert!(text.contains(r#""amount":0.1,"#) && text.contains(r#""amount":9999999999999.99,"#), "{text}");
}

#[tokio::test]
async fn reports_come_page_by_page_newest_first() {
    let service = Service::start().await;
    service.sources.store((1..=5).map(|id| Transaction::new(id, "completed")));
    for id in 1..=5 {
        let _ = service.report(ANI, id).await.expect(201);
    }
    for (query, expected) in [
        ("", vec![5, 4, 3, 2, 1]),
        ("?per_page=2", vec![5, 4]),
        ("?page=2&per_page=2", vec![3, 2]),
        ("?page=3&per_page=2", vec![1]),
        ("?page=4&per_page=2", vec![]),
        ("?page=1000000&per_page=200", vec![]),
    ] {
        let page = service.api.get(&format!("/reports/user/{ANI}{query}")).await.expect(200);
        assert_eq!(
            (pluck(&page, "transaction_id"), &page["total"]),
            (expected.into_iter().map(|id| json!(id)).collect(), &json!(5)),
            "{query}"
        );
    }
    for query in ["page=0", "per_page=0", "per_page=201", "page=1000001", "page=-1", "page=x", "per_page=1.5"] {
        let _ = service.api.get(&format!("/reports/user/{ANI}?{query}")).await.expect_error(400, "invalid_value");
    }
    let _ = service.api.get(&format!("/reports/user/{ANI}?limit=5")).await.expect_error(400, "unknown_field");
}

#[tokio::test]
async fn the_status_of_a_report_follows_its_transaction() {
    let service = Service::start().await;
    let (first, second) = (Transaction::new(1, "processing"), Transaction::new(2, "pending"));
    service.sources.store([first.clone(), second.clone()]);
    for id in [1, 2] {
        let _ = service.report(ANI, id).await.expect(201);
    }
    assert_eq!(pluck(&service.reports(ANI).await.expect(200), "status"), ["pending", "processing"]);
    service.sources.store([first.clone().then("pending"), second.clone().then("cancelled")]);
    assert_eq!(pluck(&service.reports(ANI).await.expect(200), "status"), ["cancelled", "pending"]);
    let hidden = Transaction { hidden: true, ..second.then("cancelled").then("cancelled") };
    service.sources.store([first.then("pending").then("completed"), hidden]);
    assert_eq!(pluck(&service.reports(ANI).await.expect(200), "status"), ["cancelled", "completed"]);
}

#[tokio::test]
async fn a_user_who_does_not_exist_has_no_reports() {
    let service = Service::start().await;
    let _ = service.reports(NOBODY).await.expect_error(404, "user_not_found");
    for id in ["0", "-1", "abc"] {
        let _ = service.api.get(&format!("/reports/user/{id}")).await.expect_error(400, "invalid_value");
    }
    let empty = service.reports(CITRA).await.expect(200);
    assert_eq!(empty.json, json!({"user_id": CITRA, "page": 1, "per_page": 50, "total": 0, "reports": []}));
}
