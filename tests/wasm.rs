//! The core in WebAssembly with nothing around it (`wasm32-unknown-unknown`, under Node): it loads the policies that we
//! ship, decides, and redacts every fixture as it does elsewhere. On the host the same claims are plain tests.

#![cfg(test)]

use std::cell::RefCell;
use std::net::IpAddr;

use carewarden::exchange::{Engine, Exchange, Facts, Host, Next};
use carewarden::fhir::ResourceType;
use carewarden::http::Headers;
use carewarden::identity::NoHost;
use carewarden::redact::Options;
use serde_json::{Value, json};
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[path = "redact/support.rs"]
#[expect(dead_code, reason = "the redactor's own suites use the rest")]
mod support;

const CLINIC: &str = include_str!("../policies/clinic/policy.json");
const MINIMAL: &str = include_str!("../policies/minimal/policy.json");

const REDACTION: &[&str] = &[
    include_str!("fixtures/redact/actions.json"),
    include_str!("fixtures/redact/emptied.json"),
    include_str!("fixtures/redact/ndjson.json"),
    include_str!("fixtures/redact/precedence.json"),
    include_str!("fixtures/redact/refused.json"),
    include_str!("fixtures/redact/resources.json"),
    include_str!("fixtures/redact/selectors.json"),
    include_str!("fixtures/redact/spans.json"),
    include_str!("fixtures/redact/twins.json"),
    include_str!("fixtures/redact/where.json"),
];

/// A connection over TLS, from outside.
struct Connection;

impl Facts for Connection {
    fn source(&self) -> Option<IpAddr> {
        Some([198, 51, 100, 7].into())
    }
    fn is_tls(&self) -> bool {
        true
    }
    fn envoy_route(&self) -> Option<String> {
        None
    }
    fn certificate_sha256(&self) -> Option<[u8; 32]> {
        None
    }
    fn is_from_upstream(&self) -> bool {
        true
    }
}

/// 2026-11-23, noon, in nanoseconds.
const NOW: u64 = 1_795_435_200_000_000_000;

fn engine(policy: &str) -> Engine {
    let env = |_: &str| Some("a secret of the tests, 32 bytes or more".to_owned());
    let (engine, found) = Engine::load(policy.as_bytes(), &env);
    engine.unwrap_or_else(|| panic!("{found:?}"))
}

fn head(path: &str, more: &[(&str, &str)]) -> Headers {
    let pseudo = [(":method", "GET"), (":path", path), (":authority", "fhir.clinic.example"), (":scheme", "https")];
    Headers::from_pairs(pseudo.iter().chain(more).copied())
}

#[test]
fn the_policies_that_we_ship_are_taken_and_a_wrong_one_is_refused() {
    engine(CLINIC);
    engine(MINIMAL);
    let (refused, found) = Engine::load(CLINIC.replace("\"routes\"", "\"rutes\"").as_bytes(), &|_| None);
    assert!(refused.is_none() && !found.is_empty());
}

#[test]
fn who_shows_nothing_is_refused_and_who_has_a_key_is_let_through() {
    let engine = engine(CLINIC);
    let host = Host { now_ns: NOW, facts: &Connection, verifier: &NoHost };
    let judge = |headers: &[(&str, &str)]| {
        Exchange::new(&engine, 1).request_head(Some(head("/fhir/Patient/1", headers)), true, &host).next
    };
    assert!(matches!(judge(&[]), Next::Reply(reply) if reply.status == 401));
    assert!(matches!(judge(&[("x-api-key", "guess")]), Next::Reply(reply) if reply.status == 401));
    assert_eq!(judge(&[("x-api-key", "billing-test-key")]), Next::Continue);
}

#[test]
fn an_answer_is_redacted_as_it_streams() {
    let engine = engine(CLINIC);
    let host = Host { now_ns: NOW, facts: &Connection, verifier: &NoHost };
    let mut exchange = Exchange::new(&engine, 1);
    exchange.request_head(Some(head("/fhir/Patient/1", &[("x-api-key", "billing-test-key")])), true, &host);
    let answer = Headers::from_pairs([(":status", "200"), ("content-type", "application/fhir+json")]);
    exchange.answer_head(&|| Some(answer.clone()), false, &host);
    let body = json!({ "resourceType": "Patient", "id": "1", "name": [{ "family": "Doe" }], "active": true }).to_string();
    let left = RefCell::new(Vec::new());
    for piece in body.as_bytes().chunks(3) {
        let effects = exchange.answer_body(piece.len(), false, &|| Some(piece.to_vec()));
        left.borrow_mut().extend(effects.body.unwrap_or_default());
    }
    exchange.answer_body(0, true, &|| Some(Vec::new()));
    let left: Value = serde_json::from_slice(&left.into_inner()).expect("JSON");
    let tag = |code: &str| json!({ "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": code });
    let meta = json!({ "security": [tag("REDACTED"), tag("MASKED"), tag("PSEUDED")] });
    assert_eq!(left, json!({ "resourceType": "Patient", "id": "1", "active": true, "meta": meta }));
}

#[test]
fn every_redaction_fixture_holds_whole_byte_by_byte_and_cut_anywhere() {
    let mut cases = 0;
    for file in REDACTION {
        let file: Value = serde_json::from_str(file).expect("JSON");
        for case in file["cases"].as_array().expect("cases") {
            redact(case);
            cases += 1;
        }
    }
    assert!(cases >= 100, "only {cases} cases were found");
}

fn redact(case: &Value) {
    let name = case["name"].as_str().expect("a name");
    let rules = case.get("rules").map(|rules| json!({ "p": { "rules": rules } }));
    let profiles = rules.or_else(|| case.get("profiles").cloned()).expect("rules or profiles");
    let programs = support::programs(&profiles).expect("valid profiles");
    let mut options = Options::new(support::format(case["format"].as_str().expect("a format")));
    let known = |name: &Value| ResourceType::parse(name.as_str().expect("a name")).expect("a type");
    options.granted = case["granted"].as_array().map(|granted| granted.iter().map(known).collect());
    let hold_back = case["hold_back"].as_u64().and_then(|bytes| usize::try_from(bytes).ok());
    options.hold_back = hold_back.unwrap_or(options.hold_back);
    let outcome =
        support::run_every_way(name, &programs["p"], options, case["input"].as_str().expect("an input").as_bytes());
    match case["output"].as_str() {
        Some(output) => {
            assert_eq!(outcome.verdict, Ok(()), "{name}");
            assert_eq!(String::from_utf8_lossy(&outcome.output), output, "{name}");
        }
        None => assert_eq!(outcome.verdict.map_err(|error| error.name()).err(), case["error"].as_str(), "{name}"),
    }
}
