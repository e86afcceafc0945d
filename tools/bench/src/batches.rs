//! How large the batches of a load were, as the services count them.

use std::ops::Sub;

use anyhow::{Context, Result};
use batch::BATCH_SIZE;
use lab::wallet::Service;
use serde::Serialize;

use super::api::Api;

/// Transfers in a batch, on average.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Batches {
    /// Intents in a commit of transaction-service, and as many outcomes.
    pub writes: usize,
    /// Operations in a commit of user-service.
    pub ledger: usize,
}

/// What the services have counted since they were started.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    writes: Count,
    ledger: Count,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    items: usize,
    batches: usize,
}

impl Counts {
    /// Asks both services.
    pub async fn now(api: &Api) -> Result<Self> {
        let count = async |service, queue| Count::read(&api.metrics(service).await?, queue);
        Ok(Self { writes: count(Service::Transaction, "writes").await?, ledger: count(Service::User, "ledger").await? })
    }

    /// The batches since `earlier`, of a load of one-step transfers: each is written twice by transaction-service.
    pub fn since(self, earlier: Self) -> Batches {
        let (writes, ledger) = (self.writes - earlier.writes, self.ledger - earlier.ledger);
        Batches { writes: writes.items_in(2 * writes.batches), ledger: ledger.items_in(ledger.batches) }
    }
}

impl Batches {
    /// These, none of them above its limit.
    pub fn at_most(self, limit: Self) -> Self {
        Self { writes: self.writes.min(limit.writes), ledger: self.ledger.min(limit.ledger) }
    }
}

impl Count {
    fn read(metrics: &str, queue: &str) -> Result<Self> {
        let value = |what: &str| -> Result<usize> {
            let name = format!("{BATCH_SIZE}_{what}{{queue=\"{queue}\"}} ");
            let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
            value.with_context(|| format!("there is no metric {name}"))?.parse().context(name)
        };
        Ok(Self { items: value("sum")?, batches: value("count")? })
    }

    /// The nearest whole number of items in each of so many parts, at least one.
    fn items_in(self, parts: usize) -> usize {
        self.items.checked_add(parts / 2).and_then(|items| items.checked_div(parts)).unwrap_or(0).max(1)
    }
}

impl Sub for Count {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self { items: self.items - earlier.items, batches: self.batches - earlier.batches }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_those_of_the_load_alone() {
        let counts = |writes: &str, ledger: &str| Counts {
            writes: Count::read(writes, "writes").unwrap(),
            ledger: Count::read(ledger, "ledger").unwrap(),
        };
        let metrics = |queue: &str, items: u32, batches: u32| {
            format!(
                "group_commit_batch_size_bucket{{queue=\"{queue}\",le=\"1\"}} 5\n\
                 group_commit_batch_size_sum{{queue=\"other\"}} 1\n\
                 group_commit_batch_size_sum{{queue=\"{queue}\"}} {items}\n\
                 group_commit_batch_size_count{{queue=\"{queue}\"}} {batches}\n"
            )
        };
        let before = counts(&metrics("writes", 100, 100), &metrics("ledger", 50, 50));
        let after = counts(&metrics("writes", 600, 110), &metrics("ledger", 300, 54));
        assert_eq!(after.since(before), Batches { writes: 25, ledger: 63 });
        assert_eq!(before.since(before), Batches { writes: 1, ledger: 1 });
    }

    #[test]
    fn a_queue_that_counts_nothing_is_an_error() {
        assert!(Count::read("", "writes").unwrap_err().to_string().contains("writes"));
    }
}
