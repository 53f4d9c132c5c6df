//! Where in a request a provider's credential stands: a header, a query parameter, a cookie, or the connection.

use std::rc::Rc;

use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model;

/// Where in a request a credential stands. A provider has exactly one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A header, named in lower case, and the scheme before the credential, in lower case.
    Header { name: Rc<str>, scheme: Option<Rc<str>> },
    /// A query parameter.
    Query(Rc<str>),
    /// A cookie.
    Cookie(Rc<str>),
    /// The client certificate of the connection.
    Certificate,
}

/// The header whose credentials have a scheme even where the policy names none.
const AUTHORIZATION: &str = "authorization";

/// Headers whose meaning to HTTP, or to Envoy, leaves no room for a credential.
const NOT_FOR_CREDENTIALS: &[&str] = &[
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

/// What a provider says of its place.
struct Written<'m> {
    header: Option<&'m str>,
    prefix: Option<&'m str>,
    query: Option<&'m str>,
    cookie: Option<&'m str>,
}

impl Place {
    /// The place of a provider that stands at `at`. `None` where it names none, or several.
    pub(super) fn compile(provider: &model::Provider, at: &Node, report: &mut Report) -> Option<Self> {
        let (header, prefix, query, cookie, default) = match provider {
            model::Provider::Jwt(jwt) => (&jwt.header, &jwt.prefix, &jwt.query, &jwt.cookie, Some(AUTHORIZATION)),
            model::Provider::Introspection(asked) => {
                (&asked.header, &asked.prefix, &asked.query, &asked.cookie, Some(AUTHORIZATION))
            }
            model::Provider::ApiKey(keys) => (&keys.header, &keys.prefix, &keys.query, &keys.cookie, None),
            model::Provider::Mtls(_) => return Some(Self::Certificate),
        };
        let header = header.as_deref().or(default.filter(|_| query.is_none() && cookie.is_none()));
        let (prefix, query, cookie) = (prefix.as_deref(), query.as_deref(), cookie.as_deref());
        Written { header, prefix, query, cookie }.compile(at, report)
    }

    /// What tells this place from every other in a cache of tokens. It holds no zero byte.
    pub(super) fn label(&self) -> Rc<str> {
        match self {
            Self::Header { name, scheme: None } => Rc::clone(name),
            Self::Header { name, scheme: Some(scheme) } => format!("{name} {scheme}").into(),
            Self::Query(name) => format!("query:{name}").into(),
            Self::Cookie(name) => format!("cookie:{name}").into(),
            Self::Certificate => "certificate:".into(),
        }
    }

    /// The name of the header, if it is one.
    pub(super) fn header(&self) -> Option<&Rc<str>> {
        match self {
            Self::Header { name, .. } => Some(name),
            Self::Query(_) | Self::Cookie(_) | Self::Certificate => None,
        }
    }

    /// The key of a provider that names this place.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Header { .. } => "header",
            Self::Query(_) => "query",
            Self::Cookie(_) => "cookie",
            Self::Certificate => "type",
        }
    }
}

impl Written<'_> {
    fn compile(self, at: &Node, report: &mut Report) -> Option<Place> {
        let Self { header, prefix, query, cookie } = self;
        if let (Some(_), None) = (prefix, header) {
            report
                .error(at.key("prefix"), Code::InvalidValue, "only in a header something stands before a credential")
                .help("remove it, or name a header");
        }
        let place = match (header, query, cookie) {
            (Some(header), None, None) => header_place(header, prefix, at, report),
            (None, Some(query), None) => query_place(query, at.key("query"), report),
            (None, None, Some(cookie)) => cookie_place(cookie, at.key("cookie"), report),
            (None, None, None) => {
                let hint = report.error(at, Code::MissingKey, "the provider does not say where its credentials stand");
                hint.help("name a place, as in `\"header\": \"x-api-key\"`");
                return None;
            }
            _ => {
                report
                    .error(at, Code::InvalidValue, "a provider has one place for its credentials, and this one has several")
                    .help("keep one of `header`, `query` and `cookie`; a second provider can have another");
                return None;
            }
        };
        Some(place)
    }
}

fn header_place(name: &str, prefix: Option<&str>, at: &Node, report: &mut Report) -> Place {
    let name = name.to_ascii_lowercase();
    if !is_token(&name) {
        report
            .error(at.key("header"), Code::InvalidValue, "this is not the name of a header")
            .help("write a name such as \"x-api-key\"");
    } else if NOT_FOR_CREDENTIALS.contains(&&*name) {
        let help = if name == "cookie" {
            "write the cookie's name under `cookie` in place of `header`"
        } else {
            "use \"authorization\", or a header that carries nothing else"
        };
        let hint =
            report.error(at.key("header"), Code::InvalidValue, format!("the header `{name}` has a meaning of its own"));
        hint.help(help);
    }
    if prefix.is_some_and(|prefix| !is_token(prefix)) {
        report
            .error(at.key("prefix"), Code::InvalidValue, "this is not a word that can stand before a credential")
            .help("write one word without spaces, as in \"Token\"");
    }
    let scheme = prefix.or((name == AUTHORIZATION).then_some("bearer"));
    Place::Header { name: name.into(), scheme: scheme.map(|scheme| scheme.to_ascii_lowercase().into()) }
}

fn query_place(name: &str, at: &Node, report: &mut Report) -> Place {
    // RFC 3986 section 2.3: what every reader reads in the same way.
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
        report
            .error(at, Code::InvalidValue, "this is not a name for a query parameter")
            .help("use letters, digits, `-`, `.`, `_` and `~`, as in \"access_token\"");
    } else {
        let hint = report.warning(at, Code::Risky, "credentials in the query show in access logs and histories");
        hint.help(
            "use a header where clients can; else keep `:path` out of every log, also of refused requests, and have \
             credentials live shortly: they stand in browsers' histories and in links such as a Bundle's `next`",
        );
    }
    Place::Query(name.into())
}

fn cookie_place(name: &str, at: &Node, report: &mut Report) -> Place {
    // What some readers decode is never the same name to all of them.
    if !is_token(name) || name.contains(['%', '+']) {
        report.error(at, Code::InvalidValue, "this is not the name of a cookie").help("write a name such as \"session\"");
    }
    Place::Cookie(name.into())
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_differ_have_labels_that_differ() {
        let header = |name: &str, scheme: Option<&str>| Place::Header { name: name.into(), scheme: scheme.map(Rc::from) };
        let places = [
            header("a", None),
            header("a", Some("b")),
            header("b", None),
            Place::Query("a".into()),
            Place::Cookie("a".into()),
            Place::Certificate,
        ];
        let labels: std::collections::HashSet<_> = places.iter().map(Place::label).collect();
        assert_eq!(labels.len(), places.len());
        assert!(labels.iter().all(|label| !label.contains('\0')));
    }
}
