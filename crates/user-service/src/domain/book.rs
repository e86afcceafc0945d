//! The ledger's rules: which operation is applied or refused, and how it changes accounts and holds, in memory and without a
//! database. A capture takes a hold whole or in part, and a refund gives back what was captured, whole or in part.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use common::caller::AccountState;
use money::{Amount, MAX_BALANCE, MAX_STORED, Money, TransactionId, UserId};

use super::{
    limits::{Rules, Settings, Spent},
    operation::{Movement, Refusal, Transfer},
    share::{HeldShare, Share},
};

mod batch;
mod refunds;
mod shares;
mod standing;

/// A user's two accounts, what others have set aside for it, and what it may do with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balances {
    /// What the user can spend.
    pub available: Money,
    /// What is set aside for pending transactions.
    pub held: Money,
    /// How many pending transactions hold money for this user.
    pub incoming: i32,
    /// Whether it sends and receives.
    pub state: AccountState,
    /// What is set for its limits.
    pub settings: Settings,
    /// What it has paid that counts; `None` before anything was counted.
    pub spent: Option<Spent>,
}

/// Which of its money an entry changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum LedgerAccount {
    /// What the user can spend.
    Available,
    /// What is set aside.
    Held,
    /// The world outside; it has no balance of its own.
    External,
}

mysql::stored_as_text!(LedgerAccount);

/// What became of a transaction's money. It is set aside as long as something of it is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Who pays whom how much, without the shares; `None` in a tombstone, whose release came before its hold.
    pub transfer: Option<Transfer>,
    /// What the receiver has got of it.
    pub captured: Money,
    /// What the sender has back, or never gave: all of it, if the hold was refused.
    pub released: Money,
    /// What the sender has got back of what was captured.
    pub refunded: Money,
    /// The day on which it was counted against the sender's limits; `None` if none applied.
    pub counted_on: Option<NaiveDate>,
    /// If several are paid: what became of each one's share.
    pub shares: Vec<HeldShare>,
}

impl Hold {
    /// What a release leaves that comes before its hold: nothing, so that the hold is refused.
    const TOMBSTONE: Self = Self {
        transfer: None,
        captured: Money::ZERO,
        released: Money::ZERO,
        refunded: Money::ZERO,
        counted_on: None,
        shares: Vec::new(),
    };

    /// What is still set aside.
    pub fn left(&self) -> Money {
        let amount = self.transfer.as_ref().map_or(Money::ZERO, |transfer| transfer.amount.money());
        amount - self.captured - self.released
    }
}

/// One leg of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Which of the user's accounts.
    pub account: LedgerAccount,
    /// Whose.
    pub user: UserId,
    /// What it changes by.
    pub amount: Money,
    /// What it stands at then; `None` for the world outside.
    pub balance_after: Option<Money>,
    /// The transaction that the leg is of, where an operation is of several.
    pub transaction: Option<TransactionId>,
    /// True if it gives a fee to its receiver.
    pub is_fee: bool,
}

impl Entry {
    /// A leg of an operation of one transaction, or of none.
    pub fn new(account: LedgerAccount, user: UserId, amount: Money, balance_after: Option<Money>) -> Self {
        Self { account, user, amount, balance_after, transaction: None, is_fee: false }
    }
}

/// An applied operation: its entries, which sum to 0, and the balance to answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Applied {
    /// The legs, in order.
    pub entries: Vec<Entry>,
    /// The available balance of the operation's subject.
    pub balance: Money,
}

/// The accounts and holds that a batch touches, as locked in the database.
#[derive(Debug, Clone)]
pub struct Book {
    /// Active users only.
    pub accounts: BTreeMap<UserId, Balances>,
    /// Transactions that user-service has heard of.
    pub holds: BTreeMap<TransactionId, Hold>,
    /// What holds for limits today.
    pub rules: Rules,
}

impl Book {
    /// Applies or refuses one movement. A refusal changes no account.
    pub fn apply(&mut self, movement: &Movement) -> Result<Applied, Refusal> {
        match movement {
            Movement::Batch(batch) => self.batch(batch),
            Movement::Topup { user_id, amount } | Movement::Credit { user_id, amount } => {
                self.pay_in(*user_id, *amount)
            }
            Movement::Debit { user_id, amount } => self.pay_out(*user_id, *amount),
            Movement::Hold(transfer) => self.hold(transfer),
            Movement::Transfer(transfer) => self.transfer(transfer),
            Movement::Capture {
                transaction_id, sender_id, receiver_id, amount, is_final, by_operator, shares, ..
            } => {
                let parties = (*sender_id, *receiver_id);
                self.may_capture(*transaction_id, parties, amount.money(), shares, *by_operator)?;
                let payees = Share::all(shares, *receiver_id, *amount);
                Ok(self.capture(*transaction_id, *sender_id, amount.money(), &payees, *is_final))
            }
            Movement::Release { transaction_id, sender_id, receiver_id, receivers, .. } => {
                self.release(*transaction_id, (*sender_id, *receiver_id), receivers)
            }
            Movement::Refund(refund) => self.refund(refund),
        }
    }

