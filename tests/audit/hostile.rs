//! Whoever writes what an event tells cannot break out of it, nor make it longer than the room that was taken for it.

use carewarden::audit::event::{Named, Particulars, Teller, bound, write};
use carewarden::audit::{Decision, Record};
use carewarden::exchange::Exchange;
use carewarden::json::Limits;
use carewarden::validate::Shape;
use serde_json::{Value, json};

use crate::support::Case;

fn read(path: &str, claims: Value) -> Case {
    Case {
        name: path.to_owned(),
        path: path.to_owned(),
        claims: Some(claims.as_object().unwrap().clone()),
        status: Some(200),
        ..Case::default()
    }
}

#[test]
fn a_text_stays_a_text_of_fhir() {
    for (sub, told) in [
        ("a\"},{\"b", "a\"},{\"b"),
        ("back\\slash", "back\\slash"),
        ("line\nbreak\u{0}\u{85}\u{7f}", "line\u{fffd}break\u{fffd}\u{fffd}\u{fffd}"),
        ("\u{2028}é😀", "\u{2028}é😀"),
    ] {
        let event = read("/fhir/Patient/1", json!({ "sub": sub, "client_id": sub })).told();
        assert_eq!(event["agent"][2]["who"]["identifier"]["value"], told);
        assert_eq!(event["agent"][0]["who"]["identifier"]["value"], told);
    }
    // What is no URI is no system and no policy.
    let event = read("/fhir/Patient/1", json!({ "sub": "s", "iss": "a b", "jti": "é" })).told();
    assert_eq!(event["agent"][2]["who"]["identifier"], json!({ "value": "s" }));
    assert_eq!(event["agent"][2]["policy"], Value::Null);
    // A text is cut between characters.
    let event = read("/fhir/Patient/1", json!({ "sub": "é".repeat(500) })).told();
    assert_eq!(event["agent"][2]["who"]["identifier"]["value"], "é".repeat(128));
}

#[test]
fn nothing_is_empty_in_fhir() {
    let told = Particulars {
        host: Some("".into()),
        subject: Some("".into()),
        issuer: Some("".into()),
        client: Some("".into()),
        token_id: Some("".into()),
        roles: vec!["".into()],
        ..Particulars::default()
    };
    let teller = Teller { name: "x".into(), site: Some("".into()) };
    for told in [told, Particulars { subject: Some("s".into()), ..Particulars::default() }, Particulars::default()] {
        let event = write(&Record::default(), &told, &teller);
        assert_eq!(Shape::check(&event, &Limits::default()).unwrap().violation, None);
        let event = String::from_utf8(event).unwrap();
        assert!(!event.contains("\"\"") && !event.contains("[]") && !event.contains("{}"), "{event}");
    }
}

#[test]
fn a_patient_is_named_only_where_one_is_meant() {
    let patient = |path: &str, launched: Value| {
        let mut claims = json!({ "sub": "s", "patient": launched });
        claims.as_object_mut().unwrap().retain(|_, claim| !claim.is_null());
        let event = read(path, claims).told();
        let entities = event["entity"].as_array().unwrap().clone();
        let person = entities.into_iter().find(|entity| entity["type"]["code"] == "1");
        person.and_then(|person| person["what"]["reference"].as_str().map(str::to_owned))
    };
    for (path, launched, expected) in [
        ("/fhir/Observation/o", json!("p1"), Some("Patient/p1")),
        ("/fhir/Observation/o", json!("Patient/p1"), Some("Patient/p1")),
        ("/fhir/Observation/o", json!("Group/p1"), None),
        ("/fhir/Observation/o", json!("p\"1"), None),
        ("/fhir/Observation/o", Value::Null, None),
        ("/fhir/Patient/p2", json!("p1"), Some("Patient/p2")),
        ("/fhir/Patient/p2/Observation", json!("p1"), Some("Patient/p2")),
        ("/fhir/Encounter/e/Observation", json!("p1"), Some("Patient/p1")),
        ("/fhir/Observation?patient=p2", json!("p1"), Some("Patient/p2")),
        ("/fhir/Observation?patient=Patient/p2&patient=p2", json!("p1"), Some("Patient/p2")),
        ("/fhir/Observation?subject=Patient%2Fp2", json!("p1"), Some("Patient/p2")),
        ("/fhir/Observation?subject=https://a.example/Patient/p2", json!("p1"), Some("Patient/p2")),
        ("/fhir/Observation?subject:Patient=p2", json!("p1"), Some("Patient/p2")),
        ("/fhir/Observation?subject=Group/p2", json!("p1"), Some("Patient/p1")),
        ("/fhir/Patient?_id=p2", Value::Null, Some("Patient/p2")),
        ("/fhir/Observation?_id=p2", Value::Null, None),
        // Of several none is the one.
        ("/fhir/Observation?patient=p2,p3", json!("p1"), None),
        ("/fhir/Observation?patient=p2&subject=Patient/p3", json!("p1"), None),
        ("/fhir/Observation?patient=Group/p2", json!("p1"), None),
    ] {
        assert_eq!(patient(path, launched.clone()).as_deref(), expected, "{path} {launched}");
    }
}

