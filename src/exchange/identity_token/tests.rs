use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::exchange::tests::UPSTREAM;
use crate::exchange::{Change, Effects, Engine, Exchange, Host, Next};
use crate::http::Headers;
use crate::identity::{NoHost, StandIn};

const SECRET: &str = "the key of the upstream, 32 bytes";
const NOW: u64 = 1_800_000_000;
const REQUEST_ID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

fn at(now: u64) -> Host<'static> {
    Host { now_ns: now * 1_000_000_000, facts: UPSTREAM, verifier: &NoHost }
}

/// A policy with this token, and the codes and places of what is wrong with it.
fn load(token: &Value, env: Option<&str>) -> (Option<Engine>, Vec<String>) {
    let idp = json!({
        "type": "jwt", "issuer": "i", "audiences": ["a"], "algorithms": ["HS256"], "secret": {"env": "IDP"},
        "claim_map": {"roles": "/roles", "patient": "/patient"},
    });
    let route = |name: &str, mode: &str, authenticate: Value| {
        json!({
            "name": name, "mode": mode, "match": {"paths": [format!("/{name}/**")]}, "authenticate": authenticate,
            "authorize": [{"allow": {}}],
        })
    };
    let policy = json!({
        "version": 1, "name": "p", "authentication": {"idp": idp}, "identity_token": token,
        "routes": [
            route("known", "enforce", json!({"any": ["idp"]})),
            route("open", "enforce", json!("none")),
            route("watched", "shadow", json!("none")),
        ],
    });
    let env = |name: &str| if name == "IDP" { Some("s".repeat(32)) } else { env.map(str::to_owned) };
    let (engine, found) = Engine::load(policy.to_string().as_bytes(), &env);
    (engine, found.iter().map(|one| format!("{} {}", one.code.as_str(), one.pointer)).collect())
}

fn usual() -> Value {
    json!({"secret": {"env": "UPSTREAM"}, "issuer": "carewarden", "audience": "ehr"})
}

fn nurse() -> StandIn {
    let claims = json!({"roles": ["nurse"], "patient": "Patient/1", "azp": "app", "sub": "n1"});
    StandIn { provider: "idp".to_owned(), claims: claims.as_object().unwrap().clone(), ..StandIn::default() }
}

fn head(method: &str, path: &str) -> Headers {
    let fields = [
        (":method", method),
        (":path", path),
        (":authority", "a"),
        ("x-request-id", REQUEST_ID),
        ("content-type", "text/json"),
    ];
    Headers::from_pairs(fields)
}

fn sent(engine: &Engine, method: &str, path: &str, stand_in: Option<&StandIn>) -> Effects {
    let mut exchange = match stand_in {
        Some(stand_in) => Exchange::with_stand_in(engine, 1, stand_in).unwrap(),
        None => Exchange::new(engine, 1),
    };
    exchange.request_head(Some(head(method, path)), true, &at(NOW))
}

/// What the header is set to.
fn token(effects: &Effects, header: &str) -> Option<String> {
    assert_eq!(effects.next, Next::Continue);
    let mut set = effects.changes.iter().filter_map(|change| match change {
        Change::Set(name, value) if name == header => Some(String::from_utf8(value.clone()).unwrap()),
        _ => None,
    });
    let token = set.next();
    assert_eq!(set.next(), None);
    token
}

/// The claims of a token, as an upstream with this secret reads them.
fn read(token: &str, secret: &str) -> Result<Value, jsonwebtoken::errors::Error> {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_issuer(&["carewarden"]);
    rules.set_audience(&["ehr"]);
    rules.set_required_spec_claims(&["iss", "aud", "exp"]);
    rules.validate_exp = false;
    jsonwebtoken::decode(token, &DecodingKey::from_secret(secret.as_bytes()), &rules).map(|token| token.claims)
}

fn hash(target: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(target))
}

#[test]
fn the_upstream_reads_who_asks_for_what() {
    let (engine, found) = load(&usual(), Some(SECRET));
    assert_eq!(found, Vec::<String>::new());
    let effects = sent(&engine.unwrap(), "GET", "/known/x?a=b", Some(&nurse()));
    let token = token(&effects, "x-carewarden-identity").unwrap();
    let expected = json!({
        "iss": "carewarden", "aud": "ehr", "iat": NOW, "exp": NOW + 30, "jti": REQUEST_ID,
        "sub": "n1", "client": "app", "patient": "Patient/1", "provider": "idp", "roles": ["nurse"],
        "method": "GET", "path_sha256": hash("/known/x?a=b"),
    });
    assert_eq!(read(&token, SECRET).unwrap(), expected);
    assert!(read(&token, "another key that has as many bytes").is_err());
    assert!(!token.contains("known"));
}

#[test]
fn the_path_that_it_speaks_of_is_the_one_that_is_sent() {
    let key: String = Sha256::digest("k1").iter().map(|byte| format!("{byte:02x}")).collect();
    let policy = json!({
        "version": 1, "name": "p", "identity_token": usual(),
        "authentication": {"keys": {"type": "api_key", "query": "key", "keys": [{"client": "c", "sha256": key}]}},
        "routes": [{
            "name": "r", "match": {"paths": ["/r/**"]}, "authenticate": {"any": ["keys"]}, "authorize": [{"allow": {}}],
        }],
    });
    let (engine, found) = Engine::load(policy.to_string().as_bytes(), &|_| Some(SECRET.to_owned()));
    let engine = engine.unwrap_or_else(|| panic!("{found:?}"));
    let effects = sent(&engine, "GET", "/r/a?key=k1&x=1", None);
    assert_eq!(token(&effects, ":path").as_deref(), Some("/r/a?x=1"));
    let claims = read(&token(&effects, "x-carewarden-identity").unwrap(), SECRET).unwrap();
    assert_eq!(claims["path_sha256"], json!(hash("/r/a?x=1")));
}

