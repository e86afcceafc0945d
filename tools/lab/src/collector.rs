//! A collector of traces: what services send it over OTLP/HTTP is there to be looked at.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::any_value::Value,
    trace::v1::Span as Sent,
};
use prost::Message;

use crate::http::serve;

/// A running collector.
pub struct Collector {
    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is set to.
    pub url: String,
    requests: Arc<Mutex<Vec<Bytes>>>,
}

/// A span that a service has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The service.
    pub service: String,
    /// What was done.
    pub name: String,
    /// The trace, in hexadecimal digits.
    pub trace: String,
    /// The span itself.
    pub id: String,
    /// The span that it is a part of; zeros if there is none.
    pub parent: String,
}

impl Collector {
    /// A collector that lasts as long as the test.
    pub async fn start() -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&requests);
        let take = async move |body: Bytes| {
            taken.lock().expect("the lock is never poisoned").push(body);
            (StatusCode::OK, ExportTraceServiceResponse::default().encode_to_vec())
        };
        let url = serve(Router::new().route("/v1/traces", post(take))).await;
        Self { url, requests }
    }

    /// All bytes that were sent, for what must not be among them.
    pub fn bytes(&self) -> Vec<u8> {
        self.requests.lock().expect("the lock is never poisoned").concat()
    }

    /// The spans that have come so far.
    pub fn spans(&self) -> Vec<Span> {
        let requests = self.requests.lock().expect("the lock is never poisoned");
        let requests = requests.iter().map(|body| ExportTraceServiceRequest::decode(&**body).expect("OTLP"));
        let of_services = requests.flat_map(|request| request.resource_spans).flat_map(|resource| {
            let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let name = attributes.into_iter().find(|attribute| attribute.key == "service.name");
            let service = match name.and_then(|name| name.value).and_then(|name| name.value) {
                Some(Value::StringValue(name)) => name,
                other => panic!("a service has a name, not {other:?}"),
            };
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.map(move |span| Span::of(&service, &span)).collect::<Vec<_>>()
        });
        of_services.collect()
    }
}

impl Span {
    fn of(service: &str, sent: &Sent) -> Self {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number: u128, byte| number << 8 | u128::from(*byte));
        Self {
            service: service.to_owned(),
            name: sent.name.clone(),
            trace: format!("{:032x}", number(&sent.trace_id)),
            id: format!("{:016x}", number(&sent.span_id)),
            parent: format!("{:016x}", number(&sent.parent_span_id)),
        }
    }
}
