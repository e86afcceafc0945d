//! The languages of what people read, and how they write numbers and days.

use chrono::{DateTime, Datelike, NaiveDate};
use chrono_tz::Tz;
use money::Money;
use schemars::JsonSchema;
use serde::Deserialize;

/// A language of statements and charts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Language {
    /// English, which is taken if nothing else is asked for.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Indonesian.
    #[serde(rename = "id")]
    Indonesian,
}

const ENGLISH_MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const INDONESIAN_MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"];

impl Language {
    /// The one of the two that `header`, an `Accept-Language` (RFC 9110), wants most; `None` if it wants neither.
    pub fn accepted(header: &str) -> Option<Self> {
        let mut best: Option<(u16, Self)> = None;
        for range in header.split(',') {
            let Some((tag, weight)) = super::accept::weighted(range) else { continue };
            let language = match tag.split('-').next().unwrap_or_default() {
                "en" | "*" => Self::English,
                // `in` is what Indonesian was called before 1989, and still is by old clients
                "id" | "in" => Self::Indonesian,
                _ => continue,
            };
            if weight > best.map_or(0, |(most, _)| most) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }

    /// The tag of the language (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Indonesian => "id",
        }
    }

    /// One of two texts.
    pub fn pick<T>(self, english: T, indonesian: T) -> T {
        match self {
            Self::English => english,
            Self::Indonesian => indonesian,
        }
    }

    /// An amount with two decimals: `10,000.50`, `10.000,50`.
    pub fn number(self, money: Money) -> String {
        let text = money.to_string();
        let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let point = self.pick('.', ',');
        format!("{sign}{}{point}{decimals:0<2}", self.grouped(whole))
    }

    /// A whole number: `10,000`, `10.000`.
    pub fn count(self, count: u64) -> String {
        self.grouped(&count.to_string())
    }

    fn grouped(self, digits: &str) -> String {
        let mut grouped = String::new();
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                grouped.push(self.pick(',', '.'));
            }
            grouped.push(digit);
        }
        grouped
    }

    /// A month: `Nov`.
    pub fn month(self, day: NaiveDate) -> &'static str {
        self.pick(ENGLISH_MONTHS, INDONESIAN_MONTHS)[day.month0() as usize]
    }

    /// A day: `27 Nov 2026`.
    pub fn day(self, day: NaiveDate) -> String {
        format!("{} {} {}", day.day(), self.month(day), day.year())
    }

    /// A moment: `27 Nov 2026, 14:05:09`.
    pub fn moment(self, moment: DateTime<Tz>) -> String {
        format!("{}, {}", self.day(moment.date_naive()), moment.format("%H:%M:%S"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_is_wanted_most_is_taken() {
        let accepted = Language::accepted;
        assert_eq!(accepted("id-ID,id;q=0.9,en;q=0.8"), Some(Language::Indonesian));
        assert_eq!(accepted("de, en;q=0.5, id;q=0.4"), Some(Language::English));
        assert_eq!(accepted("EN-gb"), Some(Language::English));
        assert_eq!(accepted("id;q=0, *;q=0.1"), Some(Language::English));
        for neither in ["", "de", "id;q=0", "id;q=x", ";;,"] {
            assert_eq!(accepted(neither), None, "{neither}");
        }
    }

    #[test]
    fn numbers_are_written_as_each_language_does() {
        let money = |text: &str| serde_json::from_str::<Money>(text).unwrap();
        assert_eq!(Language::English.number(money("-1234567.5")), "-1,234,567.50");
        assert_eq!(Language::Indonesian.number(money("1234567.5")), "1.234.567,50");
        assert_eq!(Language::Indonesian.number(Money::ZERO), "0,00");
        assert_eq!(Language::English.count(200_000), "200,000");
        let day = NaiveDate::from_ymd_opt(2026, 5, 3).unwrap();
        assert_eq!(Language::Indonesian.day(day), "3 Mei 2026");
    }
}
