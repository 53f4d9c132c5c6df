//! What a request must be like before anyone asks who sent it.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::stage::{BILLING, clinic, physician};
use crate::support::client::{PROTOCOLS, Protocol};
use crate::support::message::{End, Request};
use crate::support::upstream::Reply;

fn small(body: impl AsRef<[u8]>) -> Request {
    Request::new("POST", "/small/thing").header("content-type", "application/json").body(body)
}

#[test]
fn a_path_that_two_readers_could_read_in_two_ways_is_refused() {
    let paths = [
        "/fhir/Patient%2F1",
        "/fhir/Patient%2f..%2fadmin",
        "/fhir/%2e%2e/admin",
        "/fhir/..%2fadmin",
        "/fhir/Patient/1;x=y",
        "/fhir/Patient;/1",
        "/fhir/Patient/1%3bx",
        "/fhir/Patient%5c1",
        "/fhir/Patient/%00",
        "/fhir/Patient/%252e%252e/admin",
        "/fhir/Patient/%ff%fe",
        "/fhir/Patient/%c0%ae%c0%ae",
        "/fhir/Patient/%zz",
        "/fhir/../../admin",
    ];
    for path in paths {
        clinic().refuses(&Request::get(path).key(BILLING), 400, "ambiguous_path");
    }
    clinic().refuses_over(Protocol::Http1, &Request::get("/fhir/Patient\\1").key(BILLING), 400, "ambiguous_path");
}

#[test]
fn the_path_judged_is_the_path_sent() {
    let spellings = [
        "/fhir/%50atient/plain-1",
        "/fhir//Patient/plain-1",
        "/fhir/./Patient/plain-1",
        "/small/../fhir/Patient/plain-1",
        "/fhir/Patient/pl%61in%2D1",
    ];
    clinic().upstream.reply("/fhir/Patient/plain-1", Reply::fhir(&json!({ "resourceType": "Patient" })));
    for path in spellings {
        for protocol in PROTOCOLS {
            let before = clinic().upstream.seen("/fhir/Patient/plain-1").len();
            let response = clinic().send(protocol, &Request::get(path).key(BILLING));
            assert_eq!(response.status, 200, "{protocol:?} {path} {response:?}");
            assert_eq!(clinic().upstream.seen("/fhir/Patient/plain-1").len(), before + 1, "{path}");
        }
    }
    // And judged as what it is: billing may read no Observation, however it is spelt.
    clinic().refuses(&Request::get("/fhir/%4fbservation/1").key(BILLING), 403, "no_rule_allows");
}

#[test]
fn a_target_that_is_no_path_is_refused() {
    let asterisk =
        clinic().client().send_raw(b"OPTIONS * HTTP/1.1\r\nhost: fhir.clinic.example\r\nconnection: close\r\n\r\n");
    assert!((400..500).contains(&asterisk.status), "{asterisk:?}");
    let nul =
        clinic().client().send_raw(b"GET /fhir/\0 HTTP/1.1\r\nhost: fhir.clinic.example\r\nconnection: close\r\n\r\n");
    assert_eq!(nul.status, 400, "{nul:?}");
}

#[test]
fn limits_on_the_head_refuse_what_is_over_and_nothing_else() {
    let query = |length: usize| format!("/small/thing?{}", "q".repeat(length));
    clinic().allows(&Request::get(&query(128 - "/small/thing?".len())));
    clinic().refuses(&Request::get(&query(129 - "/small/thing?".len())), 414, "uri_too_long");

    let many = (0..30).fold(Request::get("/small/thing"), |request, n| request.header(&format!("x-{n}"), "1"));
    clinic().refuses(&many, 431, "headers_too_large");
    clinic().refuses(&Request::get("/small/thing").header("x-long", "v".repeat(2_048)), 431, "headers_too_large");
    clinic().allows(&Request::get("/small/thing").header("x-long", "v".repeat(512)));
}

#[test]
fn limits_on_the_body_refuse_what_is_over_and_nothing_else() {
    let padded = |length: usize| format!("[{}]", " ".repeat(length - 2));
    clinic().allows(&small(padded(1_024)));
    clinic().refuses(&small(padded(1_025)), 413, "body_too_large");

    clinic().allows(&small("[[[[1]]]]"));
    clinic().refuses(&small("[[[[[1]]]]]"), 400, "json_limit");
    clinic().allows(&small(json!({ "s": "x".repeat(62) }).to_string()));
    clinic().refuses(&small(json!({ "s": "x".repeat(65) }).to_string()), 400, "json_limit");
    let keys = |count: usize| (0..count).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>();
    clinic().allows(&small(json!(keys(8)).to_string()));
    clinic().refuses(&small(json!(keys(9)).to_string()), 400, "json_limit");
}

