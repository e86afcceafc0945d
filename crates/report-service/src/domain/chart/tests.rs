use chrono::{Days, Months, NaiveDate};
use money::Money;

use super::{
    picture::{DARK, LIGHT},
    *,
};
use crate::domain::language::Language;

fn money(text: &str) -> Money {
    serde_json::from_str(text).unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn of_thirty_days() -> Balances {
    let last = day("2026-11-27");
    let balances = (0..=30).map(|index: i64| money(&(50_000 + (index * 7_919) % 31 * 9_500).to_string())).collect();
    Balances { first: last - Days::new(29), last, balances }
}

fn of_twelve_months() -> Vec<Month> {
    let first = day("2025-12-01");
    let amount = |index: u32, factor: u32| money(&(index * factor % 11 * 120_000).to_string());
    (0..12)
        .map(|index| Month {
            first: first + Months::new(index),
            money_in: amount(index, 7),
            money_out: amount(index, 5),
        })
        .collect()
}

#[test]
fn a_chart_says_in_words_what_it_shows() {
    let english = balance(&of_thirty_days(), "IDR", Language::English, Theme::Auto);
    assert!(english.contains("role=\"img\"") && english.contains("aria-labelledby=\"title desc\""));
    assert!(english.contains("<title id=\"title\">Balance, 29 Oct 2026 – 27 Nov 2026</title>"), "{english}");
    assert!(english.contains("The balance goes from Rp 50,000.00 to "), "{english}");
    let indonesian = flow(&of_twelve_months(), "IDR", Language::Indonesian, Theme::Light);
    assert!(indonesian.contains("<title id=\"title\">Uang masuk dan keluar, Des 2025 – Nov 2026</title>"));
    assert!(indonesian.contains("Jan 2026: masuk Rp 840.000,00, keluar Rp 600.000,00; "), "{indonesian}");
    let dollars = flow(&of_twelve_months(), "USD", Language::English, Theme::Light);
    assert!(dollars.contains("Dec 2025: in USD 0.00, out USD 0.00; "), "{dollars}");
}

#[test]
fn a_theme_is_what_is_asked_for_and_paper_is_white() {
    let with = |theme| balance(&of_thirty_days(), "IDR", Language::English, theme);
    let (light, dark, auto) = (with(Theme::Light), with(Theme::Dark), with(Theme::Auto));
    assert!(light.contains(LIGHT) && !light.contains(DARK));
    assert!(dark.contains(&format!("{DARK}@media print{{{LIGHT}}}")));
    assert!(auto.contains(&format!("{LIGHT}@media(prefers-color-scheme:dark){{{DARK}}}@media print{{{LIGHT}}}")));
}

#[test]
fn what_is_empty_is_drawn_all_the_same() {
    let nothing = Balances { first: day("2026-11-27"), last: day("2026-11-27"), balances: vec![Money::ZERO; 2] };
    assert!(balance(&nothing, "IDR", Language::English, Theme::Auto).contains("M46.0 170.0L310.0 170.0"));
    assert!(flow(&[], "IDR", Language::English, Theme::Auto).ends_with("</svg>\n"));
}