#[test]
fn no_event_is_longer_than_the_room_that_was_taken_for_it() {
    let longest = |text: &str| text.repeat(600);
    let kinds = ["create", "read", "vread", "update", "delete", "search", "compartment-search", "operation", "batch", "x"];
    let mut closest = 0.0_f64;
    for text in ["\"", "\u{1}", "é", "x", "\u{fffd}"] {
        for kind in kinds {
            for (query, path) in [(0, 0), (5_000, 5_000), (1 << 20, 16 << 10)] {
                let name = |length: usize| "x".repeat(length).into_boxed_str();
                let told = Particulars {
                    source: Some("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()),
                    host: Some(longest(text).into()),
                    subject: Some(longest(text).into()),
                    issuer: Some(name(100)),
                    client: Some(longest(text).into()),
                    token_id: Some(name(100)),
                    roles: vec![longest(text).into(); 100],
                    launch_patient: Some(name(64)),
                    id: (kind != "create").then(|| name(64)),
                    version: Some(name(64)),
                    operation: (kind == "operation").then(|| name(65)),
                    compartment_patient: Some(name(64)),
                    query: vec![b'x'; query],
                    named: Named::One(name(64)),
                    location: Some(format!("ImmunizationRecommendation/{0}/_history/{0}", name(64)).into()),
                };
                let record = Record {
                    time: u64::from(u32::MAX) * 10_000,
                    request_id: Some("8a7cf1f2-0000-4000-8000-0123456789ab".to_owned()),
                    route: Some(name(64).into_string().into()),
                    decision: Decision::Allow,
                    reason: "allowed",
                    interaction: Some(kind),
                    method: Some("GET"),
                    resource_type: Some("ImmunizationRecommendation"),
                    status: Some(200),
                    ..Record::default()
                };
                let teller = Teller { name: longest(text).into(), site: Some(longest(text).into()) };
                let event = write(&record, &told, &teller);
                let room = bound(path, query > 16 << 10);
                assert!(event.len() <= room, "{kind}: {} of {room}", event.len());
                let shaped = Shape::check(&event, &Limits::default()).unwrap();
                assert_eq!(shaped.violation, None, "{kind} {text}");
                closest = closest.max(event.len() as f64 / room as f64);
            }
        }
    }
    // Nor is the room so large that it means nothing.
    assert!(closest > 0.7, "{closest}");
}

#[test]
fn a_search_that_is_too_long_is_cut_and_claims_no_profile() {
    let mut case = read("/fhir/Patient/_search", json!({ "sub": "s" }));
    case.method = "POST".to_owned();
    case.headers.insert("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
    for (length, is_cut) in [(100, false), (17_000, true)] {
        case.body = format!("name={}", "x".repeat(length));
        let event = case.told();
        let entity = event["entity"].as_array().unwrap().last().unwrap();
        assert_eq!(entity["description"].is_string(), is_cut, "{event}");
        assert_eq!(event["meta"].is_null(), is_cut, "{event}");
    }
}

/// What another filter refused is not ours to tell: a flood that Envoy answers with 429 would fill the queue.
#[test]
fn an_exchange_that_never_came_has_no_event_and_no_latency() {
    let mut exchange = Exchange::new(&crate::support::engine(), 1);
    let now = 1_795_749_843_250_000_000;
    assert!(exchange.close(now, Some(429)).latency_ms < 1_000, "the histogram of durations takes 56 years");
    assert_eq!(exchange.event(), None);
}
