//! Files that are compared with the top-ups, credits and debits that carry a reference.

use std::fmt::Write;

use lab::http::{Api, Reply};
use money::time;
use serde_json::{Value, json};

use crate::support::{
    service::Service,
    sources::{ANI, BUDI},
};

const HEADER: &str = "date,amount,reference\n";

fn csv(service: &Service) -> Api {
    service.api.as_service().with("content-type", "text/csv")
}

async fn compare(api: &Api, lines: &str) -> Reply {
    api.post_text("/reconciliations", &format!("{HEADER}{lines}")).await
}

/// Moves money of Ani's under a reference.
fn post(service: &Service, change: (&str, i64), at: &str, reference: &str) {
    service.sources.known().ledger.post(ANI, change, json!({"reference": reference, "created_at": at}));
}

fn references(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["reference"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_a_bank_says_is_compared_day_by_day_in_the_time_zone() {
    let service = Service::start().await;
    // 00:00 in Jakarta is 17:00 of the day before
    post(&service, ("topup", 900), "2025-11-01T16:59:59.999999Z", "the day before");
    post(&service, ("topup", 500), "2025-11-01T17:00:00Z", "A");
    post(&service, ("topup", 50), "2025-11-02T01:00:00Z", "B");
    post(&service, ("debit", -200), "2025-11-02T16:59:59.999999Z", "C");
    post(&service, ("credit", 70), "2025-11-03T01:00:00Z", "D");
    post(&service, ("topup", 1), "2025-11-03T01:00:01Z", "E");
    service.sources.known().ledger.pay(1, ANI, BUDI, 10);
    post(&service, ("topup", 900), "2025-11-03T17:00:00Z", "the day after");
    let lines = "2025-11-02,500,A\n2025-11-02,5,B\n2025-11-02,-200.00,C\n2025-11-02,70,D\n2025-11-03,8,F\n";
    let found = compare(&csv(&service), lines).await.expect(201);
    assert_eq!((found["from"].clone(), found["to"].clone()), (json!("2025-11-02"), json!("2025-11-03")));
    assert_eq!(references(&found["matched"]), ["A", "C"]);
    assert_eq!(
        found["differing"],
        json!([
            {"reference": "B", "here": {"date": "2025-11-02", "amount": 50}, "there": {"date": "2025-11-02", "amount": 5}},
            {"reference": "D", "here": {"date": "2025-11-03", "amount": 70}, "there": {"date": "2025-11-02", "amount": 70}},
        ])
    );
    assert_eq!(found["missing_here"], json!([{"reference": "F", "date": "2025-11-03", "amount": 8}]));
    assert_eq!(found["missing_there"], json!([{"reference": "E", "date": "2025-11-03", "amount": 1}]));
}

#[tokio::test]
async fn a_comparison_is_kept_as_it_was_answered() {
    let service = Service::start().await;
    post(&service, ("topup", 500), "2025-11-02T01:00:00Z", "A");
    let first = compare(&csv(&service), "2025-11-02,500,A\n2025-11-02,1,B\n").await.expect(201);
    let second = compare(&csv(&service), "2025-11-02,500,A\n").await.expect(201);
    let kept = service.api.get(&format!("/reconciliations/{}", first.id())).await.expect(200);
    assert_eq!(kept.json, first.json);
    let listed = service.api.get("/reconciliations?limit=1").await.expect(200);
    let newest = &listed.json[0];
    assert_eq!((newest["id"].as_i64(), newest["matched"].clone()), (Some(second.id()), json!(1)));
    let rest = service.api.get(&listed.next().unwrap()).await.expect(200);
    assert_eq!((rest.json[0]["missing_here"].clone(), rest.next()), (json!(1), None));
    let _ = service.api.get("/reconciliations/999").await.expect_error(404, "reconciliation_not_found");
}

#[tokio::test]
async fn a_key_names_one_comparison() {
    let service = Service::start().await;
    post(&service, ("topup", 500), "2025-11-02T01:00:00Z", "A");
    let api = csv(&service).keyed("statement-1");
    let first = compare(&api, "2025-11-02,500,A\n").await.expect(201);
    post(&service, ("topup", 5), "2025-11-02T02:00:00Z", "B");
    let again = compare(&api, "2025-11-02,500.00,A\n").await.expect(201);
    assert_eq!((again.json.clone(), again.header("idempotent-replayed")), (first.json.clone(), "true"));
    let _ = compare(&api, "2025-11-02,501,A\n").await.expect_error(422, "idempotency_key_reused");
    let anew = compare(&csv(&service).keyed("statement-2"), "2025-11-02,500,A\n").await.expect(201);
    assert_eq!(references(&anew["missing_there"]), ["B"]);
    // a file that is refused does not burn its key
    let api = csv(&service).keyed("statement-3");
    let _ = compare(&api, "2025-11-02,x,A\n").await.expect_error(400, "invalid_value");
    let _ = compare(&api, "2025-11-02,500,A\n").await.expect(201);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_refused_line_by_line() {
    let service = Service::start().await;
    let refused = compare(&csv(&service), "2025-11-02,1,A\nsoon,1,B\n2025-11-02,0,C\n2025-11-02,2,A\n").await;
    let refused = refused.expect_error(400, "invalid_value");
    let lines: Vec<&String> = refused["fields"].as_object().unwrap().keys().collect();
    assert_eq!(lines, ["line 3", "line 4", "line 5"]);
    let json = service.api.as_service().post_text("/reconciliations", HEADER).await;
    let _ = json.expect_error(415, "unsupported_media_type");
    let _ = csv(&service).post_text("/reconciliations?dry_run=true", HEADER).await.expect_error(400, "unknown_field");
    assert_eq!(service.api.get("/reconciliations").await.expect(200).json, json!([]), "nothing is kept");
}

#[tokio::test]
async fn a_file_has_ten_mebibytes_at_most_and_only_services_send_long_ones() {
    const MOST: usize = 10 * 1024 * 1024;
    let service = Service::start().await;
    let mut lines = String::new();
    for n in 0..30_000 {
        writeln!(lines, "2025-11-02,{}.50,reference-{n:040}", n + 1).unwrap();
    }
    let found = compare(&csv(&service), &lines).await.expect(201);
    let id = found.id();
    assert_eq!(found["missing_here"].as_array().unwrap().len(), 30_000);
    let kept = service.api.get(&format!("/reconciliations/{id}")).await.expect(200);
    assert_eq!(kept.text, found.text);
    let long = "x".repeat(MOST - HEADER.len());
    let _ = compare(&csv(&service), &long).await.expect_error(400, "invalid_value");
    let _ = compare(&csv(&service), &format!("{long}x")).await.expect_error(413, "body_too_large");
    let nobody = service.api.clone().with("content-type", "text/csv");
    let _ = compare(&nobody, &lines).await.expect_error(413, "body_too_large");
    let _ = compare(&nobody, "2025-11-02,1,A\n").await.expect_error(401, "missing_service_token");
}

#[tokio::test]
async fn many_movements_of_one_day_are_all_compared() {
    let service = Service::start().await;
    let mut lines = String::new();
    for n in 0..2_500 {
        post(&service, ("topup", 1), "2025-11-02T01:00:00Z", &format!("R-{n}"));
        writeln!(lines, "2025-11-02,1,R-{n}").unwrap();
    }
    let found = compare(&csv(&service), &lines).await.expect(201);
    assert_eq!(found["matched"].as_array().unwrap().len(), 2_500);
    assert_eq!((found["missing_here"].clone(), found["missing_there"].clone()), (json!([]), json!([])));
    assert!(found["as_of"].as_str().unwrap() <= time::written(time::now()).as_str());
}

#[tokio::test]
async fn days_far_away_have_no_movements() {
    let service = Service::start().await;
    post(&service, ("topup", 500), "2025-11-01T17:00:00Z", "A");
    for zone in ["Asia/Jakarta", "UTC"] {
        let api = service.in_time_zone(zone).await.as_service().with("content-type", "text/csv");
        for day in ["9999-12-31", "2150-12-31"] {
            let compared = compare(&api, &format!("{day},500,A\n")).await.expect(201);
            assert_eq!(references(&compared["missing_here"]), ["A"], "{day} {zone}");
        }
    }
}
