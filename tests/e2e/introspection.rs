//! Opaque tokens, and the server that is asked about them.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::client::Protocol;
use crate::support::config::Options;
use crate::support::envoy::wait_for;
use crate::support::message::{Request, Response};
use crate::support::token::{SigningKey, Token};
use crate::support::upstream::{Gate, Reply, Seen, Upstream};

const SECRET: &str = "the client secret of the tests";

/// An issuer that knows tokens that begin with `good`.
fn issuer() -> Upstream {
    Upstream::serving(0, |seen: &Seen| {
        let body = String::from_utf8_lossy(&seen.body);
        let active = body.starts_with("token=good");
        Reply::json(&match active {
            true => json!({ "active": true, "aud": "api", "sub": "dr-1", "scope": "physician", "client_id": "app" }),
            false => json!({ "active": false }),
        })
    })
    .unwrap()
}

fn policy(change: impl FnOnce(&mut Value)) -> String {
    let mut policy = json!({
        "version": 1,
        "name": "opaque",
        "authentication": {
            "opaque": {
                "type": "introspection",
                "cluster": "idp",
                "uri": "https://idp.clinic.example/introspect",
                "client_id": "carewarden",
                "client_secret": { "env": "CLIENT_SECRET" },
                "audiences": ["api"],
                "claim_map": { "roles": "/scope" },
            },
        },
        "routes": [{
            "name": "api",
            "match": { "paths": ["/api/**"] },
            "require_tls": false,
            "authenticate": { "any": ["opaque"] },
            "authorize": [{ "allow": { "roles": ["physician"] } }],
        }],
    });
    change(&mut policy);
    policy.to_string()
}

fn stage(policy: String, issuer: &Upstream) -> Stage {
    let clusters = vec![("idp".to_owned(), issuer.address)];
    Stage::with_secret(Options { policy, clusters, ..Options::default() }, "CLIENT_SECRET", SECRET)
}

fn ask(stage: &Stage, token: &str) -> Response {
    stage.upstream.reply("/api/thing", Reply::json(&json!({ "ok": true })));
    stage.envoy.plain().send(Protocol::Http1, &Request::get("/api/thing").bearer(token))
}

#[track_caller]
fn assert_refused(response: &Response, status: u16, reason: &str) {
    assert_eq!((response.status, response.reason().as_str()), (status, reason), "{response:?}");
}

fn asked(issuer: &Upstream) -> usize {
    issuer.seen("/introspect").len()
}

#[test]
fn a_token_is_asked_about_once_and_says_who_asks() {
    let issuer = issuer();
    let stage = stage(policy(|_| ()), &issuer);
    stage.allows(&Request::get("/api/opaque").bearer("good-1"));
    let received = stage.received("/api/opaque");
    assert!(received.all("authorization").is_empty());
    assert_eq!(received.all("x-carewarden-client"), ["app"]);
    assert_eq!(received.all("x-carewarden-subject"), ["dr-1"]);
    assert_eq!(asked(&issuer), 1);
    let seen = &issuer.seen("/introspect")[0];
    assert_eq!((seen.method.as_str(), seen.all("content-type")[0].as_str()), ("POST", "application/x-www-form-urlencoded"));
    assert!(seen.all("authorization")[0].starts_with("Basic "));
    assert_refused(&ask(&stage, "bad-1"), 401, "token_inactive");
    assert_refused(&ask(&stage, "bad-1"), 401, "token_inactive");
    assert_eq!(asked(&issuer), 2);
    let counted = || stage.envoy.metric("carewarden.introspection.provider.opaque.result.active") == 1;
    assert!(wait_for(|| counted().then_some(())).is_some());
    let log = stage.envoy.log();
    assert!(!log.contains("good-1") && !log.contains("bad-1") && !log.contains(SECRET), "{log}");
}

#[test]
fn requests_with_one_token_wait_for_one_answer() {
    let issuer = issuer();
    let stage = stage(policy(|policy| policy["authentication"]["opaque"]["wait"] = json!("10s")), &issuer);
    let gate = Gate::default();
    let active = json!({ "active": true, "aud": "api", "scope": "physician" });
    issuer.reply("/introspect", Reply::json(&active).hold(&gate));
    thread::scope(|scope| {
        let asking: Vec<_> = (0..50).map(|_| scope.spawn(|| ask(&stage, "good-2"))).collect();
        assert!(wait_for(|| (stage.envoy.stat("http.ingress.downstream_rq_active") >= 50).then_some(())).is_some());
        gate.open();
        assert!(asking.into_iter().all(|answer| answer.join().unwrap().status == 200));
    });
    assert_eq!(asked(&issuer), 1);
}

#[test]
fn while_the_server_is_down_only_answers_that_are_still_believed_count() {
    let issuer = issuer();
    let stage = stage(policy(|policy| policy["authentication"]["opaque"]["max_age"] = json!("3s")), &issuer);
    assert_eq!(ask(&stage, "good-3").status, 200);
    let since = Instant::now();
    for answer in [
        Reply::new(500),
        Reply::new(401),
        Reply::json(&json!({ "active": "yes" })),
        Reply::new(200).body("<html>"),
        Reply::new(200).body(" ".repeat(100_000)),
        Reply::json(&json!({ "active": true })).stall(Duration::from_secs(30)),
    ] {
        issuer.reply("/introspect", answer);
        let token = format!("good-{:?}", since.elapsed());
        let response = ask(&stage, &token.replace(['.', 'µ'], "-"));
        assert_refused(&response, 503, "identity_unavailable");
        if since.elapsed() < Duration::from_millis(2_500) {
            assert_eq!(ask(&stage, "good-3").status, 200);
        }
    }
    thread::sleep(Duration::from_secs(3).saturating_sub(since.elapsed()));
    assert_refused(&ask(&stage, "good-3"), 503, "identity_unavailable");
    let active = json!({ "active": true, "aud": "api", "scope": "physician" });
    issuer.reply("/introspect", Reply::json(&active));
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(ask(&stage, "good-3").status, 200);
    // A token that was revoked is believed no longer than `max_age`.
    issuer.reply("/introspect", Reply::json(&json!({ "active": false })));
    assert!(wait_for(|| (ask(&stage, "good-3").status == 401).then_some(())).is_some());
    assert!(!stage.envoy.trapped());
}

#[test]
fn opaque_tokens_stand_beside_those_of_an_issuer() {
    let (issuer, key) = (issuer(), SigningKey::new("a"));
    let policy = policy(|policy| {
        policy["authentication"]["smart"] = json!({
            "type": "jwt",
            "issuer": "https://idp.clinic.example",
            "audiences": ["https://fhir.clinic.example"],
            "algorithms": ["ES256"],
            "jwks": { "inline": { "keys": [key.jwk()] } },
            "claim_map": { "roles": "/roles" },
        });
        policy["routes"][0]["authenticate"]["any"] = json!(["opaque", "smart"]);
    });
    let stage = stage(policy, &issuer);
    assert_eq!(ask(&stage, &Token::smart("dr-1", &["physician"]).sign_with(&key)).status, 200);
    assert_eq!(asked(&issuer), 0);
    assert_eq!(ask(&stage, "good-4").status, 200);
    // What has the shape of a token is judged as one, and nobody else is asked.
    assert_refused(&ask(&stage, "good.4.x"), 401, "malformed_token");
    assert_eq!(asked(&issuer), 1);
}
