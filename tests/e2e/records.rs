//! What is seen of an exchange: the audit record, the metrics, the log; and what never is.

use serde_json::{Value, json};

use crate::stage::{AUDIT_KEY, BILLING, CLINIC, PHI_KEY, Stage, clinic, physician};
use crate::support::client::{PROTOCOLS, Protocol};
use crate::support::config::Options;
use crate::support::message::Request;
use crate::support::token::LEGACY_KEY;
use crate::support::upstream::Reply;

#[test]
fn an_exchange_let_through_leaves_a_record_in_the_filter_state() {
    let path = "/fhir/Patient/recorded";
    let patient = json!({ "resourceType": "Patient", "id": "1", "name": [{ "family": "Secret" }], "birthDate": "1984" });
    clinic().upstream.reply(path, Reply::fhir(&patient));
    for protocol in PROTOCOLS {
        assert_eq!(clinic().send(protocol, &Request::get(path).key(BILLING)).status, 200);
    }
    for record in clinic().envoy.audit(path, 2) {
        let expected = json!({
            "policy": "e2e", "route": "fhir", "decision": "allow", "reason": "allowed", "client": "billing-co",
            "key_id": "billing-2026", "method": "GET", "interaction": "read", "resource_type": "Patient", "status": 200,
            "profile": "billing", "redacted": 2, "shadow": false, "providers": ["partners"],
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&record[name], value, "{name} in {record}");
        }
        assert_eq!(record["policy_sha256"].as_str().map(str::len), Some(64));
        assert!(record["resource"].as_str().is_some_and(|hash| hash.len() == 32), "{record}");
        assert!(record["time"].as_u64().is_some() && record["sequence"].as_u64().is_some());
    }
    let lines = clinic().envoy.access_log(path, 2);
    assert!(
        lines.iter().all(|line| line["client"] == "billing-co" || line["client"] == "partners/billing-co"),
        "{lines:?}"
    );
}

#[test]
fn a_trace_is_named_in_the_record_and_goes_on_without_its_baggage() {
    let (path, trace) = ("/fhir/Patient/traced", "4bf92f3577b34da6a3ce929d0e0e4736");
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let request = Request::get(path).key(BILLING).header("traceparent", &parent).header("baggage", "user=admin");
    clinic().upstream.reply(path, Reply::fhir(&json!({ "resourceType": "Patient", "id": "traced" })));
    for protocol in PROTOCOLS {
        assert_eq!(clinic().send(protocol, &request).status, 200);
        let seen = clinic().received(path);
        assert_eq!(seen.all("traceparent"), [&*parent], "{seen:?}");
        assert!(seen.all("baggage").is_empty(), "{seen:?}");
    }
    for record in clinic().envoy.audit(path, 2) {
        assert_eq!(record["trace_id"], trace, "{record}");
        assert_eq!(record["request_id"].as_str().map(str::len), Some(36), "{record}");
    }
}

#[test]
fn a_refusal_leaves_a_record_with_its_reason() {
    let path = "/fhir/Observation/refused";
    clinic().refuses(&Request::get(path).key(BILLING), 403, "no_rule_allows");
    for record in clinic().envoy.audit(path, 2) {
        assert_eq!((&record["decision"], &record["reason"]), (&json!("deny"), &json!("no_rule_allows")), "{record}");
        assert_eq!(record["status"], 403);
    }
    assert!(clinic().envoy.access_log(path, 2).iter().all(|line| line["details"] == "carewarden_no_rule_allows"));
}

#[test]
fn a_subject_is_a_keyed_hash() {
    let path = "/fhir/Patient/hashed-subject";
    clinic().allows(&Request::get(path).bearer(&physician()));
    for record in clinic().envoy.audit(path, 2) {
        let subject = record["subject"].as_str().expect("a subject");
        assert!(subject.len() == 32 && !subject.contains("house"), "{record}");
    }
}

