use serde_json::json;

use super::*;

fn shaped(document: &str) -> Shaped {
    let limits = json::Limits { max_depth: 40, ..json::Limits::default() };
    Shape::check(document.as_bytes(), &limits).unwrap()
}

fn violation(document: &str) -> String {
    shaped(document).violation.map_or_else(String::new, |found| found.to_string())
}

/// The same document with `resourceType` at the end of each object, as a text.
fn late(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(members) => {
            let mut reordered = serde_json::Map::new();
            let (types, others): (Vec<_>, Vec<_>) = members.iter().partition(|(key, _)| *key == "resourceType");
            for (key, member) in others.into_iter().chain(types) {
                reordered.insert(key.clone(), late(member));
            }
            reordered.into()
        }
        serde_json::Value::Array(items) => items.iter().map(late).collect(),
        other => other.clone(),
    }
}

#[track_caller]
fn is(document: &serde_json::Value, expected: &str) {
    assert_eq!(violation(&document.to_string()), expected, "{document}");
    assert_eq!(violation(&late(document).to_string()), expected, "the type last: {document}");
}

#[test]
fn what_r4_describes_fits() {
    for document in [
        json!({"resourceType": "Patient", "active": true, "name": [{"family": "O'Brien", "given": ["A", "B"]}]}),
        json!({"resourceType": "Patient", "birthDate": "1970", "_birthDate": {"extension": [{"url": "urn:x", "valueCode": "a"}]}}),
        json!({"resourceType": "Patient", "name": [{"given": ["A", null], "_given": [null, {"id": "x"}]}]}),
        json!({"resourceType": "Patient", "multipleBirthInteger": 2, "contained": [{"resourceType": "Device", "id": "d"}]}),
        json!({"resourceType": "Observation", "_status": {"extension": [{"url": "urn:absent", "valueCode": "unknown"}]},
            "code": {"text": "x"}, "valueQuantity": {"value": 1.5e3}}),
        json!({"resourceType": "Patient", "text": {"status": "generated", "div": "<div>x</div>"}}),
        json!({"resourceType": "Parameters", "parameter": [
            {"name": "a", "valueString": "x"}, {"name": "b", "part": [{"name": "c", "resource": {"resourceType": "Basic", "code": {"text": "x"}}}]}]}),
        json!({"resourceType": "Bundle", "type": "transaction", "entry": [
            {"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}}]}),
        json!({"resourceType": "Patient", "extension": [{"url": "a", "extension": [{"url": "b", "valueAddress": {"city": "x"}}]}]}),
    ] {
        is(&document, "");
    }
}

#[test]
fn what_r4_does_not_describe_does_not() {
    for (document, expected) in [
        (json!({"resourceType": "Patiant"}), "unknown-resource-type at Resource"),
        (json!({"id": "1"}), "missing-resource-type at Resource"),
        (json!({}), "missing-resource-type at Resource"),
        (json!([]), "array at (root)"),
        (json!("Patient"), "not-an-object at (root)"),
        (json!({"resourceType": "Patient", "nmae": []}), "unknown-element at Patient"),
        (json!({"resourceType": "Patient", "name": [{}, {"resourceType": "Patient"}]}), "empty at Patient.name[0]"),
        (json!({"resourceType": "Patient", "name": [{"resourceType": "Patient"}]}), "unknown-element at Patient.name[0]"),
        (json!({"resourceType": "Patient", "name": {"family": "x"}}), "not-an-array at Patient.name"),
        (json!({"resourceType": "Patient", "name": []}), "empty at Patient.name"),
        (json!({"resourceType": "Patient", "name": [[{"family": "x"}]]}), "array at Patient.name[0]"),
        (json!({"resourceType": "Patient", "name": ["x"]}), "not-an-object at Patient.name[0]"),
        (json!({"resourceType": "Patient", "active": "true"}), "not-a-boolean at Patient.active"),
        (json!({"resourceType": "Patient", "active": null}), "not-a-boolean at Patient.active"),
        (json!({"resourceType": "Patient", "birthDate": 1970}), "not-a-string at Patient.birthDate"),
        (json!({"resourceType": "Patient", "birthDate": ["1970"]}), "array at Patient.birthDate"),
        (json!({"resourceType": "Patient", "birthDate": {"value": 1}}), "object at Patient.birthDate"),
        (json!({"resourceType": "Patient", "maritalStatus": "x"}), "not-an-object at Patient.maritalStatus"),
        (json!({"resourceType": "Patient", "maritalStatus": null}), "not-an-object at Patient.maritalStatus"),
        (json!({"resourceType": "Patient", "_name": [{"id": "x"}]}), "unknown-element at Patient"),
        (json!({"resourceType": "Patient", "_birthDate": "x"}), "not-an-object at Patient.birthDate"),
        (json!({"resourceType": "Patient", "_birthDate": {"value": 1}}), "unknown-element at Patient.birthDate"),
        (json!({"resourceType": "Patient", "name": [{"given": [{"x": 1}]}]}), "object at Patient.name[0].given[0]"),
        (json!({"resourceType": "Patient", "id": "a_b"}), "id-grammar at Patient.id"),
        (json!({"resourceType": "Patient", "id": ""}), "id-grammar at Patient.id"),
        (json!({"resourceType": "Patient", "meta": {"versionId": "a/b"}}), "id-grammar at Patient.meta.versionId"),
        (json!({"resourceType": "Patient", "multipleBirthInteger": 1.5}), "not-an-integer at Patient.multipleBirthInteger"),
        (json!({"resourceType": "Patient", "multipleBirthInteger": "1"}), "not-a-number at Patient.multipleBirthInteger"),
        (
            json!({"resourceType": "Patient", "deceasedBoolean": true, "deceasedDateTime": "2020"}),
            "two-of-a-choice at Patient.deceased",
        ),
        (
            json!({"resourceType": "Patient", "deceasedBoolean": true, "_deceasedDateTime": {"id": "x"}}),
            "two-of-a-choice at Patient.deceased",
        ),
        (
            json!({"resourceType": "Patient", "extension": [{"url": "a", "valueString": "x", "valueCode": "y"}]}),
            "two-of-a-choice at Patient.extension[0].value",
        ),
        (
            json!({"resourceType": "Patient", "extension": [{"valueString": "x"}]}),
            "missing-element at Patient.extension[0].url",
        ),
        (json!({"resourceType": "Observation", "status": "final"}), "missing-element at Observation.code"),
        (
            json!({"resourceType": "Patient", "text": {"status": "generated", "div": {"p": 1}}}),
            "object at Patient.text.div",
        ),
        (
            json!({"resourceType": "Patient", "contained": [{"resourceType": "Device"}, {"resourceType": "Nothing"}]}),
            "unknown-resource-type at Patient.contained[1]",
        ),
        (json!({"resourceType": "Patient", "contained": [{"id": "x"}]}), "missing-resource-type at Patient.contained[0]"),
        (
            json!({"resourceType": "Bundle", "type": "batch", "entry": [{"resource": {"resourceType": "Patient", "x": 1}}]}),
            "unknown-element at Bundle.entry[0].resource",
        ),
        (
            json!({"resourceType": "Parameters", "parameter": [{"name": "a", "part": [{"valueString": "x"}]}]}),
            "missing-element at Parameters.parameter[0].part[0].name",
        ),
        (
            json!({"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": {"display": "x"}}),
            "missing-element at MedicationRequest.medication",
        ),
    ] {
        let text = document.to_string();
        assert_eq!(violation(&text), expected, "{text}");
        // A type that is said last is found, whatever else is found first.
        assert_eq!(violation(&late(&document).to_string()).is_empty(), expected.is_empty(), "the type last: {text}");
    }
}

#[test]
fn a_type_that_comes_late_is_judged_all_the_same() {
    is(
        &json!({"resourceType": "Bundle", "type": "batch", "entry": [{"resource": {"resourceType": "Patient", "nmae": 1}}]}),
        "unknown-element at Bundle.entry[0].resource",
    );
    let inner = r#"{"id": "x", "contained": [{"id": "y", "resourceType": "Device", "x": 1}], "resourceType": "Patient"}"#;
    assert_eq!(violation(inner), "unknown-element at Patient.contained[0]");
    // What says a type where no resource stands is found, too.
    assert_eq!(
        violation(r#"{"id": "x", "name": [{"resourceType": "Patient"}], "resourceType": "Patient"}"#),
        "unknown-element at Patient.name[0]"
    );
    assert_eq!(violation(r#"{"id": "x", "resourceType": 5}"#), "not-a-string at Resource.resourceType");
    assert!(!violation(r#"{"id": "x", "a": {"resourceType": 5}, "resourceType": "Patient"}"#).is_empty());
}

#[test]
fn ids_are_those_of_the_path() {
    for document in [r#"{"resourceType": "Patient", "id": "a"}"#, r#"{"id": "a", "resourceType": "Patient"}"#] {
        assert!(shaped(document).check_id("a").is_ok() && shaped(document).check_id("b").is_err());
    }
    assert!(
        shaped(r#"{"resourceType": "Patient", "contained": [{"resourceType": "Device", "id": "a"}]}"#)
            .check_id("a")
            .is_err()
    );
    for first in ["", r#""id": "x","#] {
        let bundle = format!(
            r#"{{{first} "resourceType": "Bundle", "type": "batch", "entry": [
                {{"resource": {{"resourceType": "Patient"}}}},
                {{"resource": {{"resourceType": "Patient", "id": "b", "contained": [{{"resourceType": "Device", "id": "c"}}]}}}}]}}"#
        );
        let shaped = shaped(&bundle);
        assert!(shaped.violation.is_none());
        assert!(shaped.check_entry_id(1, "b").is_ok() && shaped.check_entry_id(1, "c").is_err());
        assert!(shaped.check_entry_id(0, "b").is_err());
    }
}

#[test]
fn nothing_that_was_sent_is_shown() {
    for document in [
        r#"{"resourceType": "secret"}"#,
        r#"{"resourceType": "Patient", "secret": 1}"#,
        r#"{"resourceType": "Patient", "id": "secret!"}"#,
        r#"{"secret": {"secret": ["secret"]}, "resourceType": "Patient"}"#,
        r#"{"resourceType": "Patient", "name": [{"_secret": 1}]}"#,
    ] {
        let found = violation(document);
        assert!(!found.is_empty() && !found.contains("secret"), "{found}");
    }
}
