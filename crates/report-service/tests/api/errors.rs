//! What is no route.

use serde_json::json;

use crate::support::service::Service;

#[tokio::test]
async fn errors_of_the_router_are_json_too() {
    let service = Service::start().await;
    let _ = service.api.get("/nowhere").await.expect_error(404, "route_not_found");
    let _ = service.api.get("/sync/all").await.expect_error(405, "method_not_allowed");
    let health = service.api.get("/health").await.expect(200);
    assert_eq!(health.json, json!({"status": "ok", "service": "report-service"}));
}
