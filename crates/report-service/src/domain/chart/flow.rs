//! Money in and out, month by month.

use std::fmt::Write;

use chrono::{Datelike, NaiveDate};
use money::Money;

use super::{
    frame::{BOTTOM, LEFT, RIGHT},
    picture::{Theme, Words, picture, unit},
    scale::{Scale, Tenths},
};
use crate::domain::language::Language;

/// What came in and went out in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    /// Its first day.
    pub first: NaiveDate,
    pub money_in: Money,
    /// Not negative.
    pub money_out: Money,
}

/// The chart of some months, oldest first: what came in goes up from the line, what went out down.
pub fn flow(months: &[Month], currency: &str, language: Language, theme: Theme) -> String {
    let scale = Scale::of(months.iter().flat_map(|month| [month.money_in, -month.money_out]));
    let width = (RIGHT - LEFT) * 10 / (months.len().max(1) as i128);
    let zero = scale.zero();
    let mut shapes = String::new();
    for (index, month) in months.iter().enumerate() {
        let left = LEFT * 10 + index as i128 * width;
        let (x, bar) = (Tenths(left + width / 6), Tenths(width * 2 / 3));
        for (class, from, to) in [("in", scale.y(month.money_in), zero), ("out", zero, scale.y(-month.money_out))] {
            if from < to {
                let height = Tenths(to.0 - from.0);
                write!(shapes, "<rect class=\"{class}\" x=\"{x}\" y=\"{from}\" width=\"{bar}\" height=\"{height}\"/>")
                    .expect("a String takes everything");
            }
        }
        let middle = Tenths(left + width / 2);
        let mut label = |y: i128, text: &str| {
            write!(shapes, "<text class=\"note\" x=\"{middle}\" y=\"{y}\" text-anchor=\"middle\">{text}</text>")
                .expect("a String takes everything");
        };
        label(BOTTOM + 14, language.month(month.first));
        // the year of the first month, unless the next one begins another: there is no room for both
        let is_alone = months.get(1).is_none_or(|second| second.first.month0() > 0);
        if (index == 0 && is_alone) || month.first.month0() == 0 {
            label(BOTTOM + 26, &month.first.year().to_string());
        }
    }
    let [money_in, money_out] = names(language);
    write!(
        shapes,
        "<text class=\"note\" x=\"{RIGHT}\" y=\"27\" text-anchor=\"end\"><tspan class=\"in\">▲</tspan> {money_in}\
         <tspan dx=\"8\" class=\"out\">▼</tspan> {money_out}</text>"
    )
    .expect("a String takes everything");
    picture(&words(months, currency, language), &scale, language, theme, &shapes)
}

fn names(language: Language) -> [&'static str; 2] {
    language.pick(["Money in", "Money out"], ["Uang masuk", "Uang keluar"])
}

fn words(months: &[Month], currency: &str, language: Language) -> Words {
    let unit = unit(currency);
    let named = |month: &Month| format!("{} {}", language.month(month.first), month.first.year());
    let said = months.iter().map(|month| {
        let [money_in, money_out] = [month.money_in, month.money_out].map(|amount| language.number(amount));
        let [inward, outward] = language.pick(["in", "out"], ["masuk", "keluar"]);
        format!("{}: {inward} {unit} {money_in}, {outward} {unit} {money_out}", named(month))
    });
    let description = said.collect::<Vec<_>>().join("; ");
    let [first, last] = [months.first(), months.last()].map(|month| month.map(named).unwrap_or_default());
    let title = language.pick("Money in and out", "Uang masuk dan keluar");
    Words { title: format!("{title}, {first} – {last}"), description, unit: unit.to_owned() }
}
