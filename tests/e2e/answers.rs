//! Answers that are not what they say, or more than was asked for: heads, encodings, media types, errors, broken bodies.

use std::time::Duration;

use serde_json::json;

use crate::stage::{BILLING, clinic};
use crate::support::client::PROTOCOLS;
use crate::support::message::{End, Request, Response};
use crate::support::upstream::Reply;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p","name":[{"family":"Secret"}]}"#;

fn fhir() -> Reply {
    Reply::new(200).header("content-type", "application/fhir+json").body(PATIENT)
}

/// Asks for a redacted answer over both protocols.
fn ask(path: &str, reply: Reply) -> [Response; 2] {
    ask_with(&Request::get(path).key(BILLING), reply)
}

fn ask_with(request: &Request, reply: Reply) -> [Response; 2] {
    clinic().upstream.reply(&request.path, reply);
    let responses = PROTOCOLS.map(|protocol| clinic().send(protocol, request));
    for response in &responses {
        assert!(!response.text().contains("Secret"), "{response:?}");
    }
    responses
}

#[track_caller]
fn is_withheld(responses: &[Response], reason: &str) {
    for response in responses {
        assert_eq!((response.status, response.reason().as_str(), response.end), (502, reason, End::Whole), "{response:?}");
    }
}

#[test]
fn a_lie_about_the_encoding_is_withheld() {
    // Compressed, and not said so: that is no JSON.
    let compressed = fhir().gzip();
    let silent = Reply::new(200).header("content-type", "application/fhir+json").body(compressed.bytes());
    is_withheld(&ask("/fhir/Patient/silent-gzip", silent), "answer_malformed");
}

#[test]
fn parts_and_conditions_are_not_asked_for() {
    let request =
        Request::get("/fhir/Patient/part").key(BILLING).header("range", "bytes=10-20").header("if-range", "\"x\"");
    let request = request.header("if-none-match", "\"x\"").header("if-modified-since", "Mon, 23 Nov 2026 00:00:00 GMT");
    for response in ask_with(&request, fhir()) {
        assert_eq!(response.status, 200, "{response:?}");
    }
    let received = clinic().received("/fhir/Patient/part");
    for name in ["range", "if-range", "if-none-match", "if-modified-since"] {
        assert!(received.all(name).is_empty(), "{name}: {received:?}");
    }
}

#[test]
fn a_part_or_a_switch_of_protocols_is_withheld() {
    let part = Reply::new(206).header("content-type", "application/fhir+json").header("content-range", "bytes 0-64/65");
    is_withheld(&ask("/fhir/Patient/206", part.body(PATIENT)), "answer_status");
    let switch = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nSecret";
    for response in ask("/fhir/Patient/101", Reply::raw(switch)) {
        assert!(response.status >= 500 || response.end == End::Cut, "{response:?}");
    }
}

#[test]
fn an_answer_without_one_known_media_type_is_withheld() {
    let of =
        |types: &[&str]| types.iter().fold(Reply::new(200), |reply, of| reply.header("content-type", of)).body(PATIENT);
    is_withheld(&ask("/fhir/Patient/type-none", of(&[])), "answer_media_type");
    is_withheld(&ask("/fhir/Patient/type-two", of(&["application/fhir+json", "text/html"])), "answer_media_type");
    is_withheld(&ask("/fhir/Patient/type-html", of(&["text/html"])), "answer_media_type");
    is_withheld(&ask("/fhir/Patient/type-xml", of(&["application/fhir+xml"])), "answer_media_type");
    is_withheld(&ask("/fhir/Patient/type-octets", of(&["application/octet-stream"])), "answer_media_type");
    is_withheld(&ask("/fhir/Patient/type-broken", of(&["application"])), "answer_media_type");
    for response in ask("/fhir/Patient/type-charset", of(&["Application/FHIR+JSON; charset=UTF-8"])) {
        assert_eq!(response.status, 200, "{response:?}");
    }
}

#[test]
fn an_error_that_is_not_json_keeps_its_status_and_when_to_come_back() {
    for status in [429, 503] {
        let reply = Reply::new(status).header("content-type", "text/plain").header("retry-after", "7");
        let path = format!("/fhir/Patient/error-{status}");
        for response in ask(&path, reply.body("Secret stack trace")) {
            assert_eq!((response.status, response.header("retry-after").as_deref()), (status, Some("7")), "{response:?}");
            assert_eq!(response.json()["resourceType"], "OperationOutcome");
        }
    }
}

