//! The failpoints of debug builds.

use std::{env, fs::OpenOptions, io::Write, process, time::Duration};

use crate::injected::Injected;

/// How long a failpoint holds up what reaches it when it is told to.
const DELAY: Duration = Duration::from_secs(2);

/// Takes in what the failpoints of this process are to do.
pub fn begin() {
    // until the process ends
    std::mem::forget(fail::FailScenario::setup());
}

/// Does at a side of the point `name` what it was told to.
pub(crate) async fn reach(name: &str, side: &str) -> Result<(), Injected> {
    let name = format!("{name}.{side}");
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
