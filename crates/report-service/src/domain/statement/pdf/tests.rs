use chrono::DateTime;

use super::{
    document::Pdf,
    layout::{BOTTOM, FEWEST_ON_A_PAGE},
};
use crate::domain::{
    language::Language,
    statement::{Issue, tests::statement},
    verification::VerificationCode,
};

#[test]
fn every_line_stays_above_the_footer_however_long_the_texts_are() {
    let (mut head, mut lines) = statement(12);
    let long = "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}🧑‍🦽🇮🇩".repeat(30);
    head.name.clone_from(&long);
    let issue = Issue { language: Language::English, at: DateTime::UNIX_EPOCH, code: VerificationCode::random() };
    let mut pdf = Pdf::begin(head, issue);
    assert!(pdf.y >= BOTTOM + 100.0, "the first page has room: {}", pdf.y);
    let mut bytes = Vec::new();
    for line in &mut lines {
        let entry = &mut line.entry;
        (entry.description, entry.reference) = (Some(long.clone()), Some(format!("INV-7 {long}")));
        entry.counterparty_id = entry.counterparty_id.or("9".parse().ok());
        entry.transaction_id = "77".parse().ok();
        line.counterparty = Some(long.clone());
        pdf.line(line);
        assert!(pdf.y >= BOTTOM, "{}", pdf.y);
        bytes.extend(pdf.take());
    }
    let pages = pdf.pages.len() as u64;
    bytes.extend(pdf.end());
    let text = lab::pdf::text(&bytes, &|_| ()).unwrap();
    assert_eq!(text.matches("Transaction 77 · Reference INV-7").count(), lines.len(), "{text}");
    assert!(text.matches('…').count() >= 3 * lines.len(), "{text}");
    assert!(pages <= lines.len() as u64 / FEWEST_ON_A_PAGE + 1, "{pages} pages");
}
