//! Headers by which a client makes itself somebody else, or its request something else than what was judged.

use serde_json::json;

use crate::stage::{BILLING, clinic};
use crate::support::client::{PROTOCOLS, Protocol};
use crate::support::message::Request;
use crate::support::upstream::Reply;

#[test]
fn identity_headers_of_a_client_never_reach_the_upstream() {
    let request = Request::get("/fhir/Patient/forged")
        .key(BILLING)
        .header("x-carewarden-client", "admin")
        .header("X-Carewarden-Roles", "physician")
        .header("x_carewarden_client", "admin")
        .header("x-carewarden_roles", "physician")
        .header("x-carewarden-anything", "admin");
    clinic().allows(&request);
    let received = clinic().received("/fhir/Patient/forged");
    assert_eq!(received.all("x-carewarden-client"), ["billing-co"]);
    assert_eq!(received.all("x-carewarden-roles"), ["billing"]);
    for name in ["x_carewarden_client", "x-carewarden_roles", "x-carewarden-anything", "x-carewarden-subject"] {
        assert!(received.all(name).is_empty(), "{name}: {received:?}");
    }
}

#[test]
fn identity_headers_are_stripped_where_nobody_is_identified() {
    clinic()
        .allows(&Request::get("/plain/forged").header("x-carewarden-client", "admin").header("x_carewarden_roles", "a"));
    let received = clinic().received("/plain/forged");
    assert!(!received.headers.iter().any(|(name, _)| name.replace('_', "-").starts_with("x-carewarden")), "{received:?}");
}

#[test]
fn trailers_of_a_request_bring_nothing_along() {
    clinic().upstream.reply("/small/trailers", Reply::new(200).body("ok"));
    for protocol in PROTOCOLS {
        let request = Request::new("POST", "/small/trailers").header("content-type", "application/json").body("{}");
        let request = request.trailer("x-carewarden-client", "admin").trailer("x_carewarden_roles", "physician");
        let response = clinic().send(protocol, &request.trailer("x-api-key", BILLING));
        if response.status == 200 {
            let received = clinic().received("/small/trailers");
            let brought = received.headers.iter().chain(&received.trailers);
            let brought: Vec<_> = brought.filter(|(name, _)| name.replace('_', "-").starts_with("x-carewarden")).collect();
            assert!(brought.is_empty() && received.trailers.is_empty(), "{protocol:?} {received:?}");
            assert_eq!(received.body, b"{}");
        } else {
            assert_eq!(response.status, 400, "{protocol:?} {response:?}");
        }
    }
}

#[test]
fn a_request_that_ends_with_trailers_instead_of_a_body_is_judged() {
    clinic().upstream.reply("/fhir/Patient/trailers", Reply::fhir(&json!({ "resourceType": "Patient" })));
    let request = Request::get("/fhir/Patient/trailers").trailer("x-carewarden-client", "admin");
    clinic().refuses_over(Protocol::Http2, &request, 401, "missing_credentials");
    let response = clinic().send(Protocol::Http2, &request.key(BILLING));
    assert!(matches!(response.status, 200 | 400 | 415), "{response:?}");
    assert!(clinic().upstream.seen("/fhir/Patient/trailers").iter().all(|seen| seen.trailers.is_empty()));
}

#[test]
fn rewriting_headers_do_not_reach_the_upstream() {
    let names = [
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-host",
        "x-forwarded-prefix",
        "forwarded",
        "x_original_url",
        "x-host",
    ];
    let request =
        names.iter().fold(Request::get("/fhir/Patient/rewritten"), |request, name| request.header(name, "/admin"));
    clinic().allows(&request.key(BILLING));
    let received = clinic().received("/fhir/Patient/rewritten");
    for name in names {
        assert!(received.all(name).is_empty(), "{name}: {received:?}");
    }
}

#[test]
fn method_overrides_are_refused() {
    for name in ["x-http-method-override", "X-HTTP-Method", "x_method_override"] {
        let request = Request::post("/fhir/Patient/override", "{}").key(BILLING).header(name, "DELETE");
        clinic().refuses(&request, 400, "method_override");
    }
}

#[test]
fn upgrades_and_connect_are_refused() {
    let upgrade = b"GET /plain/upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let response = clinic().client().send_raw(upgrade);
    assert_eq!((response.status, response.reason().as_str()), (400, "upgrade_refused"), "{response:?}");
    assert!(clinic().upstream.seen("/plain/upgrade").is_empty());

    // The same over HTTP/2 (RFC 8441).
    let extended = Request::new("CONNECT", "/plain/upgrade").header(":protocol", "websocket");
    let response = clinic().send(Protocol::Http2, &extended);
    assert_eq!((response.status, response.reason().as_str()), (400, "upgrade_refused"), "{response:?}");
    assert!(clinic().upstream.seen("/plain/upgrade").is_empty());

    let head = b"CONNECT fhir.clinic.example:443 HTTP/1.1\r\nhost: fhir.clinic.example:443\r\n\r\n";
    let connect = Request::new("CONNECT", "").host("fhir.clinic.example:443");
    for response in [clinic().client().send_raw(head), clinic().send(Protocol::Http2, &connect)] {
        assert!((400..500).contains(&response.status), "{response:?}");
    }
    assert!(!clinic().upstream.all_seen().iter().any(|seen| seen.method == "CONNECT"));
}

#[test]
fn an_interim_answer_is_no_answer() {
    clinic().upstream.reply("/plain/interim", Reply::new(200).interim(103, &[("link", "</x>; rel=preload")]).body("done"));
    for protocol in PROTOCOLS {
        let response = clinic().send(protocol, &Request::get("/plain/interim"));
        assert_eq!((response.status, response.text().as_str()), (200, "done"), "{protocol:?} {response:?}");
    }
}

#[test]
fn expect_continue_is_answered_only_after_the_head_was_judged() {
    let head =
        "POST /fhir/Patient HTTP/1.1\r\nhost: fhir.clinic.example\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    let response = clinic().client().send_raw(head.as_bytes());
    assert_eq!(response.status, 401, "{response:?}");
}
