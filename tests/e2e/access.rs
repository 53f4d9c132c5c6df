//! May they: routes, hosts, addresses, roles, claims, and what stands behind a FHIR path.

use std::io::{Read, Write};

use serde_json::json;

use crate::stage::{BILLING, clinic, nurse, physician};
use crate::support::client::{PROTOCOLS, Protocol};
use crate::support::message::Request;
use crate::support::token::{Signer, Token};
use crate::support::upstream::Reply;

#[test]
fn what_no_route_takes_is_refused() {
    clinic().refuses(&Request::get("/nowhere"), 404, "no_route");
    clinic().refuses(&Request::get("/fhirx/Patient/1").key(BILLING), 404, "no_route");
    clinic().refuses(&Request::get("/fhir/Patient/1").host("other.example").key(BILLING), 404, "no_route");
}

#[test]
fn the_host_is_compared_without_port_and_case() {
    clinic().allows(&Request::get("/fhir/Patient/host").host("FHIR.clinic.example:8443").key(BILLING));
}

#[test]
fn plain_http_is_refused_unless_the_route_says_so() {
    let plain = clinic().envoy.plain();
    clinic().upstream.reply("/plain/thing", Reply::new(200).body("ok"));
    for protocol in PROTOCOLS {
        let response = plain.send(protocol, &Request::get("/fhir/Patient/plain").key(BILLING));
        assert_eq!((response.status, response.reason().as_str()), (403, "tls_required"));
        assert_eq!(plain.send(protocol, &Request::get("/plain/thing")).status, 200);
    }
    assert!(clinic().upstream.seen("/fhir/Patient/plain").is_empty());
}

#[test]
fn an_address_is_the_peers_whatever_x_forwarded_for_says() {
    clinic().allows(&Request::get("/inside/thing").key(BILLING));
    clinic().allows(&Request::get("/inside/thing").key(BILLING).header("x-forwarded-for", "203.0.113.9"));
    for forged in ["10.1.2.3", "10.1.2.3, 10.1.2.4", "::ffff:10.1.2.3"] {
        let office = Request::get("/office/thing").key(BILLING).header("x-forwarded-for", forged);
        clinic().refuses(&office, 403, "address_denied");
        let outside = Request::get("/outside/thing").key(BILLING).header("x-forwarded-for", forged);
        clinic().refuses(&outside, 403, "address_denied");
    }
}

#[test]
fn each_request_of_a_connection_is_judged_by_itself() {
    clinic().upstream.reply("/fhir/Patient/connection", Reply::fhir(&json!({ "resourceType": "Patient" })));
    let request = |more: &str| format!("GET /fhir/Patient/connection HTTP/1.1\r\nhost: fhir.clinic.example\r\n{more}\r\n");
    let mut stream = clinic().client().connect();
    let all =
        request(&format!("x-api-key: {BILLING}\r\n")) + &request("") + &request("connection: close\r\nx-api-key: x\r\n");
    stream.write_all(all.as_bytes()).unwrap();
    let mut answers = Vec::new();
    // A TLS connection may be closed without a word.
    let _closed = stream.read_to_end(&mut answers);
    let answers = String::from_utf8(answers).unwrap();
    let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)).collect();
    assert_eq!(statuses, ["200", "401", "401"], "{answers}");
    assert_eq!(clinic().upstream.seen("/fhir/Patient/connection").len(), 1);
}

#[test]
fn a_role_may_do_what_its_rule_says_and_no_more() {
    clinic().allows(&Request::new("DELETE", "/fhir/Patient/to-delete").bearer(&physician()));
    clinic().refuses(&Request::new("DELETE", "/fhir/Patient/kept").bearer(&nurse()), 403, "no_rule_allows");
    clinic().allows(&Request::get("/fhir/Observation/1").bearer(&nurse()));
    clinic().refuses(&Request::get("/fhir/Coverage/1").bearer(&nurse()), 403, "no_rule_allows");
    clinic().refuses(&Request::get("/fhir/Observation/1").key(BILLING), 403, "no_rule_allows");
}

