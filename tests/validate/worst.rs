//! The worst document for each part takes at most ten times as long as an ordinary one of its size.

use std::time::{Duration, Instant};

use carewarden::exchange::Engine;
use carewarden::json::Limits;
use carewarden::validate::Shape;
use serde_json::{Value, json};

const SIZE: usize = 1 << 20;

fn limits() -> Limits {
    Limits { max_keys: 1 << 20, max_depth: 64, ..Limits::default() }
}

/// The best of three.
fn time(mut run: impl FnMut()) -> Duration {
    let once = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..3).map(|_| once(&mut run)).min().expect("three runs")
}

/// A text of about a megabyte: `one` again and again.
fn filled(before: &str, one: &str, between: &str, after: &str) -> String {
    let count = (SIZE - before.len() - after.len()) / (one.len() + between.len());
    format!("{before}{}{after}", vec![one; count].join(between))
}

#[test]
fn no_document_takes_the_shape_much_longer() {
    let patient = r#"{"resource": {"resourceType": "Patient", "name": [{"family": "Doe", "given": ["A", "B"]}], "active": true,
        "birthDate": "1970-01-01", "identifier": [{"system": "urn:x", "value": "1"}]}}"#;
    let ordinary = filled(r#"{"resourceType": "Bundle", "type": "batch", "entry": ["#, patient, ",", "]}");
    let check = |text: &str| {
        drop(Shape::check(text.as_bytes(), &limits()).expect("JSON"));
    };
    let base = time(|| check(&ordinary));
    for (name, worst) in [
        (
            "types last",
            filled(
                r#"{"type": "batch", "entry": ["#,
                r#"{"resource":{"id":"a","resourceType":"Patient"}}"#,
                ",",
                r#"], "resourceType": "Bundle"}"#,
            ),
        ),
        ("small objects", filled(r#"{"resourceType": "Patient", "name": ["#, r#"{"id":"x"}"#, ",", "]}")),
        ("nulls", filled(r#"{"resourceType": "Patient", "name": [{"given": ["#, "null", ",", "]}]}")),
        (
            "extensions",
            filled(r#"{"resourceType": "Patient", "extension": ["#, r#"{"url":"x","valueCode":"y"}"#, ",", "]}"),
        ),
        (
            "the largest type",
            filled(
                r#"{"resourceType": "StructureDefinition", "url": "x", "name": "x", "status": "draft", "kind": "logical", "abstract": false, "type": "x", "snapshot": {"element": ["#,
                r#"{"path":"x","fixedCode":"y"}"#,
                ",",
                "]}}",
            ),
        ),
        (
            "unjudged",
            filled(r#"{"id": "a", "contact": ["#, r#"{"a":{"resourceType":"X"}}"#, ",", r#"], "resourceType": "Patient"}"#),
        ),
    ] {
        let took = time(|| check(&worst));
        assert!(took < base * 10, "{name}: {took:?} against {base:?}");
    }
}

#[test]
fn no_document_takes_the_schema_much_longer() {
    let schema = json!({
        "type": "object",
        "properties": {
            "names": {"type": "array", "items": {"type": "object", "properties": {
                "family": {"type": "string", "pattern": "^(a|b|ab)*c?$", "maxLength": 100000}, "given": {"type": "array", "uniqueItems": true}},
                "patternProperties": {"^x(.*y)*$": {"type": "integer"}}, "additionalProperties": {"anyOf": [{"type": "string"}, {"$ref": "#"}]}}},
            "unique": {"type": "array", "uniqueItems": true},
            "one": {"type": "array", "contains": {"const": 1}, "items": {"oneOf": [{"type": "integer"}, {"type": "array", "maxItems": 3}, {"enum": ["a", "b"]}]}}
        },
        "unevaluatedProperties": false
    });
    let policy = json!({
        "version": 1, "name": "p", "schemas": {"s": schema},
        "routes": [{"name": "r", "match": {"paths": ["/a"]}, "authenticate": "none", "require_tls": false, "authorize": [{"allow": {}}],
            "request": {"schema": "s", "max_body": "2MiB", "json": {"max_keys": 1000000, "max_depth": 64}}}]
    });
    let (engine, found) = Engine::load(policy.to_string().as_bytes(), &|_| None);
    let engine = engine.unwrap_or_else(|| panic!("{found:?}"));
    let base_text = filled(
        r#"{"names": ["#,
        r#"{"family": "abababc", "given": ["Amira", "Ngozi"], "xy": 1, "note": "an ordinary note about nothing"}"#,
        ",",
        "]}",
    );
    let base = time(|| post(&engine, &base_text));
    for (name, worst) in [
        ("a long text for a pattern", format!(r#"{{"names": [{{"family": "{}"}}]}}"#, "ab".repeat(49_000))),
        ("long names for a pattern", filled(r#"{"names": ["#, &format!(r#"{{"x{}": 1}}"#, "y".repeat(200)), ",", "]}")),
        (
            "many different values",
            format!(r#"{{"unique": [{}]}}"#, (0..140_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",")),
        ),
        (
            "many small arrays that differ",
            format!(r#"{{"unique": [{}]}}"#, (0..100_000).map(|n| format!("[{n}]")).collect::<Vec<_>>().join(",")),
        ),
        ("choices that none holds at the end", filled(r#"{"one": ["#, "1", ",", r#", "c"]}"#)),
        ("choices", filled(r#"{"one": ["#, r#""a""#, ",", "]}")),
        ("nested choices", filled(r#"{"names": ["#, &nested(12), ",", "]}")),
    ] {
        let took = time(|| post(&engine, &worst));
        assert!(took < base * 10, "{name}: {took:?} against {base:?}");
    }
}

fn nested(depth: usize) -> String {
    let inner = (0..depth).fold(Value::from("x"), |inner, _| json!({"names": [{"z": inner}]}));
    json!({"z": inner}).to_string()
}

/// Judges a request with this body.
pub(crate) fn post(engine: &Engine, body: &str) {
    use carewarden::exchange::{Exchange, Host};
    use carewarden::http::Headers;
    use carewarden::identity::NoHost;
    let host = Host { now_ns: 1, facts: &Connection, verifier: &NoHost };
    let head = [(":method", "POST"), (":path", "/a"), (":authority", "a.example"), ("content-type", "application/json")];
    let mut exchange = Exchange::new(engine, 1);
    exchange.request_head(Some(Headers::from_pairs(head)), false, &host);
    exchange.request_body(body.len(), true, &|| Some(body.as_bytes().to_vec()), &host);
    let record = exchange.close(1, None);
    assert!(matches!(record.reason, "allowed" | "schema_violation"), "{}", record.reason);
}

/// A connection of no interest.
pub(crate) struct Connection;

impl carewarden::exchange::Facts for Connection {
    fn source(&self) -> Option<std::net::IpAddr> {
        None
    }
    fn is_tls(&self) -> bool {
        true
    }
    fn envoy_route(&self) -> Option<String> {
        None
    }
    fn certificate_sha256(&self) -> Option<[u8; 32]> {
        None
    }
    fn is_from_upstream(&self) -> bool {
        true
    }
}
