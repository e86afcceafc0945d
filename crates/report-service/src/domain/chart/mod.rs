//! Charts as SVG: they say in words what they show, and can be read at 320 pixels, on dark pages and on paper.

mod balance;
mod flow;
mod frame;
mod picture;
mod scale;

pub use balance::{Balances, balance};
pub use flow::{Month, flow};
pub use picture::Theme;

#[cfg(test)]
mod tests;
