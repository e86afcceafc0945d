//! Failpoints: places where a test lets a process die, fail or wait. There is one before and one after each commit and each
//! call over the network. Debug builds have them, and do nothing there unless they are told to; release builds have none.
//!
//! `FAILPOINTS` tells them what to do, as the crate `fail` reads it: `writes.after=2*off->1*return(abort)` at the third
//! time. The actions are `abort`, `error` and `delay`. To the file in `FAILPOINTS_REACHED` a line is added each time one
//! is reached.

#[cfg(debug_assertions)]
mod debug;
mod injected;
mod point;
#[cfg(not(debug_assertions))]
mod release;

#[cfg(debug_assertions)]
pub use debug::begin;
pub use injected::Injected;
pub use point::Point;
#[cfg(not(debug_assertions))]
pub use release::begin;
