//! From amounts to places in a picture, in whole numbers.

use money::Money;

use super::frame::{BOTTOM, TOP};
use crate::domain::language::Language;

/// Lines of a grid at most, but for that at zero.
const MOST_TICKS: i128 = 4;
/// Cents of a unit of the currency.
const UNIT: i128 = 100;

/// Which amounts the height of a picture stands for, in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    step: i128,
    lowest: i128,
    highest: i128,
}

impl Scale {
    /// A scale with zero, on which all `amounts` have a place.
    pub fn of(amounts: impl IntoIterator<Item = Money>) -> Self {
        let (mut lowest, mut highest) = (0, 0);
        for amount in amounts.into_iter().map(cents) {
            (lowest, highest) = (lowest.min(amount), highest.max(amount));
        }
        let step = step((highest - lowest).max(UNIT));
        let up = |amount: i128| (amount + step - 1).div_euclid(step) * step;
        let (lowest, highest) = (-up(-lowest), up(highest));
        Self { step, lowest, highest: if lowest == highest { step } else { highest } }
    }

    /// The height at which `amount` is, downwards, in tenths.
    pub fn y(&self, amount: Money) -> Tenths {
        self.place(cents(amount))
    }

    /// The height of zero.
    pub fn zero(&self) -> Tenths {
        self.place(0)
    }

    /// The lines of the grid with what they stand for.
    pub fn ticks(&self, language: Language) -> Vec<(Tenths, String)> {
        let count = (self.highest - self.lowest) / self.step;
        let ticks = (0..=count).map(|index| self.lowest + index * self.step);
        ticks.map(|amount| (self.place(amount), short(amount, language))).collect()
    }

    fn place(&self, cents: i128) -> Tenths {
        Tenths(TOP * 10 + (self.highest - cents) * (BOTTOM - TOP) * 10 / (self.highest - self.lowest))
    }
}

/// A length in tenths of a unit of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tenths(pub i128);

impl std::fmt::Display for Tenths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{}", self.0.abs() / 10, self.0.abs() % 10)
    }
}

/// 1, 2 or 5 and zeros, so that not too many of them are a range.
fn step(range: i128) -> i128 {
    let mut power = UNIT;
    loop {
        for step in [power, 2 * power, 5 * power] {
            if range <= step * MOST_TICKS {
                return step;
            }
        }
        power *= 10;
    }
}

/// An amount of few digits, as it is said: `1.5M`, `1,5 jt`.
fn short(cents: i128, language: Language) -> String {
    let units = cents / UNIT;
    let names = language.pick(["", "K", "M", "B", "T"], ["", " rb", " jt", " M", " T"]);
    let mut power = 1;
    let mut name = names[0];
    for larger in &names[1..] {
        if units.abs() < power * 1000 {
            break;
        }
        (power, name) = (power * 1000, larger);
    }
    let tenths = units.abs() * 10 / power;
    let sign = if units < 0 { "-" } else { "" };
    let decimal = if tenths % 10 == 0 { String::new() } else { format!("{}{}", language.pick('.', ','), tenths % 10) };
    format!("{sign}{}{decimal}{name}", tenths / 10)
}

fn cents(amount: Money) -> i128 {
    let text = amount.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{decimals:0<2}").parse().expect("an amount has digits alone")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_scale_has_zero_and_few_round_steps() {
        let labels = |amounts: &[&str]| -> Vec<String> {
            let scale = Scale::of(amounts.iter().map(|text| money(text)));
            scale.ticks(Language::English).into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels(&[]), ["0", "1"]);
        assert_eq!(labels(&["0.5"]), ["0", "1"]);
        assert_eq!(labels(&["340010"]), ["0", "100K", "200K", "300K", "400K"]);
        assert_eq!(labels(&["1200000", "-300000"]), ["-500K", "0", "500K", "1M", "1.5M"]);
        assert_eq!(labels(&["99999999999999999999999999.99"]).len(), 3);
    }

    #[test]
    fn every_amount_has_its_place_between_the_edges() {
        let scale = Scale::of([money("150"), money("-50.5")]);
        assert_eq!(scale.ticks(Language::English).first().unwrap().0, Tenths(BOTTOM * 10));
        assert!(scale.y(money("150")) < scale.zero());
        assert!(scale.y(money("150")) >= Tenths(TOP * 10));
        assert_eq!(Tenths(-5).to_string(), "-0.5");
    }

    #[test]
    fn short_amounts_are_said_as_each_language_does() {
        assert_eq!(short(150_000_000, Language::Indonesian), "1,5 jt");
        assert_eq!(short(5_000_000, Language::Indonesian), "50 rb");
        assert_eq!(short(200_000_000_000, Language::English), "2B");
    }
}
