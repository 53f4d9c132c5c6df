//! Who asks: API keys, tokens, none, any and all.

use crate::stage::{BILLING, RESEARCH, clinic, nurse, physician};
use crate::support::client::PROTOCOLS;
use crate::support::envoy::wait_for;
use crate::support::message::Request;
use crate::support::token::{Signer, Token, now, tampered};

#[test]
fn no_credential_is_a_401_with_a_challenge_and_none_is_needed_where_none_is_asked_for() {
    let response = clinic().refuses(&Request::get("/fhir/Patient/anonymous"), 401, "missing_credentials");
    assert_eq!(response.header("www-authenticate").as_deref(), Some("Bearer realm=\"carewarden\""));
    clinic().allows(&Request::get("/fhir/metadata"));
}

#[test]
fn credentials_are_ignored_and_stripped_where_none_are_asked_for() {
    clinic().allows(&Request::get("/plain/anyone").key("no such key").bearer("no token"));
    let received = clinic().received("/plain/anyone");
    assert!(received.all("x-api-key").is_empty() && received.all("authorization").is_empty(), "{received:?}");
}

#[test]
fn an_api_key_says_who_asks_and_does_not_go_on() {
    clinic().allows(&Request::get("/fhir/Patient/by-key").key(BILLING));
    let received = clinic().received("/fhir/Patient/by-key");
    assert!(received.all("x-api-key").is_empty(), "{received:?}");
    assert_eq!(received.all("x-carewarden-provider"), ["partners"]);
    assert_eq!(received.all("x-carewarden-client"), ["billing-co"]);
    assert_eq!(received.all("x-carewarden-roles"), ["billing"]);
}

#[test]
fn an_api_key_that_is_unknown_or_past_its_time_is_refused() {
    let get = || Request::get("/fhir/Patient/bad-key");
    clinic().refuses(&get().key("billing-test-kez"), 401, "unknown_api_key");
    clinic().refuses(&get().key("lapsed-test-key"), 401, "api_key_expired");
    clinic().refuses(&get().key(""), 401, "malformed_credentials");
}

#[test]
fn two_credentials_are_refused_even_when_both_are_good() {
    let get = || Request::get("/fhir/Patient/two-credentials");
    clinic().refuses(&get().key(BILLING).key(BILLING), 401, "repeated_credentials");
    clinic().refuses(&get().key(BILLING).key("unknown"), 401, "repeated_credentials");
    // Envoy joins these two into one value, which no longer is a credential.
    clinic().refuses(&get().bearer(&physician()).bearer(&nurse()), 401, "malformed_credentials");
    clinic().refuses(&get().bearer(&physician()).key(BILLING), 401, "several_credentials");
}

#[test]
fn a_token_of_each_algorithm_says_who_asks_and_does_not_go_on() {
    let tokens = [
        ("smart", Token::smart("dr-1", &["physician"]).sign(Signer::Rs256)),
        ("smart", Token::smart("dr-1", &["physician"]).sign(Signer::Es256)),
        ("legacy", Token::legacy("dr-1", &["nurse"]).sign(Signer::Hs256)),
    ];
    for (provider, token) in tokens {
        clinic().allows(&Request::get("/fhir/Patient/by-token").bearer(&token));
        let received = clinic().received("/fhir/Patient/by-token");
        assert!(received.all("authorization").is_empty(), "{received:?}");
        assert_eq!(received.all("x-carewarden-provider"), [provider]);
        assert_eq!(received.all("x-carewarden-subject"), ["dr-1"]);
    }
    // RS and ES are Envoy's, HS is ours.
    for metric in ["carewarden.signatures_by_host", "carewarden.signatures_in_module"] {
        assert!(wait_for(|| (clinic().envoy.metric(metric) > 0).then_some(())).is_some(), "{metric}");
    }
}

