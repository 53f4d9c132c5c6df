//! `hipaa-safe-harbor` over every resource type: what identifies someone is planted wherever the tables of R4 have room
//! for it, and looked for in what leaves, as bytes and after unescaping.

use std::collections::BTreeSet;
use std::rc::Rc;

use carewarden::fhir::ResourceType;
use carewarden::fhir::elements::{Element, Kind, Type};
use carewarden::redact::{Format, Options, Program, compile_preset};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::safe_harbor::{NEVER_ELEMENTS, STAYS, first_left};
use crate::support::{PHI_KEY, run};

/// How deep elements are planted in elements: as deep as it goes in the first turn, less so in those for other choices.
const DEPTH: usize = 4;
const LESS_DEEP: usize = 2;

/// What a planted text contains, in any position.
const MARK: &str = "Zplanted";

/// A day whose month and day must not be left; no year has these digits.
const DAY: &str = "2019-10-27";

/// An age over 89, which no other number has the digits of.
const AGE: f64 = 93.47;

#[derive(Default)]
struct Planter {
    /// Which of the types of a choice is planted.
    turn: usize,
    planted: usize,
    /// The elements that lead to the one at hand.
    path: Vec<(Type, &'static str)>,
    /// Where something was planted, or in what: from resources, and from datatypes.
    covered: BTreeSet<String>,
    /// The most types of a choice. Those of Extension do not count: it goes whole.
    choices: usize,
}

impl Planter {
    fn of_turn(turn: usize) -> Self {
        Self { turn, ..Self::default() }
    }

    fn resource(&mut self, kind: &str) -> Value {
        let of = Type::named(kind).expect("a resource type");
        self.path.clear();
        // These have deep inside what may be of many types.
        let is_deep = self.turn == 0 || matches!(kind, "CarePlan" | "Contract" | "StructureMap" | "StructureDefinition");
        let mut members = self.members(of, if is_deep { DEPTH } else { LESS_DEEP });
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
            self.path.push((of, element.name()));
            let value = self.value(of, element, depth);
            self.path.pop();
            let Some(value) = value else { continue };
            if element.of().kind() == Kind::Primitive && depth > 1 && element.name() != "id" {
                let twin = json!({"id": self.mark(), "extension": [{"url": self.mark(), "valueString": self.mark()}]});
                members.insert(format!("_{}", element.name()), if element.is_array() { json!([twin]) } else { twin });
            }
            members.insert(element.name().to_owned(), if element.is_array() { json!([value]) } else { value });
        }
        members
    }

    /// Of a choice one type is there at a time.
    fn is_turn(&mut self, of: Type, element: &Element) -> bool {
        let Some(choice) = element.choice() else { return true };
        let count = of.choice(choice).count();
        if of.name() != "Extension" {
            self.choices = self.choices.max(count);
        }
        of.choice(choice).position(|own| own.name() == element.name()) == Some(self.turn % count)
    }

    fn value(&mut self, around: Type, element: &Element, depth: usize) -> Option<Value> {
        let of = element.of();
        let path = format!("{}.{}", around.name(), element.name());
        Some(match of.kind() {
            Kind::AnyResource => return None,
            Kind::Primitive if STAYS.iter().any(|(stays, _)| *stays == path) => "harmless".into(),
            _ if NEVER_ELEMENTS.contains(&&*path) || of.name() == "Age" => {
                self.cover();
                self.planted += 1;
                let age = json!({"value": AGE, "unit": "years", "system": "http://unitsofmeasure.org", "code": "a"});
                match of.name() {
                    "Age" => age,
                    "Range" => json!({"low": age, "high": age}),
                    _ => json!({"longitude": AGE, "latitude": AGE}),
                }
            }
            Kind::Primitive
                if !matches!(of.name(), "boolean" | "integer" | "positiveInt" | "unsignedInt" | "decimal" | "code") =>
            {
                self.cover();
                self.text(&path, element)
            }
            Kind::Primitive => match of.name() {
                "boolean" => true.into(),
                "decimal" => 1.5.into(),
                "code" => "code".into(),
                _ => 1.into(),
            },
            _ => self.members(of, depth - 1).into(),
        })
    }

