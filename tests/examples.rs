//! HL7's own examples of FHIR R4, of every type: none is taken for an attack, and all that are valid have the shape of R4.
//!
//! They are a package of their own (`hl7.fhir.r4.examples` 4.0.1, CC0), which `make examples` fetches under `target`.
//! `CAREWARDEN_ALL_EXAMPLES=1 cargo test --release --test examples` looks at all 5,300; else a few of each type.

#![cfg(test)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use carewarden::inspect::Level;
use carewarden::json::Limits;
use carewarden::validate::Shape;
use serde_json::Value;

#[path = "inspect/support.rs"]
#[expect(dead_code, reason = "most of it is for the other tests")]
mod support;

/// How many of each type are looked at.
const OF_EACH: usize = 6;

/// Larger ones are left out where not all are looked at.
const LARGE: usize = 200 << 10;

/// Examples that are no valid R4: a `Questionnaire.item` without `linkId`, search parameters without `base`, an
/// `ImplementationGuide` without `name`.
const INVALID: &[&str] = &[
    "ImplementationGuide-fhir",
    "ig-r4",
    "Questionnaire-qs1",
    "SearchParameter-codesystem-extensions-CodeSystem-",
    "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject",
    "SearchParameter-valueset-extensions-ValueSet-",
];

/// The examples, by name.
fn examples() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/examples/node_modules/hl7.fhir.r4.examples");
    let all = std::env::var_os("CAREWARDEN_ALL_EXAMPLES").is_some();
    let files = std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("no examples: run `make examples`"));
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".json") && name != "package.json" && !name.starts_with('.'));
    names.sort();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut examples = Vec::new();
    for name in names {
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        if !all && text.len() > LARGE {
            continue;
        }
        let count = counts.entry(name.split('-').next().unwrap_or_default().to_owned()).or_default();
        *count += 1;
        if all || *count <= OF_EACH {
            examples.push((name.trim_end_matches(".json").to_owned(), text));
        }
    }
    assert!(counts.len() >= 130, "{} types", counts.len());
    examples
}

#[test]
fn no_example_of_hl7_is_taken_for_an_attack() {
    let settings = support::settings(Level::Standard);
    let judged = examples().into_iter().map(|(name, text)| (support::body(&settings, &text, true), name));
    let refused: Vec<_> = judged.filter(|(verdict, _)| verdict.is_refusal()).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn examples_of_hl7_have_the_shape_of_r4() {
    let limits = Limits { max_depth: 64, max_keys: 1 << 16, max_string: 1 << 24, ..Limits::default() };
    let mut broken = Vec::new();
    for (name, text) in examples() {
        let is_resource = serde_json::from_str::<Value>(&text).is_ok_and(|value| value["resourceType"].is_string());
        assert!(is_resource, "{name}");
        let shaped = Shape::check(text.as_bytes(), &limits).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let is_known = INVALID.iter().any(|known| name.starts_with(known));
        let violation = shaped.violation.map(|violation| violation.to_string());
        if let (Some(violation), false) = (violation, is_known) {
            broken.push(format!("{name}: {violation}"));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