    fn pay_in(&mut self, user: UserId, amount: Amount) -> Result<Applied, Refusal> {
        let total = self.total(user).ok_or(Refusal::UserNotFound)? + amount.money();
        if self.is_locked(user) {
            return Err(Refusal::AccountLocked);
        }
        if total > MAX_BALANCE {
            return Err(Refusal::BalanceLimit);
        }
        let entries = vec![external(user, -amount.money()), self.available(user, amount.money())];
        Ok(self.applied(user, entries))
    }

    fn pay_out(&mut self, user: UserId, amount: Amount) -> Result<Applied, Refusal> {
        self.may_pay(user, amount)?;
        self.count(user, amount);
        let entries = vec![self.available(user, -amount.money()), external(user, amount.money())];
        Ok(self.applied(user, entries))
    }

    fn hold(&mut self, transfer: &Transfer) -> Result<Applied, Refusal> {
        let (sender_id, amount, payees) = (transfer.sender_id, transfer.amount.money(), transfer.payees());
        self.begin(transfer, |book| {
            if payees.iter().any(|payee| !book.accounts.contains_key(&payee.receiver_id)) {
                return Err(Refusal::ReceiverNotFound);
            }
            let is_locked = payees.iter().any(|payee| book.is_locked(payee.receiver_id));
            if is_locked { Err(Refusal::ReceiverUnavailable) } else { Ok(()) }
        })?;
        for payee in &payees {
            self.account(payee.receiver_id).incoming += 1;
        }
        let entries = vec![self.available(sender_id, -amount), self.held(sender_id, amount)];
        Ok(self.applied(sender_id, entries))
    }

    /// Hold and capture in one.
    fn transfer(&mut self, transfer: &Transfer) -> Result<Applied, Refusal> {
        let (sender_id, amount, payees) = (transfer.sender_id, transfer.amount.money(), transfer.payees());
        self.begin(transfer, |book| book.can_all_be_paid(&payees, false))?;
        let hold = self.hold_of(transfer.transaction_id);
        hold.captured = amount;
        hold.take(&payees);
        let mut entries = vec![self.available(sender_id, -amount)];
        entries.extend(self.pay(&payees));
        Ok(self.applied(sender_id, entries))
    }

