//! Where credentials stand: query parameters and cookies, which go no further; keys bound to routes, guessed, and counted.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::client::{PROTOCOLS, Protocol};
use crate::support::config::Options;
use crate::support::envoy::wait_for;
use crate::support::message::Request;
use crate::support::token::{LEGACY_KEY, Signer, Token, now};
use crate::support::upstream::Reply;

/// `tests/fixtures/exchange/places/policy.json`, whose suite says it all without Envoy.
fn policy() -> String {
    let text = include_str!("../fixtures/exchange/places/policy.json");
    let mut policy: Value = serde_json::from_str(text).expect("the policy is JSON");
    for provider in policy["authentication"].as_object_mut().expect("providers").values_mut() {
        if provider["type"] == "jwt" {
            provider["secret"] = json!({ "env": "LEGACY_KEY" });
        }
    }
    policy.to_string()
}

fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| Stage::new(Options { policy: policy(), ..Options::default() }))
}

fn token(issuer: &str) -> String {
    let token = Token::smart("n1", &[]).claim("iss", issuer).claim("aud", "places");
    assert!(LEGACY_KEY.len() >= 32);
    token.sign(Signer::Hs256)
}

/// The query of the last request that the upstream received for this path.
#[track_caller]
fn received_path(path: &str) -> String {
    stage().received(path).path
}

#[test]
fn a_credential_in_the_query_says_who_asks_and_is_cut_out() {
    stage().allows(&Request::get("/query/key?a=%2f&api%5Fkey=queried&b"));
    assert_eq!(received_path("/query/key"), "/query/key?a=%2f&b");
    assert_eq!(stage().received("/query/key").all("x-carewarden-client"), ["queried-co"]);
    let token = token("https://query.example");
    stage().allows(&Request::get(&format!("/query/token?access_token={token}")));
    assert_eq!(received_path("/query/token"), "/query/token");
    stage().allows(&Request::get("/nobody/key?api_key=any&a=%2f&API%5fKEY=any"));
    assert_eq!(received_path("/nobody/key"), "/nobody/key?a=%2f");
    stage().allows(&Request::get("/forwarded/key?a&fwd=fq"));
    assert_eq!(received_path("/forwarded/key"), "/forwarded/key?a&fwd=fq");
    stage().allows(&Request::get("/fhir/Patient?identifier=1&api_key=queried"));
    assert_eq!(received_path("/fhir/Patient"), "/fhir/Patient?identifier=1");
}

#[test]
fn what_could_be_two_credentials_in_the_query_is_refused() {
    stage().refuses(&Request::get("/query/two?api_key=queried&api_key=queried"), 401, "repeated_credentials");
    stage().refuses(&Request::get("/query/two?api_key=queried&%61pi_key=x"), 401, "repeated_credentials");
    stage().refuses(&Request::get("/query/two?api_key=queried&API_KEY=x"), 401, "malformed_credentials");
    stage().refuses(&Request::get("/query/two?api_key=queried;x"), 401, "malformed_credentials");
    stage().refuses(&Request::get("/query/two?api_key=queried&access_token=x"), 401, "several_credentials");
    let both = Request::get("/mixed/two?api_key=queried").bearer(&token("https://bearer.example"));
    stage().refuses(&both, 401, "several_credentials");
}

#[test]
fn a_credential_in_a_cookie_says_who_asks_and_is_cut_out() {
    stage().allows(&Request::get("/cookie/key").header("cookie", "a=%2f; key=baked; b=\"2\""));
    assert_eq!(stage().received("/cookie/key").all("cookie"), ["a=%2f; b=\"2\""]);
    stage().allows(&Request::get("/cookie/alone").header("cookie", "key=baked"));
    assert!(stage().received("/cookie/alone").all("cookie").is_empty());
    let token = token("https://session.example");
    stage().allows(&Request::get("/cookie/token").header("cookie", format!("session={token}")));
    assert!(stage().received("/cookie/token").all("cookie").is_empty());
    stage().allows(&Request::get("/nobody/cookie").header("cookie", "KEY=x; a; session=y; fwd=z"));
    assert_eq!(stage().received("/nobody/cookie").all("cookie"), ["a"]);
    stage().allows(&Request::get("/forwarded/cookie").header("cookie", "key=x; fwd=fc; a=1"));
    assert_eq!(stage().received("/forwarded/cookie").all("cookie"), ["fwd=fc; a=1"]);
}

#[test]
fn cookies_in_fields_of_their_own_are_one_list() {
    // As HTTP/2 clients send them (RFC 9113 section 8.2.3).
    let crumbs = Request::get("/cookie/crumbs").header("cookie", "a=1").header("cookie", "key=baked");
    stage().allows(&crumbs.clone().header("cookie", "b=2"));
    assert_eq!(stage().received("/cookie/crumbs").all("cookie"), ["a=1; b=2"]);
    stage().refuses(&crumbs.clone().header("cookie", "key=baked"), 401, "repeated_credentials");
    stage().refuses(&crumbs.clone().header("cookie", "b; key=other"), 401, "repeated_credentials");
    stage().refuses(&crumbs.header("cookie", "Key=other"), 401, "malformed_credentials");
}

#[test]
fn a_header_may_have_a_word_of_its_own_before_the_key() {
    stage().allows(&Request::get("/scheme/key").header("authorization", "ApiKey schemed"));
    assert!(stage().received("/scheme/key").all("authorization").is_empty());
    stage().allows(&Request::get("/scheme/token").bearer(&token("https://bearer.example")));
    stage().refuses(&Request::get("/scheme/basic").header("authorization", "Basic schemed"), 401, "unsupported_scheme");
}

