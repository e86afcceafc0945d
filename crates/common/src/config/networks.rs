//! How much of the Internet may be trusted as a proxy.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The shortest prefix of an IPv4 network: that of the largest private one, 10.0.0.0/8.
const MIN_IPV4_PREFIX: u8 = 8;
/// The shortest prefix of an IPv6 network: providers of gateways announce /29 and longer.
const MIN_IPV6_PREFIX: u8 = 24;
/// Networks that lead nowhere, which may be trusted as a whole: unique local addresses (RFC 4193) and those of a link.
const PRIVATE: [&str; 2] = ["fc00::/7", "fe80::/10"];

/// What is expected of those that are trusted.
pub(super) const EXPECTED: &str = "networks of proxies and not of everybody: from /8 on for IPv4, from /24 on for IPv6 \
    (private ones may be wider), all neighbours together; IPv4 not written as ::ffff:…";

/// True if `networks`, alone or together, are so wide that most callers could say that they are somebody else.
pub(super) fn are_too_wide(networks: &[IpNet]) -> bool {
    let mapped: Ipv6Net = "::ffff:0:0/96".parse().expect("a network");
    let private = PRIVATE.map(|network| network.parse::<Ipv6Net>().expect("a network"));
    let is_too_wide = |network: &IpNet| match network {
        IpNet::V4(network) => Ipv4Net::prefix_len(network) < MIN_IPV4_PREFIX,
        // an IPv4 address is looked up as one: a network of this kind would trust nobody
        IpNet::V6(network) if mapped.contains(network) => true,
        IpNet::V6(network) if private.iter().any(|private| private.contains(network)) => false,
        IpNet::V6(network) => network.prefix_len() < MIN_IPV6_PREFIX,
    };
    // neighbours become the network that they are
    IpNet::aggregate(&networks.to_vec()).iter().any(is_too_wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn too_wide(text: &str) -> bool {
        are_too_wide(&text.split(',').map(|network| network.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn the_whole_internet_is_no_proxy() {
        let eighths = (0..=255).map(|n| format!("{n}.0.0.0/8")).collect::<Vec<_>>().join(",");
        for wide in [
            "0.0.0.0/0",
            "0.0.0.0/1,128.0.0.0/1",
            "10.0.0.0/7",
            "10.0.0.0/8,11.0.0.0/8",
            "::/0",
            "2000::/3",
            "8000::/1",
            "::ffff:0:0/96",
            "::ffff:10.0.0.0/104",
            "192.0.2.1/32,0.0.0.0/0",
            &eighths,
        ] {
            assert!(too_wide(wide), "{wide}");
        }
        for narrow in [
            "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fd00::/8",
            "fc00::/7,fe80::/10",
            "::1/128",
            "104.16.0.0/13,2a06:98c0::/29",
        ] {
            assert!(!too_wide(narrow), "{narrow}");
        }
        assert!(!are_too_wide(&[]));
    }
}
