//! Answers in gzip and deflate: decoded, redacted and re-sent in clear, or withheld.

use std::io::Write;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use serde_json::json;

use crate::stage::{BILLING, CLINIC, Stage, nurse};
use crate::support::client::{PROTOCOLS, Protocol};
use crate::support::config::Options;
use crate::support::message::{End, Request, Response};
use crate::support::upstream::{Gate, Reply};

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p","name":[{"family":"Secret"}]}"#;

/// An Envoy of its own, since what a piece becomes is memory that a module keeps, which other tests measure.
fn encoding() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| Stage::new(Options { policy: CLINIC.to_owned(), ..Options::default() }))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn encoded(coding: &str, body: &[u8]) -> Reply {
    let reply = Reply::new(200).header("content-type", "application/fhir+json").header("content-encoding", coding);
    reply.header("vary", "accept-encoding").body(body)
}

/// A Bundle of which more than one piece leaves before it ends, and the name in each of its patients.
fn bundle() -> Vec<u8> {
    let patient = |number: u32| {
        let id = number.wrapping_mul(2_654_435_761).to_string();
        json!({ "resource": { "resourceType": "Patient", "id": id, "name": [{ "family": "Secret" }] } })
    };
    let entries: Vec<_> = (0..20_000).map(patient).collect();
    json!({ "resourceType": "Bundle", "type": "searchset", "entry": entries }).to_string().into_bytes()
}

fn ask(path: &str, reply: Reply) -> [Response; 2] {
    encoding().upstream.reply(path, reply);
    let responses = PROTOCOLS.map(|protocol| encoding().send(protocol, &Request::get(path).key(BILLING)));
    for response in &responses {
        assert!(!response.text().contains("Secret"), "{response:?}");
    }
    responses
}

#[track_caller]
fn is_withheld(responses: &[Response], reason: &str) {
    for response in responses {
        let seen = (response.status, response.reason(), response.end);
        assert_eq!(seen, (502, reason.to_owned(), End::Whole), "{response:?}");
    }
}

/// Withheld, or broken off where Envoy had handed over its beginning before what is wrong with it.
#[track_caller]
fn is_no_whole_answer(responses: &[Response], reason: &str) {
    for response in responses {
        let seen = (response.status, response.reason(), response.end);
        assert!(seen == (502, reason.to_owned(), End::Whole) || response.end == End::Cut, "{response:?}");
    }
}

#[test]
fn an_encoded_answer_leaves_redacted_and_in_clear() {
    let mut bare = DeflateEncoder::new(Vec::new(), Compression::default());
    bare.write_all(PATIENT.as_bytes()).expect("memory");
    let bare = bare.finish().expect("memory");
    let (first, second) = PATIENT.as_bytes().split_at(20);
    let fhir = || Reply::new(200).header("content-type", "application/fhir+json").body(PATIENT);
    for (name, reply) in [
        ("gzip", fhir().gzip()),
        ("deflate", fhir().deflate()),
        ("x-gzip", encoded("x-gzip", &gzip(PATIENT.as_bytes()))),
        ("bare", encoded("deflate", &bare)),
        ("members", encoded("gzip", &[gzip(first), gzip(second)].concat())),
        ("bytes", encoded("gzip", &gzip(PATIENT.as_bytes())).pieces(1)),
        ("trailers", encoded("gzip", &gzip(PATIENT.as_bytes())).trailer("x-late", "Secret")),
    ] {
        for response in ask(&format!("/fhir/Patient/encoded-{name}"), reply) {
            assert_eq!((response.status, response.end), (200, End::Whole), "{name} {response:?}");
            assert_eq!(response.json()["id"], "p", "{name}");
            assert_eq!(response.header("content-encoding"), None, "{name} {response:?}");
        }
    }
    let request = Request::get("/fhir/Patient/encoded-asked").key(BILLING).header("accept-encoding", "gzip, br");
    encoding().allows(&request);
    assert_eq!(encoding().received("/fhir/Patient/encoded-asked").all("accept-encoding"), ["identity"]);
}

#[test]
fn one_piece_may_become_many() {
    let body = bundle();
    for pieces in [700, 64 << 10, 1 << 20] {
        let path = format!("/fhir/Patient?case=encoded-{pieces}");
        for response in ask(&path, encoded("gzip", &gzip(&body)).pieces(pieces)) {
            assert_eq!((response.status, response.end), (200, End::Whole));
            assert_eq!(response.json()["entry"].as_array().map(Vec::len), Some(20_000));
        }
    }
}

