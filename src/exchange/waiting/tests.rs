use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::json;

use super::super::tests::UPSTREAM;
use super::super::{Change, Engine, Next, Reply};
use super::*;
use crate::identity::{Answer, NoHost, NothingShared};

const NOW: Duration = Duration::from_secs(1_800_000_000);

fn host() -> Host<'static> {
    Host { now_ns: NOW.as_nanos() as u64, facts: UPSTREAM, verifier: &NoHost }
}

fn engine(mode: &str) -> Engine {
    let policy = json!({
        "version": 1, "name": "p", "mode": mode,
        "authentication": { "a": {
            "type": "jwt", "issuer": "i", "audiences": ["x"], "algorithms": ["ES256"],
            "jwks": { "remote": { "cluster": "idp", "uri": "https://i/k" } },
        } },
        "routes": [{
            "name": "r", "match": { "paths": ["/**"] }, "authenticate": { "any": ["a"] },
            "authorize": [{ "allow": {} }], "request": { "max_body": "10B" },
        }],
    });
    let (engine, found) = Engine::load(policy.to_string().as_bytes(), &|_| None);
    engine.unwrap_or_else(|| panic!("{found:?}"))
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn key() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

/// The head of a request that brings a good token.
fn head(method: &str) -> Headers {
    let claims = json!({ "iss": "i", "aud": "x", "exp": NOW.as_secs() + 60 });
    let signed = format!("{}.{}", encode(r#"{"alg":"ES256","kid":"k"}"#), encode(claims.to_string()));
    let signature: Signature = key().sign(signed.as_bytes());
    let authorization = format!("Bearer {signed}.{}", encode(signature.to_bytes()));
    Headers::from_pairs([
        (":method", method),
        (":path", "/x"),
        (":authority", "a"),
        ("authorization", &authorization),
        ("content-type", "application/json"),
    ])
}

/// Answers the call for keys: with the key that the token names, or with none.
fn answer(engine: &Engine, well: bool) {
    let upkeep = engine.providers().poll(NOW, &NothingShared);
    let (id, _) = upkeep.calls.first().expect("a call is due");
    let point = key().verifying_key().to_encoded_point(false);
    let (x, y) = (encode(point.x().unwrap()), encode(point.y().unwrap()));
    let set = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "k", "x": x, "y": y }] });
    let head = Headers::from_pairs([(":status", "200")]);
    let answer = well.then(|| Answer { head, body: Some(set.to_string().into_bytes()) });
    assert!(engine.providers().answered(*id, answer, NOW, &NothingShared).settles);
}

fn status(effects: &Effects) -> Option<(u16, &'static str)> {
    match &effects.next {
        Next::Reply(Reply { status, details, .. }) => Some((*status, *details)),
        _ => None,
    }
}

const WAITS: Next = Next::Await(Duration::from_secs(2));

fn nothing(_: usize) -> Option<Vec<u8>> {
    panic!("there is no body")
}

#[test]
fn a_request_without_a_body_goes_on_when_the_keys_are_there() {
    let engine = engine("enforce");
    let mut exchange = Exchange::new(&engine, 1);
    assert_eq!(exchange.request_head(Some(head("GET")), true, &host()).next, WAITS);
    assert!(exchange.is_waiting() && exchange.held_bytes() > 100);
    assert_eq!(exchange.resume(&nothing, &host()).next, WAITS, "nothing is known yet");
    answer(&engine, true);
    let effects = exchange.resume(&nothing, &host());
    assert_eq!(effects.next, Next::Continue);
    assert!(effects.changes.contains(&Change::Remove(b"authorization".to_vec())));
    assert_eq!(exchange.resume(&nothing, &host()), Effects::default(), "it waits no more");
}

#[test]
fn a_body_is_judged_whether_it_came_before_or_after_the_keys() {
    for (came, is_whole) in [(None, false), (Some(4), false), (Some(7), true)] {
        let engine = engine("enforce");
        let mut exchange = Exchange::new(&engine, 1);
        assert_eq!(exchange.request_head(Some(head("POST")), false, &host()).next, WAITS);
        if let Some(size) = came {
            assert_eq!(exchange.request_body(size, is_whole, &|| panic!("too early"), &host()).next, WAITS);
        }
        answer(&engine, true);
        let body = |size: usize| Some(b"{\"a\":1}"[..size].to_vec());
        let effects = exchange.resume(&body, &host());
        if is_whole {
            assert_eq!(effects.next, Next::Continue);
        } else {
            assert!(matches!(effects.next, Next::Hold(_)), "{effects:?}");
            assert_eq!(exchange.request_body(7, true, &|| body(7), &host()).next, Next::Continue);
        }
    }
}

#[test]
fn trailers_end_a_body_that_waits_and_are_dropped() {
    let engine = engine("enforce");
    let mut exchange = Exchange::new(&engine, 1);
    exchange.request_head(Some(head("POST")), false, &host());
    exchange.request_body(7, false, &|| panic!("too early"), &host());
    let effects = exchange.request_trailers(&|| panic!("too early"), &host());
    assert!(effects.drop_trailers && effects.next == WAITS, "{effects:?}");
    answer(&engine, true);
    assert_eq!(exchange.resume(&|_| Some(b"{\"a\":1}".to_vec()), &host()).next, Next::Continue);
}

#[test]
fn a_request_that_waited_is_refused_for_what_it_is() {
    let engine = engine("enforce");
    let waiting = || {
        let mut exchange = Exchange::new(&engine, 1);
        assert_eq!(exchange.request_head(Some(head("POST")), false, &host()).next, WAITS);
        exchange
    };
    assert_eq!(status(&waiting().timed_out()), Some((503, "identity_unavailable")));
    assert_eq!(status(&waiting().refuse_over_capacity()), Some((503, "over_capacity")));
    let too_large = waiting().request_body(11, false, &|| panic!("too early"), &host());
    assert_eq!(status(&too_large), Some((413, "body_too_large")));
    let mut cut = waiting();
    cut.request_body(7, true, &|| panic!("too early"), &host());
    answer(&engine, true);
    assert_eq!(status(&cut.resume(&|_| Some(b"{\"a\":1 ".to_vec()), &host())), Some((400, "malformed_body")));
}

#[test]
fn in_shadow_mode_a_request_that_waited_in_vain_goes_on() {
    let engine = engine("shadow");
    let mut exchange = Exchange::new(&engine, 1);
    assert_eq!(exchange.request_head(Some(head("GET")), true, &host()).next, WAITS);
    answer(&engine, false);
    let effects = exchange.timed_out();
    assert_eq!(effects.next, Next::Continue);
    assert!(exchange.close(0, None).shadow);
}
