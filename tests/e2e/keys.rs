//! Keys that an issuer publishes, from a key server that may be down, slow, hostile or merely rotating.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::client::Protocol;
use crate::support::config::Options;
use crate::support::envoy::wait_for;
use crate::support::message::{Request, Response};
use crate::support::token::{SigningKey, Token, now};
use crate::support::upstream::{Gate, Reply, Upstream};
use crate::support::vacant::Vacant;

const ISSUER: &str = "https://idp.clinic.example";
const KEYS: &str = "/jwks.json";

/// A policy whose one issuer publishes its keys; `change` changes how they are fetched.
fn policy(change: impl FnOnce(&mut Value)) -> String {
    let mut fetched = json!({
        "cluster": "idp",
        "uri": format!("{ISSUER}{KEYS}"),
        "refresh": "1h",
        "min_interval": "1s",
        "timeout": "1s",
    });
    change(&mut fetched);
    let kind = if fetched.get("uri").is_some() { "remote" } else { "discovery" };
    provider_policy(&json!({ "smart": provider(ISSUER, &json!({ kind: fetched })) }))
}

fn provider(issuer: &str, jwks: &Value) -> Value {
    json!({
        "type": "jwt",
        "issuer": issuer,
        "audiences": ["https://fhir.clinic.example"],
        "algorithms": ["ES256"],
        "jwks": jwks,
        "claim_map": { "roles": "/roles" },
    })
}

fn provider_policy(providers: &Value) -> String {
    let names: Vec<&String> = providers.as_object().unwrap().keys().collect();
    json!({
        "version": 1,
        "name": "keys",
        "authentication": providers,
        "routes": [{
            "name": "api",
            "match": { "paths": ["/api/**"] },
            "require_tls": false,
            "authenticate": { "any": names },
            "authorize": [{ "allow": { "roles": ["physician"] } }],
            "request": { "content_types": ["application/json"] },
        }],
    })
    .to_string()
}

/// What a key server answers that has these keys.
fn set(keys: &[&SigningKey]) -> Reply {
    Reply::json(&json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }))
}

fn stage(policy: String, key_server: SocketAddr) -> Stage {
    Stage::new(Options { policy, clusters: vec![("idp".to_owned(), key_server)], ..Options::default() })
}

/// A server that has these keys, and an Envoy that fetches them.
fn serving(keys: &[&SigningKey], change: impl FnOnce(&mut Value)) -> (Stage, Upstream) {
    let server = Upstream::start();
    server.reply(KEYS, set(keys));
    (stage(policy(change), server.address), server)
}

fn token(key: &SigningKey) -> String {
    Token::smart("dr-1", &["physician"]).sign_with(key)
}

fn ask(stage: &Stage, token: &str) -> Response {
    stage.upstream.reply("/api/thing", Reply::json(&json!({ "ok": true })));
    stage.envoy.plain().send(Protocol::Http1, &Request::get("/api/thing").bearer(token))
}

#[track_caller]
fn assert_allowed(response: &Response) {
    assert_eq!(response.status, 200, "{response:?}");
}

#[track_caller]
fn assert_refused(response: &Response, status: u16, reason: &str) {
    assert_eq!((response.status, response.reason().as_str()), (status, reason), "{response:?}");
}

fn fetches(stage: &Stage, result: &str) -> u64 {
    stage.envoy.metric(&format!("carewarden.jwks_fetch.provider.smart.result.{result}"))
}

#[test]
fn keys_are_fetched_when_envoy_starts_and_a_request_that_comes_earlier_waits() {
    let key = SigningKey::new("a");
    let (stage, server) = serving(&[&key], |_| ());
    assert_allowed(&ask(&stage, &token(&key)));
    stage.allows(&Request::get("/api/by-both").bearer(&token(&key)));
    let seen = server.seen(KEYS);
    assert!(seen.iter().all(|seen| seen.method == "GET" && seen.all("host") == ["idp.clinic.example"]), "{seen:?}");
    assert!(seen.iter().all(|seen| seen.all("authorization").is_empty()));
    let stranger = SigningKey::new("a");
    assert_refused(&ask(&stage, &token(&stranger)), 401, "bad_signature");
}