#[test]
fn what_is_only_looked_into_leaves_in_clear_too() {
    encoding().upstream.reply("/fhir/Patient/encoded-full", encoded("gzip", &gzip(PATIENT.as_bytes())));
    for protocol in PROTOCOLS {
        let response = encoding().send(protocol, &Request::get("/fhir/Patient/encoded-full").bearer(&nurse()));
        assert_eq!((response.status, response.text()), (200, PATIENT.into()), "{response:?}");
        assert_eq!(response.header("content-encoding"), None);
    }
}

#[test]
fn an_answer_that_cannot_be_decoded_to_its_last_byte_is_withheld() {
    let whole = gzip(PATIENT.as_bytes());
    let cut = &whole[..whole.len() - 12];
    is_no_whole_answer(&ask("/fhir/Patient/encoded-cut", encoded("gzip", cut)), "answer_encoding");
    is_withheld(&ask("/fhir/Patient/encoded-short", encoded("gzip", &whole[..5])), "answer_encoding");
    let garbage = [&whole[..], b"Secret"].concat();
    is_no_whole_answer(&ask("/fhir/Patient/encoded-garbage", encoded("gzip", &garbage)), "answer_encoding");
    is_withheld(&ask("/fhir/Patient/encoded-twice", encoded("gzip, gzip", &gzip(&whole))), "answer_encoding");
    let repeated = encoded("gzip", &gzip(&whole)).header("content-encoding", "gzip");
    is_withheld(&ask("/fhir/Patient/encoded-repeated", repeated), "answer_encoding");
    for coding in ["br", "zstd", "compress"] {
        is_withheld(&ask(&format!("/fhir/Patient/encoded-{coding}"), encoded(coding, &whole)), "answer_encoding");
    }
    let bomb = [b"{", vec![b' '; 64 << 20].as_slice(), b"}"].concat();
    is_withheld(&ask("/fhir/Patient/encoded-bomb", encoded("gzip", &gzip(&bomb))), "answer_decoded_limit");
    is_withheld(&ask("/fhir/Patient/encoded-not", encoded("gzip", &gzip(b"Secret"))), "answer_malformed");
    is_withheld(&ask("/fhir/Patient/encoded-lie", encoded("gzip", PATIENT.as_bytes())), "answer_encoding");
}

#[test]
fn an_answer_that_turns_out_damaged_after_its_beginning_has_left_is_broken_off() {
    let whole = gzip(&bundle());
    let (last, most) = whole.split_last().expect("bytes");
    let bomb = [&whole[..], &gzip(&vec![b' '; 64 << 20])].concat();
    for (name, body) in [
        ("cut", most.to_vec()),
        ("checksum", [most, &[!last]].concat()),
        ("garbage", [&whole[..], b"Secret"].concat()),
        ("bomb", bomb),
    ] {
        let reason = if name == "bomb" { "answer_decoded_limit" } else { "answer_encoding" };
        let reply = encoded("gzip", &body).pieces(4 << 10);
        is_no_whole_answer(&ask(&format!("/fhir/Patient?case=damaged-{name}"), reply), reason);
        // The beginning leaves for certain where the rest is long in coming.
        let held = Gate::default();
        let reply = encoded("gzip", &body).pieces(body.len() / 2 + 1).hold(&held);
        let path = format!("/fhir/Patient?case=late-{name}");
        encoding().upstream.reply(&path, reply);
        let request = Request::get(&path).key(BILLING);
        let opening = thread::scope(|scope| {
            let answer = scope.spawn(|| encoding().send(Protocol::Http2, &request));
            thread::sleep(Duration::from_millis(300));
            held.open();
            answer.join().expect("an answer")
        });
        assert_eq!((opening.status, opening.end), (200, End::Cut), "{name}");
        assert!(!opening.text().contains("Secret"), "{name}");
    }
    assert!(!encoding().envoy.trapped(), "{}", encoding().envoy.log());
}

#[test]
fn an_encoded_answer_without_a_body_passes() {
    for (name, reply) in
        [("none", encoded("gzip", b"")), ("empty", encoded("gzip", &gzip(b""))), ("frame", encoded("gzip", b"").pieces(1))]
    {
        for response in ask(&format!("/fhir/Patient/encoded-{name}"), reply) {
            assert_eq!((response.status, response.end, &*response.body), (200, End::Whole, &b""[..]), "{name}");
            assert_eq!(response.header("content-encoding"), None, "{name} {response:?}");
        }
    }
    encoding().upstream.reply("/fhir/Patient/encoded-head", encoded("gzip", &gzip(PATIENT.as_bytes())));
    for protocol in PROTOCOLS {
        let response = encoding().send(protocol, &Request::new("HEAD", "/fhir/Patient/encoded-head").key(BILLING));
        assert_eq!((response.status, response.header("content-encoding")), (200, None), "{response:?}");
    }
}
