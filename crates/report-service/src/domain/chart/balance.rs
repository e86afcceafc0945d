//! A balance over time.

use std::fmt::Write;

use chrono::NaiveDate;
use money::Money;

use super::{
    frame::{BOTTOM, LEFT, RIGHT},
    picture::{Theme, Words, picture, unit},
    scale::{Scale, Tenths},
};
use crate::domain::language::Language;

/// A balance over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balances {
    /// Its first day.
    pub first: NaiveDate,
    /// Its last day.
    pub last: NaiveDate,
    /// The balance with which it begins, and that at the end of each stretch of the same length. There is at least one stretch.
    pub balances: Vec<Money>,
}

/// The chart of a balance.
pub fn balance(balances: &Balances, currency: &str, language: Language, theme: Theme) -> String {
    let Balances { first, last, balances: amounts } = balances;
    let scale = Scale::of(amounts.iter().copied());
    let stretches = amounts.len().saturating_sub(1).max(1) as i128;
    let x = |index: usize| Tenths(LEFT * 10 + index as i128 * (RIGHT - LEFT) * 10 / stretches);
    let mut line = String::new();
    for (index, amount) in amounts.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        write!(line, "{command}{} {}", x(index), scale.y(*amount)).expect("a String takes everything");
    }
    let zero = scale.zero();
    let area = format!("{line}L{} {zero}L{} {zero}z", x(amounts.len().saturating_sub(1)), x(0));
    let days = [(LEFT, "start", first), (RIGHT, "end", last)].map(|(x, anchor, day)| {
        let (y, day) = (BOTTOM + 17, language.day(*day));
        format!("<text class=\"note\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{day}</text>")
    });
    let shapes = format!("<path class=\"area\" d=\"{area}\"/><path class=\"line\" d=\"{line}\"/>{}", days.concat());
    let words = words((*first, *last), amounts, currency, language);
    picture(&words, &scale, language, theme, &shapes)
}

fn words((first, last): (NaiveDate, NaiveDate), amounts: &[Money], currency: &str, language: Language) -> Words {
    let unit = unit(currency);
    let said = |amount: Option<Money>| format!("{unit} {}", language.number(amount.unwrap_or_default()));
    let [begin, end] = [amounts.first(), amounts.last()].map(|amount| said(amount.copied()));
    let [lowest, highest] = [amounts.iter().min(), amounts.iter().max()].map(|amount| said(amount.copied()));
    let (first, last) = (language.day(first), language.day(last));
    match language {
        Language::English => Words {
            title: format!("Balance, {first} – {last}"),
            description: format!(
                "The balance goes from {begin} to {end}. The lowest is {lowest}, the highest {highest}."
            ),
            unit: unit.to_owned(),
        },
        Language::Indonesian => Words {
            title: format!("Saldo, {first} – {last}"),
            description: format!("Saldo bergerak dari {begin} menjadi {end}. Terendah {lowest}, tertinggi {highest}."),
            unit: unit.to_owned(),
        },
    }
}
