//! Statements: what stands at their head, and how each form is written, piece by piece, whatever their length.

mod csv;
mod head;
mod json;
mod pdf;
mod words;
mod writer;

pub use head::{Head, Issue, Line, Totals};
pub use json::Item;
pub use writer::Writer;

#[cfg(test)]
mod tests;
