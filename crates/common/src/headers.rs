//! The headers that the services know beside those of HTTP itself.

use axum::http::HeaderName;

/// Carries the shared secret of the services.
pub const SERVICE_TOKEN: HeaderName = HeaderName::from_static("x-service-token");
/// Says which service shows that secret.
pub const SERVICE_NAME: HeaderName = HeaderName::from_static("x-service-name");
/// Names a request across services.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header by which a caller names a request that it may repeat.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Marks an answer that was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The moment at which an answer was true, on the clock of the database that it comes from; absent if it is up to date.
pub const DATA_AS_OF: HeaderName = HeaderName::from_static("x-data-as-of");
