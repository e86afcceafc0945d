//! Failpoints: places where a test lets a process die, fail or wait. There is one before and one after each commit and each
//! call over the network. Debug builds have them, and do nothing there unless they are told to; release builds have none.
//!
//! `FAILPOINTS` tells them what to do, as the crate `fail` reads it: `journal.after=2*off->1*return(abort)` at the third
//! time. The actions are `abort`, `error` and `delay`. To the file in `FAILPOINTS_REACHED` a line is added each time one
//! is reached.

/// A commit or a call, by a name that it has alone in its service. Made by [`point!`](crate::point), by which
/// `cargo xtask torture` finds them all.
#[derive(Debug, Clone, Copy)]
pub struct Point(&'static str);

/// Names a commit or a call: `point!("journal")`.
#[macro_export]
macro_rules! point {
    ($name:literal) => {
        $crate::fault::Point::new($name)
    };
}

/// What was done at a failpoint fails.
#[derive(Debug, thiserror::Error)]
#[error("the failpoint {0} was told to fail")]
pub struct Injected(String);

impl Point {
    /// The point of this name.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// Where nothing has happened yet.
    pub async fn before(self) -> Result<(), Injected> {
        self.reach("before").await
    }

    /// Where it has happened.
    pub async fn after(self) -> Result<(), Injected> {
        self.reach("after").await
    }
}

#[cfg(not(debug_assertions))]
mod release {
    use super::{Injected, Point};

    /// There are none.
    pub fn begin() {}

    impl Point {
        #[expect(clippy::unused_async, reason = "a debug build may wait here")]
        pub(super) async fn reach(self, _: &str) -> Result<(), Injected> {
            let Self(_name) = self;
            Ok(())
        }
    }
}
#[cfg(not(debug_assertions))]
pub use release::begin;

#[cfg(debug_assertions)]
mod debug {
    use std::{env, fs::OpenOptions, io::Write, process, time::Duration};

    use super::{Injected, Point};

    /// How long a failpoint holds up what reaches it when it is told to.
    const DELAY: Duration = Duration::from_secs(2);

    /// Takes in what the failpoints of this process are to do.
    pub fn begin() {
        // until the process ends
        std::mem::forget(fail::FailScenario::setup());
    }

    impl Point {
        pub(super) async fn reach(self, side: &str) -> Result<(), Injected> {
            let name = format!("{}.{side}", self.0);
            remember(&name);
            match action(&name).as_deref() {
                None => Ok(()),
                Some("abort") => process::abort(),
                Some("error") => Err(Injected(name)),
                Some("delay") => {
                    tokio::time::sleep(DELAY).await;
                    Ok(())
                }
                Some(other) => panic!("{name} is told to {other:?}: it knows abort, error and delay"),
            }
        }
    }

    fn action(name: &str) -> Option<String> {
        fail::fail_point!(name, |action| action);
        None
    }

    fn remember(name: &str) {
        if let Some(file) = env::var_os("FAILPOINTS_REACHED") {
            let file = OpenOptions::new().create(true).append(true).open(file);
            // one write, so that lines of several threads do not mix
            let line = format!("{name}\n");
            file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the file of failpoints can be written");
        }
    }
}
#[cfg(debug_assertions)]
pub use debug::begin;
