//! The rules, one by one and in any order.

use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;
use crate::domain::{
    limits::Limits,
    operation::{Batch, BatchStep, Refund},
};

mod shares;
mod standing;

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
    let account = |&available: &i64| Balances {
        available: available.into(),
        held: Money::ZERO,
        incoming: 0,
        state: AccountState::Active,
        settings: Settings::default(),
        spent: None,
    };
    let accounts = (1..).map(user).zip(balances.iter().map(account));
    let rules = Rules::at(Limits::default(), Tz::UTC, "2025-11-30T12:00:00Z".parse().unwrap());
    Book { accounts: accounts.collect(), holds: BTreeMap::new(), rules }
}

fn transfer(id: i64, units: i64) -> Transfer {
    let (transaction_id, sender_id, receiver_id) = (transaction(id), user(1), user(2));
    Transfer { transaction_id, sender_id, receiver_id, amount: amount(units), shares: Vec::new() }
}

/// The second step of a transaction, if it pays so much of what is held.
fn capture(id: i64, units: i64) -> Movement {
    capture_and(id, units, false)
}

/// The same, after which the rest goes back if it `is_final`.
fn capture_and(id: i64, units: i64, is_final: bool) -> Movement {
    let (sender_id, receiver_id) = (user(1), user(2));
    Movement::Capture {
        transaction_id: transaction(id),
        step: 2,
        sender_id,
        receiver_id,
        amount: amount(units),
        is_final,
        by_operator: false,
        shares: Vec::new(),
    }
}

/// Gives back so much of transaction `of`.
fn refund(id: i64, of: i64, units: i64) -> Movement {
    let (transaction_id, refund_of) = (transaction(id), transaction(of));
    Movement::Refund(Refund {
        transaction_id,
        refund_of,
        sender_id: user(2),
        receiver_id: user(1),
        amount: amount(units),
        by_operator: false,
        shares: Vec::new(),
    })
}

/// The second step of a transaction, if it gives back what is held.
fn release(id: i64) -> Movement {
    Movement::Release {
        transaction_id: transaction(id),
        step: 2,
        sender_id: user(1),
        receiver_id: user(2),
        receivers: Vec::new(),
    }
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
    book.apply(&capture(1, 60)).unwrap();
    assert_eq!((balances(&book, 1), balances(&book, 2)), ((40.into(), 0.into()), (60.into(), 0.into())));
}

#[test]
fn a_batch_happens_whole_or_not_at_all() {
    let paid = |id, from, to, units| {
        BatchStep::Transfer(Transfer { sender_id: user(from), receiver_id: user(to), ..transfer(id, units) })
    };
    let batch = |steps: &[BatchStep]| Movement::Batch(Batch { batch_id: 1, steps: steps.to_vec() });
    let mut book = book(&[100, 0, 0]);
    // user 2 pays on what it gets in the same batch
    let steps = [paid(1, 1, 2, 60), paid(2, 2, 3, 50), BatchStep::Hold(transfer(3, 40))];
    let applied = book.apply(&batch(&steps)).unwrap();
    assert_eq!(applied.balance, Money::ZERO);
    let transactions: Vec<_> = applied.entries.iter().map(|entry| entry.transaction.unwrap().get()).collect();
    assert_eq!(transactions, [1, 1, 2, 2, 3, 3]);
    let all = |book: &Book| [1, 2, 3].map(|id| balances(book, id));
    let then = [(0.into(), 40.into()), (10.into(), 0.into()), (50.into(), 0.into())];
    assert_eq!(all(&book), then);
    assert_eq!(book.accounts[&user(2)].incoming, 1);
    // whatever is refused, nothing of the others stays
    for (wrong, refusal) in [
        (paid(5, 2, 3, 11), Refusal::InsufficientBalance),
        (paid(5, 2, 9, 1), Refusal::ReceiverNotFound),
        (paid(5, 9, 2, 1), Refusal::UserNotFound),
        (paid(1, 2, 3, 1), Refusal::NotHeld),
    ] {
        let before = (all(&book), book.holds.clone());
        assert_eq!(book.apply(&batch(&[paid(4, 3, 1, 1), wrong])).unwrap_err(), refusal);
        assert_eq!((all(&book), book.holds.clone()), before, "{refusal:?}");
    }
    book.apply(&capture(3, 40)).unwrap();
    assert_eq!(all(&book), [(0.into(), 0.into()), (50.into(), 0.into()), (50.into(), 0.into())]);
}

