//! What `hipaa-safe-harbor` must not leave, found with the tables of R4 in a tree, without the redactor.
//!
//! It says what may be there and takes all else for a leak, so that a rule that was forgotten in the preset shows here.

use carewarden::fhir::elements::{Kind, Type};
use serde_json::{Map, Value, json};

/// The year by which ages are judged: that of the `now` that tests give.
const CURRENT_YEAR: i32 = 2026;

/// Datatypes of which nothing may be left, whoever has them.
const NEVER: &[&str] = &[
    "Element",
    "Extension",
    "HumanName",
    "ContactPoint",
    "Identifier",
    "Attachment",
    "Narrative",
    "Signature",
    "SampledData",
    "time",
    "string",
    "markdown",
    "xhtml",
    "uri",
    "url",
    "canonical",
    "oid",
    "uuid",
    "base64Binary",
];

/// What may be left although its datatype may not: each says why.
pub(crate) const STAYS: &[(&str, &str)] = &[
    ("Coding.system", "names a code system"),
    ("Coding.version", "names a version of one"),
    ("Meta.profile", "names a profile"),
    ("Reference.type", "names a type"),
    ("Address.state", "a State may stay (45 CFR 164.514(b)(2)(i)(B))"),
    ("Address.country", "larger than a State"),
    ("Quantity.system", "names units"),
    ("Quantity.unit", "names a unit"),
    ("Age.system", "names units"),
    ("Age.unit", "names a unit"),
    ("Count.system", "names units"),
    ("Count.unit", "names a unit"),
    ("Distance.system", "names units"),
    ("Distance.unit", "names a unit"),
    ("Duration.system", "names units"),
    ("Duration.unit", "names a unit"),
];

/// Strings that are left with a hash in the place of an id.
const HASHED: &[&str] =
    &["Reference.reference", "Bundle.entry.fullUrl", "Bundle.entry.request.url", "Bundle.entry.response.location"];

/// Elements that tell an age or a place in another way.
pub(crate) const NEVER_ELEMENTS: &[&str] = &[
    "Location.position",
    "AllergyIntolerance.onsetRange",
    "Condition.onsetRange",
    "Condition.abatementRange",
    "FamilyMemberHistory.ageRange",
    "FamilyMemberHistory.deceasedRange",
    "FamilyMemberHistory.condition.onsetRange",
    "Observation.referenceRange.age",
    "Procedure.performedRange",
    "RiskAssessment.prediction.whenRange",
    "Observation.valueInteger",
    "Observation.component.valueInteger",
    "QuestionnaireResponse.item.answer.valueInteger",
    "Parameters.parameter.valueInteger",
    "Task.input.valueInteger",
    "Task.output.valueInteger",
];

/// The path of the first thing that must not be left in a resource.
pub(crate) fn first_left(resource: &Value) -> Option<String> {
    let members = resource.as_object()?;
    let kind = members.get("resourceType").and_then(Value::as_str).unwrap_or_default();
    match Type::named(kind).filter(|of| of.kind() == Kind::Resource) {
        Some(of) => in_members(of, members),
        None => Some(format!("a resource of the type `{kind}`")),
    }
}

fn in_members(of: Type, members: &Map<String, Value>) -> Option<String> {
    members.iter().find_map(|(name, value)| {
        let path = format!("{}.{name}", of.name());
        let element = of.element(name);
        let found = match element {
            None if name == "resourceType" && of.kind() == Kind::Resource => None,
            None if is_masked_twin(of, name, value) => None,
            None => Some("no such element".to_owned()),
            Some(_) if STAYS.iter().any(|(stays, _)| *stays == path) => None,
            Some(_) if NEVER_ELEMENTS.contains(&&*path) => Some("it tells an age or a place".to_owned()),
            Some(_) if HASHED.contains(&&*path) => in_value(value, &|value| {
                // The resource around a contained one has no id here.
                (value != "#" && !has_hash(value)).then(|| value.to_string())
            }),
            Some(_) if path == "Address.postalCode" => {
                in_value(value, &|value| (!is_area(value)).then(|| value.to_string()))
            }
            Some(element) if NEVER.contains(&element.of().name()) => Some(format!("a {}", element.of().name())),
            Some(element) => in_value(value, &|value| of_type(element.of(), value)),
        };
        found.map(|found| format!("{path}: {found}"))
    })
}

/// Looks at a value, or at each that arrays hold.
fn in_value(value: &Value, look: &dyn Fn(&Value) -> Option<String>) -> Option<String> {
    match value {
        Value::Array(elements) => elements.iter().find_map(|element| in_value(element, look)),
        // What came empty, or keeps the place of what was taken.
        Value::Null => None,
        Value::Object(members) if members.is_empty() => None,
        value => look(value),
    }
}

fn of_type(of: Type, value: &Value) -> Option<String> {
    match (of.kind(), of.name(), value) {
        (Kind::AnyResource, _, value) => first_left(value),
        (Kind::Primitive, "id", value) => (!has_hash(value)).then(|| value.to_string()),
        (Kind::Primitive, "date" | "dateTime", value) => (!is_year(value)).then(|| value.to_string()),
        (Kind::Primitive, "instant", value) => Some(value.to_string()),
        (Kind::Primitive, _, Value::Object(_)) => Some("an object in the place of a primitive".to_owned()),
        (Kind::Primitive, _, Value::String(_)) if of.is_no_string() => Some("a string that R4 does not have".to_owned()),
        (Kind::Primitive, ..) => None,
        (_, "Age", Value::Object(age)) if is_over_89(age) => Some(value.to_string()),
        (_, _, Value::Object(members)) => in_members(of, members),
        _ => Some("a scalar in the place of a complex type".to_owned()),
    }
}

fn has_hash(value: &Value) -> bool {
    let is_hash = |run: &str| run.len() == 64;
    value.as_str().is_some_and(|text| text.split(|c: char| !matches!(c, '0'..='9' | 'a'..='f')).any(is_hash))
}

fn is_area(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.len() == 5 && text.ends_with("00") && text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_year(value: &Value) -> bool {
    let year = value.as_str().filter(|text| text.len() == 4).and_then(|text| text.parse::<i32>().ok());
    year.is_some_and(|year| CURRENT_YEAR - year < 90)
}

fn is_over_89(age: &Map<String, Value>) -> bool {
    let is_capped = age.get("value") == Some(&json!(90)) && age.get("comparator") == Some(&json!(">="));
    let years = age.get("code") == Some(&json!("a"));
    years && !is_capped && age.get("value").and_then(Value::as_f64).is_none_or(|value| value >= 90.0)
}

/// Where a date had to be there, it is said to be hidden.
fn is_masked_twin(of: Type, name: &str, value: &Value) -> bool {
    let element = name.strip_prefix('_').and_then(|name| of.element(name));
    element.is_some_and(|element| matches!(element.of().name(), "instant" | "date" | "dateTime"))
        && *value
            == json!({"extension": [{
                "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]})
}
