//! Valid documents of random content, out of the tables of R4, and every way to break one.

use carewarden::fhir::elements::{Element, Kind, Type};
use serde_json::{Map, Value, json};

/// Small and good enough, and the same everywhere (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).expect("32 bits") % limit
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// A resource of this type that R4 describes.
pub(crate) fn resource(random: &mut Random, of: Type, depth: usize) -> Value {
    let mut members = Map::new();
    members.insert("resourceType".to_owned(), of.name().into());
    fill(random, of, depth, &mut members);
    members.into()
}

/// Adds what is required, and some of what is not.
fn fill(random: &mut Random, of: Type, depth: usize, members: &mut Map<String, Value>) {
    let mut chosen: Vec<&'static str> = Vec::new();
    let elements = of.elements();
    let required: Vec<&Element> = elements.iter().filter(|element| element.is_required()).collect();
    let mut add = |random: &mut Random, element: &'static Element, members: &mut Map<String, Value>| {
        let group = element.choice().unwrap_or(element.name());
        if chosen.contains(&group) {
            return;
        }
        chosen.push(group);
        members.insert(element.name().to_owned(), value(random, element, depth));
        if element.of().kind() == Kind::Primitive && random.one_in(6) {
            let twin = json!({ "extension": [{ "url": "urn:x", "valueString": "x" }] });
            let twin = if element.is_array() { json!([null, twin]) } else { twin };
            members.insert(format!("_{}", element.name()), twin);
        }
    };
    for group in required.iter().map(|element| element.choice().unwrap_or(element.name())) {
        let of_group: Vec<_> =
            elements.iter().filter(|element| element.choice().unwrap_or(element.name()) == group).collect();
        let chosen = of_group[random.below(of_group.len())];
        add(random, chosen, members);
    }
    let most = if depth == 0 { 1 } else { 5 };
    for _ in 0..most {
        let Some(element) = elements.get(random.below(elements.len().max(1))) else { break };
        if depth > 0 || element.of().kind() == Kind::Primitive {
            add(random, element, members);
        }
    }
    if members.is_empty() || members.len() == 1 && members.contains_key("resourceType") && of.element("id").is_none() {
        members.insert("id".to_owned(), "x".into());
    }
}

fn value(random: &mut Random, element: &'static Element, depth: usize) -> Value {
    if !element.is_array() {
        return one(random, element.of(), depth);
    }
    let count = 1 + random.below(2);
    (0..count).map(|_| one(random, element.of(), depth)).collect()
}

fn one(random: &mut Random, of: Type, depth: usize) -> Value {
    match (of.kind(), of.name()) {
        (Kind::Primitive, "boolean") => random.one_in(2).into(),
        (Kind::Primitive, "decimal") => json!(1.5),
        (Kind::Primitive, "integer" | "unsignedInt" | "positiveInt") => random.below(100).into(),
        (Kind::Primitive, "id") => "a-1.B".into(),
        (Kind::Primitive, "date") => "2026-11-23".into(),
        (Kind::Primitive, "dateTime" | "instant") => "2026-11-23T12:00:00Z".into(),
        (Kind::Primitive, "xhtml") => "<div xmlns=\"http://www.w3.org/1999/xhtml\">5 &lt; 6</div>".into(),
        (Kind::Primitive, _) => ["x", "O'Brien; DROP TABLE", "{\"a\": [1]}", "ü\n"][random.below(4)].into(),
        (Kind::AnyResource, _) => {
            let names = ["Basic", "Patient", "Device", "Observation"];
            let of = Type::named(names[random.below(names.len())]).expect("a type");
            resource(random, of, depth.saturating_sub(1))
        }
        _ => {
            let mut members = Map::new();
            fill(random, of, depth.saturating_sub(1), &mut members);
            members.into()
        }
    }
}

/// The document with `resourceType` last in each resource.
pub(crate) fn late(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let (types, others): (Vec<_>, Vec<_>) = members.iter().partition(|(key, _)| *key == "resourceType");
            let members = others.into_iter().chain(types).map(|(key, member)| (key.clone(), late(member)));
            Value::Object(members.collect())
        }
        Value::Array(items) => items.iter().map(late).collect(),
        other => other.clone(),
    }
}

