use serde_json::json;

use super::*;

/// Compiles a schema, or gives each problem as `code pointer`.
fn compiled(schema: &Value, formats: bool) -> Result<Schema, Vec<String>> {
    let text = schema.to_string();
    let mut report = Report::new(&text);
    let node = Node::parse(&text, &mut report).unwrap();
    let compiled = Schema::compile(schema, formats, &node, &mut report);
    let problems = report.into_vec();
    assert_eq!(compiled.is_none(), !problems.is_empty(), "{problems:?}");
    assert!(problems.iter().all(|found| found.help.is_some()), "{problems:?}");
    compiled.ok_or_else(|| problems.iter().map(|found| format!("{} {}", found.code.as_str(), found.pointer)).collect())
}

fn violation(schema: &Value, document: &Value) -> Option<String> {
    let schema = compiled(schema, false).unwrap_or_else(|problems| panic!("{problems:?}"));
    schema.check(document).err().map(|found| found.to_string())
}

#[test]
fn a_violation_names_pointer_and_keyword_and_nothing_that_was_sent() {
    let schema = json!({
        "type": "object",
        "properties": {"name": {"type": "array", "items": {"type": "object", "properties": {"family": {"pattern": "^[A-Z]"}}}}},
        "required": ["name"],
        "additionalProperties": {"type": "integer"}
    });
    for (document, expected) in [
        (json!({"name": [{"family": "Doe"}, {"family": "doe"}]}), Some("pattern at /name/1/family")),
        (json!({}), Some("required at (root)")),
        (json!({"name": [], "secret name": "secret value"}), Some("type at /*")),
        (json!([]), Some("type at (root)")),
        (json!({"name": [{"family": "Doe"}], "n": 1}), None),
    ] {
        let found = violation(&schema, &document);
        assert_eq!(found.as_deref(), expected, "{document}");
    }
}

#[test]
fn references_unevaluated_properties_and_dynamic_references_work() {
    let tree = json!({
        "$id": "urn:tree", "$dynamicAnchor": "node", "type": "object",
        "properties": {"children": {"type": "array", "items": {"$dynamicRef": "#node"}}},
        "unevaluatedProperties": false
    });
    assert_eq!(violation(&tree, &json!({"children": [{"children": []}]})), None);
    let found = violation(&tree, &json!({"children": [{"daat": 1}]}));
    assert_eq!(found.as_deref(), Some("unevaluatedProperties at /children/0"));

    let parts = json!({
        "$defs": {"name": {"$anchor": "name", "minLength": 2}, "a": {"properties": {"x": true}}},
        "allOf": [{"$ref": "#/$defs/a"}], "properties": {"y": {"$ref": "#name"}}, "unevaluatedProperties": false
    });
    assert_eq!(violation(&parts, &json!({"x": 1, "y": "ab"})), None);
    assert_eq!(violation(&parts, &json!({"y": "a"})).as_deref(), Some("minLength at /y"));
    assert_eq!(violation(&parts, &json!({"z": "a"})).as_deref(), Some("unevaluatedProperties at (root)"));

    let items = json!({"prefixItems": [{"type": "string"}], "unevaluatedItems": false});
    assert_eq!(violation(&items, &json!(["a", "b"])).as_deref(), Some("unevaluatedItems at (root)"));

    let embedded = json!({"$id": "https://a.example/root", "$ref": "part",
        "$defs": {"part": {"$id": "part", "type": "integer"}}});
    assert_eq!(violation(&embedded, &json!("x")).as_deref(), Some("type at (root)"));
}

#[test]
fn drafts_differ_as_they_should() {
    let seven = json!({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}],
        "additionalItems": false, "definitions": {"n": {"$id": "#n", "type": "integer"}}});
    assert_eq!(violation(&seven, &json!(["a"])), None);
    assert_eq!(violation(&seven, &json!(["a", 1])).as_deref(), Some("additionalItems at (root)"));
    let latest = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "items": [{"type": "string"}]});
    assert_eq!(compiled(&latest, false).err(), Some(vec!["invalid-value /items".to_owned()]));
    let four = json!({"$schema": "http://json-schema.org/draft-04/schema#"});
    assert_eq!(compiled(&four, false).err(), Some(vec!["not-supported /$schema".to_owned()]));
}

#[test]
fn formats_are_assertions_only_where_asked_for() {
    let schema = json!({"format": "date"});
    assert!(compiled(&schema, false).unwrap().check(&json!("no date")).is_ok());
    assert!(compiled(&schema, true).unwrap().check(&json!("no date")).is_err());
    assert!(compiled(&schema, true).unwrap().check(&json!("2026-11-23")).is_ok());
    let unknown = json!({"properties": {"a": {"format": "fhir-date"}}});
    assert!(compiled(&unknown, false).is_ok());
    let problems = compiled(&unknown, true).err().unwrap_or_default();
    assert!(matches!(problems.as_slice(), [one] if one.starts_with("invalid-value /properties/a")), "{problems:?}");
}

