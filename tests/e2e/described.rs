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
fn a_body_in_parts_is_let_in_where_it_is_described_and_arrives_as_it_was_judged() {
    const POLICY: &str = include_str!("../fixtures/exchange/multipart/policy.json");
    let stage = Stage::new(Options { policy: POLICY.to_owned(), ..Options::default() });
    let post = |path: &str, content_type: &str, body: &str| {
        Request::new("POST", path).header("content-type", content_type).body(body)
    };
    let part = |head: &str, content: &str| format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n");
    let title = part("name=\"title\"", "A letter");
    let scan = part("name=\"document\"; filename=\"scan 1.pdf\"\r\nContent-Type: application/pdf", "%PDF-1.7\n\0");
    let whole = format!("{title}{scan}--b--\r\n");

    stage.allows(&post("/upload", "Multipart/Form-Data;BOUNDARY=\"b\"", &whole));
    let seen = stage.received("/upload");
    assert_eq!(seen.all("content-type"), ["multipart/form-data; boundary=b"]);
    assert_eq!(seen.body, whole.as_bytes());

    let plain = "multipart/form-data; boundary=b";
    stage.refuses(&post("/not-said", plain, &whole), 415, "unsupported_media_type");
    stage.refuses(&post("/upload", "multipart/mixed; boundary=b", &whole), 415, "unsupported_media_type");
    stage.refuses(&post("/upload", plain, &format!("x\r\n{whole}")), 400, "malformed_multipart");
    stage.refuses(&post("/upload", plain, &format!("{whole}x")), 400, "malformed_multipart");
    stage.refuses(&post("/upload", plain, &whole.replace("\r\n", "\n")), 400, "malformed_multipart");
    stage.refuses(&post("/upload", plain, &format!("{title}{}--b--", scan.repeat(4))), 413, "multipart_limit");
    stage.refuses(&post("/upload", plain, &format!("{scan}--b--")), 400, "parameter_violation");
    let secret = post("/upload", plain, &format!("{title}{}--b--", part("name=\"secret\"", "x")));
    let refused = stage.refuses(&secret, 400, "part_refused").text();
    assert!(refused.contains(r#""part":"2""#) && !refused.contains("secret"), "{refused}");
    let attack = format!("{}--b--", part("name=\"note\"", "x' union select 1,2--"));
    stage.refuses(&post("/inspected", plain, &attack), 403, "injection_found");
    stage.refuses(&post("/inspected", plain, &format!("{title}{scan}--b--")), 415, "unsupported_media_type");
    assert!(!stage.envoy.trapped(), "{}", stage.envoy.log());
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
