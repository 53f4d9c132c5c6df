//! How fast a Bundle streams through, on the machine at hand. It asserts nothing and is run by hand:
//! `cargo test --profile cli --test redact speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use carewarden::redact::{Format, Options, Redactor};
use serde_json::{Value, json};

use crate::support::program;

/// A searchset of patients and their observations, about as long as asked for.
fn bundle(bytes: usize) -> String {
    let entry = |index: usize| {
        json!({"fullUrl": format!("https://ehr.example/fhir/Patient/{index}"), "resource": {
            "resourceType": "Patient", "id": format!("{index}"),
            "meta": {"versionId": "3", "lastUpdated": "2026-03-01T10:11:12.123Z", "profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"]},
            "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Synthetic patient with a narrative of some length</p></div>"},
            "identifier": [{"use": "usual", "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}, "system": "urn:clinic:mrn", "value": format!("MRN-{index:08}")}],
            "active": true, "name": [{"use": "official", "family": "Doe", "given": ["Jane", "Quincy"]}],
            "telecom": [{"system": "phone", "value": "+1 555 0100", "use": "home"}],
            "gender": "female", "birthDate": "1970-01-01",
            "address": [{"line": ["1 Main Street"], "city": "Springfield", "state": "IL", "postalCode": "62701"}]}})
    };
    let observation = |index: usize| {
        json!({"fullUrl": format!("https://ehr.example/fhir/Observation/o{index}"), "resource": {
            "resourceType": "Observation", "id": format!("o{index}"), "status": "final",
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs", "display": "Vital Signs"}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9", "display": "Blood pressure panel"}], "text": "Blood pressure"},
            "subject": {"reference": format!("Patient/{index}")}, "effectiveDateTime": "2026-02-03T04:05:06+01:00",
            "component": [{"code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}, "valueQuantity": {"value": 120.5, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}}]}})
    };
    let mut entries: Vec<Value> = Vec::new();
    let (mut length, mut index) = (0, 0);
    while length < bytes {
        let next = if index % 4 == 0 { entry(index) } else { observation(index) };
        length += next.to_string().len() + 1;
        entries.push(next);
        index += 1;
    }
    json!({"resourceType": "Bundle", "type": "searchset", "entry": entries}).to_string()
}

#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "the measurement is what it is for")]
fn megabytes_a_second() {
    let few = json!({"rules": [
        {"path": "Patient.identifier.value", "where": {"system": "urn:clinic:mrn"}, "action": {"hash": {"key": {"env": "PHI_KEY"}}}},
        {"path": "Patient.name", "action": "remove"}, {"path": "Patient.birthDate", "action": "remove"},
        {"path": "Patient.address", "action": "remove"}, {"path": "Patient.text", "action": "remove"}]});
    let keys = json!({"rules": [{"key": "div", "action": "remove"}, {"key": "family", "action": {"mask": {}}}, {"key": "valueString", "action": "remove"}]});
    let text = bundle(1 << 20);
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&text).unwrap()).unwrap();
    for (name, profile, format, text) in [
        ("no rules, plain JSON", &json!({}), Format::Json, &text),
        ("no rules, FHIR", &json!({}), Format::FhirJson, &text),
        ("few paths", &few, Format::FhirJson, &text),
        ("few paths, pretty", &few, Format::FhirJson, &pretty),
        ("keys anywhere", &keys, Format::FhirJson, &text),
    ] {
        let program = program(profile);
        let mut out = Vec::with_capacity(text.len() * 2);
        let mut best = Duration::MAX;
        for _ in 0..60 {
            out.clear();
            let start = Instant::now();
            let mut redactor = Redactor::new(program.clone(), Options::new(format));
            text.as_bytes().chunks(64 << 10).for_each(|piece| redactor.write(piece, &mut out).expect("it is taken"));
            redactor.finish().expect("it is whole");
            best = best.min(start.elapsed());
        }
        let rate = text.len() as f64 / best.as_secs_f64() / 1e6;
        println!("{name}: {rate:.0} MB/s ({} of {} bytes left)", out.len(), text.len());
    }
    let start = Instant::now();
    let parsed: Value = serde_json::from_str(&text).unwrap();
    let length = parsed.to_string().len();
    println!("serde_json there and back: {:.0} MB/s", length as f64 / start.elapsed().as_secs_f64() / 1e6);
}
