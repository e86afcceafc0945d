//! Who may call what.

use serde_json::json;

use crate::support::{
    service::{Service, report},
    sources::{ANI, BUDI, Transaction},
};

#[tokio::test]
async fn making_reports_and_synchronizing_need_the_service_token_in_every_mode() {
    for service in [Service::start().await, Service::in_production().await] {
        service.sources.store([Transaction::new(10, "completed")]);
        let wrong = service.api.clone().with("x-service-token", "wrong");
        for (api, status, code) in [
            (service.api.clone(), 401, "missing_service_token"),
            (wrong, 401, "invalid_service_token"),
            (service.as_user(ANI), 403, "forbidden"),
        ] {
            let _ = report(&api, ANI, 10).await.expect_error(status, code);
            let _ = api.post_empty("/sync/all").await.expect_error(status, code);
        }
        let _ = service.report(ANI, 10).await.expect(201);
        let _ = service.sync().await.expect(200);
    }
}

#[tokio::test]
async fn in_production_reports_and_summaries_are_for_their_user_and_for_services() {
    let service = Service::in_production().await;
    for path in [format!("/reports/user/{ANI}"), format!("/summaries/user/{ANI}")] {
        let _ = service.api.get(&path).await.expect_error(401, "missing_token");
        let _ = service.as_user(BUDI).get(&path).await.expect_error(403, "forbidden");
        for api in [service.as_user(ANI), service.api.as_service()] {
            assert_eq!(api.get(&path).await.expect(200)["user_id"], ANI);
        }
    }
}

#[tokio::test]
async fn in_development_reports_and_summaries_are_open() {
    let service = Service::start().await;
    for path in [format!("/reports/user/{ANI}"), format!("/summaries/user/{ANI}")] {
        let _ = service.api.get(&path).await.expect(200);
        let _ = service.api.as_user("nonsense").get(&path).await.expect_error(401, "invalid_token");
    }
}

#[tokio::test]
async fn errors_of_the_router_are_json_too() {
    let service = Service::start().await;
    let _ = service.api.get("/nowhere").await.expect_error(404, "route_not_found");
    let _ = service.api.get("/sync/all").await.expect_error(405, "method_not_allowed");
    let health = service.api.get("/health").await.expect(200);
    assert_eq!(health.json, json!({"status": "ok", "service": "report-service"}));
}
