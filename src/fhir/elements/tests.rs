use serde_json::Value;

use super::*;

fn text<'v>(of: &'v Value, key: &str) -> &'v str {
    of[key].as_str().unwrap_or_default()
}

/// Some StructureDefinitions as they were published, element by element and in both directions.
#[test]
fn the_tables_say_what_the_published_definitions_say() {
    let published: Value = serde_json::from_str(include_str!("../../../tests/fixtures/fhir/definitions.json")).unwrap();
    let mut compared = 0;
    for definition in published["definitions"].as_array().unwrap() {
        let root = text(definition, "type");
        let elements = definition["element"].as_array().unwrap();
        let mut expected = std::collections::BTreeSet::new();
        for one in elements {
            let Some((parent, last)) = text(one, "path").rsplit_once('.') else { continue };
            let types: Vec<&str> = one["type"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let names: Vec<String> = match last.strip_suffix("[x]") {
                None => vec![last.to_owned()],
                Some(base) => types.iter().map(|of| format!("{base}{}", capitalized(of))).collect(),
            };
            for name in names {
                let found = Type::named(parent).and_then(|parent| parent.element(&name));
                let found = found.unwrap_or_else(|| panic!("no {parent}.{name}"));
                assert_eq!(found.is_array(), text(one, "max") != "1", "{parent}.{name}");
                assert_eq!(found.is_required(), one["min"].as_u64() > Some(0), "{parent}.{name}");
                assert_eq!(found.is_modifier(), one["isModifier"] == true, "{parent}.{name}");
                assert_eq!(found.choice(), last.strip_suffix("[x]"), "{parent}.{name}");
                if let Some(reference) = one["contentReference"].as_str() {
                    assert_eq!(found.of().name(), reference.trim_start_matches('#'));
                } else if let (Kind::Backbone, [kind]) = (found.of().kind(), types.as_slice()) {
                    assert!(matches!(*kind, "BackboneElement" | "Element"), "{parent}.{name}: {kind}");
                    assert_eq!(found.of().name(), format!("{parent}.{name}"));
                } else if let (None, [kind]) = (found.choice(), types.as_slice())
                    && !kind.contains('/')
                    && ResourceType::parse(kind).is_none()
                {
                    assert_eq!(found.of().name(), *kind, "{parent}.{name}");
                }
                expected.insert((parent.to_owned(), name));
                compared += 1;
            }
        }
        let own = Type::all().filter(|own| own.name() == root || own.name().starts_with(&format!("{root}.")));
        let found: usize = own.map(|own| own.elements().len()).sum();
        assert_eq!(found, expected.len(), "{root}");
    }
    assert!(compared > 500, "{compared} elements");
}

#[test]
fn every_resource_and_every_type_that_an_element_has_is_there() {
    for name in ResourceType::names() {
        let own = Type::named(name).unwrap();
        assert_eq!((own.kind(), own.element("id").unwrap().of().name()), (Kind::Resource, "id"), "{name}");
    }
    for own in Type::all() {
        assert!(own.elements().is_sorted_by(|one, other| one.name() < other.name()), "{own:?}");
        assert!(own.elements().iter().all(|element| !element.of().name().is_empty()), "{own:?}");
        assert_eq!(own.elements().is_empty(), matches!(own.kind(), Kind::Primitive | Kind::AnyResource), "{own:?}");
    }
    assert_eq!(Type::all().filter(|own| own.kind() == Kind::Resource).count(), 146);
}

/// Packages that carry the definitions add to them, and put elements of R5 in place of R4's.
#[test]
fn what_r4_does_not_have_is_not_there() {
    let has = |parent: &str, name: &str| Type::named(parent).is_some_and(|parent| parent.element(name).is_some());
    for (parent, name) in [
        ("Meta", "project"),
        ("Meta", "accounts"),
        ("Binary", "url"),
        ("DeviceDefinition", "classification"),
        ("EvidenceVariable.characteristic", "linkId"),
        ("ObservationDefinition", "publisher"),
        ("ResearchStudy", "name"),
        ("Patient", "animal"),
    ] {
        assert!(!has(parent, name), "{parent}.{name}");
    }
    assert!(has("EvidenceVariable.characteristic", "groupMeasure") && has("Extension", "valueMeta"));
    assert!(has("ExampleScenario.instance", "resourceType") && has("Invoice", "totalPriceComponent"));
}

#[test]
fn choices_content_references_and_resources_inside_resolve() {
    let of = |parent: &str, name: &str| Type::named(parent).unwrap().element(name).map(|found| found.of().name());
    assert_eq!(of("Observation", "valueQuantity"), Some("Quantity"));
    assert_eq!(of("Observation", "value"), None);
    assert_eq!(Type::named("Observation").unwrap().choice("value").count(), 11);
    assert_eq!(of("Observation.component", "referenceRange"), Some("Observation.referenceRange"));
    assert_eq!(of("Questionnaire.item", "item"), Some("Questionnaire.item"));
    assert_eq!(of("Patient", "contained"), Some("Resource"));
    assert_eq!(of("Bundle.entry.response", "outcome"), Some("Resource"));
    assert_eq!(of("Parameters.parameter", "part"), Some("Parameters.parameter"));
    assert_eq!(of("Extension", "valueHumanName"), Some("HumanName"));
    assert_eq!(of("Narrative", "div"), Some("xhtml"));
    assert_eq!(of("Timing.repeat", "boundsPeriod"), Some("Period"));
    assert_eq!(Type::twin().map(|twin| twin.elements().len()), Some(2));
}

fn capitalized(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().into_iter().flat_map(char::to_uppercase).chain(characters).collect()
}
