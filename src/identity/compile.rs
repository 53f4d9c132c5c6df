//! From the policy's `authentication` to [`Providers`].
//!
//! What is reported here rather than in a provider concerns all of them: headers that cannot carry a credential, and
//! providers that no request could tell apart.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::api_key::ApiKeys;
use super::jwt::Jwt;
use super::principal::Principal;
use super::{Kind, Provider, Providers};
use crate::policy::Env;
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model;

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

/// Compiles the providers of a policy; `at` is its `authentication`.
///
/// A secret that the environment lacks is a warning here ([`Code::MissingSecret`]), and whatever it would verify is
/// refused; who loads a policy to enforce it takes that warning for an error.
pub fn compile(
    authentication: &BTreeMap<String, model::Provider>,
    at: &Node,
    env: Env<'_>,
    report: &mut Report,
) -> Providers {
    let mut list: Vec<Provider> = Vec::with_capacity(authentication.len());
    for (name, model) in authentication {
        let at = at.key(name);
        let name: Rc<str> = name.as_str().into();
        let (header, forward) = match model {
            model::Provider::Jwt(jwt) => (&jwt.header, jwt.forward),
            model::Provider::ApiKey(keys) => (&keys.header, keys.forward),
        };
        let header: Rc<str> = header.to_ascii_lowercase().into();
        check_header(&header, at.key("header"), report);
        let kind = match model {
            model::Provider::Jwt(jwt) => Kind::Jwt(Box::new(Jwt::compile(&name, jwt, at, env, report))),
            model::Provider::ApiKey(keys) => Kind::ApiKey(ApiKeys::compile(&name, keys, at, report)),
        };
        let provider = Provider { name, header, forward, kind, epoch: Cell::default() };
        if let Some(other) = list.iter().find(|other| indistinguishable(other, &provider)) {
            let message = format!("no request could tell `{}` from `{}`", provider.name, other.name);
            report
                .error(at.key("header"), Code::DuplicateName, message)
                .help("give one of them another header; only tokens of different issuers can share one");
        }
        list.push(provider);
    }
    let mut headers: Vec<_> = list.iter().map(|provider| Rc::clone(&provider.header)).collect();
    headers.sort_unstable();
    headers.dedup();
    Providers { list, headers, anonymous: Rc::new(Principal::default()), stamp: Rc::default() }
}

fn indistinguishable(one: &Provider, other: &Provider) -> bool {
    one.header == other.header
        && match (&one.kind, &other.kind) {
            (Kind::Jwt(one), Kind::Jwt(other)) => one.issuer == other.issuer,
            (Kind::ApiKey(_), _) | (_, Kind::ApiKey(_)) => true,
        }
}

fn check_header(name: &str, at: &Node, report: &mut Report) {
    // RFC 9110 section 5.6.2.
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        report.error(at, Code::InvalidValue, "this is not the name of a header").help("write a name such as \"x-api-key\"");
    } else if NOT_FOR_CREDENTIALS.contains(&name) {
        report
            .error(at, Code::InvalidValue, format!("the header `{name}` has a meaning of its own"))
            .help("use \"authorization\", or a header that carries nothing else");
    }
}

/// Reports what is not a JSON Pointer (RFC 6901) to something inside.
pub(super) fn check_pointer(pointer: &str, at: &Node, report: &mut Report) {
    let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if !pointer.starts_with('/') || !escapes {
        report
            .error(at, Code::InvalidValue, format!("`{pointer}` is not a JSON Pointer"))
            .help("write \"/a/b\" for member b of member a; in names `~` is `~0` and `/` is `~1`");
    }
}

/// A length of time in whole seconds.
pub(super) fn seconds(duration: model::Duration) -> i64 {
    i64::try_from(duration.0.as_secs()).unwrap_or(i64::MAX)
}
