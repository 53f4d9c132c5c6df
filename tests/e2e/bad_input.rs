//! Answers that cannot be let through: an OperationOutcome with 502 while nothing has left, a broken stream once something
//! has, and a record either way. Never a 200 that ends as if it were whole.

use std::io::Write;
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::stage::{BILLING, clinic};
use crate::support::client::{PROTOCOLS, Protocol};
use crate::support::message::{End, Request, Response};
use crate::support::upstream::{Gate, Reply};

/// What leaves at once of an answer that goes wrong later.
const OPENING: &str = r#"{"resourceType":"Patient","id":"p","active":[true,"#;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn fhir() -> Reply {
    Reply::new(200).header("content-type", "application/fhir+json")
}

/// What is wrong with an answer: what it begins with, what then comes, and why it is refused.
fn wrongs() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    vec![
        ("text", b"Secret]}".to_vec(), "answer_malformed"),
        ("cut-short", b"tru".to_vec(), "answer_malformed"),
        ("trailing", b"true]}Secret".to_vec(), "answer_malformed"),
        ("repeated-key", br#"{"a":"Secret","\u0061":1}]}"#.to_vec(), "answer_malformed"),
        ("not-utf8", b"\"\xff\"]}".to_vec(), "answer_malformed"),
        ("half-a-surrogate", br#""\ud800"]}"#.to_vec(), "answer_malformed"),
        ("deep", b"[".repeat(100), "answer_limit"),
        ("long-number", b"1".repeat(10_000), "answer_limit"),
        ("held-back", b" ".repeat(300 << 10), "answer_limit"),
        ("misplaced", br#"{"resourceType":"Patient","id":"Secret"}]}"#.to_vec(), "answer_not_fhir"),
    ]
}

#[track_caller]
fn is_withheld(response: &Response, reason: &str) {
    assert_eq!((response.status, response.reason().as_str(), response.end), (502, reason, End::Whole), "{response:?}");
    assert_eq!(response.json()["resourceType"], "OperationOutcome");
    assert_eq!(response.header("content-type").as_deref(), Some("application/fhir+json"));
    assert!(!response.text().contains("Secret"), "{response:?}");
}

#[track_caller]
fn is_recorded(path: &str, times: usize, reason: &str, aborted: bool) {
    for record in clinic().envoy.audit(path, times) {
        let seen = (&record["decision"], &record["reason"], record["aborted"] == true);
        assert_eq!(seen, (&json!("deny"), &json!(reason), aborted), "{record}");
    }
}

#[track_caller]
fn withholds(path: &str, reply: Reply, reason: &str) {
    clinic().upstream.reply(path, reply);
    for protocol in PROTOCOLS {
        is_withheld(&clinic().send(protocol, &Request::get(path).key(BILLING)), reason);
    }
    is_recorded(path, 2, reason, false);
}

/// Lets an answer begin, and what is wrong with it come only once it has.
#[track_caller]
fn breaks_off(path: &str, reply: Reply, reason: &str) {
    for protocol in PROTOCOLS {
        let gate = Gate::default();
        clinic().upstream.reply(path, reply.clone().hold(&gate));
        let response = ask_and_open(protocol, path, &gate);
        assert_eq!((response.status, response.end), (200, End::Cut), "{protocol:?} {response:?}");
        assert!(!response.text().contains("Secret"), "{response:?}");
    }
    is_recorded(path, 2, reason, true);
}

fn ask_and_open(protocol: Protocol, path: &str, gate: &Gate) -> Response {
    thread::scope(|scope| {
        let answer = scope.spawn(|| clinic().send(protocol, &Request::get(path).key(BILLING)));
        thread::sleep(Duration::from_millis(300));
        gate.open();
        answer.join().expect("an answer")
    })
}

#[test]
fn what_is_wrong_from_the_beginning_is_withheld_and_recorded() {
    for (case, rest, reason) in wrongs() {
        let path = format!("/fhir/Patient/early-{case}");
        // In one piece, so that nothing leaves before what is wrong is there; a body that ends too soon has no byte to
        // spare.
        let body =
            if case == "cut-short" { b"{\"resourceType\":\"Pat".to_vec() } else { [OPENING.as_bytes(), &rest].concat() };
        if body.len() < 64 << 10 {
            withholds(&path, fhir().body(body), reason);
        }
    }
    withholds("/fhir/Patient/early-white", fhir().body(b" ".repeat(300 << 10)), "answer_limit");
    let whole = r#"{"resourceType":"Patient","id":"Secret"}"#;
    for of in ["text/html", "application/fhir+xml", "application/octet-stream", "application/json; charset=utf-16", "json"]
    {
        let path = format!("/fhir/Patient/early-{}", of.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        withholds(&path, Reply::new(200).header("content-type", of).body(whole), "answer_media_type");
    }
    withholds("/fhir/Patient/early-br", fhir().header("content-encoding", "br").body(whole), "answer_encoding");
    withholds("/fhir/Patient/early-no-gzip", fhir().header("content-encoding", "gzip").body(whole), "answer_encoding");
}

#[test]
fn what_turns_out_wrong_after_the_beginning_is_broken_off_and_recorded() {
    for (case, rest, reason) in wrongs() {
        breaks_off(&format!("/fhir/Patient/late-{case}"), fhir().opening(OPENING).body(rest), reason);
    }
    // Stored and not compressed, so that what the first bytes hold leaves with them.
    let encoded = gzip(format!("{OPENING}true]}}").as_bytes());
    let (opening, rest) = encoded.split_at(encoded.len() - 8);
    let damaged: Vec<u8> = rest.iter().map(|byte| !byte).collect();
    for (case, rest) in [("damaged", damaged), ("garbage", [rest, b"Secret"].concat()), ("cut", rest[..6].to_vec())] {
        let reply = fhir().header("content-encoding", "gzip").opening(opening).body(rest);
        breaks_off(&format!("/fhir/Patient/late-gzip-{case}"), reply, "answer_encoding");
    }
    assert!(!clinic().envoy.trapped(), "{}", clinic().envoy.log());
}
