//! What leaves: nothing that a rule covers, and everything else byte by byte.

use serde_json::{Value, json};

use crate::stage::{BILLING, clinic, nurse, physician};
use crate::support::client::PROTOCOLS;
use crate::support::message::{End, Request};
use crate::support::upstream::Reply;

/// White space, escapes, numbers and key order that no serialiser would write so.
const PATIENT: &str = r#"{ "name" : [ {"family":"Doe-Secret", "given":["Jane"]} ],
  "_name": [{"id":"n1-Secret"}],
  "resourceType":"Patient" ,"id":"p1","active" : true,
  "multipleBirthInteger":1.50e+0, "birthDate":"1984-02-29",
  "g\u0065nder": "female", "\u006eame_": "unknown to R4, Secret",
  "identifier":[{"system":"urn:clinic:mrn","value":"MRN-Secret"},{"value":"SSN-kept","system":"urn:other"}],
  "telecom":[{"system":"phone","value":"555-0101"}],"text":{"note":"note-Secret","status":"empty"}
}"#;

/// What must not be in an answer, in any spelling that the fixture has.
const SECRETS: &[&str] = &["Secret", "555-01", "1984", "Jane"];

fn billing(path: &str) -> Request {
    Request::get(path).key(BILLING)
}

#[test]
fn what_a_rule_covers_never_leaves_and_the_rest_is_as_it_was() {
    let path = "/fhir/Patient/redacted";
    clinic().upstream.reply(path, Reply::new(200).header("content-type", "application/fhir+json").body(PATIENT));
    for protocol in PROTOCOLS {
        let response = clinic().send(protocol, &billing(path));
        assert_eq!((response.status, response.end), (200, End::Whole), "{response:?}");
        let text = response.text();
        assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
        for kept in [
            "\"resourceType\":\"Patient\" ,\"id\":\"p1\",\"active\" : true,\n",
            "\"multipleBirthInteger\":1.50e+0,",
            "\"g\\u0065nder\": \"female\"",
            "{\"value\":\"SSN-kept\",\"system\":\"urn:other\"}",
            "\"value\":\"******01\"",
        ] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
        let body = response.json();
        assert!(body.get("name").is_none() && body.get("_name").is_none() && body["text"].get("note").is_none());
        assert_eq!(body["birthDate"], "1900-01-01");
        let hashed = body["identifier"][0]["value"].as_str().unwrap();
        assert!(hashed.len() >= 32 && hashed.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hashed}");
    }
}

#[test]
fn the_full_view_is_the_upstreams_byte_by_byte() {
    let path = "/fhir/Patient/full";
    let reply = Reply::new(200).header("content-type", "application/fhir+json").header("etag", "W/\"1\"").body(PATIENT);
    clinic().upstream.reply(path, reply);
    for protocol in PROTOCOLS {
        let response = clinic().send(protocol, &Request::get(path).bearer(&physician()));
        assert_eq!((response.status, response.text().as_str()), (200, PATIENT));
        assert_eq!(response.header("etag").as_deref(), Some("W/\"1\""));
    }
}

#[test]
fn pieces_of_any_size_give_the_same_answer() {
    let path = |size: usize| format!("/fhir/Patient/pieces-{size}");
    let reply = || Reply::new(200).header("content-type", "application/fhir+json").body(PATIENT);
    clinic().upstream.reply(&path(0), reply());
    let whole = clinic().send(PROTOCOLS[0], &billing(&path(0))).text();
    assert!(whole.contains("p1"), "{whole}");
    for size in [1, 2, 3, 7, 64] {
        clinic().upstream.reply(&path(size), reply().pieces(size));
        for protocol in PROTOCOLS {
            let response = clinic().send(protocol, &billing(&path(size)));
            assert_eq!((response.end, response.text()), (End::Whole, whole.clone()), "{protocol:?} pieces of {size}");
        }
    }
}

#[test]
fn a_bundle_is_redacted_in_every_entry_and_contained_resource() {
    let patient: Value = serde_json::from_str(PATIENT).unwrap();
    let bundle = json!({ "resourceType": "Bundle", "type": "searchset", "entry": [
        { "resource": patient },
        { "resource": { "resourceType": "Coverage", "id": "c", "contained": [patient], "status": "active" } },
    ]});
    clinic().upstream.reply("/fhir/Patient?case=bundle", Reply::fhir(&bundle).pieces(11));
    for protocol in PROTOCOLS {
        let response = clinic().send(protocol, &billing("/fhir/Patient?case=bundle"));
        assert_eq!(response.status, 200, "{response:?}");
        assert!(SECRETS.iter().all(|secret| !response.text().contains(secret)), "{response:?}");
        assert_eq!(response.json()["entry"][1]["resource"]["status"], "active");
    }
}

