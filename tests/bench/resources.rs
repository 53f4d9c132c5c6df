//! Synthetic FHIR resources, the same in every run.

use serde_json::{Value, json};

/// How long the Bundle is, about.
pub(crate) const BUNDLE_BYTES: usize = 1_000_000;

const FAMILIES: &[&str] = &["Haddad", "Okafor", "Lindqvist", "Nguyen", "García", "Kowalska", "O'Brien", "Yılmaz"];
const GIVEN: &[&str] = &["Amira", "Ngozi", "Elsa", "Linh", "José", "Zofia", "Niamh", "Can"];
const CITIES: &[&str] = &["Springfield", "Riverside", "Fairview", "Greenville", "Ashland"];

fn pick<'a>(from: &[&'a str], number: usize) -> &'a str {
    from[number % from.len()]
}

/// A patient as an electronic health record would send it.
pub(crate) fn patient(number: usize) -> Value {
    let (family, given) = (pick(FAMILIES, number), pick(GIVEN, number / 3));
    let born = format!("{}-{:02}-{:02}", 1930 + number % 90, 1 + number % 12, 1 + number % 28);
    json!({
        "resourceType": "Patient",
        "id": format!("p{number}"),
        "meta": { "versionId": "3", "lastUpdated": "2026-10-02T09:12:44.120Z" },
        "text": {
            "status": "generated",
            "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{given} {family}, born {born}</div>"),
        },
        "identifier": [
            { "use": "official", "system": "urn:clinic:mrn", "value": format!("MRN-{:06}", number * 37 % 1_000_000) },
            { "system": "http://hl7.org/fhir/sid/us-ssn", "value": format!("000-{:02}-{:04}", number % 100, number * 7) },
        ],
        "active": true,
        "name": [{ "use": "official", "family": family, "given": [given, "Q."] }],
        "telecom": [
            { "system": "phone", "value": format!("555-{:04}", number % 10_000), "use": "mobile" },
            { "system": "email", "value": format!("{given}.{number}@example.com") },
        ],
        "gender": if number.is_multiple_of(2) { "female" } else { "male" },
        "birthDate": born,
        "address": [{
            "line": [format!("{} Main Street", number % 900 + 1)],
            "city": pick(CITIES, number),
            "state": "NY",
            "postalCode": format!("1{:04}", number % 10_000),
        }],
        "generalPractitioner": [{ "reference": "Practitioner/prac-1", "display": "Dr. Ngozi Okafor" }],
    })
}

fn observation(number: usize) -> Value {
    let tenths = 40 + number % 60;
    json!({
        "resourceType": "Observation",
        "id": format!("o{number}"),
        "status": "final",
        "category": [{
            "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                "code": "laboratory",
                "display": "Laboratory",
            }],
        }],
        "code": { "coding": [{ "system": "http://loinc.org", "code": "4548-4", "display": "Hemoglobin A1c" }] },
        "subject": { "reference": format!("Patient/p{}", number / 4) },
        "effectiveDateTime": format!("2026-{:02}-{:02}T08:30:00+01:00", 1 + number % 12, 1 + number % 28),
        "valueQuantity": {
            "value": f64::from(u32::try_from(tenths).unwrap_or(0)) / 10.0,
            "unit": "%",
            "system": "http://unitsofmeasure.org",
            "code": "%",
        },
        "note": [{ "text": "Fasting; \"see letter\" of the practice." }],
    })
}

/// A searchset of patients, each with some observations.
pub(crate) fn bundle() -> String {
    let mut text = r#"{"resourceType":"Bundle","type":"searchset","entry":["#.to_owned();
    for number in 0.. {
        let resource = if number % 4 == 0 { patient(number / 4) } else { observation(number) };
        let kind = resource["resourceType"].as_str().unwrap_or_default();
        let id = resource["id"].as_str().unwrap_or_default();
        let url = format!("https://fhir.clinic.example/fhir/{kind}/{id}");
        let entry = json!({ "fullUrl": url, "resource": resource, "search": { "mode": "match" } }).to_string();
        if text.len() + entry.len() > BUNDLE_BYTES {
            break;
        }
        if number > 0 {
            text.push(',');
        }
        text.push_str(&entry);
    }
    text + "]}"
}
