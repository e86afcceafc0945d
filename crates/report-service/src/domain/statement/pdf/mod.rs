//! A statement as PDF. Only the page at hand is kept: how many pages there are, and which glyphs the fonts need, is written when
//! the last page is.

mod canvas;
mod document;
mod file;
mod fonts;
mod head;
mod layout;

pub use document::Pdf;

#[cfg(test)]
mod tests;
