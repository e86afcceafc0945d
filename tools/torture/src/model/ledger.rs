//! The model of the ledger: steps of transactions, each with an identity.

use std::collections::BTreeMap;

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

    /// Whose money is set aside for whom in a transaction, and how much of it.
    pub fn held_for(&self, transaction: usize) -> Option<(usize, usize, i64)> {
        match self.money.get(&transaction) {
            Some(&Money::Held { from, to, amount, .. }) => Some((from, to, amount)),
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
            Step::Hold { transaction, from, to, amount } => {
                let refusal = self.take(transaction, from, to, amount);
                if refusal.is_none() {
                    self.held[from] += amount;
                    self.money.insert(transaction, Money::Held { from, to, amount });
                }
                refusal
            }
            Step::Transfer { transaction, from, to, amount } => {
                let refusal = self.take(transaction, from, to, amount);
                if refusal.is_none() {
                    self.available[to] += amount;
                    self.deal(transaction).captured = amount;
                    self.money.insert(transaction, Money::Captured);
                }
                refusal
            }
            Step::Capture { transaction, from, to, amount, is_final, .. } => match self.money.get(&transaction) {
                Some(&Money::Held { from: whose, to: whom, amount: left })
                    if amount <= left && (from, to) == (whose, whom) =>
                {
                    let back = if is_final { left - amount } else { 0 };
                    self.held[from] -= amount + back;
                    self.available[to] += amount;
                    self.available[from] += back;
                    self.deal(transaction).captured += amount;
                    let left = left - amount - back;
                    let rest = Money::Held { from, to, amount: left };
                    self.money.insert(transaction, if left == 0 { Money::Captured } else { rest });
                    None
                }
                _ => Some(Refusal::NotHeld),
            },
            Step::Release { transaction, from, to, .. } => match self.money.get(&transaction) {
                Some(&Money::Held { from: whose, to: whom, amount }) if (from, to) == (whose, whom) => {
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
            Step::Refund { of, from, to, amount, .. } => match self.deals.get(&of) {
                Some(deal) if (deal.to, deal.from) == (from, to) => {
                    if amount > deal.captured - deal.refunded {
                        return Some(Refusal::ExceedsRefundable);
                    }
                    if self.available[from] < amount {
                        return Some(Refusal::InsufficientBalance);
                    }
                    self.available[from] -= amount;
                    self.available[to] += amount;
                    self.deal(of).refunded += amount;
                    None
                }
                _ => Some(Refusal::NotHeld),
            },
        }
    }

    fn deal(&mut self, transaction: usize) -> &mut Deal {
        self.deals.get_mut(&transaction).expect("its money was asked for")
    }

    /// Takes the sender's money, or says why not; either way the transaction is known from then on.
    fn take(&mut self, transaction: usize, from: usize, to: usize, amount: i64) -> Answer {
        if self.money.contains_key(&transaction) {
            return Some(Refusal::NotHeld);
        }
        self.deals.insert(transaction, Deal { from, to, captured: 0, refunded: 0 });
        let refusal = if from >= self.available.len() {
            Some(Refusal::UserNotFound)
        } else if to >= self.available.len() {
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