#[test]
fn a_release_gives_the_money_back_once() {
    let mut book = book(&[100, 0]);
    book.apply(&Movement::Hold(transfer(1, 60))).unwrap();
    for _ in 0..2 {
        book.apply(&release(1)).unwrap();
        assert_eq!(balances(&book, 1), (100.into(), 0.into()));
    }
    assert_eq!(book.apply(&capture(1, 60)), Err(Refusal::NotHeld));
}

#[test]
fn money_that_is_set_aside_is_captured_in_parts_and_never_more_than_is_left() {
    let mut book = book(&[100, 0]);
    book.apply(&Movement::Hold(transfer(1, 60))).unwrap();
    book.apply(&capture(1, 20)).unwrap();
    assert_eq!(book.apply(&capture(1, 41)), Err(Refusal::NotHeld));
    assert_eq!((balances(&book, 1), balances(&book, 2)), ((40.into(), 40.into()), (20.into(), 0.into())));
    assert_eq!(book.accounts[&user(2)].incoming, 1, "something is still set aside for the receiver");
    book.apply(&release(1)).unwrap();
    assert_eq!((balances(&book, 1), balances(&book, 2)), ((80.into(), 0.into()), (20.into(), 0.into())));
    assert_eq!(book.apply(&release(1)), Err(Refusal::NotHeld), "the receiver has a part of it");
    assert_eq!(book.accounts[&user(2)].incoming, 0);
}

#[test]
fn a_final_capture_gives_the_rest_back_at_once() {
    let mut book = book(&[100, 0]);
    book.apply(&Movement::Hold(transfer(1, 60))).unwrap();
    let applied = book.apply(&capture_and(1, 20, true)).unwrap();
    assert_eq!(applied.entries.len(), 4);
    assert_eq!((balances(&book, 1), balances(&book, 2)), ((80.into(), 0.into()), (20.into(), 0.into())));
    assert_eq!(book.accounts[&user(2)].incoming, 0);
    assert_eq!(book.apply(&capture(1, 1)), Err(Refusal::NotHeld));
    book.apply(&Movement::Hold(transfer(2, 60))).unwrap();
    assert_eq!(book.apply(&capture_and(2, 60, true)).unwrap().entries.len(), 2, "there is no rest");
}

#[test]
fn what_was_captured_is_refunded_in_parts_and_never_more() {
    let mut book = book(&[100, 0]);
    book.apply(&Movement::Hold(transfer(1, 60))).unwrap();
    assert_eq!(book.apply(&refund(2, 1, 1)), Err(Refusal::ExceedsRefundable), "nothing is captured");
    book.apply(&capture(1, 40)).unwrap();
    assert_eq!(book.apply(&refund(2, 1, 41)), Err(Refusal::ExceedsRefundable));
    book.apply(&refund(3, 1, 25)).unwrap();
    assert_eq!(book.apply(&refund(4, 1, 16)), Err(Refusal::ExceedsRefundable));
    book.apply(&refund(5, 1, 15)).unwrap();
    assert_eq!((balances(&book, 1), balances(&book, 2)), ((80.into(), 20.into()), (0.into(), 0.into())));
    book.apply(&release(1)).unwrap();
    assert_eq!(balances(&book, 1), (100.into(), 0.into()), "what was set aside still goes back");
}

#[test]
fn a_refund_goes_from_who_was_paid_to_who_paid_and_takes_what_there_is() {
    let mut book = book(&[100, 0, 100]);
    book.apply(&Movement::Transfer(transfer(1, 60))).unwrap();
    let Movement::Refund(right) = refund(2, 1, 60) else { unreachable!() };
    for wrong in [
        Refund { sender_id: user(1), receiver_id: user(2), ..right.clone() },
        Refund { sender_id: user(3), ..right.clone() },
        Refund { refund_of: transaction(9), ..right.clone() },
    ] {
        assert_eq!(book.apply(&Movement::Refund(wrong)), Err(Refusal::NotHeld));
    }
    book.apply(&Movement::Debit { user_id: user(2), amount: amount(1) }).unwrap();
    assert_eq!(book.apply(&Movement::Refund(right.clone())), Err(Refusal::InsufficientBalance));
    book.accounts.remove(&user(1));
    let some = Movement::Refund(Refund { amount: amount(1), ..right });
    assert_eq!(book.apply(&some), Err(Refusal::ReceiverNotFound), "the payer has closed the account");
    assert_eq!(balances(&book, 2), (59.into(), 0.into()));
}

