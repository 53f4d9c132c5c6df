//! A document that is sent, and the schema that describes it.

use serde_json::{Value, json};

use crate::resources::patient;

/// A Bundle of about 20 kB, as a client would send it.
pub(crate) fn small_bundle() -> String {
    let entries: Vec<Value> = (0..17).map(|number| json!({ "resource": patient(number) })).collect();
    json!({ "resourceType": "Bundle", "type": "collection", "entry": entries }).to_string()
}

/// A schema that looks at most of it.
pub(crate) fn bundle_schema() -> Value {
    let text = |pattern: &str| json!({ "type": "string", "maxLength": 200, "pattern": pattern });
    json!({
        "type": "object",
        "required": ["resourceType", "type", "entry"],
        "properties": {
            "resourceType": { "const": "Bundle" },
            "type": { "enum": ["collection", "batch"] },
            "entry": { "type": "array", "maxItems": 100, "items": {
                "type": "object", "required": ["resource"], "properties": { "resource": { "$ref": "#/$defs/patient" } },
                "additionalProperties": false,
            } },
        },
        "additionalProperties": false,
        "$defs": {
            "patient": {
                "type": "object",
                "required": ["resourceType", "id", "name", "gender"],
                "properties": {
                    "resourceType": { "const": "Patient" },
                    "id": text("^[A-Za-z0-9.-]{1,64}$"),
                    "meta": { "type": "object" },
                    "text": { "type": "object", "properties": { "div": { "type": "string", "maxLength": 4000 } } },
                    "identifier": { "type": "array", "items": { "type": "object", "required": ["value"], "properties": {
                        "system": text("^[a-z]+:"), "value": text("^[A-Z0-9-]+$") } } },
                    "active": { "type": "boolean" },
                    "name": { "type": "array", "minItems": 1, "items": { "type": "object", "properties": {
                        "family": text("^[^<>]+$"), "given": { "type": "array", "items": text("^[^<>]+$") } } } },
                    "telecom": { "type": "array", "items": { "type": "object", "properties": {
                        "system": { "enum": ["phone", "email"] }, "value": { "type": "string" } } } },
                    "gender": { "enum": ["male", "female", "other", "unknown"] },
                    "birthDate": text("^[0-9]{4}(-[0-9]{2}){0,2}$"),
                    "address": { "type": "array" },
                    "generalPractitioner": { "type": "array" },
                },
                "unevaluatedProperties": false,
            },
        },
    })
}
