//! The documents of our own tests and demonstration that are meant to be FHIR are.

use std::fs;
use std::path::Path;

use carewarden::json::Limits;
use carewarden::validate::Shape;
use serde_json::Value;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("the file is there")
}

fn check(name: &str, document: &str) {
    let shaped = Shape::check(document.as_bytes(), &Limits::default()).expect("JSON");
    assert_eq!(shaped.violation.map(|found| found.to_string()), None, "{name}: {document}");
}

#[test]
fn the_documents_of_the_demonstration_and_of_exports_are_fhir() {
    check("patient", &read("tests/demo/patient.json"));
    let resources: Value = serde_json::from_str(&read("tests/demo/resources.json")).expect("JSON");
    let resources = resources.as_array().expect("a list");
    resources.iter().for_each(|resource| check("resources", &resource.to_string()));
    for line in read("tests/fixtures/cli/export/patients.ndjson").lines() {
        check("export", line);
    }
    check("encounter", &read("tests/fixtures/cli/export/wards/encounter.json"));
    assert!(resources.len() > 5);
}

#[test]
fn what_the_clinic_lets_in_is_fhir() {
    let suite: Value = serde_json::from_str(&read("policies/clinic/tests.json")).expect("JSON");
    let cases = suite["cases"].as_array().expect("cases").iter();
    let written =
        cases.filter(|case| case["expect"]["decision"] == "allow" && case["request"]["body"]["resourceType"].is_string());
    let written: Vec<_> = written.collect();
    written.iter().for_each(|case| check(case["name"].as_str().unwrap_or_default(), &case["request"]["body"].to_string()));
    assert!(!written.is_empty());
}
