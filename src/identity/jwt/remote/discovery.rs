//! Where an issuer says that its keys are, and for how long its answers hold.

use std::time::Duration;

use serde_json::Value;

use super::super::json;
use crate::http::Headers;
use crate::identity::call::Failure;
use crate::identity::endpoint::Endpoint;

/// The address of an issuer's discovery document (OpenID Connect Discovery 1.0 section 4).
pub(in crate::identity::jwt) fn document_of(issuer: &str) -> Option<Endpoint> {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    if base.contains('?') {
        return None;
    }
    Endpoint::parse(&format!("{base}/.well-known/openid-configuration"))
}

/// The address of the keys, from an issuer's discovery document (section 3). Its `issuer` must be the one asked for, to
/// the letter (section 4.3).
pub(super) fn keys_endpoint(document: &[u8], issuer: &str, asked: &Endpoint) -> Result<Endpoint, Failure> {
    let document = json::object(document).ok_or(Failure::Malformed)?;
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(Failure::Issuer);
    }
    let endpoint = document.get("jwks_uri").and_then(Value::as_str).and_then(Endpoint::parse);
    // A document that came over TLS does not lead to keys that do not.
    endpoint.filter(|endpoint| endpoint.is_https() || !asked.is_https()).ok_or(Failure::Endpoint)
}

/// For how long an answer says that it is fresh (RFC 9111 sections 4.2.1 and 5.2.2): `max-age` less what it spent in
/// caches, nothing where it may not be kept, and `None` where it does not say.
pub(super) fn max_age(head: &Headers) -> Option<Duration> {
    let text = |value| std::str::from_utf8(value).ok();
    let mut found: Option<u64> = None;
    for directive in head.all("cache-control").filter_map(text).flat_map(|value| value.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let seconds = match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => 0,
            // What is no number is stale (section 4.2.1).
            "max-age" => value.trim().trim_matches('"').parse().unwrap_or(0),
            _ => continue,
        };
        found = Some(found.map_or(seconds, |least| least.min(seconds)));
    }
    let age = head.first("age").and_then(text).and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    found.map(|seconds| Duration::from_secs(seconds.saturating_sub(age)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discovery_document_stands_below_its_issuer() {
        for issuer in ["https://idp.example/realms/a", "https://idp.example/realms/a/"] {
            let endpoint = document_of(issuer).unwrap();
            assert_eq!(Some(endpoint), Endpoint::parse("https://idp.example/realms/a/.well-known/openid-configuration"));
        }
        assert_eq!(document_of("https://idp.example?x"), None);
        assert_eq!(document_of("idp"), None);
    }

    #[test]
    fn a_discovery_document_is_believed_about_its_own_issuer_alone() {
        let keys = |text: &str, scheme: &str| {
            let asked = document_of(&format!("{scheme}://idp.example")).unwrap();
            keys_endpoint(text.as_bytes(), &format!("{scheme}://idp.example"), &asked)
        };
        let good = r#"{"issuer": "https://idp.example", "jwks_uri": "https://keys.example/k"}"#;
        assert_eq!(keys(good, "https"), Ok(Endpoint::parse("https://keys.example/k").unwrap()));
        for (text, failure) in [
            (r#"{"issuer": "https://idp.example/", "jwks_uri": "https://a/k"}"#, Failure::Issuer),
            (r#"{"issuer": "HTTPS://idp.example", "jwks_uri": "https://a/k"}"#, Failure::Issuer),
            (r#"{"jwks_uri": "https://a/k"}"#, Failure::Issuer),
            (r#"{"issuer": ["https://idp.example"], "jwks_uri": "https://a/k"}"#, Failure::Issuer),
            (r#"{"issuer": "https://idp.example"}"#, Failure::Endpoint),
            (r#"{"issuer": "https://idp.example", "jwks_uri": "http://a/k"}"#, Failure::Endpoint),
            (r#"{"issuer": "https://idp.example", "jwks_uri": "/k"}"#, Failure::Endpoint),
            (
                r#"{"issuer": "https://idp.example", "issuer": "https://idp.example", "jwks_uri": "https://a/k"}"#,
                Failure::Malformed,
            ),
            ("<html>", Failure::Malformed),
        ] {
            assert_eq!(keys(text, "https"), Err(failure), "{text}");
        }
        let plain = r#"{"issuer": "http://idp.example", "jwks_uri": "http://idp.example/k"}"#;
        assert_eq!(keys(plain, "http"), Ok(Endpoint::parse("http://idp.example/k").unwrap()));
    }

    #[test]
    fn the_time_that_an_answer_holds_is_read_to_its_disadvantage() {
        let age = |fields: &[(&str, &str)]| max_age(&Headers::from_pairs(fields.iter().copied())).map(|age| age.as_secs());
        assert_eq!(age(&[]), None);
        assert_eq!(age(&[("cache-control", "public")]), None);
        assert_eq!(age(&[("cache-control", "public, max-age=60, must-revalidate")]), Some(60));
        assert_eq!(age(&[("cache-control", "Max-Age=60"), ("cache-control", "max-age=30")]), Some(30));
        assert_eq!(age(&[("cache-control", "max-age=60"), ("age", "20")]), Some(40));
        assert_eq!(age(&[("cache-control", "max-age=60"), ("age", "90")]), Some(0));
        assert_eq!(age(&[("cache-control", "no-store, max-age=60")]), Some(0));
        assert_eq!(age(&[("cache-control", "max-age=x")]), Some(0));
        assert_eq!(age(&[("cache-control", "s-maxage=5")]), None);
    }
}