#[test]
fn a_late_hold_after_release_is_refused() {
    let mut book = book(&[100, 0]);
    book.apply(&release(1)).unwrap();
    assert_eq!(book.apply(&Movement::Hold(transfer(1, 60))), Err(Refusal::NotHeld));
    assert_eq!(balances(&book, 1), (100.into(), 0.into()));
}

#[test]
fn what_was_captured_is_not_released() {
    let mut book = book(&[100, 0]);
    book.apply(&Movement::Transfer(transfer(1, 60))).unwrap();
    assert_eq!(book.apply(&release(1)), Err(Refusal::NotHeld));
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
    book.apply(&capture(2, 1)).unwrap();
    assert_eq!(balances(&book, 2), (MAX_BALANCE + 2.into(), Money::ZERO));
}

#[test]
fn a_balance_never_exceeds_what_its_column_holds() {
    let mut book = book(&[100, 0]);
    book.apply(&Movement::Hold(transfer(1, 1))).unwrap();
    let receiver = book.accounts.get_mut(&user(2)).unwrap();
    (receiver.available, receiver.held) = (MAX_STORED - 1.into(), 1.into());
    assert_eq!(book.apply(&Movement::Transfer(transfer(2, 1))), Err(Refusal::ReceiverUnavailable));
    assert_eq!(book.apply(&capture(1, 1)), Err(Refusal::ReceiverUnavailable));
    book.apply(&release(1)).unwrap();
    assert_eq!(balances(&book, 1), (100.into(), 0.into()));
}

fn any_movement() -> impl Strategy<Value = Movement> {
    let amounts = (1_i64..200).prop_map(amount);
    (0..9, 1_i64..4, 1_i64..4, 1_i64..6, amounts).prop_map(|(kind, a, b, tx, amount)| {
        let transfer = Transfer {
            transaction_id: transaction(tx),
            sender_id: user(a),
            receiver_id: user(b),
            amount,
            shares: Vec::new(),
        };
        match kind {
            0 => Movement::Topup { user_id: user(a), amount },
            1 => Movement::Credit { user_id: user(a), amount },
            2 => Movement::Debit { user_id: user(a), amount },
            3 => Movement::Hold(transfer),
            4 => Movement::Transfer(transfer),
            5 | 6 => Movement::Capture {
                transaction_id: transaction(tx),
                step: 2,
                sender_id: user(a),
                receiver_id: user(b),
                amount,
                is_final: kind == 6,
                by_operator: false,
                shares: Vec::new(),
            },
            7 => Movement::Refund(Refund {
                transaction_id: transaction(tx + 10),
                refund_of: transaction(tx),
                sender_id: user(a),
                receiver_id: user(b),
                amount,
                by_operator: false,
                shares: Vec::new(),
            }),
            _ => Movement::Release {
                transaction_id: transaction(tx),
                step: 2,
                sender_id: user(a),
                receiver_id: user(b),
                receivers: Vec::new(),
            },
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
                        + applied.entries.iter().filter(|e| e.account == LedgerAccount::External).map(|e| e.amount).sum();
                }
                Err(_) => prop_assert_eq!(&before.accounts, &book.accounts),
            }
            let held: Money = book.accounts.values().map(|b| b.held).sum();
            let holds: Money = book.holds.values().map(Hold::left).sum();
            let total: Money = book.accounts.values().map(|b| b.available + b.held).sum();
            prop_assert_eq!(held, holds);
            prop_assert!(book.holds.values().all(|hold| hold.refunded <= hold.captured));
            for (user, balances) in &book.accounts {
                let to_user = |hold: &&Hold| hold.left() != Money::ZERO
                    && hold.transfer.as_ref().is_some_and(|transfer| transfer.receiver_id == *user);
                prop_assert_eq!(usize::try_from(balances.incoming), Ok(book.holds.values().filter(to_user).count()));
            }
            prop_assert_eq!(total + outside, Money::from(200));
            prop_assert!(book.accounts.values().all(|b| !b.available.is_negative() && !b.held.is_negative()));
        }
    }
}
