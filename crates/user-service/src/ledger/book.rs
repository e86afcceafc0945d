//! The decision about each operation, in memory and without a database: the accounts and holds that a batch touches,
//! and the rules by which operations change them.

use std::collections::BTreeMap;

use common::{
    Amount, Money, TransactionId, UserId,
    money::{MAX_BALANCE, MAX_STORED},
};

use super::operation::{Movement, Refusal, Transfer};

/// A user's two accounts, and what others have set aside for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balances {
    /// What the user can spend.
    pub available: Money,
    /// What is set aside for pending transactions.
    pub held: Money,
    /// How many pending transactions hold money for this user.
    pub incoming: i32,
}

/// An account of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Account {
    /// What the user can spend.
    Available,
    /// What is set aside.
    Held,
    /// The world outside; it has no balance of its own.
    External,
}

/// Where a transaction's money is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum HoldState {
    /// Set aside.
    Held,
    /// With the receiver.
    Captured,
    /// Back with the sender, or never to be set aside.
    Released,
    /// The hold was refused.
    Rejected,
}

common::stored_as_text!(Account, HoldState);

/// What became of a transaction's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Who pays whom how much; `None` in a tombstone, whose release came before its hold.
    pub transfer: Option<Transfer>,
    /// Where the money is.
    pub state: HoldState,
}

/// One leg of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Which of the user's accounts.
    pub account: Account,
    /// Whose.
    pub user: UserId,
    /// What it changes by.
    pub amount: Money,
    /// What it stands at then; `None` for the world outside.
    pub balance_after: Option<Money>,
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
#[derive(Debug, Default, Clone)]
pub struct Book {
    /// Active users only.
    pub accounts: BTreeMap<UserId, Balances>,
    /// Transactions that user-service has heard of.
    pub holds: BTreeMap<TransactionId, Hold>,
}

impl Book {
    /// Applies or refuses one movement. A refusal changes no account.
    pub fn apply(&mut self, movement: &Movement) -> Result<Applied, Refusal> {
        match *movement {
            Movement::Topup { user_id, amount } | Movement::Credit { user_id, amount } => self.pay_in(user_id, amount),
            Movement::Debit { user_id, amount } => self.pay_out(user_id, amount),
            Movement::Hold(transfer) => self.reserve(transfer, HoldState::Held),
            Movement::Transfer(transfer) => self.reserve(transfer, HoldState::Captured),
            Movement::Capture { transaction_id } => self.capture(transaction_id),
            Movement::Release { transaction_id } => self.release(transaction_id),
        }
    }

    fn pay_in(&mut self, user: UserId, amount: Amount) -> Result<Applied, Refusal> {
        let total = self.total(user).ok_or(Refusal::UserNotFound)? + amount.money();
        if total > MAX_BALANCE {
            return Err(Refusal::BalanceLimit);
        }
        let entries = vec![external(user, -amount.money()), self.available(user, amount.money())];
        Ok(self.applied(user, entries))
    }

    fn pay_out(&mut self, user: UserId, amount: Amount) -> Result<Applied, Refusal> {
        self.enough(user, amount)?;
        let entries = vec![self.available(user, -amount.money()), external(user, amount.money())];
        Ok(self.applied(user, entries))
    }

    /// A hold, or a transfer in one step: both take the sender's money and are refused for the same reasons.
    fn reserve(&mut self, transfer: Transfer, state: HoldState) -> Result<Applied, Refusal> {
        let Transfer { transaction_id, sender_id, receiver_id, amount } = transfer;
        if self.holds.contains_key(&transaction_id) {
            return Err(Refusal::NotHeld); // a tombstone, or a hold that was there before: this one is too late
        }
        let allowed = match state {
            _ if !self.accounts.contains_key(&sender_id) => Err(Refusal::UserNotFound),
            HoldState::Captured => self.can_be_paid(receiver_id, amount),
            _ if self.accounts.contains_key(&receiver_id) => Ok(()),
            _ => Err(Refusal::ReceiverNotFound),
        };
        let allowed = allowed.and_then(|()| self.enough(sender_id, amount));
        let state = if allowed.is_ok() { state } else { HoldState::Rejected };
        self.holds.insert(transaction_id, Hold { transfer: Some(transfer), state });
        allowed?;
        let target = if state == HoldState::Captured {
            self.available(receiver_id, amount.money())
        } else {
            self.account(receiver_id).incoming += 1;
            self.held(sender_id, amount.money())
        };
        let entries = vec![self.available(sender_id, -amount.money()), target];
        Ok(self.applied(sender_id, entries))
    }

