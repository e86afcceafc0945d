//! The API of transaction-service, as its callers see it, on a real database; its peers are stubs.

mod batches;
mod captures;
mod creation;
mod decisions;
mod dry_runs;
mod errors;
mod failures;
mod feed;
mod freezing;
mod idempotency;
mod lists;
mod names;
mod outbox;
mod parties;
mod payment_requests;
mod peers;
mod receivers;
mod refunds;
mod runs;
mod scheduled;
mod schedules;
mod search;
mod splits;
mod support;
