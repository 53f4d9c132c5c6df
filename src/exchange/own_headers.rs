//! The request headers that only we may set: they tell the upstream who asks.
//!
//! Whatever a client sends under one of these names is taken off, in every spelling, on every route, in shadow mode too.
//! So each has one meaning and no other: not that of another of them, nor of a header that HTTP, Envoy or a credential
//! needs.

use std::rc::Rc;

use super::identity_token::IdentityToken;
use crate::identity::Providers;
use crate::policy::diagnostic::{Code, Report};
use crate::policy::document::Node;
use crate::policy::model::{IdentityHeaders, Provider};
use crate::policy::{Env, Loaded};

/// Names, and beginnings of names, that are not for identities.
const RESERVED: &[&str] = &[
    "accept",
    "authorization",
    "baggage",
    "connection",
    "content-",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "if-",
    "keep-alive",
    "prefer",
    "proxy-",
    "range",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-envoy-",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-host",
    "x-http-method",
    "x-method-override",
    "x-original-",
    "x-request-id",
    "x-rewrite-url",
];

/// The headers that only we may set.
pub(super) struct OwnHeaders {
    /// Those of every caller.
    pub(super) identity: IdentityHeaders,
    /// The signed token, where the policy asks for one.
    pub(super) token: Option<IdentityToken>,
    /// All of them.
    all: Vec<Rc<str>>,
}

impl OwnHeaders {
    /// Reads their names, and reports those that cannot be.
    pub(super) fn compile(loaded: &Loaded, providers: &Providers, env: Env<'_>, report: &mut Report) -> Self {
        let (model, root) = (&loaded.model, &loaded.root);
        let mut own = Self { identity: model.identity_headers.clone(), token: None, all: Vec::new() };
        let IdentityHeaders { provider, client, subject, roles } = &model.identity_headers;
        let at = root.key("identity_headers");
        for (key, name) in [("provider", provider), ("client", client), ("subject", subject), ("roles", roles)] {
            own.add(name, at.key(key), providers, report);
        }
        if let Some(token) = &model.identity_token {
            let at = root.key("identity_token");
            own.add(&token.header, at.key("header"), providers, report);
            own.token = IdentityToken::compile(token, at, env, report);
        }
        own.add_claims(loaded, providers, report);
        own
    }

    /// All of them, in lower case with dashes.
    pub(super) fn all(&self) -> &[Rc<str>] {
        &self.all
    }

    /// Adds the headers of claims. Two providers may send the same one: one of them vouches.
    fn add_claims(&mut self, loaded: &Loaded, providers: &Providers, report: &mut Report) {
        let mut of_claims: Vec<Rc<str>> = Vec::new();
        for (provider, model) in &loaded.model.authentication {
            let claim_headers = match model {
                Provider::Jwt(jwt) => &jwt.claim_headers,
                Provider::Introspection(asked) => &asked.claim_headers,
                Provider::ApiKey(_) | Provider::Mtls(_) => continue,
            };
            let at = loaded.root.key("authentication").key(provider).key("claim_headers");
            for name in claim_headers.keys() {
                self.check(name, at.key(name), providers, report);
                if !of_claims.iter().any(|own| **own == **name) {
                    of_claims.push(name.as_str().into());
                }
            }
        }
        self.all.append(&mut of_claims);
    }

    fn add(&mut self, name: &str, at: &Node, providers: &Providers, report: &mut Report) {
        self.check(name, at, providers, report);
        self.all.push(name.into());
    }

    fn check(&self, name: &str, at: &Node, providers: &Providers, report: &mut Report) {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let reserved = |known: &&&str| if known.ends_with('-') { name.starts_with(**known) } else { name == **known };
        if name.is_empty() || !name.bytes().all(fits) {
            report
                .error(at, Code::InvalidValue, format!("`{name}` is no name for an identity header"))
                .help("use small letters, digits and `-`");
        } else if self.all.iter().any(|own| **own == *name) {
            report.error(at, Code::DuplicateName, format!("`{name}` stands for two things")).help("give each its own");
        } else if RESERVED.iter().any(|known| reserved(&known)) || providers.credential_headers().any(|own| own == name) {
            report
                .error(at, Code::InvalidValue, format!("the header `{name}` has a meaning of its own"))
                .help("use a header that says nothing else, such as \"x-patient\"");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::exchange::Engine;

    /// The codes and places of the errors of a policy with this in it.
    fn errors(more: Value, claim_headers: &[Value]) -> Vec<String> {
        let provider = |(index, headers): (usize, &Value)| {
            let jwt = json!({
                "type": "jwt", "issuer": index.to_string(), "audiences": ["a"], "algorithms": ["HS256"],
                "secret": {"env": "S"}, "claim_headers": headers,
            });
            (format!("p{index}"), jwt)
        };
        let mut providers: serde_json::Map<String, Value> = claim_headers.iter().enumerate().map(provider).collect();
        let keys = json!([{"client": "c", "sha256": "0".repeat(64)}]);
        providers.insert("keys".to_owned(), json!({"type": "api_key", "header": "X-Key", "keys": keys}));
        let mut policy = json!({
            "version": 1, "name": "p", "authentication": providers,
            "routes": [{"name": "r", "match": {"paths": ["/**"]}, "authenticate": "none", "authorize": [{"allow": {}}]}],
        });
        policy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (_, found) = Engine::load(policy.to_string().as_bytes(), &|_| Some("s".repeat(32)));
        let mut lines: Vec<_> = found.iter().map(|one| format!("{} {}", one.code.as_str(), one.pointer)).collect();
        lines.sort();
        lines
    }

    #[test]
    fn names_that_say_one_thing_are_fine() {
        let headers = [json!({"x-patient": "/p", "x-forwarded-user": "/sub"}), json!({"x-patient": "/patient/id"})];
        assert_eq!(errors(json!({"identity_headers": {"subject": "x-user"}}), &headers), Vec::<String>::new());
    }

    #[test]
    fn a_name_with_another_meaning_is_refused() {
        for name in ["authorization", "x-key", "host", "content-length", "cookie", "x-forwarded-for", "x-envoy-x", "te"] {
            let found = errors(json!({}), &[json!({ name: "/p" })]);
            assert_eq!(found, [format!("invalid-value /authentication/p0/claim_headers/{name}")]);
        }
        for name in ["X-Patient", "x_patient", "x patient", "", ":path", "x-\u{e9}"] {
            let found = errors(json!({}), &[json!({ name: "/p" })]);
            assert_eq!(found, [format!("invalid-value /authentication/p0/claim_headers/{name}")]);
        }
        let found = errors(json!({"identity_headers": {"roles": "cookie"}}), &[]);
        assert_eq!(found, ["invalid-value /identity_headers/roles"]);
    }

    #[test]
    fn a_name_stands_for_one_thing() {
        let found = errors(json!({"identity_headers": {"client": "x-user", "subject": "x-user"}}), &[]);
        assert_eq!(found, ["duplicate-name /identity_headers/subject"]);
        let found = errors(json!({}), &[json!({"x-carewarden-roles": "/r"})]);
        assert_eq!(found, ["duplicate-name /authentication/p0/claim_headers/x-carewarden-roles"]);
    }
}
