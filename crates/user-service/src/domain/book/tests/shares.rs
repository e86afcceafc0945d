//! Several receivers of one transaction.

use super::*;

fn share(id: i64, units: i64) -> Share {
    Share { receiver_id: user(id), amount: units.into(), is_fee: false }
}

/// From user 1 to users 2, 3, …, so much to each.
fn shared(id: i64, units: &[i64]) -> Transfer {
    let shares = (2..).zip(units).map(|(id, units)| share(id, *units)).collect();
    Transfer { shares, ..transfer(id, units.iter().sum()) }
}

fn captured(id: i64, units: &[i64], is_final: bool) -> Movement {
    let Transfer { transaction_id, sender_id, receiver_id, amount, shares } = shared(id, units);
    Movement::Capture { transaction_id, step: 2, sender_id, receiver_id, amount, is_final, by_operator: false, shares }
}

fn released(id: i64, receivers: &[i64]) -> Movement {
    let receivers = receivers.iter().copied().map(user).collect();
    Movement::Release { transaction_id: transaction(id), step: 2, sender_id: user(1), receiver_id: user(2), receivers }
}

fn refunded(id: i64, of: i64, units: &[i64]) -> Refund {
    let Transfer { receiver_id: sender_id, sender_id: receiver_id, amount, shares, .. } = shared(of, units);
    let (transaction_id, refund_of) = (transaction(id), transaction(of));
    Refund { transaction_id, refund_of, sender_id, receiver_id, amount, by_operator: false, shares }
}

fn available(book: &Book) -> Vec<Money> {
    book.accounts.values().map(|balances| balances.available).collect()
}

fn incoming(book: &Book) -> Vec<i32> {
    book.accounts.values().map(|balances| balances.incoming).collect()
}

fn units(units: &[i64]) -> Vec<Money> {
    units.iter().map(|units| Money::from(*units)).collect()
}

#[test]
fn a_transfer_pays_all_receivers_in_one_operation_or_none() {
    let mut book = book(&[100, 0, 0, 0]);
    let applied = book.apply(&Movement::Transfer(shared(1, &[50, 30, 10]))).unwrap();
    assert_eq!((applied.entries.len(), applied.balance), (4, 10.into()));
    assert_eq!(available(&book), units(&[10, 50, 30, 10]));
    for (wrong, refusal) in [
        (Transfer { shares: vec![share(2, 5), share(9, 5)], ..transfer(2, 10) }, Refusal::ReceiverNotFound),
        (shared(3, &[5, 6]), Refusal::InsufficientBalance),
    ] {
        for movement in
            [Movement::Transfer(wrong.clone()), Movement::Hold(Transfer { transaction_id: transaction(4), ..wrong })]
        {
            let before = book.accounts.clone();
            assert_eq!(book.apply(&movement), Err(refusal));
            assert_eq!(book.accounts, before);
        }
        book.holds.clear();
    }
    book.accounts.get_mut(&user(3)).unwrap().state = AccountState::Locked;
    assert_eq!(book.apply(&Movement::Transfer(shared(5, &[5, 5]))), Err(Refusal::ReceiverUnavailable));
    assert_eq!(book.apply(&Movement::Hold(shared(6, &[5, 5]))), Err(Refusal::ReceiverUnavailable));
    assert_eq!(available(&book), units(&[10, 50, 30, 10]));
}

#[test]
fn a_hold_is_captured_share_by_share_and_counts_for_each_receiver_until_it_ends() {
    let mut book = book(&[100, 0, 0, 0]);
    book.apply(&Movement::Hold(shared(1, &[50, 30, 10]))).unwrap();
    assert_eq!((available(&book), incoming(&book)), (units(&[10, 0, 0, 0]), vec![0, 1, 1, 1]));
    // nothing goes to who gets nothing this time
    assert_eq!(book.apply(&captured(1, &[20, 10, 0], false)).unwrap().entries.len(), 3);
    assert_eq!((available(&book), incoming(&book)), (units(&[10, 20, 10, 0]), vec![0, 1, 1, 1]));
    for wrong in [
        captured(1, &[0, 21, 0], false),
        captured(1, &[20, 10], false),
        capture(1, 10),
        release(1),
        released(1, &[2, 3]),
    ] {
        assert_eq!(book.apply(&wrong), Err(Refusal::NotHeld), "{wrong:?}");
    }
    let mut other = book.clone();
    book.apply(&captured(1, &[10, 5, 5], true)).unwrap();
    assert_eq!((available(&book), incoming(&book)), (units(&[50, 30, 15, 5]), vec![0; 4]));
    other.apply(&released(1, &[2, 3, 4])).unwrap();
    assert_eq!((available(&other), incoming(&other)), (units(&[70, 20, 10, 0]), vec![0; 4]));
}

