//! Whose mail goes next. Pure.

pub mod fairness;
