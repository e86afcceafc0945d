//! The model of the ledger: steps of transactions, each with an identity. A transaction pays one, or two of whom the second has a share.

use std::collections::BTreeMap;

/// A second receiver, and how much of the amount is its.
pub type Second = Option<(usize, i64)>;

/// A step that the ledger is asked for. Users and transactions are small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Set the sender's money aside.
    Hold {
        /// Of which transaction.
        transaction: usize,
        /// Who pays.
        from: usize,
        /// Who is paid.
        to: usize,
        /// How much.
        amount: i64,
        /// Who gets a part of it, if two are paid.
        second: Second,
    },
    /// Hold and capture in one.
    Transfer {
        /// Of which transaction.
        transaction: usize,
        /// Who pays.
        from: usize,
        /// Who is paid.
        to: usize,
        /// How much.
        amount: i64,
        /// Who gets a part of it, if two are paid.
        second: Second,
    },
    /// Pay the receiver a part of what was set aside, or all of it.
    Capture {
        /// Of which transaction.
        transaction: usize,
        /// Which step of the transaction it is.
        number: u16,
        /// Who pays.
        from: usize,
        /// Who is paid.
        to: usize,
        /// How much.
        amount: i64,
        /// Who gets a part of it, if two are paid.
        second: Second,
        /// Whether the rest goes back.
        is_final: bool,
    },
    /// Give the sender back what is left of what was set aside.
    Release {
        /// Of which transaction.
        transaction: usize,
        /// Which step of the transaction it is.
        number: u16,
        /// Who pays.
        from: usize,
        /// Who would have been paid.
        to: usize,
        /// Who else, of a transaction that pays two.
        second: Option<usize>,
    },
    /// Give back what was captured of another transaction.
    Refund {
        /// Which transaction the refund is.
        transaction: usize,
        /// Which one it is of.
        of: usize,
        /// Who pays: who was paid.
        from: usize,
        /// Who is paid: who paid.
        to: usize,
        /// How much.
        amount: i64,
        /// Who pays a part of it, of a transaction that paid two.
        second: Second,
    },
}

/// Why a step is refused, in the words of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The sender does not exist.
    UserNotFound,
    /// The receiver does not exist.
    ReceiverNotFound,
    /// The sender has less than the amount.
    InsufficientBalance,
    /// Nothing is set aside, or no longer.
    NotHeld,
    /// More than was captured and not refunded yet.
    ExceedsRefundable,
    /// The step's identity belongs to another one.
    ReferenceReused,
}

/// What a step comes to. `None` is success.
pub type Answer = Option<Refusal>;

/// Where a transaction's money is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Money {
    /// Set aside.
    Held {
        /// Whose it was.
        from: usize,
        /// Whose it will be.
        to: usize,
        /// How much of it is left.
        amount: i64,
        /// How much of that is the second one's.
        second: Second,
    },
    /// With the receiver, some of it at least, and none is set aside.
    Captured,
    /// With the sender.
    Released,
}

/// Who pays whom in a transaction, and what has moved.
#[derive(Debug, Clone, Copy)]
pub struct Deal {
    /// Who pays.
    pub from: usize,
    /// Who is paid.
    pub to: usize,
    /// What the receiver has got.
    pub captured: i64,
    /// What has gone back of that.
    pub refunded: i64,
    /// The second receiver, and what is to be refunded still of what it has got.
    pub second: Second,
}

/// All accounts.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// What each user can spend.
    pub available: Vec<i64>,
    /// What is set aside of each.
    pub held: Vec<i64>,
    /// Where the money of each transaction is that the ledger has heard of.
    pub money: BTreeMap<usize, Money>,
    /// The transactions whose money was asked for, and what has moved of it.
    pub deals: BTreeMap<usize, Deal>,
    answered: BTreeMap<(usize, u16), (Step, Answer)>,
}

impl Step {
    /// The transaction and the step's number: what a repetition has in common with the first.
    pub fn identity(&self) -> (usize, u16) {
        match *self {
            Self::Hold { transaction, .. } | Self::Transfer { transaction, .. } | Self::Refund { transaction, .. } => {
                (transaction, 1)
            }
            Self::Capture { transaction, number, .. } | Self::Release { transaction, number, .. } => {
                (transaction, number)
            }
        }
    }
}

impl Ledger {
    /// Users who each have `opening`.
    pub fn new(users: usize, opening: i64) -> Self {
        let (available, held) = (vec![opening; users], vec![0; users]);
        Self { available, held, money: BTreeMap::new(), deals: BTreeMap::new(), answered: BTreeMap::new() }
    }

    /// All the money there is.
    pub fn total(&self) -> i64 {
        self.available.iter().chain(&self.held).sum()
    }

    /// Whose money is set aside for whom in a transaction, how much of it, and how much of that for a second one.
    pub fn held_for(&self, transaction: usize) -> Option<(usize, usize, i64, Second)> {
        match self.money.get(&transaction) {
            Some(&Money::Held { from, to, amount, second }) => Some((from, to, amount, second)),
            _ => None,
        }
    }

    /// Asks for a step; asked again it is answered again.
    pub fn ask(&mut self, step: Step) -> Answer {
        if let Some((first, answer)) = self.answered.get(&step.identity()) {
            return if *first == step { *answer } else { Some(Refusal::ReferenceReused) };
        }
        let answer = self.carry_out(step);
        self.answered.insert(step.identity(), (step, answer));
        answer
    }

