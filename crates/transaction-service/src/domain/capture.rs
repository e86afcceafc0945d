//! Captures: how much of what is set aside goes to the receiver, and whether the rest goes back.

use money::{Amount, Money};

/// The most captures of a transaction, beside the one that ends it.
pub const MAX_CAPTURES: u16 = 1_000;

/// What of a pending transaction is to be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capture {
    /// How much; `None` is all that is left.
    pub amount: Option<Amount>,
    /// True if what is left then goes back to the sender, and the transaction is over.
    pub is_final: bool,
}

impl Capture {
    /// All that is left.
    pub const ALL: Self = Self { amount: None, is_final: true };

    /// How much it takes of what is `left`.
    pub fn taken_of(self, left: Money) -> Money {
        self.amount.map_or(left, Amount::money)
    }

    /// The same capture where so much is `left`: who takes everything ends the transaction. `None` if that is not enough.
    pub fn within(self, left: Money) -> Option<Self> {
        let taken = self.taken_of(left);
        (taken <= left).then_some(Self { is_final: self.is_final || taken == left, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_captures_all_that_is_left_ends_the_transaction() {
        let part = |amount: i64, is_final| Capture { amount: Some(amount.to_string().parse().unwrap()), is_final };
        let left = Money::from(60);
        assert_eq!(part(20, false).within(left), Some(part(20, false)));
        assert_eq!(part(20, true).within(left), Some(part(20, true)));
        assert_eq!(part(60, false).within(left), Some(part(60, true)));
        assert_eq!(part(61, true).within(left), None);
        assert_eq!(Capture::ALL.within(left), Some(Capture::ALL));
        assert_eq!(Capture::ALL.taken_of(left), left);
    }
}