    fn capture(&mut self, transaction: TransactionId) -> Result<Applied, Refusal> {
        let Transfer { sender_id, receiver_id, amount, .. } = self.held_transfer(transaction)?;
        self.can_be_paid(receiver_id, amount)?;
        self.end_hold(transaction, receiver_id, HoldState::Captured);
        let entries = vec![self.held(sender_id, -amount.money()), self.available(receiver_id, amount.money())];
        Ok(self.applied(sender_id, entries))
    }

    fn release(&mut self, transaction: TransactionId) -> Result<Applied, Refusal> {
        match self.holds.get(&transaction).map(|hold| hold.state) {
            Some(HoldState::Held) => {}
            Some(HoldState::Captured) => return Err(Refusal::NotHeld),
            Some(HoldState::Released | HoldState::Rejected) => return Ok(nothing_to_do()),
            None => {
                self.holds.insert(transaction, Hold { transfer: None, state: HoldState::Released });
                return Ok(nothing_to_do());
            }
        }
        let Transfer { sender_id, receiver_id, amount, .. } = self.held_transfer(transaction)?;
        self.end_hold(transaction, receiver_id, HoldState::Released);
        let entries = vec![self.held(sender_id, -amount.money()), self.available(sender_id, amount.money())];
        Ok(self.applied(sender_id, entries))
    }

    fn held_transfer(&self, transaction: TransactionId) -> Result<Transfer, Refusal> {
        match self.holds.get(&transaction) {
            Some(Hold { transfer: Some(transfer), state: HoldState::Held }) => Ok(*transfer),
            _ => Err(Refusal::NotHeld),
        }
    }

    fn end_hold(&mut self, transaction: TransactionId, receiver: UserId, state: HoldState) {
        self.holds.get_mut(&transaction).expect("the rule before has looked the hold up").state = state;
        self.account(receiver).incoming -= 1;
    }

    fn account(&mut self, user: UserId) -> &mut Balances {
        self.accounts.get_mut(&user).expect("the rule before has looked it up, and no party to a hold is closed")
    }

    fn enough(&self, user: UserId, amount: Amount) -> Result<(), Refusal> {
        let balances = self.accounts.get(&user).ok_or(Refusal::UserNotFound)?;
        if balances.available < amount.money() { Err(Refusal::InsufficientBalance) } else { Ok(()) }
    }

    /// Whoever is paid has no limit but what can be stored, which no number of payments reaches: see [`MAX_BALANCE`].
    fn can_be_paid(&self, receiver: UserId, amount: Amount) -> Result<(), Refusal> {
        let total = self.total(receiver).ok_or(Refusal::ReceiverNotFound)? + amount.money();
        if total > MAX_STORED { Err(Refusal::ReceiverUnavailable) } else { Ok(()) }
    }

    /// Available and held together: limits hold for the sum, so that held money can always come back.
    fn total(&self, user: UserId) -> Option<Money> {
        self.accounts.get(&user).map(|balances| balances.available + balances.held)
    }

    fn available(&mut self, user: UserId, change: Money) -> Entry {
        let balances = self.account(user);
        balances.available = balances.available + change;
        Entry { account: Account::Available, user, amount: change, balance_after: Some(balances.available) }
    }

    fn held(&mut self, user: UserId, change: Money) -> Entry {
        let balances = self.account(user);
        balances.held = balances.held + change;
        Entry { account: Account::Held, user, amount: change, balance_after: Some(balances.held) }
    }

    fn applied(&self, subject: UserId, entries: Vec<Entry>) -> Applied {
        debug_assert_eq!(entries.iter().map(|e| e.amount).sum::<Money>(), Money::ZERO, "an operation sums to 0");
        let balance = self.accounts.get(&subject).map_or(Money::ZERO, |b| b.available);
        Applied { entries, balance }
    }
}

fn external(user: UserId, amount: Money) -> Entry {
    Entry { account: Account::External, user, amount, balance_after: None }
}

/// The leg of a second reference of an applied operation: it moves nothing, and shows whose it is.
pub fn of_alias(user: UserId) -> Entry {
    external(user, Money::ZERO)
}

