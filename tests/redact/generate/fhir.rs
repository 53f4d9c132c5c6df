//! Resources of random types, out of the tables of R4, with what real ones have and what no server should send: twins,
//! contained resources, Bundles, Parameters, members that R4 does not have, values of another form.

use carewarden::fhir::ResourceType;
use carewarden::fhir::elements::{Element, Kind, Type};

use super::json;
use crate::random::Random;
use crate::reference::Node;

/// How deep elements stand in elements.
const DEPTH: usize = 4;

/// Types that hold others, that lose modifiers, or whose dates have to be there.
const OFTEN: &[&str] = &["Patient", "Observation", "Bundle", "Parameters", "AuditEvent", "Condition", "Group"];

/// Elements whose form says where resources may stand: another is refused.
const FORMED: &[&str] = &[
    "Bundle.entry",
    "Bundle.entry.response",
    "Parameters.parameter",
    "Parameters.parameter.part",
    "ExampleScenario.instance",
];

/// A resource.
pub(crate) fn root(random: &mut Random<'_>, count: &mut usize) -> Node {
    resource(random, DEPTH, count)
}

fn resource(random: &mut Random<'_>, depth: usize, count: &mut usize) -> Node {
    let kind = if random.one_in(3) { random.of(ResourceType::names()) } else { random.of(OFTEN) };
    let of = Type::named(kind).expect("a resource type");
    let mut own = members(random, of, depth, count);
    for name in ["meta", "contained", "entry", "parameter"] {
        let has = own.iter().any(|(key, _)| crate::reference::name_of(key) == name);
        if let Some(element) = of.element(name).filter(|_| !has && random.one_in(2)) {
            let at = random.below(own.len() + 1);
            own.insert(at, (json::key(random, name), value(random, of, element, depth, count)));
        }
    }
    let at = if random.one_in(3) { random.below(own.len() + 1) } else { 0 };
    own.insert(at, (json::key(random, "resourceType"), Node::Scalar(format!("\"{kind}\""))));
    Node::Object(Some(kind), own)
}

fn members(random: &mut Random<'_>, of: Type, depth: usize, count: &mut usize) -> Vec<(String, Node)> {
    let mut members: Vec<(String, Node)> = Vec::new();
    let (mut choices, elements) = (Vec::new(), of.elements());
    let mut add = |random: &mut Random<'_>, name: &str, value: Node| {
        let at = if random.one_in(2) { random.below(members.len() + 1) } else { members.len() };
        if !members.iter().any(|(key, _)| crate::reference::name_of(key) == name) {
            members.insert(at, (json::key(random, name), value));
        }
    };
    for _ in 0..1 + random.below(5).min(elements.len()) {
        let Some(element) = elements.get(random.below(elements.len().max(1))) else { break };
        let choice = element.choice().unwrap_or(element.name());
        if choices.contains(&choice) || depth == 0 && element.of().kind() != Kind::Primitive {
            continue;
        }
        choices.push(choice);
        let value = value(random, of, element, depth, count);
        add(random, element.name(), value);
        if element.of().kind() == Kind::Primitive && depth > 0 && random.one_in(4) {
            let twin = twin(random, element, depth - 1, count);
            add(random, &format!("_{}", element.name()), twin);
        }
    }
    if random.one_in(8) {
        let value = json::value(random, 2, count);
        let name = random.of(&["zz", "_zz", "a"]);
        add(random, name, value);
    }
    members
}

fn twin(random: &mut Random<'_>, element: &Element, depth: usize, count: &mut usize) -> Node {
    let of = Type::twin().expect("Element");
    let mut one = |random: &mut Random<'_>| Node::Object(None, members(random, of, depth.min(1), count));
    if element.is_array() {
        let places = 1 + random.below(3);
        Node::Array((0..places).map(|_| if random.one_in(2) { Node::Scalar("null".into()) } else { one(random) }).collect())
    } else {
        one(random)
    }
}

fn value(random: &mut Random<'_>, around: Type, element: &Element, depth: usize, count: &mut usize) -> Node {
    let of = element.of();
    let path = format!("{}.{}", around.name(), element.name());
    let is_formed = of.kind() == Kind::AnyResource || FORMED.contains(&&*path) || FORMED.contains(&of.name());
    if !is_formed && random.one_in(24) {
        return json::value(random, 2, count);
    }
    if element.is_array() {
        Node::Array((0..random.below(4)).map(|_| one(random, of, depth, count)).collect())
    } else {
        one(random, of, depth, count)
    }
}

fn one(random: &mut Random<'_>, of: Type, depth: usize, count: &mut usize) -> Node {
    let scalar = |text: &str| Node::Scalar(text.to_owned());
    match (of.kind(), of.name()) {
        (Kind::AnyResource, _) if depth == 0 => {
            Node::Object(Some("Basic"), vec![("\"resourceType\"".into(), scalar("\"Basic\""))])
        }
        (Kind::AnyResource, _) => resource(random, depth - 1, count),
        (Kind::Primitive, "boolean") => scalar(random.of(&["true", "false"])),
        (Kind::Primitive, "integer" | "positiveInt" | "unsignedInt" | "decimal") => {
            scalar(random.of(&["1", "-0", "95", "1.50", "2e3"]))
        }
        (Kind::Primitive, "date" | "dateTime" | "instant") => scalar(random.of(&[
            "\"1980\"",
            "\"1980-05\"",
            "\"1980-05-06\"",
            "\"1900-01-01\"",
            "\"2015-02-07T13:28:17.239Z\"",
            "\"2015-02-07T13:28:17+01:00\"",
            "\"soon\"",
        ])),
        (Kind::Primitive, "code" | "uri" | "string") if random.one_in(4) => {
            scalar(random.of(&["\"x\"", "\"y\"", "\"a\"", "\"98052\"", "\"03601-1234\"", "\"SW1A 1AA\"", "\"urn:x\""]))
        }
        (Kind::Primitive, _) => Node::Scalar(json::text(random, count)),
        (_, "Age" | "Quantity") if random.one_in(2) => quantity(random),
        _ => Node::Object(None, members(random, of, depth.saturating_sub(1), count)),
    }
}

fn quantity(random: &mut Random<'_>) -> Node {
    let mut members = Vec::new();
    for (key, values) in [
        ("value", &["40", "89.5", "90", "95", "1e3", "\"95\"", "-1"][..]),
        ("comparator", &["\"<\"", "\">\"", "\">=\"", "\"~\""]),
        ("unit", &["\"years\"", "\"Years\"", "\"mm\""]),
        ("system", &["\"http://unitsofmeasure.org\"", "\"http://unitsofmeasure.org\"", "\"urn:x\""]),
        ("code", &["\"a\"", "\"a\"", "\"mo\"", "\"mm\""]),
    ] {
        if random.one_in(2) || key == "value" && !random.one_in(4) {
            members.push((format!("\"{key}\""), Node::Scalar(random.of(values).to_owned())));
        }
    }
    Node::Object(None, members)
}