#[test]
fn ndjson_is_redacted_line_by_line() {
    let line = |n: usize| json!({ "resourceType": "Patient", "id": n.to_string(), "name": [{ "family": "Secret" }] });
    let lines: String = (0..50).map(|n| format!("{}\n", line(n))).collect();
    let reply = Reply::new(200).header("content-type", "application/fhir+ndjson").body(lines).pieces(33);
    clinic().upstream.reply("/fhir/Patient?case=ndjson", reply);
    for protocol in PROTOCOLS {
        let response = clinic().send(protocol, &billing("/fhir/Patient?case=ndjson"));
        assert_eq!((response.status, response.end), (200, End::Whole), "{response:?}");
        let text = response.text();
        assert_eq!(text.lines().count(), 50);
        assert!(!text.contains("Secret") && !text.contains("name"), "{text}");
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    }
}

#[test]
fn json_that_is_no_fhir_is_redacted_by_its_own_paths() {
    let body = json!({ "ssn": "kept", "members": [{ "ssn": "123-45-6789" }, { "x": { "ssn": "kept" } }] });
    clinic().upstream.reply("/members/list", Reply::json(&body));
    for protocol in PROTOCOLS {
        let response = clinic().send(protocol, &billing("/members/list"));
        let expected = json!({ "ssn": "kept", "members": [{ "ssn": "*******6789" }, { "x": { "ssn": "kept" } }] });
        assert_eq!(response.json(), expected);
        assert_eq!(response.header("content-type").as_deref(), Some("application/json"));
    }
}

#[test]
fn a_type_that_no_rule_grants_does_not_leave() {
    let bundle = json!({ "resourceType": "Bundle", "entry": [
        { "resource": { "resourceType": "Patient", "id": "1" } },
        { "resource": { "resourceType": "Condition", "id": "Secret" } },
    ]});
    clinic().upstream.reply("/fhir/Patient?case=ungranted", Reply::fhir(&bundle));
    // Nor where nothing is redacted: the nurse has the full view of what she is granted.
    for request in [billing("/fhir/Patient?case=ungranted"), Request::get("/fhir/Patient?case=ungranted").bearer(&nurse())]
    {
        for protocol in PROTOCOLS {
            let response = clinic().send(protocol, &request);
            // What had left before the type was seen may have left; the answer must not pass for a whole one.
            let refused = response.status == 502 && response.reason() == "answer_type_not_granted";
            assert!(refused || response.end == End::Cut, "{protocol:?} {response:?}");
            assert!(!response.text().contains("Secret"), "{response:?}");
        }
    }
}

#[test]
fn what_is_no_resource_or_has_one_where_none_may_be_does_not_leave() {
    let bodies = [
        json!({ "id": "Secret" }),
        json!(["Secret"]),
        json!("Secret"),
        json!({ "resourceType": "Patent", "id": "Secret" }),
        json!({ "resourceType": 1, "id": "Secret" }),
        json!({ "resourceType": "Patient", "photo": [{ "resourceType": "Coverage", "id": "Secret" }] }),
    ];
    for (n, body) in bodies.iter().enumerate() {
        let path = format!("/fhir/Patient/no-resource-{n}");
        clinic().upstream.reply(&path, Reply::fhir(body));
        for protocol in PROTOCOLS {
            let response = clinic().send(protocol, &billing(&path));
            assert!(response.status == 502 || response.end == End::Cut, "{protocol:?} {body} {response:?}");
            assert!(!response.text().contains("Secret"), "{response:?}");
        }
    }
}

#[test]
fn an_operation_outcome_passes_whoever_asks() {
    let outcome = json!({ "resourceType": "OperationOutcome", "issue": [{ "severity": "error", "code": "not-found" }] });
    let reply = Reply::new(404).header("content-type", "application/fhir+json").body(outcome.to_string());
    clinic().upstream.reply("/fhir/Patient/gone", reply);
    for protocol in PROTOCOLS {
        let response = clinic().send(protocol, &billing("/fhir/Patient/gone"));
        assert_eq!((response.status, response.json()), (404, outcome.clone()));
    }
}

#[test]
fn what_left_redacted_does_not_come_back_over_the_whole() {
    let tag = json!({ "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "REDACTED" });
    let partial = json!({ "resourceType": "Patient", "id": "back", "meta": { "security": [tag] } });
    let put = |path: &str, body: &Value| {
        let request = Request::new("PUT", path).bearer(&physician()).body(body.to_string());
        request.header("content-type", "application/fhir+json")
    };
    clinic().refuses(&put("/fhir/Patient/back", &partial), 422, "partial_resource");
    let entry = json!({ "resource": partial, "request": { "method": "PUT", "url": "Patient/back" } });
    let transaction = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [entry] }).to_string();
    clinic().refuses(&Request::post("/fhir", transaction).bearer(&physician()), 422, "partial_resource");
    clinic().allows(&put("/fhir/Patient/whole", &json!({ "resourceType": "Patient", "id": "whole" })));
}