#[test]
fn a_body_without_a_length_is_measured_as_it_comes() {
    for (pieces, status) in [(20, 200), (40, 413)] {
        clinic().upstream.reply("/small/chunked", Reply::new(200).body("ok"));
        let response = clinic().client().converse_raw(|stream| {
            let head = "POST /small/chunked HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nconnection: close\r\n\
                transfer-encoding: chunked\r\n\r\n1\r\n[\r\n";
            drop(stream.write_all(head.as_bytes()));
            for _ in 0..pieces {
                drop(stream.write_all(format!("20\r\n{}\r\n", " ".repeat(32)).as_bytes()));
                drop(stream.flush());
            }
            drop(stream.write_all(b"1\r\n]\r\n0\r\n\r\n"));
        });
        assert_eq!(response.status, status, "{response:?}");
    }
    assert_eq!(clinic().upstream.seen("/small/chunked").len(), 1);
}

#[test]
fn the_content_type_must_be_one_that_the_route_takes() {
    clinic().allows(&small("{}"));
    let of = |content_type: &str| Request::new("POST", "/small/thing").header("content-type", content_type).body("{}");
    clinic().allows(&of("Application/JSON; charset=utf-8"));
    for content_type in ["text/plain", "application/xml", "json", "", "application/json, text/plain"] {
        clinic().refuses(&of(content_type), 415, "unsupported_media_type");
    }
    clinic().refuses(&Request::new("POST", "/small/thing").body("{}"), 415, "unsupported_media_type");
    clinic().refuses(&small("{}").header("content-encoding", "gzip"), 415, "unsupported_media_type");
    for protocol in PROTOCOLS {
        let repeated = small("{}").header("content-type", "application/json");
        let response = clinic().send(protocol, &repeated);
        assert!(matches!(response.status, 400 | 415), "{protocol:?} {response:?}");
    }
}

#[test]
fn a_body_that_is_not_what_it_says_is_refused() {
    let bodies: [&[u8]; 10] = [
        b"{",
        b"{}x",
        b"nul",
        b"{\"a\":1,\"a\":2}",
        b"{\"a\":1,\"\\u0061\":2}",
        b"[1,]",
        b"\xff",
        b"\"\\ud800\"",
        b"01",
        b"{}{}",
    ];
    for body in bodies {
        clinic().refuses(&small(body), 400, "malformed_body");
    }
    clinic().allows(&small(""));
}

#[test]
fn a_fhir_body_is_the_one_that_the_path_speaks_of() {
    let create = |body: &str| Request::post("/fhir/Patient", body).bearer(&physician());
    clinic().allows(&create(r#"{"resourceType":"Patient"}"#));
    for protocol in PROTOCOLS {
        let response = clinic().send(protocol, &create("not json"));
        assert_eq!((response.status, response.reason().as_str()), (400, "malformed_body"), "{response:?}");
    }
}

#[test]
fn a_body_that_stalls_is_refused_in_time_and_never_reaches_the_upstream() {
    let start = Instant::now();
    let response = clinic().client().converse_raw(|stream| {
        let head =
            "POST /small/stalled HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{";
        drop(stream.write_all(head.as_bytes()));
        drop(stream.flush());
    });
    assert_eq!((response.status, response.reason().as_str()), (408, "body_timeout"), "{response:?}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(clinic().upstream.seen("/small/stalled").is_empty());
}

#[test]
fn a_body_cut_short_never_reaches_the_upstream() {
    let heads = [
        "content-length: 10\r\n\r\n{}",
        "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "transfer-encoding: chunked\r\n\r\n5\r\n{}",
    ];
    for head in heads {
        let mut stream = clinic().client().connect();
        let head = format!("POST /small/cut HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{head}");
        stream.write_all(head.as_bytes()).unwrap();
        stream.flush().unwrap();
        drop(stream);
    }
    // Any answer shows that Envoy has dealt with what came before on its one worker.
    clinic().allows(&small("{}"));
    assert!(clinic().upstream.seen("/small/cut").is_empty());
}

#[test]
fn headers_that_are_no_text_are_refused_or_passed_and_trap_nothing() {
    for protocol in PROTOCOLS {
        let request = Request::get("/plain/bytes").header("x-bytes", b"\xff\x80\xfe").header("user-agent", b"\xc3\x28");
        let response = clinic().send(protocol, &request);
        assert!(matches!(response.status, 400 | 404), "{protocol:?} {response:?}");
    }
    clinic().allows(&Request::get("/plain/after-bytes"));
    assert!(!clinic().envoy.trapped(), "{}", clinic().envoy.log());
}

#[test]
fn ten_megabytes_of_headers_are_refused() {
    let mut head = b"GET /plain/huge HTTP/1.1\r\nhost: a\r\n".to_vec();
    for n in 0..10_000 {
        head.extend_from_slice(format!("x-{n}: {}\r\n", "v".repeat(1_000)).as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    let response = clinic().client().send_raw(&head);
    // Envoy refuses before us, and may close the connection while the client still sends.
    assert!(response.status == 431 || response.end == End::Cut, "{response:?}");
    assert!(clinic().upstream.seen("/plain/huge").is_empty());
    clinic().allows(&Request::get("/plain/after-huge"));
}

#[test]
fn a_host_that_is_missing_or_doubled_is_refused() {
    for head in ["GET /plain/host HTTP/1.1\r\n\r\n", "GET /plain/host HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"] {
        let response = clinic().client().send_raw(head.as_bytes());
        assert_eq!(response.status, 400, "{head:?} {response:?}");
    }
    assert!(clinic().upstream.seen("/plain/host").is_empty());
}
