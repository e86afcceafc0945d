//! The API of notification-service on a real database and a real mail server, with a stub for user-service.

mod answers;
mod batches;
mod delivery;
mod facts;
mod fairness;
mod files;
mod idempotency;
mod mail;
mod notifications;
mod pauses;
mod refusals;
mod support;
mod takeover;
mod tls;
