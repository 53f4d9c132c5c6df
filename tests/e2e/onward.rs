//! Bodies of requests, redacted before the upstream sees them.

use serde_json::{Value, json};

use crate::stage::{BILLING, clinic};
use crate::support::client::PROTOCOLS;
use crate::support::message::Request;
use crate::support::upstream::{Reply, Seen};

fn put(path: &str, body: &Value) -> Request {
    let request = Request::new("PUT", path).key(BILLING).body(body.to_string());
    request.header("content-type", "application/fhir+json")
}

/// Sends a request over both protocols and gives what the upstream received.
#[track_caller]
fn sent_on(request: &Request) -> [Seen; 2] {
    clinic().upstream.reply(&request.path, Reply::fhir(&json!({ "resourceType": "Patient", "id": "p" })));
    PROTOCOLS.map(|protocol| {
        let response = clinic().send(protocol, request);
        assert_eq!(response.status, 200, "{protocol:?} {response:?}");
        let seen = clinic().received(&request.path);
        assert!(!String::from_utf8_lossy(&seen.body).contains("Secret"), "{protocol:?} {seen:?}");
        seen
    })
}

/// Asserts that a body has its length, or none where the client gave none (HTTP/2).
#[track_caller]
fn has_its_length(seen: &Seen) {
    let (lengths, codings) = (seen.all("content-length"), seen.all("transfer-encoding"));
    let announced = lengths == [seen.body.len().to_string()] && codings.is_empty();
    assert!(announced || (lengths.is_empty() && codings == ["chunked"]), "{seen:?}");
}

#[test]
fn what_a_rule_covers_does_not_reach_the_upstream_and_the_length_is_right() {
    let identifier = |value: &str| json!([{ "system": "urn:clinic:mrn", "value": value }]);
    for (name, body) in [
        ("shorter", json!({ "resourceType": "Patient", "id": "shorter", "name": [{ "family": "Secret" }] })),
        ("longer", json!({ "resourceType": "Patient", "id": "longer", "identifier": identifier("Secret") })),
        ("same", json!({ "resourceType": "Patient", "id": "same" })),
    ] {
        let sent = sent_on(&put(&format!("/onward/Patient/{name}"), &body));
        assert!(!sent[0].all("content-length").is_empty(), "{sent:?}");
        for seen in sent {
            let received: Value = serde_json::from_slice(&seen.body).expect("JSON");
            assert_eq!((received["id"].as_str(), received.get("name")), (Some(name), None));
            has_its_length(&seen);
        }
    }
}

#[test]
fn a_body_of_many_pieces_is_redacted_whole() {
    let name = json!({ "family": "Secret".repeat(1000), "given": ["Secret"] });
    let entry = |number: usize| {
        let patient = json!({ "resourceType": "Patient", "id": number.to_string(), "name": [name] });
        json!({ "resource": patient, "request": { "method": "PUT", "url": format!("Patient/{number}") } })
    };
    let entries: Vec<_> = (0..100).map(entry).collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }).to_string();
    assert!(bundle.len() > 600_000);
    for seen in sent_on(&Request::post("/onward", bundle).key(BILLING)) {
        let received: Value = serde_json::from_slice(&seen.body).expect("JSON");
        assert_eq!(received["entry"].as_array().map(Vec::len), Some(100));
        assert_eq!(received["entry"][99]["resource"], json!({ "resourceType": "Patient", "id": "99" }));
        has_its_length(&seen);
    }
}

#[test]
fn a_body_that_ends_in_trailers_is_redacted_too() {
    for (name, size) in [("small", 1), ("large", 50_000)] {
        let family = "Secret".repeat(size);
        let body = json!({ "resourceType": "Patient", "id": name, "name": [{ "family": family }], "active": true });
        for seen in sent_on(&put(&format!("/onward/Patient/{name}"), &body).trailer("x-late", "Secret")) {
            let received: Value = serde_json::from_slice(&seen.body).expect("JSON");
            assert_eq!(received, json!({ "resourceType": "Patient", "id": name, "active": true }));
            assert!(seen.trailers.is_empty(), "{seen:?}");
        }
    }
    assert!(!clinic().envoy.trapped(), "{}", clinic().envoy.log());
}

#[test]
fn what_cannot_be_redacted_does_not_reach_the_upstream() {
    let patch = Request::new("PATCH", "/onward/Patient/patched").key(BILLING).body(r#"[{"op":"remove","path":"/name"}]"#);
    let patch = patch.header("content-type", "application/json-patch+json");
    clinic().refuses(&patch, 415, "body_not_redactable");
    let misplaced = json!({ "resourceType": "Patient", "photo": [{ "resourceType": "Patient" }] });
    clinic().refuses(&put("/onward/Patient/misplaced", &misplaced), 422, "body_not_fhir");
    let cut = Request::new("PUT", "/onward/Patient/cut").key(BILLING).body(r#"{"resourceType":"Patient""#);
    clinic().refuses(&cut.header("content-type", "application/fhir+json"), 400, "malformed_body");
}
