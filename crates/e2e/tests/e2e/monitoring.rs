//! What operators see: metrics, traces, and who may look at them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use lab::{
    collector::{Collector, Span},
    http::{Api, eventually},
    server::Purpose,
    wallet::Service,
    workspace_root,
    world::World,
};
use reqwest::Method;

/// A trace that a caller has begun, and its place in it.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A trace that somebody looks at, as a header.
fn traceparent() -> String {
    format!("00-{TRACE}-{PARENT}-01")
}

/// The series of a service with their values.
struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    async fn of(api: &Api) -> Self {
        let text = api.get("/metrics").await.expect(200).text;
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let series = lines.map(|line| line.rsplit_once(' ').unwrap());
        Self(series.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect())
    }

    fn get(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }

    /// The metrics that the series belong to.
    fn names(&self) -> Vec<String> {
        let name = |series: &String| {
            let name = series.split('{').next().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
            of_histogram.unwrap_or(name).to_owned()
        };
        self.0.keys().map(name).collect()
    }

    fn has(&self, series: &str, is: impl Fn(f64) -> bool) -> Option<()> {
        self.get(series).filter(|value| is(*value)).map(drop)
    }
}

/// The metrics that the operators' page explains.
fn documented() -> BTreeSet<String> {
    let page = fs::read_to_string(workspace_root().join("docs/operations.md")).unwrap();
    let table = page.split("| metric |").nth(1).unwrap().split("\n\n").next().unwrap();
    let first_cells = table.lines().skip(2).filter_map(|line| line.split('|').nth(1));
    let names = first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    names.collect()
}

#[tokio::test]
async fn each_service_shows_what_it_does() {
    let world = World::start_with(&[(Service::User, "LEDGER_AUDIT_INTERVAL", "1")]).await;
    let (payer, payee) = (world.user(100).await, world.user(0).await);
    let paid = world.pay(&payer, &payee, 10).await.expect(201).id();
    let _ = world.decide(paid, "completed").await.expect(200);
    let repeated = world.service(Service::User).keyed("twice");
    for _ in 0..2 {
        let path = format!("/users/{}/topup", payer.id);
        let _ = repeated.post(&path, serde_json::json!({"amount": 1})).await.expect(200);
    }
    let _ = world.service(Service::Report).post_empty("/sync/all").await.expect(200);
    world.assert_everything_told().await;
    for service in Service::ALL {
        let api = world.api(service);
        let _ = api.send(Method::from_bytes(b"BREW").unwrap(), "/a/coffee", None).await.expect(404);
        let metrics = Metrics::of(&api).await;
        let open = metrics
            .get("database_connections{state=\"idle\"}")
            .zip(metrics.get("database_connections{state=\"used\"}"));
        let (idle, used) = open.unwrap_or_else(|| panic!("{}", service.name()));
        assert!(idle + used >= 1.0 && metrics.get("database_connections_max") == Some(16.0));
        assert_eq!(metrics.get("database_reachable"), Some(1.0));
        // whatever is asked for makes no label
        let other = "http_server_request_duration_seconds_count{method=\"other\",route=\"\",status=\"404\"}";
        assert_eq!(metrics.get(other), Some(1.0));
        assert!(metrics.0.keys().all(|series| !series.contains("coffee") && !series.contains("BREW")));
    }
    let users = world.api(Service::User);
    eventually("an audit", async || {
        let metrics = Metrics::of(&users).await;
        assert_ne!(metrics.get("ledger_violations"), Some(1.0));
        metrics.has("ledger_verified_timestamp_seconds", |time| time > 1.7e9)
    })
    .await;
    let user = Metrics::of(&users).await;
    assert_eq!(user.get("ledger_violations"), Some(0.0));
    assert!(user.get("group_commit_batch_size_count{queue=\"ledger\"}").unwrap() >= 3.0, "top-up, hold and capture");
    assert_eq!((user.get("outbox_facts"), user.get("outbox_oldest_fact_seconds")), (Some(0.0), Some(0.0)));

    let transaction = Metrics::of(&world.api(Service::Transaction)).await;
    let created = "http_server_request_duration_seconds_count{method=\"POST\",route=\"/transactions\",status=\"201\"}";
    assert_eq!(transaction.get(created), Some(1.0));
    assert_eq!(transaction.get("transactions_unsettled"), Some(0.0));
    assert_eq!(transaction.get("group_commit_waiting{queue=\"writes\"}"), Some(0.0));

    let notification = Metrics::of(&world.api(Service::Notification)).await;
    assert_eq!(notification.get("mails_total{result=\"sent\"}"), Some(5.0), "of two top-ups and a payment");
    assert_eq!(notification.get("notifications_pending"), Some(0.0));

    let report = Metrics::of(&world.api(Service::Report)).await;
    report.has("report_sync_lag_seconds", |lag| (0.0..60.0).contains(&lag)).unwrap();

    let user = Metrics::of(&users).await;
    let shown = [user, transaction, notification, report].iter().flat_map(Metrics::names).collect::<BTreeSet<_>>();
    assert_eq!(shown, documented(), "docs/operations.md names what there is");
}

