//! Where a request may come from.
//!
//! `deny` comes first; what is in neither list is refused when `allow` is there. An IPv4 address and the same address
//! mapped into IPv6 (`::ffff:a.b.c.d`) are one, in the policy and in the request.
//!
//! The address is the one that Envoy found (`source.address`). With `use_remote_address: false`, its default, a client
//! writes that address itself, into `X-Forwarded-For`; [`warn_of_trust`] says so once a policy.

use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model::{self, parse_network};

/// Compiled address rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRules {
    allow: Option<Vec<IpNet>>,
    deny: Vec<IpNet>,
}

impl AddressRules {
    /// Compiles `addresses` of a route.
    pub fn compile(written: &model::Addresses, at: &Node, report: &mut Report) -> Self {
        let model::Addresses { allow, deny } = written;
        let deny = compile_list(deny, at.key("deny"), report);
        let allow = allow.as_ref().map(|allow| {
            let at = at.key("allow");
            if allow.is_empty() {
                let hint = report.warning(at, Code::Risky, "an empty list of addresses lets nobody in");
                hint.help("leave `allow` out to let everybody in but those in `deny`");
            }
            let networks = compile_list(allow, at, report);
            for (index, text) in allow.iter().enumerate() {
                if parse_network(text).is_some_and(|network| is_private(&network)) {
                    let message = format!("`{text}` is private: behind a source NAT every caller has such an address");
                    let hint = report.warning(at.item(index), Code::Risky, message);
                    hint.help("make sure that Envoy sees the caller's own address");
                }
            }
            networks
        });
        Self { allow, deny }
    }

    /// Whether a request may come from this address.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        holder(&self.deny, address).is_none() && self.allow.as_ref().is_none_or(|allow| holder(allow, address).is_some())
    }

    /// Which list decides about this address, in words. Not part of the module for Envoy.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn explain(&self, address: IpAddr) -> String {
        let address = address.to_canonical();
        match (holder(&self.deny, address), self.allow.as_ref().map(|allow| holder(allow, address))) {
            (Some(network), _) => format!("{address} is in `{network}` under `deny`"),
            (None, Some(Some(network))) => format!("{address} is in `{network}` under `allow`"),
            (None, Some(None)) => format!("{address} is in none of the networks under `allow`"),
            (None, None) => format!("{address} is in none of the networks under `deny`"),
        }
    }
}

/// The first of these networks that holds an address.
fn holder(networks: &[IpNet], address: IpAddr) -> Option<&IpNet> {
    networks.iter().find(|network| network.contains(&address))
}

/// Reads Envoy's `source.address`: an address, usually with its port. `None` for what is none, a Unix socket for one.
#[must_use]
pub fn parse_source(text: &str) -> Option<IpAddr> {
    let address = text.parse::<SocketAddr>().map(|socket| socket.ip()).or_else(|_| text.parse());
    address.ok().map(|address| address.to_canonical())
}

/// Says what a policy that uses addresses relies on. `at` is the policy's root.
pub fn warn_of_trust(at: &Node, report: &mut Report) {
    let message = "rules on addresses are as good as what Envoy takes for the caller's address";
    let hint = report.warning(at, Code::Risky, message);
    hint.help("set `use_remote_address: true` and the right `xff_num_trusted_hops`, or a client forges X-Forwarded-For");
}

fn compile_list(texts: &[String], at: &Node, report: &mut Report) -> Vec<IpNet> {
    let compile = |(index, text): (usize, &String)| {
        let at = at.item(index);
        let Some(network) = parse_network(text) else {
            let hint = report.error(at, Code::InvalidValue, format!("`{text}` is no network"));
            hint.help("write an address or CIDR, as in `203.0.113.0/24` or `2001:db8::/32`");
            return None;
        };
        // Mapped addresses are compared as IPv4, so a network that holds some of them and more would not hold them.
        if matches!(network, IpNet::V6(v6) if v6.prefix_len() > 0 && v6.contains(&mapped_addresses())) {
            let hint = report.error(at, Code::InvalidValue, format!("`{text}` holds IPv4 addresses in their IPv6 form"));
            hint.help("write the IPv4 network");
            return None;
        }
        if network != network.trunc() {
            let hint = report.error(at, Code::InvalidValue, format!("`{text}` has bits set behind its prefix"));
            hint.help(format!("write `{}` for the network, or the address alone", network.trunc()));
            return None;
        }
        Some(network)
    };
    texts.iter().enumerate().filter_map(compile).collect()
}

/// RFC 4291 section 2.5.5.2.
fn mapped_addresses() -> Ipv6Net {
    Ipv6Net::new_assert(std::net::Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(), 96)
}

/// Loopback, RFC 1918, RFC 6598 and link-local networks, and those of RFC 4193.
fn is_private(network: &IpNet) -> bool {
    const V4: &[(std::net::Ipv4Addr, u8)] = &[
        (std::net::Ipv4Addr::new(10, 0, 0, 0), 8),
        (std::net::Ipv4Addr::new(172, 16, 0, 0), 12),
        (std::net::Ipv4Addr::new(192, 168, 0, 0), 16),
        (std::net::Ipv4Addr::new(127, 0, 0, 0), 8),
        (std::net::Ipv4Addr::new(100, 64, 0, 0), 10),
        (std::net::Ipv4Addr::new(169, 254, 0, 0), 16),
    ];
    match network {
        IpNet::V4(own) => V4.iter().any(|(address, length)| Ipv4Net::new_assert(*address, *length).contains(own)),
        IpNet::V6(own) => {
            let address = own.addr();
            own.prefix_len() >= 7 && (address.is_unique_local() || address.is_loopback() || address.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_the_ipv4_one_wherever_it_comes_from() {
        let rules = AddressRules { allow: None, deny: vec![parse_network("::ffff:203.0.113.0/120").unwrap()] };
        for address in ["203.0.113.9", "::ffff:203.0.113.9"] {
            assert!(!rules.permits(address.parse().unwrap()), "{address}");
            assert_eq!(parse_source(&format!("[{address}]:1")).or(parse_source(address)), "203.0.113.9".parse().ok());
        }
    }

    #[test]
    fn private_networks_are_known_to_their_edges() {
        for (network, private) in [
            ("10.0.0.0/8", true),
            ("10.0.0.0/7", false),
            ("172.16.0.0/12", true),
            ("172.31.255.255", true),
            ("172.32.0.0/16", false),
            ("192.168.1.0/24", true),
            ("100.64.0.0/10", true),
            ("169.254.1.1", true),
            ("127.0.0.1", true),
            ("0.0.0.0/0", false),
            ("203.0.113.0/24", false),
            ("fc00::/7", true),
            ("fc00::/6", false),
            ("fe80::/10", true),
            ("::1", true),
            ("2001:db8::/32", false),
        ] {
            assert_eq!(is_private(&parse_network(network).unwrap()), private, "{network}");
        }
    }
}