#[test]
fn what_leads_elsewhere_or_nowhere_is_refused_where_it_stands() {
    for (schema, expected) in [
        (json!({"$ref": "https://json-schema.org/draft/2020-12/schema"}), "not-supported /$ref"),
        (json!({"allOf": [{}, {"$ref": "other.json#/a"}]}), "not-supported /allOf/1/$ref"),
        (json!({"$ref": "file:///etc/passwd"}), "not-supported /$ref"),
        (json!({"$ref": "//evil.example/x"}), "not-supported /$ref"),
        (json!({"items": {"$ref": "#/$defs/a"}, "$defs": {"b": {}}}), "missing-reference /items/$ref"),
        (json!({"items": {"$ref": "#a"}}), "missing-reference /items/$ref"),
        (json!({"properties": {"a": {"type": "strnig"}}}), "invalid-value /properties/a/type"),
        (json!({"minLength": -1}), "invalid-value /minLength"),
        (json!("schema"), "invalid-value "),
        (json!({"properties": {"a": {"pattern": "(?=b)a"}}}), "invalid-value /properties/a/pattern"),
        (json!({"pattern": "(a)\\1"}), "invalid-value /pattern"),
        (json!({"pattern": "("}), "invalid-value /pattern"),
        (json!({"pattern": "((x{99}){99}){99}"}), "invalid-value /pattern"),
    ] {
        assert_eq!(compiled(&schema, false).err(), Some(vec![expected.to_owned()]), "{schema}");
    }
    // What looks like a reference in data is none.
    assert!(
        compiled(&json!({"const": {"$ref": "https://a.example"}, "properties": {"$ref": {"type": "string"}}}), false)
            .is_ok()
    );
}

#[test]
fn a_schema_that_refers_to_itself_ends() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}),
        json!({"$dynamicAnchor": "x", "not": {"$dynamicRef": "#x"}, "unevaluatedProperties": false}),
    ] {
        if let Ok(schema) = compiled(&schema, false) {
            drop(schema.check(&json!({"a": [1, {"b": 2}]})));
        }
    }
}

#[test]
fn a_schema_that_tries_each_level_twice_takes_no_exponential_time() {
    let schema = json!({"anyOf": [
        {"properties": {"a": {"$ref": "#"}}, "required": ["x"]},
        {"properties": {"a": {"$ref": "#"}}, "required": ["y"]},
        {"properties": {"a": {"$ref": "#"}}}
    ]});
    let schema = compiled(&schema, false).unwrap();
    let deep = (0..30).fold(json!({"a": 1}), |inner, _| json!({"a": inner}));
    let start = std::time::Instant::now();
    assert!(schema.check(&deep).is_ok());
    assert!(start.elapsed() < std::time::Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn a_choice_that_does_not_hold_is_found_where_it_stands() {
    let schema = json!({"properties": {"a": {"oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "number", "minimum": 5}], "anyOf": [true]},
        "anyOf": {"type": "object", "allOf": [true], "anyOf": [{"required": ["x"]}, {"required": ["y"]}]}}});
    assert_eq!(violation(&schema, &json!({"a": 7})).as_deref(), Some("oneOf at /a"));
    assert_eq!(violation(&schema, &json!({"a": "x", "anyOf": {}})).as_deref(), Some("anyOf at /anyOf"));
    assert_eq!(violation(&schema, &json!({"a": "x", "anyOf": {"y": 1}})), None);
    // Which of the two it is cannot be told cheaply, that one does not hold can.
    let both = json!({"anyOf": [{"properties": {"x": true}}], "unevaluatedProperties": false});
    assert_eq!(violation(&both, &json!({"x": 1})), None);
    assert_eq!(violation(&both, &json!({"y": 1})).as_deref(), Some("schema at (root)"));
}

#[test]
fn no_document_takes_exponential_time_whatever_the_schema_chooses() {
    let branch = |name: &str| json!({"properties": {"a": {"$ref": "#"}}, "required": [name]});
    for schema in [
        json!({"type": "object", "oneOf": [branch("x"), branch("y")]}),
        json!({"type": "object", "anyOf": [branch("x"), branch("y"), branch("z")]}),
        json!({"type": "object", "oneOf": [branch("x"), branch("y")], "unevaluatedProperties": false}),
        json!({"type": "object", "anyOf": [branch("a"), branch("a")], "unevaluatedProperties": false}),
        json!({"type": "object", "not": {"anyOf": [branch("x"), branch("y")]}, "if": branch("x"), "else": branch("a")}),
        json!({"type": "object", "allOf": [branch("a"), branch("a"), branch("a")]}),
        json!({"$dynamicAnchor": "n", "type": "object", "anyOf": [
            {"properties": {"a": {"$dynamicRef": "#n"}}}, {"properties": {"a": {"$dynamicRef": "#n"}}, "required": ["x"]}],
            "unevaluatedProperties": false}),
    ] {
        let compiled = compiled(&schema, false).unwrap();
        for extra in [json!({"a": 1}), json!({"a": 1, "x": 1, "y": 1})] {
            let deep = (0..30).fold(extra, |inner, _| json!({"a": inner}));
            let start = std::time::Instant::now();
            drop(compiled.check(&deep));
            assert!(start.elapsed() < std::time::Duration::from_secs(2), "{schema}");
        }
    }
}

#[test]
fn resources_are_judged_by_their_type_in_bundles_too() {
    let schema = Rc::new(compiled(&json!({"required": ["name"]}), false).unwrap());
    let schemas = Schemas::ByType([("Patient".into(), schema)].into());
    let check =
        |document: Value| schemas.check(document.to_string().as_bytes()).map_err(|found| found.unwrap().to_string());
    assert_eq!(check(json!({"resourceType": "Patient", "name": []})), Ok(()));
    assert_eq!(check(json!({"resourceType": "Device"})), Ok(()));
    assert_eq!(check(json!({"resourceType": "Patient"})), Err("required at (root)".to_owned()));
    let bundle = json!({"resourceType": "Bundle", "entry": [
        {"resource": {"resourceType": "Device"}}, {}, {"resource": {"resourceType": "Patient"}}]});
    assert_eq!(check(bundle), Err("required at /entry/2/resource".to_owned()));
    assert_eq!(schemas.check(b"1e999"), Err(None));
}
