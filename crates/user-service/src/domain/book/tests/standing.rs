//! Frozen and locked accounts, and limits.

use super::*;
use crate::domain::limits::{Limit, Setting};

/// A book where user 1 has 1,000 and user 2 nothing.
fn pair() -> Book {
    book(&[1_000, 0])
}

fn put(book: &mut Book, id: i64, state: AccountState) {
    book.accounts.get_mut(&user(id)).unwrap().state = state;
}

fn by_operator(movement: Movement) -> Movement {
    match movement {
        Movement::Capture { transaction_id, step, sender_id, receiver_id, amount, is_final, shares, .. } => {
            let by_operator = true;
            Movement::Capture { transaction_id, step, sender_id, receiver_id, amount, is_final, by_operator, shares }
        }
        Movement::Refund(refund) => Movement::Refund(Refund { by_operator: true, ..refund }),
        other => other,
    }
}

fn debit(units: i64) -> Movement {
    Movement::Debit { user_id: user(1), amount: amount(units) }
}

#[test]
fn a_frozen_account_receives_and_does_not_send_and_a_locked_one_does_neither() {
    for (state, refusal) in
        [(AccountState::Frozen, Refusal::AccountFrozen), (AccountState::Locked, Refusal::AccountLocked)]
    {
        let mut sender = pair();
        put(&mut sender, 1, state);
        assert_eq!(sender.apply(&Movement::Transfer(transfer(1, 1))), Err(refusal));
        assert_eq!(sender.apply(&Movement::Hold(transfer(2, 1))), Err(refusal));
        assert_eq!(sender.apply(&debit(1)), Err(refusal));
        assert_eq!(balances(&sender, 1), (1_000.into(), 0.into()));

        let mut receiver = pair();
        put(&mut receiver, 2, state);
        let pay_in = Movement::Topup { user_id: user(2), amount: amount(1) };
        let paid = [Movement::Transfer(transfer(1, 1)), Movement::Hold(transfer(2, 1)), pay_in]
            .map(|movement| receiver.apply(&movement).err());
        let unavailable = Some(Refusal::ReceiverUnavailable);
        let expected = match state {
            AccountState::Locked => [unavailable, unavailable, Some(Refusal::AccountLocked)],
            _ => [None, None, None],
        };
        assert_eq!(paid, expected);
    }
}

#[test]
fn what_was_set_aside_before_is_for_operators_and_always_comes_back() {
    for state in [AccountState::Frozen, AccountState::Locked] {
        let mut book = pair();
        book.apply(&Movement::Hold(transfer(1, 60))).unwrap();
        book.apply(&Movement::Hold(transfer(2, 40))).unwrap();
        put(&mut book, 1, state);
        assert!(book.apply(&capture(1, 10)).is_err());
        assert_eq!(balances(&book, 2), (0.into(), 0.into()));
        book.apply(&by_operator(capture(1, 10))).unwrap();
        book.apply(&release(1)).unwrap();
        book.apply(&release(2)).unwrap();
        assert_eq!((balances(&book, 1), balances(&book, 2)), ((990.into(), 0.into()), (10.into(), 0.into())));
    }
}

#[test]
fn a_locked_receiver_is_paid_what_was_set_aside_and_a_locked_payer_is_refunded_by_operators_alone() {
    let mut book = pair();
    book.apply(&Movement::Hold(transfer(1, 60))).unwrap();
    put(&mut book, 2, AccountState::Locked);
    assert_eq!(book.apply(&capture(1, 60)), Err(Refusal::ReceiverUnavailable));
    book.apply(&by_operator(capture(1, 60))).unwrap();
    assert_eq!(book.apply(&refund(2, 1, 10)), Err(Refusal::AccountLocked));
    book.apply(&by_operator(refund(3, 1, 10))).unwrap();
    put(&mut book, 2, AccountState::Active);
    put(&mut book, 1, AccountState::Locked);
    assert_eq!(book.apply(&refund(4, 1, 10)), Err(Refusal::ReceiverUnavailable));
    book.apply(&by_operator(refund(5, 1, 10))).unwrap();
    put(&mut book, 1, AccountState::Frozen);
    book.apply(&refund(6, 1, 10)).unwrap();
    assert_eq!((balances(&book, 1), balances(&book, 2)), ((970.into(), 0.into()), (30.into(), 0.into())));
}

/// A book whose user 1 may pay so much on a day.
fn limited(per_day: i64) -> Book {
    let mut book = pair();
    book.accounts.get_mut(&user(1)).unwrap().settings.per_day = Setting::Most(amount(per_day));
    book
}

fn used(book: &Book) -> Money {
    book.accounts[&user(1)].spent.map(|spent| spent.day).unwrap_or_default()
}