    /// Notes what becomes of a transaction's money: it is set aside if sender and receiver allow it, and will never be
    /// otherwise.
    fn begin(
        &mut self,
        transfer: &Transfer,
        receiver: impl FnOnce(&Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let Transfer { transaction_id, sender_id, receiver_id, amount, ref shares } = *transfer;
        if self.holds.contains_key(&transaction_id) {
            return Err(Refusal::NotHeld); // a tombstone, or a hold that was there before: this one is too late
        }
        let sender = self.accounts.get(&sender_id).ok_or(Refusal::UserNotFound).and_then(Balances::may_send);
        let allowed = sender.and_then(|()| receiver(self)).and_then(|()| self.may_pay(sender_id, amount));
        let released = if allowed.is_ok() { Money::ZERO } else { amount.money() };
        let counted_on = allowed.ok().and_then(|()| self.count(sender_id, amount));
        let (captured, refunded) = (Money::ZERO, Money::ZERO);
        let shares = shares.iter().map(HeldShare::new).collect();
        let transfer = Some(Transfer { transaction_id, sender_id, receiver_id, amount, shares: Vec::new() });
        self.holds.insert(transaction_id, Hold { transfer, captured, released, refunded, counted_on, shares });
        allowed
    }

    /// Refuses a capture of what is not set aside, and what a frozen or locked account pays or gets unless an operator wants it.
    fn may_capture(
        &self,
        transaction: TransactionId,
        (sender_id, receiver_id): (UserId, UserId),
        amount: Money,
        shares: &[Share],
        by_operator: bool,
    ) -> Result<(), Refusal> {
        if amount > self.held_between(transaction, (sender_id, receiver_id))?
            || !self.holds.get(&transaction).is_some_and(|hold| hold.has_left(shares))
        {
            return Err(Refusal::NotHeld);
        }
        if !by_operator {
            self.accounts.get(&sender_id).map_or(Ok(()), Balances::may_send)?;
        }
        if shares.is_empty() {
            return self.can_be_paid(receiver_id, amount, by_operator);
        }
        self.can_all_be_paid(shares, by_operator)
    }

    fn capture(
        &mut self,
        transaction: TransactionId,
        sender_id: UserId,
        amount: Money,
        payees: &[Share],
        is_final: bool,
    ) -> Applied {
        let hold = self.hold_of(transaction);
        let rest = if is_final { hold.left() - amount } else { Money::ZERO };
        hold.captured = hold.captured + amount;
        hold.released = hold.released + rest;
        hold.take(payees);
        let (is_over, counted_on) = (hold.left() == Money::ZERO, hold.counted_on);
        if is_over {
            for payee in payees {
                self.account(payee.receiver_id).incoming -= 1;
            }
        }
        let mut entries = vec![self.held(sender_id, -amount)];
        entries.extend(self.pay(payees));
        if rest != Money::ZERO {
            entries.extend([self.held(sender_id, -rest), self.available(sender_id, rest)]);
            self.give_back(sender_id, rest, counted_on);
        }
        self.applied(sender_id, entries)
    }

    fn release(
        &mut self,
        transaction: TransactionId,
        (sender_id, receiver_id): (UserId, UserId),
        receivers: &[UserId],
    ) -> Result<Applied, Refusal> {
        match self.holds.get(&transaction) {
            Some(hold) if hold.left() != Money::ZERO => {}
            Some(hold) if hold.captured != Money::ZERO => return Err(Refusal::NotHeld),
            Some(_) => return Ok(nothing_to_do()),
            None => {
                self.holds.insert(transaction, Hold::TOMBSTONE);
                return Ok(nothing_to_do());
            }
        }
        let left = self.held_between(transaction, (sender_id, receiver_id))?;
        let hold = self.hold_of(transaction);
        if !hold.is_shared_by(receivers.iter().copied()) {
            return Err(Refusal::NotHeld);
        }
        hold.released = hold.released + left;
        let counted_on = hold.counted_on;
        let one = [receiver_id];
        for receiver in if receivers.is_empty() { &one } else { receivers } {
            self.account(*receiver).incoming -= 1;
        }
        self.give_back(sender_id, left, counted_on);
        let entries = vec![self.held(sender_id, -left), self.available(sender_id, left)];
        Ok(self.applied(sender_id, entries))
    }

    /// How much is set aside of a transaction between these parties.
    fn held_between(&self, transaction: TransactionId, parties: (UserId, UserId)) -> Result<Money, Refusal> {
        let hold = self.holds.get(&transaction).ok_or(Refusal::NotHeld)?;
        match (&hold.transfer, hold.left()) {
            (Some(transfer), left) if left != Money::ZERO && transfer.parties() == parties => Ok(left),
            _ => Err(Refusal::NotHeld),
        }
    }

    fn hold_of(&mut self, transaction: TransactionId) -> &mut Hold {
        self.holds.get_mut(&transaction).expect("the rule before has looked it up, or made it")
    }

    fn account(&mut self, user: UserId) -> &mut Balances {
        self.accounts.get_mut(&user).expect("the rule before has looked it up, and no party to a hold is closed")
    }

    fn enough(&self, user: UserId, amount: Money) -> Result<(), Refusal> {
        let balances = self.accounts.get(&user).ok_or(Refusal::UserNotFound)?;
        if balances.available < amount { Err(Refusal::InsufficientBalance) } else { Ok(()) }
    }

    /// Whoever is paid has no limit but what can be stored, which no number of payments reaches: see [`MAX_BALANCE`]. What a locked
    /// account gets is for operators to decide.
    fn can_be_paid(&self, receiver: UserId, amount: Money, by_operator: bool) -> Result<(), Refusal> {
        let total = self.total(receiver).ok_or(Refusal::ReceiverNotFound)? + amount;
        let is_locked = self.is_locked(receiver) && !by_operator;
        if is_locked || total > MAX_STORED { Err(Refusal::ReceiverUnavailable) } else { Ok(()) }
    }

    /// Available and held together: limits hold for the sum, so that held money can always come back.
    fn total(&self, user: UserId) -> Option<Money> {
        self.accounts.get(&user).map(|balances| balances.available + balances.held)
    }

    fn available(&mut self, user: UserId, change: Money) -> Entry {
        let balances = self.account(user);
        balances.available = balances.available + change;
        Entry::new(LedgerAccount::Available, user, change, Some(balances.available))
    }

    fn held(&mut self, user: UserId, change: Money) -> Entry {
        let balances = self.account(user);
        balances.held = balances.held + change;
        Entry::new(LedgerAccount::Held, user, change, Some(balances.held))
    }

    fn applied(&self, subject: UserId, entries: Vec<Entry>) -> Applied {
        debug_assert_eq!(entries.iter().map(|e| e.amount).sum::<Money>(), Money::ZERO, "an operation sums to 0");
        let balance = self.accounts.get(&subject).map_or(Money::ZERO, |b| b.available);
        Applied { entries, balance }
    }
}

fn external(user: UserId, amount: Money) -> Entry {
    Entry::new(LedgerAccount::External, user, amount, None)
}

/// The leg of a second reference of an applied operation: it moves nothing, and shows whose it is.
pub fn of_alias(user: UserId) -> Entry {
    external(user, Money::ZERO)
}

fn nothing_to_do() -> Applied {
    Applied { entries: Vec::new(), balance: Money::ZERO }
}

#[cfg(test)]
mod tests;
