//! The instances of another service: the addresses that its name has, each of which is asked in turn. One that did not answer is
//! left out for a while, as long as there are others.

use std::{
    cmp::Reverse,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    net::lookup_host,
    time::{Instant, timeout},
};
use url::{Host, Url};

/// How long the addresses of a name are believed: instances come and go.
const FRESH_FOR: Duration = Duration::from_secs(2);
/// How long a look-up may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// For how long an instance is left out that did not answer.
const LEFT_OUT_FOR: Duration = Duration::from_secs(5);

/// What is known of a service's instances.
#[derive(Debug)]
pub struct Instances {
    /// The name to look up, and the port; `None` if the addresses are fixed.
    name: Option<(String, u16)>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: Vec<Instance>,
    looked_up_at: Option<Instant>,
    turn: usize,
}

#[derive(Debug, Clone, Copy)]
struct Instance {
    address: SocketAddr,
    left_out_until: Option<Instant>,
}

impl Instances {
    /// Those at `base`; `None` if it must be called by its name, because its certificate has that.
    pub fn at(base: &Url) -> Option<Self> {
        let port = base.port_or_known_default().filter(|_| base.scheme() == "http")?;
        Some(match base.host()? {
            Host::Domain(name) => Self { name: Some((name.to_owned(), port)), state: Mutex::default() },
            Host::Ipv4(address) => Self::fixed([SocketAddr::new(IpAddr::V4(address), port)]),
            Host::Ipv6(address) => Self::fixed([SocketAddr::new(IpAddr::V6(address), port)]),
        })
    }

    /// Those at addresses that stay.
    pub fn fixed(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let instances = Self { name: None, state: Mutex::default() };
        instances.state().learn(addresses);
        instances
    }

    /// Every instance, in the order in which they are to be asked, and whether each has answered of late, as far as is known.
    /// Empty if nobody knows the name.
    pub async fn in_order(&self) -> Vec<(SocketAddr, bool)> {
        let now = Instant::now();
        if let Some((name, port)) = &self.name
            && self.state().looked_up_at.is_none_or(|then| then + FRESH_FOR <= now)
        {
            // a name server that is away changes nothing
            if let Ok(Ok(addresses)) = timeout(PATIENCE, lookup_host((name.as_str(), *port))).await {
                self.state().learn(addresses);
            }
        }
        self.state().in_order(now)
    }

    /// The instance has answered.
    pub fn answered(&self, address: SocketAddr) {
        self.state().mark(address, None);
    }

    /// The instance has not answered in time.
    pub fn silent(&self, address: SocketAddr) {
        self.state().mark(address, Some(Instant::now() + LEFT_OUT_FOR));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn learn(&mut self, addresses: impl IntoIterator<Item = SocketAddr>) {
        let old = std::mem::take(&mut self.known);
        for address in addresses {
            if self.known.iter().all(|known| known.address != address) {
                let known = old.iter().find(|known| known.address == address);
                self.known.push(known.copied().unwrap_or(Instance { address, left_out_until: None }));
            }
        }
        self.looked_up_at = Some(Instant::now());
    }

    fn in_order(&mut self, now: Instant) -> Vec<(SocketAddr, bool)> {
        if self.known.is_empty() {
            return Vec::new();
        }
        self.turn = (self.turn + 1) % self.known.len();
        let mut order = self.known.clone();
        order.rotate_left(self.turn);
        let answers = |instance: &Instance| instance.left_out_until.is_none_or(|until| until <= now);
        order.sort_by_key(|instance| Reverse(answers(instance)));
        order.iter().map(|instance| (instance.address, answers(instance))).collect()
    }

    fn mark(&mut self, address: SocketAddr, left_out_until: Option<Instant>) {
        if let Some(instance) = self.known.iter_mut().find(|instance| instance.address == address) {
            instance.left_out_until = left_out_until;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn addresses(count: u16) -> Vec<SocketAddr> {
        (1..=count).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect()
    }

    async fn ports(instances: &Instances) -> Vec<u16> {
        instances.in_order().await.iter().map(|(address, _)| address.port()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_asked_in_turn_and_one_that_is_silent_comes_last_for_a_while() {
        let all = addresses(3);
        let instances = Instances::fixed(all.clone());
        let firsts = [ports(&instances).await[0], ports(&instances).await[0], ports(&instances).await[0]];
        assert_eq!(firsts.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{firsts:?}");
        instances.silent(all[1]);
        for _ in 0..3 {
            let order = instances.in_order().await;
            assert_eq!((order[2], order[0].1, order[1].1), ((all[1], false), true, true));
        }
        advance(LEFT_OUT_FOR).await;
        assert!(instances.in_order().await.iter().all(|(_, answers)| *answers));
        instances.silent(all[1]);
        instances.answered(all[1]);
        assert!(instances.in_order().await.iter().all(|(_, answers)| *answers));
    }

    #[tokio::test]
    async fn a_name_is_looked_up_and_an_address_is_not() {
        let at = |url: &str| Instances::at(&url.parse().unwrap());
        assert!(at("https://wallet.example").is_none(), "its certificate has the name");
        assert_eq!(ports(&at("http://127.0.0.1:5001").unwrap()).await, [5001]);
        assert_eq!(ports(&at("http://[::1]").unwrap()).await, [80]);
        let here = at("http://localhost:5002").unwrap().in_order().await;
        assert!(
            !here.is_empty() && here.iter().all(|(address, _)| address.ip().is_loopback() && address.port() == 5002)
        );
        assert_eq!(ports(&at("http://no.such.name.invalid:1").unwrap()).await, [0_u16; 0]);
    }

    #[test]
    fn what_is_known_of_an_instance_outlives_a_look_up() {
        let mut state = State::default();
        let all = addresses(3);
        state.learn(all[..2].to_vec());
        state.mark(all[0], Some(Instant::now() + LEFT_OUT_FOR));
        state.learn([all[2], all[0], all[0]]);
        let order = state.in_order(Instant::now());
        assert_eq!(order, [(all[2], true), (all[0], false)]);
    }
}