#[test]
fn holds_transfers_and_debits_count_and_what_is_given_back_no_longer_does() {
    let mut book = limited(100);
    book.apply(&Movement::Hold(transfer(1, 40))).unwrap();
    book.apply(&Movement::Transfer(transfer(2, 30))).unwrap();
    book.apply(&debit(20)).unwrap();
    assert_eq!(used(&book), 90.into());
    for beyond in [Movement::Hold(transfer(3, 11)), Movement::Transfer(transfer(4, 11)), debit(11)] {
        let before = book.accounts.clone();
        assert_eq!(book.apply(&beyond), Err(Refusal::LimitExceeded));
        let exceeded = book.exceeded(&beyond).unwrap();
        assert_eq!((exceeded.limit, exceeded.remaining), (Limit::PerDay, 10.into()));
        assert_eq!(book.accounts, before);
    }
    book.apply(&capture_and(1, 15, true)).unwrap();
    assert_eq!(used(&book), 65.into(), "the rest of the hold is back");
    book.apply(&Movement::Hold(transfer(5, 35))).unwrap();
    book.apply(&capture(5, 5)).unwrap();
    book.apply(&release(5)).unwrap();
    book.apply(&release(5)).unwrap_err();
    assert_eq!(used(&book), 70.into());
    book.apply(&refund(6, 2, 30)).unwrap();
    assert_eq!(used(&book), 70.into(), "a refund gives nothing back");
}

#[test]
fn a_batch_beyond_a_limit_says_what_is_left_without_it() {
    let mut book = limited(100);
    book.apply(&Movement::Hold(transfer(1, 40))).unwrap();
    let steps = [transfer(2, 30), transfer(3, 20), transfer(4, 11)].map(BatchStep::Transfer).to_vec();
    let batch = Movement::Batch(Batch { batch_id: 1, steps });
    let before = book.accounts.clone();
    assert_eq!(book.apply(&batch), Err(Refusal::LimitExceeded));
    let exceeded = book.exceeded(&batch).unwrap();
    assert_eq!((exceeded.limit, exceeded.remaining), (Limit::PerDay, 60.into()));
    book.accounts.get_mut(&user(1)).unwrap().settings.per_transaction = Setting::Most(amount(25));
    let exceeded = book.exceeded(&batch).unwrap();
    assert_eq!((exceeded.limit, exceeded.remaining), (Limit::PerTransaction, 25.into()));
    assert!(before.iter().all(|(user, balances)| balances.spent == book.accounts[user].spent));
}

#[test]
fn a_release_on_a_later_day_gives_back_to_the_day_of_the_hold() {
    let mut book = limited(100);
    book.accounts.get_mut(&user(1)).unwrap().settings.per_month = Setting::Most(amount(150));
    book.apply(&Movement::Hold(transfer(1, 60))).unwrap();
    book.rules.today = book.rules.today.pred_opt().unwrap();
    book.apply(&Movement::Hold(transfer(2, 10))).unwrap();
    assert_eq!(used(&book), 70.into(), "a clock that is late");
    book.rules.today = "2025-12-01".parse().unwrap();
    book.apply(&debit(50)).unwrap();
    book.apply(&release(1)).unwrap();
    let spent = book.accounts[&user(1)].spent.unwrap();
    assert_eq!((spent.on, spent.day, spent.month), (book.rules.today, 50.into(), 50.into()));
}

#[test]
fn where_no_limit_applies_nothing_is_counted() {
    let mut book = pair();
    book.accounts.get_mut(&user(1)).unwrap().settings.per_transaction = Setting::Most(amount(50));
    book.apply(&Movement::Hold(transfer(1, 50))).unwrap();
    assert_eq!(book.apply(&Movement::Hold(transfer(2, 51))), Err(Refusal::LimitExceeded));
    assert_eq!((book.accounts[&user(1)].spent, book.holds[&transaction(1)].counted_on), (None, None));
}

proptest! {
    #[test]
    fn no_sequence_passes_a_limit_and_what_counts_is_what_went_out(
        movements in prop::collection::vec(any_movement(), 1..60),
        per_day in 1_i64..400,
    ) {
        let mut book = book(&[1_000, 1_000, 1_000]);
        for balances in book.accounts.values_mut() {
            balances.settings.per_day = Setting::Most(amount(per_day));
        }
        let mut debited: BTreeMap<UserId, Money> = BTreeMap::new();
        for movement in &movements {
            if let (Ok(_), Movement::Debit { user_id, amount }) = (book.apply(movement), movement) {
                let sum = debited.entry(*user_id).or_default();
                *sum = *sum + amount.money();
            }
            for (id, balances) in &book.accounts {
                let of_user = |hold: &&Hold| hold.transfer.as_ref().is_some_and(|transfer| transfer.sender_id == *id);
                let out = |hold: &Hold| hold.transfer.as_ref().map_or(Money::ZERO, |t| t.amount.money()) - hold.released;
                let paid: Money = book.holds.values().filter(of_user).map(out).sum();
                let counted = balances.spent.map(|spent| spent.day).unwrap_or_default();
                prop_assert_eq!(counted, paid + debited.get(id).copied().unwrap_or_default());
                prop_assert!(counted <= per_day.into());
            }
        }
    }
}