#[test]
fn of_a_redacted_answers_head_only_what_is_harmless_leaves() {
    let mut reply = fhir();
    for (name, value) in [
        ("etag", "W/\"1\""),
        ("last-modified", "Mon, 23 Nov 2026 00:00:00 GMT"),
        ("digest", "sha-256=x"),
        ("content-md5", "x"),
        ("accept-ranges", "bytes"),
        ("x-patient-name", "Secret"),
        ("set-cookie", "name=Secret"),
        ("server", "fhir-server/1.2"),
        ("x-ratelimit-remaining", "9"),
        ("content-language", "en"),
        ("cache-control", "public, max-age=3600"),
    ] {
        reply = reply.header(name, value);
    }
    for response in ask("/fhir/Patient/head-list", reply) {
        assert_eq!((response.status, response.end), (200, End::Whole), "{response:?}");
        for name in ["etag", "last-modified", "digest", "content-md5", "accept-ranges", "x-patient-name", "set-cookie"] {
            assert!(response.all(name).is_empty(), "{name}: {response:?}");
        }
        assert!(response.header("server").as_deref() != Some("fhir-server/1.2"), "{response:?}");
        assert_eq!(response.header("x-ratelimit-remaining").as_deref(), Some("9"));
        assert_eq!(response.header("content-language").as_deref(), Some("en"));
        assert_eq!(response.header("cache-control").as_deref(), Some("no-store"));
        assert_eq!(response.header("x-content-type-options").as_deref(), Some("nosniff"));
        // A length that is there is that of what came.
        if let Some(length) = response.header("content-length") {
            assert_eq!(length, response.body.len().to_string());
        }
    }
}