    fn text(&mut self, path: &str, element: &Element) -> Value {
        match element.of().name() {
            "date" => self.date(DAY),
            "dateTime" | "instant" => self.date(&format!("{DAY}T10:27:10.27Z")),
            "time" => self.date("10:27:10.27"),
            "xhtml" => format!("<div>{}</div>", self.mark()).into(),
            _ if path == "Reference.reference" => format!("Patient/{}", self.mark()).into(),
            _ => self.mark().into(),
        }
    }

    /// Something is planted here, so in all that is around it.
    fn cover(&mut self) {
        let mut path = self.path.first().map(|(of, _)| of.name().to_owned()).unwrap_or_default();
        for (of, name) in &self.path {
            path = format!("{path}.{name}");
            self.covered.insert(path.clone());
            self.covered.insert(format!("{}.{name}", of.name()));
        }
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
    assert_eq!(first_left(&value), None, "{what}");
    for text in [left, value.to_string()] {
        for planted in [MARK, "10-27", "10:27", "93.47"] {
            let around = text.find(planted).map(|at| text.get(at.saturating_sub(120)..at + 40).unwrap_or("at the end"));
            assert_eq!(around, None, "{what}: `{planted}` was left");
        }
    }
}

#[test]
fn safe_harbor_leaves_nothing_that_was_planted_in_any_resource_type() {
    let program = safe_harbor();
    let (mut types, mut planted, mut covered) = (0, 0, BTreeSet::new());
    for kind in ResourceType::names() {
        // Each type of each choice has its turn.
        let (mut turn, mut choices) = (0, 1);
        while turn < choices {
            let mut planter = Planter::of_turn(turn);
            let resource = planter.resource(kind);
            planted += planter.planted;
            choices = choices.max(planter.choices);
            covered.append(&mut planter.covered);
            leaves_nothing(&program, &resource.to_string(), &format!("{kind}, turn {turn}"));
            turn += 1;
        }
        types += 1;
    }
    assert_eq!(types, 146);
    assert!(planted > 50_000, "{planted} were planted");
    is_everywhere_that_identifies(&covered);
}

/// Elements that may identify someone: `tests/fixtures/fhir/identifiers.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identifying {
    about: String,
    /// By datatype.
    datatypes: std::collections::BTreeMap<String, Vec<String>>,
    /// By what they begin with.
    elements: std::collections::BTreeMap<String, Vec<String>>,
}

/// Of every element that is known to identify someone, something was planted in it.
fn is_everywhere_that_identifies(covered: &BTreeSet<String>) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fhir/identifiers.json");
    let text = std::fs::read_to_string(path).expect("it can be read");
    let Identifying { about, datatypes, elements } = serde_json::from_str(&text).expect("identifying elements");
    assert!(!about.is_empty());
    let capital = |name: &str| name.split_at(1).0.to_uppercase() + name.split_at(1).1;
    let by_datatype = datatypes.iter().flat_map(|(of, paths)| {
        paths.iter().map(move |path| (path.replace("[x]", &capital(of)), path.contains("[x]").then_some(of)))
    });
    let by_name = elements.iter().flat_map(|(of, paths)| paths.iter().map(move |path| (format!("{of}.{path}"), None)));
    let (mut looked, mut missed) = (0, Vec::new());
    for (path, _) in by_datatype.chain(by_name) {
        looked += 1;
        let stays = STAYS.iter().any(|(stays, _)| *stays == path);
        // Of a choice that is not said to be of some type, any will do.
        let begins = |covered: &&String| path.strip_suffix("[x]").is_some_and(|base| covered.starts_with(base));
        // An extension goes whole, whatever it has.
        let stays = stays || path.starts_with("Extension.");
        let path = path.replace("Resource.id", "Patient.id");
        if !stays && !covered.contains(&path) && !covered.iter().any(|covered| begins(&covered)) {
            missed.push(path);
        }
    }
    assert!(looked > 1500, "only {looked} were looked for");
    assert!(missed.is_empty(), "{} were not planted: {missed:#?}", missed.len());
}