/// One way to break a document: what was done, and what came of it.
pub(crate) struct Broken {
    pub(crate) how: String,
    pub(crate) document: Value,
}

/// Every way to break a document of this type in one place.
pub(crate) fn breaks(document: &Value) -> Vec<Broken> {
    let mut all = Vec::new();
    let name = document["resourceType"].as_str().expect("a resource");
    break_in(document, Type::named(name).expect("a type"), name, &|changed| changed, &mut all);
    all
}

type Rebuild<'r> = &'r dyn Fn(Value) -> Value;

fn break_in(object: &Value, of: Type, path: &str, rebuild: Rebuild<'_>, all: &mut Vec<Broken>) {
    let members = object.as_object().expect("an object");
    let mut note = |how: String, changed: Map<String, Value>| {
        all.push(Broken { how: format!("{path}: {how}"), document: rebuild(changed.into()) });
    };
    let without = |key: &str| {
        let mut changed = members.clone();
        changed.shift_remove(key);
        changed
    };
    let with = |key: &str, value: Value| {
        let mut changed = members.clone();
        changed.insert(key.to_owned(), value);
        changed
    };
    note("an element more".into(), with("shoeSize", json!(42)));
    note("a twin of nothing".into(), with("_shoeSize", json!({ "id": "x" })));
    if members.contains_key("resourceType") {
        note("no type".into(), without("resourceType"));
        note("another type".into(), with("resourceType", json!("Shoe")));
    } else {
        note("a type".into(), with("resourceType", json!("Patient")));
    }
    for (key, value) in members {
        let Some(element) = of.element(key) else { continue };
        let has_twin = members.contains_key(&format!("_{key}"));
        if element.is_required() && !has_twin {
            note(format!("without {key}"), without(key));
        }
        let mut renamed = without(key);
        renamed.insert(format!("{key}z"), value.clone());
        note(format!("{key} renamed"), renamed);
        note(format!("{key} empty"), with(key, json!([])));
        note(format!("{key} null"), with(key, Value::Null));
        let first = || value.as_array().and_then(|items| items.first()).cloned().unwrap_or_default();
        let turned = if element.is_array() { first() } else { json!([value]) };
        note(format!("{key} not an array, or one"), with(key, turned));
        for other in [json!(true), json!(1.5), json!("x y"), json!({ "shoeSize": 1 })] {
            let fits = fits(element.of(), &other);
            let other = if element.is_array() { json!([other]) } else { other };
            if !fits {
                note(format!("{key} of another kind: {other}"), with(key, other));
            }
        }
        if let Some(choice) = element.choice()
            && let Some(second) = of.choice(choice).find(|second| second.name() != key && second.of().name() == "string")
        {
            note(format!("{key} and another of its choice"), with(second.name(), json!("x")));
        }
    }
    for (key, value) in members {
        let Some(element) = of.element(key).filter(|element| element.of().kind() != Kind::Primitive) else { continue };
        let inner = |index: Option<usize>, value: &Value, all: &mut Vec<Broken>| {
            let own = value["resourceType"].as_str().and_then(Type::named);
            let of = own.filter(|_| element.of().kind() == Kind::AnyResource).unwrap_or(element.of());
            let rebuild = |changed: Value| {
                let mut members = members.clone();
                match index {
                    Some(index) => members[key.as_str()][index] = changed,
                    None => members[key.as_str()] = changed,
                }
                rebuild(members.into())
            };
            break_in(value, of, &format!("{path}.{key}"), &rebuild, all);
        };
        match value {
            Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| inner(Some(index), item, all)),
            other => inner(None, other, all),
        }
    }
}

/// Whether JSON of this kind could be a value of a type.
fn fits(of: Type, value: &Value) -> bool {
    match of.kind() {
        Kind::Primitive => match of.name() {
            "boolean" => value.is_boolean(),
            "decimal" => value.is_number(),
            "integer" | "unsignedInt" | "positiveInt" => value.is_i64(),
            "id" => false,
            _ => value.is_string(),
        },
        _ => false,
    }
}
