//! Patterns of subject alternative names: a name, or one wildcard that takes exactly one part.
//!
//! - A URI may end in `/*`, which takes one path segment of unreserved characters (RFC 3986 section 2.3) that is not a
//!   dot segment. Everything before it is compared byte by byte: `spiffe://a/ns/x/sa/*` takes `spiffe://a/ns/x/sa/y`,
//!   and neither `spiffe://a/ns/x/sa/y/z` nor `spiffe://a/ns/x/sa/`.
//! - A DNS name may begin with `*.`, which takes one label of letters, digits, `-` and `_`. Names are compared without
//!   regard to case. A certificate for `*.example.org` is not one for any host: its `*` is no label.

use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;

/// A URI, or all URIs that differ in the last segment.
#[derive(Debug)]
pub(super) struct UriPattern {
    /// With the slash at its end before a wildcard.
    start: String,
    wildcard: bool,
}

/// A DNS name, or all names that differ in the first label.
#[derive(Debug)]
pub(super) struct DnsPattern {
    /// In lower case; with the dot at its beginning behind a wildcard.
    end: String,
    wildcard: bool,
}

impl UriPattern {
    pub(super) fn matches(&self, san: &str) -> bool {
        match san.strip_prefix(self.start.as_str()) {
            Some(segment) if self.wildcard => is_segment(segment),
            Some(rest) => rest.is_empty(),
            None => false,
        }
    }

    /// Compiles a list that stands at `at`, without what is wrong in it.
    pub(super) fn compile(written: &[String], at: &Node, report: &mut Report) -> Vec<Self> {
        let compile = |(index, written): (usize, &String)| {
            let at = at.item(index);
            let start = written.strip_suffix('*').unwrap_or(written);
            let wildcard = start.len() < written.len();
            let (scheme, rest) = start.split_once("://").unwrap_or_default();
            let authority = rest.split('/').next().unwrap_or_default();
            let fits = !scheme.is_empty()
                && !authority.is_empty()
                && start.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*')
                && (!wildcard || (rest.len() > authority.len() && start.ends_with('/')));
            if !fits {
                report
                    .error(at, Code::InvalidValue, "this is neither a URI nor one with `/*` at its end")
                    .help("write it as in \"spiffe://cluster.local/ns/billing/sa/*\"; `*` takes exactly one segment");
                return None;
            }
            if wildcard && is_namespace(rest) {
                let hint =
                    report.warning(at, Code::Risky, "no identity of Istio is like this: it ends in `/sa/` and a name");
                hint.help(format!("write \"{start}sa/*\"; `*` takes exactly one segment"));
            }
            Some(Self { start: start.to_owned(), wildcard })
        };
        written.iter().enumerate().filter_map(compile).collect()
    }
}

impl DnsPattern {
    pub(super) fn matches(&self, san: &str) -> bool {
        let san = san.to_ascii_lowercase();
        match san.strip_suffix(self.end.as_str()) {
            Some(label) if self.wildcard => is_label(label),
            Some(rest) => rest.is_empty(),
            None => false,
        }
    }

    /// Compiles a list that stands at `at`, without what is wrong in it.
    pub(super) fn compile(written: &[String], at: &Node, report: &mut Report) -> Vec<Self> {
        let compile = |(index, written): (usize, &String)| {
            let (wildcard, name) = written.strip_prefix("*.").map_or((false, written.as_str()), |name| (true, name));
            if !name.split('.').all(is_label) {
                report
                    .error(at.item(index), Code::InvalidValue, "this is neither a DNS name nor one with `*.` before it")
                    .help("write it as in \"billing.example.org\" or \"*.example.org\"; `*` takes exactly one label");
                return None;
            }
            let dot = if wildcard { "." } else { "" };
            Some(Self { end: format!("{dot}{}", name.to_ascii_lowercase()), wildcard })
        };
        written.iter().enumerate().filter_map(compile).collect()
    }
}

