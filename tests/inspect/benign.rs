//! Ordinary healthcare traffic, which nothing at `standard` may refuse: resources of every R4 type, made from the tables
//! and filled with names, notes, doses, codes, addresses and attachments that look like something else.

use std::collections::BTreeSet;

use carewarden::fhir::elements::{Kind, Type};
use carewarden::inspect::{Level, Settings};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::support::{Verdict, body, encode, form, head, settings};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pool {
    names: Vec<String>,
    codes: Vec<String>,
    urls: Vec<String>,
    notes: Vec<String>,
    narratives: Vec<String>,
    base64: Vec<String>,
    queries: Vec<String>,
    headers: Vec<(String, String)>,
    cookies: Vec<String>,
}

fn pool() -> Pool {
    serde_json::from_str(include_str!("benign.json")).unwrap()
}

/// Makes resources. The same seed makes the same ones.
struct Maker<'p> {
    pool: &'p Pool,
    seed: u64,
}

/// How deep resources go.
const DEPTH: usize = 5;

impl Maker<'_> {
    fn number(&mut self, below: usize) -> usize {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) as usize % below
    }

    fn pick(&mut self, of: &[String]) -> Value {
        of[self.number(of.len())].clone().into()
    }

    fn resource(&mut self, of: Type, depth: usize) -> Value {
        let mut resource = self.object(of, depth);
        resource.insert("resourceType".to_owned(), of.name().into());
        Value::Object(resource)
    }

    fn object(&mut self, of: Type, depth: usize) -> Map<String, Value> {
        let mut object = Map::new();
        let mut chosen = BTreeSet::new();
        for element in of.elements() {
            let is_deep = depth >= DEPTH && element.of().kind() != Kind::Primitive;
            let is_left_out = depth > 1 && !element.is_required() && self.number(3) != 0;
            // Of a choice one may stand.
            let is_taken = element.choice().is_some_and(|choice| chosen.contains(choice) || self.number(4) != 0);
            if is_deep || is_left_out || is_taken || element.name().starts_with('_') {
                continue;
            }
            chosen.extend(element.choice());
            let Some(value) = self.value(element.of(), element.name(), depth + 1) else { continue };
            let value = if element.is_array() { json!([value]) } else { value };
            object.insert(element.name().to_owned(), value);
        }
        object
    }

    fn value(&mut self, of: Type, name: &str, depth: usize) -> Option<Value> {
        let pool = self.pool;
        Some(match of.kind() {
            Kind::AnyResource if depth <= 2 => self.resource(Type::named("Observation").unwrap(), DEPTH - 1),
            Kind::AnyResource => return None,
            Kind::Complex | Kind::Backbone | Kind::Resource => {
                let object = self.object(of, depth);
                return (!object.is_empty()).then_some(Value::Object(object));
            }
            Kind::Primitive => match of.name() {
                "boolean" => json!(true),
                "integer" | "positiveInt" | "unsignedInt" => json!(7),
                "decimal" => json!(1.5),
                "xhtml" => self.pick(&pool.narratives),
                "base64Binary" => self.pick(&pool.base64),
                "uri" | "url" | "canonical" | "oid" | "uuid" => self.pick(&pool.urls),
                "code" | "id" => self.pick(&pool.codes),
                "date" => json!("1974-12-25"),
                "dateTime" | "instant" => json!("2015-02-07T13:28:17.239+02:00"),
                "time" => json!("11:15:33"),
                _ if matches!(name, "family" | "given" | "display" | "prefix" | "suffix" | "name" | "city") => {
                    self.pick(&pool.names)
                }
                _ if matches!(name, "reference") => self.pick(&pool.urls),
                _ => self.pick(&pool.notes),
            },
        })
    }
}

#[track_caller]
fn passes(what: &str, verdict: Verdict, wrong: &mut Vec<String>) {
    if verdict.is_refusal() {
        wrong.push(format!("{what}\n    {verdict:?}"));
    }
}

fn texts(pool: &Pool) -> impl Iterator<Item = &String> {
    pool.names.iter().chain(&pool.codes).chain(&pool.urls).chain(&pool.notes)
}

#[test]
fn resources_of_all_types_pass() {
    let (pool, settings, mut wrong) = (pool(), settings(Level::Standard), Vec::new());
    let (mut types, mut bytes) = (BTreeSet::new(), 0);
    for of in Type::all().filter(|of| of.kind() == Kind::Resource && !of.elements().is_empty()) {
        for seed in 1..=4 {
            let resource = Maker { pool: &pool, seed }.resource(of, 0);
            let text = resource.to_string();
            bytes += text.len();
            types.insert(of.name());
            passes(&format!("{} {seed}", of.name()), body(&settings, &text, true), &mut wrong);
        }
    }
    assert!(types.len() >= 140 && bytes > 1 << 20, "{} types, {bytes} bytes", types.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn texts_pass_wherever_a_body_has_them() {
    let (pool, settings, mut wrong) = (pool(), settings(Level::Standard), Vec::new());
    for text in texts(&pool) {
        let quoted = serde_json::to_string(text).unwrap();
        passes(text, body(&settings, &format!(r#"{{"note": [{{"text": {quoted}}}]}}"#), false), &mut wrong);
        passes(text, form(&settings, &format!("note={}", encode(text, ""))), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_codes_and_addresses_pass_as_parameters() {
    let (pool, settings, mut wrong) = (pool(), settings(Level::Standard), Vec::new());
    for text in pool.names.iter().chain(&pool.codes).chain(&pool.urls) {
        passes(text, head(&settings, &format!("/fhir/Patient?x={}", encode(text, "")), &[]), &mut wrong);
    }
    for query in &pool.queries {
        passes(query, head(&settings, &format!("/fhir/Observation?{query}"), &[]), &mut wrong);
    }
    for path in [
        "/fhir/Patient/1",
        "/fhir/metadata",
        "/fhir/.well-known/smart-configuration",
        "/fhir/Patient/1.2.3-a/_history/2",
        "/fhir/Patient/1/$everything",
        "/fhir/Observation/_search",
        "/fhir/ValueSet/$expand",
        "/fhir/Binary/53fefa32-fcbb-4ff8-8a92-55ee120877b7",
        "/",
        "/api/v1/clinics/st-mary's/providers/O'Brien",
        "/tenants/a%20b/reports/2024-01.pdf",
    ] {
        passes(path, head(&settings, path, &[]), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn headers_and_cookies_pass() {
    let (pool, settings, mut wrong) = (pool(), settings(Level::Standard), Vec::new());
    for (name, value) in &pool.headers {
        passes(value, head(&settings, "/fhir/Patient", &[(name, value.as_bytes())]), &mut wrong);
    }
    for cookies in &pool.cookies {
        passes(cookies, head(&settings, "/fhir/Patient", &[("cookie", cookies.as_bytes())]), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A long note of ordinary words does not use up the budget.
#[test]
fn a_body_of_a_megabyte_of_notes_passes() {
    let (pool, settings) = (pool(), settings(Level::Standard));
    let all: Vec<_> = pool.notes.iter().map(String::as_str).collect();
    let text = all.join(". ").repeat(260);
    let one = serde_json::to_string(&text).unwrap();
    assert!(one.len() > 900_000);
    assert_ne!(body(&settings, &format!(r#"{{"note": {one}}}"#), false), Verdict::OverBudget);
    let bundle: Vec<_> = (0..120).flat_map(|_| pool.notes.iter()).collect();
    assert_eq!(body(&settings, &serde_json::to_string(&bundle).unwrap(), false), Verdict::Pass);
    let _: &Settings = &settings;
}