#[tokio::test]
async fn what_waits_for_a_service_that_hangs_is_seen_to_grow_old() {
    let mut world = World::start().await;
    let (payer, payee) = (world.user(100).await, world.user(0).await);
    let transactions = world.api(Service::Transaction);
    world.wallet.pause(Service::User);
    let pay = tokio::spawn({
        let payment = lab::world::payment(&payer, &payee, 10);
        let service = world.service(Service::Transaction);
        async move { service.try_send(Method::POST, "/transactions", Some(payment.to_string())).await }
    });
    eventually("an unsettled transaction", async || {
        let metrics = Metrics::of(&transactions).await;
        metrics.has("transactions_unsettled", |number| number > 0.0)?;
        metrics.has("transactions_oldest_unsettled_seconds", |age| age > 1.0)
    })
    .await;
    world.wallet.resume(Service::User);
    let _ = pay.await.unwrap();
    eventually("it to be settled", async || {
        let metrics = Metrics::of(&transactions).await;
        metrics.has("transactions_unsettled", |number| number <= 0.0)?;
        metrics.has("transactions_oldest_unsettled_seconds", |age| age <= 0.0)
    })
    .await;
}

#[tokio::test]
async fn in_production_the_metrics_have_a_token_of_their_own() {
    const TOKEN: &str = "Tz8mQ4xV1bN6cR0yKj5wLp9sDf2hGe7a";
    let world = World::in_production(Purpose::Use, &Service::ALL.map(|s| (s, "METRICS_TOKEN", TOKEN))).await;
    for service in Service::ALL {
        let api = world.api(service);
        let _ = api.as_user(TOKEN).get("/metrics").await.expect(200);
        let _ = api.as_user(&TOKEN[1..]).get("/metrics").await.expect_error(401, "invalid_token");
        let _ = api.get("/metrics").await.expect_error(401, "missing_service_token");
    }
    let _ = world.api(Service::User).as_user(TOKEN).get("/users").await.expect_error(401, "invalid_token");
}

#[tokio::test]
async fn a_trace_runs_through_all_services_to_the_mail() {
    let collector = Collector::start().await;
    let mut variables = Service::ALL.map(|service| (service, "OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url)).to_vec();
    variables.extend(Service::ALL.map(|service| (service, "OTEL_BSP_SCHEDULE_DELAY", "100")));
    let world = World::start_with(&variables).await;
    let (payer, payee) = (world.user(100).await, world.user(0).await);
    let traced = |service| world.service(service).with("traceparent", &traceparent());
    let mut payment = lab::world::payment(&payer, &payee, 10);
    payment["auto_complete"] = true.into();
    let _ = traced(Service::Transaction).post("/transactions", payment).await.expect(201);
    let _ = traced(Service::Report).get(&format!("/summaries/user/{}", payer.id)).await.expect(200);

    let in_trace = || collector.spans().into_iter().filter(|span| span.trace == TRACE).collect::<Vec<_>>();
    let awaited = [
        ("transaction-service", "POST /transactions", 1),
        ("transaction-service", "user-service", 1),
        ("user-service", "POST /internal/operations", 1),
        ("notification-service", "mail", 2),
        ("report-service", "transaction-service", 1),
        ("report-service", "GET /summaries/user/{user_id}", 1),
    ];
    eventually("the spans of all services", async || {
        let spans = in_trace();
        awaited.iter().all(|(service, name, number)| count(&spans, service, name) >= *number).then_some(())
    })
    .await;
    let spans = in_trace();
    let find = |service: &str, name: &str| {
        spans
            .iter()
            .find(|span| (&*span.service, &*span.name) == (service, name))
            .unwrap_or_else(|| panic!("{spans:#?}"))
    };
    let created = find("transaction-service", "POST /transactions");
    assert_eq!(created.parent, PARENT);
    let moved = find("user-service", "POST /internal/operations");
    let call = spans.iter().find(|span| span.id == moved.parent).unwrap();
    assert_eq!((&*call.service, &*call.parent), ("transaction-service", &*created.id));
    assert!(spans.iter().filter(|span| span.name == "mail").all(|mail| mail.parent == created.id));
    assert!(spans.iter().any(|span| span.service == "report-service" && span.name == "transaction-service"));
}

fn count(spans: &[Span], service: &str, name: &str) -> usize {
    spans.iter().filter(|span| (&*span.service, &*span.name) == (service, name)).count()
}

#[tokio::test]
async fn without_a_collector_a_trace_is_passed_on_as_it_came() {
    let world = World::start().await;
    let (payer, payee) = (world.user(100).await, world.user(0).await);
    let api = world.service(Service::Transaction).with("traceparent", &traceparent());
    let _ = api.post("/transactions", lab::world::payment(&payer, &payee, 10)).await.expect(201);
    for service in [Service::Transaction, Service::User, Service::Notification] {
        let log = world.wallet.log(service);
        let what = format!("{} to log the trace", service.name());
        eventually(&what, async || fs::read_to_string(&log).unwrap().contains(TRACE).then_some(())).await;
    }
}
