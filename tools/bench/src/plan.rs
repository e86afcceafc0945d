//! Which scenarios there are, and how much time each gets.

use std::time::Duration;

use clap::ValueEnum;

use super::load::workload::{Kind, Parties};

/// A scenario. The order is the order in which they run: reads first, before transfers leave mail to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Scenario {
    /// Balances read by their owners, 256 connections
    #[value(name = "balances-256")]
    Balances,
    /// One-step transfers between random users, 1 connection
    #[value(name = "transfers-1")]
    Transfers1,
    /// The same, 16 connections
    #[value(name = "transfers-16")]
    Transfers16,
    /// The same, 64 connections
    #[value(name = "transfers-64")]
    Transfers64,
    /// The same, 256 connections
    #[value(name = "transfers-256")]
    Transfers256,
    /// The same, 1,024 connections
    #[value(name = "transfers-1024")]
    Transfers1024,
    /// Transfers in two steps: created, then completed
    #[value(name = "pairs-256")]
    Pairs,
    /// Everybody pays one user
    #[value(name = "hot-receiver-256")]
    HotReceiver,
    /// One user pays everybody
    #[value(name = "hot-sender-256")]
    HotSender,
    /// Transfers of which one in five asks for more than there is
    #[value(name = "refusals-256")]
    Refusals,
    /// Top-ups
    #[value(name = "topups-256")]
    TopUps,
    /// Transfers with batches and without (`GROUP_COMMIT_MAX=1`), by turns
    #[value(name = "batching")]
    Batching,
    /// The SQL of transfers sent straight to the server in equal batches, by turns with transfers
    #[value(name = "floor")]
    Floor,
    /// Transfers without and with logins beside them, by turns
    #[value(name = "logins-beside-64")]
    Logins,
    /// How fast the outboxes become notifications when nothing else runs
    #[value(name = "drain")]
    Drain,
    /// Payments that are each shared among ten receivers
    #[value(name = "splits-256")]
    Splits,
    /// Payments that are each refunded in full
    #[value(name = "refunds-256")]
    Refunds,
    /// Atomic batches of 1,000 payouts, one after the other
    #[value(name = "batches-1")]
    Batches1,
    /// The same, four clients
    #[value(name = "batches-4")]
    Batches4,
    /// 10,000 schedules that are due at once, also with each service killed in the middle
    #[value(name = "schedules")]
    Schedules,
    /// The newest page of a user's transactions, in a small table and in a large one
    #[value(name = "newest-page")]
    NewestPage,
    /// A page of those of a user's transactions that have a reference or metadata, in the same tables
    #[value(name = "filters")]
    Filters,
    /// Entries: taken over with nothing else running; pages in a small and a large table; balances at a moment; statements
    #[value(name = "entries")]
    Entries,
    /// A full synchronization of report-service
    #[value(name = "sync-all")]
    SyncAll,
}

/// How much time is spent.
#[derive(Debug)]
pub struct Effort {
    /// "quick" or "full".
    pub name: &'static str,
    /// Rounds of a scenario, except those that [`Effort::rounds`] knows better.
    rounds: usize,
    /// The time before the measured time of a round.
    pub warm_up: Duration,
    /// The measured time of a round.
    pub measured: Duration,
    /// Rows of the table that newest pages are read from, at first and then.
    pub pages: [u64; 2],
    /// The same of entries.
    pub entries: [u64; 2],
    /// Transactions that report-service takes over.
    pub synced: u64,
    /// How long draining may take before what is left counts as left.
    pub drain_limit: Duration,
}

/// About a minute.
pub const QUICK: Effort = Effort {
    name: "quick",
    rounds: 1,
    warm_up: Duration::from_millis(500),
    measured: Duration::from_millis(1500),
    pages: [10_000, 100_000],
    entries: [20_000, 200_000],
    synced: 20_000,
    drain_limit: Duration::from_secs(20),
};

/// About twenty minutes.
pub const FULL: Effort = Effort {
    name: "full",
    rounds: 3,
    warm_up: Duration::from_secs(2),
    measured: Duration::from_secs(8),
    pages: [10_000, 2_000_000],
    entries: [20_000, 4_000_000],
    synced: 200_000,
    drain_limit: Duration::from_mins(10),
};

impl Effort {
    /// How often a scenario is measured. The one that others are compared with tells the noise, however short the run.
    pub fn rounds(&self, scenario: Scenario) -> usize {
        if scenario == Scenario::Transfers256 { self.rounds.max(3) } else { self.rounds }
    }
}

impl Scenario {
    /// Its name on the command line and in the results.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Those to run, in their order: all of them if `only` is empty.
    pub fn chosen(only: &[Self]) -> Vec<Self> {
        let all = Self::value_variants().iter().copied();
        all.filter(|scenario| only.is_empty() || only.contains(scenario)).collect()
    }

    /// Connections and what they send, if the scenario is nothing but one kind of load.
    pub fn load(self) -> Option<(usize, Kind)> {
        let transfers = Kind::Transfers(Parties::Any);
        Some(match self {
            Self::Balances => (256, Kind::Balances),
            Self::Transfers1 => (1, transfers),
            Self::Transfers16 => (16, transfers),
            Self::Transfers64 => (64, transfers),
            Self::Transfers256 => (256, transfers),
            Self::Transfers1024 => (1024, transfers),
            Self::Pairs => (256, Kind::Pairs),
            Self::HotReceiver => (256, Kind::Transfers(Parties::OneReceiver)),
            Self::HotSender => (256, Kind::Transfers(Parties::OneSender)),
            Self::Refusals => (256, Kind::Refusals),
            Self::TopUps => (256, Kind::TopUps),
            Self::Splits => (256, Kind::Splits),
            Self::Refunds => (256, Kind::Refunds),
            Self::Batches1 => (1, Kind::Batches),
            Self::Batches4 => (4, Kind::Batches),
            Self::Batching
            | Self::Floor
            | Self::Logins
            | Self::Drain
            | Self::Schedules
            | Self::NewestPage
            | Self::Filters
            | Self::Entries
            | Self::SyncAll => return None,
        })
    }

    /// True if it needs a wallet that is full of old transactions, and not one that moves money.
    pub fn reads_history(self) -> bool {
        matches!(self, Self::NewestPage | Self::Filters | Self::Entries | Self::SyncAll)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_runs_in_its_own_order() {
        let only = [Scenario::Drain, Scenario::Transfers1, Scenario::Drain];
        assert_eq!(Scenario::chosen(&only), [Scenario::Transfers1, Scenario::Drain]);
        assert_eq!(Scenario::chosen(&[]).len(), Scenario::value_variants().len());
    }

    #[test]
    fn a_name_tells_its_connections() {
        for scenario in Scenario::chosen(&[]) {
            let Some((connections, _)) = scenario.load() else { continue };
            assert!(scenario.name().ends_with(&format!("-{connections}")), "{}", scenario.name());
        }
    }

    #[test]
    fn the_scenario_that_others_are_compared_with_always_has_three_rounds() {
        assert_eq!((QUICK.rounds(Scenario::Transfers256), QUICK.rounds(Scenario::Pairs)), (3, 1));
    }
}