#[test]
fn a_body_that_came_while_its_request_waited_is_judged_with_it() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let (stage, server) = serving(&[&old], |fetched| fetched["wait"] = json!("5s"));
    assert_allowed(&ask(&stage, &token(&old)));
    let gate = Gate::default();
    thread::sleep(Duration::from_millis(1_100));
    server.reply(KEYS, set(&[&old, &new]).hold(&gate));
    thread::scope(|scope| {
        let post = |body: &'static str| {
            let request = Request::new("POST", "/api/thing").header("content-type", "application/json").body(body);
            let (client, request) = (stage.envoy.client(), request.bearer(&token(&new)));
            scope.spawn(move || [Protocol::Http1, Protocol::Http2].map(|protocol| client.send(protocol, &request)))
        };
        stage.upstream.reply("/api/thing", Reply::json(&json!({})));
        let (good, bad) = (post(r#"{"a": 1}"#), post(r#"{"a": 1"#));
        thread::sleep(Duration::from_millis(500));
        gate.open();
        good.join().unwrap().iter().for_each(assert_allowed);
        bad.join().unwrap().iter().for_each(|response| assert_refused(response, 400, "malformed_body"));
    });
    let bodies: Vec<_> = stage.upstream.seen("/api/thing").into_iter().filter(|seen| seen.method == "POST").collect();
    assert!(bodies.len() == 2 && bodies.iter().all(|seen| seen.body == br#"{"a": 1}"#), "{bodies:?}");
}

#[test]
fn a_key_that_nobody_knows_is_asked_for_and_the_request_waits() {
    let (old, new, never) = (SigningKey::new("old"), SigningKey::new("new"), SigningKey::new("never"));
    let (stage, server) = serving(&[&old], |_| ());
    assert_allowed(&ask(&stage, &token(&old)));
    thread::sleep(Duration::from_millis(1_100));
    server.reply(KEYS, set(&[&old, &new]));
    assert_allowed(&ask(&stage, &token(&new)));
    thread::sleep(Duration::from_millis(1_100));
    assert_refused(&ask(&stage, &token(&never)), 401, "unknown_key");
    assert_allowed(&ask(&stage, &token(&old)));
}

#[test]
fn a_key_that_was_taken_away_verifies_nothing_any_more_not_even_what_it_did_before() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let (stage, server) = serving(&[&old], |_| ());
    let known = token(&old);
    assert_allowed(&ask(&stage, &known));
    assert_allowed(&ask(&stage, &known));
    thread::sleep(Duration::from_millis(1_100));
    server.reply(KEYS, set(&[&new]));
    assert_allowed(&ask(&stage, &token(&new)));
    let after = ask(&stage, &known);
    assert_refused(&after, 401, "unknown_key");
}

#[test]
fn a_server_that_is_down_at_first_is_asked_until_it_is_up() {
    let (key, vacant) = (SigningKey::new("a"), Vacant::new().unwrap());
    let stage = stage(policy(|_| ()), vacant.address);
    assert_refused(&ask(&stage, &token(&key)), 503, "identity_unavailable");
    assert!(wait_for(|| (fetches(&stage, "status") + fetches(&stage, "unreachable") >= 2).then_some(())).is_some());
    let server = vacant.serving(move |_| Reply::new(404)).unwrap();
    server.reply(KEYS, set(&[&key]));
    let up = wait_for(|| (ask(&stage, &token(&key)).status == 200).then_some(()));
    assert!(up.is_some(), "{}", stage.envoy.log());
    assert!(stage.envoy.log().contains("`smart` could not be asked"));
}

#[test]
fn a_server_that_goes_down_does_no_harm_until_its_keys_are_too_old() {
    let key = SigningKey::new("a");
    let (stage, server) = serving(&[&key], |fetched| {
        (fetched["refresh"], fetched["min_refresh"], fetched["max_stale"]) = (json!("1s"), json!("1s"), json!("4s"));
    });
    let known = token(&key);
    assert_allowed(&ask(&stage, &known));
    server.reply(KEYS, Reply::new(500));
    assert!(wait_for(|| (fetches(&stage, "status") >= 1).then_some(())).is_some());
    assert_allowed(&ask(&stage, &token(&key)));
    let since = Instant::now();
    let refused = wait_for(|| Some(ask(&stage, &known)).filter(|response| response.status != 200)).unwrap();
    assert!(since.elapsed() < Duration::from_secs(20));
    assert_refused(&refused, 503, "identity_unavailable");
    assert_eq!(refused.header("retry-after").as_deref(), Some("1"));
    server.reply(KEYS, set(&[&key]));
    assert!(wait_for(|| (ask(&stage, &known).status == 200).then_some(())).is_some());
}

#[test]
fn an_answer_that_is_no_set_of_keys_changes_nothing() {
    let (key, other) = (SigningKey::new("a"), SigningKey::new("b"));
    let body = |text: &str| Reply::new(200).header("content-type", "application/json").body(text);
    let secret = json!({ "kty": "oct", "kid": "b", "k": "c2VjcmV0" });
    let many: Vec<Value> = (0..65).map(|number| SigningKey::new(&number.to_string()).jwk()).collect();
    let answers = [
        ("status", Reply::new(500)),
        ("status", Reply::new(302).header("location", "https://evil.example/jwks.json")),
        ("malformed", Reply::new(200).header("content-type", "text/html").body("<html>sign in</html>")),
        ("malformed", body(r#"{"keys": [}"#)),
        ("malformed", body(r#"{"keys": {}}"#)),
        ("malformed", body("[]")),
        ("no_keys", body(r#"{"keys": []}"#)),
        ("no_keys", Reply::json(&json!({ "keys": [{ "kty": "quantum", "kid": "b" }, secret, 7] }))),
        ("no_keys", Reply::json(&json!({ "keys": [other.jwk(), other.jwk()] }))),
        ("too_many_keys", Reply::json(&json!({ "keys": many }))),
        ("too_large", body(&format!(r#"{{"keys": [], "x": "{}"}}"#, "x".repeat(300_000)))),
        ("malformed", set(&[&other]).gzip()),
    ];
    let (stage, server) = serving(&[&key], |_| ());
    assert_allowed(&ask(&stage, &token(&key)));
    for (result, answer) in answers {
        thread::sleep(Duration::from_millis(1_100));
        let before = fetches(&stage, result);
        server.reply(KEYS, answer.clone());
        assert_refused(&ask(&stage, &token(&other)), 503, "identity_unavailable");
        let counted = wait_for(|| (fetches(&stage, result) > before).then_some(()));
        assert!(counted.is_some(), "{result}: {answer:?}\n{}", stage.envoy.log());
        assert_allowed(&ask(&stage, &token(&key)));
    }
    // 50 MB are more than Envoy itself reads.
    thread::sleep(Duration::from_millis(1_100));
    server.reply(KEYS, body(&" ".repeat(1 << 20)).repeat(50, ""));
    assert_refused(&ask(&stage, &token(&other)), 503, "identity_unavailable");
    assert_allowed(&ask(&stage, &token(&key)));
    assert!(!stage.envoy.trapped(), "{}", stage.envoy.log());
}

#[test]
fn keys_that_cannot_be_used_are_told_of_and_the_others_are_used() {
    let (good, twice) = (SigningKey::new("good"), SigningKey::new("twice"));
    let set = json!({ "keys": [
        { "kty": "RSA", "kid": "short", "n": "wJ0", "e": "AQAB" },
        { "kty": "oct", "kid": "secret", "k": "c2VjcmV0" },
        { "kty": "EC", "crv": "P-256", "kid": "off", "x": "AAAA", "y": "AAAA" },
        twice.jwk(), SigningKey::new("twice").jwk(), good.jwk(),
    ] });
    let server = Upstream::start();
    server.reply(KEYS, Reply::json(&set));
    let stage = stage(policy(|_| ()), server.address);
    assert_allowed(&ask(&stage, &token(&good)));
    assert_refused(&ask(&stage, &token(&twice)), 401, "unknown_key");
    let log = stage.envoy.log();
    for text in ["some keys of `smart` are not used", "key 0: ", "key 1: a symmetric key", "key 4: another key"] {
        assert!(log.contains(text), "`{text}` in {log}");
    }
}

#[test]
fn a_server_that_answers_slowly_or_never_refuses_in_time_and_no_later() {
    let (key, other) = (SigningKey::new("a"), SigningKey::new("b"));
    let (stage, server) = serving(&[&key], |fetched| fetched["timeout"] = json!("5s"));
    assert_allowed(&ask(&stage, &token(&key)));
    let never = Gate::default();
    for answer in [set(&[&other]).hold(&never), set(&[&other]).pieces(1).stall(Duration::from_secs(30))] {
        thread::sleep(Duration::from_millis(1_100));
        server.reply(KEYS, answer);
        let since = Instant::now();
        assert_refused(&ask(&stage, &token(&other)), 503, "identity_unavailable");
        let waited = since.elapsed();
        assert!((Duration::from_millis(1_900)..Duration::from_millis(4_900)).contains(&waited), "{waited:?}");
        assert_allowed(&ask(&stage, &token(&key)));
        assert!(wait_for(|| (fetches(&stage, "unreachable") > 0).then_some(())).is_some());
    }
}

#[test]
fn a_cluster_that_is_missing_refuses_its_own_provider_and_no_other() {
    let key = SigningKey::new("a");
    let server = Upstream::start();
    server.reply(KEYS, set(&[&key]));
    let fetched = |cluster: &str| json!({ "remote": { "cluster": cluster, "uri": format!("{ISSUER}{KEYS}") } });
    let policy = provider_policy(&json!({
        "other": provider("https://other.example", &fetched("nowhere")),
        "smart": provider(ISSUER, &fetched("idp")),
    }));
    let stage = stage(policy, server.address);
    assert_allowed(&ask(&stage, &token(&key)));
    let other = Token::smart("dr-1", &["physician"]).claim("iss", "https://other.example").sign_with(&key);
    assert_refused(&ask(&stage, &other), 503, "identity_unavailable");
    assert!(stage.envoy.metric("carewarden.jwks_fetch.provider.other.result.unreachable") > 0);
    assert!(!stage.envoy.trapped());
}

#[test]
fn a_thousand_requests_wait_for_one_fetch() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let (stage, server) = serving(&[&old], |fetched| {
        (fetched["wait"], fetched["timeout"], fetched["min_interval"]) = (json!("20s"), json!("20s"), json!("1s"));
    });
    assert_allowed(&ask(&stage, &token(&old)));
    thread::sleep(Duration::from_millis(1_100));
    let (gate, before) = (Gate::default(), server.seen(KEYS).len());
    server.reply(KEYS, set(&[&old, &new]).hold(&gate));
    let token = token(&new);
    let answers = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..1_000 {
            thread::Builder::new()
                .stack_size(256 << 10)
                .spawn_scoped(scope, || {
                    assert_allowed(&ask(&stage, &token));
                    answers.fetch_add(1, Ordering::Relaxed);
                })
                .unwrap();
        }
        let waiting = || stage.envoy.stat("http.ingress.downstream_rq_active") >= 1_000;
        assert!(wait_for(|| waiting().then_some(())).is_some());
        assert_eq!(answers.load(Ordering::Relaxed), 0);
        gate.open();
    });
    assert_eq!(answers.load(Ordering::Relaxed), 1_000);
    assert_eq!(server.seen(KEYS).len() - before, 1);
    assert!(!stage.envoy.trapped());
}

/// Envoy sends replies one inside the other when a callback ends: a thousand at once were more than its stack has room for.
#[test]
fn a_thousand_requests_that_waited_are_refused_without_a_trap() {
    let (old, never) = (SigningKey::new("old"), SigningKey::new("never"));
    let (stage, server) = serving(&[&old], |fetched| (fetched["wait"], fetched["timeout"]) = (json!("5s"), json!("20s")));
    assert_allowed(&ask(&stage, &token(&old)));
    let token = token(&never);
    // Once by an answer without the key, once since no answer comes in time.
    for (status, reason, gate) in [(401, "unknown_key", Gate::default()), (503, "identity_unavailable", Gate::default())] {
        thread::sleep(Duration::from_millis(1_100));
        server.reply(KEYS, set(&[&old]).hold(&gate));
        thread::scope(|scope| {
            for _ in 0..1_000 {
                let ask = || assert_refused(&ask(&stage, &token), status, reason);
                thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, ask).unwrap();
            }
            if status == 401 {
                wait_for(|| (stage.envoy.stat("http.ingress.downstream_rq_active") >= 900).then_some(())).unwrap();
                gate.open();
            }
        });
        assert!(!stage.envoy.trapped(), "{}", stage.envoy.log());
        gate.open();
    }
    assert_allowed(&ask(&stage, &self::token(&old)));
}

#[test]
fn a_flood_of_keys_that_nobody_knows_asks_for_few_fetches() {
    let key = SigningKey::new("a");
    let (stage, server) = serving(&[&key], |_| ());
    assert_allowed(&ask(&stage, &token(&key)));
    let (since, before) = (Instant::now(), server.seen(KEYS).len());
    let mut refused = 0;
    while since.elapsed() < Duration::from_secs(4) {
        let random = SigningKey::new(&format!("random-{refused}"));
        assert_refused(&ask(&stage, &token(&random)), 401, "unknown_key");
        refused += 1;
    }
    let fetched = server.seen(KEYS).len() - before;
    assert!(refused > 20 && (2..=5).contains(&fetched), "{fetched} fetches for {refused} requests");
    assert_allowed(&ask(&stage, &token(&key)));
}

#[test]
fn keys_rotate_under_load_without_one_wrong_answer() {
    let (stage, server) = serving(&[&SigningKey::new("0")], |_| ());
    let mut keys = vec![SigningKey::new("0")];
    server.reply(KEYS, set(&[&keys[0]]));
    thread::sleep(Duration::from_millis(1_100));
    let mut answered = 0;
    for round in 1..=4 {
        keys.push(SigningKey::new(&round.to_string()));
        // The new key is published before it signs, and the old one stays for a while.
        server.reply(KEYS, set(&keys.iter().rev().take(2).collect::<Vec<_>>()));
        thread::sleep(Duration::from_millis(1_100));
        let known: Vec<&SigningKey> = keys.iter().rev().take(2).collect();
        thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|worker| {
                    let (stage, known) = (&stage, &known);
                    scope.spawn(move || {
                        (0..25).for_each(|number| assert_allowed(&ask(stage, &token(known[(worker + number) % 2]))));
                        25
                    })
                })
                .collect();
            answered += workers.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>();
        });
        if let [.., third, _, _] = keys.as_slice() {
            assert_refused(&ask(&stage, &token(third)), 401, "unknown_key");
        }
    }
    assert_eq!(answered, 400);
}

#[test]
fn requests_that_wait_while_the_policy_changes_are_answered() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let (stage, server) = serving(&[&old], |fetched| fetched["wait"] = json!("10s"));
    assert_allowed(&ask(&stage, &token(&old)));
    thread::sleep(Duration::from_millis(1_100));
    let gate = Gate::default();
    server.reply(KEYS, set(&[&old, &new]).hold(&gate));
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..20).map(|_| scope.spawn(|| ask(&stage, &token(&new)))).collect();
        assert!(wait_for(|| (stage.envoy.stat("http.ingress.downstream_rq_active") >= 20).then_some(())).is_some());
        assert!(stage.envoy.set_policy(&policy(|fetched| fetched["wait"] = json!("3s"))), "{}", stage.envoy.log());
        gate.open();
        for answer in waiting {
            assert_allowed(&answer.join().unwrap());
        }
    });
    assert_allowed(&ask(&stage, &token(&new)));
}

