//! The API of transaction-service, as its callers see it, on a real database; its peers are stubs.

mod captures;
mod creation;
mod decisions;
mod errors;
mod failures;
mod feed;
mod idempotency;
mod lists;
mod outbox;
mod parties;
mod peers;
mod refunds;
mod runs;
mod scheduled;
mod schedules;
mod support;
