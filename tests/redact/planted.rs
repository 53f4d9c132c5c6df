//! `hipaa-safe-harbor` over every resource type: what identifies someone is planted wherever the tables of R4 have room
//! for it, and looked for in what leaves, as bytes and after unescaping.

use std::rc::Rc;

use carewarden::fhir::ResourceType;
use carewarden::fhir::elements::{Element, Kind, Type};
use carewarden::redact::{Format, Options, Program, compile_preset};
use serde_json::{Map, Value, json};

use crate::support::{PHI_KEY, run};

/// How deep elements are planted in elements: as deep as it goes in the first turn, less so in those for other choices.
const DEPTH: usize = 4;
const LESS_DEEP: usize = 2;

/// What a planted text contains, in any position.
const MARK: &str = "Zplanted";

/// A day whose month and day must not be left; no year has these digits.
const DAY: &str = "2019-10-27";

/// What may leave of what someone could write there: each says why.
const STAYS: &[(&str, &str)] = &[
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

struct Planter {
    /// Which of the types of a choice is planted.
    turn: usize,
    planted: usize,
}

impl Planter {
    fn resource(&mut self, kind: &str) -> Value {
        let of = Type::named(kind).expect("a resource type");
        let mut members = self.members(of, if self.turn == 0 { DEPTH } else { LESS_DEEP });
        members.insert("resourceType".to_owned(), kind.into());
        members.into()
    }

    fn members(&mut self, of: Type, depth: usize) -> Map<String, Value> {
        let mut members = Map::new();
        for element in of.elements() {
            if !self.is_turn(of, element) || depth == 0 && element.of().kind() != Kind::Primitive {
                continue;
            }
            // Without these a resource says something else, and goes whole: another test is about that.
            if matches!(element.name(), "modifierExtension" | "implicitRules") {
                continue;
            }
            let Some(value) = self.value(of, element, depth) else { continue };
            if element.of().kind() == Kind::Primitive && depth > 1 && element.name() != "id" {
                let twin = json!({"id": self.mark(), "extension": [{"url": self.mark(), "valueString": self.mark()}]});
                members.insert(format!("_{}", element.name()), if element.is_array() { json!([twin]) } else { twin });
            }
            members.insert(element.name().to_owned(), if element.is_array() { json!([value]) } else { value });
        }
        members
    }

    /// Of a choice one type is there at a time.
    fn is_turn(&self, of: Type, element: &Element) -> bool {
        let Some(choice) = element.choice() else { return true };
        let count = of.choice(choice).count();
        of.choice(choice).position(|own| own.name() == element.name()) == Some(self.turn % count)
    }

    fn value(&mut self, around: Type, element: &Element, depth: usize) -> Option<Value> {
        let of = element.of();
        let path = format!("{}.{}", around.name(), element.name());
        Some(match of.kind() {
            Kind::AnyResource => return None,
            Kind::Primitive if STAYS.iter().any(|(stays, _)| *stays == path) => "harmless".into(),
            Kind::Primitive => match of.name() {
                "boolean" => true.into(),
                "integer" | "positiveInt" | "unsignedInt" => 1.into(),
                "decimal" => 1.5.into(),
                "code" => "code".into(),
                "date" => self.date(DAY),
                "dateTime" | "instant" => self.date(&format!("{DAY}T10:27:10.27Z")),
                "time" => self.date("10:27:10.27"),
                "xhtml" => format!("<div>{}</div>", self.mark()).into(),
                _ if path == "Reference.reference" => format!("Patient/{}", self.mark()).into(),
                _ if element.name() == "postalCode" => self.mark().into(),
                _ => self.mark().into(),
            },
            _ => self.members(of, depth - 1).into(),
        })
    }

    fn date(&mut self, text: &str) -> Value {
        self.planted += 1;
        text.into()
    }

    fn mark(&mut self) -> String {
        self.planted += 1;
        format!("{MARK}{}", self.planted)
    }
}

fn safe_harbor() -> Rc<Program> {
    compile_preset("hipaa-safe-harbor", &|name| (name == "PHI_KEY").then(|| PHI_KEY.to_owned())).expect("the preset")
}

fn leaves_nothing(program: &Rc<Program>, text: &str, what: &str) {
    let mut options = Options::new(Format::FhirJson);
    (options.now, options.hold_back) = (Some(1_795_500_000), 64 << 20);
    let outcome = run(program, options, [text.as_bytes()]);
    assert_eq!(outcome.verdict, Ok(()), "{what}");
    let left = String::from_utf8(outcome.output).expect("UTF-8");
    let value: Value = serde_json::from_str(&left).expect("JSON");
    for text in [left, value.to_string()] {
        for planted in [MARK, "10-27", "10:27"] {
            let around = text.find(planted).map(|at| text.get(at.saturating_sub(120)..at + 40).unwrap_or("at the end"));
            assert_eq!(around, None, "{what}: `{planted}` was left");
        }
    }
}

#[test]
fn safe_harbor_leaves_nothing_that_was_planted_in_any_resource_type() {
    let program = safe_harbor();
    let (mut types, mut planted) = (0, 0);
    for kind in ResourceType::names() {
        // Enough turns for each type of each choice outside Extension, which goes whole.
        for turn in 0..12 {
            let mut planter = Planter { turn, planted: 0 };
            let resource = planter.resource(kind);
            planted += planter.planted;
            leaves_nothing(&program, &resource.to_string(), &format!("{kind}, turn {turn}"));
        }
        types += 1;
    }
    assert_eq!(types, 146);
    assert!(planted > 50_000, "{planted} were planted");
}

#[test]
fn safe_harbor_finds_what_is_spelled_with_escapes_and_stands_in_other_resources() {
    let program = safe_harbor();
    let mut planter = Planter { turn: 0, planted: 0 };
    let patient = planter.resource("Patient");
    let mut observation = planter.resource("Observation");
    observation["contained"] = json!([patient, planter.resource("RelatedPerson")]);
    let parameters = json!({"resourceType": "Parameters", "parameter": [
        {"name": planter.mark(), "resource": observation},
        {"name": planter.mark(), "part": [{"name": planter.mark(), "valueHumanName": {"family": planter.mark()}}, {"name": planter.mark(), "resource": patient}]}]});
    let bundle = json!({"resourceType": "Bundle", "type": "searchset", "link": [{"relation": "self", "url": planter.mark()}],
        "entry": [{"fullUrl": format!("https://ehr.example/fhir/Patient/{}", planter.mark()), "resource": patient},
                  {"resource": parameters}, {"resource": {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": observation}]}}]});
    let text = bundle.to_string();
    leaves_nothing(&program, &text, "a Bundle");
    let escaped = text
        .replace(MARK, "\\u005aplanted")
        .replace("\"name\"", "\"n\\u0061me\"")
        .replace("\"resource\"", "\"\\u0072esource\"");
    leaves_nothing(&program, &escaped, "a Bundle with escapes");
}

#[test]
fn without_its_key_safe_harbor_leaves_no_ids_at_all() {
    let program = compile_preset("hipaa-safe-harbor", &|_| None).expect("the preset");
    let text =
        json!({"resourceType": "Observation", "id": "o1", "status": "final", "subject": {"reference": "Patient/p1"}});
    let outcome = run(&program, Options::new(Format::FhirJson), [text.to_string().as_bytes()]);
    let left: Value = serde_json::from_slice(&outcome.output).expect("JSON");
    assert_eq!((left.get("id"), left.get("subject"), &left["status"]), (None, None, &json!("final")));
}