#[test]
fn an_anonymous_caller_is_vouched_for_as_nobody() {
    let engine = load(&usual(), Some(SECRET)).0.unwrap();
    let token = token(&sent(&engine, "GET", "/open/x", None), "x-carewarden-identity").unwrap();
    let claims = read(&token, SECRET).unwrap();
    assert_eq!(claims["roles"], json!([]));
    for name in ["sub", "client", "patient", "provider"] {
        assert_eq!(claims.get(name), None);
    }
}

#[test]
fn a_token_is_for_one_request_as_it_is_sent_on() {
    let engine = load(&usual(), Some(SECRET)).0.unwrap();
    let of = |method: &str, path: &str| {
        let token = token(&sent(&engine, method, path, None), "x-carewarden-identity").unwrap();
        read(&token, SECRET).unwrap()
    };
    // The path goes on in the form that was judged.
    assert_eq!(of("GET", "/open/a/../%62?q=%62")["path_sha256"], hash("/open/b?q=%62"));
    assert_ne!(of("GET", "/open/a")["path_sha256"], of("GET", "/open/b")["path_sha256"]);
    assert_eq!((&of("HEAD", "/open/a")["method"], &of("DELETE", "/open/a")["method"]), (&json!("HEAD"), &json!("DELETE")));
}

#[test]
fn a_slow_body_does_not_eat_up_the_time() {
    let engine = load(&usual(), Some(SECRET)).0.unwrap();
    let mut exchange = Exchange::new(&engine, 1);
    let head = Headers::from_pairs([
        (":method", "POST"),
        (":path", "/open/x"),
        (":authority", "a"),
        ("content-type", "application/json"),
    ]);
    let held = exchange.request_head(Some(head), false, &at(NOW));
    assert!(matches!(held.next, Next::Hold(_)) && held.changes.is_empty());
    let effects = exchange.request_body(2, true, &|| Some(b"{}".to_vec()), &at(NOW + 9));
    let claims = read(&token(&effects, "x-carewarden-identity").unwrap(), SECRET).unwrap();
    assert_eq!((&claims["iat"], claims.get("jti")), (&json!(NOW + 9), None));
}

#[test]
fn nobody_is_vouched_for_where_nothing_was_decided_or_signed() {
    let engine = load(&usual(), Some(SECRET)).0.unwrap();
    assert_eq!(token(&sent(&engine, "GET", "/watched/x", None), "x-carewarden-identity"), None);
    // Without the secret the header is still none that a client can set.
    let (engine, found) = load(&usual(), None);
    assert_eq!(found, ["missing-secret /identity_token/secret/env"]);
    let mut token_elsewhere = usual();
    token_elsewhere["header"] = json!("x-vouched");
    for engine in [engine.unwrap(), load(&token_elsewhere, None).0.unwrap()] {
        let head = Headers::from_pairs([
            (":method", "GET"),
            (":path", "/open/x"),
            (":authority", "a"),
            ("x-carewarden-identity", "forged"),
            ("x_carewarden_identity", "forged"),
        ]);
        let effects = Exchange::new(&engine, 1).request_head(Some(head), true, &at(NOW));
        assert_eq!(token(&effects, "x-carewarden-identity"), None);
        for name in ["x-carewarden-identity", "x_carewarden_identity"] {
            assert!(effects.changes.contains(&Change::Remove(name.as_bytes().to_vec())), "{name}");
        }
    }
}

#[test]
fn a_header_of_another_name_is_as_safe() {
    let mut elsewhere = usual();
    elsewhere["header"] = json!("x-vouched");
    let engine = load(&elsewhere, Some(SECRET)).0.unwrap();
    for path in ["/open/x", "/watched/x"] {
        let head = Headers::from_pairs([
            (":method", "GET"),
            (":path", path),
            (":authority", "a"),
            ("x-vouched", "forged"),
            ("x_vouched", "forged"),
        ]);
        let effects = Exchange::new(&engine, 1).request_head(Some(head), true, &at(NOW));
        assert_eq!(token(&effects, "x-vouched").is_some(), path == "/open/x");
        let removed = |name: &str| effects.changes.contains(&Change::Remove(name.as_bytes().to_vec()));
        assert!(removed("x-vouched") && removed("x_vouched"));
    }
}

#[test]
fn what_makes_a_weak_token_is_refused() {
    let cases = [
        ("lifetime", json!("301s"), "invalid-value /identity_token/lifetime"),
        ("lifetime", json!("0s"), "invalid-value /identity_token/lifetime"),
        ("lifetime", json!("1500ms"), "invalid-value /identity_token/lifetime"),
        ("issuer", json!(""), "invalid-value /identity_token/issuer"),
        ("audience", json!(""), "invalid-value /identity_token/audience"),
        ("header", json!("authorization"), "invalid-value /identity_token/header"),
        ("header", json!("X-Vouched"), "invalid-value /identity_token/header"),
        ("header", json!("x-carewarden-client"), "duplicate-name /identity_token/header"),
        ("secret", json!({"env": "A", "previous": "B"}), "not-supported /identity_token/secret/previous"),
    ];
    for (key, value, expected) in cases {
        let mut token = usual();
        token[key] = value;
        assert_eq!(load(&token, Some(SECRET)).1, [expected]);
    }
    assert_eq!(load(&usual(), Some(&"s".repeat(31))).1, ["weak-secret /identity_token/secret/env"]);
    for lifetime in ["1s", "5m"] {
        let mut token = usual();
        token["lifetime"] = json!(lifetime);
        assert!(load(&token, Some(&"s".repeat(32))).0.is_some(), "{lifetime}");
    }
}
