use chrono::{DateTime, TimeDelta};
use chrono_tz::Tz;

use money::{Money, UserId};

use super::*;
use crate::domain::{
    accept::Format, entry::Entry, language::Language, period::ClosedPeriod, verification::VerificationCode,
};

fn money(text: &str) -> Money {
    serde_json::from_str(text).unwrap()
}

fn user(id: i64) -> UserId {
    id.to_string().parse().unwrap()
}

/// A statement of November with `count` entries.
pub(super) fn statement(count: i64) -> (Head, Vec<Line>) {
    let bound = |text: &str| serde_json::from_value(text.into()).unwrap();
    let period = ClosedPeriod::between(bound("2026-11-01"), bound("2026-11-30"), Tz::Asia__Jakarta).unwrap();
    let mut balance = money("250000");
    let mut totals = Totals { opening_balance: balance, ..Totals::default() };
    let kinds =
        ["topup", "transfer", "hold", "release", "capture", "refund", "fee", "payout", "credit", "debit", "gift"];
    let names = ["Jane D.", "Siti Nurhaliza", "北京 银行", "Đặng Thị Hương", "Ольга К.", "محمد", "Zoë Ångström-Øst"];
    let lines = (0..count).map(|index| {
        let at = |values: &[&'static str]| values[usize::try_from(index).unwrap() % values.len()];
        let amount = if index % 3 == 0 { money("12500.5") } else { money("-4000") };
        balance = balance + amount;
        if amount.is_negative() {
            totals.total_out = totals.total_out - amount;
        } else {
            totals.total_in = totals.total_in + amount;
        }
        let has_other = index % 4 != 0;
        Line {
            entry: Entry {
                id: index + 1,
                user_id: user(7),
                created_at: period.from + TimeDelta::seconds(index * 2_300 + 3_600),
                kind: at(&kinds).to_owned(),
                amount,
                balance_after: balance,
                counterparty_id: has_other.then(|| user(index + 20)),
                transaction_id: has_other.then(|| (index + 100).to_string().parse().unwrap()),
                reference: (index % 5 == 0).then(|| format!("INV-2026-{index:05}")),
                description: (index % 2 == 0).then(|| {
                    at(&[
                        "=SUM(A1)",
                        "Lunch with the team at the new place near the station, and coffee after it; thanks, \"all\"!",
                        "Sewa\nNovember",
                    ])
                    .to_owned()
                }),
            },
            counterparty: has_other.then(|| at(&names).to_owned()),
        }
    });
    let lines: Vec<Line> = lines.collect();
    totals.closing_balance = balance;
    totals.entries = lines.len() as u64;
    let name = "Putri Ayu Wulandari 北京".to_owned();
    (Head { user_id: user(7), name, currency: "IDR".to_owned(), period, totals }, lines)
}

fn written(format: Format, language: Language, count: i64) -> Vec<u8> {
    let (head, lines) = statement(count);
    let at: DateTime<chrono::Utc> = "2026-12-01T02:03:04Z".parse().unwrap();
    let issue = Issue { language, at, code: VerificationCode::random() };
    let (mut writer, mut bytes) = Writer::begin(format, &head, issue);
    for lines in lines.chunks(7) {
        bytes.extend(writer.lines(lines));
    }
    bytes.extend(writer.end());
    bytes
}

/// Tells nobody what is installed.
fn quietly(_: &str) {}

#[test]
fn a_long_pdf_has_a_number_on_each_page_and_goes_on_with_the_balance_before() {
    let pdf = written(Format::Pdf, Language::English, 60);
    let text = lab::pdf::text(&pdf, &quietly).unwrap();
    let pages: Vec<&str> = text.split('\u{c}').filter(|page| !page.trim().is_empty()).collect();
    assert!(pages.len() > 3);
    for (index, page) in pages.iter().enumerate() {
        assert!(page.contains(&format!("Page {} of {}", index + 1, pages.len())), "{page}");
        assert!(page.contains("Verification code"), "{page}");
        assert_eq!(page.contains("Balance brought forward"), index > 0, "{page}");
    }
    assert!(pages[0].contains("1 Nov 2026 – 30 Nov 2026") && pages[0].contains("250,000.00"), "{}", pages[0]);
    assert!(pages[pages.len() - 1].contains("Closing balance"));
    let darkness = lab::pdf::darkness(&pdf, &quietly).unwrap();
    assert!(darkness.len() == pages.len() && darkness.iter().all(|dark| (3..300).contains(dark)), "{darkness:?}");
}

#[test]
fn names_of_any_script_show_in_letters_that_the_fonts_have() {
    let text = lab::pdf::text(&written(Format::Pdf, Language::English, 20), &quietly).unwrap();
    for shown in
        ["BeiJing YinXing", "Đặng Thị Hương", "Ольга К.", "mhmd", "Zoë Ångström-Øst", "Putri Ayu Wulandari BeiJing"]
    {
        assert!(text.contains(shown), "{shown}: {text}");
    }
}

#[test]
fn a_pdf_without_entries_says_so_in_its_language() {
    let text = lab::pdf::text(&written(Format::Pdf, Language::Indonesian, 0), &quietly).unwrap();
    for shown in ["Rekening koran", "Tidak ada mutasi", "Saldo akhir", "250.000,00", "Halaman 1 dari 1"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
}

#[test]
fn texts_that_spreadsheets_take_for_formulas_are_defused_and_numbers_are_not() {
    let csv = String::from_utf8(written(Format::Csv, Language::English, 12)).unwrap();
    let csv = csv.strip_prefix('\u{feff}').unwrap();
    assert!(
        csv.starts_with("created_at,kind,amount,balance_after,counterparty,transaction_id,reference,description\r\n")
    );
    assert!(csv.contains(",'=SUM(A1)\r\n") && csv.contains(",-4000,258500.5,"), "{csv}");
    assert!(csv.contains("\"Sewa\nNovember\"") && csv.contains("\"\"all\"\"!\""), "{csv}");
    for begin in ["=", "+", "-", "@", "\t", "\r"] {
        let (_, mut lines) = statement(1);
        lines[0].counterparty = Some(format!("{begin}1"));
        let row = String::from_utf8(csv::lines(&lines)).unwrap();
        assert!(row.contains(&format!("'{begin}1")), "{row}");
    }
}

#[test]
fn nothing_of_a_statement_is_kept_but_what_its_end_needs() {
    let (head, lines) = statement(100);
    let issue = Issue { language: Language::English, at: DateTime::UNIX_EPOCH, code: VerificationCode::random() };
    for format in [Format::Json, Format::Csv, Format::Pdf] {
        let (mut writer, _) = Writer::begin(format, &head, issue.clone());
        let pieces: Vec<usize> = (0..50).map(|_| writer.lines(&lines).len()).collect();
        assert!(pieces.iter().all(|piece| (5_000..100_000).contains(piece)), "{format:?}: {pieces:?}");
        assert!(writer.end().len() < 100_000, "{format:?}");
    }
}