#[test]
fn an_answer_broken_off_is_recorded_so() {
    let path = "/fhir/Patient/aborted";
    let long = format!("{{\"resourceType\":\"Patient\",\"active\":[{}x", "true,".repeat(600_000));
    clinic()
        .upstream
        .reply(path, Reply::new(200).header("content-type", "application/fhir+json").body(long).pieces(65_536));
    clinic().send(Protocol::Http2, &Request::get(path).key(BILLING));
    let record = clinic().envoy.audit(path, 1).remove(0);
    assert_eq!((&record["decision"], &record["aborted"]), (&json!("deny"), &json!(true)), "{record}");
}

#[test]
fn decisions_are_counted_by_names_of_the_policy() {
    let counter = "carewarden.requests.policy.e2e.route.office.decision.deny.reason.address_denied";
    let before = clinic().envoy.metric(counter);
    clinic().refuses(&Request::get("/office/counted").key(BILLING), 403, "address_denied");
    assert_eq!(clinic().envoy.metric(counter), before + 2);
    let names = clinic().envoy.stats();
    let ours: Vec<_> = names.iter().map(|(name, _)| name).filter(|name| name.starts_with("wasmcustom.")).collect();
    assert!(!ours.is_empty() && !ours.iter().any(|name| name.contains("counted")), "{ours:?}");
}

#[test]
fn each_exchange_is_a_line_in_the_log_where_the_policy_asks_for_it() {
    let path = "/fhir/Patient/logged";
    clinic().allows(&Request::get(path).key(BILLING));
    let record = clinic().envoy.audit(path, 2).remove(0);
    let resource = record["resource"].as_str().expect("a resource");
    assert!(clinic().envoy.logs(resource));
    let log = clinic().envoy.log();
    let line = log.lines().find(|line| line.contains(resource)).unwrap();
    let (_, record) = line.split_once('{').unwrap();
    let logged: Value = serde_json::from_str(&format!("{{{record}")).expect("the line ends with the record");
    assert_eq!(logged["reason"], "allowed", "{logged}");
}

#[test]
fn neither_secrets_nor_what_identifies_a_patient_is_in_any_log_or_metric() {
    // A stage of its own, so that everything in its logs is from here.
    let stage = Stage::new(Options { policy: CLINIC.to_owned(), ..Options::default() });
    let patient = json!({ "resourceType": "Patient", "id": "id-Secret", "name": [{ "family": "Secret-Name" }] });
    let token = physician();
    stage.upstream.reply("/fhir/Patient/mrn-31337", Reply::fhir(&patient));
    stage.upstream.reply("/fhir/Patient/broken-31337", Reply::fhir(&patient).body("{\"Secret-Key\":Secret-Name"));
    for protocol in PROTOCOLS {
        for request in [
            Request::get("/fhir/Patient/mrn-31337").key(BILLING),
            Request::get("/fhir/Patient/mrn-31337").bearer(&token),
            Request::get("/fhir/Patient/mrn-31337").bearer(&format!("{token}x")),
            Request::get("/fhir/Patient/mrn-31337").key("wrong-key-31337"),
            Request::get("/fhir/Patient/broken-31337").key(BILLING),
            Request::get("/fhir/Patient?family=Secret-Name").key(BILLING),
            Request::post("/fhir/Patient", "{\"Secret-Key\":\"Secret-Name\",").key(BILLING),
            Request::get("/no/Secret-Name").key(BILLING),
        ] {
            stage.send(protocol, &request);
        }
    }
    stage.envoy.access_log("/no/Secret-Name", 2);
    let stats: String = stage.envoy.stats().into_iter().map(|(name, value)| format!("{name} {value}\n")).collect();
    // The access log of the tests has paths, to tell lines apart; the record in it must not.
    let lines = stage.envoy.whole_access_log();
    let records: String =
        lines.iter().map(|line| format!("{} {} {}\n", line["audit"], line["client"], line["details"])).collect();
    let (_, claims) = token.split_once('.').unwrap();
    let unspeakable = ["31337", "Secret", BILLING, claims, "dr-house", PHI_KEY, AUDIT_KEY, LEGACY_KEY];
    for (place, text) in [("log", stage.envoy.log()), ("metrics", stats), ("records", records)] {
        assert!(place != "records" || text.lines().count() >= 16, "{text}");
        for word in unspeakable {
            assert!(!text.contains(word), "`{word}` in the {place}:\n{text}");
        }
    }
}
