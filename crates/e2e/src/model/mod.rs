//! What the wallet is meant to do, in as few words as possible and without a database, a network or a clock: the ledger and
//! the transfers. proptest looks for an order of events in which the design itself would lose money, and for one in which
//! the services do something else than the model.

mod ledger;
mod server;
mod transfer;

pub use ledger::{Answer, Ledger, Refusal, Step};
pub use server::{ledger_agrees, transfers_agree};
pub use transfer::transfers_hold;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// A runner of `cases` cases that `seed` repeats.
fn runner(cases: u32, seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}
