use chrono::{DateTime, TimeDelta};
use chrono_tz::Tz;

use super::*;

fn money(text: &str) -> Money {
    serde_json::from_str(text).unwrap()
}

fn user(id: i64) -> UserId {
    id.to_string().parse().unwrap()
}

/// A statement of November with `count` entries.
fn statement(count: i64) -> (Head, Vec<Line>) {
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

#[test]
#[ignore = "only writes files to look at"]
fn look() {
    std::fs::write("/tmp/pdf/en.pdf", written(Format::Pdf, Language::English, 60)).unwrap();
    std::fs::write("/tmp/pdf/id.pdf", written(Format::Pdf, Language::Indonesian, 3)).unwrap();
    std::fs::write("/tmp/pdf/empty.pdf", written(Format::Pdf, Language::English, 0)).unwrap();
    std::fs::write("/tmp/pdf/s.csv", written(Format::Csv, Language::English, 12)).unwrap();
    std::fs::write("/tmp/pdf/s.json", written(Format::Json, Language::English, 12)).unwrap();
    let begin = std::time::Instant::now();
    let bytes = written(Format::Pdf, Language::English, 1000);
    eprintln!("{} bytes {:?}", bytes.len(), begin.elapsed());
}
