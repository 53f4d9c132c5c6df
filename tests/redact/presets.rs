//! Presets over random resources of any type, broken in random ways: what leaves is JSON without repeated keys, the same
//! however it is cut, and a second time it gets no more tags.

use std::collections::BTreeSet;
use std::rc::Rc;

use carewarden::fhir::ResourceType;
use carewarden::fhir::elements::{Element, Kind, Type};
use carewarden::redact::{Error, Format, Options, Program, compile_preset, preset};
use serde_json::{Map, Value, json};

use crate::random::Random;
use crate::support::{PHI_KEY, program, run};

/// Resources under each profile; `CAREWARDEN_CASES` asks for others.
const CASES: u64 = 150;

const TEXTS: &[&str] =
    &["", "x", "1980-02-03", "1920", "2020-01-02T03:04:05Z", "98052", "Patient/1", "urn:uuid:1", "#", "a", "US"];

fn resource(random: &mut Random, depth: usize) -> Value {
    let names = ResourceType::names();
    let kind = names[random.below(names.len())];
    let kind = if random.below(4) == 0 { ["Bundle", "Parameters", "Patient"][random.below(3)] } else { kind };
    let of = Type::named(kind).expect("a resource type");
    let mut members = members(random, of, depth);
    members.push(("resourceType".to_owned(), kind.into()));
    if random.below(2) == 0 {
        members.reverse();
    }
    members.into_iter().collect::<Map<String, Value>>().into()
}

/// Members, in an order of their own.
fn members(random: &mut Random, of: Type, depth: usize) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for element in of.elements() {
        let wanted =
            matches!(element.name(), "meta" | "security" | "subject" | "recorded" | "fullUrl" | "resource" | "entry");
        let is_modifier = matches!(element.name(), "modifierExtension" | "implicitRules");
        if random.below(if is_modifier {
            40
        } else if wanted {
            2
        } else {
            8
        }) != 0
        {
            continue;
        }
        let one = |random: &mut Random| value(random, element, depth);
        let value = match (element.is_array(), random.below(12)) {
            // What is of another form than R4 says.
            (true, 0) | (false, 1..12) => one(random),
            (true, 1..12) => (0..1 + random.below(3)).map(|_| one(random)).collect(),
            _ => json!([one(random)]),
        };
        if element.of().kind() == Kind::Primitive && random.below(4) == 0 {
            let twin = json!({"id": "i", "extension": [{"url": "u", "valueString": "s"}]});
            all.push((format!("_{}", element.name()), if value.is_array() { json!([null, twin]) } else { twin }));
        }
        all.push((element.name().to_owned(), value));
    }
    if random.below(10) == 0 {
        all.push(("stranger".to_owned(), json!([{"x": 1}, {}])));
    }
    all
}

fn value(random: &mut Random, element: &Element, depth: usize) -> Value {
    let of = element.of();
    match of.kind() {
        _ if random.below(30) == 0 => [json!(null), json!({}), json!([]), json!(1.5), json!("y")][random.below(5)].clone(),
        Kind::AnyResource if depth > 0 => resource(random, depth - 1),
        Kind::AnyResource => json!({"resourceType": "Basic", "id": "1"}),
        Kind::Primitive => match of.name() {
            "boolean" => true.into(),
            "integer" | "positiveInt" | "unsignedInt" | "decimal" => json!(random.below(200)),
            "date" | "dateTime" | "instant" => TEXTS[2 + random.below(3)].into(),
            "code" if element.name() == "code" => ["a", "REDACTED", "mo"][random.below(3)].into(),
            "uri" if element.name() == "system" => {
                ["http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "urn:x"][random.below(2)].into()
            }
            _ => TEXTS[random.below(TEXTS.len())].into(),
        },
        _ if depth == 0 => json!({"id": "1"}),
        _ => members(random, of, depth - 1).into_iter().collect::<Map<String, Value>>().into(),
    }
}

/// Whether no key stands twice in an object, where `serde_json` takes the last.
fn has_each_key_once(text: &str, value: &Value) -> bool {
    fn count(value: &Value) -> usize {
        match value {
            Value::Object(members) => members.len() + members.values().map(count).sum::<usize>(),
            Value::Array(items) => items.iter().map(count).sum(),
            _ => 0,
        }
    }
    // No text here has a colon after a quote.
    text.matches("\":").count() == count(value)
}

fn profiles() -> Vec<(String, Rc<Program>)> {
    let env = |name: &str| (name == "PHI_KEY").then(|| PHI_KEY.to_owned());
    let presets = preset::names().map(|name| (name.to_owned(), compile_preset(name, &env).expect("the preset")));
    let shift = |of: &str| json!({"type": of, "action": {"shift_dates": {"key": {"env": "PHI_KEY"}}}});
    let others = [
        json!({"unknown": "remove", "security_tag": true, "rules": [shift("date"), shift("dateTime"), shift("instant"),
            {"type": "Address", "child": "postalCode", "action": {"zip3": {}}}, {"type": "Age", "action": "age_cap"}]}),
        json!({"security_tag": true, "rules": [{"type": "Coding", "having": {"code": "a"}, "action": "remove"},
            {"json_path": "$.meta.security", "action": {"mask": {}}}, {"key": "id", "where": {"url": "u"}, "action": "remove"},
            {"json_path": "$..identifier[1]", "action": "remove"}, {"type": "string", "action": {"scan": ["date", "us_zip"]}}]}),
    ];
    presets.chain(others.iter().map(|profile| (profile.to_string(), program(profile)))).collect()
}

#[test]
fn what_leaves_is_sound_however_it_is_cut() {
    let cases = std::env::var("CAREWARDEN_CASES").map_or(CASES, |cases| cases.parse().expect("a number"));
    let (mut left, mut refused) = (0, BTreeSet::new());
    for (name, profile) in profiles() {
        for seed in 0..cases {
            let random = &mut Random::new(seed);
            let text = resource(random, 3).to_string();
            let mut options = Options::new(Format::FhirJson);
            options.now = Some(1_795_500_000);
            let whole = run(&profile, options, [text.as_bytes()]);
            let context = || format!("seed {seed}, {name}\n{text}\n{}", whole.output.escape_ascii());
            for size in [1, 7, 1 + random.below(100)] {
                let pieces = run(&profile, options, text.as_bytes().chunks(size));
                assert_eq!(pieces.verdict, whole.verdict, "{size}: {}", context());
                assert!(whole.verdict.is_err() || pieces == whole, "{size}: {}", context());
            }
            if let Err(error) = whole.verdict {
                refused.insert(error.name());
                continue;
            }
            left += 1;
            let output = std::str::from_utf8(&whole.output).expect("UTF-8");
            let value: Value = serde_json::from_str(output).unwrap_or_else(|error| panic!("{error}: {}", context()));
            assert!(has_each_key_once(output, &value), "{}", context());
            let again = run(&profile, options, [whole.output.as_slice()]);
            if again.verdict == Err(Error::Emptied) {
                // All that was left was what the first time wrote.
                continue;
            }
            assert_eq!(again.verdict, Ok(()), "{}", context());
            let again: Value = serde_json::from_slice(&again.output).expect("JSON");
            let tags = |value: &Value| value["meta"]["security"].as_array().map(Vec::len);
            assert_eq!(tags(&again), tags(&value), "{}", context());
        }
    }
    assert!(left > cases, "only {left} were not refused: {refused:?}");
}
