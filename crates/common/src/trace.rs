//! Traces that run through all services (W3C Trace Context). With `OTEL_EXPORTER_OTLP_ENDPOINT` each request, call and
//! mail is a span that a collector gets over OTLP; without it the trace of a caller is passed on as it came.

use std::{
    borrow::Cow,
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator,
    trace::{SpanKind, Status, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};
use url::Url;

/// The header that names a trace and the span that asks.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The header in which those who trace keep what is theirs.
const TRACESTATE: &str = "tracestate";

/// How long the end of the process waits for a collector.
const LAST_SPANS: Duration = Duration::from_secs(2);

static EXPORT: OnceLock<Export> = OnceLock::new();
static PROPAGATOR: LazyLock<TraceContextPropagator> = LazyLock::new(TraceContextPropagator::new);

struct Export {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// Sends the process's spans to the collector at `endpoint` through `client`, under the name of `service`.
pub fn export(service: &'static str, endpoint: &Url, client: reqwest::blocking::Client) -> anyhow::Result<()> {
    let traces = endpoint.join("v1/traces")?;
    let exporter = SpanExporter::builder().with_http().with_http_client(client).with_endpoint(traces).build()?;
    let resource = Resource::builder().with_service_name(service).build();
    let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
    let tracer = provider.tracer(service);
    EXPORT.set(Export { provider, tracer }).ok();
    Ok(())
}

/// Sends the spans that are left; at the end of the process.
pub async fn finish() {
    if let Some(export) = EXPORT.get() {
        // it waits for its thread
        let ended = tokio::task::spawn_blocking(|| export.provider.shutdown_with_timeout(LAST_SPANS)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// A place in a trace, or in none. Cheap to clone.
#[must_use]
#[derive(Debug, Clone, Default)]
pub struct Trace(Context);

impl Trace {
    /// The place that a request's headers tell.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        if !headers.contains_key(&TRACEPARENT) {
            return Self::default();
        }
        Self(PROPAGATOR.extract_with_context(&Context::new(), &HeaderExtractor(headers)))
    }

    /// The place that a stored `traceparent` tells.
    pub fn from_text(traceparent: Option<&str>) -> Self {
        let header = traceparent.and_then(|text| HeaderValue::from_str(text).ok());
        Self::from_headers(&header.map(|value| (TRACEPARENT, value)).into_iter().collect())
    }

    /// The span of a request, which [`Trace::answered`] ends.
    pub fn server(&self, method: &'static str, route: &str) -> Self {
        self.span(SpanKind::Server, || {
            let attributes =
                vec![KeyValue::new("http.request.method", method), KeyValue::new("http.route", route.to_owned())];
            (format!("{method} {route}").into(), attributes)
        })
    }

    /// The span of a call to another service.
    pub fn call(&self, service: &'static str, path: &str) -> Self {
        self.span(SpanKind::Client, || {
            let attributes = vec![KeyValue::new("server.address", service), KeyValue::new("url.path", path.to_owned())];
            (service.into(), attributes)
        })
    }

    /// A span of work that was left for later. It lasts until [`Trace::end`].
    pub fn work(&self, name: &'static str) -> Self {
        self.span(SpanKind::Consumer, || (name.into(), Vec::new()))
    }

    /// A span that begins here; the same place if no spans are collected.
    fn span(&self, kind: SpanKind, describe: impl FnOnce() -> (Cow<'static, str>, Vec<KeyValue>)) -> Self {
        let Some(Export { tracer, .. }) = EXPORT.get() else { return self.clone() };
        let (name, attributes) = describe();
        let span = tracer.span_builder(name).with_kind(kind).with_attributes(attributes);
        Self(self.0.with_span(span.start_with_context(tracer, &self.0)))
    }

    /// Ends the span of a request.
    pub fn answered(&self, status: StatusCode) {
        self.0.span().set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        self.end(status.is_server_error().then(|| status.to_string()));
    }

    /// Ends the span, with why it failed if it did.
    pub fn end(&self, failure: Option<String>) {
        let span = self.0.span();
        if let Some(failure) = failure {
            span.set_status(Status::error(failure));
        }
        span.end();
    }

    /// Tells the place in the headers of a call.
    pub fn write(&self, headers: &mut HeaderMap) {
        if self.0.span().span_context().is_valid() {
            PROPAGATOR.inject_context(&self.0, &mut HeaderInjector(headers));
            if headers.get(TRACESTATE).is_some_and(HeaderValue::is_empty) {
                headers.remove(TRACESTATE); // to be left out when there is nothing to say in it
            }
        }
    }

    /// The `traceparent` to keep with what is to be done later; `None` if nobody looks at this trace.
    pub fn to_text(&self) -> Option<String> {
        if !self.0.span().span_context().is_sampled() {
            return None;
        }
        let mut headers = HeaderMap::new();
        self.write(&mut headers);
        headers.get(&TRACEPARENT)?.to_str().ok().map(str::to_owned)
    }

    /// What names the trace in logs.
    pub fn id(&self) -> Option<String> {
        let span = self.0.span();
        let context = span.span_context();
        context.is_valid().then(|| context.trace_id().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const NOT_SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    #[test]
    fn a_trace_is_passed_on_as_it_came() {
        for traceparent in [SAMPLED, NOT_SAMPLED] {
            let came = HeaderMap::from_iter([
                (TRACEPARENT, traceparent.parse().unwrap()),
                (TRACESTATE.parse().unwrap(), "vendor=1".parse().unwrap()),
            ]);
            let mut goes = HeaderMap::new();
            Trace::from_headers(&came).call("user-service", "/users").write(&mut goes);
            assert_eq!(goes, came);
        }
    }

    #[test]
    fn a_trace_without_a_state_goes_on_without_one() {
        let mut goes = HeaderMap::new();
        Trace::from_text(Some(SAMPLED)).write(&mut goes);
        assert_eq!(goes, HeaderMap::from_iter([(TRACEPARENT, SAMPLED.parse().unwrap())]));
    }

    #[test]
    fn what_is_no_trace_is_passed_on_as_none() {
        for wrong in ["", "00", "00-0-0-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01", &SAMPLED[..35]]
        {
            let trace = Trace::from_text(Some(wrong));
            let mut headers = HeaderMap::new();
            trace.write(&mut headers);
            assert_eq!((headers.len(), trace.id(), trace.to_text()), (0, None, None), "{wrong:?}");
        }
    }

    #[test]
    fn only_a_trace_that_somebody_looks_at_is_kept() {
        assert_eq!(Trace::from_text(Some(SAMPLED)).to_text().as_deref(), Some(SAMPLED));
        assert_eq!(Trace::from_text(Some(NOT_SAMPLED)).to_text(), None);
        assert_eq!(Trace::default().to_text(), None);
    }
}
