//! What must not be in an answer that left, found without the redactor: by names, and by the tables of R4.

use serde_json::Value;

#[path = "../../redact/safe_harbor.rs"]
mod safe_harbor;

/// The first thing that the profile of this name should have taken.
pub fn first_left(profile: &str, left: &Value, is_fhir: bool) -> Option<String> {
    match profile {
        "key" => first_key(left, &|key, _| key.strip_prefix('_').unwrap_or(key) == "ssn"),
        "modifiers" => first_key(left, &|key, _| key == "modifierExtension"),
        "paths" if is_fhir => first_key(left, &|key, around| {
            let is_patient = around.get("resourceType").is_some_and(|kind| kind == "Patient");
            is_patient && matches!(key.strip_prefix('_').unwrap_or(key), "name" | "birthDate")
        }),
        "hipaa-safe-harbor" if is_fhir => safe_harbor::first_left(left),
        _ => None,
    }
}

fn first_key(value: &Value, is_it: &dyn Fn(&str, &Value) -> bool) -> Option<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .find_map(|(key, inside)| if is_it(key, value) { Some(key.clone()) } else { first_key(inside, is_it) }),
        Value::Array(elements) => elements.iter().find_map(|element| first_key(element, is_it)),
        _ => None,
    }
}
