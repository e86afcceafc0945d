//! Keeps the copy of the transactions up to date.
//!
//! A *run* ([`run`]) takes over the feed of changes page by page: all of it ([`full_sync`]), or what changed since the last one
//! ([`background`]). A request takes over what a run may not have seen yet: of its user ([`refresh`]), or of the
//! transactions on its page ([`reported`]), or on which it makes a [`report`]. Taking a change
//! over twice is the same as once. What is missing is added; nothing is deleted first, so readers see the old or the new.
//!
//! Only moments of transaction-service's database are compared with each other, never with a clock of this service; [`flow`] alone compares
//! them with those of the ledger.

pub mod background;
pub mod chart;
pub mod clearing;
pub mod entries;
pub mod entry_worker;
pub mod flow;
pub mod full_sync;
pub mod groups;
pub mod known_users;
pub mod overview;
pub mod rebuild;
pub mod reconciliations;
pub mod refresh;
pub mod report;
pub mod reported;
pub mod run;
pub mod statement;
pub mod sync;
pub mod take_over;
pub mod totals_since;
pub mod turns;
pub mod verify;
