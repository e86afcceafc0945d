//! Writes a statement in any of its forms.

use super::{
    csv,
    head::{Head, Issue, Line},
    json, pdf,
};
use crate::domain::accept::Format;

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
