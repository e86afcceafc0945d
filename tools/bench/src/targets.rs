//! What must be reached on two cores with the database and the load on them. A figure that misses is shown, not hidden;
//! it is no failure of the run.

use super::{
    figures,
    load::workload::BATCH,
    measure::{Measured, float},
    results::{LongStatement, Results},
    verdict::Verdict,
};

/// One-step transfers in a second, 256 connections.
const TRANSFERS_256: f64 = 8000.0;
/// One-step transfers in a second, 1,024 connections.
const TRANSFERS_1024: f64 = 10_000.0;
/// Transfers with batches against `GROUP_COMMIT_MAX=1`, 256 connections.
const BATCHING: f64 = 8.0;
/// Transfers against the SQL floor.
const FLOOR: f64 = 0.6;
/// The p50 of one connection against `GROUP_COMMIT_MAX=1`.
const ALONE: f64 = 1.1;
/// Created and completed in a second.
const PAIRS: f64 = 3500.0;
/// One hot user against random ones.
const HOT: f64 = 0.8;
/// Balances read in a second.
const BALANCES: f64 = 30_000.0;
/// Notifications that the outboxes become in a second.
const DRAIN: f64 = 5000.0;
/// The p99 of a newest page, large table against small one.
const PAGES: f64 = 1.5;
/// The p99 of a transfer with logins beside it against none.
const LOGINS: f64 = 2.0;
/// Shared among ten against plain transfers.
const SPLITS: f64 = 0.4;
/// The p50 of an atomic batch of 1,000, in milliseconds.
const BATCH_ALONE: f64 = 300.0;
/// Payouts in a second, in atomic batches of 1,000 from four clients.
const PAYOUTS: f64 = 15_000.0;
/// Rows that refunds change in a second, against those of top-ups.
const REFUNDS: f64 = 0.9;
/// Rows that a refund inserts or changes: in the ledger an operation, two entries, two balances and the payment's hold; a transaction,
/// its outcome, the payment, and two facts.
const REFUND_ROWS: f64 = 11.0;
/// Rows that a top-up inserts or changes: an operation, two entries, a balance, a fact.
const TOP_UP_ROWS: f64 = 5.0;
/// Seconds until 10,000 schedules that are due at once have paid.
const SCHEDULES: f64 = 10.0;
/// Entries that are taken over in a second, with nothing else running.
const TAKEN_OVER: f64 = 40_000.0;
/// Balances at a moment, read in a second.
const BALANCES_AT: f64 = 15_000.0;
/// The p50 of a statement of 1,000 entries as JSON or CSV, in milliseconds.
const STATEMENT: f64 = 30.0;
/// The same as a PDF.
const STATEMENT_PDF: f64 = 150.0;
/// Memory for a statement of 200,000 entries, in MiB.
const LONG_STATEMENT: f64 = 32.0;
/// Until its first byte, in milliseconds.
const FIRST_BYTE: f64 = 200.0;
/// Resident memory of each service, in MiB.
const MEMORY: f64 = 64.0;
/// Time to ready of each service, in seconds.
const READY: f64 = 1.0;