#[test]
fn links_leave_only_when_they_lead_under_the_base() {
    // No other test writes a Coverage, so that the reply to one is ours.
    let create = Request::post("/fhir/Coverage", r#"{"resourceType":"Coverage"}"#).key(BILLING);
    let created =
        |location: &str| Reply::new(201).header("location", location).header("content-type", "application/fhir+json");
    for (case, location, leaves) in [
        ("under", "/fhir/Patient/1/_history/1", true),
        ("absolute", "https://fhir.clinic.example/fhir/Patient/1", true),
        ("outside", "/internal/Secret", false),
        ("other-base", "/fhirx/Patient/1", false),
        ("query", "/fhir/Patient?family=Secret", false),
        ("up", "/fhir/../internal", false),
    ] {
        let reply =
            created(location).header("content-location", location).header("link", format!("<{location}>; rel=self"));
        for response in ask_with(&create, reply.body(PATIENT)) {
            assert_eq!(response.status, 201, "{case} {response:?}");
            for name in ["location", "content-location", "link"] {
                assert_eq!(response.header(name).is_some(), leaves, "{case} {name} {response:?}");
            }
        }
    }
}

#[test]
fn a_redirect_out_of_the_base_leads_nowhere() {
    let reply = Reply::new(302).header("location", "https://elsewhere.example/Secret");
    for response in ask("/fhir/Patient/redirect", reply) {
        assert!(response.header("location").is_none(), "{response:?}");
    }
}

#[test]
fn trailers_of_a_redacted_answer_do_not_leave() {
    for response in ask("/fhir/Patient/trailers", fhir().pieces(9).trailer("x-patient", "Secret").trailer("digest", "x")) {
        assert_eq!((response.status, response.end), (200, End::Whole), "{response:?}");
        assert_eq!(response.json()["id"], "p");
        assert!(response.trailers.is_empty(), "{:?}", response.trailers);
    }
}

#[test]
fn an_answer_without_a_body_passes() {
    for response in ask("/fhir/Patient/204", Reply::new(204)) {
        assert_eq!((response.status, response.end), (204, End::Whole), "{response:?}");
    }
    for (path, reply) in [
        ("/fhir/Patient/empty", Reply::new(200)),
        ("/fhir/Patient/only-trailers", fhir().body("").trailer("x-patient", "Secret")),
        ("/fhir/Patient/not-modified", Reply::new(304).header("etag", "Secret")),
    ] {
        for response in ask(path, reply) {
            let is_empty = response.end == End::Whole && response.body.is_empty() && response.trailers.is_empty();
            assert!(is_empty && matches!(response.status, 200 | 304), "{path} {response:?}");
            assert!(response.all("etag").is_empty(), "{path} {response:?}");
        }
    }
}

#[test]
fn json_that_is_not_json_is_withheld_or_broken_off() {
    let long = format!("{{\"resourceType\":\"Patient\",\"active\":[{}", "true,".repeat(40_000));
    for (case, body) in [
        ("text", "Secret text"),
        ("trailing", "{\"resourceType\":\"Patient\"}Secret"),
        ("twice", "{\"resourceType\":\"Patient\",\"name\":1,\"name\":\"Secret\"}"),
        ("unfinished", "{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"Sec"),
        ("nan", "{\"resourceType\":\"Patient\",\"multipleBirthInteger\":NaN}"),
        ("surrogate", "{\"resourceType\":\"Patient\",\"id\":\"\\ud800\"}"),
        ("long", long.as_str()),
    ] {
        let path = format!("/fhir/Patient/not-json-{case}");
        let reply = Reply::new(200).header("content-type", "application/fhir+json").body(body);
        for response in ask(&path, reply) {
            let withheld = response.status == 502 && response.reason() == "answer_malformed";
            assert!(withheld || response.end == End::Cut, "{case} {response:?}");
        }
    }
    let reply = Reply::new(200)
        .header("content-type", "application/fhir+json")
        .body(b"{\"resourceType\":\"Patient\",\"id\":\"\xff\"}");
    for response in ask("/fhir/Patient/not-utf8", reply) {
        assert!(response.status == 502 || response.end == End::Cut, "{response:?}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_never_taken_for_whole() {
    let long = format!("{{\"resourceType\":\"Patient\",\"active\":[{}true]}}", "true,".repeat(100_000));
    let reply = || Reply::new(200).header("content-type", "application/fhir+json").body(&long);
    for (case, reply) in [("reset", reply().reset_after(300_000)), ("short-of-its-length", reply().announce(900_000))] {
        for response in ask(&format!("/fhir/Patient/broken-{case}"), reply) {
            assert_eq!((response.status, response.end), (200, End::Cut), "{case} {response:?}");
            assert!(!response.body.is_empty(), "{case}: the beginning had left");
        }
    }
    // Before the first byte there still is a clear answer.
    for response in ask("/fhir/Patient/broken-early", reply().reset_after(10)) {
        assert!(response.end == End::Cut || response.status >= 500, "{response:?}");
    }
}

#[test]
fn an_answer_that_never_begins_is_withheld_in_time() {
    let path = "/fhir/Patient/never";
    // One piece, after a head that is held until there is something to send with it.
    let responses = ask(path, fhir().stall(Duration::from_secs(8)));
    is_withheld(&responses, "answer_timeout");
    assert!(clinic().envoy.audit(path, 2).iter().all(|record| record["reason"] == "answer_timeout"));
}

#[test]
fn an_answer_that_stalls_goes_on_when_it_goes_on() {
    for response in ask("/fhir/Patient/stalled", fhir().pieces(20).stall(Duration::from_millis(1_500))) {
        assert_eq!((response.status, response.end), (200, End::Whole), "{response:?}");
    }
}

#[test]
fn envoys_own_answers_pass() {
    // No such connection: what listens there closes at once, before a word is said.
    for response in ask("/fhir/Patient/unreachable", Reply::raw("")) {
        assert_eq!((response.status, response.end), (503, End::Whole), "{response:?}");
    }
}

#[test]
fn refusals_speak_fhir_on_fhir_routes_and_problem_documents_elsewhere() {
    let outcome = clinic().refuses(&Request::get("/fhir/Patient/outcome"), 401, "missing_credentials");
    assert_eq!(outcome.header("content-type").as_deref(), Some("application/fhir+json"));
    assert_eq!(outcome.json()["resourceType"], "OperationOutcome");
    let problem = clinic().refuses(&Request::get("/members/list?ssn=Secret"), 401, "missing_credentials");
    assert_eq!(problem.header("content-type").as_deref(), Some("application/problem+json"));
    assert_eq!(problem.json()["status"], json!(401));
    for response in [outcome, problem] {
        assert_eq!(response.header("cache-control").as_deref(), Some("no-store"));
        let id = response.header("x-request-id").expect("a request id");
        assert!(response.text().contains(&id), "{response:?}");
        assert!(!response.text().contains("Secret"));
    }
}
