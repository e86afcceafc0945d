//! What the stub of user-service and transaction-service knows, and how it may fail.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use lab::http::eventually;
use money::time;
use tokio::sync::watch;

use super::ledger::Ledger;

/// An account of most tests.
pub const ANI: i64 = 1;
/// Another one.
pub const BUDI: i64 = 2;
/// A third one, without transactions in most tests.
pub const CITRA: i64 = 3;
/// A number without an account.
pub const NOBODY: i64 = 99;

/// A sum of money in hundredths, written as the services write it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cents(pub i128);

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        match rest {
            0 => write!(f, "{whole}"),
            rest if rest % 10 == 0 => write!(f, "{whole}.{}", rest / 10),
            rest => write!(f, "{whole}.{rest:02}"),
        }
    }
}

impl fmt::Debug for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A transaction as transaction-service holds it.
#[derive(Debug, Clone)]
pub struct Transaction {
    pub id: i64,
    pub sender: i64,
    pub receiver: i64,
    pub amount: Cents,
    pub status: &'static str,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    pub hidden: bool,
    /// Whose transaction it is: of the sender, of the receiver.
    pub counts_for: [bool; 2],
    /// Who has deleted it: the sender, the receiver.
    pub hidden_from: [bool; 2],
    /// If several are paid, the receiver first, or pay a refund: who, how much, and what of that is paid.
    pub shares: Vec<(i64, Cents, Cents)>,
    pub refund_of: Option<i64>,
    /// What has gone back of it.
    pub refunded: Cents,
    /// When it ended, if that was written down.
    pub settled_at: Option<DateTime<Utc>>,
    /// What was written on it, and what its caller calls it.
    pub texts: Option<(&'static str, &'static str)>,
}

impl Transaction {
    /// A payment of 100 from Ani to Budi in its first version, an hour of its own after [`the_first_hour`].
    pub fn new(id: i64, status: &'static str) -> Self {
        let time = the_first_hour() + TimeDelta::hours(id);
        Self {
            id,
            sender: ANI,
            receiver: BUDI,
            amount: Cents(10_000),
            status,
            version: 1,
            created_at: time,
            changed_at: time,
            hidden: false,
            counts_for: [true, true],
            hidden_from: [false, false],
            shares: Vec::new(),
            refund_of: None,
            refunded: Cents(0),
            settled_at: None,
            texts: None,
        }
    }

    /// One that never held money, because the sender had too little.
    pub fn refused(id: i64) -> Self {
        Self { counts_for: [true, false], ..Self::new(id, "failed") }
    }

    /// The same with another amount, in hundredths.
    pub fn of(self, cents: i128) -> Self {
        Self { amount: Cents(cents), ..self }
    }

    /// The same between others.
    pub fn between(self, sender: i64, receiver: i64) -> Self {
        Self { sender, receiver, ..self }
    }

    /// The same, changed at another time.
    pub fn changed_at(self, changed_at: DateTime<Utc>) -> Self {
        Self { changed_at, ..self }
    }

    /// Its next version, a second later.
    pub fn then(self, status: &'static str) -> Self {
        Self { status, version: self.version + 1, changed_at: self.changed_at + TimeDelta::seconds(1), ..self }
    }

    /// True if the user is a party to it.
    pub fn has(&self, user: i64) -> bool {
        [self.sender, self.receiver].contains(&user) || self.shares.iter().any(|(sharer, ..)| *sharer == user)
    }

    /// True if it is one of the user's transactions.
    pub fn counts_for(&self, user: i64) -> bool {
        (self.sender == user && self.counts_for[0]) || (self.receiver == user && self.counts_for[1])
    }

