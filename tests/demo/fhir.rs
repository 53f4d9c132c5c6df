//! A small FHIR R4 server over synthetic resources: read, search by type, create, `$everything`, an export, and what a
//! client asks first. It guards nothing: that is the point.

use serde_json::{Value, json};

use crate::support::upstream::{Reply, Seen};

const RESOURCES: &str = include_str!("resources.json");
const TYPE: &str = "application/fhir+json";

/// Answers a request for the base `/fhir`.
pub(crate) fn answer(request: &Seen) -> Reply {
    let path = request.path.split('?').next().unwrap_or_default();
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (request.method.as_str(), steps.as_slice()) {
        ("GET", ["fhir", "metadata"]) => fhir(200, &capabilities()),
        ("GET", ["fhir", "Patient", "$export-lines"]) => export(),
        ("GET", ["fhir", "Patient", id, "$everything"]) => fhir(200, &bundle("searchset", about(id))),
        ("GET" | "HEAD", ["fhir", kind, id]) => {
            let found = resources().into_iter().find(|own| own["resourceType"] == *kind && own["id"] == *id);
            found.map_or_else(not_found, |resource| fhir(200, &resource))
        }
        ("GET", ["fhir", kind]) => {
            let of_kind = resources().into_iter().filter(|own| own["resourceType"] == *kind);
            fhir(200, &bundle("searchset", of_kind.collect()))
        }
        ("POST", ["fhir", kind]) => created(kind, &request.body),
        _ => not_found(),
    }
}

fn resources() -> Vec<Value> {
    serde_json::from_str(RESOURCES).unwrap_or_default()
}

/// A patient and what refers to it.
fn about(patient: &str) -> Vec<Value> {
    let reference = json!(format!("Patient/{patient}"));
    let is_about = |own: &Value| {
        own["id"] == patient || ["subject", "beneficiary", "patient"].iter().any(|name| own[name]["reference"] == reference)
    };
    resources().into_iter().filter(is_about).collect()
}

fn bundle(kind: &str, resources: Vec<Value>) -> Value {
    let entry = |resource: Value| {
        let url = format!("https://localhost/fhir/{}/{}", text(&resource["resourceType"]), text(&resource["id"]));
        json!({ "fullUrl": url, "resource": resource, "search": { "mode": "match" } })
    };
    let entries: Vec<Value> = resources.into_iter().map(entry).collect();
    json!({ "resourceType": "Bundle", "type": kind, "total": entries.len(), "entry": entries })
}

/// All patients many times over, one a line, sent in pieces that end anywhere.
fn export() -> Reply {
    let patients = resources().into_iter().filter(|own| own["resourceType"] == "Patient");
    let lines: String = patients.map(|patient| format!("{patient}\n")).collect();
    let reply = Reply::new(200).header("content-type", "application/fhir+ndjson").body(&lines);
    reply.pieces(1_000).repeat(200, lines)
}

fn created(kind: &str, body: &[u8]) -> Reply {
    let Ok(mut resource) = serde_json::from_slice::<Value>(body) else {
        return fhir(400, &outcome("structure", "no JSON"));
    };
    resource["id"] = json!("new-1");
    fhir(201, &resource).header("location", format!("/fhir/{kind}/new-1/_history/1"))
}

fn capabilities() -> Value {
    json!({
        "resourceType": "CapabilityStatement", "status": "active", "kind": "instance", "fhirVersion": "4.0.1",
        "date": "2026-11-23", "format": ["json"], "rest": [{ "mode": "server" }],
    })
}

fn not_found() -> Reply {
    fhir(404, &outcome("not-found", "no such resource"))
}

fn outcome(code: &str, text: &str) -> Value {
    json!({ "resourceType": "OperationOutcome", "issue": [{ "severity": "error", "code": code, "diagnostics": text }] })
}

fn fhir(status: u16, body: &Value) -> Reply {
    Reply::new(status).header("content-type", TYPE).header("etag", "W/\"1\"").body(body.to_string())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