#[test]
fn a_refund_takes_from_each_receiver_what_it_got_or_from_none() {
    let mut book = book(&[100, 0, 0, 0]);
    book.apply(&Movement::Transfer(shared(1, &[50, 30, 10]))).unwrap();
    let refund = |refund: Refund| Movement::Refund(refund);
    assert_eq!(book.apply(&refund(refunded(2, 1, &[20, 31, 0]))), Err(Refusal::ExceedsRefundable));
    assert_eq!(book.apply(&refund(refunded(2, 1, &[50]))), Err(Refusal::NotHeld), "not all its receivers");
    book.apply(&Movement::Debit { user_id: user(3), amount: amount(1) }).unwrap();
    assert_eq!(book.apply(&refund(refunded(3, 1, &[50, 30, 10]))), Err(Refusal::InsufficientBalance));
    assert_eq!(available(&book), units(&[10, 50, 29, 10]), "not from the others either");
    book.accounts.get_mut(&user(4)).unwrap().state = AccountState::Frozen;
    assert_eq!(book.apply(&refund(refunded(4, 1, &[1, 1, 1]))), Err(Refusal::AccountFrozen));
    assert_eq!(book.apply(&refund(refunded(5, 1, &[10, 5, 0]))).unwrap().entries.len(), 3);
    book.apply(&refund(Refund { by_operator: true, ..refunded(6, 1, &[40, 24, 10]) })).unwrap();
    assert_eq!(available(&book), units(&[99, 0, 0, 0]));
}

proptest! {
    #[test]
    fn no_sequence_loses_or_makes_money(
        steps in prop::collection::vec((0..5, 1_i64..4, prop::collection::vec(0_i64..40, 3), any::<bool>()), 1..40),
    ) {
        let mut book = book(&[300, 20, 20, 20]);
        for (n, (kind, id, parts, is_final)) in (10..).zip(steps) {
            if parts.iter().sum::<i64>() == 0 {
                continue;
            }
            let movement = match kind {
                0 => Movement::Hold(shared(id, &parts)),
                1 => Movement::Transfer(shared(id, &parts)),
                2 => captured(id, &parts, is_final),
                3 => released(id, &[2, 3, 4]),
                _ => Movement::Refund(refunded(n, id, &parts)),
            };
            let before = book.accounts.clone();
            match book.apply(&movement) {
                Ok(applied) => prop_assert_eq!(applied.entries.iter().map(|e| e.amount).sum::<Money>(), Money::ZERO),
                Err(_) => prop_assert_eq!(&before, &book.accounts),
            }
            let total: Money = book.accounts.values().map(|b| b.available + b.held).sum();
            prop_assert_eq!(total, Money::from(360));
            let open = book.holds.values().filter(|hold| hold.left() != Money::ZERO).count();
            prop_assert!((2..5).all(|id| usize::try_from(book.accounts[&user(id)].incoming) == Ok(open)));
            for hold in book.holds.values().filter(|hold| !hold.shares.is_empty()) {
                let sum = |of: fn(&HeldShare) -> Money| hold.shares.iter().map(of).sum::<Money>();
                prop_assert_eq!(sum(|share| share.captured), hold.captured);
                prop_assert_eq!(sum(|share| share.refunded), hold.refunded);
                prop_assert!(hold.shares.iter().all(|s| s.captured <= s.amount && s.refunded <= s.captured));
            }
        }
    }
}