fn nothing_to_do() -> Applied {
    Applied { entries: Vec::new(), balance: Money::ZERO }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(id: i64) -> UserId {
        UserId::try_from(id).unwrap()
    }

    fn transaction(id: i64) -> TransactionId {
        TransactionId::try_from(id).unwrap()
    }

    fn amount(units: i64) -> Amount {
        units.to_string().parse().unwrap()
    }

    fn book(balances: &[i64]) -> Book {
        let accounts = (1..).map(user).zip(balances.iter().map(|&b| Balances {
            available: b.into(),
            held: Money::ZERO,
            incoming: 0,
        }));
        Book { accounts: accounts.collect(), holds: BTreeMap::new() }
    }

    fn transfer(id: i64, units: i64) -> Transfer {
        Transfer { transaction_id: transaction(id), sender_id: user(1), receiver_id: user(2), amount: amount(units) }
    }

    fn balances(book: &Book, id: i64) -> (Money, Money) {
        let b = book.accounts[&user(id)];
        (b.available, b.held)
    }

    #[test]
    fn a_hold_then_a_capture_moves_the_money() {
        let mut book = book(&[100, 0]);
        book.apply(&Movement::Hold(transfer(1, 60))).unwrap();
        assert_eq!(balances(&book, 1), (40.into(), 60.into()));
        book.apply(&Movement::Capture { transaction_id: transaction(1) }).unwrap();
        assert_eq!((balances(&book, 1), balances(&book, 2)), ((40.into(), 0.into()), (60.into(), 0.into())));
    }

    #[test]
    fn a_release_gives_the_money_back_once() {
        let mut book = book(&[100, 0]);
        book.apply(&Movement::Hold(transfer(1, 60))).unwrap();
        for _ in 0..2 {
            book.apply(&Movement::Release { transaction_id: transaction(1) }).unwrap();
            assert_eq!(balances(&book, 1), (100.into(), 0.into()));
        }
        assert_eq!(book.apply(&Movement::Capture { transaction_id: transaction(1) }), Err(Refusal::NotHeld));
    }

    #[test]
    fn a_late_hold_after_release_is_refused() {
        let mut book = book(&[100, 0]);
        book.apply(&Movement::Release { transaction_id: transaction(1) }).unwrap();
        assert_eq!(book.apply(&Movement::Hold(transfer(1, 60))), Err(Refusal::NotHeld));
        assert_eq!(balances(&book, 1), (100.into(), 0.into()));
    }

    #[test]
    fn what_was_captured_is_not_released() {
        let mut book = book(&[100, 0]);
        book.apply(&Movement::Transfer(transfer(1, 60))).unwrap();
        assert_eq!(book.apply(&Movement::Release { transaction_id: transaction(1) }), Err(Refusal::NotHeld));
        assert_eq!(balances(&book, 2), (60.into(), 0.into()));
    }

    #[test]
    fn refusals_change_no_balance() {
        let mut book = book(&[100, 0]);
        let to_nobody = Transfer { receiver_id: user(9), ..transfer(3, 10) };
        assert_eq!(book.apply(&Movement::Hold(transfer(1, 101))), Err(Refusal::InsufficientBalance));
        assert_eq!(book.apply(&Movement::Transfer(transfer(2, 101))), Err(Refusal::InsufficientBalance));
        assert_eq!(book.apply(&Movement::Hold(to_nobody)), Err(Refusal::ReceiverNotFound));
        assert_eq!(book.apply(&Movement::Debit { user_id: user(9), amount: amount(1) }), Err(Refusal::UserNotFound));
        assert_eq!(balances(&book, 1), (100.into(), 0.into()));
    }

    #[test]
    fn an_account_takes_top_ups_and_credits_up_to_its_limit_and_payments_beyond_it() {
        let mut book = book(&[100, 0]);
        book.accounts.get_mut(&user(2)).unwrap().available = MAX_BALANCE;
        for pay_in in [
            Movement::Topup { user_id: user(2), amount: amount(1) },
            Movement::Credit { user_id: user(2), amount: amount(1) },
        ] {
            assert_eq!(book.apply(&pay_in), Err(Refusal::BalanceLimit));
        }
        book.apply(&Movement::Transfer(transfer(1, 1))).unwrap();
        book.apply(&Movement::Hold(transfer(2, 1))).unwrap();
        book.apply(&Movement::Capture { transaction_id: transaction(2) }).unwrap();
        assert_eq!(balances(&book, 2), (MAX_BALANCE + 2.into(), Money::ZERO));
    }

    #[test]
    fn a_balance_never_exceeds_what_its_column_holds() {
        let mut book = book(&[100, 0]);
        book.apply(&Movement::Hold(transfer(1, 1))).unwrap();
        let receiver = book.accounts.get_mut(&user(2)).unwrap();
        (receiver.available, receiver.held) = (MAX_STORED - 1.into(), 1.into());
        assert_eq!(book.apply(&Movement::Transfer(transfer(2, 1))), Err(Refusal::ReceiverUnavailable));
        assert_eq!(
            book.apply(&Movement::Capture { transaction_id: transaction(1) }),
            Err(Refusal::ReceiverUnavailable)
        );
        book.apply(&Movement::Release { transaction_id: transaction(1) }).unwrap();
        assert_eq!(balances(&book, 1), (100.into(), 0.into()));
    }

    fn any_movement() -> impl Strategy<Value = Movement> {
        let amounts = (1_i64..200).prop_map(amount);
        (0..7, 1_i64..4, 1_i64..4, 1_i64..6, amounts).prop_map(|(kind, a, b, tx, amount)| {
            let transfer =
                Transfer { transaction_id: transaction(tx), sender_id: user(a), receiver_id: user(b), amount };
            match kind {
                0 => Movement::Topup { user_id: user(a), amount },
                1 => Movement::Credit { user_id: user(a), amount },
                2 => Movement::Debit { user_id: user(a), amount },
                3 => Movement::Hold(transfer),
                4 => Movement::Transfer(transfer),
                5 => Movement::Capture { transaction_id: transaction(tx) },
                _ => Movement::Release { transaction_id: transaction(tx) },
            }
        })
    }

    proptest! {
        #[test]
        fn nothing_that_a_payer_sees_depends_on_the_receivers_balance(
            movements in prop::collection::vec(any_movement(), 1..40),
            units in 0_i64..2_000_000_000_000_000_000,
        ) {
            // user 2 is only paid, never topped up, and pays nobody
            let of_payer = |movement: &&Movement| match movement {
                Movement::Hold(transfer) | Movement::Transfer(transfer) => transfer.sender_id != user(2),
                _ => movement.subject() != Some(user(2)),
            };
            let (mut poor, mut rich) = (book(&[100, 0, 100]), book(&[100, units, 100]));
            for movement in movements.iter().filter(of_payer) {
                prop_assert_eq!(poor.apply(movement).map(|a| a.balance), rich.apply(movement).map(|a| a.balance));
            }
        }

        #[test]
        fn any_sequence_keeps_the_invariants(movements in prop::collection::vec(any_movement(), 1..60)) {
            let mut book = book(&[100, 100]); // user 3 does not exist
            let mut outside = Money::ZERO;
            for movement in &movements {
                let before = book.clone();
                match book.apply(movement) {
                    Ok(applied) => {
                        prop_assert_eq!(applied.entries.iter().map(|e| e.amount).sum::<Money>(), Money::ZERO);
                        outside = outside
                            + applied.entries.iter().filter(|e| e.account == Account::External).map(|e| e.amount).sum();
                    }
                    Err(_) => prop_assert_eq!(&before.accounts, &book.accounts),
                }
                let held: Money = book.accounts.values().map(|b| b.held).sum();
                let holds: Money = book.holds.values().filter(|h| h.state == HoldState::Held)
                    .filter_map(|h| h.transfer).map(|t| t.amount.money()).sum();
                let total: Money = book.accounts.values().map(|b| b.available + b.held).sum();
                prop_assert_eq!(held, holds);
                for (user, balances) in &book.accounts {
                    let to_user = |hold: &&Hold| hold.state == HoldState::Held
                        && hold.transfer.is_some_and(|transfer| transfer.receiver_id == *user);
                    prop_assert_eq!(usize::try_from(balances.incoming), Ok(book.holds.values().filter(to_user).count()));
                }
                prop_assert_eq!(total + outside, Money::from(200));
                prop_assert!(book.accounts.values().all(|b| !b.available.is_negative() && !b.held.is_negative()));
            }
        }
    }
}