/// The two sides of comparisons, as the loads are named.
pub mod sides {
    /// Batches, 256 connections.
    pub const SHARED_256: &str = "shared-256";
    /// `GROUP_COMMIT_MAX=1`, 256 connections.
    pub const UNSHARED_256: &str = "unshared-256";
    /// Batches, 1 connection.
    pub const SHARED_1: &str = "shared-1";
    /// `GROUP_COMMIT_MAX=1`, 1 connection.
    pub const UNSHARED_1: &str = "unshared-1";
    /// The SQL alone, in batches as large as the services'.
    pub const FLOOR: &str = "floor";
    /// The SQL alone, in batches as large as they can be.
    pub const FLOOR_LARGEST: &str = "floor-largest-batches";
    /// No logins beside 64 connections.
    pub const ALONE_64: &str = "alone-64";
    /// Logins beside 64 connections.
    pub const LOGINS_64: &str = "logins-beside-64";
    /// A page of entries in a small table.
    pub const SMALL_ENTRIES: &str = "entries-small";
    /// A page of entries in a large table.
    pub const LARGE_ENTRIES: &str = "entries-large";
    /// A statement of 1,000 entries as JSON.
    pub const JSON: &str = "statement-json";
    /// The same as CSV.
    pub const CSV: &str = "statement-csv";
    /// The same as a PDF.
    pub const PDF: &str = "statement-pdf";
    /// A page found by a name in a small table.
    pub const SMALL_FOUND: &str = "filters-small";
    /// A page found by a name in a large table.
    pub const LARGE_FOUND: &str = "filters-large";
    /// The newest page in a small table.
    pub const SMALL_PAGES: &str = "newest-page-small";
    /// The newest page in a large table.
    pub const LARGE_PAGES: &str = "newest-page-large";
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// A figure: what it is, what it must be, its unit, and what it is.
type Row = (&'static str, Bound, &'static str, Option<f64>);

/// The figures, as far as they were measured.
fn rows(results: &Results) -> Vec<Row> {
    use Bound::{AtLeast, AtMost};
    let rate = |name: &str| results.load(name).map(|load| load.per_second.median);
    let p99 = |load: &Measured| load.p99_ms.median;
    let p50 = |name: &str| results.load(name).map(|load| load.p50_ms.median);
    let against = |above: Option<f64>, below: Option<f64>| Some(above? / below?);
    let rates = |above, below| against(rate(above), rate(below));
    let latencies = |figure: fn(&Measured) -> f64, above, below| {
        against(results.load(above).map(figure), results.load(below).map(figure))
    };
    let drained = results.drain.as_ref().map(|drain| float(drain.notifications) / drain.seconds);
    // a turn is a payment and its refund: what the payment takes is known
    let refunds =
        rate("refunds-256").zip(rate("transfers-256")).map(|(both, payments)| 1.0 / (1.0 / both - 1.0 / payments));
    let refunded_rows =
        against(refunds.map(|rate| rate * REFUND_ROWS), rate("topups-256").map(|rate| rate * TOP_UP_ROWS));
    let taken_over = results.taken_over.as_ref().map(|taken| float(taken.entries) / taken.seconds);
    let long = |figure: fn(&LongStatement) -> f64| results.long_statements.iter().map(figure).reduce(f64::max);
    let scheduled = results.schedules.iter().map(|schedules| schedules.seconds).reduce(f64::max);
    let services = |figure: fn(&super::results::ServiceFacts) -> Option<f64>| {
        results.services.iter().filter_map(figure).reduce(f64::max)
    };
    let memory = services(|service| Some(float(service.peak_memory?) / 1024.0 / 1024.0));
    let ready = services(|service| Some(float(service.ready_ms?) / 1000.0));
    vec![
        ("one-step transfers, 256 connections", AtLeast(TRANSFERS_256), "/s", rate("transfers-256")),
        ("one-step transfers, 1,024 connections", AtLeast(TRANSFERS_1024), "/s", rate("transfers-1024")),
        (
            "against GROUP_COMMIT_MAX=1, 256 connections",
            AtLeast(BATCHING),
            " ×",
            rates(sides::SHARED_256, sides::UNSHARED_256),
        ),
        ("against the SQL floor, 256 connections", AtLeast(FLOOR), " ×", rates(sides::SHARED_256, sides::FLOOR)),
        (
            "one connection: p50 against GROUP_COMMIT_MAX=1",
            AtMost(ALONE),
            " ×",
            latencies(|load| load.p50_ms.median, sides::SHARED_1, sides::UNSHARED_1),
        ),
        ("create + complete pairs, 256 connections", AtLeast(PAIRS), "/s", rate("pairs-256")),
        ("one hot receiver against uniform", AtLeast(HOT), " ×", rates("hot-receiver-256", "transfers-256")),
        ("one hot sender against uniform", AtLeast(HOT), " ×", rates("hot-sender-256", "transfers-256")),
        ("balance reads, 256 connections", AtLeast(BALANCES), "/s", rate("balances-256")),
        ("outbox drained into notifications", AtLeast(DRAIN), "/s", drained),
        (
            "p99 of a newest page, large table against small",
            AtMost(PAGES),
            " ×",
            latencies(p99, sides::LARGE_PAGES, sides::SMALL_PAGES),
        ),
        (
            "p99 of a page found by a name, large table against small",
            AtMost(PAGES),
            " ×",
            latencies(p99, sides::LARGE_FOUND, sides::SMALL_FOUND),
        ),
        (
            "shared among ten against plain, 256 connections",
            AtLeast(SPLITS),
            " ×",
            rates("splits-256", "transfers-256"),
        ),
        ("refunds against top-ups, in rows a second", AtLeast(REFUNDS), " ×", refunded_rows),
        ("atomic batch of 1,000 payouts, p50", AtMost(BATCH_ALONE), " ms", p50("batches-1")),
        (
            "payouts in atomic batches, 4 clients",
            AtLeast(PAYOUTS),
            "/s",
            rate("batches-4").map(|batches| batches * float(BATCH as u64)),
        ),
        ("10,000 schedules due at once, also with a kill", AtMost(SCHEDULES), " s", scheduled),
        ("entries taken over, nothing else running", AtLeast(TAKEN_OVER), "/s", taken_over),
        (
            "p99 of a page of entries, large table against small",
            AtMost(PAGES),
            " ×",
            latencies(p99, sides::LARGE_ENTRIES, sides::SMALL_ENTRIES),
        ),
        ("balances at a moment, 256 connections", AtLeast(BALANCES_AT), "/s", rate("balances-at-256")),
        ("statement of 1,000 entries as JSON, p50", AtMost(STATEMENT), " ms", p50(sides::JSON)),
        ("statement of 1,000 entries as CSV, p50", AtMost(STATEMENT), " ms", p50(sides::CSV)),
        ("statement of 1,000 entries as PDF, p50", AtMost(STATEMENT_PDF), " ms", p50(sides::PDF)),
        (
            "memory for a statement of 200,000 entries",
            AtMost(LONG_STATEMENT),
            " MiB",
            long(|s| float(s.memory) / 1024.0 / 1024.0),
        ),
        ("its first byte", AtMost(FIRST_BYTE), " ms", long(|s| s.first_byte_ms)),
        (
            "p99 of a transfer with logins beside it",
            AtMost(LOGINS),
            " ×",
            latencies(p99, sides::LOGINS_64, sides::ALONE_64),
        ),
        ("resident memory of each service", AtMost(MEMORY), " MiB", memory),
        ("time to ready of each service", AtMost(READY), " s", ready),
    ]
}

/// Compares the figures with the targets.
pub fn verdicts(results: &Results) -> Vec<Verdict> {
    use Bound::{AtLeast, AtMost};
    let verdict = |(figure, bound, unit, measured): Row| {
        let (sign, limit) = match bound {
            AtLeast(limit) => ("≥", limit),
            AtMost(limit) => ("≤", limit),
        };
        let reached = measured.map(|value| match bound {
            AtLeast(limit) => value >= limit,
            AtMost(limit) => value <= limit,
        });
        let shown = if limit < 1000.0 { limit.to_string() } else { figures::whole(limit) };
        Verdict { figure, target: format!("{sign} {shown}{unit}"), measured, reached }
    };
    rows(results).into_iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{ServiceFacts, tests::results};

    fn verdict(results: &Results, figure: &str) -> Verdict {
        verdicts(results).into_iter().find(|verdict| verdict.figure.starts_with(figure)).unwrap()
    }

    #[test]
    fn a_target_is_reached_missed_or_not_measured() {
        let results = results(&[("transfers-256", 256, 9000), ("pairs-256", 256, 3000)]);
        let transfers = verdict(&results, "one-step transfers, 256");
        assert_eq!((transfers.reached, transfers.target.as_str()), (Some(true), "≥ 8,000/s"));
        assert_eq!(verdict(&results, "create + complete").reached, Some(false));
        assert_eq!(verdict(&results, "balance reads").reached, None);
        assert_eq!(verdict(&results, "one hot receiver").reached, None);
    }

    #[test]
    fn comparisons_are_ratios() {
        let loads = [(sides::SHARED_256, 256, 8000), (sides::UNSHARED_256, 256, 800), (sides::FLOOR, 3, 16_000)];
        let results = results(&loads);
        assert_eq!(verdict(&results, "against GROUP").measured, Some(10.0));
        let floor = verdict(&results, "against the SQL floor");
        assert_eq!((floor.measured, floor.reached), (Some(0.5), Some(false)));
    }

    #[test]
    fn the_largest_service_counts() {
        let mut results = results(&[]);
        let service = |name, mebibytes: u64, ready_ms| ServiceFacts {
            name,
            peak_memory: Some(mebibytes * 1024 * 1024),
            ready_ms: Some(ready_ms),
        };
        results.services = vec![service("a", 20, 100), service("b", 70, 900)];
        assert_eq!(verdict(&results, "resident memory").measured, Some(70.0));
        assert_eq!(verdict(&results, "resident memory").reached, Some(false));
        assert_eq!(verdict(&results, "time to ready").reached, Some(true));
    }
}
