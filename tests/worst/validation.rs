//! Documents of a megabyte, each made to be the worst for the shape of R4 or for a JSON Schema.

use carewarden::exchange::{Engine, Exchange, Facts, Host};
use carewarden::http::Headers;
use carewarden::identity::NoHost;
use carewarden::json::Limits;
use carewarden::validate::Shape;
use serde_json::{Value, json};

const SIZE: usize = 1 << 20;

/// Reads the shape of a document. Answers whether it is R4's, if it is JSON.
pub(crate) fn shape(text: &str) -> Option<bool> {
    let limits = Limits { max_keys: 1 << 20, max_depth: 64, ..Limits::default() };
    Shape::check(text.as_bytes(), &limits).ok().map(|shaped| shaped.violation.is_none())
}

/// A text of about a megabyte: `one` again and again.
fn filled(before: &str, one: &str, between: &str, after: &str) -> String {
    let count = (SIZE - before.len() - after.len()) / (one.len() + between.len());
    format!("{before}{}{after}", vec![one; count].join(between))
}

/// A Bundle as clients send it.
pub(crate) fn ordinary_shape() -> String {
    let patient = r#"{"resource": {"resourceType": "Patient", "name": [{"family": "Doe", "given": ["A", "B"]}], "active": true,
        "birthDate": "1970-01-01", "identifier": [{"system": "urn:x", "value": "1"}]}}"#;
    filled(r#"{"resourceType": "Bundle", "type": "batch", "entry": ["#, patient, ",", "]}")
}

/// The worst for the shape, by name.
pub(crate) fn hostile_shapes() -> Vec<(&'static str, String)> {
    vec![
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
    ]
}

/// An engine whose one route has a schema.
pub(crate) fn engine() -> Engine {
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
    engine.unwrap_or_else(|| panic!("{found:?}"))
}

/// A document that is valid by it.
pub(crate) fn ordinary_document() -> String {
    let one = r#"{"family": "abababc", "given": ["Amira", "Ngozi"], "xy": 1, "note": "an ordinary note about nothing"}"#;
    filled(r#"{"names": ["#, one, ",", "]}")
}

/// The worst for the schema, by name.
pub(crate) fn hostile_documents() -> Vec<(&'static str, String)> {
    vec![
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
    ]
}

fn nested(depth: usize) -> String {
    let inner = (0..depth).fold(Value::from("x"), |inner, _| json!({"names": [{"z": inner}]}));
    json!({"z": inner}).to_string()
}

/// Judges a request with this body. Answers the reason of the decision.
pub(crate) fn post(engine: &Engine, body: &str) -> &'static str {
    let host = Host { now_ns: 1, facts: &Connection, verifier: &NoHost };
    let head = [(":method", "POST"), (":path", "/a"), (":authority", "a.example"), ("content-type", "application/json")];
    let mut exchange = Exchange::new(engine, 1);
    exchange.request_head(Some(Headers::from_pairs(head)), false, &host);
    exchange.request_body(body.len(), true, &|| Some(body.as_bytes().to_vec()), &host);
    exchange.close(1, None).reason
}

/// A connection of no interest.
struct Connection;

impl Facts for Connection {
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
