//! Whose pages may write with a browser's cookies: a defence against forged requests (CSRF).
//!
//! A browser adds cookies to a request whatever page made it, and says in `Origin` and `Sec-Fetch-Site` which that was. In
//! order:
//!
//! 1. Methods that only read pass ([`Origins::check`] is for the others too, it looks for itself).
//! 2. Two fields of either name, and an `Origin` that is none, are refused.
//! 3. An `Origin` that the policy lists passes.
//! 4. `Sec-Fetch-Site: same-origin` passes, any other value is refused: `same-site` is another host of the same owner,
//!    `none` is a link somebody typed, which does not write.
//! 5. Without it an `Origin` passes that is the host asked for, over TLS.
//! 6. A request that says neither is refused: whoever has no browser needs no cookies.

use crate::http::{Headers, Method};
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;

/// The origins whose pages may write, beside that of the host asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<Box<str>>);

/// A request with cookies came from a page that may not write, or does not say from which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign;

impl Origins {
    /// Compiles what a policy lists at `at`.
    pub fn compile(written: &[String], at: &Node, report: &mut Report) -> Self {
        let origins = written.iter().enumerate().filter_map(|(index, text)| {
            let is_origin = is_origin(text);
            if !is_origin {
                let hint = report.error(at.item(index), Code::InvalidValue, format!("`{text}` is no origin"));
                hint.help(
                    "write scheme and host, and the port where it is not the scheme's own: `https://app.example:8443`",
                );
            }
            is_origin.then(|| text.as_str().into())
        });
        Self(origins.collect())
    }

    /// Checks a request whose credential is a cookie.
    pub fn check(&self, method: &Method, head: &Headers) -> Result<(), Foreign> {
        if matches!(method, Method::Get | Method::Head | Method::Options) {
            return Ok(());
        }
        let single = |name| head.single(name).map_err(|_| Foreign);
        let (origin, site) = (single("origin")?, single("sec-fetch-site")?);
        if origin.is_some_and(|origin| self.0.iter().any(|listed| listed.as_bytes() == origin)) {
            return Ok(());
        }
        let is_own = match (site, origin) {
            (Some(site), _) => site == b"same-origin",
            (None, Some(origin)) => is_of_host(origin, head),
            (None, None) => false,
        };
        if is_own { Ok(()) } else { Err(Foreign) }
    }
}

/// Whether an `Origin` is the host that the request asks for. What was checked already: it names its host once.
fn is_of_host(origin: &[u8], head: &Headers) -> bool {
    let authority = head.first(":authority").or_else(|| head.first("host")).unwrap_or_default();
    let own = origin.strip_prefix(b"https://").unwrap_or_default();
    let own_port = |name: &[u8]| name.strip_suffix(b":443").unwrap_or(name).to_ascii_lowercase();
    !own.is_empty() && own_port(own) == own_port(authority)
}

/// Whether a text is an origin as browsers write it (RFC 6454 section 6.2).
fn is_origin(text: &str) -> bool {
    let (own_port, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (443, rest),
        (None, Some(rest)) => (80, rest),
        (None, None) => return false,
    };
    // Browsers leave out the port that a scheme has anyway.
    let is_port = |port: &str| port.parse().is_ok_and(|number: u16| number != own_port && number.to_string() == port);
    let (host, port) = match rest.rfind(':').filter(|_| !rest.ends_with(']')).and_then(|at| rest.split_at_checked(at)) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => (rest, None),
    };
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok_and(|known| known.to_string() == address),
        None => !host.is_empty() && host.bytes().all(is_name) && !host.ends_with('.'),
    };
    is_host && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, fields: &[(&str, &str)]) -> bool {
        let text = r#"["https://app.example", "http://localhost:3000"]"#;
        let mut report = Report::new(text);
        let node = Node::parse(text, &mut report).unwrap();
        let written: Vec<String> = serde_json::from_str(text).unwrap();
        let origins = Origins::compile(&written, &node, &mut report);
        assert!(report.is_empty());
        let head = Headers::from_pairs([&[(":authority", "api.example:8443")], fields].concat());
        origins.check(&Method::parse(method.as_bytes()).unwrap(), &head).is_ok()
    }

    #[test]
    fn a_page_that_is_listed_or_of_the_host_may_write() {
        assert!(check("POST", &[("origin", "https://app.example")]));
        assert!(check("POST", &[("origin", "https://app.example"), ("sec-fetch-site", "cross-site")]));
        assert!(check("DELETE", &[("origin", "http://localhost:3000")]));
        assert!(check("POST", &[("sec-fetch-site", "same-origin")]));
        assert!(check("PUT", &[("origin", "https://API.example:8443")]));
        assert!(check("GET", &[]) && check("HEAD", &[("origin", "https://evil.example")]));
    }

    #[test]
    fn any_other_page_may_not_however_it_is_spelled() {
        for fields in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "https://evil.example")],
            &[("origin", "https://app.example.evil.example")],
            &[("origin", "https://app.example/")],
            &[("origin", "http://app.example")],
            &[("origin", "http://api.example:8443")],
            &[("origin", "https://api.example")],
            &[("origin", "https://api.example:8443.evil.example")],
            &[("origin", "https://app.example https://evil.example")],
            &[("origin", "https://app.example"), ("origin", "https://evil.example")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://api.example:8443")],
            &[("referer", "https://app.example/")],
        ] {
            assert!(!check("POST", fields) && !check("PATCH", fields) && !check("PROPFIND", fields), "{fields:?}");
        }
    }

    #[test]
    fn what_no_browser_would_write_is_no_origin() {
        for text in [
            "app.example",
            "https://",
            "https://app.example/",
            "https://App.example",
            "*",
            "null",
            "ftp://a",
            "https://a.example.",
        ] {
            assert!(!is_origin(text), "{text}");
        }
        assert!(is_origin("https://[::1]:8443"));
    }
}
