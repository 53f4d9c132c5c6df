//! What is described of requests, on a real Envoy: `tests/fixtures/exchange/described`, which the command line runs too.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::config::Options;
use crate::support::message::Request;

const POLICY: &str = include_str!("../fixtures/exchange/described/policy.json");

fn described() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| Stage::new(Options { policy: POLICY.to_owned(), ..Options::default() }))
}

fn order(body: &Value) -> Request {
    Request::new("POST", "/orders")
        .header("content-type", "application/json")
        .header("x-tenant", "north")
        .body(body.to_string())
}

fn fhir(method: &str, path: &str, body: &Value) -> Request {
    Request::new(method, path).header("content-type", "application/fhir+json").body(body.to_string())
}

#[test]
fn a_body_is_judged_by_its_schema_and_the_refusal_says_where() {
    described().allows(&order(&json!({ "item": "AB-1", "count": 3 })));
    let refused = described().refuses(&order(&json!({ "item": "secret" })), 422, "schema_violation");
    let text = refused.text();
    assert!(text.contains("/item") && text.contains("pattern") && !text.contains("secret"), "{text}");
    described().refuses(&order(&json!({ "item": "AB-1", "secret": 1 })), 422, "schema_violation");
}

#[test]
fn a_resource_has_the_shape_of_r4() {
    let patient = json!({ "resourceType": "Patient", "id": "1", "name": [{ "family": "O'Brien" }] });
    described().allows(&fhir("PUT", "/fhir/Patient/1", &patient));
    let other = described().refuses(&fhir("PUT", "/fhir/Patient/2", &patient), 422, "not_fhir_shape");
    assert_eq!(other.header("content-type").as_deref(), Some("application/fhir+json"));
    let unknown = json!({ "resourceType": "Patient", "id": "1", "name": [{ "family": "x", "secret": 1 }] });
    let refused = described().refuses(&fhir("PUT", "/fhir/Patient/1", &unknown), 422, "not_fhir_shape");
    let text = refused.text();
    assert!(text.contains("Patient.name[0]") && !text.contains("secret"), "{text}");
}

#[test]
fn queries_headers_and_forms_are_judged_as_they_are_described() {
    let get = |path: &str| Request::get(path).header("x-tenant", "north");
    described().allows(&get("/orders?page=1&sort=item&sort=count"));
    described().refuses(&get("/orders?page=1&p%61ge=2"), 400, "parameter_violation");
    described().refuses(&get("/orders?page=%c0%ae"), 400, "malformed_query");
    described().refuses(&Request::get("/orders"), 400, "header_violation");
    described().refuses(&get("/orders").header("x_tenant", "south"), 400, "header_violation");
    let form =
        |body: &str| Request::new("POST", "/token").header("content-type", "application/x-www-form-urlencoded").body(body);
    described().allows(&form("grant_type=client_credentials&client_id=a"));
    described().refuses(&form("grant_type=client_credentials&client_id=a&client_id=b"), 400, "parameter_violation");
    described().refuses(&form("client_id=a"), 400, "parameter_violation");
    described().refuses(&Request::get("/fhir/Patient?_count=101"), 400, "fhir_limit");
}

#[test]
fn cookies_need_a_page_that_may_write_and_ranges_end() {
    let body = json!({ "item": "AB-1" });
    described().allows(&order(&body).header("cookie", "s=1").header("origin", "https://app.example"));
    described().refuses(
        &order(&body).header("cookie", "s=1").header("origin", "https://evil.example"),
        403,
        "cross_origin",
    );
    described().refuses(&order(&body).header("cookie", "s=1"), 403, "cross_origin");
    let long = "x".repeat(80);
    let get = Request::get("/orders").header("x-tenant", "north");
    described().refuses(&get.clone().header("cookie", format!("s={long}")), 431, "headers_too_large");
    described().refuses(&get.header("range", format!("bytes={}", ["0-"; 20].join(","))), 400, "too_many_ranges");
}

#[test]
fn the_record_says_what_does_not_fit_and_nothing_that_was_sent() {
    let odd = json!({ "resourceType": "Patient", "name": [{ "family": "x", "shoeSize": 42 }] });
    described().allows(&fhir("POST", "/old/Patient", &odd));
    for record in described().envoy.audit("/old/Patient", 2) {
        assert_eq!(record["violation"], "unknown-element at Patient.name[0]", "{record}");
        assert_eq!((&record["decision"], &record["reason"]), (&json!("allow"), &json!("allowed")));
        assert!(!record.to_string().contains("shoeSize"), "{record}");
    }
    described().refuses(&fhir("PUT", "/fhir/Patient/recorded", &odd), 422, "not_fhir_shape");
    for record in described().envoy.audit("/fhir/Patient/recorded", 2) {
        assert_eq!(record["violation"], "unknown-element at Patient.name[0]", "{record}");
    }
}