#[test]
fn a_module_that_is_loaded_anew_takes_the_keys_that_its_predecessor_shared() {
    let key = SigningKey::new("a");
    let server = Upstream::start();
    server.reply(KEYS, set(&[&key]));
    let secret = ("SHARED_KEY", "the key for shared data of the tests, 32 bytes");
    let policy = policy(|fetched| fetched["shared_key"] = json!({ "env": secret.0 }));
    let mut stage = stage_with_secret(&policy, &server, secret);
    assert_allowed(&ask(&stage, &token(&key)));
    let before = server.seen(KEYS).len();
    server.reply(KEYS, Reply::new(500));
    // Another environment is another module.
    stage.envoy.set_environment("ANOTHER", "one");
    assert!(stage.envoy.set_policy(&policy), "{}", stage.envoy.log());
    assert_allowed(&ask(&stage, &token(&key)));
    assert_eq!(server.seen(KEYS).len(), before);
}

fn stage_with_secret(policy: &str, server: &Upstream, (name, value): (&str, &str)) -> Stage {
    let clusters = vec![("idp".to_owned(), server.address)];
    let policy = policy.to_owned();
    Stage::with_secret(Options { policy, clusters, workers: 2, ..Options::default() }, name, value)
}

#[test]
fn workers_share_what_one_of_them_fetched() {
    let key = SigningKey::new("a");
    let server = Upstream::start();
    server.reply(KEYS, set(&[&key]));
    let secret = ("SHARED_KEY", "the key for shared data of the tests, 32 bytes");
    let stage = stage_with_secret(&policy(|fetched| fetched["shared_key"] = json!({ "env": secret.0 })), &server, secret);
    for _ in 0..20 {
        assert_allowed(&ask(&stage, &token(&key)));
    }
    // Two workers and Envoy's main thread begin at once; none asks again.
    assert!((1..=3).contains(&server.seen(KEYS).len()));
}