#[test]
fn safe_harbor_finds_what_is_spelled_with_escapes_and_stands_in_other_resources() {
    let program = safe_harbor();
    let mut planter = Planter::of_turn(0);
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

#[test]
fn safe_harbor_leaves_no_age_over_89_in_whatever_unit() {
    let program = safe_harbor();
    for (value, code, left) in [
        ("93.5", "a", None),
        ("1122", "mo", None),
        ("4875", "wk", None),
        ("34150", "d", None),
        ("88.5", "a", Some("88.5")),
        ("600", "mo", Some("600")),
        ("5000", "mg", Some("5000")),
    ] {
        let quantity = format!(r#"{{"value":{value},"system":"http://unitsofmeasure.org","code":"{code}"}}"#);
        let text = format!(
            r#"{{"resourceType":"Observation","status":"final","component":[{{"valueQuantity":{quantity}}}],"valueQuantity":{quantity}}}"#
        );
        let mut options = Options::new(Format::FhirJson);
        options.now = Some(1_795_500_000);
        let outcome = run(&program, options, [text.as_bytes()]);
        assert_eq!(outcome.verdict, Ok(()));
        let output = String::from_utf8(outcome.output).expect("UTF-8");
        assert_eq!(output.matches(value).count(), if left.is_some() { 2 } else { 0 }, "{value} {code}: {output}");
        assert_eq!(output.matches(r#""value":90"#).count(), if left.is_some() { 0 } else { 2 }, "{value} {code}: {output}");
    }
}

/// Over the published examples of R4, say, which are not part of this repository: of each resource nothing is left that
/// may not be, it keeps its type, and what leaves does not depend on the pieces. A file that does not hold one resource of
/// R4 is passed over.
///
/// `CAREWARDEN_EXAMPLES=folder cargo test --test redact examples -- --ignored --nocapture`
#[test]
#[ignore = "needs a folder of examples"]
#[expect(clippy::print_stdout, reason = "it says what it saw")]
fn safe_harbor_leaves_nothing_in_a_folder_of_examples() {
    let program = safe_harbor();
    let folder = std::env::var("CAREWARDEN_EXAMPLES").expect("CAREWARDEN_EXAMPLES names a folder");
    let (mut types, mut refused) = (BTreeSet::new(), Vec::new());
    let mut ran = 0;
    for file in std::fs::read_dir(folder).expect("it can be listed") {
        let path = file.expect("a file").path();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let Ok(came) = serde_json::from_str::<Value>(&text) else { continue };
        let Some(kind) = came["resourceType"].as_str().filter(|kind| ResourceType::parse(kind).is_some()) else { continue };
        let mut options = Options::new(Format::FhirJson);
        options.now = Some(1_795_500_000);
        let outcome = run(&program, options, [text.as_bytes()]);
        let pieces = run(&program, options, text.as_bytes().chunks(977));
        assert_eq!((outcome.verdict, &outcome.summary), (pieces.verdict, &pieces.summary), "{}", path.display());
        if let Err(error) = outcome.verdict {
            refused.push(format!("{}: {error}", path.display()));
            continue;
        }
        assert!(outcome.output == pieces.output, "{}: it depends on the pieces", path.display());
        let left: Value = serde_json::from_slice(&outcome.output).expect("JSON");
        assert_eq!(first_left(&left), None, "{}", path.display());
        assert_eq!(left["resourceType"], kind, "{}", path.display());
        types.insert(kind.to_owned());
        ran += 1;
    }
    println!("{ran} resources of {} types; refused: {refused:#?}", types.len());
    assert!(types.len() >= 60, "only {} types", types.len());
}