fn is_segment(text: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !matches!(text, "" | "." | "..") && text.bytes().all(unreserved)
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Whether it is `DOMAIN/ns/NAMESPACE/`.
fn is_namespace(rest: &str) -> bool {
    matches!(rest.split('/').collect::<Vec<_>>().as_slice(), [_, "ns", _, ""])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(what: impl FnOnce(&Node, &mut Report)) -> Vec<String> {
        let mut report = Report::new("[0,1,2,3,4,5,6,7,8,9]");
        let at = Node::parse("[0,1,2,3,4,5,6,7,8,9]", &mut report).unwrap();
        what(&at, &mut report);
        report.into_vec().iter().map(|found| format!("{:?} {}", found.severity, found.pointer)).collect()
    }

    fn uri(pattern: &str, san: &str) -> bool {
        let mut matches = false;
        report(|at, report| {
            matches = UriPattern::compile(&[pattern.to_owned()], at, report).iter().any(|one| one.matches(san));
        });
        matches
    }

    fn dns(pattern: &str, san: &str) -> bool {
        let mut matches = false;
        report(|at, report| {
            matches = DnsPattern::compile(&[pattern.to_owned()], at, report).iter().any(|one| one.matches(san));
        });
        matches
    }

    #[test]
    fn a_star_at_the_end_of_a_uri_takes_exactly_one_segment() {
        let any = "spiffe://cluster.local/ns/billing/sa/*";
        assert!(uri(any, "spiffe://cluster.local/ns/billing/sa/claims_v1.x-y~z"));
        for other in [
            "spiffe://cluster.local/ns/billing/sa/",
            "spiffe://cluster.local/ns/billing/sa",
            "spiffe://cluster.local/ns/billing/sa/a/b",
            "spiffe://cluster.local/ns/billing/sa/..",
            "spiffe://cluster.local/ns/billing/sa/.",
            "spiffe://cluster.local/ns/billing/sa/a%2Fb",
            "spiffe://cluster.local/ns/billing/sa/a?b",
            "spiffe://cluster.local/ns/billing/sa/a#b",
            "spiffe://cluster.local/ns/billing/sa/*",
            "spiffe://cluster.local/ns/billing/sa/\u{e9}",
            "spiffe://cluster.local/ns/billing/sa/a\0",
            "spiffe://cluster.local/ns/billings/sa/a",
            "spiffe://cluster.local/ns/Billing/sa/a",
            "spiffe://evil.example/ns/billing/sa/a",
            "x spiffe://cluster.local/ns/billing/sa/a",
        ] {
            assert!(!uri(any, other), "{other}");
        }
        let one = "spiffe://cluster.local/ns/billing/sa/claims";
        assert!(uri(one, one));
        assert!(!uri(one, one.trim_end_matches('s')) && !uri(one, &format!("{one}s")) && !uri(one, &format!("{one}/")));
    }

    #[test]
    fn a_star_at_the_beginning_of_a_dns_name_takes_exactly_one_label() {
        assert!(dns("*.example.org", "billing.example.org") && dns("*.Example.org", "BILLING.EXAMPLE.ORG"));
        for other in ["example.org", ".example.org", "a.b.example.org", "*.example.org", "xexample.org", "a.example.org."] {
            assert!(!dns("*.example.org", other), "{other}");
        }
        assert!(dns("a.example.org", "A.example.org"));
        assert!(!dns("a.example.org", "b.a.example.org") && !dns("a.example.org", "a.example.orgs"));
    }

    #[test]
    fn a_pattern_that_is_none_is_an_error_and_a_whole_namespace_a_warning() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let uris = texts(&[
            "*",
            "spiffe://*",
            "spiffe://a*",
            "spiffe://a/b*",
            "spiffe://a/*/b",
            "a/b",
            "://a",
            "spiffe://",
            "spiffe://a/**",
            "spiffe://a b",
        ]);
        assert_eq!(report(|at, report| assert!(UriPattern::compile(&uris, at, report).is_empty())).len(), 10);
        let good = texts(&["spiffe://a", "spiffe://a/*", "https://a/b", "spiffe://a/ns/b/sa/*"]);
        assert!(report(|at, report| assert_eq!(UriPattern::compile(&good, at, report).len(), 4)).is_empty());
        let namespace = texts(&["spiffe://a/ns/b/*"]);
        let found = report(|at, report| assert_eq!(UriPattern::compile(&namespace, at, report).len(), 1));
        assert_eq!(found, ["Warning /0"]);
        let names = texts(&["", "*", "*.", "*.*.a", "a.*", "a..b", "*a.b", ".a", "a b", "a."]);
        assert_eq!(report(|at, report| assert!(DnsPattern::compile(&names, at, report).is_empty())).len(), 10);
    }
}
