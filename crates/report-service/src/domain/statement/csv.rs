//! A statement as CSV (RFC 4180): one row for each entry, in UTC, with a decimal point.

use csv::{Terminator, WriterBuilder};
use money::time;

use super::head::Line;

/// By which spreadsheets know UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
const HEADER: [&str; 8] =
    ["created_at", "kind", "amount", "balance_after", "counterparty", "transaction_id", "reference", "description"];
/// What a spreadsheet may take for the beginning of a formula.
const BEGINS_A_FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Writes CSV.
pub struct Csv;

/// The mark and the header.
pub fn begin() -> Vec<u8> {
    let mut bytes = BYTE_ORDER_MARK.to_vec();
    bytes.extend(rows([HEADER.map(str::to_owned)]));
    bytes
}

/// A row for each entry.
pub fn lines(lines: &[Line]) -> Vec<u8> {
    rows(lines.iter().map(|Line { entry, counterparty }| {
        [
            time::written(entry.created_at),
            defused(&entry.kind),
            entry.amount.to_string(),
            entry.balance_after.to_string(),
            defused(counterparty.as_deref().unwrap_or_default()),
            entry.transaction_id.map(|id| id.to_string()).unwrap_or_default(),
            defused(entry.reference.as_deref().unwrap_or_default()),
            defused(entry.description.as_deref().unwrap_or_default()),
        ]
    }))
}

fn rows(rows: impl IntoIterator<Item = [String; 8]>) -> Vec<u8> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(&row).expect("a Vec takes everything");
    }
    writer.into_inner().expect("a Vec takes everything")
}

/// Text as a spreadsheet shows it, whatever it begins with.
fn defused(text: &str) -> String {
    if text.starts_with(BEGINS_A_FORMULA) { format!("'{text}") } else { text.to_owned() }
}