    /// How transaction-service tells it.
    pub fn body(&self) -> String {
        let Self { id, sender, receiver, amount, status, version, hidden, counts_for, hidden_from, .. } = self;
        let ([for_sender, for_receiver], [from_sender, from_receiver]) = (counts_for, hidden_from);
        let (created_at, changed_at) = (text(self.created_at), text(self.changed_at));
        let share = |(user, amount, captured): &(i64, Cents, Cents)| {
            format!(r#"{{"user_id":{user},"amount":{amount},"captured_amount":{captured},"hidden":false}}"#)
        };
        let shares: Vec<String> = self.shares.iter().map(share).collect();
        let captured = Cents(self.shares.iter().map(|(_, _, captured)| captured.0).sum());
        let shares = match shares[..] {
            [] => String::new(),
            _ => format!(r#","captured_amount":{captured},"shares":[{}]"#, shares.join(",")),
        };
        let refund_of = self.refund_of.map_or(String::new(), |of| format!(r#","refund_of":{of}"#));
        let settled_at = self.settled_at.map_or("null".to_owned(), |at| format!(r#""{}""#, text(at)));
        let refunded = self.refunded;
        let texts = self.texts.map_or(String::new(), |(description, reference)| {
            format!(r#","description":"{description}","reference":"{reference}""#)
        });
        format!(
            r#"{{"id":{id},"sender_id":{sender},"receiver_id":{receiver},"amount":{amount},"status":"{status}",
               "version":{version},"created_at":"{created_at}","changed_at":"{changed_at}","hidden":{hidden},
               "counts_for_sender":{for_sender},"counts_for_receiver":{for_receiver},
               "hidden_from_sender":{from_sender},"hidden_from_receiver":{from_receiver},
               "refunded_amount":{refunded},"settled_at":{settled_at}{shares}{refund_of}{texts}}}"#
        )
    }
}

/// When the wallet of these tests began.
pub fn the_first_hour() -> DateTime<Utc> {
    DateTime::from_timestamp(1_762_000_000, 0).expect("a moment in November 2025")
}

/// A moment as the services write it.
pub fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Payments among Ani, Budi and Citra, a second apart, of different amounts and statuses.
pub fn payments(count: i64) -> impl Iterator<Item = Transaction> {
    const STATUSES: [&str; 4] = ["completed", "pending", "completed", "failed"];
    (1..=count).map(|id| {
        let status = STATUSES[usize::try_from(id % 4).unwrap()];
        let (sender, receiver) = [(ANI, BUDI), (BUDI, CITRA), (CITRA, ANI)][usize::try_from(id % 3).unwrap()];
        let time = the_first_hour() + TimeDelta::seconds(id);
        let payment = Transaction::new(id, status).of(i128::from(id) * 7 + 1).between(sender, receiver);
        Transaction { created_at: time, changed_at: time, ..payment }
    })
}

/// Settles every pending one of `transactions`, a day later.
pub fn settled(transactions: Vec<Transaction>) -> impl Iterator<Item = Transaction> {
    let pending = transactions.into_iter().filter(|transaction| transaction.status == "pending");
    pending.map(|transaction| {
        let time = transaction.changed_at + TimeDelta::days(1);
        transaction.changed_at(time).then("completed")
    })
}

/// What a user's summary must say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    pub transactions: i64,
    pub spent: Cents,
    pub received: Cents,
    pub last: Option<DateTime<Utc>>,
}

impl Totals {
    /// Counted directly.
    pub fn count<'a>(user: i64, transactions: impl IntoIterator<Item = &'a Transaction>) -> Self {
        let mut totals = Self::default();
        for transaction in transactions.into_iter().filter(|transaction| transaction.counts_for(user)) {
            totals.transactions += 1;
            totals.last = totals.last.max(Some(transaction.created_at));
            if transaction.status == "completed" {
                let side = if transaction.sender == user { &mut totals.spent } else { &mut totals.received };
                side.0 += transaction.amount.0;
            }
        }
        totals
    }
}

/// The two services behind report-service.
#[derive(Clone)]
pub struct Sources {
    known: Arc<Mutex<Known>>,
    /// Through which every request for one user goes.
    pub lookups: Gate,
    /// Through which every answer goes that tells names.
    pub names: Gate,
    /// Through which every request for the whole feed goes.
    pub feed: Gate,
}

/// Keeps requests waiting while it is closed.
#[derive(Clone)]
pub struct Gate {
    closed: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Gate {
    fn new() -> Self {
        Self { closed: watch::Sender::new(false), waiting: watch::Sender::new(0) }
    }

    /// Keeps requests waiting from now on.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Lets those that wait through, and all others.
    pub fn open(&self) {
        self.closed.send_replace(false);
    }

    /// Waits until `count` requests wait.
    pub async fn holds(&self, count: usize) {
        let what = format!("{count} requests to wait");
        eventually(&what, async || (*self.waiting.borrow() >= count).then_some(())).await;
    }

    /// Waits while it is closed.
    pub async fn pass(&self) {
        self.waiting.send_modify(|waiting| *waiting += 1);
        self.closed.subscribe().wait_for(|closed| !closed).await.ok();
        self.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

/// What the stub knows.
#[derive(Default)]
pub struct Known {
    pub users: BTreeSet<i64>,
    /// When their accounts were opened, if that was not long ago.
    pub opened: BTreeMap<i64, DateTime<Utc>>,
    /// What all of them have.
    pub money: Cents,
    pub transactions: BTreeMap<i64, Transaction>,
    /// Given out one by one instead of what the feed would hold.
    pub script: Option<VecDeque<Vec<Transaction>>>,
    pub users_down: bool,
    pub transactions_down: bool,
    pub walks_down: bool,
    /// Pages of the whole feed that are still answered, if it is to fail after them.
    pub pages_left: Option<usize>,
    /// How long a page of the whole feed takes.
    pub page_takes: Duration,
    pub asked: Asked,
    /// The ledger of user-service.
    pub ledger: Ledger,
    /// What happens before each answer about a single user's transactions.
    pub before_answers: VecDeque<Vec<Transaction>>,
}

impl Known {
    /// Stores what happens before the next answer about a single user's transactions.
    pub fn go_on(&mut self) {
        let changes = self.before_answers.pop_front().unwrap_or_default();
        self.transactions.extend(changes.into_iter().map(|row| (row.id, row)));
    }

    /// The moment on transaction-service's clock, before which nothing has changed that will be stored.
    pub fn now(&self) -> DateTime<Utc> {
        self.transactions.values().map(|row| row.changed_at).max().unwrap_or_default().max(time::now())
    }
}

/// What transaction-service was asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Pages of the whole feed: when, and from which moment on.
    pub feed: Vec<(Instant, DateTime<Utc>)>,
    /// Pages of single users' transactions: below which id, and how many.
    pub walks: Vec<(Option<i64>, usize)>,
    /// Transactions by id, for each request.
    pub batches: Vec<Vec<i64>>,
}

impl Sources {
    /// With Ani, Budi and Citra, and no transactions.
    pub fn new() -> Self {
        let known = Known { users: [ANI, BUDI, CITRA].into(), ..Known::default() };
        Self { known: Arc::new(Mutex::new(known)), lookups: Gate::new(), names: Gate::new(), feed: Gate::new() }
    }

    /// What the stub knows at this moment.
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    /// What all accounts have together from now on.
    pub fn set_money(&self, money: Cents) {
        self.known().money = money;
    }

    /// Adds accounts.
    pub fn add_users(&self, ids: impl IntoIterator<Item = i64>) {
        self.known().users.extend(ids);
    }

    /// Stores transactions, in place of earlier versions.
    pub fn store(&self, transactions: impl IntoIterator<Item = Transaction>) {
        self.known().transactions.extend(transactions.into_iter().map(|transaction| (transaction.id, transaction)));
    }

    /// Every transaction that is stored.
    pub fn transactions(&self) -> Vec<Transaction> {
        self.known().transactions.values().cloned().collect()
    }

    /// What a user's summary must say.
    pub fn totals(&self, user: i64) -> Totals {
        Totals::count(user, self.known().transactions.values())
    }

    /// Gives out these pages of the whole feed, one for each request, whatever position is asked for.
    pub fn follow_script(&self, pages: impl IntoIterator<Item = Vec<Transaction>>) {
        self.known().script = Some(pages.into_iter().collect());
    }

    /// True once every page of the script was given out.
    pub fn script_is_over(&self) -> bool {
        self.known().script.as_ref().is_none_or(VecDeque::is_empty)
    }

    /// Makes user-service answer 503, or no longer.
    pub fn set_users_down(&self, down: bool) {
        self.known().users_down = down;
    }

    /// Makes transaction-service answer 503, or no longer.
    pub fn set_transactions_down(&self, down: bool) {
        self.known().transactions_down = down;
    }

    /// Makes what is asked about single users' transactions answer 503, or no longer: readers then see what runs of the
    /// whole feed brought.
    pub fn set_walks_down(&self, down: bool) {
        self.known().walks_down = down;
    }

    /// Makes the whole feed fail after so many more pages; `None` mends it.
    pub fn fail_after_pages(&self, pages: Option<usize>) {
        self.known().pages_left = pages;
    }

    /// Makes a page of the whole feed take so long.
    pub fn set_page_takes(&self, duration: Duration) {
        self.known().page_takes = duration;
    }

    /// Stores these before the first, the second and each further answer about a single user's transactions.
    pub fn change_before_answers(&self, changes: impl IntoIterator<Item = Vec<Transaction>>) {
        self.known().before_answers = changes.into_iter().collect();
    }

    /// What transaction-service was asked for since the last time.
    pub fn take_asked(&self) -> Asked {
        mem::take(&mut self.known().asked)
    }
}
