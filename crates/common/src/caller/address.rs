//! Where a request comes from, as far as that can be believed.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRef, FromRequestParts},
    http::{HeaderMap, request::Parts},
};
use ipnet::IpNet;

use crate::caller::gatekeeper::Gatekeeper;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Carries the addresses through which a request came, the client first.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// The bits of an IPv6 address that tell one client from another: whoever has one has all of its network.
const IPV6_NETWORK: u128 = !0 << 64;

/// The network address of whoever calls: of the connection, or, through a proxy that is trusted, of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl aide::OperationInput for ClientAddress {}

impl ClientAddress {
    /// The client of a connection from `peer` with these headers.
    fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
        let values = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        let named: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        let mut client = peer.to_canonical();
        // each proxy adds at the end whom it was called by: what stands before the word of an untrusted one may be a lie
        for name in named.into_iter().rev() {
            match address_in(name) {
                Some(address) if is_trusted(client) => client = address,
                _ => break,
            }
        }
        Self(match client {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK).into(),
            IpAddr::V4(_) => client,
        })
    }
}

/// The address in an entry: alone, or with a port and brackets, as some proxies write it, with quotes or without.
fn address_in(entry: &str) -> Option<IpAddr> {
    let entry = entry.strip_prefix('"').and_then(|entry| entry.strip_suffix('"')).unwrap_or(entry).trim();
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    let address = if let Some(entry) = entry.strip_prefix('[') {
        let (address, rest) = entry.split_once(']')?;
        let is_complete = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        IpAddr::V6(address.parse().ok().filter(|_| is_complete)?)
    } else if let Ok(address) = entry.parse() {
        address
    } else {
        let (address, port) = entry.split_once(':')?;
        IpAddr::V4(address.parse().ok().filter(|_| is_port(port))?)
    };
    Some(address.to_canonical())
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress
where
    Gatekeeper: FromRef<S>,
{
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self::of_request(parts, &Gatekeeper::from_ref(state)))
    }
}

impl ClientAddress {
    /// Who sent the request.
    pub fn of_request(parts: &Parts, gatekeeper: &Gatekeeper) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<Peer>>();
        let peer = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |ConnectInfo(Peer(address))| address.ip());
        Self::of(peer, &parts.headers, &gatekeeper.http().trusted_proxies)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_word_of_trusted_proxies_counts() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        for (peer, forwarded, client) in [
            ("203.0.113.7", "", "203.0.113.7"),
            ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "192.0.2.66, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1, not an address", "10.0.0.1"),
            ("10.0.0.1", "203.0.113.7:51234", "203.0.113.7"),
            ("10.0.0.1", "192.0.2.66:80, 203.0.113.7:51234, 10.0.0.2:4321", "203.0.113.7"),
            ("10.0.0.1", "\"203.0.113.7:51234\"", "203.0.113.7"),
            ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::"),
            ("10.0.0.1", "[2001:db8:1:2::1]", "2001:db8:1:2::"),
            ("10.0.0.1", "\"[2001:db8:1:2::1]:443\"", "2001:db8:1:2::"),
            ("10.0.0.1", "[::ffff:198.51.100.1]:443", "198.51.100.1"),
            ("10.0.0.1", "203.0.113.7:", "10.0.0.1"),
            ("10.0.0.1", "203.0.113.7:99999", "10.0.0.1"),
            ("10.0.0.1", "[203.0.113.7]:80", "10.0.0.1"),
            ("10.0.0.1", "[2001:db8::1]443", "10.0.0.1"),
            ("10.0.0.1", "[2001:db8::1", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("fd00::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::9", "", "2001:db8:1:2::"),
        ] {
            let mut headers = HeaderMap::new();
            if !forwarded.is_empty() {
                headers.insert(FORWARDED_FOR, HeaderValue::from_str(forwarded).unwrap());
            }
            let found = ClientAddress::of(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found.0.to_string(), client, "{peer} {forwarded:?}");
        }
    }
}
