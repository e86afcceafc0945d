//! The API of user-service, as its callers see it, on a real database.

mod accounts;
mod balances;
mod batches;
mod browsers;
mod closing;
mod dry_runs;
mod entries;
mod errors;
mod freezing;
mod guessing;
mod idempotency;
mod impersonal;
mod instances;
mod ledger;
mod limits;
mod login;
mod lookups;
mod migrations;
mod operations;
mod outbox;
mod payment_limits;
mod shares;
mod support;
