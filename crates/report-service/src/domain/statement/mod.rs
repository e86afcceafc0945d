//! Statements: what stands at their head, and how each form is written, piece by piece, whatever their length.

mod csv;
mod json;
mod pdf;
mod words;

pub use json::Item;

use money::{Money, UserId};

use super::{accept::Format, entry::Entry, language::Language, period::ClosedPeriod, verification::VerificationCode};

/// What is known of a statement before its entries are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Whose account it is of.
    pub user_id: UserId,
    /// What the user is called.
    pub name: String,
    /// The code of the wallet's currency.
    pub currency: String,
    /// From when until when.
    pub period: ClosedPeriod,
    /// What stands in the period, added up.
    pub totals: Totals,
}

/// The entries of a period, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// The balance before the first one.
    pub opening_balance: Money,
    /// The balance after the last one.
    pub closing_balance: Money,
    /// By how much the balance rose.
    pub total_in: Money,
    /// By how much it fell; not negative.
    pub total_out: Money,
    /// How many there are.
    pub entries: u64,
}

/// An entry, and who the other one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The entry.
    pub entry: Entry,
    /// The display name of its counterparty, if it has one.
    pub counterparty: Option<String>,
}

/// What only a PDF says.
#[derive(Debug, Clone)]
pub struct Issue {
    /// In which language it is written.
    pub language: Language,
    /// When it was made.
    pub at: chrono::DateTime<chrono::Utc>,
    /// By which code anybody can verify it.
    pub code: VerificationCode,
}

/// Writes one statement. Its bytes are those of [`Writer::begin`], of each [`Writer::lines`] and of [`Writer::end`], in this order.
pub enum Writer {
    /// As JSON.
    Json(json::Json),
    /// As CSV.
    Csv(csv::Csv),
    /// As PDF.
    Pdf(Box<pdf::Pdf>),
}

impl Writer {
    /// A writer, and the first bytes.
    pub fn begin(format: Format, head: &Head, issue: Issue) -> (Self, Vec<u8>) {
        match format {
            Format::Json => {
                let (json, bytes) = json::Json::begin(head);
                (Self::Json(json), bytes)
            }
            Format::Csv => (Self::Csv(csv::Csv), csv::begin()),
            Format::Pdf => {
                let mut pdf = Box::new(pdf::Pdf::begin(head.clone(), issue));
                let bytes = pdf.take();
                (Self::Pdf(pdf), bytes)
            }
        }
    }

    /// The bytes for the next entries, oldest first. There may be none.
    pub fn lines(&mut self, lines: &[Line]) -> Vec<u8> {
        match self {
            Self::Json(json) => json.lines(lines),
            Self::Csv(_) => csv::lines(lines),
            Self::Pdf(pdf) => {
                for line in lines {
                    pdf.line(line);
                }
                pdf.take()
            }
        }
    }

    /// The last bytes, without which the statement is not complete.
    pub fn end(self) -> Vec<u8> {
        match self {
            Self::Json(_) => json::END.to_vec(),
            Self::Csv(_) => Vec::new(),
            Self::Pdf(pdf) => pdf.end(),
        }
    }
}

#[cfg(test)]
mod tests;