#[test]
fn clocks_may_be_apart_as_far_as_the_policy_says_and_no_further() {
    let key = SigningKey::new("a");
    let (stage, _server) = serving(&[&key], |_| ());
    // Thirty seconds when it says nothing, and a few here for the test itself.
    let at = |claim: &str, moment: u64| Token::smart("dr-1", &["physician"]).claim(claim, moment).sign_with(&key);
    for token in [at("exp", now() - 15), at("nbf", now() + 29), at("iat", now() + 29)] {
        assert_allowed(&ask(&stage, &token));
    }
    assert_refused(&ask(&stage, &at("exp", now() - 30)), 401, "token_expired");
    for token in [at("nbf", now() + 60), at("iat", now() + 60)] {
        assert_refused(&ask(&stage, &token), 401, "token_not_yet_valid");
    }
}

#[test]
fn a_discovery_document_says_where_the_keys_are() {
    let key = SigningKey::new("a");
    let server = Upstream::start();
    let document = |issuer: &str| Reply::json(&json!({ "issuer": issuer, "jwks_uri": "https://keys.clinic.example/k" }));
    server.reply("/.well-known/openid-configuration", document(ISSUER));
    server.reply("/k", set(&[&key]));
    let stage = stage(policy(|fetched| drop(fetched.as_object_mut().unwrap().remove("uri"))), server.address);
    assert_allowed(&ask(&stage, &token(&key)));
    assert_eq!(server.seen("/k")[0].all("host"), ["keys.clinic.example"]);
    // Another issuer's document is none.
    thread::sleep(Duration::from_millis(1_100));
    server.reply("/.well-known/openid-configuration", document("https://idp.clinic.example/"));
    assert_refused(&ask(&stage, &token(&SigningKey::new("b"))), 503, "identity_unavailable");
    assert!(wait_for(|| (fetches(&stage, "other_issuer") > 0).then_some(())).is_some());
    assert_allowed(&ask(&stage, &token(&key)));
}
