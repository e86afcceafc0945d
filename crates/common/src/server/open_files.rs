//! How many files a process may open: each connection is one. Systems start processes with a low limit that they may raise
//! themselves, up to another one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{config::ServiceConfig, server::receive::MAX_IN_FLIGHT};

/// What is asked for, where the system allows any number.
const PLENTY: u64 = 65_536;
/// Logs, sockets that listen, calls to other services and the like.
const OTHER_FILES: u64 = 256;

/// Raises the limit of this process as far as it may, and says so if that is too low for what it is set to take.
pub fn allow(config: &ServiceConfig) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(PLENTY, |maximum| maximum.min(PLENTY));
    if current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).ok();
    }
    let (allowed, needed) = (getrlimit(Resource::Nofile).current, needed(config));
    if let Some(allowed) = allowed.filter(|allowed| *allowed < needed) {
        tracing::warn!(
            allowed,
            needed,
            "under full load this process needs more open files than it may have: raise the hard limit (`ulimit -Hn`, \
             LimitNOFILE of systemd, ulimits of Docker)"
        );
    }
}

/// One for each request that is worked on at once, of users and of services, and one for each connection to the database.
fn needed(config: &ServiceConfig) -> u64 {
    let database = u64::from(config.database.pool_size) + u64::from(config.database.read_pool_size);
    2 * MAX_IN_FLIGHT as u64 + database + OTHER_FILES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Env;

    #[test]
    fn a_process_takes_what_the_system_allows() {
        let config = Env::new(|_| None).service("user-service", 5001, "digital_wallet");
        allow(&config);
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let enough = |limit: Option<u64>, wanted| limit.is_none_or(|limit| limit >= wanted);
        assert!(enough(current, maximum.map_or(PLENTY, |maximum| maximum.min(PLENTY))), "{current:?} of {maximum:?}");
        assert!((8_000..PLENTY).contains(&needed(&config)));
    }
}
