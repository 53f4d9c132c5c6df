//! A small FHIR R4 server over synthetic resources: read, search by type, create, `$everything`, an export, and what a
//! client asks first. It guards nothing: that is the point.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::upstream::{Reply, Seen};

/// Resources are sent as they are written in these files.
const PATIENT: &str = include_str!("patient.json");
const RESOURCES: &str = include_str!("resources.json");

struct Resource {
    text: String,
    value: Value,
}

/// Answers a request for `/fhir` or `/export`.
pub(crate) fn answer(request: &Seen) -> Reply {
    let path = request.path.split('?').next().unwrap_or_default();
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (request.method.as_str(), steps.as_slice()) {
        ("GET", ["fhir", "metadata"]) => reply(200, &capabilities()),
        ("GET", ["export", "Patient.ndjson"]) => export(),
        ("GET", ["fhir", "Patient", id, "$everything"]) => reply(200, &bundle(|own| is_about(own, id))),
        ("GET" | "HEAD", ["fhir", kind, id]) => {
            let found = resources().into_iter().find(|own| own.value["resourceType"] == *kind && own.value["id"] == *id);
            found.map_or_else(not_found, |resource| reply(200, &resource.text))
        }
        ("GET", ["fhir", kind]) => reply(200, &bundle(|own| own["resourceType"] == *kind)),
        ("POST", ["fhir", kind]) => created(kind, &request.body),
        _ => not_found(),
    }
}

fn resources() -> Vec<Resource> {
    let others: Vec<Box<RawValue>> = serde_json::from_str(RESOURCES).expect("an array of resources");
    let texts = std::iter::once(PATIENT).chain(others.iter().map(|text| text.get()));
    let resource = |text: &str| Resource { text: text.to_owned(), value: serde_json::from_str(text).expect("JSON") };
    texts.map(resource).collect()
}

/// Whether a resource is this patient or refers to it.
fn is_about(resource: &Value, patient: &str) -> bool {
    let reference = json!(format!("Patient/{patient}"));
    let refers = ["subject", "beneficiary", "patient"].iter().any(|name| resource[name]["reference"] == reference);
    refers || resource["id"] == patient
}

fn bundle(is_in: impl Fn(&Value) -> bool) -> String {
    let entry = |own: &Resource| {
        let url =
            format!("https://fhir.clinic.example/fhir/{}/{}", text(&own.value["resourceType"]), text(&own.value["id"]));
        format!("{{\"fullUrl\":\"{url}\",\"resource\":{},\"search\":{{\"mode\":\"match\"}}}}", own.text)
    };
    let entries: Vec<String> = resources().iter().filter(|own| is_in(&own.value)).map(entry).collect();
    let (total, entries) = (entries.len(), entries.join(","));
    format!("{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":{total},\"entry\":[{entries}]}}")
}

/// All patients many times over, one a line, sent in pieces that end anywhere.
fn export() -> Reply {
    let patients = resources().into_iter().filter(|own| own.value["resourceType"] == "Patient");
    let lines: String = patients.map(|patient| format!("{}\n", patient.value)).collect();
    Reply::new(200).header("content-type", "application/fhir+ndjson").body(&lines).pieces(1_000).repeat(200, &lines)
}

fn created(kind: &str, body: &[u8]) -> Reply {
    let Ok(mut resource) = serde_json::from_slice::<Value>(body) else {
        return reply(400, &outcome("structure", "no JSON"));
    };
    resource["id"] = json!("new-1");
    reply(201, &resource.to_string()).header("location", format!("/fhir/{kind}/new-1/_history/1"))
}

fn capabilities() -> String {
    let statement = json!({
        "resourceType": "CapabilityStatement", "status": "active", "kind": "instance", "fhirVersion": "4.0.1",
        "date": "2026-11-23", "format": ["json"], "rest": [{ "mode": "server" }],
    });
    statement.to_string()
}

pub(crate) fn not_found() -> Reply {
    reply(404, &outcome("not-found", "no such resource"))
}

pub(crate) fn outcome(code: &str, text: &str) -> String {
    let issue = json!({ "severity": "error", "code": code, "diagnostics": text });
    json!({ "resourceType": "OperationOutcome", "issue": [issue] }).to_string()
}

/// An answer in FHIR JSON.
pub(crate) fn reply(status: u16, body: &str) -> Reply {
    Reply::new(status).header("content-type", "application/fhir+json").header("etag", "W/\"1\"").body(body)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
