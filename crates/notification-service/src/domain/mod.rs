//! Who is notified of what, and whose mail goes next. Pure.

pub mod fairness;
pub mod notices;