#[test]
fn head_is_judged_as_get() {
    clinic().upstream.reply("/fhir/Patient/head", Reply::new(200).header("content-type", "application/fhir+json"));
    for protocol in PROTOCOLS {
        let allowed = clinic().send(protocol, &Request::new("HEAD", "/fhir/Patient/head").bearer(&nurse()));
        assert_eq!(allowed.status, 200, "{protocol:?} {allowed:?}");
        let refused = clinic().send(protocol, &Request::new("HEAD", "/fhir/Coverage/head").bearer(&nurse()));
        assert_eq!(refused.status, 403, "{protocol:?} {refused:?}");
    }
    assert!(clinic().upstream.seen("/fhir/Coverage/head").is_empty());
}

#[test]
fn claims_keep_tenants_apart() {
    let token = |tenant: &str| Token::smart("t", &["nurse"]).claim("tenant", tenant);
    let north = token("north").sign(Signer::Es256);
    clinic().allows(&Request::get("/tenants/north/list").bearer(&north));
    clinic().refuses(&Request::get("/tenants/south/list").bearer(&north), 403, "no_rule_allows");
    let absent = Token::smart("t", &["nurse"]).sign(Signer::Es256);
    clinic().refuses(&Request::get("/tenants/north/list").bearer(&absent), 403, "no_rule_allows");
    let suspended = token("north").claim("suspended", true).sign(Signer::Es256);
    clinic().refuses(&Request::get("/tenants/north/list").bearer(&suspended), 403, "denied_by_rule");
    let unclear = token("north").claim("suspended", "yes").sign(Signer::Es256);
    clinic().refuses(&Request::get("/tenants/north/list").bearer(&unclear), 403, "claim_not_judgeable");
}

#[test]
fn an_operation_needs_a_rule_that_names_it() {
    clinic().allows(&Request::get("/fhir/Patient/1/$everything").bearer(&physician()));
    clinic().refuses(&Request::get("/fhir/Patient/2/$everything").bearer(&nurse()), 403, "no_rule_allows");
    clinic().refuses(&Request::get("/fhir/Patient/2/%24everything").bearer(&nurse()), 403, "no_rule_allows");
    clinic().refuses(&Request::get("/fhir/Observation/$lastn").bearer(&physician()), 403, "no_rule_allows");
    clinic().refuses(&Request::get("/fhir/$graphql?query=x").bearer(&physician()), 403, "no_rule_allows");
}

#[test]
fn what_reaches_beyond_the_type_asked_for_needs_a_rule_that_names_it() {
    clinic().allows(&Request::get("/fhir/Patient?_include=Patient:organization").bearer(&physician()));
    clinic().allows(&Request::get("/fhir/Patient?family=a").bearer(&nurse()));
    for query in [
        "_include=Patient:organization",
        "%5Finclude=Patient:organization",
        "family=a&_revinclude=Observation:subject",
        "_include:iterate=Patient:link",
        "_has:Observation:patient:code=1",
        "organization.name=a",
        "organization:Organization.name=a",
        "_filter=name eq a".replace(' ', "%20").as_str(),
        "_query=other",
    ] {
        let request = Request::get(&format!("/fhir/Patient?{query}")).bearer(&nurse());
        clinic().refuses(&request, 403, "no_rule_allows");
    }
}

#[test]
fn a_search_by_post_is_judged_like_one_by_get() {
    let search = |body: &str, token: &str| {
        let request = Request::new("POST", "/fhir/Patient/_search").bearer(token).body(body);
        request.header("content-type", "application/x-www-form-urlencoded")
    };
    clinic().allows(&search("family=a", &nurse()));
    assert_eq!(clinic().received("/fhir/Patient/_search").body, b"family=a");
    clinic().refuses(&search("family=a&_include=Patient:organization", &nurse()), 403, "no_rule_allows");
    clinic().refuses(&search("family=a&%5Fhas:Observation:patient:code=1", &nurse()), 403, "no_rule_allows");
}