#[test]
fn a_token_found_in_the_cache_is_judged_like_a_new_one() {
    let token = Token::smart("dr-cached", &["physician"]).claim("exp", now() + 3).sign(Signer::Rs256);
    // Less than the skew has passed: still good, and from the second request on out of the cache.
    clinic().allows(&Request::get("/fhir/Patient/cached").bearer(&token));
    clinic().allows(&Request::get("/fhir/Patient/cached").bearer(&token));
    // Counted on the module's next tick.
    assert!(wait_for(|| (clinic().envoy.metric("carewarden.token_cache_hits") > 0).then_some(())).is_some());
    clinic().refuses(&Request::get("/fhir/Patient/cached").bearer(&tampered(&token, "sub", "x")), 401, "bad_signature");
}

#[test]
fn a_token_that_is_not_good_is_refused_with_its_reason() {
    let smart = || Token::smart("dr-2", &["physician"]);
    let good = smart().sign(Signer::Es256);
    let cases = [
        (smart().claim("exp", now() - 60).sign(Signer::Rs256), "token_expired"),
        (smart().claim("nbf", now() + 60).sign(Signer::Es256), "token_not_yet_valid"),
        (smart().claim("exp", now() + 86_400).sign(Signer::Es256), "token_lifetime"),
        (smart().without("exp").sign(Signer::Es256), "missing_claim"),
        (smart().claim("exp", "soon").sign(Signer::Es256), "malformed_claim"),
        (smart().claim("aud", "https://other.example").sign(Signer::Es256), "token_audience"),
        (smart().claim("iss", "https://evil.example").sign(Signer::Es256), "unknown_issuer"),
        (smart().header("kid", "other").sign(Signer::Es256), "unknown_key"),
        (smart().header("jwk", "{}").sign(Signer::Es256), "token_header_parameter"),
        (smart().sign(Signer::None), "token_algorithm"),
        (smart().sign(Signer::Hs256), "token_algorithm"),
        (smart().header("kid", "es256").header("alg", "RS256").sign(Signer::Es256), "unknown_key"),
        (tampered(&good, "roles", vec!["physician", "admin"]), "bad_signature"),
        (good.rsplit_once('.').unwrap().0.to_owned(), "malformed_token"),
        (format!("{good}."), "malformed_token"),
    ];
    for (token, reason) in cases {
        let response = clinic().refuses(&Request::get("/fhir/Patient/bad-token").bearer(&token), 401, reason);
        let challenge = response.header("www-authenticate").unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{reason}: {challenge}");
    }
}

#[test]
fn all_means_all() {
    let get = || Request::get("/both/thing");
    clinic().allows(&get().bearer(&physician()).key(BILLING));
    let received = clinic().received("/both/thing");
    assert!(received.all("authorization").is_empty() && received.all("x-api-key").is_empty());
    clinic().refuses(&get().bearer(&physician()), 401, "missing_credentials");
    clinic().refuses(&get().key(BILLING), 401, "missing_credentials");
    clinic().refuses(&get().bearer(&physician()).key("unknown"), 401, "unknown_api_key");
}

#[test]
fn an_issuer_cannot_confer_a_role_that_it_may_not() {
    // `legacy` may confer only `nurse`, and a nurse may not delete.
    let token = Token::legacy("dr-3", &["physician", "nurse"]).sign(Signer::Hs256);
    clinic().refuses(&Request::new("DELETE", "/fhir/Patient/minted").bearer(&token), 403, "no_rule_allows");
    clinic().allows(&Request::get("/fhir/Patient/minted").bearer(&token));
    assert_eq!(clinic().received("/fhir/Patient/minted").all("x-carewarden-roles"), ["nurse"]);
}

#[test]
fn a_credential_that_is_no_text_is_refused() {
    for protocol in PROTOCOLS {
        let request = Request::get("/fhir/Patient/bytes").header("x-api-key", b"\xff\xfe\x80");
        clinic().refuses_over(protocol, &request, 401, "malformed_credentials");
        let request = Request::get("/fhir/Patient/bytes").header("authorization", b"Bearer \xff\xfe");
        let response = clinic().send(protocol, &request);
        assert_eq!(response.status, 401, "{response:?}");
    }
}

#[test]
fn who_may_see_nothing_of_a_route_is_refused_before_the_upstream_is_asked() {
    // Research may read patients, but no redaction entry holds for it.
    clinic().refuses(&Request::get("/fhir/Patient/research").key(RESEARCH), 403, "no_redaction_applies");
}
