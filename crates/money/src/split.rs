//! Sharing an amount, to the smallest unit: whatever is shared adds up to what there was.

use rust_decimal::Decimal;

use crate::{MAX_DECIMALS, Money};

/// Shares `amount` in proportion to `weights`, by largest remainder: each share is its exact part rounded down, and the units that are
/// left go, one each, to the shares that lost most by that; of equal ones to the first. The shares add up to `amount`, a larger weight
/// never gets less than a smaller one, and no share exceeds its weight if `amount` is no more than all of them together.
///
/// Neither `amount` nor a weight is negative. If no weight is more than 0, all of it goes to the first.
///
/// # Panics
/// If `amount` times the largest weight, both in the smallest unit, has more than 38 digits, which two [`Amount`](crate::Amount)s never
/// have.
pub fn split(amount: Money, weights: &[Money]) -> Vec<Money> {
    let (amount, mut weights) = (units(amount), weights.iter().copied().map(units).collect::<Vec<i128>>());
    if weights.iter().all(|weight| *weight == 0)
        && let Some(first) = weights.first_mut()
    {
        *first = 1;
    }
    let all: i128 = weights.iter().sum();
    let exact: Vec<i128> =
        weights.iter().map(|weight| amount.checked_mul(*weight).expect("amounts have 17 digits at most")).collect();
    let mut shares: Vec<i128> = exact.iter().map(|part| part / all).collect();
    let left = amount - shares.iter().sum::<i128>();
    let mut by_loss: Vec<usize> = (0..shares.len()).collect();
    by_loss.sort_by_key(|place| std::cmp::Reverse(exact[*place] % all)); // stable: of equal ones the first
    // fewer than there are shares: each lost less than one
    for (place, _) in by_loss.into_iter().zip(0..left) {
        shares[place] += 1;
    }
    shares.into_iter().map(|share| Money(Decimal::from_i128_with_scale(share, MAX_DECIMALS).normalize())).collect()
}

/// How many of the smallest unit it is.
fn units(money: Money) -> i128 {
    let mut value = money.0;
    value.rescale(MAX_DECIMALS);
    value.mantissa()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::MAX_DIGITS;

    fn money(text: &str) -> Money {
        Money(text.parse().unwrap())
    }

    fn written(amount: &str, weights: &[&str]) -> Vec<String> {
        let weights: Vec<Money> = weights.iter().map(|weight| money(weight)).collect();
        split(money(amount), &weights).iter().map(Money::to_string).collect()
    }

    #[test]
    fn what_cannot_be_divided_goes_to_the_first() {
        assert_eq!(written("100", &["1", "1", "1"]), ["33.34", "33.33", "33.33"]);
        assert_eq!(written("100", &["1"; 7]), ["14.29", "14.29", "14.29", "14.29", "14.28", "14.28", "14.28"],);
        assert_eq!(written("0.01", &["1", "1", "1"]), ["0.01", "0", "0"]);
        assert_eq!(written("0.02", &["1", "1", "1"]), ["0.01", "0.01", "0"]);
        assert_eq!(written("0", &["1", "1"]), ["0", "0"]);
    }

    #[test]
    fn the_largest_remainder_comes_first() {
        // 0.1666…, 0.3333… and 0.5 of a cent
        assert_eq!(written("0.01", &["1", "2", "3"]), ["0", "0", "0.01"]);
        assert_eq!(written("500", &["900", "100"]), ["450", "50"]);
        assert_eq!(written("10", &["0", "5", "0"]), ["0", "10", "0"]);
        assert_eq!(written("10", &["0", "0"]), ["10", "0"]);
        assert_eq!(split(money("10"), &[]), []);
    }

    #[test]
    fn the_largest_amounts_are_shared_exactly() {
        let largest = money(&"9".repeat(MAX_DIGITS as usize));
        let shares = split(largest, &[largest, largest, money("0.01")]);
        assert_eq!(shares.iter().copied().sum::<Money>(), largest);
        assert_eq!(split(largest, &[largest]), [largest]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_made_and_who_is_due_more_gets_no_less(
            amount in 0_i64..1_000_000,
            weights in prop::collection::vec(0_i64..100_000, 1..=20),
        ) {
            let cents = |cents: i64| Money(Decimal::new(cents, MAX_DECIMALS));
            let weighted: Vec<Money> = weights.iter().copied().map(cents).collect();
            let shares = split(cents(amount), &weighted);
            prop_assert_eq!(shares.len(), weights.len());
            prop_assert_eq!(shares.iter().copied().sum::<Money>(), cents(amount));
            let all: i64 = weights.iter().sum();
            for (place, (share, weight)) in shares.iter().zip(&weights).enumerate() {
                prop_assert!(!share.is_negative());
                prop_assert!(all == 0 || *weight != 0 || *share == Money::ZERO, "nothing for nothing");
                prop_assert!(amount > all || *share <= weighted[place], "no more than there is for it");
                for (later, other) in shares.iter().zip(&weights).skip(place + 1) {
                    prop_assert!(other > weight || share >= later, "ties to the first");
                    prop_assert!(other < weight || all == 0 || other == weight || share <= later, "monotone");
                }
            }
        }

        #[test]
        fn whatever_is_shared_part_by_part_ends_as_it_was_to_be(
            weights in prop::collection::vec(1_i64..1_000, 1..=20),
            parts in prop::collection::vec(1_i64..500, 0..10),
        ) {
            let cents = |cents: i64| Money(Decimal::new(cents, MAX_DECIMALS));
            let mut left: Vec<Money> = weights.iter().copied().map(cents).collect();
            for part in parts.into_iter().map(cents).chain([cents(i64::MAX / 100)]) {
                let all: Money = left.iter().copied().sum();
                let shares = split(part.min(all), &left);
                for (left, share) in left.iter_mut().zip(shares) {
                    *left = *left - share;
                    prop_assert!(!left.is_negative());
                }
            }
            prop_assert!(left.iter().all(|left| *left == Money::ZERO));
        }
    }
}
