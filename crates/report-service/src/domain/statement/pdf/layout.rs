//! Where things are on a page, and how they look.

use pdf_writer::Name;

use super::{
    canvas::{Color, Style},
    fonts::Weight,
};

/// A4, in points.
pub const WIDTH: f32 = 595.28;
pub const HEIGHT: f32 = 841.89;
pub const LEFT: f32 = 48.0;
pub const RIGHT: f32 = WIDTH - 48.0;
/// Below this there is nothing but the footer.
pub const BOTTOM: f32 = 72.0;
/// Where the columns are: details begin, amounts and balances end.
pub const DETAILS: f32 = LEFT + 72.0;
pub const DETAILS_WIDTH: f32 = 236.0;
pub const AMOUNTS: f32 = RIGHT - 96.0;
pub const NUMBER_WIDTH: f32 = 90.0;

pub const INK: Color = [0.11, 0.13, 0.16];
pub const GREY: Color = [0.38, 0.41, 0.46];
pub const FAINT: Color = [0.85, 0.87, 0.89];
pub const PAPER: Color = [0.955, 0.965, 0.97];
pub const BRAND: Color = [0.03, 0.33, 0.36];

pub const TEXT: Style = Style { weight: Weight::Regular, size: 8.5, color: INK };
pub const NOTE: Style = Style { size: 7.5, color: GREY, ..TEXT };
pub const STRONG: Style = Style { weight: Weight::Bold, ..TEXT };
pub const COLUMN: Style = Style { weight: Weight::Bold, size: 7.5, color: GREY };

/// From one line of an entry to the next, and around the lines of an entry.
pub const LINE: f32 = 11.5;
pub const PADDING: f32 = 5.0;

/// Lines of an entry at most: what it is, its description, and its identities. A character that the fonts lack may be a whole line.
pub const MOST_WHAT: usize = 3;
pub const MOST_DESCRIPTION: usize = 8;
pub const MOST_IDENTITIES: usize = 6;
/// Lines of the name on the first page at most.
pub const MOST_NAME: usize = 8;
/// A page has at least so many entries, but for the first and the last one.
pub const FEWEST_ON_A_PAGE: u64 = 3;

/// What pages call the number of pages.
pub const TOTAL: Name<'static> = Name(b"Total");