#[test]
fn a_batch_and_a_compartment_search_need_rules_that_name_them() {
    let batch = r#"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"DELETE","url":"Patient/1"}}]}"#;
    clinic().refuses(&Request::post("/fhir", batch).bearer(&nurse()), 403, "no_rule_allows");
    clinic().allows(&Request::post("/fhir", batch).bearer(&physician()));
    clinic().refuses(&Request::get("/fhir/Patient/1/Observation").bearer(&physician()), 403, "no_rule_allows");
}

#[test]
fn conditional_writes_and_asynchronous_requests_need_rules_that_name_them() {
    let patient = r#"{"resourceType":"Patient"}"#;
    clinic().allows(&Request::post("/fhir/Patient", patient).bearer(&physician()));
    let conditional = Request::post("/fhir/Patient", patient).bearer(&physician()).header("if-none-exist", "identifier=1");
    clinic().refuses(&conditional, 403, "no_rule_allows");
    let asynchronous = Request::get("/fhir/Patient?_count=1").bearer(&nurse()).header("prefer", "respond-async");
    clinic().refuses(&asynchronous, 403, "no_rule_allows");
    clinic().refuses(&Request::new("DELETE", "/fhir/Patient?identifier=1").bearer(&physician()), 403, "no_rule_allows");
}

#[test]
fn a_route_can_be_told_by_envoys_own() {
    clinic().allows(&Request::get("/routed/named/thing").key(BILLING));
    clinic().refuses(&Request::get("/routed/other/thing").key(BILLING), 404, "no_route");
    // A path that would be made plain, and so perhaps be routed elsewhere, is not judged by the route it had.
    clinic().refuses(&Request::get("/routed/named/../other").key(BILLING), 400, "ambiguous_path");
}

#[test]
fn an_answer_from_another_route_than_the_one_judged_is_withheld() {
    clinic().upstream.reply("/routed/keyed/thing", Reply::new(200).body("Secret"));
    for protocol in PROTOCOLS {
        // Envoy chose the route by the key; without the key, which is stripped, it chooses another.
        let response = clinic().send(protocol, &Request::get("/routed/keyed/thing").key(BILLING));
        assert_eq!((response.status, response.reason().as_str()), (502, "route_changed"), "{response:?}");
        assert!(!response.text().contains("Secret"));
    }
}

#[test]
fn a_method_that_is_no_interaction_is_refused() {
    clinic().refuses(&Request::new("PROPFIND", "/fhir/Patient/1").bearer(&physician()), 400, "unknown_interaction");
    clinic().refuses_over(Protocol::Http1, &Request::new("TRACE", "/plain/thing"), 405, "method_refused");
}

#[test]
fn a_redacted_answer_is_not_asked_about_what_it_hides() {
    clinic().allows(&Request::get("/fhir/Patient?identifier=1&_count=5&_sort=-identifier").key(BILLING));
    for query in
        ["family=a", "%66amily=a", "_sort=family", "_summary=count", "_count=0", "identifier:text=a", "_elements=id"]
    {
        clinic().refuses(&Request::get(&format!("/fhir/Patient?{query}")).key(BILLING), 403, "search_not_granted");
        clinic().allows(&Request::get(&format!("/fhir/Patient?{query}")).bearer(&nurse()));
    }
    clinic().refuses(&Request::get("/fhir/Patient/1?_elements=identifier.value").key(BILLING), 403, "search_not_granted");
    let form = Request::new("POST", "/fhir/Patient/_search").key(BILLING).body("identifier=1&family=a");
    clinic().refuses(&form.header("content-type", "application/x-www-form-urlencoded"), 403, "search_not_granted");
}
