//! Hosts: the authority of a request without its port, and patterns of it in a policy.
//!
//! A host is compared in one form: lower case, without port and without the dot that may end a name; an IPv6 address in
//! brackets, in the form of RFC 5952. Refused are user names before `@`, empty labels, escapes and everything outside
//! the letters, digits, `-` and `_` of names that are in use; international names come as `xn--`. A request must name its
//! host once: `:authority` and `Host` together only when they say the same.

use std::net::Ipv6Addr;

use super::headers::Headers;
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;

/// The longest name (RFC 1035 section 2.3.4).
const MAX_LENGTH: usize = 253;

/// A host in the form in which hosts are compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host(Box<str>);

/// Why a host was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostError {
    /// None is named.
    Missing,
    /// More than one is named, or one in two places and not the same.
    Repeated,
    /// What is named is no host.
    Malformed,
}

impl Host {
    /// The host that a request names.
    pub fn of(headers: &Headers) -> Result<Self, HostError> {
        let [authority, host] = [":authority", "host"].map(|name| {
            let value = headers.single(name).map_err(|_| HostError::Repeated)?;
            Ok(value.map(|value| (value, Self::parse(value))))
        });
        match (authority?, host?) {
            (None, None) => Err(HostError::Missing),
            (Some((_, named)), None) | (None, Some((_, named))) => named,
            (Some((one, named)), Some((other, _))) if one.eq_ignore_ascii_case(other) => named,
            (Some(_), Some(_)) => Err(HostError::Repeated),
        }
    }

    /// Reads an authority: a host and perhaps a port.
    pub fn parse(authority: &[u8]) -> Result<Self, HostError> {
        let text = std::str::from_utf8(authority).map_err(|_| HostError::Malformed)?;
        let (host, after) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, after)) => (address.parse().ok().map(from_ipv6), after),
            None => {
                let (name, after) = text.split_at_checked(text.find(':').unwrap_or(text.len())).unwrap_or((text, ""));
                (from_name(name), after)
            }
        };
        host.filter(|_| is_port(after)).ok_or(HostError::Malformed)
    }

    /// The host as it is compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the first label, if the host is a name of several.
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        let parent = self.0.split_once('.').map(|(_, parent)| parent);
        // The last label of an IPv4 address is a number; no top-level domain is.
        parent.filter(|parent| !parent.rsplit('.').next().unwrap_or_default().bytes().all(|byte| byte.is_ascii_digit()))
    }
}

/// Nothing, or a colon and a port, which may be empty (RFC 3986 section 3.2.3).
fn is_port(after: &str) -> bool {
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let number = |port: &str| port.is_empty() || (digits(port) && port.len() <= 5 && port.parse::<u16>().is_ok());
    after.is_empty() || after.strip_prefix(':').is_some_and(number)
}

fn from_ipv6(address: Ipv6Addr) -> Host {
    Host(format!("[{address}]").into())
}

fn from_name(name: &str) -> Option<Host> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let in_use = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let labels_hold = name.split('.').all(|label| !label.is_empty() && label.len() <= 63 && label.bytes().all(in_use));
    (labels_hold && name.len() <= MAX_LENGTH).then(|| Host(name.into()))
}

/// Which hosts a route takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This one.
    Exact(Host),
    /// Any one label before this name.
    AnyLabelBefore(Host),
}

impl HostPattern {
    /// Compiles a pattern.
    pub fn compile(text: &str, at: &Node, report: &mut Report) -> Option<Self> {
        let (name, wrap): (_, fn(Host) -> Self) = match text.strip_prefix("*.") {
            Some(parent) => (parent, Self::AnyLabelBefore),
            None => (text, Self::Exact),
        };
        let has_port = name.contains(':') && !name.starts_with('[') || name.contains("]:");
        let host = Host::parse(name.as_bytes()).ok().filter(|_| !has_port);
        if host.is_none() {
            let hint = report.error(at, Code::InvalidValue, format!("`{text}` is not a host"));
            hint.help("write a name, `*.` and a name, or an address, without scheme and port");
        }
        host.map(wrap)
    }

    /// Whether the host is one of these.
    #[must_use]
    pub fn matches(&self, host: &Host) -> bool {
        match self {
            Self::Exact(own) => own == host,
            Self::AnyLabelBefore(own) => host.parent() == Some(own.as_str()),
        }
    }

    /// Whether every host of `other` is one of these.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self == other || matches!(other, Self::Exact(host) if self.matches(host))
    }
}

/// The pattern as a policy writes it.
#[cfg(not(target_family = "wasm"))]
impl std::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host.as_str()),
            Self::AnyLabelBefore(host) => write!(f, "*.{}", host.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_form() {
        for (raw, host) in [
            ("FHIR.Clinic.Example:8443", "fhir.clinic.example"),
            ("fhir.clinic.example.", "fhir.clinic.example"),
            ("fhir.clinic.example.:", "fhir.clinic.example"),
            ("[2001:DB8:0::1]:443", "[2001:db8::1]"),
            ("[::1]", "[::1]"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("fhir_1", "fhir_1"),
        ] {
            assert_eq!(Host::parse(raw.as_bytes()).unwrap().as_str(), host);
        }
        for refused in [
            "",
            ".",
            "a..b",
            "user@a",
            "a:80:80",
            "a:x",
            "a:123456",
            "a:65536",
            "a:+1",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]80",
            "a%2eb",
            "a b",
            "é.example",
            "a/b",
            "[1.2.3.4]",
            "a\0",
            "*.example",
            "a,b",
        ] {
            assert_eq!(Host::parse(refused.as_bytes()), Err(HostError::Malformed), "{refused}");
        }
    }

    #[test]
    fn a_request_names_its_host_once() {
        let of =
            |pairs: &[(&str, &str)]| Host::of(&Headers::from_pairs(pairs.iter().copied())).map(|host| host.0.to_string());
        assert_eq!(of(&[(":authority", "a:1")]), Ok("a".to_owned()));
        assert_eq!(of(&[("host", "a")]), Ok("a".to_owned()));
        assert_eq!(of(&[(":authority", "a"), ("host", "A")]), Ok("a".to_owned()));
        assert_eq!(of(&[(":authority", "a"), ("host", "b")]), Err(HostError::Repeated));
        assert_eq!(of(&[(":authority", "a"), (":authority", "a")]), Err(HostError::Repeated));
        assert_eq!(of(&[("host", "a"), ("host", "a")]), Err(HostError::Repeated));
        assert_eq!(of(&[]), Err(HostError::Missing));
    }

    #[test]
    fn a_star_takes_exactly_one_label() {
        let text = "\"\"";
        let mut report = Report::new(text);
        let at = Node::parse(text, &mut report).unwrap();
        let pattern = HostPattern::compile("*.Example.org", &at, &mut report).unwrap();
        let matches = |host: &str| pattern.matches(&Host::parse(host.as_bytes()).unwrap());
        assert!(matches("a.example.org") && matches("A.EXAMPLE.ORG.:80"));
        assert!(!matches("example.org") && !matches("a.b.example.org") && !matches("aexample.org"));
        for refused in ["*", "a.*.org", "*a.org", "https://a", "a:80", "[::1]:80", "", "*."] {
            assert!(HostPattern::compile(refused, &at, &mut report).is_none(), "{refused}");
        }
        assert!(HostPattern::compile("[::1]", &at, &mut report).is_some());
    }
}