    fn carry_out(&mut self, step: Step) -> Answer {
        match step {
            Step::Hold { transaction, from, to, amount, second } => {
                let refusal = self.take(transaction, (from, to), amount, second);
                if refusal.is_none() {
                    self.held[from] += amount;
                    self.money.insert(transaction, Money::Held { from, to, amount, second });
                }
                refusal
            }
            Step::Transfer { transaction, from, to, amount, second } => {
                let refusal = self.take(transaction, (from, to), amount, second);
                if refusal.is_none() {
                    self.pay(transaction, to, amount, second);
                    self.money.insert(transaction, Money::Captured);
                }
                refusal
            }
            Step::Capture { transaction, from, to, amount, is_final, second, .. } => {
                let left = self.held_for(transaction).filter(|(whose, whom, ..)| (*whose, *whom) == (from, to));
                let left = left.and_then(|(.., left, of_second)| without((left, of_second), (amount, second)));
                let Some((mut left, mut left_of_second)) = left else { return Some(Refusal::NotHeld) };
                self.held[from] -= amount;
                self.pay(transaction, to, amount, second);
                if is_final {
                    self.held[from] -= left;
                    self.available[from] += left;
                    (left, left_of_second) = (0, None);
                }
                let rest = Money::Held { from, to, amount: left, second: left_of_second };
                self.money.insert(transaction, if left == 0 { Money::Captured } else { rest });
                None
            }
            Step::Release { transaction, from, to, second, .. } => match self.money.get(&transaction) {
                Some(&Money::Held { from: whose, to: whom, amount, second: other })
                    if (from, to, second) == (whose, whom, other.map(|(user, _)| user)) =>
                {
                    self.held[from] -= amount;
                    self.available[from] += amount;
                    let is_paid = self.deal(transaction).captured != 0;
                    self.money.insert(transaction, if is_paid { Money::Captured } else { Money::Released });
                    None
                }
                Some(Money::Captured | Money::Held { .. }) => Some(Refusal::NotHeld),
                // a tombstone: the hold that comes later is refused
                Some(Money::Released) | None => {
                    self.money.insert(transaction, Money::Released);
                    None
                }
            },
            Step::Refund { of, from, to, amount, second, .. } => {
                let is_of = |deal: &&Deal| {
                    let others = [deal.second, second].map(|other| other.map(|(user, _)| user));
                    (deal.to, deal.from) == (from, to) && others[0] == others[1]
                };
                let Some(deal) = self.deals.get(&of).filter(is_of) else { return Some(Refusal::NotHeld) };
                let all = (deal.captured - deal.refunded, deal.second);
                let Some((_, left_of_second)) = without(all, (amount, second)) else {
                    return Some(Refusal::ExceedsRefundable);
                };
                let (other, part) = second.unwrap_or((from, 0));
                let payers = [(from, amount - part), (other, part)];
                if payers.iter().any(|(user, part)| self.available[*user] < *part) {
                    return Some(Refusal::InsufficientBalance);
                }
                for (user, part) in payers {
                    self.available[user] -= part;
                }
                self.available[to] += amount;
                let deal = self.deal(of);
                (deal.refunded, deal.second) = (deal.refunded + amount, left_of_second);
                None
            }
        }
    }

    fn deal(&mut self, transaction: usize) -> &mut Deal {
        self.deals.get_mut(&transaction).expect("its money was asked for")
    }

    /// Pays what was taken from the sender.
    fn pay(&mut self, transaction: usize, to: usize, amount: i64, second: Second) {
        self.available[to] += amount;
        if let Some((user, part)) = second {
            self.available[to] -= part;
            self.available[user] += part;
        }
        let deal = self.deal(transaction);
        deal.captured += amount;
        deal.second = deal.second.zip(second).map(|((user, before), (_, part))| (user, before + part));
    }

    /// Takes the sender's money, or says why not; either way the transaction is known from then on.
    fn take(&mut self, transaction: usize, (from, to): (usize, usize), amount: i64, second: Second) -> Answer {
        if self.money.contains_key(&transaction) {
            return Some(Refusal::NotHeld);
        }
        let nothing_yet = second.map(|(user, _)| (user, 0));
        self.deals.insert(transaction, Deal { from, to, captured: 0, refunded: 0, second: nothing_yet });
        let is_nobody = |user: usize| user >= self.available.len();
        let refusal = if is_nobody(from) {
            Some(Refusal::UserNotFound)
        } else if is_nobody(to) || second.is_some_and(|(user, _)| is_nobody(user)) {
            Some(Refusal::ReceiverNotFound)
        } else if self.available[from] < amount {
            Some(Refusal::InsufficientBalance)
        } else {
            self.available[from] -= amount;
            None
        };
        if refusal.is_some() {
            self.money.insert(transaction, Money::Released);
        }
        refusal
    }
}

/// What is left of an amount, and of the share in it, without a part of both; `None` if either has less, or not both have a share of the
/// same user.
fn without((all, share): (i64, Second), (amount, part): (i64, Second)) -> Option<(i64, Second)> {
    let left = match (share, part) {
        (None, None) => None,
        (Some((user, share)), Some((same, part))) if user == same => {
            if part > share || amount - part > all - share {
                return None;
            }
            Some((user, share - part))
        }
        _ => return None,
    };
    (amount <= all).then_some((all - amount, left))
}

/// The part of `amount` that a share has if it is shared in proportion to `share` and the rest of `all`, by largest remainder, of equal
/// ones the first, which is the rest.
pub fn part_of(share: i64, all: i64, amount: i64) -> i64 {
    let (whole, remainder) = (amount * share / all, amount * share % all);
    // both remainders add up to nothing or to one more
    whole + i64::from(remainder * 2 > all)
}