#[test]
fn no_credential_is_in_a_record_or_a_log_of_ours() {
    let path = "/query/recorded";
    stage().allows(&Request::get(&format!("{path}?api_key=queried&mark=marked-parameter")));
    stage().refuses(&Request::get(&format!("{path}?api_key=guessed-secret")), 401, "unknown_api_key");
    stage().refuses(&Request::get(path).header("cookie", "key=guessed-secret"), 401, "missing_credentials");
    for record in stage().envoy.audit(path, 6) {
        let record = record.to_string();
        assert!(!record.contains("guessed") && !record.contains("marked") && !record.contains("api_key="), "{record}");
    }
    assert!(!stage().envoy.log().contains("guessed-secret"));
    let stats = stage().envoy.admin("/stats");
    assert!(!stats.contains("guessed"), "a metric is named by what a client sent");
}

#[test]
fn a_key_may_be_used_on_its_routes_and_nowhere_else() {
    stage().allows(&Request::get("/bound/key").header("x-bound", "bound"));
    let response = stage().refuses(&Request::get("/elsewhere/key").header("x-bound", "bound"), 403, "api_key_route");
    let challenge = response.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    stage().refuses(&Request::get("/elsewhere/key").header("x-bound", "other"), 401, "unknown_api_key");
}

#[test]
fn the_last_use_of_a_key_is_a_gauge() {
    let gauge = |key: &str| stage().envoy.metric(&format!("carewarden.api_key_last_use.provider.custom-key.key.{key}"));
    assert_eq!(gauge("custom"), 0);
    let before = now();
    stage().allows(&Request::get("/custom/used").header("x-auth", "Token custom"));
    let told = wait_for(|| Some(gauge("custom")).filter(|at| *at > 0)).expect("told on a tick");
    assert!((before..=now()).contains(&told), "{told}");
    stage().refuses(&Request::get("/custom/used").header("x-auth", "Token unused"), 401, "unknown_api_key");
    assert!(stage().envoy.stats().iter().all(|(name, _)| !name.contains("unused")));
}

#[test]
fn ten_thousand_keys_are_one_policy() {
    let key = |number: usize| {
        let digest = ring::digest::digest(&ring::digest::SHA256, format!("key-{number}").as_bytes());
        let digits: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        json!({ "client": format!("client-{number}"), "id": format!("id-{number}"), "sha256": digits })
    };
    let mut policy: Value = serde_json::from_str(&policy()).unwrap();
    policy["authentication"]["custom-key"]["keys"] = (0..10_000).map(key).collect();
    let stage = Stage::new(Options { policy: policy.to_string(), ..Options::default() });
    for number in [0, 5_000, 9_999] {
        stage.allows(&Request::get("/custom/many").header("x-auth", format!("Token key-{number}")));
        assert_eq!(stage.received("/custom/many").all("x-carewarden-client"), [format!("client-{number}")]);
    }
    stage.refuses(&Request::get("/custom/many").header("x-auth", "Token key-10000"), 401, "unknown_api_key");
    // Only keys that were used have a gauge.
    let gauges = || stage.envoy.stats().iter().filter(|(name, _)| name.contains(".api_key_last_use.")).count();
    assert!(wait_for(|| (gauges() == 3).then_some(())).is_some(), "{}", gauges());
}

#[test]
fn guesses_are_slowed_before_they_reach_us() {
    const GUESSES: u64 = 5;
    let limiter = json!({
        "name": "flood",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "flood",
            "token_bucket": { "max_tokens": 1000, "tokens_per_fill": 1, "fill_interval": "600s" },
            "filter_enabled": { "default_value": { "numerator": 100 } },
            "filter_enforced": { "default_value": { "numerator": 100 } },
            "rate_limits": [{ "actions": [{ "remote_address": {} }] }],
            "max_dynamic_descriptors": 100,
            "descriptors": [{
                "entries": [{ "key": "remote_address" }],
                "token_bucket": { "max_tokens": GUESSES, "tokens_per_fill": 1, "fill_interval": "600s" },
            }],
        },
    });
    let stage = Stage::new(Options { policy: policy(), before: Some(limiter), ..Options::default() });
    stage.upstream.reply("/query/guess", Reply::json(&json!({})));
    let guess = |number: u64| {
        let request = Request::get(&format!("/query/guess?api_key=guess-{number}"));
        stage.send(PROTOCOLS[usize::try_from(number % 2).unwrap()], &request).status
    };
    let statuses: Vec<u16> = (0..20).map(guess).collect();
    assert_eq!(statuses, [vec![401; 5], vec![429; 15]].concat());
    // Not even the right one comes through now, and none of them was looked at.
    assert_eq!(stage.send(Protocol::Http1, &Request::get("/query/guess?api_key=queried")).status, 429);
    let seen = || {
        let name = "carewarden.requests.policy.places.route.query.decision.deny.reason.unknown_api_key";
        (stage.envoy.metric(name) == GUESSES).then_some(())
    };
    assert!(wait_for(seen).is_some());
    // What was refused before us leaves a record that says nothing was judged, and no other trace.
    let ours = stage.envoy.stats().into_iter().filter(|(name, _)| {
        name.starts_with("wasmcustom.carewarden.requests.") && !name.ends_with(".route.-.decision.deny.reason.unfinished")
    });
    assert_eq!(ours.map(|(_, count)| count.parse::<u64>().unwrap()).sum::<u64>(), GUESSES);
    assert!(stage.upstream.all_seen().is_empty());
}
