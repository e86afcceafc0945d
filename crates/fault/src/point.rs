//! A commit or a call with a name.

#[cfg(debug_assertions)]
use crate::debug::reach;
use crate::injected::Injected;
#[cfg(not(debug_assertions))]
use crate::release::reach;

/// A commit or a call, by a name that it has alone in its service. Made by [`point!`](crate::point), by which
/// `cargo xtask torture` finds them all.
#[derive(Debug, Clone, Copy)]
pub struct Point(&'static str);

/// Names a commit or a call: `point!("writes")`.
#[macro_export]
macro_rules! point {
    ($name:literal) => {
        $crate::Point::new($name)
    };
}

impl Point {
    /// The point of this name.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// Where nothing has happened yet.
    pub async fn before(self) -> Result<(), Injected> {
        reach(self.0, "before").await
    }

    /// Where it has happened.
    pub async fn after(self) -> Result<(), Injected> {
        reach(self.0, "after").await
    }
}
